//! Departures: one effect in the ERP exactly, whatever the calls do, at a price in calls that is counted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{ledger::Limits, message::News, reason::Why, record::State},
    erp::{Bulk, Class, Patience},
};

use puente_simulation::{
    erp::{NEW_SKU, PANIC_SKU, POISON_SKU, REFUSED_SKU, UNKNOWN_SKU},
    fault::Fault,
    world::{SECOND, micros},
};

use crate::calm::{World, order};

fn plenty() -> Limits {
    Limits { per_day: 100_000, ..Limits::default() }
}

fn with_orders(count: usize, guilty: &[(usize, &str)]) -> World {
    let world = World::new(7, 2, plenty());
    for i in 0..count {
        let sku = guilty.iter().find(|(at, _)| *at == i).map_or("A", |(_, sku)| sku);
        world.arrives(i % 2, order(&i.to_string(), sku, "10.00", 1));
    }
    world
}

#[test]
fn what_an_erp_says_of_the_buyer_stands_in_no_reason_and_no_timeline() {
    let world = World::new(7, 1, plenty());
    world.history.erp.set_up(|erp| erp.creates.bulk = Bulk::PerItem);
    // When it is asked for the article, and on the create call.
    for (id, sku) in [("1", NEW_SKU), ("2", "TALKATIVE")] {
        let words = "the ERP refused it: “no credit for ANA NUNEZ, ana.n@example.com, article 7 stays”";
        world.history.erp.books().words.insert(sku.into(), words.into());
        let mut order = order(id, sku, "10.00", 1);
        let customer = r#"{"name":"Ana Núñez","email":"Ana.N@example.com"}"#;
        order.customer = Some(serde_json::from_str(customer).unwrap());
        world.arrives(0, order);
    }
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.states(), [(State::Parked, 2)]);
    for id in ["1", "2"] {
        let key = world.key(0, id);
        let reason = world.head(&key).reason.unwrap().words();
        assert_eq!(reason, "the ERP refused it: “no credit for (hidden), (hidden), article 7 stays”");
        let timeline = format!("{:?}", world.timeline(&key)).to_lowercase();
        assert!(
            timeline.contains("article 7 stays") && !timeline.contains("nunez") && !timeline.contains("ana"),
            "{timeline}"
        );
    }
}

#[test]
fn orders_that_are_due_together_travel_together() {
    let world = with_orders(50, &[]);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.states(), [(State::Synced, 50)]);
    // The first messages that are worked on leave alone; what came meanwhile follows together.
    let calls = world.calls().len();
    assert!(calls <= 6, "{calls} calls");
    world.assert_single();
}

#[test]
fn a_step_that_the_invocation_could_not_end_is_left_to_the_next() {
    let mut world = with_orders(2, &[]);
    // Twelve seconds a sale, three calls each: the second one would begin in time, and be cut short half-way.
    world.history.erp.set_up(|erp| erp.creates.max_bulk = 1);
    world.history.erp.books().takes = Some(4 * SECOND);
    world.history.erp.set_up(|erp| erp.more_calls = 2);
    world.span = SignedDuration::from_secs(20);
    world.run_for(SignedDuration::from_mins(2));
    for (shop, id) in [(0, "0"), (1, "1")] {
        assert_eq!(world.events(&world.key(shop, id)), ["accepted", "synced"]);
    }
    world.assert_single();
}

#[test]
fn an_invocation_too_short_for_the_erp_begins_nothing_and_does_not_wake_the_next() {
    let mut world = with_orders(1, &[]);
    world.span = SignedDuration::from_secs(10);
    world.run_for(SignedDuration::from_secs(30));
    assert_eq!(world.states(), [(State::Waiting, 1)]);
    assert!(world.head(&world.key(0, "0")).due.is_some());
    assert!(world.calls().is_empty());
    assert!(world.next_message().is_none());
    world.span = SignedDuration::from_mins(10);
    world.run_for(SignedDuration::from_mins(2));
    assert_eq!(world.states(), [(State::Synced, 1)]);
}

