//! Prices that change in the ERP, told while a process dies or stands still at every call in turn: the store has them in the end, each from
//! its time on, and one that changes much only once somebody released it.

use std::sync::Arc;

use puente::{
    domain::{goods::number::Keeps, ledger::Limits, price::Price},
    erp::{Bulk, Class},
    flow::goods::prices,
};
use puente_simulation::{
    executor::Micros,
    price_list::money,
    scenario::Scenario,
    warehouse::Trade,
    world::{Effect, HOUR, MINUTE, Point, SECOND},
};

use crate::teller::Teller;

/// A shop whose one article costs ten, there and in the ERP.
fn open(function: Micros, late: u32, seed: u64, points: Vec<Point>) -> Teller {
    let trade = Trade { articles: vec!["A"], repriced: 1, late, ..Trade::plain(vec![Keeps::Sellable]) };
    let calm = Scenario::calm(Class::Unique, Bulk::Atomic);
    let limits = Limits { per_day: 300, ..calm.limits };
    let history = Teller::seeded(Scenario { trade: Some(trade), function, limits, ..calm }, seed, points);
    history.0.warehouse.as_ref().unwrap().stock().receive("A", 3);
    costs(&history, 1000, 0);
    history.0.shops[0].prices().insert("A".to_owned(), Price { amount: money(1000), compare_at: None });
    history
}

/// Somebody types a price in the ERP, from so long after now on.
fn costs(history: &Teller, cents: i64, after: Micros) {
    let from = history.0.world.now() + after;
    history.0.warehouse.as_ref().unwrap().stock().prices.set("A", cents, from);
}

fn has(history: &Teller) -> String {
    history.0.shops[0].prices()["A"].amount.to_string()
}

/// A price that is typed between two questions, and one that begins by the clock, so long after the first question.
fn tell(function: Micros, begins: Micros, points: Vec<Point>) -> Teller {
    let calm = points.is_empty() && begins > 7 * HOUR;
    let history = open(function, 0, 11, points);
    history.pass(5 * MINUTE);
    costs(&history, 1200, 0);
    costs(&history, 900, begins);
    history.pass(6 * HOUR + 20 * MINUTE);
    // Whoever could not ask asks again an hour later.
    assert!(!calm || has(&history) == "12");
    history.pass(2 * HOUR);
    history
}

/// The calls of the workers that tell of prices, and what each asked for.
fn calls(history: &Teller) -> Vec<(Arc<str>, usize, &'static str)> {
    let calls = history.0.world.calls();
    let tells = |calls: &&Vec<&'static str>| calls.iter().any(|call| call.starts_with("prices.write"));
    let telling = calls.iter().filter(|(_, calls)| tells(calls));
    telling.flat_map(|(process, calls)| calls.iter().enumerate().map(|(n, call)| (process.clone(), n, *call))).collect()
}

/// Plays each of the calls that are `wanted` with each of the fates.
fn each(function: Micros, begins: Micros, effects: &[Effect], wanted: impl Fn(&str) -> bool) {
    let calm = tell(function, begins, Vec::new());
    assert_eq!(has(&calm), "9");
    let calls: Vec<_> = calls(&calm).into_iter().filter(|(.., what)| wanted(what)).collect();
    assert!(calls.len() > 20, "{} calls", calls.len());
    for ((process, call, what), effect) in
        calls.iter().flat_map(|call| effects.iter().map(move |effect| (call, effect)))
    {
        let point = Point { process: process.to_string(), call: *call, effect: *effect };
        let history = tell(function, begins, vec![point.clone()]);
        assert_eq!(has(&history), "9", "{what}: {point:?}");
        history.0.end();
        assert_eq!(history.0.world.violations(), Vec::<String>::new(), "{what}: {point:?}");
    }
    println!("{} calls, and {} fates of each", calls.len(), effects.len());
}

#[test]
fn whatever_becomes_of_a_call_a_store_has_each_price_from_its_time_on() {
    let effects = [
        Effect::DieBefore,
        Effect::DieAfter,
        Effect::Fail,
        Effect::Unanswered,
        Effect::Twice,
        Effect::FreezeBefore(200 * SECOND),
        Effect::FreezeAfter(200 * SECOND),
    ];
    each(60 * SECOND, 8 * HOUR, &effects, |_| true);
}

