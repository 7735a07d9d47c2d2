//! What is asked of Tryton, in which order, and what its answers come to. The real one is asked in `tests/erp/stock.rs`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    super::doubles::{methods, tryton},
    *,
};
use crate::{
    erp::stock::doubles::{page, place, row},
    outbound::doubles::Way,
};

fn article(id: i64, code: &str, quantity: &Value) -> Value {
    json!({"id": id, "code": code, "quantity": quantity, "default_uom": 1, "sale_uom": 1})
}

/// Two articles, one of which is promised; `moves` are those since.
fn small(moves: Value) -> impl Fn(&str, &Value) -> Value + Send + Sync + 'static {
    move |method, parameters| match method {
        "model.stock.location.search_read" => json!([{"id": 3, "name": "Main"}]),
        "model.stock.move.search_read" if parameters[2] == json!(1) => {
            json!([{"id": 9, "product": 2, "_timestamp": "1780000000.5"}])
        }
        "model.stock.move.search_read" if parameters[4] == json!(["product", "_timestamp"]) => moves.clone(),
        "model.stock.move.search_read" => json!([
            {"id": 10, "product": 1, "internal_quantity": 2.5},
            {"id": 11, "product": 1, "internal_quantity": 4},
        ]),
        "model.product.product.search_read" => json!([article(1, "A", &json!(5)), article(2, "B", &json!(7.0))]),
        "model.sale.configuration.read" => json!([{"id": 1, "sale_shipment_method": "order"}]),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_promised_is_read_before_what_is_on_hand_and_may_be_more() {
    let (_server, erp, asked) = tryton("", small(json!([]))).await;
    let main = place("Main");
    let all = page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!(all.rows, [row("A", "-1.5"), row("B", "7")]);
    assert_eq!((all.next, all.mark.as_deref()), (None, Some("2026-05-28T20:26:40.5Z -")));
    let calls = std::mem::take(&mut *asked.lock().unwrap());
    let order: Vec<&str> = calls.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(
        order,
        [
            "model.stock.location.search_read",
            "model.stock.move.search_read",
            "model.stock.move.search_read",
            "model.product.product.search_read"
        ]
    );
    // Counted in the warehouse and all of it, up to Tryton's own today.
    let context = calls[3].1.as_array().unwrap().last().unwrap();
    assert_eq!(*context, json!({"company": 1, "language": "en", "locations": [3], "with_childs": true}));
    let open = &calls[2].1[0];
    assert!(open.as_array().unwrap().contains(&json!(["state", "in", ["draft", "assigned"]])), "{open}");
    assert!(open.as_array().unwrap().contains(&json!(["from_location", "child_of", [3], "parent"])), "{open}");
}

#[tokio::test]
async fn nothing_new_is_one_call_and_a_late_move_of_before_is_seen() {
    let moves = Arc::new(Mutex::new(json!([{"id": 9, "product": 2, "_timestamp": "1780000000.5"}])));
    let told = moves.clone();
    let say = move |method: &str, parameters: &Value| small(told.lock().unwrap().clone())(method, parameters);
    let (_server, erp, asked) = tryton("", say).await;
    let main = place("Main");
    let way = Way::open();
    let ids = crate::ports::NoIds;
    let ask = async |since: &str, skus: &[Sku]| {
        let ask = StockAsk { place: &main, since: Some(since), skus, page: None };
        erp.stock().unwrap().page(&way.with(&ids), &ask).await.unwrap()
    };
    // Of the span before the mark nothing is known yet.
    let first = ask("2026-05-28T20:26:40.5Z -", &[]).await;
    assert_eq!(first.rows.len(), 2);
    methods(&asked);
    let mark = first.mark.unwrap();
    let again = ask(&mark, &[]).await;
    assert_eq!((again.rows.len(), again.mark.as_deref()), (0, Some(mark.as_str())));
    // Where warehouses are remembered, that is one call.
    assert_eq!(methods(&asked), ["model.stock.location.search_read", "model.stock.move.search_read"]);
    let named = ask(&mark, &["A".parse().unwrap()]).await;
    assert_eq!(named.rows.len(), 2);
    methods(&asked);
    // Stamped before the mark, and committed after it was read.
    *moves.lock().unwrap() = json!([
        {"id": 9, "product": 2, "_timestamp": "1780000000.5"}, {"id": 8, "product": 1, "_timestamp": "1779999990"},
    ]);
    let late = ask(&mark, &[]).await;
    assert_eq!(late.rows.len(), 2);
    assert_eq!(ask(late.mark.as_deref().unwrap(), &[]).await.rows.len(), 0);
}

#[tokio::test]
async fn a_warehouse_that_is_not_there_is_named() {
    let (_server, erp, _) =
        tryton("", |_, _| json!([{"id": 3, "name": "Main"}, {"id": 4, "name": "Twin"}, {"id": 5, "name": "Twin"}]))
            .await;
    for (named, words) in [("Main+Shop", "no active warehouse named \"Shop\""), ("Twin", "2 warehouses named \"Twin\"")]
    {
        let place = place(named);
        match page(&*erp, StockAsk { place: &place, since: None, skus: &[], page: None }).await {
            Err(SendError::Account(error)) => assert!(error.to_string().contains(words), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_believed_is_told_of_its_article_alone() {
    let say = |method: &str, parameters: &Value| match method {
        "model.product.product.search_read" => json!([
            article(1, "GOOD", &json!(3)),
            article(2, "TWICE", &json!(1)),
            article(3, "TWICE", &json!(1)),
            article(4, "HUGE", &json!(2_000_000_000_i64)),
            article(5, "ABSURD", &json!(1e300)),
            article(6, "NOTHING", &Value::Null),
            article(7, "", &json!(1)),
            {"id": 8, "code": "UNITS", "quantity": 1, "default_uom": 1, "sale_uom": 2},
            article(9, "HALF", &json!(-0.5)),
        ]),
        "model.stock.move.search_read" if parameters[4] == json!(["product", "internal_quantity"]) => {
            json!([{"id": 1, "product": 1, "internal_quantity": null}])
        }
        _ => small(json!([]))(method, parameters),
    };
    let (_server, erp, _) = tryton("", say).await;
    let main = place("Main");
    let all = page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!(all.rows, [row("HALF", "-0.5")]);
    let unread: Vec<&str> = all.unread.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(unread, ["ABSURD", "GOOD", "HUGE", "NOTHING", "TWICE", "UNITS"]);
}

#[tokio::test]
async fn pages_go_by_id_and_a_page_of_no_number_is_refused() {
    let say = |method: &str, parameters: &Value| match method {
        "model.product.product.search_read" => {
            let after = parameters[0][4][2].as_i64().unwrap();
            (after + 1..=after + 1000)
                .filter(|id| *id <= 1500)
                .map(|id| article(id, &format!("A{id}"), &json!(1)))
                .collect()
        }
        "model.stock.move.search_read" if parameters[4] == json!(["product", "internal_quantity"]) => json!([]),
        _ => small(json!([]))(method, parameters),
    };
    let (_server, erp, _) = tryton("", say).await;
    let main = place("Main");
    let first = page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!((first.rows.len(), first.next.as_deref()), (1000, Some("1000")));
    let second = page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: Some("1000") }).await.unwrap();
    assert_eq!((second.rows.len(), second.next, second.mark), (500, None, None));
    assert!(page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: Some("next") }).await.is_err());
    // A mark that is none: everything is asked for.
    let all = page(&*erp, StockAsk { place: &main, since: Some("yesterday"), skus: &[], page: None }).await.unwrap();
    assert_eq!((all.rows.len(), all.next.as_deref()), (1000, Some("1000")));
}

#[tokio::test]
async fn only_a_processed_sale_that_is_shipped_on_order_lowers_the_number() {
    let say = |method: &str, parameters: &Value| match method {
        "model.sale.sale.search_read" => json!([
            {"id": 1, "state": "processing", "shipment_method": "order"}, {"id": 2, "state": "processing", "shipment_method": "manual"},
            {"id": 3, "state": "done", "shipment_method": "manual"},
        ]),
        "model.sale.configuration.read" => json!([{"id": 1, "sale_shipment_method": "invoice"}]),
        _ => small(json!([]))(method, parameters),
    };
    for (state, reflects) in [("draft", false), ("quotation", false), ("confirmed", false), ("processing", true)] {
        let (_server, erp, asked) = tryton(&format!("state = \"{state}\""), say).await;
        let stock = erp.stock().unwrap();
        assert_eq!(stock.reflects(), reflects, "{state}");
        let sales = ["1", "2", "3", "4", "x"].map(|id| Document { id: id.to_owned(), number: None });
        assert_eq!(stock.reflected(&Way::open().calls(), &sales).await.unwrap(), ["1", "3"]);
        assert_eq!(methods(&asked).len(), 1);
        // Shipped when it is paid: that a processed sale is in the number would be a lie.
        let main = place("Main");
        let counted = page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: None }).await;
        assert_eq!(matches!(counted, Err(SendError::Account(_))), reflects, "{counted:?}");
    }
}
