//! The version rule, as arrivals meet it; and orders of which only an id came.

use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind,
    domain::{
        ledger::Limits,
        message::News,
        order::{Payment, Refund},
        reason::Why,
        record::{Entry, State},
        sign::{Fact, Party},
    },
    edge::views::OrderView,
    flow::tasks::backfill::{self, Backfilled},
    ports::Query,
};

use crate::calm::{START, World, flag, order};

#[test]
fn duplicates_and_stale_states_change_nothing() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    world.arrives(0, order("1", "A", "10.00", 5));
    world.arrives(0, order("1", "A", "10.00", 5));
    world.arrives(0, order("1", "A", "9.00", 4));
    world.run_for(SignedDuration::from_mins(2));
    assert_eq!(world.head(&key).state(), State::Synced);
    // The same content with a later time, then a state from before that time.
    world.arrives(0, order("1", "A", "10.00", 50));
    world.arrives(0, order("1", "A", "9.00", 40));
    world.run_for(SignedDuration::from_mins(2));
    let head = world.head(&key);
    assert_eq!(head.state(), State::Synced);
    assert_eq!(head.newest, order("1", "A", "10.00", 50).updated_at.at());
    let events = world.events(&key);
    assert_eq!(events, ["accepted", "duplicate", "superseded", "synced", "duplicate", "superseded"]);
    assert_eq!(world.sales().len(), 1);
}

#[test]
fn two_states_of_one_second_end_the_same_in_either_order() {
    for swap in [false, true] {
        let world = World::new(1, 1, Limits::default());
        let (mut pending, paid) = (order("1", "A", "10.00", 5), order("1", "A", "10.00", 5));
        pending.payment = Payment::Pending;
        let (first, second) = if swap { (paid.clone(), pending) } else { (pending, paid.clone()) };
        world.arrives(0, first);
        world.arrives(0, second);
        world.run_for(SignedDuration::from_mins(2));
        let head = world.head(&world.key(0, "1"));
        assert_eq!(head.state(), State::Synced, "swap: {swap}");
        assert_eq!(head.desired.content, paid.version().content);
        assert_eq!(world.sales().len(), 1);
    }
}

#[test]
fn of_states_of_one_second_the_last_to_arrive_stays_and_every_other_one_has_its_line() {
    // As WooCommerce sends them: items change, date_modified does not. The workers take them in any order, some twice.
    for order_of_work in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let world = World::new(1, 1, Limits::default());
        let key = world.key(0, "1");
        let totals = ["20.00", "30.00", "40.00", "50.00"];
        for state in order_of_work.iter().chain(&order_of_work[..2]) {
            let mut pending = order("1", "A", totals[*state], 5);
            pending.payment = Payment::Pending;
            world.arrived(0, pending, world.now() + SignedDuration::from_secs(i64::try_from(*state).unwrap()));
            world.work();
        }
        let head = world.head(&key);
        assert_eq!(head.summary.total.unwrap().to_string(), "50", "{order_of_work:?}");
        let timeline = world.timeline(&key);
        for lost in &totals[..3] {
            let says = format!("total {lost} EUR, 1 units on 1 line, not paid");
            let lines =
                timeline.iter().filter(|line| line.detail.as_ref().is_some_and(|detail| detail.contains(&says)));
            assert!(lines.count() > 0, "{order_of_work:?}: nothing tells of {says}: {timeline:?}");
        }
        // And the sale is made of it, once it is paid.
        world.arrives(0, order("1", "A", "50.00", 9));
        world.run_for(SignedDuration::from_mins(2));
        assert_eq!(world.head(&key).state(), State::Synced, "{:?}", world.head(&key));
        assert_eq!(world.sales()[0].total, "50");
        world.assert_single();
    }
}

