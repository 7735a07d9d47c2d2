//! What ERPs answer as sent, on a real Odoo 19.0: by what is delivered there, in how many calls.

use puente::{
    domain::{document::Document, shipment::Shipment},
    erp::{
        Erp,
        shipments::{Sent, ShipmentAsk, ShipmentPage},
    },
};
use serde_json::{Value, json};

use crate::stock::{Asking, Depot};

impl Asking {
    /// A page of what was sent since.
    pub async fn sent(&self, erp: &dyn Erp, since: Option<&str>) -> ShipmentPage {
        let ask = ShipmentAsk { since, page: None };
        let shipments = erp.shipments().expect("it can be asked");
        let page = shipments.page(&self.way.with(&self.ids), &ask).await.expect("it is answered");
        assert_eq!((&page.unread, &page.next), (&vec![], &None));
        page
    }

    /// Where changes begin, with nothing told yet.
    pub async fn start(&self, erp: &dyn Erp) -> String {
        let page = self.sent(erp, None).await;
        assert_eq!(page.rows, []);
        self.calls();
        page.mark.expect("a mark")
    }
}

/// The codes and quantities of a shipment.
fn items(shipment: &Shipment) -> Vec<(&str, String)> {
    shipment.items.iter().map(|(sku, quantity)| (sku.as_str(), quantity.to_string())).collect()
}

fn one(page: &ShipmentPage) -> &Sent {
    let [sent] = page.rows.as_slice() else { panic!("{page:?}") };
    sent
}

/// What is delivered in an Odoo beside the connector.
pub struct Dock(pub Depot);

impl Dock {
    /// An Odoo with a hundred of everything that is sold here.
    pub async fn open() -> Option<Self> {
        let depot = Depot::open().await?;
        for code in ["ART-01", "ART-02", "COFFEE"] {
            depot.count(depot.stock, code, 100.0).await;
        }
        Some(Self(depot))
    }

    /// The reference of a sale, and its open deliveries.
    async fn of(&self, sale: &Document) -> (String, Vec<Value>) {
        let id: i64 = sale.id.parse().unwrap();
        let found = self.0.odoo.search("sale.order", json!([["id", "=", id]]), json!(["client_order_ref"])).await;
        (found[0]["client_order_ref"].as_str().unwrap().to_owned(), self.open_of(id).await)
    }

    pub async fn open_of(&self, sale: i64) -> Vec<Value> {
        let open = json!([["sale_id", "=", sale], ["state", "not in", ["done", "cancel"]]]);
        self.0.odoo.search("stock.picking", open, json!(["name", "picking_type_code"])).await
    }

    pub async fn validate(&self, picking: &Value) {
        self.0.validate(&json!([picking["id"]])).await;
    }

    /// Sends so many of a delivery of one article, and leaves the rest to another delivery.
    async fn send_some(&self, picking: &Value, quantity: f64) {
        let of = json!([["picking_id", "=", picking["id"]]]);
        let moves = self.0.odoo.search("stock.move", of, json!(["product_id"])).await;
        let some = json!({"ids": [moves[0]["id"]], "vals": {"quantity": quantity, "picked": true}});
        self.0.odoo.call("stock.move", "write", some).await;
        let validate = json!({"ids": [picking["id"]], "context": {"skip_backorder": true}});
        assert_eq!(self.0.odoo.call("stock.picking", "button_validate", validate).await, true);
    }

    /// A person sells without us; the sale.
    async fn sell_by_hand(&self, code: &str) -> i64 {
        let product = self.0.product(code).await;
        let caller = json!({"vals_list": [{"name": "A caller"}]});
        let partner = self.0.odoo.call("res.partner", "create", caller).await;
        let sale = json!({"partner_id": partner[0], "client_order_ref": "acme/1", "origin": "by phone",
            "order_line": [[0, 0, {"product_id": product, "product_uom_qty": 1}]]});
        let made = self.0.odoo.call("sale.order", "create", json!({"vals_list": [sale]})).await;
        self.0.odoo.call("sale.order", "action_confirm", json!({"ids": made})).await;
        made[0].as_i64().unwrap()
    }

