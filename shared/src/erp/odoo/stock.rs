//! What is available in Odoo: on hand in the warehouses, less all that is to leave them (`qty_available` − `outgoing_qty`).
//!
//! Both come from one call, which Odoo answers from one snapshot of its database. Not `virtual_available`, which counts purchases on their
//! way; not `free_qty`, which leaves out only what is reserved, and of what is not there nothing is.
//!
//! What changed is known by moves, of which an inventory makes some too. An article is told by its code, so that two of one code are seen
//! whichever of them changed; pages go by the code for the same reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Odoo,
    config::State,
    domain,
    find::{at, moment},
    resolve,
    wire::{Arguments, Exact, Link, Maybe, raw},
};
use crate::{
    Error, Kind,
    domain::{
        document::Document,
        goods::{Place, Sku},
    },
    erp::{
        SendError,
        booking::Memory,
        repeatable,
        stock::{Mark, Moved, Stock, StockAsk, StockPage, Units},
    },
    outbound::Calls,
};

/// Articles in a page of all of them.
const PAGE: usize = 1000;
/// The most moves since the last question that are looked at; where there are more, everything is asked for.
const MOST_MOVES: usize = 5000;

#[async_trait]
impl Stock for Odoo {
    /// Confirming a sales order makes its delivery, in the same transaction.
    fn reflects(&self) -> bool {
        self.settings.state == State::Confirmed
    }

    async fn page(&self, calls: &Calls<'_>, ask: &StockAsk<'_>) -> Result<StockPage, SendError> {
        // A warehouse that was renamed is known from the next count of everything on.
        let counting = ask.page.is_none() && ask.since.is_none();
        let warehouses = self.warehouses(calls, ask.place, counting).await?;
        if let Some(page) = ask.page {
            return self.all(calls, &warehouses, Some(page)).await;
        }
        // What is no mark of ours is as good as none.
        let changed = match ask.since.and_then(Mark::read) {
            Some(mark) => self.moved(calls, &mark).await?,
            None => None,
        };
        let Some((changed, mark)) = changed else {
            let mark = self.latest(calls).await?;
            return Ok(StockPage { mark: Some(mark.to_string()), ..self.all(calls, &warehouses, None).await? });
        };
        let mark = Some(mark.to_string());
        let mut codes: BTreeSet<String> = ask.skus.iter().map(Sku::to_string).collect();
        if !changed.is_empty() {
            codes.extend(self.codes(calls, &changed).await?);
        }
        if codes.is_empty() {
            return Ok(StockPage { mark, ..StockPage::default() });
        }
        let named = domain![("default_code", "in", &codes)];
        let articles = self.articles(calls, &warehouses, raw(&named), None).await?;
        Ok(StockPage { mark, ..available(articles) })
    }

    async fn reflected(&self, calls: &Calls<'_>, sales: &[Document]) -> Result<Vec<String>, SendError> {
        #[derive(Deserialize)]
        struct Sale {
            id: i64,
        }
        let ids: Vec<i64> = sales.iter().filter_map(|sale| sale.id.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // `done` is a locked one, before Odoo 17.
        let confirmed = domain![("id", "in", ids), ("state", "in", ["sale", "done"])];
        let found: Vec<Sale> = self.server.search(calls, "sale.order", &confirmed, &["state"]).await?;
        Ok(found.into_iter().map(|sale| sale.id.to_string()).collect())
    }
}

/// An article.
#[derive(Deserialize)]
struct Article {
    #[serde(default)]
    default_code: Maybe<String>,
    qty_available: Units,
    outgoing_qty: Units,
    /// From 18 on.
    #[serde(default)]
    is_storable: Option<bool>,
    #[serde(default)]
    r#type: Maybe<String>,
}

impl Article {
    fn is_stored(&self) -> bool {
        self.is_storable.unwrap_or_else(|| self.r#type.0.as_deref() == Some("product"))
    }
}

/// A move, and when it was made or last written: to the second, so that what else may change of it is read too.
#[derive(Deserialize)]
struct StampedMove {
    id: i64,
    #[serde(default)]
    product_id: Maybe<Link>,
    #[serde(default)]
    write_date: Maybe<String>,
    #[serde(default)]
    state: Maybe<String>,
    #[serde(default)]
    product_uom_qty: Option<Exact>,
}

impl StampedMove {
    const FIELDS: [&str; 4] = ["product_id", "write_date", "state", "product_uom_qty"];