#[test]
fn a_slow_rate_waits_for_its_slots_and_not_for_good() {
    // Two calls a minute: the slots of one step alone are longer than an invocation.
    let limits = Limits { calls: 2, window: SignedDuration::from_mins(1), ..plenty() };
    let mut world = World::new(7, 1, limits);
    {
        let timeout = Duration::from_secs(60);
        world.history.erp.set_up(|erp| erp.patience = Patience { timeout, settle: timeout * 2 });
    }
    world.span = SignedDuration::from_secs(297);
    for i in 0..3 {
        world.arrives(0, order(&i.to_string(), "A", "10.00", 1));
    }
    world.run_for(SignedDuration::from_mins(30));
    assert_eq!(world.states(), [(State::Synced, 3)]);
    world.assert_single();
    world.assert_rate(2, SignedDuration::from_mins(1));
}

#[test]
fn an_answer_lost_after_the_commit_is_looked_up_and_adopted() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpDrips]);
    world.run_for(SignedDuration::from_mins(3));
    assert_eq!(world.states(), [(State::Synced, 1)]);
    assert_eq!(world.events(&world.key(0, "0")), ["accepted", "unknown", "adopted"]);
    world.assert_single();
}

#[test]
fn a_call_lost_before_the_commit_is_sent_again_only_after_a_look_up() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpResetBefore, Fault::ErpErrorBefore]);
    world.run_for(SignedDuration::from_mins(5));
    assert_eq!(world.states(), [(State::Synced, 1)]);
    assert_eq!(world.events(&world.key(0, "0")), ["accepted", "unknown", "unknown", "synced"]);
    // create, look-up, create, look-up, create.
    assert_eq!(world.calls().len(), 5);
    world.assert_single();
}

#[test]
fn a_look_up_that_fails_lets_nothing_be_sent_and_keeps_the_doubt() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpDrips]);
    world.tell("erp.look_up", [Fault::ErpResetBefore; 100], 0);
    world.run_for(SignedDuration::from_mins(30));
    assert_eq!(world.states(), [(State::Sending, 1)]);
    let calls = world.calls().len();
    assert!(calls < 15, "a hot loop of look-ups: {calls}");
    world.history.erp.books().told.clear();
    world.run_for(SignedDuration::from_hours(1));
    assert_eq!(world.states(), [(State::Synced, 1)]);
    world.assert_single();
}

#[test]
fn a_newer_state_that_arrives_in_doubt_does_not_change_what_is_sent_again() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpResetBefore]);
    world.work();
    let first = world.head(&world.key(0, "0")).intent.unwrap().planned;
    world.arrives(0, order("0", "A", "12.00", 9));
    world.run_for(SignedDuration::from_mins(5));
    // The ERP holds the state it was in doubt about; the newer one follows as its own step, here by hand.
    assert_eq!(world.sales()[0].version.as_ref(), Some(&first));
    let head = world.head(&world.key(0, "0"));
    assert_eq!(head.held(), Some(&first));
    assert_eq!(head.state(), State::Parked);
    world.assert_single();
}

#[test]
fn one_refused_order_in_a_hundred_is_found_by_halving() {
    let world = with_orders(100, &[(37, REFUSED_SKU)]);
    world.run_for(SignedDuration::from_mins(2));
    assert_eq!(world.states(), [(State::Synced, 99), (State::Parked, 1)]);
    let head = world.head(&world.key(1, "37"));
    assert!(head.reason.unwrap().words().contains("period is closed"));
    let calls = world.calls().len();
    // At most 2 log2 n sub-calls for the guilty one, and the departures themselves.
    assert!(calls <= 22, "{calls} calls");
    world.assert_single();
}

