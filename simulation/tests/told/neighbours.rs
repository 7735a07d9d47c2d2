//! Nobody in another's way: histories of orders that cost their account more than they should, and of what the other shops notice.
//! Told step by step, and by seeds. `planted.toml` says which rule each of them is there for.

use std::sync::Arc;

use puente::{
    domain::{
        ids::{AccountId, OrderId},
        record::State,
    },
    erp::{Bulk, Class},
    outbound::Client,
};
use puente_simulation::{
    campaign::quiet_panics,
    erp::{FORBIDDEN_SKU, LONG_SKU, NEW_SKU, POISON_SKU, Told},
    fault::{Fault, Faults},
    history::History,
    judge,
    scenario::Scenario,
    shop,
    world::{HOUR, MINUTE, SECOND},
};

use crate::teller::Teller;

fn shops(count: usize) -> Scenario {
    Scenario { shops: count, ..Scenario::calm(Class::Unique, Bulk::Atomic) }
}

#[test]
fn an_order_that_a_firewall_refuses_is_parked_and_nobody_else_waits() {
    for (bulk, most) in [(Bulk::Atomic, 100), (Bulk::PerItem, 100), (Bulk::Unknown, 1)] {
        let mut scenario = Scenario { shops: 2, ..Scenario::calm(Class::Unique, bulk) };
        scenario.erp.creates.max_bulk = most;
        let history = Teller::new(scenario);
        history.place(0, "text", FORBIDDEN_SKU);
        history.pass(MINUTE);
        for n in 0..10 {
            history.neighbour(1, &format!("{n}"));
            history.pass(20 * SECOND);
        }
        let head = history.head(0, "text");
        assert_eq!(head.state(), State::Parked, "{head:?}");
        let reason = head.parked.unwrap().reason.words();
        assert!(reason.contains("403") && reason.contains("firewall") && reason.contains("replay"), "{reason}");
        history.end();
    }
}

#[test]
fn it_is_found_among_its_batchmates_and_costs_them_nothing() {
    let history = Teller::new(shops(2));
    history.0.erp.books().down_until = history.0.world.now() + MINUTE;
    for n in 0..40 {
        history.place(n % 2, &n.to_string(), if n == 22 { FORBIDDEN_SKU } else { "A" });
        history.pass(SECOND / 10);
    }
    history.pass(5 * MINUTE);
    assert_eq!(history.0.erp.books().documents.len(), 39);
    assert_eq!(history.state(0, "22"), State::Parked);
    assert!(history.0.table.rows().heads.values().all(|head| head.attempts == 0));
    assert_eq!(history.told_of("403"), ["shop-0/22"], "nobody else was suspected");
    // It is halved out of the company once; then it goes apart from what came since.
    assert!(history.calls() <= 30, "{} calls", history.calls());
    history.end();
}

#[test]
fn alone_it_waits_for_an_order_that_tells_and_holds_nobody_up() {
    let history = Teller::new(shops(2));
    history.place(0, "text", FORBIDDEN_SKU);
    // Nobody knows whether the right was revoked: it is tried again, ever later.
    history.pass(HOUR);
    assert_eq!(history.state(0, "text"), State::Waiting);
    assert!(history.calls() <= 20, "{} calls", history.calls());
    history.neighbour(1, "1");
    for n in 2..6 {
        history.pass(10 * MINUTE);
        history.neighbour(1, &n.to_string());
    }
    assert_eq!(history.state(0, "text"), State::Parked);
    history.end();
}

#[test]
fn a_revoked_right_is_the_accounts() {
    let history = Teller::new(shops(3));
    history.0.erp.books().forbids_until = history.0.world.now() + 6 * HOUR;
    let before = history.calls();
    for n in 0..30 {
        history.place(n % 3, &n.to_string(), "A");
        history.pass(SECOND / 4);
    }
    history.pass(6 * HOUR - MINUTE);
    let calls = history.calls() - before;
    assert!(calls <= 45, "{calls} calls in six hours");
    for n in 0..30 {
        let head = history.head(n % 3, &n.to_string());
        assert_eq!(head.state(), State::Waiting, "{head:?}");
        assert!(head.attempts <= 1, "{head:?}");
    }
    history.pass(HOUR);
    assert_eq!(history.0.erp.books().documents.len(), 30);
    history.end();
}

