//! What ERPs say that was sent, on a real Tryton 8.0: by what people pick, pack and ship there, and in how many calls.

use puente::{
    domain::{document::Operation, shipment::Parcel},
    erp::{
        Erp, SendError,
        shipments::{Sent, ShipmentAsk, ShipmentPage},
    },
};
use serde_json::{Value, json};

use crate::{
    made::{line, order, sale},
    stock::{Asking, Stockroom},
};

async fn ask(asking: &Asking, erp: &dyn Erp, since: Option<&str>) -> Result<ShipmentPage, SendError> {
    erp.shipments().expect("it can be asked").page(&asking.way(), &ShipmentAsk { since, page: None }).await
}

/// What was sent or changed since, all of which can be read; `mark` moves on.
async fn news(asking: &Asking, erp: &dyn Erp, mark: &mut String) -> Vec<Sent> {
    let page = ask(asking, erp, Some(mark)).await.expect("it is answered");
    assert_eq!((page.unread.len(), page.next), (0, None));
    *mark = page.mark.expect("a mark");
    page.rows
}

/// The mark from which on changes are told.
async fn begin(asking: &Asking, erp: &dyn Erp) -> String {
    let first = ask(asking, erp, None).await.expect("it is answered");
    assert_eq!(first.rows, []);
    first.mark.expect("a mark")
}

/// A sale of ours: its reference, and the ERP's id.
async fn sell(asking: &Asking, erp: &dyn Erp, lines: &[(&str, &str, &str)]) -> (String, i64) {
    let lines = lines.iter().map(|(code, quantity, total)| line(code, quantity, total, None)).collect();
    let job = sale(order("EUR", false, lines, vec![]));
    let calls = asking.way();
    let draft = erp.prepare(&calls, Operation::Create, std::slice::from_ref(&job), false).await.remove(0).unwrap();
    let document = erp.send(&calls, Operation::Create, &[draft]).await.remove(0).unwrap();
    (job.step.reference.to_string(), document.id.parse().unwrap())
}

/// A row: whose, what is in it, and how it can be followed.
fn row(sent: &Sent) -> (String, String, Vec<Parcel>) {
    let items = sent.shipment.items.iter().map(|(sku, quantity)| format!("{quantity} {sku}")).collect::<Vec<_>>();
    (sent.sale.to_string(), items.join(", "), sent.shipment.parcels.clone())
}

fn rows(sent: &[Sent]) -> Vec<(String, String)> {
    sent.iter().map(row).map(|(sale, items, _)| (sale, items)).collect()
}

/// Those of one sale.
fn of(sent: Vec<Sent>, reference: &str) -> Vec<Sent> {
    sent.into_iter().filter(|sent| sent.sale.as_str() == reference).collect()
}

fn parcel(number: &str) -> Parcel {
    Parcel { number: number.to_owned(), url: None }
}

impl Stockroom {
    /// The shipments of a sale.
    pub async fn shipments(&self, sale: i64) -> Vec<i64> {
        let found = self.tryton.search("sale.sale", json!([["id", "=", sale]]), json!(["shipments"])).await;
        serde_json::from_value(found[0]["shipments"].clone()).unwrap()
    }

    pub async fn press(&self, shipment: i64, buttons: &[&str]) {
        for button in buttons {
            self.tryton.rpc(&format!("model.stock.shipment.out.{button}"), json!([[shipment]])).await;
        }
    }

    pub async fn write(&self, model: &str, ids: &[i64], values: Value) {
        self.tryton.rpc(&format!("model.{model}.write"), json!([ids, values])).await;
    }

    async fn moves(&self, shipment: i64, which: &str) -> Vec<i64> {
        let found = self.tryton.search("stock.shipment.out", json!([["id", "=", shipment]]), json!([which])).await;
        serde_json::from_value(found[0][which].clone()).unwrap()
    }

    async fn create(&self, model: &str, values: Value) -> i64 {
        let made = self.tryton.rpc(&format!("model.{model}.create"), json!([[values]])).await;
        made[0].as_i64().unwrap()
    }

