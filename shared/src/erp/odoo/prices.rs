//! What articles cost in Odoo: for one unit in the article's own unit of measure, in which orders are booked.
//!
//! Without a list it is the sales price (`lst_price`, of variants with what their attributes add). No method that can be called prices
//! articles by a list, so its rules are read, in Odoo's own order, and evaluated here (`rules.rs`).
//!
//! What changed is known by the stamps of articles, and of a list by a print of all its rules and of which of them apply by now: one that is
//! deleted leaves no stamp. A list that changed is asked for as a whole. Pages go by the code, as those of stock do.

mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use iso_currency::Currency;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::rules::{Priced, Rule, Rules};
use super::{
    Odoo, domain,
    find::{at, moment},
    resolve,
    wire::{Arguments, Exact, Link, Maybe, raw},
};
use crate::{
    Error, Kind,
    domain::{money::Amount, price::Quote},
    erp::{
        SendError,
        booking::Memory,
        prices::{self, NAMED, PriceAsk, PricePage, Prices, Seen},
        repeatable,
        stock::{Mark, Moved, Units},
    },
    outbound::Calls,
};

/// Articles in a page.
const PAGE: usize = 2000;
/// The most articles written since the last question that are looked at; where there are more, everything is asked for.
const MOST_CHANGED: usize = 5000;
/// The most rules of a list, and of those that it is based on.
const MOST_RULES: usize = 20_000;
/// How many lists deep a list is based on others.
const DEEPEST: usize = 5;

#[async_trait]
impl Prices for Odoo {
    async fn page(&self, calls: &Calls<'_>, ask: &PriceAsk<'_>) -> Result<PricePage, SendError> {
        // A list that was renamed is known from the next question for everything on.
        let rules = match ask.list {
            Some(name) => Some(self.rules(calls, name, ask.page.is_none() && ask.since.is_none()).await?),
            None => None,
        };
        let terms = Terms::new(rules, ask.at);
        if let Some(page) = ask.page {
            return self.all_prices(calls, &terms, Some(page)).await;
        }
        // What is no mark of ours is as good as none, and so is one of another list, or of the list as it was.
        let seen = ask.since.and_then(Seen::read).filter(|seen| seen.list == terms.print);
        let changed = match seen {
            Some(seen) => self.repriced(calls, &seen.articles).await?,
            None => None,
        };
        let Some((codes, articles)) = changed else {
            let mark = Seen { list: terms.print, articles: self.last_priced(calls).await? };
            return Ok(PricePage { mark: Some(mark.to_string()), ..self.all_prices(calls, &terms, None).await? });
        };
        let mark = Some(Seen { list: terms.print, articles }.to_string());
        if codes.is_empty() {
            return Ok(PricePage { mark, changes_at: terms.changes_at, ..PricePage::default() });
        }
        // By their codes: two of one code are seen, whichever of them changed.
        let articles = self.sold(calls, raw(&sold(&[raw(&("default_code", "in", &codes))])), None).await?;
        Ok(PricePage { mark, ..self.priced(calls, &terms, articles).await? })
    }
}

/// By what articles are priced.
struct Terms {
    rules: Option<Rules>,
    at: Timestamp,
    /// Of the rules as they apply.
    print: u64,
    changes_at: Option<Timestamp>,
}

impl Terms {
    fn new(rules: Option<Rules>, at: Timestamp) -> Self {
        let print = rules.as_ref().map_or(0, |rules| rules.print(at));
        let changes_at = rules.as_ref().and_then(|rules| rules.changes_after(at));
        Self { rules, at, print, changes_at }
    }
}

/// An article.
#[derive(Deserialize)]
struct Article {
    id: i64,
    #[serde(default)]
    default_code: Maybe<String>,
    lst_price: Units,
    #[serde(default)]
    currency_id: Maybe<Link>,
    product_tmpl_id: Link,
    #[serde(default)]
    categ_id: Maybe<Link>,
    #[serde(default)]
    taxes_id: Vec<i64>,
}

