//! What is kept of the price of a connection's article.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    offer::{Offer, Price, Unpriced},
    rules::PriceRules,
};
use crate::domain::{goods::InStore, ids::AttemptId};

/// The price of an article, as the ERP says it and as a connection's store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTag {
    /// What the ERP says that it costs.
    pub offer: Offer,
    /// What it will cost from a certain time on, where the ERP knows that already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<Later>,
    /// The poll that the ERP said so in: a later one has a higher number, whenever its answer lands.
    pub poll: u64,
    /// Grows with every change of what the ERP says: a change while a price is on its way is not forgotten.
    pub dirt: u64,
    /// Grows with every change of this row: what is begun was decided on the row as it is, not as it was.
    pub rev: u64,
    /// The price that the store has, as far as is known: its own answer, or what was read there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Price>,
    /// A price on its way, or of unknown outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling: Option<Telling>,
    /// When it is looked at again; none: it is at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Prices that were begun since one arrived.
    #[serde(default)]
    pub attempts: u32,
    /// The fencing epoch of the last conductor that wrote here.
    #[serde(default)]
    pub epoch: u64,
    /// Whether the store has to be read before its price is believed: a day has passed.
    #[serde(default)]
    pub check: bool,
    /// How the store has the article.
    #[serde(default)]
    pub store: InStore,
    /// What the store calls it, in the connector's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The price that a person released, though it differs much from the store's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Price>,
    /// Whether nothing happens until a person does something, or the ERP says another price.
    #[serde(default)]
    pub stopped: bool,
    /// Why it waits or stopped, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What an article will cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// From when on.
    pub from: Timestamp,
    /// What.
    pub offer: Offer,
}

/// A price on its way: written before its first byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// The price.
    pub price: Price,
    /// This attempt.
    pub attempt: AttemptId,
    /// From when on it cannot land any more.
    pub settle_at: Timestamp,
}

/// What becomes of a tag, from what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The store has it.
    Right,
    /// The store is to have this.
    Write(Price),
    /// This differs too much from what the store has to be written unseen.
    TooFar(Price),
    /// There is no price that a store could be told.
    Unpriced(Unpriced),
}

/// How a store has an article and its price, as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InShop {
    /// How it has the article.
    pub store: InStore,
    /// What it calls it.
    pub item: Option<String>,
    /// The price; none: it has none, or not the article.
    pub price: Option<Price>,
}

impl InShop {
    /// An article whose price cannot be written.
    #[must_use]
    pub fn none(store: InStore) -> Self {
        Self { store, item: None, price: None }
    }
}

impl PriceTag {
    /// One of an article that the ERP just named.
    #[must_use]
    pub fn new(offer: Offer, later: Option<Later>, poll: u64, now: Timestamp) -> Self {
        Self {
            offer,
            later,
            poll,
            dirt: 1,
            rev: 1,
            said: None,
            telling: None,
            due: Some(now),
            attempts: 0,
            epoch: 0,
            check: false,
            store: InStore::Unknown,
            item: None,
            released: None,
            stopped: false,
            note: None,
        }
    }

    /// What the ERP says that the article costs at `now`.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> &Offer {
        self.later.as_ref().filter(|later| later.from <= now).map_or(&self.offer, |later| &later.offer)
    }

    /// What is to be done where the store has `has`.
    #[must_use]
    pub fn wanted(&self, rules: &PriceRules, has: Option<Price>, now: Timestamp) -> Wanted {
        let price = match self.current(now).in_store(rules) {
            Ok(price) => price,
            Err(why) => return Wanted::Unpriced(why),
        };
        match has {
            Some(has) if has == price => Wanted::Right,
            Some(has) if self.released != Some(price) && has.changes_by_more_than(rules.most_change, &price) => {
                Wanted::TooFar(price)
            }
            _ => Wanted::Write(price),
        }
    }

    /// Whether only the store knows what price it has: it was never read, it has to be, or a price of unknown outcome may have landed.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.telling.is_some() || self.check || self.store == InStore::Unknown
    }

    /// Until when a price on its way may still land, where that is after `now`.
    #[must_use]
    pub fn settles_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.telling.as_ref().map(|telling| telling.settle_at).filter(|settle| *settle > now)
    }

    /// When it has to be looked at by the clock alone: when the price that is announced begins.
    #[must_use]
    pub fn begins(&self, now: Timestamp) -> Option<Timestamp> {
        self.later.as_ref().map(|later| later.from).filter(|from| *from > now)
    }
}
