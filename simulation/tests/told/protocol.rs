//! The histories that each condition of the protocol is there for. Told step by step; each fails when its condition is dropped,
//! which `planted.toml` says by name and `--bin planted` shows.

use std::sync::Arc;

use puente::{
    domain::{
        ids::{AccountId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        record::State,
        time::Stamp,
    },
    erp::{Bulk, Class},
};
use puente_simulation::{
    erp::{POISON_SKU, REFUSED_SKU},
    executor::Micros,
    fault::Fault,
    queue::encode,
    scenario::{Backfills, Scenario},
    shop::{self, Says},
    world::{Effect, HOUR, MINUTE, Point, SECOND, stamp},
};

use crate::teller::Teller;

/// An ERP that creates sales and does nothing else: what comes after is a person's.
fn calm(class: Class) -> Scenario {
    let mut scenario = Scenario::calm(class, Bulk::Atomic);
    (scenario.erp.amends, scenario.erp.cancels, scenario.erp.credits) = (false, false, false);
    scenario
}

#[test]
fn settle_counts_from_the_last_moment_that_the_call_could_start() {
    let mut scenario = calm(Class::Searchable);
    // Two calls a minute: the create waits half a minute for its slot, after its intent.
    scenario.limits.calls = 2;
    scenario.limits.window = jiff::SignedDuration::from_mins(1);
    scenario.erp.patience.settle = std::time::Duration::from_secs(60);
    scenario.function = 280 * SECOND;
    let history = Teller::new(scenario);
    history.late("erp.create", 59 * SECOND);
    history.place(0, "1", "A");
    history.pass(HOUR);
    assert_eq!(history.booked(), 1);
    history.end();
}

#[test]
fn a_step_in_doubt_is_sent_again_with_the_same_content() {
    // Lost, and landing at every moment around the look-up that does not find it and the second sending.
    for moment in 0..80 {
        let history = Teller::new(calm(Class::Key));
        history.late("erp.create", 19 * SECOND + moment * SECOND / 10);
        history.place(0, "1", "A");
        history.pass(3 * SECOND);
        history.edit("1");
        history.pass(HOUR);
        let head = history.head(0, "1");
        let books = history.0.erp.books();
        assert_eq!(head.held().unwrap().content, books.documents[0].version.as_ref().unwrap().content, "{moment}");
    }
}

#[test]
fn what_was_given_up_in_doubt_is_sent_again_with_the_same_content() {
    let mut scenario = calm(Class::Key);
    scenario.max_attempts = 1;
    let history = Teller::new(scenario);
    // Made, and not to be found for a while: the first state's document.
    history.0.erp.books().found_after = 10 * MINUTE;
    history.next("erp.create", Fault::ErpResetAfter);
    history.place(0, "1", "A");
    history.pass(3 * SECOND);
    history.edit("1");
    history.pass(MINUTE);
    assert_eq!(history.state(0, "1"), State::Dead);
    history.0.replay(&history.key(0, "1"));
    history.pass(MINUTE);
    let head = history.head(0, "1");
    assert_eq!(head.held(), history.0.erp.books().documents[0].version.as_ref());
    assert_ne!(head.held(), Some(&head.desired), "the edit is a step of its own");
    history.end();
}

#[test]
fn what_is_adopted_is_recorded_as_the_version_it_carries() {
    let history = Teller::new(calm(Class::Unique));
    history.next("erp.create", Fault::ErpResetAfter);
    history.place(0, "1", "A");
    history.pass(3 * SECOND);
    history.edit("1");
    history.pass(10 * MINUTE);
    let head = history.head(0, "1");
    assert_eq!(head.held(), history.0.erp.books().documents[0].version.as_ref());
    assert_eq!(head.state(), State::Parked, "the edit is not booked by us");
    history.end();
}

#[test]
fn a_look_up_that_fails_is_no_look_up() {
    let history = Teller::new(calm(Class::Searchable));
    history.next("erp.create", Fault::ErpResetAfter);
    history.next("erp.look_up", Fault::ErpErrorBefore);
    history.place(0, "1", "A");
    history.pass(HOUR);
    assert_eq!(history.booked(), 1);
    history.end();
}

#[test]
fn a_definite_failure_of_a_resend_does_not_lift_the_doubt_about_the_first() {
    let history = Teller::new(calm(Class::Unique));
    history.late("erp.create", 5 * MINUTE);
    history.0.erp.books().very_late.push("shop-0/1".to_owned());
    history.place(0, "1", "A");
    history.pass(4 * SECOND);
    // Looked up, not there, sent again and refused for good. Then the first one lands.
    history.0.erp.books().refuses_until = Micros::MAX;
    history.pass(4 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Parked);
    history.0.erp.books().refuses_until = 0;
    history.pass(5 * MINUTE);
    assert_eq!(history.booked(), 1);
    assert!(history.head(0, "1").intent.is_some(), "the ERP holds a sale that the record must not have forgotten");
    history.0.replay(&history.key(0, "1"));
    history.pass(MINUTE);
    history.end();
}

#[test]
fn a_version_that_arrives_during_the_call_follows_as_its_own_step() {
    let history = Teller::new(calm(Class::Unique));
    history.next("erp.create", Fault::ErpDrips);
    history.place(0, "1", "A");
    history.pass(3 * SECOND);
    history.edit("1");
    history.pass(10 * MINUTE);
    let head = history.head(0, "1");
    assert!(head.held().is_some_and(|held| *held != head.desired));
    assert!(head.parked.is_some_and(|parked| parked.version == head.desired), "judged, not left behind");
    history.end();
}

#[test]
fn a_content_that_comes_back_while_the_store_is_asked_about_its_second_is_not_passed_over() {
    for seed in 0..400 {
        let mut scenario = calm(Class::Unique);
        scenario.workers = 4;
        let history = Teller::seeded(scenario, seed, Vec::new());
        let id: OrderId = "1".parse().unwrap();
        let shop = history.0.shops[0].clone();
        shop.place(&id, "A", true, 1);
        history.0.tell(&shop, &id);
        history.pass(10 * SECOND);
        // There, back, and there again within one second: the store is asked which is the last, while the last comes in.
        for state in 1..=3 {
            shop.change(&id, state == 1, shop::change_channel);
            history.deliver("1", state, Says::State, 0);
            history.pass(10_000 + 20_000 * i64::from(state == 2));
        }
        history.pass(5 * MINUTE);
        let last = shop.orders()[&id].last().version().content;
        assert_eq!(history.head(0, "1").desired.content, last, "{seed}");
    }
}

/// Every order in which `n` things can come.
fn orders_of(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders_of(n - 1);
    shorter.iter().flat_map(|rest| (0..n).map(move |at| [&rest[..at], &[n - 1], &rest[at..]].concat())).collect()
}

/// A history whose store cannot be asked, with an order that changes within its second.
fn unasked(workers: usize, seed: u64) -> (Teller, Arc<shop::Shop>) {
    let mut scenario = calm(Class::Unique);
    (scenario.can_fetch, scenario.backfill, scenario.workers) = (false, Backfills::Never, workers);
    let history = Teller::seeded(scenario, seed, Vec::new());
    let shop = history.0.shops[0].clone();
    (history, shop)
}

#[test]
fn of_states_of_one_second_the_one_that_arrived_last_stays() {
    // Four contents, and the first two delivered by the queue once more.
    for order in orders_of(4) {
        let (history, shop) = unasked(2, 11);
        let id: OrderId = "1".parse().unwrap();
        shop.place(&id, "A", true, 1);
        for _ in 1..4 {
            shop.change(&id, false, shop::edit);
        }
        for state in order.iter().chain(&order[..2]) {
            history.arrives("1", *state, i64::try_from(*state).unwrap());
            history.pass(SECOND);
        }
        history.pass(MINUTE);
        assert_eq!(history.head(0, "1").desired.content, shop.orders()[&id].states[3].version().content, "{order:?}");
        history.pass(30 * MINUTE);
        assert_eq!(history.head(0, "1").desired.content, shop.orders()[&id].states[3].version().content, "{order:?}");
    }
}

#[test]
fn of_states_of_one_second_the_one_further_along_stays_whenever_it_arrived() {
    // Placed, paid, and edited since. The two that are paid came to the edge first, and are worked on in any order.
    let arrived = [5, 3, 4];
    for order in orders_of(3) {
        let (history, shop) = unasked(2, 11);
        let id: OrderId = "1".parse().unwrap();
        shop.place(&id, "A", false, 1);
        shop.change(&id, false, shop::pay);
        shop.change(&id, false, shop::edit);
        for state in &order {
            history.arrives("1", *state, arrived[*state]);
            history.pass(SECOND);
        }
        history.pass(30 * MINUTE);
        assert_eq!(history.head(0, "1").desired.content, shop.orders()[&id].states[2].version().content, "{order:?}");
    }
}

#[test]
fn a_content_that_comes_back_within_its_second_stays() {
    for order in orders_of(3) {
        let (history, shop) = unasked(2, 11);
        let id: OrderId = "1".parse().unwrap();
        shop.place(&id, "A", true, 1);
        shop.change(&id, false, shop::change_channel);
        shop.change(&id, false, shop::change_channel);
        // And delivered by the queue once more.
        for _ in 0..2 {
            for state in &order {
                history.arrives("1", *state, i64::try_from(*state).unwrap());
                history.pass(SECOND);
            }
            history.pass(MINUTE);
            assert_eq!(
                history.head(0, "1").desired.content,
                shop.orders()[&id].states[2].version().content,
                "{order:?}"
            );
        }
    }
}

#[test]
fn a_state_does_not_go_above_one_that_arrives_again_meanwhile() {
    for seed in 0..400 {
        let (history, shop) = unasked(4, seed);
        let id: OrderId = "1".parse().unwrap();
        shop.place(&id, "A", true, 1);
        shop.change(&id, false, shop::change_channel);
        shop.change(&id, false, shop::change_channel);
        history.arrives("1", 0, 0);
        history.pass(10 * SECOND);
        // Two workers at the same time: the other content, and the first one again, which arrived later.
        history.arrives("1", 1, 1);
        history.arrives("1", 2, 2);
        history.pass(5 * MINUTE);
        assert_eq!(history.head(0, "1").desired.content, shop.orders()[&id].states[2].version().content, "{seed}");
    }
}

#[test]
fn a_content_that_only_backfill_saw_again_is_newer_than_what_is_late() {
    let history = Teller::new(calm(Class::Unique));
    let id: OrderId = "1".parse().unwrap();
    let shop = history.0.shops[0].clone();
    history.place(0, "1", "A");
    // There and back, and nobody is told.
    for _ in 0..2 {
        history.pass(10 * SECOND);
        shop.change(&id, true, shop::change_channel);
    }
    history.pass(10 * SECOND);
    history.0.lambda.backfill(None);
    history.pass(MINUTE);
    history.deliver("1", 1, Says::State, 0);
    history.pass(MINUTE);
    assert_eq!(history.head(0, "1").desired.content, shop.orders()[&id].last().version().content);
    history.end();
}

#[test]
fn a_version_that_arrives_while_its_forerunner_is_refused_is_not_parked_with_it() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", REFUSED_SKU);
    // Refused twice, with ids looked up again in between: somewhere there the article is changed.
    history.pass(SECOND);
    let id: OrderId = "1".parse().unwrap();
    for _ in 0..40 {
        history.pass(SECOND / 20);
        if history.head(0, "1").intent.is_some() {
            break;
        }
    }
    history.0.shops[0].change(&id, true, |order| order.lines[0].sku = Some("A".to_owned()));
    history.0.tell(&history.0.shops[0], &id);
    history.pass(10 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Synced);
    history.end();
}

