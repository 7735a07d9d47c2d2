//! What orders are found by, and the key of what stands for buyers' e-mails.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Embedded, file::Fault};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        search::{SearchKey, Term},
    },
    ports::Chance,
};

/// The name of the key.
const KEY: &str = "search";

/// Has an order found under these terms too.
pub(super) fn add(sql: &Connection, order: &OrderKey, terms: &[Term]) -> Result<(), Fault> {
    let mut insert = sql.prepare_cached(
        "INSERT INTO term (kind, value, connection, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    for term in terms {
        insert.execute([term.by().as_str(), term.value(), order.connection.as_str(), order.order.as_str()])?;
    }
    Ok(())
}

pub(super) fn find(
    sql: &Connection,
    term: &Term,
    connection: Option<&ConnectionId>,
    after: Option<&OrderKey>,
    limit: i64,
) -> Result<Vec<OrderKey>, Fault> {
    let filter = if connection.is_some() { "connection = ?5" } else { "?5 IS NULL" };
    let mut select = sql.prepare_cached(&format!(
        "SELECT connection, id FROM term WHERE kind = ?1 AND value = ?2 AND (connection, id) > (?3, ?4) AND {filter}
         ORDER BY connection, id LIMIT ?6"
    ))?;
    let (kind, value) = (term.by().as_str(), term.value());
    let after = after.map_or(("", ""), |key| (key.connection.as_str(), key.order.as_str()));
    let parameters = params![kind, value, after.0, after.1, connection.map(ConnectionId::as_str), limit];
    let rows = select.query_map(parameters, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut keys = Vec::new();
    for row in rows {
        let (connection, order) = row?;
        keys.push(OrderKey::new(connection.parse()?, order.parse()?));
    }
    Ok(keys)
}

impl Embedded {
    /// The key; asked of the file until there is one.
    pub(super) async fn kept_search_key(&self, chance: Option<&dyn Chance>) -> Result<Option<SearchKey>> {
        if let Some(key) = self.inner.search_key.get() {
            return Ok(Some(key.clone()));
        }
        let found = match (self.read(kept).await?, chance) {
            (None, Some(chance)) => {
                let drawn = SearchKey::drawn(|| chance.token());
                self.write(move |sql| {
                    let mut insert =
                        sql.prepare_cached("INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
                    insert.execute(params![KEY, drawn.bytes()])?;
                    // Perhaps another process was faster.
                    kept(sql)
                })
                .await?
            }
            (found, _) => found,
        };
        Ok(found.map(|key| self.inner.search_key.get_or_init(|| key).clone()))
    }
}

fn kept(sql: &Connection) -> Result<Option<SearchKey>, Fault> {
    let mut select = sql.prepare_cached("SELECT value FROM secret WHERE name = ?1")?;
    let found: Option<Vec<u8>> = select.query_row([KEY], |row| row.get(0)).optional()?;
    let damaged = || Error::new(Kind::Unreadable, "the key for searching by e-mail is damaged: restore a backup");
    Ok(found.map(|bytes| SearchKey::kept(&bytes).ok_or_else(damaged)).transpose()?)
}
