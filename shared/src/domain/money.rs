//! Exact amounts. No float ever holds money, not even on its way through JSON: numbers are read as their text.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign},
    str::FromStr,
};

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Error, Kind, Result};

/// The largest absolute amount that is believed: 10^15 leaves every sum of an order far from overflow.
pub(super) const LARGEST: i64 = 1_000_000_000_000_000;

/// The most decimals an amount may have.
const DECIMALS: u32 = 10;

/// An exact decimal: an amount of money in the order's currency, a quantity, or a rate.
///
/// Written to JSON as a string; read from a JSON string or number, digit by digit. Bounded to ±10^15 and 10 decimals,
/// so that no sum, product with a quantity or difference of an order can overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// One.
    pub const ONE: Self = Self(Decimal::ONE);

    /// As a decimal.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// What `part` of `whole` makes of it, in whole minor units of `currency`, half away from zero. Of no whole, it is all.
    #[must_use]
    pub fn share(self, part: Self, whole: Self, currency: Currency) -> Self {
        if part == whole || self.is_zero() {
            return self;
        }
        let share = self.0.checked_mul(part.0).and_then(|product| product.checked_div(whole.0));
        share.and_then(|share| Self::try_from(share).ok()).map_or(self, |share| share.rounded(currency))
    }

    /// Rounded half away from zero to `currency`'s minor unit: what an invoice shows.
    #[must_use]
    pub fn rounded(self, currency: Currency) -> Self {
        Self(self.0.round_dp_with_strategy(minor_digits(currency), RoundingStrategy::MidpointAwayFromZero))
    }

    /// For people: `12.50 EUR`, with all the decimals that `currency` is counted in.
    #[must_use]
    pub fn in_currency(self, currency: Currency) -> String {
        let mut number = self.0;
        number.rescale(number.scale().max(minor_digits(currency)));
        format!("{number} {}", currency.code())
    }

    /// With the decimals that `currency` has, or more where the amount has more: `10.00`, `1500` yen, `0.005`.
    #[must_use]
    pub fn shown(self, currency: Currency) -> String {
        let mut amount = self.0.normalize();
        if amount.scale() < minor_digits(currency) {
            amount.rescale(minor_digits(currency));
        }
        amount.to_string()
    }

    /// Reads decimal text such as `12.50`, `-3` or `1.5e-7`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let number = match text.split_once(['e', 'E']) {
            _ if text.contains('_') => None,
            Some((digits, exponent)) => scientific(text, digits, exponent),
            None => Decimal::from_str_exact(text).ok(),
        };
        let unreadable = || Error::new(Kind::Unreadable, "is not a decimal number that can be kept exactly");
        Self::try_from(number.ok_or_else(unreadable)?)
    }
}

/// `1.5e-7`. JSON's numbers may be smaller than a decimal can be: those are nothing, as all beyond the tenth decimal is.
fn scientific(text: &str, digits: &str, exponent: &str) -> Option<Decimal> {
    let tiny = exponent.strip_prefix('-').is_some_and(|by| by.parse().is_ok_and(|by: u32| by > Decimal::MAX_SCALE));
    if tiny {
        let digits = Decimal::from_str_exact(digits).ok()?;
        return (digits.abs() <= Decimal::from(LARGEST)).then_some(Decimal::ZERO);
    }
    Decimal::from_scientific_lossy(text).ok()
}

impl TryFrom<Decimal> for Amount {
    type Error = Error;
    fn try_from(number: Decimal) -> Result<Self> {
        if number.abs() > Decimal::from(LARGEST) {
            return Err(Error::new(Kind::Unreadable, "is larger than 10^15"));
        }
        // 17.647059 and 10.799999999999999 both occur; more than ten decimals is a float's noise.
        Ok(Self(number.round_dp(DECIMALS).normalize()))
    }
}

/// The number of decimals `currency` is counted in: 2 for EUR, 0 for JPY (ISO 4217).
#[must_use]
pub fn minor_digits(currency: Currency) -> u32 {
    currency.exponent().map_or(2, u32::from)
}

/// `currency`'s smallest step: 0.01 for EUR, 1 for JPY.
#[must_use]
pub fn minor_unit(currency: Currency) -> Amount {
    Amount(Decimal::new(1, minor_digits(currency)))
}

