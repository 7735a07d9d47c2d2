//! What people see of stock: each article of a connection with everything that its number is made of, and what the number would become.
//!
//! Only our own rows are read: no call to a store or an ERP, and nothing is written. So `puente goods diff` is the dry run of publishing:
//! the numbers are those that the conductor would write (`article.rs`), beside those that the store has as far as is known.

use std::collections::BTreeMap;

use super::{
    article::{Article, read},
    commit::selling_of,
    selling,
};
use crate::{
    Result,
    domain::{
        goods::{
            Commitment, InStore, Level, Listing, ShelfId, Sku,
            number::{Keeps, Number},
        },
        ids::{ConnectionId, OrderKey},
        money::Amount,
    },
    flow::Puente,
    parties::Selling,
};

/// The most articles on a page.
pub const MOST: usize = 200;

/// An article as a connection sells it.
#[derive(Debug, Clone)]
pub struct Stock {
    /// Its shelf, by the ERP's code; a set's by its own.
    pub id: ShelfId,
    /// The store's code; none: several of its codes stand for the article, or the store's stock of it is ignored.
    pub code: Option<Sku>,
    /// What the ERP said; none: it never did, or it is a set.
    pub level: Option<Level>,
    /// What stores sold and the ERP's number does not hold yet, over all stores.
    pub owed: Amount,
    /// What this store keeps reserved itself, by our records; only a store whose number is gross has any.
    pub reserved: Amount,
    /// What is left to sell; of a set, how many can be made.
    pub left: Option<Amount>,
    /// The number that the store should have.
    pub number: Option<Number>,
    /// What the store has, as far as is known.
    pub listing: Listing,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// By article.
    pub articles: Vec<Stock>,
    /// Where the next page begins, if there is one.
    pub next: Option<ShelfId>,
}

/// One article with everything that its number is made of.
#[derive(Debug, Clone)]
pub struct Whole {
    /// As the connection sells it.
    pub stock: Stock,
    /// What a set is made of: the article, how many of it, and how many of it are left.
    pub parts: Vec<(Sku, u32, Option<Amount>)>,
    /// What orders took off the shelf.
    pub commitments: BTreeMap<OrderKey, Commitment>,
    /// The same article as each connection sells it.
    pub outlets: Vec<(ConnectionId, Stock)>,
}

/// A page of the articles of `connection`, after `after`.
pub async fn page(puente: &Puente, connection: &ConnectionId, after: Option<&ShelfId>, limit: usize) -> Result<Page> {
    let own = selling(puente, connection)?;
    let all = puente.settings.selling(&own.erp);
    let limit = limit.clamp(1, MOST);
    let listed = puente.goods.listings(connection, after, limit).await?;
    // No listing is ever deleted: a page that is not full is the last.
    let next = if listed.len() < limit { None } else { listed.last().map(|(id, _)| id.clone()) };
    // Those of warehouses or an ERP from which the connection sold once are history.
    let ids: Vec<ShelfId> =
        listed.into_iter().map(|(id, _)| id).filter(|id| id.erp == own.erp && id.place == own.place).collect();
    let read = read(puente, &own, &ids).await?;
    let articles = read.into_iter().map(|one| Stock::of(puente, one, &own, &all)).collect();
    Ok(Page { articles, next })
}

/// One article of `connection`, by the store's code or the ERP's; none: neither an order nor an answer of the ERP named it so far.
pub async fn whole(puente: &Puente, connection: &ConnectionId, code: &Sku) -> Result<Option<Whole>> {
    let own = selling(puente, connection)?;
    let all = puente.settings.selling(&own.erp);
    let sku = if own.rules.kits.contains_key(code) { code } else { own.names.get(code).unwrap_or(code) };
    let id = own.shelf(sku.clone());
    let Some(article) = read(puente, &own, std::slice::from_ref(&id)).await?.pop() else { return Ok(None) };
    let shelf = &article.shelf;
    if shelf.level.is_none() && shelf.commitments.is_empty() && shelf.listings.is_empty() {
        return Ok(None);
    }
    let commitments = shelf.commitments.clone();
    let parts = article.parts.iter().map(|(sku, shelf, each)| (sku.clone(), *each, shelf.left())).collect();
    let mut outlets = Vec::new();
    for other in selling_of(&id, &all) {
        // A set is a set in the store that says so.
        let read = read(puente, other, std::slice::from_ref(&id)).await?;
        let listed = read.into_iter().filter(|one| one.shelf.listings.contains_key(&other.connection));
        outlets.extend(listed.map(|one| (other.connection.clone(), Stock::of(puente, one, other, &all))));
    }
    Ok(Some(Whole { stock: Stock::of(puente, article, &own, &all), parts, commitments, outlets }))
}

impl Stock {
    fn of(puente: &Puente, article: Article, own: &Selling, all: &[Selling]) -> Self {
        let number = article.number(own, all, None, puente.clock.now());
        let listing = article.listing(&own.connection);
        let left = article.left();
        let Article { id, code, shelf, .. } = article;
        let gross = own.keeps == Keeps::Gross;
        Self {
            id,
            code,
            owed: shelf.commitments.values().map(Commitment::owed).sum(),
            reserved: if gross { shelf.reserved(&own.connection) } else { Amount::ZERO },
            level: shelf.level,
            left,
            number,
            listing,
        }
    }

    /// Whether a number would be written: the store keeps stock of the article, and does not have the number that it should have, or
    /// nobody has read there yet.
    #[must_use]
    pub fn differs(&self) -> bool {
        let kept = matches!(self.listing.store, InStore::Kept | InStore::Unknown);
        let number = self.number.as_ref().map(|number| number.value);
        kept && self.code.is_some() && number.is_some() && number != self.listing.said
    }
}
