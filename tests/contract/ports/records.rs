//! [`puente::ports::Records`]: every conditional write, and what lies beside the heads.

use std::collections::HashSet;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use puente::{
    Kind,
    domain::{
        document::{Booked, Step},
        ids::{AttemptId, ConnectionId, OrderKey},
        order::Payment,
        reason::{Reason, Why},
        record::{Count, Doubt, End, Entry, Head, Intent, Rest, State, Summary, Write, Written},
        search::Term,
        version::Version,
    },
    ports::{Payload, Place, Query, Records, SystemChance},
};

use super::{Ports, at, document, intent, key, record, summary, version};

/// Writes, and checks answer and record against [`Write::apply`] on the head as it was.
async fn write(records: &dyn Records, key: &OrderKey, write: &Write, now: Timestamp, why: &str) -> Option<Head> {
    let before = records.head(key).await.unwrap();
    let expected = write.apply(key, before.as_ref(), now);
    let written = records.write(key, write, now).await.unwrap();
    match (&expected, &written) {
        (Some(head), Written::Applied(answer)) => assert_eq!(answer, head, "{why}: the answer after {write:?}"),
        (None, Written::Refused(answer)) => assert_eq!(answer, &before, "{why}: the answer after a refused {write:?}"),
        _ => panic!("{why}: {write:?} on {before:#?}\nexpected {expected:#?}\nbut was {written:#?}"),
    }
    let after = records.head(key).await.unwrap();
    assert_eq!(after, expected.clone().or(before), "{why}: the record after {write:?}");
    expected
}

fn other_attempt(attempt: &str) -> Vec<Write> {
    let attempt = AttemptId::new(attempt);
    vec![
        Write::Complete { attempt: attempt.clone(), found: version(1, 0, 1), booked: vec![], steps: 1 },
        Write::Reschedule {
            attempt: attempt.clone(),
            backoff: at(90),
            floor: at(31),
            count: Count::Kept,
            doubtful: false,
            reason: "busy".into(),
        },
        Write::Park {
            attempt,
            judged: version(1, 0, 1),
            doubt: Doubt::None,
            end: End::Parked,
            given_up: None,
            reason: "unknown article".into(),
            floor: at(31),
        },
    ]
}

fn booked(key: &OrderKey, version: &Version) -> Booked {
    Step::create(key.sale()).booked(&[], version, &document("7")).remove(0)
}

/// The first step of an order succeeded.
fn completes(key: &OrderKey, attempt: &str, found: &Version) -> Write {
    Write::Complete {
        attempt: AttemptId::new(attempt),
        found: found.clone(),
        booked: vec![booked(key, found)],
        steps: 1,
    }
}

/// The same, and another step before it.
fn two_steps(write: Write) -> Write {
    let Write::Complete { attempt, found, booked, .. } = write else { panic!("{write:?}") };
    Write::Complete { attempt, found, booked, steps: 2 }
}

/// The same, and another step will follow.
fn more_than_one(mut write: Write) -> Write {
    let (Write::Begin { intent, .. } | Write::Resend { intent, .. }) = &mut write else { panic!("{write:?}") };
    intent.last = false;
    write
}

/// Refused for good, of an attempt that may have arrived before.
fn park_in_doubt(attempt: &str) -> Write {
    Write::Park {
        attempt: AttemptId::new(attempt),
        judged: version(10, 0, 1),
        doubt: Doubt::None,
        end: End::Parked,
        given_up: None,
        reason: "the period is closed".into(),
        floor: at(31),
    }
}

/// Asked for after whatever the cases write.
fn replay() -> Write {
    Write::Replay { asked: at(60) }
}

