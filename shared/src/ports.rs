//! What the flows need from the outside: small traits, each with an adapter for one machine (`embedded`) and for AWS (`aws`).
//! One contract suite runs against both.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    domain::{
        ids::{ConnectionId, ErpId, OperatorId, OrderId, OrderKey},
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
        message::Message,
        record::{Entry, Head, State, Write, Written},
        search::{SearchKey, Term},
        sign::{Identity, Party, Sign},
        task::Run,
        version::Version,
    },
};

/// The records of orders and what lies beside them.
#[async_trait]
pub trait Records: Send + Sync {
    /// The head, read consistently.
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>>;

    /// One conditional write. A write that our own retry had already applied is `Applied`.
    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written>;

    /// Keeps the payload of a version; the same again changes nothing. Old versions beyond the last few may be dropped, but
    /// never those of `desired`, `applied` or an intent.
    async fn keep(&self, key: &OrderKey, version: &Version, payload: &Payload) -> Result<()>;

    /// The payload of a version.
    async fn payload(&self, key: &OrderKey, version: &Version) -> Result<Option<Payload>>;

    /// Orders of `connection` due at `now`, earliest first: an index, which may lag and only suggests.
    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<OrderKey>>;

    /// The earliest `due` of `connection`, from the same index.
    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>>;

    /// Orders that are, or once were, found under `term`, by connection and order, after `after`: an index, which may lag. Of one
    /// connection, or of all.
    async fn find(
        &self,
        term: &Term,
        connection: Option<&ConnectionId>,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<Vec<OrderKey>>;

    /// The key under which buyers' e-mails are kept for search. Where there is none yet, `chance` draws one, and the first of several
    /// stands; without it there is none.
    async fn search_key(&self, chance: Option<&dyn Chance>) -> Result<Option<SearchKey>>;

    /// Adds lines to timelines. Lines of one order keep their order.
    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()>;

    /// The timeline of an order, oldest first.
    async fn timeline(&self, key: &OrderKey) -> Result<Vec<Entry>>;

    /// A page of heads, most recently changed first.
    async fn list(&self, query: &Query) -> Result<Page>;

    /// How many orders of a connection are in each state (from the index).
    async fn counts(&self, connection: &ConnectionId) -> Result<HashMap<State, u64>>;

    /// Ids of ERP records known under names: products by SKU, customers by reference. Missing ones are left out.
    async fn ids(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>>;

    /// Remembers ids.
    async fn learn(&self, erp: &ErpId, ids: &[(String, String)]) -> Result<()>;

    /// Forgets ids: the ERP did not know them any more.
    async fn forget(&self, erp: &ErpId, names: &[String]) -> Result<()>;

    /// A named position, such as the last time a backfill reached.
    async fn cursor(&self, name: &str) -> Result<Option<String>>;

    /// Moves it.
    async fn set_cursor(&self, name: &str, value: &str) -> Result<()>;

    /// Whether the records can be reached now.
    async fn ready(&self) -> Result<()>;
}

/// The stored content of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A canonical order, serialised.
    Order(Bytes),
    /// A body nobody could map, raw as it came.
    Raw(Bytes),
}

/// Which heads to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Whose.
    pub connection: ConnectionId,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that were written at this time or later.
    pub from: Option<Timestamp>,
    /// At most so many, 1 to 200.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<Place>,
}

/// A place in the list of a connection, which shows the latest write first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// After what was written later than this.
    pub updated: Timestamp,
    /// … and, of what was written at that time, after this order; without one, after all of it.
    pub order: Option<OrderId>,
}

/// A page of heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The heads.
    pub heads: Vec<Head>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<Place>,
}

