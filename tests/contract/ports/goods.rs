//! [`puente::ports::Goods`]: each write is the pure one of [`GoodsWrite`], also when many write at once; lists leave nothing out.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use puente::{
    domain::{
        goods::{
            Commit, Commitment, Count, GoodsWrite, Halt, InStore, Listing, Mark, Pending, Settled, Shelf, ShelfId, Tell,
        },
        ids::{AccountId, AttemptId, ConnectionId, ErpId, OrderKey},
        ledger::{Released, Taken},
        money::Amount,
    },
    ports::Goods,
};

use super::{Ports, at, key, version};

/// The connections of the random histories.
const SHOPS: [&str; 3] = ["alpha", "beta", "gamma"];

/// Codes and warehouses as people have them: with whatever our own keys are made of.
const CODES: [&str; 10] =
    ["a", "a/b", "a#b", "a b", " a", "mate é/ñ#1", "listing/a", "order/alpha/1", "level", "ümlaut 日本"];
const PLACES: [&str; 4] = ["*", "b#c", "Main+Nave é 2", "c"];

fn shop(name: &str) -> ConnectionId {
    name.parse().unwrap()
}

fn shelf_of(erp: &str, place: &str, code: &str) -> ShelfId {
    ShelfId { erp: erp.parse().unwrap(), place: place.parse().unwrap(), sku: code.parse().unwrap() }
}

fn units(n: i64) -> Amount {
    Amount::from(n)
}

/// An order took so many, of which the store keeps one reserved.
fn commit(order: &OrderKey, quantity: i64, second: i64) -> GoodsWrite {
    GoodsWrite::Commit(Commit {
        order: order.clone(),
        quantity: Some(units(quantity)),
        reserved: units(quantity.min(1)),
        version: version(second, 0, 1),
        booked: Amount::ZERO,
    })
}

fn mark(names: &[&str]) -> GoodsWrite {
    GoodsWrite::Mark(names.iter().map(|name| Mark::of(shop(name))).collect())
}

fn pending(value: i64, attempt: &str, now: Timestamp) -> Pending {
    let start_by = now + SignedDuration::from_secs(5);
    Pending { value, attempt: AttemptId::new(attempt), start_by, settle_at: start_by + SignedDuration::from_secs(15) }
}

/// Writes, and checks answer and rows against [`GoodsWrite::apply`] on the shelf as it was.
async fn write(goods: &dyn Goods, id: &ShelfId, shelf: &mut Shelf, write: &GoodsWrite, now: Timestamp) -> bool {
    let before = shelf.clone();
    let expected = write.apply(shelf, now);
    assert!(expected || *shelf == before, "refused, and changed all the same: {write:?}");
    let written = goods.write(id, write, now).await.unwrap();
    assert_eq!(written, expected, "the answer to {write:?} on {before:#?}");
    assert_eq!(goods.shelf(id).await.unwrap(), *shelf, "the rows after {write:?} on {before:#?}");
    expected
}

/// One write in the making: what it names is taken from the shelf (`own`) or made up.
#[derive(Debug, Clone)]
struct Move {
    which: u8,
    own: bool,
    flag: bool,
    shop: usize,
    order: u8,
    units: i64,
    second: i64,
    epoch: u64,
    after: i64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let numbers = (0..SHOPS.len(), 0_u8..4, -2_i64..6, 0_i64..6, 0_u64..3, 0_i64..30);
    let one = (0_u8..12, prop::bool::weighted(0.8), any::<bool>(), numbers).prop_map(
        |(which, own, flag, (shop, order, units, second, epoch, after))| Move {
            which,
            own,
            flag,
            shop,
            order,
            units,
            second,
            epoch,
            after,
        },
    );
    prop::collection::vec(one, 1..25)
}

impl Move {
    fn order(&self) -> OrderKey {
        // An id with what keys are divided by.
        key(SHOPS[self.shop], &format!("o/{}#é", self.order))
    }

    /// So many units, now and then a part of one.
    fn units(&self) -> Amount {
        if self.second == 5 { "0.375".parse().unwrap() } else { units(self.units) }
    }