#[test]
fn an_order_that_may_not_be_asked_for_is_parked_and_the_others_in_doubt_are_found() {
    let history = Teller::new(shops(2));
    // All of them lost together, and one of them not to be looked up.
    history.0.erp.books().down_until = history.0.world.now() + MINUTE;
    for n in 0..9 {
        history.place(0, &n.to_string(), "A");
    }
    history.0.erp.books().unaskable.insert(history.key(0, "5").to_string());
    while history.0.erp.books().documents.is_empty() {
        history.pass(SECOND / 10);
    }
    history.0.erp.books().told.push(Told { call: "erp.create", fault: Fault::ErpResetAfter, time: 0 });
    history.pass(20 * SECOND);
    for n in 0..10 {
        history.neighbour(1, &format!("neighbour-{n}"));
        history.pass(20 * SECOND);
    }
    let states: Vec<State> = (0..9).map(|n| history.state(0, &n.to_string())).collect();
    if states[5] != State::Synced {
        assert_eq!(states.iter().filter(|state| **state == State::Synced).count(), 8, "{states:?}");
        let parked = history.head(0, "5").parked.unwrap();
        assert!(
            parked.reason.words().contains("look for it there") && parked.reason.words().contains("414"),
            "{}",
            parked.reason
        );
        assert!(history.head(0, "5").intent.is_some(), "the ERP holds it, and that is not forgotten");
    }
    history.end();
}

#[test]
fn a_single_order_that_may_not_be_asked_for_does_not_close_the_account() {
    let history = Teller::new(shops(2));
    history.0.erp.books().unaskable.insert(history.key(0, "1").to_string());
    history.0.erp.books().told.push(Told { call: "erp.create", fault: Fault::ErpResetBefore, time: 0 });
    history.place(0, "1", "A");
    history.pass(8 * SECOND);
    for n in 0..20 {
        history.neighbour(1, &n.to_string());
    }
    assert_eq!(history.state(0, "1"), State::Parked);
    let ledger = history.0.table.rows().ledgers[&AccountId::from(&history.0.erp_id)].clone();
    assert_eq!((ledger.strikes, ledger.blocked_until), (0, None));
    history.end();
}

#[test]
fn an_article_that_may_not_be_asked_for_parks_its_order_and_no_other() {
    let history = Teller::new(shops(2));
    history.0.erp.books().down_until = history.0.world.now() + MINUTE;
    for n in 0..20 {
        history.place(n % 2, &n.to_string(), if n == 6 { LONG_SKU } else { "A" });
        history.pass(SECOND / 10);
    }
    history.pass(2 * MINUTE);
    for n in 20..30 {
        history.neighbour(1, &n.to_string());
        history.pass(10 * SECOND);
    }
    assert_eq!(history.0.erp.books().documents.len(), 29);
    assert_eq!(history.state(0, "6"), State::Parked);
    assert_eq!(history.told_of("414"), ["shop-0/6"], "nobody else was suspected");
    history.end();
}

#[test]
fn an_order_that_makes_the_erp_fail_holds_nobody_else_up() {
    let history = Teller::new(shops(2));
    history.place(0, "poison", POISON_SKU);
    history.pass(MINUTE);
    for n in 0..60 {
        history.neighbour(1, &n.to_string());
        history.pass(MINUTE);
    }
    history.pass(12 * HOUR);
    assert_eq!(history.state(0, "poison"), State::Dead);
    history.end();
}

#[test]
fn four_hundred_unknown_articles_cost_no_more_than_one() {
    // Known to the ERP or not, looked up one by one or a few at a time.
    for (sku, at_most, most) in [(NEW_SKU, 1, 0), ("A", 1, 0), (NEW_SKU, 20, 1), (NEW_SKU, 100, 1)] {
        let mut scenario = shops(2);
        scenario.erp.at_most = at_most;
        scenario.limits.per_day = 300;
        let history = Teller::new(scenario);
        let id: OrderId = "400".parse().unwrap();
        let shop = history.0.shops[0].clone();
        shop.place(&id, sku, true, 1);
        shop.orders().get_mut(&id).unwrap().states.iter_mut().for_each(shop::order_much);
        history.0.tell(&shop, &id);
        history.pass(MINUTE);
        assert_eq!(history.state(0, "400"), State::Parked);
        assert_eq!(history.calls(), most, "{sku} {at_most}");
        history.neighbour(1, "1");
    }
}

