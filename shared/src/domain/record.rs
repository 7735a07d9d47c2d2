//! An order's record: its head, and every write that may change it.
//!
//! The head carries the order from the moment its message is done. Each [`Write`] is one conditional update: [`Write::apply`]
//! says when it holds and what it does, in one place; the SQLite adapter runs it inside a transaction, the DynamoDB adapter
//! translates it to an update expression, and the ports' contract suite compares the two over random histories. The set of
//! conditions was model-checked; each one's comment names the history that breaks without it.
//!
//! Invariant: an order whose `applied` differs from `desired` and that is not parked for `desired` has a `due`.

use std::fmt;

use iso_currency::Currency;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ids::{AttemptId, OrderKey, Reference},
    money::Amount,
    order::Order,
    version::{Standing, Version, compare},
};

#[cfg(test)]
mod tests;

/// The schema of the stored head.
pub const SCHEMA: u16 = 1;

/// How long a question to the store may be on its way: a message is delayed 15 minutes at most. After that the message is lost, and
/// the record's `due` has it sent again.
pub const QUESTION: SignedDuration = SignedDuration::from_mins(20);

/// What is known of an order, small because it is written often. Payloads and the timeline lie beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`SCHEMA`].
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
    /// The state the ERP holds, as far as we know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Version>,
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
    /// The document in the ERP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    /// Why it waits, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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

/// What is done to the ERP, and under which reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The operation.
    pub operation: Operation,
    /// The reference its document carries.
    pub reference: Reference,
}

/// The operations on an ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Create the sale.
    Create,
}

/// The ERP's document of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ErpDocument)]
pub struct Document {
    /// The ERP's id.
    pub id: String,
    /// The number people see in the ERP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// Why an order stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// For which version.
    pub version: Version,
    /// Which kind of end.
    pub end: End,
    /// What happened and what to do.
    pub reason: String,
}

/// The ends that are not "in the ERP".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        match self {
            Self::Parked => "parked",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
        }
    }
}

/// An order's state, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderState)]
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
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Sending, Self::Synced, Self::Parked, Self::Dead, Self::Ignored, Self::Fetching];

    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Synced => "synced",
            Self::Parked => "parked",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
            Self::Fetching => "fetching",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One conditional write of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// An arriving state becomes `desired`, if it is newer than what is on record. The attempts stay untouched.
    Record {
        /// The arriving state.
        version: Version,
        /// Its summary.
        summary: Summary,
        /// When it arrived at our edge.
        arrived: Timestamp,
        /// A state of the same time that arrived after this is not the one it was compared with: it arrived again since.
        over: Timestamp,
    },
    /// The content of `desired` was seen with a later time, or arrived again with the same.
    Touch {
        /// The content seen.
        desired: Version,
        /// The time it was seen with.
        newest: Timestamp,
        /// When it arrived at our edge.
        arrived: Timestamp,
    },
    /// A fresh step begins.
    Begin {
        /// As planned from: `desired`.
        desired: Version,
        /// As planned from: `applied`.
        applied: Option<Version>,
        /// What is about to be sent: `unknown` and `refused` are false.
        intent: Intent,
        /// The later of `settle_at` and the backoff: an ERP that always times out must not cost two calls per settle time.
        due: Timestamp,
    },
    /// A step of unknown outcome was looked up, was not found, and begins again.
    Resend {
        /// The attempt that was looked up.
        looked_up: AttemptId,
        /// The same step with the same `planned` content (unless `refused`): `unknown` is true.
        intent: Intent,
        /// As in [`Write::Begin`].
        due: Timestamp,
    },
    /// The step succeeded, or its document was found in the ERP.
    Complete {
        /// The attempt on record.
        attempt: AttemptId,
        /// The version the ERP's document carries.
        applied: Version,
        /// The document.
        document: Document,
    },
    /// The step failed for certain and is tried again.
    Reschedule {
        /// The attempt on record.
        attempt: AttemptId,
        /// When to try the same version again.
        backoff: Timestamp,
        /// Now and the least interval: when a newer version may go.
        floor: Timestamp,
        /// What becomes of the attempt.
        count: Count,
        /// Whether the ERP may hold the document all the same: the intent stays, to be looked up before anything is sent.
        doubtful: bool,
        /// Why, for people.
        reason: String,
    },
    /// The step failed for good: the order stops, if `judged` is what it should be.
    Park {
        /// The attempt on record.
        attempt: AttemptId,
        /// The version the verdict is about. Not always the intent's: judged by that, a newer version that is not wanted either
        /// (cancelled, not paid) would be looked up and refused again every second.
        judged: Version,
        /// Whether the ERP may hold the document all the same.
        doubt: Doubt,
        /// Parked or dead.
        end: End,
        /// Giving up: how many attempts are on record. After a replay in between there are others, and it starts anew.
        given_up: Option<u32>,
        /// Why, for people.
        reason: String,
        /// Now and the least interval.
        floor: Timestamp,
    },
    /// Planning found that no step is to be taken for `desired`.
    Rest {
        /// As planned from: `desired`.
        desired: Version,
        /// As planned from: `applied`.
        applied: Option<Version>,
        /// As planned from: a replay in between starts anew, and is not to be answered with "gave up".
        attempts: u32,
        /// What planning found.
        rest: Rest,
    },
    /// The step could not begin (its products or customer could not be resolved now): later, one attempt more.
    Defer {
        /// As planned from: `desired`.
        desired: Version,
        /// As planned from: `applied`.
        applied: Option<Version>,
        /// The conductor's fencing epoch.
        epoch: u64,
        /// When to try again.
        due: Timestamp,
        /// When a newer version may go.
        floor: Timestamp,
        /// Whether the attempt does not count: the account failed (quota, outage), not this order.
        forgiven: bool,
        /// Why, for people.
        reason: String,
    },
    /// A person wants it tried again.
    Replay {
        /// When they asked. A replay that was asked for before the order was handed to them, and delivered after, does not say
        /// that they looked: where the ERP can neither refuse a second document nor be asked, it would make one.
        asked: Timestamp,
    },
}

