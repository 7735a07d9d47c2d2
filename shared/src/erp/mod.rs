//! The ERPs. A new one is a new folder and a new row in [`ERPS`]; the contract suite then enrols it by itself.
//!
//! A connector speaks one protocol, well: it renders documents, makes metered calls and classifies answers. It never retries,
//! sleeps, reads the environment or builds an HTTP client, and decides nothing about when: that is the conductor's.

pub mod booking;
#[cfg(test)]
mod doubles;
#[cfg(feature = "fixtures")]
pub mod kit;
pub mod odoo;
pub mod prices;
pub mod rest;
mod settings;
pub mod shipments;
mod status;
pub mod stock;
pub(crate) mod totals;
pub mod tryton;
pub mod wanted;
mod words;

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};

pub(crate) use self::words::{discreet, quotes, wordless};
use self::words::{quoted, repeatable};
pub use crate::ports::Ids;
use crate::{
    Error, Kind, Result, Retry,
    config::{Links, Section},
    domain::{
        audit::BookEntry,
        document::{Document, Operation, Step},
        ids::{OrderKey, Reference},
        order::Order,
        reason::Why,
        rules::Rules,
        version::Version,
    },
    outbound::Calls,
};

/// Every kind of ERP: the `kind` of its section, how it is built, and an example section for `puente config example`.
pub const ERPS: &[Row] = &[tryton::ROW, odoo::ROW, rest::ROW];

/// A kind of ERP.
#[derive(Clone, Copy)]
pub struct Row {
    /// As in `kind = "…"`.
    pub kind: &'static str,
    /// Builds one from its section (without `limits`, which are the account's).
    pub build: fn(&Section) -> Result<Box<dyn Erp>>,
    /// Where people look at its documents, as far as its section tells; read without its secrets.
    pub links: fn(&Section) -> Links,
    /// An example section, as TOML.
    pub example: &'static str,
    /// Its ERP as it is called and answers: for the sandbox, the suites and the fuzz targets.
    #[cfg(feature = "fixtures")]
    pub kit: &'static kit::Kit,
}

/// How far an ERP protects itself from a second document with the same reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// An idempotency key, or an upsert that only creates: one effect exactly.
    Key,
    /// A unique reference: the second create is refused. One effect exactly.
    Unique,
    /// A searchable reference: one effect, unless a create lands later than settle; that is reported.
    Searchable,
    /// Nothing: at most once, the rest is a person's.
    Nothing,
}

/// What a bulk call does when one of its documents is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bulk {
    /// All or nothing: a refused bulk is bisected.
    Atomic,
    /// Each document has its own answer.
    PerItem,
    /// Nobody knows: everything in a refused bulk is looked up.
    Unknown,
}

/// What a connector declares of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What becomes of the second of two such steps.
    pub class: Class,
    /// How a bulk behaves.
    pub bulk: Bulk,
    /// The most documents in one bulk, at least 1.
    pub max_bulk: usize,
}

impl Capabilities {
    /// Of a step whose operation the ERP cannot do any more, since its configuration changed meanwhile: nothing can be relied on.
    pub const NONE: Self = Self { class: Class::Nothing, bulk: Bulk::Unknown, max_bulk: 1 };
}

/// What a connector answers for an operation that it [cannot](Erp::can) do.
pub(crate) fn cannot(operation: Operation) -> SendError {
    SendError::Refused(Why::CannotDo { operation }.into())
}

/// How long an ERP may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// One call.
    pub timeout: Duration,
    /// From `start_by` until it can no longer be at work on a lost call (default: twice the time-out).
    pub settle: Duration,
}

/// A step to take, and all that is needed to render it.
#[derive(Clone)]
pub struct Job {
    /// Whose order.
    pub key: OrderKey,
    /// What to do, and the reference its document carries.
    pub step: Step,
    /// The version its document carries, in a field the look-up returns.
    pub version: Version,
    /// What its document is made from: the order; of a credit note what the refund gives back, see [`Order::credit`].
    pub order: Arc<Order>,
    /// The connection's rules.
    pub rules: Arc<Rules>,
}

/// A job rendered: everything is resolved, only the call is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The reference its document carries.
    pub reference: Reference,
    /// The connector's own form of the document, as text.
    pub body: String,
    /// What the document carries beside the order's own lines, for the order's timeline: a line of rounding.
    pub remark: Option<String>,
}

/// Why a job did not become a document (yet).
#[derive(Debug, Clone)]
pub enum SendError {
    /// For certain nothing happened, and it will not until a person changes something: unknown SKU, a total that differs.
    Refused(Error),
    /// For certain nothing happened; later it may (the error's retry says when).
    NotNow(Error),
    /// For certain nothing happened, and the whole account is the reason: quota, ban, outage, log-in. Nobody's order is to blame.
    Account(Error),
    /// For certain nothing happened, and the answer does not say whether the account is the reason or what the call carried: a 403
    /// of the ERP, or of a firewall before it; a 414. Said of all that the call carried: the flows halve it, and compare.
    Ambiguous(Error),
    /// It may have happened: to be looked up after settle.
    Unknown(Error),
    /// The ERP refused it because the reference exists: to be looked up and adopted.
    Exists,
}

