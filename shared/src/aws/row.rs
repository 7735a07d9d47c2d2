//! Rows: items with their content as JSON, their revision, and the token of the write that they are of.
//!
//! A write reads the rows that it names, applies a pure function, and puts what that changed, all or none, on the condition that every
//! row it read is still of the revision it was read at. If not, it begins again.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    head::json,
    item::{Item, Reader, damaged, number, sortable, text},
    keys::Key,
    table::pause,
};
use crate::{Error, Kind, Result};

/// How often a write is tried while others write the same rows.
const ROUNDS: u32 = 8;

/// A row as it was read.
pub(super) struct Found<T> {
    /// What it holds.
    pub(super) row: T,
    /// How often it was written.
    pub(super) revision: u64,
    /// Of which write it is.
    pub(super) token: String,
}

impl<T> Found<T> {
    /// The same with another kind of content.
    pub(super) fn map<U>(self, into: impl FnOnce(T) -> U) -> Found<U> {
        let Self { row, revision, token } = self;
        Found { row: into(row), revision, token }
    }
}

/// The row that an item is.
pub(super) fn read<T: DeserializeOwned>(item: &Item) -> Result<Found<T>> {
    let at = Reader(item);
    Ok(Found { row: body(item)?, revision: at.number("revision")?, token: at.text("token")?.to_owned() })
}

/// What an item holds.
pub(super) fn body<T: DeserializeOwned>(item: &Item) -> Result<T> {
    serde_json::from_str(Reader(item).text("body")?).map_err(|_| damaged("body"))
}

/// The item of a row.
pub(super) fn item(key: Key, row: &impl Serialize, revision: u64, token: &str) -> Result<Item> {
    let mut item = key.item();
    item.insert("body".to_owned(), json(row)?);
    item.insert("revision".to_owned(), number(revision));
    item.insert("token".to_owned(), text(token));
    Ok(item)
}

/// Has a row listed in the index by state, at a place of a list.
pub(super) fn list(item: &mut Item, list: String, place: String) {
    item.insert("shelf".to_owned(), text(list));
    item.insert("listed".to_owned(), text(place));
}

/// Has a row found in the index by `due`, beside the heads of the same connection.
pub(super) fn await_at(item: &mut Item, partition: String, due: Timestamp) {
    item.insert("connection".to_owned(), text(partition));
    item.insert("due".to_owned(), text(sortable(due)));
}

/// What tells a write from all others.
pub(super) fn token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Tries a write until nobody wrote one of its rows meanwhile: what `attempt` says is then `Some`.
pub(super) async fn rounds<F>(what: &str, attempt: impl Fn() -> F) -> Result<bool>
where
    F: Future<Output = Result<Option<bool>>>,
{
    for round in 0..ROUNDS {
        if let Some(done) = attempt().await? {
            return Ok(done);
        }
        pause(round.min(4)).await?;
    }
    Err(Error::new(Kind::Unavailable, format!("{what}: its rows change too often to be written now")))
}
