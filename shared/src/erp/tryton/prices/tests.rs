//! What is asked of Tryton, and what its answers come to. The real one is asked in `tests/erp/prices.rs`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    super::doubles::{Remembered, methods, tryton},
    *,
};
use crate::{
    erp::prices::doubles::{ask, page, told},
    outbound::doubles::Way,
};

const NOON: &str = "2026-12-01T12:00:00Z";

fn tax(kind: &str, rate: &str) -> Value {
    json!({"id": 1, "type": kind, "rate": {"__class__": "Decimal", "decimal": rate}, "childs": [], "update_unit_price": 0,
        "start_date": null, "end_date": null})
}

fn article(id: i64, code: &str, price: &str, taxes: &[Value]) -> Value {
    json!({"id": id, "code": code, "sale_price_uom": {"__class__": "Decimal", "decimal": price},
        "template.": {"id": id, "account_category.": {"id": 1, "customer_taxes_used.": taxes}}})
}

fn stamped(id: i64, code: &str, own: &str, price: &str) -> Value {
    json!({"id": id, "code": code, "_timestamp": own, "list_prices.": [], "template.": {"id": id, "_timestamp": own,
        "list_prices.": [{"id": id, "_timestamp": price}], "account_category.": null}})
}

fn day(year: i64, month: i64, day: i64) -> Value {
    json!({"__class__": "date", "year": year, "month": month, "day": day})
}

fn list(lines: &[Value]) -> Value {
    json!([{"id": 5, "tax_included": 1, "_timestamp": "1780000000.5", "lines.": lines}])
}

fn line(id: i64, from: &Value, until: &Value) -> Value {
    json!({"id": id, "_timestamp": "1780000000.5", "start_date": from, "end_date": until})
}

/// Two articles and a list without dates, in a company of Madrid with all modules.
fn small(method: &str, parameters: &Value) -> Value {
    match method {
        "model.company.company.search_read" => {
            json!([{"id": 1, "currency.": {"id": 1, "code": "EUR"}, "timezone": "Europe/Madrid"}])
        }
        "model.ir.module.search_read" => {
            json!([{"id": 1, "name": "sale_price_list"}, {"id": 2, "name": "product_price_list_dates"}])
        }
        "model.product.price_list.search_read" => list(&[line(1, &Value::Null, &Value::Null)]),
        "model.product.product.search_read" if parameters[4][1] == "_timestamp" => {
            json!([stamped(1, "A", "1780000000.5", "1780000000.5")])
        }
        "model.product.product.search_read" => {
            json!([article(1, "A", "9.5000", &[tax("percentage", "0.21")]), article(2, "B", "7", &[])])
        }
        other => panic!("{other}"),
    }
}

fn pairs(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(code, price)| (code.as_str(), price.as_str())).collect()
}

#[tokio::test]
async fn the_price_is_trytons_own_and_a_list_says_whether_it_contains_tax() {
    let (_server, erp, asked) = tryton("", small).await;
    let all = page(&*erp, ask(None, NOON)).await.unwrap();
    assert_eq!(pairs(&told(&all)), [("A", "9.5 EUR without tax, 21 %"), ("B", "7 EUR without tax, 0 %")]);
    let context = asked.lock().unwrap().last().unwrap().1.as_array().unwrap().last().unwrap().clone();
    assert_eq!(context, json!({"company": 1, "language": "en"}));
    let listed = page(&*erp, ask(Some("Web"), "2026-12-31T23:30:00Z")).await.unwrap();
    assert_eq!(pairs(&told(&listed)), [("A", "9.5 EUR with tax, 21 %"), ("B", "7 EUR with tax, 0 %")]);
    // Of one unit, on the company's own day.
    let context = asked.lock().unwrap().last().unwrap().1.as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        context,
        json!({"company": 1, "language": "en", "price_list": 5, "quantity": 1, "date": day(2027, 1, 1)})
    );
}

