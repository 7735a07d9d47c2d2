//! What a body of `WooCommerce`'s is: an order, something else, or what an extension made of one.

use super::{
    super::parse::{self, flag, order_id, parse},
    map, wire,
};
use crate::domain::{
    ids::OrderId,
    order::{Flag, Order},
};

/// What a body is.
pub(super) enum Read {
    /// An order.
    Order(Box<Order>),
    /// Somebody's cart or an editor's sheet.
    Draft,
    /// Not about an order.
    Other,
    /// An order in another shape than the REST API's: only its id is believed.
    Pointer(OrderId, Shape),
    /// An error instead of an order.
    Error(Flag),
    /// An order that cannot be read.
    Unmapped(Option<OrderId>, Flag),
}

/// The shapes that an order's webhook has besides the REST API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The Legacy REST API's.
    Legacy,
    /// Whatever an extension made of it.
    Overridden,
    /// The name of an action, and what it was called with.
    Action,
}

impl Shape {
    /// What is wrong and what to change in the store.
    pub(super) fn flag(self) -> Flag {
        let detail = match self {
            Self::Legacy => {
                "this webhook uses the Legacy API: in the store, under WooCommerce > Settings > Advanced > Webhooks, set its API \
                 version to \"WP REST API Integration v3\""
            }
            Self::Overridden => {
                "the webhook names an order but does not carry it: an extension changes what webhooks send (the filter \
                 woocommerce_webhook_payload). Take that extension's hand off order webhooks, or set consumer_key and \
                 consumer_secret so that the order can be fetched"
            }
            Self::Action => {
                "the webhook tells of an action and does not carry the order: in the store, set its topic to \"Order updated\", or \
                 set consumer_key and consumer_secret here so that the order can be fetched"
            }
        };
        flag("webhook", detail)
    }
}

/// Reads a body, of a webhook or of an answer.
pub(super) fn read_order(body: &[u8]) -> Read {
    // serde would take a list for an object, by place.
    if parse::without_mark(body).trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Read::Unmapped(None, flag("unreadable", "is not an object"));
    }
    match parse::<wire::Order<'_>>(body) {
        Ok(wire) if wire.billing_period.is_some() => Read::Other,
        Ok(wire) if map::is_draft(wire.status.as_str()) => Read::Draft,
        Ok(wire) => match map::order(&wire) {
            Ok(order) => Read::Order(Box::new(order)),
            Err(flag) => Read::Unmapped(order_id(wire.id.as_str()).ok(), flag),
        },
        Err(fault) => match parse::<wire::Other<'_>>(body) {
            Ok(other) => read_other(&other, fault),
            Err(_) => Read::Unmapped(None, fault),
        },
    }
}

/// What cannot be read as an order: `fault` is why.
fn read_other(other: &wire::Other<'_>, fault: Flag) -> Read {
    let id = order_id(other.id.as_str()).ok();
    if other.billing_period.is_some() {
        return Read::Other;
    }
    if let Some(legacy) = &other.order {
        return match order_id(legacy.id.as_str()) {
            Ok(id) => Read::Pointer(id, Shape::Legacy),
            Err(_) => Read::Unmapped(None, Shape::Legacy.flag()),
        };
    }
    if id.is_none()
        && let Some(error) = other.error()
    {
        return Read::Error(refused(error));
    }
    if let Ok(order) = order_id(other.order_id.as_str()) {
        return Read::Pointer(order, Shape::Overridden);
    }
    if is_about_orders(other.action.as_str())
        && let Ok(order) = order_id(other.arg.as_str())
    {
        return Read::Pointer(order, Shape::Action);
    }
    // Refunds have lines too, but no currency; coupons, products and customers have neither key nor total.
    let is_order = other.order_key.is_some() || (other.line_items.is_some() && other.currency.is_some());
    match id {
        _ if map::is_draft(other.status.as_str()) && is_order => Read::Draft,
        id if is_order => Read::Unmapped(id, fault),
        // What an extension left of an order.
        Some(id) if other.total.is_some() && other.is_named_status() => Read::Pointer(id, Shape::Overridden),
        _ => Read::Other,
    }
}

/// Whether the first argument of an action is an order's id: `woocommerce_new_order`, `woocommerce_order_status_processing`,
/// `woocommerce_payment_complete`.
fn is_about_orders(action: &str) -> bool {
    let of_items = action.contains("order_item") || action.contains("order_note");
    action.starts_with("woocommerce_") && (action.contains("order") || action.contains("payment_complete")) && !of_items
}

/// The store's own error: it could not show the order to the webhook's user.
fn refused(code: &str) -> Flag {
    let plain = code.len() <= 80 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let code = if plain { code } else { "an error" };
    let detail = format!(
        "the store sends {code} instead of the order: the user whose webhook this is may not read orders, so every order of this \
         webhook is lost. In the store, under WooCommerce > Settings > Advanced > Webhooks, save it again as a user who may \
         (an administrator or shop manager); backfill then brings the orders it lost"
    );
    flag("webhook", detail)
}
