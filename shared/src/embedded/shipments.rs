//! The shipments: each write is the pure function of [`ShipmentWrite`] inside one immediate transaction.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Embedded,
    file::Fault,
    micros, micros_now,
    records::{json, read_json, rows, text, time},
};
use crate::{
    Result,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        shipment::{Dispatch, ShipmentId, ShipmentWrite},
    },
    ports::Shipments,
};

#[async_trait]
impl Shipments for Embedded {
    async fn of_order(&self, order: &OrderKey) -> Result<Vec<Dispatch>> {
        let order = order.clone();
        self.read(move |sql| {
            let mut select =
                sql.prepare_cached("SELECT json FROM shipment WHERE connection = ?1 AND id = ?2 ORDER BY shipment")?;
            let found = select.query_map([order.connection.as_str(), order.order.as_str()], text)?;
            found.map(|json| Ok(read(&json?, &order)?)).collect()
        })
        .await
    }

    async fn write(&self, order: &OrderKey, id: &ShipmentId, write: &ShipmentWrite, now: Timestamp) -> Result<bool> {
        let (order, id, write) = (order.clone(), id.clone(), write.clone());
        Embedded::write(self, move |sql| {
            let before = dispatch(sql, &order, &id)?;
            let mut dispatch = before.clone();
            if !write.apply(&mut dispatch, now) {
                return Ok(false);
            }
            if let Some(after) = dispatch.filter(|after| before.as_ref() != Some(after)) {
                put(sql, &order, &id, &after)?;
            }
            Ok(true)
        })
        .await
    }

    async fn due(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrderKey, ShipmentId)>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select = sql.prepare_cached(
                "SELECT id, shipment FROM shipment WHERE connection = ?1 AND due <= ?2 ORDER BY due, id, shipment LIMIT ?3",
            )?;
            let parameters = params![connection.as_str(), micros_now(now), rows(limit)];
            let found = select.query_map(parameters, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            found
                .map(|found| {
                    let (order, id) = found?;
                    Ok((OrderKey::new(connection.clone(), order.parse::<OrderId>()?), id.parse()?))
                })
                .collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select =
                sql.prepare_cached("SELECT min(due) FROM shipment WHERE connection = ?1 AND due IS NOT NULL")?;
            let due: Option<i64> = select.query_row([connection.as_str()], |row| row.get(0))?;
            due.map(time).transpose()
        })
        .await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        after: Option<&(OrderKey, ShipmentId)>,
        limit: usize,
    ) -> Result<Vec<(OrderKey, Dispatch)>> {
        let connection = connection.clone();
        let after = after.map(|(order, id)| (order.order.to_string(), id.to_string()));
        self.read(move |sql| {
            let (order, id) = after.unwrap_or_default();
            let mut select = sql.prepare_cached(
                "SELECT id, json FROM shipment WHERE connection = ?1 AND (id, shipment) > (?2, ?3)
                 ORDER BY id, shipment LIMIT ?4",
            )?;
            let parameters = params![connection.as_str(), order, id, rows(limit)];
            let found = select.query_map(parameters, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            found
                .map(|found| {
                    let (order, json) = found?;
                    let order = OrderKey::new(connection.clone(), order.parse::<OrderId>()?);
                    let dispatch = read(&json, &order)?;
                    Ok((order, dispatch))
                })
                .collect()
        })
        .await
    }
}

fn dispatch(sql: &Connection, order: &OrderKey, id: &ShipmentId) -> Result<Option<Dispatch>, Fault> {
    let mut select =
        sql.prepare_cached("SELECT json FROM shipment WHERE connection = ?1 AND id = ?2 AND shipment = ?3")?;
    let found = select.query_row([order.connection.as_str(), order.order.as_str(), id.as_str()], text).optional()?;
    Ok(found.map(|json| read(&json, order)).transpose()?)
}

fn put(sql: &Connection, order: &OrderKey, id: &ShipmentId, dispatch: &Dispatch) -> Result<(), Fault> {
    let mut upsert = sql.prepare_cached(
        "INSERT INTO shipment (connection, id, shipment, due, json) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET due = excluded.due, json = excluded.json",
    )?;
    let (connection, order) = (order.connection.as_str(), order.order.as_str());
    upsert.execute(params![connection, order, id.as_str(), dispatch.due.map(micros), json(dispatch)?])?;
    Ok(())
}

fn read(json: &str, order: &OrderKey) -> Result<Dispatch> {
    read_json(json, || format!("a shipment of order {order}"))
}