#[test]
fn an_order_that_is_updated_again_and_again_is_not_tried_hot() {
    let mut scenario = calm(Class::Searchable);
    scenario.erp.customers = true;
    scenario.tries = 1;
    // Answers come at once, so that nothing but the least interval holds a try back.
    scenario.erp.patience.timeout = std::time::Duration::from_millis(200);
    scenario.erp.patience.settle = std::time::Duration::from_secs(20);
    let history = Teller::new(scenario);
    // Its customer is in doubt: until that can be looked up, each try is a call for nothing.
    history.late("erp.create_customers", 9 * SECOND);
    history.place(0, "1", "A");
    history.pass(7 * SECOND);
    let before = history.calls();
    let id: OrderId = "1".parse().unwrap();
    for second in 0..50 {
        history.pass(SECOND / 10);
        let updated = stamp(history.0.world.start() + (10 + second) * SECOND);
        history.0.shops[0].change(&id, false, |order| {
            shop::edit(order);
            order.updated_at = Stamp::utc(updated);
        });
        history.0.tell(&history.0.shops[0], &id);
    }
    let tries = history.calls() - before;
    assert!(tries <= 12, "{tries} calls in five seconds");
    history.pass(10 * MINUTE);
    history.end();
}

#[test]
fn a_new_version_does_not_wait_out_the_old_ones_backoff() {
    let mut scenario = calm(Class::Searchable);
    scenario.erp.customers = true;
    let history = Teller::new(scenario);
    history.late("erp.create_customers", 9 * SECOND);
    history.place(0, "1", "A");
    history.pass(8 * SECOND);
    let due = history.head(0, "1").due.unwrap();
    assert!(due > stamp(history.0.world.now() + 5 * SECOND), "it waits for its customer");
    history.edit("1");
    history.pass(3 * SECOND);
    assert!(history.head(0, "1").updated > stamp(history.0.world.now() - 3 * SECOND));
    assert!(history.calls() >= 3, "the new version was tried at once");
    history.pass(10 * MINUTE);
    history.end();
}