/// What becomes of an attempt that failed. It was counted when its intent was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// It counts.
    Kept,
    /// It does not: the account failed (quota, outage), not this order.
    Forgiven,
    /// One more counts: its look-up is refused, so that no further intent would ever be written.
    Added,
}

/// Whether the ERP may hold a document of an order that stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// No more than the intent says.
    None,
    /// It may: without a look-up first, the next version or a replay would create a second document.
    Stands,
    /// It may, and only the same content may be sent again: an ERP that knows the step's key would answer another one with the first
    /// one's document.
    Bound,
}

/// What planning found, when it found no step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// The ERP's document is the same for `desired` as for `applied`: nothing to send.
    Synced,
    /// It stops here.
    Stop {
        /// Parked, dead or ignored.
        end: End,
        /// Why, for people.
        reason: String,
    },
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It held; this is the head now.
    Applied(Head),
    /// Its condition did not hold; this is the head as it is.
    Refused(Option<Head>),
}

impl Written {
    /// Whether it held.
    #[must_use]
    pub fn applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }
}

impl Count {
    /// The attempts after a step that had counted one.
    fn after(self, attempts: u32) -> u32 {
        match self {
            Self::Kept => attempts,
            Self::Forgiven => attempts.saturating_sub(1),
            Self::Added => attempts.saturating_add(1),
        }
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

    /// Whether nobody will come back to it though it is not at rest. Asserted after every simulated history.
    #[must_use]
    pub fn forgotten(&self) -> bool {
        let at_rest = self.parked.as_ref().is_some_and(|p| p.version == self.desired)
            || (self.applied.as_ref() == Some(&self.desired) && self.intent.is_none());
        !at_rest && self.due.is_none()
    }

    fn first(key: OrderKey, version: Version, summary: Summary, arrived: Timestamp, now: Timestamp) -> Self {
        // The arrival that tells of an unread order asks the store at once; `due` is for the case that it is lost.
        let due = if version.is_unread() { now + QUESTION } else { now };
        Self {
            schema: SCHEMA,
            key,
            summary,
            newest: version.modified,
            arrived: Some(arrived),
            desired: version,
            applied: None,
            due: Some(due),
            not_before: Some(now),
            intent: None,
            attempts: 0,
            epoch: 0,
            parked: None,
            last: None,
            document: None,
            reason: None,
            updated: now,
        }
    }

    /// Whether it was given to a person with its outcome in doubt, and only after `asked`.
    fn handed_over_after(&self, asked: Timestamp) -> bool {
        self.intent.as_ref().is_some_and(|intent| intent.refused)
            && self.parked.as_ref().is_some_and(|parked| parked.end == End::Parked)
            && self.not_before.is_some_and(|not_before| not_before > asked)
    }

    fn is_attempt(&self, attempt: &AttemptId) -> bool {
        self.intent.as_ref().is_some_and(|i| &i.attempt == attempt)
    }

    fn planned_is_desired(&self) -> bool {
        self.intent.as_ref().is_some_and(|i| i.planned == self.desired)
    }

    fn planned_from(&self, desired: &Version, applied: Option<&Version>) -> bool {
        &self.desired == desired && self.applied.as_ref() == applied && self.intent.is_none()
    }

    /// Stops at `desired`. The attempts were this version's: a newer one that arrives is planned anew, not given up at once.
    fn stop(&mut self, end: End, reason: &str) {
        self.parked = Some(Parked { version: self.desired.clone(), end, reason: reason.to_owned() });
        self.attempts = 0;
    }

    /// Ends the intent, unless its outcome is in doubt: then it stays and is looked up before anything else is sent.
    fn drop_intent_unless_unknown(&mut self, doubtful: bool, refused: bool) {
        match &mut self.intent {
            Some(intent) if intent.unknown || doubtful => {
                intent.unknown = true;
                intent.refused |= refused;
            }
            _ => self.intent = None,
        }
    }
}

impl Write {
    /// Applies the write to the head of `key` as it is: the new head, or `None` if the condition does not hold.
    ///
    /// Pure: every adapter and the simulation share it.
    #[must_use]
    pub fn apply(&self, key: &OrderKey, head: Option<&Head>, now: Timestamp) -> Option<Head> {
        let Some(head) = head else {
            // Only an arrival makes a record.
            let Self::Record { version, summary, arrived, .. } = self else { return None };
            return Some(Head::first(key.clone(), version.clone(), summary.clone(), *arrived, now));
        };
        let mut next = head.clone();
        next.updated = now;
        self.holds(head).then(|| {
            self.change(&mut next, now);
            next
        })
    }