/// An article, and when it was made or last written: to the second, so that what else may change of it is read too.
#[derive(Deserialize)]
struct StampedArticle {
    id: i64,
    #[serde(default)]
    default_code: Maybe<String>,
    #[serde(default)]
    write_date: Maybe<String>,
    lst_price: Units,
    #[serde(default)]
    taxes_id: Vec<i64>,
}

impl StampedArticle {
    const FIELDS: [&str; 4] = ["default_code", "write_date", "lst_price", "taxes_id"];

    fn seen(&self) -> Moved {
        let price = self.lst_price.0.map(|price| price.to_string()).unwrap_or_default();
        let as_it_is = format!("{price} {:?}", self.taxes_id);
        Moved { at: self.write_date.0.as_deref().and_then(at), id: self.id, as_it_is, product: self.id }
    }
}

/// A tax of an article.
#[derive(Deserialize)]
struct Tax {
    id: i64,
    amount: Exact,
    amount_type: String,
    price_include: bool,
    include_base_amount: bool,
}

/// A price list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    id: i64,
    /// The name of its currency.
    currency: String,
}

impl Odoo {
    /// The rules of the company's list of this name, and of those that it is based on.
    async fn rules(&self, calls: &Calls<'_>, name: &str, afresh: bool) -> Result<Rules, SendError> {
        let list = self.list(calls, name, afresh).await?;
        let mut rules = Rules::new(name, list.id, list.currency);
        let mut wanted = BTreeSet::from([list.id]);
        for _ in 0..DEEPEST {
            let arguments = Arguments::new()
                .with("domain", domain![("pricelist_id", "in", &wanted)])
                .with("fields", Rule::FIELDS)
                .with("limit", MOST_RULES);
            // In Odoo's own order: the first that applies counts.
            let found: Vec<Rule> = self.server.read(calls, "product.pricelist.item", "search_read", arguments).await?;
            if found.len() >= MOST_RULES {
                return Err(account(format!("the price list {name:?} of Odoo has more than {MOST_RULES} rules")));
            }
            wanted = rules.learn(&wanted, found);
            if wanted.is_empty() {
                return Ok(rules);
            }
        }
        Err(account(format!(
            "the price list {name:?} of Odoo is based on lists that are based on lists, too many times"
        )))
    }

