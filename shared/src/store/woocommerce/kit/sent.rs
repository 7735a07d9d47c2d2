//! How the shop keeps what was sent: an order's state and metadata, which anybody may change, and its notes.

use http::StatusCode;
use jiff::Timestamp;
use puente_sandbox::store::{Answer, Shelf, Told};
use serde_json::{Value, json};

use super::{SITE, time, unknown};

/// All notes of an order, the newest first: it knows no pages.
pub(super) fn notes(shelf: &Shelf, order: &str) -> Answer {
    let Some(found) = shelf.find(order) else { return unknown(StatusCode::NOT_FOUND) };
    let mut notes: Vec<Value> = shelf.sent.of(order).iter().rev().map(shown).collect();
    // One of the shop's own.
    notes.push(json!({
        "id": 5000,
        "author": "system",
        "date_created": found.get("date_created"),
        "date_created_gmt": found.get("date_created_gmt"),
        "note": "Order status changed from Pending payment to Processing.",
        "customer_note": false,
    }));
    Answer::ok(Value::Array(notes))
}

/// Takes a note.
pub(super) fn note(shelf: &Shelf, order: &str, body: &Value) -> Answer {
    if shelf.find(order).is_none() {
        let words = json!({"code": "woocommerce_rest_order_invalid_id", "message": "No.", "data": {"status": 404}});
        return Answer::of(StatusCode::NOT_FOUND, words);
    }
    let Some(words) = body.get("note").and_then(Value::as_str) else {
        return Answer::of(StatusCode::BAD_REQUEST, json!({"code": "rest_missing_callback_param"}));
    };
    let told = shelf.sent.keep(Told {
        order: order.to_owned(),
        // `WordPress` takes them for escapes that somebody else made.
        words: words.replace('\\', ""),
        notified: body.get("customer_note") == Some(&json!(true)),
        ..Told::default()
    });
    Answer::of(StatusCode::CREATED, shown(&told))
}

/// Changes an order: what is the same as before is a change as well.
pub(super) fn change(shelf: &Shelf, id: &str, body: &Value) -> Answer {
    let Some((before, mut order)) = shelf.latest(id) else { return unknown(StatusCode::BAD_REQUEST) };
    // Times have whole seconds there.
    let at = Timestamp::from_second(puente_sandbox::now().as_second()).unwrap_or(before).max(before);
    let Some(fields) = order.as_object_mut() else { return unknown(StatusCode::BAD_REQUEST) };
    let stamp = |fields: &mut serde_json::Map<String, Value>, name: &str| {
        fields.insert(format!("date_{name}"), json!(time(at, SITE)));
        fields.insert(format!("date_{name}_gmt"), json!(time(at, 0)));
    };
    if let Some(status) = body.get("status") {
        if *status == json!("completed") && fields.get("status") != Some(status) {
            stamp(fields, "completed");
            if fields.get("date_paid").is_none_or(Value::is_null) {
                stamp(fields, "paid");
            }
        }
        fields.insert("status".to_owned(), status.clone());
    }
    if let Some(Value::Array(kept)) = fields.get_mut("meta_data") {
        for new in body.get("meta_data").and_then(Value::as_array).into_iter().flatten() {
            keep(kept, new);
        }
    }
    stamp(fields, "modified");
    shelf.changed().insert(id.to_owned(), (at, order.clone()));
    Answer::ok(order)
}

/// One field of the metadata, in place of the one with its name.
fn keep(kept: &mut Vec<Value>, new: &Value) {
    let value = new.get("value").cloned().unwrap_or_default();
    if let Some(field) = kept.iter_mut().find(|field| field.get("key") == new.get("key")) {
        if let Some(field) = field.as_object_mut() {
            field.insert("value".to_owned(), value);
        }
        return;
    }
    kept.push(json!({"id": kept.len() + 1, "key": new.get("key"), "value": value}));
}

fn shown(told: &Told) -> Value {
    json!({
        "id": told.id,
        "author": "system",
        "date_created": time(told.at, SITE),
        "date_created_gmt": time(told.at, 0),
        "note": told.words,
        "customer_note": told.notified,
    })
}