#[test]
fn an_erp_that_always_times_out_is_given_up_and_not_called_twice_per_settle_time() {
    let history = Teller::new(calm(Class::Unique));
    for _ in 0..1000 {
        history.next("erp.create", Fault::ErpResetBefore);
    }
    history.place(0, "1", "A");
    history.pass(12 * HOUR);
    assert_eq!(history.state(0, "1"), State::Dead);
    // Six attempts, each looked up, and the products resolved.
    assert!(history.calls() <= 14, "{} calls", history.calls());
    history.0.erp.books().told.clear();
    history.end();
}

#[test]
fn a_customer_in_doubt_is_not_made_again_for_another_order() {
    let mut scenario = calm(Class::Searchable);
    scenario.erp.customers = true;
    let history = Teller::new(scenario);
    history.late("erp.create_customers", 9 * SECOND);
    history.place(0, "1", "A");
    history.pass(7 * SECOND);
    history.place(0, "2", "A");
    history.pass(10 * MINUTE);
    assert_eq!(history.0.erp.books().customers.len(), 1);
    history.end();
}

#[test]
fn waiting_for_a_customer_that_is_made_for_another_order_is_no_attempt() {
    let mut scenario = calm(Class::Searchable);
    scenario.erp.customers = true;
    scenario.max_attempts = 1;
    let history = Teller::new(scenario);
    history.late("erp.create_customers", 9 * SECOND);
    history.place(0, "1", "A");
    history.pass(7 * SECOND);
    let before = history.calls();
    for order in ["2", "3", "4"] {
        history.place(0, order, "A");
        history.pass(SECOND);
    }
    history.pass(10 * MINUTE);
    for order in ["2", "3", "4"] {
        assert_eq!(history.state(0, order), State::Synced, "{order}");
    }
    // They come back when the customer can be looked up, and not to ask whether it is there yet.
    let calls = history.calls() - before;
    assert!(calls <= 10, "{calls} calls");
    history.end();
}