#[test]
fn a_pending_order_waits_ignored_until_it_is_paid() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    let mut pending = order("1", "A", "10.00", 5);
    pending.payment = Payment::Pending;
    world.arrives(0, pending);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).state(), State::Ignored);
    assert!(world.calls().is_empty());
    world.arrives(0, order("1", "A", "10.00", 9));
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[test]
fn what_changes_after_the_erp_has_it_waits_for_a_person_who_is_told_what_to_do() {
    let world = World::new(1, 3, Limits::default());
    for shop in 0..3 {
        world.arrives(shop, order("1", "A", "10.00", 5));
    }
    world.run_for(SignedDuration::from_mins(1));
    let edited = order("1", "A", "12.00", 60);
    let mut refunded = order("1", "A", "10.00", 60);
    refunded.payment = Payment::PartiallyRefunded;
    refunded.refunds.push(Refund::new("9", "3.00".parse().unwrap()));
    world.arrives(0, edited);
    world.arrives(1, refunded);
    world.news(2, "1", News::Deleted);
    world.run_for(SignedDuration::from_mins(2));
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

#[test]
fn a_payment_that_goes_on_does_not_touch_the_sale() {
    let world = World::new(1, 1, Limits::default());
    let mut first = order("1", "A", "10.00", 5);
    first.channel = Some("web".into());
    world.arrives(0, first.clone());
    world.run_for(SignedDuration::from_mins(1));
    let calls = world.calls().len();
    first.channel = Some("pos".into());
    first.updated_at = order("1", "A", "1", 90).updated_at;
    world.arrives(0, first);
    world.run_for(SignedDuration::from_mins(2));
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
    assert_eq!(world.calls().len(), calls);
}

#[test]
fn an_order_deleted_before_it_left_stays_out_of_the_erp() {
    let world = World::new(1, 1, Limits::default());
    let mut pending = order("1", "A", "10.00", 5);
    pending.payment = Payment::Pending;
    world.arrives(0, pending);
    world.run_for(SignedDuration::from_mins(1));
    world.news(0, "1", News::Deleted);
    world.news(0, "2", News::Deleted);
    world.run_for(SignedDuration::from_mins(1));
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Ignored);
    let shown = OrderView::from(head);
    assert!(shown.reason.unwrap().contains("cancelled before"));
    assert_eq!((shown.code.as_deref(), shown.arguments), (Some("cancelled_before"), None), "what lists are grouped by");
    let line = world.timeline(&world.key(0, "1")).into_iter().rfind(|line| line.event == "ignored");
    assert_eq!(line.unwrap().why, Some(Why::CancelledBefore));
}

#[test]
fn a_body_nobody_could_map_is_kept_and_names_its_field() {
    let world = World::new(1, 1, Limits::default());
    let raw = "eyJpZCI6MX0=".to_owned();
    world.news(0, "1", News::Unmapped { flag: flag("line_items[0].price: is not a decimal number"), raw });
    world.run_for(SignedDuration::from_mins(1));
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Parked);
    assert!(head.reason.unwrap().words().contains("line_items[0].price"));
    // The repaired order, sent again by the store, is planned anew.
    let mut mended = order("1", "A", "10.00", 0);
    mended.updated_at = order("1", "A", "1", 3600).updated_at;
    world.arrives(0, mended);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
}

#[test]
fn a_deletion_that_overtakes_its_order_is_not_forgotten() {
    let world = World::new(1, 1, Limits::default());
    let mut pending = order("1", "A", "10.00", 5);
    pending.payment = Payment::Pending;
    world.news(0, "1", News::Deleted);
    world.run_for(SignedDuration::from_secs(5));
    world.arrives(0, pending);
    world.run_for(SignedDuration::from_mins(10));
    assert!(world.head(&world.key(0, "1")).reason.unwrap().words().contains("cancelled before"));
}

fn down() -> Error {
    Error::new(Kind::Unavailable, "the store answered 503")
}

/// A world whose store can be asked, and answers these faults first.
fn asked(faults: impl IntoIterator<Item = Error>) -> World {
    let world = World::new(1, 1, Limits::default());
    world.shops_answer();
    faults.into_iter().for_each(|fault| world.shop().fails(fault));
    world
}

fn backfill(world: &World, since: Option<Timestamp>) -> Vec<Backfilled> {
    world.play(backfill::backfill(&world.puente, since, Timestamp::MAX)).unwrap()
}

fn sells(world: &World, id: &str) {
    world.shop().sell(order(id, "A", "10.00", 5));
}

