//! Orders' records: heads, payloads, timelines.
//!
//! Invariant: a head changes only through [`Write::apply`], inside an immediate transaction that reads it first.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{Embedded, file::Fault, micros, micros_now, search};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        record::{Entry, Head, SCHEMA, State, Write, Written},
        search::{SearchKey, Term, added},
        version::Version,
    },
    payload::{pack, unpack},
    ports::{Chance, Page, Payload, Place, Query, Records, Unreadable},
};

/// Versions whose payloads are kept for people, beside those that are needed.
const PAYLOADS: usize = 10;
/// The largest payload, bytes before packing: far beyond the largest message.
const LARGEST_PAYLOAD: usize = 8 << 20;
/// Timeline entries kept of one order.
const ENTRIES: usize = 500;

#[async_trait]
impl Records for Embedded {
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>> {
        let key = key.clone();
        self.read(move |sql| head(sql, &key)).await
    }

    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written> {
        let (key, write) = (key.clone(), write.clone());
        Embedded::write(self, move |sql| {
            let found = head(sql, &key)?;
            let Some(next) = write.apply(&key, found.as_ref(), now) else { return Ok(Written::Refused(found)) };
            store(sql, &next)?;
            search::add(sql, &key, &added(&write))?;
            Ok(Written::Applied(next))
        })
        .await
    }

    async fn keep(&self, key: &OrderKey, version: &Version, payload: &Payload) -> Result<()> {
        let (kind, content) = match payload {
            Payload::Order(content) => ("order", content),
            Payload::Raw(content) => ("raw", content),
        };
        if content.len() > LARGEST_PAYLOAD {
            return Err(Error::new(Kind::TooLarge, format!("order {key}: its content has more than 8 MiB")));
        }
        let (key, version, content) = (key.clone(), version.to_string(), pack(content));
        Embedded::write(self, move |sql| {
            let mut insert = sql.prepare_cached(
                "INSERT INTO payload (connection, id, version, kind, content) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
            )?;
            let added = insert.execute(params![key.connection.as_str(), key.order.as_str(), version, kind, content])?;
            if added > 0 { drop_old_payloads(sql, &key) } else { Ok(()) }
        })
        .await
    }