#[test]
fn a_replay_asked_for_before_the_order_was_handed_over_does_not_let_it_out_again() {
    let history = Teller::new(calm(Class::Nothing));
    history.next("erp.create", Fault::ErpDrips);
    let arrival = Arrival::new(
        OrderKey::new("shop-0".parse().unwrap(), "1".parse().unwrap()),
        stamp(history.0.world.now()),
        "replay",
        News::Replay,
    );
    // Asked for at once; the queue delivers it when the order has long been handed to a person.
    history.0.queue.put(encode(&Message::Arrival(arrival)), 4 * MINUTE);
    history.place(0, "1", "A");
    history.pass(3 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Parked);
    history.pass(10 * MINUTE);
    assert_eq!(history.booked(), 1);
    assert_eq!(history.state(0, "1"), State::Parked);
    history.end();
}

#[test]
fn what_arrives_while_the_conductor_looks_is_not_left_to_the_sweeper() {
    // A second order at every moment of the first one's departure.
    let mut unswept = 0;
    for offset in 0..1000 {
        let history = Teller::new(calm(Class::Unique));
        history.place(0, "1", "A");
        history.pass(offset * SECOND / 250);
        history.place(0, "2", "A");
        history.pass(15 * SECOND);
        let sweeps = history.0.world.calls().keys().filter(|process| process.starts_with("sweep")).count();
        if sweeps == 0 {
            unswept += 1;
            assert_eq!(history.state(0, "2"), State::Synced, "{offset}");
        }
    }
    assert!(unswept >= 200, "{unswept}");
}

