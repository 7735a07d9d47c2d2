//! Every call that a flow makes through a port, as a place to die at, to fail at, or to be answered wrongly: all of them, against
//! all four classes of ERP, one by one and, for deaths, two by two. Enumerated, not sampled; what is enumerated is pinned, so
//! that a new call cannot escape it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use puente::{
    erp::{Bulk, Class},
    outbound::Client,
};
use puente_simulation::{
    campaign::quiet_panics,
    history::{History, Report},
    scenario::Scenario,
    shop::{self, Says},
    world::{Effect, MINUTE, Point, SECOND},
};

const CLASSES: [Class; 4] = [Class::Key, Class::Unique, Class::Searchable, Class::Nothing];

/// A day in small: an order that is edited and refunded after it reached the ERP, one that only a pointer tells of and that is cancelled,
/// one that no webhook tells of and backfill finds.
fn play(class: Class, points: Vec<Point>) -> Report {
    let mut scenario = Scenario::calm(class, Bulk::Atomic);
    scenario.busy = 17 * MINUTE;
    scenario.erp.drafts = true;
    scenario.erp.customers = class != Class::Nothing;
    let history = History::new(scenario, 7, &Client::new().unwrap(), points, false);
    let script = Arc::clone(&history);
    history.world.executor.spawn("buyer", 0, async move {
        let shop = &script.shops[0];
        let [edited, pointed, silent] = ["1", "2", "3"].map(|id| id.parse().unwrap());
        script.pass(SECOND).await;
        shop.place(&edited, "A", true, 1);
        script.tell(shop, &edited);
        script.pass(2 * SECOND).await;
        shop.place(&pointed, "B", true, 1);
        script.deliver(shop, &pointed, 0, Says::Pointer).await;
        script.pass(20 * SECOND).await;
        shop.place(&silent, "A", true, 2);
        shop.change(&edited, true, |order| {
            shop::edit(order);
            shop::refund(order);
        });
        script.tell(shop, &edited);
        shop.change(&pointed, true, shop::cancel);
        script.tell(shop, &pointed);
    });
    history.play()
}

/// One order, told once.
fn play_one(class: Class, points: Vec<Point>) -> Report {
    let mut scenario = Scenario::calm(class, Bulk::Atomic);
    scenario.can_fetch = false;
    let history = History::new(scenario, 7, &Client::new().unwrap(), points, false);
    let script = Arc::clone(&history);
    history.world.executor.spawn("buyer", 0, async move {
        let shop = &script.shops[0];
        let id = "1".parse().unwrap();
        script.pass(SECOND).await;
        shop.place(&id, "A", true, 1);
        script.tell(shop, &id);
    });
    history.play()
}

/// The places: each call of each process that matters. Of the sweeps, which are all alike, the first three.
fn places(report: &Report) -> Vec<(Arc<str>, usize)> {
    let matters = |process: &str| match process.split_once('-') {
        Some(("sweep", number)) => number.parse().is_ok_and(|number: u32| number <= 3),
        Some(("worker" | "edge" | "backfill", _)) => true,
        _ => false,
    };
    let places = report.ports.iter().filter(|(process, _)| matters(process));
    places.flat_map(|(process, calls)| (0..calls.len()).map(|call| (process.clone(), call))).collect()
}

fn point((process, call): &(Arc<str>, usize), effect: Effect) -> Point {
    Point { process: process.to_string(), call: *call, effect }
}

/// Plays all of these, on all cores: how many there were. A violation names its points.
fn play_all(histories: &[(Class, Vec<Point>)], play: impl Fn(Class, Vec<Point>) -> Report + Sync) -> usize {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((class, points)) = histories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = play(*class, points.clone());
                    if let Some(first) = report.violations.first() {
                        failed.lock().unwrap().push(format!("{class:?} {points:?}: {first}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), histories.len(), failed.join("\n"));
    histories.len()
}

#[test]
fn every_call_of_every_flow_is_a_place_to_die_and_to_be_answered_wrongly() {
    quiet_panics();
    let effects = [Effect::DieBefore, Effect::DieAfter, Effect::Fail, Effect::Unanswered, Effect::Twice];
    let mut histories = Vec::new();
    for class in CLASSES {
        let calm = play(class, Vec::new());
        assert_eq!(calm.violations, Vec::<String>::new());
        for place in places(&calm) {
            for effect in effects {
                // Sent twice by the network itself, a document of an ERP that cannot refuse it is doubled: nobody can help it.
                let call = calm.ports[&place.0][place.1];
                let on_erp = call.starts_with("erp.create") || call == "erp.credit";
                if effect == Effect::Twice && on_erp && class > Class::Unique {
                    continue;
                }
                histories.push((class, vec![point(&place, effect)]));
            }
        }
    }
    let count = play_all(&histories, play);
    println!("{count} histories: each call of each flow x 5 effects x 4 classes of ERP");
    assert_eq!(count, 3395, "a call came or went: look whether it is safe, then write the new count here");
}

#[test]
fn two_deaths_in_a_row_at_any_two_calls_lose_and_double_nothing() {
    quiet_panics();
    let mut histories = Vec::new();
    for class in CLASSES {
        let calm = play_one(class, Vec::new());
        assert_eq!(calm.violations, Vec::<String>::new());
        for first in places(&calm) {
            let first_death = point(&first, Effect::DieBefore);
            let after = play_one(class, vec![first_death.clone()]);
            for second in places(&after).into_iter().filter(|second| second.0 != first.0) {
                histories.push((class, vec![first_death.clone(), point(&second, Effect::DieBefore)]));
            }
        }
    }
    let count = play_all(&histories, play_one);
    println!("{count} histories: two deaths, at every pair of calls x 4 classes of ERP");
    assert_eq!(count, 3025, "a call came or went: look whether it is safe, then write the new count here");
}

/// What is enumerated above, call by call.
#[test]
fn the_calls_of_a_day_in_small() {
    let calm = play(Class::Unique, Vec::new());
    let mut calls: BTreeMap<&str, String> = BTreeMap::new();
    for (process, made) in &calm.ports {
        if process.starts_with("worker")
            || process.starts_with("edge")
            || process.starts_with("backfill")
            || &**process == "sweep-1"
        {
            calls.insert(process, made.join(" "));
        }
    }
    let lines: Vec<String> = calls.iter().map(|(process, made)| format!("{process}: {made}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
