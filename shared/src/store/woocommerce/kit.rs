//! A shop of `WooCommerce`'s for the suites and the sandbox: orders of the REST API v3 as webhooks carry them, signed, and the
//! calls that fetch them, with the traps of the vendor's defaults.
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties>

mod prices;
mod sent;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::{
    Timestamp, civil,
    fmt::strtime,
    tz::{Offset, TimeZone},
};
use puente_sandbox::store::{
    Answer, Asked, Buyer, Goods, Line, Plan, Purchase, Shelf, Stage, State, Story, Vendor, digest, header,
};
use serde_json::{Value, json};

/// How far the site's own time is from UTC, in hours.
const SITE: i8 = -3;

const AGENT: &str = "WooCommerce/10.9.0 Hookshot (WordPress/6.9)";

/// The vendor.
#[derive(Debug)]
pub(super) struct Kit;

impl Vendor for Kit {
    fn section(&self, plan: &Plan, url: &str, secret: &mut dyn FnMut(&str, &str) -> String) -> String {
        let (key, password) = plan.token.split_once(':').unwrap_or((&plan.token, ""));
        format!(
            "url = '{url}'\nwebhook_secrets = [{}]\nconsumer_key = {}\nconsumer_secret = {}\n",
            secret("secret", &plan.secret),
            secret("user", key),
            secret("password", password)
        )
    }

    /// It has no test orders, its edits leave no trace of what was removed, and its refunds are orders of their own.
    fn tells(&self, story: Story) -> bool {
        !matches!(story, Story::Test | Story::Edited | Story::Refunded)
    }

    /// Lines are net of tax, however prices were entered; gift cards come with an extension only.
    fn suit(&self, purchase: &mut Purchase) {
        purchase.make_net();
    }

    fn id(&self, purchase: &Purchase) -> String {
        purchase.number.to_string()
    }

    fn order(&self, plan: &Plan, purchase: &Purchase, state: State) -> Value {
        order(plan, purchase, state)
    }

    fn headers(&self, plan: &Plan, purchase: &Purchase, state: State, body: &[u8]) -> HeaderMap {
        let event = if purchase.states.first() == Some(&state) { "created" } else { "updated" };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("user-agent", AGENT),
            ("x-wc-webhook-source", &format!("https://{}/", plan.shop)),
            ("x-wc-webhook-topic", &format!("order.{event}")),
            ("x-wc-webhook-resource", "order"),
            ("x-wc-webhook-event", event),
            ("x-wc-webhook-signature", &BASE64_STANDARD.encode(digest(plan.secret.as_bytes(), body))),
            ("x-wc-webhook-id", "7"),
            // Made from the second, so that several deliveries carry the same: nobody may deduplicate on it.
            ("x-wc-webhook-delivery-id", &format!("{:032x}", state.at.as_second())),
        ] {
            header(&mut headers, name, value);
        }
        headers
    }

    fn ping(&self) -> Option<(HeaderMap, Bytes)> {
        let mut headers = HeaderMap::new();
        header(&mut headers, "content-type", "application/x-www-form-urlencoded");
        header(&mut headers, "user-agent", AGENT);
        Some((headers, Bytes::from_static(b"webhook_id=7")))
    }

    fn answer(&self, shelf: &Shelf, asked: &Asked) -> Answer {
        if !is_let_in(shelf, asked) {
            return Answer::of(StatusCode::UNAUTHORIZED, json!({"code": "woocommerce_rest_cannot_view"}));
        }
        if asked.path == "/wp-json/wc/v3/products" {
            return products(shelf, asked);
        }
        let Some(rest) = asked.path.strip_prefix("/wp-json/wc/v3/orders") else {
            return Answer::of(StatusCode::NOT_FOUND, Value::Null);
        };
        let Some(id) = rest.strip_prefix('/') else { return list(shelf, asked) };
        if let Some(order) = id.strip_suffix("/refunds") {
            let found = shelf.find(order).and_then(|order| order.get("refunds")).and_then(Value::as_array);
            let listed = found.into_iter().flatten().map(refund);
            return Answer::ok(listed.take(asked.number("per_page", 10)).collect());
        }
        if let Some(order) = id.strip_suffix("/notes") {
            return sent::notes(shelf, order);
        }
        match shelf.latest(id) {
            Some((_, order)) => Answer::ok(order),
            None => unknown(StatusCode::NOT_FOUND),
        }
    }

    fn told(&self, shelf: &Shelf, asked: &Asked) -> Answer {
        if !is_let_in(shelf, asked) {
            return Answer::of(StatusCode::UNAUTHORIZED, json!({"code": "woocommerce_rest_cannot_edit"}));
        }
        if let Some(order) = asked.path.strip_prefix("/wp-json/wc/v3/orders/") {
            return match order.strip_suffix("/notes") {
                Some(order) => sent::note(shelf, order, &asked.json()),
                None => sent::change(shelf, order, &asked.json()),
            };
        }
        let parent = match asked.path.strip_prefix("/wp-json/wc/v3/products/") {
            Some("batch") => None,
            Some(path) if path.strip_suffix("/variations/batch") == Some(VARIABLE) => Some(VARIABLE),
            _ => return Answer::of(StatusCode::NOT_FOUND, json!({"code": "rest_no_route", "data": {"status": 404}})),
        };
        let body = asked.json();
        let updates = body.get("update").and_then(Value::as_array).cloned().unwrap_or_default();
        // Whatever becomes of each, the whole is a 200.
        Answer::ok(json!({"update": updates.iter().map(|update| updated(shelf, parent, update)).collect::<Value>()}))
    }
}

