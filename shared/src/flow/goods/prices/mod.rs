//! Prices on their way from the ERP to the stores.
//!
//! The conductor of the ERP account asks what articles cost (`ask.rs`), a few times a day. One conductor for each store brings it the
//! prices that are due (`tell.rs`). What people see of them, and releasing one that changes much, is here.

pub(super) mod ask;
pub(super) mod tell;

use std::time::Duration;

use super::wake;
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        goods::Sku,
        ids::ConnectionId,
        price::{Price, PriceTag, PriceWrite, Wanted},
    },
    flow::Puente,
    parties::Pricing,
};

/// The most prices on a page.
pub const MOST: usize = 200;

/// The price of an article, as people see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The ERP's code.
    pub sku: Sku,
    /// The store's code; none: several of its codes stand for the article, or it is ignored.
    pub code: Option<Sku>,
    /// What is kept of it.
    pub tag: PriceTag,
    /// What is to be done, with what is known of the store.
    pub wanted: Wanted,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// By article.
    pub prices: Vec<Shown>,
    /// Where the next page begins, if there is one.
    pub next: Option<Sku>,
}

/// How the store of `connection` is told prices; refused in words for whoever asked, where they are off.
pub fn pricing(puente: &Puente, connection: &ConnectionId) -> Result<Pricing> {
    let erp = puente.settings.erp_of(connection);
    let own =
        erp.and_then(|erp| puente.settings.pricing(&erp).iter().find(|one| &one.connection == connection).cloned());
    own.ok_or_else(|| {
        let words = format!(
            "prices are not on for {connection}: put goods = {{ prices = \"show\", price = {{ … }} }} into its part of the \
             configuration"
        );
        Error::new(Kind::NotFound, words)
    })
}

/// A page of the prices of `connection`, after `after`.
pub async fn page(puente: &Puente, connection: &ConnectionId, after: Option<&Sku>, limit: usize) -> Result<Page> {
    let own = pricing(puente, connection)?;
    let limit = limit.clamp(1, MOST);
    let tags = puente.prices.list(connection, after, limit).await?;
    // None is ever deleted: a page that is not full is the last.
    let next = tags.last().map(|(sku, _)| sku.clone()).filter(|_| tags.len() >= limit);
    Ok(Page { prices: tags.into_iter().map(|(sku, tag)| shown(puente, &own, sku, tag)).collect(), next })
}

fn shown(puente: &Puente, own: &Pricing, sku: Sku, tag: PriceTag) -> Shown {
    let wanted = tag.wanted(&own.rules.price, tag.said, puente.clock.now());
    let code = own.code(&sku).cloned();
    Shown { sku, code, tag, wanted }
}

/// Has the price of an article looked at again, now; one that differs much from the store's is told then. `by` wanted it, with
/// `request`. The price that was released, if it needed that; none: there is no price of this article.
pub async fn release(
    puente: &Puente,
    connection: &ConnectionId,
    sku: &Sku,
    by: &str,
    request: &str,
) -> Result<Option<Shown>> {
    let own = pricing(puente, connection)?;
    let Some(tag) = puente.prices.tag(connection, sku).await? else { return Ok(None) };
    let shown = shown(puente, &own, sku.clone(), tag);
    let released: Option<Price> = match shown.wanted {
        Wanted::TooFar(price) => Some(price),
        _ => None,
    };
    let again = PriceWrite::Again { released };
    puente.prices.write(connection, sku, &again, puente.clock.now()).await?;
    puente.tell.of(&Event::PriceReleased { connection, article: sku.as_str(), by, request });
    wake(puente, connection, Duration::ZERO).await?;
    Ok(Some(shown))
}