#[test]
fn the_sweeper_ends_the_wait_after_a_conductor_that_died() {
    let die = Point { process: "worker-1".to_owned(), call: 9, effect: Effect::DieBefore };
    let mut scenario = calm(Class::Unique);
    // Its message does not come again in time.
    scenario.queue.visibility = 2 * HOUR;
    let history = Teller::killed(scenario, vec![die]);
    history.place(0, "1", "A");
    history.pass(2 * SECOND);
    assert!(history.head(0, "1").due.is_some() && history.booked() == 0);
    // What is left of the lease, a minute until the sweep, and the step itself.
    history.pass(3 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Synced);
}

#[test]
fn an_erp_that_refuses_everything_costs_a_handful_of_probes_and_parks_nobody() {
    let history = Teller::new(calm(Class::Unique));
    let ids: Vec<String> = (0..60).map(|id| id.to_string()).collect();
    history.down_for(MINUTE);
    ids.iter().for_each(|id| history.place(0, id, "A"));
    history.pass(2 * SECOND);
    history.refuses_for(6 * HOUR);
    let before = history.calls();
    history.pass(6 * HOUR);
    let calls = history.calls() - before;
    assert!(calls <= 45, "{calls} calls in six hours");
    // The one that went first after the outage went alone, and could not know better.
    let waiting = ids.iter().filter(|id| history.state(0, id) == State::Waiting).count();
    assert_eq!(waiting, 59);
    history.pass(2 * HOUR);
    assert_eq!(history.booked(), 59);
    history.end();
}

#[test]
fn a_refused_bulk_is_halved_to_its_end_however_long_the_erp_takes() {
    let history = Teller::new(calm(Class::Unique));
    // Two seconds a call: a hundred orders cannot be halved in the twelve that their first intents allow.
    history.0.erp.books().takes = Some(2 * SECOND);
    history.down_for(MINUTE);
    for id in 0..100 {
        history.place(0, &id.to_string(), if id == 61 { REFUSED_SKU } else { "A" });
        history.pass(SECOND / 10);
    }
    history.pass(10 * MINUTE);
    assert_eq!(history.booked(), 99);
    assert_eq!(history.state(0, "61"), State::Parked);
    assert!(history.calls() < 60, "{} calls", history.calls());
    assert_eq!(
        history.0.table.rows().ledgers[&AccountId::from(&history.0.erp_id)].used as usize,
        history.calls(),
        "a slot was wasted"
    );
    history.end();
}

