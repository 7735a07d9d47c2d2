//! Departures: one effect in the ERP exactly, whatever the calls do, at a price in calls that is counted.

use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{ledger::Limits, message::News, record::State},
    erp::{Bulk, Class, Patience},
};

use crate::support::world::{Fault, PANIC_SKU, POISON_SKU, REFUSED_SKU, TALKATIVE_SKUS, UNKNOWN_SKU, World, order};

fn plenty() -> Limits {
    Limits { per_day: 100_000, ..Limits::default() }
}

async fn with_orders(count: usize, guilty: &[(usize, &str)]) -> World {
    let world = World::new(7, 2, plenty());
    for i in 0..count {
        let sku = guilty.iter().find(|(at, _)| *at == i).map_or("A", |(_, sku)| sku);
        world.arrives(i % 2, order(&i.to_string(), sku, "10.00", 1)).await;
    }
    world
}

fn states(world: &World) -> Vec<(State, usize)> {
    let heads = world.records.heads.lock().unwrap();
    State::ALL
        .into_iter()
        .map(|s| (s, heads.values().filter(|h| h.state() == s).count()))
        .filter(|(_, n)| *n > 0)
        .collect()
}

#[tokio::test]
async fn what_an_erp_says_of_the_buyer_stands_in_no_reason_and_no_timeline() {
    let world = World::new(7, 1, plenty());
    world.erp.creates.lock().unwrap().bulk = Bulk::PerItem;
    for (id, sku) in ["1", "2"].into_iter().zip(TALKATIVE_SKUS) {
        let mut order = order(id, sku, "10.00", 1);
        let customer = r#"{"name":"Ana Núñez","email":"Ana.N@example.com"}"#;
        order.customer = Some(serde_json::from_str(customer).unwrap());
        world.arrives(0, order).await;
    }
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(states(&world), [(State::Parked, 2)]);
    for id in ["1", "2"] {
        let key = world.key(0, id);
        let reason = world.head(&key).reason.unwrap().words();
        assert_eq!(reason, "the ERP refused it: “no credit for (hidden), (hidden), article 7 stays”");
        let timeline = format!("{:?}", world.puente.records.timeline(&key).await.unwrap()).to_lowercase();
        assert!(
            timeline.contains("article 7 stays") && !timeline.contains("nunez") && !timeline.contains("ana"),
            "{timeline}"
        );
    }
}

#[tokio::test]
async fn orders_that_are_due_together_travel_together() {
    let world = with_orders(50, &[]).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(states(&world), [(State::Synced, 50)]);
    // The first messages that are worked on leave alone; what came meanwhile follows together.
    let calls = world.erp.calls.lock().unwrap().len();
    assert!(calls <= 6, "{calls} calls");
    world.assert_single();
}

#[tokio::test]
async fn a_step_that_the_invocation_could_not_end_is_left_to_the_next() {
    let mut world = with_orders(2, &[]).await;
    // Twelve seconds a sale, three calls each: the second one would begin in time, and be cut short half-way.
    world.erp.creates.lock().unwrap().max_bulk = 1;
    *world.erp.takes.lock().unwrap() = SignedDuration::from_secs(4);
    *world.erp.more_calls.lock().unwrap() = 2;
    world.span = SignedDuration::from_secs(20);
    world.run_for(SignedDuration::from_mins(2)).await;
    for (shop, id) in [(0, "0"), (1, "1")] {
        assert_eq!(world.events(&world.key(shop, id)).await, ["accepted", "synced"]);
    }
    world.assert_single();
}