/// There is no order of that id.
fn unknown(status: StatusCode) -> Answer {
    let code = "woocommerce_rest_shop_order_invalid_id";
    Answer::of(status, json!({"code": code, "message": "Invalid ID.", "data": {"status": status.as_u16()}}))
}

/// The product whose variations the articles with odd numbers are.
const VARIABLE: &str = "900";

fn is_variation(item: &Goods) -> bool {
    !item.id.is_multiple_of(2)
}

fn is_let_in(shelf: &Shelf, asked: &Asked) -> bool {
    let token = &shelf.plan.token;
    let basic = format!("Basic {}", BASE64_STANDARD.encode(token));
    let pair = format!("{}:{}", asked.word("consumer_key"), asked.word("consumer_secret"));
    asked.header("authorization") == basic || pair == *token
}

/// A product or a variation, with much that nobody asked for left out.
fn product(item: &Goods) -> Value {
    let (regular, sale) = prices::entered(item);
    json!({
        "id": item.id,
        "parent_id": if is_variation(item) { 900 } else { 0 },
        "type": if is_variation(item) { "variation" } else { "simple" },
        "sku": item.sku,
        "manage_stock": true,
        "stock_quantity": item.number,
        "stock_status": if item.number > 0 { "instock" } else { "outofstock" },
        "backorders": "no",
        "price": if sale.is_empty() { &regular } else { &sale },
        "regular_price": regular,
        "sale_price": sale,
        "on_sale": !sale.is_empty(),
        "date_on_sale_from": null,
        "date_on_sale_to": null,
    })
}

/// A page of products by their codes. The database takes upper and lower case for the same.
fn products(shelf: &Shelf, asked: &Asked) -> Answer {
    let (per_page, page) = (asked.number("per_page", 10), asked.number("page", 1).max(1));
    if per_page == 0 || per_page > 100 {
        return Answer::of(StatusCode::BAD_REQUEST, json!({"code": "rest_invalid_param"}));
    }
    let all = asked.word("sku").to_lowercase();
    // What was asked for counts as a code as well, and as codes with commas between them; no code at all finds everything.
    let is_meant = |sku: &str| all.is_empty() || sku == all || all.split(',').any(|one| one == sku);
    let items = shelf.stock.items();
    let found: Vec<Value> = items.iter().filter(|item| is_meant(&item.sku.to_lowercase())).map(product).collect();
    let listed = found.iter().skip((page - 1) * per_page).take(per_page).cloned().collect();
    let pages = found.len().div_ceil(per_page);
    Answer::ok(listed).with("x-wp-total", &found.len().to_string()).with("x-wp-totalpages", &pages.to_string())
}

/// One of a batch, with the product as it is then; or why not.
fn updated(shelf: &Shelf, parent: Option<&str>, update: &Value) -> Value {
    let id = update.get("id").and_then(Value::as_u64).unwrap_or_default();
    let refused = |code: &str| json!({"id": id, "error": {"code": code, "message": "No.", "data": {"status": 400}}});
    let mut items = shelf.stock.items();
    let Some(item) = items.iter_mut().find(|item| item.id == id) else {
        return refused("woocommerce_rest_product_invalid_id");
    };
    if is_variation(item) != parent.is_some() {
        return refused("woocommerce_rest_invalid_product_id");
    }
    if let Some(number) = update.get("stock_quantity").and_then(Value::as_i64) {
        item.number = number;
    }
    prices::enter(item, update);
    product(item)
}

