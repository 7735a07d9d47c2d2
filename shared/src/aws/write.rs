//! Each [`Write`] as one conditional update, equal to [`Write::apply`].
//!
//! What a write does depends on a few [`Facts`] of the head: is the planned version still the desired one, is the outcome in
//! doubt, … Each branch is an update whose condition pins the facts it relies on. The branch that usually applies is tried
//! first; if it does not hold, the item that comes back with the refusal says which one does. Nothing is written from what
//! was read before: a branch chosen from an item that changed meanwhile only fails again.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{
    expression::Update,
    facts::Facts,
    head::{intent, json, why},
    item::{number, text, time},
    keys::{state_pk, state_sk},
};
use crate::{
    Result,
    domain::{
        document::Booked,
        ids::{AttemptId, OrderKey},
        reason::Reason,
        record::{Count, Doubt, End, Intent, QUESTION, Rest, State, Summary, Write, schema_of},
        version::Version,
    },
};

/// The update of `write` where `facts` hold. `token` marks the item as this write's.
pub(super) fn update(write: &Write, key: &OrderKey, now: Timestamp, token: &str, facts: Facts) -> Result<Update> {
    let mut draft = Draft { key, now, facts, update: Update::default() };
    // Only an arrival makes a record.
    if !matches!(write, Write::Record { .. }) {
        draft.present(true, "desired");
    }
    draft.unread();
    if let Some(state) = draft.change(write)? {
        draft.update.set("shelf", text(state_pk(&key.connection, state)));
    }
    draft.update.set("updated", time(now)).set("listed", text(state_sk(now, key))).set("token", text(token));
    // A repeated request of ours finds its own token and changes nothing twice.
    let fresh = draft.update.missing_or("token", "<>", text(token));
    draft.update.only_if(fresh);
    Ok(draft.update)
}

/// An update in the making. Its methods set, remove and require; those for a write return the state it ends in, `None` if
/// that stays.
struct Draft<'a> {
    key: &'a OrderKey,
    now: Timestamp,
    facts: Facts,
    update: Update,
}