#[test]
fn when_everybody_is_refused_alike_nobody_is_parked_and_the_account_rests() {
    let guilty: Vec<_> = (0..40).map(|i| (i, REFUSED_SKU)).collect();
    let world = with_orders(40, &guilty);
    world.run_for(SignedDuration::from_secs(20));
    let parked = world.states().into_iter().find(|(s, _)| *s == State::Parked).map_or(0, |(_, n)| n);
    // The first message leaves alone and cannot know better.
    assert!(parked <= 10, "{parked} parked: {:?}", world.states());
    let ledger = world.play(world.puente.accounts.ledger(&world.account())).unwrap();
    let hold = ledger.hold.unwrap();
    assert!(hold.strikes > 0 && hold.because.contains("period is closed"), "{hold:?}");
    assert!(hold.connections.iter().all(|shop| ["shop-0", "shop-1"].contains(&shop.as_str())), "{hold:?}");
}

#[test]
fn an_unknown_article_parks_its_order_only() {
    let world = with_orders(20, &[(3, UNKNOWN_SKU)]);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.states(), [(State::Synced, 19), (State::Parked, 1)]);
    // Mended in the ERP and replayed, three times: one sale.
    let key = world.key(1, "3");
    for _ in 0..3 {
        world.news(1, "3", News::Replay);
    }
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).state(), State::Parked);
    assert_eq!(world.head(&key).attempts, 0);
}

#[test]
fn a_panic_in_one_order_costs_its_batchmates_nothing() {
    let world = with_orders(20, &[(5, PANIC_SKU)]);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.states(), [(State::Synced, 19), (State::Parked, 1)]);
    let heads = world.heads();
    assert!(heads.values().all(|h| h.attempts == 0));
    // By its code: nobody's words, and nothing that a person could mend.
    let parked = world.head(&world.key(1, "5"));
    assert_eq!(parked.reason, Some(Why::Bug.into()));
}

#[test]
fn a_poison_order_that_makes_the_erp_fail_ends_alone() {
    let world = with_orders(30, &[(11, POISON_SKU)]);
    world.run_for(SignedDuration::from_hours(12));
    assert_eq!(world.states(), [(State::Synced, 29), (State::Dead, 1)]);
    assert_eq!(world.dead().len(), 1);
    let key = world.key(1, "11");
    assert!(world.head(&key).reason.unwrap().words().contains("gave up after 12 attempts"));
    world.assert_single();
}

#[test]
fn redriving_the_dead_letter_queue_replays_and_the_second_time_changes_nothing() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpResetBefore; 12]);
    world.run_for(SignedDuration::from_hours(12));
    assert_eq!(world.states(), [(State::Dead, 1)]);
    assert_eq!(world.dead().len(), 1);
    for _ in 0..3 {
        world.history.queue.redrive_now(10);
        world.run_for(SignedDuration::from_mins(10));
        assert_eq!(world.states(), [(State::Synced, 1)]);
    }
    world.assert_single();
}

#[test]
fn too_many_requests_holds_the_whole_account_back_and_burns_no_attempt() {
    let world = with_orders(1, &[]);
    world.tell("erp.create", [Fault::ErpTooMany], 120 * SECOND);
    let before = world.now();
    world.run_for(SignedDuration::from_secs(100));
    let ledger = world.play(world.puente.accounts.ledger(&world.account())).unwrap();
    assert!(ledger.blocked_until.unwrap() > before + SignedDuration::from_secs(119));
    assert_eq!(world.calls().len(), 1);
    assert_eq!(world.head(&world.key(0, "0")).attempts, 0);
    world.run_for(SignedDuration::from_mins(3));
    assert_eq!(world.states(), [(State::Synced, 1)]);
}

#[test]
fn six_hours_of_outage_cost_a_handful_of_probes() {
    let world = with_orders(30, &[]);
    let from = world.now();
    world.history.erp.books().down_until = micros(from + SignedDuration::from_hours(6));
    world.run_for(SignedDuration::from_hours(6));
    let probes = world.calls().len();
    assert!(probes <= 30, "{probes} probes");
    world.run_for(SignedDuration::from_hours(1));
    assert_eq!(world.states(), [(State::Synced, 30)]);
    assert!(world.heads().values().all(|h| h.attempts == 0));
    world.assert_single();
}

