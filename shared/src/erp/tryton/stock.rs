//! What is available in Tryton: on hand in the warehouses by now, less what is on its way to customers out of them.
//!
//! Invariant: what is answered is never more than there is. Open moves to customers are read before the quantities on hand: what is
//! shipped between the two calls is taken off twice, until the next question, where the other order would not take it off at all. Purchases on their way do not count, and
//! neither do moves that wait for them (`staging`).
//!
//! What changed is known by moves: an inventory makes some too. A draft move that is deleted leaves no trace; the daily count sees it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{
    State, Tryton, resolve,
    wire::{self, Article, Moment, OpenMove, SaleState, StampedMove, Warehouse, parameters},
};
use crate::{
    Error, Kind,
    domain::{
        document::Document,
        goods::{Place, Sku},
        money::Amount,
    },
    erp::{
        SendError,
        booking::Memory,
        repeatable,
        stock::{Mark, Moved, Stock, StockAsk, StockPage},
    },
    outbound::{Calls, Metered},
};

/// Articles in a page of all of them.
const PAGE: usize = 1000;
/// The most moves since the last question that are looked at; where there are more, everything is asked for.
const MOST_MOVES: usize = 10_000;
/// Open moves in one call.
const OPEN: usize = 10_000;

#[async_trait]
impl Stock for Tryton {
    /// Processing a sale makes its shipment. A confirmed one Tryton processes by itself, and nobody knows when.
    fn reflects(&self) -> bool {
        self.settings.state == State::Processing
    }

    async fn page(&self, calls: &Calls<'_>, ask: &StockAsk<'_>) -> Result<StockPage, SendError> {
        let counting = ask.page.is_none() && ask.since.is_none();
        if counting && self.reflects() {
            self.ships_by_itself(calls.http).await?;
        }
        // A warehouse that was renamed, or is new, is known from the next count of everything on.
        let warehouses = self.warehouses(calls, ask.place, counting).await?;
        if let Some(page) = ask.page {
            let after = page.parse().map_err(|_| unreadable(format!("{page:?} is no page of Tryton's stock")))?;
            return self.all(calls.http, &warehouses, after).await;
        }
        // What is no mark of ours is as good as none.
        let Some(mark) = ask.since.and_then(Mark::read) else {
            let mark = self.latest(calls.http).await?;
            return Ok(StockPage { mark: Some(mark.to_string()), ..self.all(calls.http, &warehouses, 0).await? });
        };
        let Some((changed, mark)) = self.moved(calls.http, &mark).await? else {
            // More than can be looked at: everything. The mark is older than the first byte of it.
            let mark = self.latest(calls.http).await?;
            return Ok(StockPage { mark: Some(mark.to_string()), ..self.all(calls.http, &warehouses, 0).await? });
        };
        let mark = Some(mark.to_string());
        if changed.is_empty() && ask.skus.is_empty() {
            return Ok(StockPage { mark, ..StockPage::default() });
        }
        Ok(StockPage { mark, ..self.some(calls.http, &warehouses, &changed, ask.skus).await? })
    }

    async fn reflected(&self, calls: &Calls<'_>, sales: &[Document]) -> Result<Vec<String>, SendError> {
        let ids: Vec<i64> = sales.iter().filter_map(|sale| sale.id.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let nothing: Option<i64> = None;
        let domain = parameters![("id", "in", ids), ("state", "in", ["processing", "done"])];
        let parameters = parameters![domain, 0, nothing, nothing, ["state", "shipment_method"]];
        let found: Vec<SaleState> = self.server.read(calls.http, "model.sale.sale.search_read", parameters).await?;
        // One that is shipped when it is paid, or by hand, has no moves yet although it is processed; a done one has nothing left to move.
        let shipped = |sale: &SaleState| sale.state == "done" || sale.shipment_method.as_deref() == Some(ON_ORDER);
        Ok(found.into_iter().filter(shipped).map(|sale| sale.id.to_string()).collect())
    }
}

/// The shipment method with which processing a sale makes its moves.
const ON_ORDER: &str = "order";

impl Tryton {
    /// Whether processing a sale lowers what is available, as [`Stock::reflects`] says it does.
    async fn ships_by_itself(&self, calls: &Metered) -> Result<(), SendError> {
        #[derive(serde::Deserialize)]
        struct Configuration {
            #[serde(default)]
            sale_shipment_method: Option<String>,
        }
        let asked = parameters![[1], ["sale_shipment_method"]];
        let read: Vec<Configuration> = self.server.read(calls, "model.sale.configuration.read", asked).await?;
        match read.first().and_then(|configuration| configuration.sale_shipment_method.as_deref()) {
            None | Some(ON_ORDER) => Ok(()),
            Some(other) => Err(account(format!(
                "Tryton ships sales {:?}, so that a processed one does not lower its stock: set the sales' shipment method to \"On Order\" \
                 there, or `state = \"confirmed\"` here",
                repeatable(other)
            ))),
        }
    }

