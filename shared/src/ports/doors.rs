//! What was let in through each connection's front door.

use async_trait::async_trait;
use jiff::civil::Date;

use crate::{Result, domain::ids::ConnectionId};

/// How many requests were let in on a day, for each connection: the last day only. Nobody needs it exactly.
#[async_trait]
pub trait Doors: Send + Sync {
    /// The count that was kept last.
    async fn admitted(&self, connection: &ConnectionId) -> Result<Option<Admitted>>;

    /// Keeps a count; the one before is forgotten.
    async fn set_admitted(&self, connection: &ConnectionId, admitted: Admitted) -> Result<()>;
}

/// What was let in on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The day, of UTC.
    pub day: Date,
    /// How many requests.
    pub requests: u32,
}
