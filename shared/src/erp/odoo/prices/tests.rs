//! What is asked of Odoo, and what its rules come to. The real one is asked, and compared with its own sales orders, in
//! `tests/erp/prices.rs`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    super::doubles::{Remembered, methods, odoo},
    *,
};
use crate::{
    erp::prices::doubles::{ask, page, told},
    outbound::doubles::Way,
};

const NOON: &str = "2026-12-01T12:00:00Z";
const JSON_2: &str = "protocol = \"json-2\"";

fn article(id: i64, code: &str, price: &Value, taxes: &[i64]) -> Value {
    json!({"id": id, "default_code": code, "lst_price": price, "currency_id": [1, "EUR"], "product_tmpl_id": [id * 10, code],
        "categ_id": [3, "Goods / Shoes"], "taxes_id": taxes})
}

fn stamped(id: i64, price: f64) -> Value {
    json!({"id": id, "default_code": "A", "write_date": "2026-11-30 10:00:05", "lst_price": price, "taxes_id": [1]})
}

fn tax(id: i64, kind: &str, amount: f64, included: bool) -> Value {
    json!({"id": id, "amount": amount, "amount_type": kind, "price_include": included, "include_base_amount": false})
}

/// A rule of list 5 that says nothing yet, with more.
fn rule(id: i64, more: &Value) -> Value {
    let mut rule = json!({"id": id, "pricelist_id": [5, "Web (EUR)"], "currency_id": [1, "EUR"], "applied_on": "3_global",
        "categ_id": false, "product_tmpl_id": false, "product_id": false, "base": "list_price", "base_pricelist_id": false,
        "compute_price": "formula", "fixed_price": 0.0, "percent_price": 0.0, "price_discount": 0.0, "price_round": 0.0,
        "price_surcharge": 0.0, "price_min_margin": 0.0, "price_max_margin": 0.0, "min_quantity": 0.0, "date_start": false,
        "date_end": false});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rule
}

/// An article, and a list with these rules.
fn with(rules: &Value) -> impl Fn(&str, &Value) -> Value + Send + Sync + 'static {
    let rules = rules.clone();
    move |what, asked| match what {
        "product.pricelist.search_read" => json!([{"id": 5, "name": "Web", "currency_id": [1, "EUR"]}]),
        "product.pricelist.item.search_read" => {
            let wanted = asked["domain"][0][2].as_array().unwrap();
            let of_list = rules.as_array().unwrap().iter().filter(|rule| wanted.contains(&rule["pricelist_id"][0]));
            of_list.cloned().collect()
        }
        "product.category.search_read" => json!([{"id": 3, "parent_path": "1/2/3/"}]),
        "account.tax.search_read" => json!([tax(1, "percent", 21.0, false)]),
        "product.product.search_read" if asked["fields"][1] == "write_date" => json!([stamped(1, 10.0)]),
        "product.product.search_read" => json!([article(1, "A", &json!(10.0), &[1])]),
        other => panic!("{other}"),
    }
}

fn pairs(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(code, price)| (code.as_str(), price.as_str())).collect()
}

/// What one article of 10 EUR costs by a list of these rules.
async fn costs(rules: Value) -> String {
    let (_server, erp, _) = odoo(19, JSON_2, with(&rules)).await;
    let page = page(&*erp, ask(Some("Web"), NOON)).await.unwrap();
    let (rows, mut unread) = (told(&page), page.unread);
    rows.into_iter().next().unwrap_or_else(|| unread.remove(0)).1
}

