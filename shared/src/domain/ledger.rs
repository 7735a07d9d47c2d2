//! The ledger of an account: the exact limiter of its windows and days, its blocks, and, for an ERP's, the conductor's lease.
//!
//! One item per account, changed only by conditional updates. Each operation here is one such update as a pure function
//! of the item as it is: the SQLite adapter runs it inside a transaction, the DynamoDB adapter translates it to update
//! expressions, and the ports' contract suite compares the two over random histories.
//!
//! A reservation owns exact *send slots* `tat, tat+T, …`. The spacing `T = (W + 2E + L + J) / N` leaves room for clock error
//! E, lateness L and arrival jitter J, so that no window of W at the other side ever sees more than N calls; a crash, a lost reply or
//! a doubled update can only waste slots. Between several holders (a lapsed lease, a frozen worker that wakes) it still holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, ToSpan, Unit, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::ids::ConnectionId;
use crate::{Error, Kind, Result};

#[cfg(test)]
mod tests;

/// What an account allows, and how exactly our clocks and the network are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// N: calls per window.
    pub calls: u32,
    /// W: the window.
    pub window: SignedDuration,
    /// Q: calls per day; [`Limits::ENDLESS`] where a day has no limit of its own.
    pub per_day: u32,
    /// When the account's day begins.
    pub reset: civil::Time,
    /// Its time zone.
    pub time_zone: TimeZone,
    /// The share of the day kept for orders, in thousandths.
    pub orders_share: u32,
    /// E: how far any of our clocks may be off true time.
    pub clock_error: SignedDuration,
    /// L: how late after its slot a call may still start.
    pub lateness: SignedDuration,
    /// J: how much longer one call may travel than another.
    pub jitter: SignedDuration,
    /// H: how far ahead slots are given out; beyond it the order is deferred, no worker sleeps on it.
    pub horizon: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 10,
            window: SignedDuration::from_secs(1),
            per_day: 300,
            reset: civil::Time::midnight(),
            time_zone: TimeZone::UTC,
            orders_share: 800,
            clock_error: SignedDuration::from_millis(50),
            lateness: SignedDuration::from_millis(50),
            jitter: SignedDuration::ZERO,
            horizon: SignedDuration::from_secs(3),
        }
    }
}

/// A day of an account's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Its number, growing by one a day (days since 1970-01-01 of the date it begins on).
    pub number: i64,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant of the next.
    pub end: Timestamp,
}

impl Limits {
    /// As calls a day: a day has no limit.
    pub const ENDLESS: u32 = u32::MAX;

