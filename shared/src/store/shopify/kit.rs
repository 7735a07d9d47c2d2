//! A shop of Shopify's for the suites and the sandbox: REST orders as webhooks carry them, signed, and the REST calls that fetch
//! them, with the traps of the vendor's defaults.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order>,
//! <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>, <https://shopify.dev/docs/api/admin-rest/usage/pagination>

mod fulfilment;
mod prices;

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode};
use jiff::{Timestamp, tz::Offset};
use puente_sandbox::store::{
    Answer, Asked, Buyer, Edit, Goods, Line, Plan, Purchase, Shelf, Stage, State, Story, Vendor, digest, header,
};
use serde_json::{Value, json};

/// The API version of the deliveries.
const VERSION: &str = "2026-01";

/// The shop's number.
const SHOP: u64 = 548_380_009;

/// The vendor.
#[derive(Debug)]
pub(super) struct Kit;

impl Vendor for Kit {
    fn section(&self, plan: &Plan, url: &str, secret: &mut dyn FnMut(&str, &str) -> String) -> String {
        format!(
            "shop = '{}'\napi_url = '{url}'\nall_orders = true\nwebhook_secrets = [{}]\ntoken = {}\n",
            plan.shop,
            secret("secret", &plan.secret),
            secret("token", &plan.token)
        )
    }

    fn number(&self, purchase: &Purchase) -> String {
        format!("#{}", purchase.number)
    }

    fn order(&self, plan: &Plan, purchase: &Purchase, state: State) -> Value {
        order(plan, purchase, state)
    }

    fn headers(&self, plan: &Plan, purchase: &Purchase, state: State, body: &[u8]) -> HeaderMap {
        let topic = match state.stage {
            _ if purchase.states.first() == Some(&state) => "orders/create",
            Stage::Cancelled => "orders/cancelled",
            _ => "orders/updated",
        };
        let delivery = format!("{}-{}", purchase.token, state.at.as_second());
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-shopify-topic", topic),
            ("x-shopify-shop-domain", plan.shop.as_str()),
            ("x-shopify-api-version", VERSION),
            ("x-shopify-webhook-id", &delivery),
            ("x-shopify-event-id", &delivery),
            ("x-shopify-triggered-at", &state.at.to_string()),
            ("x-shopify-hmac-sha256", &BASE64_STANDARD.encode(digest(plan.secret.as_bytes(), body))),
        ] {
            header(&mut headers, name, value);
        }
        headers
    }

    fn answer(&self, shelf: &Shelf, asked: &Asked) -> Answer {
        if !is_let_in(shelf, asked) {
            return Answer::of(StatusCode::UNAUTHORIZED, json!({"errors": "wrong credentials"}));
        }
        let host = asked.header("host");
        // Any version is served: real shops answer old ones with the oldest they still have.
        let rest = asked.path.strip_prefix("/admin/api/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
        if rest == Some("shop.json") {
            // The number that its orders' status pages have.
            let shop = json!({"id": SHOP, "domain": host, "myshopify_domain": host});
            return Answer::ok(json!({ "shop": shop }));
        }
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix("orders")) else {
            return Answer::of(StatusCode::NOT_FOUND, Value::Null);
        };
        match rest.strip_prefix('/').and_then(|id| id.strip_suffix(".json")) {
            Some(id) => match shelf.latest(id) {
                Some((_, order)) => Answer::ok(json!({ "order": order })),
                None => Answer::of(StatusCode::NOT_FOUND, json!({"errors": "Not Found"})),
            },
            None => list(shelf, asked, host),
        }
    }

    fn told(&self, shelf: &Shelf, asked: &Asked) -> Answer {
        if !is_let_in(shelf, asked) {
            return Answer::of(StatusCode::UNAUTHORIZED, json!({"errors": "wrong credentials"}));
        }
        if !asked.path.ends_with("/graphql.json") {
            return Answer::of(StatusCode::NOT_FOUND, Value::Null);
        }
        let (body, no_variables) = (asked.json(), Value::Null);
        let query = body.get("query").and_then(Value::as_str).unwrap_or_default();
        let variables = body.get("variables").unwrap_or(&no_variables);
        if query.contains("inventorySetQuantities") {
            return Answer::ok(set_quantities(shelf, query, variables));
        }
        if query.contains("inventoryItems") {
            return Answer::ok(inventory_items(shelf, query, variables));
        }
        if query.contains("productVariantsBulkUpdate(") {
            return Answer::ok(prices::update(shelf, query, variables));
        }
        if query.contains("productVariants(") {
            return Answer::ok(prices::variants(shelf, variables));
        }
        if query.contains("fulfillmentCreate(") {
            return Answer::ok(fulfilment::create(shelf, variables));
        }
        if query.contains("fulfillmentTrackingInfoUpdate(") {
            return Answer::ok(fulfilment::track(shelf, variables));
        }
        if query.contains("fulfillmentOrder(") {
            return Answer::ok(fulfilment::of_work(shelf, variables));
        }
        if query.contains("order(") {
            return Answer::ok(fulfilment::of_order(shelf, variables));
        }
        Answer::ok(json!({"errors": [{"message": "Field doesn't exist", "extensions": {"code": "undefinedField"}}]}))
    }

    fn compares(&self) -> bool {
        true
    }

    fn adopt(&self, plan: &Plan, body: &mut Value) {
        if body.get("line_items").is_some() {
            body["order_status_url"] = json!(format!("https://{}/{SHOP}/orders/a/authenticate?key=b", plan.shop));
        }
    }
}

