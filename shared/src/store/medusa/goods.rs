//! Stock: inventory items found by their SKU, and their levels at one location.
//!
//! `stocked_quantity` is gross: what is reserved for orders that are not fulfilled yet is kept beside it, and a fulfilment lowers both
//! (so Medusa 2.21 does). Writes are absolute; there is no compare-and-set. A number below zero is refused, one below what is reserved
//! is not. <https://docs.medusajs.com/api/admin#inventory-items>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        answer,
        goods::{MOST, NewStock, NotSet, Stocked, in_addresses, in_order, whole},
        parse::{Code, Money, elements, list, parse},
    },
    config::Medusa,
};
use crate::{
    Error, Kind, Result,
    domain::goods::{InStore, Sku},
    outbound::Calls,
};

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(borrow, default)]
    sku: Code<'a>,
    #[serde(borrow, default, deserialize_with = "list")]
    location_levels: Vec<Level<'a>>,
}

#[derive(Deserialize)]
struct Level<'a> {
    #[serde(borrow)]
    location_id: Code<'a>,
    #[serde(default)]
    stocked_quantity: Money,
}

impl Item<'_> {
    /// Its level at `location`; without one, at the only one that it has.
    fn stocked(&self, location: Option<&str>) -> Option<Stocked> {
        let sku: Sku = self.sku.as_str().parse().ok()?;
        let at = |level: &&Level<'_>| location.is_none_or(|location| level.location_id.as_str() == location);
        let mut levels = self.location_levels.iter().filter(at);
        Some(match (levels.next(), levels.next()) {
            (None, _) => Stocked::none(sku, InStore::NotKept),
            (Some(level), None) => Stocked {
                sku,
                store: InStore::Kept,
                number: Some(level.stocked_quantity.0.map_or(0, whole)),
                item: Some(item(self.id.as_str(), level.location_id.as_str())),
            },
            // At which of several locations the shop's goods lie is the configuration's to say.
            (Some(_), Some(_)) => Stocked::none(sku, InStore::Ambiguous),
        })
    }
}

/// An item at a location, as one text.
fn item(item: &str, location: &str) -> String {
    format!("{item}/{location}")
}

#[derive(Serialize)]
struct Batch<'a> {
    update: Vec<Update<'a>>,
}

#[derive(Serialize)]
struct Update<'a> {
    inventory_item_id: &'a str,
    location_id: &'a str,
    stocked_quantity: i64,
}

impl<'a> Update<'a> {
    fn of(new: &'a NewStock) -> Option<Self> {
        let (inventory_item_id, location_id) = new.item.split_once('/')?;
        Some(Self { inventory_item_id, location_id, stocked_quantity: new.to })
    }
}

#[derive(Deserialize)]
struct Updated<'a> {
    #[serde(borrow)]
    inventory_item_id: Code<'a>,
    #[serde(borrow)]
    location_id: Code<'a>,
    #[serde(default)]
    stocked_quantity: Money,
}

impl Medusa {
    /// What the shop has of these articles. One call for a hundred.
    pub(super) async fn stock_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        let mut found = Vec::new();
        for asked in in_addresses(&skus.iter().collect::<Vec<_>>(), "&sku%5B%5D=".len()) {
            found.extend(self.ask(calls, &asked).await?);
        }
        Ok(in_order(skus, &found))
    }

    async fn ask(&self, calls: &Calls<'_>, asked: &[&Sku]) -> Result<Vec<Stocked>> {
        let mut url = self.inventory.clone();
        {
            let mut query = url.query_pairs_mut();
            for sku in asked {
                query.append_pair("sku[]", sku.as_str());
            }
            // No two items have the same code there: there are no more of them than were asked for.
            query.append_pair("limit", &MOST.to_string()).append_pair("fields", "id,sku,*location_levels");
        }
        let answer = calls.http.send_for_page(self.call(url)?).await?;
        let Some(answer) = self.answered(answer)? else { return Ok(Vec::new()) };
        let unreadable =
            || Error::new(Kind::Unreadable, format!("{}: it answered with no list of inventory items", self.name));
        let items = elements(&answer.body, Some("inventory_items")).ok_or_else(unreadable)?;
        let mut found = Vec::new();
        for body in items {
            let item: Item<'_> = parse(body).map_err(|_| unreadable())?;
            found.extend(item.stocked(self.location.as_deref()));
        }
        Ok(found)
    }

    /// Writes numbers in one call, which takes all of them or none.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let update: Vec<Update<'_>> = stock.iter().filter_map(Update::of).collect();
        let outcome = if update.is_empty() { Ok(BTreeMap::new()) } else { self.batch(calls, update).await };
        let untold = || {
            let words = format!("{}: its answer does not say what became of a number", self.name);
            NotSet::Unknown(Error::new(Kind::Unreadable, words))
        };
        let own = |new: &NewStock| match &outcome {
            // What is no item of this connector's was not sent, and is read again.
            _ if Update::of(new).is_none() => Err(NotSet::Stale),
            Ok(now) => now.get(&new.item).copied().ok_or_else(untold),
            Err(not_set) => Err(not_set.clone()),
        };
        stock.iter().map(own).collect()
    }

    /// The numbers as they are then, by item and location.
    async fn batch(&self, calls: &Calls<'_>, update: Vec<Update<'_>>) -> Result<BTreeMap<String, i64>, NotSet> {
        let mut call =
            self.call(answer::below(&self.inventory, &["location-levels", "batch"])).map_err(NotSet::answered)?;
        call.method = Method::POST;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(&Batch { update })
            .map_err(|cause| NotSet::NotNow(Error::new(Kind::Bug, "a batch cannot be written").caused_by(cause)))?;
        call.body = Bytes::from(body);
        let answer = calls.http.send_for_page(call).await.map_err(NotSet::unanswered)?;
        // One that is not there any more is enough for none to be taken. Which one the next reading tells.
        let answer = self.answered(answer).map_err(NotSet::answered)?.ok_or(NotSet::Stale)?;
        let updated = elements(&answer.body, Some("updated")).unwrap_or_default();
        // One that cannot be read hides none of the others.
        let own = |body: &[u8]| {
            let one: Updated<'_> = parse(body).ok()?;
            Some((item(one.inventory_item_id.as_str(), one.location_id.as_str()), whole(one.stocked_quantity.0?)))
        };
        Ok(updated.into_iter().filter_map(own).collect())
    }
}