#[test]
fn an_order_that_waits_for_its_content_is_on_record_from_the_first_moment() {
    let world = asked([down(), down()]);
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed);
    world.work();
    let head = world.head(&key);
    assert_eq!(head.state(), State::Fetching);
    assert!(!head.forgotten() && head.due > Some(world.now()));
    let reason = head.reason.unwrap().words();
    assert!(reason.contains("asked 1 of 12 times") && reason.contains("the store answered 503"), "{reason}");
    // A list shows it, by its state too.
    let query =
        Query { connection: key.connection.clone(), state: Some(State::Fetching), from: None, limit: 10, cursor: None };
    assert_eq!(world.play(world.puente.records.list(&query)).unwrap().heads.len(), 1);
    world.run_for(SignedDuration::from_mins(10));
    let head = world.head(&key);
    assert_eq!((head.state(), head.attempts, head.reason), (State::Synced, 0, None));
    let events = world.events(&key);
    assert_eq!(events, ["announced", "fetch_put_off", "fetch_put_off", "accepted", "synced"]);
}

#[test]
fn the_fetched_state_replaces_nothing_whatever_its_time() {
    let world = asked([]);
    let key = world.key(0, "1");
    let mut old = order("1", "A", "10.00", 5);
    old.updated_at = serde_json::from_str("\"1969-07-20T20:17:40Z\"").unwrap();
    world.shop().sell(old.clone());
    world.news(0, "1", News::Changed);
    world.run_for(SignedDuration::from_mins(1));
    let head = world.head(&key);
    assert_eq!((head.state(), head.desired), (State::Synced, old.version()));
}

#[test]
fn a_store_that_never_answers_leaves_the_order_parked_with_advice_and_a_letter() {
    let world = asked(std::iter::repeat_with(down).take(12));
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed);
    world.run_for(SignedDuration::from_hours(4));
    let head = world.head(&key);
    assert_eq!(head.state(), State::Parked);
    let reason = head.parked.unwrap().reason.words();
    assert!(
        reason.contains("the store answered 503") && reason.contains("puente check") && reason.contains("replay"),
        "{reason}"
    );
    assert_eq!(world.dead().len(), 1);
    assert_eq!(world.asked(), 12);
    // Redriven, it is asked as often again, and is seen to be.
    world.shop().fails(down());
    world.play(world.puente.queue.redrive(10, Some("ana"))).unwrap();
    world.work();
    assert_eq!(world.head(&key).state(), State::Fetching);
    world.run_for(SignedDuration::from_mins(5));
    assert_eq!(world.head(&key).state(), State::Synced);
    // Who did that is said once, however often the store was asked.
    let by_ana = |line: &&Entry| line.detail.as_deref() == Some("moved out of the dead-letter queue by ana");
    assert_eq!(world.timeline(&key).iter().filter(by_ana).count(), 1);
}

#[test]
fn a_refusal_parks_at_once_and_a_replay_asks_again() {
    let refused = || Error::new(Kind::Config, "acme.myshopify.com answered 401: the store's token is wrong");
    let world = asked([refused()]);
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed);
    world.work();
    assert_eq!(world.head(&key).state(), State::Parked);
    assert!(world.head(&key).reason.unwrap().words().contains("token is wrong"));
    world.news(0, "1", News::Replay);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[test]
fn a_question_that_was_lost_is_asked_again_by_the_record_itself() {
    let world = asked([down()]);
    let key = world.key(0, "1");
    sells(&world, "1");
    world.news(0, "1", News::Changed);
    world.work();
    // The message with the next question is gone: drained by hand, say.
    world.advance_to(world.next_message().unwrap());
    world.lose_message();
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.head(&key).state(), State::Fetching);
    world.run_for(SignedDuration::from_mins(15));
    assert_eq!(world.head(&key).state(), State::Synced);
    assert!(world.calls().len() < 5);
}

#[test]
fn an_order_that_the_store_no_longer_has_comes_to_rest() {
    let world = asked([]);
    let key = world.key(0, "1");
    world.news(0, "1", News::Changed);
    world.work();
    assert_eq!(world.head(&key).state(), State::Fetching);
    world.run_for(SignedDuration::from_mins(10));
    let head = world.head(&key);
    assert_eq!(head.state(), State::Ignored);
    assert!(head.reason.unwrap().words().contains("no such order"));
    assert!(world.dead().is_empty());
}

#[test]
fn what_arrives_while_the_store_is_asked_goes_on_by_itself() {
    let world = asked([down()]);
    world.news(0, "1", News::Changed);
    world.work();
    // Its own webhook, late; the store does not know it yet, which ends nothing.
    world.arrives(0, order("1", "A", "10.00", 5));
    world.work();
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Synced);
    world.assert_single();
}

