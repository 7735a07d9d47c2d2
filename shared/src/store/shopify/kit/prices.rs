//! Prices: variants by their codes, and the mutation that writes those of one product.
//! <https://shopify.dev/docs/api/admin-graphql/latest/mutations/productVariantsBulkUpdate>

use puente_sandbox::store::{Goods, Shelf, Tag};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{PAGE, searched};

fn variant(id: u64) -> String {
    format!("gid://shopify/ProductVariant/{id}")
}

/// The product of a variant: every product has up to three.
fn product(id: u64) -> String {
    format!("gid://shopify/Product/{}", id / 3)
}

/// Amounts have two decimals there, whatever was entered. What was never entered is 0.
fn money(amount: Decimal) -> String {
    format!("{:.2}", amount.round_dp(2))
}

fn shown(item: &Goods) -> Value {
    let amount = item.price.map_or(Decimal::ZERO, |tag| tag.amount);
    let compare_at = item.price.and_then(|tag| tag.compare_at).map(money);
    json!({"id": variant(item.id), "sku": item.sku, "price": money(amount), "compareAtPrice": compare_at, "product": {"id": product(item.id)}})
}

/// A page of variants. The search takes upper and lower case for the same, and finds codes that begin with what is looked for.
pub(super) fn variants(shelf: &Shelf, variables: &Value) -> Value {
    let word = |name: &str| variables.get(name).and_then(Value::as_str);
    let codes = searched(word("find").unwrap_or_default());
    let from: usize = word("after").and_then(|after| after.parse().ok()).unwrap_or(0);
    let items = shelf.stock.items();
    let found: Vec<&Goods> =
        items.iter().filter(|item| codes.iter().any(|code| item.sku.to_lowercase().starts_with(code))).collect();
    let page: Value = found.iter().skip(from).take(PAGE).map(|item| shown(item)).collect();
    let more = from + PAGE < found.len();
    let currency = shelf.plan.currencies.first().map(|(code, _)| *code);
    json!({"data": {"shop": {"currencyCode": currency}, "productVariants": {"nodes": page,
        "pageInfo": {"hasNextPage": more, "endCursor": more.then(|| (from + PAGE).to_string())}}}})
}

/// One mutation after the other, each under its name: `name: productVariantsBulkUpdate(productId: $a, variants: $b, …)`.
pub(super) fn update(shelf: &Shelf, query: &str, variables: &Value) -> Value {
    let mut done = Map::new();
    let mut parts = query.split("productVariantsBulkUpdate(");
    let mut before = parts.next().unwrap_or_default();
    for part in parts {
        let name = before.trim_end().strip_suffix(':').and_then(|text| text.split([' ', '{']).next_back());
        let arguments = part.split(')').next().unwrap_or_default();
        let of = |argument: &str| {
            let variable = arguments.split_once(&format!("{argument}: $"))?.1;
            variables.get(variable.split(|c: char| !c.is_alphanumeric()).next()?)
        };
        let (Some(product), Some(sets)) = (of("productId").and_then(Value::as_str), of("variants")) else {
            let words = "Expected value to not be null";
            return json!({"errors": [{"message": words, "extensions": {"code": "INVALID_VARIABLE"}}]});
        };
        let partly = arguments.contains("allowPartialUpdates: true");
        done.insert(
            name.unwrap_or("productVariantsBulkUpdate").to_owned(),
            update_one(&mut shelf.stock.items(), product, sets, partly),
        );
        before = part;
    }
    json!({ "data": done })
}

fn update_one(items: &mut [Goods], of: &str, sets: &Value, partly: bool) -> Value {
    if !items.iter().any(|item| product(item.id) == of) {
        let error = json!({"code": "PRODUCT_DOES_NOT_EXIST", "field": ["productId"]});
        return json!({"product": null, "productVariants": null, "userErrors": [error]});
    }
    let (mut errors, mut changes) = (Vec::new(), Vec::new());
    for (place, set) in sets.as_array().into_iter().flatten().enumerate() {
        let mut refuse = |code: &str, field: &str| {
            errors.push(json!({"code": code, "field": ["variants", place.to_string(), field]}));
        };
        let amount = |name: &str| set.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Decimal>().ok());
        let is_it = |item: &Goods| product(item.id) == of && set.get("id") == Some(&json!(variant(item.id)));
        match (items.iter().position(is_it), amount("price")) {
            (None, _) => refuse("PRODUCT_VARIANT_DOES_NOT_EXIST", "id"),
            (Some(_), Some(price)) if price < Decimal::ZERO => refuse("GREATER_THAN_OR_EQUAL_TO", "price"),
            (Some(at), price) => changes.push((at, price, set.get("compareAtPrice").map(|_| amount("compareAtPrice")))),
        }
    }
    if !errors.is_empty() && !partly {
        changes.clear();
    }
    let mut changed = Vec::new();
    for (at, price, compare_at) in changes {
        let Some(item) = items.get_mut(at) else { continue };
        let before = item.price.unwrap_or(Tag { amount: Decimal::ZERO, compare_at: None });
        // What is not said stays.
        let amount = price.unwrap_or(before.amount);
        item.price = Some(Tag { amount, compare_at: compare_at.unwrap_or(before.compare_at) });
        changed.push(shown(item));
    }
    json!({"product": {"id": of}, "productVariants": changed, "userErrors": errors})
}
