//! What is asked of Odoo about deliveries in both protocols, and what its answers come to. The real one is asked in
//! `tests/erp/shipments.rs`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    super::doubles::{Asked, Remembered, methods, odoo},
    *,
};
use crate::{
    domain::shipment::{Parcel, Shipment},
    erp::Erp,
    outbound::doubles::Way,
};

const MARK: &str = "2026-11-30T10:00:00Z -";
const JSON2: &str = "protocol = \"json-2\"";

struct Asking {
    erp: Box<dyn Erp>,
    way: Way,
    memory: Remembered,
}

impl Asking {
    fn new(erp: Box<dyn Erp>) -> Self {
        Self { erp, way: Way::open(), memory: Remembered::default() }
    }

    async fn ask(&self, since: Option<&str>, page: Option<&str>) -> Result<ShipmentPage, SendError> {
        let ask = ShipmentAsk { since, page };
        self.erp.shipments().unwrap().page(&self.way.with(&self.memory), &ask).await
    }

    async fn since(&self, mark: &str) -> ShipmentPage {
        self.ask(Some(mark), None).await.unwrap()
    }
}

fn delivery(id: i64, tracking: &Value) -> Value {
    json!({"id": id, "name": format!("WH/OUT/{id:05}"), "write_date": "2026-11-30 10:00:05", "carrier_id": [4, "Correos"],
        "carrier_tracking_ref": tracking})
}

fn gone(delivery: i64, line: i64, product: i64, quantity: &Value) -> Value {
    json!({"id": 1, "picking_id": [delivery, "WH/OUT"], "sale_line_id": [line, "S1 - A"], "product_id": [product, "[A] An article"],
        "quantity": quantity, "product_uom": [1, "Units"], "product_uom_qty": 9.0, "product_qty": 9.0})
}

fn article(id: i64, code: &Value) -> Value {
    json!({"id": id, "default_code": code, "uom_id": [1, "Units"]})
}

/// One delivery of two articles, of one sale of ours.
fn small(what: &str, asked: &Value) -> Value {
    match what {
        "stock.picking.fields_get" => {
            json!({"carrier_id": {}, "carrier_tracking_ref": {}, "carrier_tracking_url": {}})
        }
        "stock.picking.search_read" if asked["fields"] == json!(["carrier_tracking_url"]) => {
            json!([{"id": 7, "carrier_tracking_url": "https://x.example/T1"}])
        }
        "stock.picking.search_read" => json!([delivery(7, &json!("T1"))]),
        "sale.order.search_read" => json!([{"id": 1, "client_order_ref": "acme/1001", "order_line": [11, 12]}]),
        "stock.move.search_read" => json!([gone(7, 11, 21, &json!(2.0)), gone(7, 12, 22, &json!(0.5))]),
        "product.product.search_read" => json!([article(21, &json!("A")), article(22, &json!("B"))]),
        other => panic!("{other}"),
    }
}

fn items(shipment: &Shipment) -> Vec<(&str, String)> {
    shipment.items.iter().map(|(sku, quantity)| (sku.as_str(), quantity.to_string())).collect()
}

#[tokio::test]
async fn a_delivery_is_told_with_what_left_and_how_it_can_be_followed() {
    let (_server, erp, asked) = odoo(19, JSON2, small).await;
    let asking = Asking::new(erp);
    let page = asking.since(MARK).await;
    let [sent] = page.rows.as_slice() else { panic!("{page:?}") };
    assert_eq!((sent.sale.as_str(), sent.shipment.id.as_str()), ("acme/1001", "7"));
    assert_eq!(sent.shipment.number, "WH/OUT/00007");
    assert_eq!(items(&sent.shipment), [("A", "2".to_owned()), ("B", "0.5".to_owned())]);
    assert_eq!(sent.shipment.carrier.as_deref(), Some("Correos"));
    let parcel = Parcel { number: "T1".to_owned(), url: Some("https://x.example/T1".to_owned()) };
    assert_eq!((&sent.shipment.parcels, page.unread.len(), page.next), (&vec![parcel], 0, None));
    // Once to know which fields there are; the link in a call of its own.
    assert_eq!(methods(&asked).len(), 6);
    // Nothing new.
    let again = asking.since(page.mark.as_deref().unwrap()).await;
    assert_eq!((again.rows.len(), again.mark, methods(&asked).len()), (0, page.mark, 1));
}

#[tokio::test]
async fn what_was_sent_before_the_start_is_not_told() {
    let (_server, erp, asked) = odoo(19, JSON2, small).await;
    let asking = Asking::new(erp);
    for none in [None, Some("yesterday")] {
        let start = asking.ask(none, None).await.unwrap();
        assert_eq!((start.rows.len(), start.next), (0, None));
        methods(&asked);
        let page = asking.since(&start.mark.unwrap()).await;
        assert_eq!((page.rows.len(), methods(&asked).len()), (0, 1));
    }
}

