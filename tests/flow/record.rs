//! The version rule, as arrivals meet it.

use jiff::SignedDuration;
use puente::{
    domain::{
        ledger::Limits,
        message::News,
        order::{Payment, Refund},
        record::State,
    },
    ports::Records as _,
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
        let reason = head.reason.unwrap();
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
    assert!(head.reason.unwrap().contains("cancelled before"));
}

#[tokio::test]
async fn a_body_nobody_could_map_is_kept_and_names_its_field() {
    let world = World::new(1, 1, Limits::default());
    let raw = "eyJpZCI6MX0=".to_owned();
    world.news(0, "1", News::Unmapped { flag: flag("line_items[0].price: is not a decimal number"), raw }).await;
    world.run_for(SignedDuration::from_mins(1)).await;
    let head = world.head(&world.key(0, "1"));
    assert_eq!(head.state(), State::Parked);
    assert!(head.reason.unwrap().contains("line_items[0].price"));
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
    assert!(world.head(&world.key(0, "1")).reason.unwrap().contains("cancelled before"));
}