/// Where the shop's goods are.
const LOCATION: &str = "gid://shopify/Location/655441491";

/// So many items are in a page, whatever was asked for: a reader who knows only the first page misses some.
const PAGE: usize = 3;

fn is_let_in(shelf: &Shelf, asked: &Asked) -> bool {
    let token = asked.header("x-shopify-access-token");
    shelf.tokens.as_ref().map_or(token == shelf.plan.token, |tokens| tokens.lets_in(token))
}

fn inventory_item(id: u64) -> String {
    format!("gid://shopify/InventoryItem/{id}")
}

/// The codes of a search such as `sku:"A" OR sku:"B \" C"`.
fn searched(find: &str) -> Vec<String> {
    let mut codes = Vec::new();
    let mut rest = find;
    while let Some((_, after)) = rest.split_once("sku:\"") {
        let (mut code, mut letters) = (String::new(), after.char_indices());
        let mut end = after.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => code.extend(letters.next().map(|(_, letter)| letter)),
                '"' => {
                    end = at + 1;
                    break;
                }
                letter => code.push(letter),
            }
        }
        codes.push(code.to_lowercase());
        rest = after.get(end..).unwrap_or_default();
    }
    codes
}

/// A page of items. The search takes upper and lower case for the same, and finds codes that begin with what is looked for.
fn inventory_items(shelf: &Shelf, query: &str, variables: &Value) -> Value {
    let word = |name: &str| variables.get(name).and_then(Value::as_str);
    let codes = searched(word("find").unwrap_or_default());
    let from: usize = word("after").and_then(|after| after.parse().ok()).unwrap_or(0);
    let items = shelf.stock.items();
    let found: Vec<&Goods> =
        items.iter().filter(|item| codes.iter().any(|code| item.sku.to_lowercase().starts_with(code))).collect();
    let node = |item: &&Goods| {
        let level = json!({"location": {"id": LOCATION}, "quantities": [{"quantity": item.number}]});
        let (name, levels) = if query.contains("inventoryLevels(") {
            ("inventoryLevels", json!({ "nodes": [level] }))
        } else {
            ("inventoryLevel", if word("at") == Some(LOCATION) { level } else { Value::Null })
        };
        json!({"id": inventory_item(item.id), "sku": item.sku, "tracked": true, (name): levels})
    };
    let page: Value = found.iter().skip(from).take(PAGE).map(node).collect();
    let more = from + PAGE < found.len();
    json!({"data": {"inventoryItems": {"nodes": page,
        "pageInfo": {"hasNextPage": more, "endCursor": more.then(|| (from + PAGE).to_string())}}}})
}