#[tokio::test]
async fn a_tracking_number_that_is_typed_within_the_second_is_seen() {
    let told = Arc::new(Mutex::new(json!(false)));
    let number = told.clone();
    let say = move |what: &str, asked: &Value| match what {
        "stock.picking.search_read" if asked["fields"] != json!(["carrier_tracking_url"]) => {
            json!([delivery(7, &number.lock().unwrap())])
        }
        _ => small(what, asked),
    };
    let (_server, erp, asked) = odoo(19, JSON2, say).await;
    let asking = Asking::new(erp);
    let first = asking.since(MARK).await;
    assert_eq!((first.rows.len(), first.rows[0].shipment.parcels.len()), (1, 0));
    assert_eq!(methods(&asked).len(), 5, "without a number there is no link to ask for");
    *told.lock().unwrap() = json!("T1,T2");
    let second = asking.since(&first.mark.unwrap()).await;
    assert_eq!(second.rows[0].shipment.parcels.len(), 2);
}

#[tokio::test]
async fn every_version_is_asked_for_what_it_has() {
    for (major, moves, quantity) in [
        (14, "move_lines", "quantity_done"),
        (16, "move_ids", "quantity_done"),
        (17, "move_ids", "quantity"),
        (19, "move_ids", "quantity"),
    ] {
        // Its module of carriers is not installed: no field of it may be named.
        let say = move |what: &str, asked: &Value| {
            assert!(what.contains("fields_get") || !asked.to_string().contains("carrier"), "{asked}");
            match what {
                "stock.picking.fields_get" => json!({}),
                "stock.picking.search_read" => json!([{"id": 7, "name": "OUT/7", "write_date": "2026-11-30 10:00:05"}]),
                "stock.move.search_read" => {
                    let mut one = gone(7, 11, 21, &json!(2.0));
                    let value = one.as_object_mut().unwrap().remove("quantity").unwrap();
                    one[quantity] = value;
                    json!([one])
                }
                _ => small(what, asked),
            }
        };
        let (_server, erp, asked) = odoo(major, "", say).await;
        let page = Asking::new(erp).since(MARK).await;
        assert_eq!(items(&page.rows[0].shipment), [("A", "2".to_owned())], "{major}");
        assert_eq!((&page.rows[0].shipment.carrier, page.rows[0].shipment.parcels.len()), (&None, 0));
        let calls = std::mem::take(&mut *asked.lock().unwrap());
        let (_, deliveries) = calls.iter().find(|(what, _)| what == "stock.picking.search_read").unwrap();
        let domain = deliveries["domain"].as_array().unwrap();
        for clause in [
            json!(["picking_type_code", "=", "outgoing"]),
            json!(["state", "=", "done"]),
            json!(["company_id", "=", 1]),
            json!([format!("{moves}.sale_line_id.order_id.origin"), "=like", "puente %"]),
            json!(["write_date", ">=", "2026-11-30 09:55:00"]),
        ] {
            assert!(domain.contains(&clause), "{major}: {clause} in {deliveries}");
        }
        let (_, moves) = calls.iter().find(|(what, _)| what == "stock.move.search_read").unwrap();
        assert!(moves["fields"].as_array().unwrap().contains(&json!(quantity)), "{major}: {moves}");
    }
}

#[tokio::test]
async fn a_module_of_carriers_that_was_removed_is_asked_about_again() {
    let removed = Arc::new(Mutex::new(false));
    let gone = removed.clone();
    let say = move |what: &str, asked: &Value| match (what, *gone.lock().unwrap()) {
        ("stock.picking.fields_get", true) => json!({}),
        ("stock.picking.search_read", true) if asked["fields"].to_string().contains("carrier") => Value::Null,
        ("stock.picking.search_read", true) => json!([{"id": 7, "name": "OUT/7", "write_date": "2026-11-30 10:00:05"}]),
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON2, say).await;
    let asking = Asking::new(erp);
    asking.since(MARK).await;
    *removed.lock().unwrap() = true;
    asking.ask(Some(MARK), None).await.unwrap_err();
    assert_eq!(asking.since(MARK).await.rows.len(), 1);
}

#[tokio::test]
async fn a_carrier_that_fails_costs_its_link_only() {
    let say = |what: &str, asked: &Value| match what {
        "stock.picking.search_read" if asked["fields"] == json!(["carrier_tracking_url"]) => Value::Null,
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON2, say).await;
    let page = Asking::new(erp).since(MARK).await;
    assert_eq!(page.rows[0].shipment.parcels, [Parcel { number: "T1".to_owned(), url: None }]);
}

#[tokio::test]
async fn a_delivery_of_several_sales_is_told_once_for_each_with_what_is_of_that_one() {
    let say = |what: &str, asked: &Value| match what {
        "sale.order.search_read" => json!([
            {"id": 1, "client_order_ref": "acme/1", "order_line": [11]},
            {"id": 2, "client_order_ref": "acme/2", "order_line": [12]},
            {"id": 3, "client_order_ref": false, "order_line": [13]},
        ]),
        "stock.move.search_read" => {
            assert!(asked["domain"].as_array().unwrap().contains(&json!(["sale_line_id", "in", [11, 12]])), "{asked}");
            json!([
                gone(7, 11, 21, &json!(1)),
                gone(7, 12, 21, &json!(2)),
                gone(7, 12, 21, &json!(3)),
                gone(7, 12, 22, &json!(0))
            ])
        }
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON2, say).await;
    let page = Asking::new(erp).since(MARK).await;
    let told: Vec<_> = page.rows.iter().map(|sent| (sent.sale.as_str(), items(&sent.shipment))).collect();
    assert_eq!(told, [("acme/1", vec![("A", "1".to_owned())]), ("acme/2", vec![("A", "5".to_owned())])]);
}

