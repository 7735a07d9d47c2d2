//! Attributes: how values of ours stand in an item, and how they are read back.
//!
//! Times of records are text of one width (RFC 3339 in UTC, nine digits of fraction), so that text comparisons in conditions
//! and indexes are comparisons of time. Times of ledgers are nanoseconds since 1970 as numbers: updates add to them.

use std::{collections::HashMap, fmt::Display, str::FromStr};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use jiff::Timestamp;

use crate::{Error, Kind, Result};

/// An item of the table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Text.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number.
pub(super) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Bytes.
pub(super) fn bytes(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// A time of a record, as text that sorts.
pub(super) fn sortable(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// A time of a record.
pub(super) fn time(at: Timestamp) -> AttributeValue {
    AttributeValue::S(sortable(at))
}

/// A time of a ledger.
pub(super) fn nanos(at: Timestamp) -> AttributeValue {
    number(at.as_nanosecond())
}

/// Reads an item; its errors name the attribute.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Item);

impl<'a> Reader<'a> {
    /// Text, if it is there.
    pub(super) fn text_if(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    /// Text.
    pub(super) fn text(self, name: &str) -> Result<&'a str> {
        self.text_if(name).ok_or_else(|| damaged(name))
    }

    /// Text of a type of ours, if it is there.
    pub(super) fn parsed_if<T: FromStr>(self, name: &str) -> Result<Option<T>> {
        self.text_if(name).map(|text| text.parse().map_err(|_| damaged(name))).transpose()
    }

    /// Text of a type of ours.
    pub(super) fn parsed<T: FromStr>(self, name: &str) -> Result<T> {
        self.text(name)?.parse().map_err(|_| damaged(name))
    }

    /// A number, if it is there.
    pub(super) fn number_if<T: FromStr>(self, name: &str) -> Result<Option<T>> {
        let number = self.0.get(name).and_then(|value| value.as_n().ok());
        number.map(|text| text.parse().map_err(|_| damaged(name))).transpose()
    }

    /// A number; 0 where it was never written.
    pub(super) fn number<T: FromStr + Default>(self, name: &str) -> Result<T> {
        Ok(self.number_if(name)?.unwrap_or_default())
    }

    /// A ledger's time, if it is there.
    pub(super) fn nanos_if(self, name: &str) -> Result<Option<Timestamp>> {
        let nanos = self.number_if::<i128>(name)?;
        nanos.map(|nanos| Timestamp::from_nanosecond(nanos).map_err(|_| damaged(name))).transpose()
    }

    /// Whether a truth value is there and true.
    pub(super) fn flag(self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
    }

    /// Bytes, if they are there.
    pub(super) fn bytes_if(self, name: &str) -> Option<&'a [u8]> {
        self.0.get(name).and_then(|value| value.as_b().ok()).map(AsRef::as_ref)
    }

    /// A map, if it is there.
    pub(super) fn map_if(self, name: &str) -> Option<Reader<'a>> {
        self.0.get(name).and_then(|value| value.as_m().ok()).map(Reader)
    }
}

/// An attribute is not what we wrote there.
pub(super) fn damaged(name: &str) -> Error {
    Error::new(
        Kind::Bug,
        format!("the table's item has no readable `{name}`: was it changed by hand or by a later release?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let times = [
            "2026-01-01T00:00:09Z",
            "2026-01-01T00:00:09.000000001Z",
            "2026-01-01T00:00:09.1Z",
            "2026-01-01T00:00:10Z",
        ];
        let texts: Vec<String> = times.iter().map(|time| sortable(time.parse().unwrap())).collect();
        assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == texts[0].len()), "{texts:?}");
        assert_eq!(texts[2].parse::<Timestamp>().unwrap(), times[2].parse::<Timestamp>().unwrap());
    }
}
