use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::{
    number::{Keeps, Outlet},
    schedule::Polls,
    *,
};
use crate::domain::{
    ids::{AttemptId, ConnectionId, OrderKey},
    ledger::{Ledger, Limits},
    money::Amount,
    version::{ContentHash, Version},
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn shop(name: &str) -> ConnectionId {
    name.parse().unwrap()
}

fn order(shop_name: &str, id: u32) -> OrderKey {
    OrderKey::new(shop(shop_name), id.to_string().parse().unwrap())
}

fn version(second: i64) -> Version {
    Version { modified: at(second), tie: 0, content: ContentHash::of(second.to_string()) }
}

fn sku() -> Sku {
    "MATE".parse().unwrap()
}

fn units(n: i64) -> Amount {
    Amount::from(n)
}

fn commit(of: OrderKey, quantity: i64, reserved: i64, second: i64) -> GoodsWrite {
    GoodsWrite::Commit(Commit {
        order: of,
        quantity: Some(units(quantity)),
        reserved: units(reserved),
        version: version(second),
        booked: Amount::ZERO,
    })
}

fn count(quantity: i64, poll: u64, settled: Vec<(OrderKey, Settled)>) -> GoodsWrite {
    let marks = vec![Mark::of(shop("a")), Mark::of(shop("b"))];
    GoodsWrite::Count(Count { quantity: units(quantity), poll, read_at: at(0), settled, marks, daily: false })
}

fn settled(of: OrderKey, quantity: i64, second: i64) -> (OrderKey, Settled) {
    (of, Settled { quantity: units(quantity), version: version(second) })
}

fn tell(to: &str, value: i64, attempt: &str, epoch: u64, seen: u64, settle: i64) -> GoodsWrite {
    let pending = Pending { value, attempt: AttemptId::new(attempt), start_by: at(settle - 60), settle_at: at(settle) };
    GoodsWrite::Tell(Tell { connection: shop(to), pending, epoch, seen, scarce: None, read: None })
}

fn told(to: &str, value: i64, attempt: &str, seen: u64) -> GoodsWrite {
    GoodsWrite::Told { connection: shop(to), attempt: AttemptId::new(attempt), value, seen }
}

fn apply(shelf: &mut Shelf, write: &GoodsWrite, second: i64) -> bool {
    write.apply(shelf, at(second))
}

fn rules(safety: u32) -> GoodsRules {
    GoodsRules { stock: Some(Publish::Publish), safety, ..GoodsRules::default() }
}

/// The example of the design: a gross store and one that keeps a sellable number, ten units, orders in every state.
#[test]
fn the_numbers_of_two_stores_that_share_a_warehouse() {
    let (a, b, plain, safe) = (shop("a"), shop("b"), rules(0), rules(1));
    let all = [
        Outlet { connection: &a, rules: &plain, keeps: Keeps::Gross },
        Outlet { connection: &b, rules: &safe, keeps: Keeps::Sellable },
    ];
    let mut shelf = Shelf::default();
    assert!(apply(&mut shelf, &commit(order("a", 1), 2, 2, 1), 1));
    assert!(apply(&mut shelf, &commit(order("a", 2), 1, 1, 2), 2));
    assert!(apply(&mut shelf, &commit(order("b", 1), 2, 0, 3), 3));
    // Order a/1 was booked before poll 7.
    assert!(apply(&mut shelf, &count(10, 7, vec![settled(order("a", 1), 2, 1)]), 4));
    assert_eq!(shelf.left(), Some(units(7)));
    let number = |shelf: &Shelf, n: usize| shelf.number(&sku(), &all[n], &all, None, at(5)).unwrap().value;
    assert_eq!((number(&shelf, 0), number(&shelf, 1)), (10, 6));
    // a sold one more that nobody told of yet: its own number is right, whenever we hear.
    assert!(apply(&mut shelf, &commit(order("a", 3), 1, 1, 6), 6));
    assert_eq!((number(&shelf, 0), number(&shelf, 1)), (10, 5));
    // Poll 8 finds a/2 and b/1 booked: nothing to write anywhere.
    let both = vec![settled(order("a", 2), 1, 2), settled(order("b", 1), 2, 3)];
    assert!(apply(&mut shelf, &count(7, 8, both), 7));
    assert_eq!(shelf.left(), Some(units(6)));
    assert_eq!((number(&shelf, 0), number(&shelf, 1)), (10, 5));
}

#[test]
fn an_answer_of_an_older_poll_is_not_laid_over_a_newer_one() {
    let mut shelf = Shelf::default();
    assert!(apply(&mut shelf, &count(5, 2, vec![]), 1));
    assert!(!apply(&mut shelf, &count(9, 1, vec![]), 2));
    assert!(!apply(&mut shelf, &count(9, 2, vec![]), 2));
    assert_eq!(shelf.level.as_ref().unwrap().quantity, units(5));
    // What an older poll proved is proven by the newer one too.
    assert!(apply(&mut shelf, &commit(order("a", 1), 1, 0, 1), 3));
    let settle = |poll| GoodsWrite::Settle { poll, settled: vec![settled(order("a", 1), 1, 1)], marks: vec![] };
    assert!(!apply(&mut shelf.clone(), &settle(3), 4), "of a poll whose number does not stand yet");
    assert!(apply(&mut shelf, &settle(1), 4));
    assert_eq!(shelf.left(), Some(units(5)));
}

#[test]
fn what_is_owed_stays_owed_until_the_erps_number_is_proven_to_contain_it() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &commit(order("a", 1), 3, 3, 1), 1);
    apply(&mut shelf, &count(10, 1, vec![]), 2);
    assert_eq!(shelf.left(), Some(units(7)));
    // Booked with two, and amended to three since: one is owed.
    apply(&mut shelf, &count(8, 2, vec![settled(order("a", 1), 2, 0)]), 3);
    assert_eq!(shelf.left(), Some(units(7)));
    // Down to one and up to three again: an older version's proof says nothing of the newer.
    apply(&mut shelf, &count(9, 3, vec![settled(order("a", 1), 1, 4)]), 4);
    apply(&mut shelf, &count(9, 4, vec![settled(order("a", 1), 3, 2)]), 5);
    assert_eq!(shelf.commitments[&order("a", 1)].in_erp, units(1));
    assert_eq!(shelf.left(), Some(units(7)));
    // Older states of the order change nothing.
    assert!(!apply(&mut shelf, &commit(order("a", 1), 9, 9, 1), 6));
    assert!(!apply(&mut shelf, &commit(order("a", 1), 9, 9, 0), 6));
}