#[test]
fn a_refusal_lifts_the_binding_to_the_old_content_and_not_the_look_up() {
    for late in [false, true] {
        let history = Teller::new(calm(Class::Searchable));
        if late {
            history.late("erp.create", 90 * SECOND);
        } else {
            history.next("erp.create", Fault::ErpResetBefore);
        }
        history.place(0, "1", "A");
        history.pass(3 * SECOND);
        history.refuses_for(MINUTE);
        history.pass(2 * MINUTE);
        assert_eq!(history.state(0, "1"), State::Parked, "looked up, sent again, and refused");
        history.edit("1");
        history.pass(5 * MINUTE);
        let first = history.0.shops[0].orders()[&"1".parse::<OrderId>().unwrap()].states[0].version();
        let sales = &history.0.erp.books().documents;
        assert_eq!(sales.len(), 1);
        assert_eq!(sales[0].version.as_ref().unwrap().content == first.content, late);
    }
}

#[test]
fn a_refused_bulk_that_no_invocation_can_halve_ends_one_by_one() {
    let mut scenario = calm(Class::Unique);
    // Four calls an invocation: the bulk, its ids anew, the bulk again, and one half.
    (scenario.limits.calls, scenario.limits.window) = (12, jiff::SignedDuration::from_mins(1));
    (scenario.erp.patience.timeout, scenario.function) = (std::time::Duration::from_secs(2), 21 * SECOND);
    let history = Teller::new(scenario);
    history.down_for(MINUTE);
    // The first one is good, so that the block of the outage is over; the others are not.
    for id in 0..5 {
        history.place(0, &id.to_string(), if id > 0 { REFUSED_SKU } else { "A" });
        history.pass(SECOND);
    }
    history.pass(12 * HOUR);
    assert_eq!(history.booked(), 1);
    for id in ["1", "2", "3", "4"] {
        assert_eq!(history.state(0, id), State::Parked, "{id}");
    }
    assert!(history.calls() < 60, "{} calls", history.calls());
    history.end();
}

#[test]
fn a_bulk_in_doubt_that_is_refused_costs_no_more_than_others() {
    let history = Teller::new(calm(Class::Searchable));
    history.0.erp.books().takes = Some(2 * SECOND);
    history.down_for(MINUTE);
    for id in 0..40 {
        history.place(0, &id.to_string(), "A");
        history.pass(SECOND / 10);
    }
    // The first goes alone after the outage; then all the others are in doubt, and the ERP takes nothing.
    while history.booked() == 0 {
        history.pass(SECOND / 10);
    }
    history.next("erp.create", Fault::ErpResetBefore);
    history.pass(5 * SECOND);
    let before = history.calls();
    history.refuses_for(HOUR);
    history.pass(HOUR);
    let calls = history.calls() - before;
    assert!(calls < 60, "{calls} calls in an hour");
    history.pass(2 * HOUR);
    // But for the one that went alone when the ERP began to refuse, and could not know better.
    assert_eq!(history.booked(), 39);
    history.end();
}

#[test]
fn a_replay_while_an_order_is_given_up_is_not_lost() {
    // Given up before anything of it was sent, and in doubt.
    for call in ["erp.resolve", "erp.create"] {
        let dies = |points| {
            let mut scenario = calm(Class::Unique);
            scenario.max_attempts = 1;
            let history = Teller::killed(scenario, points);
            history.next(call, Fault::ErpResetBefore);
            history.place(0, "1", "A");
            history
        };
        let first = dies(Vec::new());
        first.pass(5 * MINUTE);
        assert_eq!(first.state(0, "1"), State::Dead);
        let calls = first.0.world.calls();
        let (process, at) = calls
            .iter()
            .find_map(|(process, calls)| Some((process, calls.iter().position(|call| *call == "queue.bury")?)))
            .unwrap();
        // Between its letter and its verdict the worker stands still, and a person redrives the letter.
        let still = Point { process: process.to_string(), call: at + 1, effect: Effect::FreezeBefore(20 * SECOND) };
        let history = dies(vec![still]);
        while history.0.queue.letters().dead.is_empty() {
            history.pass(SECOND);
        }
        history.0.queue.redrive_now(1);
        history.pass(5 * MINUTE);
        assert_eq!(history.state(0, "1"), State::Synced, "{call}");
        history.end();
    }
}

