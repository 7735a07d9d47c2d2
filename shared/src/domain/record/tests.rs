//! Any sequence of writes, sensible or not: no order is forgotten, no doubt is lifted, no old word overrides a newer one.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::{
    document::{Document, Operation, Step},
    ids::{AttemptId, OrderKey},
    reason::Reason,
    version::{ContentHash, Standing, Version, compare},
};

const CASES: u32 = 10_000;

fn at(second: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn version(second: i64, tie: u16, content: u8) -> Version {
    Version { modified: at(second), tie, content: ContentHash::of([content]) }
}

fn key() -> OrderKey {
    OrderKey::new("shop".parse().unwrap(), "1042".parse().unwrap())
}

fn summary() -> Summary {
    Summary { number: "1042".into(), total: None, currency: None, life: 0, buyer: None, flags: vec![] }
}

fn document() -> Document {
    Document { id: "7".into(), number: None }
}

fn intent(planned: &Version, attempt: u32, epoch: u64, now: Timestamp, unknown: bool) -> Intent {
    Intent {
        step: Step::example(Operation::ALL[attempt as usize % Operation::ALL.len()], key().sale()),
        planned: planned.clone(),
        last: true,
        attempt: AttemptId::new(attempt.to_string()),
        epoch,
        start_by: now + SignedDuration::from_secs(5),
        settle_at: now + SignedDuration::from_secs(20),
        unknown,
        refused: false,
    }
}

/// One write in the making: what it names is taken from the head (`own`) or made up.
#[derive(Debug, Clone)]
struct Move {
    which: u8,
    own: bool,
    version: Version,
    attempt: u32,
    epoch: u64,
    flag: bool,
    after: i64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let version = (0_i64..6, 0_u16..3, 0_u8..4).prop_map(|(s, t, c)| match (s, t) {
        // Now and then nothing but an id came.
        (0, 0) => Version::unread(),
        _ => version(s, t, c),
    });
    let one = (0_u8..13, prop::bool::weighted(0.8), version, 0_u32..4, 0_u64..4, any::<bool>(), 0_i64..30).prop_map(
        |(which, own, version, attempt, epoch, flag, after)| Move { which, own, version, attempt, epoch, flag, after },
    );
    prop::collection::vec(one, 1..25)
}

fn write(step: &Move, head: Option<&Head>, serial: u32, now: Timestamp) -> Write {
    let own = head.filter(|_| step.own);
    let desired = own.map_or_else(|| step.version.clone(), |head| head.desired.clone());
    let steps = own.map_or(u32::from(step.flag), |head| head.steps);
    let on_record = own.and_then(|head| head.intent.as_ref());
    let attempt = on_record.map_or_else(|| AttemptId::new(step.attempt.to_string()), |i| i.attempt.clone());
    let epoch = own.map_or(step.epoch, |head| head.epoch + step.epoch / 2);
    let (floor, due) = (now + SignedDuration::from_secs(1), now + SignedDuration::from_secs(30));
    let reason = Reason::from("why");
    let end = if step.flag { End::Parked } else { End::Dead };
    // Now and then it was replayed meanwhile.
    let attempts = own.map_or(0, |head| head.attempts) + u32::from(step.after % 8 == 7);
    match step.which {
        0 | 1 => {
            let arrived = at(i64::from(step.attempt));
            let over = arrived.max(at(step.after % 4));
            Write::Record { version: step.version.clone(), summary: summary(), arrived, over }
        }
        2 => Write::Touch { desired, newest: step.version.modified, arrived: at(i64::from(step.attempt)) },
        3 => {
            // Now and then more is left to do.
            let last = step.after % 4 != 0;
            let intent = Intent { last, ..intent(&desired, 100 + serial, epoch, now, false) };
            Write::Begin { intent, desired, steps, due }
        }
        4 => {
            let planned = on_record.map_or_else(|| step.version.clone(), |i| i.planned.clone());
            Write::Resend { looked_up: attempt, intent: intent(&planned, 100 + serial, epoch, now, true), due }
        }
        5 => {
            let planned = on_record.map(|i| i.planned.clone()).filter(|_| step.flag);
            let found = planned.unwrap_or_else(|| step.version.clone());
            let nobodys = || Write::Complete { attempt, found: found.clone(), booked: vec![], steps: 9 };
            own.and_then(|head| Write::complete(head, &found, &document())).unwrap_or_else(nobodys)
        }
        6 => {
            let count =
                if step.flag { Count::Forgiven } else { [Count::Kept, Count::Added][usize::from(step.after % 3 == 0)] };
            Write::Reschedule { attempt, backoff: due, floor, count, doubtful: step.epoch == 3, reason }
        }
        7 => {
            let planned = on_record.map_or_else(|| step.version.clone(), |i| i.planned.clone());
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
        11 => {
            let booked = Step::create(key().sale()).booked(&[], &step.version, &document());
            Write::Book { desired, steps, booked }
        }
        _ => Write::Replay { asked: now - SignedDuration::from_secs(step.after) },
    }
}

/// Runs the moves and shows each write with the head before and after it.
fn history(moves: &[Move], mut look: impl FnMut(&Write, Option<&Head>, Option<&Head>, Timestamp)) -> Option<Head> {
    let (mut head, mut now) = (None::<Head>, at(100));
    for (serial, step) in (0..).zip(moves) {
        now += SignedDuration::from_secs(step.after);
        let write = write(step, head.as_ref(), serial, now);
        let next = write.apply(&key(), head.as_ref(), now);
        look(&write, head.as_ref(), next.as_ref(), now);
        head = next.or(head);
    }
    head
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn no_order_is_ever_forgotten(moves in moves()) {
        history(&moves, |write, _, after, _| {
            if let Some(head) = after {
                assert!(!head.forgotten(), "after {write:?}: {head:?}");
                assert!(head.due.is_none() || head.not_before.is_some(), "an arrival knows when it may bring it back: {head:?}");
            }
        });
    }

    #[test]
    fn a_foreign_attempt_changes_nothing(moves in moves()) {
        history(&moves, |write, before, after, _| {
            let named = match write {
                Write::Complete { attempt, .. } | Write::Reschedule { attempt, .. } | Write::Park { attempt, .. } => attempt,
                Write::Resend { looked_up, .. } | Write::Lift { looked_up } => looked_up,
                _ => return,
            };
            let on_record = before.and_then(|head| head.intent.as_ref()).map(|intent| &intent.attempt);
            assert!(after.is_none() || on_record == Some(named), "{write:?} on {before:?}");
        });
    }

    #[test]
    fn a_doubt_is_lifted_only_by_finding_out(moves in moves()) {
        history(&moves, |write, before, after, _| {
            let (Some(before), Some(after)) = (before, after) else { return };
            let Some(doubt) = before.intent.as_ref().filter(|intent| intent.unknown) else { return };
            match write {
                Write::Complete { .. } => assert!(after.intent.is_none()),
                Write::Resend { intent, .. } => assert_eq!(after.intent.as_ref(), Some(intent)),
                // What the ERP refused since, when a person has replayed it.
                Write::Lift { .. } => assert!(doubt.refused && before.parked.is_none() && after.intent.is_none()),
                // Whatever else: it is still to be looked up, bound to the same content.
                _ => {
                    let now = after.intent.as_ref().expect("still in doubt");
                    assert_eq!((&now.attempt, &now.planned, now.unknown), (&doubt.attempt, &doubt.planned, true));
                }
            }
        });
    }

    #[test]
    fn the_end_of_an_old_version_is_not_the_end_of_a_newer(moves in moves()) {
        history(&moves, |write, before, after, now| {
            let (Some(before), Some(after)) = (before, after) else { return };
            let older = before.intent.as_ref().is_some_and(|intent| intent.planned != before.desired);
            match write {
                Write::Reschedule { floor, .. } if older => {
                    assert_eq!(after.due, Some(*floor), "the newer one goes after the least interval, not the old backoff");
                    assert_eq!(after.parked, before.parked);
                }
                Write::Park { judged, floor, .. } if *judged != before.desired => {
                    assert_eq!((after.due, after.attempts), (Some(*floor), 0), "the newer one has its turn and its attempts");
                    assert_eq!(after.parked, before.parked);
                }
                // Judged by the intent's version instead, it would come back every second, for ever.
                Write::Park { .. } => assert_eq!(after.due, None),
                Write::Complete { found, .. } if *found != before.desired => assert_eq!(after.due, Some(now)),
                _ => {}
            }
        });
    }

    #[test]
    fn two_conductors_never_begin_one_step(moves in moves()) {
        history(&moves, |write, before, after, _| {
            let (Some(before), Some(after)) = (before, after) else { return };
            if let Write::Begin { intent, .. } = write {
                assert!(before.intent.is_none() && before.epoch <= intent.epoch);
                assert_eq!(after.attempts, before.attempts + 1, "counted at the intent");
            }
            assert!(after.epoch >= before.epoch, "a frozen conductor's epoch never comes back");
        });
    }

    #[test]
    fn what_was_planned_from_another_state_changes_nothing(moves in moves()) {
        history(&moves, |write, before, after, _| {
            let (Write::Begin { desired, steps, .. }
            | Write::Rest { desired, steps, .. }
            | Write::Book { desired, steps, .. }
            | Write::Defer { desired, steps, .. }) = write else { return };
            if after.is_some() {
                let before = before.unwrap();
                assert_eq!((desired, *steps, &None), (&before.desired, before.steps, &before.intent));
            }
        });
    }

    #[test]
    fn an_arrival_leaves_attempts_and_intent_alone_and_waits_out_the_least_interval(moves in moves()) {
        history(&moves, |write, before, after, now| {
            let (Write::Record { version, .. }, Some(before), Some(after)) = (write, before, after) else { return };
            // Attempts at asking the store are none at the ERP.
            let attempts = if before.desired.is_unread() { 0 } else { before.attempts };
            assert_eq!((after.attempts, &after.intent, &after.applied), (attempts, &before.intent, &before.applied));
            assert_eq!((&after.desired, after.due), (version, Some(before.not_before.unwrap_or(now))));
            assert_eq!(compare(&before.desired, before.newest, version), Standing::Newer);
        });
    }

    #[test]
    fn replaying_twice_is_replaying_once_and_never_loses_a_step(moves in moves()) {
        let Some(head) = history(&moves, |_, _, _, _| {}) else { return Ok(()) };
        let now = at(5000);
        let replay = Write::Replay { asked: now };
        let once = replay.apply(&key(), Some(&head), now).unwrap();
        let twice = replay.apply(&key(), Some(&once), now).unwrap();
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!((&once.intent, &once.applied, &once.desired), (&head.intent, &head.applied, &head.desired));
        prop_assert!(!matches!(once.state(), State::Parked | State::Dead | State::Ignored) && once.due.is_some());
        // In mid-flight: not before its look-up can be trusted.
        if let Some(intent) = &head.intent {
            let early = replay.apply(&key(), Some(&head), intent.settle_at - SignedDuration::from_secs(1)).unwrap();
            prop_assert_eq!(early.due, Some(intent.settle_at));
        }
    }

    #[test]
    fn whatever_the_order_of_arrival_the_newest_is_desired(
        mut seconds in prop::collection::hash_set(0_i64..50, 1..8),
        seed in any::<u64>(),
    ) {
        let newest = *seconds.iter().max().unwrap();
        let mut order: Vec<i64> = seconds.drain().collect();
        order.sort_by_key(|second| second.cast_unsigned().wrapping_add(1).wrapping_mul(seed | 1));
        let mut head = None;
        for second in order {
            let arriving = Write::Record { version: version(second, 0, u8::try_from(second).unwrap()), summary: summary(), arrived: at(0), over: at(0) };
            head = arriving.apply(&key(), head.as_ref(), at(100)).or(head);
        }
        prop_assert_eq!(head.unwrap().desired.modified, at(newest));
    }

    #[test]
    fn a_stored_head_is_read_as_it_was(moves in moves()) {
        let Some(head) = history(&moves, |_, _, _, _| {}) else { return Ok(()) };
        let text = serde_json::to_string(&head).unwrap();
        // The name under which released records have it.
        prop_assert_eq!(text.contains("\"soon\":"), head.not_before.is_some());
        prop_assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), head);
    }
}