#[test]
fn a_commitment_is_forgotten_when_nothing_is_left_to_say_of_it() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &commit(order("a", 1), 2, 2, 1), 1);
    apply(&mut shelf, &count(8, 1, vec![settled(order("a", 1), 2, 1)]), 2);
    assert_eq!(shelf.reserved(&shop("a")), units(2), "the store still keeps it reserved");
    apply(&mut shelf, &commit(order("a", 1), 2, 0, 3), 3);
    assert!(shelf.commitments.is_empty());
    // It comes back with what is booked: nothing is owed of that.
    let again = Commit {
        order: order("a", 1),
        quantity: Some(units(3)),
        reserved: Amount::ZERO,
        version: version(4),
        booked: units(2),
    };
    apply(&mut shelf, &GoodsWrite::Commit(again), 4);
    assert_eq!(shelf.left(), Some(units(7)));
}

#[test]
fn a_cancelled_order_that_the_erp_may_have_takes_as_much_as_before() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(10, 1, vec![]), 0);
    apply(&mut shelf, &commit(order("a", 1), 2, 2, 1), 1);
    let gone = |quantity| {
        GoodsWrite::Commit(Commit {
            order: order("a", 1),
            quantity,
            reserved: Amount::ZERO,
            version: version(2),
            booked: Amount::ZERO,
        })
    };
    let mut never_sent = shelf.clone();
    apply(&mut never_sent, &gone(Some(Amount::ZERO)), 2);
    assert_eq!((never_sent.left(), never_sent.commitments.len()), (Some(units(10)), 0));
    apply(&mut shelf, &gone(None), 2);
    assert_eq!(shelf.left(), Some(units(8)));
}

