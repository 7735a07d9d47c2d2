//! What an ERP says that its articles cost.

mod reading;

pub(in crate::erp) use self::reading::{NAMED, Seen, next, no_list, print};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    domain::{goods::Sku, money::Amount, price::Quote},
    erp::SendError,
    outbound::Calls,
};

/// What an ERP is asked about its prices.
#[derive(Debug, Clone, Copy)]
pub struct PriceAsk<'a> {
    /// Of which price list, by its name; none: the sale price that stands on each article.
    pub list: Option<&'a str>,
    /// At what time: now, or later.
    pub at: Timestamp,
    /// Only what may have changed since: the `mark` of an earlier answer. None: all articles.
    pub since: Option<&'a str>,
    /// The [`next`](PricePage::next) of the page before.
    pub page: Option<&'a str>,
}

/// A page of prices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PricePage {
    /// Articles and what one unit of each costs.
    pub rows: Vec<(Sku, Quote)>,
    /// Articles whose price cannot be read, or believed, and why.
    pub unread: Vec<(String, String)>,
    /// Where the next question for changes begins, by the ERP's own clock; none: as before. That of a question about a later time is no
    /// mark for questions about now: what applies then differs.
    pub mark: Option<String>,
    /// The next page, if there is one.
    pub next: Option<String>,
    /// When the list says other prices by the clock alone, after the time that was asked for: the earliest.
    pub changes_at: Option<Timestamp>,
}

/// The ERP's prices.
#[async_trait]
pub trait Prices: Send + Sync {
    /// A page of what articles cost at a time. As few calls as it takes, and no more than a handful. A list that there is not is refused,
    /// with the names of those that there are.
    async fn page(&self, calls: &Calls<'_>, ask: &PriceAsk<'_>) -> Result<PricePage, SendError>;
}

/// The largest price that is believed.
const MOST: i64 = 1_000_000_000_000;

impl PricePage {
    /// Adds a row; what is no article's code or no believable price is said instead.
    pub fn add(&mut self, code: &str, quote: Quote) {
        let sku = match code.parse::<Sku>() {
            Ok(sku) => sku,
            Err(error) => {
                self.unread.push((super::stock::named(code), error.to_string()));
                return;
            }
        };
        if quote.amount.abs() > Amount::from(MOST) {
            self.unread.push((sku.to_string(), format!("{} is not believed: more than 10^12", quote.amount)));
            return;
        }
        self.rows.push((sku, quote));
    }
}

/// What the tests of every ERP's prices say.
#[cfg(test)]
pub(in crate::erp) mod doubles {
    use super::*;
    use crate::{erp::Erp, outbound::doubles::Way};

    /// Everything of a list, at a time.
    pub(in crate::erp) fn ask<'a>(list: Option<&'a str>, at: &str) -> PriceAsk<'a> {
        PriceAsk { list, at: at.parse().unwrap(), since: None, page: None }
    }

    pub(in crate::erp) async fn page(erp: &dyn Erp, ask: PriceAsk<'_>) -> Result<PricePage, SendError> {
        erp.prices().unwrap().page(&Way::open().calls(), &ask).await
    }

    /// What is told of each article: `9.00 EUR without tax, 21 %`.
    pub(in crate::erp) fn told(page: &PricePage) -> Vec<(String, String)> {
        let said = |quote: &Quote| {
            let (with, rate) =
                (if quote.taxed { "with" } else { "without" }, quote.rate.map(|rate| format!(", {rate} %")));
            format!("{} {} {with} tax{}", quote.amount, quote.currency.code(), rate.unwrap_or_default())
        };
        page.rows.iter().map(|(sku, quote)| (sku.to_string(), said(quote))).collect()
    }
}
