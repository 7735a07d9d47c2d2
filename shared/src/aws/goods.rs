//! The shelves on DynamoDB: a row is an item with its JSON and its revision.
//!
//! A write reads the rows that it names, applies the pure function of [`GoodsWrite`], and puts what that changed, all or none, on the
//! condition that every row it read is still of the revision it was read at. So the two databases cannot differ in what a write means
//! (`docs/decisions/goods.md`).

use async_trait::async_trait;
use futures::future::try_join_all;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    head::json,
    item::{Item, Reader, damaged, number, sortable, text},
    keys::{DUE, Key, STATE, committed_pk, committed_sk, goods_pk, listed_pk, listed_sk, row_of, shelf_of},
    table::{Check, Query as Ask, Sort, Table, pause},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{Commitment, GoodsWrite, Halt, Listing, Row, RowKey, Shelf, ShelfId},
        ids::{ConnectionId, ErpId, OrderKey},
    },
    ports::Goods,
};

/// How often a write is tried while others write the same rows.
const ROUNDS: u32 = 8;

/// The shelves.
#[derive(Clone)]
pub struct DynamoGoods(Table);

/// A row as it was read.
struct Found {
    row: Row,
    revision: u64,
    token: String,
}

impl DynamoGoods {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    /// One attempt; none: somebody wrote one of the rows meanwhile.
    async fn attempt(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp, token: &str) -> Result<Option<bool>> {
        let keys = write.rows();
        let items = self.0.get_many(keys.iter().map(|key| Key::goods(id, key)), true).await?;
        let mut shelf = Shelf::default();
        let mut found: Vec<Option<Found>> = Vec::new();
        for key in &keys {
            let item = items.iter().find(|item| Key::goods(id, key).is_of(item));
            let read = item.map(|item| read(key, item)).transpose()?;
            shelf.put(key.clone(), read.as_ref().map(|found| found.row.clone()));
            found.push(read);
        }
        // The answer of an earlier attempt was lost: it was done.
        if found.iter().flatten().any(|found| found.token == token) {
            return Ok(Some(true));
        }
        if !write.apply(&mut shelf, now) {
            return Ok(Some(false));
        }
        let mut checks = Vec::new();
        let mut changed = false;
        for (key, before) in keys.iter().zip(&found) {
            let after = shelf.row(key);
            let revision = before.as_ref().map(|found| found.revision);
            let same = after.as_ref() == before.as_ref().map(|found| &found.row);
            changed |= !same;
            let at = Key::goods(id, key);
            checks.push(match after {
                _ if same => Check::Same(at, revision),
                Some(row) => Check::Put(item(id, key, &row, revision.unwrap_or(0) + 1, token)?, revision),
                None => Check::Delete(at, revision),
            });
        }
        if !changed {
            return Ok(Some(true));
        }
        Ok(self.0.write_all(checks).await?.then_some(true))
    }

    async fn rows(&self, keys: Vec<(ShelfId, RowKey)>) -> Result<Vec<(ShelfId, RowKey, Row)>> {
        let items = self.0.get_many(keys.iter().map(|(id, key)| Key::goods(id, key)), false).await?;
        let mut rows = Vec::new();
        for (id, key) in keys {
            let at = Key::goods(&id, &key);
            // One that is gone by now is none.
            if let Some(item) = items.iter().find(|item| at.is_of(item)) {
                let row = read(&key, item)?.row;
                rows.push((id, key, row));
            }
        }
        Ok(rows)
    }
}

#[async_trait]
impl Goods for DynamoGoods {
    async fn shelf(&self, id: &ShelfId) -> Result<Shelf> {
        let partition = goods_pk(id);
        let ask = Ask { index: None, partition: ("pk", &partition), sort: None, ascending: true, limit: usize::MAX };
        let mut shelf = Shelf::default();
        for item in self.0.query(&ask).await? {
            let key = row_of(Reader(&item).text("sk")?)?;
            let row = read(&key, &item)?.row;
            shelf.put(key, Some(row));
        }
        Ok(shelf)
    }

