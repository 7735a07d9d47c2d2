//! An article as a connection sells it: its shelf, of a set those of its articles, and the number that its store should have.
//!
//! The conductor of a store (`publish.rs`) writes the number that is computed here, and people are shown the same one (`view.rs`).

use futures::{StreamExt, stream};
use jiff::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::commit::selling_of;
use crate::{
    Result,
    domain::{
        goods::{
            Listing, Shelf, ShelfId, Sku,
            number::{Number, Outlet, of_set},
        },
        ids::ConnectionId,
        money::Amount,
    },
    flow::Puente,
    parties::Selling,
};

/// How many shelves are read or written at a time.
pub(super) const AT_A_TIME: usize = 16;

/// An article of a connection, with its shelf and, of a set, those of its articles.
pub(super) struct Article {
    pub(super) id: ShelfId,
    /// What the store calls it; none: several codes stand for it there, or it is ignored.
    pub(super) code: Option<Sku>,
    pub(super) shelf: Shelf,
    /// What a set is made of, and how many of each.
    pub(super) parts: Vec<(Sku, Shelf, u32)>,
}

/// The articles of these shelves, as `own` sells them.
pub(super) async fn read(puente: &Puente, own: &Selling, ids: &[ShelfId]) -> Result<Vec<Article>> {
    let goods = &puente.goods;
    let read: Vec<Result<Article>> = stream::iter(ids.to_vec())
        .map(|id| async move {
            let shelf = goods.shelf(&id).await?;
            let kit = own.rules.kits.get(&id.sku);
            let mut parts = Vec::new();
            for (sku, each) in kit.into_iter().flatten() {
                parts.push((sku.clone(), goods.shelf(&own.shelf(sku.clone())).await?, *each));
            }
            let code = if kit.is_some() { Some(id.sku.clone()) } else { own.code(&id.sku).cloned() };
            Ok(Article { id, code, shelf, parts })
        })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    read.into_iter().collect()
}

impl Article {
    /// What the store of a connection is told of it.
    pub(super) fn listing(&self, of: &ConnectionId) -> Listing {
        self.shelf.listings.get(of).cloned().unwrap_or_default()
    }

    /// What is left of it to sell; of a set, how many can be made of what is left of its articles.
    pub(super) fn left(&self) -> Option<Amount> {
        if self.parts.is_empty() {
            return self.shelf.left();
        }
        let sets = self.parts.iter().map(|(_, shelf, each)| {
            let left = shelf.left()?;
            (left.decimal() / Decimal::from((*each).max(1))).floor().to_i64().map(Amount::from)
        });
        sets.collect::<Option<Vec<Amount>>>()?.into_iter().min()
    }

    /// The number that the store of `own`, one of `selling`, should have. `has`: what it has, where that was read just now.
    pub(super) fn number(
        &self,
        own: &Selling,
        selling: &[Selling],
        has: Option<i64>,
        now: Timestamp,
    ) -> Option<Number> {
        let all: Vec<Outlet<'_>> = selling_of(&self.id, selling)
            .into_iter()
            .filter(|other| other.rules.publishes() || other.connection == own.connection)
            .map(Selling::outlet)
            .collect();
        let own = own.outlet();
        if self.parts.is_empty() {
            return self.shelf.number(&self.id.sku, &own, &all, has, now);
        }
        let parts: Vec<(&Sku, &Shelf, u32)> = self.parts.iter().map(|(sku, shelf, each)| (sku, shelf, *each)).collect();
        of_set(&self.shelf, &parts, &own, &all, has, now)
    }
}