    fn at(&self) -> Option<Timestamp> {
        at(self.write_date.0.as_deref()?)
    }

    fn moved(&self) -> Option<Moved> {
        let state = self.state.0.as_deref().unwrap_or_default();
        let quantity = self.product_uom_qty.map(|quantity| quantity.0.normalize().to_string()).unwrap_or_default();
        let product = self.product_id.0.as_ref()?.0;
        Some(Moved { at: self.at(), id: self.id, as_it_is: format!("{state} {quantity}"), product })
    }
}

impl Odoo {
    /// The ids of the warehouses of a place; none, where it is all of the company's.
    async fn warehouses(&self, calls: &Calls<'_>, place: &Place, afresh: bool) -> Result<Vec<i64>, SendError> {
        #[derive(Deserialize)]
        struct Warehouse {
            id: i64,
            name: String,
        }
        let named: Vec<&str> = place.warehouses().collect();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let memory = Memory { of: resolve::NAME, ids: calls.ids, afresh };
        let key = place.to_string();
        let found = memory
            .known_or("stock.warehouses", BTreeSet::from([key.clone()]), async |_| {
                let ours = domain![("name", "in", &named), ("company_id", "=", self.settings.company)];
                let found: Vec<Warehouse> = self.server.search(calls, "stock.warehouse", &ours, &["name"]).await?;
                for name in &named {
                    match found.iter().filter(|warehouse| warehouse.name == *name).count() {
                        1 => {}
                        0 => {
                            let text = format!(
                                "Odoo has no active warehouse named {name:?} in the company: check `warehouses`"
                            );
                            return Err(account(text));
                        }
                        several => {
                            let text = format!("Odoo has {several} warehouses named {name:?}: give each its own name");
                            return Err(account(text));
                        }
                    }
                }
                let ids: Vec<i64> = found.iter().map(|warehouse| warehouse.id).collect();
                Ok(HashMap::from([(key.clone(), ids)]))
            })
            .await?;
        Ok(found.get(&key).cloned().unwrap_or_default())
    }

    /// The stamp of the latest move, where the next question begins.
    async fn latest(&self, calls: &Calls<'_>) -> Result<Mark, SendError> {
        let found = self.moves(calls, &domain![self.ours()], ("write_date desc", 1)).await?;
        // Where nothing ever moved, everything is still to come.
        Ok(Mark::from(found.first().and_then(StampedMove::at)))
    }

    /// The articles of moves made or written since, and the next mark; `None`: too many to look at.
    async fn moved(&self, calls: &Calls<'_>, since: &Mark) -> Result<Option<(BTreeSet<i64>, Mark)>, SendError> {
        let written = domain![self.ours(), ("write_date", ">=", moment(since.begins()))];
        let found = self.moves(calls, &written, ("id desc", MOST_MOVES)).await?;
        if found.len() >= MOST_MOVES {
            return Ok(None);
        }
        Ok(Some(since.next(&found.iter().filter_map(StampedMove::moved).collect::<Vec<_>>())))
    }

    fn ours(&self) -> Box<RawValue> {
        raw(&("company_id", "=", self.settings.company))
    }

    async fn moves(
        &self,
        calls: &Calls<'_>,
        domain: &[Box<RawValue>],
        (order, most): (&str, usize),
    ) -> Result<Vec<StampedMove>, SendError> {
        let arguments = Arguments::new()
            .with("domain", domain)
            .with("fields", StampedMove::FIELDS)
            .with("order", order)
            .with("limit", most);
        self.server.read(calls, "stock.move", "search_read", arguments).await
    }

