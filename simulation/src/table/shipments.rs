//! The shipments as the table keeps them.

use async_trait::async_trait;
use jiff::Timestamp;
use puente::{
    Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        shipment::{Dispatch, Failed, ShipmentId, ShipmentWrite},
    },
    ports::{Chance, Shipments},
};

use super::Table;

/// A write of a shipment.
fn said(write: &ShipmentWrite) -> String {
    match write {
        ShipmentWrite::Noted { shipment, .. } => {
            format!("noted with {} articles and {} parcels", shipment.items.len(), shipment.parcels.len())
        }
        ShipmentWrite::Sending(sending) => {
            format!("its store is about to be told of {:?} ({})", sending.underway.lines, sending.underway.attempt)
        }
        ShipmentWrite::Told { attempt, fulfilment, .. } => format!("its store has it as {fulfilment:?} ({attempt:?})"),
        ShipmentWrite::Failed(Failed { attempt, certain, due, note, .. }) => {
            format!("its store was not told ({attempt:?}, for certain: {certain}), again {due:?}: {note}")
        }
        ShipmentWrite::Again => "a person has it looked at".to_owned(),
    }
}

#[async_trait]
impl Shipments for Table {
    async fn of_order(&self, order: &OrderKey) -> Result<Vec<Dispatch>> {
        self.call("shipments.of_order", |rows, _| {
            let ours = rows.shipments.iter().filter(|((of, _), _)| of == order);
            ours.map(|(_, dispatch)| dispatch.clone()).collect()
        })
        .await
    }

    async fn write(&self, order: &OrderKey, id: &ShipmentId, write: &ShipmentWrite, now: Timestamp) -> Result<bool> {
        let (key, token) = ((order.clone(), id.clone()), self.world.chance.token());
        self.call("shipments.write", |rows, again| {
            // A repeated request finds its own token, unless somebody wrote since.
            if again && rows.shipment_tokens.get(&key) == Some(&token) {
                return true;
            }
            let before = rows.shipments.get(&key);
            let mut after = before.cloned();
            let applied = write.apply(&mut after, now);
            self.world.say(|| format!("{order}, {id}: {}{}", said(write), if applied { "" } else { ": refused" }));
            if let Some(after) = after.filter(|after| applied && before != Some(after)) {
                rows.shipments.insert(key.clone(), after);
                rows.shipment_tokens.insert(key.clone(), token.clone());
            }
            applied
        })
        .await
    }

    async fn due(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrderKey, ShipmentId)>> {
        self.call("shipments.due", |rows, _| {
            let ours = rows.shipments.iter().filter(|((of, _), _)| of.connection == *connection);
            let due = ours.filter_map(|(key, dispatch)| Some((dispatch.due.filter(|due| *due <= now)?, key.clone())));
            let mut due: Vec<_> = due.collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, key)| key).collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        self.call("shipments.next_due", |rows, _| {
            let ours = rows.shipments.iter().filter(|((of, _), _)| of.connection == *connection);
            ours.filter_map(|(_, dispatch)| dispatch.due).min()
        })
        .await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        after: Option<&(OrderKey, ShipmentId)>,
        limit: usize,
    ) -> Result<Vec<(OrderKey, Dispatch)>> {
        self.call("shipments.list", |rows, _| {
            let ours = rows.shipments.iter().filter(|((of, _), _)| of.connection == *connection);
            let ours = ours.filter(|(key, _)| after.is_none_or(|after| *key > after));
            ours.map(|((order, _), dispatch)| (order.clone(), dispatch.clone())).take(limit).collect()
        })
        .await
    }
}
