//! What stock is read with: warehouses, moves, articles with their quantities, and how far sales are.

use jiff::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Deserialize;

use crate::erp::stock::Units;

/// A warehouse.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Warehouse {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) name: String,
}

/// A move, and when it was made or last written.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct StampedMove {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) product: i64,
    #[serde(rename = "_timestamp")]
    stamp: String,
}

/// A move to a customer that is not done.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct OpenMove {
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

impl StampedMove {
    /// When.
    pub(in crate::erp::tryton) fn at(&self) -> Option<Timestamp> {
        at(&self.stamp)
    }
}

/// Seconds since 1970, to the microsecond: what Tryton keeps of a change.
pub(super) fn at(stamp: &str) -> Option<Timestamp> {
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
}
