//! What runs on time: when it is its time, and how its last run went.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// How much earlier than its period a task may run: the clocks of two rounds never differ by the period exactly.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// How often a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Again and again, this long after it last began.
    Every(SignedDuration),
    /// Once a day, at this time (UTC).
    Daily {
        /// The hour, 0 to 23.
        hour: i8,
        /// The minute, 0 to 59.
        minute: i8,
    },
}

impl Period {
    /// When a task that began at `began` runs next.
    #[must_use]
    pub fn next(self, began: Timestamp) -> Timestamp {
        match self {
            Self::Every(period) => began.checked_add(period).unwrap_or(Timestamp::MAX),
            Self::Daily { hour, minute } => {
                let began = began.to_zoned(TimeZone::UTC).datetime();
                let today = began.date().to_datetime(Time::constant(hour, minute, 0, 0));
                let next = if today > began { today } else { today.saturating_add(SignedDuration::from_hours(24)) };
                next.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |next| next.timestamp())
            }
        }
    }

    /// Whether it is time, for a task that last began at `began`. One that never did is late already if it runs again and again; a daily
    /// one waits for its time.
    #[must_use]
    pub fn is_due(self, began: Option<Timestamp>, now: Timestamp) -> bool {
        match (self, began) {
            (Self::Every(_), None) => true,
            (Self::Daily { .. }, None) => false,
            // A clock that was set back must not stop a task for as long.
            (Self::Every(period), Some(began)) => now.duration_since(began).abs() >= period.saturating_sub(SLACK),
            (Self::Daily { .. }, Some(began)) => self.next(began) <= now,
        }
    }
}

/// A run of a task, as its state is kept: the last one only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What it did, in words. Names no connection and no account: whoever may see that there are tasks need not see those.
    pub did: String,
    /// The same in figures.
    pub figures: BTreeMap<String, u64>,
    /// Why it failed, if it did; perhaps in a part of its work only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the next run is due. Of a task that runs oftener than once a minute: when its state is written again.
    pub next: Timestamp,
}

impl Run {
    /// Whether the next run should have been told by now: as much time as lies between two runs has gone by without it.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        let apart = self.next.duration_since(self.began).max(SignedDuration::from_mins(1));
        now > self.next.checked_add(apart).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_task_is_due_once_its_period_is_over() {
        let quarter = Period::Every(SignedDuration::from_mins(15));
        let began = at("2026-03-01T12:00:00Z");
        assert!(quarter.is_due(None, began));
        assert_eq!(quarter.next(began), at("2026-03-01T12:15:00Z"));
        assert!(!quarter.is_due(Some(began), at("2026-03-01T12:14:29Z")));
        assert!(
            quarter.is_due(Some(began), at("2026-03-01T12:14:30Z")),
            "rounds are never apart by the period exactly"
        );
        assert!(quarter.is_due(Some(began), at("2026-03-01T11:00:00Z")), "the clock was set back");
    }

    #[test]
    fn a_daily_task_is_due_once_after_its_time_whenever_somebody_looks() {
        let nightly = Period::Daily { hour: 3, minute: 17 };
        assert_eq!(nightly.next(at("2026-03-01T03:16:59Z")), at("2026-03-01T03:17:00Z"));
        assert_eq!(nightly.next(at("2026-03-01T03:17:00Z")), at("2026-03-02T03:17:00Z"));
        assert_eq!(nightly.next(at("2026-12-31T12:00:00Z")), at("2027-01-01T03:17:00Z"));
        assert!(!nightly.is_due(None, at("2026-03-01T12:00:00Z")), "the first one waits for its time as well");
        let began = Some(at("2026-03-01T03:17:20Z"));
        assert!(!nightly.is_due(began, at("2026-03-02T03:16:59Z")));
        assert!(nightly.is_due(began, at("2026-03-02T03:17:00Z")));
        // Nobody was there at that hour: it is made good.
        assert!(nightly.is_due(began, at("2026-03-02T09:00:00Z")));
    }

    #[test]
    fn a_run_is_overdue_after_as_long_again() {
        let run = |minutes| Run {
            began: at("2026-03-01T12:00:00Z"),
            took_ms: 5,
            did: String::new(),
            figures: BTreeMap::new(),
            error: None,
            next: at("2026-03-01T12:00:00Z") + SignedDuration::from_mins(minutes),
        };
        assert!(!run(15).is_overdue(at("2026-03-01T12:30:00Z")), "the next run may take its time");
        assert!(run(15).is_overdue(at("2026-03-01T12:30:01Z")));
        assert!(!run(1).is_overdue(at("2026-03-01T12:02:00Z")) && run(1).is_overdue(at("2026-03-01T12:02:01Z")));
    }
}
