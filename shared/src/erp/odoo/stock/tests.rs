//! What is asked of Odoo in both protocols, and what its answers come to. The real one is asked in `tests/erp/stock.rs`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    super::doubles::{methods, odoo},
    *,
};
use crate::{
    erp::stock::doubles::{page, place, row},
    outbound::doubles::Way,
};

fn article(code: &str, there: &Value, outgoing: &Value) -> Value {
    json!({"id": 1, "default_code": code, "qty_available": there, "outgoing_qty": outgoing, "is_storable": true})
}

fn moved(id: i64, at: &str, state: &str) -> Value {
    json!({"id": id, "product_id": [id * 10, "[A] An article"], "write_date": at, "state": state, "product_uom_qty": 2.0})
}

const MARK: &str = "2026-11-30T10:00:00Z -";

fn small(what: &str, asked: &Value) -> Value {
    match what {
        "stock.warehouse.search_read" => json!([{"id": 3, "name": "Main"}]),
        "stock.move.search_read" => json!([moved(1, "2026-11-30 10:00:05", "done")]),
        "product.product.search_read" if asked["fields"] == json!(["default_code"]) => {
            json!([{"id": 10, "default_code": "A"}])
        }
        "product.product.search_read" if asked["fields"][3] == "type" => json!([
            {"id": 1, "default_code": "A", "qty_available": 5.0, "outgoing_qty": 7.5, "type": "product"},
            {"id": 2, "default_code": "SERVICE", "qty_available": 0.0, "outgoing_qty": 0.0, "type": "service"},
        ]),
        "product.product.search_read" => json!([article("A", &json!(5.0), &json!(7.5))]),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_version_is_asked_for_what_it_has_and_a_negative_stays_negative() {
    for (major, stored) in [
        (14, json!(["type", "=", "product"])),
        (17, json!(["type", "=", "product"])),
        (18, json!(["is_storable", "=", true])),
        (19, json!(["is_storable", "=", true])),
    ] {
        let (_server, erp, asked) = odoo(major, "", small).await;
        let main = place("Main");
        let all = page(&*erp, StockAsk { place: &main, since: None, skus: &[], page: None }).await.unwrap();
        assert_eq!((all.rows, all.unread.len(), all.next), (vec![row("A", "-2.5")], 0, None), "{major}");
        let calls = std::mem::take(&mut *asked.lock().unwrap());
        let (what, last) = calls.last().unwrap();
        assert_eq!((what.as_str(), calls.len()), ("product.product.search_read", 3), "{major}");
        assert!(last["domain"].as_array().unwrap().contains(&stored), "{last}");
        // Each version reads one of them and ignores the other.
        assert_eq!((&last["context"]["warehouse_id"], &last["context"]["warehouse"]), (&json!([3]), &json!([3])));
        let everywhere = place("*");
        page(&*erp, StockAsk { place: &everywhere, since: None, skus: &[], page: None }).await.unwrap();
        let calls = std::mem::take(&mut *asked.lock().unwrap());
        let (_, last) = calls.last().unwrap();
        assert!(last["context"].get("warehouse_id").is_none() && last["context"].get("warehouse").is_none(), "{last}");
        assert_eq!(last["context"]["allowed_company_ids"], json!([1]));
    }
}

#[tokio::test]
async fn nothing_new_is_one_call_and_what_changed_within_a_second_is_seen() {
    let moves = Arc::new(Mutex::new(json!([moved(1, "2026-11-30 10:00:05", "assigned")])));
    let told = moves.clone();
    let say = move |what: &str, asked: &Value| {
        if what == "stock.move.search_read" { told.lock().unwrap().clone() } else { small(what, asked) }
    };
    let (_server, erp, asked) = odoo(19, "protocol = \"json-2\"", say).await;
    let all = place("*");
    let ask = async |since: &str, skus: &[Sku]| {
        page(&*erp, StockAsk { place: &all, since: Some(since), skus, page: None }).await.unwrap()
    };
    let first = ask(MARK, &[]).await;
    assert_eq!(first.rows, [row("A", "-2.5")]);
    assert_eq!(methods(&asked).len(), 3);
    let mark = first.mark.unwrap();
    let again = ask(&mark, &[]).await;
    assert_eq!((again.rows.len(), again.mark.as_deref(), methods(&asked).len()), (0, Some(mark.as_str()), 1));
    assert_eq!((ask(&mark, &["A".parse().unwrap()]).await.rows.len(), methods(&asked).len()), (1, 2));
    // Odoo says seconds.
    *moves.lock().unwrap() = json!([moved(1, "2026-11-30 10:00:05", "done")]);
    assert_eq!(ask(&mark, &[]).await.rows.len(), 1);
    // So many that they are not looked at: everything is asked for.
    *moves.lock().unwrap() = (0..5000).map(|id| moved(id, "2026-11-30 10:00:06", "done")).collect();
    methods(&asked);
    let everything = ask(&mark, &[]).await;
    assert_eq!((everything.rows.len(), everything.mark.as_deref()), (1, Some("2026-11-30T10:00:06Z -")));
    assert_eq!(methods(&asked).len(), 3);
}

#[tokio::test]
async fn what_cannot_be_believed_is_told_of_its_article_alone() {
    let say = |what: &str, asked: &Value| match what {
        "product.product.search_read" => json!([
            article("GOOD", &json!(3), &json!(0)),
            article("TWICE", &json!(1), &json!(0)),
            article("TWICE", &json!(1), &json!(0)),
            article("HUGE", &json!(2_000_000_000_i64), &json!(0)),
            article("ABSURD", &json!(1e300), &json!(0)),
            article("NOTHING", &json!(1), &json!(false)),
            {"id": 7, "default_code": false, "qty_available": 1.0, "outgoing_qty": 0.0, "is_storable": true},
            article("HALF", &json!(0.5), &json!(0.25)),
        ]),
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, "protocol = \"json-2\"", say).await;
    let all = place("*");
    let answer = page(&*erp, StockAsk { place: &all, since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!(answer.rows, [row("GOOD", "3"), row("HALF", "0.25")]);
    let unread: Vec<&str> = answer.unread.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(unread, ["ABSURD", "HUGE", "NOTHING", "TWICE"]);
    assert!(answer.unread[3].1.contains("2 active products"), "{:?}", answer.unread);
}

#[tokio::test]
async fn two_of_one_code_are_on_the_same_page() {
    // The last of the first page has a twin beyond it.
    let codes: Vec<String> =
        (0..1000).map(|n| format!("A{n:04}")).chain(["A0999".to_owned(), "B".to_owned()]).collect();
    let say = move |what: &str, asked: &Value| match what {
        "product.product.search_read" => {
            let domain = asked["domain"].as_array().unwrap();
            let after = domain.iter().find(|clause| clause[1] == ">").map_or("", |clause| clause[2].as_str().unwrap());
            let page = codes.iter().filter(|code| code.as_str() > after).take(1000);
            page.map(|code| article(code, &json!(1), &json!(0))).collect()
        }
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, "protocol = \"json-2\"", say).await;
    let all = place("*");
    let first = page(&*erp, StockAsk { place: &all, since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!((first.rows.len(), first.next.as_deref()), (999, Some("A0998")));
    let second = page(&*erp, StockAsk { place: &all, since: None, skus: &[], page: Some("A0998") }).await.unwrap();
    assert_eq!((second.rows, second.unread.len(), second.next, second.mark), (vec![row("B", "1")], 1, None, None));
    // More of one code than a page holds do not keep the next one from coming.
    let say = |what: &str, asked: &Value| match what {
        "product.product.search_read" => vec![article("SAME", &json!(1), &json!(0)); 1000].into(),
        _ => small(what, asked),
    };
    let (_server, erp, _) = odoo(19, "protocol = \"json-2\"", say).await;
    let all = page(&*erp, StockAsk { place: &place("*"), since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!((all.rows.len(), all.unread.len(), all.next.as_deref()), (0, 1, Some("SAME")));
}

#[tokio::test]
async fn a_warehouse_that_is_not_there_is_named() {
    let say =
        |_: &str, _: &Value| json!([{"id": 3, "name": "Main"}, {"id": 4, "name": "Twin"}, {"id": 5, "name": "Twin"}]);
    let (_server, erp, _) = odoo(19, "protocol = \"json-2\"", say).await;
    for (named, words) in [("Main+Shop", "no active warehouse named \"Shop\""), ("Twin", "2 warehouses named \"Twin\"")]
    {
        match page(&*erp, StockAsk { place: &place(named), since: None, skus: &[], page: None }).await {
            Err(SendError::Account(error)) => assert!(error.to_string().contains(words), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_quotation_lowers_nothing_and_a_person_may_confirm_it() {
    let say = |what: &str, asked: &Value| {
        assert_eq!(what, "sale.order.search_read");
        assert!(asked["domain"].as_array().unwrap().contains(&json!(["state", "in", ["sale", "done"]])), "{asked}");
        json!([{"id": 1, "state": "sale"}])
    };
    for (state, reflects) in [("draft", false), ("confirmed", true)] {
        let (_server, erp, asked) = odoo(19, &format!("protocol = \"json-2\"\nstate = \"{state}\""), say).await;
        assert_eq!(erp.stock().unwrap().reflects(), reflects);
        let sales = ["1", "2", "x"].map(|id| Document { id: id.to_owned(), number: None });
        assert_eq!(erp.stock().unwrap().reflected(&Way::open().calls(), &sales).await.unwrap(), ["1"]);
        assert_eq!(methods(&asked).len(), 1);
    }
}
