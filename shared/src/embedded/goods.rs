//! The shelves: each write is the pure function of [`GoodsWrite`] inside one immediate transaction.

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
        goods::{Commitment, GoodsWrite, Halt, Listing, Row, RowKey, Shelf, ShelfId},
        ids::{ConnectionId, ErpId, OrderId, OrderKey},
    },
    ports::Goods,
};

#[async_trait]
impl Goods for Embedded {
    async fn shelf(&self, id: &ShelfId) -> Result<Shelf> {
        let id = id.clone();
        self.read(move |sql| shelf(sql, &id)).await
    }

    async fn write(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp) -> Result<bool> {
        let (id, write) = (id.clone(), write.clone());
        Embedded::write(self, move |sql| {
            let keys = write.rows();
            let mut shelf = Shelf::default();
            for key in &keys {
                shelf.put(key.clone(), row(sql, &id, key)?);
            }
            let before = shelf.clone();
            if !write.apply(&mut shelf, now) {
                return Ok(false);
            }
            for key in &keys {
                let after = shelf.row(key);
                if after != before.row(key) {
                    put(sql, &id, key, after.as_ref())?;
                }
            }
            Ok(true)
        })
        .await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<ShelfId>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select = sql.prepare_cached(
                "SELECT erp, place, sku FROM goods WHERE connection = ?1 AND due <= ?2 ORDER BY due, sku, place, erp LIMIT ?3",
            )?;
            let found = select.query_map(params![connection.as_str(), micros_now(now), rows(limit)], names)?;
            found.map(|names| shelf_id(names?)).collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select =
                sql.prepare_cached("SELECT min(due) FROM goods WHERE connection = ?1 AND due IS NOT NULL")?;
            let due: Option<i64> = select.query_row([connection.as_str()], |row| row.get(0))?;
            due.map(time).transpose()
        })
        .await
    }

    async fn commitments(
        &self,
        erp: &ErpId,
        after: Option<&(ShelfId, OrderKey)>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, OrderKey, Commitment)>> {
        let erp = erp.clone();
        let after = after.map(|(shelf, order)| {
            let ShelfId { place, sku, .. } = shelf;
            [sku.to_string(), place.to_string(), order.connection.to_string(), order.order.to_string()]
        });
        self.read(move |sql| {
            let [sku, place, connection, order] = after.unwrap_or_default();
            let mut select = sql.prepare_cached(
                "SELECT erp, place, sku, connection, id, json FROM goods
                 WHERE kind = 'commitment' AND erp = ?1 AND (sku, place, connection, id) > (?2, ?3, ?4, ?5)
                 ORDER BY sku, place, connection, id LIMIT ?6",
            )?;
            let parameters = params![erp.as_str(), sku, place, connection, order, rows(limit)];
            let found = select.query_map(parameters, |row| {
                Ok((names(row)?, row.get::<_, String>(3)?, row.get::<_, String>(4)?, row.get::<_, String>(5)?))
            })?;
            found
                .map(|found| {
                    let (names, connection, order, json) = found?;
                    let order = OrderKey::new(connection.parse()?, order.parse::<OrderId>()?);
                    let commitment = read_json(&json, || format!("what order {order} took"))?;
                    Ok((shelf_id(names)?, order, commitment))
                })
                .collect()
        })
        .await
    }

    async fn listings(
        &self,
        connection: &ConnectionId,
        after: Option<&ShelfId>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, Listing)>> {
        let connection = connection.clone();
        let after = after.map(|id| [id.sku.to_string(), id.place.to_string(), id.erp.to_string()]);
        self.read(move |sql| {
            let [sku, place, erp] = after.unwrap_or_default();
            let mut select = sql.prepare_cached(
                "SELECT erp, place, sku, json FROM goods
                 WHERE kind = 'listing' AND connection = ?1 AND (sku, place, erp) > (?2, ?3, ?4)
                 ORDER BY sku, place, erp LIMIT ?5",
            )?;
            let parameters = params![connection.as_str(), sku, place, erp, rows(limit)];
            let found = select.query_map(parameters, |row| Ok((names(row)?, row.get::<_, String>(3)?)))?;
            found
                .map(|found| {
                    let (names, json) = found?;
                    let id = shelf_id(names)?;
                    let listing = read_json(&json, || format!("what the store of {connection} is told of {}", id.sku))?;
                    Ok((id, listing))
                })
                .collect()
        })
        .await
    }

    async fn halted(&self, connection: &ConnectionId) -> Result<Option<Halt>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select = sql.prepare_cached("SELECT json FROM halt WHERE connection = ?1")?;
            let found = select.query_row([connection.as_str()], text).optional()?;
            Ok(found.map(|json| read_json(&json, || format!("the halt of {connection}"))).transpose()?)
        })
        .await
    }

    async fn halt(&self, connection: &ConnectionId, halt: Option<&Halt>) -> Result<()> {
        let (connection, halt) = (connection.clone(), halt.map(json).transpose()?);
        Embedded::write(self, move |sql| {
            match &halt {
                Some(halt) => sql
                    .prepare_cached(
                        "INSERT INTO halt (connection, json) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET json = excluded.json",
                    )?
                    .execute([connection.as_str(), halt])?,
                None => sql.prepare_cached("DELETE FROM halt WHERE connection = ?1")?.execute([connection.as_str()])?,
            };
            Ok(())
        })
        .await
    }
}

