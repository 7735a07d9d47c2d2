//! The shelves: what is left to sell of each article, and what stores are told of it.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Result,
    domain::{
        goods::{Commitment, GoodsWrite, Halt, Listing, Shelf, ShelfId},
        ids::{ConnectionId, ErpId, OrderKey},
    },
};

/// The shelves.
#[async_trait]
pub trait Goods: Send + Sync {
    /// All rows of a shelf, read consistently.
    async fn shelf(&self, id: &ShelfId) -> Result<Shelf>;

    /// One conditional write, see [`GoodsWrite::apply`]; `false`: its condition did not hold. A write that our own retry had already
    /// applied is `true`.
    async fn write(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp) -> Result<bool>;

    /// The shelves whose listing of `connection` is due at `now`, earliest first: an index, which may lag and only suggests.
    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<ShelfId>>;

    /// The earliest `due` of `connection`, from the same index.
    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>>;

    /// What orders took off the shelves of an ERP account, by article and order, after `after`: an index, which may lag. That only
    /// delays what it is asked for.
    async fn commitments(
        &self,
        erp: &ErpId,
        after: Option<&(ShelfId, OrderKey)>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, OrderKey, Commitment)>>;

    /// The listings of a connection, by article, after `after`: an index, which may lag.
    async fn listings(
        &self,
        connection: &ConnectionId,
        after: Option<&ShelfId>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, Listing)>>;

    /// Since when nothing is written to a connection's store, because somebody wants it so.
    async fn halted(&self, connection: &ConnectionId) -> Result<Option<Halt>>;

    /// Nothing more is written to a connection's store; or it goes on.
    async fn halt(&self, connection: &ConnectionId, halt: Option<&Halt>) -> Result<()>;
}