    async fn list(&self, calls: &Calls<'_>, name: &str, afresh: bool) -> Result<List, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            name: String,
            currency_id: Link,
        }
        let memory = Memory { of: resolve::NAME, ids: calls.ids, afresh };
        let mut known = memory
            .known_or("price-list", BTreeSet::from([name.to_owned()]), async |_| {
                let ours = raw(&("company_id", "in", (false, self.settings.company)));
                let fields = ["name", "currency_id"];
                let named = [ours.clone(), raw(&("name", "=", name))];
                let mut found: Vec<Found> = self.server.search(calls, "product.pricelist", &named, &fields).await?;
                if found.len() < 2
                    && let Some(list) = found.pop()
                {
                    return Ok(HashMap::from([(name.to_owned(), List { id: list.id, currency: list.currency_id.1 })]));
                }
                let arguments = Arguments::new().with("domain", [ours]).with("fields", fields).with("limit", NAMED);
                let others: Vec<Found> = self.server.read(calls, "product.pricelist", "search_read", arguments).await?;
                let others: Vec<String> = others.into_iter().map(|list| list.name).collect();
                Err(prices::no_list("Odoo", name, found.len(), &others))
            })
            .await?;
        known.remove(name).ok_or_else(|| prices::no_list("Odoo", name, 0, &[]))
    }

    /// Where the next question begins.
    async fn last_priced(&self, calls: &Calls<'_>) -> Result<Mark, SendError> {
        let found = self.price_stamps(calls, &sold(&[]), ("write_date desc", 1)).await?;
        // Where nothing was ever written, everything is still to come.
        let mark = Mark::from(found.first().and_then(|article| article.seen().at));
        // What was written last is told now, and not again.
        let written = self.price_stamps(calls, &written(&mark), ("id desc", MOST_CHANGED)).await?;
        let known = (written.len() < MOST_CHANGED).then(|| mark.next(&moves(&written)).1);
        Ok(known.unwrap_or(mark))
    }

    /// The codes of articles that were written since, and the next mark; `None`: too many to look at.
    async fn repriced(&self, calls: &Calls<'_>, since: &Mark) -> Result<Option<(BTreeSet<String>, Mark)>, SendError> {
        let found = self.price_stamps(calls, &written(since), ("id desc", MOST_CHANGED)).await?;
        if found.len() >= MOST_CHANGED {
            return Ok(None);
        }
        let (changed, mark) = since.next(&moves(&found));
        let changed = found.into_iter().filter(|article| changed.contains(&article.id));
        let codes: BTreeSet<String> = changed.filter_map(|article| article.default_code.0).collect();
        Ok((codes.len() <= PAGE).then_some((codes, mark)))
    }

    async fn price_stamps(
        &self,
        calls: &Calls<'_>,
        domain: &[Box<RawValue>],
        (order, most): (&str, usize),
    ) -> Result<Vec<StampedArticle>, SendError> {
        let arguments = Arguments::new()
            .with("domain", domain)
            .with("fields", StampedArticle::FIELDS)
            .with("order", order)
            .with("limit", most);
        self.server.read(calls, "product.product", "search_read", arguments).await
    }

    /// A page of all articles that are sold, after a code. Those of the last code of a full page are the next one's: two of one code are
    /// never apart.
    async fn all_prices(&self, calls: &Calls<'_>, terms: &Terms, after: Option<&str>) -> Result<PricePage, SendError> {
        let after: Vec<_> = after.iter().map(|after| raw(&("default_code", ">", after))).collect();
        let mut articles = self.sold(calls, raw(&sold(&after)), Some(PAGE)).await?;
        let code = |article: &Article| article.default_code.0.clone();
        let mut next = None;
        if articles.len() >= PAGE {
            let last = articles.last().and_then(code);
            if articles.first().and_then(code) != last {
                articles.retain(|article| code(article) != last);
            }
            next = articles.last().and_then(code);
        }
        Ok(PricePage { next, ..self.priced(calls, terms, articles).await? })
    }

    async fn sold(
        &self,
        calls: &Calls<'_>,
        domain: Box<RawValue>,
        most: Option<usize>,
    ) -> Result<Vec<Article>, SendError> {
        let fields = ["default_code", "lst_price", "currency_id", "product_tmpl_id", "categ_id", "taxes_id"];
        let mut arguments =
            Arguments::new().with("domain", domain).with("fields", fields).with("order", "default_code, id");
        if let Some(most) = most {
            arguments = arguments.with("limit", most);
        }
        self.server.read(calls, "product.product", "search_read", arguments).await
    }

    /// What articles cost.
    async fn priced(&self, calls: &Calls<'_>, terms: &Terms, articles: Vec<Article>) -> Result<PricePage, SendError> {
        let taxes = self.taxes_of(calls, &articles).await?;
        let paths = self.paths(calls, terms, &articles).await?;
        let mut page = PricePage { changes_at: terms.changes_at, ..PricePage::default() };
        let mut by_code: BTreeMap<String, Vec<Article>> = BTreeMap::new();
        for article in articles {
            if let Some(code) = article.default_code.0.clone().filter(|code| !code.is_empty()) {
                by_code.entry(code).or_default().push(article);
            }
        }
        for (code, articles) in by_code {
            let quote = match articles.as_slice() {
                [article] => terms.quote(article, &taxes, &paths),
                several => Err(format!("{} active products of Odoo have this internal reference", several.len())),
            };
            match quote {
                Ok(quote) => page.add(&code, quote),
                Err(why) => page.unread.push((repeatable(&code), why)),
            }
        }
        Ok(page)
    }

    /// The taxes of articles that are the company's, or those of which it is a branch: others cannot be read in its name.
    async fn taxes_of(&self, calls: &Calls<'_>, articles: &[Article]) -> Result<HashMap<i64, Tax>, SendError> {
        let ids: BTreeSet<i64> = articles.iter().flat_map(|article| article.taxes_id.iter().copied()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let fields = ["amount", "amount_type", "price_include", "include_base_amount"];
        let found: Vec<Tax> = self.server.search(calls, "account.tax", &domain![("id", "in", &ids)], &fields).await?;
        Ok(found.into_iter().map(|tax| (tax.id, tax)).collect())
    }

    /// The categories of articles with all that they are in, where a rule asks for them.
    async fn paths(
        &self,
        calls: &Calls<'_>,
        terms: &Terms,
        articles: &[Article],
    ) -> Result<HashMap<i64, Vec<i64>>, SendError> {
        #[derive(Deserialize)]
        struct Category {
            id: i64,
            #[serde(default)]
            parent_path: Maybe<String>,
        }
        if !terms.rules.as_ref().is_some_and(Rules::ask_for_categories) {
            return Ok(HashMap::new());
        }
        let ids: BTreeSet<i64> =
            articles.iter().filter_map(|article| article.categ_id.0.as_ref()).map(|category| category.0).collect();
        let named = domain![("id", "in", &ids)];
        let found: Vec<Category> = self.server.search(calls, "product.category", &named, &["parent_path"]).await?;
        let path = |category: Category| {
            let path = category.parent_path.0.unwrap_or_default();
            (category.id, path.split('/').filter_map(|id| id.parse().ok()).chain([category.id]).collect())
        };
        Ok(found.into_iter().map(path).collect())
    }
}

