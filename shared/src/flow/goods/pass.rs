//! What a conductor's pass over what is due takes, and comes to.

use jiff::SignedDuration;

/// What a pass takes where nothing is slow. One that is cut short leaves what it began in doubt, which is looked at again: begun all the
/// same.
pub(super) const PASS: SignedDuration = SignedDuration::from_secs(10);

/// The longest that a call to a store may take, from the wait for its turn to its last byte.
pub(super) const CALL: SignedDuration = SignedDuration::from_secs(60);

/// What a conductor did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conducted {
    /// Whether it had the lease; otherwise it left a mark.
    pub conducted: bool,
    /// Numbers that were looked at.
    pub looked_at: u32,
    /// Of these, written to the store.
    pub written: u32,
    /// Of these, not taken.
    pub failed: u32,
    /// Shipments that were looked at.
    pub shipments: u32,
    /// Whether some could not be read here: another release's, which are looked at when the sweeper comes by.
    pub unreadable: bool,
}
