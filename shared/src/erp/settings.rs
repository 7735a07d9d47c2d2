//! What sections of several ERPs have in common: durations, things of the ERP by their name or id, and what holds where nothing is said.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

/// Something of the ERP's, by its name or its id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Id(i64),
    Name(String),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "#{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// `"60s"`, `"1m 30s"` or whole seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => return Ok(Duration::from_secs(seconds)),
        Written::Text(text) => text,
    };
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration such as \"10s\" or \"1m 30s\"")))
}

/// The same, where a default stands in for it.
pub(super) fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// The first company.
pub(super) fn one() -> i64 {
    1
}

/// For one call.
pub(super) fn a_minute() -> Duration {
    Duration::from_mins(1)
}

/// Documents in one call.
pub(super) fn hundred() -> usize {
    100
}
