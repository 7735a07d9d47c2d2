//! No window and no day is ever exceeded, whatever fails, as long as clocks are off by no more than is configured; and the rate
//! that this leaves.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use jiff::SignedDuration;
use puente::{domain::ledger::Limits, outbound::Client};
use puente_simulation::{
    fault::Faults,
    limiter::{Counted, Setup},
    world::{MINUTE, SECOND, micros},
};

const HISTORIES: u64 = 10_000;

#[test]
fn ten_thousand_histories_exceed_no_window_and_no_day() {
    let client = Client::new().unwrap();
    let next = AtomicU64::new(0);
    let (failed, calls) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= HISTORIES {
                        break;
                    }
                    let setup = Setup::of(seed);
                    let counted = setup.play(seed, &client);
                    calls.fetch_add(counted.calls as u64, Ordering::Relaxed);
                    let limits = &setup.limits;
                    let holds = counted.most_in_window <= usize::try_from(limits.calls).unwrap()
                        && counted.most_in_day <= limits.per_day
                        && counted.most_other_in_day <= limits.other_per_day()
                        && counted.while_blocked == 0;
                    if !holds {
                        failed.lock().unwrap().push(format!("seed {seed}: {counted:?} of {setup:?}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("{HISTORIES} histories, {} calls, {} violations", calls.into_inner(), failed.len());
    assert!(failed.is_empty(), "{} failed, the first: {}", failed.len(), failed[0]);
}

/// Eight senders that always want to send, for ten minutes in which nothing fails.
fn saturated(error: i64, lateness: i64, skew: i64) -> (Counted, Limits) {
    let limits = Limits {
        per_day: 100_000,
        clock_error: SignedDuration::from_millis(error),
        lateness: SignedDuration::from_millis(lateness),
        ..Limits::default()
    };
    let setup = Setup {
        limits: limits.clone(),
        skew: skew * 1000,
        senders: 8,
        start: micros("2026-05-04T09:00:00Z".parse().unwrap()),
        length: 10 * MINUTE,
        faults: Faults::default(),
        blocks: false,
    };
    (setup.play(5, &Client::new().unwrap()), limits)
}

#[test]
fn the_rate_that_the_slack_leaves() {
    for (error, lateness, least) in [(50, 50, 0.85), (10, 20, 0.91)] {
        let (counted, limits) = saturated(error, lateness, error);
        let share = counted.rate / f64::from(limits.calls);
        println!(
            "E = {error} ms, L = {lateness} ms: {:.2} calls a second of {} ({:.0} %), at most {} in any second",
            counted.rate,
            limits.calls,
            share * 100.0,
            counted.most_in_window
        );
        assert!(share >= least, "{share}");
        assert!(counted.most_in_window <= 10);
    }
}

#[test]
fn clocks_that_are_off_by_more_than_configured_exceed_the_limit_by_no_more_than_that() {
    for skew in [100, 200, 500] {
        let (counted, limits) = saturated(50, 50, skew);
        // Slots are T apart whatever the clocks say; a window of W sees those of W + 2 S + L.
        let seen = SECOND + 2 * skew * 1000 + 50_000;
        let spacing = i64::try_from(limits.spacing().as_micros()).unwrap();
        let bound = usize::try_from(seen / spacing + 1).unwrap();
        println!(
            "configured 50 ms, really {skew} ms: at most {} in any second, {bound} are possible",
            counted.most_in_window
        );
        assert!(counted.most_in_window <= bound, "{counted:?}");
    }
}
