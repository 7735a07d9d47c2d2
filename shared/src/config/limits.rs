//! The limits of the file: an account's, which are the ERP's or the store's own, and a connection's share of the front door.

use std::str::FromStr;

use jiff::{SignedDuration, civil, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::domain::{
    ledger::{Limits, parse_rate},
    money::{Amount, decimal},
};

/// A connection's share of the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontDoor {
    /// Requests a second.
    pub per_second: u32,
    /// Requests a day (UTC).
    pub per_day: u32,
}

impl Default for FrontDoor {
    /// What the smallest plan of a store needs, and what a forgotten loop cannot exceed.
    fn default() -> Self {
        Self { per_second: 10, per_day: 300 }
    }
}

/// `limits` of an account: an ERP's, or a store's.
#[derive(Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccountLimits {
    rate: Option<Rate>,
    per_day: Option<Count>,
    reset: Option<Reset>,
    time_zone: Option<Zone>,
    orders_share: Option<Share>,
    clock_error_ms: Option<Millis>,
    lateness_ms: Option<Millis>,
    jitter_ms: Option<Millis>,
    horizon_ms: Option<Millis>,
}

/// `limits` of a connection.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DoorLimits {
    rate: Option<PerSecond>,
    per_day: Option<Count>,
    share: Option<Share>,
}

impl DoorLimits {
    /// The share of its ERP account's day, in thousandths.
    pub(crate) fn share(&self) -> Option<u32> {
        self.share.as_ref().map(|share| share.0)
    }
}

#[derive(PartialEq)]
struct Rate(u32, SignedDuration);
struct PerSecond(u32);
#[derive(PartialEq)]
struct Count(u32);
#[derive(PartialEq)]
struct Reset(civil::Time);
#[derive(PartialEq)]
struct Zone(TimeZone);
#[derive(PartialEq)]
struct Share(u32);
#[derive(PartialEq)]
struct Millis(SignedDuration);

impl AccountLimits {
    /// Those of an ERP account.
    pub(crate) fn of_erp(self) -> Limits {
        self.over(Limits::default())
    }

    /// Those of a store whose vendor allows that `rate`; a day has no limit unless one is given. `None`: nobody says a rate.
    pub(crate) fn of_store(self, rate: Option<(u32, SignedDuration)>) -> Option<Limits> {
        let given = self.rate.as_ref().map(|rate| (rate.0, rate.1));
        let (calls, window) = given.or(rate)?;
        Some(self.over(Limits { calls, window, per_day: Limits::ENDLESS, ..Limits::default() }))
    }

    /// Whether nothing is given.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn over(self, or: Limits) -> Limits {
        let given = self;
        let (calls, window) = given.rate.map_or((or.calls, or.window), |rate| (rate.0, rate.1));
        Limits {
            calls,
            window,
            per_day: given.per_day.map_or(or.per_day, |n| n.0),
            reset: given.reset.map_or(or.reset, |reset| reset.0),
            time_zone: given.time_zone.map_or(or.time_zone, |zone| zone.0),
            orders_share: given.orders_share.map_or(or.orders_share, |share| share.0),
            clock_error: given.clock_error_ms.map_or(or.clock_error, |ms| ms.0),
            lateness: given.lateness_ms.map_or(or.lateness, |ms| ms.0),
            jitter: given.jitter_ms.map_or(or.jitter, |ms| ms.0),
            horizon: given.horizon_ms.map_or(or.horizon, |ms| ms.0),
        }
    }
}

impl From<DoorLimits> for FrontDoor {
    fn from(given: DoorLimits) -> Self {
        let or = Self::default();
        Self {
            per_second: given.rate.map_or(or.per_second, |rate| rate.0),
            per_day: given.per_day.map_or(or.per_day, |n| n.0),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (calls, window) = parse_rate(&String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Ok(Self(calls, window))
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Rate(calls, window) = Rate::deserialize(deserializer)?;
        if window != SignedDuration::from_secs(1) {
            return Err(D::Error::custom("the front door counts by the second: write a rate such as \"10/s\""));
        }
        Ok(Self(calls))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = u32::deserialize(deserializer)?;
        if count == 0 {
            return Err(D::Error::custom("0 would let nothing through, ever: write at least 1"));
        }
        Ok(Self(count))
    }
}

impl<'de> Deserialize<'de> for Reset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        civil::Time::from_str(&text)
            .map(Self)
            .map_err(|_| D::Error::custom(format!("`{text}` is not a time of day such as \"00:00\"")))
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        TimeZone::get(&text).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is not a time zone such as \"America/Argentina/Buenos_Aires\" or \"UTC\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share: Amount = decimal(deserializer)?;
        let thousandths = share.decimal() * Decimal::ONE_THOUSAND;
        u32::try_from(thousandths.round())
            .ok()
            .filter(|n| *n <= 1000 && !share.decimal().is_sign_negative())
            .map(Self)
            .ok_or_else(|| D::Error::custom("a share of the day lies between 0 and 1, such as 0.8"))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ms = i64::deserialize(deserializer)?;
        if !(0..=60_000).contains(&ms) {
            return Err(D::Error::custom("lies between 0 and 60000 milliseconds"));
        }
        Ok(Self(SignedDuration::from_millis(ms)))
    }
}
