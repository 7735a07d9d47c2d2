//! The shipments: what the ERP sent of each order, and what its store was told of it.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        shipment::{Dispatch, ShipmentId, ShipmentWrite},
    },
};

/// The shipments.
#[async_trait]
pub trait Shipments: Send + Sync {
    /// All of an order, by their ids, read consistently.
    async fn of_order(&self, order: &OrderKey) -> Result<Vec<Dispatch>>;

    /// One conditional write, see [`ShipmentWrite::apply`]; `false`: its condition did not hold. A write that our own retry had already
    /// applied is `true`.
    async fn write(&self, order: &OrderKey, id: &ShipmentId, write: &ShipmentWrite, now: Timestamp) -> Result<bool>;

    /// Those of `connection` that are due at `now`, earliest first: an index, which may lag and only suggests.
    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize)
    -> Result<Vec<(OrderKey, ShipmentId)>>;

    /// The earliest `due` of `connection`, from the same index.
    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>>;

    /// Those of a connection, by order and id, after `after`: an index, which may lag.
    async fn list(
        &self,
        connection: &ConnectionId,
        after: Option<&(OrderKey, ShipmentId)>,
        limit: usize,
    ) -> Result<Vec<(OrderKey, Dispatch)>>;
}