#[test]
fn a_newer_version_of_a_dead_order_has_all_its_attempts() {
    let now = at(100);
    let apply = |write: Write, head: &Head| write.apply(&key(), Some(head), now).unwrap();
    let first = Write::Record { version: version(1, 0, 1), summary: summary(), arrived: at(0), over: at(0) };
    let mut head = first.apply(&key(), None, now).unwrap();
    for n in 0..10 {
        let defer = Write::Defer {
            desired: head.desired.clone(),
            steps: 0,
            epoch: 1,
            due: now,
            floor: now,
            forgiven: false,
            reason: Reason::Text(n.to_string()),
        };
        head = apply(defer, &head);
    }
    assert_eq!(head.attempts, 10);
    let rest = Rest::Stop { end: End::Dead, reason: "gave up after 10 attempts".into() };
    head = apply(Write::Rest { desired: head.desired.clone(), steps: 0, attempts: head.attempts, rest }, &head);
    assert_eq!(head.state(), State::Dead);
    head = apply(Write::Record { version: version(2, 0, 2), summary: summary(), arrived: at(0), over: at(0) }, &head);
    assert_eq!((head.state(), head.attempts), (State::Waiting, 0), "else it would be given up without a try");
}

#[test]
fn a_touch_moves_the_time_that_the_next_arrival_is_compared_with() {
    let now = at(100);
    let head = Write::Record { version: version(1, 0, 1), summary: summary(), arrived: at(0), over: at(0) }
        .apply(&key(), None, now)
        .unwrap();
    let touched = Write::Touch { desired: head.desired.clone(), newest: at(9), arrived: at(0) }
        .apply(&key(), Some(&head), now)
        .unwrap();
    assert_eq!((&touched.desired, touched.newest, touched.due), (&head.desired, at(9), head.due));
    let between = Write::Record { version: version(5, 0, 2), summary: summary(), arrived: at(0), over: at(0) };
    assert!(between.apply(&key(), Some(&head), now).is_some());
    assert!(between.apply(&key(), Some(&touched), now).is_none(), "a state from between two sightings is older");
    let back = Write::Touch { desired: head.desired.clone(), newest: at(3), arrived: at(0) };
    assert!(back.apply(&key(), Some(&touched), now).is_none(), "never back");
}
