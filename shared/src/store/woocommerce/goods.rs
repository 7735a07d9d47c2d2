//! Stock: products and variations found by their SKU, and their numbers written in batches.
//!
//! The shop lowers a number by itself with each sale, and writes are absolute; it has no compare-and-set. `inventory_delta` is never
//! used: a call that is repeated would count twice. <https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{
    super::{
        answer,
        goods::{NewStock, NotSet, Stocked, in_addresses, in_order, whole},
        parse::{Code, Money, Text, elements, object, parse},
    },
    config::WooCommerce,
};
use crate::{
    Error, Kind, Result,
    domain::goods::{InStore, Sku},
    outbound::{Answer, Calls},
};

/// So many products are in a page at most.
const PER_PAGE: usize = 100;

/// So many pages are read of one question: codes that differ in their case only are one to the shop.
const PAGES: u32 = 5;

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
    #[serde(default)]
    manage_stock: Managed,
    #[serde(default)]
    stock_quantity: Money,
}

/// Whether a product has a number of its own: `true`, `false`, or `parent` where the variations of a product share its number.
#[derive(Default)]
struct Managed(bool);

impl<'de> Deserialize<'de> for Managed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(Self(matches!(token.trim_matches('"'), "true" | "yes" | "1")))
    }
}

impl Product<'_> {
    fn stocked(&self) -> Option<Stocked> {
        let sku: Sku = self.sku.as_str().parse().ok()?;
        if !self.manage_stock.0 {
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
    #[serde(borrow, default, deserialize_with = "object")]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
}

impl WooCommerce {
    /// What the shop has of these articles. One call for a hundred; a code with a comma costs one of its own.
    pub(super) async fn stock_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        // The shop takes a comma for the end of a code. But it looks for the whole of what it is asked for as well.
        let (alone, together): (Vec<&Sku>, Vec<&Sku>) = skus.iter().partition(|sku| sku.as_str().contains(','));
        let mut questions = in_addresses(&together, "%2C".len());
        questions.extend(alone.into_iter().map(|sku| vec![sku]));
        let mut found = Vec::new();
        for asked in questions {
            found.extend(self.ask(calls, &asked).await?);
        }
        Ok(in_order(skus, &found))
    }

    /// What the shop has of these articles and no others, of one question.
    async fn ask(&self, calls: &Calls<'_>, asked: &[&Sku]) -> Result<Vec<Stocked>> {
        let names: Vec<&str> = asked.iter().map(|sku| sku.as_str()).collect();
        let unreadable =
            || Error::new(Kind::Unreadable, format!("{}: it answered with no list of products", self.name));
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let mut url = self.products.clone();
            url.query_pairs_mut()
                .append_pair("sku", &names.join(","))
                .append_pair("per_page", &PER_PAGE.to_string())
                .append_pair("page", &page.to_string())
                .append_pair("orderby", "id")
                .append_pair("_fields", "id,parent_id,type,sku,manage_stock,stock_quantity");
            let answer = calls.http.send_for_page(self.call(url)?).await?;
            let Some(answer) = self.answered(answer)? else { return Ok(found) };
            let products = elements(&answer.body, None).ok_or_else(unreadable)?;
            let full = products.len() >= PER_PAGE;
            for body in products {
                let product: Product<'_> = parse(body).map_err(|_| unreadable())?;
                // It finds more than it was asked for: `abc` for `ABC`, and each part of a code with commas.
                found.extend(product.stocked().filter(|one| asked.contains(&&one.sku)));
            }
            let pages: Option<u32> =
                answer.headers.get("x-wp-totalpages").and_then(|pages| pages.to_str().ok()?.parse().ok());
            if pages.map_or(!full, |pages| pages <= page) {
                return Ok(found);
            }
        }
        let words =
            format!("{}: more than {} products answer to a hundred codes", self.name, PER_PAGE * PAGES as usize);
        Err(Error::new(Kind::Unreadable, words))
    }

    /// Writes numbers: products in one call, variations in one for each product that they are of.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        // By the product that they are variations of; products themselves by nothing.
        let mut groups: BTreeMap<&str, Vec<(usize, Update)>> = BTreeMap::new();
        // What is no product of this connector's is read again.
        let mut answers: Vec<Result<i64, NotSet>> = stock.iter().map(|_| Err(NotSet::Stale)).collect();
        for (place, new) in stock.iter().enumerate() {
            let (parent, id) = new.item.split_once('/').unwrap_or(("", &new.item));
            if let Ok(id) = id.parse() {
                groups.entry(parent).or_default().push((place, Update { id, stock_quantity: new.to }));
            }
        }
        for (parent, members) in groups {
            let (places, update): (Vec<usize>, Vec<Update>) = members.into_iter().unzip();
            let batch = Batch { update };
            let outcome = self.batch(calls, parent, &batch).await.and_then(|answer| self.became(&answer));
            for (place, update) in places.into_iter().zip(&batch.update) {
                let own = match &outcome {
                    Ok(became) => became.get(&update.id).cloned().unwrap_or_else(|| Err(self.untold())),
                    Err(not_set) => Err(not_set.clone()),
                };
                if let Some(answer) = answers.get_mut(place) {
                    *answer = own;
                }
            }
        }
        answers
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

    /// What became of each of a batch. One that cannot be read hides none of the others.
    fn became(&self, answer: &Answer) -> Result<BTreeMap<u64, Result<i64, NotSet>>, NotSet> {
        let updated = elements(&answer.body, Some("update")).ok_or_else(|| self.untold())?;
        let own = |body: &[u8]| {
            let one: Updated<'_> = parse(body).ok()?;
            Some((one.id.as_str().parse().ok()?, self.became_of(&one)))
        };
        Ok(updated.into_iter().filter_map(own).collect())
    }

    fn became_of(&self, one: &Updated<'_>) -> Result<i64, NotSet> {
        let refused = |words| Err(NotSet::Refused(Error::new(Kind::Refused, words)));
        if let Some(error) = &one.error {
            let code: String =
                error.code.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(80).collect();
            return refused(format!("{} refused the number ({code}): was the product deleted there?", self.name));
        }
        match one.stock_quantity.0 {
            Some(number) => Ok(whole(number)),
            None => refused(format!("{}: the product keeps no stock any more", self.name)),
        }
    }

    /// It may have been taken, or not.
    fn untold(&self) -> NotSet {
        let words = format!("{}: its answer does not say what became of a number", self.name);
        NotSet::Unknown(Error::new(Kind::Unreadable, words))
    }
}
