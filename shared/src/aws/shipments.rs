//! The shipments on DynamoDB: each is a row in the partition of its order's shipments, written as the rows of shelves are (`row.rs`).

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    index,
    item::{Item, Reader},
    keys::{Key, shipment_of, shipments_at, shipments_list, shipments_pk},
    row,
    table::{Check, Query as Ask, Table},
};
use crate::{
    Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        shipment::{Dispatch, ShipmentId, ShipmentWrite},
    },
    ports::Shipments,
};

/// The shipments.
#[derive(Clone)]
pub struct DynamoShipments(Table);

impl DynamoShipments {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    /// One attempt; none: somebody wrote it meanwhile.
    async fn attempt(
        &self,
        order: &OrderKey,
        id: &ShipmentId,
        write: &ShipmentWrite,
        now: Timestamp,
        token: &str,
    ) -> Result<Option<bool>> {
        let found = self.0.get(Key::shipment(order, id)).await?;
        let before = found.as_ref().map(row::read::<Dispatch>).transpose()?;
        // The answer of an earlier attempt was lost: it was done.
        if before.as_ref().is_some_and(|found| found.token == token) {
            return Ok(Some(true));
        }
        let revision = before.as_ref().map(|found| found.revision);
        let before = before.map(|found| found.row);
        let mut dispatch = before.clone();
        if !write.apply(&mut dispatch, now) {
            return Ok(Some(false));
        }
        match dispatch {
            Some(after) if before.as_ref() != Some(&after) => {
                let item = item(order, id, &after, revision.unwrap_or(0) + 1, token)?;
                Ok(self.0.write_all(vec![Check::Put(item, revision)]).await?.then_some(true))
            }
            _ => Ok(Some(true)),
        }
    }
}

#[async_trait]
impl Shipments for DynamoShipments {
    async fn of_order(&self, order: &OrderKey) -> Result<Vec<Dispatch>> {
        let partition = shipments_pk(order);
        let ask = Ask { index: None, partition: ("pk", &partition), sort: None, ascending: true, limit: usize::MAX };
        self.0.query(&ask).await?.iter().map(row::body).collect()
    }

    async fn write(&self, order: &OrderKey, id: &ShipmentId, write: &ShipmentWrite, now: Timestamp) -> Result<bool> {
        let (what, token) = (format!("shipment {id} of order {order}"), row::token());
        row::rounds(&what, || self.attempt(order, id, write, now, &token)).await
    }

    async fn due(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrderKey, ShipmentId)>> {
        let items = index::due(&self.0, &shipments_list(connection), now, limit).await?;
        items.iter().map(key_of).collect()
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        index::next_due(&self.0, &shipments_list(connection)).await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        after: Option<&(OrderKey, ShipmentId)>,
        limit: usize,
    ) -> Result<Vec<(OrderKey, Dispatch)>> {
        let after = after.map(|(order, id)| shipments_at(order, id));
        let items = index::listed(&self.0, &shipments_list(connection), after, limit).await?;
        items.iter().map(|item| Ok((key_of(item)?.0, row::body(item)?))).collect()
    }
}

fn key_of(item: &Item) -> Result<(OrderKey, ShipmentId)> {
    let at = Reader(item);
    shipment_of(at.text("pk")?, at.text("sk")?)
}

fn item(order: &OrderKey, id: &ShipmentId, dispatch: &Dispatch, revision: u64, token: &str) -> Result<Item> {
    let mut item = row::item(Key::shipment(order, id), dispatch, revision, token)?;
    row::list(&mut item, shipments_list(&order.connection), shipments_at(order, id));
    if let Some(due) = dispatch.due {
        row::await_at(&mut item, shipments_list(&order.connection), due);
    }
    Ok(item)
}