/// A refund as its own address has it: an amount alone, as somebody may give it.
fn refund(of: &Value) -> Value {
    let amount = of.get("total").and_then(Value::as_str).unwrap_or_default().trim_start_matches('-');
    json!({"id": of.get("id"), "amount": amount, "reason": of.get("reason"), "refunded_by": 1, "refunded_payment": true,
        "meta_data": [], "line_items": [], "shipping_lines": [], "tax_lines": [], "fee_lines": []})
}

/// A page of orders.
fn list(shelf: &Shelf, asked: &Asked) -> Answer {
    let (per_page, page) = (asked.number("per_page", 10), asked.number("page", 1).max(1));
    if per_page == 0 || per_page > 100 {
        return Answer::of(StatusCode::BAD_REQUEST, json!({"code": "rest_invalid_param"}));
    }
    // A time without an offset is the site's own, unless `dates_are_gmt` says otherwise.
    let hours = if asked.word("dates_are_gmt") == "true" { 0 } else { SITE };
    let after = instant(asked.word("modified_after"), hours);
    let changed = shelf.changed();
    let now =
        shelf.orders.iter().map(|(at, id, order)| changed.get(id).map_or((*at, order), |(at, order)| (*at, order)));
    let mut later: Vec<(Timestamp, &Value)> = now.filter(|(at, _)| after.is_none_or(|after| *at > after)).collect();
    later.sort_by_key(|(at, _)| *at);
    let mut listed: Vec<&Value> = later.into_iter().map(|(_, order)| order).collect();
    if asked.word("order") != "asc" {
        listed.reverse();
    }
    let found: Vec<&Value> = listed.iter().skip((page - 1) * per_page).take(per_page).copied().collect();
    Answer::ok(json!(found))
        .with("x-wp-total", &listed.len().to_string())
        .with("x-wp-totalpages", &listed.len().div_ceil(per_page).to_string())
}

fn instant(text: &str, hours: i8) -> Option<Timestamp> {
    let with_offset = text.parse::<Timestamp>().ok();
    with_offset.or_else(|| {
        let local = text.parse::<civil::DateTime>().ok()?;
        local.to_zoned(TimeZone::fixed(Offset::constant(hours))).ok().map(|zoned| zoned.timestamp())
    })
}

