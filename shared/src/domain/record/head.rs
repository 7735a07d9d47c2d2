//! What is known of an order, and what people are shown of it.

use std::fmt;

use iso_currency::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

use super::{QUESTION, schema_of};
use crate::domain::{
    document::{Booked, Document, Step},
    ids::{AttemptId, OrderKey},
    money::Amount,
    order::Order,
    reason::{self, Reason, Why},
    version::Version,
};

/// What is known of an order, small because it is written often. Payloads and the timeline lie beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The schema of what is written here, see [`schema_of`].
    pub schema: u16,
    /// Whose order, which one.
    pub key: OrderKey,
    /// For lists.
    pub summary: Summary,
    /// The state the ERP should hold.
    pub desired: Version,
    /// The latest modification time the content of `desired` was seen with.
    pub newest: Timestamp,
    /// When that content, with that time, last arrived at our edge: which of several states of one time is the last, where the store
    /// cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<Timestamp>,
    /// The state that the ERP's documents together stand for. Moves only when nothing is left to do for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Version>,
    /// The order's documents in the ERP, in the order in which they were booked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub booked: Vec<Booked>,
    /// How many steps were completed, never less. What was planned from fewer must not be written: a verdict on a sale that another
    /// conductor has booked meanwhile would stop an order whose next document is due.
    #[serde(default)]
    pub steps: u32,
    /// When the order wants attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The earliest time an arrival may bring it back: with `due = now` an update would make a failing order loop hot, with
    /// "keep `due`" it would wait out the old version's backoff.
    #[serde(rename = "soon", default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// A step that was begun and whose outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// How often a step was begun since the order last came to rest: in the ERP, or stopped.
    #[serde(default)]
    pub attempts: u32,
    /// The fencing epoch of the last conductor that began a step.
    #[serde(default)]
    pub epoch: u64,
    /// Why it stopped, and for which version: a newer one is planned anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// The attempt that succeeded last: recognises our own write when its reply was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<AttemptId>,
    /// Why it waits or stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the head was last written.
    pub updated: Timestamp,
}

/// What a list shows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The number people use.
    pub number: String,
    /// The total, where the order could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Amount>,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Its place in its life, see [`Order::life`].
    #[serde(default)]
    pub life: u8,
    /// What stands for the buyer's e-mail, see [`crate::domain::search`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer: Option<String>,
    /// Its flags, `code: detail`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

impl Summary {
    /// The summary of a readable order.
    #[must_use]
    pub fn of(order: &Order) -> Self {
        Self {
            number: order.number.clone(),
            total: Some(order.total),
            currency: Some(order.currency),
            life: order.life(),
            buyer: None,
            flags: order.flags.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A step on its way: written before its first byte is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What is done to the ERP.
    pub step: Step,
    /// The version whose content is sent. A step of unknown outcome is bound to it: a resend with newer content could be
    /// "adopted" as that newer content while the ERP holds the older.
    pub planned: Version,
    /// Whether nothing is left to do for `planned` once this step is booked. Without it an order that was refunded before its sale
    /// was made would come to rest with the sale, and never be credited.
    #[serde(default)]
    pub last: bool,
    /// This attempt.
    pub attempt: AttemptId,
    /// The conductor's fencing epoch.
    pub epoch: u64,
    /// No call of this step starts later.
    pub start_by: Timestamp,
    /// From when on a look-up can be trusted: counted from `start_by`, never from the intent, since a call may wait for
    /// its send slot.
    pub settle_at: Timestamp,
    /// Whether an earlier attempt of this step has an unknown outcome. A later definite failure does not lift the doubt.
    #[serde(default)]
    pub unknown: bool,
    /// Whether a later attempt was refused for good: lifts the binding to `planned`, not the need of a look-up.
    #[serde(default)]
    pub refused: bool,
}

/// Why an order stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// For which version.
    pub version: Version,
    /// Which kind of end.
    pub end: End,
    /// What happened and what to do.
    pub reason: Reason,
}

/// The ends that are not "in the ERP".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum End {
    /// A person has to change something.
    Parked,
    /// The attempts ran out; its message lies in the dead-letter queue.
    Dead,
    /// A stated rule says the ERP does not want it (a test order, not yet paid).
    Ignored,
}

impl End {
    /// As in JSON, and as the timeline calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An order's state, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderState)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// It will be taken to the ERP at its `due`.
    Waiting,
    /// A step is on its way, or its outcome has to be looked up.
    Sending,
    /// The ERP holds it.
    Synced,
    /// It stopped with a reason a person can act on.
    Parked,
    /// The attempts ran out.
    Dead,
    /// A stated rule keeps it out of the ERP.
    Ignored,
    /// Only its id is known: the store is being asked for its content.
    Fetching,
}

