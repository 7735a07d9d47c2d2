//! A hundred orders of shops that round the tax of every line, whose prices are with or without their tax, into a real Tryton and a
//! real Odoo that round in each of their own ways: none waits for a cent, every total is the store's, and what rounding made stands on a
//! line that says so.
//!
//! `PUENTE_SEED` chooses other orders.

use std::collections::BTreeMap;

use puente::{
    domain::{ids::OrderKey, record::State},
    ports::Records,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    flow::{Inside, ONE_AT_A_TIME},
    real::{Real, digits},
    support::{odoo::Odoo, tryton::Tryton, venv::say},
    till::{Till, tills},
};

const ORDERS: u64 = 100;

#[allow(clippy::disallowed_methods, reason = "which seed is said from outside")]
fn seed() -> u64 {
    let seed = std::env::var("PUENTE_SEED").map_or(8_002_026, |seed| seed.parse().expect("PUENTE_SEED is a number"));
    say(&format!("Orders of the seed {seed}: PUENTE_SEED={seed} makes the same again."));
    seed
}

/// An ERP that rounds taxes in ways of its own.
trait Rounds: Real {
    /// The ways that it offers.
    async fn ways(&self) -> Vec<String>;

    /// It rounds so from now on.
    async fn round(&self, way: &str);

    /// The sales of our orders, by their reference.
    async fn sales(&self) -> BTreeMap<String, Sale>;
}

/// A sale as the ERP has it.
struct Sale {
    total: Decimal,
    /// What stands on the product for rounding: amounts, whether taxed.
    rounding: Vec<(Decimal, bool)>,
    /// How many lines it has.
    lines: usize,
}

fn decimal(value: &Value) -> Decimal {
    value["decimal"].as_str().unwrap().parse().unwrap()
}

fn is_empty(list: &Value) -> bool {
    list.as_array().unwrap().is_empty()
}

impl Rounds for Tryton {
    async fn ways(&self) -> Vec<String> {
        let fields = self.rpc("model.account.configuration.fields_get", json!([["tax_rounding"]])).await;
        let offered = fields["tax_rounding"]["selection"].as_array().expect("a selection").clone();
        offered.iter().filter_map(|way| way[0].as_str().map(str::to_owned)).collect()
    }

    async fn round(&self, way: &str) {
        self.rpc("model.account.configuration.write", json!([[1], {"tax_rounding": way}])).await;
    }

    async fn sales(&self) -> BTreeMap<String, Sale> {
        let fields = json!(["web_id", "total_amount", "lines.unit_price", "lines.taxes", "lines.product.code"]);
        let found = self.search("sale.sale", json!([["web_id", "like", "acme/%"]]), fields).await;
        let read = |sale: &Value| {
            let lines = sale["lines."].as_array().unwrap();
            let rounding = lines.iter().filter(|line| line["product."]["code"] == "ROUNDING");
            Sale {
                total: decimal(&sale["total_amount"]),
                rounding: rounding.map(|line| (decimal(&line["unit_price"]), !is_empty(&line["taxes"]))).collect(),
                lines: lines.len(),
            }
        };
        found.iter().map(|sale| (sale["web_id"].as_str().unwrap().to_owned(), read(sale))).collect()
    }
}

impl Rounds for Odoo {
    async fn ways(&self) -> Vec<String> {
        let body = json!({"allfields": ["tax_calculation_rounding_method"], "attributes": ["selection"]});
        let fields = self.call("res.company", "fields_get", body).await;
        let offered = fields["tax_calculation_rounding_method"]["selection"].as_array().expect("a selection").clone();
        offered.iter().filter_map(|way| way[0].as_str().map(str::to_owned)).collect()
    }

    async fn round(&self, way: &str) {
        let vals = json!({"tax_calculation_rounding_method": way});
        self.call("res.company", "write", json!({"ids": [1], "vals": vals})).await;
    }