/// One condition of one write: what the record went through before, the write, and whether it holds.
struct Case(&'static str, Vec<Write>, Write, bool);

#[allow(clippy::too_many_lines, reason = "a table")]
fn cases(key: &OrderKey) -> Vec<Case> {
    let [v1, v2, v0] = [version(10, 0, 1), version(20, 0, 2), version(5, 0, 3)];
    let tied = |tie| version(10, tie, 4);
    let begun = |planned: &Version, attempt: &str, epoch| intent(key, planned, attempt, epoch, at(2));
    let begin = |desired: &Version, steps, attempt: &str, epoch| Write::Begin {
        desired: desired.clone(),
        steps,
        intent: begun(desired, attempt, epoch),
        due: at(40),
    };
    let again = |attempt: &str, epoch| Intent { unknown: true, ..begun(&v1, attempt, epoch) };
    let resend = |looked_up: &str, attempt: &str, epoch| Write::Resend {
        looked_up: AttemptId::new(looked_up),
        intent: again(attempt, epoch),
        due: at(60),
    };
    let complete = |attempt: &str, found: &Version| completes(key, attempt, found);
    let reschedule = |attempt: &str, count| Write::Reschedule {
        attempt: AttemptId::new(attempt),
        backoff: at(90),
        floor: at(31),
        count,
        doubtful: false,
        reason: Why::Failed { words: "the ERP is busy".into() }.into(),
    };
    let park = |attempt: &str, end| Write::Park {
        attempt: AttemptId::new(attempt),
        judged: v1.clone(),
        doubt: Doubt::None,
        end,
        // The attempts are named in their order.
        given_up: (end == End::Dead).then(|| attempt.trim_start_matches('a').parse().unwrap()),
        reason: "unknown article".into(),
        floor: at(31),
    };
    let stop = |end| Rest::Stop { end, reason: Why::NotPaid { payment: Payment::Pending }.into() };
    let rest = |desired: &Version, steps, rest| Write::Rest { desired: desired.clone(), steps, attempts: 0, rest };
    let gives_up = || Write::Rest { desired: v1.clone(), steps: 0, attempts: 1, rest: stop(End::Dead) };
    let defer = |desired: &Version, steps, epoch, forgiven| Write::Defer {
        desired: desired.clone(),
        steps,
        epoch,
        due: at(70),
        floor: at(31),
        forgiven,
        reason: "its customer could not be resolved".into(),
    };
    let book = |desired: &Version, steps, carried: &Version| Write::Book {
        desired: desired.clone(),
        steps,
        booked: vec![booked(key, carried)],
    };
    let lift = |attempt: &str| Write::Lift { looked_up: AttemptId::new(attempt) };
    // A step in doubt that was refused since: a person's, who says that it is not there.
    let refused = |head: &[Write]| [head, &[park_in_doubt("a2")]].concat();
    let touch =
        |desired: &Version, second| Write::Touch { desired: desired.clone(), newest: at(second), arrived: at(0) };

    let again = |second| Write::Touch { desired: v1.clone(), newest: v1.modified, arrived: at(second) };

    let new = vec![record(&v1)];
    let sending = vec![record(&v1), begin(&v1, 0, "a1", 3)];
    let with = |given: &[Write], more: Vec<Write>| [given, &more].concat();
    let synced = with(&sending, vec![complete("a1", &v1)]);
    let overtaken = with(&sending, vec![record(&v2)]);
    let unknown = with(&sending, vec![resend("a1", "a2", 3)]);
    let failed = with(&sending, vec![reschedule("a1", Count::Kept)]);
    let parked = with(&sending, vec![park("a1", End::Parked)]);
    // A sale that was refunded before it was made: its credit note is a step of its own.
    let more = with(&new, vec![more_than_one(begin(&v1, 0, "a1", 3))]);
    let resend_more = more_than_one(resend("a1", "a2", 3));
    let second = Write::Complete {
        attempt: AttemptId::new("a2"),
        found: v1.clone(),
        booked: vec![booked(key, &v1), booked(key, &v0)],
        steps: 2,
    };
    let twice = with(&synced, vec![record(&v2), begin(&v2, 1, "a2", 3), two_steps(complete("a2", &v0))]);
    let ignored = vec![record(&v1), rest(&v1, 0, stop(End::Ignored))];

    let mut cases = vec![
        Case("record: the first arrival makes a record", vec![], record(&v1), true),
        Case("record: a newer state", new.clone(), record(&v2), true),
        Case("record: the same again", new.clone(), record(&v1), false),
        Case("record: the same content at a later time", new.clone(), record(&version(30, 0, 1)), false),
        Case("record: an older state", new.clone(), record(&v0), false),
        Case("record: another content of the same time", new.clone(), record(&tied(0)), false),
        Case("record: of the same time, told apart by asking", new.clone(), record(&tied(1)), true),
        Case(
            "record: of the same time, but the one on record arrived again",
            with(&new, vec![again(5)]),
            record(&tied(1)),
            false,
        ),
        Case("touch: arrived again with the same time", new.clone(), again(5), true),
        Case("touch: arrived no later", new.clone(), again(0), false),
        Case("record: from between two sightings", with(&new, vec![touch(&v1, 25)]), record(&v2), false),
        Case("record: at the later sighting's time", with(&new, vec![touch(&v1, 20)]), record(&v2), false),
        Case("record: after the later sighting", with(&new, vec![touch(&v1, 19)]), record(&v2), true),
        Case("record: over a failed one, after the least interval", failed.clone(), record(&v2), true),
        Case("record: over a step on its way", sending.clone(), record(&v2), true),
        Case("record: over a parked one", parked.clone(), record(&v2), true),
        Case("record: over an ignored one", ignored.clone(), record(&v2), true),
        Case("record: over a synced one", synced.clone(), record(&v2), true),
        Case("touch: a later time", new.clone(), touch(&v1, 11), true),
        Case("touch: no later time", new.clone(), touch(&v1, 10), false),
        Case("touch: of a content that is not desired any more", with(&new, vec![record(&v2)]), touch(&v1, 30), false),
        Case("begin: as planned", new.clone(), begin(&v1, 0, "a1", 0), true),
        Case("begin: a newer state came meanwhile", with(&new, vec![record(&v2)]), begin(&v1, 0, "a1", 3), false),
        Case("begin: the ERP holds a state by now", synced.clone(), begin(&v1, 0, "a2", 3), false),
        Case("begin: from more steps than were taken", synced.clone(), begin(&v1, 2, "a2", 3), false),
        Case("begin: from a step that was not taken", new.clone(), begin(&v1, 1, "a1", 3), false),
        Case("begin: after two steps", twice.clone(), begin(&v2, 2, "a3", 3), true),
        Case("begin: another step was taken meanwhile", twice.clone(), begin(&v2, 1, "a3", 3), false),
        Case("begin: from what the ERP holds", with(&synced, vec![record(&v2)]), begin(&v2, 1, "a2", 3), true),
        Case("begin: another step is on its way", sending.clone(), begin(&v1, 0, "a2", 3), false),
        Case("begin: by a conductor of before", failed.clone(), begin(&v1, 0, "a2", 2), false),
        Case("begin: by the same conductor", failed.clone(), begin(&v1, 0, "a2", 3), true),
        Case("begin: by a later conductor", failed.clone(), begin(&v1, 0, "a2", 4), true),
        Case("begin: over a stop nobody told of", ignored.clone(), begin(&v1, 0, "a2", 4), true),
        Case("resend: of what was looked up", sending.clone(), resend("a1", "a2", 3), true),
        Case("resend: of an attempt that is not on record", sending.clone(), resend("a9", "a2", 3), false),
        Case("resend: of an attempt that was replaced", unknown.clone(), resend("a1", "a3", 3), false),
        Case("resend: without a step on its way", new.clone(), resend("a1", "a2", 3), false),
        Case("resend: by a conductor of before", sending.clone(), resend("a1", "a2", 2), false),
        Case("resend: by a later conductor", unknown.clone(), resend("a2", "a3", 4), true),
        Case("resend: while a newer state waits", overtaken.clone(), resend("a1", "a2", 3), true),
        Case("complete: the last word", sending.clone(), complete("a1", &v1), true),
        Case("complete: a newer state waits", overtaken.clone(), complete("a1", &v1), true),
        Case("complete: an older state was found in the ERP", sending.clone(), complete("a1", &v0), true),
        Case("complete: after a resend", unknown.clone(), complete("a2", &v1), true),
        Case("complete: more is left to do", more.clone(), complete("a1", &v1), true),
        Case(
            "complete: more is left to do, and it was stopped",
            with(&more, vec![resend_more, park("a2", End::Dead)]),
            complete("a2", &v1),
            true,
        ),
        Case("complete: the second step", with(&more, vec![complete("a1", &v1), begin(&v1, 1, "a2", 3)]), second, true),
        Case(
            "complete: a state of before comes back",
            with(&synced, vec![record(&v2), begin(&v2, 1, "a2", 3)]),
            complete("a2", &v1),
            true,
        ),
        Case("complete: a second time", synced.clone(), complete("a1", &v1), false),
        Case(
            "complete: while stopped, after a resend",
            with(&unknown, vec![park("a2", End::Dead)]),
            complete("a2", &v1),
            true,
        ),
        Case(
            "complete: an older one while stopped",
            with(&unknown, vec![park("a2", End::Dead)]),
            complete("a2", &v0),
            true,
        ),
        Case("reschedule: the same state", sending.clone(), reschedule("a1", Count::Kept), true),
        Case("reschedule: forgiven", sending.clone(), reschedule("a1", Count::Forgiven), true),
        Case("reschedule: one attempt more", sending.clone(), reschedule("a1", Count::Added), true),
        Case("reschedule: a newer state waits", overtaken.clone(), reschedule("a1", Count::Kept), true),
        Case("reschedule: its doubt stays", unknown.clone(), reschedule("a2", Count::Kept), true),
        Case(
            "reschedule: again, its doubt stays",
            with(&unknown, vec![reschedule("a2", Count::Forgiven)]),
            reschedule("a2", Count::Forgiven),
            true,
        ),
        Case(
            "reschedule: forgiven more often than begun",
            with(&unknown, vec![reschedule("a2", Count::Forgiven), reschedule("a2", Count::Forgiven)]),
            reschedule("a2", Count::Forgiven),
            true,
        ),
        Case("park: the same state", sending.clone(), park("a1", End::Parked), true),
        Case("park: dead", sending.clone(), park("a1", End::Dead), true),
        Case("park: dead, and replayed meanwhile", with(&sending, vec![replay()]), park("a1", End::Dead), false),
        Case("park: a newer state waits", overtaken.clone(), park("a1", End::Parked), true),
        Case("park: its doubt stays", unknown.clone(), park("a2", End::Parked), true),
        Case(
            "park: a newer state waits, its doubt stays",
            with(&unknown, vec![record(&v2)]),
            park("a2", End::Dead),
            true,
        ),
        Case("rest: nothing to send", with(&synced, vec![record(&v2)]), rest(&v2, 1, Rest::Synced), true),
        Case("rest: ignored", new.clone(), rest(&v1, 0, stop(End::Ignored)), true),
        Case("rest: dead", failed.clone(), gives_up(), true),
        Case("rest: dead, and replayed meanwhile", with(&failed, vec![replay()]), gives_up(), false),
        Case("rest: a newer state came meanwhile", with(&new, vec![record(&v2)]), rest(&v1, 0, Rest::Synced), false),
        Case("rest: the ERP holds a state by now", synced.clone(), rest(&v1, 0, stop(End::Parked)), false),
        Case("rest: a step is on its way", sending.clone(), rest(&v1, 0, stop(End::Parked)), false),
        Case("defer: as planned", new.clone(), defer(&v1, 0, 3, false), true),
        Case("defer: forgiven", failed.clone(), defer(&v1, 0, 3, true), true),
        Case("defer: from what the ERP holds", with(&synced, vec![record(&v2)]), defer(&v2, 1, 3, false), true),
        Case("defer: a replayed one that the ERP holds", with(&synced, vec![replay()]), defer(&v1, 1, 3, false), true),
        Case("defer: a newer state came meanwhile", with(&new, vec![record(&v2)]), defer(&v1, 0, 3, false), false),
        Case("defer: the ERP holds a state by now", synced.clone(), defer(&v1, 0, 3, false), false),
        Case("defer: a step is on its way", sending.clone(), defer(&v1, 0, 3, false), false),
        Case("defer: by a conductor of before", failed.clone(), defer(&v1, 0, 2, false), false),
        Case("book: what a person made", parked.clone(), book(&v1, 0, &v1), true),
        Case("book: of a sale, another version", with(&synced, vec![record(&v2)]), book(&v2, 1, &v2), true),
        Case("book: from what the ERP holds", synced.clone(), book(&v1, 1, &v0), true),
        Case("book: a newer state came meanwhile", with(&new, vec![record(&v2)]), book(&v1, 0, &v1), false),
        Case("book: another step was taken meanwhile", synced.clone(), book(&v1, 0, &v1), false),
        Case("book: a step is on its way", sending.clone(), book(&v1, 0, &v1), false),
        Case("lift: refused, and replayed by a person", with(&refused(&unknown), vec![replay()]), lift("a2"), true),
        Case("lift: refused, and not replayed", refused(&unknown), lift("a2"), false),
        Case("lift: in doubt, and not refused", with(&unknown, vec![replay()]), lift("a2"), false),
        Case("lift: of another attempt", with(&refused(&unknown), vec![replay()]), lift("a1"), false),
        Case("lift: a newer state waits", with(&refused(&unknown), vec![replay(), record(&v2)]), lift("a2"), true),
        Case("replay: waiting", failed.clone(), replay(), true),
        Case("replay: synced", synced, replay(), true),
        Case("replay: parked", parked, replay(), true),
        Case("replay: ignored", ignored, replay(), true),
        Case("replay: parked, its doubt stays", with(&unknown, vec![park("a2", End::Parked)]), replay(), true),
        Case(
            "replay: asked for before it was handed to a person",
            with(&unknown, vec![park("a2", End::Parked)]),
            Write::Replay { asked: at(2) },
            false,
        ),
        Case(
            "replay: a dead one, asked for before it died",
            with(&unknown, vec![park("a2", End::Dead)]),
            Write::Replay { asked: at(2) },
            true,
        ),
        Case("replay: in mid-flight", sending.clone(), replay(), true),
        Case("replay: twice", with(&sending, vec![replay()]), replay(), true),
    ];
    for given in [&new, &sending, &unknown, &failed] {
        cases.extend(
            other_attempt("a9").into_iter().map(|w| Case("of an attempt not on record", given.clone(), w, false)),
        );
    }
    let on_nothing = [
        touch(&v1, 30),
        begin(&v1, 0, "a1", 3),
        resend("a1", "a2", 3),
        rest(&v1, 0, Rest::Synced),
        book(&v1, 0, &v1),
        lift("a1"),
    ];
    let on_nothing = on_nothing.into_iter().chain([defer(&v1, 0, 3, false), replay()]).chain(other_attempt("a1"));
    cases.extend(on_nothing.map(|write| Case("only an arrival makes a record", vec![], write, false)));
    cases
}

pub(super) async fn every_condition_holds_and_fails_as_the_pure_function_says(ports: &Ports) {
    let count = cases(&key("table", "0")).len();
    for n in 0..count {
        let key = key("table", &n.to_string());
        let Case(why, given, last, holds) = cases(&key).remove(n);
        for step in &given {
            assert!(
                write(&*ports.records, &key, step, at(2), why).await.is_some(),
                "{why}: {step:?} prepares the case"
            );
        }
        // Before and after the settle time of what is on its way.
        let now = if n % 2 == 0 { at(3) } else { at(30) };
        let after = write(&*ports.records, &key, &last, now, why).await;
        assert_eq!(after.is_some(), holds, "{why}");
        assert!(after.is_none_or(|head| !head.forgotten()), "{why}");
    }
}

/// One write in the making: what it names is taken from the head (`own`) or made up.
#[derive(Debug, Clone)]
pub(super) struct Move {
    which: u8,
    own: bool,
    version: Version,
    epoch: u64,
    flag: bool,
    pub(super) after: i64,
}

pub(super) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let version = (0_i64..6, 0_u16..3, 0_u8..4).prop_map(|(s, t, c)| match (s, t) {
        // Now and then nothing but an id came.
        (0, 0) => Version::unread(),
        _ => version(s, t, c),
    });
    let one = (0_u8..13, prop::bool::weighted(0.85), version, 0_u64..4, any::<bool>(), 0_i64..30)
        .prop_map(|(which, own, version, epoch, flag, after)| Move { which, own, version, epoch, flag, after });
    prop::collection::vec(one, 1..25)
}

