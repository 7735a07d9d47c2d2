//! Orders as a Shopify till makes them: prices with or without their tax, discounts spread over the lines, the tax of each line
//! and of the carriage rounded by itself, half up. Invented, and reproducible from a seed.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use crate::support::orders::SHOP;

/// One order: what its webhook says, and what the buyer pays.
pub struct Till {
    /// The store's id.
    pub id: u64,
    /// The body of its webhook.
    pub body: String,
    /// What the buyer pays.
    pub total: Decimal,
    /// Whether its prices include their tax.
    pub included: bool,
    /// How many lines and charges are taxed, each tax counted.
    pub taxed: u32,
}

/// The rates of the shop: none, one, or two at once. `(title, rate)`, as the tests' Tryton knows them.
const RATES: [&[(&str, &str)]; 5] =
    [&[], &[("VAT", "0.21")], &[("VAT", "0.10")], &[("VAT", "0.04")], &[("GST", "0.05"), ("PST", "0.07")]];

/// Half a cent goes up.
fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn money(amount: Decimal) -> String {
    format!("{amount:.2}")
}

/// The tax lines of `charged`, and their sum.
fn taxes(charged: Decimal, rates: &[(&str, &str)], included: bool) -> (Value, Decimal) {
    let all: Decimal = rates.iter().map(|(_, rate)| rate.parse::<Decimal>().unwrap()).sum();
    let net = if included { charged / (Decimal::ONE + all) } else { charged };
    let mut sum = Decimal::ZERO;
    let mut lines = Vec::new();
    for (title, rate) in rates {
        let tax = cents(net * rate.parse::<Decimal>().unwrap());
        sum += tax;
        let rate: serde_json::Number = serde_json::from_str(rate).unwrap();
        lines.push(json!({"title": title, "price": money(tax), "rate": rate, "channel_liable": false}));
    }
    (Value::Array(lines), sum)
}

/// `orders` of them; the ids begin at `first`.
pub fn tills(seed: u64, first: u64, orders: u64) -> Vec<Till> {
    let mut dice = StdRng::seed_from_u64(seed);
    (first..first + orders).map(|id| till(id, &mut dice)).collect()
}

/// How many of an article, its price, its taxes.
type Goods = (u32, Decimal, &'static [(&'static str, &'static str)]);

fn till(id: u64, dice: &mut StdRng) -> Till {
    let included = dice.random_bool(0.5);
    // A shop at home has one kind of tax, elsewhere two at once; an article of another class is in most baskets.
    let home = if dice.random_bool(0.8) { 1..4 } else { 4..5 };
    let goods: Vec<Goods> = (0..dice.random_range(1..9))
        .map(|_| {
            let rates = if dice.random_bool(0.1) { RATES[0] } else { RATES[dice.random_range(home.clone())] };
            let quantity = if dice.random_bool(0.1) { dice.random_range(6..150) } else { dice.random_range(1..6) };
            (quantity, Decimal::new(dice.random_range(19..20_000), 2), rates)
        })
        .collect();
    let whole: Decimal = goods.iter().map(|(quantity, price, _)| *price * Decimal::from(*quantity)).sum();
    let off =
        if dice.random_bool(0.7) { cents(whole * Decimal::new(dice.random_range(1..35), 2)) } else { Decimal::ZERO };
    let (mut left, mut total, mut tax, mut taxed) = (off, Decimal::ZERO, Decimal::ZERO, 0);
    let mut lines = Vec::new();
    for (n, (quantity, price, rates)) in goods.iter().enumerate() {
        let amount = *price * Decimal::from(*quantity);
        // Spread in proportion; the last line takes what rounding leaves.
        let share = if n + 1 == goods.len() { left } else { cents(off * amount / whole).min(left) };
        left -= share;
        let (tax_lines, of_line) = taxes(amount - share, rates, included);
        total += amount - share;
        tax += of_line;
        taxed += u32::try_from(rates.len()).unwrap();
        let allocations = if share.is_zero() {
            json!([])
        } else {
            let both = json!({"amount": money(share), "currency_code": "EUR"});
            json!([{"amount": money(share), "discount_application_index": 0,
                "amount_set": {"shop_money": both, "presentment_money": both}}])
        };
        let sku = format!("ART-{:02}", n + 1);
        lines.push(json!({
            "id": id * 100 + n as u64, "sku": sku, "title": format!("Article {n}"), "name": format!("Article {n}"),
            "quantity": quantity, "current_quantity": quantity, "fulfillable_quantity": quantity, "price": money(*price),
            "total_discount": "0.00", "gift_card": false, "taxable": true, "requires_shipping": true,
            "discount_allocations": allocations, "tax_lines": tax_lines, "duties": [], "properties": [],
        }));
    }
    let mut shipping = Vec::new();
    if dice.random_bool(0.8) {
        let price = Decimal::new(dice.random_range(1..2_000), 2);
        let rates = RATES[dice.random_range(home)];
        let (tax_lines, of_it) = taxes(price, rates, included);
        total += price;
        tax += of_it;
        taxed += u32::try_from(rates.len()).unwrap();
        shipping.push(json!({"id": id * 100 + 99, "title": "Correo", "code": "STD", "price": money(price),
            "discounted_price": money(price), "discount_allocations": [], "tax_lines": tax_lines}));
    }
    if !included {
        total += tax;
    }
    let books = json!({
        "taxes_included": included, "total_price": money(total), "current_total_price": money(total),
        "total_tax": money(tax), "current_total_tax": money(tax), "total_discounts": money(off),
        "current_total_discounts": money(off), "total_line_items_price": money(whole),
        "subtotal_price": money(whole - off), "current_subtotal_price": money(whole - off), "total_tip_received": "0.00",
        "line_items": lines, "shipping_lines": shipping, "refunds": [],
    });
    let mut order = json!({
        "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "name": format!("#{id}"), "test": false,
        "created_at": "2026-05-06T22:30:00-03:00", "processed_at": "2026-05-06T22:30:00-03:00",
        "updated_at": "2026-05-06T22:31:00-03:00", "cancelled_at": null, "currency": "EUR", "presentment_currency": "EUR",
        "financial_status": "paid", "source_name": "web", "email": null, "customer": null, "note_attributes": [],
        "order_status_url": format!("https://{SHOP}/548380009/orders/0123456789abcdef/authenticate?key=invented"),
        "discount_applications": [{"type": "discount_code", "code": "OTOÑO", "value": "10.0", "value_type": "percentage",
            "allocation_method": "across", "target_selection": "all", "target_type": "line_item"}],
    });
    let (Value::Object(order), Value::Object(books)) = (&mut order, books) else { unreachable!("both are objects") };
    order.extend(books);
    Till { id, body: serde_json::to_string(order).unwrap(), total, included, taxed }
}