    /// T: the time between two send slots.
    #[must_use]
    pub fn spacing(&self) -> SignedDuration {
        let slack = self.clock_error * 2 + self.lateness + self.jitter;
        let nanos = (self.window + slack).as_nanos();
        let calls = i128::from(self.calls.max(1));
        // Rounded up to whole microseconds, which is what the ledger stores.
        let micros = (nanos + calls * 1000 - 1) / (calls * 1000);
        SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// How far ahead slots are given out: the horizon, or two slots where the rate is slow, so that a step of several calls
    /// gets its next one.
    #[must_use]
    pub fn reach(&self) -> SignedDuration {
        self.horizon.max(self.spacing() * 2)
    }

    /// The account's day that `now` lies in.
    #[must_use]
    pub fn day(&self, now: Timestamp) -> Day {
        let local = now.to_zoned(self.time_zone.clone());
        let begins = |date: civil::Date| {
            // Where daylight saving skips the reset the day begins as much later; where the reset comes twice, at the first.
            date.to_datetime(self.reset).to_zoned(self.time_zone.clone()).map_or(now, |zoned| zoned.timestamp())
        };
        let mut date = local.date();
        if now < begins(date) {
            date = date.saturating_sub(1.day());
        } else if begins(date.saturating_add(1.day())) <= now {
            // Clocks put back across midnight show yesterday's date again, but the reset has been.
            date = date.saturating_add(1.day());
        }
        let epoch = civil::date(1970, 1, 1);
        let number = epoch.until((Unit::Day, date)).map_or(0, |span| i64::from(span.get_days()));
        Day { number, start: begins(date), end: begins(date.saturating_add(1.day())) }
    }

    /// The calls of a day that work other than orders may use.
    #[must_use]
    pub fn other_per_day(&self) -> u32 {
        let other = u64::from(self.per_day) * u64::from(1000 - self.orders_share.min(1000)) / 1000;
        u32::try_from(other).unwrap_or(u32::MAX)
    }
}

/// The stored item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Who conducts: a conductor's own random text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// The fencing token: grows with every take.
    #[serde(default)]
    pub epoch: u64,
    /// Grows whenever somebody had work while the lease was held: the holder must look again before it releases.
    #[serde(default)]
    pub mark: u64,
    /// The next free send slot.
    #[serde(default)]
    pub tat: Option<Timestamp>,
    /// The day that `used` counts.
    #[serde(default)]
    pub day: i64,
    /// Calls granted in that day.
    #[serde(default)]
    pub used: u32,
    /// Of these, calls for other work than orders.
    #[serde(default)]
    pub used_other: u32,
    /// No call before: a 429, a ban or an outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<Timestamp>,
    /// How many blocks came without a success between them: each is longer.
    #[serde(default)]
    pub strikes: u32,
    /// Why it is blocked, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_because: Option<String>,
    /// No departure before: the day is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departs_at: Option<Timestamp>,
    /// Calls the last departure took: what the next is expected to take.
    #[serde(default)]
    pub per_departure: u32,
    /// What each connection spent of the day.
    #[serde(default)]
    pub spent: Spent,
    /// Whose orders wait, since calls that carry them fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// How often the account was asked for its stock: a later answer has a higher number, whenever it lands.
    #[serde(default)]
    pub polls: u64,
}

/// What connections spent of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The day, see [`Day::number`].
    pub day: i64,
    /// By connection.
    pub by: BTreeMap<ConnectionId, Use>,
}

/// What a connection spent, in thousandths of a call: a call that carries orders of several is shared by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// What it spent.
    pub spent: u64,
    /// How far its share is gone: spent, or lent for good while it was not used.
    pub gone: u64,
}

/// Connections whose orders wait: a call that carried one of them failed, and no call with another order has passed since.
///
/// Nobody knows yet whether the order is to blame or the account. The other connections do not wait: theirs is the order that
/// tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Until when.
    pub until: Timestamp,
    /// How many calls failed so in a row: each makes it longer.
    pub strikes: u32,
    /// Why, for people.
    pub because: String,
    /// Whose orders.
    pub connections: BTreeSet<ConnectionId>,
}

/// So many connections whose orders fail alike are everybody: then it is the account, and all wait.
const EVERYBODY: usize = 3;

impl Hold {
    /// Whether orders of `connection` have to wait at `now`.
    #[must_use]
    pub fn holds(&self, connection: &ConnectionId, now: Timestamp) -> bool {
        self.until > now && (self.connections.len() >= EVERYBODY || self.connections.contains(connection))
    }
}

impl Spent {
    /// What `connection` spent of the day `day`.
    #[must_use]
    pub fn of(&self, connection: &ConnectionId, day: i64) -> Use {
        self.by.get(connection).copied().filter(|_| self.day == day).unwrap_or_default()
    }
}

/// What a conductor writes down after a departure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Departed {
    /// When the next may leave; `None`: at once.
    pub departs_at: Option<Timestamp>,
    /// Calls it took: what the next is expected to take.
    pub calls: u32,
    /// What connections spent, this departure included.
    pub spent: Spent,
    /// Whose orders wait from now on.
    pub hold: Option<Hold>,
}

/// What slots are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Taking orders to the ERP, or asking the store for them.
    Orders,
    /// Anything else: probing, stock, prices.
    Other,
}

/// A request for `k` send slots.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many, at least 1.
    pub k: u32,
    /// What for.
    pub purpose: Purpose,
    /// The conductor's epoch and new lease end: the reservation renews the lease and fails if it is lost, so that a
    /// conductor that lost its lease gets no slot. `None` for calls outside a departure.
    pub lease: Option<(u64, Timestamp)>,
}

