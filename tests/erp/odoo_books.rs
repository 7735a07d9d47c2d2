//! Hundreds of random orders, as drafts in a real Odoo: what it makes of each is what was foreseen, untaxed, tax and total, to the
//! cent, whatever the company's way of rounding, the kind of taxes and the currency.
//!
//! `PUENTE_SEED` chooses other orders, `PUENTE_ORDERS` more of them.

use std::collections::BTreeMap;

use puente::erp::odoo::books::{Item, Line, Rounding, Tax, Total, lines, total};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{odoo::Odoo, venv::say};

/// Of each kind, unless `PUENTE_ORDERS` says otherwise.
const ORDERS: usize = 40;
/// The store's prices, Odoo's taxes, the currency and its decimals.
const RUNS: [(bool, Kind, &str, u32); 6] = [
    (false, Kind::OnTop, "EUR", 2),
    (true, Kind::Included, "EUR", 2),
    (true, Kind::OnTop, "EUR", 2),
    (false, Kind::Included, "EUR", 2),
    (true, Kind::Both, "EUR", 2),
    (false, Kind::Both, "JPY", 0),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    OnTop,
    Included,
    Both,
}

/// How many orders there are of each kind, and which.
#[allow(clippy::disallowed_methods, reason = "both are said from outside")]
fn chosen() -> (usize, u64) {
    let many = std::env::var("PUENTE_ORDERS").map_or(ORDERS, |many| many.parse().expect("PUENTE_ORDERS is a number"));
    let seed = std::env::var("PUENTE_SEED").map_or(19_002_026, |seed| seed.parse().expect("PUENTE_SEED is a number"));
    say(&format!("Orders of the seed {seed}: PUENTE_SEED={seed} makes the same again."));
    (many, seed)
}

/// What Odoo knows: taxes by name, articles and pricelists by theirs.
struct Known {
    taxes: BTreeMap<String, Tax>,
    article: i64,
    customer: i64,
    pricelists: BTreeMap<String, i64>,
}

fn name(row: &Value) -> String {
    row["name"].as_str().unwrap().to_owned()
}

/// A number of an answer, as it was written.
fn number(value: &Value) -> Decimal {
    let text = value.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).unwrap()
}

impl Known {
    async fn of(odoo: &Odoo) -> Self {
        let fields = json!(["name", "amount", "price_include", "sequence"]);
        let domain = json!([["type_tax_use", "=", "sale"], ["amount_type", "=", "percent"]]);
        let tax = |row: &Value| Tax {
            sequence: row["sequence"].as_i64(),
            id: row["id"].as_i64().unwrap(),
            rate: number(&row["amount"]) / Decimal::ONE_HUNDRED,
            included: row["price_include"].as_bool().unwrap(),
        };
        let taxes = odoo.search("account.tax", domain, fields).await;
        let pricelists = odoo.search("product.pricelist", json!([]), json!(["name"])).await;
        let articles = odoo.search("product.product", json!([["default_code", "=", "ART-01"]]), json!(["name"])).await;
        let (_, made) = odoo.user_call("res.partner", "create", json!({"vals_list": [{"name": "Ana"}]})).await;
        Self {
            taxes: taxes.iter().map(|row| (name(row), tax(row))).collect(),
            article: articles[0]["id"].as_i64().unwrap(),
            customer: made[0].as_i64().unwrap(),
            pricelists: pricelists.iter().map(|row| (name(row), row["id"].as_i64().unwrap())).collect(),
        }
    }

    /// The taxes of one thing: none, one, or two at once.
    fn taxes(&self, kind: Kind, dice: &mut StdRng) -> Vec<Tax> {
        let included = match kind {
            Kind::OnTop => "",
            Kind::Included => " included",
            Kind::Both if dice.random_bool(0.5) => "",
            Kind::Both => " included",
        };
        let names = match dice.random_range(0..10) {
            0 => vec![],
            1 if included.is_empty() => vec!["GST 5%".to_owned(), "PST 7%".to_owned()],
            1 => vec!["GST 5%".to_owned(), format!("VAT 10%{included}"), format!("VAT 21%{included}")],
            2 | 3 => vec![format!("VAT 10%{included}")],
            4 => vec![format!("VAT 4%{included}")],
            5 if included.is_empty() => vec!["State 8.875%".to_owned()],
            _ => vec![format!("VAT 21%{included}")],
        };
        let mut taxes: Vec<Tax> = names.iter().map(|name| self.taxes[name].clone()).collect();
        taxes.sort();
        taxes
    }
}

/// What a shop charges: articles, discounts that are spread or a line of their own, carriage.
fn charged(known: &Known, kind: Kind, decimals: u32, dice: &mut StdRng) -> Vec<Item> {
    let whole = 10_i64.pow(decimals);
    let mut items: Vec<Item> = (0..dice.random_range(1..7))
        .map(|_| {
            let quantity = match dice.random_range(0..10) {
                0 => Decimal::new(dice.random_range(1..60) * 5, 1),
                1 | 2 => Decimal::from(dice.random_range(6..121)),
                _ => Decimal::from(dice.random_range(1..6)),
            };
            let price = Decimal::new(dice.random_range(whole / 5 + 1..200 * whole), decimals);
            let off = if dice.random_bool(0.4) { Decimal::new(dice.random_range(0..35), 2) } else { Decimal::ZERO };
            let amount = (quantity * price * (Decimal::ONE - off)).round_dp(decimals);
            Item { quantity, amount, taxes: known.taxes(kind, dice) }
        })
        .collect();
    let mut one = |from: i64, to: i64, quantity: i64, dice: &mut StdRng| {
        let amount = Decimal::new(dice.random_range(from..to), decimals);
        items.push(Item { quantity: Decimal::from(quantity), amount, taxes: known.taxes(kind, dice) });
    };
    if dice.random_bool(0.6) {
        one(1, 20 * whole, 1, dice);
    }
    if dice.random_bool(0.3) {
        one(-15 * whole, 0, 1, dice);
    }
    if dice.random_bool(0.2) {
        one(-15 * whole, 0, -1, dice);
    }
    items
}

