//! What a conductor's pass over what is due takes, and comes to.

use jiff::SignedDuration;

use crate::{Error, Kind, store::goods::NotSet};

/// What a pass takes where nothing is slow. One that is cut short leaves what it began in doubt, which is looked at again: begun all the
/// same.
pub(super) const PASS: SignedDuration = SignedDuration::from_secs(10);

/// The longest that a call to a store may take, from the wait for its turn to its last byte.
pub(super) const CALL: SignedDuration = SignedDuration::from_secs(60);

/// From when on a number whose answer was lost cannot land any more, counted from the last moment at which it may have been sent.
pub(super) const SETTLE: SignedDuration = SignedDuration::from_secs(60);

/// How long a store that takes a number or a price and has another one afterwards is left alone.
pub(super) const DISAGREES: SignedDuration = SignedDuration::from_mins(15);

/// How long a number or a price that a store refused is not tried again, whatever changes: it would be refused again.
pub(super) const REFUSED: SignedDuration = SignedDuration::from_hours(6);

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
    /// Prices that were looked at.
    pub prices: u32,
    /// Of these, written to the store.
    pub prices_written: u32,
    /// Of these, not taken.
    pub prices_failed: u32,
    /// Whether the store could not be asked for its prices: whoever asks next asks later.
    pub put_off: bool,
    /// Shipments that were looked at.
    pub shipments: u32,
    /// Whether some could not be read here: another release's, which are looked at when the sweeper comes by.
    pub unreadable: bool,
}

/// An answer for each of so many: where a connector gave fewer, the rest is in doubt.
pub(super) fn one_each<T>(mut answers: Vec<Result<T, NotSet>>, of: usize) -> Vec<Result<T, NotSet>> {
    let missing = || NotSet::Unknown(Error::new(Kind::Bug, "the store's connector did not answer for it"));
    answers.resize_with(of, || Err(missing()));
    answers
}