/// All of the numbers, or none.
fn set_quantities(shelf: &Shelf, query: &str, variables: &Value) -> Value {
    let invalid = |message: &str| json!({"errors": [{"message": message, "extensions": {"code": "INVALID_VARIABLE"}}]});
    if !query.contains("@idempotent(key: \"") {
        return invalid("The @idempotent directive is required");
    }
    let quantities = variables.pointer("/input/quantities").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut items = shelf.stock.items();
    let (mut errors, mut changes) = (Vec::new(), Vec::new());
    for (place, one) in quantities.iter().enumerate() {
        let (Some(from), Some(to)) = (one.get("changeFromQuantity"), one.get("quantity").and_then(Value::as_i64))
        else {
            return invalid("Expected value to not be null");
        };
        let mut refuse = |code: &str, field: &str| {
            errors.push(json!({"code": code, "field": ["input", "quantities", place.to_string(), field]}));
        };
        let is_item = |item: &Goods| one.get("inventoryItemId") == Some(&json!(inventory_item(item.id)));
        match items.iter().position(is_item) {
            None => refuse("INVALID_INVENTORY_ITEM", "inventoryItemId"),
            Some(_) if one.get("locationId") != Some(&json!(LOCATION)) => refuse("INVALID_LOCATION", "locationId"),
            Some(at) if from.as_i64().is_some_and(|from| items.get(at).is_some_and(|item| item.number != from)) => {
                refuse("CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity");
            }
            Some(at) => changes.push((at, to)),
        }
    }
    if errors.is_empty() {
        for (at, to) in changes {
            if let Some(item) = items.get_mut(at) {
                item.number = to;
            }
        }
    }
    json!({"data": {"inventorySetQuantities": {"userErrors": errors}}})
}

/// A page of orders. A later page carries only the limit and its own mark; the filters travel in the mark.
fn list(shelf: &Shelf, asked: &Asked, host: &str) -> Answer {
    let mark = asked.query.get("page_info").and_then(|mark| BASE64_STANDARD.decode(mark).ok());
    let filters: BTreeMap<String, String> = match &mark {
        Some(mark) => serde_json::from_slice(mark).unwrap_or_default(),
        None => asked.query.clone(),
    };
    let since = filters.get("updated_at_min").and_then(|text| text.parse::<Timestamp>().ok());
    let all = filters.get("status").is_some_and(|status| status == "any");
    let limit = asked.number("limit", 50).clamp(1, 250);
    let skip = filters.get("skip").and_then(|skip| skip.parse().ok()).unwrap_or(0_usize);
    let orders = fulfilment::orders(shelf);
    let mut listed: Vec<&Value> = orders
        .iter()
        .filter(|(at, _)| since.is_none_or(|since| *at >= since))
        .map(|(_, order)| order)
        // Without `status=any` cancelled orders are left out.
        .filter(|order| all || order.get("cancelled_at").is_none_or(Value::is_null))
        .collect();
    if filters.get("order").is_none_or(|order| !order.starts_with("updated_at asc")) {
        listed.reverse();
    }
    let page: Vec<&Value> = listed.iter().skip(skip).take(limit).copied().collect();
    let answer = Answer::ok(json!({ "orders": page }));
    if skip + limit >= listed.len() {
        return answer;
    }
    let mut next = filters;
    next.insert("skip".to_owned(), (skip + limit).to_string());
    next.remove("page_info");
    let mark = BASE64_STANDARD.encode(serde_json::to_vec(&next).unwrap_or_default()).replace('+', "%2B");
    let list = format!("http://{host}/admin/api/{VERSION}/orders.json");
    answer.with("link", &format!("<{list}?limit={limit}&page_info={mark}>; rel=\"next\""))
}

