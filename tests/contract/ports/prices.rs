//! [`puente::ports::Prices`]: each write is the pure one of [`PriceWrite`], also when many write at once; lists leave nothing out.

use std::cell::Cell;

use futures::future::{join_all, join3};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use puente::{
    domain::{
        goods::{InStore, Sku},
        ids::{AttemptId, ConnectionId},
        money::Amount,
        price::{InShop, Later, NotTold, Offer, Price, PriceTag, PriceWrite, Quote, Quoted, Sending, Telling},
    },
    ports::Prices,
};

use super::{Ports, at, key};

/// Articles as they are called, with whatever our own keys are made of. In order.
const CODES: [&str; 10] = [" 1", "*", "1", "1 ", "1/a", "1/a#b", "10", "tag", "Ü/é", "日本"];

fn sku(code: &str) -> Sku {
    code.parse().unwrap()
}

fn shop(name: &str) -> ConnectionId {
    name.parse().unwrap()
}

/// What costs so many; of an even number with what it is compared to, at a tax that cannot be said.
fn offer(amount: i64) -> Offer {
    let whole = amount % 2 == 0;
    let quote = |amount: Amount| Quote {
        amount,
        currency: "ARS".parse().unwrap(),
        taxed: whole,
        rate: (!whole).then(|| "10.5".parse().unwrap()),
    };
    let price = if amount == 0 { "0.375".parse().unwrap() } else { Amount::from(amount) };
    Offer { price: quote(price), compare_at: whole.then(|| quote(Amount::from(amount + 7))) }
}

fn price(amount: i64) -> Price {
    Price { amount: Amount::from(amount), compare_at: (amount % 2 == 0).then(|| "999.99".parse().unwrap()) }
}

fn quoted(amount: i64, poll: u64) -> PriceWrite {
    PriceWrite::Quoted(Quoted { offer: offer(amount), later: None, poll, afresh: false, daily: false })
}

fn sending(attempt: &str, begun: Timestamp, epoch: u64, rev: u64) -> PriceWrite {
    let telling =
        Telling { price: price(3), attempt: AttemptId::new(attempt), settle_at: begun + SignedDuration::from_secs(20) };
    PriceWrite::Sending(Sending { telling, epoch, rev, read: None, begun })
}

/// The store has the price, as somebody read there.
fn seen(seen: u64) -> PriceWrite {
    let read = InShop { store: InStore::Kept, item: Some("gid://é/1".to_owned()), price: Some(price(2)) };
    PriceWrite::Seen { epoch: 1, seen, read: Some(read) }
}

/// Writes, and checks the answer and what is read then against [`PriceWrite::apply`].
async fn write(
    prices: &dyn Prices,
    (connection, sku): (&ConnectionId, &Sku),
    tag: &mut Option<PriceTag>,
    write: &PriceWrite,
    now: Timestamp,
) -> bool {
    let before = tag.clone();
    let expected = write.apply(tag, now);
    assert!(expected || *tag == before, "refused, and changed all the same: {write:?}");
    let written = prices.write(connection, sku, write, now).await.unwrap();
    assert_eq!(written, expected, "the answer to {write:?} on {before:#?}");
    assert_eq!(prices.tag(connection, sku).await.unwrap(), *tag, "the tag after {write:?} on {before:#?}");
    expected
}

/// One write in the making: what it names is taken from the tag (`own`) or made up.
#[derive(Debug, Clone)]
struct Move {
    which: u8,
    own: bool,
    flag: bool,
    article: usize,
    amount: i64,
    epoch: u64,
    after: i64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let numbers = (0_usize..2, 0_i64..5, 0_u64..3, 0_i64..30);
    let one = (0_u8..12, prop::bool::weighted(0.8), any::<bool>(), numbers).prop_map(
        |(which, own, flag, (article, amount, epoch, after))| Move { which, own, flag, article, amount, epoch, after },
    );
    prop::collection::vec(one, 1..25)
}

