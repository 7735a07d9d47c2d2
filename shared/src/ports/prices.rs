//! The price tags: what the ERP says that each connection's articles cost, and what its store has.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Result,
    domain::{
        goods::Sku,
        ids::ConnectionId,
        price::{PriceTag, PriceWrite},
    },
};

/// The price tags. An article is named by the ERP's code.
#[async_trait]
pub trait Prices: Send + Sync {
    /// The tag of an article, read consistently.
    async fn tag(&self, connection: &ConnectionId, sku: &Sku) -> Result<Option<PriceTag>>;

    /// One conditional write, see [`PriceWrite::apply`]; `false`: its condition did not hold. A write that our own retry had already
    /// applied is `true`. `now`: when what it says was decided.
    async fn write(&self, connection: &ConnectionId, sku: &Sku, write: &PriceWrite, now: Timestamp) -> Result<bool>;

    /// The articles of `connection` that are due at `now`, earliest first: an index, which may lag and only suggests.
    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<Sku>>;

    /// The earliest `due` of `connection`, from the same index.
    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>>;

    /// The tags of a connection, by article, after `after`: an index, which may lag.
    async fn list(&self, connection: &ConnectionId, after: Option<&Sku>, limit: usize) -> Result<Vec<(Sku, PriceTag)>>;
}