    /// The codes of articles that are sold.
    async fn codes(&self, calls: &Calls<'_>, products: &BTreeSet<i64>) -> Result<Vec<String>, SendError> {
        #[derive(Deserialize)]
        struct Coded {
            #[serde(default)]
            default_code: Maybe<String>,
        }
        let sold = domain![("id", "in", products), ("sale_ok", "=", true), ("default_code", "!=", false)];
        let found: Vec<Coded> = self.server.search(calls, "product.product", &sold, &["default_code"]).await?;
        Ok(found.into_iter().filter_map(|coded| coded.default_code.0).filter(|code| !code.is_empty()).collect())
    }

    /// A page of all articles that are sold and stored, after a code. Those of the last code of a full page are the next one's: two of
    /// one code are never apart.
    async fn all(&self, calls: &Calls<'_>, warehouses: &[i64], after: Option<&str>) -> Result<StockPage, SendError> {
        let edition = self.server.edition(calls).await?;
        let stored =
            if edition.has_storable() { raw(&("is_storable", "=", true)) } else { raw(&("type", "=", "product")) };
        let mut domain = domain![("sale_ok", "=", true), ("default_code", "!=", false), stored].to_vec();
        if let Some(after) = after {
            domain.push(raw(&("default_code", ">", after)));
        }
        let mut articles = self.articles(calls, warehouses, raw(&domain), Some(PAGE)).await?;
        let code = |article: &Article| article.default_code.0.clone();
        let mut next = None;
        if articles.len() >= PAGE {
            let last = articles.last().and_then(code);
            if articles.first().and_then(code) != last {
                articles.retain(|article| code(article) != last);
            }
            next = articles.last().and_then(code);
        }
        Ok(StockPage { next, ..available(articles) })
    }

    async fn articles(
        &self,
        calls: &Calls<'_>,
        warehouses: &[i64],
        domain: Box<RawValue>,
        most: Option<usize>,
    ) -> Result<Vec<Article>, SendError> {
        let edition = self.server.edition(calls).await?;
        let kind = if edition.has_storable() { "is_storable" } else { "type" };
        let mut arguments = Arguments::new()
            .with("domain", domain)
            .with("fields", ["default_code", "qty_available", "outgoing_qty", kind])
            .with("order", "default_code, id");
        if let Some(most) = most {
            arguments = arguments.with("limit", most);
        }
        if !warehouses.is_empty() {
            // From 18 on it is the first that counts, before the second; each ignores the other's.
            arguments = arguments.in_context("warehouse_id", warehouses).in_context("warehouse", warehouses);
        }
        self.server.read(calls, "product.product", "search_read", arguments).await
    }
}

/// On hand, less what is to leave. What is no article to keep in stock is left out.
fn available(articles: Vec<Article>) -> StockPage {
    let mut page = StockPage::default();
    let mut by_code: BTreeMap<String, Vec<Article>> = BTreeMap::new();
    for article in articles {
        if let Some(code) = article.default_code.0.clone().filter(|code| !code.is_empty()) {
            by_code.entry(code).or_default().push(article);
        }
    }
    for (code, articles) in by_code {
        let [article] = articles.as_slice() else {
            let why = format!("{} active products of Odoo have this internal reference", articles.len());
            page.unread.push((repeatable(&code), why));
            continue;
        };
        if !article.is_stored() {
            continue;
        }
        match article.qty_available.0.zip(article.outgoing_qty.0) {
            Some((there, outgoing)) => page.add(&code, there - outgoing),
            None => page.unread.push((repeatable(&code), "Odoo's quantity is no number to calculate with".to_owned())),
        }
    }
    page
}

fn account(text: String) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

#[cfg(test)]
mod tests;
