//! Stock the whole way: from a real ERP to the sandbox's WooCommerce and Shopify over HTTP, while both sell from one warehouse.

use std::{path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{
        goods::{Place, Shelf, ShelfId},
        ids::{AccountId, ConnectionId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        order::Order,
    },
    embedded::Embedded,
    flow::{self, Puente},
    parties::Settings,
    ports::{Accounts as _, Goods as _},
    store::row,
};
use puente_sandbox::store::{Expect, Plan, Serving, Shop};

use crate::{
    flow::{Ahead, over},
    made::{line, order},
    real::Real,
    stock::{Depot, Stockroom},
    support::orders::{SECRET, SHOP},
};

/// The article that is sold.
const ARTICLE: &str = "ART-01";

/// Puente before an ERP, with two shops that sell from its warehouse.
pub struct Between {
    pub puente: Puente,
    pub data: Embedded,
    pub clock: Arc<Ahead>,
    pub woo: Serving,
    pub shopify: Serving,
    /// The ids of the orders that both shops have, where the ERP is to get them.
    pub orders: [Vec<OrderId>; 2],
    _dir: tempfile::TempDir,
}

/// The part of a connection with a shop of the sandbox.
fn connection(dir: &Path, kind: &str, plan: &Plan, serving: &Serving, terms: &str) -> String {
    let url = format!("http://{}", serving.addr());
    let section = row(kind).unwrap().kit.section(plan, &url, &mut |name, secret| {
        let file = dir.join(format!("{kind}-{name}"));
        std::fs::write(&file, secret).unwrap();
        format!("{{ file = {:?} }}", file.to_str().unwrap())
    });
    format!(
        "[connection.{kind}]\nerp = \"main\"\n{terms}\n\
         [connection.{kind}.store]\nkind = \"{kind}\"\n{section}\n"
    )
}

impl Between {
    /// `terms`: what both connections agree on. Each shop has so many orders.
    pub async fn new<R: Real>(erp: &R, more: &str, terms: &str, orders: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plan = |kind: &str| Plan::new(row(kind).unwrap().kit, SHOP, SECRET, 1, orders, Timestamp::UNIX_EPOCH);
        let (ours, theirs) = (plan("woocommerce"), plan("shopify"));
        let shops = [Shop::open(ours.clone()), Shop::open(theirs.clone())];
        let (woo, shopify) = (shops[0].serve().await.unwrap(), shops[1].serve().await.unwrap());
        let orders = shops.map(|shop| {
            let booked = shop.truth().into_iter().filter(|truth| matches!(truth.expect, Expect::InErp { .. }));
            booked.map(|truth| truth.order.parse().unwrap()).collect()
        });
        let section = erp.section_in(dir.path(), &format!("timeout = \"120s\"\n{more}"));
        let text = format!(
            "[erp.main]\nkind = \"{}\"\nlimits = {{ rate = \"100/s\", per_day = 300 }}\n{section}\n\n{}{}",
            R::KIND,
            connection(dir.path(), "woocommerce", &ours, &woo, terms),
            connection(dir.path(), "shopify", &theirs, &shopify, terms),
        );
        let data = Embedded::open(dir.path().join("data")).unwrap();
        let clock = Arc::<Ahead>::default();
        let settings = Arc::new(Settings::parse(&text, "puente.toml", Arc::new(data.clone())).unwrap());
        let puente = over(settings, &data, clock.clone());
        Self { puente, data, clock, woo, shopify, orders, _dir: dir }
    }

    /// The worker gets these.
    pub async fn work(&self, messages: impl IntoIterator<Item = Message>) {
        let messages = messages.into_iter().enumerate().map(|(n, message)| (n.to_string(), Ok(message))).collect();
        let deadline = self.puente.clock.now() + SignedDuration::from_mins(20);
        let failed = flow::work::work(&self.puente, messages, deadline).await;
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// The ERP's conductor works, then both stores'.
    pub async fn round(&self) {
        self.work([Message::Wake { erp: "main".parse().unwrap() }]).await;
        self.publish().await;
    }

    pub async fn publish(&self) {
        let both = ["woocommerce", "shopify"].map(|kind| Message::Publish { connection: kind.parse().unwrap() });
        self.work(both).await;
    }

    /// An order of a shop arrives.
    pub async fn arrives(&self, shop: &str, order: &Order) {
        let key = OrderKey::new(shop.parse().unwrap(), order.id.clone());
        let arrival =
            Arrival::new(key, self.puente.clock.now(), "test", News::State { order: Arc::new(order.clone()) });
        self.work([Message::Arrival(arrival)]).await;
    }

    /// What both stores have.
    fn numbers(&self) -> (Option<i64>, Option<i64>) {
        (self.woo.stock().of(ARTICLE), self.shopify.stock().of(ARTICLE))
    }

    async fn shelf(&self) -> Shelf {
        let place: Place = "*".parse().unwrap();
        let id = ShelfId { erp: "main".parse().unwrap(), place, sku: ARTICLE.parse().unwrap() };
        self.data.shelf(&id).await.unwrap()
    }

    async fn left(&self) -> String {
        self.shelf().await.left().unwrap().to_string()
    }

    /// Until the ERP is asked again.
    pub async fn ask_again(&self) {
        self.clock.pass(SignedDuration::from_hours(2));
        self.round().await;
    }
}

fn bought(units: u32) -> Order {
    let (quantity, total) = (units.to_string(), format!("{}.00", units * 10));
    let mut order = order("EUR", false, vec![line(ARTICLE, &quantity, &total, None)], vec![]);
    order.payment = puente::domain::order::Payment::Paid;
    order
}

/// Two shops that sell from one warehouse, of which an inventory found so many.
async fn sells_in_both<R: Real>(erp: &R, more: &str, count: impl AsyncFn(f64)) {
    count(10.0).await;
    let between = Between::new(erp, more, "goods = { stock = \"publish\" }", 0).await;
    between.woo.stock().set(ARTICLE, 3);
    between.shopify.stock().set(ARTICLE, 0);
    // The first round counts everything, and writes what differs.
    between.round().await;
    assert_eq!((between.left().await.as_str(), between.numbers()), ("10", (Some(10), Some(10))));
    let calls = between.data.ledger(&AccountId::Erp("main".parse().unwrap())).await.unwrap();
    println!("{}: the first count took {} calls", R::KIND, calls.used_other);
    let (woo, shopify) = (between.woo.calls(), between.shopify.calls());

    // WooCommerce sells two, and lowers its own number by itself: before the ERP knows, Shopify has two less.
    between.woo.stock().set(ARTICLE, 8);
    between.arrives("woocommerce", &bought(2)).await;
    between.publish().await;
    assert_eq!(between.numbers(), (Some(8), Some(8)));

    // Shopify sells one, and keeps it reserved: its number stays, and WooCommerce has one less.
    between.arrives("shopify", &bought(1)).await;
    between.publish().await;
    assert_eq!(between.numbers(), (Some(7), Some(8)));
    assert_eq!(between.left().await, "7");
    println!(
        "{}: two sales took {} calls to WooCommerce and {} to Shopify",
        R::KIND,
        between.woo.calls() - woo,
        between.shopify.calls() - shopify
    );

    // Both are booked and the ERP's own number is lower now: nothing is left to say, and nothing is subtracted twice.
    between.ask_again().await;
    let shelf = between.shelf().await;
    assert_eq!(shelf.level.as_ref().unwrap().quantity.to_string(), "7", "{shelf:?}");
    assert_eq!(shelf.left().unwrap().to_string(), "7", "{shelf:?}");
    assert_eq!(between.numbers(), (Some(7), Some(8)));
    let shopify: ConnectionId = "shopify".parse().unwrap();
    assert_eq!(shelf.reserved(&shopify).to_string(), "1", "the store still keeps it reserved");

    // An inventory finds more, and a person sets a number by hand, which is found when the store is written.
    count(30.0).await;
    between.shopify.stock().set(ARTICLE, 2);
    between.ask_again().await;
    between.clock.pass(SignedDuration::from_mins(1));
    between.publish().await;
    let left: i64 = between.left().await.parse().unwrap();
    assert_eq!(between.numbers(), (Some(left), Some(left + 1)), "{:?}", between.shelf().await);
    assert!(left > 20, "{left}");
    // Nothing is on its way, and nothing is due.
    for listing in between.shelf().await.listings.values() {
        assert_eq!((listing.due, listing.pending.as_ref()), (None, None), "{listing:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_to_woocommerce_and_shopify() {
    let Some(room) = Stockroom::open().await else { return };
    sells_in_both(&room.tryton, "state = \"processing\"\n", async |units| {
        room.count(room.storage, ARTICLE, units).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_to_woocommerce_and_shopify() {
    let Some(depot) = Depot::open().await else { return };
    sells_in_both(&depot.odoo, "", async |units| depot.count(depot.stock, ARTICLE, units).await).await;
}