    async fn sales(&self) -> BTreeMap<String, Sale> {
        let rounding = self.search("product.product", json!([["default_code", "=", "ROUNDING"]]), json!(["id"])).await;
        let ours = json!([["order_id.client_order_ref", "=like", "acme/%"]]);
        let fields = json!(["order_id", "product_id", "price_unit", "product_uom_qty", "tax_ids"]);
        let mut lines: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for line in self.search("sale.order.line", ours, fields).await {
            lines.entry(line["order_id"][0].as_i64().unwrap()).or_default().push(line);
        }
        let ours = json!([["client_order_ref", "=like", "acme/%"]]);
        let found = self.search("sale.order", ours, json!(["client_order_ref", "amount_total"])).await;
        let read = |sale: &Value| {
            let lines = &lines[&sale["id"].as_i64().unwrap()];
            let of_rounding = lines.iter().filter(|line| line["product_id"][0] == rounding[0]["id"]);
            let amount =
                |line: &Value| digits(&line["price_unit"]).decimal() * digits(&line["product_uom_qty"]).decimal();
            Sale {
                total: digits(&sale["amount_total"]).decimal(),
                rounding: of_rounding.map(|line| (amount(line), !is_empty(&line["tax_ids"]))).collect(),
                lines: lines.len(),
            }
        };
        found.iter().map(|sale| (sale["client_order_ref"].as_str().unwrap().to_owned(), read(sale))).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_waits_for_a_cent_of_tax_rounding() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(tryton) = Tryton::start() else { return };
    none_waits(&tryton).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_for_odoo_waits_for_a_cent_of_tax_rounding() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(odoo) = Odoo::start() else { return };
    none_waits(&odoo).await;
}

/// As the company stands first, then in each way that the ERP has.
async fn none_waits<R: Rounds>(erp: &R) {
    let seed = seed();
    let ways: Vec<Option<String>> = std::iter::once(None).chain(erp.ways().await.into_iter().map(Some)).collect();
    assert!(ways.len() > 2, "{ways:?}");
    for (n, way) in (0_u64..).zip(&ways) {
        if let Some(way) = way {
            erp.round(way).await;
        }
        let orders = tills(seed + n, 7_000_000 + n * 1_000, ORDERS);
        let told = arrived(erp, &orders).await;
        let way = way.as_deref().unwrap_or("(the company's default)");
        say(&format!("Tax rounding of {} {way}: {told}", R::KIND));
    }
}

/// Takes them to the ERP and looks at every one there.
async fn arrived<R: Rounds>(erp: &R, orders: &[Till]) -> String {
    let inside = Inside::new(erp, "state = \"draft\"");
    for order in orders {
        inside.arrive(&order.body).await;
    }
    let calls = inside.depart().await.calls;
    let sales = erp.sales().await;
    let (mut waiting, mut rounded) = (Vec::new(), 0);
    for order in orders {
        let key = OrderKey::new("acme".parse().unwrap(), order.id.to_string().parse().unwrap());
        let head = inside.data.head(&key).await.unwrap().unwrap();
        if head.state() != State::Synced {
            waiting.push(format!("{key}: {} {:?}", head.state(), head.reason));
            continue;
        }
        let sale = &sales[key.to_string().as_str()];
        assert_eq!(sale.total, order.total, "{key}");
        assert!(sale.lines > sale.rounding.len(), "{key}");
        let noted = inside.data.timeline(&key).await.unwrap().into_iter().find(|entry| entry.event == "booked");
        match sale.rounding.as_slice() {
            [] => assert!(noted.is_none(), "{key}: {noted:?}"),
            [(amount, taxed)] => {
                rounded += 1;
                // Half a cent for each rounding of the store's, and of the ERP's, which are never more than one each.
                assert!(
                    !taxed && !amount.is_zero() && amount.abs() <= Decimal::new(i64::from(order.taxed), 2),
                    "{key}: {amount}"
                );
                let told = noted.and_then(|entry| entry.detail).unwrap_or_default();
                assert!(told.contains(&format!("{} EUR of rounding", amount.normalize())), "{key}: {told}");
            }
            several => panic!("{key}: {several:?}"),
        }
    }
    assert!(waiting.is_empty(), "{} of {} wait: {waiting:#?}", waiting.len(), orders.len());
    let (n, included) = (orders.len(), orders.iter().filter(|order| order.included).count());
    assert!(included >= n / 4 && n - included >= n / 4, "{included} of {n}");
    format!(
        "{n} of {n} orders arrived to the cent ({included} with prices that include tax), {rounded} of them with a line of rounding; \
         {calls} calls"
    )
}