/// What a row is kept under: its kind, whose it is, and the order.
fn key_of(key: &RowKey) -> (&'static str, &str, &str) {
    match key {
        RowKey::Level => ("level", "", ""),
        RowKey::Commitment(order) => ("commitment", order.connection.as_str(), order.order.as_str()),
        RowKey::Listing(connection) => ("listing", connection.as_str(), ""),
    }
}

fn row(sql: &Connection, shelf: &ShelfId, key: &RowKey) -> Result<Option<Row>, Fault> {
    let (kind, connection, id) = key_of(key);
    let mut select = sql.prepare_cached(
        "SELECT json FROM goods WHERE erp = ?1 AND place = ?2 AND sku = ?3 AND kind = ?4 AND connection = ?5 AND id = ?6",
    )?;
    let parameters = params![shelf.erp.as_str(), shelf.place.as_str(), shelf.sku.as_str(), kind, connection, id];
    let found = select.query_row(parameters, text).optional()?;
    Ok(found.map(|json| read(key, &json, shelf)).transpose()?)
}

fn read(key: &RowKey, json: &str, shelf: &ShelfId) -> Result<Row> {
    let what = || format!("a row of article {}", shelf.sku);
    Ok(match key {
        RowKey::Level => Row::Level(read_json(json, what)?),
        RowKey::Commitment(_) => Row::Commitment(read_json(json, what)?),
        RowKey::Listing(_) => Row::Listing(read_json(json, what)?),
    })
}

fn put(sql: &Connection, shelf: &ShelfId, key: &RowKey, row: Option<&Row>) -> Result<(), Fault> {
    let (kind, connection, id) = key_of(key);
    let (erp, place, sku) = (shelf.erp.as_str(), shelf.place.as_str(), shelf.sku.as_str());
    let (json, due) = match row {
        Some(Row::Level(level)) => (json(level)?, None),
        Some(Row::Commitment(commitment)) => (json(commitment)?, None),
        Some(Row::Listing(listing)) => (json(listing)?, listing.due.map(micros)),
        None => {
            let mut delete = sql.prepare_cached(
                "DELETE FROM goods WHERE erp = ?1 AND place = ?2 AND sku = ?3 AND kind = ?4 AND connection = ?5 AND id = ?6",
            )?;
            delete.execute(params![erp, place, sku, kind, connection, id])?;
            return Ok(());
        }
    };
    let mut upsert = sql.prepare_cached(
        "INSERT INTO goods (erp, place, sku, kind, connection, id, due, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET due = excluded.due, json = excluded.json",
    )?;
    upsert.execute(params![erp, place, sku, kind, connection, id, due, json])?;
    Ok(())
}

fn shelf(sql: &Connection, id: &ShelfId) -> Result<Shelf, Fault> {
    let mut select =
        sql.prepare_cached("SELECT kind, connection, id, json FROM goods WHERE erp = ?1 AND place = ?2 AND sku = ?3")?;
    let found = select.query_map([id.erp.as_str(), id.place.as_str(), id.sku.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    })?;
    let mut shelf = Shelf::default();
    for found in found {
        let (kind, connection, order, json) = found?;
        let key = match kind.as_str() {
            "level" => RowKey::Level,
            "commitment" => RowKey::Commitment(OrderKey::new(connection.parse()?, order.parse()?)),
            _ => RowKey::Listing(connection.parse()?),
        };
        let row = read(&key, &json, id)?;
        shelf.put(key, Some(row));
    }
    Ok(shelf)
}

fn names(row: &rusqlite::Row<'_>) -> rusqlite::Result<[String; 3]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?])
}

fn shelf_id([erp, place, sku]: [String; 3]) -> Result<ShelfId, Fault> {
    Ok(ShelfId { erp: erp.parse()?, place: place.parse()?, sku: sku.parse()? })
}