    async fn write(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp) -> Result<bool> {
        if let GoodsWrite::Mark(marks) = write {
            // Each for itself: nobody relies on several of them at once.
            let each =
                marks.iter().map(|mark| async move { self.one(id, &GoodsWrite::Mark(vec![mark.clone()]), now).await });
            return Ok(try_join_all(each).await?.into_iter().all(|done| done));
        }
        self.one(id, write, now).await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<ShelfId>> {
        let (of, now) = (due_pk(connection), sortable(now));
        let ask = Ask {
            index: Some(DUE),
            partition: ("connection", &of),
            sort: Some(("due", Sort::AtMost(&now))),
            ascending: true,
            limit,
        };
        self.0.query(&ask).await?.iter().map(|item| shelf_of(Reader(item).text("pk")?)).collect()
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        let of = due_pk(connection);
        let ask = Ask { index: Some(DUE), partition: ("connection", &of), sort: None, ascending: true, limit: 1 };
        let items = self.0.query(&ask).await?;
        items.first().map(|item| Reader(item).parsed("due")).transpose()
    }

    async fn commitments(
        &self,
        erp: &ErpId,
        after: Option<&(ShelfId, OrderKey)>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, OrderKey, Commitment)>> {
        let after = after.map(|(id, order)| committed_sk(id, order));
        let place = |id: &ShelfId, key: &RowKey| match key {
            RowKey::Commitment(order) => Ok(committed_sk(id, order)),
            _ => Err(damaged("shelf")),
        };
        let rows = self.listed(&committed_pk(erp), after, limit, place).await?;
        Ok(rows
            .into_iter()
            .filter_map(|(id, key, row)| match (key, row) {
                (RowKey::Commitment(order), Row::Commitment(commitment)) => Some((id, order, commitment)),
                _ => None,
            })
            .collect())
    }

    async fn listings(
        &self,
        connection: &ConnectionId,
        after: Option<&ShelfId>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, Listing)>> {
        let place = |id: &ShelfId, _: &RowKey| Ok(listed_sk(id));
        let rows = self.listed(&listed_pk(connection), after.map(listed_sk), limit, place).await?;
        Ok(rows
            .into_iter()
            .filter_map(|(id, _, row)| match row {
                Row::Listing(listing) => Some((id, listing)),
                _ => None,
            })
            .collect())
    }

    async fn halted(&self, connection: &ConnectionId) -> Result<Option<Halt>> {
        let item = self.0.get(Key::halt(connection)).await?;
        item.as_ref().map(|item| from_json(Reader(item).text("body")?)).transpose()
    }

    async fn halt(&self, connection: &ConnectionId, halt: Option<&Halt>) -> Result<()> {
        match halt {
            Some(halt) => {
                let mut item = Key::halt(connection).item();
                item.insert("body".to_owned(), json(halt)?);
                self.0.put(item, false).await
            }
            None => self.0.delete(Key::halt(connection)).await,
        }
    }
}

impl DynamoGoods {
    async fn one(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp) -> Result<bool> {
        let token = Uuid::new_v4().simple().to_string();
        for round in 0..ROUNDS {
            if let Some(done) = self.attempt(id, write, now, &token).await? {
                return Ok(done);
            }
            pause(round.min(4)).await?;
        }
        Err(Error::new(Kind::Unavailable, format!("article {}: its rows change too often to be written now", id.sku)))
    }

    /// The rows of a list, after a place in it. The index may name what is gone by now: only the end of the list makes fewer of them.
    async fn listed(
        &self,
        of: &str,
        mut after: Option<String>,
        limit: usize,
        place: impl Fn(&ShelfId, &RowKey) -> Result<String>,
    ) -> Result<Vec<(ShelfId, RowKey, Row)>> {
        let mut rows = Vec::new();
        while rows.len() < limit {
            let left = limit - rows.len();
            let sort = after.as_deref().map(|after| ("listed", Sort::After(after)));
            let ask = Ask { index: Some(STATE), partition: ("shelf", of), sort, ascending: true, limit: left };
            let items = self.0.query(&ask).await?;
            let key = |item| Ok((shelf_of(Reader(item).text("pk")?)?, row_of(Reader(item).text("sk")?)?));
            let keys: Vec<(ShelfId, RowKey)> = items.iter().map(key).collect::<Result<_>>()?;
            after = keys.last().map(|(id, key)| place(id, key)).transpose()?;
            let is_last = keys.len() < left;
            rows.extend(self.rows(keys).await?);
            if is_last {
                break;
            }
        }
        Ok(rows)
    }
}

/// The partition of what is due in the index, beside the heads of the same connection.
fn due_pk(connection: &ConnectionId) -> String {
    format!("goods/{connection}")
}

fn item(id: &ShelfId, key: &RowKey, row: &Row, revision: u64, token: &str) -> Result<Item> {
    let mut item = Key::goods(id, key).item();
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    set("revision", number(revision));
    set("token", text(token));
    match (key, row) {
        (_, Row::Level(level)) => {
            set("body", json(level)?);
        }
        (RowKey::Commitment(order), Row::Commitment(commitment)) => {
            set("body", json(commitment)?);
            set("shelf", text(committed_pk(&id.erp)));
            set("listed", text(committed_sk(id, order)));
        }
        (RowKey::Listing(connection), Row::Listing(listing)) => {
            set("body", json(listing)?);
            set("shelf", text(listed_pk(connection)));
            set("listed", text(listed_sk(id)));
            if let Some(due) = listing.due {
                set("connection", text(due_pk(connection)));
                set("due", text(sortable(due)));
            }
        }
        _ => return Err(Error::new(Kind::Bug, "a row lies under another row's key")),
    }
    Ok(item)
}

fn read(key: &RowKey, item: &Item) -> Result<Found> {
    let at = Reader(item);
    let body = at.text("body")?;
    let row = match key {
        RowKey::Level => Row::Level(from_json(body)?),
        RowKey::Commitment(_) => Row::Commitment(from_json(body)?),
        RowKey::Listing(_) => Row::Listing(from_json(body)?),
    };
    Ok(Found { row, revision: at.number("revision")?, token: at.text("token")?.to_owned() })
}

fn from_json<T: serde::de::DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|_| damaged("body"))
}
