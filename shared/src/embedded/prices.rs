//! The price tags: each write is the pure function of [`PriceWrite`] inside one immediate transaction.

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
        goods::Sku,
        ids::ConnectionId,
        price::{PriceTag, PriceWrite},
    },
    ports::Prices,
};

#[async_trait]
impl Prices for Embedded {
    async fn tag(&self, connection: &ConnectionId, sku: &Sku) -> Result<Option<PriceTag>> {
        let (connection, sku) = (connection.clone(), sku.clone());
        self.read(move |sql| tag(sql, &connection, &sku)).await
    }

    async fn write(&self, connection: &ConnectionId, sku: &Sku, write: &PriceWrite, now: Timestamp) -> Result<bool> {
        let (connection, sku, write) = (connection.clone(), sku.clone(), write.clone());
        Embedded::write(self, move |sql| {
            let before = tag(sql, &connection, &sku)?;
            let mut after = before.clone();
            if !write.apply(&mut after, now) {
                return Ok(false);
            }
            if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
                put(sql, &connection, &sku, &after)?;
            }
            Ok(true)
        })
        .await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<Sku>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select = sql.prepare_cached(
                "SELECT sku FROM price WHERE connection = ?1 AND due <= ?2 ORDER BY due, sku LIMIT ?3",
            )?;
            let found = select.query_map(params![connection.as_str(), micros_now(now), rows(limit)], text)?;
            found.map(|sku| Ok(sku?.parse()?)).collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select =
                sql.prepare_cached("SELECT min(due) FROM price WHERE connection = ?1 AND due IS NOT NULL")?;
            let due: Option<i64> = select.query_row([connection.as_str()], |row| row.get(0))?;
            due.map(time).transpose()
        })
        .await
    }

    async fn list(&self, connection: &ConnectionId, after: Option<&Sku>, limit: usize) -> Result<Vec<(Sku, PriceTag)>> {
        let (connection, after) = (connection.clone(), after.map(ToString::to_string).unwrap_or_default());
        self.read(move |sql| {
            let mut select = sql.prepare_cached(
                "SELECT sku, json FROM price WHERE connection = ?1 AND sku > ?2 ORDER BY sku LIMIT ?3",
            )?;
            let parameters = params![connection.as_str(), after, rows(limit)];
            let found = select.query_map(parameters, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            found
                .map(|found| {
                    let (sku, json) = found?;
                    let sku: Sku = sku.parse()?;
                    let tag = read(&json, &connection, &sku)?;
                    Ok((sku, tag))
                })
                .collect()
        })
        .await
    }
}

fn tag(sql: &Connection, connection: &ConnectionId, sku: &Sku) -> Result<Option<PriceTag>, Fault> {
    let mut select = sql.prepare_cached("SELECT json FROM price WHERE connection = ?1 AND sku = ?2")?;
    let found = select.query_row([connection.as_str(), sku.as_str()], text).optional()?;
    Ok(found.map(|json| read(&json, connection, sku)).transpose()?)
}

fn put(sql: &Connection, connection: &ConnectionId, sku: &Sku, tag: &PriceTag) -> Result<(), Fault> {
    let mut upsert = sql.prepare_cached(
        "INSERT INTO price (connection, sku, due, json) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET due = excluded.due, json = excluded.json",
    )?;
    upsert.execute(params![connection.as_str(), sku.as_str(), tag.due.map(micros), json(tag)?])?;
    Ok(())
}

fn read(json: &str, connection: &ConnectionId, sku: &Sku) -> Result<PriceTag> {
    read_json(json, || format!("the price of {sku} in {connection}"))
}
