//! The conditional writes of a head.

use jiff::Timestamp;

use super::{
    SCHEMA,
    head::{End, Head, Intent, Parked, Summary},
};
use crate::domain::{
    document::{Booked, Document, Operation},
    ids::{AttemptId, OrderKey},
    reason::Reason,
    version::{Standing, Version, compare},
};

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
        /// As planned from: how many steps were completed.
        steps: u32,
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
    /// The step succeeded, or its document was found in the ERP. See [`Write::complete`].
    Complete {
        /// The attempt on record.
        attempt: AttemptId,
        /// The version that the ERP's document carries: not always the planned one. An ERP that knows the step's key answers with
        /// what an earlier attempt made.
        found: Version,
        /// What is booked now.
        booked: Vec<Booked>,
        /// How many steps are completed now.
        steps: u32,
    },
    /// A document that a person made or changed is booked, or one whose version an earlier release did not keep: no step is on record.
    Book {
        /// The version that they looked at: `desired`.
        desired: Version,
        /// How many steps were completed: what is booked was made of what was booked then.
        steps: u32,
        /// What is booked now.
        booked: Vec<Booked>,
    },
    /// A step in doubt that the ERP refused since, and that nobody wants any more, was looked up once more after a person's replay, and
    /// is not there: it is let go.
    Lift {
        /// The attempt that was looked up.
        looked_up: AttemptId,
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
        reason: Reason,
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
        reason: Reason,
        /// Now and the least interval.
        floor: Timestamp,
    },
    /// Planning found that no step is to be taken for `desired`.
    Rest {
        /// As planned from: `desired`.
        desired: Version,
        /// As planned from: how many steps were completed.
        steps: u32,
        /// As planned from: a replay in between starts anew, and is not to be answered with "gave up".
        attempts: u32,
        /// What planning found.
        rest: Rest,
    },
    /// The step could not begin (its products or customer could not be resolved now): later, one attempt more.
    Defer {
        /// As planned from: `desired`.
        desired: Version,
        /// As planned from: how many steps were completed.
        steps: u32,
        /// The conductor's fencing epoch.
        epoch: u64,
        /// When to try again.
        due: Timestamp,
        /// When a newer version may go.
        floor: Timestamp,
        /// Whether the attempt does not count: the account failed (quota, outage), not this order.
        forgiven: bool,
        /// Why, for people.
        reason: Reason,
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
        reason: Reason,
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

impl Write {
    /// The write that ends the step on record in `head`, with the document that came of it and the version it carries. `None`: no
    /// step is on record.
    ///
    /// What is booked and counted is taken from that head: both change only when the attempt on record is completed.
    #[must_use]
    pub fn complete(head: &Head, found: &Version, document: &Document) -> Option<Self> {
        let intent = head.intent.as_ref()?;
        let found = intent.step.carries(&intent.planned, found);
        Some(Self::Complete {
            attempt: intent.attempt.clone(),
            booked: intent.step.booked(&head.booked, &found, document),
            found,
            steps: head.steps.saturating_add(1),
        })
    }

    /// The schema that a head has once this intent is on it, where it is another: releases of schema 2 can read a sale's only.
    pub(crate) fn schema_with(intent: &Intent) -> Option<u16> {
        (intent.step.operation() != Operation::Create).then_some(SCHEMA)
    }

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
            // Without `steps` and "no intent" two conductors could both begin; without the epoch a frozen one could begin after its
            // successor.
            Self::Begin { desired, steps, intent, .. } => {
                head.planned_from(desired, *steps) && head.epoch <= intent.epoch
            }
            Self::Resend { looked_up, intent, .. } => head.is_attempt(looked_up) && head.epoch <= intent.epoch,
            // No epoch here: whoever knows the outcome of the attempt on record may say so.
            Self::Complete { attempt, .. } | Self::Reschedule { attempt, .. } => head.is_attempt(attempt),
            Self::Park { attempt, given_up, .. } => {
                head.is_attempt(attempt) && given_up.is_none_or(|attempts| head.attempts == attempts)
            }
            Self::Rest { desired, steps, attempts, .. } => {
                head.planned_from(desired, *steps) && head.attempts == *attempts
            }
            Self::Defer { desired, steps, epoch, .. } => head.planned_from(desired, *steps) && head.epoch <= *epoch,
            Self::Book { desired, steps, .. } => head.planned_from(desired, *steps),
            Self::Lift { looked_up } => head.is_attempt(looked_up) && head.is_let_go(),
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
                next.schema = Self::schema_with(intent).unwrap_or(next.schema);
                next.intent = Some(intent.clone());
                // Counted here, so that a crash loop reaches its end.
                next.attempts = next.attempts.saturating_add(1);
                next.due = Some(*due);
                next.not_before = Some(intent.settle_at);
            }
            Self::Complete { attempt, found, booked, steps } => {
                next.complete(found, booked, now);
                next.steps = *steps;
                next.last = Some(attempt.clone());
            }
            Self::Book { booked, .. } => {
                // It is planned anew, and what it had stopped for is still known: of several things that were left to a person one is
                // done now, and the others are still theirs.
                let stopped = next.parked.take();
                next.book(booked);
                next.parked = stopped.map(|parked| Parked { version: Version::unread(), ..parked });
                next.attempts = 0;
                next.due = Some(now);
                next.not_before = Some(now);
            }
            Self::Lift { .. } => {
                next.intent = None;
                next.due = Some(now);
                next.not_before = Some(now);
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