#[test]
fn without_credentials_a_pointer_has_a_record_that_says_what_to_set() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    world.news(0, "1", News::Changed);
    world.run_for(SignedDuration::from_mins(1));
    let head = world.head(&key);
    assert_eq!(head.state(), State::Parked);
    let reason = head.reason.unwrap().words();
    assert!(reason.contains("`token`") && reason.contains("replay"), "{reason}");
    // Credentials are set, it is replayed, and is asked for.
    world.shops_answer();
    sells(&world, "1");
    world.news(0, "1", News::Replay);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[test]
fn a_body_that_was_kept_raw_is_read_again_when_it_is_replayed() {
    let world = World::new(1, 1, Limits::default());
    let key = world.key(0, "1");
    let mut shop =
        flag("order_status_url: does not say that the order is of acme.myshopify.com. Set shop_id, then replay it");
    shop.code = "shop".into();
    world.news(0, "1", News::Unmapped { flag: shop, raw: "eyJpZCI6MX0=".into() });
    world.run_for(SignedDuration::from_mins(1));
    let reason = world.head(&key).reason.unwrap().words();
    assert!(reason.ends_with("Set shop_id, then replay it"), "{reason}");
    // Still unreadable: it stays, with its reason.
    world.news(0, "1", News::Replay);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).reason.unwrap().words(), reason);
    // The configuration was mended.
    world.shop().mend(order("1", "A", "10.00", 5));
    world.news(0, "1", News::Replay);
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&key).state(), State::Synced);
}

#[test]
fn a_body_that_proves_no_shop_is_asked_of_the_store_where_that_can_be_asked() {
    let world = asked([]);
    sells(&world, "1");
    let mut shop = flag("order_status_url: does not say whose it is");
    shop.code = "shop".into();
    world.news(0, "1", News::Unmapped { flag: shop, raw: "eyJpZCI6MX0=".into() });
    world.run_for(SignedDuration::from_mins(1));
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
}

#[test]
fn a_list_of_ids_has_each_order_fetched_unless_a_later_state_is_on_record() {
    let world = asked([]);
    world.shop().list_ids();
    sells(&world, "1");
    sells(&world, "2");
    let once = backfill(&world, None);
    assert_eq!((once[0].listed, once[0].enqueued), (2, 2));
    world.run_for(SignedDuration::from_mins(1));
    for id in ["1", "2"] {
        assert_eq!(world.head(&world.key(0, id)).state(), State::Synced);
    }
    // A later state of one of them is on record: its list lags, and is not asked again.
    world.arrives(0, order("1", "A", "10.00", 50));
    world.work();
    let again = backfill(&world, Some(START.parse().unwrap()));
    assert_eq!((again[0].listed, again[0].enqueued), (2, 1));
}

#[test]
fn signs_of_life_are_written_once_a_minute_and_a_failure_at_once() {
    let world = asked([down(), Error::new(Kind::Unavailable, "the store answered 502")]);
    let shop = Party::Connection(world.key(0, "1").connection);
    let sign = |party: &Party, fact| world.history.table.rows().signs.get(&(party.clone(), fact)).cloned();
    let begun = world.now();
    backfill(&world, None);
    let failed = sign(&shop, Fact::Failed).unwrap();
    assert_eq!((failed.at, failed.detail.as_deref()), (begun, Some("backfill: the store answered 503")));
    assert_eq!(sign(&shop, Fact::Fetched), None);
    // In other words a second later: too soon.
    world.advance_to(begun + SignedDuration::from_secs(1));
    backfill(&world, None);
    assert_eq!(sign(&shop, Fact::Failed).unwrap().at, begun);
    backfill(&world, None);
    assert_eq!(sign(&shop, Fact::Fetched).unwrap().at, world.now());
    for n in 0..3 {
        world.arrives(0, order(&n.to_string(), "A", "10.00", 5));
        world.work();
        world.advance_to(world.now() + SignedDuration::from_secs(5));
    }
    let received = sign(&shop, Fact::Received).unwrap();
    assert_eq!(received.at, begun + SignedDuration::from_secs(1), "once a minute");
    let erp = Party::Account(world.account());
    assert!(sign(&shop, Fact::Sent).is_some() && sign(&erp, Fact::Sent).is_some());
    assert_eq!(sign(&erp, Fact::Failed), None);
}