#[tokio::test]
async fn nothing_new_is_one_call_or_two_by_a_list_and_a_price_that_was_written_is_seen() {
    let stamps = Arc::new(Mutex::new(json!([stamped(1, "A", "1780000000.5", "1780000000.5")])));
    let lines =
        Arc::new(Mutex::new(json!([line(1, &Value::Null, &Value::Null), line(2, &Value::Null, &day(2026, 12, 1))])));
    let (told_stamps, told_lines) = (stamps.clone(), lines.clone());
    let say = move |method: &str, parameters: &Value| match method {
        "model.product.price_list.search_read" => list(told_lines.lock().unwrap().as_array().unwrap()),
        "model.product.product.search_read" if parameters[4][1] == "_timestamp" => told_stamps.lock().unwrap().clone(),
        _ => small(method, parameters),
    };
    let (_server, erp, asked) = tryton("", say).await;
    let (way, ids) = (Way::open(), Remembered::default());
    let ask = async |list: Option<&str>, since: Option<&str>, at: &str| {
        let ask = PriceAsk { list, at: at.parse().unwrap(), since, page: None };
        erp.prices().unwrap().page(&way.with(&ids), &ask).await.unwrap()
    };
    for (list, calls) in [(None, 1), (Some("Web"), 2)] {
        let mark = ask(list, None, NOON).await.mark.unwrap();
        methods(&asked);
        let again = ask(list, Some(&mark), NOON).await;
        assert_eq!((again.rows.len(), again.mark.as_deref(), methods(&asked).len()), (0, Some(mark.as_str()), calls));
    }
    let mark = ask(Some("Web"), None, NOON).await.mark.unwrap();
    // The price of an article is a record of its own.
    *stamps.lock().unwrap() = json!([stamped(1, "A", "1780000000.5", "1790000000.5")]);
    methods(&asked);
    let changed = ask(Some("Web"), Some(&mark), NOON).await;
    assert_eq!((changed.rows.len(), methods(&asked).len()), (2, 3));
    let mark = changed.mark.unwrap();
    assert_eq!(ask(Some("Web"), Some(&mark), NOON).await.rows.len(), 0);
    // A line ends by the clock, at midnight in Madrid; before, one is deleted.
    let later = ask(Some("Web"), Some(&mark), NOON).await;
    assert_eq!(later.changes_at, Some("2026-12-01T23:00:00Z".parse().unwrap()));
    assert_eq!(ask(Some("Web"), Some(&mark), "2026-12-01T22:59:59Z").await.rows.len(), 0);
    let ended = ask(Some("Web"), Some(&mark), "2026-12-01T23:00:00Z").await;
    assert_eq!((ended.rows.len(), ended.changes_at), (2, None));
    *lines.lock().unwrap() = json!([line(2, &Value::Null, &day(2026, 12, 1))]);
    let deleted = ask(Some("Web"), Some(&mark), NOON).await;
    assert_eq!(deleted.rows.len(), 2);
    // Another list, or none, is another question.
    assert_eq!(ask(None, deleted.mark.as_deref(), NOON).await.rows.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_said_is_told_of_its_article_alone() {
    let say = |method: &str, parameters: &Value| match method {
        "model.product.product.search_read" if parameters[4][1] != "_timestamp" => json!([
            article(1, "GOOD", "3", &[tax("percentage", "0.21"), tax("percentage", "0.052")]),
            article(2, "TWICE", "1", &[]),
            article(3, "TWICE", "1", &[]),
            article(4, "HUGE", "2000000000000", &[]),
            article(5, "ABSURD", "1E+300", &[]),
            {"id": 6, "code": "NOTHING", "sale_price_uom": null},
            article(7, "", "1", &[]),
            article(8, "FREE", "0.0000", &[tax("fixed", "0")]),
            {"id": 9, "code": "BARE", "sale_price_uom": {"__class__": "Decimal", "decimal": "1"}, "template.": {"id": 9, "account_category.": null}},
        ]),
        _ => small(method, parameters),
    };
    let (_server, erp, _) = tryton("", say).await;
    let all = page(&*erp, ask(None, NOON)).await.unwrap();
    // An article without an accounting category has taxes that nobody can foresee.
    let rows = [("BARE", "1 EUR without tax"), ("FREE", "0 EUR without tax"), ("GOOD", "3 EUR without tax, 26.2 %")];
    assert_eq!(pairs(&told(&all)), rows);
    let unread: Vec<&str> = all.unread.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(unread, ["ABSURD", "HUGE", "NOTHING", "TWICE"]);
}

#[tokio::test]
async fn a_list_that_is_not_there_is_told_with_those_that_are_and_so_is_the_module() {
    let say = |method: &str, parameters: &Value| match method {
        "model.product.price_list.search_read" if parameters[4] == json!(["name"]) => json!([{"id": 5, "name": "Web"}]),
        "model.product.price_list.search_read" if parameters[0][1][2] == "Twin" => {
            json!([list(&[])[0], list(&[])[0]])
        }
        "model.product.price_list.search_read" => json!([]),
        _ => small(method, parameters),
    };
    let (_server, erp, _) = tryton("", say).await;
    for (name, words) in
        [("Shop", "named \"Shop\" in the company (it has \"Web\")"), ("Twin", "2 price lists named \"Twin\"")]
    {
        match page(&*erp, ask(Some(name), NOON)).await {
            Err(SendError::Account(error)) => assert!(error.to_string().contains(words), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let bare = |method: &str, parameters: &Value| match method {
        "model.ir.module.search_read" => json!([]),
        _ => small(method, parameters),
    };
    let (_server, erp, _) = tryton("", bare).await;
    match page(&*erp, ask(Some("Web"), NOON)).await {
        Err(SendError::Account(error)) => assert!(error.to_string().contains("sale_price_list"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_go_by_id_and_a_page_of_no_number_is_refused() {
    let say = |method: &str, parameters: &Value| match method {
        "model.product.product.search_read" if parameters[4][1] != "_timestamp" => {
            let after = parameters[0][3][2].as_i64().unwrap();
            (after + 1..=after + 1000)
                .filter(|id| *id <= 1500)
                .map(|id| article(id, &format!("A{id}"), "1", &[]))
                .collect()
        }
        _ => small(method, parameters),
    };
    let (_server, erp, _) = tryton("", say).await;
    let first = page(&*erp, ask(None, NOON)).await.unwrap();
    assert_eq!((first.rows.len(), first.next.as_deref()), (1000, Some("1000")));
    let second = page(&*erp, PriceAsk { page: Some("1000"), ..ask(None, NOON) }).await.unwrap();
    assert_eq!((second.rows.len(), second.next, second.mark), (500, None, None));
    assert!(page(&*erp, PriceAsk { page: Some("next"), ..ask(None, NOON) }).await.is_err());
    // A mark that is none: everything is asked for.
    let all = page(&*erp, PriceAsk { since: Some("yesterday"), ..ask(None, NOON) }).await.unwrap();
    assert_eq!((all.rows.len(), all.next.as_deref()), (1000, Some("1000")));
}
