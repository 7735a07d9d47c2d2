//! Stock: products and variations found by their SKU, and their numbers written in batches.
//!
//! The shop lowers a number by itself with each sale, and writes are absolute; it has no compare-and-set. `inventory_delta` is never
//! used: a call that is repeated would count twice. <https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        answer,
        goods::{NewStock, NotSet, Stocked, in_order, whole},
        parse::{Code, Money, Text, elements, list, parse},
    },
    config::WooCommerce,
};
use crate::{
    Error, Kind, Result,
    domain::goods::{InStore, Sku},
    outbound::{Answer, Calls},
};

/// A product, or a variation of one.
#[derive(Deserialize)]
struct Product<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(borrow, default)]
    parent_id: Code<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    sku: Code<'a>,
    /// `parent`: the variations of a product share its number.
    #[serde(borrow, default)]
    manage_stock: Code<'a>,
    #[serde(default)]
    stock_quantity: Money,
}

impl Product<'_> {
    fn stocked(&self) -> Option<Stocked> {
        let sku: Sku = self.sku.as_str().parse().ok()?;
        if self.manage_stock.as_str() != "true" {
            return Some(Stocked::none(sku, InStore::NotKept));
        }
        let id = self.id.as_str();
        let item = match self.kind.as_str() {
            "variation" => format!("{}/{id}", self.parent_id.as_str()),
            _ => id.to_owned(),
        };
        let number = Some(self.stock_quantity.0.map_or(0, whole));
        Some(Stocked { sku, store: InStore::Kept, number, item: Some(item) })
    }
}

/// A batch.
#[derive(Serialize)]
struct Batch {
    update: Vec<Update>,
}

#[derive(Serialize)]
struct Update {
    id: u64,
    stock_quantity: i64,
}

/// What became of one of a batch: the product as it is now, or why not. The whole answer is a 200 all the same.
#[derive(Deserialize)]
struct Updated<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(default)]
    stock_quantity: Money,
    #[serde(borrow, default)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow, default, deserialize_with = "list")]
    update: Vec<Updated<'a>>,
}

impl WooCommerce {
    /// What the shop has of these articles. One call for a hundred.
    pub(super) async fn stock_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        // The shop takes a comma for the end of a code: one that has a comma cannot be asked for.
        let names: Vec<&str> = skus.iter().map(Sku::as_str).filter(|sku| !sku.contains(',')).collect();
        let mut url = self.products.clone();
        url.query_pairs_mut()
            .append_pair("sku", &names.join(","))
            .append_pair("per_page", "100")
            .append_pair("_fields", "id,parent_id,type,sku,manage_stock,stock_quantity");
        let answer = calls.http.send_for_page(self.call(url)?).await?;
        let Some(answer) = self.answered(answer)? else { return Ok(in_order(skus, &[])) };
        let unreadable =
            || Error::new(Kind::Unreadable, format!("{}: it answered with no list of products", self.name));
        let products = elements(&answer.body, None).ok_or_else(unreadable)?;
        let mut found = Vec::new();
        for body in products {
            let product: Product<'_> = parse(body).map_err(|_| unreadable())?;
            found.extend(product.stocked());
        }
        Ok(in_order(skus, &found))
    }

    /// Writes numbers: products in one call, variations in one for each product that they are of.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        // By the product that they are variations of; products themselves by nothing.
        let mut groups: BTreeMap<&str, Vec<(usize, u64)>> = BTreeMap::new();
        let mut answers: Vec<Option<Result<i64, NotSet>>> = vec![None; stock.len()];
        for (place, new) in stock.iter().enumerate() {
            let (parent, id) = new.item.split_once('/').unwrap_or(("", &new.item));
            match id.parse() {
                Ok(id) => groups.entry(parent).or_default().push((place, id)),
                Err(_) => {
                    if let Some(answer) = answers.get_mut(place) {
                        *answer = Some(Err(NotSet::Stale));
                    }
                }
            }
        }
        for (parent, members) in groups {
            let update = members
                .iter()
                .filter_map(|(place, id)| Some(Update { id: *id, stock_quantity: stock.get(*place)?.to }))
                .collect();
            let outcome = self.batch(calls, parent, &Batch { update }).await;
            for (place, id) in members {
                let own = match &outcome {
                    Ok(answer) => self.became(answer, id),
                    Err(not_set) => Err(not_set.clone()),
                };
                if let Some(answer) = answers.get_mut(place) {
                    *answer = Some(own);
                }
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(NotSet::Stale))).collect()
    }

    async fn batch(&self, calls: &Calls<'_>, parent: &str, batch: &Batch) -> Result<Answer, NotSet> {
        let path: &[&str] = if parent.is_empty() { &["batch"] } else { &[parent, "variations", "batch"] };
        let mut call = self.call(answer::below(&self.products, path)).map_err(NotSet::answered)?;
        call.method = Method::POST;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(batch)
            .map_err(|cause| NotSet::NotNow(Error::new(Kind::Bug, "a batch cannot be written").caused_by(cause)))?;
        call.body = Bytes::from(body);
        let answer = calls.http.send_for_page(call).await.map_err(NotSet::unanswered)?;
        let no_api = || Error::new(Kind::Config, format!("{}: no products are kept at its address", self.name));
        answer::read(answer, &self.name, "the store's consumer_key and consumer_secret: they need Read/Write")
            .and_then(|answer| answer.ok_or_else(no_api))
            .map_err(NotSet::answered)
    }

    /// What became of one of a batch.
    fn became(&self, answer: &Answer, id: u64) -> Result<i64, NotSet> {
        let unreadable = || {
            let words = format!("{}: its answer does not say what became of a number", self.name);
            NotSet::Unknown(Error::new(Kind::Unreadable, words))
        };
        let answered: Answered<'_> = parse(&answer.body).map_err(|_| unreadable())?;
        let own = answered.update.iter().find(|one| one.id.as_str() == id.to_string()).ok_or_else(unreadable)?;
        if let Some(error) = &own.error {
            let code: String =
                error.code.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(80).collect();
            let words = format!("{} refused the number ({code}): was the product deleted there?", self.name);
            return Err(NotSet::Refused(Error::new(Kind::Refused, words)));
        }
        own.stock_quantity.0.map(whole).ok_or_else(|| {
            let words = format!("{}: the product keeps no stock any more", self.name);
            NotSet::Refused(Error::new(Kind::Refused, words))
        })
    }
}