#[tokio::test]
async fn quantities_are_told_in_the_unit_that_the_article_is_kept_in() {
    let say = |what: &str, asked: &Value| match what {
        "stock.move.search_read" => {
            let mut dozens = gone(7, 11, 21, &json!(2.5));
            dozens["product_uom"] = json!([2, "Dozens"]);
            dozens["product_uom_qty"] = json!(2.0);
            dozens["product_qty"] = json!(24.0);
            json!([dozens])
        }
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON2, say).await;
    assert_eq!(items(&Asking::new(erp).since(MARK).await.rows[0].shipment), [("A", "30".to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_read_costs_no_other_shipment() {
    let say = |what: &str, asked: &Value| match what {
        "stock.picking.search_read" if asked["fields"] == json!(["carrier_tracking_url"]) => json!([]),
        "stock.picking.search_read" => (1..=6).map(|id| delivery(id, &json!(false))).collect(),
        "stock.move.search_read" => {
            let mut dozens = gone(5, 11, 21, &json!(1));
            dozens["product_uom"] = json!([2, "Dozens"]);
            dozens["product_uom_qty"] = json!(0.0);
            json!([
                gone(1, 11, 21, &json!(1)),
                gone(2, 11, 21, &json!(1e300)),
                gone(3, 11, 22, &json!(1)),
                gone(4, 11, 23, &json!(1)),
                dozens,
                gone(6, 11, 21, &json!(-1)),
            ])
        }
        "product.product.search_read" => json!([article(21, &json!("A")), article(22, &json!(false))]),
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON2, say).await;
    let page = Asking::new(erp).since(MARK).await;
    assert_eq!((page.rows.len(), page.rows[0].shipment.id.as_str()), (1, "1"));
    let unread: Vec<&str> = page.unread.iter().map(|(number, _)| number.as_str()).collect();
    assert_eq!(unread, ["WH/OUT/00002", "WH/OUT/00003", "WH/OUT/00004", "WH/OUT/00005", "WH/OUT/00006"]);
    assert!(page.unread[1].1.starts_with("the internal reference of “[A] An article”"), "{:?}", page.unread[1]);
}

/// An Odoo with so many deliveries of one moment.
async fn many(count: i64) -> (wiremock::MockServer, Asking, Asked) {
    let say = move |what: &str, asked: &Value| match what {
        "stock.picking.search_read" if asked["fields"] == json!(["carrier_tracking_url"]) => json!([]),
        "stock.picking.search_read" => {
            let domain = asked["domain"].as_array().unwrap();
            let after = domain.iter().find(|clause| clause[1] == ">").unwrap()[2].as_i64().unwrap();
            let most = usize::try_from(asked["limit"].as_i64().unwrap()).unwrap();
            let all = (1..=count).filter(|id| *id > after).map(|id| delivery(id, &json!(false)));
            if asked["order"] == "id" { all.take(most).collect() } else { all.rev().take(most).collect() }
        }
        "stock.move.search_read" => {
            let deliveries = asked["domain"].as_array().unwrap()[0][2].as_array().unwrap().clone();
            deliveries.iter().map(|id| gone(id.as_i64().unwrap(), 11, 21, &json!(1))).collect()
        }
        _ => small(what, asked),
    };
    let (server, erp, asked) = odoo(19, JSON2, say).await;
    (server, Asking::new(erp), asked)
}

#[tokio::test]
async fn many_come_page_by_page_and_each_once() {
    for count in [100, 101, 250, 5000] {
        let (_server, asking, asked) = many(count).await;
        let first = asking.since(MARK).await;
        let mut ids: Vec<i64> = first.rows.iter().map(|sent| sent.shipment.id.as_str().parse().unwrap()).collect();
        let mut next = first.next;
        while let Some(page) = next {
            methods(&asked);
            let answer = asking.ask(Some(MARK), Some(&page)).await.unwrap();
            assert!(methods(&asked).len() <= 4);
            assert_eq!(answer.mark, None);
            ids.extend(answer.rows.iter().map(|sent| sent.shipment.id.as_str().parse::<i64>().unwrap()));
            next = answer.next;
        }
        assert_eq!(ids, (1..=count).collect::<Vec<_>>(), "{count}");
        // Up to where they can be compared, nothing of it is new again.
        let again = asking.since(&first.mark.unwrap()).await;
        assert_eq!((again.rows.len(), again.next.is_some()), (0, count >= 5000), "{count}");
    }
}

#[tokio::test]
async fn a_page_that_is_none_is_refused() {
    let (_server, erp, _) = odoo(19, JSON2, small).await;
    assert!(matches!(Asking::new(erp).ask(Some(MARK), Some("x")).await, Err(SendError::NotNow(_))));
}
