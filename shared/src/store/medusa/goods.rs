//! Stock: inventory items found by their SKU, and their levels at one location.
//!
//! `stocked_quantity` is gross: what is reserved for orders that are not fulfilled yet is kept beside it, and a fulfilment lowers both.
//! Writes are absolute; there is no compare-and-set. <https://docs.medusajs.com/api/admin#inventory-items>

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        answer,
        goods::{NewStock, NotSet, Stocked, in_order, whole},
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
                item: Some(format!("{}/{}", self.id.as_str(), level.location_id.as_str())),
            },
            // At which of several locations the shop's goods lie is the configuration's to say.
            (Some(_), Some(_)) => Stocked::none(sku, InStore::Ambiguous),
        })
    }
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

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow, default, deserialize_with = "list")]
    updated: Vec<Updated<'a>>,
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
        let mut url = self.inventory.clone();
        {
            let mut query = url.query_pairs_mut();
            for sku in skus {
                query.append_pair("sku[]", sku.as_str());
            }
            query.append_pair("limit", "100").append_pair("fields", "id,sku,*location_levels");
        }
        let answer = calls.http.send_for_page(self.call(url)?).await?;
        let Some(answer) = self.answered(answer)? else { return Ok(in_order(skus, &[])) };
        let unreadable =
            || Error::new(Kind::Unreadable, format!("{}: it answered with no list of inventory items", self.name));
        let items = elements(&answer.body, Some("inventory_items")).ok_or_else(unreadable)?;
        let mut found = Vec::new();
        for body in items {
            let item: Item<'_> = parse(body).map_err(|_| unreadable())?;
            found.extend(item.stocked(self.location.as_deref()));
        }
        Ok(in_order(skus, &found))
    }

    /// Writes numbers in one call, which takes all of them or none.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let outcome = self.batch(calls, stock).await;
        match outcome {
            Ok(now) => now,
            Err(not_set) => stock.iter().map(|_| Err(not_set.clone())).collect(),
        }
    }

    async fn batch(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Result<Vec<Result<i64, NotSet>>, NotSet> {
        let update = stock
            .iter()
            .filter_map(|new| {
                let (inventory_item_id, location_id) = new.item.split_once('/')?;
                Some(Update { inventory_item_id, location_id, stocked_quantity: new.to })
            })
            .collect();
        let mut call =
            self.call(answer::below(&self.inventory, &["location-levels", "batch"])).map_err(NotSet::answered)?;
        call.method = Method::POST;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(&Batch { update })
            .map_err(|cause| NotSet::NotNow(Error::new(Kind::Bug, "a batch cannot be written").caused_by(cause)))?;
        call.body = Bytes::from(body);
        let answer = calls.http.send_for_page(call).await.map_err(NotSet::unanswered)?;
        let gone =
            || Error::new(Kind::Refused, format!("{}: one of the inventory items is not there any more", self.name));
        let answer = answer::read(answer, &self.name, "the store's api_key")
            .and_then(|answer| answer.ok_or_else(gone))
            .map_err(NotSet::answered)?;
        let unreadable = || {
            let words = format!("{}: its answer does not say what became of a number", self.name);
            NotSet::Unknown(Error::new(Kind::Unreadable, words))
        };
        let answered: Answered<'_> = parse(&answer.body).map_err(|_| unreadable())?;
        Ok(stock
            .iter()
            .map(|new| {
                let own = answered.updated.iter().find(|one| {
                    new.item.split_once('/') == Some((one.inventory_item_id.as_str(), one.location_id.as_str()))
                });
                own.and_then(|one| one.stocked_quantity.0).map(whole).ok_or_else(unreadable)
            })
            .collect())
    }
}
