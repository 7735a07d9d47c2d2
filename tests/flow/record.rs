//! The version rule, as arrivals meet it; and orders of which only an id came.

use std::{sync::atomic::Ordering, time::Duration};

use jiff::SignedDuration;
use puente::{
    Error, Kind,
    domain::{
        ledger::Limits,
        message::News,
        order::{Payment, Refund},
        reason::Why,
        record::State,
        sign::{Fact, Party},
    },
    edge::views::OrderView,
    flow::tasks::backfill,
    ports::{Query, Queue, Records},
};

use crate::support::world::{World, flag, order};

#[tokio::test]
async fn duplicates_and_stale_states_change_nothing() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    world.arrives(0, order("1", "A", "10.00", 5)).await;
    world.arrives(0, order("1", "A", "10.00", 5)).await;
    world.arrives(0, order("1", "A", "9.00", 4)).await;
    world.run_for(SignedDuration::from_mins(2)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
    // The same content with a later time, then a state from before that time.
    world.arrives(0, order("1", "A", "10.00", 50)).await;
    world.arrives(0, order("1", "A", "9.00", 40)).await;
    world.run_for(SignedDuration::from_mins(2)).await;
    let head = world.head(&key);
    assert_eq!(head.state(), State::Synced);
    assert_eq!(head.newest, order("1", "A", "10.00", 50).updated_at.at());
    let events = world.events(&key).await;
    assert_eq!(events, ["accepted", "duplicate", "superseded", "synced", "duplicate", "superseded"]);
    assert_eq!(world.erp.sales.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn two_states_of_one_second_end_the_same_in_either_order() {
    for swap in [false, true] {
        let world = World::new(1, 1, Limits::default());
        let (mut pending, paid) = (order("1", "A", "10.00", 5), order("1", "A", "10.00", 5));
        pending.payment = Payment::Pending;
        let (first, second) = if swap { (paid.clone(), pending) } else { (pending, paid.clone()) };
        world.arrives(0, first).await;
        world.arrives(0, second).await;
        world.run_for(SignedDuration::from_mins(2)).await;
        let head = world.head(&world.key(0, "1"));
        assert_eq!(head.state(), State::Synced, "swap: {swap}");
        assert_eq!(head.desired.content, paid.version().content);
        assert_eq!(world.erp.sales.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn of_states_of_one_second_the_last_to_arrive_stays_and_every_other_one_has_its_line() {
    // As WooCommerce sends them: items change, date_modified does not. The workers take them in any order, some twice.
    for order_of_work in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let world = World::new(1, 1, Limits::default());
        let key = world.key(0, "1");
        let totals = ["20.00", "30.00", "40.00", "50.00"];
        for state in order_of_work.iter().chain(&order_of_work[..2]) {
            let mut pending = order("1", "A", totals[*state], 5);
            pending.payment = Payment::Pending;
            world.arrived(0, pending, world.now() + SignedDuration::from_secs(i64::try_from(*state).unwrap())).await;
            world.work().await;
        }
        let head = world.head(&key);
        assert_eq!(head.summary.total.unwrap().to_string(), "50", "{order_of_work:?}");
        let timeline = world.records.timeline(&key).await.unwrap();
        for lost in &totals[..3] {
            let says = format!("total {lost} EUR, 1 units on 1 line, not paid");
            let lines =
                timeline.iter().filter(|line| line.detail.as_ref().is_some_and(|detail| detail.contains(&says)));
            assert!(lines.count() > 0, "{order_of_work:?}: nothing tells of {says}: {timeline:?}");
        }
        // And the sale is made of it, once it is paid.
        world.arrives(0, order("1", "A", "50.00", 9)).await;
        world.run_for(SignedDuration::from_mins(2)).await;
        assert_eq!(world.head(&key).state(), State::Synced, "{:?}", world.head(&key));
        assert_eq!(world.erp.sales.lock().unwrap()[0].2, "50");
        world.assert_single();
    }
}

#[tokio::test]
async fn a_pending_order_waits_ignored_until_it_is_paid() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    let mut pending = order("1", "A", "10.00", 5);
    pending.payment = Payment::Pending;
    world.arrives(0, pending).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).state(), State::Ignored);
    assert!(world.erp.calls.lock().unwrap().is_empty());
    world.arrives(0, order("1", "A", "10.00", 9)).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[tokio::test]
async fn what_changes_after_the_erp_has_it_waits_for_a_person_who_is_told_what_to_do() {
    let world = World::new(1, 3, Limits::default());
    for shop in 0..3 {
        world.arrives(shop, order("1", "A", "10.00", 5)).await;
    }
    world.run_for(SignedDuration::from_mins(1)).await;
    let edited = order("1", "A", "12.00", 60);
    let mut refunded = order("1", "A", "10.00", 60);
    refunded.payment = Payment::PartiallyRefunded;
    refunded.refunds.push(Refund { id: "9".into(), amount: "3.00".parse().unwrap(), taken_off: None, reason: None });
    world.arrives(0, edited).await;
    world.arrives(1, refunded).await;
    world.news(2, "1", News::Deleted).await;
    world.run_for(SignedDuration::from_mins(2)).await;
    for (shop, words) in
        [(0, "total (12.00 EUR instead of 10.00 EUR)"), (1, "3.00 EUR were refunded"), (2, "cancel sale S")]
    {
        let head = world.head(&world.key(shop, "1"));
        assert_eq!(head.state(), State::Parked, "shop {shop}");
        let reason = head.reason.unwrap().words();
        assert!(reason.contains(words) && reason.contains("by hand"), "{reason}");
    }
    world.assert_single();
}

#[tokio::test]
async fn a_payment_that_goes_on_does_not_touch_the_sale() {
    let world = World::new(1, 1, Limits::default());
    let mut first = order("1", "A", "10.00", 5);
    first.channel = Some("web".into());
    world.arrives(0, first.clone()).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let calls = world.erp.calls.lock().unwrap().len();
    first.channel = Some("pos".into());
    first.updated_at = order("1", "A", "1", 90).updated_at;
    world.arrives(0, first).await;
    world.run_for(SignedDuration::from_mins(2)).await;
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
    assert_eq!(world.erp.calls.lock().unwrap().len(), calls);
}

#[tokio::test]
async fn an_order_deleted_before_it_left_stays_out_of_the_erp() {
    let world = World::new(1, 1, Limits::default());
    let mut pending = order("1", "A", "10.00", 5);
    pending.payment = Payment::Pending;
    world.arrives(0, pending).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    world.news(0, "1", News::Deleted).await;
    world.news(0, "2", News::Deleted).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Ignored);
    let shown = OrderView::from(head);
    assert!(shown.reason.unwrap().contains("cancelled before"));
    assert_eq!((shown.code.as_deref(), shown.arguments), (Some("cancelled_before"), None), "what lists are grouped by");
    let line =
        world.records.timeline(&world.key(0, "1")).await.unwrap().into_iter().rfind(|line| line.event == "ignored");
    assert_eq!(line.unwrap().why, Some(Why::CancelledBefore));
}

#[tokio::test]
async fn a_body_nobody_could_map_is_kept_and_names_its_field() {
    let world = World::new(1, 1, Limits::default());
    let raw = "eyJpZCI6MX0=".to_owned();
    world.news(0, "1", News::Unmapped { flag: flag("line_items[0].price: is not a decimal number"), raw }).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Parked);
    assert!(head.reason.unwrap().words().contains("line_items[0].price"));
    // The repaired order, sent again by the store, is planned anew.
    let mut mended = order("1", "A", "10.00", 0);
    mended.updated_at = order("1", "A", "1", 3600).updated_at;
    world.arrives(0, mended).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
}