#[test]
fn an_erp_that_cannot_be_asked_is_called_at_most_once() {
    let world = with_orders(1, &[]);
    world.history.erp.set_up(|erp| erp.creates.class = Class::Nothing);
    world.creates([Fault::ErpDrips]);
    world.run_for(SignedDuration::from_mins(10));
    let head = world.head(&world.key(0, "0"));
    assert_eq!(head.state(), State::Parked);
    assert!(head.reason.unwrap().words().contains("look for shop-0/0"));
    assert_eq!(world.calls().len(), 1);
}

#[test]
fn per_item_answers_park_only_the_guilty() {
    let world = with_orders(20, &[(4, REFUSED_SKU), (9, REFUSED_SKU)]);
    world.history.erp.set_up(|erp| erp.creates.bulk = Bulk::PerItem);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.states(), [(State::Synced, 18), (State::Parked, 2)]);
}

#[test]
fn a_sale_that_is_there_already_is_adopted() {
    let world = with_orders(5, &[]);
    let taken = order("3", "A", "10.00", 1);
    world.has(&world.key(1, "3"), taken.version(), "10");
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.states(), [(State::Synced, 5)]);
    assert!(world.events(&world.key(1, "3")).contains(&"adopted".to_owned()));
    world.assert_single();
}

#[test]
fn the_rate_holds_in_every_second() {
    let mut limits = plenty();
    limits.calls = 3;
    let world = World::new(3, 1, limits);
    world.history.erp.set_up(|erp| erp.creates.max_bulk = 1);
    for i in 0..60 {
        world.arrives(0, order(&i.to_string(), "A", "1.00", 1));
    }
    world.run_for(SignedDuration::from_mins(2));
    assert_eq!(world.states(), [(State::Synced, 60)]);
    world.assert_rate(3, SignedDuration::from_secs(1));
}

#[test]
fn a_spent_day_waits_for_the_next_and_loses_nobody() {
    let limits = Limits { per_day: 4, ..Limits::default() };
    let world = World::new(3, 1, limits);
    world.history.erp.set_up(|erp| erp.creates.max_bulk = 1);
    for i in 0..6 {
        world.arrives(0, order(&i.to_string(), "A", "1.00", 1));
    }
    let midnight: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    world.run_until(midnight);
    assert_eq!(world.calls().len(), 4);
    assert_eq!(world.states(), [(State::Waiting, 2), (State::Synced, 4)]);
    assert!(world.heads().values().all(|h| h.attempts == 0));
    world.run_for(SignedDuration::from_hours(23));
    assert_eq!(world.states(), [(State::Synced, 6)]);
    assert!(world.calls()[4] >= midnight);
}

#[test]
fn what_is_not_wanted_any_more_is_not_looked_up_for_ever() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpResetBefore]);
    world.work();
    let key = world.key(0, "0");
    // Sent again after a look-up, refused for good: parked, and the first send stays in doubt.
    world.refuses_for(SignedDuration::from_mins(3));
    world.run_for(SignedDuration::from_mins(3));
    assert_eq!(world.head(&key).state(), State::Parked);
    // The buyer cancels: nothing to send, and nothing to ask again and again.
    let mut cancelled = order("0", "A", "10.00", 500);
    cancelled.status = puente::domain::order::Status::Cancelled;
    world.arrives(0, cancelled);
    world.run_for(SignedDuration::from_mins(2));
    let calls = world.calls().len();
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!(world.calls().len(), calls, "a hot loop");
    // Not "ignored": whether the ERP holds it only a person can say.
    assert_eq!(world.head(&key).state(), State::Parked);
    world.assert_single();
}

