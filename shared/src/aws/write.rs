//! Each [`Write`] as one conditional update, equal to [`Write::apply`].
//!
//! What a write does depends on a few facts of the head: is the planned version still the desired one, is the outcome in
//! doubt, … An update expression cannot branch, so each branch is an update of its own whose condition *pins* the facts it
//! relies on. The branch that usually applies is tried first; if it does not hold, the item that comes back with the refusal
//! says which one does. Nothing is written from what was read before: a branch chosen from an old item only fails again.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{
    expression::Update,
    head::{end, intent, json, listed, shelf},
    item::{number, text, time},
};
use crate::{
    Result,
    domain::{
        ids::{AttemptId, OrderKey},
        record::{Head, Rest, State, Write},
        version::Version,
    },
};

/// The facts of a head that decide between branches. Every branch pins those it relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each a condition of its own")]
pub(super) struct Facts {
    /// There is an intent.
    intent: bool,
    /// Its outcome is in doubt.
    unknown: bool,
    /// It is about the desired version.
    planned_is_desired: bool,
    /// Its look-up can be trusted now.
    settled: bool,
    /// The ERP holds what it should after the write ("should": for an arrival, the arriving state).
    applied_is_desired: bool,
    /// The order stopped at the desired version.
    stopped: bool,
    /// Attempts are on record.
    attempted: bool,
    /// The version a [`Write::Complete`] brings is the desired one.
    last_word: bool,
}

impl Facts {
    /// What is usual: an order without an intent where none is expected, nothing in doubt, no newer version meanwhile.
    pub(super) fn usual() -> Self {
        Self {
            intent: false,
            unknown: false,
            planned_is_desired: true,
            settled: true,
            applied_is_desired: false,
            stopped: false,
            attempted: true,
            last_word: true,
        }
    }

    /// Those of a head.
    pub(super) fn of(head: &Head, write: &Write, now: Timestamp) -> Self {
        let intent = head.intent.as_ref();
        let desired = match write {
            Write::Record { version, .. } => version,
            _ => &head.desired,
        };
        Self {
            intent: intent.is_some(),
            unknown: intent.is_some_and(|intent| intent.unknown),
            planned_is_desired: intent.is_some_and(|intent| intent.planned == head.desired),
            settled: intent.is_none_or(|intent| intent.settle_at <= now),
            applied_is_desired: head.applied.as_ref() == Some(desired),
            stopped: head.parked.as_ref().is_some_and(|parked| parked.version == head.desired),
            attempted: head.attempts > 0,
            last_word: matches!(write, Write::Complete { applied, .. } if applied == &head.desired),
        }
    }

    /// The state once the outcome of a step is known: `None` if the order stays stopped, and so as it is listed.
    fn rested(self) -> Option<State> {
        match self {
            Self { stopped: true, .. } => None,
            Self { intent: true, .. } => Some(State::Sending),
            Self { applied_is_desired: true, .. } => Some(State::Synced),
            _ => Some(State::Waiting),
        }
    }
}

/// An update in the making, with what all of them need.
struct Draft<'a> {
    key: &'a OrderKey,
    facts: Facts,
    update: Update,
}

/// The update of `write` where `facts` hold. `token` marks the item as this write's.
pub(super) fn update(write: &Write, key: &OrderKey, now: Timestamp, token: &str, facts: Facts) -> Result<Update> {
    let mut draft = Draft { key, facts, update: Update::default() };
    // Only an arrival makes a record.
    if !matches!(write, Write::Record { .. }) {
        draft.exists("desired");
    }
    let state = draft.change(write, now)?;
    if let Some(state) = state {
        draft.update.set("shelf", text(shelf(&key.connection, state)));
    }
    draft
        .update
        .set("updated", time(now))
        .set("listed", text(listed(now, key)))
        .set("token", text(token));
    // A repeated request of ours finds its own token and changes nothing twice.
    let fresh = draft.update.missing_or("token", "<>", text(token));
    draft.update.only_if(fresh);
    Ok(draft.update)
}

/// Whether a refused write is found done in `head`, though somebody wrote after it: only if the SDK repeated the request.
pub(super) fn done_already(write: &Write, head: &Head) -> bool {
    match write {
        Write::Record { version, .. } => &head.desired == version,
        Write::Begin { intent, .. } | Write::Resend { intent, .. } => {
            head.intent.as_ref().is_some_and(|on_record| on_record.attempt == intent.attempt)
        }
        Write::Complete { attempt, .. } => head.last.as_ref() == Some(attempt),
        _ => false,
    }
}

