//! A store's account: asked by everybody together no more often than it allows, left alone by everybody when it asks for that, and
//! nothing is lost by either.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use puente::{
    config::Section,
    domain::{
        ids::{AccountId, ConnectionId, ErpId, OrderId, OrderKey},
        ledger::Limits,
        message::{Arrival, BackfillRequest, Message, News},
        order::Order,
        record::State,
    },
    edge::life::life,
    embedded::Embedded,
    flow::{self, Puente, signs::Signs, tell::Tell},
    outbound::{Answer, Calls, Client},
    parties::{Account, Connection, Settings},
    ports::{Clock, SystemChance, SystemClock},
    store::{Changes, Entrance, Reading, STORES, Signed, Store},
    webhook::{RawWebhook, Scheme, VerifiedWebhook},
};
use puente_sandbox::store::{self as sandbox, Plan, Serving, Shop};
use puente_simulation::erp::Connector;

use crate::calm::{World, order};

/// A store in memory, which answers with an order of any id, at whose door every call waits for its permit.
#[derive(Clone, Default)]
struct Counted(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// When it was asked.
    asked: Mutex<Vec<Timestamp>>,
    /// What the next calls are answered with instead: a status, and seconds to wait.
    otherwise: Mutex<Vec<(u16, Option<u32>)>>,
    /// What it lists, a page each.
    pages: Mutex<Vec<Vec<Order>>>,
    clock: Mutex<Option<Arc<dyn Clock>>>,
    /// How long an answer is on its way.
    travels: Mutex<SignedDuration>,
}

impl Counted {
    /// One call.
    async fn call(&self, calls: &Calls<'_>) -> puente::Result<()> {
        calls.http.permit(Duration::from_secs(5)).await?;
        let clock = self.0.clock.lock().unwrap().clone().unwrap();
        self.0.asked.lock().unwrap().push(clock.now());
        let travels = *self.0.travels.lock().unwrap();
        clock.sleep_until(clock.now() + travels).await;
        let otherwise = self.0.otherwise.lock().unwrap().pop();
        let (status, wait) = otherwise.unwrap_or((200, None));
        let mut headers = http::HeaderMap::new();
        if let Some(wait) = wait {
            headers.insert("retry-after", wait.into());
        }
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new().into() };
        calls.http.answered(&answer).await;
        if answer.status.is_success() {
            return Ok(());
        }
        let kind = if status == 429 { puente::Kind::Limited } else { puente::Kind::Unavailable };
        Err(puente::Error::new(kind, format!("the store answered {status}")))
    }

    fn asked(&self) -> Vec<Timestamp> {
        self.0.asked.lock().unwrap().clone()
    }

    /// The most calls in any `window`.
    fn busiest(&self, window: SignedDuration) -> usize {
        let asked = self.asked();
        let within = |(from, at): (usize, &Timestamp)| {
            asked.iter().skip(from).take_while(|call| call.duration_since(*at) < window).count()
        };
        asked.iter().enumerate().map(within).max().unwrap_or(0)
    }
}

#[async_trait::async_trait]
impl Store for Counted {
    fn entrance(&self) -> Entrance<'_> {
        Entrance::Signed(Signed { scheme: Scheme::Standard, secrets: &[] })
    }
    fn is_ping(&self, _raw: &RawWebhook) -> bool {
        false
    }
    fn read(&self, _webhook: &VerifiedWebhook) -> Reading {
        Reading::Ignored("it is asked only")
    }
    fn sign(&self, _body: &[u8], _now: Timestamp) -> http::HeaderMap {
        http::HeaderMap::new()
    }
    fn can_fetch(&self) -> bool {
        true
    }
    async fn fetch(&self, calls: &Calls<'_>, id: &OrderId) -> puente::Result<Option<Order>> {
        self.call(calls).await?;
        Ok(Some(order(id.as_str(), "A", "10.00", 5)))
    }
    async fn changed_since(&self, calls: &Calls<'_>, _since: Timestamp, page: Option<&str>) -> puente::Result<Changes> {
        self.call(calls).await?;
        let (at, pages) = (page.map_or(0, |page| page.parse::<usize>().unwrap()), self.0.pages.lock().unwrap());
        let next = (at + 1 < pages.len()).then(|| (at + 1).to_string());
        Ok(Changes { orders: pages.get(at).cloned().unwrap_or_default(), next, ..Changes::default() })
    }
}

fn limits(calls: u32, window: i64) -> Limits {
    Limits { calls, window: SignedDuration::from_secs(window), per_day: Limits::ENDLESS, ..Limits::default() }
}

