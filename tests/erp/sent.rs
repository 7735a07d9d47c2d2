//! Shipments the whole way: from a real ERP to the sandbox's WooCommerce and Shopify over HTTP, each told once.

use jiff::SignedDuration;
use puente::{
    domain::{
        ids::{ConnectionId, OrderKey},
        order::{Order, Payment},
        shipment::Dispatch,
    },
    flow::ask::{Ask, Errand},
    ports::{Records as _, Shipments},
};
use puente_sandbox::store::{Serving, Told};
use serde_json::json;

use crate::{goods::Between, odoo_shipments::Dock, real::Real, stock::Stockroom};

/// The sandbox's articles, by what both ERPs call them.
pub const NAMES: &str = r#"sku = { "MATE-01" = "ART-01", "BOMB-02" = "ART-02", "YERBA-1K" = "ART-03", "TERMO-1L" = "ART-04", "PONCHO-M" = "ART-05", "ALF-12" = "ART-06", "DDL-400" = "ART-07", "CINTO-95" = "ART-08" }"#;

/// What an ERP has of a sale, and how people there send it.
trait Warehouse: Sync {
    /// There is enough of everything.
    async fn fill(&self);
    /// All of a sale leaves, and somebody types that number where the ERP has a field for it.
    async fn send(&self, sale: i64, tracking: &str);
    /// The tracking number, if the ERP has a field for it.
    fn follows(&self) -> bool;
}

impl Warehouse for Stockroom {
    async fn fill(&self) {
        for n in 1..=8 {
            self.count(self.storage, &format!("ART-{n:02}"), 500.0).await;
        }
    }

    async fn send(&self, sale: i64, tracking: &str) {
        for shipment in self.shipments(sale).await {
            self.press(shipment, &["assign_try", "pick", "pack", "ship"]).await;
            self.write("stock.shipment.out", &[shipment], json!({ "reference": tracking })).await;
        }
    }

    fn follows(&self) -> bool {
        true
    }
}

impl Warehouse for Dock {
    async fn fill(&self) {
        for n in 1..=8 {
            self.0.count(self.0.stock, &format!("ART-{n:02}"), 500.0).await;
        }
    }

    async fn send(&self, sale: i64, _tracking: &str) {
        for picking in self.open_of(sale).await {
            self.validate(&picking).await;
        }
    }

    fn follows(&self) -> bool {
        false
    }
}

impl Between {
    /// The first ordinary order of a shop, as the shop has it.
    async fn order(&self, kind: &str) -> Order {
        let connection = self.puente.settings.connection(&kind.parse().unwrap()).await.unwrap().unwrap();
        let ask = Ask::new(&self.puente, &connection, Errand::Order);
        let ids = if kind == "shopify" { &self.orders[1] } else { &self.orders[0] };
        for id in ids {
            let order = connection.store.fetch(&ask.calls(), id).await.unwrap().unwrap();
            let plain = order.payment == Payment::Paid && order.refunds.is_empty() && order.stock.is_empty();
            if plain && order.lines.iter().all(|line| !line.gift_card && line.sku.is_some()) {
                return order;
            }
        }
        panic!("{kind} has no ordinary order");
    }

    async fn sale(&self, kind: &str, order: &Order) -> i64 {
        let key = OrderKey::new(kind.parse().unwrap(), order.id.clone());
        let head = self.data.head(&key).await.unwrap().expect("it is on record");
        head.sale().unwrap_or_else(|| panic!("{key}: {:?}", head.reason)).document.id.parse().unwrap()
    }

    async fn dispatches(&self, kind: &str) -> Vec<Dispatch> {
        let connection: ConnectionId = kind.parse().unwrap();
        Shipments::list(&self.data, &connection, None, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|(_, dispatch)| dispatch)
            .collect()
    }

    fn shop(&self, kind: &str) -> &Serving {
        if kind == "shopify" { &self.shopify } else { &self.woo }
    }

    fn told(&self, kind: &str, order: &Order) -> Vec<Told> {
        self.shop(kind).sent().of(order.id.as_str())
    }
}

async fn sends_to_both<R: Real>(erp: &R, more: &str, warehouse: &impl Warehouse) {
    warehouse.fill().await;
    let terms = format!("orders = {{ {NAMES} }}\ngoods = {{ shipments = \"publish\" }}");
    let between = Between::new(erp, more, &terms, 12).await;
    // Where changes begin is asked before anything leaves.
    between.round().await;
    let kinds = ["woocommerce", "shopify"];
    let mut orders = Vec::new();
    for kind in kinds {
        let order = between.order(kind).await;
        between.arrives(kind, &order).await;
        orders.push(order);
    }
    let calls = kinds.map(|kind| between.shop(kind).calls());
    for (kind, order) in kinds.iter().zip(&orders) {
        warehouse.send(between.sale(kind, order).await, &format!("TR-{kind}")).await;
    }
    between.ask_again().await;
    for (kind, order) in kinds.iter().zip(&orders) {
        let dispatches = between.dispatches(kind).await;
        assert!(dispatches.iter().all(Dispatch::is_told), "{kind}: {dispatches:?}");
        assert_eq!(dispatches.len(), 1, "{kind}: {dispatches:?}");
        let [told] = &between.told(kind, order)[..] else { panic!("{kind}: {:?}", between.told(kind, order)) };
        assert!(told.notified, "the buyer hears of it");
        if *kind == "shopify" {
            let sold = order.lines.iter().map(|line| (line.id.clone(), line.quantity.to_string().parse().unwrap()));
            assert_eq!(told.lines, sold.collect(), "all of it");
        }
        let tracking = format!("TR-{kind}");
        assert_eq!(
            told.tracking.contains(&tracking) || told.words.contains(&tracking),
            warehouse.follows(),
            "{told:?}"
        );
    }
    for (kind, before) in kinds.iter().zip(calls) {
        println!("{}: a shipment took {} calls to {kind}", R::KIND, between.shop(kind).calls() - before);
    }
    // The same asked again, and a look at everything again: nobody is told twice.
    between.ask_again().await;
    for (kind, order) in kinds.iter().zip(&orders) {
        let key = OrderKey::new(kind.parse().unwrap(), order.id.clone());
        let id = between.dispatches(kind).await[0].shipment.id.clone();
        assert!(puente::flow::goods::shipments::again(&between.puente, &key, &id, "ana", "test").await.unwrap());
    }
    between.clock.pass(SignedDuration::from_mins(5));
    between.publish().await;
    for (kind, order) in kinds.iter().zip(&orders) {
        assert_eq!(between.told(kind, order).len(), 1, "{kind} was told twice");
        assert!(between.dispatches(kind).await.iter().all(|one| one.is_told() && one.due.is_none()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_left_in_tryton_is_told_to_woocommerce_and_shopify() {
    let Some(room) = Stockroom::open().await else { return };
    sends_to_both(&room.tryton, "state = \"processing\"\n", &room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_left_in_odoo_is_told_to_woocommerce_and_shopify() {
    let Some(dock) = Dock::open().await else { return };
    sends_to_both(&dock.0.odoo, "", &dock).await;
}