impl From<i64> for Amount {
    fn from(whole: i64) -> Self {
        Self(Decimal::from(whole))
    }
}

impl FromStr for Amount {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Mul for Amount {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0.saturating_mul(other.0))
    }
}
impl Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}
impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // One amount, one text: 1.25 − 0.25 is written "1" and not "1.00", or the same order would have another content hash
        // before and after its way through the queue.
        serializer.collect_str(&self.0.normalize())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw token, so that a JSON number is never a float on the way.
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let token = raw.get();
        let text = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
        Self::parse(text).map_err(serde::de::Error::custom)
    }
}

/// Reads an amount that we have written, which is text. For tagged enums, whose content serde may have to put aside first: what reads
/// the raw token cannot be put aside. For `#[serde(deserialize_with = "money::text")]`.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    let text = String::deserialize(deserializer)?;
    Amount::parse(&text).map_err(serde::de::Error::custom)
}

/// Reads an exact amount from TOML: text such as `"0.05"`, or a number, which is taken as its decimal text.
/// For `#[serde(deserialize_with = "puente::domain::money::decimal")]`.
pub fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    struct Text;
    impl serde::de::Visitor<'_> for Text {
        type Value = Amount;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal number such as \"0.05\"")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
            Amount::parse(text).map_err(E::custom)
        }
        fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<Amount, E> {
            self.visit_str(&whole.to_string())
        }
        // The shortest text that reads back as the same number: the one that was written.
        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Amount, E> {
            self.visit_str(&number.to_string())
        }
    }
    deserializer.deserialize_any(Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_with_the_decimals_of_their_currency() {
        let shown = |text: &str, currency| Amount::parse(text).unwrap().shown(currency);
        assert_eq!(shown("10", Currency::EUR), "10.00");
        assert_eq!(shown("-93.170", Currency::EUR), "-93.17");
        assert_eq!(shown("0.005", Currency::EUR), "0.005");
        assert_eq!(shown("1500.00", Currency::JPY), "1500");
        assert_eq!(shown("1.5", Currency::KWD), "1.500");
    }

    #[test]
    fn json_numbers_are_read_as_their_text() {
        let read = |json: &str| serde_json::from_str::<Amount>(json).map(|a| a.to_string());
        assert_eq!(read("125.92").unwrap(), "125.92");
        assert_eq!(read("\"19.90\"").unwrap(), "19.9");
        // As f64 this would be 0.30000000000000004 after one addition.
        assert_eq!(
            (serde_json::from_str::<Amount>("0.1").unwrap() + serde_json::from_str("0.2").unwrap()).to_string(),
            "0.3"
        );
        assert_eq!(read("1e3").unwrap(), "1000");
        assert_eq!(read("1e+3").unwrap(), "1000");
        // The smallest number that many a sender can write, and one with more digits than a decimal has.
        for nothing in ["5e-324", "-2.225073858507201e-308", "1.2345678901234567e-20", "-0.0"] {
            assert_eq!(read(nothing).unwrap(), "0", "{nothing}");
        }
        for bad in [
            "\"1_000\"",
            "\"1_0e-2\"",
            "\"e-99\"",
            "\"1e-\"",
            "\"1e99999999999\"",
            "\"\"",
            "\"12,50\"",
            "null",
            "true",
            "{}",
            "1e40",
            "\"NaN\"",
            "99999999999999999999999999999999",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_amount_has_one_text_however_it_came_about() {
        let difference = Amount::parse("1.25").unwrap() - Amount::parse("0.25").unwrap();
        assert_eq!(serde_json::to_string(&difference).unwrap(), "\"1\"");
    }

    #[test]
    fn minor_units_follow_iso_4217() {
        assert_eq!(minor_digits(Currency::JPY), 0);
        assert_eq!(minor_digits(Currency::EUR), 2);
        assert_eq!(minor_digits(Currency::KWD), 3);
        assert_eq!(Amount::parse("2.345").unwrap().rounded(Currency::EUR).to_string(), "2.35");
        assert_eq!(Amount::parse("-2.345").unwrap().rounded(Currency::EUR).to_string(), "-2.35");
    }
}