/// One state of an order.
fn order(plan: &Plan, purchase: &Purchase, state: State) -> Value {
    let of = purchase;
    let money = |minor: i64| json!(of.money(minor));
    let total = if of.story == Story::Malformed { json!("a lot") } else { money(of.total()) };
    let paid = matches!(state.stage, Stage::Paid | Stage::Fulfilled | Stage::Refunded);
    let status = match state.stage {
        Stage::Pending => "pending",
        // Only Shopify's shop gives back.
        Stage::Paid | Stage::Refunded => "processing",
        Stage::Fulfilled => "completed",
        Stage::Cancelled => "cancelled",
    };
    let full_tax: i64 = of.lines.iter().map(|line| tax_before_discount(of, line)).sum();
    let line_tax: i64 = of.lines.iter().map(|line| line.tax).sum();
    let nobody = json!({"first_name": "", "last_name": "", "company": "", "address_1": "", "address_2": "", "city": "",
        "state": "", "postcode": "", "country": "", "email": "", "phone": ""});
    json!({
        "id": of.number,
        "parent_id": 0,
        "number": of.number.to_string(),
        "order_key": format!("wc_order_{}", of.token),
        "created_via": "checkout",
        "version": "10.9.0",
        "status": status,
        "currency": of.currency.0,
        "date_created": time(of.placed_at, SITE),
        "date_created_gmt": time(of.placed_at, 0),
        "date_modified": time(state.at, SITE),
        "date_modified_gmt": time(state.at, 0),
        "date_paid": paid.then(|| time(of.placed_at, SITE)),
        "date_paid_gmt": paid.then(|| time(of.placed_at, 0)),
        "date_completed": null,
        "date_completed_gmt": null,
        "discount_total": money(of.discounts()),
        "discount_tax": money(full_tax - line_tax),
        "shipping_total": money(of.shipping_price()),
        "shipping_tax": money(of.tax() - line_tax),
        "cart_tax": money(line_tax),
        "total": total,
        "total_tax": money(of.tax()),
        // Says how prices were entered; the lines are net of tax all the same.
        "prices_include_tax": of.id.is_multiple_of(2),
        "customer_id": of.buyer.as_ref().and_then(|buyer| buyer.id).unwrap_or(0),
        "customer_note": "",
        "billing": of.buyer.as_ref().map_or(nobody.clone(), address),
        "shipping": of.shipping.as_ref().and(of.buyer.as_ref()).map_or(nobody, address),
        "payment_method": "bacs",
        "payment_method_title": "Transferencia",
        "transaction_id": "",
        "meta_data": [{"id": 1, "key": "_site", "value": plan.shop}],
        "line_items": of.lines.iter().map(|line| line_item(of, line)).collect::<Value>(),
        "tax_lines": if of.tax_per_thousand == 0 { json!([]) } else { json!([{
            "id": 3, "rate_code": of.tax_name, "rate_id": 1, "label": of.tax_name, "compound": false,
            "tax_total": of.money(line_tax), "shipping_tax_total": of.money(of.tax() - line_tax),
            "rate_percent": of.tax_per_thousand / 10, "meta_data": [],
        }]) },
        "shipping_lines": of.shipping.iter().map(|shipping| json!({
            "id": 4, "method_title": shipping.title, "method_id": "flat_rate", "instance_id": "1",
            "total": of.money(shipping.price), "total_tax": of.money(shipping.tax), "taxes": line_taxes(of, shipping.tax),
            "meta_data": [],
        })).collect::<Value>(),
        "fee_lines": if of.tip == 0 { json!([]) } else { json!([{
            "id": 5, "name": "Propina", "tax_class": "", "tax_status": "none", "amount": of.money(of.tip),
            "total": of.money(of.tip), "total_tax": of.money(0), "taxes": [], "meta_data": [],
        }]) },
        "coupon_lines": of.coupon.map(|code| json!([{
            "id": 6, "code": code, "discount": of.money(of.discounts()), "discount_tax": of.money(full_tax - line_tax),
            "meta_data": [],
        }])).unwrap_or(json!([])),
        "refunds": of.goodwill.iter().map(|(id, amount)| json!({
            "id": id, "reason": "returned", "total": of.money(-amount),
        })).collect::<Value>(),
    })
}

fn line_item(of: &Purchase, line: &Line) -> Value {
    // The vendor's price is a float after discount, with its noise; nobody should use it.
    let price = format!("{}", of.decimal(line.net()) / rust_decimal::Decimal::from(line.quantity.max(1)));
    json!({
        "id": line.id,
        "name": as_html(&line.article.title),
        "product_id": line.id + 1,
        "variation_id": 0,
        "quantity": line.quantity,
        "tax_class": "",
        "subtotal": of.money(line.amount()),
        "subtotal_tax": of.money(tax_before_discount(of, line)),
        "total": of.money(line.net()),
        "total_tax": of.money(line.tax),
        "taxes": line_taxes(of, line.tax),
        "meta_data": [],
        "sku": line.article.sku,
        "price": price.parse::<f64>().unwrap_or_default(),
    })
}

/// A title as `WordPress` keeps it: HTML, with the entities its editor makes.
fn as_html(title: &str) -> String {
    let html = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    html.replace('"', "&quot;").replace('ó', "&oacute;")
}

fn line_taxes(of: &Purchase, tax: i64) -> Value {
    if of.tax_per_thousand == 0 || tax == 0 {
        json!([])
    } else {
        json!([{"id": 1, "total": of.money(tax), "subtotal": of.money(tax)}])
    }
}

fn tax_before_discount(of: &Purchase, line: &Line) -> i64 {
    if line.gift_card { 0 } else { (line.amount() * of.tax_per_thousand * 2 + 1000) / 2000 }
}

fn address(buyer: &Buyer) -> Value {
    json!({
        "first_name": buyer.first, "last_name": buyer.last, "company": "", "address_1": "Calle Mayor 1", "address_2": "",
        "city": buyer.city, "state": "", "postcode": "28001", "country": "ES", "email": buyer.email,
        "phone": "+34 600 000 000",
    })
}

/// A time without its offset, as the API writes it.
fn time(at: Timestamp, hours: i8) -> String {
    let local = at.to_zoned(TimeZone::fixed(Offset::constant(hours)));
    strtime::format("%Y-%m-%dT%H:%M:%S", &local).unwrap_or_default()
}