    /// All of a delivery comes back.
    async fn take_back(&self, picking: &str) {
        let id: i64 = picking.parse().unwrap();
        let context = json!({"active_id": id, "active_ids": [id], "active_model": "stock.picking"});
        let wizard = json!({"vals_list": [{"picking_id": id}], "context": context});
        let made = self.0.odoo.call("stock.return.picking", "create", wizard).await;
        let lines = json!([["wizard_id", "=", made[0]]]);
        for line in self.0.odoo.search("stock.return.picking.line", lines, json!(["move_quantity"])).await {
            let all = json!({"ids": [line["id"]], "vals": {"quantity": line["move_quantity"]}});
            self.0.odoo.call("stock.return.picking.line", "write", all).await;
        }
        self.0
            .odoo
            .call("stock.return.picking", "action_create_returns", json!({"ids": made, "context": context}))
            .await;
        let back = json!([["return_id", "=", id]]);
        let back = self.0.odoo.search("stock.picking", back, json!(["picking_type_code"])).await;
        assert_eq!(back[0]["picking_type_code"], "incoming");
        self.validate(&back[0]).await;
    }
}

/// Odoo's stamps are of whole seconds: what is written in that of the mark is told with its neighbours.
async fn next_second() {
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

async fn odoo_tells(protocol: &str) {
    let Some(dock) = Dock::open().await else { return };
    let erp = dock.0.connector(&format!("protocol = \"{protocol}\""));
    let asking = Asking::new();

    // Sold and sent before anybody asked: not told.
    let early = asking.sell(&*erp, "ART-01", 1).await;
    let (_, pickings) = dock.of(&early).await;
    dock.validate(&pickings[0]).await;
    let mark = asking.start(&*erp).await;
    assert_eq!(asking.sent(&*erp, Some(&mark)).await.rows, []);
    assert_eq!(asking.calls(), 1, "nothing new");
    next_second().await;

    // Confirmed is not sent.
    let sold = asking.sell(&*erp, "ART-01", 3).await;
    let (reference, pickings) = dock.of(&sold).await;
    asking.calls();
    assert_eq!((asking.sent(&*erp, Some(&mark)).await.rows, asking.calls()), (vec![], 1));
    // Some of it, and later the rest.
    dock.send_some(&pickings[0], 1.0).await;
    let first = asking.sent(&*erp, Some(&mark)).await;
    assert_eq!(asking.calls(), 4);
    let sent = first.rows.iter().find(|sent| sent.sale.as_str() == reference).expect("it is told");
    assert_eq!(sent.shipment.id.as_str(), pickings[0]["id"].to_string());
    assert_eq!(sent.shipment.number, pickings[0]["name"].as_str().unwrap());
    assert_eq!(items(&sent.shipment), [("ART-01", "1".to_owned())]);
    assert_eq!((&sent.shipment.carrier, sent.shipment.parcels.len()), (&None, 0), "there is no module of carriers");
    let mark = first.mark.unwrap();
    assert_eq!((asking.sent(&*erp, Some(&mark)).await.rows, asking.calls()), (vec![], 1));
    next_second().await;
    let (_, rest) = dock.of(&sold).await;
    assert_ne!(rest[0]["id"], pickings[0]["id"]);
    dock.validate(&rest[0]).await;
    let second = asking.sent(&*erp, Some(&mark)).await;
    assert_eq!(items(&one(&second).shipment), [("ART-01", "2".to_owned())]);
    assert_eq!(one(&second).sale.as_str(), reference);
    let mark = second.mark.clone().unwrap();
    next_second().await;

    // Somebody else's sale, though it has a reference like ours.
    let foreign = dock.sell_by_hand("ART-02").await;
    dock.validate(&dock.open_of(foreign).await[0]).await;
    asking.calls();
    assert_eq!((asking.sent(&*erp, Some(&mark)).await.rows, asking.calls()), (vec![], 1));
    // What comes back is not told, and what was sent stays sent.
    let before = asking.sent(&*erp, Some(&mark)).await.mark.unwrap();
    dock.take_back(&one(&second).shipment.id.to_string()).await;
    for sent in asking.sent(&*erp, Some(&before)).await.rows {
        assert!(first.rows.contains(&sent) || second.rows.contains(&sent), "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_tells_what_left_of_our_sales_over_json_2() {
    odoo_tells("json-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_tells_what_left_of_our_sales_over_json_rpc() {
    odoo_tells("json-rpc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_tells_the_last_of_several_steps_in_the_unit_that_an_article_is_kept_in() {
    let Some(dock) = Dock::open().await else { return };
    let odoo = &dock.0.odoo;
    let erp = dock.0.connector("protocol = \"json-2\"\nstate = \"draft\"");
    let asking = Asking::new();
    let mark = asking.start(&*erp).await;
    // Picked first, and sold by the dozen.
    let warehouse = odoo.search("stock.warehouse", json!([]), json!(["name"])).await[0]["id"].clone();
    let steps = json!({"ids": [warehouse], "vals": {"delivery_steps": "pick_ship"}});
    odoo.call("stock.warehouse", "write", steps).await;
    let keep = json!({"vals_list": [{"key": "stock.propagate_uom", "value": "1"}]});
    odoo.call("ir.config_parameter", "create", keep).await;
    let sold = asking.sell(&*erp, "ART-01", 2).await;
    let id: i64 = sold.id.parse().unwrap();
    let unit = odoo.search("ir.model.data", json!([["name", "=", "product_uom_dozen"]]), json!(["res_id"])).await;
    let lines = odoo.search("sale.order.line", json!([["order_id", "=", id]]), json!(["name"])).await;
    let dozens = json!({"ids": [lines[0]["id"]], "vals": {"product_uom_id": unit[0]["res_id"]}});
    odoo.call("sale.order.line", "write", dozens).await;
    odoo.call("sale.order", "action_confirm", json!({"ids": [id]})).await;

    let (_, picks) = dock.of(&sold).await;
    assert_eq!((picks.len(), &picks[0]["picking_type_code"]), (1, &json!("internal")));
    dock.validate(&picks[0]).await;
    assert_eq!(asking.sent(&*erp, Some(&mark)).await.rows, [], "it is still in the house");
    let (_, ships) = dock.of(&sold).await;
    assert_eq!((ships.len(), &ships[0]["picking_type_code"]), (1, &json!("outgoing")));
    dock.validate(&ships[0]).await;
    let moves = json!([["picking_id", "=", ships[0]["id"]]]);
    let moves = odoo.search("stock.move", moves, json!(["quantity", "product_uom"])).await;
    assert_eq!((&moves[0]["quantity"], &moves[0]["product_uom"][0]), (&json!(2.0), &unit[0]["res_id"]));
    let page = asking.sent(&*erp, Some(&mark)).await;
    assert_eq!(items(&one(&page).shipment), [("ART-01", "24".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracking_number_that_is_typed_into_odoo_afterwards_is_told() {
    let Some(dock) = Dock::open().await else { return };
    let odoo = &dock.0.odoo;
    let erp = dock.0.connector("protocol = \"json-2\"");
    let asking = Asking::new();
    asking.start(&*erp).await;
    let module = odoo.search("ir.module.module", json!([["name", "=", "stock_delivery"]]), json!(["name"])).await;
    odoo.call("ir.module.module", "button_immediate_install", json!({"ids": [module[0]["id"]]})).await;
    let product = dock.0.product("SHIPPING").await;
    let carrier = json!({"name": "Correos", "product_id": product, "delivery_type": "fixed",
        "tracking_url": "https://carrier.example/<shipmenttrackingnumber>"});
    let carrier = odoo.call("delivery.carrier", "create", json!({"vals_list": [carrier]})).await;

    // The module is known from the start on.
    let mark = asking.start(&*erp).await;
    let sold = asking.sell(&*erp, "COFFEE", 2).await;
    let (reference, pickings) = dock.of(&sold).await;
    dock.validate(&pickings[0]).await;
    asking.calls();
    let page = asking.sent(&*erp, Some(&mark)).await;
    assert_eq!(asking.calls(), 4);
    assert_eq!(
        (one(&page).sale.as_str(), items(&one(&page).shipment)),
        (&*reference, vec![("COFFEE", "2".to_owned())])
    );
    assert_eq!((&one(&page).shipment.carrier, one(&page).shipment.parcels.len()), (&None, 0));

    let mut mark = page.mark.unwrap();
    for (numbers, told) in [("T1", vec!["T1"]), ("T1, T2", vec!["T1", "T2"])] {
        let typed = json!({"carrier_id": carrier[0], "carrier_tracking_ref": numbers});
        odoo.call("stock.picking", "write", json!({"ids": [pickings[0]["id"]], "vals": typed})).await;
        let page = asking.sent(&*erp, Some(&mark)).await;
        assert_eq!(asking.calls(), 5, "with a link");
        assert_eq!(one(&page).shipment.carrier.as_deref(), Some("Correos"));
        let parcels: Vec<_> =
            one(&page).shipment.parcels.iter().map(|parcel| (&*parcel.number, parcel.url.as_deref())).collect();
        let urls: Vec<String> = told.iter().map(|number| format!("https://carrier.example/{number}")).collect();
        assert_eq!(parcels, told.iter().copied().zip(urls.iter().map(|url| Some(url.as_str()))).collect::<Vec<_>>());
        mark = page.mark.unwrap();
        assert_eq!((asking.sent(&*erp, Some(&mark)).await.rows, asking.calls()), (vec![], 1));
    }
}
