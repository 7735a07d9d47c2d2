//! What the books are read with: a span of time, and sales with what they come to.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{Exact, SaleCurrency};

/// A moment, in UTC as Tryton keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::erp::tryton) struct Moment(pub(in crate::erp::tryton) Timestamp);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts {
            #[serde(rename = "__class__")]
            class: &'static str,
            year: i16,
            month: i8,
            day: i8,
            hour: i8,
            minute: i8,
            second: i8,
            microsecond: i32,
        }
        let at = TimeZone::UTC.to_datetime(self.0);
        Parts {
            class: "datetime",
            year: at.year(),
            month: at.month(),
            day: at.day(),
            hour: at.hour(),
            minute: at.minute(),
            second: at.second(),
            microsecond: at.subsec_nanosecond() / 1000,
        }
        .serialize(serializer)
    }
}

/// A sale in the books.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct BookedSale {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) web_id: String,
    pub(in crate::erp::tryton) total_amount: Exact,
    #[serde(rename = "currency.")]
    pub(in crate::erp::tryton) currency: SaleCurrency,
}

impl BookedSale {
    /// The fields to ask for.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 3] = ["web_id", "total_amount", "currency.code"];
}