    fn marks(&self) -> Vec<Mark> {
        let shops = if self.second % 2 == 0 { &SHOPS[..] } else { &SHOPS[self.shop..=self.shop] };
        shops.iter().map(|name| Mark { connection: shop(name), check: self.flag }).collect()
    }

    /// Of what is owed, or of orders that took nothing here.
    fn settled(&self, shelf: &Shelf) -> Vec<(OrderKey, Settled)> {
        let of = |one: &Commitment| Settled { quantity: one.quantity, version: one.version.clone() };
        let mut settled: Vec<_> = shelf.commitments.iter().map(|(order, one)| (order.clone(), of(one))).collect();
        settled.truncate(usize::from(self.order));
        if !self.own && settled.iter().all(|(order, _)| *order != self.order()) {
            settled.push((self.order(), Settled { quantity: self.units(), version: version(self.second, 0, 1) }));
        }
        settled
    }

    fn write(&self, shelf: &Shelf, serial: u32, now: Timestamp) -> GoodsWrite {
        let connection = shop(SHOPS[self.shop]);
        let listing = shelf.listings.get(&connection).filter(|_| self.own).cloned().unwrap_or_default();
        let nobodys = || AttemptId::new("nobody's");
        let attempt = listing.pending.as_ref().map_or_else(nobodys, |pending| pending.attempt.clone());
        let epoch = if self.own { listing.epoch + self.epoch / 2 } else { self.epoch };
        let level = shelf.level.as_ref();
        let poll = level.filter(|_| self.own).map_or(self.epoch, |level| level.poll);
        let stores = [InStore::Kept, InStore::NotKept, InStore::Absent, InStore::Ambiguous];
        let read = || (stores[usize::from(self.order)], self.flag.then(|| format!("gid://é/{}", self.units)));
        let read = (self.second < 3).then(read);
        let room: Vec<Mark> = self.marks().into_iter().filter(|mark| mark.connection != connection).collect();
        let making_room = |write| if self.order == 0 { GoodsWrite::WithMarks(Box::new(write), room) } else { write };
        match self.which {
            0..=2 => GoodsWrite::Commit(Commit {
                order: self.order(),
                quantity: (self.after != 0).then(|| self.units().max(Amount::ZERO)),
                reserved: units((self.units / 2).max(0)),
                version: version(self.second + i64::from(serial) / 4, 0, self.order),
                booked: if self.own { Amount::ZERO } else { self.units() },
            }),
            3 => GoodsWrite::Mark(self.marks()),
            4 | 5 => GoodsWrite::Count(Count {
                quantity: self.units(),
                poll: poll + u64::from(self.own),
                read_at: now,
                settled: self.settled(shelf),
                marks: self.marks(),
                daily: self.flag,
            }),
            6 => GoodsWrite::Settle { poll, settled: self.settled(shelf), marks: self.marks() },
            7 | 8 => GoodsWrite::Tell(Tell {
                connection,
                pending: pending(self.units, &serial.to_string(), now),
                epoch,
                seen: listing.dirt,
                scarce: self.flag.then(|| level.filter(|_| self.own).map_or(self.epoch, |level| level.rev)),
                read,
            }),
            // Now and then the shelf changed since.
            9 => making_room(GoodsWrite::Told {
                connection,
                attempt,
                value: self.units,
                seen: listing.dirt.saturating_sub(self.epoch / 2),
            }),
            10 => {
                let value = self.flag.then_some(self.units);
                let seen = listing.dirt.saturating_sub(self.epoch / 2);
                making_room(GoodsWrite::Seen { connection, epoch, seen, value, read })
            }
            _ => GoodsWrite::Failed {
                connection,
                attempt: (!self.own || listing.pending.is_some()).then_some(attempt),
                certain: self.flag,
                due: now + SignedDuration::from_secs(self.second * 7),
                check: self.order == 0,
                note: "429: «too many» / é".to_owned(),
            },
        }
    }
}

