//! What was sent: fulfilment orders, fulfilments, and orders as they look since.
//! <https://shopify.dev/docs/api/admin-graphql/latest/objects/FulfillmentOrder>,
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/fulfillment>

use std::collections::BTreeMap;

use jiff::Timestamp;
use puente_sandbox::store::{Shelf, Told};
use serde_json::{Value, json};

use super::{LOCATION, PAGE, local};

const ORDER: &str = "gid://shopify/Order/";
const WORK: &str = "gid://shopify/FulfillmentOrder/";
const WORK_LINE: &str = "gid://shopify/FulfillmentOrderLineItem/";
const FULFILMENT: &str = "gid://shopify/Fulfillment/";
const LINE: &str = "gid://shopify/LineItem/";

/// Every order as it is now, those modified first first.
pub(super) fn orders(shelf: &Shelf) -> Vec<(Timestamp, Value)> {
    let mut orders: Vec<_> = shelf.orders.iter().filter_map(|(_, id, _)| shelf.latest(id)).collect();
    orders.sort_by_key(|(at, _)| *at);
    orders
}

/// An order changes with what was sent of it.
fn keep(shelf: &Shelf, id: &str) {
    let Some((before, _)) = shelf.latest(id) else { return };
    // Times have whole seconds there.
    let at = Timestamp::from_second(puente_sandbox::now().as_second()).unwrap_or(before).max(before);
    if let Some(order) = shelf.find(id) {
        let order = since(order, &shelf.sent.of(id), at);
        shelf.changed().insert(id.to_owned(), (at, order));
    }
}

fn lines(order: &Value) -> impl Iterator<Item = &Value> {
    order.get("line_items").and_then(Value::as_array).into_iter().flatten()
}

fn id(line: &Value) -> String {
    line.get("id").map(ToString::to_string).unwrap_or_default()
}

/// How many of a line are left to send.
fn left(line: &Value) -> i64 {
    line.get("fulfillable_quantity").and_then(Value::as_i64).unwrap_or_default()
}

fn is_cancelled(order: &Value) -> bool {
    order.get("cancelled_at").is_some_and(|at| !at.is_null())
}