#[test]
fn an_order_that_comes_while_a_number_is_on_its_way_is_not_forgotten() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(10, 1, vec![]), 0);
    let seen = shelf.listings[&shop("a")].dirt;
    assert!(apply(&mut shelf, &tell("a", 10, "one", 1, seen, 120), 1));
    apply(&mut shelf, &GoodsWrite::Mark(vec![Mark { connection: shop("a"), check: true }]), 2);
    assert!(!apply(&mut shelf, &tell("a", 9, "two", 1, seen, 121), 2), "made of what was there before the order");
    assert!(apply(&mut shelf, &told("a", 10, "one", seen), 3));
    let listing = &shelf.listings[&shop("a")];
    assert_eq!((listing.said, listing.due, listing.check), (Some(10), Some(at(3)), true));
    // And comes to rest with what was made of all.
    let seen = listing.dirt;
    assert!(apply(&mut shelf, &tell("a", 9, "two", 1, seen, 130), 4));
    assert!(apply(&mut shelf, &told("a", 9, "two", seen), 5));
    let listing = &shelf.listings[&shop("a")];
    assert_eq!((listing.due, listing.check, listing.attempts), (None, false, 0));
}

#[test]
fn a_number_of_unknown_outcome_is_looked_at_again_when_it_cannot_land_any_more() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(10, 1, vec![]), 0);
    let seen = shelf.listings[&shop("a")].dirt;
    apply(&mut shelf, &tell("a", 10, "lost", 1, seen, 120), 1);
    assert_eq!(shelf.listings[&shop("a")].due, Some(at(120)));
    // A later number arrives, before the first has settled: one more look.
    apply(&mut shelf, &tell("a", 7, "later", 1, seen, 140), 20);
    assert!(!apply(&mut shelf, &told("a", 10, "lost", seen), 21), "an answer of an attempt that is over");
    assert!(apply(&mut shelf, &told("a", 7, "later", seen), 22));
    let listing = shelf.listings[&shop("a")].clone();
    assert_eq!((listing.unsure, listing.due, listing.is_in_doubt()), (Some(at(120)), Some(at(120)), true));
    let look = GoodsWrite::Seen {
        connection: shop("a"),
        epoch: 1,
        seen,
        value: Some(7),
        read: Some((InStore::Kept, Some("item".to_owned()))),
    };
    assert!(apply(&mut shelf, &look, 121));
    let listing = &shelf.listings[&shop("a")];
    assert_eq!((listing.unsure, listing.due, listing.is_in_doubt()), (None, None, false));
}

#[test]
fn a_number_that_may_have_landed_counts_until_the_store_was_read() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(10, 1, vec![]), 0);
    let seen = shelf.listings[&shop("a")].dirt;
    let look = |value| GoodsWrite::Seen { connection: shop("a"), epoch: 1, seen, value: Some(value), read: None };
    let highest = |shelf: &Shelf| shelf.listings[&shop("a")].highest();
    assert!(apply(&mut shelf, &look(2), 1));
    apply(&mut shelf, &tell("a", 6, "lost", 1, seen, 120), 2);
    // Before and after the first one may have landed: nobody has read the store since.
    for (value, attempt, second) in [(4, "lower", 60), (5, "lower still", 130)] {
        apply(&mut shelf, &tell("a", value, attempt, 1, seen, second + 100), second);
        assert_eq!(highest(&shelf), Some(6), "{attempt}");
    }
    // Read while the second one may land: that one is not known, and what is still counted is the higher one.
    assert!(apply(&mut shelf, &look(2), 150));
    assert_eq!((highest(&shelf), shelf.listings[&shop("a")].due), (Some(6), Some(at(230))));
    assert!(apply(&mut shelf, &look(4), 230));
    assert_eq!((highest(&shelf), shelf.listings[&shop("a")].due), (Some(4), None));
}