/// Prices that no shop charges, with decimals that make halves.
fn raw(items: &[Item], dice: &mut StdRng) -> Vec<Line> {
    let line = |item: &Item| {
        let price = Decimal::new(dice.random_range(-2_000..20_000) * 125, dice.random_range(3..7));
        Line { quantity: item.quantity, price: price.normalize(), taxes: item.taxes.clone() }
    };
    items.iter().map(line).collect()
}

/// The rows of one order for `load`.
fn rows(known: &Known, name: &str, pricelist: i64, lines: &[Line]) -> Vec<Value> {
    let row = |(n, line): (usize, &Line)| {
        let head = if n == 0 {
            [json!(name), json!(known.customer), json!(pricelist)]
        } else {
            [json!(""), json!(""), json!("")]
        };
        let taxes: Vec<String> = line.taxes.iter().map(|tax| tax.id.to_string()).collect();
        let (quantity, price) = (line.quantity.to_string(), line.price.to_string());
        let own = [json!(known.article), json!(quantity), json!(price), json!(taxes.join(","))];
        Value::Array(head.into_iter().chain(own).collect())
    };
    lines.iter().enumerate().map(row).collect()
}

/// Books them and reads back what Odoo makes of each.
async fn booked(odoo: &Odoo, known: &Known, run: &str, pricelist: i64, orders: &[Vec<Line>]) -> Vec<Total> {
    let data: Vec<Value> = orders
        .iter()
        .enumerate()
        .flat_map(|(n, lines)| rows(known, &format!("puente.order_{run}_{n}"), pricelist, lines))
        .collect();
    let body = json!({
        "context": {"mode": "update", "noupdate": true, "tz": "UTC"},
        "fields": ["id", "partner_id/.id", "pricelist_id/.id", "order_line/product_id/.id", "order_line/product_uom_qty",
            "order_line/price_unit", "order_line/tax_ids/.id"],
        "data": data,
    });
    let (status, answer) = odoo.user_call("sale.order", "load", body).await;
    assert!(status == 200 && answer["ids"].is_array(), "{status} {answer}");
    let fields = json!(["amount_untaxed", "amount_tax", "amount_total"]);
    let found = odoo.search("sale.order", json!([["id", "in", answer["ids"]]]), fields).await;
    let by_id: BTreeMap<i64, &Value> = found.iter().map(|row| (row["id"].as_i64().unwrap(), row)).collect();
    let ids = answer["ids"].as_array().unwrap();
    assert_eq!((by_id.len(), ids.len()), (orders.len(), orders.len()));
    let read = |id: &Value| {
        let row = by_id[&id.as_i64().unwrap()];
        let read = Total { untaxed: number(&row["amount_untaxed"]), tax: number(&row["amount_tax"]) };
        assert_eq!(read.total(), number(&row["amount_total"]), "{row}");
        read
    };
    ids.iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_odoo_makes_of_an_order_is_foreseen_to_the_cent() {
    let Some(odoo) = Odoo::start() else { return };
    let known = Known::of(&odoo).await;
    let (many, seed) = chosen();
    for method in ["round_globally", "round_per_line"] {
        let way = json!({"ids": [1], "vals": {"tax_calculation_rounding_method": method}});
        odoo.call("res.company", "write", way).await;
        for (n, (store, kind, currency, decimals)) in (0_u64..).zip(RUNS) {
            let mut dice = StdRng::seed_from_u64(seed + n);
            let per_line = method == "round_per_line";
            let rounding = Rounding { step: Decimal::new(1, decimals), per_line, price_decimals: None };
            let shop: Vec<Vec<Item>> = (0..many).map(|_| charged(&known, kind, decimals, &mut dice)).collect();
            let mut orders: Vec<Vec<Line>> = shop.iter().map(|items| lines(items, store, rounding).concat()).collect();
            orders.extend(shop.iter().map(|items| raw(items, &mut dice)));
            let run = format!("{method}_{n}");
            let answered = booked(&odoo, &known, &run, known.pricelists[currency], &orders).await;
            let (mut hit, mut wrong) = (0, Vec::new());
            for (at, (lines, answered)) in orders.iter().zip(&answered).enumerate() {
                let foreseen = total(lines, rounding);
                if foreseen != *answered {
                    wrong.push(format!("{run} {at}: {foreseen:?} foreseen, {answered:?} answered: {lines:?}"));
                }
                let Some(items) = shop.get(at) else { continue };
                let tax =
                    |item: &Item| item.taxes.iter().map(|tax| rounding.round(item.amount * tax.rate)).sum::<Decimal>();
                let of_store = |item: &Item| item.amount + if store { Decimal::ZERO } else { tax(item) };
                hit += usize::from(items.iter().map(of_store).sum::<Decimal>() == answered.total());
            }
            assert!(wrong.is_empty(), "{} of {} are wrong: {wrong:#?}", wrong.len(), orders.len());
            say(&format!(
                "{method}, {kind:?} in Odoo, {} in the store, {currency}: {n} of {n} foreseen; {hit} of {many} come to the \
                 store's total by themselves.",
                if store { "included" } else { "on top" },
                n = orders.len()
            ));
        }
    }
}