#[tokio::test]
async fn a_deletion_that_overtakes_its_order_is_not_forgotten() {
    let world = World::new(1, 1, Limits::default());
    let mut pending = order("1", "A", "10.00", 5);
    pending.payment = Payment::Pending;
    world.news(0, "1", News::Deleted).await;
    world.run_for(SignedDuration::from_secs(5)).await;
    world.arrives(0, pending).await;
    world.run_for(SignedDuration::from_mins(10)).await;
    assert!(world.head(&world.key(0, "1")).reason.unwrap().words().contains("cancelled before"));
}

fn down() -> Error {
    Error::new(Kind::Unavailable, "the store answered 503")
}

/// A world whose store can be asked, and answers these faults first.
fn asked(faults: impl IntoIterator<Item = Error>) -> World {
    let world = World::new(1, 1, Limits::default());
    world.shop.answers.store(true, Ordering::SeqCst);
    world.shop.faults.lock().unwrap().extend(faults);
    world
}

fn sells(world: &World, id: &str) {
    world.shop.orders.lock().unwrap().insert(id.parse().unwrap(), order(id, "A", "10.00", 5));
}

#[tokio::test]
async fn an_order_that_waits_for_its_content_is_on_record_from_the_first_moment() {
    let world = asked([down(), down()]);
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed).await;
    world.work().await;
    let head = world.head(&key);
    assert_eq!(head.state(), State::Fetching);
    assert!(!head.forgotten() && head.due > Some(world.now()));
    let reason = head.reason.unwrap().words();
    assert!(reason.contains("asked 1 of 12 times") && reason.contains("the store answered 503"), "{reason}");
    // A list shows it, by its state too.
    let query =
        Query { connection: key.connection.clone(), state: Some(State::Fetching), from: None, limit: 10, cursor: None };
    assert_eq!(world.records.list(&query).await.unwrap().heads.len(), 1);
    world.run_for(SignedDuration::from_mins(10)).await;
    let head = world.head(&key);
    assert_eq!((head.state(), head.attempts, head.reason), (State::Synced, 0, None));
    let events = world.events(&key).await;
    assert_eq!(events, ["announced", "fetch_put_off", "fetch_put_off", "accepted", "synced"]);
}