impl Draft<'_> {
    fn change(&mut self, write: &Write) -> Result<Option<State>> {
        match write {
            Write::Record { version, summary, arrived, over } => return self.record(version, summary, *arrived, *over),
            Write::Complete { attempt, found, booked, steps } => return self.complete(attempt, found, booked, *steps),
            Write::Touch { desired, newest, arrived } => {
                self.is("desired", "=", text(desired.to_string()));
                let later = self.update.is("newest", "<", time(*newest));
                let same_time = self.update.is("newest", "=", time(*newest));
                let again = self.update.missing_or("arrived", "<", time(*arrived));
                self.update
                    .only_if(format!("({later} OR ({same_time} AND {again}))"))
                    .set("newest", time(*newest))
                    .set("arrived", time(*arrived));
            }
            Write::Begin { desired, steps, intent: step, due } => {
                self.planned_from(desired, *steps);
                return self.begin(step, *due);
            }
            Write::Resend { looked_up, intent: step, due } => {
                self.attempt(looked_up);
                return self.begin(step, *due);
            }
            Write::Reschedule { attempt, backoff, floor, count, doubtful, reason } => {
                self.attempt(attempt);
                self.planned_is_desired();
                self.reason(reason)?;
                self.wait(if self.facts.planned_is_desired { *backoff } else { *floor }, *floor);
                match count {
                    Count::Kept => {}
                    Count::Forgiven => self.forgive(),
                    Count::Added => {
                        self.update.add("attempts", number(1));
                    }
                }
                return Ok(self.drop_intent_unless_unknown(*doubtful, false));
            }
            Write::Park { attempt, judged, doubt, end, given_up, reason, floor } => {
                self.attempt(attempt);
                if let Some(attempts) = given_up {
                    self.is("attempts", "=", number(attempts));
                }
                self.reason(reason)?;
                let state = self.drop_intent_unless_unknown(*doubt != Doubt::None, *doubt != Doubt::Bound);
                return Ok(self.park(judged, *end, reason, *floor)?.or(state));
            }
            Write::Rest { desired, steps, attempts, rest } => {
                self.planned_from(desired, *steps);
                self.is("attempts", "=", number(attempts));
                return self.rest(rest).map(Some);
            }
            Write::Defer { desired, steps, epoch, due, floor, forgiven, reason } => {
                self.planned_from(desired, *steps);
                self.is("epoch", "<=", number(epoch));
                self.wait(*due, *floor);
                self.update.set("epoch", number(epoch));
                self.reason(reason)?;
                if !forgiven {
                    self.update.add("attempts", number(1));
                }
                self.stopped();
                self.applied_is_desired();
                return Ok(Facts { intent: false, ..self.facts }.state());
            }
            Write::Book { desired, steps, booked } => {
                self.planned_from(desired, *steps);
                return self.book(booked, steps.saturating_add(1)).map(Some);
            }
            Write::Lift { looked_up } => return Ok(self.lift(looked_up)),
            Write::Replay { asked } => return Ok(self.replay(*asked)),
        }
        Ok(None)
    }

    fn record(
        &mut self,
        version: &Version,
        summary: &Summary,
        arrived: Timestamp,
        over: Timestamp,
    ) -> Result<Option<State>> {
        self.newer(version, arrived, over);
        // `due := soon if set, else now`: `soon` is the attribute of `not_before`.
        if version.is_unread() {
            // Only where there is no record yet.
            self.update.set("due", time(self.now + QUESTION));
        } else {
            self.update.set_from("due", "soon", time(self.now));
        }
        if self.facts.unread {
            self.update.set("attempts", number(0)).remove(&["reason", "why"]);
        } else {
            self.update.set_once("attempts", number(0));
        }
        self.update
            .set_once("soon", time(self.now))
            .set("summary", json(summary)?)
            .set_once("schema", number(schema_of(&[])))
            .set_once("epoch", number(0))
            .set("connection", text(self.key.connection.as_str()))
            .set("order", text(self.key.order.as_str()));
        self.present(self.facts.intent, "intent");
        if self.facts.intent {
            return Ok(Some(State::Sending));
        }
        if version.is_unread() {
            return Ok(Some(State::Fetching));
        }
        // After a restore from a backup the ERP may hold an arriving state already.
        let applied = text(version.to_string());
        if self.facts.applied_is_desired {
            self.is("applied", "=", applied);
            return Ok(Some(State::Synced));
        }
        let other = self.update.missing_or("applied", "<>", applied);
        self.update.only_if(other);
        Ok(Some(State::Waiting))
    }

    /// `desired := version` if it is newer than what is on record: the version rule as a condition.
    fn newer(&mut self, version: &Version, arrived: Timestamp, over: Timestamp) {
        let (modified, tie, content) = (time(version.modified), number(version.tie), text(version.content.to_string()));
        let first = self.update.missing("desired");
        let condition = if version.is_unread() {
            // "Still asked of the store" never overwrites a state.
            first
        } else {
            let other = self.update.is("desired_content", "<>", content.clone());
            let later = self.update.is("newest", "<", modified.clone());
            let same_time = self.update.is("newest", "=", modified.clone());
            let higher = self.update.is("desired_tie", "<", tie.clone());
            let not_again = self.update.missing_or("arrived", "<=", time(over));
            let unread = self.update.is("desired", "=", text(Version::unread().to_string()));
            format!("({first} OR ({other} AND ({unread} OR {later} OR ({same_time} AND {higher} AND {not_again}))))")
        };
        self.update
            .only_if(condition)
            .set("desired", text(version.to_string()))
            .set("desired_content", content)
            .set("desired_tie", tie)
            .set("newest", modified)
            .set("arrived", time(arrived));
    }

    fn begin(&mut self, step: &Intent, due: Timestamp) -> Result<Option<State>> {
        self.is("epoch", "<=", number(step.epoch));
        self.wait(due, step.settle_at);
        self.update.set("epoch", number(step.epoch)).set("intent", intent(step)?).add("attempts", number(1));
        if let Some(schema) = Write::schema_with(step) {
            self.update.set("schema", number(schema));
        }
        self.stopped();
        Ok(Facts { intent: true, ..self.facts }.state())
    }

    fn complete(
        &mut self,
        attempt: &AttemptId,
        found: &Version,
        booked: &[Booked],
        steps: u32,
    ) -> Result<Option<State>> {
        self.attempt(attempt);
        self.booked(booked, steps)?;
        self.unpark();
        self.update.set("last", text(attempt.as_str())).remove(&["intent"]);
        let found = || text(found.to_string());
        let (as_planned, last) = (self.facts.as_planned, AttributeValue::Bool(true));
        self.is("intent.planned", if as_planned { "=" } else { "<>" }, found());
        if as_planned {
            self.update.set("attempts", number(0));
        }
        if self.facts.nothing_left {
            self.is("desired", "=", found());
            self.is("intent.last", "=", last);
            self.update.set("applied", found()).remove(&["due", "soon"]);
            return Ok(Some(State::Synced));
        }
        if as_planned {
            let newer = self.update.is("desired", "<>", found());
            let more = self.update.missing_or("intent.last", "<>", last);
            self.update.only_if(format!("({newer} OR {more})"));
        }
        self.wait(self.now, self.now);
        self.applied_is_desired();
        Ok(Facts { intent: false, stopped: false, ..self.facts }.state())
    }

    fn booked(&mut self, booked: &[Booked], steps: u32) -> Result<()> {
        self.update
            .set("schema", number(schema_of(booked)))
            .set("booked", json(&booked)?)
            .set("steps", number(steps))
            .remove(&["reason", "why", "document"]);
        Ok(())
    }

    fn book(&mut self, booked: &[Booked], steps: u32) -> Result<State> {
        self.booked(booked, steps)?;
        self.present(self.facts.parked, "parked_version");
        if self.facts.parked {
            self.update.set("parked_version", text(Version::unread().to_string()));
        }
        self.update.set("attempts", number(0));
        self.wait(self.now, self.now);
        self.applied_is_desired();
        Ok(Facts { intent: false, stopped: false, ..self.facts }.state().unwrap_or(State::Waiting))
    }

    fn lift(&mut self, looked_up: &AttemptId) -> Option<State> {
        self.attempt(looked_up);
        self.is("intent.refused", "=", AttributeValue::Bool(true));
        self.present(false, "parked_version");
        self.present(false, "reason");
        self.update.remove(&["intent"]);
        self.wait(self.now, self.now);
        self.applied_is_desired();
        Facts { intent: false, stopped: false, ..self.facts }.state()
    }

    /// Stops at the judged version; `None` if a newer one waits, which gets its turn and attempts of its own.
    fn park(&mut self, judged: &Version, how: End, reason: &Reason, floor: Timestamp) -> Result<Option<State>> {
        if !self.facts.judged_is_desired {
            self.is("desired", "<>", text(judged.to_string()));
            self.wait(floor, floor);
            self.update.set("attempts", number(0));
            return Ok(None);
        }
        self.is("desired", "=", text(judged.to_string()));
        self.update.set("soon", time(floor)).remove(&["due"]);
        self.stop(how, reason).map(Some)
    }

    fn rest(&mut self, rest: &Rest) -> Result<State> {
        self.update.remove(&["due", "soon"]);
        match rest {
            Rest::Synced => {
                self.update.copy("applied", "desired").set("attempts", number(0)).remove(&["reason", "why"]);
                self.unpark();
                Ok(State::Synced)
            }
            Rest::Stop { end, reason } => {
                self.reason(reason)?;
                self.stop(*end, reason)
            }
        }
    }

    fn replay(&mut self, asked: Timestamp) -> Option<State> {
        // Not one that was asked for before the order was handed to a person.
        let sure = self.update.missing_or("intent.refused", "<>", AttributeValue::Bool(true));
        let not_handed_over = self.update.missing_or("parked_end", "<>", text(End::Parked.as_str()));
        let asked_after = self.update.missing_or("soon", "<=", time(asked));
        self.update.only_if(format!("({sure} OR {not_handed_over} OR {asked_after})"));
        let Facts { intent, settled, .. } = self.facts;
        self.present(intent, "intent");
        self.present(self.facts.parked, "parked_version");
        if self.facts.parked {
            self.update.remove(&["reason", "why"]);
        }
        self.update.set("attempts", number(0));
        self.unpark();
        if intent {
            self.is("intent.settle_at", if settled { "<=" } else { ">" }, time(self.now));
        } else {
            self.applied_is_desired();
        }
        if intent && !settled {
            // The look-up may not be trusted earlier.
            self.update.copy("due", "intent.settle_at").copy("soon", "intent.settle_at");
        } else {
            self.wait(self.now, self.now);
        }
        Facts { stopped: false, ..self.facts }.state()
    }

    /// Ends the intent, unless its outcome is in doubt.
    fn drop_intent_unless_unknown(&mut self, doubtful: bool, refused: bool) -> Option<State> {
        let facts = Facts { unknown: self.facts.unknown || doubtful, ..self.facts };
        if doubtful {
            self.update.set("intent.unknown", AttributeValue::Bool(true));
        } else {
            self.is("intent.unknown", "=", AttributeValue::Bool(facts.unknown));
        }
        if !facts.unknown {
            self.update.remove(&["intent"]);
        } else if refused {
            self.update.set("intent.refused", AttributeValue::Bool(true));
        }
        self.stopped();
        if !facts.unknown {
            self.applied_is_desired();
        }
        Facts { intent: facts.unknown, ..facts }.state()
    }

    fn wait(&mut self, due: Timestamp, not_before: Timestamp) {
        self.update.set("due", time(due)).set("soon", time(not_before));
    }

    /// Stops at `desired`, whose attempts they were.
    fn stop(&mut self, how: End, reason: &Reason) -> Result<State> {
        self.update
            .copy("parked_version", "desired")
            .set("attempts", number(0))
            .set("parked_end", text(how.as_str()))
            .set("parked_reason", text(reason.words()));
        self.why("parked_why", reason)?;
        Ok(match how {
            End::Parked => State::Parked,
            End::Dead => State::Dead,
            End::Ignored => State::Ignored,
        })
    }

    fn reason(&mut self, reason: &Reason) -> Result<()> {
        self.update.set("reason", text(reason.words()));
        self.why("why", reason)
    }

    fn why(&mut self, name: &'static str, reason: &Reason) -> Result<()> {
        match why(reason)? {
            Some(why) => self.update.set(name, why),
            None => self.update.remove(&[name]),
        };
        Ok(())
    }

    fn unpark(&mut self) {
        self.update.remove(&["parked_version", "parked_end", "parked_reason", "parked_why"]);
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

    /// Pins what was planned from. A record that has completed no step has no `steps`; one of schema 1 never has, and a
    /// `document` if there was one.
    fn planned_from(&mut self, desired: &Version, steps: u32) {
        self.is("desired", "=", text(desired.to_string()));
        self.present(false, "intent");
        if steps > 1 {
            return self.is("steps", "=", number(steps));
        }
        let uncounted = self.update.missing("steps");
        let condition = if steps == 0 {
            let none = self.update.missing("document");
            format!("({uncounted} AND {none})")
        } else {
            let (counted, one) = (self.update.is("steps", "=", number(steps)), self.update.exists("document"));
            format!("({counted} OR ({uncounted} AND {one}))")
        };
        self.update.only_if(condition);
    }

    fn attempt(&mut self, attempt: &AttemptId) {
        self.is("intent.attempt", "=", text(attempt.as_str()));
    }

    fn is(&mut self, path: &str, operator: &str, value: AttributeValue) {
        let condition = self.update.is(path, operator, value);
        self.update.only_if(condition);
    }

    fn present(&mut self, present: bool, path: &str) {
        let condition = if present { self.update.exists(path) } else { self.update.missing(path) };
        self.update.only_if(condition);
    }

    /// Pins whether two paths are the same.
    fn pin(&mut self, same: bool, one: &str, other: &str) {
        let condition = if same { self.update.same(one, other) } else { self.update.differs(one, other) };
        self.update.only_if(condition);
    }

    fn planned_is_desired(&mut self) {
        self.pin(self.facts.planned_is_desired, "intent.planned", "desired");
    }

    fn applied_is_desired(&mut self) {
        self.pin(self.facts.applied_is_desired, "applied", "desired");
    }

    /// Pins whether the content on record is still asked of the store.
    fn unread(&mut self) {
        let unread = text(Version::unread().to_string());
        let condition = if self.facts.unread {
            self.update.is("desired", "=", unread)
        } else {
            self.update.missing_or("desired", "<>", unread)
        };
        self.update.only_if(condition);
    }

    fn stopped(&mut self) {
        self.pin(self.facts.stopped, "parked_version", "desired");
    }
}