#[test]
fn a_listing_that_says_only_until_when_a_number_may_land_is_read() {
    let older =
        r#"{"said":2,"unsure":"2026-01-01T00:00:00Z","due":"2026-01-01T00:00:00Z","dirt":3,"attempts":0,"epoch":1}"#;
    let listing: Listing = serde_json::from_str(older).unwrap();
    assert_eq!((listing.highest(), listing.is_in_doubt(), listing.unsure_value), (Some(2), true, None));
}

#[test]
fn a_conductor_that_lost_its_lease_writes_nothing_more() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(10, 1, vec![]), 0);
    let seen = shelf.listings[&shop("a")].dirt;
    assert!(apply(&mut shelf, &tell("a", 10, "new", 2, seen, 120), 1));
    assert!(!apply(&mut shelf, &tell("a", 3, "old", 1, seen, 120), 2));
    let look = GoodsWrite::Seen { connection: shop("a"), epoch: 1, seen, value: Some(3), read: None };
    assert!(!apply(&mut shelf, &look, 3));
}

#[test]
fn of_two_stores_that_would_both_be_given_the_last_unit_one_computes_anew() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(1, 1, vec![]), 0);
    let (a, b, rules) = (shop("a"), shop("b"), rules(0));
    let all = [
        Outlet { connection: &a, rules: &rules, keeps: Keeps::Sellable },
        Outlet { connection: &b, rules: &rules, keeps: Keeps::Sellable },
    ];
    let numbers: Vec<_> = all.iter().map(|one| shelf.number(&sku(), one, &all, None, at(1)).unwrap()).collect();
    assert_eq!(numbers.iter().map(|number| number.value).sum::<i64>(), 1, "parts of their own");
    let rev = shelf.level.as_ref().unwrap().rev;
    assert!(numbers.iter().all(|number| number.scarce.is_none_or(|scarce| scarce == rev)));
    let raise = |to: &str, attempt: &str| {
        let GoodsWrite::Tell(one) = tell(to, 1, attempt, 1, 1, 120) else { unreachable!() };
        GoodsWrite::Tell(Tell { scarce: Some(rev), ..one })
    };
    assert!(apply(&mut shelf, &raise("a", "x"), 1));
    assert!(!apply(&mut shelf, &raise("b", "y"), 1), "the level it was made of has changed");
}

#[test]
fn a_raise_in_scarcity_leaves_room_for_what_others_may_still_sell() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(3, 1, vec![]), 0);
    let (a, b, rules) = (shop("a"), shop("b"), rules(0));
    let all = [
        Outlet { connection: &a, rules: &rules, keeps: Keeps::Sellable },
        Outlet { connection: &b, rules: &rules, keeps: Keeps::Sellable },
    ];
    // b was told 3 when there was more: a gets nothing until b has less.
    shelf.listings.get_mut(&b).unwrap().said = Some(3);
    shelf.listings.get_mut(&a).unwrap().said = Some(0);
    let number = shelf.number(&sku(), &all[0], &all, None, at(1)).unwrap();
    assert_eq!((number.value, number.held_back), (0, true));
    shelf.listings.get_mut(&b).unwrap().said = Some(1);
    assert!(shelf.number(&sku(), &all[0], &all, None, at(1)).unwrap().value > 0);
}

#[test]
fn a_deficit_is_kept_up_to_the_last_step() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(-2, 1, vec![]), 0);
    apply(&mut shelf, &commit(order("a", 1), 3, 3, 1), 1);
    let (a, rules) = (shop("a"), rules(0));
    let all = [Outlet { connection: &a, rules: &rules, keeps: Keeps::Gross }];
    assert_eq!(shelf.left(), Some(units(-5)));
    // Three reserved and five missing: nothing to sell, and a cancellation of two would still leave nothing.
    assert_eq!(shelf.number(&sku(), &all[0], &all, None, at(1)).unwrap().value, 0);
    apply(&mut shelf, &commit(order("a", 1), 1, 1, 2), 2);
    assert_eq!(shelf.number(&sku(), &all[0], &all, None, at(1)).unwrap().value, 0);
}

