//! The business, as verbs. Each file can be read in one sitting; all I/O goes through [`crate::ports`], connectors and
//! [`crate::outbound`].

pub mod backfill;
pub mod depart;
pub mod identity;
pub mod ingest;
pub mod record;
pub mod signs;
pub mod sweep;
pub mod work;

use std::sync::Arc;

use crate::{
    Error, Kind,
    outbound::Client,
    parties::Settings,
    ports::{Accounts, Chance, Clock, Queue, Records},
};

/// Everything a flow works with. Clients and caches only: no state survives from one order to the next.
#[derive(Clone)]
pub struct Puente {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The orders' records.
    pub records: Arc<dyn Records>,
    /// The ERP accounts' ledgers.
    pub accounts: Arc<dyn Accounts>,
    /// Signs of life.
    pub signs: signs::Signs,
    /// The work queue.
    pub queue: Arc<dyn Queue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter and tokens.
    pub chance: Arc<dyn Chance>,
    /// The way out.
    pub client: Client,
}

/// Whether a read failed for what was read, which a later release wrote, perhaps, and not because the records cannot be asked: then it
/// must not keep the others waiting.
fn is_of_one_record(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Unavailable | Kind::Limited)
}
