//! Prices towards a store: what it has of articles, and prices that are written there.

use iso_currency::Currency;
use jiff::Timestamp;

use super::goods::Said;
use crate::domain::{
    goods::{InStore, Sku},
    ids::AttemptId,
    money::Amount,
    price::Price,
};

/// The price that a store has of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// Which, by the store's code.
    pub sku: Sku,
    /// How the store has the article: [`InStore::Kept`] where its price can be written.
    pub store: InStore,
    /// The price; none: it has none.
    pub price: Option<Price>,
    /// What its prices are in (ISO 4217), where it says that.
    pub currency: Option<Currency>,
    /// What the store calls the article, in the connector's own words: where the next price goes.
    pub item: Option<String>,
}

/// A price that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPrice {
    /// Of which article, by the store's code.
    pub sku: Sku,
    /// What the store calls it.
    pub item: String,
    /// The new price.
    pub to: Price,
    /// This attempt: a key that a store which knows idempotency keys is given.
    pub attempt: AttemptId,
    /// When it was begun: of two prices the one begun later counts, whichever arrives first.
    pub begun: Timestamp,
}

impl Priced {
    /// One that the store has not, or cannot be told the price of.
    #[must_use]
    pub fn none(sku: Sku, store: InStore) -> Self {
        Self { sku, store, price: None, currency: None, item: None }
    }
}

impl Said for Priced {
    fn sku(&self) -> &Sku {
        &self.sku
    }

    fn none(sku: Sku, store: InStore) -> Self {
        Self::none(sku, store)
    }
}

/// A price as buyers see it: what it is compared to is shown only where it is higher.
pub(crate) fn seen(amount: Amount, compare_at: Option<Amount>) -> Price {
    Price { amount, compare_at: compare_at.filter(|higher| *higher > amount) }
}

/// What the tests of every store's prices say.
#[cfg(test)]
pub(in crate::store) mod doubles {
    use super::*;
    use crate::store::goods::{
        NotSet,
        doubles::{sku, word},
    };

    /// `9.5`, or `9.5 (12)` with what it is compared to.
    pub(in crate::store) fn price(text: &str) -> Price {
        let (amount, higher) = text.split_once(" (").map_or((text, None), |(amount, more)| (amount, Some(more)));
        let higher = higher.map(|more| more.trim_end_matches(')').parse().unwrap());
        Price { amount: amount.parse().unwrap(), compare_at: higher }
    }

    pub(in crate::store) fn words(price: &Price) -> String {
        price.compare_at.map_or(price.amount.to_string(), |higher| format!("{} ({higher})", price.amount))
    }

    pub(in crate::store) fn new(item: &str, to: &str) -> NewPrice {
        NewPrice {
            sku: sku("A"),
            item: item.to_owned(),
            to: price(to),
            attempt: AttemptId::new("attempt-1"),
            begun: Timestamp::UNIX_EPOCH,
        }
    }

    /// What became of each price, in a word.
    pub(in crate::store) fn became(answers: &[Result<Price, NotSet>]) -> Vec<String> {
        answers.iter().map(|answer| word(&answer.as_ref().map(words).map_err(Clone::clone))).collect()
    }

    #[test]
    fn what_is_not_higher_is_compared_to_nothing() {
        let seen = |amount: &str, compared: &str| words(&seen(amount.parse().unwrap(), compared.parse().ok()));
        assert_eq!(seen("9.5", "12"), "9.5 (12)");
        for lower in ["9.50", "9", "0.00", "none"] {
            assert_eq!(seen("9.5", lower), "9.5", "{lower}");
        }
    }
}
