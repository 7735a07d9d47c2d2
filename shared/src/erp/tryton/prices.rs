//! What articles cost in Tryton: as a sale of one unit would be priced, in the unit that the article is sold in, as orders are booked.
//!
//! The price is Tryton's own (`sale_price_uom`), computed by its list where one is named: a page of articles is one call. Without a list
//! it is the list price, which is without tax; a list says itself whether its prices contain tax.
//!
//! What changed is known by the stamps of articles, templates, their prices and accounting categories; of a list by a print of its
//! lines and of which of them apply by now, since one that is deleted leaves no stamp. A list that changed is asked for as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use iso_currency::Currency;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Tryton, resolve,
    wire::{self, ByList, Date, Moment, PriceList, PricedArticle, PricedCompany, StampedArticle, parameters},
};
use crate::{
    Error, Kind,
    domain::price::Quote,
    erp::{
        SendError,
        booking::Memory,
        prices::{self, NAMED, PriceAsk, PricePage, Prices, Seen},
        repeatable,
        stock::{Mark, Moved},
    },
    outbound::{Calls, Metered},
};

/// Articles in a page.
const PAGE: usize = 1000;
/// The most articles written since the last question that are looked at; where there are more, everything is asked for.
const MOST_CHANGED: usize = 10_000;

#[async_trait]
impl Prices for Tryton {
    async fn page(&self, calls: &Calls<'_>, ask: &PriceAsk<'_>) -> Result<PricePage, SendError> {
        // What the company or the modules are by now is known from the next question for everything on.
        let known = self.known(calls, ask.page.is_none() && ask.since.is_none()).await?;
        let terms = self.terms(calls.http, &known, ask).await?;
        if let Some(page) = ask.page {
            let after = page.parse().map_err(|_| unreadable(format!("{page:?} is no page of Tryton's prices")))?;
            return self.all_prices(calls.http, &terms, after).await;
        }
        // What is no mark of ours is as good as none, and so is one of another list, or of the list as it was.
        let seen = ask.since.and_then(Seen::read).filter(|seen| seen.list == terms.print);
        let changed = match seen {
            Some(seen) => self.repriced(calls.http, &terms, &seen.articles).await?,
            None => None,
        };
        let Some((codes, articles)) = changed else {
            let mark = Seen { list: terms.print, articles: self.last_priced(calls.http, &terms).await? };
            return Ok(PricePage { mark: Some(mark.to_string()), ..self.all_prices(calls.http, &terms, 0).await? });
        };
        let mark = Some(Seen { list: terms.print, articles }.to_string());
        if codes.is_empty() {
            return Ok(PricePage { mark, changes_at: terms.changes_at, ..PricePage::default() });
        }
        // By their codes: two of one code are seen, whichever of them changed.
        let domain = sold([wire::raw(&("code", "in", &codes))]);
        let articles = self.sold_at(calls.http, &terms, domain, None).await?;
        Ok(PricePage { mark, ..terms.priced(articles) })
    }
}

/// What is remembered of a Tryton.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    currency: String,
    zone: Option<String>,
    /// Whether sales are priced by lists: `sale_price_list`.
    lists: bool,
    /// Whether lines of lists have dates: `product_price_list_dates`.
    dates: bool,
}

/// How prices are asked for, and read.
struct Terms {
    currency: Currency,
    list: Option<ByList>,
    taxed: bool,
    /// Of the list as it applies.
    print: u64,
    changes_at: Option<Timestamp>,
}

impl Tryton {
    /// The company's currency and time zone, and which modules for price lists are active.
    async fn known(&self, calls: &Calls<'_>, afresh: bool) -> Result<Known, SendError> {
        #[derive(Deserialize)]
        struct Module {
            name: String,
        }
        let memory = Memory { of: resolve::NAME, ids: calls.ids, afresh };
        let key = self.settings.company.to_string();
        let mut found = memory
            .known_or("prices", BTreeSet::from([key.clone()]), async |_| {
                let nothing: Option<i64> = None;
                let ours = parameters![("id", "=", self.settings.company)];
                let asked = parameters![ours, 0, nothing, nothing, ["currency.code", "timezone"]];
                let companies: Vec<PricedCompany> =
                    self.server.read(calls.http, "model.company.company.search_read", asked).await?;
                let Some(company) = companies.into_iter().next() else {
                    return Err(account(format!("Tryton has no company {}: check `company`", self.settings.company)));
                };
                let active = parameters![("name", "in", [LISTS, DATES]), ("state", "=", "activated")];
                let asked = parameters![active, 0, nothing, nothing, ["name"]];
                let modules: Vec<Module> = self.server.read(calls.http, "model.ir.module.search_read", asked).await?;
                let has = |name: &str| modules.iter().any(|module| module.name == name);
                let (lists, dates) = (has(LISTS), has(DATES));
                let known = Known { currency: company.currency.code, zone: company.timezone, lists, dates };
                Ok(HashMap::from([(key.clone(), known)]))
            })
            .await?;
        found.remove(&key).ok_or_else(|| account("Tryton has no company".to_owned()))
    }

