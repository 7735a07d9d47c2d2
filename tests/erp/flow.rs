//! The whole path into a real Tryton: signed webhooks in, sales out, to the cent.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{
        ids::{AccountId, ConnectionId, ErpId, OrderId, OrderKey},
        ledger::Ledger,
        message::{Arrival, News},
        order::Order,
        reason::{Reason, Why},
        record::{Head, State},
    },
    embedded::Embedded,
    flow::{self, Puente, signs::Signs, tell::Tell},
    outbound::{Call, Client},
    parties::Settings,
    ports::{Accounts as _, Clock, Records, SystemChance, SystemClock},
    store::{STORES, Store},
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use rust_decimal::Decimal;
use serde_json::json;

use crate::{
    real::Real,
    support::{
        binary::Serve,
        orders::{Item, Made},
        tryton::Tryton,
    },
};

/// A hundred sales in one call keep a Tryton busy for tens of seconds: two of these at once, beside the other tests, is how its
/// time-outs are reached on a small machine.
pub static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Five articles of twenty, a discount, 21 % on one line; every order another total.
fn made(id: u64) -> Made {
    let mut order = Made::new(id);
    order.currency = "EUR";
    let mut first = Item::new(&format!("ART-{:02}", id % 20 + 1), 3, 1990 + i64::try_from(id % 83).unwrap());
    first.discount = Decimal::new(597, 2);
    let net = first.price * Decimal::from(first.quantity) - first.discount;
    first.tax =
        (net * Decimal::new(21, 2)).round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    order.items = vec![first, Item::new("ART-20", 1, 999)];
    order
}

pub fn configure<R: Real>(dir: &Path, erp: &R, more: &str, shop: &Shop) {
    std::fs::write(dir.join("secret"), shop.secret).unwrap();
    let file = |name: &str| format!("{{ file = {:?} }}", dir.join(name).to_str().unwrap());
    // What these tests count is calls and sales, not seconds: a busy machine must not add a time-out.
    let section = erp.section_in(dir, &format!("timeout = \"120s\"\n{more}"));
    let text = format!(
        "[erp.main]\nkind = \"{}\"\nlimits = {{ rate = \"100/s\", per_day = 100000 }}\n{section}\n\n\
         [connection.acme]\nerp = \"main\"\nlimits = {{ rate = \"10000/s\", per_day = 1000000 }}\n\
         [connection.acme.store]\nkind = \"{}\"\n{}webhook_secrets = [{}]\n",
        R::KIND,
        shop.kind,
        shop.section,
        file("secret")
    );
    std::fs::write(dir.join("puente.toml"), text).unwrap();
}

/// Where orders come from.
pub struct Shop {
    kind: &'static str,
    section: &'static str,
    secret: &'static str,
}

const SHOPIFY: Shop =
    Shop { kind: "shopify", section: "shop = \"acme.myshopify.com\"\n", secret: "the-shop-signs-with-this" };

/// Somebody's own system, whose orders a test can write field by field.
pub const OWN: Shop = Shop { kind: "canonical", section: "", secret: "whsec_bGl2ZXMtb2Ytb3JkZXJzLWluLXRyeXRvbg==" };

impl Shop {
    pub fn store(&self) -> Box<dyn Store> {
        let row = STORES.iter().find(|row| row.kind == self.kind).unwrap();
        let section = format!("{}webhook_secrets = [{{ literal = \"{}\" }}]\n", self.section, self.secret);
        (row.build)(&puente::config::Section::from_toml(&section).unwrap()).unwrap()
    }
}

/// The system's clock, so many seconds ahead: nobody waits for what has to settle.
#[derive(Default)]
pub struct Ahead(AtomicI64);

impl Ahead {
    /// So much time passes.
    pub fn pass(&self, time: SignedDuration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, when: Timestamp) {
        SystemClock.sleep_until(when - SignedDuration::from_secs(self.0.load(Ordering::SeqCst))).await;
    }
}

/// Puente in this process, with its records in a directory of its own.
pub struct Inside {
    pub data: Embedded,
    puente: Puente,
    clock: Arc<Ahead>,
    store: Box<dyn Store>,
    dir: tempfile::TempDir,
}

fn settings(dir: &Path, data: &Embedded) -> Arc<Settings> {
    let text = std::fs::read_to_string(dir.join("puente.toml")).unwrap();
    Arc::new(Settings::parse(&text, "puente.toml", Arc::new(data.clone())).unwrap())
}

