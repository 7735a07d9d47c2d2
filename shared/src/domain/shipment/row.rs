//! A shipment as the ERP says it, and what is kept of it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Error, Kind, Result,
    domain::{goods::Sku, ids::AttemptId, money::Amount},
};

/// The ERP's own id of a shipment, which stays the same: 1 to 64 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ShipmentId(String);

/// What an ERP sent of an order, as it says now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// The ERP's own id.
    pub id: ShipmentId,
    /// The number that people know it by.
    pub number: String,
    /// What is in it: the ERP's codes, and how many of each.
    pub items: BTreeMap<Sku, Amount>,
    /// Who carries it, as the ERP names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Its parcels, as far as they have tracking numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parcels: Vec<Parcel>,
}

/// A parcel that can be followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parcel {
    /// Its tracking number.
    pub number: String,
    /// Where it can be followed, an `https` or `http` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A shipment, and what its order's store is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// What the ERP says.
    pub shipment: Shipment,
    /// Grows with every change of the shipment: a change while the store is being told is not forgotten.
    pub dirt: u64,
    /// Grows with every change of this row: what is begun was decided on the row as it is, not as it was.
    pub rev: u64,
    /// The poll that the ERP said it in: a later one has a higher number, whenever its answer lands.
    pub poll: u64,
    /// What the store has of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Dispatched>,
    /// What is on its way to the store, or of unknown outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underway: Option<Underway>,
    /// When it is looked at again; none: it is at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Attempts that were begun since one succeeded.
    pub attempts: u32,
    /// The fencing epoch of the last conductor that began one.
    pub epoch: u64,
    /// Whether nothing happens until a person does something, or the ERP changes the shipment.
    #[serde(default)]
    pub stopped: bool,
    /// Why it waits or stopped, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// That a store has a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatched {
    /// What the store calls it; none: it had all of it as sent already, by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<String>,
    /// The units of each of the order's lines that were told, by the store's ids.
    pub lines: BTreeMap<String, Amount>,
    /// The `dirt` of the shipment that it was told of; 0 where it has it, and not all of how it can be followed.
    pub as_of: u64,
    /// When that was known.
    pub at: Timestamp,
}

/// What is on its way to a store: written before its first byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Underway {
    /// This attempt.
    pub attempt: AttemptId,
    /// The units of each of the order's lines that it tells of, by the store's ids.
    pub lines: BTreeMap<String, Amount>,
    /// When it was begun.
    pub begun: Timestamp,
    /// From when on it cannot land any more.
    pub settle_at: Timestamp,
}

impl Dispatch {
    /// One that was just heard of.
    #[must_use]
    pub fn new(shipment: Shipment, poll: u64, now: Timestamp) -> Self {
        Self {
            shipment,
            dirt: 1,
            rev: 1,
            poll,
            told: None,
            underway: None,
            due: Some(now),
            attempts: 0,
            epoch: 0,
            stopped: false,
            note: None,
        }
    }

    /// Whether the store has it as it is now.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.as_of == self.dirt)
    }

    /// The units of each of the order's lines that the store has, or may have, of it.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<String, Amount> {
        let underway = self.underway.iter().flat_map(|underway| &underway.lines);
        let mut lines = self.told.as_ref().map(|told| told.lines.clone()).unwrap_or_default();
        for (line, quantity) in underway {
            lines.entry(line.clone()).and_modify(|told| *told = (*told).max(*quantity)).or_insert(*quantity);
        }
        lines
    }
}

/// The units of each of the order's lines that the store has, or may have, of these shipments together.
#[must_use]
pub fn lines_of<'a>(dispatches: impl IntoIterator<Item = &'a Dispatch>) -> BTreeMap<String, Amount> {
    let mut lines: BTreeMap<String, Amount> = BTreeMap::new();
    for (line, quantity) in dispatches.into_iter().flat_map(Dispatch::lines) {
        *lines.entry(line).or_default() += quantity;
    }
    lines
}

impl ShipmentId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ShipmentId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=64).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text))
        } else {
            Err(Error::new(Kind::Unreadable, "a shipment's id has 1 to 64 letters, digits, `-` and `_`"))
        }
    }
}

impl FromStr for ShipmentId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.to_owned().try_into()
    }
}

impl From<ShipmentId> for String {
    fn from(id: ShipmentId) -> Self {
        id.0
    }
}

impl fmt::Display for ShipmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