#[tokio::test]
async fn rules_come_to_what_odoo_makes_of_them() {
    for (more, price) in [
        (json!({"compute_price": "fixed", "fixed_price": 7.95}), "7.95"),
        (json!({"compute_price": "percentage", "percent_price": 12.5}), "8.75"),
        (json!({"compute_price": "percentage", "percent_price": -10}), "11"),
        (json!({"price_discount": 10, "price_surcharge": 0.5}), "9.5"),
        // Rounded after the discount and before the surcharge.
        (json!({"price_discount": 33, "price_round": 5, "price_surcharge": -0.01}), "4.99"),
        (json!({"price_discount": 25, "price_round": 5}), "10"),
        (json!({"price_discount": 90, "price_min_margin": -2}), "8"),
        (json!({"price_discount": -50, "price_max_margin": 3}), "13"),
        (json!({"price_discount": 0, "price_surcharge": 20, "price_min_margin": 0, "price_max_margin": 0}), "30"),
    ] {
        assert_eq!(costs(json!([rule(1, &more)])).await, format!("{price} EUR without tax, 21 %"), "{more}");
    }
    assert_eq!(costs(json!([])).await, "10 EUR without tax, 21 %", "no rule: the sales price");
}

#[tokio::test]
async fn the_first_in_odoos_order_that_applies_to_one_unit_counts() {
    let last = rule(9, &json!({"compute_price": "fixed", "fixed_price": 1}));
    let hit = |more: &Value| {
        let mut more = more.clone();
        more.as_object_mut()
            .unwrap()
            .extend([("compute_price".to_owned(), json!("fixed")), ("fixed_price".to_owned(), json!(5))]);
        rule(1, &more)
    };
    for (more, applies) in [
        (json!({"applied_on": "0_product_variant", "product_id": [1, "A"]}), true),
        (json!({"applied_on": "0_product_variant", "product_id": [2, "B"]}), false),
        (json!({"applied_on": "1_product", "product_tmpl_id": [10, "A"]}), true),
        (json!({"applied_on": "1_product", "product_tmpl_id": [1, "B"]}), false),
        (json!({"applied_on": "2_product_category", "categ_id": [3, "Shoes"]}), true),
        (json!({"applied_on": "2_product_category", "categ_id": [1, "All"]}), true),
        (json!({"applied_on": "2_product_category", "categ_id": [4, "Hats"]}), false),
        (json!({"min_quantity": 1.0}), true),
        (json!({"min_quantity": 2.0}), false),
        (json!({"date_start": "2026-12-01 12:00:00"}), true),
        (json!({"date_start": "2026-12-01 12:00:01"}), false),
        (json!({"date_end": "2026-12-01 12:00:00"}), true),
        (json!({"date_end": "2026-12-01 11:59:59"}), false),
    ] {
        let price = if applies { 5 } else { 1 };
        assert_eq!(costs(json!([hit(&more), last])).await, format!("{price} EUR without tax, 21 %"), "{more}");
    }
}

#[tokio::test]
async fn a_rule_on_another_list_is_followed_and_one_on_the_cost_is_told() {
    let based = |more: Value| {
        let mut base = json!({"base": "pricelist", "base_pricelist_id": [6, "Retail (EUR)"], "price_discount": 50});
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule(1, &base)
    };
    let other = |more: Value| {
        let mut base = json!({"pricelist_id": [6, "Retail (EUR)"], "price_discount": 20});
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule(2, &base)
    };
    assert_eq!(costs(json!([based(json!({})), other(json!({}))])).await, "4 EUR without tax, 21 %");
    for (rules, words) in [
        (json!([rule(1, &json!({"base": "standard_price"}))]), "of its cost"),
        (json!([based(json!({}))]), "no rules or another currency"),
        (json!([based(json!({})), other(json!({"currency_id": [2, "USD"]}))]), "another currency"),
        (json!([based(json!({})), other(json!({"base": "pricelist", "base_pricelist_id": [5, "Web"]}))]), "based on"),
        (json!([rule(1, &json!({"compute_price": "fixed", "fixed_price": 1e300}))]), "cannot be calculated"),
        (json!([rule(1, &json!({"compute_price": "auction"}))]), "cannot be calculated"),
    ] {
        let why = costs(rules.clone()).await;
        assert!(why.contains(words), "{rules}: {why}");
    }
    // A fixed price does not ask what it is based on.
    let fixed = json!({"compute_price": "fixed", "fixed_price": 3, "base": "standard_price"});
    assert_eq!(costs(json!([rule(1, &fixed)])).await, "3 EUR without tax, 21 %");
}

