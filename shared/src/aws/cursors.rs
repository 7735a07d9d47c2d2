//! Positions, and what front doors let in, on DynamoDB.

use async_trait::async_trait;

use super::{
    item::{Reader, number, text},
    keys::Key,
    table::{self, Table},
};
use crate::{
    Result,
    domain::ids::ConnectionId,
    ports::{Admitted, Cursors, Doors},
};

/// Positions and front doors.
#[derive(Clone)]
pub struct DynamoCursors(Table);

impl DynamoCursors {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }
}

#[async_trait]
impl Cursors for DynamoCursors {
    async fn cursor(&self, name: &str) -> Result<Option<String>> {
        let item = self.0.get(Key::cursor(name)).await?;
        item.as_ref().map(|item| Reader(item).text("value").map(str::to_owned)).transpose()
    }

    async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        let mut item = Key::cursor(name).item();
        item.insert("value".to_owned(), text(value));
        self.0.write_many(&[table::put(item)?]).await
    }
}

#[async_trait]
impl Doors for DynamoCursors {
    async fn admitted(&self, connection: &ConnectionId) -> Result<Option<Admitted>> {
        let item = self.0.get(Key::door(connection)).await?;
        let read = |item| {
            let item = Reader(item);
            Ok(Admitted { day: item.parsed("day")?, requests: item.number("requests")? })
        };
        item.as_ref().map(read).transpose()
    }

    async fn set_admitted(&self, connection: &ConnectionId, admitted: Admitted) -> Result<()> {
        let mut item = Key::door(connection).item();
        item.insert("day".to_owned(), text(admitted.day.to_string()));
        item.insert("requests".to_owned(), number(admitted.requests));
        self.0.write_many(&[table::put(item)?]).await
    }
}
