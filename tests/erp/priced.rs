//! Prices the whole way: from a list of a real ERP to the sandbox's WooCommerce and Shopify over HTTP.

use jiff::SignedDuration;
use puente::{
    domain::{ids::ConnectionId, price::PriceTag},
    flow::goods::prices,
    ports::Prices as _,
};
use puente_sandbox::store::{Serving, Tag};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    goods::Between,
    prices::{exact, odoo_list, tryton_list},
    real::Real,
    sent::NAMES,
    stock::{Depot, Stockroom},
};

/// The shops' code of the article whose price changes, and the ERP's.
const ARTICLE: [&str; 2] = ["MATE-01", "ART-01"];

/// People of an ERP who set prices.
trait Pricing: Sync {
    /// Articles have 21 per cent of tax, and a list takes a tenth off what they cost.
    async fn open_list(&self);
    /// What an article costs by itself.
    async fn costs(&self, code: &str, euros: &str);
}

impl Pricing for Stockroom {
    async fn open_list(&self) {
        let found = |model: &'static str, name: &'static str| async move {
            self.tryton.search(model, json!([["name", "=", name]]), json!(["name"])).await[0]["id"].clone()
        };
        let (goods, tax) = (found("product.category", "Goods").await, found("account.tax", "VAT 21%").await);
        let add = json!([[goods], {"customer_taxes": [["add", [tax]]]}]);
        self.tryton.rpc("model.product.category.write", add).await;
        tryton_list(&self.tryton, "Web", false, &[json!({"sequence": 1, "formula": "unit_price * 0.9"})]).await;
    }

    async fn costs(&self, code: &str, euros: &str) {
        let code = json!([["code", "=", code]]);
        let found = self.tryton.search("product.template", code, json!(["code"])).await[0]["id"].clone();
        self.tryton.rpc("model.product.template.write", json!([[found], {"list_price": exact(euros)}])).await;
    }
}

impl Pricing for Depot {
    async fn open_list(&self) {
        let taxes = self.odoo.search("account.tax", json!([["name", "=", "VAT 21%"]]), json!(["name"])).await;
        let sold = self.odoo.search("product.product", json!([["sale_ok", "=", true]]), json!(["id"])).await;
        let ids: Vec<Value> = sold.iter().map(|one| one["id"].clone()).collect();
        let body = json!({"ids": ids, "vals": {"taxes_id": [[6, 0, [taxes[0]["id"]]]]}});
        self.odoo.call("product.product", "write", body).await;
        odoo_list(&self.odoo, "Web", "EUR", &[json!({"compute_price": "percentage", "percent_price": 10})]).await;
    }

    async fn costs(&self, code: &str, euros: &str) {
        let price: Value = serde_json::from_str(euros).unwrap();
        let body = json!({"ids": [self.product(code).await], "vals": {"list_price": price}});
        self.odoo.call("product.product", "write", body).await;
    }
}