pub(super) async fn random_histories_end_as_the_pure_function_says(ports: &Ports) {
    let config = Config { cases: ports.cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let serial = std::cell::Cell::new(0_usize);
    let run = |moves: Vec<Move>| {
        runtime.block_on(async {
            let n = serial.replace(serial.get() + 1);
            let id = shelf_of("random", PLACES[n % PLACES.len()], &format!("{}{n}", CODES[n % CODES.len()]));
            let (mut shelf, mut now) = (Shelf::default(), at(100));
            for (serial, step) in (0..).zip(&moves) {
                now += SignedDuration::from_secs(step.after);
                let step = step.write(&shelf, serial, now);
                write(&*ports.goods, &id, &mut shelf, &step, now).await;
            }
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&moves(), run)).unwrap();
}

/// No shelf is another's, however much their names look like each other's, or like the names of rows.
pub(super) async fn shelves_of_any_name_are_apart(ports: &Ports) {
    let goods = &*ports.goods;
    let all: Vec<(ShelfId, i64)> = PLACES
        .iter()
        .flat_map(|place| CODES.iter().map(|code| shelf_of("names", place, code)))
        .chain([shelf_of("names", "b", "c#a"), shelf_of("names-2", "*", "a"), shelf_of("names", "*", &"ñ".repeat(100))])
        .zip(1..)
        .collect();
    let order = key("alpha", "a/b#c é");
    for (id, n) in &all {
        assert_eq!(goods.shelf(id).await.unwrap(), Shelf::default(), "{id:?}");
        let mut shelf = Shelf::default();
        assert!(write(goods, id, &mut shelf, &commit(&order, *n, 1), at(0)).await);
        assert!(write(goods, id, &mut shelf, &mark(&["names"]), at(*n)).await);
    }
    for (id, n) in &all {
        let shelf = goods.shelf(id).await.unwrap();
        assert_eq!((shelf.commitments[&order].quantity, shelf.listings.len()), (units(*n), 1), "{id:?}");
    }
    // By the indexes too, in the order they are due in.
    let due = goods.due(&shop("names"), at(1000), 1000).await.unwrap();
    assert_eq!(due, all.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
}

pub(super) async fn what_is_due_is_found_by_connection(ports: &Ports) {
    let goods = &*ports.goods;
    let of = shop("due");
    assert_eq!(goods.next_due(&of).await.unwrap(), None);
    assert!(goods.due(&of, at(1000), 10).await.unwrap().is_empty());
    let mut ids = Vec::new();
    for n in 0..10 {
        let id = shelf_of(if n % 2 == 0 { "main" } else { "second" }, PLACES[n % 4], CODES[n]);
        assert!(goods.write(&id, &mark(&["due", "due-other"]), at(100 - i64::try_from(n).unwrap())).await.unwrap());
        ids.push(id);
    }
    ids.reverse();
    assert_eq!(goods.next_due(&of).await.unwrap(), Some(at(91)));
    assert_eq!(goods.due(&of, at(100), 100).await.unwrap(), ids, "earliest first");
    assert_eq!(goods.due(&of, at(93), 100).await.unwrap(), ids[..3], "not before their time");
    assert_eq!(goods.due(&of, at(100), 4).await.unwrap(), ids[..4], "no more than asked for");
    assert!(goods.due(&of, at(90), 100).await.unwrap().is_empty());
    // What comes to rest leaves the index; what waits moves in it; the other connection's stay as they are.
    let seen = |seen| GoodsWrite::Seen { connection: of.clone(), epoch: 1, seen, value: Some(3), read: None };
    assert!(goods.write(&ids[0], &seen(1), at(101)).await.unwrap());
    let failed = GoodsWrite::Failed {
        connection: of.clone(),
        attempt: None,
        certain: true,
        due: at(150),
        check: false,
        note: "busy".to_owned(),
    };
    assert!(goods.write(&ids[1], &failed, at(101)).await.unwrap());
    assert_eq!(goods.next_due(&of).await.unwrap(), Some(at(93)));
    assert_eq!(goods.due(&of, at(149), 100).await.unwrap(), ids[2..]);
    assert_eq!(goods.due(&of, at(150), 100).await.unwrap().last(), Some(&ids[1]));
    // A change does not bring it back before its time, unless it rests.
    for id in &ids[..2] {
        assert!(goods.write(id, &mark(&["due"]), at(120)).await.unwrap());
    }
    let due = goods.due(&of, at(149), 100).await.unwrap();
    assert_eq!((due.len(), due.last()), (9, Some(&ids[0])));
    assert_eq!(goods.due(&shop("due-other"), at(100), 100).await.unwrap(), ids);
    assert_eq!(goods.next_due(&shop("du")).await.unwrap(), None, "a name that others begin with");
}

async fn all_commitments(goods: &dyn Goods, erp: &ErpId, limit: usize) -> Vec<(ShelfId, OrderKey, Commitment)> {
    let mut all: Vec<(ShelfId, OrderKey, Commitment)> = Vec::new();
    loop {
        let after = all.last().map(|(id, order, _)| (id.clone(), order.clone()));
        let page = goods.commitments(erp, after.as_ref(), limit).await.unwrap();
        assert!(page.len() <= limit);
        let full = page.len() == limit;
        all.extend(page);
        if !full {
            return all;
        }
    }
}

async fn all_listings(goods: &dyn Goods, connection: &ConnectionId, limit: usize) -> Vec<(ShelfId, Listing)> {
    let mut all: Vec<(ShelfId, Listing)> = Vec::new();
    loop {
        let page = goods.listings(connection, all.last().map(|(id, _)| id), limit).await.unwrap();
        assert!(page.len() <= limit);
        let full = page.len() == limit;
        all.extend(page);
        if !full {
            return all;
        }
    }
}

/// A page that is not full is the last one: whoever reads all of a list ends there.
pub(super) async fn lists_hold_every_row_once_whatever_the_pages(ports: &Ports) {
    let goods = &*ports.goods;
    let (erp, of): (ErpId, _) = ("lists".parse().unwrap(), shop("lists"));
    assert!(goods.commitments(&erp, None, 10).await.unwrap().is_empty());
    assert!(goods.listings(&of, None, 10).await.unwrap().is_empty());
    // Names that differ, and run into each other where one follows the other.
    let pairs =
        [("*", "a"), ("b#c", "a"), ("c", "a#b"), ("c", "a#b#c"), ("b", "a"), ("a", "a b/é"), ("Ü 1", "é#ñ/日本")];
    let mut shelves = Vec::new();
    for (place, code) in pairs {
        let id = shelf_of("lists", place, code);
        let mut shelf = Shelf::default();
        for order in [key("lists", "1"), key("lists", "1/a#b"), key("lists-2", "1")] {
            assert!(write(goods, &id, &mut shelf, &commit(&order, 2, 1), at(0)).await);
        }
        assert!(write(goods, &id, &mut shelf, &mark(&["lists", "lists-2"]), at(0)).await);
        shelves.push((id, shelf));
    }
    // Nobody else's.
    let other = shelf_of("lists-2", "*", "a");
    assert!(goods.write(&other, &commit(&key("lists", "1"), 2, 1), at(0)).await.unwrap());
    assert!(goods.write(&other, &mark(&["lists"]), at(0)).await.unwrap());
    let check = async |shelves: &[(ShelfId, Shelf)]| {
        let committed = shelves.iter().flat_map(|(id, shelf)| shelf.commitments.iter().map(move |one| (id, one)));
        let committed: BTreeSet<String> =
            committed.map(|(id, (order, one))| format!("{id:?} {order} {one:?}")).collect();
        let listed = shelves.iter().map(|(id, shelf)| format!("{id:?} {:?}", shelf.listings[&of]));
        let theirs = format!("{other:?} {:?}", goods.shelf(&other).await.unwrap().listings[&of]);
        let listed: BTreeSet<String> = listed.chain([theirs]).collect();
        for limit in [1, 2, 3, 5, 100] {
            let found = all_commitments(goods, &erp, limit).await;
            let set = found.iter().map(|(id, order, one)| format!("{id:?} {order} {one:?}")).collect();
            assert_eq!((&set, found.len()), (&committed, committed.len()), "commitments by {limit}");
            assert!(found.is_sorted_by_key(|(id, ..)| id.sku.as_str()), "by article");
            let found = all_listings(goods, &of, limit).await;
            let set = found.iter().map(|(id, one)| format!("{id:?} {one:?}")).collect();
            assert_eq!((&set, found.len()), (&listed, listed.len()), "listings by {limit}");
            assert!(found.is_sorted_by_key(|(id, _)| id.sku.as_str()), "by article");
        }
    };
    check(&shelves).await;
    // What is over leaves its list.
    for (id, shelf) in shelves.iter_mut().step_by(2) {
        assert!(write(goods, id, shelf, &commit(&key("lists", "1"), 0, 2), at(1)).await);
        assert_eq!(shelf.commitments.len(), 2);
    }
    check(&shelves).await;
    // After a place where nothing is any more.
    let gone = (shelves[0].0.clone(), key("lists", "1"));
    let rest = goods.commitments(&erp, Some(&gone), 100).await.unwrap();
    // The same place in every list: only of one article's orders may some come before it.
    let all = all_commitments(goods, &erp, 100).await;
    let before = all.len() - rest.len();
    assert!(all.ends_with(&rest) && before <= 1, "{before} before it");
    assert!(all.iter().take(before).all(|(id, ..)| *id == gone.0), "{all:?}");
}

pub(super) async fn a_halt_stands_until_it_is_lifted(ports: &Ports) {
    let goods = &ports.goods;
    let (one, other) = (shop("halted"), shop("halted-2"));
    assert_eq!(goods.halted(&one).await.unwrap(), None);
    goods.halt(&one, None).await.unwrap();
    for (second, by) in [(1, "ana@example.com"), (2, "«someone» / é")] {
        let halt = Halt { since: at(second), by: by.to_owned() };
        goods.halt(&one, Some(&halt)).await.unwrap();
        assert_eq!(goods.halted(&one).await.unwrap(), Some(halt), "the last word");
    }
    assert_eq!(goods.halted(&other).await.unwrap(), None);
    goods.halt(&one, None).await.unwrap();
    assert_eq!(goods.halted(&one).await.unwrap(), None);
    goods.halt(&one, None).await.unwrap();
}

pub(super) async fn many_who_write_one_row_lose_nothing(ports: &Ports) {
    let goods = &ports.goods;
    let id = shelf_of("race", "*", "a");
    let (marks, everybodys) = (mark(&["one", "two"]), key("one", "1"));
    let marking = join_all((0..10).map(|_| goods.write(&id, &marks, at(1))));
    // One order's states in any order, and the polls of several readers.
    let states: Vec<_> = (1..=5).map(|n| commit(&everybodys, n * 3 % 5 + 1, n * 3 % 5)).collect();
    let committing = join_all(states.iter().map(|write| goods.write(&id, write, at(1))));
    let counts: Vec<_> = (1..=5_i64)
        .map(|n| Count {
            quantity: units(10 + n),
            poll: u64::try_from(n * 2 % 5 + 1).unwrap(),
            read_at: at(0),
            settled: vec![],
            marks: vec![Mark::of(shop("two"))],
            daily: true,
        })
        .collect();
    let counts: Vec<_> = counts.into_iter().map(GoodsWrite::Count).collect();
    let counting = join_all(counts.iter().map(|write| goods.write(&id, write, at(1))));
    let (marked, committed, counted) = futures::future::join3(marking, committing, counting).await;
    assert!(marked.into_iter().all(Result::unwrap));
    assert!(committed.into_iter().map(Result::unwrap).filter(|done| *done).count() >= 1);
    let counted = counted.into_iter().map(Result::unwrap).filter(|done| *done).count();
    let shelf = goods.shelf(&id).await.unwrap();
    assert_eq!(shelf.listings[&shop("one")].dirt, 10);
    assert_eq!(shelf.listings[&shop("two")].dirt, 10 + u64::try_from(counted).unwrap(), "and those of the polls");
    let one = &shelf.commitments[&everybodys];
    assert_eq!((&one.version, one.quantity), (&version(4, 0, 1), units(5)), "the newest state");
    let level = shelf.level.unwrap();
    assert_eq!((level.poll, level.quantity, level.rev), (5, units(12), u64::try_from(counted).unwrap()));
}

/// Of several stores that would all be given the last unit, one is.
pub(super) async fn one_of_many_is_given_the_last_unit(ports: &Ports) {
    let goods = &ports.goods;
    let id = shelf_of("scarce", "*", "a");
    let shops: Vec<String> = (0..8).map(|n| format!("shop-{n}")).collect();
    let marks: Vec<Mark> = shops.iter().map(|name| Mark::of(shop(name))).collect();
    let count = Count { quantity: units(1), poll: 1, read_at: at(0), settled: vec![], marks, daily: false };
    assert!(goods.write(&id, &GoodsWrite::Count(count), at(0)).await.unwrap());
    let rev = goods.shelf(&id).await.unwrap().level.unwrap().rev;
    let tells: Vec<_> = shops
        .iter()
        .map(|name| {
            let pending = pending(1, name, at(1));
            let (connection, scarce) = (shop(name), Some(rev));
            GoodsWrite::Tell(Tell { connection, pending, epoch: 1, seen: 1, scarce, read: None })
        })
        .collect();
    let told = join_all(tells.iter().map(|tell| goods.write(&id, tell, at(1)))).await;
    let told: Vec<&String> =
        shops.iter().zip(told).filter(|(_, told)| *told.as_ref().unwrap()).map(|(n, _)| n).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let shelf = goods.shelf(&id).await.unwrap();
    let begun: Vec<_> = shelf.listings.iter().filter(|(_, listing)| listing.pending.is_some()).collect();
    assert_eq!((begun.len(), begun[0].0.as_str()), (1, told[0].as_str()));
    assert_eq!(shelf.level.unwrap().rev, rev + 1);
}

/// As many orders as a poll settles in one write, with as many stores as may share a shelf.
pub(super) async fn a_poll_may_settle_many_orders_at_once(ports: &Ports) {
    let goods = &*ports.goods;
    let id = shelf_of("many", "*", "a");
    let mut shelf = Shelf::default();
    let orders: Vec<_> = (0..40).map(|n| key("alpha", &n.to_string())).collect();
    let commits: Vec<_> = orders.iter().map(|order| commit(order, 2, 1)).collect();
    for (commit, done) in commits.iter().zip(join_all(commits.iter().map(|one| goods.write(&id, one, at(0)))).await) {
        assert!(done.unwrap() && commit.apply(&mut shelf, at(0)));
    }
    let marks: Vec<_> = (0..40).map(|n| Mark::of(shop(&format!("shop-{n}")))).collect();
    // A half of them is not news the second time, and stays as it is.
    for (poll, half) in [(1, &orders[..20]), (2, &orders[..])] {
        let settled = |order: &OrderKey| (order.clone(), Settled { quantity: units(2), version: version(1, 0, 1) });
        let settled = half.iter().map(settled).collect();
        let count = Count { quantity: units(9), poll, read_at: at(0), settled, marks: marks.clone(), daily: false };
        assert!(write(goods, &id, &mut shelf, &GoodsWrite::Count(count), at(1)).await);
    }
    assert!(shelf.commitments.values().all(|one| one.owed().is_zero()));
}

pub(super) async fn a_poll_has_a_number_of_its_own_under_the_lease_alone(ports: &Ports) {
    let of: AccountId = "erp/polls".parse().unwrap();
    let take = async |nonce: &str, second| {
        let taken = ports.accounts.take(&of, nonce, at(second), at(second + 90), SignedDuration::from_millis(50)).await;
        let Taken::Taken(ledger) = taken.unwrap() else { panic!("{nonce} is refused") };
        ledger.epoch
    };
    assert_eq!(ports.accounts.poll(&of, 0).await.unwrap(), None, "nobody has it");
    let first = take("a", 0).await;
    let numbers = join_all((0..5).map(|_| ports.accounts.poll(&of, first))).await;
    let mut numbers: Vec<u64> = numbers.into_iter().map(|number| number.unwrap().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "each its own: {numbers:?}");
    for epoch in [first - 1, first + 1] {
        assert_eq!(ports.accounts.poll(&of, epoch).await.unwrap(), None);
    }
    // Over: by the next, and by nobody.
    let second = take("b", 1000).await;
    assert_eq!(ports.accounts.poll(&of, first).await.unwrap(), None, "it has lost the lease");
    let later = ports.accounts.poll(&of, second).await.unwrap().unwrap();
    assert!(Some(&later) > numbers.last(), "{later} after {numbers:?}");
    assert_eq!(ports.accounts.release(&of, second, None).await.unwrap(), Released::Released);
    assert_eq!(ports.accounts.poll(&of, second).await.unwrap(), None, "it was given back");
    assert_eq!(ports.accounts.ledger(&of).await.unwrap().polls, later);
}