    /// Whether a refused write is found done in `head`, though somebody wrote after it: an adapter asks that only if it
    /// repeated the request itself, or an equal write of somebody else would pass for its own.
    #[must_use]
    pub fn done_already(&self, head: &Head) -> bool {
        match self {
            Self::Record { version, .. } => &head.desired == version,
            Self::Begin { intent, .. } | Self::Resend { intent, .. } => head.is_attempt(&intent.attempt),
            Self::Complete { attempt, .. } => head.last.as_ref() == Some(attempt),
            _ => false,
        }
    }

    /// Whether its condition holds on an existing head.
    fn holds(&self, head: &Head) -> bool {
        match self {
            // Above a state of the same time only as long as that one did not arrive again meanwhile: it would be the later one.
            Self::Record { version, over, .. } => {
                compare(&head.desired, head.newest, version) == Standing::Newer
                    && (version.modified != head.newest || head.arrived <= Some(*over))
            }
            Self::Touch { desired, newest, arrived } => {
                &head.desired == desired && (head.newest, head.arrived) < (*newest, Some(*arrived))
            }
            // Without `applied` and "no intent" two conductors could both begin; without the epoch a frozen one could
            // begin after its successor.
            Self::Begin { desired, applied, intent, .. } => {
                head.planned_from(desired, applied.as_ref()) && head.epoch <= intent.epoch
            }
            Self::Resend { looked_up, intent, .. } => head.is_attempt(looked_up) && head.epoch <= intent.epoch,
            // No epoch here: whoever knows the outcome of the attempt on record may say so.
            Self::Complete { attempt, .. } | Self::Reschedule { attempt, .. } => head.is_attempt(attempt),
            Self::Park { attempt, given_up, .. } => {
                head.is_attempt(attempt) && given_up.is_none_or(|attempts| head.attempts == attempts)
            }
            Self::Rest { desired, applied, attempts, .. } => {
                head.planned_from(desired, applied.as_ref()) && head.attempts == *attempts
            }
            Self::Defer { desired, applied, epoch, .. } => {
                head.planned_from(desired, applied.as_ref()) && head.epoch <= *epoch
            }
            Self::Replay { asked } => !head.handed_over_after(*asked),
        }
    }

