//! A hundred orders of a shop that rounds the tax of every line, into a real Tryton that rounds in its own ways: none waits for a
//! cent, every total is the store's, and what rounding made stands on a line that says so.
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
    support::{tryton::Tryton, venv::say},
    till::{Till, tills},
};

const ORDERS: u64 = 100;

#[allow(clippy::disallowed_methods, reason = "which seed is said from outside")]
fn seed() -> u64 {
    let seed = std::env::var("PUENTE_SEED").map_or(8_002_026, |seed| seed.parse().expect("PUENTE_SEED is a number"));
    say(&format!("Orders of the seed {seed}: PUENTE_SEED={seed} makes the same again."));
    seed
}

fn decimal(value: &Value) -> Decimal {
    value["decimal"].as_str().unwrap().parse().unwrap()
}

/// The ways of rounding taxes that this Tryton offers.
async fn ways(tryton: &Tryton) -> Vec<String> {
    let fields = tryton.rpc("model.account.configuration.fields_get", json!([["tax_rounding"]])).await;
    let offered = fields["tax_rounding"]["selection"].as_array().expect("a selection").clone();
    offered.iter().filter_map(|way| way[0].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_waits_for_a_cent_of_tax_rounding() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(tryton) = Tryton::start() else { return };
    let seed = seed();
    // As the company stands first, then each way that this Tryton has.
    let ways: Vec<Option<String>> = std::iter::once(None).chain(ways(&tryton).await.into_iter().map(Some)).collect();
    assert!(ways.len() > 2, "{ways:?}");
    for (n, way) in (0_u64..).zip(&ways) {
        if let Some(way) = way {
            tryton.rpc("model.account.configuration.write", json!([[1], {"tax_rounding": way}])).await;
        }
        let orders = tills(seed + n, 7_000_000 + n * 1_000, ORDERS);
        let told = arrived(&tryton, &orders).await;
        let way = way.as_deref().unwrap_or("(the company's default)");
        say(&format!("Tax rounding {way}: {told}"));
    }
}

/// A sale as Tryton has it.
struct Sale {
    total: Decimal,
    /// What stands on the product for rounding: amounts, whether taxed.
    rounding: Vec<(Decimal, bool)>,
    /// How many lines it has.
    lines: usize,
}

async fn sales(tryton: &Tryton) -> BTreeMap<String, Sale> {
    let fields = json!(["web_id", "total_amount", "lines.unit_price", "lines.taxes", "lines.product.code"]);
    let found = tryton.search("sale.sale", json!([["web_id", "like", "acme/%"]]), fields).await;
    let read = |sale: &Value| {
        let lines = sale["lines."].as_array().unwrap();
        let rounding = lines.iter().filter(|line| line["product."]["code"] == "ROUNDING");
        Sale {
            total: decimal(&sale["total_amount"]),
            rounding: rounding
                .map(|line| (decimal(&line["unit_price"]), !line["taxes"].as_array().unwrap().is_empty()))
                .collect(),
            lines: lines.len(),
        }
    };
    found.iter().map(|sale| (sale["web_id"].as_str().unwrap().to_owned(), read(sale))).collect()
}

/// Takes them to Tryton and looks at every one there.
async fn arrived(tryton: &Tryton, orders: &[Till]) -> String {
    let inside = Inside::new(tryton, "state = \"draft\"");
    for order in orders {
        inside.arrive(&order.body).await;
    }
    let calls = inside.depart().await.calls;
    let sales = sales(tryton).await;
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
                // Half a cent for each rounding of the store's, and of Tryton's, which are never more than one each.
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
    let n = orders.len();
    format!("{n} of {n} orders arrived to the cent, {rounded} of them with a line of rounding; {calls} calls")
}