    /// The ids of the warehouses of a place; all of them, where it names none.
    async fn warehouses(&self, calls: &Calls<'_>, place: &Place, afresh: bool) -> Result<Vec<i64>, SendError> {
        let memory = Memory { of: resolve::NAME, ids: calls.ids, afresh };
        let key = place.to_string();
        let found = memory
            .known_or("warehouses", BTreeSet::from([key.clone()]), async |_| {
                let nothing: Option<i64> = None;
                let named: Vec<&str> = place.warehouses().collect();
                let is_warehouse = ("type", "=", "warehouse");
                let domain = if named.is_empty() {
                    wire::raw(&parameters![is_warehouse])
                } else {
                    wire::raw(&parameters![is_warehouse, ("name", "in", &named)])
                };
                let parameters = parameters![domain, 0, nothing, nothing, ["name"]];
                let found: Vec<Warehouse> =
                    self.server.read(calls.http, "model.stock.location.search_read", parameters).await?;
                for name in &named {
                    match found.iter().filter(|warehouse| warehouse.name == *name).count() {
                        1 => {}
                        0 => {
                            return Err(account(format!(
                                "Tryton has no active warehouse named {name:?}: check `warehouses`"
                            )));
                        }
                        several => {
                            return Err(account(format!(
                                "Tryton has {several} warehouses named {name:?}: give each its own name"
                            )));
                        }
                    }
                }
                if found.is_empty() {
                    return Err(account("Tryton has no active warehouse".to_owned()));
                }
                let ids: Vec<i64> = found.iter().map(|warehouse| warehouse.id).collect();
                Ok(HashMap::from([(key.clone(), ids)]))
            })
            .await?;
        Ok(found.get(&key).cloned().unwrap_or_default())
    }

    /// The stamp of a move of late, where the next question can begin.
    async fn latest(&self, calls: &Metered) -> Result<Mark, SendError> {
        let domain = parameters![("company", "=", self.settings.company)];
        let parameters = parameters![domain, 0, 1, [("create_date", "DESC")], ["product", "_timestamp"]];
        let found: Vec<StampedMove> = self.server.read(calls, "model.stock.move.search_read", parameters).await?;
        // Where nothing ever moved, everything is still to come.
        Ok(Mark::from(found.first().and_then(StampedMove::at)))
    }

    /// The products of moves made or written since, and the next mark; `None`: too many to look at.
    async fn moved(&self, calls: &Metered, since: &Mark) -> Result<Option<(BTreeSet<i64>, Mark)>, SendError> {
        let from = Moment(since.begins());
        let written = parameters!["OR", ("write_date", ">=", from), ("create_date", ">=", from)];
        let domain = parameters![("company", "=", self.settings.company), wire::raw(&written)];
        let parameters = parameters![domain, 0, MOST_MOVES, [("id", "DESC")], ["product", "_timestamp"]];
        let moves: Vec<StampedMove> = self.server.read(calls, "model.stock.move.search_read", parameters).await?;
        if moves.len() >= MOST_MOVES {
            return Ok(None);
        }
        let moved = |of: &StampedMove| Moved { at: of.at(), id: of.id, as_it_is: String::new(), product: of.product };
        Ok(Some(since.next(&moves.iter().map(moved).collect::<Vec<_>>())))
    }

    /// A page of all articles that are sold, by their ids: one that is deleted meanwhile moves no other to another page.
    async fn all(&self, calls: &Metered, warehouses: &[i64], after: i64) -> Result<StockPage, SendError> {
        let open = self.open(calls, warehouses, parameters![("product.id", ">", after)].into()).await?;
        let domain = parameters![
            ("type", "=", "goods"),
            ("salable", "=", true),
            ("active", "=", true),
            ("code", "!=", ()),
            ("id", ">", after)
        ];
        let articles = self.articles(calls, warehouses, wire::raw(&domain), Some(PAGE)).await?;
        let next = articles.last().filter(|_| articles.len() >= PAGE).map(|last| last.id.to_string());
        Ok(StockPage { next, ..available(articles, &open) })
    }