#[tokio::test]
async fn the_fetched_state_replaces_nothing_whatever_its_time() {
    let world = asked([]);
    let key = world.key(0, "1");
    let mut old = order("1", "A", "10.00", 5);
    old.updated_at = serde_json::from_str("\"1969-07-20T20:17:40Z\"").unwrap();
    world.shop.orders.lock().unwrap().insert(old.id.clone(), old.clone());
    world.news(0, "1", News::Changed).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let head = world.head(&key);
    assert_eq!((head.state(), head.desired), (State::Synced, old.version()));
}

#[tokio::test]
async fn a_store_that_never_answers_leaves_the_order_parked_with_advice_and_a_letter() {
    let world = asked(std::iter::repeat_with(down).take(12));
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed).await;
    world.run_for(SignedDuration::from_hours(4)).await;
    let head = world.head(&key);
    assert_eq!(head.state(), State::Parked);
    let reason = head.parked.unwrap().reason.words();
    assert!(
        reason.contains("the store answered 503") && reason.contains("puente check") && reason.contains("replay"),
        "{reason}"
    );
    assert_eq!(world.queue.dead.lock().unwrap().len(), 1);
    assert_eq!(world.shop.asked.load(Ordering::SeqCst), 12);
    // Redriven, it is asked as often again, and is seen to be.
    world.shop.faults.lock().unwrap().push_back(down());
    world.queue.redrive(10).await.unwrap();
    world.work().await;
    assert_eq!(world.head(&key).state(), State::Fetching);
    world.run_for(SignedDuration::from_mins(5)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[tokio::test]
async fn a_refusal_parks_at_once_and_a_replay_asks_again() {
    let refused = || Error::new(Kind::Config, "acme.myshopify.com answered 401: the store's token is wrong");
    let world = asked([refused()]);
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed).await;
    world.work().await;
    assert_eq!(world.head(&key).state(), State::Parked);
    assert!(world.head(&key).reason.unwrap().words().contains("token is wrong"));
    world.news(0, "1", News::Replay).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[tokio::test]
async fn a_question_that_was_lost_is_asked_again_by_the_record_itself() {
    let world = asked([down()]);
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed).await;
    world.work().await;
    // The message with the next question is gone: drained by hand, say.
    world.clock.advance_to(world.queue.next().unwrap());
    assert_eq!(world.queue.receive(10, Duration::ZERO).await.unwrap().len(), 1);
    world.run_for(SignedDuration::from_mins(10)).await;
    assert_eq!(world.head(&key).state(), State::Fetching);
    world.run_for(SignedDuration::from_mins(15)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
    assert!(world.erp.calls.lock().unwrap().len() < 5);
}

#[tokio::test]
async fn an_order_that_the_store_no_longer_has_comes_to_rest() {
    let world = asked([]);
    let key = world.key(0, "1");
    world.news(0, "1", News::Changed).await;
    world.work().await;
    assert_eq!(world.head(&key).state(), State::Fetching);
    world.run_for(SignedDuration::from_mins(10)).await;
    let head = world.head(&key);
    assert_eq!(head.state(), State::Ignored);
    assert!(head.reason.unwrap().words().contains("no such order"));
    assert!(world.queue.dead.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_arrives_while_the_store_is_asked_goes_on_by_itself() {
    let world = asked([down()]);
    world.news(0, "1", News::Changed).await;
    world.work().await;
    // Its own webhook, late; the store does not know it yet, which ends nothing.
    world.arrives(0, order("1", "A", "10.00", 5)).await;
    world.work().await;
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Synced);
    world.assert_single();
}

#[tokio::test]
async fn without_credentials_a_pointer_has_a_record_that_says_what_to_set() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    world.news(0, "1", News::Changed).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let head = world.head(&key);
    assert_eq!(head.state(), State::Parked);
    let reason = head.reason.unwrap().words();
    assert!(reason.contains("`token`") && reason.contains("replay"), "{reason}");
    // Credentials are set, it is replayed, and is asked for.
    world.shop.answers.store(true, Ordering::SeqCst);
    sells(&world, "1");
    world.news(0, "1", News::Replay).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[tokio::test]
async fn a_body_that_was_kept_raw_is_read_again_when_it_is_replayed() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    let mut shop =
        flag("order_status_url: does not say that the order is of acme.myshopify.com. Set shop_id, then replay it");
    shop.code = "shop".into();
    world.news(0, "1", News::Unmapped { flag: shop, raw: "eyJpZCI6MX0=".into() }).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let reason = world.head(&key).reason.unwrap().words();
    assert!(reason.ends_with("Set shop_id, then replay it"), "{reason}");
    // Still unreadable: it stays, with its reason.
    world.news(0, "1", News::Replay).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).reason.unwrap().words(), reason);
    // The configuration was mended.
    *world.shop.reads.lock().unwrap() = Some(order("1", "A", "10.00", 5));
    world.news(0, "1", News::Replay).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[tokio::test]
