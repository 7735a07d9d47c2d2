//! What a shop and its company agreed on about prices: `goods.price` in the connection's part of the file.

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer};

use crate::{
    Error, Kind, Result,
    domain::money::{Amount, decimal, minor_unit},
};

/// How the prices of a connection's store are made of the ERP's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceRules {
    /// The ERP's price list, by name; none: the sale price that stands on each article.
    pub list: Option<String>,
    /// The ERP's price list that holds what the price is compared to, shown struck through where it is higher; none: nothing is.
    pub compare_at: Option<String>,
    /// What the store's prices are in (ISO 4217).
    pub currency: Option<Currency>,
    /// Whether the store's prices contain tax.
    pub tax: Option<Tax>,
    /// Prices are rounded to a multiple of this, half away from zero; none: to the currency's minor unit.
    #[serde(deserialize_with = "amount")]
    pub round_to: Option<Amount>,
    /// How prices end: with 0.99 the next price up that ends in .99, with 90 the next that ends in 90.
    #[serde(deserialize_with = "amount")]
    pub ending: Option<Amount>,
    /// A price that differs from the store's by more than this, in per cent of the store's, waits until a person releases it.
    pub most_change: u32,
}

/// Whether prices contain tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tax {
    /// They do.
    Included,
    /// It comes on top.
    Excluded,
}

impl Default for PriceRules {
    fn default() -> Self {
        Self { list: None, compare_at: None, currency: None, tax: None, round_to: None, ending: None, most_change: 50 }
    }
}

impl PriceRules {
    /// What is wrong with them where prices are on, with the key.
    pub fn check(&self) -> Result<(), (&'static str, Error)> {
        let refuse = |key, words: &'static str| Err((key, Error::new(Kind::Config, words)));
        if self.currency.is_none() {
            return refuse("price.currency", "missing: what the store's prices are in, such as \"EUR\"");
        }
        if self.tax.is_none() {
            return refuse("price.tax", "missing: \"included\" or \"excluded\", as the store's prices are");
        }
        if [&self.list, &self.compare_at].into_iter().flatten().any(|name| name.trim().is_empty()) {
            return refuse("price.list", "is the name of a price list of the ERP, `price.compare_at` too");
        }
        if self.round_to.is_some_and(|step| step <= Amount::ZERO) {
            return refuse("price.round_to", "is more than 0, such as \"0.05\"");
        }
        if self.ending.is_some_and(|ending| ending <= Amount::ZERO) {
            return refuse("price.ending", "is more than 0, such as \"0.99\"");
        }
        let unit = minor_unit(self.currency.unwrap_or(Currency::EUR)).decimal();
        let is_finer = |amount: Amount| !amount.decimal().checked_rem(unit).is_some_and(|rest| rest.is_zero());
        if [self.round_to, self.ending].into_iter().flatten().any(is_finer) {
            return refuse("price.round_to", "is a multiple of the currency's smallest unit, `price.ending` too");
        }
        if !(1..=100).contains(&self.most_change) {
            return refuse("price.most_change", "lies between 1 and 100 per cent");
        }
        Ok(())
    }

    /// `amount` as the store shows it, but for the ending: rounded.
    pub(super) fn rounded(&self, amount: Decimal, currency: Currency) -> Option<Amount> {
        let step = self.round_to.unwrap_or_else(|| minor_unit(currency)).decimal();
        let steps = amount.checked_div(step)?;
        let whole = steps.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        Amount::try_from(whole.checked_mul(step)?).ok()
    }

    /// The next price from `amount` upwards that ends as was agreed.
    pub(super) fn ended(&self, amount: Amount) -> Option<Amount> {
        let Some(ending) = self.ending else { return Some(amount) };
        let (amount, ending) = (amount.decimal(), ending.decimal());
        // The power of ten above the ending: 1 above 0.99, 10 above 9, 100 above 90.
        let mut every = Decimal::ONE;
        while every <= ending {
            every = every.checked_mul(Decimal::TEN)?;
        }
        let whole = (amount - ending).checked_div(every)?.ceil().max(Decimal::ZERO);
        Amount::try_from(whole.checked_mul(every)?.checked_add(ending)?).ok()
    }
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Amount>, D::Error> {
    decimal(deserializer).map(Some)
}