/// One state of an order.
fn order(plan: &Plan, purchase: &Purchase, state: State) -> Value {
    let of = purchase;
    let money = |minor: i64| json!(of.money(minor));
    let set = |minor: i64| {
        // The buyer saw another currency: only a reader of the wrong field would notice.
        let shop = json!({"amount": of.money(minor), "currency_code": of.currency.0});
        json!({"shop_money": shop, "presentment_money": {"amount": of.money(minor * 2), "currency_code": "USD"}})
    };
    let (items, removed) = items(of, state.stage);
    let refund = (state.stage == Stage::Refunded).then(|| Refund::of(of));
    let on_top = |tax: i64| if of.tax_included { 0 } else { tax };
    let worth = |line: &Line| line.net() + on_top(line.tax);
    let unsold: i64 = removed.iter().map(worth).sum();
    let malformed = of.story == Story::Malformed;
    let total = |minor: i64| if malformed { json!("a lot") } else { money(minor) };
    let tax = of.tax() + removed.iter().map(|line| line.tax).sum::<i64>();
    let (taken, taken_tax) = refund.as_ref().map_or((0, 0), |refund| (refund.net + on_top(refund.tax), refund.tax));
    let cancelled = state.stage == Stage::Cancelled;
    let financial = match state.stage {
        Stage::Pending => "pending",
        Stage::Paid | Stage::Fulfilled => "paid",
        Stage::Cancelled => "voided",
        Stage::Refunded => "partially_refunded",
    };
    let off: i64 = items.iter().map(|item| item.line.discount).sum();
    let subtotal: i64 = items.iter().map(|item| item.line.net()).sum();
    json!({
        "id": of.id,
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", of.id),
        "name": format!("#{}", of.number),
        "number": of.number.saturating_sub(1000),
        "order_number": of.number,
        "order_status_url": format!("https://{}/{SHOP}/orders/{}/authenticate?key=0", plan.shop, of.token),
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
        "total_line_items_price": money(items.iter().map(|item| item.line.amount()).sum()),
        "total_discounts": money(off),
        "subtotal_price": money(subtotal),
        "total_tax": money(tax),
        "total_tip_received": money(of.tip),
        "total_price": total(of.total() + unsold),
        "total_price_set": set(of.total() + unsold),
        "current_total_price": money(of.total() - taken),
        "current_total_tax": money(of.tax() - taken_tax),
        "total_shipping_price_set": set(of.shipping_price()),
        "total_outstanding": money(0),
        "tax_lines": taxes(of, tax),
        "discount_codes": of.coupon.map(|code| json!([{"code": code, "amount": of.money(off), "type": "percentage"}])).unwrap_or(json!([])),
        "discount_applications": of.coupon.map(|code| json!([{
            "type": "discount_code", "code": code, "value": "10.0", "value_type": "percentage",
            "allocation_method": "across", "target_selection": "all", "target_type": "line_item",
        }])).unwrap_or(json!([])),
        "line_items": items.iter().map(|item| {
            let refunded = refund.as_ref().is_some_and(|refund| refund.line == Some(item.line.id));
            let now = if refunded { 0 } else { item.now };
            line_item(of, &item.line, now, state.stage)
        }).collect::<Value>(),
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
        "refunds": refunds(of, &removed, refund.as_ref(), set),
        "fulfillments": [],
        "payment_gateway_names": ["bogus"],
    })
}

/// A line as the body has it: as bought, and how many are left.
struct Item {
    line: Line,
    now: i64,
}

/// The lines in that stage, and what an edit removed without money.
fn items(of: &Purchase, stage: Stage) -> (Vec<Item>, Vec<Line>) {
    let sold = of.lines.iter().map(|line| Item { now: line.quantity, line: line.clone() });
    let mut items: Vec<_> = sold.collect();
    let Some(Edit { fewer, gone }) = &of.edit else { return (items, Vec::new()) };
    if let Some(Item { line, .. }) = items.first_mut() {
        line.quantity += fewer.quantity;
        line.discount += fewer.discount;
        line.tax += fewer.tax;
    }
    if stage == Stage::Pending {
        // Before the edit.
        items.pop();
        items.push(Item { line: gone.clone(), now: gone.quantity });
        for item in &mut items {
            item.now = item.line.quantity;
        }
        return (items, Vec::new());
    }
    items.push(Item { line: gone.clone(), now: 0 });
    (items, vec![fewer.clone(), gone.clone()])
}

/// What was given back: the shipping, a line, or neither.
struct Refund {
    line: Option<u64>,
    shipping: bool,
    /// What it takes off the order: before tax on top, and that tax.
    net: i64,
    tax: i64,
}