#[tokio::test]
async fn an_invocation_too_short_for_the_erp_begins_nothing_and_does_not_wake_the_next() {
    let mut world = with_orders(1, &[]).await;
    world.span = SignedDuration::from_secs(10);
    world.run_for(SignedDuration::from_secs(30)).await;
    assert_eq!(states(&world), [(State::Waiting, 1)]);
    assert!(world.head(&world.key(0, "0")).due.is_some());
    assert!(world.erp.calls.lock().unwrap().is_empty());
    assert!(world.queue.next().is_none());
    world.span = SignedDuration::from_mins(10);
    world.run_for(SignedDuration::from_mins(2)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
}

#[tokio::test]
async fn a_slow_rate_waits_for_its_slots_and_not_for_good() {
    // Two calls a minute: the slots of one step alone are longer than an invocation.
    let limits = Limits { calls: 2, window: SignedDuration::from_mins(1), ..plenty() };
    let mut world = World::new(7, 1, limits);
    {
        let timeout = std::time::Duration::from_secs(60);
        *world.erp.patience.lock().unwrap() = Patience { timeout, settle: timeout * 2 };
    }
    world.span = SignedDuration::from_secs(297);
    for i in 0..3 {
        world.arrives(0, order(&i.to_string(), "A", "10.00", 1)).await;
    }
    world.run_for(SignedDuration::from_mins(30)).await;
    assert_eq!(states(&world), [(State::Synced, 3)]);
    world.assert_single();
    world.assert_rate(2, SignedDuration::from_mins(1));
}

#[tokio::test]
async fn an_answer_lost_after_the_commit_is_looked_up_and_adopted() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::CommitThenTimeout));
    world.run_for(SignedDuration::from_mins(3)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
    assert_eq!(world.events(&world.key(0, "0")).await, ["accepted", "unknown", "adopted"]);
    world.assert_single();
}

#[tokio::test]
async fn a_call_lost_before_the_commit_is_sent_again_only_after_a_look_up() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().extend([Some(Fault::TimeoutBefore), Some(Fault::ServerError)]);
    world.run_for(SignedDuration::from_mins(5)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
    assert_eq!(world.events(&world.key(0, "0")).await, ["accepted", "unknown", "unknown", "synced"]);
    // create, look-up, create, look-up, create.
    assert_eq!(world.erp.calls.lock().unwrap().len(), 5);
    world.assert_single();
}

#[tokio::test]
async fn a_look_up_that_fails_lets_nothing_be_sent_and_keeps_the_doubt() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::CommitThenTimeout));
    *world.erp.blind.lock().unwrap() = true;
    world.run_for(SignedDuration::from_mins(30)).await;
    assert_eq!(states(&world), [(State::Sending, 1)]);
    let calls = world.erp.calls.lock().unwrap().len();
    assert!(calls < 15, "a hot loop of look-ups: {calls}");
    *world.erp.blind.lock().unwrap() = false;
    world.run_for(SignedDuration::from_hours(1)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
    world.assert_single();
}

#[tokio::test]
async fn a_newer_state_that_arrives_in_doubt_does_not_change_what_is_sent_again() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::TimeoutBefore));
    world.work().await;
    let first = world.head(&world.key(0, "0")).intent.unwrap().planned;
    world.arrives(0, order("0", "A", "12.00", 9)).await;
    world.run_for(SignedDuration::from_mins(5)).await;
    // The ERP holds the state it was in doubt about; the newer one follows as its own step, here by hand.
    assert_eq!(world.erp.sales.lock().unwrap()[0].1, first);
    let head = world.head(&world.key(0, "0"));
    assert_eq!(head.held(), Some(&first));
    assert_eq!(head.state(), State::Parked);
    world.assert_single();
}

#[tokio::test]
async fn one_refused_order_in_a_hundred_is_found_by_halving() {
    let world = with_orders(100, &[(37, REFUSED_SKU)]).await;
    world.run_for(SignedDuration::from_mins(2)).await;
    assert_eq!(states(&world), [(State::Synced, 99), (State::Parked, 1)]);
    let head = world.head(&world.key(1, "37"));
    assert!(head.reason.unwrap().words().contains("period is closed"));
    let calls = world.erp.calls.lock().unwrap().len();
    // At most 2 log2 n sub-calls for the guilty one, and the departures themselves.
    assert!(calls <= 22, "{calls} calls");
    world.assert_single();
}

#[tokio::test]
async fn when_everybody_is_refused_alike_nobody_is_parked_and_the_account_rests() {
    let guilty: Vec<_> = (0..40).map(|i| (i, REFUSED_SKU)).collect();
    let world = with_orders(40, &guilty).await;
    world.run_for(SignedDuration::from_secs(20)).await;
    let parked = states(&world).into_iter().find(|(s, _)| *s == State::Parked).map_or(0, |(_, n)| n);
    // The first message leaves alone and cannot know better.
    assert!(parked <= 10, "{parked} parked: {:?}", states(&world));
    let ledger = world.puente.accounts.ledger(&world.erp_id).await.unwrap();
    let hold = ledger.hold.unwrap();
    assert!(hold.strikes > 0 && hold.because.contains("period is closed"), "{hold:?}");
    assert!(hold.connections.iter().all(|shop| ["shop-0", "shop-1"].contains(&shop.as_str())), "{hold:?}");
}