impl Request {
    /// How far ahead slots are given out for it. Where nobody conducts, the horizon and no more: who cannot be served soon goes away, and
    /// lets others work.
    #[must_use]
    pub fn reach(&self, limits: &Limits) -> SignedDuration {
        if self.lease.is_some() { limits.reach() } else { limits.horizon }
    }
}

/// Send slots that are ours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// The first.
    pub first: Timestamp,
    /// The time from one to the next.
    pub spacing: SignedDuration,
    /// How many.
    pub k: u32,
    /// How many calls had failed in a row by then: once one succeeds, the account is to be unblocked.
    pub strikes: u32,
}

/// Why there are no slots now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The day's quota is used up, or this moment is too near its reset: not before this time.
    Day(Timestamp),
    /// The next slot lies beyond the horizon: about this time.
    Horizon(Timestamp),
    /// The account is blocked until then.
    Blocked(Timestamp),
    /// The lease is another's.
    Lost,
}

/// What came of asking for the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one for each time that somebody conducts")]
pub enum Taken {
    /// It is ours: the item as it is now, with our epoch and the mark to remember.
    Taken(Ledger),
    /// Somebody holds it.
    Held,
}

/// What came of giving the lease back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It is free.
    Released,
    /// A mark came since: look again; this is the mark to remember now.
    Marked(u64),
    /// It was not ours any more.
    Lost,
}

impl Ledger {
    /// Takes the lease, if nobody holds it or its holder's time is over by more than the clock error.
    pub fn take(&mut self, nonce: &str, now: Timestamp, until: Timestamp, clock_error: SignedDuration) -> Taken {
        let free = match (&self.holder, self.lease_until) {
            (None, _) | (_, None) => true,
            // The same nonce: our own SDK's retry of a take that had succeeded.
            (Some(holder), _) if holder == nonce => true,
            (_, Some(end)) => end < now - clock_error,
        };
        if !free {
            return Taken::Held;
        }
        self.epoch += 1;
        self.holder = Some(nonce.to_owned());
        self.lease_until = Some(until);
        Taken::Taken(self.clone())
    }

    /// Leaves a mark for the holder. Only on a live lease: else it would be left for nobody.
    pub fn leave_mark(&mut self, now: Timestamp) -> bool {
        let live = self.holder.is_some() && self.lease_until.is_some_and(|end| end >= now);
        if live {
            self.mark += 1;
        }
        live
    }

    /// Gives the lease back, unless a mark came since `seen` (`None`: give it back all the same, the time is short).
    pub fn release(&mut self, epoch: u64, seen: Option<u64>) -> Released {
        if self.epoch != epoch || self.holder.is_none() {
            return Released::Lost;
        }
        if seen.is_some_and(|seen| seen != self.mark) {
            return Released::Marked(self.mark);
        }
        self.holder = None;
        self.lease_until = None;
        Released::Released
    }

