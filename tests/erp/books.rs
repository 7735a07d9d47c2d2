//! What the connector foresees is what Tryton computes: generated sales, in both of Tryton's ways to round taxes.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use puente::erp::tryton::books::{Line, Rounding, Tax, total};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::tryton::Tryton;

const SALES: usize = 150;

struct World {
    taxes: Vec<Tax>,
    currencies: Vec<(i64, Decimal)>,
    product: i64,
    unit: i64,
    party: i64,
    address: i64,
}

fn decimal(value: &Value) -> Decimal {
    value["decimal"].as_str().unwrap().parse().unwrap()
}

async fn world(tryton: &Tryton) -> World {
    let id = |value: &Value| value["id"].as_i64().unwrap();
    let percentage = json!([["type", "=", "percentage"], ["parent", "=", null]]);
    let taxes = tryton.search("account.tax", percentage, json!(["rate", "sequence"])).await;
    let currencies = tryton.search("currency.currency", json!([]), json!(["rounding"])).await;
    let product = tryton.search("product.product", json!([["code", "=", "COFFEE"]]), json!(["sale_uom"])).await;
    let party =
        tryton.rpc("model.party.party.create", json!([[{"name": "Nobody", "code": "nobody"}]])).await[0].clone();
    let address = tryton.rpc("model.party.address.create", json!([[{"party": party}]])).await[0].clone();
    let mut taxes: Vec<Tax> = taxes
        .iter()
        .map(|tax| Tax {
            sequence: tax["sequence"].as_i64(),
            id: id(tax),
            rate: decimal(&tax["rate"]),
            included: false,
        })
        .collect();
    taxes.sort();
    World {
        taxes,
        currencies: currencies.iter().map(|currency| (id(currency), decimal(&currency["rounding"]))).collect(),
        product: id(&product[0]),
        unit: product[0]["sale_uom"].as_i64().unwrap(),
        party: party.as_i64().unwrap(),
        address: address.as_i64().unwrap(),
    }
}

/// Sales of any lines: fractions of cents, credits, several taxes in one line.
fn sales(world: &World) -> impl Strategy<Value = ((i64, Decimal), Vec<Line>)> + use<> {
    let taxes = world.taxes.clone();
    let count = taxes.len();
    let line = (1i64..5_000, -2_000_000i64..8_000_000, proptest::collection::btree_set(0..count, 0..3));
    let line = line.prop_map(move |(quantity, price, which)| Line {
        quantity: Decimal::new(quantity, 2),
        price: Decimal::new(price, 4),
        taxes: which.into_iter().map(|at| taxes[at].clone()).collect(),
    });
    // Small prices: where taxes round to nothing.
    let small = line.clone().prop_map(|line| Line { price: line.price / Decimal::from(10_000), ..line });
    let small = small.prop_map(|line| Line { price: line.price.round_dp(4), ..line });
    let lines = proptest::collection::vec(prop_oneof![3 => line, 1 => small], 1..8);
    (proptest::sample::select(world.currencies.clone()), lines)
}

async fn compare(tryton: &Tryton, per_line: bool) {
    let world = world(tryton).await;
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = sales(&world);
    let made: Vec<_> = (0..SALES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    // Tryton would never come back from those that cannot be settled.
    let made: Vec<_> = made
        .into_iter()
        .filter_map(|((currency, step), lines)| {
            let foreseen = total(&lines, Rounding { step, per_line }).ok()?;
            Some((currency, lines, foreseen))
        })
        .collect();
    assert!(made.len() > SALES / 2);
    let exact = |number: Decimal| json!({"__class__": "Decimal", "decimal": number.to_string()});
    let values: Vec<Value> = made
        .iter()
        .map(|(currency, lines, _)| {
            let lines: Vec<Value> = lines
                .iter()
                .map(|line| {
                    let ids: Vec<i64> = line.taxes.iter().map(|tax| tax.id).collect();
                    json!({"product": world.product, "unit": world.unit, "quantity": exact(line.quantity),
                        "unit_price": exact(line.price), "taxes": [["add", ids]]})
                })
                .collect();
            json!({"company": 1, "currency": currency, "party": world.party, "invoice_address": world.address,
                "shipment_address": world.address, "lines": [["create", lines]]})
        })
        .collect();
    let ids = tryton.rpc("model.sale.sale.create", json!([values])).await;
    let fields = json!(["untaxed_amount", "tax_amount", "total_amount"]);
    let found = tryton.search("sale.sale", json!([["id", "in", ids]]), fields).await;
    assert_eq!(found.len(), made.len());
    for (id, (_, lines, foreseen)) in ids.as_array().unwrap().iter().zip(&made) {
        let sale = found.iter().find(|sale| sale["id"] == *id).unwrap();
        assert_eq!(decimal(&sale["untaxed_amount"]), foreseen.untaxed, "untaxed of {lines:?}");
        assert_eq!(decimal(&sale["tax_amount"]), foreseen.tax, "tax of {lines:?}");
        assert_eq!(decimal(&sale["total_amount"]), foreseen.total(), "{lines:?}");
    }
}

#[tokio::test]
async fn what_is_foreseen_is_what_tryton_computes() {
    let Some(tryton) = Tryton::start() else { return };
    compare(&tryton, false).await;
    tryton.rpc("model.account.configuration.write", json!([[1], {"tax_rounding": "line"}])).await;
    tryton.rpc("model.party.party.write", json!([[party(&tryton).await], {"code": "somebody"}])).await;
    compare(&tryton, true).await;
}

async fn party(tryton: &Tryton) -> Value {
    tryton.search("party.party", json!([["code", "=", "nobody"]]), json!(["id"])).await[0]["id"].clone()
}
