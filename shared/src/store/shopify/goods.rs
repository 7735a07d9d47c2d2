//! Stock: inventory items found by their SKU, and `on_hand` at one location, through the GraphQL Admin API.
//!
//! `on_hand` is gross: available, committed and unavailable together, of which Shopify itself moves the parts. It is written on the
//! condition that it is what it was believed to be, and under an idempotency key; a mutation takes all of its numbers or none.
//! <https://shopify.dev/docs/api/admin-graphql/latest/mutations/inventorySetQuantities>

use serde::{Deserialize, Serialize};

use super::{
    super::goods::{NewStock, NotSet, Stocked},
    config::Shopify,
    graphql::{Page, Question, UserError, plain},
    search::Search,
};
use crate::{
    Error, Kind, Result,
    domain::goods::{InStore, Sku},
    outbound::Calls,
};

/// The scopes that all of it needs.
const SCOPES: &str = "read_inventory and write_inventory, and read_products";

/// What is asked of articles where the configuration names no location: the first two are enough to tell whether there is only one.
const ANYWHERE: &str = "query($find: String!, $after: String) { inventoryItems(first: 100, after: $after, query: $find) { nodes { id sku \
                        tracked inventoryLevels(first: 2) { nodes { location { id } quantities(names: [\"on_hand\"]) { quantity } } } } \
                        pageInfo { hasNextPage endCursor } } }";

/// The same at the location that it names.
const THERE: &str = "query($find: String!, $after: String, $at: ID!) { inventoryItems(first: 100, after: $after, query: $find) { nodes { \
                     id sku tracked inventoryLevel(locationId: $at) { location { id } quantities(names: [\"on_hand\"]) { quantity } } } \
                     pageInfo { hasNextPage endCursor } } }";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items {
    inventory_items: Page<Item>,
}

#[derive(Default, Deserialize)]
struct Levels {
    nodes: Vec<Level>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    #[serde(default)]
    sku: Option<String>,
    #[serde(default)]
    tracked: bool,
    #[serde(default)]
    inventory_levels: Levels,
    #[serde(default)]
    inventory_level: Option<Level>,
}

#[derive(Deserialize)]
struct Level {
    location: Located,
    quantities: Vec<Quantity>,
}

#[derive(Deserialize)]
struct Located {
    id: String,
}

#[derive(Deserialize)]
struct Quantity {
    quantity: i64,
}

impl Item {
    /// Its number at the location that was asked about, or at the only one that it is at.
    fn stocked(&self) -> Option<Stocked> {
        let sku: Sku = self.sku.as_deref()?.parse().ok()?;
        if !self.tracked {
            return Some(Stocked::none(sku, InStore::NotKept));
        }
        let mut levels = self.inventory_level.iter().chain(&self.inventory_levels.nodes);
        Some(match (levels.next(), levels.next()) {
            (None, _) => Stocked::none(sku, InStore::NotKept),
            (Some(level), None) => Stocked {
                sku,
                store: InStore::Kept,
                number: level.quantities.first().map(|quantity| quantity.quantity),
                item: Some(format!("{} {}", self.id, level.location.id)),
            },
            // At which of several locations the shop's goods lie is the configuration's to say.
            (Some(_), Some(_)) => Stocked::none(sku, InStore::Ambiguous),
        })
    }
}

#[derive(Serialize)]
struct Written {
    input: Input,
}

#[derive(Serialize)]
struct Input {
    name: &'static str,
    reason: &'static str,
    quantities: Vec<Set>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    inventory_item_id: String,
    location_id: String,
    quantity: i64,
    change_from_quantity: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    inventory_set_quantities: Option<Changed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    #[serde(default)]
    user_errors: Vec<UserError>,
}

/// Why the number was not taken that an error is about.
fn not_set(error: &UserError, shop: &str) -> NotSet {
    let code = error.code();
    if code.contains("STALE") {
        return NotSet::Stale;
    }
    let words = format!("{shop} refused the number ({code}): was the product deleted there?");
    NotSet::Refused(Error::new(Kind::Refused, words))
}

impl Shopify {
    /// What the shop has of these articles at its location.
    pub(super) async fn stock_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        let query = if self.location.is_some() { THERE } else { ANYWHERE };
        let search = Search { query, at: self.location.as_deref(), scopes: SCOPES };
        self.search(calls, skus, &search, |Items { inventory_items: page }| {
            Ok((page.nodes.iter().filter_map(Item::stocked).collect(), page.page_info))
        })
        .await
    }

    /// Writes numbers in one mutation.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        // What is no item of this connector's is read again.
        let mut answers: Vec<Result<i64, NotSet>> = stock.iter().map(|_| Err(NotSet::Stale)).collect();
        let set = |(place, new): (usize, &'_ NewStock)| {
            let (inventory_item_id, location_id) = new.item.split_once(' ')?;
            let item = Set {
                inventory_item_id: inventory_item_id.to_owned(),
                location_id: location_id.to_owned(),
                quantity: new.to,
                change_from_quantity: new.from,
            };
            Some((place, item))
        };
        let (places, quantities): (Vec<usize>, Vec<Set>) = stock.iter().enumerate().filter_map(set).unzip();
        let Some(key) = places.first().and_then(|place| stock.get(*place)).map(|new| new.attempt.as_str()) else {
            return answers;
        };
        let numbers: Vec<i64> = quantities.iter().map(|set| set.quantity).collect();
        let outcome = self.mutate(calls, quantities, key).await;
        for (at, (place, number)) in places.into_iter().zip(numbers).enumerate() {
            let own = match &outcome {
                Ok(errors) if errors.is_empty() => Ok(number),
                // None was taken: those that are not to blame go again at once, without the others.
                Ok(errors) => {
                    let own = errors.iter().find(|error| error.place("quantities") == Some(at));
                    let own = own.or_else(|| errors.iter().find(|error| error.place("quantities").is_none()));
                    Err(own.map_or(NotSet::Stale, |error| not_set(error, &self.shop)))
                }
                Err(not_set) => Err(not_set.clone()),
            };
            if let Some(answer) = answers.get_mut(place) {
                *answer = own;
            }
        }
        answers
    }

    /// What was wrong; nothing: all of the numbers were taken.
    async fn mutate(&self, calls: &Calls<'_>, quantities: Vec<Set>, key: &str) -> Result<Vec<UserError>, NotSet> {
        let query = format!(
            "mutation($input: InventorySetQuantitiesInput!) {{ inventorySetQuantities(input: $input) @idempotent(key: \"{}\") {{ \
             userErrors {{ code field }} }} }}",
            plain(key)
        );
        let input = Input { name: "on_hand", reason: "correction", quantities };
        let question = Question { query: &query, variables: Written { input }, scopes: SCOPES };
        let answer = self.graphql(calls, &question).await.map_err(NotSet::unanswered)?;
        let outcome: Outcome = self.data(answer, &question).map_err(NotSet::answered)?;
        let changed = outcome.inventory_set_quantities.ok_or_else(|| {
            let words = format!("{}: its answer does not say what became of the numbers", self.shop);
            NotSet::Unknown(Error::new(Kind::Unreadable, words))
        })?;
        Ok(changed.user_errors)
    }
}