    /// Reserves send slots: busy (additive), idle, or a new day; renews the lease with it.
    pub fn reserve(
        &mut self,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> std::result::Result<Slots, Denied> {
        if let Some((epoch, _)) = request.lease
            && (self.epoch != epoch || self.holder.is_none())
        {
            return Err(Denied::Lost);
        }
        if let Some(until) = self.blocked_until
            && until > now
        {
            return Err(Denied::Blocked(until));
        }
        let day = limits.day(now);
        let error = limits.clock_error;
        let tomorrow = Denied::Day(day.end + error);
        // Never backwards: a slow clock must not reopen yesterday; it waits until it shows today as well.
        if day.number < self.day {
            return Err(tomorrow);
        }
        if now < day.start + error {
            return Err(Denied::Day(day.start + error));
        }
        let fresh = day.number > self.day;
        let (used, used_other) = if fresh { (0, 0) } else { (self.used, self.used_other) };
        let other = if request.purpose == Purpose::Other { request.k } else { 0 };
        if used.saturating_add(request.k) > limits.per_day
            || (other > 0 && used_other.saturating_add(other) > limits.other_per_day())
        {
            return Err(tomorrow);
        }
        let spacing = limits.spacing();
        let first = self.tat.map_or(now, |tat| tat.max(now));
        let reach = request.reach(limits);
        if first > now + reach {
            return Err(Denied::Horizon(first - reach));
        }
        // Every slot, sent as late and travelling as long as allowed, must be over before the reset, whoever's clock is asked.
        let last = day.end - error - limits.lateness - limits.jitter;
        let run = i32::try_from(request.k).ok().and_then(|k| spacing.checked_mul(k));
        let Some(next) = run.and_then(|run| first.checked_add(run).ok()).filter(|next| *next <= last) else {
            return Err(tomorrow);
        };
        self.tat = Some(next);
        self.day = day.number;
        self.used = used + request.k;
        self.used_other = used_other + other;
        if let Some((_, until)) = request.lease {
            self.lease_until = Some(until);
        }
        Ok(Slots { first, spacing, k: request.k, strikes: self.strikes })
    }

    /// Blocks the account until a time, for everybody. A later block stays. `seen`: the failures in a row when the call that failed
    /// was permitted; it is one more only if nobody has counted it since, for what fails together is one failure.
    pub fn block(&mut self, until: Timestamp, because: &str, seen: u32) {
        if self.strikes == seen {
            self.strikes = seen.saturating_add(1);
        }
        if self.blocked_until.is_none_or(|old| old < until) {
            self.blocked_until = Some(until);
            self.blocked_because = Some(because.to_owned());
        }
    }

    /// A call succeeded: the next block starts small again. A block that somebody else met meanwhile stays: the call was under way
    /// before it.
    pub fn unblock(&mut self, now: Timestamp) {
        if self.blocked_until.is_some_and(|until| until > now) {
            return;
        }
        self.strikes = 0;
        self.blocked_until = None;
        self.blocked_because = None;
    }

    /// A poll of the account's stock begins, under the lease of `epoch`: its number. None: the lease is lost.
    pub fn poll(&mut self, epoch: u64) -> Option<u64> {
        if self.epoch != epoch || self.holder.is_none() {
            return None;
        }
        self.polls += 1;
        Some(self.polls)
    }

    /// Writes down a departure, if the lease is still `epoch`'s. All of it is set, nothing added: written twice it is the same.
    pub fn departed(&mut self, epoch: u64, departed: &Departed) {
        if self.epoch == epoch && self.holder.is_some() {
            let Departed { departs_at, calls, spent, hold } = departed.clone();
            (self.departs_at, self.per_departure, self.spent, self.hold) = (departs_at, calls, spent, hold);
        }
    }

    /// Whether orders of `connection` are held at `now`.
    #[must_use]
    pub fn holds(&self, connection: &ConnectionId, now: Timestamp) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.holds(connection, now))
    }

    /// What was used of the day that `now` lies in.
    #[must_use]
    pub fn used_today(&self, limits: &Limits, now: Timestamp) -> u32 {
        if limits.day(now).number == self.day { self.used } else { 0 }
    }
}

/// Reads a rate such as `10/s`, `150/min`, `25/10s` or `1000/h`.
pub fn parse_rate(text: &str) -> Result<(u32, SignedDuration)> {
    let read = || {
        let (calls, window) = text.split_once('/')?;
        let calls: u32 = calls.trim().parse().ok().filter(|n| (1..=100_000).contains(n))?;
        let window = window.trim();
        let digits = window.len() - window.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, unit) = window.split_at(digits);
        let count: i64 = if count.is_empty() { 1 } else { count.parse().ok()? };
        let unit = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3600,
            _ => return None,
        };
        let seconds = count.checked_mul(unit).filter(|seconds| (1..=86_400).contains(seconds))?;
        Some((calls, SignedDuration::from_secs(seconds)))
    };
    read().ok_or_else(|| {
        Error::new(Kind::Config, format!("`{text}` is not a rate such as \"10/s\", \"150/min\" or \"25/10s\""))
    })
}
