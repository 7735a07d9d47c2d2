//! What an ERP says that is available.

mod reading;

pub(in crate::erp) use self::reading::{Mark, Moved, Units};
use crate::{
    domain::{
        document::Document,
        goods::{Place, Sku},
        money::Amount,
    },
    erp::SendError,
    outbound::Calls,
};
use async_trait::async_trait;

/// What an ERP is asked about its stock.
#[derive(Debug, Clone)]
pub struct StockAsk<'a> {
    /// In which warehouses.
    pub place: &'a Place,
    /// Only what changed since: the `mark` of an earlier answer. None: all articles, page by page.
    pub since: Option<&'a str>,
    /// Articles that are answered for whether they changed or not, beside those that did.
    pub skus: &'a [Sku],
    /// The [`next`](StockPage::next) of the page before.
    pub page: Option<&'a str>,
}

/// A page of what is available.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockPage {
    /// Articles and how many of each are available: on hand, less what is promised already. Negative where more is promised than is
    /// there.
    pub rows: Vec<(Sku, Amount)>,
    /// Articles whose number cannot be read, or believed, and why.
    pub unread: Vec<(String, String)>,
    /// Where the next question for changes begins, by the ERP's own clock; none: as before.
    pub mark: Option<String>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// The ERP's stock.
#[async_trait]
pub trait Stock: Send + Sync {
    /// Whether a sale lowers what is available in the state that Puente leaves it in, so that no question of its own is needed.
    fn reflects(&self) -> bool;

    /// A page of what is available. As few calls as it takes, and no more than a handful.
    async fn page(&self, calls: &Calls<'_>, ask: &StockAsk<'_>) -> Result<StockPage, SendError>;

    /// Which of these sales lower what is available by now, by their ids. One call.
    async fn reflected(&self, calls: &Calls<'_>, sales: &[Document]) -> Result<Vec<String>, SendError>;
}

/// What is no article's code, as it is shown to people.
pub(in crate::erp) fn named(code: &str) -> String {
    code.chars().take(60).filter(|c| !c.is_control()).collect()
}

/// The largest number of units that is believed, either way.
pub(crate) const MOST: i64 = 1_000_000_000;

impl StockPage {
    /// Adds a row; what is no article's code or no believable number is said instead.
    pub fn add(&mut self, code: &str, quantity: Amount) {
        let sku = match code.parse::<Sku>() {
            Ok(sku) => sku,
            Err(error) => {
                self.unread.push((named(code), error.to_string()));
                return;
            }
        };
        if quantity.abs() > Amount::from(MOST) {
            self.unread.push((sku.to_string(), format!("{quantity} units are not believed: more than a billion")));
            return;
        }
        self.rows.push((sku, quantity));
    }
}

/// What the tests of every ERP's stock say.
#[cfg(test)]
pub(in crate::erp) mod doubles {
    use super::*;
    use crate::{erp::Erp, outbound::doubles::Way};

    pub(in crate::erp) fn place(text: &str) -> Place {
        text.to_owned().try_into().unwrap()
    }

    pub(in crate::erp) async fn page(erp: &dyn Erp, ask: StockAsk<'_>) -> Result<StockPage, SendError> {
        erp.stock().unwrap().page(&Way::open().calls(), &ask).await
    }

    pub(in crate::erp) fn row(code: &str, number: &str) -> (Sku, Amount) {
        (code.parse().unwrap(), number.parse().unwrap())
    }
}