/// Puente as on one machine, at the time of `clock`.
pub fn over(settings: Arc<Settings>, data: &Embedded, clock: Arc<Ahead>) -> Puente {
    let adapter = Arc::new(data.clone());
    Puente {
        settings,
        records: adapter.clone(),
        known: adapter.clone(),
        cursors: adapter.clone(),
        doors: adapter.clone(),
        goods: adapter.clone(),
        prices: adapter.clone(),
        shipments: adapter.clone(),
        accounts: adapter.clone(),
        signs: Signs::new(adapter.clone()),
        tokens: adapter.clone(),
        queue: adapter,
        clock,
        chance: Arc::new(SystemChance),
        client: Client::new().unwrap(),
        tell: Tell::default(),
    }
}

impl Inside {
    /// Before `erp`, with `more` in its section.
    pub fn new<R: Real>(erp: &R, more: &str) -> Self {
        Self::of(erp, more, &SHOPIFY)
    }

    /// The same with the orders of another kind of shop.
    pub fn of<R: Real>(erp: &R, more: &str, shop: &Shop) -> Self {
        let dir = tempfile::tempdir().unwrap();
        configure(dir.path(), erp, more, shop);
        let data = Embedded::open(dir.path().join("data")).unwrap();
        let clock = Arc::<Ahead>::default();
        let puente = over(settings(dir.path(), &data), &data, clock.clone());
        Self { data, puente, clock, store: shop.store(), dir }
    }

    /// The same shop, begun again with another configuration.
    pub fn configure<R: Real>(&mut self, erp: &R, more: &str) {
        configure(self.dir.path(), erp, more, &OWN);
        self.puente.settings = settings(self.dir.path(), &self.data);
    }

    /// So much time passes.
    pub fn later(&self, by: SignedDuration) {
        self.clock.pass(by);
    }

    /// A webhook of the shop, read and recorded.
    pub async fn arrive(&self, body: &str) {
        let webhook = crate::support::orders::verified(&*self.store, body, SystemClock.now());
        let order = match self.store.read(&webhook) {
            puente::store::Reading::Order(order) => *order,
            other => panic!("{other:?}"),
        };
        self.hears(order.id.clone(), News::State { order: Arc::new(order) }).await;
    }

    /// These arrive, and everything that is due goes to the ERP together.
    pub async fn take<'o>(&self, orders: impl IntoIterator<Item = &'o Order>) {
        for order in orders {
            self.arrive(&serde_json::to_string(order).unwrap()).await;
        }
        self.depart().await;
    }

    pub async fn head(&self, order: &Order) -> Head {
        let key = OrderKey::new("acme".parse().unwrap(), order.id.clone());
        self.data.head(&key).await.unwrap().unwrap()
    }

    /// Nothing is left to do for it.
    pub async fn is_synced(&self, order: &Order) {
        let head = self.head(order).await;
        let reason = head.reason.as_ref().map(Reason::words);
        assert_eq!((head.state(), head.due), (State::Synced, None), "{}: {reason:?}", order.id);
    }

    /// It waits for a person: why.
    pub async fn parked(&self, order: &Order) -> Why {
        let head = self.head(order).await;
        assert_eq!((head.state(), head.due), (State::Parked, None), "{}: {:?}", order.id, head.reason);
        match head.parked.unwrap().reason {
            Reason::Known(why) => why,
            Reason::Text(words) => panic!("it has no code: {words}"),
        }
    }

    /// The books about the ERP's account.
    pub async fn ledger(&self) -> Ledger {
        self.data.ledger(&AccountId::Erp("main".parse().unwrap())).await.unwrap()
    }

    /// A person has it replayed.
    pub async fn replay(&self, order: &OrderId) {
        self.hears(order.clone(), News::Replay).await;
    }

    async fn hears(&self, order: OrderId, news: News) {
        let now = if matches!(news, News::Replay) { self.clock.now() } else { Timestamp::UNIX_EPOCH };
        let arrival = Arrival::new(OrderKey::new("acme".parse().unwrap(), order), now, "test", news);
        flow::record::arrival(&self.puente, &arrival).await.unwrap();
    }

    /// Everything that is due goes to the ERP.
    pub async fn depart(&self) -> flow::depart::Departure {
        let deadline = self.puente.clock.now() + SignedDuration::from_mins(20);
        let erp: ErpId = "main".parse().unwrap();
        let departure = flow::depart::conduct(&self.puente, &erp, Vec::new(), deadline).await.unwrap();
        assert!(departure.conducted);
        departure
    }
}

