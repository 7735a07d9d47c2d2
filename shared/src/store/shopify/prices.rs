//! Prices: variants found by their SKU, and written product by product, through the GraphQL Admin API.
//!
//! They are in the shop's own currency; what a market or a catalogue fixes for itself is not touched. A mutation is about the variants of
//! one product, so that several go in one call, each under a name of its own, and of a product's variants the valid ones are taken. Writes
//! are absolute, and `productVariantsBulkUpdate` is none of the mutations that take an idempotency key.
//! <https://shopify.dev/docs/api/admin-graphql/latest/mutations/productVariantsBulkUpdate>

use std::collections::BTreeMap;

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        goods::NotSet,
        prices::{NewPrice, Priced, seen},
    },
    config::Shopify,
    graphql::{Page, Question, UserError},
    search::Search,
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{InStore, Sku},
        money::Amount,
        price::Price,
    },
    outbound::Calls,
};

/// The scopes that all of it needs.
const SCOPES: &str = "read_products and write_products";

const FIND: &str = "query($find: String!, $after: String) { shop { currencyCode } productVariants(first: 100, after: $after, query: $find) \
                    { nodes { id sku price compareAtPrice product { id } } pageInfo { hasNextPage endCursor } } }";

/// The prices of so many products are written in one call. Each mutation costs ten points or a few more, whatever the number of its
/// variants; a hundred points a second come back on the smallest plan, and the shop has to answer before the call ends.
/// <https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits>
const TOGETHER: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    shop: Shop,
    product_variants: Page<Variant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shop {
    currency_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variant {
    id: String,
    #[serde(default)]
    sku: Option<String>,
    price: Amount,
    #[serde(default)]
    compare_at_price: Option<Amount>,
    product: Product,
}

#[derive(Deserialize)]
struct Product {
    id: String,
}

impl Variant {
    fn priced(&self, currency: Currency) -> Option<Priced> {
        Some(Priced {
            sku: self.sku.as_deref()?.parse().ok()?,
            store: InStore::Kept,
            price: Some(seen(self.price, self.compare_at_price)),
            currency: Some(currency),
            item: Some(format!("{} {}", self.product.id, self.id)),
        })
    }
}

/// The prices of a product's variants, each with its place among all that are to be written.
struct OfProduct<'a> {
    product: &'a str,
    places: Vec<usize>,
    variants: Vec<Set<'a>>,
}

/// A price. What it is compared to is always said: `null` takes it away.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Set<'a> {
    id: &'a str,
    price: Amount,
    compare_at_price: Option<Amount>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Variable<'a> {
    Product(&'a str),
    Variants(&'a [Set<'a>]),
}

/// What became of the mutations, by their names.
type Outcome = BTreeMap<String, Option<Changed>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    #[serde(default)]
    product_variants: Option<Vec<Now>>,
    user_errors: Vec<UserError>,
}

/// A variant as it is then.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Now {
    id: String,
    price: Amount,
    #[serde(default)]
    compare_at_price: Option<Amount>,
}

impl Changed {
    /// What became of the variant at a place.
    fn of(&self, at: usize, set: &Set<'_>, shop: &str) -> Result<Price, NotSet> {
        let own = self.user_errors.iter().find(|error| error.place("variants") == Some(at));
        let refusal = own.or_else(|| self.user_errors.iter().find(|error| error.place("variants").is_none()));
        if let Some(error) = refusal {
            let words = format!("{shop} refused the price ({}): was the product deleted there?", error.code());
            return Err(NotSet::Refused(Error::new(Kind::Refused, words)));
        }
        let now = self.product_variants.iter().flatten().find(|now| now.id == set.id);
        now.map(|now| seen(now.price, now.compare_at_price)).ok_or_else(|| untold(shop))
    }
}

/// It may have been taken, or not.
fn untold(shop: &str) -> NotSet {
    let words = format!("{shop}: its answer does not say what became of a price");
    NotSet::Unknown(Error::new(Kind::Unreadable, words))
}