#[tokio::test]
async fn taxes_are_told_as_a_rate_where_they_are_one() {
    let say = |what: &str, asked: &Value| match what {
        "product.product.search_read" if asked["fields"][1] != "write_date" => json!([
            article(1, "BOTH", &json!(1), &[1, 2]),
            article(2, "FIXED", &json!(1), &[1, 3]),
            article(3, "MIXED", &json!(1), &[1, 4]),
            article(4, "NONE", &json!(1), &[]),
            article(5, "OTHERS", &json!(1), &[4, 99]),
        ]),
        "account.tax.search_read" => json!([
            tax(1, "percent", 21.0, false),
            tax(2, "percent", 5.2, false),
            tax(3, "fixed", 1.0, false),
            tax(4, "percent", 10.0, true)
        ]),
        _ => with(&json!([]))(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON_2, say).await;
    let all = page(&*erp, ask(None, NOON)).await.unwrap();
    let rows = [
        ("BOTH", "1 EUR without tax, 26.2 %"),
        ("FIXED", "1 EUR without tax"),
        ("NONE", "1 EUR without tax, 0 %"),
        // A tax that cannot be read in the company's name is another company's.
        ("OTHERS", "1 EUR with tax, 10 %"),
    ];
    assert_eq!(pairs(&told(&all)), rows);
    assert_eq!(all.unread.len(), 1);
    assert!(all.unread[0].0 == "MIXED" && all.unread[0].1.contains("make them alike"), "{:?}", all.unread);
}

#[tokio::test]
async fn nothing_new_is_one_call_or_two_by_a_list_and_a_rule_that_is_gone_is_seen() {
    let ends = json!({"compute_price": "fixed", "fixed_price": 5, "date_end": "2026-12-01 20:00:00"});
    let rules = Arc::new(Mutex::new(json!([rule(1, &ends), rule(2, &json!({}))])));
    let stamps = Arc::new(Mutex::new(json!([stamped(1, 10.0)])));
    let (told_rules, told_stamps) = (rules.clone(), stamps.clone());
    let say = move |what: &str, asked: &Value| match what {
        "product.product.search_read" if asked["fields"][1] == "write_date" => told_stamps.lock().unwrap().clone(),
        _ => with(&told_rules.lock().unwrap())(what, asked),
    };
    for (major, more) in [(14, ""), (19, JSON_2)] {
        let (_server, erp, asked) = odoo(major, more, say.clone()).await;
        let (way, ids) = (Way::open(), Remembered::default());
        let ask = async |list: Option<&str>, since: Option<&str>, at: &str| {
            let ask = PriceAsk { list, at: at.parse().unwrap(), since, page: None };
            erp.prices().unwrap().page(&way.with(&ids), &ask).await.unwrap()
        };
        for (list, calls) in [(None, 1), (Some("Web"), 2)] {
            let mark = ask(list, None, NOON).await.mark.unwrap();
            methods(&asked);
            let again = ask(list, Some(&mark), NOON).await;
            assert_eq!((again.rows.len(), again.mark.as_deref()), (0, Some(mark.as_str())), "{list:?}");
            assert_eq!(methods(&asked).len(), calls, "{major} {list:?}");
        }
        let first = ask(Some("Web"), None, NOON).await;
        assert_eq!(first.changes_at, Some("2026-12-01T20:00:01Z".parse().unwrap()));
        let mark = first.mark.unwrap();
        methods(&asked);
        // Odoo says seconds.
        *stamps.lock().unwrap() = json!([stamped(1, 11.0)]);
        let changed = ask(Some("Web"), Some(&mark), NOON).await;
        assert_eq!((changed.rows.len(), methods(&asked).len()), (1, 4));
        let mark = changed.mark.unwrap();
        assert_eq!(ask(Some("Web"), Some(&mark), "2026-12-01T20:00:00Z").await.rows.len(), 0);
        let ended = ask(Some("Web"), Some(&mark), "2026-12-01T20:00:01Z").await;
        assert_eq!((ended.rows.len(), ended.changes_at), (1, None), "it ended by the clock");
        *rules.lock().unwrap() = json!([rule(1, &ends)]);
        assert_eq!(ask(Some("Web"), Some(&mark), NOON).await.rows.len(), 1, "one was deleted");
        *rules.lock().unwrap() = json!([rule(1, &ends), rule(2, &json!({}))]);
        *stamps.lock().unwrap() = json!([stamped(1, 10.0)]);
    }
}

#[tokio::test]
async fn what_cannot_be_believed_is_told_of_its_article_alone() {
    let say = |what: &str, asked: &Value| match what {
        "product.product.search_read" if asked["fields"][1] != "write_date" => {
            let mut dollars = article(8, "DOLLARS", &json!(1), &[]);
            dollars["currency_id"] = json!([2, "USD"]);
            json!([
                article(1, "GOOD", &json!(3), &[]),
                article(2, "TWICE", &json!(1), &[]),
                article(3, "TWICE", &json!(1), &[]),
                article(4, "HUGE", &json!(2_000_000_000_000_i64), &[]),
                article(5, "ABSURD", &json!(1e300), &[]),
                article(6, "FREE", &json!(0), &[]),
                dollars,
            ])
        }
        _ => with(&json!([]))(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON_2, say).await;
    for (list, rows) in [(None, 3), (Some("Web"), 2)] {
        let all = page(&*erp, ask(list, NOON)).await.unwrap();
        assert_eq!(all.rows.len(), rows, "{:?}", told(&all));
        let unread: Vec<&str> = all.unread.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(
            unread,
            if list.is_some() { vec!["ABSURD", "DOLLARS", "HUGE", "TWICE"] } else { vec!["ABSURD", "HUGE", "TWICE"] }
        );
    }
}

#[tokio::test]
async fn a_list_that_is_not_there_is_told_with_those_that_are() {
    let say = |what: &str, asked: &Value| match (what, asked["domain"][1][2].as_str()) {
        ("product.pricelist.search_read", None | Some("Twin")) => {
            json!([{"id": 5, "name": "Web", "currency_id": [1, "EUR"]}, {"id": 6, "name": "Shop", "currency_id": [1, "EUR"]}])
        }
        _ => json!([]),
    };
    let (_server, erp, _) = odoo(19, JSON_2, say).await;
    for (name, words) in [("Wbe", "it has \"Web\", \"Shop\""), ("Twin", "2 price lists named \"Twin\"")] {
        match page(&*erp, ask(Some(name), NOON)).await {
            Err(SendError::Account(error)) => assert!(error.to_string().contains(words), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn two_of_one_code_are_on_the_same_page() {
    let codes: Vec<String> =
        (0..2000).map(|n| format!("A{n:04}")).chain(["A1999".to_owned(), "B".to_owned()]).collect();
    let say = move |what: &str, asked: &Value| match what {
        "product.product.search_read" if asked["fields"][1] != "write_date" => {
            let domain = asked["domain"].as_array().unwrap();
            let after = domain.iter().find(|clause| clause[1] == ">").map_or("", |clause| clause[2].as_str().unwrap());
            let page = codes.iter().filter(|code| code.as_str() > after).take(2000);
            page.map(|code| article(1, code, &json!(1), &[])).collect()
        }
        _ => with(&json!([]))(what, asked),
    };
    let (_server, erp, _) = odoo(19, JSON_2, say).await;
    let first = page(&*erp, ask(None, NOON)).await.unwrap();
    assert_eq!((first.rows.len(), first.next.as_deref()), (1999, Some("A1998")));
    let second = page(&*erp, PriceAsk { page: Some("A1998"), ..ask(None, NOON) }).await.unwrap();
    assert_eq!((second.rows.len(), second.unread.len(), second.next, second.mark), (1, 1, None, None));
}
