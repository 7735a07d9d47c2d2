//! A shipment, told while a process dies or stands still at every call in turn: its store has it once, under its tracking number.

use std::sync::Arc;

use puente::{
    domain::{goods::number::Keeps, ids::OrderKey, record::State},
    erp::{Bulk, Class},
};
use puente_simulation::{
    executor::Micros,
    fault::{Fault, Faults},
    scenario::Scenario,
    warehouse::Trade,
    world::{Effect, MINUTE, Point, SECOND},
};

use crate::teller::Teller;

/// An order that is booked and leaves; its tracking number is typed ten minutes later.
fn tell(keeps: Keeps, function: Micros, points: Vec<Point>) -> Teller {
    let calm = Scenario::calm(Class::Unique, Bulk::Atomic);
    let trade = Trade { articles: vec!["A"], sent: 1000, ..Trade::plain(vec![keeps]) };
    let history = Teller::killed(Scenario { trade: Some(trade), function, ..calm }, points);
    let warehouse = history.0.warehouse.clone().unwrap();
    warehouse.stock().receive("A", 3);
    history.pass(5 * MINUTE);
    warehouse.stock().sell("A");
    history.0.shops[0].counter().as_mut().unwrap().sell("A", 1);
    history.place(0, "1", "A");
    history.pass(2 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Synced);
    let key = OrderKey::new(history.0.shops[0].id().clone(), "1".parse().unwrap());
    let place = warehouse.stock().leave(key, "A", None);
    history.pass(10 * MINUTE);
    warehouse.stock().follow(place, "T-1".to_owned());
    history.pass(10 * MINUTE);
    history
}

fn has(history: &Teller) -> Vec<Vec<String>> {
    history.0.shops[0].sent(&"1".parse().unwrap()).into_iter().map(|sent| sent.tracking).collect()
}

/// The calls of the workers that tell of shipments, and what each asked for.
fn calls(history: &Teller) -> Vec<(Arc<str>, usize, &'static str)> {
    let calls = history.0.world.calls();
    let tells = |calls: &&Vec<&'static str>| calls.iter().any(|call| call.starts_with("shipments.write"));
    let telling = calls.iter().filter(|(_, calls)| tells(calls));
    telling.flat_map(|(process, calls)| calls.iter().enumerate().map(|(n, call)| (process.clone(), n, *call))).collect()
}

/// Plays each of the calls that are `wanted` with each of the fates.
fn each(function: Micros, effects: &[Effect], wanted: impl Fn(&str) -> bool) {
    for keeps in [Keeps::Gross, Keeps::Sellable] {
        let calm = tell(keeps, function, Vec::new());
        assert_eq!(has(&calm), [["T-1"]]);
        let calls: Vec<_> = calls(&calm).into_iter().filter(|(.., what)| wanted(what)).collect();
        assert!(calls.len() > 20, "{} calls", calls.len());
        for ((process, call, what), effect) in
            calls.iter().flat_map(|call| effects.iter().map(move |effect| (call, effect)))
        {
            let point = Point { process: process.to_string(), call: *call, effect: *effect };
            let history = tell(keeps, function, vec![point.clone()]);
            history.0.end();
            assert_eq!(history.0.world.violations(), Vec::<String>::new(), "{what}: {point:?}");
            assert_eq!(has(&history), [["T-1"]], "{what}: {point:?}");
        }
        println!("{keeps:?}: {} calls, and {} fates of each", calls.len(), effects.len());
    }
}

#[test]
fn whatever_becomes_of_a_call_a_shipment_is_told_once_with_its_number() {
    let effects = [
        Effect::DieBefore,
        Effect::DieAfter,
        Effect::Fail,
        Effect::Unanswered,
        Effect::Twice,
        Effect::FreezeBefore(200 * SECOND),
        Effect::FreezeAfter(200 * SECOND),
    ];
    each(60 * SECOND, &effects, |_| true);
}

/// A process that nobody ends goes on after it stood still for longer than what it began may take to land. Not where it stands still
/// with its call on the way: what lands so late nobody can know of.
#[test]
fn who_stood_still_for_too_long_does_not_tell_a_store_any_more() {
    let effects = [Effect::FreezeBefore(240 * SECOND), Effect::FreezeAfter(240 * SECOND)];
    each(290 * SECOND, &effects, |what| !matches!(what, "store.fulfil" | "store.track"));
}

/// The list of orders does not show yet that one was sent, so that its last state says that the store keeps the unit reserved.
#[test]
fn what_was_sent_is_offered_to_nobody_while_the_list_of_orders_lags() {
    for seed in 0..30 {
        let calm = Scenario::calm(Class::Unique, Bulk::Atomic);
        let trade = Trade { articles: vec!["A"], sent: 1000, ..Trade::plain(vec![Keeps::Gross]) };
        let faults = Faults::of(vec![Fault::ListLags], 1000);
        let history = Teller::seeded(Scenario { trade: Some(trade), faults, ..calm }, seed, Vec::new());
        let warehouse = history.0.warehouse.clone().unwrap();
        warehouse.stock().receive("A", 1);
        history.pass(5 * MINUTE);
        warehouse.stock().sell("A");
        history.0.shops[0].counter().as_mut().unwrap().sell("A", 1);
        history.place(0, "1", "A");
        history.pass(2 * MINUTE);
        let key = OrderKey::new(history.0.shops[0].id().clone(), "1".parse().unwrap());
        warehouse.stock().leave(key, "A", Some("T-1".to_owned()));
        history.pass_sold_out(15 * MINUTE, &format!("seed {seed}"));
        assert_eq!(has(&history), [["T-1"]]);
        history.end();
    }
}