pub(super) fn make(step: &Move, key: &OrderKey, head: Option<&Head>, serial: u32, now: Timestamp) -> Write {
    let own = head.filter(|_| step.own);
    let desired = own.map_or_else(|| step.version.clone(), |head| head.desired.clone());
    let steps = own.map_or(u32::from(step.flag), |head| head.steps);
    let on_record = own.and_then(|head| head.intent.as_ref());
    let attempt = on_record.map_or_else(|| AttemptId::new("nobody's"), |intent| intent.attempt.clone());
    let epoch = own.map_or(step.epoch, |head| head.epoch + step.epoch / 2);
    let (floor, due) = (now + SignedDuration::from_secs(1), now + SignedDuration::from_secs(30));
    let fresh = |planned: &Version| intent(key, planned, &serial.to_string(), epoch, now);
    // In words, as released records have it, or by its code.
    let reason = if step.flag { Reason::Text("why".to_owned()) } else { Reason::Known(Why::TestOrder) };
    let end = if step.flag { End::Parked } else { End::Dead };
    // Now and then it was replayed meanwhile.
    let attempts = own.map_or(0, |head| head.attempts) + u32::from(step.after % 8 == 7);
    match step.which {
        0 | 1 => {
            let arrived = at(i64::try_from(step.epoch).unwrap());
            let over = arrived.max(at(step.after % 4));
            Write::Record { version: step.version.clone(), summary: summary("#1042"), arrived, over }
        }
        2 => Write::Touch { desired, newest: step.version.modified, arrived: at(i64::try_from(step.epoch).unwrap()) },
        3 => {
            // Now and then more is left to do.
            let intent = Intent { last: step.after % 4 != 0, ..fresh(&desired) };
            Write::Begin { intent, desired, steps, due }
        }
        4 => {
            let planned = on_record.map_or(&step.version, |intent| &intent.planned);
            Write::Resend { looked_up: attempt, intent: Intent { unknown: true, ..fresh(planned) }, due }
        }
        5 => {
            let planned = on_record.filter(|_| step.flag).map_or(&step.version, |intent| &intent.planned).clone();
            let nobodys = || Write::Complete { attempt, found: planned.clone(), booked: vec![], steps: 9 };
            own.and_then(|head| Write::complete(head, &planned, &document("7"))).unwrap_or_else(nobodys)
        }
        6 => {
            let count =
                if step.flag { Count::Forgiven } else { [Count::Kept, Count::Added][usize::from(step.after % 3 == 0)] };
            Write::Reschedule { attempt, backoff: due, floor, count, doubtful: step.epoch == 3, reason }
        }
        7 => {
            let planned = on_record.map_or(&step.version, |intent| &intent.planned).clone();
            let judged = if step.after % 2 == 0 { desired } else { planned };
            let given_up = (end == End::Dead).then_some(attempts);
            let doubt = match step.epoch {
                1 => Doubt::Stands,
                2 => Doubt::Bound,
                _ => Doubt::None,
            };
            Write::Park { attempt, judged, doubt, end, given_up, reason, floor }
        }
        8 => {
            let rest = if step.flag { Rest::Synced } else { Rest::Stop { end: End::Ignored, reason } };
            Write::Rest { desired, steps, attempts, rest }
        }
        9 => Write::Defer { desired, steps, epoch, due, floor, forgiven: step.flag, reason },
        10 => Write::Lift { looked_up: attempt },
        11 => Write::Book { desired, steps, booked: vec![booked(key, &step.version)] },
        _ => Write::Replay { asked: now - SignedDuration::from_secs(step.after) },
    }
}

