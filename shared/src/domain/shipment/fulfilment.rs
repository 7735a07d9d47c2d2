//! What a store has of an order as sent, and what it is told.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::row::{Dispatch, Parcel};
use crate::domain::{
    ids::{AttemptId, OrderId},
    money::Amount,
};

/// What a store has of an order's shipments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fulfilments {
    /// What the store still expects to be sent; none: it keeps no such list, and what is left is what the order says less what was told.
    pub open: Option<Vec<Open>>,
    /// What it has as sent, but for what was cancelled since.
    pub sent: Vec<Fulfilment>,
}

/// A part of an order that a store still expects to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The `id` of the order's line.
    pub line: String,
    /// How many are left to send.
    pub quantity: Amount,
    /// What the store calls this part, in the connector's own words. One line may have several, at several locations.
    pub item: String,
}

/// Something that a store has as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fulfilment {
    /// What the store calls it, in the connector's own words.
    pub id: String,
    /// When it was made, by the store's clock.
    pub created: Option<Timestamp>,
    /// The units of each of the order's lines; empty where the store does not keep them.
    pub lines: BTreeMap<String, Amount>,
    /// The tracking numbers that it carries.
    pub tracking: Vec<String>,
    /// The number of our shipment, where the store keeps it beside.
    pub shipment: Option<String>,
}

/// A shipment that a store is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFulfilment {
    /// Of which order.
    pub order: OrderId,
    /// The number of the shipment, as people know it.
    pub shipment: String,
    /// What was sent.
    pub parts: Vec<Part>,
    /// Who carries it, as the store is told.
    pub carrier: Option<String>,
    /// How it can be followed.
    pub parcels: Vec<Parcel>,
    /// Whether everything of the order is sent with it.
    pub completes: bool,
    /// Whether the store writes to the buyer.
    pub notify: bool,
    /// What the buyer is told, where a store takes text.
    pub note: String,
    /// This attempt: a key that a store which knows idempotency keys is given.
    pub attempt: AttemptId,
    /// When it was begun: of two states of a shipment the one begun later counts, whichever arrives first.
    pub begun: Timestamp,
    /// Which state of the shipment this is: the same each time that state is told, higher with each change.
    pub revision: u64,
}

impl Fulfilments {
    /// What a store that nobody can ask has of an order: what it was told, of these.
    #[must_use]
    pub fn as_told<'a>(dispatches: impl IntoIterator<Item = &'a Dispatch>) -> Self {
        let sent = dispatches.into_iter().filter_map(|dispatch| {
            let told = dispatch.told.as_ref()?;
            // Of an older state it has older parcels: none that are known here.
            let parcels = if dispatch.is_told() { dispatch.shipment.parcels.as_slice() } else { &[] };
            Some(Fulfilment {
                id: told.fulfilment.clone()?,
                created: Some(told.at),
                lines: told.lines.clone(),
                tracking: parcels.iter().map(|parcel| parcel.number.clone()).collect(),
                shipment: Some(dispatch.shipment.number.clone()),
            })
        });
        Self { open: None, sent: sent.collect() }
    }
}

/// A part of an order that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The `id` of the order's line.
    pub line: String,
    /// [`Open::item`], where the store has such a list.
    pub item: Option<String>,
    /// How many.
    pub quantity: Amount,
}
