//! Orders in the shape of Shopify's REST order, as webhooks carry it, and the signature of its deliveries.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order>,
//! <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>

use http::HeaderMap;
use jiff::{Timestamp, tz::Offset};
use serde_json::{Value, json};

use super::{
    Plan, header,
    purchase::{Buyer, Line, Purchase, Stage, State, Story},
    signature,
};

/// The API version of the deliveries and the REST paths.
pub(super) const VERSION: &str = "2026-01";

/// One state of an order.
pub(super) fn order(plan: &Plan, purchase: &Purchase, state: State) -> Value {
    let of = purchase;
    let money = |minor: i64| json!(of.money(minor));
    let set = |minor: i64| {
        // The buyer saw another currency: only a reader of the wrong field would notice.
        let shop = json!({"amount": of.money(minor), "currency_code": of.currency.0});
        json!({"shop_money": shop, "presentment_money": {"amount": of.money(minor * 2), "currency_code": "USD"}})
    };
    let total = if of.story == Story::Malformed { json!("a lot") } else { money(of.total()) };
    let cancelled = state.stage == Stage::Cancelled;
    let financial = match state.stage {
        Stage::Pending => "pending",
        Stage::Paid | Stage::Fulfilled => "paid",
        Stage::Cancelled => "voided",
    };
    json!({
        "id": of.id,
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", of.id),
        "name": format!("#{}", of.number),
        "number": of.number - 1000,
        "order_number": of.number,
        "order_status_url": format!("https://{}/1234567/orders/{}/authenticate?key=0", plan.shop, of.token),
        "token": of.token,
        "source_name": "web",
        "test": of.story == Story::Test,
        "confirmed": true,
        "created_at": local(of.placed_at),
        "processed_at": local(of.placed_at),
        "updated_at": local(state.at),
        "cancelled_at": cancelled.then(|| local(state.at)),
        "cancel_reason": cancelled.then_some("customer"),
        "closed_at": null,
        "currency": of.currency.0,
        "presentment_currency": "USD",
        "taxes_included": of.tax_included,
        "financial_status": financial,
        "fulfillment_status": (state.stage == Stage::Fulfilled).then_some("fulfilled"),
        "total_line_items_price": money(of.lines.iter().map(Line::amount).sum()),
        "total_discounts": money(of.discounts()),
        "subtotal_price": money(of.subtotal()),
        "total_tax": money(of.tax()),
        "total_tip_received": money(of.tip),
        "total_price": total,
        "total_price_set": set(of.total()),
        "current_total_price": total,
        "current_subtotal_price": money(of.subtotal()),
        "current_total_tax": money(of.tax()),
        "current_total_discounts": money(of.discounts()),
        "total_shipping_price_set": set(of.shipping_price()),
        "total_outstanding": money(0),
        "tax_lines": taxes(of, of.tax()),
        "discount_codes": of.coupon.map(|code| json!([{"code": code, "amount": of.money(of.discounts()), "type": "percentage"}])).unwrap_or(json!([])),
        "discount_applications": of.coupon.map(|code| json!([{
            "type": "discount_code", "code": code, "value": "10.0", "value_type": "percentage",
            "allocation_method": "across", "target_selection": "all", "target_type": "line_item",
        }])).unwrap_or(json!([])),
        "line_items": of.lines.iter().map(|line| line_item(of, line, state.stage)).collect::<Value>(),
        "shipping_lines": of.shipping.iter().map(|shipping| json!({
            "id": of.id + 1, "title": shipping.title, "code": "standard", "source": "shopify",
            "price": of.money(shipping.price), "price_set": set(shipping.price),
            "discounted_price": of.money(shipping.price), "discount_allocations": [],
            "tax_lines": taxes(of, shipping.tax),
        })).collect::<Value>(),
        "note": null,
        "note_attributes": [],
        "tags": "",
        "email": of.buyer.as_ref().map_or("", |buyer| &buyer.email),
        "phone": null,
        "customer": of.buyer.as_ref().and_then(|buyer| Some(json!({
            "id": buyer.id?, "email": buyer.email, "first_name": buyer.first, "last_name": buyer.last, "phone": null,
        }))),
        "billing_address": of.buyer.as_ref().map(address),
        "shipping_address": of.shipping.as_ref().and(of.buyer.as_ref()).map(address),
        "refunds": [],
        "fulfillments": [],
        "payment_gateway_names": ["bogus"],
    })
}

/// The headers of a delivery.
pub(super) fn headers(plan: &Plan, topic: &str, body: &[u8], delivery: &str, at: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-shopify-topic", topic),
        ("x-shopify-shop-domain", plan.shop.as_str()),
        ("x-shopify-api-version", VERSION),
        ("x-shopify-webhook-id", delivery),
        ("x-shopify-event-id", delivery),
        ("x-shopify-triggered-at", &at.to_string()),
        ("x-shopify-hmac-sha256", &signature(&plan.secret, body)),
    ] {
        header(&mut headers, name, value);
    }
    headers
}

/// The topic of a state.
pub(super) fn topic(purchase: &Purchase, state: State) -> &'static str {
    match state.stage {
        _ if purchase.states.first() == Some(&state) => "orders/create",
        Stage::Cancelled => "orders/cancelled",
        _ => "orders/updated",
    }
}

fn line_item(of: &Purchase, line: &Line, stage: Stage) -> Value {
    json!({
        "id": line.id,
        "title": line.article.title,
        "name": line.article.title,
        "sku": line.article.sku,
        "product_id": line.id + 1,
        "variant_id": line.id + 2,
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "fulfillable_quantity": if stage == Stage::Fulfilled { 0 } else { line.quantity },
        "price": of.money(line.article.price),
        // Often zero although there are discounts: only the allocations are right.
        "total_discount": of.money(0),
        "discount_allocations": if line.discount > 0 {
            json!([{"amount": of.money(line.discount), "discount_application_index": 0}])
        } else {
            json!([])
        },
        "gift_card": line.gift_card,
        "taxable": !line.gift_card,
        "requires_shipping": !line.gift_card,
        "tax_lines": if line.gift_card { json!([]) } else { taxes(of, line.tax) },
        "properties": [],
        "duties": [],
    })
}

fn taxes(of: &Purchase, amount: i64) -> Value {
    if of.tax_per_thousand == 0 {
        return json!([]);
    }
    let rate = f64::from(u16::try_from(of.tax_per_thousand).unwrap_or_default());
    #[allow(clippy::float_arithmetic, reason = "the vendor sends this rate, which is no money, as a float")]
    let rate = rate / 1000.0;
    json!([{"title": "IVA", "price": of.money(amount), "rate": rate, "channel_liable": false}])
}

fn address(buyer: &Buyer) -> Value {
    json!({
        "first_name": buyer.first, "last_name": buyer.last, "name": format!("{} {}", buyer.first, buyer.last),
        "company": null, "address1": "Calle Mayor 1", "address2": null, "city": buyer.city, "province": null,
        "zip": "28001", "country": "Spain", "country_code": "ES", "phone": "+34 600 000 000",
    })
}

/// A time as a shop three hours behind UTC writes it.
fn local(at: Timestamp) -> String {
    format!("{}", at.display_with_offset(Offset::constant(-3)))
}
