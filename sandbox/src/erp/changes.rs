//! What the sandbox's own interface does to a sale that is in the books: it is changed, cancelled, or a part of it is given back. What
//! was shipped or invoiced is beyond that.

use std::str::FromStr as _;

use http::Method;
use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    books::{Books, Made, Of},
    plain::{check, first_state, refusal, taken, told},
    vendor::{Asked, Reply, id_text},
};

/// The name of a call: method and path, with the id of what is changed or cancelled left out, so that a fault can be told before there
/// is one.
pub(super) fn name(asked: &Asked) -> String {
    let path = asked.path.as_str();
    match (asked.method.clone(), path.strip_prefix("/orders/")) {
        (Method::PUT, Some(_)) => "PUT /orders".to_owned(),
        (Method::POST, Some(rest)) if rest.ends_with("/cancel") => "POST /orders/cancel".to_owned(),
        (method, _) => format!("{method} {path}"),
    }
}

/// A sale that is still in the hands of whoever sold it.
fn open<'a>(books: &'a mut Books, id: &str) -> Result<&'a mut Made, Reply> {
    let sale = books.orders.iter_mut().find(|made| made.kind == Of::Sale && made.id.to_string() == id);
    match sale {
        None => Err(refusal(404, "not_found", "no such order")),
        Some(made) if matches!(made.state, "shipped" | "invoiced") => {
            Err(refusal(422, made.state, &format!("order {} is {} already", made.number, made.state)))
        }
        Some(made) => Ok(made),
    }
}

/// `PUT /orders/{id}`: the document, whose version must still be what `If-Match` says.
pub(super) fn amend(books: &mut Books, id: &str, document: Value, base: Option<&str>) -> Reply {
    let unconditional = books.config.unconditional;
    let (id, state) = match open(books, id) {
        Err(refusal) => return refusal,
        Ok(made) if made.cancelled => return refusal(422, "cancelled", "the order was cancelled"),
        Ok(made) => {
            let carried = made.version.as_deref().unwrap_or_default();
            match base.map(|base| base.trim_matches('"')) {
                _ if unconditional => {}
                None => return refusal(428, "base", "which version is changed has to be said"),
                Some(base) if base != carried => return refusal(412, "base", "the order carries another version"),
                Some(_) => {}
            }
            (made.id, made.state)
        }
    };
    match check(books, document).map(|sound| books.amend(id, sound.entry(state))) {
        Ok(Some(made)) => (200, told(&made)),
        Ok(None) => refusal(404, "not_found", "no such order"),
        Err(refusal) => refusal,
    }
}

/// `POST /orders/{id}/cancel`: once more is the same.
pub(super) fn cancel(books: &mut Books, id: &str) -> Reply {
    match open(books, id) {
        Err(refusal) => refusal,
        Ok(made) => {
            (made.cancelled, made.state) = (true, "cancelled");
            (200, told(made))
        }
    }
}

/// `POST /credits`: one document; its reference is protected as those of sales are.
pub(super) fn credit(books: &mut Books, document: Value, key: Option<&str>) -> Reply {
    let sound = match check(books, document) {
        Ok(sound) => sound,
        Err(refusal) => return refusal,
    };
    if let Some(reply) = taken(books, key.unwrap_or(&sound.document.reference)) {
        return reply;
    }
    let sale = sound.document.sale.as_ref().and_then(id_text).unwrap_or_default();
    let sale = books.orders.iter().find(|made| made.kind == Of::Sale && made.id.to_string() == sale);
    let Some(sale) = sale.map(|sale| sale.id) else {
        return refusal(422, "sale", "a credit note needs the sale that it credits");
    };
    let back = sound.document.lines.iter().filter(|line| line.restock == Some(true));
    let restocked = back.filter_map(|line| Decimal::from_str(line.quantity.as_deref()?).ok()).sum();
    let state = first_state(books);
    (201, told(&books.credit(sound.entry(state), sale, restocked)))
}
