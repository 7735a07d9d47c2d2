//! An instant together with the offset its sender wrote: the ERP's order date is the shop's local date, not UTC's.

use std::fmt;

use jiff::{
    Timestamp, civil,
    tz::{Offset, TimeZone},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Kind, Result};

/// An instant and the UTC offset it was written with (RFC 3339).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    at: Timestamp,
    offset: Offset,
}

impl Stamp {
    /// `at`, seen from `offset`.
    #[must_use]
    pub fn new(at: Timestamp, offset: Offset) -> Self {
        Self { at, offset }
    }

    /// `at`, in UTC.
    #[must_use]
    pub fn utc(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC }
    }

    /// The instant.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The calendar date where it was written.
    #[must_use]
    pub fn date(&self) -> civil::Date {
        self.at.to_zoned(TimeZone::fixed(self.offset)).date()
    }

    /// Reads RFC 3339, or the same without an offset (`WooCommerce`'s `_gmt` fields), which then means UTC.
    pub fn parse(text: &str) -> Result<Self> {
        let unreadable = || Error::new(Kind::Unreadable, "is not a date and time such as 2026-01-31T10:00:00-03:00");
        if let Ok(pieces) = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text.trim()) {
            let time = pieces.time().ok_or_else(unreadable)?;
            let local = pieces.date().to_datetime(time);
            let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
            let at = offset.to_timestamp(local).map_err(|_| unreadable())?;
            return Ok(Self { at, offset });
        }
        Err(unreadable())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at.display_with_offset(self.offset))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_the_shops_not_utcs() {
        let stamp = Stamp::parse("2026-01-31T22:30:00-03:00").unwrap();
        assert_eq!(stamp.date(), civil::date(2026, 1, 31));
        assert_eq!(stamp.at().to_string(), "2026-02-01T01:30:00Z");
        assert_eq!(stamp.to_string(), "2026-01-31T22:30:00-03:00");
    }

    #[test]
    fn without_an_offset_it_is_utc() {
        assert_eq!(Stamp::parse("2026-01-31T22:30:00").unwrap().at().to_string(), "2026-01-31T22:30:00Z");
        assert_eq!(Stamp::parse("2026-01-31T22:30:00+0000").unwrap().at().to_string(), "2026-01-31T22:30:00Z");
        assert!(Stamp::parse("yesterday").is_err());
        assert!(Stamp::parse("2026-01-31").is_err());
    }
}
