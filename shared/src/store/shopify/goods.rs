//! Stock: inventory items found by their SKU, and `on_hand` at one location, through the GraphQL Admin API.
//!
//! `on_hand` is gross: available, committed and unavailable together, of which Shopify itself moves the parts. It is written on the
//! condition that it is what it was believed to be, and under an idempotency key; a mutation takes all of its numbers or none.
//! <https://shopify.dev/docs/api/admin-graphql/latest/mutations/inventorySetQuantities>

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        answer,
        goods::{NewStock, NotSet, Stocked, in_order},
        parse::{list, parse},
    },
    config::Shopify,
};
use crate::{
    Error, Kind, Result,
    domain::goods::{InStore, Sku},
    outbound::{Answer, Calls},
};

/// What is asked of articles, by a search for their codes.
const ITEMS: &str = "query($find: String!) { inventoryItems(first: 250, query: $find) { nodes { id sku tracked \
                     inventoryLevels(first: 20) { nodes { location { id } quantities(names: [\"on_hand\"]) { quantity } } } } } }";

/// So many articles in one question: its cost grows with what it may bring.
const ASKED: usize = 40;

#[derive(Serialize)]
struct Question<'a, V: Serialize> {
    query: &'a str,
    variables: V,
}

#[derive(Deserialize)]
struct Reply<D> {
    data: Option<D>,
    #[serde(default, deserialize_with = "list")]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items {
    inventory_items: Nodes<Item>,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    #[serde(default)]
    sku: Option<String>,
    #[serde(default)]
    tracked: bool,
    inventory_levels: Nodes<Level>,
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
    /// Its number at `location`; without one, at the only location that it is at.
    fn stocked(&self, location: Option<&str>) -> Option<Stocked> {
        let sku: Sku = self.sku.as_deref()?.parse().ok()?;
        if !self.tracked {
            return Some(Stocked::none(sku, InStore::NotKept));
        }
        let at = |level: &&Level| location.is_none_or(|location| is_location(&level.location.id, location));
        let mut levels = self.inventory_levels.nodes.iter().filter(at);
        Some(match (levels.next(), levels.next()) {
            (None, _) => Stocked::none(sku, InStore::NotKept),
            (Some(level), None) => Stocked {
                sku,
                store: InStore::Kept,
                number: level.quantities.first().map(|quantity| quantity.quantity),
                item: Some(format!("{} {}", self.id, level.location.id)),
            },
            (Some(_), Some(_)) => Stocked::none(sku, InStore::Ambiguous),
        })
    }
}

/// Whether a location is meant, by its id or the number in it.
fn is_location(id: &str, named: &str) -> bool {
    id == named || id.rsplit('/').next() == Some(named)
}

#[derive(Serialize)]
struct Find {
    find: String,
}

#[derive(Serialize)]
struct Written<'a> {
    input: Input<'a>,
}

#[derive(Serialize)]
struct Input<'a> {
    name: &'static str,
    reason: &'static str,
    quantities: Vec<Set<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Set<'a> {
    inventory_item_id: &'a str,
    location_id: &'a str,
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

#[derive(Deserialize)]
struct UserError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    field: Option<Vec<String>>,
}

impl UserError {
    /// Which number of the mutation it is about: `["input", "quantities", "3", …]`.
    fn place(&self) -> Option<usize> {
        let path = self.field.as_ref()?;
        let at = path.iter().position(|part| part == "quantities")?;
        path.get(at + 1)?.parse().ok()
    }

    fn not_set(&self, shop: &str) -> NotSet {
        let code = self.code.as_deref().unwrap_or("no code");
        if code.contains("STALE") {
            return NotSet::Stale;
        }
        let words = format!("{shop} refused the number ({}): was the product deleted there?", plain(code));
        NotSet::Refused(Error::new(Kind::Refused, words))
    }
}

/// A vendor's code, as it may be repeated.
fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect()
}