impl Draft<'_> {
    /// Sets, removes and conditions of the branch: the state it ends in, `None` if that does not change.
    fn change(&mut self, write: &Write, now: Timestamp) -> Result<Option<State>> {
        let facts = self.facts;
        Ok(match write {
            Write::Record { version, summary } => {
                self.newer(version);
                self.update
                    .set_from("due", "soon", time(now))
                    .set_once("soon", time(now))
                    .set("summary", json(summary)?)
                    .set_once("schema", number(crate::domain::record::SCHEMA))
                    .set_once("attempts", number(0))
                    .set_once("epoch", number(0))
                    .set("connection", text(self.key.connection.as_str()))
                    .set("order", text(self.key.order.as_str()));
                self.pin_presence(facts.intent, "intent");
                if facts.intent {
                    Some(State::Sending)
                } else {
                    let (operator, state) =
                        if facts.applied_is_desired { ("=", State::Synced) } else { ("<>", State::Waiting) };
                    let applied = text(version.to_string());
                    let pin = if facts.applied_is_desired {
                        self.update.is("applied", operator, applied)
                    } else {
                        self.update.missing_or("applied", operator, applied)
                    };
                    self.update.only_if(pin);
                    Some(state)
                }
            }
            Write::Touch { desired, newest } => {
                self.is("desired", "=", text(desired.to_string()));
                self.is("newest", "<", time(*newest));
                self.update.set("newest", time(*newest));
                None
            }
            Write::Begin { desired, applied, intent: step, due } => {
                self.planned_from(desired, applied.as_ref());
                self.is("epoch", "<=", number(step.epoch));
                self.begin(step, *due)
            }
            Write::Resend { looked_up, intent: step, due } => {
                self.attempt(looked_up);
                self.is("epoch", "<=", number(step.epoch));
                self.begin(step, *due)
            }
            Write::Complete { attempt, applied, document } => {
                self.attempt(attempt);
                self.update
                    .set("applied", text(applied.to_string()))
                    .set("document", json(document)?)
                    .set("last", text(attempt.as_str()))
                    .remove(&["intent", "reason"]);
                let version = text(applied.to_string());
                if facts.last_word {
                    self.is("desired", "=", version);
                    self.update.set("attempts", number(0)).remove(&["due", "soon"]);
                    self.unpark();
                    Some(State::Synced)
                } else {
                    self.is("desired", "<>", version);
                    self.update.set("due", time(now)).set("soon", time(now));
                    self.pin_stopped();
                    Facts { intent: false, applied_is_desired: false, ..facts }.rested()
                }
            }
            Write::Reschedule { attempt, backoff, floor, forgiven, reason } => {
                self.attempt(attempt);
                self.pin_planned();
                let due = if facts.planned_is_desired { *backoff } else { *floor };
                self.update.set("due", time(due)).set("soon", time(*floor)).set("reason", text(reason));
                if *forgiven {
                    self.forgive();
                }
                self.drop_intent_unless_unknown(false)
            }
            Write::Park { attempt, end: how, reason, floor } => {
                self.attempt(attempt);
                self.pin_planned();
                self.update.set("soon", time(*floor)).set("reason", text(reason));
                if facts.planned_is_desired {
                    self.stop(*how, reason);
                    self.update.remove(&["due"]);
                    self.drop_intent_unless_unknown(true);
                    Some(how_listed(*how))
                } else {
                    self.update.set("due", time(*floor));
                    self.drop_intent_unless_unknown(true)
                }
            }
            Write::Rest { desired, applied, rest } => {
                self.planned_from(desired, applied.as_ref());
                self.update.remove(&["due", "soon"]);
                match rest {
                    Rest::Synced => {
                        self.update.copy("applied", "desired").set("attempts", number(0)).remove(&["reason"]);
                        self.unpark();
                        Some(State::Synced)
                    }
                    Rest::Stop { end: how, reason } => {
                        self.stop(*how, reason);
                        self.update.set("reason", text(reason));
                        Some(how_listed(*how))
                    }
                }
            }
            Write::Defer { desired, applied, epoch, due, floor, forgiven, reason } => {
                self.planned_from(desired, applied.as_ref());
                self.is("epoch", "<=", number(epoch));
                self.update
                    .set("due", time(*due))
                    .set("soon", time(*floor))
                    .set("epoch", number(epoch))
                    .set("reason", text(reason));
                if !forgiven {
                    self.update.add("attempts", number(1));
                }
                self.pin_stopped();
                Facts { intent: false, applied_is_desired: applied.as_ref() == Some(desired), ..facts }.rested()
            }
            Write::Replay => {
                self.pin_presence(facts.intent, "intent");
                self.update.set("attempts", number(0));
                self.unpark();
                if facts.intent {
                    self.is("intent.settle_at", if facts.settled { "<=" } else { ">" }, time(now));
                } else {
                    self.pin_applied();
                }
                if facts.intent && !facts.settled {
                    // The look-up may not be trusted earlier.
                    self.update.copy("due", "intent.settle_at").copy("soon", "intent.settle_at");
                } else {
                    self.update.set("due", time(now)).set("soon", time(now));
                }
                Facts { stopped: false, ..facts }.rested()
            }
        })
    }

    /// `desired := version` if it is newer than what is on record: `compare(…) == Newer` as a condition.
    fn newer(&mut self, version: &Version) {
        let (modified, tie, content) = (time(version.modified), number(version.tie), text(version.content.to_string()));
        let first = self.update.missing("desired");
        let other = self.update.is("desired_content", "<>", content.clone());
        let later = self.update.is("newest", "<", modified.clone());
        let same_time = self.update.is("newest", "=", modified.clone());
        let higher = self.update.is("desired_tie", "<", tie.clone());
        self.update
            .only_if(format!("({first} OR ({other} AND ({later} OR ({same_time} AND {higher}))))"))
            .set("desired", text(version.to_string()))
            .set("desired_content", content)
            .set("desired_tie", tie)
            .set("newest", modified);
    }

    fn begin(&mut self, step: &crate::domain::record::Intent, due: Timestamp) -> Option<State> {
        self.update
            .set("epoch", number(step.epoch))
            .set("intent", intent(step))
            .add("attempts", number(1))
            .set("due", time(due))
            .set("soon", time(step.settle_at));
        self.pin_stopped();
        Facts { intent: true, ..self.facts }.rested()
    }

    /// Ends the intent, unless its outcome is in doubt: the state after it.
    fn drop_intent_unless_unknown(&mut self, refused: bool) -> Option<State> {
        let facts = self.facts;
        self.is("intent.unknown", "=", AttributeValue::Bool(facts.unknown));
        if !facts.unknown {
            self.update.remove(&["intent"]);
        } else if refused {
            self.update.set("intent.refused", AttributeValue::Bool(true));
        }
        self.pin_stopped();
        if !facts.stopped && !facts.unknown {
            self.pin_applied();
        }
        Facts { intent: facts.unknown, ..facts }.rested()
    }

    fn stop(&mut self, how: crate::domain::record::End, reason: &str) {
        self.update
            .copy("parked_version", "desired")
            .set("parked_end", text(end(how)))
            .set("parked_reason", text(reason));
    }

    fn unpark(&mut self) {
        self.update.remove(&["parked_version", "parked_end", "parked_reason"]);
    }

    /// One attempt less, never below none.
    fn forgive(&mut self) {
        if self.facts.attempted {
            self.is("attempts", ">", number(0));
            self.update.add("attempts", number(-1));
        } else {
            let none = self.update.missing_or("attempts", "=", number(0));
            self.update.only_if(none);
        }
    }

    fn planned_from(&mut self, desired: &Version, applied: Option<&Version>) {
        self.is("desired", "=", text(desired.to_string()));
        self.pin_presence(false, "intent");
        match applied {
            Some(applied) => self.is("applied", "=", text(applied.to_string())),
            None => self.pin_presence(false, "applied"),
        }
    }

    fn attempt(&mut self, attempt: &AttemptId) {
        self.is("intent.attempt", "=", text(attempt.as_str()));
    }

    fn is(&mut self, path: &str, operator: &str, value: AttributeValue) {
        let condition = self.update.is(path, operator, value);
        self.update.only_if(condition);
    }

    fn exists(&mut self, path: &str) {
        let condition = self.update.exists(path);
        self.update.only_if(condition);
    }

    fn pin_presence(&mut self, present: bool, path: &str) {
        let condition = if present { self.update.exists(path) } else { self.update.missing(path) };
        self.update.only_if(condition);
    }

    fn pin_same(&mut self, same: bool, one: &str, other: &str) {
        let condition = if same { self.update.same(one, other) } else { self.update.differs(one, other) };
        self.update.only_if(condition);
    }

    fn pin_planned(&mut self) {
        self.pin_same(self.facts.planned_is_desired, "intent.planned", "desired");
    }

    fn pin_applied(&mut self) {
        self.pin_same(self.facts.applied_is_desired, "applied", "desired");
    }

    fn pin_stopped(&mut self) {
        self.pin_same(self.facts.stopped, "parked_version", "desired");
    }
}

fn how_listed(end: crate::domain::record::End) -> State {
    match end {
        crate::domain::record::End::Parked => State::Parked,
        crate::domain::record::End::Dead => State::Dead,
        crate::domain::record::End::Ignored => State::Ignored,
    }
}
