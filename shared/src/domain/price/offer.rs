//! What the ERP says that an article costs, and the price that a store is told.

use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::rules::{PriceRules, Tax};
use crate::domain::money::Amount;

/// What the ERP says that an article costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its price.
    pub price: Quote,
    /// What that is compared to, where a list holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_at: Option<Quote>,
}

/// A price of an ERP's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// How much, for one unit.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// Whether it contains tax.
    pub taxed: bool,
    /// The taxes of the article together, in per cent; none: they cannot be said so, because one is an amount, or depends on the buyer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Amount>,
}

/// A price as a store has it, in its own currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// What the buyer pays for one unit.
    pub amount: Amount,
    /// What that is compared to, higher; none: nothing is shown beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_at: Option<Amount>,
}

/// Why an article has no price that a store could be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unpriced {
    /// It is in another currency.
    #[error("the ERP's price is in {0}, the store's prices are in {1}: choose a price list in {1}", .erp.code(), .store.code())]
    OtherCurrency {
        /// The ERP's.
        erp: Currency,
        /// The store's.
        store: Currency,
    },
    /// It is 0, or less.
    #[error("the ERP's price is {0}: a store is told no price of 0 or less")]
    NotPositive(Amount),
    /// Tax has to be added or taken off, and nobody can say how much.
    #[error(
        "the ERP's price {} tax, the store's does {}, and the article's tax is not a rate: give it one, or choose another price list",
        if *.taxed { "contains" } else { "is without" }, if *.taxed { "not" } else { "" }
    )]
    NoRate {
        /// Whether the ERP's price contains tax.
        taxed: bool,
    },
    /// It is beyond what can be computed exactly.
    #[error("the ERP's price is too large to be believed")]
    TooLarge,
}

impl Offer {
    /// The price that the store is told: in its currency, with tax or without as its prices are, rounded, ending as was agreed.
    pub fn in_store(&self, rules: &PriceRules) -> Result<Price, Unpriced> {
        let exact = self.price.in_store(rules)?;
        let amount = rules.ended(exact).ok_or(Unpriced::TooLarge)?;
        // What it is compared to says nothing where it is not higher; where it cannot be told, the price is.
        let compare_at = self.compare_at.as_ref().and_then(|quote| quote.in_store(rules).ok());
        Ok(Price { amount, compare_at: compare_at.filter(|higher| *higher > amount) })
    }
}

impl Quote {
    fn in_store(&self, rules: &PriceRules) -> Result<Amount, Unpriced> {
        let store = rules.currency.unwrap_or(self.currency);
        if store != self.currency {
            return Err(Unpriced::OtherCurrency { erp: self.currency, store });
        }
        if self.amount <= Amount::ZERO {
            return Err(Unpriced::NotPositive(self.amount));
        }
        let taxed = rules.tax.map_or(self.taxed, |tax| tax == Tax::Included);
        let exact = self.with_tax(taxed)?;
        let rounded = rules.rounded(exact, store).ok_or(Unpriced::TooLarge)?;
        if rounded <= Amount::ZERO {
            return Err(Unpriced::NotPositive(rounded));
        }
        Ok(rounded)
    }

    /// The amount with tax, or without, not rounded.
    fn with_tax(&self, taxed: bool) -> Result<Decimal, Unpriced> {
        let amount = self.amount.decimal();
        if taxed == self.taxed {
            return Ok(amount);
        }
        let rate = self.rate.ok_or(Unpriced::NoRate { taxed: self.taxed })?.decimal();
        let factor = Decimal::ONE + rate / Decimal::ONE_HUNDRED;
        let other = if taxed { amount.checked_mul(factor) } else { amount.checked_div(factor) };
        other.ok_or(Unpriced::TooLarge)
    }
}

impl Price {
    /// Whether `new` differs from it by more than `most` per cent of the higher of the two: what a sale takes off may come back after it. Of a
    /// price of 0 nothing can be said.
    #[must_use]
    pub fn changes_by_more_than(&self, most: u32, new: &Self) -> bool {
        let change = (new.amount - self.amount).abs().decimal();
        let line = self.amount.max(new.amount).decimal().checked_mul(Decimal::from(most));
        self.amount > Amount::ZERO && line.is_some_and(|line| change * Decimal::ONE_HUNDRED > line)
    }
}
