//! What happens to orders that are on record.

use jiff::Timestamp;
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::{
    super::{
        ids::{AttemptId, OrderKey},
        metric::{Metric, Of},
        reason::{Reason, Why},
        record::{End, Entry},
        version::Version,
    },
    Told,
};

/// What can happen to an order that is on record, or is put there: a line of its timeline, a log line `order.NAME`, and a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Happened {
    /// Only its id came: the store is asked for its content.
    Announced,
    /// A state of it is what the ERP should hold.
    Accepted,
    /// That state was on record already.
    Duplicate,
    /// A newer state was on record already.
    Superseded,
    /// Another state of the same time is on record: the store is asked.
    Tied,
    /// Something about it could not be read.
    Flagged,
    /// The store could not be asked: it is asked later.
    FetchPutOff,
    /// Somebody had it tried again.
    Replayed,
    /// Somebody asked for that before it was handed to them: passed over.
    ReplayPassedOver,
    /// A step of it is sent, and its document carries more than the order says.
    Booked,
    /// Nobody knows what came of a step: it is looked up.
    Unknown,
    /// A step could not begin: later.
    Deferred,
    /// A step that was begun failed: later.
    Rescheduled,
    /// A step of it is in the ERP, and another is to follow.
    Progressed,
    /// The ERP holds what it should.
    Synced,
    /// The document of a step in doubt was found in the ERP.
    Adopted,
    /// A document that a person made or changed is on record now.
    Noted,
    /// A person said that they made one, and the order had gone on: passed over.
    NotePassedOver,
    /// A person has to change something.
    Parked,
    /// Its attempts ran out.
    Dead,
    /// A stated rule keeps it out of the ERP.
    Ignored,
}

impl Happened {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// As in timelines. They are stored: no name may change.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What a timeline calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The same of a step that is not the last.
    #[must_use]
    pub fn with_more_to_do(self) -> Self {
        if self == Self::Synced { Self::Progressed } else { self }
    }

    /// What is counted of it, for the order's connection; the others are a line of the log and of the timeline only.
    fn metric(self) -> Option<Metric> {
        Some(match self {
            Self::Accepted => Metric::Recorded,
            Self::Duplicate => Metric::Duplicate,
            Self::Superseded => Metric::Superseded,
            Self::Replayed => Metric::Replayed,
            Self::Unknown => Metric::Unknown,
            Self::Deferred | Self::Rescheduled => Metric::Deferred,
            Self::Synced => Metric::Synced,
            Self::Adopted => Metric::Adopted,
            Self::Parked => Metric::Parked,
            Self::Dead => Metric::Dead,
            Self::Ignored => Metric::Ignored,
            Self::Announced
            | Self::Progressed
            | Self::Noted
            | Self::NotePassedOver
            | Self::Tied
            | Self::Flagged
            | Self::FetchPutOff
            | Self::ReplayPassedOver
            | Self::Booked => {
                return None;
            }
        })
    }
}

impl From<End> for Happened {
    fn from(end: End) -> Self {
        match end {
            End::Parked => Self::Parked,
            End::Dead => Self::Dead,
            End::Ignored => Self::Ignored,
        }
    }
}

/// Something happened to an order.
#[derive(Debug, Clone, Copy)]
pub struct OrderEvent<'a> {
    /// To which.
    pub order: &'a OrderKey,
    /// What.
    pub what: Happened,
    /// The words, where there is no reason.
    pub detail: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a Reason>,
    /// Which version it was about.
    pub version: Option<&'a Version>,
    /// Which attempt.
    pub attempt: Option<&'a AttemptId>,
}

impl<'a> OrderEvent<'a> {
    /// That happened to this order.
    #[must_use]
    pub fn new(order: &'a OrderKey, what: Happened) -> Self {
        Self { order, what, detail: None, reason: None, version: None, attempt: None }
    }

    fn words(&self) -> Option<String> {
        self.reason.map(Reason::words).or_else(|| self.detail.map(ToOwned::to_owned))
    }

    /// Its line in the order's timeline.
    #[must_use]
    pub fn entry(&self, at: Timestamp) -> Entry {
        Entry {
            at,
            event: self.what.as_str().to_owned(),
            detail: self.words(),
            why: self.reason.and_then(Reason::known).cloned(),
            version: self.version.cloned(),
            attempt: self.attempt.cloned(),
        }
    }
}

impl Told for OrderEvent<'_> {
    fn log(&self) {
        let version = self.version.map(tracing::field::display);
        let attempt = self.attempt.map(AttemptId::as_str);
        let (detail, code) = (self.words(), self.reason.and_then(Reason::known).map(Why::code));
        let name = format_args!("order.{}", self.what.as_str());
        tracing::info!(event = %name, order = %self.order, detail, code, version, attempt);
    }

    fn count(&self, add: &mut dyn FnMut(Metric, Of<'_>, u64)) {
        if let Some(metric) = self.what.metric() {
            add(metric, Of::Connection(&self.order.connection), 1);
        }
    }
}