/// The ledger of each ERP account: lease and limiter.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The item as it is, read consistently; a fresh one if there is none.
    async fn ledger(&self, erp: &ErpId) -> Result<Ledger>;

    /// See [`Ledger::take`].
    async fn take(
        &self,
        erp: &ErpId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken>;

    /// See [`Ledger::leave_mark`].
    async fn mark(&self, erp: &ErpId, now: Timestamp) -> Result<bool>;

    /// See [`Ledger::release`].
    async fn release(&self, erp: &ErpId, epoch: u64, seen: Option<u64>) -> Result<Released>;

    /// See [`Ledger::reserve`]. If the ledger cannot be reached the caller must not send: fail closed.
    async fn reserve(
        &self,
        erp: &ErpId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<std::result::Result<Slots, Denied>>;

    /// See [`Ledger::block`].
    async fn block(&self, erp: &ErpId, until: Timestamp, because: &str) -> Result<()>;

    /// See [`Ledger::unblock`].
    async fn unblock(&self, erp: &ErpId) -> Result<()>;

    /// Writes down a departure, if the lease is still ours (`epoch`). See [`Ledger::departed`].
    async fn departed(&self, erp: &ErpId, epoch: u64, departed: &Departed) -> Result<()>;
}

/// What is known of connections, accounts and tasks themselves, beside the orders.
#[async_trait]
pub trait Signs: Send + Sync {
    /// Keeps when something was seen last; the same fact of the same party before it is forgotten.
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()>;

    /// The signs of each party, in the order asked for.
    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>>;

    /// Who a connection's shop is, if somebody has learnt it.
    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>>;

    /// Keeps who it is.
    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()>;

    /// Keeps how the last run of a task went; the one before is forgotten.
    async fn ran(&self, task: &str, run: &Run) -> Result<()>;

    /// The last run of each task, in the order asked for.
    async fn runs(&self, tasks: &[&str]) -> Result<Vec<Option<Run>>>;
}

/// The work queue and its dead-letter queue. At least once, in any order.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts messages in, each visible after `delay` (at most 15 minutes). One answer per message, in order: `Ok` means the
    /// queue has it durably.
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>>;

    /// Takes up to `max` messages, waiting up to `wait` for the first. Each stays invisible until deleted or its visibility
    /// time-out is over.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>>;

    /// Deletes a delivered message.
    async fn delete(&self, receipt: &str) -> Result<()>;

    /// Puts a message into the dead-letter queue, with its reason.
    async fn bury(&self, message: &Message, reason: &str) -> Result<()>;

    /// What lies in the dead-letter queue, as far as can be seen now.
    async fn dead(&self, limit: usize) -> Result<Vec<Dead>>;

    /// Moves up to `limit` messages of the dead-letter queue back to the work queue: how many were moved.
    async fn redrive(&self, limit: usize) -> Result<usize>;

    /// Whether the queue can be reached now.
    async fn ready(&self) -> Result<()>;
}

/// A delivered message.
#[derive(Debug)]
pub struct Delivery {
    /// Deletes it.
    pub receipt: String,
    /// How often it was delivered, this time included.
    pub receives: u32,
    /// The message, or why it cannot be decoded.
    pub message: Result<Message>,
}

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The message, if it can be decoded.
    pub message: Option<Message>,
    /// Why it is there: the words given, or that it was received too often.
    pub reason: String,
    /// Since when, if known.
    pub since: Option<Timestamp>,
}

/// Where the secrets come from that the configuration only names.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secrets of a bundle, by the names that the configuration has for them.
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, SecretString>>;
}

/// Secrets that are kept, and may be read, together: those of one part of the configuration that one role needs. What faces the
/// internet needs [`Bundle::Edge`] alone, and is let to read nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bundle {
    /// What a connection's callers show and sign with: its keys and webhook secrets.
    Edge(ConnectionId),
    /// What opens a connection's store.
    Worker(ConnectionId),
    /// What opens an ERP account.
    Erp(ErpId),
    /// What an operator of `puente serve` shows.
    Operator(OperatorId),
}

impl fmt::Display for Bundle {
    /// Its name, such as `edge/acme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge(id) => write!(f, "edge/{id}"),
            Self::Worker(id) => write!(f, "worker/{id}"),
            Self::Erp(id) => write!(f, "erp/{id}"),
            Self::Operator(id) => write!(f, "operator/{id}"),
        }
    }
}

/// The time. Flows never ask the system.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Sleeps until a time.
    async fn sleep_until(&self, when: Timestamp);
}

/// Chance: jitter and unguessable tokens. Flows never draw from the system themselves, so that a simulation replays.
pub trait Chance: Send + Sync {
    /// A number below `n`, each equally likely; 0 if `n` is 0.
    fn below(&self, n: u64) -> u64;
    /// A text nobody else has.
    fn token(&self) -> String;
}

/// The system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { rand::random_range(0..n) }
    }
    fn token(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
#[allow(clippy::disallowed_methods, reason = "the one home of the system's time")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn sleep_until(&self, when: Timestamp) {
        let wait = when.duration_since(Timestamp::now());
        if let Ok(wait) = Duration::try_from(wait) {
            tokio::time::sleep(wait).await;
        }
    }
}
