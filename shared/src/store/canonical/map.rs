//! A canonical order from its JSON.

use serde::Deserialize;

use super::super::{
    audited,
    parse::{Code, flag, parse},
};
use crate::{
    Result,
    domain::{
        ids::OrderId,
        order::{Customer, Flag, Order, SCHEMA},
    },
};

/// One canonical order from its JSON, its books examined.
pub fn read_order(body: &[u8]) -> Result<Order, (Option<OrderId>, Flag)> {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        id: Code<'a>,
    }
    let order: Order = parse(body).map_err(|flag| {
        let id = parse::<Id<'_>>(body).ok().and_then(|named| named.id.as_str().parse().ok());
        (id, flag)
    })?;
    if order.schema != SCHEMA {
        let detail = format!("schema: is {}, and this version reads {SCHEMA}", order.schema);
        return Err((Some(order.id), flag("unreadable", detail)));
    }
    if let Some(why) = order.id.ambiguous() {
        return Err((Some(order.id), flag("unreadable", format!("id: {why}"))));
    }
    let guest = |customer: &Customer| customer.id.as_ref().is_some_and(|id| id.starts_with("guest/"));
    if order.customer.as_ref().is_some_and(guest) {
        let detail =
            "customer.id: begins with `guest/`: in the ERP the customer could not be told from the guest of an order";
        return Err((Some(order.id), flag("unreadable", detail)));
    }
    Ok(audited(order))
}