fn both(between: &Between) -> [(&'static str, &Serving); 2] {
    [("woocommerce", &between.woo), ("shopify", &between.shopify)]
}

/// What both shops ask for the article.
fn ask(between: &Between) -> [String; 2] {
    both(between).map(|(_, shop)| shop.stock().price(ARTICLE[0]).unwrap().amount.normalize().to_string())
}

fn asks(between: &Between, price: &str, why: &str) {
    assert_eq!(ask(between), [price, price], "{why}");
}

async fn tag(between: &Between, kind: &str) -> PriceTag {
    let connection: ConnectionId = kind.parse().unwrap();
    between.data.tag(&connection, &ARTICLE[1].parse().unwrap()).await.unwrap().expect("the ERP said its price")
}

/// The account's next day has just begun: everything is asked for once a day, and the next time is far off.
fn a_day_begins(between: &Between) {
    const DAY: i64 = 24 * 60 * 60;
    let gone = between.puente.clock.now().as_second().rem_euclid(DAY);
    between.clock.pass(SignedDuration::from_secs(DAY - gone) + SignedDuration::from_mins(5));
}

/// Until the ERP is asked again what articles cost, and both shops are told.
async fn hours_pass(between: &Between) {
    for _ in 0..3 {
        between.clock.pass(SignedDuration::from_hours(2));
        between.clock.pass(SignedDuration::from_mins(5));
        between.round().await;
    }
}

async fn prices_both<R: Real>(erp: &R, more: &str, people: &impl Pricing) {
    people.open_list().await;
    for code in ["ART-01", "ART-02", "ART-03", "ART-04", "ART-05", "ART-06", "ART-07", "ART-08"] {
        people.costs(code, "20").await;
    }
    let terms = format!(
        "orders = {{ {NAMES} }}\ngoods = {{ prices = \"publish\", price = {{ list = \"Web\", currency = \"EUR\", tax = \"included\", \
         round_to = \"0.05\" }} }}"
    );
    let between = Between::new(erp, more, &terms, 2).await;
    for (_, shop) in both(&between) {
        shop.stock().set_price(ARTICLE[0], Some(Tag { amount: Decimal::from(20), compare_at: None }));
    }
    a_day_begins(&between);
    let calls = both(&between).map(|(_, shop)| shop.calls());
    between.round().await;
    // 20 less a tenth, with 21 per cent: 21.78, in steps of five cents.
    asks(&between, "21.8", "what the list says, with tax");
    for ((kind, shop), before) in both(&between).into_iter().zip(calls) {
        let told = between.data.list(&kind.parse().unwrap(), None, 50).await.unwrap();
        println!("{}: {} prices took {} calls to {kind}", R::KIND, told.len(), shop.calls() - before);
    }
    let calls = both(&between).map(|(_, shop)| shop.calls());
    hours_pass(&between).await;
    assert_eq!(both(&between).map(|(_, shop)| shop.calls()), calls, "nothing changed, so that no shop is asked");

    people.costs("ART-01", "24").await;
    hours_pass(&between).await;
    // 26.136.
    asks(&between, "26.15", "what the list says now");

    people.costs("ART-01", "2.4").await;
    hours_pass(&between).await;
    asks(&between, "26.15", "a tenth of it waits for a person");
    for (kind, _) in both(&between) {
        let tag = tag(&between, kind).await;
        assert!(tag.stopped && tag.note.as_ref().is_some_and(|why| why.contains("puente prices release")), "{tag:?}");
        let (kind, article) = (kind.parse().unwrap(), ARTICLE[1].parse().unwrap());
        assert!(prices::release(&between.puente, &kind, &article, "ana", "test").await.unwrap().is_some());
    }
    between.publish().await;
    // 2.6136.
    asks(&between, "2.6", "somebody released it");

    people.costs("ART-01", "0").await;
    hours_pass(&between).await;
    asks(&between, "2.6", "nothing is given away");
    for (kind, _) in both(&between) {
        let tag = tag(&between, kind).await;
        assert!(tag.stopped && tag.note.as_ref().is_some_and(|why| why.contains("0 or less")), "{tag:?}");
    }

    // Somebody sets a price in the shops by hand: it stands until the next day.
    people.costs("ART-01", "2.4").await;
    hours_pass(&between).await;
    for (_, shop) in both(&between) {
        shop.stock().set_price(ARTICLE[0], Some(Tag { amount: Decimal::from(3), compare_at: None }));
    }
    for _ in 0..4 {
        hours_pass(&between).await;
    }
    asks(&between, "2.6", "a day later it is as the ERP says");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_articles_cost_in_tryton_is_told_to_woocommerce_and_shopify() {
    let Some(room) = Stockroom::with(&["sale_price_list", "product_price_list_dates"]).await else { return };
    prices_both(&room.tryton, "state = \"processing\"\n", &room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_articles_cost_in_odoo_is_told_to_woocommerce_and_shopify() {
    let Some(depot) = Depot::open().await else { return };
    prices_both(&depot.odoo, "", &depot).await;
}
