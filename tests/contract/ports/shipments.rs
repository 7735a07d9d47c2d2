//! [`puente::ports::Shipments`]: each write is the pure one of [`ShipmentWrite`], also when many write at once; lists leave nothing out.

use std::{cell::Cell, collections::BTreeMap};

use futures::future::{join_all, join3};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use puente::{
    domain::{
        ids::{AttemptId, ConnectionId, OrderKey},
        money::Amount,
        shipment::{Dispatch, Failed, Parcel, Sending, Shipment, ShipmentId, ShipmentWrite, Underway},
    },
    ports::Shipments,
};

use super::{Ports, at, key};

/// Orders and shipments as they are called, with whatever our own keys are made of. In order.
const ORDERS: [&str; 8] = [" 1", "1", "1 ", "1/a", "1/a#b", "10", "Ü/é", "日本"];
const IDS: [&str; 6] = ["-", "1", "10", "A_b", "_", "head"];

fn id(text: &str) -> ShipmentId {
    text.parse().unwrap()
}

fn shop(name: &str) -> ConnectionId {
    name.parse().unwrap()
}

fn shipment(id: &ShipmentId, units: i64, parcels: &[String]) -> Shipment {
    let quantity = if units == 0 { "0.375".parse().unwrap() } else { Amount::from(units) };
    Shipment {
        id: id.clone(),
        number: format!("OUT/«é»/{id}"),
        items: BTreeMap::from([("mate é/ñ#1".parse().unwrap(), quantity), ("b".parse().unwrap(), Amount::ONE)]),
        carrier: (units % 2 == 0).then(|| "Correo Ñ".to_owned()),
        parcels: parcels
            .iter()
            .map(|number| Parcel {
                number: number.clone(),
                url: (units > 2).then(|| format!("https://é.example/{number}")),
            })
            .collect(),
    }
}

fn noted(id: &ShipmentId) -> ShipmentWrite {
    ShipmentWrite::Noted { shipment: shipment(id, 2, &[]), poll: 1 }
}

fn sending(attempt: &str, begun: Timestamp, epoch: u64, rev: u64) -> ShipmentWrite {
    let settle_at = begun + SignedDuration::from_secs(20);
    let lines = BTreeMap::from([("line/é".to_owned(), Amount::from(2))]);
    let underway = Underway { attempt: AttemptId::new(attempt), lines, begun, settle_at };
    ShipmentWrite::Sending(Sending { underway, epoch, rev })
}

/// The store has it, as somebody found there.
fn told(seen: u64) -> ShipmentWrite {
    ShipmentWrite::Told { attempt: None, epoch: 1, seen, fulfilment: None, lines: BTreeMap::new() }
}

async fn of(shipments: &dyn Shipments, order: &OrderKey, id: &ShipmentId) -> Option<Dispatch> {
    shipments.of_order(order).await.unwrap().into_iter().find(|dispatch| dispatch.shipment.id == *id)
}

/// Writes, and checks the answer and what is read then against [`ShipmentWrite::apply`].
async fn write(
    shipments: &dyn Shipments,
    (order, id): (&OrderKey, &ShipmentId),
    dispatch: &mut Option<Dispatch>,
    write: &ShipmentWrite,
    now: Timestamp,
) -> bool {
    let before = dispatch.clone();
    let expected = write.apply(dispatch, now);
    assert!(expected || *dispatch == before, "refused, and changed all the same: {write:?}");
    let written = shipments.write(order, id, write, now).await.unwrap();
    assert_eq!(written, expected, "the answer to {write:?} on {before:#?}");
    assert_eq!(of(shipments, order, id).await, *dispatch, "the shipment after {write:?} on {before:#?}");
    expected
}

/// One write in the making: what it names is taken from the dispatch (`own`) or made up.
#[derive(Debug, Clone)]
struct Move {
    which: u8,
    own: bool,
    flag: bool,
    shipment: usize,
    units: i64,
    epoch: u64,
    after: i64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let numbers = (0_usize..2, 0_i64..5, 0_u64..3, 0_i64..30);
    let one = (0_u8..10, prop::bool::weighted(0.8), any::<bool>(), numbers).prop_map(
        |(which, own, flag, (shipment, units, epoch, after))| Move { which, own, flag, shipment, units, epoch, after },
    );
    prop::collection::vec(one, 1..25)
}