/// A world whose shops, `shop-0` and so on, have these stores and limits.
fn world(stores: Vec<(&Counted, Option<Limits>)>) -> World {
    let mut world = World::new(1, 0, Limits::default());
    let connections: Vec<Connection> = stores
        .into_iter()
        .enumerate()
        .map(|(at, (store, limits))| {
            *store.0.clock.lock().unwrap() = Some(world.puente.clock.clone());
            let (id, erp) = (format!("shop-{at}").parse().unwrap(), world.history.erp_id.clone());
            Connection { limits, ..Connection::new(id, erp, Box::new(store.clone())) }
        })
        .collect();
    world.puente.settings =
        Arc::new(settings(connections, &world.history.erp_id, Box::new(Connector(world.history.erp.clone()))));
    world
}

fn settings(connections: Vec<Connection>, erp: &ErpId, connector: Box<dyn puente::erp::Erp>) -> Settings {
    let names: Vec<ConnectionId> = connections.iter().map(|connection| connection.id.clone()).collect();
    Settings::fixed(connections, vec![Account::new(erp.clone(), connector, names)]).unwrap()
}

fn store_account(shop: usize) -> AccountId {
    AccountId::Store(format!("shop-{shop}").parse().unwrap())
}

#[test]
fn a_flood_of_pointers_asks_a_store_no_more_than_it_allows_and_every_order_arrives() {
    let store = Counted::default();
    let world = world(vec![(&store, Some(limits(2, 1)))]);
    for id in 0..60 {
        world.news(0, &id.to_string(), News::Changed);
    }
    world.run_for(SignedDuration::from_hours(3));
    assert!(store.busiest(SignedDuration::from_secs(1)) <= 2, "{:?}", store.asked());
    assert_eq!(store.asked().len(), 60, "each order is asked for once");
    for id in 0..60 {
        assert_eq!(world.head(&world.key(0, &id.to_string())).state(), State::Synced, "{id}");
    }
    assert!(world.dead().is_empty(), "waiting for a limit takes no try");
}

#[test]
fn what_waits_for_a_limit_says_so_and_is_no_failure_of_the_store() {
    let store = Counted::default();
    let world = world(vec![(&store, Some(Limits { per_day: 1, ..limits(2, 1) }))]);
    for id in ["1", "2"] {
        world.news(0, id, News::Changed);
    }
    world.work();
    let head = world.head(&world.key(0, "2"));
    let reason = head.reason.clone().unwrap();
    assert_eq!((head.state(), reason.known().unwrap().code()), (State::Fetching, "store_limited"));
    assert!(reason.words().contains("store/shop-0 was not asked: its calls of the day are used up"), "{reason:?}");
    let seen = world.play(life(&world.puente, vec!["shop-0".parse().unwrap()])).unwrap().connections.remove(0);
    assert!(seen.failed.is_none() && seen.fetched.is_some(), "{seen:?}");
    // The next day.
    world.run_for(SignedDuration::from_hours(17));
    assert_eq!(world.head(&world.key(0, "2")).state(), State::Synced);
    assert_eq!(store.asked().len(), 2);
}

#[test]
fn a_store_that_asks_for_it_is_left_alone_by_all_and_holds_up_nobody_else() {
    let (store, other) = (Counted::default(), Counted::default());
    // One of which nobody knows a rate is left alone as well.
    let world = world(vec![(&store, None), (&other, None)]);
    store.0.otherwise.lock().unwrap().push((429, Some(300)));
    for id in 0..20 {
        world.news(0, &id.to_string(), News::Changed);
        world.news(1, &id.to_string(), News::Changed);
    }
    let began = world.now();
    world.work();
    let until = began + SignedDuration::from_secs(300);
    assert_eq!(world.play(world.puente.accounts.ledger(&store_account(0))).unwrap().blocked_until, Some(until));
    let early = store.asked().len();
    assert!(early <= 8, "those that were under way: {early}");
    for id in 0..20 {
        assert_eq!(world.head(&world.key(1, &id.to_string())).state(), State::Synced, "{id}");
    }
    // A backfill is told so too, and goes on with the other shop.
    let done = world.play(flow::tasks::backfill::backfill(&world.puente, None, Timestamp::MAX)).unwrap();
    assert!(done[0].stopped.as_ref().unwrap().contains("store/shop-0 was not asked: it is blocked"), "{done:?}");
    assert_eq!((&done[1].stopped, store.asked().len()), (&None, early));
    let seen = world.play(life(&world.puente, vec!["shop-0".parse().unwrap(), "shop-1".parse().unwrap()])).unwrap();
    let blocks: Vec<_> = seen.connections.iter().map(|one| (one.blocked_since, one.blocked_until)).collect();
    assert_eq!(blocks, [(Some(began), Some(until)), (None, None)]);
    // Then everything goes on, and the first success ends the row.
    world.run_for(SignedDuration::from_hours(2));
    assert!(store.asked()[early] >= until);
    for id in 0..20 {
        assert_eq!(world.head(&world.key(0, &id.to_string())).state(), State::Synced, "{id}");
    }
    let ledger = world.play(world.puente.accounts.ledger(&store_account(0))).unwrap();
    assert_eq!((ledger.strikes, ledger.blocked_until), (0, None));
    assert!(world.dead().is_empty());
}