#[test]
fn an_old_number_of_the_erp_only_lowers() {
    let mut shelf = Shelf::default();
    apply(&mut shelf, &count(9, 1, vec![]), 0);
    let (a, rules) = (shop("a"), rules(0));
    let all = [Outlet { connection: &a, rules: &rules, keeps: Keeps::Sellable }];
    let later = at(0) + number::STALE + SignedDuration::from_secs(1);
    let number = |has| shelf.number(&sku(), &all[0], &all, has, later).map(|number| number.value);
    assert_eq!((number(Some(4)), number(Some(12)), number(None)), (Some(4), Some(9), None));
}

#[test]
fn a_set_is_as_many_as_its_scarcest_article_allows() {
    let shelf_with = |quantity| {
        let mut shelf = Shelf::default();
        apply(&mut shelf, &count(quantity, 1, vec![]), 0);
        shelf
    };
    let (a, rules) = (shop("a"), rules(0));
    let all = [Outlet { connection: &a, rules: &rules, keeps: Keeps::Sellable }];
    let (mate, bombilla): (Sku, Sku) = (sku(), "BOMBILLA".parse().unwrap());
    let of = |mates: i64, bombillas: i64| {
        let (one, two) = (shelf_with(mates), shelf_with(bombillas));
        let parts = [(&mate, &one, 2), (&bombilla, &two, 1)];
        number::of_set(&Shelf::default(), &parts, &all[0], &all, None, at(1)).unwrap().value
    };
    assert_eq!((of(9, 7), of(20, 3), of(1, 7), of(-1, 7)), (4, 3, 0, 0));
}

#[test]
fn fractions_are_rounded_down() {
    let mut shelf = Shelf::default();
    let GoodsWrite::Count(one) = count(0, 1, vec![]) else { unreachable!() };
    apply(&mut shelf, &GoodsWrite::Count(Count { quantity: "2.75".parse().unwrap(), ..one }), 0);
    let (a, rules) = (shop("a"), rules(0));
    let all = [Outlet { connection: &a, rules: &rules, keeps: Keeps::Sellable }];
    assert_eq!(shelf.number(&sku(), &all[0], &all, None, at(1)).unwrap().value, 2);
}