#[tokio::test]
async fn an_unknown_article_parks_its_order_only() {
    let world = with_orders(20, &[(3, UNKNOWN_SKU)]).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(states(&world), [(State::Synced, 19), (State::Parked, 1)]);
    // Mended in the ERP and replayed, three times: one sale.
    let key = world.key(1, "3");
    for _ in 0..3 {
        world.news(1, "3", News::Replay).await;
    }
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).state(), State::Parked);
    assert_eq!(world.head(&key).attempts, 0);
}

#[tokio::test]
async fn a_panic_in_one_order_costs_its_batchmates_nothing() {
    let world = with_orders(20, &[(5, PANIC_SKU)]).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(states(&world), [(State::Synced, 19), (State::Parked, 1)]);
    let heads = world.records.heads.lock().unwrap();
    assert!(heads.values().all(|h| h.attempts == 0));
}

#[tokio::test]
async fn a_poison_order_that_makes_the_erp_fail_ends_alone() {
    let world = with_orders(30, &[(11, POISON_SKU)]).await;
    world.run_for(SignedDuration::from_hours(12)).await;
    assert_eq!(states(&world), [(State::Synced, 29), (State::Dead, 1)]);
    assert_eq!(world.queue.dead.lock().unwrap().len(), 1);
    let key = world.key(1, "11");
    assert!(world.head(&key).reason.unwrap().words().contains("gave up after 12 attempts"));
    world.assert_single();
}

#[tokio::test]
async fn redriving_the_dead_letter_queue_replays_and_the_second_time_changes_nothing() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().extend((0..12).map(|_| Some(Fault::TimeoutBefore)));
    world.run_for(SignedDuration::from_hours(12)).await;
    assert_eq!(states(&world), [(State::Dead, 1)]);
    assert_eq!(world.queue.dead.lock().unwrap().len(), 1);
    for _ in 0..3 {
        world.puente.queue.redrive(10).await.unwrap();
        world.run_for(SignedDuration::from_mins(10)).await;
        assert_eq!(states(&world), [(State::Synced, 1)]);
    }
    world.assert_single();
}

#[tokio::test]
async fn too_many_requests_holds_the_whole_account_back_and_burns_no_attempt() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::TooMany(120)));
    let before = world.now();
    world.run_for(SignedDuration::from_secs(100)).await;
    let ledger = world.puente.accounts.ledger(&world.erp_id).await.unwrap();
    assert!(ledger.blocked_until.unwrap() > before + SignedDuration::from_secs(119));
    assert_eq!(world.erp.calls.lock().unwrap().len(), 1);
    assert_eq!(world.head(&world.key(0, "0")).attempts, 0);
    world.run_for(SignedDuration::from_mins(3)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
}

#[tokio::test]
async fn six_hours_of_outage_cost_a_handful_of_probes() {
    let world = with_orders(30, &[]).await;
    let from = world.now();
    *world.erp.outage.lock().unwrap() = Some((from, from + SignedDuration::from_hours(6)));
    world.run_for(SignedDuration::from_hours(6)).await;
    let probes = world.erp.calls.lock().unwrap().len();
    assert!(probes <= 30, "{probes} probes");
    world.run_for(SignedDuration::from_hours(1)).await;
    assert_eq!(states(&world), [(State::Synced, 30)]);
    assert!(world.records.heads.lock().unwrap().values().all(|h| h.attempts == 0));
    world.assert_single();
}

