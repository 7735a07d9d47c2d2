//! The records of orders: heads, contents, timelines, and what they are listed and found by.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::Chance;
use crate::{
    Result,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        record::{Entry, Head, State, Write, Written},
        search::{SearchKey, Term},
        version::Version,
    },
};

/// The records of orders: heads, contents, timelines, and what they are listed and found by.
#[async_trait]
pub trait Records: Send + Sync {
    /// The head, read consistently.
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>>;

    /// One conditional write. A write that our own retry had already applied is `Applied`.
    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written>;

    /// Keeps the payload of a version; the same again changes nothing. Old versions beyond the last few may be dropped, but
    /// never those of `desired`, `applied` or an intent.
    async fn keep(&self, key: &OrderKey, version: &Version, payload: &Payload) -> Result<()>;

    /// The payload of a version.
    async fn payload(&self, key: &OrderKey, version: &Version) -> Result<Option<Payload>>;

    /// Orders of `connection` due at `now`, earliest first: an index, which may lag and only suggests.
    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<OrderKey>>;

    /// The earliest `due` of `connection`, from the same index.
    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>>;

    /// Orders that are, or once were, found under `term`, by connection and order, after `after`: an index, which may lag. Of one
    /// connection, or of all.
    async fn find(
        &self,
        term: &Term,
        connection: Option<&ConnectionId>,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<Vec<OrderKey>>;

    /// The key under which buyers' e-mails are kept for search. Where there is none yet, `chance` draws one, and the first of several
    /// stands; without it there is none.
    async fn search_key(&self, chance: Option<&dyn Chance>) -> Result<Option<SearchKey>>;

    /// Adds lines to timelines. Lines of one order keep their order.
    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()>;

    /// The timeline of an order, oldest first.
    async fn timeline(&self, key: &OrderKey) -> Result<Vec<Entry>>;

    /// A page of heads, most recently changed first.
    async fn list(&self, query: &Query) -> Result<Page>;

    /// How many orders of a connection are in each state (from the index).
    async fn counts(&self, connection: &ConnectionId) -> Result<HashMap<State, u64>>;

    /// Whether the records can be reached now.
    async fn ready(&self) -> Result<()>;
}

/// The stored content of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A canonical order, serialised.
    Order(Bytes),
    /// A body nobody could map, raw as it came.
    Raw(Bytes),
}

/// Which heads to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Whose.
    pub connection: ConnectionId,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that were written at this time or later.
    pub from: Option<Timestamp>,
    /// At most so many, 1 to 200.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<Place>,
}

/// A place in the list of a connection, which shows the latest write first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// After what was written later than this.
    pub updated: Timestamp,
    /// … and, of what was written at that time, after this order; without one, after all of it.
    pub order: Option<OrderId>,
}

/// A record that is there and cannot be read: damaged, changed by hand, or of a later release. It must not hide the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose order, which one.
    pub key: OrderKey,
    /// When it was last written, as lists have it; none where it was not found through a list.
    pub updated: Option<Timestamp>,
    /// That it cannot be read, why, and what to do.
    pub why: String,
}

/// A page of heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The heads.
    pub heads: Vec<Head>,
    /// What is in its place among them, and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<Place>,
}