    /// How prices are asked for by the list, or without one.
    async fn terms(&self, calls: &Metered, known: &Known, ask: &PriceAsk<'_>) -> Result<Terms, SendError> {
        let currency = Currency::from_code(&known.currency).ok_or_else(|| {
            account(format!("the currency {:?} of Tryton's company is none of ISO 4217", repeatable(&known.currency)))
        })?;
        let Some(name) = ask.list else {
            return Ok(Terms { currency, list: None, taxed: false, print: 0, changes_at: None });
        };
        if !known.lists {
            return Err(account(format!(
                "Tryton prices no sales by lists: activate its module {LISTS}, or leave out the list {name:?}"
            )));
        }
        let list = self.list(calls, name, known.dates).await?;
        // Where the company has no time zone, Tryton's days are its server's.
        let zone = known.zone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let day = known.dates.then(|| Date(zone.to_datetime(ask.at).date()));
        let spans: Vec<_> = list.lines.iter().map(|line| (line, line.span(&zone))).collect();
        let applies = |[from, until]: &[Option<Timestamp>; 2]| {
            from.is_none_or(|from| from <= ask.at) && until.is_none_or(|until| ask.at < until)
        };
        let lines: Vec<_> = spans.iter().map(|(line, span)| (line.id, &line.stamp, applies(span))).collect();
        Ok(Terms {
            currency,
            list: Some(ByList { price_list: list.id, quantity: 1, date: day }),
            taxed: list.tax_included.0,
            print: prices::print(&(list.id, &list.stamp, lines)),
            changes_at: prices::next(ask.at, spans.iter().flat_map(|(_, span)| *span).flatten()),
        })
    }

    /// The company's list of this name, with its lines.
    async fn list(&self, calls: &Metered, name: &str, dates: bool) -> Result<PriceList, SendError> {
        #[derive(Deserialize)]
        struct ListName {
            name: String,
        }
        let nothing: Option<i64> = None;
        let ours = ("company", "=", self.settings.company);
        let mut fields = PriceList::FIELDS.to_vec();
        if dates {
            fields.extend(PriceList::DATES);
        }
        let asked = parameters![parameters![ours, ("name", "=", name)], 0, nothing, nothing, fields];
        let mut found: Vec<PriceList> = self.server.read(calls, "model.product.price_list.search_read", asked).await?;
        if found.len() < 2
            && let Some(list) = found.pop()
        {
            return Ok(list);
        }
        let asked = parameters![parameters![ours], 0, NAMED, [("name", "ASC")], ["name"]];
        let others: Vec<ListName> = self.server.read(calls, "model.product.price_list.search_read", asked).await?;
        let others: Vec<String> = others.into_iter().map(|list| list.name).collect();
        Err(prices::no_list("Tryton", name, found.len(), &others))
    }

    /// Where the next question begins.
    async fn last_priced(&self, calls: &Metered, terms: &Terms) -> Result<Mark, SendError> {
        let nothing: Option<i64> = None;
        let domain = sold([wire::raw(&("write_date", "!=", nothing))]);
        let asked = parameters![domain, 0, 1, [("write_date", "DESC")], StampedArticle::FIELDS];
        let found: Vec<StampedArticle> = self.server.read(calls, "model.product.product.search_read", asked).await?;
        // Where nothing was ever written, everything is still to come.
        let mark = Mark::from(found.first().and_then(|article| article.seen().at));
        // What was written last is told now, and not again.
        Ok(self.price_stamps(calls, terms, &mark).await?.map_or(mark, |written| mark.next(&moves(&written)).1))
    }

