//! What a shop and its company agreed on about stock: `goods` in the connection's part of the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::sku::{Place, Sku};
use crate::{
    Error, Kind, Result,
    domain::{money::Amount, price::PriceRules},
};

/// What becomes of stock towards a connection's store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GoodsRules {
    /// Whether stock is written to the store, or only shown; without it nothing is asked of the ERP.
    pub stock: Option<Publish>,
    /// The ERP's warehouses that the shop sells from, by name; none: all of the company.
    pub warehouses: Vec<String>,
    /// So many units of every article are kept back from this store.
    pub safety: u32,
    /// With so few units left or fewer, stores that share them are given parts of their own, so that no two sell the same unit.
    pub scarce: u32,
    /// How much of such a part is this store's, against the others'.
    pub weight: u32,
    /// What sets are made of: the store's code, and how many of which of the ERP's articles.
    pub kits: BTreeMap<Sku, BTreeMap<Sku, u32>>,
    /// The store's codes that nobody keeps stock of here.
    pub ignore: BTreeSet<Sku>,
    /// Whether the ERP's prices are written to the store, or only shown; without it nothing is asked of the ERP.
    pub prices: Option<Publish>,
    /// How they are made.
    pub price: PriceRules,
    /// Whether the store is told what the ERP sent, or that is only shown; without it nothing is asked of the ERP.
    pub shipments: Option<Publish>,
    /// Whether the store writes to the buyer then.
    pub notify: bool,
    /// The ERP's names of carriers that the store calls otherwise, or where their parcels can be followed.
    pub carriers: BTreeMap<String, Carrier>,
    /// What the buyer is told of a shipment, where a store takes text; none: [`shipment::note`](crate::domain::shipment::note).
    pub shipment_note: Option<String>,
}

/// A carrier, as a store is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Carrier {
    /// Its name there; none: the ERP's.
    pub name: Option<String>,
    /// Where a parcel can be followed, where the ERP does not say: an address with `{number}` in it.
    pub url: Option<String>,
}

/// Whether stock is written to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// It is computed, and shown beside what the store has.
    Show,
    /// It is written.
    Publish,
}

impl Default for GoodsRules {
    fn default() -> Self {
        Self {
            stock: None,
            warehouses: Vec::new(),
            safety: 0,
            scarce: 3,
            weight: 1,
            kits: BTreeMap::new(),
            ignore: BTreeSet::new(),
            prices: None,
            price: PriceRules::default(),
            shipments: None,
            notify: true,
            carriers: BTreeMap::new(),
            shipment_note: None,
        }
    }
}

impl GoodsRules {
    /// Whether the connection takes part: its stock is computed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.stock.is_some()
    }

    /// Whether its stock is written.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.stock == Some(Publish::Publish)
    }

    /// Whether the ERP's prices are asked for.
    #[must_use]
    pub fn prices(&self) -> bool {
        self.prices.is_some()
    }

    /// Whether the store is told its prices.
    #[must_use]
    pub fn tells_prices(&self) -> bool {
        self.prices == Some(Publish::Publish)
    }

    /// Whether what the ERP sent is asked for.
    #[must_use]
    pub fn ships(&self) -> bool {
        self.shipments.is_some()
    }

    /// Whether the store is told.
    #[must_use]
    pub fn tells_shipments(&self) -> bool {
        self.shipments == Some(Publish::Publish)
    }

    /// The warehouses.
    pub fn place(&self) -> Result<Place> {
        Place::of(&self.warehouses)
    }

    /// What is wrong with them, with the key.
    pub fn check(&self) -> Result<(), (&'static str, Error)> {
        self.place().map_err(|error| ("warehouses", error))?;
        let refuse = |key, words: &'static str| Err((key, Error::new(Kind::Config, words)));
        if !(1..=1000).contains(&self.weight) {
            return refuse("weight", "lies between 1 and 1000");
        }
        if self.safety > 1_000_000 || self.scarce > 1_000_000 {
            return refuse("safety", "a million units at most, of `scarce` too");
        }
        if self.prices() {
            self.price.check()?;
        }
        for (name, carrier) in &self.carriers {
            let is_address = |url: &String| {
                ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) && url.contains("{number}")
            };
            if name.is_empty() || carrier.url.as_ref().is_some_and(|url| !is_address(url)) {
                return refuse(
                    "carriers",
                    "a carrier has its name in the ERP, and an address with {number} in it, if any",
                );
            }
        }
        if self.shipment_note.as_ref().is_some_and(|words| words.trim().is_empty() || words.chars().count() > 500) {
            return refuse("shipment_note", "is 1 to 500 characters, with {carrier} and {tracking} where they belong");
        }
        for parts in self.kits.values() {
            if parts.is_empty() || parts.len() > 50 || parts.values().any(|n| !(1..=10_000).contains(n)) {
                return refuse("kits", "a set has 1 to 50 articles, each 1 to 10000 times");
            }
            if parts.keys().any(|part| self.kits.contains_key(part)) {
                return refuse("kits", "an article of a set cannot be a set itself: name what that one is made of");
            }
        }
        Ok(())
    }

    /// What one unit of a code of the store takes off which of the ERP's articles: itself, or what its set is made of; nothing where
    /// nobody keeps stock of it. `names`: the store's codes that have another code in the ERP.
    #[must_use]
    pub fn takes(&self, code: &Sku, names: impl Fn(&Sku) -> Sku) -> Vec<(Sku, Amount)> {
        if self.ignore.contains(code) {
            return Vec::new();
        }
        match self.kits.get(code) {
            Some(parts) => parts.iter().map(|(sku, n)| (sku.clone(), Amount::from(i64::from(*n)))).collect(),
            None => vec![(names(code), Amount::ONE)],
        }
    }

    /// The sets that an article is a part of.
    pub fn sets_of<'a>(&'a self, sku: &'a Sku) -> impl Iterator<Item = &'a Sku> {
        self.kits.iter().filter(move |(_, parts)| parts.contains_key(sku)).map(|(set, _)| set)
    }
}