async fn counts(data: &Embedded) -> Vec<(State, u64)> {
    let id: ConnectionId = "acme".parse().unwrap();
    let mut counts: Vec<_> = data.counts(&id).await.unwrap().into_iter().collect();
    counts.sort_by_key(|(state, _)| *state as u8);
    counts
}

/// Every sale of these orders, once, with the store's total, confirmed.
async fn assert_in_tryton(tryton: &Tryton, orders: &[Made]) {
    let sales = tryton
        .search("sale.sale", json!([["web_id", "like", "acme/%"]]), json!(["web_id", "total_amount", "state"]))
        .await;
    for order in orders {
        let web_id = format!("acme/{}", order.id);
        let of: Vec<_> = sales.iter().filter(|sale| sale["web_id"] == web_id.as_str()).collect();
        assert_eq!(of.len(), 1, "{web_id}");
        let total: Decimal = of[0]["total_amount"]["decimal"].as_str().unwrap().parse().unwrap();
        assert_eq!(total, order.total(), "{web_id}");
        assert_ne!(of[0]["state"], "draft", "{web_id}");
    }
    assert_eq!(sales.len(), orders.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_orders_posted_three_times_out_of_order_are_a_hundred_sales() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(tryton) = Tryton::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), &tryton, "", &SHOPIFY);
    let serve = Serve::start(dir.path(), &[]);
    let store: Arc<dyn Store> = SHOPIFY.store().into();
    let orders: Vec<Made> = (1..=100).map(|n| made(820_982_911_946_150_000 + n)).collect();
    let mut bodies = Vec::new();
    for order in &orders {
        let (mut pending, mut again) = (order.clone(), order.clone());
        pending.paid = false;
        pending.updated = order.updated - SignedDuration::from_secs(60);
        again.updated = order.updated + SignedDuration::from_secs(60);
        bodies.extend([pending.body("shopify"), order.body("shopify"), again.body("shopify")]);
    }
    bodies.shuffle(&mut StdRng::seed_from_u64(7));
    let url = format!("{}/v1/connections/acme/webhook", serve.url);
    let mut clients = Vec::new();
    for share in bodies.chunks(bodies.len().div_ceil(8)) {
        let (share, url, store) = (share.to_vec(), url.clone(), store.clone());
        clients.push(tokio::spawn(async move {
            let client = Client::new().unwrap();
            for body in share {
                let headers = store.sign(body.as_bytes(), SystemClock.now());
                let call = Call {
                    method: Method::POST,
                    url: url.parse().unwrap(),
                    headers,
                    body: body.into(),
                    timeout: Duration::from_secs(10),
                };
                assert_eq!(client.send(call).await.unwrap().status, 200);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let data = Embedded::open(dir.path().join("data")).unwrap();
    // Longer than a call of unknown outcome takes to be looked up.
    for tries in 0.. {
        let counts = counts(&data).await;
        if counts == [(State::Synced, 100)] {
            break;
        }
        assert!(tries < 3600, "never settles: {counts:?}\n{}", tryton.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_in_tryton(&tryton, &orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_orders_due_together_cost_few_calls() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(tryton) = Tryton::start() else { return };
    let inside = Inside::new(&tryton, "");
    let mut all = Vec::new();
    let mut spent = Vec::new();
    // The first hundred fills the cache of products; the second finds it filled, with a hundred new customers again.
    for hundred in 0..2_u64 {
        let orders: Vec<Made> = (1..=100).map(|n| made(5_000_000 + hundred * 1000 + n)).collect();
        for order in &orders {
            inside.arrive(&order.body("shopify")).await;
        }
        let departure = inside.depart().await;
        spent.push(departure.calls);
        all.extend(orders);
    }
    assert_eq!(counts(&inside.data).await, [(State::Synced, 200)]);
    assert_in_tryton(&tryton, &all).await;
    eprintln!(
        "ERP calls for 100 orders due together: {} with an empty cache, {} with products cached: {:.2} per order",
        spent[0],
        spent[1],
        f64::from(spent[1]) / 100.0
    );
    assert!(spent[1] <= 15, "{spent:?}");
}