async fn a_body_that_proves_no_shop_is_asked_of_the_store_where_that_can_be_asked() {
    let world = asked([]);
    sells(&world, "1");
    let mut shop = flag("order_status_url: does not say whose it is");
    shop.code = "shop".into();
    world.news(0, "1", News::Unmapped { flag: shop, raw: "eyJpZCI6MX0=".into() }).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
}

#[tokio::test]
async fn a_list_of_ids_has_each_order_fetched_unless_a_later_state_is_on_record() {
    let world = asked([]);
    world.shop.lists_ids.store(true, Ordering::SeqCst);
    sells(&world, "1");
    sells(&world, "2");
    let once = backfill::backfill(&world.puente, None, jiff::Timestamp::MAX).await.unwrap();
    assert_eq!((once[0].listed, once[0].enqueued), (2, 2));
    world.run_for(SignedDuration::from_mins(1)).await;
    for id in ["1", "2"] {
        assert_eq!(world.head(&world.key(0, id)).state(), State::Synced);
    }
    // A later state of one of them is on record: its list lags, and is not asked again.
    world.arrives(0, order("1", "A", "10.00", 50)).await;
    world.work().await;
    let again = backfill::backfill(&world.puente, Some(world.now()), jiff::Timestamp::MAX).await.unwrap();
    assert_eq!((again[0].listed, again[0].enqueued), (2, 1));
}

#[tokio::test]
async fn signs_of_life_are_written_once_a_minute_and_a_failure_at_once() {
    let world = asked([down(), Error::new(Kind::Unavailable, "the store answered 502")]);
    let shop = Party::Connection(world.key(0, "1").connection);
    let sign = |party: &Party, fact| world.records.signs.lock().unwrap().get(&(party.clone(), fact)).cloned();
    let begun = world.now();
    backfill::backfill(&world.puente, None, jiff::Timestamp::MAX).await.unwrap();
    let failed = sign(&shop, Fact::Failed).unwrap();
    assert_eq!((failed.at, failed.detail.as_deref()), (begun, Some("backfill: the store answered 503")));
    assert_eq!(sign(&shop, Fact::Fetched), None);
    // In other words a second later: too soon.
    world.clock.advance_to(begun + SignedDuration::from_secs(1));
    backfill::backfill(&world.puente, None, jiff::Timestamp::MAX).await.unwrap();
    assert_eq!(sign(&shop, Fact::Failed).unwrap().at, begun);
    backfill::backfill(&world.puente, None, jiff::Timestamp::MAX).await.unwrap();
    assert_eq!(sign(&shop, Fact::Fetched).unwrap().at, world.now());
    for n in 0..3 {
        world.arrives(0, order(&n.to_string(), "A", "10.00", 5)).await;
        world.work().await;
        world.clock.advance_to(world.now() + SignedDuration::from_secs(5));
    }
    let received = sign(&shop, Fact::Received).unwrap();
    assert_eq!(received.at, begun + SignedDuration::from_secs(1), "once a minute");
    let erp = Party::Account(world.erp_id.clone());
    assert!(sign(&shop, Fact::Sent).is_some() && sign(&erp, Fact::Sent).is_some());
    assert_eq!(sign(&erp, Fact::Failed), None);
}
