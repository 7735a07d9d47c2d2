//! Shipments as people see them: what the operator's API answers, and the command line shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    goods::Sku,
    ids::{ConnectionId, OrderId, OrderKey},
    money::Amount,
    shipment::{Dispatch, Parcel, ShipmentId},
};

/// What an ERP sent of an order, and what the order's store was told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Shipment)]
pub struct ShipmentView {
    /// Whose.
    pub connection: ConnectionId,
    /// Of which order: the store's own id.
    pub order: OrderId,
    /// The ERP's own id of the shipment.
    pub shipment: ShipmentId,
    /// The number that people know it by.
    pub number: String,
    /// What is in it.
    pub items: Vec<ItemView>,
    /// Who carries it, as the ERP names them.
    pub carrier: Option<String>,
    /// How its parcels can be followed.
    #[schema(value_type = Vec<Parcel>)]
    pub parcels: Vec<Parcel>,
    /// How far it is.
    pub state: ShipmentState,
    /// What the store calls it; none where it had all of it as sent already, or was not told yet.
    pub fulfilment: Option<String>,
    /// When the store was known to have it.
    pub told_at: Option<Timestamp>,
    /// When it is looked at again.
    pub due: Option<Timestamp>,
    /// Attempts since one succeeded.
    pub attempts: u32,
    /// Why it waits or stopped, in words.
    pub note: Option<String>,
}

/// An article of a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShipmentItem)]
pub struct ItemView {
    /// The ERP's code.
    pub article: Sku,
    /// How many.
    pub quantity: Amount,
}

/// How far a shipment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShipmentState {
    /// The store is not told: shipments of this connection are only shown.
    Shown,
    /// It waits for its turn, or for another attempt.
    Waiting,
    /// The store is being told, or the outcome of that is unknown.
    Underway,
    /// The store has it.
    Told,
    /// A person has to look; `note` says why.
    Stopped,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShipmentPage)]
pub struct ShipmentsView {
    /// By order.
    pub shipments: Vec<ShipmentView>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

impl ShipmentView {
    /// A shipment of an order. `tells`: whether the store is told.
    #[must_use]
    pub fn of(key: OrderKey, dispatch: Dispatch, tells: bool) -> Self {
        let state = match &dispatch {
            one if one.underway.is_some() => ShipmentState::Underway,
            one if one.stopped => ShipmentState::Stopped,
            one if one.is_told() => ShipmentState::Told,
            _ if tells => ShipmentState::Waiting,
            _ => ShipmentState::Shown,
        };
        let Dispatch { shipment, told, due, attempts, note, .. } = dispatch;
        let items = shipment.items.into_iter().map(|(article, quantity)| ItemView { article, quantity });
        Self {
            connection: key.connection,
            order: key.order,
            shipment: shipment.id,
            number: shipment.number,
            items: items.collect(),
            carrier: shipment.carrier,
            parcels: shipment.parcels,
            state,
            told_at: told.as_ref().map(|told| told.at),
            fulfilment: told.and_then(|told| told.fulfilment),
            due: due.filter(|_| tells),
            attempts,
            note,
        }
    }
}