impl Move {
    fn write(&self, id: &ShipmentId, dispatch: Option<&Dispatch>, serial: u32, now: Timestamp) -> ShipmentWrite {
        let dispatch = dispatch.filter(|_| self.own);
        let underway = dispatch.and_then(|dispatch| dispatch.underway.as_ref());
        let attempt = underway.map_or_else(|| AttemptId::new("nobody's"), |underway| underway.attempt.clone());
        let epoch = dispatch.map_or(self.epoch, |dispatch| dispatch.epoch + self.epoch / 2);
        // Now and then it changed since.
        let seen = dispatch.map_or(self.epoch, |dispatch| dispatch.dirt.saturating_sub(self.epoch / 2));
        let lines = || BTreeMap::from([(format!("line/{}", self.units), Amount::from(self.units))]);
        match self.which {
            0..=2 => {
                let parcels: Vec<String> = (0..self.epoch).map(|n| format!("T-{n}/é")).collect();
                ShipmentWrite::Noted { shipment: shipment(id, self.units, &parcels), poll: self.epoch }
            }
            3..=5 => {
                let rev = dispatch.map_or(self.epoch, |dispatch| dispatch.rev.saturating_sub(self.epoch / 2));
                sending(&serial.to_string(), now, epoch, rev)
            }
            6 | 7 => ShipmentWrite::Told {
                attempt: (self.flag || underway.is_some()).then_some(attempt),
                epoch,
                seen,
                fulfilment: self.flag.then(|| format!("gid://é/{}", self.units)),
                lines: lines(),
            },
            8 => ShipmentWrite::Failed(Failed {
                attempt: (!self.own || underway.is_some()).then_some(attempt),
                epoch,
                seen,
                certain: self.flag,
                due: (self.units > 0).then(|| now + SignedDuration::from_secs(self.units * 7)),
                note: "429: «too many» / é".to_owned(),
            }),
            _ => ShipmentWrite::Again,
        }
    }
}