impl State {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Head {
    /// The state, for people.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.parked {
            Some(parked) if parked.version == self.desired => match parked.end {
                End::Parked => State::Parked,
                End::Dead => State::Dead,
                End::Ignored => State::Ignored,
            },
            _ if self.intent.is_some() => State::Sending,
            _ if self.applied.as_ref() == Some(&self.desired) => State::Synced,
            _ if self.desired.is_unread() => State::Fetching,
            _ => State::Waiting,
        }
    }

    /// The sale that stands for the order in the ERP.
    #[must_use]
    pub fn sale(&self) -> Option<&Booked> {
        self.booked.iter().find(|booked| booked.is_live_sale())
    }

    /// Whether somebody who replayed it confirmed that the step in doubt, which the ERP refused since, is not there.
    #[must_use]
    pub fn is_let_go(&self) -> bool {
        self.intent.as_ref().is_some_and(|intent| intent.refused) && self.parked.is_none() && self.reason.is_none()
    }

    /// The document of that sale.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.sale().map(|sale| &sale.document)
    }

    /// The state that the ERP holds: of the order at rest, else of its sale.
    #[must_use]
    pub fn held(&self) -> Option<&Version> {
        self.applied.as_ref().or_else(|| self.sale()?.version.as_ref())
    }

    /// The versions whose content is still needed, beside `desired`: never dropped.
    pub fn needed(&self) -> impl Iterator<Item = &Version> {
        let planned = self.intent.as_ref().map(|intent| &intent.planned);
        let booked = self.booked.iter().filter(|booked| !booked.cancelled).filter_map(|booked| booked.version.as_ref());
        self.applied.iter().chain(planned).chain(booked)
    }

    /// Whether nobody will come back to it though it is not at rest. Asserted after every simulated history.
    #[must_use]
    pub fn forgotten(&self) -> bool {
        let at_rest = self.parked.as_ref().is_some_and(|p| p.version == self.desired)
            || (self.applied.as_ref() == Some(&self.desired) && self.intent.is_none());
        !at_rest && self.due.is_none()
    }

    pub(super) fn first(key: OrderKey, version: Version, summary: Summary, arrived: Timestamp, now: Timestamp) -> Self {
        // The arrival that tells of an unread order asks the store at once; `due` is for the case that it is lost.
        let due = if version.is_unread() { now + QUESTION } else { now };
        Self {
            schema: schema_of(&[]),
            key,
            summary,
            newest: version.modified,
            arrived: Some(arrived),
            desired: version,
            applied: None,
            booked: Vec::new(),
            steps: 0,
            due: Some(due),
            not_before: Some(now),
            intent: None,
            attempts: 0,
            epoch: 0,
            parked: None,
            last: None,
            reason: None,
            updated: now,
        }
    }

    /// Whether it was given to a person with its outcome in doubt, and only after `asked`.
    pub(super) fn handed_over_after(&self, asked: Timestamp) -> bool {
        self.intent.as_ref().is_some_and(|intent| intent.refused)
            && self.parked.as_ref().is_some_and(|parked| parked.end == End::Parked)
            && self.not_before.is_some_and(|not_before| not_before > asked)
    }

    pub(super) fn is_attempt(&self, attempt: &AttemptId) -> bool {
        self.intent.as_ref().is_some_and(|i| &i.attempt == attempt)
    }

    pub(super) fn planned_is_desired(&self) -> bool {
        self.intent.as_ref().is_some_and(|i| i.planned == self.desired)
    }

    pub(super) fn planned_from(&self, desired: &Version, steps: u32) -> bool {
        &self.desired == desired && self.steps == steps && self.intent.is_none()
    }

    /// Stops at `desired`. The attempts were this version's: a newer one that arrives is planned anew, not given up at once.
    pub(super) fn stop(&mut self, end: End, reason: &Reason) {
        self.parked = Some(Parked { version: self.desired.clone(), end, reason: reason.clone() });
        self.attempts = 0;
    }

    /// The step on record is done: `found` is the version that the documents stand for, and these are booked now.
    pub(super) fn complete(&mut self, found: &Version, booked: &[Booked], now: Timestamp) {
        let intent = self.intent.take();
        let as_planned = intent.as_ref().is_some_and(|intent| intent.planned == *found);
        let nothing_left = intent.is_some_and(|intent| intent.last) && as_planned && self.desired == *found;
        self.book(booked);
        if nothing_left {
            self.applied = Some(found.clone());
            self.due = None;
            self.not_before = None;
        } else {
            self.due = Some(now);
            self.not_before = Some(now);
        }
        // Each step has attempts of its own. Not where another version was found: that could go round for ever.
        if as_planned {
            self.attempts = 0;
        }
    }

    /// These documents are in the ERP. Whatever it stopped for was about what was booked before.
    pub(super) fn book(&mut self, booked: &[Booked]) {
        self.schema = schema_of(booked);
        self.booked = booked.to_vec();
        self.steps = self.steps.saturating_add(1);
        self.reason = None;
        self.parked = None;
    }

    /// Ends the intent, unless its outcome is in doubt: then it stays and is looked up before anything else is sent.
    pub(super) fn drop_intent_unless_unknown(&mut self, doubtful: bool, refused: bool) {
        match &mut self.intent {
            Some(intent) if intent.unknown || doubtful => {
                intent.unknown = true;
                intent.refused |= refused;
            }
            _ => self.intent = None,
        }
    }
}

/// One line of an order's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What happened, in one word: `accepted`, `duplicate`, `sent`, `synced`, `parked`, …
    pub event: String,
    /// The words, without secrets or personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The reason that the words were made of: its code, and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reason::known")]
    #[schema(value_type = Option<Object>)]
    pub why: Option<Why>,
    /// Which version it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Which attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
}
