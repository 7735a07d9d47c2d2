//! The shelves on DynamoDB: rows (`row.rs`) that are written by the pure function of [`GoodsWrite`]. So the two databases cannot differ
//! in what a write means (`docs/decisions/goods.md`).

use async_trait::async_trait;
use futures::future::try_join_all;
use jiff::Timestamp;

use super::{
    head::json,
    index,
    item::{Item, Reader},
    keys::{Key, committed_pk, committed_sk, goods_pk, listed_pk, listed_sk, row_of, shelf_of},
    row::{self, Found},
    table::{Check, Query as Ask, Table},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{Commitment, GoodsWrite, Halt, Listing, Row, RowKey, Shelf, ShelfId},
        ids::{ConnectionId, ErpId, OrderKey},
    },
    ports::Goods,
};

/// The shelves.
#[derive(Clone)]
pub struct DynamoGoods(Table);

impl DynamoGoods {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    /// One attempt; none: somebody wrote one of the rows meanwhile.
    async fn attempt(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp, token: &str) -> Result<Option<bool>> {
        let keys = write.rows();
        let items = self.0.get_many(keys.iter().map(|key| Key::goods(id, key)), true).await?;
        let mut shelf = Shelf::default();
        let mut found: Vec<Option<Found<Row>>> = Vec::new();
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

    async fn one(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp) -> Result<bool> {
        let (what, token) = (format!("article {}", id.sku), row::token());
        row::rounds(&what, || self.attempt(id, write, now, &token)).await
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
        let items = index::due(&self.0, &due_pk(connection), now, limit).await?;
        items.iter().map(|item| shelf_of(Reader(item).text("pk")?)).collect()
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        index::next_due(&self.0, &due_pk(connection)).await
    }

    async fn commitments(
        &self,
        erp: &ErpId,
        after: Option<&(ShelfId, OrderKey)>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, OrderKey, Commitment)>> {
        let after = after.map(|(id, order)| committed_sk(id, order));
        let mut all = Vec::new();
        for item in index::listed(&self.0, &committed_pk(erp), after, limit).await? {
            let (id, key) = names(&item)?;
            if let RowKey::Commitment(order) = key {
                all.push((id, order, row::body(&item)?));
            }
        }
        Ok(all)
    }

    async fn listings(
        &self,
        connection: &ConnectionId,
        after: Option<&ShelfId>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, Listing)>> {
        let items = index::listed(&self.0, &listed_pk(connection), after.map(listed_sk), limit).await?;
        items.iter().map(|item| Ok((names(item)?.0, row::body(item)?))).collect()
    }

    async fn halted(&self, connection: &ConnectionId) -> Result<Option<Halt>> {
        let item = self.0.get(Key::halt(connection)).await?;
        item.as_ref().map(row::body).transpose()
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

/// The partition of what is due in the index.
fn due_pk(connection: &ConnectionId) -> String {
    format!("goods/{connection}")
}

fn names(item: &Item) -> Result<(ShelfId, RowKey)> {
    let at = Reader(item);
    Ok((shelf_of(at.text("pk")?)?, row_of(at.text("sk")?)?))
}

fn item(id: &ShelfId, key: &RowKey, row: &Row, revision: u64, token: &str) -> Result<Item> {
    let at = Key::goods(id, key);
    match (key, row) {
        (_, Row::Level(level)) => row::item(at, level, revision, token),
        (RowKey::Commitment(order), Row::Commitment(commitment)) => {
            let mut item = row::item(at, commitment, revision, token)?;
            row::list(&mut item, committed_pk(&id.erp), committed_sk(id, order));
            Ok(item)
        }
        (RowKey::Listing(connection), Row::Listing(listing)) => {
            let mut item = row::item(at, listing, revision, token)?;
            row::list(&mut item, listed_pk(connection), listed_sk(id));
            if let Some(due) = listing.due {
                row::await_at(&mut item, due_pk(connection), due);
            }
            Ok(item)
        }
        _ => Err(Error::new(Kind::Bug, "a row lies under another row's key")),
    }
}

fn read(key: &RowKey, item: &Item) -> Result<Found<Row>> {
    Ok(match key {
        RowKey::Level => row::read(item)?.map(Row::Level),
        RowKey::Commitment(_) => row::read(item)?.map(Row::Commitment),
        RowKey::Listing(_) => row::read(item)?.map(Row::Listing),
    })
}