#[test]
fn records_of_a_later_release_keep_nobody_waiting() {
    let history = Teller::new(calm(Class::Unique));
    history.down_for(MINUTE);
    for id in ["1", "2", "3", "4"] {
        history.place(0, id, "A");
        history.pass(SECOND);
    }
    // After the outage one order goes first, and those that nobody can read are the first in the index.
    history.0.table.rows().unreadable.extend(["1", "2", "3"].map(|id| history.key(0, id)));
    history.pass(10 * MINUTE);
    assert_eq!(history.state(0, "4"), State::Synced);
    // They do not keep a worker busy either: somebody looks once a minute.
    let before = history.0.world.calls().len();
    history.pass(HOUR);
    let processes = history.0.world.calls().len() - before;
    assert!(processes <= 60 + 60 + 5, "{processes} workers, sweeps and backfills in an hour");
    history.0.table.rows().unreadable.clear();
    history.end();
}

#[test]
fn a_stale_id_in_a_bulk_with_answers_of_its_own_parks_nobody() {
    let history = Teller::new(Scenario::calm(Class::Unique, Bulk::PerItem));
    history.place(0, "1", "A");
    history.pass(20 * SECOND);
    history.0.table.spoil_ids();
    for id in ["2", "3", "4"] {
        history.place(0, id, "A");
    }
    history.pass(2 * MINUTE);
    for id in ["2", "3", "4"] {
        assert_eq!(history.state(0, id), State::Synced);
    }
    history.end();
}

#[test]
fn where_nobody_can_be_asked_replayed_orders_go_alone() {
    let history = Teller::new(calm(Class::Nothing));
    // While the first one is on its way the others come, and leave together.
    history.place(0, "0", "A");
    history.pass(SECOND / 2);
    history.place(0, "1", "A");
    history.place(0, "2", POISON_SKU);
    history.pass(10 * MINUTE);
    assert_eq!(history.booked(), 1);
    assert_eq!([history.state(0, "1"), history.state(0, "2")], [State::Parked; 2]);
    for id in ["1", "2"] {
        history.0.replay(&history.key(0, id));
    }
    history.pass(10 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Synced, "the other one made the ERP fail, and it was not in its company");
}

#[test]
fn what_the_erp_cannot_do_any_more_is_a_persons_and_is_never_sent() {
    let history = Teller::new(calm(Class::Unique));
    // Made, and the answer lost.
    history.next("erp.create", Fault::ErpResetAfter);
    history.place(0, "1", "A");
    history.pass(3 * SECOND);
    assert_eq!(history.state(0, "1"), State::Sending);
    history.0.erp.books().cannot = true;
    history.place(0, "2", "A");
    history.pass(HOUR);
    assert_eq!([history.state(0, "1"), history.state(0, "2")], [State::Parked; 2]);
    assert_eq!(history.told_of("this ERP cannot create a sale as it is configured"), ["shop-0/2"]);
    let sent = history.0.erp.books().sent.len();
    for id in ["1", "2"] {
        history.0.replay(&history.key(0, id));
    }
    history.pass(HOUR);
    assert_eq!([history.state(0, "1"), history.state(0, "2")], [State::Parked; 2]);
    assert_eq!(history.0.erp.books().sent.len(), sent);
    // Its section is as it was.
    history.0.erp.books().cannot = false;
    for id in ["1", "2"] {
        history.0.replay(&history.key(0, id));
    }
    history.pass(HOUR);
    assert_eq!([history.state(0, "1"), history.state(0, "2")], [State::Synced; 2]);
    assert_eq!(history.booked(), 2);
    history.end();
}