    /// Those that changed, if they are sold, and those that are asked for.
    async fn some(
        &self,
        calls: &Metered,
        warehouses: &[i64],
        changed: &BTreeSet<i64>,
        skus: &[Sku],
    ) -> Result<StockPage, SendError> {
        let codes: Vec<&str> = skus.iter().map(Sku::as_str).collect();
        let of_products = parameters!["OR", ("product", "in", changed), ("product.code", "in", &codes)];
        let open = self.open(calls, warehouses, vec![wire::raw(&of_products)]).await?;
        let sold = parameters![("id", "in", changed), ("salable", "=", true), ("code", "!=", ())];
        let either = parameters!["OR", sold, ("code", "in", &codes)];
        let domain = parameters![("type", "=", "goods"), ("active", "=", true), wire::raw(&either)];
        let articles = self.articles(calls, warehouses, wire::raw(&domain), None).await?;
        Ok(available(articles, &open))
    }

    /// What is on its way to customers, by product.
    async fn open(&self, calls: &Metered, warehouses: &[i64], of: Vec<Box<RawValue>>) -> Result<Promised, SendError> {
        let mut promised = Promised::default();
        let mut after = 0;
        loop {
            let mut domain = parameters![
                ("company", "=", self.settings.company),
                ("to_location.type", "=", "customer"),
                ("from_location", "child_of", warehouses, "parent"),
                ("state", "in", ["draft", "assigned"]),
                ("id", ">", after)
            ]
            .to_vec();
            domain.extend(of.iter().cloned());
            let parameters = parameters![domain, 0, OPEN, [("id", "ASC")], ["product", "internal_quantity"]];
            let moves: Vec<OpenMove> = self.server.read(calls, "model.stock.move.search_read", parameters).await?;
            for open in &moves {
                after = open.id;
                let of = promised.entry(open.product).or_insert(Some(Amount::ZERO));
                *of = of.zip(open.internal_quantity.0).map(|(sum, more)| sum + more);
            }
            if moves.len() < OPEN {
                return Ok(promised);
            }
        }
    }

    async fn articles(
        &self,
        calls: &Metered,
        warehouses: &[i64],
        domain: Box<RawValue>,
        most: Option<usize>,
    ) -> Result<Vec<Article>, SendError> {
        let fields = ["code", "quantity", "default_uom", "sale_uom"];
        let parameters = parameters![domain, 0, most, [("id", "ASC")], fields];
        self.server.read_within(calls, "model.product.product.search_read", parameters, warehouses).await
    }
}

/// What is on its way to customers, by product; `None`: it cannot be calculated with.
type Promised = HashMap<i64, Option<Amount>>;

/// On hand, less what is promised.
fn available(articles: Vec<Article>, open: &Promised) -> StockPage {
    let mut page = StockPage::default();
    let mut by_code: BTreeMap<String, Vec<Article>> = BTreeMap::new();
    for article in articles {
        if let Some(code) = article.code.clone().filter(|code| !code.is_empty()) {
            by_code.entry(code).or_default().push(article);
        }
    }
    for (code, articles) in by_code {
        let told = repeatable(&code);
        let [article] = articles.as_slice() else {
            page.unread.push((told, format!("{} active products of Tryton have this code", articles.len())));
            continue;
        };
        if article.sale_uom != article.default_uom {
            let why = "it is stocked in one unit and sold in another: the number would be of the wrong one";
            page.unread.push((told, why.to_owned()));
            continue;
        }
        let promised = open.get(&article.id).copied().unwrap_or(Some(Amount::ZERO));
        let left = article.quantity.0.zip(promised).map(|(there, promised)| there - promised);
        match left {
            Some(left) => page.add(&code, left),
            None => page.unread.push((told, "Tryton's quantity is no number to calculate with".to_owned())),
        }
    }
    page
}

fn account(text: String) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

fn unreadable(what: String) -> SendError {
    SendError::NotNow(Error::new(Kind::Unreadable, what))
}

#[cfg(test)]
mod tests;
