//! A day with 300 calls, in which 2,000 orders from several shops all leave.

use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{ledger::Limits, record::State},
    ports::Chance,
};

use puente_simulation::chance::Seeded;

use crate::calm::{World, order};

#[test]
fn two_thousand_orders_leave_in_a_day_of_three_hundred_calls() {
    let limits = Limits { per_day: 300, ..Limits::default() };
    let midnight: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let world = World::starting("2026-03-01T00:00:00Z", 11, 5, limits);
    // What a departure takes at a Tryton: create, read back, quote, confirm, process.
    world.history.erp.set_up(|erp| erp.more_calls = 4);
    let chance = Seeded::new(5);
    // Spread over the first 23 hours; one shop floods with half of all orders in one hour of the evening.
    let mut arrivals: Vec<(Timestamp, usize)> = (0..2000)
        .map(|i| {
            if i % 2 == 0 {
                (
                    midnight
                        + SignedDuration::from_hours(18)
                        + SignedDuration::from_millis(chance.below(3_600_000) as i64),
                    0,
                )
            } else {
                (midnight + SignedDuration::from_millis(chance.below(23 * 3_600_000) as i64), 1 + i % 4)
            }
        })
        .collect();
    arrivals.sort();
    let mut arrived = std::collections::HashMap::new();
    for (i, (at, shop)) in arrivals.iter().enumerate() {
        world.run_until(*at);
        let id = format!("o{i}");
        arrived.insert(world.key(*shop, &id), *at);
        world.arrives(*shop, order(&id, "A", "10.00", i as i64));
    }
    world.run_until(midnight + SignedDuration::from_hours(24));
    let calls = world.calls().len();
    assert!(calls <= 300, "{calls} calls");
    world.assert_rate(10, SignedDuration::from_secs(1));
    world.assert_single();
    let heads = world.heads();
    let synced = heads.values().filter(|h| h.state() == State::Synced).count();
    assert_eq!(synced, 2000, "all left within the day");
    let waits = |of: &dyn Fn(&str) -> bool| {
        let mut waits: Vec<i64> = heads
            .values()
            .filter(|h| of(h.key.connection.as_str()))
            .map(|h| h.updated.duration_since(arrived[&h.key]).as_secs())
            .collect();
        waits.sort_unstable();
        let at = |q: usize| waits[(waits.len() - 1) * q / 100] / 60;
        (at(50), at(90), at(99), at(100))
    };
    let quiet = waits(&|shop| shop != "shop-0");
    let flooding = waits(&|shop| shop == "shop-0");
    eprintln!("2,000 orders, 5 shops, {calls} of 300 calls; waiting time in minutes, median / p90 / p99 / longest:");
    eprintln!("  the four quiet shops   {quiet:?}");
    eprintln!("  the flooding shop      {flooding:?}");
    // Nobody waits longer than a few departures of the short part of the day.
    assert!(quiet.3 <= 150, "{quiet:?}");
}
