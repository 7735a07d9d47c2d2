//! The price tags on DynamoDB: each is a row in a partition of its own, written as the rows of shelves are (`row.rs`).

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    index,
    item::{Item, Reader},
    keys::{Key, price_of, prices_list},
    row,
    table::{Check, Table},
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

/// The price tags.
#[derive(Clone)]
pub struct DynamoPrices(Table);

impl DynamoPrices {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    /// One attempt; none: somebody wrote it meanwhile.
    async fn attempt(
        &self,
        connection: &ConnectionId,
        sku: &Sku,
        write: &PriceWrite,
        now: Timestamp,
        token: &str,
    ) -> Result<Option<bool>> {
        let found = self.0.get(Key::price(connection, sku)).await?;
        let before = found.as_ref().map(row::read::<PriceTag>).transpose()?;
        // The answer of an earlier attempt was lost: it was done.
        if before.as_ref().is_some_and(|found| found.token == token) {
            return Ok(Some(true));
        }
        let revision = before.as_ref().map(|found| found.revision);
        let before = before.map(|found| found.row);
        let mut tag = before.clone();
        if !write.apply(&mut tag, now) {
            return Ok(Some(false));
        }
        match tag {
            Some(after) if before.as_ref() != Some(&after) => {
                let item = item(connection, sku, &after, revision.unwrap_or(0) + 1, token)?;
                Ok(self.0.write_all(vec![Check::Put(item, revision)]).await?.then_some(true))
            }
            _ => Ok(Some(true)),
        }
    }
}

#[async_trait]
impl Prices for DynamoPrices {
    async fn tag(&self, connection: &ConnectionId, sku: &Sku) -> Result<Option<PriceTag>> {
        self.0.get(Key::price(connection, sku)).await?.as_ref().map(row::body).transpose()
    }

    async fn write(&self, connection: &ConnectionId, sku: &Sku, write: &PriceWrite, now: Timestamp) -> Result<bool> {
        let (what, token) = (format!("the price of {sku} in {connection}"), row::token());
        row::rounds(&what, || self.attempt(connection, sku, write, now, &token)).await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<Sku>> {
        let items = index::due(&self.0, &prices_list(connection), now, limit).await?;
        items.iter().map(|item| sku_of(connection, item)).collect()
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        index::next_due(&self.0, &prices_list(connection)).await
    }

    async fn list(&self, connection: &ConnectionId, after: Option<&Sku>, limit: usize) -> Result<Vec<(Sku, PriceTag)>> {
        let after = after.map(ToString::to_string);
        let items = index::listed(&self.0, &prices_list(connection), after, limit).await?;
        items.iter().map(|item| Ok((sku_of(connection, item)?, row::body(item)?))).collect()
    }
}

fn sku_of(connection: &ConnectionId, item: &Item) -> Result<Sku> {
    price_of(connection, Reader(item).text("pk")?)
}

fn item(connection: &ConnectionId, sku: &Sku, tag: &PriceTag, revision: u64, token: &str) -> Result<Item> {
    let mut item = row::item(Key::price(connection, sku), tag, revision, token)?;
    row::list(&mut item, prices_list(connection), sku.to_string());
    if let Some(due) = tag.due {
        row::await_at(&mut item, prices_list(connection), due);
    }
    Ok(item)
}