impl Terms {
    /// What an article costs, or why that cannot be said.
    fn quote(
        &self,
        article: &Article,
        taxes: &HashMap<i64, Tax>,
        paths: &HashMap<i64, Vec<i64>>,
    ) -> Result<Quote, String> {
        let sales = article.lst_price.0.ok_or("Odoo's price is no number to calculate with")?;
        let own = article.currency_id.0.as_ref().map_or("", |currency| currency.1.as_str());
        let (amount, currency) = match &self.rules {
            None => (sales, own),
            Some(rules) => {
                let category = article.categ_id.0.as_ref().and_then(|category| paths.get(&category.0));
                let priced = Priced {
                    id: article.id,
                    template: article.product_tmpl_id.0,
                    categories: category.map_or(&[], Vec::as_slice),
                    sales: sales.decimal(),
                    currency: own,
                };
                (rules.price(&priced, self.at)?, rules.currency())
            }
        };
        let currency = Currency::from_code(currency)
            .ok_or_else(|| format!("its currency {:?} in Odoo is none of ISO 4217", repeatable(currency)))?;
        let taxes: Vec<&Tax> = article.taxes_id.iter().filter_map(|id| taxes.get(id)).collect();
        let taxed = taxes.iter().any(|tax| tax.price_include);
        if taxed && !taxes.iter().all(|tax| tax.price_include) {
            return Err("one of its taxes is in its price in Odoo, another is not: make them alike there".to_owned());
        }
        Ok(Quote { amount, currency, taxed, rate: rate(&taxes) })
    }
}

/// Taxes together, in per cent, where all are percentages of the price.
fn rate(taxes: &[&Tax]) -> Option<Amount> {
    let plain = |tax: &&Tax| tax.amount_type == "percent" && !tax.include_base_amount;
    let sum: Decimal = taxes.iter().map(|tax| tax.amount.0).sum();
    if taxes.iter().all(plain) { Amount::try_from(sum).ok() } else { None }
}

/// Articles that are sold, and more of a domain.
fn sold(more: &[Box<RawValue>]) -> Vec<Box<RawValue>> {
    [&domain![("sale_ok", "=", true), ("default_code", "!=", false)], more].concat()
}

/// Articles that were written since, or their template, or what the price of one of its attributes is.
fn written(since: &Mark) -> Vec<Box<RawValue>> {
    let from = moment(since.begins());
    sold(&domain![
        "|",
        "|",
        ("write_date", ">=", &from),
        ("product_tmpl_id.write_date", ">=", &from),
        ("product_template_attribute_value_ids.write_date", ">=", &from)
    ])
}

fn moves(written: &[StampedArticle]) -> Vec<Moved> {
    written.iter().map(StampedArticle::seen).collect()
}

fn account(text: String) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

#[cfg(test)]
mod tests;