#[test]
fn a_store_that_does_not_say_how_long_is_left_alone_longer_each_time() {
    let store = Counted::default();
    let world = world(vec![(&store, Some(limits(2, 1)))]);
    *store.0.otherwise.lock().unwrap() = vec![(429, None); 8];
    world.news(0, "1", News::Changed);
    world.run_for(SignedDuration::from_hours(6));
    let asked = store.asked();
    assert_eq!(asked.len(), 9);
    let apart: Vec<_> = asked.windows(2).map(|two| two[1].duration_since(two[0]).as_secs()).collect();
    assert!(apart[7] >= 128 && apart[0] < 60, "{apart:?}");
    assert_eq!(world.head(&world.key(0, "1")).state(), State::Synced);
}

#[test]
fn what_is_refused_together_is_one_failure() {
    let store = Counted::default();
    let world = world(vec![(&store, None)]);
    *store.0.otherwise.lock().unwrap() = vec![(429, None); 8];
    // All have left when the first is answered.
    *store.0.travels.lock().unwrap() = SignedDuration::from_millis(100);
    for id in 0..8 {
        world.news(0, &id.to_string(), News::Changed);
    }
    let began = world.now();
    world.work();
    let ledger = world.play(world.puente.accounts.ledger(&store_account(0))).unwrap();
    assert_eq!((store.asked().len(), ledger.strikes), (8, 1));
    assert!(ledger.blocked_until.unwrap() <= began + SignedDuration::from_secs(3), "{ledger:?}");
}

#[test]
fn a_slow_rate_holds_nobody_up_and_a_refused_list_keeps_its_position() {
    let (store, other) = (Counted::default(), Counted::default());
    let world = world(vec![(&store, Some(limits(6, 3600))), (&other, None)]);
    for id in 0..3 {
        world.news(0, &id.to_string(), News::Changed);
        world.news(1, &id.to_string(), News::Changed);
    }
    let began = world.now();
    world.work();
    assert!(world.now() < began + SignedDuration::from_mins(1), "the worker waits for no slot that is minutes away");
    assert_eq!(world.head(&world.key(1, "2")).state(), State::Synced);
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!(world.head(&world.key(0, "2")).state(), State::Synced);
    // The list.
    let position = || world.play(world.puente.cursors.cursor("backfill/shop-0")).unwrap();
    let list = || world.play(flow::tasks::backfill::backfill(&world.puente, None, Timestamp::MAX)).unwrap();
    assert!(list()[0].stopped.is_none());
    let reached = position().expect("it was listed");
    for _ in 0..3 {
        let stopped = list()[0].stopped.clone().unwrap();
        assert!(stopped.contains("store/shop-0 was not asked: its rate has no slot soon"), "{stopped}");
        assert_eq!(position(), Some(reached.clone()));
    }
}

#[test]
fn a_backfill_that_somebody_wants_goes_on_where_a_limit_ended_it() {
    let store = Counted::default();
    let world = world(vec![(&store, Some(limits(5, 1)))]);
    *store.0.pages.lock().unwrap() = (0..3_i64).map(|at| vec![order(&at.to_string(), "A", "10.00", at)]).collect();
    // The second page.
    *store.0.otherwise.lock().unwrap() = vec![(429, Some(60)), (200, None)];
    let since = world.now() - SignedDuration::from_hours(48);
    let ask = BackfillRequest { connection: "shop-0".parse().unwrap(), since, request: "r".into(), by: None };
    world.play(world.puente.queue.send(&[Message::Backfill(ask)], Duration::ZERO)).unwrap();
    world.run_for(SignedDuration::from_mins(10));
    for id in 0..3 {
        assert_eq!(world.head(&world.key(0, &id.to_string())).state(), State::Synced, "{id}");
    }
    let asked = store.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked[2].duration_since(asked[1]) >= SignedDuration::from_secs(60), "{asked:?}");
}

