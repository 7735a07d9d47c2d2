//! When an ERP is asked for its stock: from the part of the day that orders leave over, more often in the hours in which more changes.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::domain::ledger::{Ledger, Limits};

/// Never more often than this.
const LEAST: SignedDuration = SignedDuration::from_mins(1);

/// Calls that are kept for questions whether the ERP answers.
const PROBES: u32 = 6;

/// How far the polls of an account are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polls {
    /// When the next one may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Where the question for changes goes on, by place: the ERP's own words.
    #[serde(default)]
    pub since: std::collections::BTreeMap<String, String>,
    /// The day on which all articles were last counted, and where that goes on if it is not over: the place and the page.
    #[serde(default)]
    pub counted: Option<i64>,
    /// Where a full count goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
    /// How far the question what was sent is.
    #[serde(default)]
    pub sent: SentSoFar,
    /// How far the question what articles cost is.
    #[serde(default)]
    pub prices: PricesSoFar,
    /// Calls that the last full count took.
    #[serde(default)]
    pub full_calls: u32,
    /// Calls that the last poll for changes took.
    #[serde(default)]
    pub calls: u32,
    /// Rows that changed in each hour of the account's day, in thousandths: a mean of about seven days.
    #[serde(default)]
    pub changed: Vec<u32>,
}

/// A page of a full count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Of which warehouses.
    pub place: String,
    /// The ERP's own words; none: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// How far the question what was sent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentSoFar {
    /// Where the question for changes begins, in the ERP's own words; none: it was never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Where the next one begins, once the pages of this one are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// The page that comes next, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// How far the question what articles cost is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricesSoFar {
    /// When they are asked for next; none: they never were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Where the question for changes begins, by price list, in the ERP's own words.
    #[serde(default)]
    pub since: std::collections::BTreeMap<String, String>,
    /// What each connection was last asked for by: its price lists.
    #[serde(default)]
    pub terms: std::collections::BTreeMap<String, String>,
    /// The same, whether it was answered or not.
    #[serde(default)]
    pub tried: std::collections::BTreeMap<String, String>,
    /// The day on which all were last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<i64>,
    /// When they were last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// When a list says other prices by the clock alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<Timestamp>,
    /// Calls that it last took.
    #[serde(default)]
    pub calls: u32,
}

impl PricesSoFar {
    /// Whether they may be asked for now.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| next <= now)
    }
}

impl SentSoFar {
    /// A page was read, which said where the next question begins, and what page comes next. What changes while pages are read is asked
    /// for again: the mark of the first one counts.
    pub fn came_to(&mut self, mark: Option<String>, next: Option<String>) {
        self.then = self.then.take().or(mark);
        self.page = next;
        if self.page.is_none() {
            self.since = self.then.take().or_else(|| self.since.take());
        }
    }
}

impl Polls {
    /// Whether the account may be asked now.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// Notes how many rows changed since the last poll.
    pub fn learn(&mut self, changed: usize, now: Timestamp, zone: &TimeZone) {
        self.changed.resize(24, 0);
        if let Some(mean) = self.changed.get_mut(hour(now, zone)) {
            let rows = u32::try_from(changed).unwrap_or(u32::MAX).min(1_000_000).saturating_mul(1000);
            *mean = *mean - *mean / 7 + rows / 7;
        }
    }

    /// When the next poll is made, if this one took so many calls. `tight`: something that is nearly gone was sold since.
    #[must_use]
    pub fn after(&self, calls: u32, tight: bool, ledger: &Ledger, limits: &Limits, now: Timestamp) -> Timestamp {
        let day = limits.day(now);
        let used = if ledger.day == day.number { ledger.used_other } else { 0 };
        let owed = if self.counted == Some(day.number) { 0 } else { self.full_calls };
        let prices = if self.prices.next.is_some_and(|next| next < day.end) { self.prices.calls } else { 0 };
        let owed = owed.saturating_add(prices).saturating_add(PROBES);
        let left = limits.other_per_day().saturating_sub(used).saturating_sub(owed);
        if left < calls.max(1) {
            return day.end;
        }
        // The weights of what is left of the day, a quarter of an hour at a time.
        let step = SignedDuration::from_mins(15);
        let (mut at, mut rest) = (now, 0_i128);
        while at < day.end {
            let until = (at + step).min(day.end);
            rest += i128::from(self.weight(at, &limits.time_zone)) * until.duration_since(at).as_millis();
            at = until;
        }
        let here = i128::from(self.weight(now, &limits.time_zone)) * i128::from(left) * if tight { 2 } else { 1 };
        let wait = i64::try_from(rest * i128::from(calls.max(1)) / here).unwrap_or(i64::MAX);
        (now + SignedDuration::from_millis(wait).clamp(LEAST, SignedDuration::from_hours(24))).min(day.end)
    }

    /// The weight of an hour, in thousandths: the root of one and the rows that change in it.
    fn weight(&self, at: Timestamp, zone: &TimeZone) -> u64 {
        let rows = self.changed.get(hour(at, zone)).copied().unwrap_or_default();
        (1_000_000 + u64::from(rows) * 1000).isqrt()
    }
}

fn hour(at: Timestamp, zone: &TimeZone) -> usize {
    usize::try_from(at.to_zoned(zone.clone()).hour()).unwrap_or_default()
}
