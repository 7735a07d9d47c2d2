//! Prices as they are entered: a regular one, and one for a sale.

use puente_sandbox::store::{Goods, Tag};
use rust_decimal::Decimal;
use serde_json::Value;

/// The regular price and the sale price of an article; "" where there is none.
pub(super) fn entered(item: &Goods) -> (String, String) {
    let text = |amount: Option<Decimal>| amount.map(|amount| amount.to_string()).unwrap_or_default();
    let tag = item.price;
    match tag.and_then(|tag| tag.compare_at) {
        Some(regular) => (regular.to_string(), text(tag.map(|tag| tag.amount))),
        None => (text(tag.map(|tag| tag.amount)), String::new()),
    }
}

/// What is not said stays. A sale that is not cheaper is none.
pub(super) fn enter(item: &mut Goods, update: &Value) {
    let (regular, sale) = entered(item);
    let new = |name: &str, old: String| {
        let said = update.get(name).and_then(Value::as_str);
        said.map_or(old, str::to_owned).parse::<Decimal>().ok()
    };
    let (regular, sale) = (new("regular_price", regular), new("sale_price", sale));
    item.price = regular.map(|regular| match sale.filter(|sale| *sale < regular) {
        Some(sale) => Tag { amount: sale, compare_at: Some(regular) },
        None => Tag { amount: regular, compare_at: None },
    });
}