pub(super) async fn random_histories_end_as_the_pure_function_says(ports: &Ports) {
    let config = Config { cases: ports.cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let (serial, written) = (Cell::new(0_usize), Cell::new([0_u32; 5]));
    let run = |moves: Vec<Move>| {
        runtime.block_on(async {
            let n = serial.replace(serial.get() + 1);
            let order = key("random", &format!("{}{n}", ORDERS[n % ORDERS.len()]));
            let (ids, mut now) = ([id(IDS[n % IDS.len()]), id("other")], at(100));
            let mut kept = [None, None];
            for (serial, step) in (0..).zip(&moves) {
                now += SignedDuration::from_secs(step.after);
                let (id, dispatch) = (&ids[step.shipment], &mut kept[step.shipment]);
                let step = step.write(id, dispatch.as_ref(), serial, now);
                if write(&*ports.shipments, (&order, id), dispatch, &step, now).await {
                    let mut counts = written.get();
                    counts[kind(&step)] += 1;
                    written.set(counts);
                }
            }
            let mut all: Vec<Dispatch> = kept.into_iter().flatten().collect();
            all.sort_by(|one, other| one.shipment.id.cmp(&other.shipment.id));
            assert_eq!(ports.shipments.of_order(&order).await.unwrap(), all, "all of the order, by their ids");
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&moves(), run)).unwrap();
    assert!(written.get().iter().all(|count| *count > 0), "writes that held, by kind: {:?}", written.get());
}

fn kind(write: &ShipmentWrite) -> usize {
    match write {
        ShipmentWrite::Noted { .. } => 0,
        ShipmentWrite::Sending(_) => 1,
        ShipmentWrite::Told { .. } => 2,
        ShipmentWrite::Failed(_) => 3,
        ShipmentWrite::Again => 4,
    }
}

/// No shipment is another's, however much the names of their orders look like each other's.
pub(super) async fn shipments_of_any_name_are_apart(ports: &Ports) {
    let shipments = &*ports.shipments;
    let orders = ORDERS.map(|order| key("names", order));
    let others = [key("names-2", "1"), key("names", &"ñ".repeat(128))];
    let all: Vec<(&OrderKey, ShipmentId)> =
        orders.iter().chain(&others).flat_map(|order| IDS.map(|text| (order, id(text)))).collect();
    for ((order, id), second) in all.iter().zip(1..) {
        assert!(write(shipments, (order, id), &mut None, &noted(id), at(second)).await);
    }
    for order in orders.iter().chain(&others) {
        let found = shipments.of_order(order).await.unwrap();
        assert_eq!(found.iter().map(|one| one.shipment.id.as_str()).collect::<Vec<_>>(), IDS, "{order}: by their ids");
    }
    assert!(shipments.of_order(&key("names", "2")).await.unwrap().is_empty());
    // By the index too, in the order they are due in.
    let due = shipments.due(&shop("names"), at(1000), 1000).await.unwrap();
    let ours = all.iter().filter(|(order, _)| order.connection == shop("names"));
    assert_eq!(due, ours.map(|(order, id)| ((*order).clone(), id.clone())).collect::<Vec<_>>());
}

/// What an order's records are read by sees none of its shipments, and none of them is in their lists.
pub(super) async fn shipments_are_beside_the_records_of_their_orders(ports: &Ports) {
    let (order, shipment) = (key("beside", "1"), id("head"));
    assert!(ports.shipments.write(&order, &shipment, &noted(&shipment), at(1)).await.unwrap());
    assert_eq!(ports.records.head(&order).await.unwrap(), None);
    assert!(ports.records.timeline(&order).await.unwrap().is_empty());
    assert!(ports.records.due(&order.connection, at(9), 10).await.unwrap().is_empty());
    assert!(ports.records.counts(&order.connection).await.unwrap().is_empty());
    assert!(ports.goods.due(&order.connection, at(9), 10).await.unwrap().is_empty());
    assert!(ports.goods.listings(&order.connection, None, 10).await.unwrap().is_empty());
}

pub(super) async fn what_is_due_is_found_by_connection(ports: &Ports) {
    let shipments = &*ports.shipments;
    let name = shop("due");
    assert_eq!(shipments.next_due(&name).await.unwrap(), None);
    assert!(shipments.due(&name, at(1000), 10).await.unwrap().is_empty());
    let mut keys = Vec::new();
    for n in 0..6_usize {
        let (order, id) = (key("due", ORDERS[n / 2]), id(IDS[n]));
        let second = 100 - i64::try_from(n).unwrap();
        assert!(shipments.write(&order, &id, &noted(&id), at(second)).await.unwrap());
        let other = key("due-other", ORDERS[n / 2]);
        assert!(shipments.write(&other, &id, &noted(&id), at(second)).await.unwrap());
        keys.push((order, id));
    }
    keys.reverse();
    assert_eq!(shipments.next_due(&name).await.unwrap(), Some(at(95)));
    assert_eq!(shipments.due(&name, at(100), 100).await.unwrap(), keys, "earliest first");
    assert_eq!(shipments.due(&name, at(97), 100).await.unwrap(), keys[..3], "not before their time");
    assert_eq!(shipments.due(&name, at(100), 4).await.unwrap(), keys[..4], "no more than asked for");
    assert!(shipments.due(&name, at(94), 100).await.unwrap().is_empty());
    // What was told, or stopped, leaves the index; what waits moves in it; the other connection's stay as they are.
    let write = async |n: usize, write: &ShipmentWrite, now| {
        let (order, id) = &keys[n];
        assert!(shipments.write(order, id, write, at(now)).await.unwrap(), "{write:?}");
    };
    let failed = |due: Option<i64>| {
        let due = due.map(at);
        ShipmentWrite::Failed(Failed { attempt: None, epoch: 1, seen: 1, certain: true, due, note: "busy".to_owned() })
    };
    write(0, &told(1), 101).await;
    write(1, &failed(None), 101).await;
    write(2, &failed(Some(150)), 101).await;
    assert_eq!(shipments.next_due(&name).await.unwrap(), Some(at(98)));
    assert_eq!(shipments.due(&name, at(149), 100).await.unwrap(), keys[3..]);
    assert_eq!(shipments.due(&name, at(150), 100).await.unwrap().last(), Some(&keys[2]));
    write(1, &ShipmentWrite::Again, 120).await;
    assert_eq!(shipments.due(&name, at(149), 100).await.unwrap().last(), Some(&keys[1]));
    let others = shipments.due(&shop("due-other"), at(100), 100).await.unwrap();
    assert_eq!(others.len(), keys.len());
    assert_eq!(shipments.next_due(&shop("du")).await.unwrap(), None, "a name that others begin with");
}

async fn all(shipments: &dyn Shipments, connection: &ConnectionId, limit: usize) -> Vec<(OrderKey, Dispatch)> {
    let mut all: Vec<(OrderKey, Dispatch)> = Vec::new();
    loop {
        let after = all.last().map(|(order, dispatch)| (order.clone(), dispatch.shipment.id.clone()));
        let page = shipments.list(connection, after.as_ref(), limit).await.unwrap();
        assert!(page.len() <= limit);
        let full = page.len() == limit;
        all.extend(page);
        if !full {
            return all;
        }
    }
}

/// A page that is not full is the last one: whoever reads all of a list ends there.
pub(super) async fn a_list_holds_every_shipment_once_whatever_the_pages(ports: &Ports) {
    let shipments = &*ports.shipments;
    let name = shop("lists");
    assert!(shipments.list(&name, None, 10).await.unwrap().is_empty());
    let mut kept = Vec::new();
    for order in ORDERS {
        for text in IDS.iter().take(3) {
            let (order, id, mut dispatch) = (key("lists", order), id(text), None);
            assert!(write(shipments, (&order, &id), &mut dispatch, &noted(&id), at(0)).await);
            // What is at rest is listed too.
            assert!(*text != "1" || write(shipments, (&order, &id), &mut dispatch, &told(1), at(1)).await);
            kept.push((order, dispatch.unwrap()));
        }
    }
    // Nobody else's.
    for other in ["list", "lists-2"] {
        assert!(shipments.write(&key(other, "1"), &id("1"), &noted(&id("1")), at(0)).await.unwrap());
    }
    for limit in [1, 2, 5, 100] {
        assert_eq!(all(shipments, &name, limit).await, kept, "by order and id, by {limit}");
    }
    // After a place where there is nothing.
    let between = shipments.list(&name, Some(&(key("lists", "1"), id("ZZ"))), 1).await.unwrap();
    assert_eq!(between, kept[6..7]);
}

pub(super) async fn many_who_write_one_shipment_lose_nothing(ports: &Ports) {
    let shipments = &*ports.shipments;
    let (order, id) = (key("race", "1"), id("1"));
    assert!(shipments.write(&order, &id, &noted(&id), at(0)).await.unwrap());
    // Each another change, and people who have it looked at.
    let changes: Vec<_> =
        (1..=6).map(|n| ShipmentWrite::Noted { shipment: shipment(&id, 2, &[format!("T-{n}")]), poll: 1 }).collect();
    let changing = join_all(changes.iter().map(|change| shipments.write(&order, &id, change, at(1))));
    let looking = join_all((0..4).map(|_| shipments.write(&order, &id, &ShipmentWrite::Again, at(2))));
    let reading = join_all((0..4).map(|_| shipments.of_order(&order)));
    let (changed, looked, read) = join3(changing, looking, reading).await;
    assert!(changed.into_iter().chain(looked).all(Result::unwrap));
    assert!(read.into_iter().all(|read| read.unwrap().len() == 1));
    assert_eq!(of(shipments, &order, &id).await.unwrap().dirt, 7, "every change counts");
}

/// Of several that would all tell the store, one does.
pub(super) async fn one_of_many_tells_the_store(ports: &Ports) {
    let shipments = &*ports.shipments;
    let (order, id) = (key("race", "2"), id("1"));
    assert!(shipments.write(&order, &id, &noted(&id), at(0)).await.unwrap());
    let sendings: Vec<_> = (0..8).map(|n| sending(&n.to_string(), at(1), 1, 1)).collect();
    let begun = join_all(sendings.iter().map(|sending| shipments.write(&order, &id, sending, at(1)))).await;
    let begun: Vec<usize> =
        begun.into_iter().enumerate().filter(|(_, begun)| *begun.as_ref().unwrap()).map(|(n, _)| n).collect();
    assert_eq!(begun.len(), 1, "{begun:?}");
    let dispatch = of(shipments, &order, &id).await.unwrap();
    assert_eq!(dispatch.underway.unwrap().attempt, AttemptId::new(begun[0].to_string()));
    assert_eq!(dispatch.attempts, 1);
}
