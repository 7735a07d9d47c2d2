//! When: the account's closed times, the next departure of a short day, backoff and blocks. All waiting is one of these.

use jiff::{SignedDuration, Timestamp};

use super::meter::LONGEST_START;
use crate::{
    Error, Retry,
    domain::ledger::{Ledger, Limits},
    flow::Puente,
};

/// Until when the account may not be called, if that is later than now.
pub(crate) fn closed(ledger: &Ledger, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
    let quota =
        (ledger.used_today(limits, now) >= limits.per_day).then(|| limits.day(now).end + limits.clock_error * 2);
    // A departure time of an older day is void: the quota is fresh.
    let departs = ledger.departs_at.filter(|_| limits.day(now).number == ledger.day);
    [ledger.blocked_until, departs, quota].into_iter().flatten().filter(|until| *until > now).max()
}

/// When the next departure leaves, if it has to wait.
///
/// A quarter of the day's calls may be spent at once; beyond that, use is held to a straight line over the day, and whoever is
/// above it waits `time left × calls per departure / calls left`. A fifth of the calls of the time still to come is held back
/// from this count: full batches never wait, and a flood in the evening needs them.
pub(super) fn next_departure(ledger: &Ledger, limits: &Limits, calls: u32, now: Timestamp) -> Option<Timestamp> {
    let day = limits.day(now);
    let whole = day.end.duration_since(day.start).as_millis().max(1);
    let passed = now.duration_since(day.start).as_millis().clamp(0, whole);
    let left = whole - passed;
    let used = i128::from(ledger.used_today(limits, now));
    let per_day = i128::from(limits.per_day);
    // What this departure took is what the next is expected to take.
    let cost = i128::from(calls.max(1));
    let at_once = per_day / 4;
    let held_back = per_day / 5;
    let line = at_once + (per_day - at_once - held_back) * passed / whole;
    if used + cost <= line {
        return None;
    }
    let calls_left = (per_day - used - held_back * left / whole).max(1);
    let wait = i64::try_from((left * cost / calls_left).min(left)).ok()?;
    // Below a second it is no wait worth a wake-up.
    (wait >= 1000).then(|| now + SignedDuration::from_millis(wait))
}

/// When an order that failed for the `attempts`-th time is tried again: exponential backoff with full jitter, between a
/// second and an hour.
pub(crate) fn backoff(puente: &Puente, attempts: u32) -> SignedDuration {
    let most = 2000_u64.saturating_mul(1 << attempts.min(20)).min(3_600_000);
    let wait = 1000 + puente.chance.below(most);
    SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX))
}

/// How long the other side asked to be left alone, if it said so: never less than the least interval.
pub(super) fn asked_for(error: &Error) -> Option<SignedDuration> {
    match error.retryable() {
        Retry::After(wait) => Some(SignedDuration::try_from(wait).unwrap_or(LONGEST_START).max(FLOOR)),
        Retry::Never | Retry::Backoff => None,
    }
}

/// The least time between two steps of one order.
pub(super) const FLOOR: SignedDuration = SignedDuration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ledger(limits: &Limits, now: Timestamp, used: u32) -> Ledger {
        Ledger { day: limits.day(now).number, used, per_departure: 5, ..Ledger::default() }
    }

    #[test]
    fn with_plenty_left_departures_are_immediate() {
        let limits = Limits::default();
        let morning = at("2026-03-01T00:10:00Z");
        assert_eq!(next_departure(&ledger(&limits, morning, 40), &limits, 5, morning), None);
        let noon = at("2026-03-01T12:00:00Z");
        assert_eq!(next_departure(&ledger(&limits, noon, 150), &limits, 5, noon), None);
    }

    #[test]
    fn a_short_day_spaces_departures_by_what_is_left() {
        let limits = Limits::default();
        let morning = at("2026-03-01T00:10:00Z");
        // 225 calls left for 23 h 50 min, 59 of them held back, 5 a departure: 43 min 4 s apart.
        let next = next_departure(&ledger(&limits, morning, 75), &limits, 5, morning).unwrap();
        assert_eq!(next.duration_since(morning).as_secs(), 2584);
    }

    #[test]
    fn a_paced_day_never_runs_out_before_its_end() {
        let limits = Limits::default();
        let (mut now, mut used, mut departures) = (at("2026-03-01T00:00:01Z"), 0, 0);
        let end = limits.day(now).end;
        while now < end {
            used += 5;
            departures += 1;
            assert!(used <= limits.per_day, "used up at {now}");
            now = next_departure(&ledger(&limits, now, used), &limits, 5, now)
                .unwrap_or(now + SignedDuration::from_secs(30));
        }
        assert!(departures >= 45, "{departures}");
    }

    #[test]
    fn closed_until_the_latest_reason_is_over() {
        let limits = Limits::default();
        let now = at("2026-03-01T12:00:00Z");
        let mut item = ledger(&limits, now, 300);
        assert_eq!(closed(&item, &limits, now).unwrap().to_string(), "2026-03-02T00:00:00.1Z");
        item.used = 10;
        assert_eq!(closed(&item, &limits, now), None);
        item.blocked_until = Some(at("2026-03-01T12:05:00Z"));
        item.departs_at = Some(at("2026-03-01T12:03:00Z"));
        assert_eq!(closed(&item, &limits, now), item.blocked_until);
        // Yesterday's departure time is void on a fresh day.
        let tomorrow = at("2026-03-02T00:01:00Z");
        item.departs_at = Some(at("2026-03-02T06:00:00Z"));
        assert_eq!(closed(&item, &limits, tomorrow), None);
    }
}
