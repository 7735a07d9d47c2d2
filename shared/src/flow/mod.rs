//! The business, as verbs. Each file can be read in one sitting; all I/O goes through [`crate::ports`], connectors and
//! [`crate::outbound`].

pub mod ask;
mod block;
pub mod depart;
pub mod goods;
pub mod identity;
pub mod ingest;
mod permits;
pub mod record;
pub mod search;
pub mod signs;
pub mod task;
pub mod tasks;
pub mod tell;
pub mod work;

use std::sync::Arc;

use crate::{
    Error, Kind,
    domain::ids::AccountId,
    outbound::{Client, Keeper},
    parties::Settings,
    ports::{Accounts, Chance, Clock, Cursors, Doors, Goods, Known, Prices, Queue, Records, Shipments, Tokens},
};

/// Everything a flow works with. Clients and caches only: no state survives from one order to the next.
#[derive(Clone)]
pub struct Puente {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The orders' records.
    pub records: Arc<dyn Records>,
    /// What is remembered of ERPs' articles and customers.
    pub known: Arc<dyn Known>,
    /// How far the backfill got.
    pub cursors: Arc<dyn Cursors>,
    /// What the front doors of `puente serve` let in.
    pub doors: Arc<dyn Doors>,
    /// The shelves: what is left to sell, and what stores are told of it.
    pub goods: Arc<dyn Goods>,
    /// The price tags: what ERPs say that articles cost, and what stores have.
    pub prices: Arc<dyn Prices>,
    /// The shipments: what ERPs sent of orders, and what their stores were told of it.
    pub shipments: Arc<dyn Shipments>,
    /// The accounts' ledgers.
    pub accounts: Arc<dyn Accounts>,
    /// Signs of life.
    pub signs: signs::Signs,
    /// What accounts give us for a time.
    pub tokens: Arc<dyn Tokens>,
    /// The work queue.
    pub queue: Arc<dyn Queue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter and tokens.
    pub chance: Arc<dyn Chance>,
    /// The way out.
    pub client: Client,
    /// What happens is told here.
    pub tell: tell::Tell,
}

impl Puente {
    /// The keeper of the token of `account`.
    #[must_use]
    pub fn keeper(&self, account: AccountId) -> Keeper {
        Keeper::new(self.tokens.clone(), account, self.clock.clone())
    }
}

/// Whether only this one record could not be read (a later release wrote it, say), while the records as a whole can be asked. Such a
/// record is skipped: it must not keep the other orders waiting.
pub(crate) fn is_of_one_record(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Unavailable | Kind::Limited)
}