    /// A processed sale that is none of ours.
    async fn foreign_sale(&self, like: i64) -> i64 {
        let copy = self.tryton.rpc("model.sale.sale.copy", json!([[like], {"web_shop": null, "web_id": null}])).await;
        for button in ["quote", "confirm", "process"] {
            self.tryton.rpc(&format!("model.sale.sale.{button}"), json!([copy])).await;
        }
        copy[0].as_i64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_tells_what_left_of_our_sales_and_nothing_else() {
    let Some(room) = Stockroom::open().await else { return };
    room.count(room.storage, "ART-01", 50.0).await;
    room.count(room.storage, "COFFEE", 50.0).await;
    let erp = room.tryton.connector("state = \"processing\"");
    let asking = Asking::new();
    // What left before the beginning is not told.
    let (_, before) = sell(&asking, &*erp, &[("ART-01", "1", "10.00")]).await;
    room.press(room.shipments(before).await[0], &["assign_try", "pick", "pack", "do"]).await;
    asking.calls();
    let mut mark = begin(&asking, &*erp).await;
    assert_eq!(asking.calls(), 3);

    let (reference, id) = sell(&asking, &*erp, &[("ART-01", "3", "30.00"), ("COFFEE", "0.3", "3.00")]).await;
    let shipment = room.shipments(id).await[0];
    asking.calls();
    for button in ["assign_try", "pick", "pack"] {
        room.press(shipment, &[button]).await;
        assert_eq!(news(&asking, &*erp, &mut mark).await, [], "{button}");
        assert_eq!(asking.calls(), 1, "nothing new");
    }
    // On its way: the customer does not have it, and it has left.
    room.press(shipment, &["ship"]).await;
    let sent = news(&asking, &*erp, &mut mark).await;
    assert_eq!(rows(&sent), [(reference.clone(), "3 ART-01, 0.3 COFFEE".to_owned())]);
    let is = &sent[0].shipment;
    assert_eq!((is.id.to_string(), &is.carrier, is.parcels.as_slice()), (shipment.to_string(), &None, [].as_slice()));
    let found = room.tryton.search("stock.shipment.out", json!([["id", "=", shipment]]), json!(["number"])).await;
    assert_eq!(found[0]["number"], is.number.as_str());
    assert_eq!(asking.calls(), 3, "which fields there are is asked with the first change of a day");
    assert_eq!(news(&asking, &*erp, &mut mark).await, []);
    assert_eq!(asking.calls(), 1);
    room.press(shipment, &["do"]).await;
    // Its neighbours of five minutes may be told again with it.
    assert_eq!(of(news(&asking, &*erp, &mut mark).await, &reference), sent, "it is as it was");
    assert_eq!(asking.calls(), 2);
    // A tracking number that is typed later, where Tryton has no field for it.
    room.write("stock.shipment.out", &[shipment], json!({"reference": "TR-1"})).await;
    assert_eq!(of(news(&asking, &*erp, &mut mark).await, &reference)[0].shipment.parcels, [parcel("TR-1")]);

    // In two parts.
    let (reference, id) = sell(&asking, &*erp, &[("ART-01", "5", "50.00")]).await;
    let first = room.shipments(id).await[0];
    let picked = room.moves(first, "inventory_moves").await;
    room.write("stock.move", &picked, json!({"quantity": 2.0})).await;
    room.press(first, &["assign_try", "pick", "pack", "do"]).await;
    assert_eq!(rows(&news(&asking, &*erp, &mut mark).await), [(reference.clone(), "2 ART-01".to_owned())]);
    let second = room.shipments(id).await.into_iter().find(|shipment| *shipment != first).expect("what is left");
    room.press(second, &["assign_try", "pick", "pack", "do"]).await;
    let mut rest = of(news(&asking, &*erp, &mut mark).await, &reference);
    rest.retain(|sent| sent.shipment.id.to_string() == second.to_string());
    assert_eq!(rows(&rest), [(reference, "3 ART-01".to_owned())]);

    // A sale of somebody else's.
    let foreign = room.foreign_sale(id).await;
    room.press(room.shipments(foreign).await[0], &["assign_try", "pick", "pack", "do"]).await;
    assert_eq!(news(&asking, &*erp, &mut mark).await, []);
    asking.calls();
    assert_eq!(news(&asking, &*erp, &mut mark).await, []);
    assert_eq!(asking.calls(), 1, "it was looked at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_tells_a_shipment_of_two_sales_once_for_each() {
    let Some(room) = Stockroom::open().await else { return };
    room.count(room.storage, "ART-02", 50.0).await;
    room.count(room.storage, "ART-03", 50.0).await;
    let erp = room.tryton.connector("state = \"processing\"");
    let asking = Asking::new();
    let mut mark = begin(&asking, &*erp).await;
    let (one, first) = sell(&asking, &*erp, &[("ART-02", "1", "10.00")]).await;
    let (other, second) = sell(&asking, &*erp, &[("ART-02", "2", "20.00"), ("ART-03", "1", "10.00")]).await;
    let (first, second) = (room.shipments(first).await[0], room.shipments(second).await[0]);
    // A person puts both into one.
    for shipment in [first, second] {
        room.press(shipment, &["draft"]).await;
    }
    let moves = room.moves(second, "outgoing_moves").await;
    room.write("stock.move", &moves, json!({"shipment": format!("stock.shipment.out,{first}")})).await;
    room.press(first, &["wait", "assign_try", "pick", "pack", "do"]).await;
    let sent = news(&asking, &*erp, &mut mark).await;
    let mut expected = vec![(one, "1 ART-02".to_owned()), (other, "2 ART-02, 1 ART-03".to_owned())];
    expected.sort();
    assert_eq!(rows(&sent), expected);
    assert!(sent.iter().all(|sent| sent.shipment.id.to_string() == first.to_string()), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_tells_carriers_and_tracking_numbers_of_packages() {
    let Some(room) = Stockroom::with(&["stock_package_shipping"]).await else { return };
    room.count(room.storage, "ART-01", 50.0).await;
    let erp = room.tryton.connector("state = \"processing\"");
    let asking = Asking::new();
    let party = room.create("party.party", json!({"name": "Invented Post"})).await;
    let service = room.product("SHIPPING").await;
    let carrier = room.create("carrier", json!({"party": party, "carrier_product": service})).await;
    let boxes = room.create("stock.package.type", json!({"name": "Box"})).await;
    // Packages are the warehouse's: the user needs that right, and is told so.
    match ask(&asking, &*erp, None).await {
        Err(SendError::Refused(error)) => {
            let text = error.to_string();
            assert!(text.contains("Stock Package") && text.contains("give the integration user that right"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let group = room.tryton.search("res.group", json!([["name", "=", "Stock"]]), json!(["name"])).await;
    let user =
        room.tryton.search("res.user", json!([["login", "=", crate::support::tryton::USER.0]]), json!(["login"])).await;
    let add = json!({"groups": [["add", [group[0]["id"]]]]});
    room.write("res.user", &[user[0]["id"].as_i64().unwrap()], add).await;

    let mut mark = begin(&asking, &*erp).await;
    let (reference, id) = sell(&asking, &*erp, &[("ART-01", "3", "30.00")]).await;
    let shipment = room.shipments(id).await[0];
    room.write("stock.shipment.out", &[shipment], json!({"carrier": carrier})).await;
    room.press(shipment, &["assign_try", "pick"]).await;
    let moves = room.moves(shipment, "outgoing_moves").await;
    let of = format!("stock.shipment.out,{shipment}");
    let package = json!({"type": boxes, "company": 1, "shipment": of, "moves": [["add", moves]]});
    let package = room.create("stock.package", package).await;
    room.press(shipment, &["pack", "do"]).await;
    let sent = news(&asking, &*erp, &mut mark).await;
    assert_eq!(sent.iter().map(row).collect::<Vec<_>>(), [(reference, "3 ART-01".to_owned(), vec![])]);
    assert_eq!(sent[0].shipment.carrier.as_deref(), Some("Invented Post"));
    asking.calls();
    assert_eq!(news(&asking, &*erp, &mut mark).await, []);
    assert_eq!(asking.calls(), 1, "nothing new");

    // Typed on the shipment, and then on its package.
    room.write("stock.shipment.out", &[shipment], json!({"shipping_reference": "WHOLE-1"})).await;
    assert_eq!(news(&asking, &*erp, &mut mark).await[0].shipment.parcels, [parcel("WHOLE-1")]);
    room.write("stock.package", &[package], json!({"shipping_reference": "TR-1"})).await;
    assert_eq!(news(&asking, &*erp, &mut mark).await[0].shipment.parcels, [parcel("TR-1")]);
    assert_eq!(news(&asking, &*erp, &mut mark).await, []);
}