#[test]
fn what_cannot_be_read_is_not_laid_over_a_state_that_came_meanwhile() {
    for offset in 0..60 {
        let history = Teller::new(calm(Class::Unique));
        let id: OrderId = "1".parse().unwrap();
        let shop = history.0.shops[0].clone();
        shop.place(&id, "A", true, 1);
        history.deliver("1", 0, Says::Garbled, 0);
        history.pass(10 * SECOND);
        // The same again, in another form, and the state itself at nearly the same moment.
        for (says, delay) in [(Says::Garbled, 0), (Says::State, offset * 500)] {
            history.deliver("1", 0, says, delay);
        }
        history.pass(5 * MINUTE);
        assert_eq!(history.state(0, "1"), State::Synced, "{offset}");
    }
}

#[test]
fn an_answer_of_the_store_is_not_laid_over_a_newer_one() {
    for offset in 0..60 {
        let history = Teller::new(calm(Class::Unique));
        let id: OrderId = "1".parse().unwrap();
        let shop = history.0.shops[0].clone();
        shop.place(&id, "A", false, 1);
        history.0.tell(&shop, &id);
        history.pass(10 * SECOND);
        // Three states of one second: the store is asked twice at a time, and answers in its own time.
        for state in 1..=2 {
            shop.change(&id, false, if state == 1 { shop::edit } else { shop::pay });
            history.deliver("1", state, Says::Pointer, 0);
            history.pass(5_000 + offset * 5_000);
        }
        history.pass(5 * MINUTE);
        let last = shop.orders()[&id].last().version().content;
        assert_eq!(history.head(0, "1").desired.content, last, "{offset}");
    }
}

#[test]
fn a_version_that_arrives_while_its_forerunner_is_handed_over_does_not_go_out_by_itself() {
    for offset in 0..100 {
        let history = Teller::new(calm(Class::Nothing));
        history.next("erp.create", Fault::ErpDrips);
        history.place(0, "1", "A");
        history.pass(20 * SECOND + SECOND / 2 + offset * SECOND / 100);
        history.edit("1");
        history.pass(5 * MINUTE);
        assert_eq!(history.booked(), 1, "{offset}");
        assert_eq!(history.state(0, "1"), State::Parked, "{offset}");
    }
}

#[test]
fn nineteen_quiet_shops_wait_two_departures_at_most_while_one_floods() {
    const FLOOD: usize = 3000;
    let mut scenario = calm(Class::Unique);
    scenario.shops = 20;
    scenario.workers = 4;
    let history = Teller::new(scenario);
    // Nothing of the flood has left when the ERP is back.
    history.down_for(20 * MINUTE);
    for i in 0..FLOOD {
        history.place(0, &format!("flood-{i}"), "A");
        history.pass(SECOND / 5);
    }
    while history.booked() == 0 {
        history.pass(SECOND);
    }
    let mut quiet = Vec::new();
    for shop in 1..20 {
        history.place(shop, &format!("quiet-{shop}"), "A");
        quiet.push(history.booked());
        history.pass(SECOND);
    }
    assert!(history.booked() < FLOOD, "the flood lasts all the while");
    history.pass(30 * MINUTE);
    let books = history.0.erp.books();
    for (shop, booked) in (1..20).zip(quiet) {
        let key = OrderKey::new(format!("shop-{shop}").parse().unwrap(), format!("quiet-{shop}").parse().unwrap());
        let place = books.documents.iter().position(|sale| sale.reference == key.sale()).unwrap();
        // A departure takes a hundred orders: the one that was on its way, and its own.
        assert!(place - booked < 200, "{key}: {} orders left before it", place - booked);
    }
}
