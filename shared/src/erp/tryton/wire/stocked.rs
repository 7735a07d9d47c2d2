//! What stock is read with: warehouses, moves, articles with their quantities, and how far sales are.

use jiff::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::money::Amount;

/// A warehouse.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Warehouse {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) name: String,
}

/// A move that was made or written since.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Moved {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) product: i64,
    #[serde(rename = "_timestamp")]
    stamp: String,
}

/// When the latest move was made or written.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Latest {
    #[serde(rename = "_timestamp")]
    stamp: String,
}

/// A move to a customer that is not done.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Open {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) product: i64,
    /// In the unit that the article is stocked in.
    pub(in crate::erp::tryton) internal_quantity: Units,
}

/// An article, and how many of it are on hand.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Article {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) code: Option<String>,
    /// In the unit that it is stocked in.
    pub(in crate::erp::tryton) quantity: Units,
    pub(in crate::erp::tryton) default_uom: Option<i64>,
    pub(in crate::erp::tryton) sale_uom: Option<i64>,
}

/// How far a sale is.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct SaleState {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) state: String,
    #[serde(default)]
    pub(in crate::erp::tryton) shipment_method: Option<String>,
}

/// A quantity from the digits of a JSON number. One that nothing can be calculated with is told of its article, and costs no other one.
pub(in crate::erp::tryton) struct Units(pub(in crate::erp::tryton) Option<Amount>);

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Amount::parse(raw.get()).ok()))
    }
}

impl Moved {
    /// When.
    pub(in crate::erp::tryton) fn at(&self) -> Option<Timestamp> {
        at(&self.stamp)
    }
}

impl Latest {
    /// When.
    pub(in crate::erp::tryton) fn at(&self) -> Option<Timestamp> {
        at(&self.stamp)
    }
}

/// Seconds since 1970, to the microsecond: what Tryton keeps of a change.
fn at(stamp: &str) -> Option<Timestamp> {
    let seconds: Decimal = stamp.parse().ok()?;
    let micros = seconds.checked_mul(Decimal::from(1_000_000))?.trunc().to_i64()?;
    Timestamp::from_microsecond(micros).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_to_the_microsecond_and_nothing_else_is_one() {
        assert_eq!(at("1780000000.123456").unwrap().as_microsecond(), 1_780_000_000_123_456);
        assert_eq!(at("1780000000").unwrap().as_second(), 1_780_000_000);
        assert_eq!((at("yesterday"), at("1e400"), at("99999999999999999999")), (None, None, None));
    }

    #[test]
    fn a_quantity_keeps_its_digits_and_an_absurd_one_is_none() {
        let read = |json: &str| serde_json::from_str::<Units>(json).unwrap().0;
        assert_eq!(read("-0.125").unwrap().to_string(), "-0.125");
        assert_eq!(read("12.0").unwrap(), Amount::from(12));
        // What binary fractions leave.
        assert_eq!(read("0.30000000000000004").unwrap().to_string(), "0.3");
        assert_eq!((read("1e300"), read("null"), read("\"many\"")), (None, None, None));
    }
}