/// What becomes of those that the shop was not asked to take, after a call that it did not take.
fn not_asked(before: &NotSet) -> NotSet {
    match before {
        NotSet::Refused(error) | NotSet::NotNow(error) | NotSet::Unknown(error) => NotSet::NotNow(error.clone()),
        NotSet::Stale => NotSet::Stale,
    }
}

impl Shopify {
    /// What these articles cost in the shop.
    pub(super) async fn prices_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Priced>> {
        let search = Search { query: FIND, at: None, scopes: SCOPES };
        self.search(calls, skus, &search, |Found { shop, product_variants: page }| {
            let unknown = || Error::new(Kind::Unreadable, "the shop's currency is none of ISO 4217");
            let currency = Currency::from_code(&shop.currency_code).ok_or_else(unknown)?;
            Ok((page.nodes.iter().filter_map(|variant| variant.priced(currency)).collect(), page.page_info))
        })
        .await
    }

    /// Writes prices, those of several products in each call.
    pub(super) async fn write_prices(&self, calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        // What is no variant of this connector's is read again.
        let mut answers: Vec<Result<Price, NotSet>> = prices.iter().map(|_| Err(NotSet::Stale)).collect();
        let mut failed: Option<NotSet> = None;
        for together in by_product(prices).chunks(TOGETHER) {
            let outcome = match &failed {
                // A shop that did not take a call, or did not answer it, is not called again at once.
                Some(before) => Err(not_asked(before)),
                None => self.update(calls, together).await,
            };
            for (number, of) in together.iter().enumerate() {
                for (at, (place, set)) in of.places.iter().zip(&of.variants).enumerate() {
                    let own = match &outcome {
                        Ok(outcome) => match outcome.get(&name(number)) {
                            Some(Some(changed)) => changed.of(at, set, &self.shop),
                            Some(None) | None => Err(untold(&self.shop)),
                        },
                        Err(not_set) => Err(not_set.clone()),
                    };
                    if let Some(answer) = answers.get_mut(*place) {
                        *answer = own;
                    }
                }
            }
            failed = outcome.err();
        }
        answers
    }

    /// One call, with a mutation for each of these products.
    async fn update(&self, calls: &Calls<'_>, together: &[OfProduct<'_>]) -> Result<Outcome, NotSet> {
        let (mut declared, mut mutations, mut variables) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (number, of) in together.iter().enumerate() {
            declared.push(format!("$product{number}: ID!, $variants{number}: [ProductVariantsBulkInput!]!"));
            mutations.push(format!(
                "{}: productVariantsBulkUpdate(productId: $product{number}, variants: $variants{number}, allowPartialUpdates: true) {{ \
                 productVariants {{ id price compareAtPrice }} userErrors {{ code field }} }}",
                name(number)
            ));
            variables.insert(format!("product{number}"), Variable::Product(of.product));
            variables.insert(format!("variants{number}"), Variable::Variants(&of.variants));
        }
        let query = format!("mutation({}) {{ {} }}", declared.join(", "), mutations.join(" "));
        let question = Question { query: &query, variables, scopes: SCOPES };
        let answer = self.graphql(calls, &question).await.map_err(NotSet::unanswered)?;
        self.data(answer, &question).map_err(NotSet::answered)
    }
}

/// What the mutation for a product is called in its call.
fn name(number: usize) -> String {
    format!("of{number}")
}

fn by_product(prices: &[NewPrice]) -> Vec<OfProduct<'_>> {
    let mut products: BTreeMap<&str, OfProduct<'_>> = BTreeMap::new();
    for (place, new) in prices.iter().enumerate() {
        let Some((product, id)) = new.item.split_once(' ') else { continue };
        let of = OfProduct { product, places: Vec::new(), variants: Vec::new() };
        let of = products.entry(product).or_insert(of);
        of.places.push(place);
        of.variants.push(Set { id, price: new.to.amount, compare_at_price: new.to.compare_at });
    }
    products.into_values().collect()
}