/// An order with what was sent of it taken off, and shown.
fn since(order: &Value, sent: &[Told], at: Timestamp) -> Value {
    let mut now = order.clone();
    let status = |gone: i64, left: i64| match (gone, left) {
        (0, _) => Value::Null,
        (_, 0) => json!("fulfilled"),
        _ => json!("partial"),
    };
    let (mut all_gone, mut all_left) = (0, 0);
    for line in now.get_mut("line_items").and_then(Value::as_array_mut).into_iter().flatten() {
        let gone: i64 = sent.iter().filter_map(|told| told.lines.get(&id(line))).sum();
        let left = left(line) - gone;
        set(line, "fulfillable_quantity", json!(left));
        set(line, "fulfillment_status", status(gone, left));
        (all_gone, all_left) = (all_gone + gone, all_left + left);
    }
    set(&mut now, "fulfillment_status", status(all_gone, all_left));
    set(&mut now, "fulfillments", sent.iter().map(|told| shown(order, told)).collect());
    set(&mut now, "updated_at", json!(local(at)));
    now
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn shown(order: &Value, told: &Told) -> Value {
    let line = |line: &Value| {
        let mut line = line.clone();
        let quantity = told.lines.get(&id(&line))?;
        set(&mut line, "quantity", json!(quantity));
        Some(line)
    };
    json!({"id": told.id, "order_id": order.get("id"), "status": "success", "created_at": local(told.at),
        "tracking_company": told.carrier, "tracking_number": told.tracking.first(), "tracking_numbers": told.tracking,
        "line_items": lines(order).filter_map(line).collect::<Value>()})
}

/// The fulfilment order of an order, with the lines after `from`: all of an order lies at one location.
fn work(order: &Value, from: usize) -> Value {
    let cancelled = is_cancelled(order);
    let remaining = |line: &Value| if cancelled { 0 } else { left(line) };
    let node = |line: &Value| {
        json!({"id": format!("{WORK_LINE}{}", id(line)), "remainingQuantity": remaining(line),
            "lineItem": {"id": format!("{LINE}{}", id(line))}})
    };
    let nodes: Value = lines(order).skip(from).take(PAGE).map(node).collect();
    let more = from + PAGE < lines(order).count();
    let open: i64 = lines(order).map(remaining).sum();
    let sent = order.get("fulfillment_status").is_some_and(|status| !status.is_null());
    let status = match (cancelled, open, sent) {
        (true, ..) => "CANCELLED",
        (_, 0, _) => "CLOSED",
        (.., true) => "IN_PROGRESS",
        _ => "OPEN",
    };
    json!({"id": format!("{WORK}{}", id(order)), "status": status, "assignedLocation": {"location": {"id": LOCATION}},
        "lineItems": {"nodes": nodes, "pageInfo": page(more, from)}})
}

fn page(more: bool, from: usize) -> Value {
    json!({"hasNextPage": more, "endCursor": more.then(|| (from + PAGE).to_string())})
}

/// What is asked about an order.
pub(super) fn of_order(shelf: &Shelf, variables: &Value) -> Value {
    let Some((number, order)) = named(shelf, variables, ORDER) else { return json!({"data": {"order": null}}) };
    let node = |told: &Told| {
        let line = |(line, quantity): (&String, &i64)| json!({"quantity": quantity, "lineItem": {"id": format!("{LINE}{line}")}});
        let tracking = |number: &String| json!({"number": number, "company": told.carrier});
        json!({"id": format!("{FULFILMENT}{}", told.id), "status": "SUCCESS", "createdAt": told.at.to_string(),
            "trackingInfo": told.tracking.iter().map(tracking).collect::<Value>(),
            "fulfillmentLineItems": {"nodes": told.lines.iter().map(line).collect::<Value>(), "pageInfo": page(false, 0)}})
    };
    let sent: Value = shelf.sent.of(&number).iter().map(node).collect();
    json!({"data": {"order": {"fulfillmentOrders": {"nodes": [work(&order, 0)], "pageInfo": page(false, 0)},
        "fulfillments": sent}}})
}

/// What is asked about a fulfilment order.
pub(super) fn of_work(shelf: &Shelf, variables: &Value) -> Value {
    let from = variables.get("after").and_then(Value::as_str).and_then(|after| after.parse().ok()).unwrap_or(0);
    let work = named(shelf, variables, WORK).map(|(_, order)| work(&order, from));
    json!({"data": {"fulfillmentOrder": work}})
}

/// The order that the variables name, and its number.
fn named(shelf: &Shelf, variables: &Value, kind: &str) -> Option<(String, Value)> {
    let number = variables.get("id")?.as_str()?.strip_prefix(kind)?;
    Some((number.to_owned(), shelf.latest(number)?.1))
}

fn done(mutation: &str, outcome: Result<u64, (&str, &str)>) -> Value {
    let done = match outcome {
        Ok(id) => json!({"fulfillment": {"id": format!("{FULFILMENT}{id}")}, "userErrors": []}),
        Err((field, message)) => {
            json!({"fulfillment": null, "userErrors": [{"field": ["fulfillment", field], "message": message}]})
        }
    };
    json!({"data": {(mutation): done}})
}

/// What is sent.
pub(super) fn create(shelf: &Shelf, variables: &Value) -> Value {
    done("fulfillmentCreate", variables.get("fulfillment").map_or(Err(MISSING), |new| made(shelf, new)))
}

const PARTS: &str = "lineItemsByFulfillmentOrder";
const MISSING: (&str, &str) = (PARTS, "Fulfillment order does not exist.");

/// None of more than remain; and all of a fulfilment order where no lines of it are named.
fn made(shelf: &Shelf, new: &Value) -> Result<u64, (&'static str, &'static str)> {
    let parts = new.get(PARTS).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // An order has one fulfilment order here.
    let [part] = parts else { return Err((PARTS, "Fulfillment orders must belong to the same order.")) };
    let number = part.get("fulfillmentOrderId").and_then(Value::as_str).and_then(|id| id.strip_prefix(WORK));
    let number = number.ok_or(MISSING)?;
    // Nobody else sends anything meanwhile.
    let mut items = shelf.stock.items();
    let (_, order) = shelf.latest(number).ok_or(MISSING)?;
    if is_cancelled(&order) {
        return Err((PARTS, "Fulfillment order has an unfulfillable status= cancelled."));
    }
    let named = part.get("fulfillmentOrderLineItems").and_then(Value::as_array).filter(|lines| !lines.is_empty());
    let mut taken = BTreeMap::new();
    for line in lines(&order) {
        let own = json!(format!("{WORK_LINE}{}", id(line)));
        let of = |named: &Vec<Value>| named.iter().find(|one| one.get("id") == Some(&own))?.get("quantity")?.as_i64();
        let Some(quantity) = named.map_or(Some(left(line)), of) else { continue };
        if quantity < i64::from(named.is_some()) || quantity > left(line) {
            return Err((PARTS, "Invalid fulfillment order line item quantity requested."));
        }
        taken.insert(id(line), quantity);
    }
    if named.is_some_and(|named| named.len() != taken.len()) {
        return Err((PARTS, "Fulfillment order line item does not exist."));
    }
    // What was committed is on hand no more.
    for item in items.iter_mut() {
        let of = lines(&order).filter(|line| line.get("sku").and_then(Value::as_str) == Some(&item.sku));
        item.number -= of.filter_map(|line| taken.get(&id(line))).sum::<i64>();
    }
    let mut told = Told { order: number.to_owned(), lines: taken, ..Told::default() };
    let notify = new.get("notifyCustomer") == Some(&Value::Bool(true));
    follow(&mut told, new.get("trackingInfo"), notify);
    let told = shelf.sent.keep(told);
    keep(shelf, number);
    Ok(told.id)
}

/// Something that was sent can be followed otherwise.
pub(super) fn track(shelf: &Shelf, variables: &Value) -> Value {
    let number = variables.get("id").and_then(Value::as_str).and_then(|id| id.strip_prefix(FULFILMENT)?.parse().ok());
    let notify = variables.get("notify") == Some(&Value::Bool(true));
    let change = |number: u64| {
        let mut all = shelf.sent.all();
        let told = all.iter_mut().find(|told| told.id == number)?;
        follow(told, variables.get("tracking"), notify);
        Some((number, told.order.clone()))
    };
    let found = number.and_then(change).map(|(number, order)| {
        keep(shelf, &order);
        number
    });
    done("fulfillmentTrackingInfoUpdate", found.ok_or(("fulfillmentId", "Fulfillment does not exist.")))
}

fn follow(told: &mut Told, tracking: Option<&Value>, notify: bool) {
    let numbers = tracking.and_then(|tracking| tracking.get("numbers")).and_then(Value::as_array);
    told.tracking = numbers.into_iter().flatten().filter_map(|number| number.as_str().map(str::to_owned)).collect();
    told.carrier = tracking.and_then(|tracking| tracking.get("company")?.as_str()).map(str::to_owned);
    told.notified |= notify;
}