    /// The codes of articles that were written since, or something that their price is made of, and the next mark; `None`: too many.
    async fn repriced(
        &self,
        calls: &Metered,
        terms: &Terms,
        since: &Mark,
    ) -> Result<Option<(BTreeSet<String>, Mark)>, SendError> {
        let Some(written) = self.price_stamps(calls, terms, since).await? else { return Ok(None) };
        let (changed, mark) = since.next(&moves(&written));
        let changed = written.into_iter().filter(|article| changed.contains(&article.seen().product));
        let codes: BTreeSet<String> = changed.filter_map(|article| article.code).collect();
        Ok((codes.len() <= PAGE).then_some((codes, mark)))
    }

    async fn price_stamps(
        &self,
        calls: &Metered,
        terms: &Terms,
        since: &Mark,
    ) -> Result<Option<Vec<StampedArticle>>, SendError> {
        let mut fields = StampedArticle::FIELDS.to_vec();
        // The stamp's place is the record's whose dates these are.
        let mut places = vec!["", "template.", "list_prices.", "template.list_prices.", "template.account_category."];
        if terms.list.is_some() {
            // A list may calculate with the cost.
            fields.push("cost_prices._timestamp");
            places.push("cost_prices.");
        }
        let from = Moment(since.begins());
        let mut written = vec![wire::raw(&"OR")];
        for place in places {
            written
                .extend(["write_date", "create_date"].map(|date| wire::raw(&(format!("{place}{date}"), ">=", from))));
        }
        let asked = parameters![sold([wire::raw(&written)]), 0, MOST_CHANGED, [("id", "DESC")], fields];
        let found: Vec<StampedArticle> = self.server.read(calls, "model.product.product.search_read", asked).await?;
        Ok((found.len() < MOST_CHANGED).then_some(found))
    }

    /// A page of all articles that are sold, by their ids: one that is deleted meanwhile moves no other to another page.
    async fn all_prices(&self, calls: &Metered, terms: &Terms, after: i64) -> Result<PricePage, SendError> {
        let domain = sold([wire::raw(&("id", ">", after))]);
        let articles = self.sold_at(calls, terms, domain, Some(PAGE)).await?;
        let next = articles.last().filter(|_| articles.len() >= PAGE).map(|last| last.id.to_string());
        Ok(PricePage { next, ..terms.priced(articles) })
    }

    async fn sold_at(
        &self,
        calls: &Metered,
        terms: &Terms,
        domain: Vec<Box<RawValue>>,
        most: Option<usize>,
    ) -> Result<Vec<PricedArticle>, SendError> {
        let asked = parameters![domain, 0, most, [("id", "ASC")], PricedArticle::FIELDS];
        self.server.read_by_list(calls, "model.product.product.search_read", asked, terms.list).await
    }
}

/// Tryton's module that prices sales by lists.
const LISTS: &str = "sale_price_list";
/// Tryton's module that gives lines of lists dates.
const DATES: &str = "product_price_list_dates";

impl Terms {
    /// What articles cost.
    fn priced(&self, articles: Vec<PricedArticle>) -> PricePage {
        let mut page = PricePage { changes_at: self.changes_at, ..PricePage::default() };
        let mut by_code: BTreeMap<String, Vec<PricedArticle>> = BTreeMap::new();
        for article in articles {
            if let Some(code) = article.code.clone().filter(|code| !code.is_empty()) {
                by_code.entry(code).or_default().push(article);
            }
        }
        for (code, articles) in by_code {
            let [article] = articles.as_slice() else {
                let why = format!("{} active products of Tryton have this code", articles.len());
                page.unread.push((repeatable(&code), why));
                continue;
            };
            let why = match article.price() {
                Some(Ok(amount)) => {
                    page.add(&code, Quote { amount, currency: self.currency, taxed: self.taxed, rate: article.rate() });
                    continue;
                }
                Some(Err(())) => "Tryton's price is no number to calculate with",
                None if self.list.is_some() => "no line of the price list gives it a price",
                None => "it has no list price in Tryton",
            };
            page.unread.push((repeatable(&code), why.to_owned()));
        }
        page
    }
}

/// Articles that are sold, and more of a domain.
fn sold<const N: usize>(more: [Box<RawValue>; N]) -> Vec<Box<RawValue>> {
    let mut domain = parameters![("salable", "=", true), ("active", "=", true), ("code", "!=", ())].to_vec();
    domain.extend(more);
    domain
}

fn moves(written: &[StampedArticle]) -> Vec<Moved> {
    written.iter().map(StampedArticle::seen).collect()
}

fn account(text: String) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

fn unreadable(what: String) -> SendError {
    SendError::NotNow(Error::new(Kind::Unreadable, what))
}

#[cfg(test)]
mod tests;