pub(super) async fn random_histories_end_as_the_pure_function_says(ports: &Ports) {
    let config = Config { cases: ports.cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let serial = std::cell::Cell::new(0_u32);
    let run = |moves: Vec<Move>| {
        runtime.block_on(async {
            serial.set(serial.get() + 1);
            let key = key("random", &serial.get().to_string());
            let (mut head, mut now) = (None, at(100));
            for (serial, step) in (0..).zip(&moves) {
                now += SignedDuration::from_secs(step.after);
                let step = make(step, &key, head.as_ref(), serial, now);
                head = write(&*ports.records, &key, &step, now, "a random history").await.or(head);
                assert!(head.as_ref().is_none_or(|head| !head.forgotten()));
            }
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&moves(), run)).unwrap();
}

pub(super) async fn one_of_many_begins(ports: &Ports) {
    let (key, v1) = (key("race", "1"), version(1, 0, 1));
    write(&*ports.records, &key, &record(&v1), at(0), "an arrival").await;
    let attempts = (0..16).map(|n| {
        let (key, v1) = (key.clone(), v1.clone());
        let intent = intent(&key, &v1, &n.to_string(), 1, at(0));
        async move {
            let begin = Write::Begin { desired: v1, steps: 0, intent, due: at(40) };
            ports.records.write(&key, &begin, at(0)).await.unwrap().applied().then_some(n)
        }
    });
    let winners: Vec<i32> = join_all(attempts).await.into_iter().flatten().collect();
    let head = ports.records.head(&key).await.unwrap().unwrap();
    assert_eq!(winners.len(), 1, "{winners:?} began");
    assert_eq!(head.intent.unwrap().attempt, AttemptId::new(winners[0].to_string()));
    assert_eq!(head.attempts, 1);
}

pub(super) async fn many_arrivals_leave_the_newest(ports: &Ports) {
    let key = key("race", "2");
    let arrivals = (1..=20_u8).map(|n| {
        let (key, arriving) = (key.clone(), version(i64::from(n * 7 % 20), 0, n));
        async move { ports.records.write(&key, &record(&arriving), at(100)).await.unwrap() }
    });
    let applied = join_all(arrivals).await.iter().filter(|written| written.applied()).count();
    let head = ports.records.head(&key).await.unwrap().unwrap();
    assert!(applied >= 1 && head.desired.modified == at(19), "{:?}", head.desired);
    assert!(!head.forgotten());
}

/// Bytes that do not compress, the same every time.
fn noise(length: u32) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

pub(super) async fn payloads_come_back_as_they_were(ports: &Ports) {
    let records = &ports.records;
    let (key, v1) = (key("payloads", "a/b é"), version(1, 0, 1));
    assert_eq!(records.payload(&key, &v1).await.unwrap(), None);
    let order = Payload::Order(br#"{"id":"1","total":"10.00"}"#.as_slice().into());
    records.keep(&key, &v1, &order).await.unwrap();
    records.keep(&key, &v1, &order).await.unwrap();
    assert_eq!(records.payload(&key, &v1).await.unwrap(), Some(order));
    assert_eq!(records.payload(&key, &version(2, 0, 1)).await.unwrap(), None, "another version's");
    let sizes = [(2, vec![]), (3, noise(200_000)), (4, vec![b'x'; 1 << 20])];
    for (second, content) in sizes {
        let raw = Payload::Raw(content.into());
        let version = version(second, 0, 2);
        records.keep(&key, &version, &raw).await.unwrap();
        assert!(records.payload(&key, &version).await.unwrap() == Some(raw), "version {second}");
    }
    // However large: whole, or refused as too large; never a part of it.
    for length in [1 << 20, 20 << 20] {
        let (huge, version) = (Payload::Order(noise(length).into()), version(i64::from(length), 0, 3));
        match records.keep(&key, &version, &huge).await {
            Ok(()) => assert!(records.payload(&key, &version).await.unwrap() == Some(huge), "{length} bytes"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::TooLarge, "{error}");
                assert_eq!(records.payload(&key, &version).await.unwrap(), None);
            }
        }
    }
}

pub(super) async fn payloads_the_head_names_are_never_dropped(ports: &Ports) {
    let records = &*ports.records;
    let key = key("payloads", "2");
    let at_version = |n: u8| version(i64::from(n), 0, n);
    let payload = |n: u8| Payload::Order(vec![n; 10].into());
    let arrive = async |n: u8| {
        records.keep(&key, &at_version(n), &payload(n)).await.unwrap();
        write(records, &key, &record(&at_version(n)), at(100), "an arrival").await.unwrap()
    };
    arrive(1).await;
    let begin = |n: u8, steps| Write::Begin {
        desired: at_version(n),
        steps,
        intent: intent(&key, &at_version(n), &n.to_string(), 1, at(100)),
        due: at(140),
    };
    write(records, &key, &begin(1, 0), at(100), "begin").await.unwrap();
    write(records, &key, &completes(&key, "1", &at_version(1)), at(100), "complete").await.unwrap();
    arrive(2).await;
    write(records, &key, &begin(2, 1), at(100), "begin").await.unwrap();
    for n in 3..=30 {
        arrive(n).await;
    }
    for (n, what) in [(1, "applied"), (2, "on its way"), (30, "desired"), (29, "the one before")] {
        assert_eq!(records.payload(&key, &at_version(n)).await.unwrap(), Some(payload(n)), "{what}");
    }
}

pub(super) async fn the_due_index_suggests_what_is_due(ports: &Ports) {
    let records = &*ports.records;
    let shop: ConnectionId = "due".parse().unwrap();
    assert_eq!(records.next_due(&shop).await.unwrap(), None);
    let mut keys = Vec::new();
    for n in 0..10_u8 {
        let key = key("due", &format!("o{n}"));
        write(records, &key, &record(&version(1, 0, n)), at(100 - i64::from(n)), "an arrival").await;
        keys.push(key);
    }
    write(records, &key("other", "1"), &record(&version(1, 0, 1)), at(0), "another shop's").await;
    keys.reverse();
    assert_eq!(records.next_due(&shop).await.unwrap(), Some(at(91)));
    assert_eq!(records.due(&shop, at(100), 100).await.unwrap(), keys, "earliest first");
    assert_eq!(records.due(&shop, at(93), 100).await.unwrap(), keys[..3], "not before their time");
    assert_eq!(records.due(&shop, at(100), 4).await.unwrap(), keys[..4], "no more than asked for");
    assert!(records.due(&shop, at(90), 100).await.unwrap().is_empty());
    // What rests leaves the index; what is replayed comes back.
    let stop = Rest::Stop { end: End::Parked, reason: "look".into() };
    let rest = Write::Rest { desired: version(1, 0, 9), steps: 0, attempts: 0, rest: stop };
    write(records, &keys[0], &rest, at(101), "stops").await.unwrap();
    assert_eq!(records.due(&shop, at(100), 1).await.unwrap(), keys[1..2]);
    assert_eq!(records.next_due(&shop).await.unwrap(), Some(at(92)));
    write(records, &keys[0], &replay(), at(200), "comes back").await.unwrap();
    assert_eq!(records.due(&shop, at(200), 100).await.unwrap().last(), Some(&keys[0]));
}

async fn pages(records: &dyn Records, query: &Query) -> Vec<Head> {
    let (mut heads, mut query) = (Vec::new(), query.clone());
    for _ in 0..100 {
        let page = records.list(&query).await.unwrap();
        assert!(page.heads.len() <= query.limit);
        heads.extend(page.heads);
        match page.cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return heads,
        }
    }
    panic!("pages without end");
}

pub(super) async fn pages_hold_every_head_once_those_written_last_first(ports: &Ports) {
    let records = &*ports.records;
    let mut expected = Vec::new();
    for n in 0..23_u8 {
        let key = key("pages", &format!("o/{n}"));
        // Several of one moment.
        let now = at(i64::from(n / 3));
        write(records, &key, &record(&version(1, 0, n)), now, "an arrival").await;
        if n % 2 == 0 {
            let rest = Rest::Stop { end: End::Ignored, reason: "a test order".into() };
            let rest = Write::Rest { desired: version(1, 0, n), steps: 0, attempts: 0, rest };
            write(records, &key, &rest, now, "stops").await;
        }
        expected.push(records.head(&key).await.unwrap().unwrap());
    }
    write(records, &key("pages2", "1"), &record(&version(1, 0, 1)), at(0), "another shop's").await;
    let query = |state, limit| Query { connection: "pages".parse().unwrap(), state, from: None, limit, cursor: None };
    for (state, limit) in [(None, 1), (None, 10), (None, 200), (Some(State::Ignored), 5), (Some(State::Waiting), 11)] {
        let heads = pages(records, &query(state, limit)).await;
        let wanted: Vec<&Head> = expected.iter().filter(|head| state.is_none_or(|s| head.state() == s)).collect();
        assert_eq!(heads.len(), wanted.len(), "{state:?} by {limit}");
        let seen: HashSet<&str> = heads.iter().map(|head| head.key.order.as_str()).collect();
        assert_eq!(seen.len(), wanted.len(), "each once");
        assert!(heads.iter().all(|head| wanted.contains(&head)), "as on record");
        assert!(heads.is_sorted_by(|a, b| a.updated >= b.updated), "most recently changed first");
    }
    assert!(pages(records, &query(Some(State::Dead), 10)).await.is_empty());
    let query = Query { connection: "nobody".parse().unwrap(), ..query(None, 10) };
    assert!(pages(records, &query).await.is_empty());
}

pub(super) async fn a_head_written_while_paging_is_not_shown_twice(ports: &Ports) {
    let records = &*ports.records;
    for n in 0..10_u8 {
        write(records, &key("moving", &n.to_string()), &record(&version(1, 0, n)), at(i64::from(n)), "").await;
    }
    let mut query = Query { connection: "moving".parse().unwrap(), state: None, from: None, limit: 5, cursor: None };
    let first = records.list(&query).await.unwrap();
    write(records, &key("moving", "9"), &replay(), at(50), "one of the first page").await;
    query.cursor = first.cursor;
    let second = records.list(&query).await.unwrap();
    let shown: Vec<_> = first.heads.iter().chain(&second.heads).map(|head| head.key.order.to_string()).collect();
    assert_eq!(shown, ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"]);
}

pub(super) async fn a_list_ends_at_the_time_it_is_asked_for(ports: &Ports) {
    let records = &*ports.records;
    for n in 0..6_u8 {
        write(records, &key("days", &n.to_string()), &record(&version(1, 0, n)), at(i64::from(n)), "").await;
    }
    let query = Query { connection: "days".parse().unwrap(), state: None, from: Some(at(2)), limit: 2, cursor: None };
    let shown = async |query: &Query| -> Vec<String> {
        pages(records, query).await.into_iter().map(|head| head.key.order.to_string()).collect()
    };
    assert_eq!(shown(&query).await, ["5", "4", "3", "2"]);
    // From a place that no page ended at: before a time, or after one of its orders.
    let until = |order: Option<&str>| Some(Place { updated: at(4), order: order.map(|order| order.parse().unwrap()) });
    assert_eq!(shown(&Query { cursor: until(None), ..query.clone() }).await, ["3", "2"]);
    assert_eq!(shown(&Query { cursor: until(Some("5")), ..query.clone() }).await, ["4", "3", "2"]);
    assert_eq!(shown(&Query { from: Some(at(6)), ..query }).await, Vec::<String>::new());
}

/// An arrival with this number and buyer.
fn called(version: &Version, number: &str, buyer: Option<&str>) -> Write {
    let summary = Summary { buyer: buyer.map(str::to_owned), ..summary(number) };
    Write::Record { version: version.clone(), summary, arrived: at(0), over: at(0) }
}

pub(super) async fn orders_are_found_under_every_value_they_ever_had(ports: &Ports) {
    let records = &*ports.records;
    let found = async |term: Option<Term>, connection: Option<&str>, after: Option<&OrderKey>, limit| {
        let connection = connection.map(|name| name.parse().unwrap());
        records.find(&term.unwrap(), connection.as_ref(), after, limit).await.unwrap()
    };
    // A name that another one begins with, and ids with a slash.
    let (one, two, three) = (key("find", "a/1"), key("find", "b"), key("find-b", "a/1"));
    for order in [&one, &two, &three] {
        write(records, order, &called(&version(1, 0, 1), "#F-7", Some("d1")), at(0), "an arrival").await;
    }
    let number = || Term::number("f-7");
    let all = found(number(), None, None, 10).await;
    assert_eq!(all.iter().collect::<HashSet<_>>(), HashSet::from([&one, &two, &three]));
    assert_eq!(found(number(), Some("find"), None, 10).await, [one.clone(), two.clone()]);
    assert_eq!(
        found(number(), Some("find-b"), Some(&one), 10).await,
        std::slice::from_ref(&three),
        "another's place says nothing"
    );
    assert_eq!(found(number(), Some("fin"), None, 10).await, []);
    // Page by page, each once.
    let mut paged = Vec::new();
    while let [next] = &found(number(), None, paged.last(), 1).await[..] {
        paged.push(next.clone());
    }
    assert_eq!(paged, all);
    // Renamed, and of another buyer: found under both.
    write(records, &one, &called(&version(2, 0, 2), "#F-8", None), at(1), "renamed").await;
    assert_eq!(found(Term::number("F-8"), None, None, 10).await, std::slice::from_ref(&one));
    assert!(found(number(), None, None, 10).await.contains(&one));
    // A refused write adds nothing.
    let old = called(&version(1, 0, 3), "#F-9", None);
    assert!(!records.write(&one, &old, at(2)).await.unwrap().applied());
    assert_eq!(found(Term::number("F-9"), None, None, 10).await, []);
    // In the ERP: by the document's id and number, which no number of an order is mistaken for.
    let begin = Write::Begin {
        desired: version(1, 0, 1),
        steps: 0,
        intent: intent(&two, &version(1, 0, 1), "find", 1, at(3)),
        due: at(30),
    };
    write(records, &two, &begin, at(3), "begins").await;
    assert_eq!(found(Term::document("SO-7"), Some("find"), None, 10).await, []);
    write(records, &two, &completes(&two, "find", &version(1, 0, 1)), at(4), "succeeds").await;
    for text in ["7", "so-7"] {
        assert_eq!(found(Term::document(text), Some("find"), None, 10).await, std::slice::from_ref(&two), "{text}");
    }
    assert_eq!(found(Term::number("so-7"), None, None, 10).await, []);
}

pub(super) async fn the_key_of_search_is_drawn_once(ports: &Ports) {
    let records = &*ports.records;
    let chance = SystemChance;
    let drawn = futures::future::join_all((0..4).map(|_| records.search_key(Some(&chance)))).await;
    let first = drawn[0].as_ref().unwrap().clone().unwrap();
    for key in drawn {
        assert_eq!(key.unwrap(), Some(first.clone()));
    }
    assert_eq!(records.search_key(None).await.unwrap(), Some(first));
}

pub(super) async fn counts_follow_the_states(ports: &Ports) {
    let records = &*ports.records;
    let shop: ConnectionId = "counts".parse().unwrap();
    let count = async |state| records.counts(&shop).await.unwrap().get(&state).copied().unwrap_or(0);
    for n in 0..5_u8 {
        write(records, &key("counts", &n.to_string()), &record(&version(1, 0, n)), at(0), "").await;
    }
    assert_eq!(count(State::Waiting).await, 5);
    let (one, v) = (key("counts", "0"), version(1, 0, 0));
    let begin = Write::Begin { desired: v.clone(), steps: 0, intent: intent(&one, &v, "a", 1, at(0)), due: at(40) };
    write(records, &one, &begin, at(0), "").await;
    assert_eq!((count(State::Waiting).await, count(State::Sending).await), (4, 1));
    write(records, &one, &completes(&one, "a", &v), at(0), "").await;
    let rest = Rest::Stop { end: End::Dead, reason: "gave up".into() };
    let rest = Write::Rest { desired: version(1, 0, 1), steps: 0, attempts: 0, rest };
    write(records, &key("counts", "1"), &rest, at(0), "").await;
    assert_eq!((count(State::Waiting).await, count(State::Sending).await), (3, 0));
    assert_eq!((count(State::Synced).await, count(State::Dead).await), (1, 1));
    assert_eq!(records.counts(&shop).await.unwrap().values().sum::<u64>(), 5);
}

pub(super) async fn a_timeline_keeps_its_order(ports: &Ports) {
    let (one, other) = (key("timeline", "1"), key("timeline", "2"));
    // Of now: old entries may be dropped some day.
    let now = Timestamp::from_second(ports.clock.now().as_second()).unwrap();
    let entry = |n: i64| Entry {
        at: now + SignedDuration::from_millis(n / 5),
        event: format!("event-{n}"),
        detail: (n % 2 == 0).then(|| "the words".to_owned()),
        why: (n % 6 == 0).then_some(Why::NeverArrived { attempts: 12 }),
        version: (n % 3 == 0).then(|| version(n, 0, 1)),
        attempt: (n % 4 == 0).then(|| AttemptId::new("a1")),
    };
    // More than one request of any store, several of one moment, two orders in turn.
    let mut entries = Vec::new();
    for n in 0..60 {
        entries.push((if n % 10 == 9 { other.clone() } else { one.clone() }, entry(n)));
    }
    ports.records.note(&entries[..55]).await.unwrap();
    ports.records.note(&entries[55..]).await.unwrap();
    ports.records.note(&[]).await.unwrap();
    for key in [&one, &other] {
        let wanted: Vec<&Entry> = entries.iter().filter(|(k, _)| k == key).map(|(_, entry)| entry).collect();
        let found = ports.records.timeline(key).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted);
    }
    assert!(ports.records.timeline(&key("timeline", "3")).await.unwrap().is_empty());
}