impl Refund {
    /// Goodwill of one unit of money where nothing else would be left.
    fn of(of: &Purchase) -> Self {
        match (&of.shipping, of.lines.as_slice()) {
            (Some(shipping), _) if shipping.price > 0 => {
                Self { line: None, shipping: true, net: shipping.price, tax: shipping.tax }
            }
            (_, [first, _, ..]) if first.net() > 0 => {
                Self { line: Some(first.id), shipping: false, net: first.net(), tax: first.tax }
            }
            _ => Self { line: None, shipping: false, net: 0, tax: 0 },
        }
    }
}

/// The refund objects: an edit's has no transactions, and a refund's are in the buyer's currency.
fn refunds(of: &Purchase, removed: &[Line], refund: Option<&Refund>, set: impl Fn(i64) -> Value) -> Value {
    let item = |id: u64, quantity: i64, net: i64, tax: i64| {
        json!({"id": id + 5, "line_item_id": id, "quantity": quantity, "restock_type": "cancel", "subtotal_set": set(net),
            "total_tax_set": set(tax)})
    };
    let object = |items: Vec<Value>, shipping: Value, adjustments: Value, transactions: Value| {
        json!([{"id": of.id + 3, "order_id": of.id, "note": null, "restock": true, "refund_line_items": items,
            "refund_shipping_lines": shipping, "order_adjustments": adjustments, "transactions": transactions}])
    };
    if !removed.is_empty() {
        let items = removed.iter().map(|line| item(line.id, line.quantity, line.net(), line.tax)).collect();
        return object(items, json!([]), json!([]), json!([]));
    }
    let Some(refund) = refund else {
        let goodwill = |(id, amount): &(u64, i64)| {
            json!({"id": id, "order_id": of.id, "note": "returned", "restock": false, "refund_line_items": [],
                "order_adjustments": [{"kind": "refund_discrepancy", "reason": "damage", "amount_set": set(-amount),
                    "tax_amount_set": set(0)}],
                "transactions": [{"id": id + 1, "kind": "refund", "status": "success", "amount": of.money(amount * 2),
                    "currency": "USD"}]})
        };
        return of.goodwill.iter().map(goodwill).collect();
    };
    let line = of.lines.iter().find(|line| refund.line == Some(line.id));
    let items = line.map(|line| item(line.id, line.quantity, line.net(), line.tax)).into_iter().collect();
    let shipping = if refund.shipping {
        json!([{"id": of.id + 6, "shipping_line_id": of.id + 1, "subtotal_amount_set": set(refund.net)}])
    } else {
        json!([])
    };
    let goodwill = 100;
    let (adjustments, paid) = if refund.net == 0 {
        (
            json!([{"kind": "refund_discrepancy", "reason": "damage", "amount_set": set(-goodwill), "tax_amount_set": set(0)}]),
            goodwill,
        )
    } else {
        (json!([]), refund.net + if of.tax_included { 0 } else { refund.tax })
    };
    let transaction = json!({"id": of.id + 7, "kind": "refund", "status": "success", "amount": of.money(paid * 2), "currency": "USD"});
    object(items, shipping, adjustments, json!([transaction]))
}

fn line_item(of: &Purchase, line: &Line, now: i64, stage: Stage) -> Value {
    json!({
        "id": line.id,
        "title": line.article.title,
        "name": line.article.title,
        "sku": if line.article.sku.is_empty() { Value::Null } else { json!(line.article.sku) },
        "product_id": line.id + 1,
        "variant_id": line.id + 2,
        "quantity": line.quantity,
        "current_quantity": now,
        "fulfillable_quantity": if stage == Stage::Fulfilled { 0 } else { now },
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
    if of.tax_per_thousand == 0 || amount == 0 {
        return json!([]);
    }
    let rate = f64::from(u16::try_from(of.tax_per_thousand).unwrap_or_default());
    #[allow(clippy::float_arithmetic, reason = "the vendor sends this rate, which is no money, as a float")]
    let rate = rate / 1000.0;
    json!([{"title": of.tax_name, "price": of.money(amount), "rate": rate, "channel_liable": false}])
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