impl Move {
    fn write(&self, tag: Option<&PriceTag>, serial: u32, now: Timestamp) -> PriceWrite {
        let tag = tag.filter(|_| self.own);
        let telling = tag.and_then(|tag| tag.telling.as_ref());
        let attempt = telling.map_or_else(|| AttemptId::new("nobody's"), |telling| telling.attempt.clone());
        let epoch = tag.map_or(self.epoch, |tag| tag.epoch + self.epoch / 2);
        // Now and then it changed since.
        let seen = tag.map_or(self.epoch, |tag| tag.dirt.saturating_sub(self.epoch / 2));
        let read = self.flag.then(|| InShop {
            store: if self.amount == 4 { InStore::NotKept } else { InStore::Kept },
            item: (self.amount > 1).then(|| format!("gid://é/{}", self.amount)),
            price: (self.amount > 2).then(|| price(self.amount)),
        });
        match self.which {
            0..=3 => {
                let from = now + SignedDuration::from_secs(40);
                let later = (self.amount == 3).then(|| Later { from, offer: offer(self.amount + 1) });
                let poll = tag.map_or(self.epoch, |tag| tag.poll + self.epoch);
                PriceWrite::Quoted(Quoted { offer: offer(self.amount), later, poll, afresh: false, daily: self.flag })
            }
            4..=6 => {
                let rev = tag.map_or(self.epoch, |tag| tag.rev.saturating_sub(self.epoch / 2));
                let write = sending(&serial.to_string(), now, epoch, rev);
                let PriceWrite::Sending(sending) = write else { return write };
                PriceWrite::Sending(Sending { read, ..sending })
            }
            7 | 8 => PriceWrite::Told { attempt, price: price(self.amount), seen },
            9 => PriceWrite::Seen { epoch, seen, read },
            10 => PriceWrite::NotTold(NotTold {
                attempt: (!self.own || telling.is_some()).then_some(attempt),
                epoch,
                seen,
                certain: self.flag,
                due: (self.amount > 0).then(|| now + SignedDuration::from_secs(self.amount * 7)),
                read,
                note: "429: «too many» / é".to_owned(),
            }),
            _ => PriceWrite::Again { released: self.flag.then(|| price(self.amount)) },
        }
    }
}