#[test]
fn a_newer_version_of_a_dead_one_has_attempts_of_its_own() {
    let world = with_orders(1, &[]);
    world.creates([Fault::ErpResetBefore; 12]);
    world.run_for(SignedDuration::from_hours(12));
    assert_eq!(world.states(), [(State::Dead, 1)]);
    world.arrives(0, order("0", "A", "12.00", 50_000));
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.states(), [(State::Synced, 1)]);
    assert_eq!(world.dead().len(), 1, "buried once");
    world.assert_single();
}

#[test]
fn an_erp_that_cannot_be_asked_gets_no_second_order_from_an_update_either() {
    let world = with_orders(1, &[]);
    world.history.erp.set_up(|erp| erp.creates.class = Class::Nothing);
    world.creates([Fault::ErpDrips]);
    world.run_for(SignedDuration::from_mins(5));
    world.arrives(0, order("0", "A", "12.00", 600));
    world.run_for(SignedDuration::from_mins(30));
    assert_eq!(world.states(), [(State::Parked, 1)]);
    assert_eq!(world.calls().len(), 1);
    // Only a person who looked and replays lets it go out again.
    world.history.erp.books().documents.clear();
    world.news(0, "0", News::Replay);
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.states(), [(State::Synced, 1)]);
    assert_eq!(world.calls().len(), 2);
}

#[test]
fn a_document_that_will_not_go_on_is_never_made_twice() {
    let world = with_orders(1, &[]);
    world.history.erp.set_up(|erp| erp.creates.class = Class::Searchable);
    world.history.erp.books().stuck.insert("shop-0/0".into(), true);
    world.creates([Fault::ErpDrips]);
    world.run_for(SignedDuration::from_mins(5));
    assert_eq!(world.states(), [(State::Parked, 1)]);
    for second in [600, 700] {
        world.arrives(0, order("0", "A", "12.00", second));
        world.run_for(SignedDuration::from_mins(10));
    }
    world.news(0, "0", News::Replay);
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.sales().len(), 1);
}

#[test]
fn one_document_that_cannot_be_finished_does_not_keep_the_account_closed() {
    let world = with_orders(1, &[]);
    world.history.erp.books().stuck.insert("shop-0/0".into(), false);
    world.creates([Fault::ErpDrips]);
    world.run_for(SignedDuration::from_mins(5));
    for i in 1..20 {
        world.arrives(0, order(&i.to_string(), "A", "10.00", 1));
    }
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!(world.states(), [(State::Sending, 1), (State::Synced, 19)]);
    world.history.erp.books().stuck.clear();
    world.run_for(SignedDuration::from_hours(3));
    assert_eq!(world.states(), [(State::Synced, 20)]);
    world.assert_single();
}

#[test]
fn a_patient_time_out_and_a_slow_rate_still_get_their_calls() {
    let limits = Limits { calls: 10, window: SignedDuration::from_mins(1), ..plenty() };
    let world = World::new(7, 1, limits);
    let timeout = Duration::from_mins(2);
    world.history.erp.set_up(|erp| erp.patience = Patience { timeout, settle: timeout * 2 });
    world.history.erp.set_up(|erp| erp.more_calls = 4);
    for i in 0..30 {
        world.arrives(0, order(&i.to_string(), "A", "10.00", 1));
    }
    world.run_for(SignedDuration::from_mins(30));
    assert_eq!(world.states(), [(State::Synced, 30)]);
    world.assert_rate(10, SignedDuration::from_mins(1));
    assert!(world.calls().len() <= 15);
}

#[test]
fn a_state_in_the_erp_that_is_not_on_record_is_no_reason_to_create() {
    let world = with_orders(1, &[]);
    // A backup was restored: the ERP holds a later state than the records know.
    let later = order("0", "A", "99.00", 900).version();
    world.has(&world.key(0, "0"), later, "99");
    world.run_for(SignedDuration::from_hours(1));
    assert_eq!(world.states(), [(State::Parked, 1)]);
    let head = world.head(&world.key(0, "0"));
    assert!(head.reason.unwrap().words().contains("not on record"));
    assert!(world.calls().len() < 6);
    world.assert_single();
}