#[tokio::test]
async fn an_erp_that_cannot_be_asked_is_called_at_most_once() {
    let world = with_orders(1, &[]).await;
    world.erp.creates.lock().unwrap().class = Class::Nothing;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::CommitThenTimeout));
    world.run_for(SignedDuration::from_mins(10)).await;
    let head = world.head(&world.key(0, "0"));
    assert_eq!(head.state(), State::Parked);
    assert!(head.reason.unwrap().words().contains("look for shop-0/0"));
    assert_eq!(world.erp.calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn per_item_answers_park_only_the_guilty() {
    let world = with_orders(20, &[(4, REFUSED_SKU), (9, REFUSED_SKU)]).await;
    world.erp.creates.lock().unwrap().bulk = Bulk::PerItem;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(states(&world), [(State::Synced, 18), (State::Parked, 2)]);
}

#[tokio::test]
async fn a_sale_that_is_there_already_is_adopted() {
    let world = with_orders(5, &[]).await;
    let taken = order("3", "A", "10.00", 1);
    world.erp.sales.lock().unwrap().push((world.key(1, "3").sale(), taken.version(), "10".into()));
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(states(&world), [(State::Synced, 5)]);
    assert!(world.events(&world.key(1, "3")).await.contains(&"adopted".to_owned()));
    world.assert_single();
}

#[tokio::test]
async fn the_rate_holds_in_every_second() {
    let mut limits = plenty();
    limits.calls = 3;
    let world = World::new(3, 1, limits);
    world.erp.creates.lock().unwrap().max_bulk = 1;
    for i in 0..60 {
        world.arrives(0, order(&i.to_string(), "A", "1.00", 1)).await;
    }
    world.run_for(SignedDuration::from_mins(2)).await;
    assert_eq!(states(&world), [(State::Synced, 60)]);
    world.assert_rate(3, SignedDuration::from_secs(1));
}

#[tokio::test]
async fn a_spent_day_waits_for_the_next_and_loses_nobody() {
    let limits = Limits { per_day: 4, ..Limits::default() };
    let world = World::new(3, 1, limits);
    world.erp.creates.lock().unwrap().max_bulk = 1;
    for i in 0..6 {
        world.arrives(0, order(&i.to_string(), "A", "1.00", 1)).await;
    }
    let midnight: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    world.run_until(midnight).await;
    assert_eq!(world.erp.calls.lock().unwrap().len(), 4);
    assert_eq!(states(&world), [(State::Waiting, 2), (State::Synced, 4)]);
    assert!(world.records.heads.lock().unwrap().values().all(|h| h.attempts == 0));
    world.run_for(SignedDuration::from_hours(23)).await;
    assert_eq!(states(&world), [(State::Synced, 6)]);
    assert!(world.erp.calls.lock().unwrap()[4] >= midnight);
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_not_looked_up_for_ever() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::TimeoutBefore));
    world.work().await;
    let key = world.key(0, "0");
    // Sent again after a look-up, refused for good: parked, and the first send stays in doubt.
    world.erp.faults.lock().unwrap().push_back(Some(Fault::Refused));
    world.erp.faults.lock().unwrap().push_back(Some(Fault::Refused));
    world.run_for(SignedDuration::from_mins(3)).await;
    assert_eq!(world.head(&key).state(), State::Parked);
    // The buyer cancels: nothing to send, and nothing to ask again and again.
    let mut cancelled = order("0", "A", "10.00", 500);
    cancelled.status = puente::domain::order::Status::Cancelled;
    world.arrives(0, cancelled).await;
    world.run_for(SignedDuration::from_mins(2)).await;
    let calls = world.erp.calls.lock().unwrap().len();
    world.run_for(SignedDuration::from_hours(2)).await;
    assert_eq!(world.erp.calls.lock().unwrap().len(), calls, "a hot loop");
    assert_eq!(world.head(&key).state(), State::Ignored);
    world.assert_single();
}

