//! What ERPs answer that articles cost, on a real Tryton 8.0 and a real Odoo 19.0: compared with what they put on a line of a sale
//! themselves, and in how many calls.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use puente::{
    erp::{
        Erp, SendError,
        prices::{PriceAsk, PricePage},
    },
    ports::{Clock as _, SystemClock},
};
use serde_json::{Value, json};

use crate::{
    stock::{Asking, Depot, Stockroom},
    support::{odoo::Odoo, tryton::Tryton},
};

/// The articles that are compared.
const ARTICLES: [&str; 5] = ["ART-01", "ART-02", "ART-03", "ART-04", "COFFEE"];

impl Asking {
    async fn price_page(&self, erp: &dyn Erp, ask: PriceAsk<'_>) -> Result<PricePage, SendError> {
        erp.prices().expect("it can be asked").page(&self.way(), &ask).await
    }

    /// Everything of a list, page by page, with the first page's mark.
    async fn prices(&self, erp: &dyn Erp, list: Option<&str>, at: Timestamp) -> PricePage {
        let (mut all, mut page) = (PricePage::default(), None);
        loop {
            let answer = self.price_page(erp, PriceAsk { list, at, since: None, page: page.as_deref() }).await;
            let answer = answer.expect("it is answered");
            all.rows.extend(answer.rows);
            all.unread.extend(answer.unread);
            all.mark = all.mark.or(answer.mark);
            all.changes_at = answer.changes_at;
            page = answer.next;
            if page.is_none() {
                return all;
            }
        }
    }

    async fn prices_since(&self, erp: &dyn Erp, list: Option<&str>, at: Timestamp, mark: &str) -> PricePage {
        let answer = self.price_page(erp, PriceAsk { list, at, since: Some(mark), page: None }).await;
        answer.expect("it is answered")
    }
}

/// The prices of a page by their articles: `9.5 EUR without tax, 21 %`.
fn told(page: &PricePage) -> BTreeMap<String, String> {
    let said = page.rows.iter().map(|(sku, quote)| {
        let rate = quote.rate.map(|rate| format!(", {rate} %")).unwrap_or_default();
        let with = if quote.taxed { "with" } else { "without" };
        (sku.to_string(), format!("{} {} {with} tax{rate}", quote.amount, quote.currency.code()))
    });
    said.collect()
}

fn codes(page: &PricePage) -> Vec<String> {
    told(page).into_keys().collect()
}

async fn refuses(asking: &Asking, erp: &dyn Erp, name: &str, words: &str) {
    let ask = PriceAsk { list: Some(name), at: SystemClock.now(), since: None, page: None };
    match asking.price_page(erp, ask).await {
        Err(SendError::Account(error)) => assert!(error.to_string().contains(words), "{error}"),
        other => panic!("{other:?}"),
    }
}

pub fn exact(decimal: &str) -> Value {
    json!({"__class__": "Decimal", "decimal": decimal})
}

fn date(at: Timestamp) -> Value {
    let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    json!({"__class__": "date", "year": day.year(), "month": day.month(), "day": day.day()})
}

/// A list of Tryton's with these lines.
pub async fn tryton_list(tryton: &Tryton, name: &str, taxed: bool, lines: &[Value]) -> i64 {
    let list = json!([[{"name": name, "company": 1, "unit": "product_default", "price": "list_price", "tax_included": taxed,
        "lines": [["create", lines]]}]]);
    tryton.rpc("model.product.price_list.create", list).await[0].as_i64().unwrap()
}

