//! The rows of a shelf, as they are stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    ids::{AttemptId, ConnectionId, OrderKey},
    money::Amount,
    version::Version,
};

/// All rows of one shelf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf {
    /// What the ERP said; none: it was never asked, or never answered for this article.
    pub level: Option<Level>,
    /// What orders took off it.
    pub commitments: BTreeMap<OrderKey, Commitment>,
    /// What stores are told.
    pub listings: BTreeMap<ConnectionId, Listing>,
}

/// The key of a row within its shelf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// The [`Level`].
    Level,
    /// The [`Commitment`] of an order.
    Commitment(OrderKey),
    /// The [`Listing`] of a connection.
    Listing(ConnectionId),
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// What the ERP said.
    Level(Level),
    /// What an order took off.
    Commitment(Commitment),
    /// What a store is told.
    Listing(Listing),
}

/// What the ERP said that is available: on hand, less what is promised to others than our orders that it does not know yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// How many. May be negative: what is owed beyond what is there.
    pub quantity: Amount,
    /// The poll that said so: a later poll has a higher number, whenever its answer lands.
    pub poll: u64,
    /// When the poll began.
    pub read_at: Timestamp,
    /// Grows with every change of the level, and with every raise while the article is scarce: of two stores that would both be given
    /// the last unit, one computes anew.
    pub rev: u64,
}

/// What an order took off a shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// The units that the store sold and that are not back since.
    pub quantity: Amount,
    /// Of these, the units that the store still keeps reserved itself.
    pub reserved: Amount,
    /// The state of the order that both were read from.
    pub version: Version,
    /// The units that the ERP's own number is proven to be lowered by.
    pub in_erp: Amount,
    /// The booked version that was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_version: Option<Version>,
}

/// What a store is told of an article.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The number that the store has, as far as is known: its own answer, or what was read there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<i64>,
    /// A number on its way, or of unknown outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Until when an earlier number of unknown outcome may still land: then the store is read once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure: Option<Timestamp>,
    /// The highest of the numbers that may land until then; rows of earlier builds do not say. It counts until the store was read or has
    /// taken another number: that time has passed does not say what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure_value: Option<i64>,
    /// When the number is computed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The earliest time a change may bring it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soon: Option<Timestamp>,
    /// Grows with every change of the shelf: a change while a number is on its way is not forgotten.
    pub dirt: u64,
    /// Numbers that were begun since one arrived.
    pub attempts: u32,
    /// The fencing epoch of the last conductor that began one.
    pub epoch: u64,
    /// How the store has it.
    #[serde(default)]
    pub store: InStore,
    /// What the store calls it, in the connector's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Whether the store has to be read before its number is believed: it sold some itself, or a day has passed.
    #[serde(default)]
    pub check: bool,
    /// Why it waits, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A number on its way: written before its first byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The number.
    pub value: i64,
    /// This attempt.
    pub attempt: AttemptId,
    /// No call of it starts later.
    pub start_by: Timestamp,
    /// From when on it cannot land any more.
    pub settle_at: Timestamp,
}

/// That nothing is written to a connection's store for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Since when.
    pub since: Timestamp,
    /// Who wanted it.
    pub by: String,
}

/// How a store has an article.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InStore {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    /// It is there, and its stock is kept.
    Kept,
    /// It is there, and the store keeps no stock of it.
    NotKept,
    /// There is no article of this code.
    Absent,
    /// Several have this code: nobody can say which is meant.
    Ambiguous,
}

impl Commitment {
    /// The units that the store sold and the ERP's number is not proven to be lowered by.
    #[must_use]
    pub fn owed(&self) -> Amount {
        (self.quantity - self.in_erp).max(Amount::ZERO)
    }

    /// Whether nothing is left to say of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.quantity == self.in_erp && self.reserved.is_zero()
    }
}

impl Listing {
    /// The highest number that the store may have.
    #[must_use]
    pub fn highest(&self) -> Option<i64> {
        self.said.max(self.pending.as_ref().map(|pending| pending.value)).max(self.unsure_value)
    }

    /// Whether only the store knows what it has: a number of unknown outcome may have landed, it was never read, or it has to be.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.pending.is_some() || self.unsure.is_some() || self.check || self.store == InStore::Unknown
    }
}

impl Shelf {
    /// A row.
    #[must_use]
    pub fn row(&self, key: &RowKey) -> Option<Row> {
        match key {
            RowKey::Level => self.level.clone().map(Row::Level),
            RowKey::Commitment(order) => self.commitments.get(order).cloned().map(Row::Commitment),
            RowKey::Listing(connection) => self.listings.get(connection).cloned().map(Row::Listing),
        }
    }

    /// Puts a row there, or takes it away.
    pub fn put(&mut self, key: RowKey, row: Option<Row>) {
        match (key, row) {
            (RowKey::Level, Some(Row::Level(level))) => self.level = Some(level),
            (RowKey::Level, _) => self.level = None,
            (RowKey::Commitment(order), Some(Row::Commitment(commitment))) => {
                self.commitments.insert(order, commitment);
            }
            (RowKey::Commitment(order), _) => {
                self.commitments.remove(&order);
            }
            (RowKey::Listing(connection), Some(Row::Listing(listing))) => {
                self.listings.insert(connection, listing);
            }
            (RowKey::Listing(connection), _) => {
                self.listings.remove(&connection);
            }
        }
    }
}