#[tokio::test]
async fn a_newer_version_of_a_dead_one_has_attempts_of_its_own() {
    let world = with_orders(1, &[]).await;
    world.erp.faults.lock().unwrap().extend((0..12).map(|_| Some(Fault::TimeoutBefore)));
    world.run_for(SignedDuration::from_hours(12)).await;
    assert_eq!(states(&world), [(State::Dead, 1)]);
    world.arrives(0, order("0", "A", "12.00", 50_000)).await;
    world.run_for(SignedDuration::from_mins(10)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
    assert_eq!(world.queue.dead.lock().unwrap().len(), 1, "buried once");
    world.assert_single();
}

#[tokio::test]
async fn an_erp_that_cannot_be_asked_gets_no_second_order_from_an_update_either() {
    let world = with_orders(1, &[]).await;
    world.erp.creates.lock().unwrap().class = Class::Nothing;
    world.erp.faults.lock().unwrap().push_back(Some(Fault::CommitThenTimeout));
    world.run_for(SignedDuration::from_mins(5)).await;
    world.arrives(0, order("0", "A", "12.00", 600)).await;
    world.run_for(SignedDuration::from_mins(30)).await;
    assert_eq!(states(&world), [(State::Parked, 1)]);
    assert_eq!(world.erp.calls.lock().unwrap().len(), 1);
    // Only a person who looked and replays lets it go out again.
    world.erp.sales.lock().unwrap().clear();
    world.news(0, "0", News::Replay).await;
    world.run_for(SignedDuration::from_mins(10)).await;
    assert_eq!(states(&world), [(State::Synced, 1)]);
    assert_eq!(world.erp.calls.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_document_that_will_not_go_on_is_never_made_twice() {
    let world = with_orders(1, &[]).await;
    world.erp.creates.lock().unwrap().class = Class::Searchable;
    *world.erp.stuck.lock().unwrap() = Some(true);
    world.erp.faults.lock().unwrap().push_back(Some(Fault::CommitThenTimeout));
    world.run_for(SignedDuration::from_mins(5)).await;
    assert_eq!(states(&world), [(State::Parked, 1)]);
    for second in [600, 700] {
        world.arrives(0, order("0", "A", "12.00", second)).await;
        world.run_for(SignedDuration::from_mins(10)).await;
    }
    world.news(0, "0", News::Replay).await;
    world.run_for(SignedDuration::from_mins(10)).await;
    assert_eq!(world.erp.sales.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn one_document_that_cannot_be_finished_does_not_keep_the_account_closed() {
    let world = with_orders(1, &[]).await;
    *world.erp.stuck.lock().unwrap() = Some(false);
    world.erp.faults.lock().unwrap().push_back(Some(Fault::CommitThenTimeout));
    world.run_for(SignedDuration::from_mins(5)).await;
    for i in 1..20 {
        world.arrives(0, order(&i.to_string(), "A", "10.00", 1)).await;
    }
    world.run_for(SignedDuration::from_hours(2)).await;
    assert_eq!(states(&world), [(State::Sending, 1), (State::Synced, 19)]);
    *world.erp.stuck.lock().unwrap() = None;
    world.run_for(SignedDuration::from_hours(3)).await;
    assert_eq!(states(&world), [(State::Synced, 20)]);
    world.assert_single();
}

#[tokio::test]
async fn a_patient_time_out_and_a_slow_rate_still_get_their_calls() {
    let limits = Limits { calls: 10, window: SignedDuration::from_mins(1), ..plenty() };
    let world = World::new(7, 1, limits);
    world.erp.patience.lock().unwrap().timeout = std::time::Duration::from_mins(2);
    world.erp.patience.lock().unwrap().settle = std::time::Duration::from_mins(4);
    *world.erp.more_calls.lock().unwrap() = 4;
    for i in 0..30 {
        world.arrives(0, order(&i.to_string(), "A", "10.00", 1)).await;
    }
    world.run_for(SignedDuration::from_mins(30)).await;
    assert_eq!(states(&world), [(State::Synced, 30)]);
    world.assert_rate(10, SignedDuration::from_mins(1));
    assert!(world.erp.calls.lock().unwrap().len() <= 15);
}

#[tokio::test]
async fn a_state_in_the_erp_that_is_not_on_record_is_no_reason_to_create() {
    let world = with_orders(1, &[]).await;
    // A backup was restored: the ERP holds a later state than the records know.
    let later = order("0", "A", "99.00", 900).version();
    world.erp.sales.lock().unwrap().push((world.key(0, "0").sale(), later, "99".into()));
    world.run_for(SignedDuration::from_hours(1)).await;
    assert_eq!(states(&world), [(State::Parked, 1)]);
    let head = world.head(&world.key(0, "0"));
    assert!(head.reason.unwrap().words().contains("not on record"));
    assert!(world.erp.calls.lock().unwrap().len() < 6);
    world.assert_single();
}