/// What Tryton itself puts on a line of a sale by a list, of one unit on a day.
async fn tryton_sells(room: &Stockroom, code: &str, list: i64, at: Timestamp) -> String {
    let line = json!({"type": "line", "product": room.product(code).await, "quantity": 1.0, "unit": null, "taxes": [],
        "_parent_sale.price_list": list, "_parent_sale.currency": 1, "_parent_sale.company": 1, "_parent_sale.sale_date": date(at)});
    let changed = room.tryton.rpc("model.sale.line.on_change_product", json!([line])).await;
    let price: rust_decimal::Decimal = changed["unit_price"]["decimal"].as_str().unwrap().parse().unwrap();
    price.normalize().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_says_what_it_puts_on_a_line_of_a_sale() {
    let Some(room) = Stockroom::with(&["sale_price_list", "product_price_list_dates"]).await else { return };
    let (tryton, now) = (&room.tryton, SystemClock.now());
    let (asking, erp) = (Asking::new(), room.tryton.connector(""));
    let tax = tryton.search("account.tax", json!([["name", "=", "VAT 21%"]]), json!(["name"])).await[0]["id"].clone();
    let goods =
        tryton.search("product.category", json!([["name", "=", "Goods"]]), json!(["name"])).await[0]["id"].clone();
    let add = json!([[goods], {"customer_taxes": [["add", [tax]]]}]);
    tryton.rpc("model.product.category.write", add).await;
    // Sold by the kilogram, and kept in grams.
    let grams = tryton.search("product.uom", json!([["name", "=", "Gram"]]), json!(["name"])).await[0]["id"].clone();
    let kilos =
        tryton.search("product.uom", json!([["name", "=", "Kilogram"]]), json!(["name"])).await[0]["id"].clone();
    let tea = json!([[{"name": "Tea", "code": "TEA", "type": "goods", "salable": true, "default_uom": grams, "sale_uom": kilos,
        "list_price": exact("0.015"), "account_category": goods, "products": [["create", [{}]]]}]]);
    tryton.rpc("model.product.template.create", tea).await;

    let all = asking.prices(&*erp, None, now).await;
    assert_eq!(asking.calls(), 5, "everything without a list");
    let prices = told(&all);
    assert_eq!(
        (prices["ART-01"].as_str(), prices["TEA"].as_str()),
        ("10 EUR without tax, 21 %", "15 EUR without tax, 21 %")
    );
    assert!(!prices.contains_key("RETIRED") && all.unread.is_empty(), "{:?}", all.unread);
    let mark = all.mark.unwrap();
    let nothing = asking.prices_since(&*erp, None, now, &mark).await;
    assert_eq!((nothing.rows.len(), asking.calls()), (0, 1));
    let template =
        tryton.search("product.template", json!([["code", "=", "ART-02"]]), json!(["code"])).await[0]["id"].clone();
    tryton.rpc("model.product.template.write", json!([[template], {"list_price": exact("12.50")}])).await;
    let changed = asking.prices_since(&*erp, None, now, &mark).await;
    assert_eq!((told(&changed)["ART-02"].as_str(), asking.calls()), ("12.5 EUR without tax, 21 %", 2));
    let mark = changed.mark.unwrap();
    assert_eq!(asking.prices_since(&*erp, None, now, &mark).await.rows.len(), 0);
    asking.calls();

    // Lists, with and without tax.
    let tomorrow = now.checked_add(SignedDuration::from_hours(48)).unwrap();
    let lines = [
        json!({"sequence": 1, "product": room.product("ART-01").await, "formula": "unit_price * 0.5", "start_date": date(tomorrow)}),
        json!({"sequence": 2, "product": room.product("ART-01").await, "formula": "unit_price * 0.1", "quantity": 2.0}),
        json!({"sequence": 3, "product": room.product("ART-03").await, "formula": "Decimal('9.99')"}),
        json!({"sequence": 4, "formula": "unit_price * 0.9"}),
    ];
    let net = tryton_list(tryton, "Web", false, &lines).await;
    let gross = tryton_list(tryton, "Web gross", true, &lines).await;
    asking.calls();
    for at in [now, tomorrow] {
        let page = asking.prices(&*erp, Some("Web"), at).await;
        assert_eq!(asking.calls(), 6, "everything of a list");
        let prices = told(&page);
        for code in ARTICLES.iter().chain(&["TEA"]) {
            let own = tryton_sells(&room, code, net, at).await;
            assert_eq!(prices[*code], format!("{own} EUR without tax, 21 %"), "{code}");
        }
        assert_eq!(page.changes_at.is_some(), at == now, "{:?}", page.changes_at);
        let with_tax = told(&asking.prices(&*erp, Some("Web gross"), at).await);
        assert_eq!(with_tax["ART-03"], "9.99 EUR with tax, 21 %");
        assert_eq!(tryton_sells(&room, "ART-03", gross, at).await, "8.2562", "Tryton takes the tax off");
        asking.calls();
    }
    let page = asking.prices(&*erp, Some("Web"), now).await;
    assert_eq!(page.changes_at.map(date), Some(date(tomorrow)));
    let mark = page.mark.unwrap();
    asking.calls();
    let nothing = asking.prices_since(&*erp, Some("Web"), now, &mark).await;
    assert_eq!((nothing.rows.len(), asking.calls()), (0, 2));
    // A line is deleted, which leaves no trace.
    let line = tryton
        .search("product.price_list.line", json!([["price_list", "=", net], ["sequence", "=", 3]]), json!(["formula"]))
        .await;
    tryton.rpc("model.product.price_list.line.delete", json!([[line[0]["id"]]])).await;
    let changed = asking.prices_since(&*erp, Some("Web"), now, &mark).await;
    assert_eq!(asking.calls(), 4, "a list that changed");
    assert_eq!(told(&changed)["ART-03"], "9 EUR without tax, 21 %");
    refuses(&asking, &*erp, "Shop", "it has \"Web\", \"Web gross\"").await;
    asking.calls();

    // Many articles.
    let many: Vec<Value> = (0..300)
        .map(|n| {
            json!({"name": format!("Many {n}"), "code": format!("MANY-{n:03}"), "type": "goods", "salable": true, "default_uom": kilos,
                "sale_uom": kilos, "list_price": exact("2"), "account_category": goods, "products": [["create", [{}]]]})
        })
        .collect();
    for some in many.chunks(25) {
        tryton.rpc("model.product.template.create", json!([some])).await;
    }
    let mark = changed.mark.unwrap();
    let new = asking.prices_since(&*erp, Some("Web"), now, &mark).await;
    assert!(codes(&new).iter().filter(|code| code.starts_with("MANY-")).count() == 300);
    assert_eq!(asking.calls(), 3, "300 new articles");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tryton_without_the_module_for_lists_says_so() {
    let Some(room) = Stockroom::open().await else { return };
    let (asking, erp) = (Asking::new(), room.tryton.connector(""));
    assert_eq!(told(&asking.prices(&*erp, None, SystemClock.now()).await)["ART-01"], "10 EUR without tax, 0 %");
    refuses(&asking, &*erp, "Web", "sale_price_list").await;
}

/// A list of Odoo's with these rules.
pub async fn odoo_list(odoo: &Odoo, name: &str, currency: &str, rules: &[Value]) -> i64 {
    let found = odoo.search("res.currency", json!([["name", "=", currency]]), json!(["name"])).await;
    let items: Vec<Value> = rules.iter().map(|rule| json!([0, 0, rule])).collect();
    let list = json!({"vals_list": [{"name": name, "currency_id": found[0]["id"], "item_ids": items}]});
    odoo.call("product.pricelist", "create", list).await[0].as_i64().unwrap()
}

/// What Odoo itself puts on a line of a sales order by a list, of one unit at a time, less the discount that it shows.
async fn odoo_sells(depot: &Depot, buyer: i64, list: i64, at: Timestamp) -> BTreeMap<String, String> {
    let mut lines = Vec::new();
    for code in ARTICLES {
        lines.push(json!([0, 0, {"product_id": depot.product(code).await, "product_uom_qty": 1.0}]));
    }
    let moment = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let order =
        json!({"vals_list": [{"partner_id": buyer, "pricelist_id": list, "date_order": moment, "order_line": lines}]});
    let order = depot.odoo.call("sale.order", "create", order).await;
    let fields = json!(["product_id", "price_unit", "discount"]);
    let lines = depot.odoo.search("sale.order.line", json!([["order_id", "=", order[0]]]), fields).await;
    let price = |(line, code): (&Value, &str)| {
        let number = |field: &str| line[field].to_string().parse::<rust_decimal::Decimal>().unwrap();
        let hundred = rust_decimal::Decimal::ONE_HUNDRED;
        let price = number("price_unit") * (hundred - number("discount")) / hundred;
        (code.to_owned(), price.round_dp(9).normalize().to_string())
    };
    lines.iter().zip(ARTICLES).map(price).collect()
}

async fn odoo_says(protocol: &str) {
    let Some(depot) = Depot::open().await else { return };
    let (odoo, now) = (&depot.odoo, SystemClock.now());
    let (asking, erp) = (Asking::new(), depot.connector(&format!("protocol = \"{protocol}\"")));
    let tax = |name: &'static str| async move {
        odoo.search("account.tax", json!([["name", "=", name]]), json!(["name"])).await[0]["id"].clone()
    };
    let write = async |code: &str, values: Value| {
        let body = json!({"ids": [depot.product(code).await], "vals": values});
        odoo.call("product.product", "write", body).await;
    };
    write("ART-01", json!({"taxes_id": [[6, 0, [tax("VAT 21%").await]]]})).await;
    write("ART-02", json!({"taxes_id": [[6, 0, [tax("VAT 21% included").await]]], "list_price": 12.1})).await;
    write("ART-03", json!({"list_price": 33.33, "standard_price": 7.0})).await;
    asking.price_page(&*erp, PriceAsk { list: None, at: now, since: None, page: None }).await.expect("it is answered");
    asking.calls();

    let all = asking.prices(&*erp, None, now).await;
    assert_eq!(asking.calls(), 4, "everything without a list");
    let prices = told(&all);
    let expected = ["10 EUR without tax, 21 %", "12.1 EUR with tax, 21 %", "33.33 EUR without tax, 0 %"];
    assert_eq!([&prices["ART-01"], &prices["ART-02"], &prices["ART-03"]], expected);
    assert!(!prices.contains_key("RETIRED") && all.unread.is_empty(), "{:?}", all.unread);
    let mark = all.mark.unwrap();
    let nothing = asking.prices_since(&*erp, None, now, &mark).await;
    assert_eq!((codes(&nothing), asking.calls()), (vec![], 1));
    write("ART-04", json!({"list_price": 20})).await;
    let changed = asking.prices_since(&*erp, None, now, &mark).await;
    // Within the second of the mark all of the last minutes is told again, and some of that is taxed.
    assert_eq!(told(&changed)["ART-04"], "20 EUR without tax, 0 %");
    assert!((2..=3).contains(&asking.calls()));
    let mark = changed.mark.unwrap();
    assert_eq!(asking.prices_since(&*erp, None, now, &mark).await.rows.len(), 0);

    // A list of all that can be said exactly, and that Odoo orders by itself.
    let buyer =
        odoo.call("res.partner", "create", json!({"vals_list": [{"name": "A buyer"}]})).await[0].as_i64().unwrap();
    let shoes = odoo.call("product.category", "create", json!({"vals_list": [{"name": "Shoes"}]})).await[0].clone();
    let boots =
        odoo.call("product.category", "create", json!({"vals_list": [{"name": "Boots", "parent_id": shoes}]})).await[0]
            .clone();
    write("ART-04", json!({"categ_id": boots})).await;
    let template = async |code: &str| {
        let found =
            odoo.search("product.product", json!([["default_code", "=", code]]), json!(["product_tmpl_id"])).await;
        found[0]["product_tmpl_id"][0].clone()
    };
    let tomorrow = now.checked_add(SignedDuration::from_hours(24)).unwrap();
    let tomorrow = Timestamp::from_second(tomorrow.as_second()).unwrap();
    let begins = tomorrow.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let retail = odoo_list(odoo, "Retail", "EUR", &[json!({"compute_price": "percentage", "percent_price": 5})]).await;
    let rules = [
        json!({"compute_price": "percentage", "percent_price": 12.5}),
        json!({"applied_on": "2_product_category", "categ_id": shoes, "compute_price": "formula", "price_discount": 33.33, "price_round": 5,
            "price_surcharge": -0.01}),
        json!({"applied_on": "1_product", "product_tmpl_id": template("ART-02").await, "compute_price": "fixed", "fixed_price": 8}),
        json!({"applied_on": "1_product", "product_tmpl_id": template("ART-02").await, "compute_price": "fixed", "fixed_price": 7,
            "min_quantity": 10}),
        json!({"applied_on": "0_product_variant", "product_id": depot.product("ART-02").await, "compute_price": "fixed", "fixed_price": 8.5,
            "date_start": begins}),
        json!({"applied_on": "1_product", "product_tmpl_id": template("ART-03").await, "compute_price": "formula", "price_discount": 80,
            "price_min_margin": -20, "price_max_margin": -5}),
        json!({"applied_on": "1_product", "product_tmpl_id": template("COFFEE").await, "compute_price": "percentage", "percent_price": 10,
            "base": "pricelist", "base_pricelist_id": retail}),
    ];
    let web = odoo_list(odoo, "Web", "EUR", &rules).await;
    asking.calls();
    for at in [now, tomorrow] {
        let page = asking.prices(&*erp, Some("Web"), at).await;
        assert_eq!(asking.calls(), 8, "everything of a list that is based on another");
        let prices = told(&page);
        let own = odoo_sells(&depot, buyer, web, at).await;
        for (code, own) in &own {
            assert_eq!(prices[code].split(' ').next(), Some(own.as_str()), "{code} at {at}");
        }
        assert_eq!(page.changes_at, (at == now).then_some(tomorrow));
        asking.calls();
    }
    let page = asking.prices(&*erp, Some("Web"), now).await;
    let mark = page.mark.unwrap();
    asking.calls();
    let nothing = asking.prices_since(&*erp, Some("Web"), now, &mark).await;
    assert_eq!(asking.calls(), 3, "nothing new of a list that is based on another");
    assert_eq!(codes(&nothing), Vec::<String>::new());
    // A rule is deleted, which leaves no trace.
    let fixed = json!([["pricelist_id", "=", web], ["fixed_price", "=", 8]]);
    let rule = odoo.search("product.pricelist.item", fixed, json!(["fixed_price"])).await;
    odoo.call("product.pricelist.item", "unlink", json!({"ids": [rule[0]["id"]]})).await;
    let changed = asking.prices_since(&*erp, Some("Web"), now, &mark).await;
    assert_eq!(asking.calls(), 7, "a list that changed that is based on another");
    assert_eq!(told(&changed)["ART-02"].split(' ').next(), Some("10.5875"));

    // What is not evaluated is told of its articles alone.
    let cost = json!({"applied_on": "1_product", "product_tmpl_id": template("ART-03").await, "compute_price": "formula", "base": "standard_price",
        "price_markup": 50});
    odoo_list(odoo, "By cost", "EUR", &[cost]).await;
    let page = asking.prices(&*erp, Some("By cost"), now).await;
    assert_eq!(page.unread.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["ART-03"]);
    assert_eq!(told(&page)["ART-01"], "10 EUR without tax, 21 %");
    let dollars = json!({"applied_on": "1_product", "product_tmpl_id": template("ART-01").await, "compute_price": "fixed", "fixed_price": 11.5});
    odoo_list(odoo, "Dollars", "USD", &[dollars]).await;
    let page = asking.prices(&*erp, Some("Dollars"), now).await;
    assert_eq!(told(&page), BTreeMap::from([("ART-01".to_owned(), "11.5 USD without tax, 21 %".to_owned())]));
    refuses(&asking, &*erp, "Shop", "\"Web\"").await;
    asking.calls();

    // Many articles.
    let many: Vec<Value> = (0..300)
        .map(|n| json!({"name": format!("Many {n}"), "default_code": format!("MANY-{n:03}"), "list_price": 2}))
        .collect();
    odoo.call("product.product", "create", json!({"vals_list": many})).await;
    let new = asking.prices_since(&*erp, Some("Web"), now, &changed.mark.unwrap()).await;
    assert!(codes(&new).iter().filter(|code| code.starts_with("MANY-")).count() == 300);
    assert_eq!(asking.calls(), 6, "300 new articles");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_says_what_it_puts_on_a_line_of_an_order_over_json_2() {
    odoo_says("json-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_says_what_it_puts_on_a_line_of_an_order_over_json_rpc() {
    odoo_says("json-rpc").await;
}