#[test]
fn places_that_share_a_warehouse_are_the_same_or_overlap() {
    let place = |names: &[&str]| Place::of(&names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    assert_eq!(place(&["Shop", "Main"]), place(&["Main", "Shop"]));
    assert!(place(&["Main"]).overlaps(&place(&["Main", "Shop"])) && place(&[]).overlaps(&place(&["Main"])));
    assert!(!place(&["Main"]).overlaps(&place(&["Shop"])) && !place(&[]).overlaps(&place(&[])));
    assert!(Place::of(&["a/b".to_owned()]).is_err() && Place::of(&[String::new()]).is_err());
    assert_eq!("Main+Shop".parse::<Place>().unwrap(), place(&["Main", "Shop"]));
    assert_eq!("*".parse::<Place>().unwrap(), place(&[]));
}

#[test]
fn polls_are_spread_over_the_day_by_what_changes() {
    let limits = Limits { per_day: 300, time_zone: TimeZone::UTC, ..Limits::default() };
    let day = limits.day(at(0));
    let ledger = Ledger { day: day.number, ..Ledger::default() };
    let mut polls = Polls { counted: Some(day.number), ..Polls::default() };
    // Sixty calls, two a poll, six kept: twenty-seven polls.
    let count = |polls: &Polls| {
        let (mut now, mut n, mut used) = (day.start, 0, 0);
        while now < day.end {
            (n, used) = (n + 1, used + 2);
            let ledger = Ledger { used_other: used, ..ledger.clone() };
            now = polls.after(2, false, &ledger, &limits, now);
        }
        n
    };
    assert!((25..=28).contains(&count(&polls)), "{}", count(&polls));
    // With noon busy, noon is asked more often.
    let noon = day.start + SignedDuration::from_hours(12);
    let wait = |polls: &Polls, tight| polls.after(2, tight, &ledger, &limits, noon).duration_since(noon);
    let even = wait(&polls, false);
    for _ in 0..7 {
        polls.learn(100, noon, &limits.time_zone);
    }
    assert!(wait(&polls, false) < even / 2, "{} {even}", wait(&polls, false));
    assert!(wait(&polls, true) < wait(&polls, false));
    // Nothing is left: tomorrow.
    let spent = Ledger { used_other: 55, ..ledger };
    assert_eq!(polls.after(2, false, &spent, &limits, noon), day.end);
}

proptest! {
    /// Whatever is left, stores that share it are together given no more than that, and none goes without for good.
    #[test]
    fn parts_of_the_last_units_add_up(left in 1_i64..=3, weights in prop::collection::vec(1_u32..10, 2..5), code in "[A-Z]{1,6}") {
        let names: Vec<ConnectionId> = (0..weights.len()).map(|n| shop(&format!("s{n}"))).collect();
        let rules: Vec<GoodsRules> = weights.iter().map(|weight| GoodsRules { weight: *weight, ..rules(0) }).collect();
        let all: Vec<Outlet<'_>> = names.iter().zip(&rules)
            .map(|(connection, rules)| Outlet { connection, rules, keeps: Keeps::Sellable }).collect();
        let mut shelf = Shelf::default();
        apply(&mut shelf, &count(left, 1, vec![]), 0);
        let code: Sku = code.parse().unwrap();
        let sum: i64 = all.iter().map(|one| shelf.number(&code, one, &all, None, at(1)).unwrap().value).sum();
        prop_assert_eq!(sum, left);
    }
}

#[test]
fn whose_number_may_rise_is_marked_by_the_write_that_makes_the_room_or_by_none() {
    let mut shelf = Shelf::default();
    assert!(apply(&mut shelf, &count(2, 1, vec![]), 1));
    let seen = shelf.listings[&shop("a")].dirt;
    assert!(apply(&mut shelf, &tell("a", 1, "one", 1, seen, 100), 2));
    let with_marks = |attempt| GoodsWrite::WithMarks(Box::new(told("a", 1, attempt, seen)), vec![Mark::of(shop("b"))]);
    let dirt = |shelf: &Shelf| shelf.listings[&shop("b")].dirt;
    let before = dirt(&shelf);
    assert!(!apply(&mut shelf, &with_marks("of nobody"), 3));
    assert_eq!(dirt(&shelf), before);
    assert!(apply(&mut shelf, &with_marks("one"), 3));
    assert_eq!((shelf.listings[&shop("a")].said, dirt(&shelf)), (Some(1), before + 1));
    let rows = with_marks("one").rows();
    assert_eq!(rows, [RowKey::Listing(shop("a")), RowKey::Listing(shop("b"))]);
}

#[test]
fn what_a_store_reserves_of_an_order_is_known_of_the_state_that_it_was_computed_from() {
    let (mut shelf, of) = (Shelf::default(), order("a", 1));
    assert!(apply(&mut shelf, &commit(of.clone(), 3, 3, 1), 1));
    let reserve = |second, reserved| GoodsWrite::Reserve {
        order: of.clone(),
        version: version(second),
        reserved: units(reserved),
    };
    assert!(apply(&mut shelf, &reserve(1, 1), 2));
    assert_eq!((shelf.reserved(&shop("a")), shelf.commitments[&of].quantity), (units(1), units(3)));
    // A later state says by itself what is reserved.
    assert!(apply(&mut shelf, &commit(of.clone(), 3, 2, 5), 5));
    assert!(!apply(&mut shelf, &reserve(1, 0), 6));
    assert_eq!(shelf.reserved(&shop("a")), units(2));
    // It stays though nothing is owed or reserved any more: where the store refuses, it reserves them again.
    assert!(apply(&mut shelf, &count(0, 1, vec![settled(of.clone(), 3, 5)]), 7));
    assert!(apply(&mut shelf, &reserve(5, 0), 8));
    assert!(apply(&mut shelf, &reserve(5, 2), 9));
    assert_eq!(shelf.reserved(&shop("a")), units(2));
    assert!(!apply(&mut Shelf::default(), &reserve(1, 1), 2), "of an order that nobody knows");
}