    async fn payload(&self, key: &OrderKey, version: &Version) -> Result<Option<Payload>> {
        let (wanted, text) = (key.clone(), version.to_string());
        let found = self
            .read(move |sql| {
                let mut select = sql.prepare_cached(
                    "SELECT kind, content FROM payload WHERE connection = ?1 AND id = ?2 AND version = ?3",
                )?;
                let row = select.query_row(params![wanted.connection.as_str(), wanted.order.as_str(), text], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
                });
                Ok(row.optional()?)
            })
            .await?;
        let Some((kind, packed)) = found else { return Ok(None) };
        let content = unpack(&packed, LARGEST_PAYLOAD).map_err(|error| error.within(format!("order {key}")))?;
        let content = Bytes::from(content);
        Ok(Some(if kind == "raw" { Payload::Raw(content) } else { Payload::Order(content) }))
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<OrderKey>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select = sql
                .prepare_cached("SELECT id FROM head WHERE connection = ?1 AND due <= ?2 ORDER BY due, id LIMIT ?3")?;
            let rows = select.query_map(params![connection.as_str(), micros_now(now), rows(limit)], text)?;
            let mut keys = Vec::new();
            for id in rows {
                keys.push(OrderKey::new(connection.clone(), id?.parse()?));
            }
            Ok(keys)
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select =
                sql.prepare_cached("SELECT min(due) FROM head WHERE connection = ?1 AND due IS NOT NULL")?;
            let due: Option<i64> = select.query_row([connection.as_str()], |row| row.get(0))?;
            due.map(time).transpose()
        })
        .await
    }

    async fn find(
        &self,
        term: &Term,
        connection: Option<&ConnectionId>,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<Vec<OrderKey>> {
        let (term, connection, after) = (term.clone(), connection.cloned(), after.cloned());
        self.read(move |sql| search::find(sql, &term, connection.as_ref(), after.as_ref(), rows(limit))).await
    }

    async fn search_key(&self, chance: Option<&dyn Chance>) -> Result<Option<SearchKey>> {
        self.kept_search_key(chance).await
    }

    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let lines = entries.iter().map(|(key, entry)| Ok((key.clone(), json(entry)?))).collect::<Result<Vec<_>>>()?;
        Embedded::write(self, move |sql| {
            let mut insert = sql.prepare_cached("INSERT INTO timeline (connection, id, json) VALUES (?1, ?2, ?3)")?;
            // The oldest entry that stays: everything before it goes, so that a looping order does not fill the disk.
            let mut trim = sql.prepare_cached(
                "DELETE FROM timeline WHERE connection = ?1 AND id = ?2 AND seq <
                     (SELECT seq FROM timeline WHERE connection = ?1 AND id = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
            )?;
            for (key, line) in &lines {
                insert.execute(params![key.connection.as_str(), key.order.as_str(), line])?;
                trim.execute(params![key.connection.as_str(), key.order.as_str(), rows(ENTRIES - 1)])?;
            }
            Ok(())
        })
        .await
    }

    async fn timeline(&self, key: &OrderKey) -> Result<Vec<Entry>> {
        let key = key.clone();
        self.read(move |sql| {
            let mut select =
                sql.prepare_cached("SELECT json FROM timeline WHERE connection = ?1 AND id = ?2 ORDER BY seq")?;
            let rows = select.query_map([key.connection.as_str(), key.order.as_str()], text)?;
            let mut entries = Vec::new();
            for line in rows {
                entries.push(read_json(&line?, || format!("order {key}: an entry of its timeline"))?);
            }
            Ok(entries)
        })
        .await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let query = query.clone();
        let limit = query.limit.clamp(1, 200);
        let (updated, order) = match &query.cursor {
            None => (i64::MAX, ""),
            Some(Place { updated, order }) => (micros(*updated), order.as_ref().map_or("", OrderId::as_str)),
        };
        let (before, from) = ((updated, order.to_owned()), query.from.map_or(i64::MIN, micros));
        self.read(move |sql| {
            // One more than asked for tells whether there is a next page. Without a state the other index serves.
            let filter = if query.state.is_some() { "state = ?2" } else { "?2 IS NULL" };
            let mut select = sql.prepare_cached(&format!(
                "SELECT json, id, updated FROM head WHERE connection = ?1 AND {filter} AND (updated, id) < (?3, ?4) AND updated >= ?5
                 ORDER BY updated DESC, id DESC LIMIT ?6"
            ))?;
            let state = query.state.map(State::as_str);
            let (before, after) = (&before.0, &before.1);
            let mut found = select.query(params![query.connection.as_str(), state, before, after, from, rows(limit + 1)])?;
            let (mut heads, mut unreadable, mut last) = (Vec::new(), Vec::new(), None);
            while let Some(row) = found.next()? {
                if heads.len() + unreadable.len() == limit {
                    return Ok(Page { heads, unreadable, cursor: last });
                }
                let key = OrderKey::new(query.connection.clone(), row.get::<_, String>(1)?.parse()?);
                let updated = match read_head(&row.get::<_, String>(0)?, &key) {
                    Ok(head) => {
                        let updated = head.updated;
                        heads.push(head);
                        updated
                    }
                    Err(error) => {
                        let updated = time(row.get(2)?)?;
                        unreadable.push(Unreadable { key: key.clone(), updated: Some(updated), why: error.to_string() });
                        updated
                    }
                };
                last = Some(Place { updated, order: Some(key.order) });
            }
            Ok(Page { heads, unreadable, cursor: None })
        })
        .await
    }

    async fn counts(&self, connection: &ConnectionId) -> Result<HashMap<State, u64>> {
        let connection = connection.clone();
        self.read(move |sql| {
            let mut select = sql.prepare_cached("SELECT count(*) FROM head WHERE connection = ?1 AND state = ?2")?;
            let mut counts = HashMap::new();
            for &state in State::ALL {
                let count: i64 = select.query_row([connection.as_str(), state.as_str()], |row| row.get(0))?;
                if let Ok(count @ 1..) = u64::try_from(count) {
                    counts.insert(state, count);
                }
            }
            Ok(counts)
        })
        .await
    }

    async fn ready(&self) -> Result<()> {
        // Through the writer: a file that can be read but not written is not ready.
        Embedded::write(self, |_| Ok(())).await
    }
}

