//! A shop of Medusa's for the suites and the sandbox: orders as the Admin API shows them and as a subscriber sends them, signed,
//! and the calls that fetch them. Its figures are unrounded, as Medusa's are: a fraction of a minor unit more than what is shown.
//! <https://docs.medusajs.com/api/admin#orders_getorders>

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use puente_sandbox::store::{
    Answer, Asked, Buyer, Goods, Line, Plan, Purchase, Shelf, Stage, State, Story, Vendor, digest, header,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// The vendor.
#[derive(Debug)]
pub(super) struct Kit;

impl Vendor for Kit {
    fn section(&self, plan: &Plan, url: &str, secret: &mut dyn FnMut(&str, &str) -> String) -> String {
        format!(
            "url = '{url}'\nwebhook_secrets = [{}]\napi_key = {}\n",
            secret("secret", &plan.secret),
            secret("token", &plan.token)
        )
    }

    /// It has no test orders, and its edits leave no trace of what was removed.
    fn tells(&self, story: Story) -> bool {
        !matches!(story, Story::Test | Story::Edited)
    }

    /// Nobody tips there.
    fn suit(&self, purchase: &mut Purchase) {
        purchase.tip = 0;
    }

    fn id(&self, purchase: &Purchase) -> String {
        format!("order_{:026}", purchase.id)
    }

    fn number(&self, purchase: &Purchase) -> String {
        format!("#{}", purchase.number)
    }

    fn order(&self, _plan: &Plan, of: &Purchase, state: State) -> Value {
        order(of, state, &self.id(of))
    }

    fn body(&self, plan: &Plan, purchase: &Purchase, state: State) -> Value {
        json!({"event": event(purchase, state), "order": self.order(plan, purchase, state)})
    }

    fn headers(&self, plan: &Plan, purchase: &Purchase, state: State, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let signature = hex::encode(digest(plan.secret.as_bytes(), body));
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-medusa-event", event(purchase, state)),
            ("x-medusa-signature", &signature),
        ] {
            header(&mut headers, name, value);
        }
        headers
    }

    fn answer(&self, shelf: &Shelf, asked: &Asked) -> Answer {
        if !is_let_in(shelf, asked) {
            return Answer::of(StatusCode::UNAUTHORIZED, json!({"message": "Unauthorized"}));
        }
        if asked.path == "/admin/inventory-items" {
            return inventory_items(shelf, asked);
        }
        let Some(rest) = asked.path.strip_prefix("/admin/orders") else {
            return Answer::of(StatusCode::NOT_FOUND, Value::Null);
        };
        if let Some(id) = rest.strip_prefix('/') {
            let Some(order) = shelf.find(id) else {
                let words = json!({"type": "not_found", "message": format!("Order id not found: {id}")});
                return Answer::of(StatusCode::NOT_FOUND, words);
            };
            return Answer::ok(json!({ "order": order }));
        }
        let since = asked.word("updated_at[$gte]").parse::<Timestamp>().ok();
        let later = shelf.orders.iter().filter(|(at, _, _)| since.is_none_or(|since| *at >= since));
        let mut listed: Vec<&Value> = later.map(|(_, _, order)| order).collect();
        if asked.word("order") != "updated_at" {
            // By id, and so by age, where nothing is said.
            listed.sort_by_key(|order| order.get("id").and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        let (limit, offset) = (asked.number("limit", 15), asked.number("offset", 0));
        let page: Vec<&Value> = listed.iter().skip(offset).take(limit).copied().collect();
        Answer::ok(json!({"orders": page, "count": listed.len(), "offset": offset, "limit": limit}))
    }

    fn told(&self, shelf: &Shelf, asked: &Asked) -> Answer {
        if !is_let_in(shelf, asked) {
            return Answer::of(StatusCode::UNAUTHORIZED, json!({"message": "Unauthorized"}));
        }
        if asked.path != "/admin/inventory-items/location-levels/batch" {
            return Answer::of(StatusCode::NOT_FOUND, Value::Null);
        }
        set_levels(shelf, &asked.json())
    }
}

/// Where the shop's goods are.
const LOCATION: &str = "sloc_01INVENTED";

fn is_let_in(shelf: &Shelf, asked: &Asked) -> bool {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:", shelf.plan.token)));
    asked.header("authorization") == basic
}

fn item_id(id: u64) -> String {
    format!("iitem_{id:026}")
}

fn level(item: &Goods) -> Value {
    json!({"id": format!("ilev_{:026}", item.id), "location_id": LOCATION, "inventory_item_id": item_id(item.id),
        "raw_stocked_quantity": {"value": item.number.to_string(), "precision": 20}, "stocked_quantity": item.number,
        "reserved_quantity": 0, "incoming_quantity": 0, "metadata": null})
}

/// A page of inventory items, of all codes where none is asked for.
fn inventory_items(shelf: &Shelf, asked: &Asked) -> Answer {
    let codes: Vec<&str> = asked.words("sku[]").collect();
    let with_levels = asked.word("fields").contains("*location_levels");
    let items = shelf.stock.items();
    let found: Vec<&Goods> =
        items.iter().filter(|item| codes.is_empty() || codes.contains(&item.sku.as_str())).collect();
    let (limit, offset) = (asked.number("limit", 20), asked.number("offset", 0));
    let show = |item: &&Goods| {
        let levels = with_levels.then(|| json!([level(item)]));
        json!({"id": item_id(item.id), "sku": item.sku, "location_levels": levels})
    };
    let page: Value = found.iter().skip(offset).take(limit).map(show).collect();
    Answer::ok(json!({"inventory_items": page, "count": found.len(), "offset": offset, "limit": limit}))
}

/// All of the numbers, or none.
fn set_levels(shelf: &Shelf, body: &Value) -> Answer {
    let updates = body.get("update").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut items = shelf.stock.items();
    let mut changes = Vec::new();
    for (place, update) in updates.iter().enumerate() {
        let refuse =
            |status: StatusCode, kind: &str, words: String| Answer::of(status, json!({"type": kind, "message": words}));
        let Some(to) = update.get("stocked_quantity").and_then(Value::as_i64).filter(|to| *to >= 0) else {
            let words = format!(
                "Invalid request: Value for field 'update, {place}, stocked_quantity' too small, expected at least: '0'"
            );
            return refuse(StatusCode::BAD_REQUEST, "invalid_data", words);
        };
        let word = |name: &str| update.get(name).and_then(Value::as_str).unwrap_or_default();
        let (item, location) = (word("inventory_item_id"), word("location_id"));
        let Some(at) = items.iter().position(|own| item_id(own.id) == item && location == LOCATION) else {
            let words = format!("Item {item} is not stocked at location {location}");
            return refuse(StatusCode::NOT_FOUND, "not_found", words);
        };
        changes.push((at, to));
    }
    let mut updated = Vec::new();
    for (at, to) in changes {
        if let Some(item) = items.get_mut(at) {
            item.number = to;
            updated.push(level(item));
        }
    }
    Answer::ok(json!({"created": [], "updated": updated}))
}

fn event(purchase: &Purchase, state: State) -> &'static str {
    match state.stage {
        _ if purchase.states.first() == Some(&state) => "order.placed",
        Stage::Cancelled => "order.canceled",
        Stage::Fulfilled => "order.fulfillment_created",
        _ => "order.updated",
    }
}

/// An amount as JSON writes a number.
fn number(amount: Decimal) -> Value {
    serde_json::from_str(&amount.normalize().to_string()).unwrap_or_default()
}

/// One state of an order.
fn order(of: &Purchase, state: State, id: &str) -> Value {
    let at = state.at.to_string();
    // Less than half a minor unit, all of it in the first tax.
    let fraction = Decimal::new(if of.tax() > 0 { 37 } else { 0 }, of.currency.1 + 2);
    let money = |minor: i64| of.decimal(minor);
    let given_back = if state.stage == Stage::Refunded { money(100) } else { Decimal::ZERO };
    let total = money(of.total()) + if of.tax_included { Decimal::ZERO } else { fraction } - given_back;
    let mut extra = fraction;
    let mut part = |net: i64, discount: i64, tax: i64| {
        let tax = money(tax) + if tax > 0 { std::mem::take(&mut extra) } else { Decimal::ZERO };
        figures(of, money(net), money(discount), tax)
    };
    let items: Vec<Value> =
        of.lines.iter().map(|line| merged(item(of, line), part(line.net(), line.discount, line.tax))).collect();
    let methods: Vec<Value> = of
        .shipping
        .iter()
        .map(|shipping| {
            let method = json!({"id": format!("ordsm_{}", of.id), "name": shipping.title, "amount": number(money(shipping.price))});
            merged(method, part(shipping.price, 0, shipping.tax))
        })
        .collect();
    let address = of.buyer.as_ref().map(address);
    json!({
        "id": id, "display_id": of.number, "version": 1, "is_draft_order": false, "locale": null, "metadata": null,
        "status": if state.stage == Stage::Cancelled { "canceled" } else { "pending" },
        "created_at": of.placed_at.to_string(), "updated_at": at,
        "canceled_at": (state.stage == Stage::Cancelled).then_some(&at),
        "currency_code": of.currency.0.to_lowercase(), "email": of.buyer.as_ref().map(|buyer| &buyer.email),
        "customer_id": of.buyer.as_ref().and_then(|buyer| buyer.id).map(|id| format!("cus_{id}")),
        "billing_address": address, "shipping_address": address, "items": items, "shipping_methods": methods,
        "credit_lines": if given_back.is_zero() { json!([]) } else { json!([
            {"id": format!("ordcl_{}", of.id), "reference": "payment_collection", "amount": number(given_back)},
        ]) },
        "payment_collections": [collection(of, state, given_back)],
        "total": if of.story == Story::Malformed { json!("a lot") } else { number(total) },
        "tax_total": number(money(of.tax()) + fraction), "discount_total": number(money(of.discounts())),
    })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

fn item(of: &Purchase, line: &Line) -> Value {
    json!({
        "id": format!("ordli_{}", line.id), "title": line.article.title, "subtitle": null, "variant_title": null,
        "variant_sku": if line.article.sku.is_empty() { Value::Null } else { json!(line.article.sku) },
        "is_giftcard": line.gift_card, "quantity": line.quantity, "unit_price": number(of.decimal(line.article.price)),
        "adjustments": if line.discount == 0 { json!([]) } else { json!([{"code": of.coupon, "amount": number(of.decimal(line.discount))}]) },
    })
}

/// What a part comes to, `net` being its price less the discount, as the shop states prices.
fn figures(of: &Purchase, net: Decimal, discount: Decimal, tax: Decimal) -> Value {
    let rate = Decimal::new(of.tax_per_thousand, 1);
    let tax_lines = if tax.is_zero() {
        json!([])
    } else {
        json!([{"description": of.tax_name, "code": "T1", "rate": number(rate), "total": number(tax), "subtotal": number(tax)}])
    };
    let (inside, on_top) = if of.tax_included { (tax, Decimal::ZERO) } else { (Decimal::ZERO, tax) };
    json!({
        "is_tax_inclusive": of.tax_included, "tax_lines": tax_lines, "tax_total": number(tax),
        "subtotal": number(net + discount - inside), "total": number(net + on_top),
        "original_subtotal": number(net + discount - inside), "original_total": number(net + discount + on_top),
        "discount_subtotal": number(discount), "discount_total": number(discount), "discount_tax_total": 0,
    })
}

fn collection(of: &Purchase, state: State, given_back: Decimal) -> Value {
    let total = of.decimal(of.total());
    let paid = matches!(state.stage, Stage::Paid | Stage::Fulfilled | Stage::Refunded);
    let captured = if paid { total } else { Decimal::ZERO };
    let refund = |id: String, amount: Decimal| json!({"id": id, "amount": number(amount), "note": "returned"});
    let mut refunds: Vec<Value> =
        of.goodwill.iter().map(|(id, amount)| refund(format!("ref_{id}"), of.decimal(*amount))).collect();
    if !given_back.is_zero() {
        refunds.push(refund(format!("ref_{}", of.id), given_back));
    }
    let given_back = given_back + of.goodwill.iter().map(|(_, amount)| of.decimal(*amount)).sum::<Decimal>();
    json!({
        "id": format!("pay_col_{}", of.id), "updated_at": state.at.to_string(), "amount": number(total),
        "status": match state.stage {
            Stage::Pending => "not_paid",
            Stage::Cancelled => "canceled",
            Stage::Paid | Stage::Fulfilled | Stage::Refunded => "completed",
        },
        "authorized_amount": number(captured), "captured_amount": number(captured), "refunded_amount": number(given_back),
        "payments": [{"id": format!("pay_{}", of.id), "amount": number(total), "refunds": refunds}],
    })
}

fn address(buyer: &Buyer) -> Value {
    json!({
        "id": "ordaddr_1", "first_name": buyer.first, "last_name": buyer.last, "company": null, "address_1": "Calle Mayor 1",
        "address_2": null, "city": buyer.city, "province": null, "postal_code": "28001", "country_code": "es",
        "phone": "+34 600 000 000", "metadata": null,
    })
}
