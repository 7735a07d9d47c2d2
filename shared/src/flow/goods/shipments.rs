//! What people see of shipments, and having one looked at again.

use std::time::Duration;

use super::wake;
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        ids::{ConnectionId, OrderKey},
        shipment::{Dispatch, ShipmentId, ShipmentWrite},
    },
    flow::Puente,
};

/// The most shipments on a page.
pub const MOST: usize = 200;

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// By order.
    pub shipments: Vec<(OrderKey, Dispatch)>,
    /// Where the next page begins, if there is one.
    pub next: Option<(OrderKey, ShipmentId)>,
}

/// Whether the store of `connection` is told; refused in words for whoever asked, where shipments are off.
pub fn tells(puente: &Puente, connection: &ConnectionId) -> Result<bool> {
    let erp = puente.settings.erp_of(connection);
    let own = erp.and_then(|erp| {
        puente.settings.shipping(&erp).iter().find(|one| &one.connection == connection).map(|one| one.tells)
    });
    own.ok_or_else(|| {
        let words = format!(
            "shipments are not on for {connection}: put goods = {{ shipments = \"show\" }} into its part of the configuration"
        );
        Error::new(Kind::NotFound, words)
    })
}

/// A page of the shipments of `connection`, after `after`.
pub async fn page(
    puente: &Puente,
    connection: &ConnectionId,
    after: Option<&(OrderKey, ShipmentId)>,
    limit: usize,
) -> Result<Page> {
    tells(puente, connection)?;
    let limit = limit.clamp(1, MOST);
    let shipments = puente.shipments.list(connection, after, limit).await?;
    // None is ever deleted: a page that is not full is the last.
    let last = shipments.last().map(|(order, one)| (order.clone(), one.shipment.id.clone()));
    let next = last.filter(|_| shipments.len() >= limit);
    Ok(Page { shipments, next })
}

/// Has a shipment looked at again, now; one that is at rest too. `by` wanted it, with `request`. `false`: there is none of that id.
pub async fn again(puente: &Puente, order: &OrderKey, id: &ShipmentId, by: &str, request: &str) -> Result<bool> {
    tells(puente, &order.connection)?;
    let found = puente.shipments.write(order, id, &ShipmentWrite::Again, puente.clock.now()).await?;
    if found {
        puente.tell.of(&Event::ShipmentAgain { order, shipment: id.as_str(), by, request });
        wake(puente, &order.connection, Duration::ZERO).await?;
    }
    Ok(found)
}
