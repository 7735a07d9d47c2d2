//! Positions, and what front doors let in.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::{Embedded, records::text};
use crate::{
    Error, Kind, Result,
    domain::ids::ConnectionId,
    ports::{Admitted, Cursors, Doors},
};

#[async_trait]
impl Cursors for Embedded {
    async fn cursor(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_owned();
        self.read(move |sql| {
            let mut select = sql.prepare_cached("SELECT value FROM cursor WHERE name = ?1")?;
            Ok(select.query_row([name], text).optional()?)
        })
        .await
    }

    async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.write(move |sql| {
            let mut insert = sql.prepare_cached(
                "INSERT INTO cursor (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
            )?;
            insert.execute([name, value])?;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Doors for Embedded {
    async fn admitted(&self, connection: &ConnectionId) -> Result<Option<Admitted>> {
        let id = connection.clone();
        let found = self
            .read(move |sql| {
                let mut select = sql.prepare_cached("SELECT day, requests FROM door WHERE connection = ?1")?;
                let row = select.query_row([id.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
                Ok(row.optional()?)
            })
            .await?;
        let Some((day, requests)) = found else { return Ok(None) };
        let unreadable = || Error::new(Kind::Unreadable, format!("connection {connection}: the day of its front door"));
        Ok(Some(Admitted { day: day.parse().map_err(|_| unreadable())?, requests }))
    }

    async fn set_admitted(&self, connection: &ConnectionId, admitted: Admitted) -> Result<()> {
        let connection = connection.clone();
        self.write(move |sql| {
            let mut put = sql.prepare_cached(
                "INSERT INTO door (connection, day, requests) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET day = excluded.day, requests = excluded.requests",
            )?;
            put.execute(params![connection.as_str(), admitted.day.to_string(), admitted.requests])?;
            Ok(())
        })
        .await
    }
}