impl SendError {
    /// Its customer is being created for another order, and cannot be looked up for so long: it waits, and is not to blame.
    #[must_use]
    pub fn awaits(customer: &str, wait: Duration) -> Self {
        let why = Why::CustomerAwaited { customer: customer.to_owned() };
        Self::NotNow(Error::new(Kind::Unavailable, "").caused_by(why).retry(Retry::After(wait)))
    }

    /// The error, where there is one.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Refused(error)
            | Self::NotNow(error)
            | Self::Account(error)
            | Self::Ambiguous(error)
            | Self::Unknown(error) => Some(error),
            Self::Exists => None,
        }
    }

    /// The error; where there is none, words for what should not be.
    #[must_use]
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error)
            | Self::NotNow(error)
            | Self::Account(error)
            | Self::Ambiguous(error)
            | Self::Unknown(error) => error,
            Self::Exists => Error::new(Kind::Bug, "the ERP refused a read as a duplicate"),
        }
    }

    /// The same for the reason that `reword` makes of its own.
    #[must_use]
    pub fn map(self, reword: impl FnOnce(Error) -> Error) -> Self {
        match self {
            Self::Refused(error) => Self::Refused(reword(error)),
            Self::NotNow(error) => Self::NotNow(reword(error)),
            Self::Account(error) => Self::Account(reword(error)),
            Self::Ambiguous(error) => Self::Ambiguous(reword(error)),
            Self::Unknown(error) => Self::Unknown(reword(error)),
            Self::Exists => Self::Exists,
        }
    }
}

/// A document found by its reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The document.
    pub document: Document,
    /// The version it carries; `None` if the field is empty or foreign: then a person has to compare.
    pub version: Option<Version>,
    /// Whether it is in the state the configuration asks for; otherwise [`Erp::finish`] takes it there.
    pub finished: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
}

/// A page of an ERP's books: its side of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookPage {
    /// Documents, with the totals that the ERP came to.
    pub entries: Vec<BookEntry>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<String>,
}

/// An ERP.
#[async_trait]
pub trait Erp: Send + Sync {
    /// What it can do of `operation`; `None`: nothing, so that a person has to.
    fn can(&self, operation: Operation) -> Option<Capabilities>;

    /// How long it may take.
    fn patience(&self) -> Patience;

    /// Resolves products and customers of all jobs of one operation together (creating customers that are missing, each under its
    /// own reference, looked up first) and renders the documents. One answer per job, in order. `afresh`: known ids may be stale,
    /// resolve them again.
    async fn prepare(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        jobs: &[Job],
        afresh: bool,
    ) -> Vec<Result<Draft, SendError>>;

    /// Sends the documents of one operation in one call (and takes them to the configured state, in as few calls as possible). One
    /// answer per draft, in order. In an atomic bulk every answer of a refused call is the same `Refused`.
    async fn send(&self, calls: &Calls<'_>, operation: Operation, drafts: &[Draft])
    -> Vec<Result<Document, SendError>>;

    /// Looks up what the ERP has of the documents that steps are about, all in one call where it can: by the reference of the step; for
    /// a cancellation by the id of its document. One answer per step, in order. The error is that of the whole call.
    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError>;

    /// Takes found documents, which steps of one operation made, to the configured state. One answer per document, in order.
    async fn finish(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>>;

    /// A page of its books: what our documents that were made or changed in the span `day` come to by now, each as often as it is there;
    /// `cursor` is the [`next`](BookPage::next) of the page before. What was cancelled is not in the books. One call for
    /// each kind of document; `None`: the connector cannot tell, and whoever audits has to look by other means.
    async fn books(
        &self,
        _calls: &Calls<'_>,
        _day: &Range<Timestamp>,
        _cursor: Option<&str>,
    ) -> Result<Option<BookPage>> {
        Ok(None)
    }

    /// What it says that is available; `None`: it cannot be asked.
    fn stock(&self) -> Option<&dyn stock::Stock> {
        None
    }

    /// What it says that articles cost; `None`: it cannot be asked.
    fn prices(&self) -> Option<&dyn prices::Prices> {
        None
    }

    /// What it says that was sent; `None`: it cannot be asked.
    fn shipments(&self) -> Option<&dyn shipments::Shipments> {
        None
    }

    /// Whether it can be reached with these credentials: its name and version, for people. At most two calls, beside those that say how
    /// it is to be called.
    async fn probe(&self, calls: &Calls<'_>) -> Result<Probed>;
}

/// What an ERP answers to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its name and version, for people.
    pub words: String,
    /// The days on which credentials of the integration user end, where the ERP tells; they may be past.
    pub credentials_end: Vec<Date>,
}

impl From<String> for Probed {
    fn from(words: String) -> Self {
        Self { words, credentials_end: Vec::new() }
    }
}
