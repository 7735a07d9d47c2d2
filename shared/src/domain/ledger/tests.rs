//! The limiter against true time: several holders with wrong clocks, crashes and doubled updates, days of 23, 24 and 25 hours.

use jiff::{SignedDuration as D, Timestamp, civil, tz::TimeZone};
use proptest::prelude::*;

use super::*;

const CASES: u32 = 10_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ms(n: i64) -> D {
    D::from_millis(n)
}

fn ask(k: u32) -> Request {
    Request { k, purpose: Purpose::Orders, lease: None }
}

/// Zones and a moment near which their clocks change; one whose clocks go back across midnight.
const ZONES: [(&str, &str); 7] = [
    ("UTC", "2026-03-01T00:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("America/St_Johns", "2010-11-07T02:31:00Z"),
    ("America/Santiago", "2026-04-05T03:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("America/Argentina/Buenos_Aires", "2026-01-01T03:00:00Z"),
];

fn day_rules() -> impl Strategy<Value = (TimeZone, Timestamp, civil::Time)> {
    let reset = prop_oneof![
        3 => Just(civil::Time::midnight()),
        1 => Just(civil::time(2, 30, 0, 0)),
        1 => Just(civil::time(23, 30, 0, 0)),
        1 => (0_i8..24, 0_i8..60).prop_map(|(h, m)| civil::time(h, m, 0, 0)),
    ];
    (prop::sample::select(ZONES.to_vec()), reset)
        .prop_map(|((zone, near), reset)| (TimeZone::get(zone).unwrap(), at(near), reset))
}

/// What one holder does at one moment.
#[derive(Debug, Clone)]
struct Move {
    /// True time since the last move.
    after: D,
    /// Go on from so long before the next reset instead.
    before_reset: Option<D>,
    /// How wrong its clock is when it asks, in thousandths of E; and when it sends each call.
    skew: [i64; 5],
    /// How late each call starts, in thousandths of L, and how long it travels, in thousandths of J.
    late: [i64; 5],
    k: u32,
    other: bool,
    mishap: Mishap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    None,
    /// The slots are never used.
    Crash,
    /// The update is applied twice, its answer heard once.
    Doubled,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let after = prop_oneof![4 => 0_i64..300, 3 => 300_i64..3000, 1 => 0_i64..40_000_000].prop_map(ms);
    let wrong = || prop::array::uniform5(prop_oneof![Just(-1000), Just(1000), -1000_i64..=1000]);
    let late = prop::array::uniform5(prop_oneof![Just(0), Just(1000), 0_i64..=1000]);
    let before_reset = prop::option::weighted(0.2, (0_i64..2_000).prop_map(ms));
    let mishap = prop_oneof![6 => Just(Mishap::None), 1 => Just(Mishap::Crash), 1 => Just(Mishap::Doubled)];
    let one = (after, before_reset, wrong(), late, 1_u32..=4, any::<bool>(), mishap).prop_map(
        |(after, before_reset, skew, late, k, other, mishap)| Move {
            after,
            before_reset,
            skew,
            late,
            k,
            other,
            mishap,
        },
    );
    prop::collection::vec(one, 1..25)
}

fn thousandths(of: D, n: i64) -> D {
    // Whole milliseconds: a thousandth is a microsecond.
    D::from_micros(i64::try_from(of.as_millis()).unwrap() * n)
}

fn next_moment(step: &Move, limits: &Limits, now: Timestamp) -> Timestamp {
    // Never back: from within the last seconds of a day on to those of the next.
    let before = step.before_reset.map(|before| limits.day(now).end - before);
    before.map_or(now + step.after, |moment| moment.max(now))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn no_window_and_no_day_ever_sees_too_many(
        (time_zone, near, reset) in day_rules(),
        calls in 1_u32..=6,
        window in prop::sample::select(vec![200_i64, 1000, 10_000]),
        per_day in 3_u32..60,
        orders_share in 0_u32..=1000,
        [clock_error, lateness, jitter] in prop::array::uniform3(prop::sample::select(vec![0_i64, 10, 50, 400])),
        moves in moves(),
    ) {
        let limits = Limits {
            calls, window: ms(window), per_day, reset, time_zone, orders_share,
            clock_error: ms(clock_error), lateness: ms(lateness), jitter: ms(jitter), horizon: ms(3000),
        };
        let mut ledger = Ledger::default();
        let mut now = near - ms(20_000);
        // When each call reached the ERP by true time, and whether it was other work.
        let mut arrived: Vec<(Timestamp, bool)> = Vec::new();
        for step in &moves {
            now = next_moment(step, &limits, now);
            let purpose = if step.other { Purpose::Other } else { Purpose::Orders };
            let request = Request { k: step.k, purpose, lease: None };
            let shown = now + thousandths(limits.clock_error, step.skew[4]);
            let granted = ledger.reserve(&request, &limits, shown);
            if step.mishap == Mishap::Doubled {
                let _ = ledger.reserve(&request, &limits, shown);
            }
            match granted {
                Ok(slots) => {
                    prop_assert!(slots.first >= shown && slots.first <= shown + limits.reach());
                    if step.mishap == Mishap::Crash {
                        continue;
                    }
                    for i in 0..step.k as usize {
                        // The sender waits until its clock shows the slot, and starts at most L later by the same clock.
                        let slot = slots.first + slots.spacing * i32::try_from(i).unwrap();
                        let sent = slot + thousandths(limits.lateness, step.late[i])
                            - thousandths(limits.clock_error, step.skew[i]);
                        let there = sent + thousandths(limits.jitter, step.late[4]);
                        prop_assert_eq!(limits.day(there).number, ledger.day, "counted in the day it gets there");
                        arrived.push((there, step.other));
                    }
                }
                Err(Denied::Day(again) | Denied::Horizon(again)) => prop_assert!(again > shown, "{again} is over"),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
        arrived.sort();
        for pair in arrived.windows(calls as usize + 1) {
            let span = pair[calls as usize].0.duration_since(pair[0].0);
            prop_assert!(span >= limits.window, "{} calls within {span:?}", calls + 1);
        }
        let mut days: std::collections::HashMap<i64, (u32, u32)> = std::collections::HashMap::new();
        for (when, other) in arrived {
            let day = days.entry(limits.day(when).number).or_default();
            day.0 += 1;
            day.1 += u32::from(other);
        }
        for (day, (all, other)) in days {
            prop_assert!(all <= per_day, "{all} calls in day {day}");
            prop_assert!(other <= limits.other_per_day(), "{other} other calls in day {day}");
        }
    }

    #[test]
    fn a_denial_says_when_to_ask_again(
        (time_zone, near, reset) in day_rules(),
        moves in moves(),
        per_day in 4_u32..20,
    ) {
        let limits = Limits { per_day, reset, time_zone, ..Limits::default() };
        let mut ledger = Ledger::default();
        let mut now = near - ms(20_000);
        for step in &moves {
            now = next_moment(step, &limits, now);
            let shown = now + thousandths(limits.clock_error, step.skew[4]);
            if let Err(Denied::Day(again) | Denied::Horizon(again)) = ledger.reserve(&ask(step.k), &limits, shown) {
                // Nobody else asks meanwhile: it is granted then, and not a call is wasted on asking before.
                let later = ledger.clone().reserve(&ask(step.k), &limits, again);
                let next_reset_is_near = matches!(later, Err(Denied::Day(next)) if next > again);
                prop_assert!(later.is_ok() || next_reset_is_near, "{later:?} at {again}");
                let early = ledger.clone().reserve(&ask(step.k), &limits, again - ms(1));
                prop_assert!(early.is_err(), "it would have been granted earlier");
            }
        }
    }

    #[test]
    fn days_follow_one_another_without_gap_or_overlap(
        (time_zone, near, reset) in day_rules(),
        offset in -5_000_i64..5_000,
    ) {
        let limits = Limits { reset, time_zone, ..Limits::default() };
        let now = near + D::from_mins(offset);
        let day = limits.day(now);
        prop_assert!(day.start <= now && now < day.end, "{day:?} does not hold {now}");
        prop_assert!((D::from_hours(22)..=D::from_hours(26)).contains(&day.end.duration_since(day.start)));
        let next = limits.day(day.end);
        prop_assert_eq!((next.number, next.start), (day.number + 1, day.end));
    }

    #[test]
    fn rates_are_read_or_refused_never_a_panic(text in "[0-9]{0,20}/? ?[0-9]{0,20} ?(s|sec|m|min|h|d|)") {
        if let Ok((calls, window)) = parse_rate(&text) {
            prop_assert!(calls >= 1 && window >= D::from_secs(1) && window <= D::from_hours(24));
        }
    }
}

#[test]
fn rates() {
    for (text, calls, seconds) in
        [("10/s", 10, 1), ("150/min", 150, 60), ("25/10s", 25, 10), ("1000/h", 1000, 3600), (" 2 / 5 min ", 2, 300)]
    {
        assert_eq!(parse_rate(text).unwrap(), (calls, D::from_secs(seconds)), "{text}");
    }
    for bad in ["", "10", "0/s", "10/0s", "-1/s", "1.5/s", "10/d", "10/10", "10/s/s", "1/9223372036854775807h", "1/25h"]
    {
        let error = parse_rate(bad).unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{bad}");
    }
}

#[test]
fn the_reset_that_daylight_saving_skips_or_repeats() {
    let new_york = TimeZone::get("America/New_York").unwrap();
    let limits = Limits { reset: civil::time(2, 30, 0, 0), time_zone: new_york, ..Limits::default() };
    // 2026-03-08 has no 02:30: the day begins at 03:30 EDT.
    assert_eq!(limits.day(at("2026-03-08T12:00:00Z")).start, at("2026-03-08T07:30:00Z"));
    let limits = Limits { reset: civil::time(1, 30, 0, 0), ..limits };
    // 2026-11-01 has 01:30 twice: the day begins at the first.
    assert_eq!(limits.day(at("2026-11-01T06:00:00Z")).start, at("2026-11-01T05:30:00Z"));
}

#[test]
fn clocks_put_back_across_midnight_do_not_reopen_yesterday() {
    // On 2010-11-07 the clocks of St John's went from 00:01 back to 23:01 of the day before.
    let time_zone = TimeZone::get("America/St_Johns").unwrap();
    let limits = Limits { time_zone, ..Limits::default() };
    let midnight = at("2010-11-07T02:30:00Z");
    let second_half_past_eleven = midnight + D::from_mins(30);
    assert_eq!(limits.day(second_half_past_eleven).start, midnight);
    let mut ledger = Ledger::default();
    assert!(ledger.reserve(&ask(1), &limits, second_half_past_eleven).is_ok(), "the new day has all its calls");
}

#[test]
fn a_slow_clock_waits_for_the_day_the_ledger_is_in() {
    let limits = Limits { clock_error: ms(500), ..Limits::default() };
    let mut ledger = Ledger::default();
    let midnight = at("2026-01-02T00:00:00Z");
    ledger.reserve(&ask(1), &limits, midnight + ms(500)).unwrap();
    // Another clock still shows yesterday: it is told the moment that it may count on, not "in a second".
    let denied = ledger.reserve(&ask(1), &limits, midnight - ms(300)).unwrap_err();
    assert_eq!(denied, Denied::Day(midnight + ms(500)));
    // One that is wrong beyond all we were told does not get yesterday's calls either.
    let before = ledger.clone();
    assert!(matches!(ledger.reserve(&ask(1), &limits, midnight - D::from_hours(3)), Err(Denied::Day(_))));
    assert_eq!(ledger, before);
}

#[test]
fn a_request_beyond_all_bounds_is_denied_not_a_panic() {
    let limits = Limits { per_day: u32::MAX, window: D::from_hours(24), calls: 1, ..Limits::default() };
    let mut ledger = Ledger { used: u32::MAX - 1, day: 20_454, ..Ledger::default() };
    let now = at("2026-01-01T12:00:00Z");
    for k in [u32::MAX, u32::MAX / 2, 2] {
        assert!(matches!(ledger.reserve(&ask(k), &limits, now), Err(Denied::Day(_))), "{k}");
    }
    assert!(matches!(Ledger::default().reserve(&ask(u32::MAX), &limits, now), Err(Denied::Day(_))));
}

#[test]
fn only_the_last_to_take_the_lease_gets_slots() {
    let (limits, now) = (Limits::default(), at("2026-01-01T12:00:00Z"));
    let error = limits.clock_error;
    let mut ledger = Ledger::default();
    let Taken::Taken(first) = ledger.take("a", now, now + ms(1000), error) else { panic!() };
    assert_eq!(
        ledger.take("b", now + ms(1000) + error, now + ms(3000), error),
        Taken::Held,
        "not within the clock error"
    );
    let later = now + ms(1001) + error;
    let Taken::Taken(second) = ledger.take("b", later, later + ms(1000), error) else { panic!() };
    assert!(second.epoch > first.epoch);
    let with = |epoch| Request { lease: Some((epoch, later + ms(9000))), ..ask(1) };
    let before = ledger.clone();
    assert_eq!(ledger.reserve(&with(first.epoch), &limits, later), Err(Denied::Lost));
    assert_eq!(ledger.release(first.epoch, None), Released::Lost);
    ledger.departed(first.epoch, &Departed { departs_at: Some(later), calls: 3, ..Departed::default() });
    assert_eq!(ledger, before, "a frozen conductor that wakes changes nothing");
    assert!(ledger.reserve(&with(second.epoch), &limits, later).is_ok());
    assert_eq!(ledger.lease_until, Some(later + ms(9000)), "a reservation renews the lease");
    assert_eq!(ledger.release(second.epoch, Some(second.mark)), Released::Released);
    assert_eq!(
        ledger.reserve(&with(second.epoch), &limits, later),
        Err(Denied::Lost),
        "what was given back is not ours"
    );
}

#[test]
fn a_mark_is_for_a_live_lease_and_keeps_its_holder_looking() {
    let now = at("2026-01-01T12:00:00Z");
    let mut ledger = Ledger::default();
    assert!(!ledger.leave_mark(now), "it would be left for nobody");
    let Taken::Taken(mine) = ledger.take("a", now, now + ms(1000), ms(50)) else { panic!() };
    assert!(ledger.leave_mark(now + ms(1000)));
    assert!(!ledger.leave_mark(now + ms(1001)), "over");
    assert_eq!(ledger.release(mine.epoch, Some(mine.mark)), Released::Marked(mine.mark + 1));
    assert_eq!(ledger.release(mine.epoch, Some(mine.mark + 1)), Released::Released);
}

#[test]
fn a_block_holds_for_everybody_until_its_time_and_a_success_after_it_ends_the_row() {
    let (limits, now) = (Limits::default(), at("2026-01-01T12:00:00Z"));
    let mut ledger = Ledger::default();
    ledger.block(now + ms(8000), "too many requests", 0);
    ledger.block(now + ms(9000), "one that was on its way too is the same failure", 0);
    ledger.block(now + ms(5000), "an earlier one does not shorten it", 1);
    assert_eq!(ledger.reserve(&ask(1), &limits, now + ms(8999)), Err(Denied::Blocked(now + ms(9000))));
    assert_eq!(
        (ledger.strikes, ledger.blocked_because.as_deref()),
        (2, Some("one that was on its way too is the same failure"))
    );
    assert!(ledger.clone().reserve(&ask(1), &limits, now + ms(9000)).is_ok());
    // The success of a call that was on its way before.
    ledger.unblock(now + ms(8999));
    assert_eq!((ledger.strikes, ledger.blocked_until), (2, Some(now + ms(9000))));
    assert_eq!(ledger.reserve(&ask(1), &limits, now + ms(9000)).unwrap().strikes, 2);
    ledger.unblock(now + ms(9000));
    assert_eq!(ledger.reserve(&ask(1), &limits, now + ms(9000)).unwrap().strikes, 0);
}