/// One process of two on the same data: its own opening of the file.
fn process(dir: &Path, serving: &Serving) -> Puente {
    let row = STORES.iter().find(|row| row.kind == "shopify").unwrap();
    let section = row.kit.section(&plan(), &format!("http://{}", serving.addr()), &mut |_, secret| {
        format!("{{ literal = '{secret}' }}")
    });
    let store = (row.build)(&Section::from_toml(&section).unwrap()).unwrap();
    let connection = Connection {
        // A call may travel much longer than another where the machine is busy.
        limits: Some(Limits { jitter: SignedDuration::from_millis(500), ..limits(4, 1) }),
        ..Connection::new("acme".parse().unwrap(), "main".parse().unwrap(), store)
    };
    let data = Arc::new(Embedded::open(dir).unwrap());
    // Never called.
    let erp = World::new(1, 1, Limits::default()).history.erp.clone();
    Puente {
        settings: Arc::new(settings(vec![connection], &"main".parse().unwrap(), Box::new(Connector(erp)))),
        records: data.clone(),
        known: data.clone(),
        cursors: data.clone(),
        doors: data.clone(),
        goods: data.clone(),
        prices: data.clone(),
        shipments: data.clone(),
        accounts: data.clone(),
        signs: Signs::new(data.clone()),
        tokens: data.clone(),
        queue: data,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        client: Client::new().unwrap(),
        tell: Tell::default(),
    }
}

fn plan() -> Plan {
    let row = STORES.iter().find(|row| row.kind == "shopify").unwrap();
    Plan::new(row.kit, "acme.myshopify.com", "the-shop-signs-with-this", 3, 40, "2026-01-31T10:00:00Z".parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_fetch_and_list_ask_a_store_together_no_more_than_it_allows() {
    let (shop, dir) = (Shop::open(plan()), tempfile::tempdir().unwrap());
    let serving = shop.serve().await.unwrap();
    let (one, two) = (process(dir.path(), &serving), process(dir.path(), &serving));
    let orders: Vec<String> = shop.truth().into_iter().map(|truth| truth.order).take(16).collect();
    let arrival = |id: &String| {
        Arrival::new(OrderKey::new("acme".parse().unwrap(), id.parse().unwrap()), SystemClock.now(), "r", News::Changed)
    };
    let fetching = |puente: Puente, ids: Vec<String>| async move {
        for id in ids {
            flow::record::arrival(&puente, &arrival(&id)).await.unwrap();
        }
    };
    let since = Some("2026-01-01T00:00:00Z".parse().unwrap());
    let listing = async |puente: &Puente| {
        for _ in 0..3 {
            flow::tasks::backfill::backfill(puente, since, Timestamp::MAX).await.unwrap();
        }
    };
    // Both do everything at once.
    let (first, second) = orders.split_at(8);
    tokio::join!(
        fetching(one.clone(), first.to_vec()),
        fetching(two.clone(), second.to_vec()),
        listing(&one),
        listing(&two)
    );
    let busiest = serving.busiest(Duration::from_secs(1));
    assert!(busiest <= 4, "{busiest} of {} calls in a second", serving.calls());
    assert!(serving.calls() >= 8, "{}", serving.calls());
    // The shop asks one of them to be left alone: the other leaves it alone as well.
    let wait = sandbox::Answer::of(StatusCode::TOO_MANY_REQUESTS, serde_json::json!({})).with("retry-after", "30");
    serving.next(wait);
    let told = flow::tasks::backfill::backfill(&one, since, Timestamp::MAX).await.unwrap();
    assert!(told[0].stopped.as_ref().unwrap().contains("asks to call less"), "{told:?}");
    let calls = serving.calls();
    let told = flow::tasks::backfill::backfill(&two, since, Timestamp::MAX).await.unwrap();
    assert!(told[0].stopped.as_ref().unwrap().contains("it is blocked"), "{told:?}");
    assert_eq!(serving.calls(), calls);
    // Its time is over.
    let account: AccountId = "store/acme".parse().unwrap();
    one.accounts.unblock(&account, one.clock.now() + SignedDuration::from_secs(31)).await.unwrap();
    // What was put off comes back by itself.
    for _ in 0..600 {
        let batch = one.queue.receive(10, Duration::ZERO).await.unwrap();
        for delivery in batch {
            if let Ok(Message::Arrival(arrival)) = &delivery.message {
                flow::record::arrival(&two, arrival).await.unwrap();
            }
            one.queue.delete(&delivery.receipt).await.unwrap();
        }
        let mut left = 0;
        for id in &orders {
            let key = OrderKey::new("acme".parse().unwrap(), id.parse().unwrap());
            let head = one.records.head(&key).await.unwrap();
            left += usize::from(head.is_none_or(|head| head.state() == State::Fetching));
        }
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for id in &orders {
        let key = OrderKey::new("acme".parse().unwrap(), id.parse().unwrap());
        let head = one.records.head(&key).await.unwrap().unwrap();
        assert_ne!(head.state(), State::Fetching, "{id}");
    }
    assert!(serving.busiest(Duration::from_secs(1)) <= 4);
}