fn head(sql: &Connection, key: &OrderKey) -> Result<Option<Head>, Fault> {
    let mut select = sql.prepare_cached("SELECT json FROM head WHERE connection = ?1 AND id = ?2")?;
    let found = select.query_row([key.connection.as_str(), key.order.as_str()], text).optional()?;
    Ok(found.map(|json| read_head(&json, key)).transpose()?)
}

/// Reads a stored head; one of a later release is refused, not misread.
fn read_head(text: &str, key: &OrderKey) -> Result<Head> {
    let head: Head = read_json(text, || format!("order {key}"))?;
    if head.schema > SCHEMA {
        let words = format!("order {key} cannot be read: a later release of puente wrote it, run that one");
        return Err(Error::new(Kind::Config, words));
    }
    Ok(head)
}

fn store(sql: &Connection, head: &Head) -> Result<(), Fault> {
    let mut upsert = sql.prepare_cached(
        "INSERT INTO head (connection, id, state, due, updated, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET state = excluded.state, due = excluded.due, updated = excluded.updated,
             json = excluded.json",
    )?;
    upsert.execute(params![
        head.key.connection.as_str(),
        head.key.order.as_str(),
        head.state().as_str(),
        head.due.map(micros),
        micros(head.updated),
        json(head)?,
    ])?;
    Ok(())
}

/// Drops payloads of states before `desired`, beyond the last few; those the head still names stay, and so does what is newer
/// than `desired`: its arrival is about to be recorded.
fn drop_old_payloads(sql: &Connection, key: &OrderKey) -> Result<(), Fault> {
    let Some(head) = head(sql, key)? else { return Ok(()) };
    let desired = head.desired.to_string();
    let needed: Vec<String> = head.needed().map(ToString::to_string).collect();
    let mut select = sql.prepare_cached(
        "SELECT version FROM payload WHERE connection = ?1 AND id = ?2 ORDER BY version DESC LIMIT -1 OFFSET ?3",
    )?;
    let parameters = params![key.connection.as_str(), key.order.as_str(), rows(PAYLOADS)];
    let old = select.query_map(parameters, text)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut delete = sql.prepare_cached("DELETE FROM payload WHERE connection = ?1 AND id = ?2 AND version = ?3")?;
    for version in old {
        if version < desired && !needed.contains(&version) {
            delete.execute([key.connection.as_str(), key.order.as_str(), &version])?;
        }
    }
    Ok(())
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::new(Kind::Bug, "cannot serialise a record").caused_by(cause))
}

pub(super) fn read_json<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| {
        // serde's words may quote what they stumbled on: only the place is told.
        let place = format!("{} cannot be read (column {}): restore a backup", what(), cause.column());
        Error::new(Kind::Unreadable, place)
    })
}

pub(super) fn text(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}

pub(super) fn time(micros: i64) -> Result<Timestamp, Fault> {
    let outside = |cause| Error::new(Kind::Unreadable, "a stored time is outside the calendar").caused_by(cause);
    Ok(Timestamp::from_microsecond(micros).map_err(outside)?)
}

/// A LIMIT.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
