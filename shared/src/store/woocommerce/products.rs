//! Products and their variations: found by their codes, and written in batches.
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{
    super::{
        answer,
        goods::{NotSet, Said, in_addresses, in_order},
        parse::{Code, Text, elements},
    },
    config::WooCommerce,
};
use crate::{
    Error, Kind, Result,
    domain::{goods::Sku, order::Flag},
    outbound::{Answer, Calls},
};

/// So many products are in a page at most.
const PER_PAGE: usize = 100;

/// So many pages are read of one question: codes that differ in their case only are one to the shop.
const PAGES: u32 = 5;

/// Whether something is so: `true`, `"yes"`, `1`. Anything else is not, such as `parent` where the variations of a product share its number.
#[derive(Default)]
pub(super) struct Yes(pub(super) bool);

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(Self(matches!(token.trim_matches('"'), "true" | "yes" | "1")))
    }
}

/// Why one of a batch was not taken.
#[derive(Deserialize)]
pub(super) struct Refusal<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
}

#[derive(Serialize)]
struct Batch<F> {
    update: Vec<Update<F>>,
}

#[derive(Serialize)]
struct Update<F> {
    id: u64,
    #[serde(flatten)]
    fields: F,
}

/// What became of one of a batch, by its id: `None` where it cannot be read.
pub(super) type Became<T> = Option<(u64, Result<T, NotSet>)>;

/// Where the next write of a product, or of a variation of one, goes.
pub(super) fn item(kind: &Text<'_>, parent: &Code<'_>, id: &Code<'_>) -> String {
    match kind.as_str() {
        "variation" => format!("{}/{}", parent.as_str(), id.as_str()),
        _ => id.as_str().to_owned(),
    }
}

impl WooCommerce {
    /// What the shop says of these articles, in order, with these fields of each; `read` takes one that has a code. One call for a hundred;
    /// a code with a comma costs one of its own.
    pub(super) async fn say<S: Said>(
        &self,
        calls: &Calls<'_>,
        skus: &[Sku],
        fields: &str,
        read: fn(&[u8]) -> Result<Option<S>, Flag>,
    ) -> Result<Vec<S>> {
        // The shop takes a comma for the end of a code. But it looks for the whole of what it is asked for as well.
        let (alone, together): (Vec<&Sku>, Vec<&Sku>) = skus.iter().partition(|sku| sku.as_str().contains(','));
        let mut questions = in_addresses(&together, "%2C".len());
        questions.extend(alone.into_iter().map(|sku| vec![sku]));
        let mut found = Vec::new();
        for asked in questions {
            found.extend(self.ask(calls, &asked, fields, read).await?);
        }
        Ok(in_order(skus, &found))
    }

    /// What the shop says of these articles and no others, of one question.
    async fn ask<S: Said>(
        &self,
        calls: &Calls<'_>,
        asked: &[&Sku],
        fields: &str,
        read: fn(&[u8]) -> Result<Option<S>, Flag>,
    ) -> Result<Vec<S>> {
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
                .append_pair("_fields", fields);
            let answer = calls.http.send_for_page(self.call(url)?).await?;
            let Some(answer) = self.answered(answer)? else { return Ok(found) };
            let products = elements(&answer.body, None).ok_or_else(unreadable)?;
            let full = products.len() >= PER_PAGE;
            for body in products {
                let one = read(body).map_err(|_| unreadable())?;
                // It finds more than it was asked for: `abc` for `ABC`, and each part of a code with commas.
                found.extend(one.filter(|one| asked.contains(&one.sku())));
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

    /// Writes these fields of these items: products in one call, variations in one for each product that they are of. `what` is what a person
    /// reads of; `became` takes what the shop says of one.
    pub(super) async fn write_each<F: Serialize + Send + Sync, T: Clone + Send + Sync>(
        &self,
        calls: &Calls<'_>,
        news: Vec<(&str, F)>,
        what: &str,
        became: fn(&Self, &[u8]) -> Became<T>,
    ) -> Vec<Result<T, NotSet>> {
        // What is no product of this connector's is read again.
        let mut answers: Vec<Result<T, NotSet>> = news.iter().map(|_| Err(NotSet::Stale)).collect();
        // By the product that they are variations of; products themselves by nothing.
        let mut groups: BTreeMap<&str, Vec<(usize, Update<F>)>> = BTreeMap::new();
        for (place, (item, fields)) in news.into_iter().enumerate() {
            let (parent, id) = item.split_once('/').unwrap_or(("", item));
            if let Ok(id) = id.parse() {
                groups.entry(parent).or_default().push((place, Update { id, fields }));
            }
        }
        for (parent, members) in groups {
            let (places, update): (Vec<usize>, Vec<Update<F>>) = members.into_iter().unzip();
            let batch = Batch { update };
            let outcome = self.batch(calls, parent, &batch).await.and_then(|answer| {
                // One that cannot be read hides none of the others.
                let updated = elements(&answer.body, Some("update")).ok_or_else(|| self.untold(what))?;
                Ok(updated.into_iter().filter_map(|body| became(self, body)).collect::<BTreeMap<_, _>>())
            });
            for (place, update) in places.into_iter().zip(&batch.update) {
                let own = match &outcome {
                    Ok(became) => became.get(&update.id).cloned().unwrap_or_else(|| Err(self.untold(what))),
                    Err(not_set) => Err(not_set.clone()),
                };
                if let Some(answer) = answers.get_mut(place) {
                    *answer = own;
                }
            }
        }
        answers
    }

    async fn batch<F: Serialize + Sync>(
        &self,
        calls: &Calls<'_>,
        parent: &str,
        batch: &Batch<F>,
    ) -> Result<Answer, NotSet> {
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

    /// The shop's own refusal of one of a batch. The whole answer is a 200 all the same.
    pub(super) fn refused<T>(&self, refusal: &Refusal<'_>, what: &str) -> Result<T, NotSet> {
        let code: String =
            refusal.code.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(80).collect();
        let words = format!("{} refused the {what} ({code}): was the product deleted there?", self.name);
        Err(NotSet::Refused(Error::new(Kind::Refused, words)))
    }

    /// It may have been taken, or not.
    fn untold(&self, what: &str) -> NotSet {
        let words = format!("{}: its answer does not say what became of a {what}", self.name);
        NotSet::Unknown(Error::new(Kind::Unreadable, words))
    }
}