#[test]
fn an_announced_price_is_told_when_it_begins_and_not_after_it_ends() {
    let history = open(60 * SECOND, 0, 11, Vec::new());
    costs(&history, 900, 2 * HOUR);
    costs(&history, 1100, 3 * HOUR);
    history.pass(2 * HOUR - MINUTE);
    assert_eq!(has(&history), "10");
    history.pass(5 * MINUTE);
    assert_eq!(has(&history), "9");
    history.pass(HOUR - 6 * MINUTE);
    assert_eq!(has(&history), "9");
    history.pass(8 * MINUTE);
    assert_eq!(has(&history), "11");
    history.0.end();
    assert_eq!(history.0.world.violations(), Vec::<String>::new());
}

#[test]
fn a_price_that_changes_much_waits_until_somebody_releases_it() {
    let history = open(60 * SECOND, 0, 11, Vec::new());
    history.pass(5 * MINUTE);
    costs(&history, 499, 0);
    history.pass(6 * HOUR + 20 * MINUTE);
    assert_eq!(has(&history), "10");
    let shop = history.0.shops[0].id().clone();
    let key = (shop.clone(), "A".parse().unwrap());
    let tag = history.0.table.rows().prices[&key].clone();
    assert!(tag.stopped && tag.due.is_none(), "{tag:?}");
    let note = tag.note.unwrap();
    assert_eq!(
        note,
        "from 10 to 4.99 is a change of more than 50 %: if that is right, `puente prices release --connection shop-0 A`"
    );
    let script = history.0.clone();
    history.0.world.executor.spawn("clerk", 0, async move {
        let puente = script.lambda.puente();
        let released = prices::release(&puente, &shop, &key.1, "ana", "a request").await.unwrap();
        assert!(released.is_some());
    });
    history.pass(2 * MINUTE);
    assert_eq!(has(&history), "4.99");
    // Released was that price, and no other; and it once.
    costs(&history, 100, 0);
    history.pass(12 * HOUR);
    assert_eq!(has(&history), "4.99");
    for (cents, price) in [(800, "8"), (1200, "12"), (499, "12")] {
        costs(&history, cents, 0);
        history.pass(12 * HOUR);
        assert_eq!(has(&history), price);
    }
    history.0.end();
    assert_eq!(history.0.world.violations(), Vec::<String>::new());
}

/// A price lands long after whoever sent it gave up, and the next one begins meanwhile.
#[test]
fn a_price_that_lands_late_is_not_the_last_one() {
    for seed in 0..60 {
        let history = open(60 * SECOND, 500, seed, Vec::new());
        history.pass(5 * MINUTE);
        costs(&history, 1200, 0);
        // Asked for six hours after the first question, which was made in the first minute or two.
        costs(&history, 900, 6 * HOUR - 5 * MINUTE + 2 * MINUTE);
        history.pass(6 * HOUR + 30 * MINUTE);
        assert_eq!(has(&history), "9", "seed {seed}");
        history.0.end();
        assert_eq!(history.0.world.violations(), Vec::<String>::new(), "seed {seed}");
    }
}

/// A process that nobody ends goes on after it stood still for longer than what it began may take to land, and after the next price began. Not
/// where it stands still with its call on the way: what lands so late nobody can know of.
#[test]
fn who_stood_still_for_too_long_writes_no_price_any_more() {
    let effects = [Effect::FreezeBefore(400 * SECOND), Effect::FreezeAfter(400 * SECOND)];
    each(600 * SECOND, 6 * HOUR - MINUTE, &effects, |what| what != "store.set_prices");
}

#[test]
fn an_announced_price_is_told_though_the_erp_is_down_when_it_begins() {
    let history = open(60 * SECOND, 0, 11, Vec::new());
    costs(&history, 900, 2 * HOUR);
    history.pass(2 * HOUR - 10 * MINUTE);
    history.0.erp.books().down_until = history.0.world.now() + HOUR;
    history.pass(15 * MINUTE);
    assert_eq!(has(&history), "9");
    history.0.end();
    assert_eq!(history.0.world.violations(), Vec::<String>::new());
}