#[test]
fn a_shop_that_spends_what_it_can_leaves_the_others_their_share() {
    let mut scenario = shops(3);
    scenario.erp.at_most = 1;
    scenario.erp.creates.max_bulk = 1;
    scenario.limits.per_day = 300;
    let history = Teller::new(scenario);
    // From eight in the morning on, each with an article of its own that the ERP does not know.
    for n in 0..400 {
        history.place(0, &n.to_string(), &format!("{NEW_SKU}{n}"));
        history.pass(SECOND / 10);
    }
    history.pass(6 * HOUR);
    let spent = history.calls();
    // Eighty are each one's share, of which ten hours are left: what is theirs is not touched.
    assert!(spent <= 300 - 2 * 33 + 2, "{spent} calls by two in the afternoon");
    // The day is short by then: they leave with the departures that the pace allows, and all of them before the evening.
    for n in 0..6 {
        history.place(1, &n.to_string(), "A");
        history.place(2, &n.to_string(), "A");
        history.pass(40 * MINUTE);
    }
    for n in 0..6 {
        assert_eq!([1, 2].map(|shop| history.state(shop, &n.to_string())), [State::Synced; 2], "{n}");
    }
    // The rest is lent before the reset.
    history.pass(6 * HOUR - 2 * MINUTE);
    let ledger = history.0.table.rows().ledgers[&AccountId::from(&history.0.erp_id)].clone();
    assert!(
        ledger.used >= 290 && ledger.used <= 300,
        "{} calls of 300 used, {spent} of them by two in the afternoon",
        ledger.used
    );
    let parked = history.0.table.rows().heads.values().filter(|head| head.state() == State::Parked).count();
    assert!(parked >= 230, "{parked}");
    history.pass(24 * HOUR);
    history.end();
}

#[test]
fn a_thousand_histories_with_nothing_but_such_orders_keep_the_others_going() {
    const KINDS: [Fault; 7] = [
        Fault::PoisonText,
        Fault::PoisonLookUp,
        Fault::ManyUnknown,
        Fault::Spender,
        Fault::OrderRefused,
        Fault::OrderPanics,
        Fault::Flood,
    ];
    quiet_panics();
    let client = Client::new().unwrap();
    let mut looked_at = 0;
    for seed in 0..1000_u64 {
        let mut scenario = Scenario::of(seed);
        let kinds = KINDS.iter().enumerate().filter(|(place, _)| seed >> place & 1 == 1 || seed as usize % 7 == *place);
        scenario.faults = Faults::of(kinds.map(|(_, kind)| *kind), 120);
        scenario.shops = 3;
        // Long enough for a departure.
        scenario.function = 300 * SECOND;
        scenario.queue.visibility = scenario.function * 6 + SECOND;
        if scenario.faults.had(Fault::ManyUnknown) || scenario.faults.had(Fault::Spender) {
            scenario.erp.at_most = 1;
        }
        let history = History::new(scenario.clone(), seed, &client, Vec::new(), false);
        let report = Arc::clone(&history).play();
        if !report.violations.is_empty() {
            let again = History::new(scenario, seed, &client, Vec::new(), true).play();
            again.trace.iter().for_each(|line| println!("{line}"));
        }
        assert_eq!(report.violations, Vec::<String>::new(), "seed {seed}");
        looked_at += judge::neighbours(&history);
    }
    println!("1000 histories, {looked_at} orders of shops with nothing wrong among those of others");
    assert!(looked_at > 200, "{looked_at}");
}

#[test]
fn an_order_that_may_not_be_asked_for_keeps_nobody_waiting_where_a_departure_is_too_short_to_find_it() {
    let mut scenario = Scenario::calm(Class::Unique, Bulk::Atomic);
    // A call takes its slot every five seconds, and an invocation has half a minute.
    scenario.limits.calls = 12;
    scenario.limits.window = jiff::SignedDuration::from_mins(1);
    scenario.function = 30 * SECOND;
    scenario.queue.visibility = 181 * SECOND;
    let history = Teller::new(scenario);
    history.down_for(MINUTE);
    for number in 0..60 {
        history.place(0, &format!("{number}"), if number == 30 { LONG_SKU } else { "A" });
    }
    history.pass(2 * HOUR);
    assert_eq!(history.booked(), 59);
    history.end();
}