impl Shopify {
    /// What the shop has of these articles at its location.
    pub(super) async fn stock_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        let mut found = Vec::new();
        for some in skus.chunks(ASKED) {
            // The search is fuzzy about nothing in quotes but the quotes themselves.
            let terms: Vec<String> =
                some.iter().map(|sku| format!("sku:\"{}\"", sku.as_str().replace(['\\', '"'], ""))).collect();
            let question = Question { query: ITEMS, variables: Find { find: terms.join(" OR ") } };
            let answer = self.graphql(calls, &question).await?;
            let items: Items = self.data(&answer)?;
            found.extend(items.inventory_items.nodes.iter().filter_map(|item| item.stocked(self.location.as_deref())));
        }
        Ok(in_order(skus, &found))
    }

    /// Writes numbers in one mutation.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        match self.mutate(calls, stock).await {
            Ok(answers) => answers,
            Err(not_set) => stock.iter().map(|_| Err(not_set.clone())).collect(),
        }
    }

    async fn mutate(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Result<Vec<Result<i64, NotSet>>, NotSet> {
        let quantities = stock
            .iter()
            .filter_map(|new| {
                let (inventory_item_id, location_id) = new.item.split_once(' ')?;
                Some(Set { inventory_item_id, location_id, quantity: new.to, change_from_quantity: new.from })
            })
            .collect();
        let key = stock.first().map(|new| new.attempt.as_str().to_owned()).unwrap_or_default();
        let query = format!(
            "mutation($input: InventorySetQuantitiesInput!) {{ inventorySetQuantities(input: $input) @idempotent(key: \"{}\") {{ \
             userErrors {{ code field }} }} }}",
            plain(&key)
        );
        let input = Input { name: "on_hand", reason: "correction", quantities };
        let question = Question { query: &query, variables: Written { input } };
        let answer = self.graphql(calls, &question).await.map_err(NotSet::answered)?;
        let outcome: Outcome = self.data(&answer).map_err(NotSet::answered)?;
        let Some(changed) = outcome.inventory_set_quantities else {
            let words = format!("{}: its answer does not say what became of the numbers", self.shop);
            return Err(NotSet::Unknown(Error::new(Kind::Unreadable, words)));
        };
        if changed.user_errors.is_empty() {
            return Ok(stock.iter().map(|new| Ok(new.to)).collect());
        }
        // None was taken: those that are not to blame go again at once, without the others.
        let whole = changed.user_errors.iter().find(|error| error.place().is_none());
        Ok((0..stock.len())
            .map(|place| {
                let own = changed.user_errors.iter().find(|error| error.place() == Some(place)).or(whole);
                Err(own.map_or(NotSet::Stale, |error| error.not_set(&self.shop)))
            })
            .collect())
    }

    async fn graphql<V: Serialize>(&self, calls: &Calls<'_>, question: &Question<'_, V>) -> Result<Answer> {
        let mut call = self.call(&["graphql.json"], &[]);
        call.method = Method::POST;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(question)
            .map_err(|cause| Error::new(Kind::Bug, "a question cannot be written").caused_by(cause))?;
        call.body = Bytes::from(body);
        let answer = self.access.ask(calls, call, true).await?;
        answer::read(answer, &self.shop, self.access.credentials())?.ok_or_else(|| self.no_api())
    }

    /// The data of an answer. Errors come with status 200.
    fn data<D: for<'a> Deserialize<'a>>(&self, answer: &Answer) -> Result<D> {
        let unreadable =
            || Error::new(Kind::Unreadable, format!("{}: its answer is not what was asked for", self.shop));
        let reply: Reply<D> = parse(&answer.body).map_err(|_| unreadable())?;
        if let Some(fault) = reply.errors.first() {
            let code = fault.extensions.as_ref().and_then(|extensions| extensions.code.as_deref()).unwrap_or_default();
            return Err(match code {
                "THROTTLED" => Error::new(Kind::Limited, format!("{} asks to call less", self.shop)),
                "ACCESS_DENIED" => Error::new(
                    Kind::Config,
                    format!(
                        "{} refuses: the app needs the scopes read_inventory and write_inventory, and read_products",
                        self.shop
                    ),
                ),
                "INTERNAL_SERVER_ERROR" => Error::new(Kind::Unavailable, format!("{} is failing", self.shop)),
                code => {
                    let known = !fault.message.is_empty();
                    let words = format!("{} did not understand the question ({})", self.shop, plain(code));
                    Error::new(if known { Kind::Refused } else { Kind::Unavailable }, words)
                }
            });
        }
        reply.data.ok_or_else(unreadable)
    }
}