    fn change(&self, next: &mut Head, now: Timestamp) {
        match self {
            Self::Record { version, summary, arrived, .. } => {
                next.arrived = Some(*arrived);
                // `due := not_before if set, else now`: an arrival ends an old version's backoff but not the least interval.
                let when = next.not_before.unwrap_or(now);
                if next.desired.is_unread() {
                    // Both were about asking the store.
                    next.reason = None;
                    next.attempts = 0;
                }
                next.due = Some(when);
                next.not_before = Some(when);
                next.newest = version.modified;
                next.desired = version.clone();
                next.summary = summary.clone();
            }
            Self::Touch { newest, arrived, .. } => (next.newest, next.arrived) = (*newest, Some(*arrived)),
            Self::Begin { intent, due, .. } | Self::Resend { intent, due, .. } => {
                next.epoch = intent.epoch;
                next.intent = Some(intent.clone());
                // Counted here, so that a crash loop reaches its end.
                next.attempts = next.attempts.saturating_add(1);
                next.due = Some(*due);
                next.not_before = Some(intent.settle_at);
            }
            Self::Complete { attempt, applied, document } => {
                let last_word = next.desired == *applied;
                next.applied = Some(applied.clone());
                next.document = Some(document.clone());
                next.last = Some(attempt.clone());
                next.intent = None;
                next.reason = None;
                if last_word {
                    next.due = None;
                    next.not_before = None;
                    next.attempts = 0;
                    next.parked = None;
                } else {
                    next.due = Some(now);
                    next.not_before = Some(now);
                }
            }
            Self::Reschedule { backoff, floor, count, doubtful, reason, .. } => {
                let same_version = next.planned_is_desired();
                next.due = Some(if same_version { *backoff } else { *floor });
                next.not_before = Some(*floor);
                next.attempts = count.after(next.attempts);
                next.reason = Some(reason.clone());
                next.drop_intent_unless_unknown(*doubtful, false);
            }
            Self::Park { judged, doubt, end, reason, floor, .. } => {
                // Parked while v2 was recorded would leave v2 without a `due`: parking is for the judged version.
                if next.desired == *judged {
                    next.stop(*end, reason);
                    next.due = None;
                } else {
                    // The attempts were the judged version's.
                    next.attempts = 0;
                    next.due = Some(*floor);
                }
                next.not_before = Some(*floor);
                next.reason = Some(reason.clone());
                next.drop_intent_unless_unknown(*doubt != Doubt::None, *doubt != Doubt::Bound);
            }
            Self::Rest { rest, .. } => {
                next.due = None;
                next.not_before = None;
                match rest {
                    Rest::Synced => {
                        next.applied = Some(next.desired.clone());
                        next.attempts = 0;
                        next.reason = None;
                        next.parked = None;
                    }
                    Rest::Stop { end, reason } => {
                        next.stop(*end, reason);
                        next.reason = Some(reason.clone());
                    }
                }
            }
            Self::Defer { due, floor, epoch, forgiven, reason, .. } => {
                next.due = Some(*due);
                next.not_before = Some(*floor);
                next.epoch = *epoch;
                if !forgiven {
                    next.attempts = next.attempts.saturating_add(1);
                }
                next.reason = Some(reason.clone());
            }
            Self::Replay { .. } => {
                // A synced order without an intent is planned anew and found at rest: replaying changes nothing.
                let when = match &next.intent {
                    // The look-up may not be trusted earlier.
                    Some(intent) => intent.settle_at.max(now),
                    None => now,
                };
                next.due = Some(when);
                next.not_before = Some(when);
                next.attempts = 0;
                // The reason it had stopped for is answered: that tells a replayed order from one that never stopped.
                if next.parked.take().is_some() {
                    next.reason = None;
                }
            }
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
    /// Which version it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Which attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
}