pub(super) async fn random_histories_end_as_the_pure_function_says(ports: &Ports) {
    let config = Config { cases: ports.cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let (serial, written) = (Cell::new(0_usize), Cell::new([0_u32; 6]));
    let run = |moves: Vec<Move>| {
        runtime.block_on(async {
            let n = serial.replace(serial.get() + 1);
            let of = shop("random");
            let (codes, mut now) =
                ([sku(&format!("{}{n}", CODES[n % CODES.len()])), sku(&format!("other {n}"))], at(100));
            let mut kept = [None, None];
            for (serial, step) in (0..).zip(&moves) {
                now += SignedDuration::from_secs(step.after);
                let (code, tag) = (&codes[step.article], &mut kept[step.article]);
                let step = step.write(tag.as_ref(), serial, now);
                if write(&*ports.prices, (&of, code), tag, &step, now).await {
                    let mut counts = written.get();
                    counts[kind(&step)] += 1;
                    written.set(counts);
                }
            }
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&moves(), run)).unwrap();
    assert!(written.get().iter().all(|count| *count > 0), "writes that held, by kind: {:?}", written.get());
}

fn kind(write: &PriceWrite) -> usize {
    match write {
        PriceWrite::Quoted(_) => 0,
        PriceWrite::Sending(_) => 1,
        PriceWrite::Told { .. } => 2,
        PriceWrite::Seen { .. } => 3,
        PriceWrite::NotTold(_) => 4,
        PriceWrite::Again { .. } => 5,
    }
}

/// No tag is another's, however much the codes of their articles look like each other's.
pub(super) async fn tags_of_any_name_are_apart(ports: &Ports) {
    let prices = &*ports.prices;
    // As long as a code may be, in characters that are long too.
    let longest = "日".repeat(100);
    let codes = || CODES.iter().copied().chain([longest.as_str()]);
    let connections = ["names", "names-2"].map(shop);
    let all: Vec<(&ConnectionId, Sku)> = connections.iter().flat_map(|of| codes().map(move |c| (of, sku(c)))).collect();
    let mut kept = Vec::new();
    for ((of, code), n) in all.iter().zip(1..) {
        let mut tag = None;
        assert!(write(prices, (of, code), &mut tag, &quoted(n, 1), at(n)).await);
        kept.push(tag);
    }
    for ((of, code), tag) in all.iter().zip(&kept) {
        assert_eq!(prices.tag(of, code).await.unwrap(), *tag, "{of} {code}");
    }
    assert_eq!(prices.tag(&connections[0], &sku("2")).await.unwrap(), None);
    // By the index too, in the order they are due in.
    let due = prices.due(&connections[0], at(1000), 1000).await.unwrap();
    assert_eq!(due, codes().map(sku).collect::<Vec<_>>());
}

/// What orders and stock are read by sees no tag, and the other way round.
pub(super) async fn tags_are_beside_everything_else_of_their_connection(ports: &Ports) {
    let (order, code) = (key("tags-beside", "tag"), sku("tag"));
    let of = &order.connection;
    assert!(ports.prices.write(of, &code, &quoted(1, 1), at(1)).await.unwrap());
    assert_eq!(ports.records.head(&order).await.unwrap(), None);
    assert!(ports.records.due(of, at(9), 10).await.unwrap().is_empty());
    assert!(ports.records.counts(of).await.unwrap().is_empty());
    assert!(ports.goods.due(of, at(9), 10).await.unwrap().is_empty());
    assert!(ports.goods.listings(of, None, 10).await.unwrap().is_empty());
    assert_eq!(ports.goods.halted(of).await.unwrap(), None);
    assert!(ports.shipments.due(of, at(9), 10).await.unwrap().is_empty());
    assert!(ports.shipments.list(of, None, 10).await.unwrap().is_empty());
}

pub(super) async fn what_is_due_is_found_by_connection(ports: &Ports) {
    let prices = &*ports.prices;
    let name = shop("due");
    assert_eq!(prices.next_due(&name).await.unwrap(), None);
    assert!(prices.due(&name, at(1000), 10).await.unwrap().is_empty());
    let mut codes = Vec::new();
    for (code, second) in CODES.iter().take(6).zip((0..=100_i64).rev()) {
        let code = sku(code);
        for of in [&name, &shop("due-other")] {
            assert!(prices.write(of, &code, &quoted(1, 1), at(second)).await.unwrap());
        }
        codes.push(code);
    }
    codes.reverse();
    assert_eq!(prices.next_due(&name).await.unwrap(), Some(at(95)));
    assert_eq!(prices.due(&name, at(100), 100).await.unwrap(), codes, "earliest first");
    assert_eq!(prices.due(&name, at(97), 100).await.unwrap(), codes[..3], "not before their time");
    assert_eq!(prices.due(&name, at(100), 4).await.unwrap(), codes[..4], "no more than asked for");
    assert!(prices.due(&name, at(94), 100).await.unwrap().is_empty());
    // What the store has, or stopped, leaves the index; what waits moves in it; the other connection's stay as they are.
    let write = async |n: usize, write: &PriceWrite, now| {
        assert!(prices.write(&name, &codes[n], write, at(now)).await.unwrap(), "{write:?}");
    };
    let not_told = |due: Option<i64>| {
        let (due, note) = (due.map(at), "busy".to_owned());
        PriceWrite::NotTold(NotTold { attempt: None, epoch: 1, seen: 1, certain: true, due, read: None, note })
    };
    write(0, &seen(1), 101).await;
    write(1, &not_told(None), 101).await;
    write(2, &not_told(Some(150)), 101).await;
    assert_eq!(prices.next_due(&name).await.unwrap(), Some(at(98)));
    assert_eq!(prices.due(&name, at(149), 100).await.unwrap(), codes[3..]);
    assert_eq!(prices.due(&name, at(150), 100).await.unwrap().last(), Some(&codes[2]));
    write(1, &PriceWrite::Again { released: None }, 120).await;
    assert_eq!(prices.due(&name, at(149), 100).await.unwrap().last(), Some(&codes[1]));
    // What is announced is due when it begins.
    let later = Some(Later { from: at(500), offer: offer(9) });
    let announced = Quoted { offer: offer(1), later, poll: 2, afresh: false, daily: false };
    write(0, &PriceWrite::Quoted(announced), 130).await;
    write(0, &seen(2), 131).await;
    assert!(!prices.due(&name, at(499), 100).await.unwrap().contains(&codes[0]));
    assert_eq!(prices.due(&name, at(500), 100).await.unwrap().last(), Some(&codes[0]));
    let others = prices.due(&shop("due-other"), at(100), 100).await.unwrap();
    assert_eq!(others.len(), codes.len());
    assert_eq!(prices.next_due(&shop("du")).await.unwrap(), None, "a name that others begin with");
}

async fn all(prices: &dyn Prices, connection: &ConnectionId, limit: usize) -> Vec<(Sku, PriceTag)> {
    let mut all: Vec<(Sku, PriceTag)> = Vec::new();
    loop {
        let after = all.last().map(|(sku, _)| sku.clone());
        let page = prices.list(connection, after.as_ref(), limit).await.unwrap();
        assert!(page.len() <= limit);
        let full = page.len() == limit;
        all.extend(page);
        if !full {
            return all;
        }
    }
}

/// A page that is not full is the last one: whoever reads all of a list ends there.
pub(super) async fn a_list_holds_every_tag_once_whatever_the_pages(ports: &Ports) {
    let prices = &*ports.prices;
    let name = shop("lists");
    assert!(prices.list(&name, None, 10).await.unwrap().is_empty());
    let mut kept = Vec::new();
    for (code, n) in CODES.iter().zip(1..) {
        let (code, mut tag) = (sku(code), None);
        assert!(write(prices, (&name, &code), &mut tag, &quoted(n, 1), at(0)).await);
        // What is at rest is listed too.
        assert!(n % 3 != 0 || write(prices, (&name, &code), &mut tag, &seen(1), at(1)).await);
        kept.push((code, tag.unwrap()));
    }
    // Nobody else's.
    for other in ["list", "lists-2"] {
        assert!(prices.write(&shop(other), &sku("1"), &quoted(1, 1), at(0)).await.unwrap());
    }
    for limit in [1, 2, 5, 100] {
        assert_eq!(all(prices, &name, limit).await, kept, "by article, by {limit}");
    }
    // After a place where there is nothing.
    assert_eq!(prices.list(&name, Some(&sku("1/aa")), 1).await.unwrap(), kept[6..7]);
}

pub(super) async fn many_who_write_one_tag_lose_nothing(ports: &Ports) {
    let prices = &*ports.prices;
    let (of, code) = (shop("race"), sku("1"));
    assert!(prices.write(&of, &code, &quoted(1, 1), at(0)).await.unwrap());
    // What polls say, people who have it looked at, and readers. Of polls the last one's word counts, whoever comes first.
    let polls: Vec<_> = (2..=7).map(|poll| quoted(i64::try_from(poll).unwrap() * 10, poll)).collect();
    let saying = join_all(polls.iter().map(|poll| prices.write(&of, &code, poll, at(1))));
    let again = PriceWrite::Again { released: Some(price(5)) };
    let looking = join_all((0..4).map(|_| prices.write(&of, &code, &again, at(2))));
    let reading = join_all((0..4).map(|_| prices.tag(&of, &code)));
    let (said, looked, read) = join3(saying, looking, reading).await;
    let said = said.into_iter().filter(|said| *said.as_ref().unwrap()).count();
    assert!(looked.into_iter().all(Result::unwrap));
    assert!(read.into_iter().all(|read| read.unwrap().is_some()));
    let tag = prices.tag(&of, &code).await.unwrap().unwrap();
    assert_eq!((tag.poll, &tag.offer, tag.released), (7, &offer(70), Some(price(5))));
    assert_eq!(tag.dirt, 1 + u64::try_from(said).unwrap(), "every change that was taken counts");
}

/// Of several that would all tell the store, one does.
pub(super) async fn one_of_many_tells_the_store_a_price(ports: &Ports) {
    let prices = &*ports.prices;
    let (of, code) = (shop("race"), sku("2"));
    assert!(prices.write(&of, &code, &quoted(1, 1), at(0)).await.unwrap());
    let sendings: Vec<_> = (0..8).map(|n| sending(&n.to_string(), at(1), 1, 1)).collect();
    let begun = join_all(sendings.iter().map(|sending| prices.write(&of, &code, sending, at(1)))).await;
    let begun: Vec<usize> =
        begun.into_iter().enumerate().filter(|(_, begun)| *begun.as_ref().unwrap()).map(|(n, _)| n).collect();
    assert_eq!(begun.len(), 1, "{begun:?}");
    let tag = prices.tag(&of, &code).await.unwrap().unwrap();
    assert_eq!(tag.telling.unwrap().attempt, AttemptId::new(begun[0].to_string()));
    assert_eq!(tag.attempts, 1);
}
