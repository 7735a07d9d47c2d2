//! Each connection's share of the ERP account's day: how many calls it may make so that every other still gets its own.
//!
//! A share is gone as the day goes by, evenly: what its connection did not use by then is lent to the others, for good. What is
//! not gone is reserved. Whoever spends takes from its own reserve first, and from what nobody has reserved; so the calls that are
//! left always cover all reserves. A shop that stays within its share is never kept waiting by one that does not, and at the
//! end of the day nothing is reserved: with enough to do, all calls are used. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    ids::ConnectionId,
    ledger::{Day, Ledger, Limits, Spent, Use},
};

/// A whole day, in the millionths that shares are counted in.
const WHOLE: u64 = 1_000_000;

/// A call, in the thousandths that are spent.
const CALL: u64 = 1000;

/// Calls that have to be free before a connection departs that has spent its share: with one at a time each step would be cut
/// short, and be looked up before it goes on.
const WORTH_IT: u32 = 10;

/// With so many calls everybody may travel together.
const PLENTY: u32 = 50;

/// What part of the day each connection of an account is guaranteed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares(BTreeMap<ConnectionId, u64>);

impl Shares {
    /// The same share for each.
    #[must_use]
    pub fn equal(connections: &[ConnectionId]) -> Self {
        Self::of(connections.iter().map(|connection| (connection.clone(), None))).unwrap_or_default()
    }

    /// Shares in thousandths of the day; those that name none divide what the others leave equally. `None`: together they are more
    /// than the day.
    #[must_use]
    pub fn of(given: impl IntoIterator<Item = (ConnectionId, Option<u32>)>) -> Option<Self> {
        let given: Vec<(ConnectionId, Option<u64>)> = given
            .into_iter()
            .map(|(connection, thousandths)| (connection, thousandths.map(|n| u64::from(n) * (WHOLE / 1000))))
            .collect();
        let named = given.iter().filter_map(|(_, share)| *share).sum::<u64>();
        let unnamed = given.iter().filter(|(_, share)| share.is_none()).count() as u64;
        let rest = WHOLE.checked_sub(named)? / unnamed.max(1);
        Some(Self(given.into_iter().map(|(connection, share)| (connection, share.unwrap_or(rest))).collect()))
    }

    /// The calls of a day that `connection` is guaranteed: of those that are not kept for other work than orders.
    #[must_use]
    pub fn per_day(&self, connection: &ConnectionId, limits: &Limits) -> u32 {
        u32::try_from(self.share(connection, limits) / CALL).unwrap_or(u32::MAX)
    }

    /// What is spent after `calls` at `now` that carried so many orders of each connection.
    #[must_use]
    pub fn charged(
        &self,
        ledger: &Ledger,
        limits: &Limits,
        now: Timestamp,
        calls: u32,
        orders: &BTreeMap<ConnectionId, u32>,
    ) -> Spent {
        let day = limits.day(now);
        let by = if ledger.spent.day == day.number { ledger.spent.by.clone() } else { BTreeMap::new() };
        let mut spent = Spent { day: day.number, by };
        let all = orders.values().map(|n| u64::from(*n)).sum::<u64>().max(1);
        for (connection, n) in orders.iter().filter(|_| calls > 0) {
            // Rounded up: what is reserved must fall by all that is taken from it.
            let part = (u64::from(calls) * CALL * u64::from(*n)).div_ceil(all);
            let gone = self.gone(connection, ledger, limits, day, now) + part;
            let spent_before = spent.of(connection, day.number).spent;
            spent.by.insert(connection.clone(), Use { spent: spent_before + part, gone });
        }
        spent
    }

    /// What is left of the day at `now`, and what of it is reserved.
    #[must_use]
    pub fn at<'a>(&'a self, ledger: &'a Ledger, limits: &'a Limits, now: Timestamp) -> Reserves<'a> {
        let day = limits.day(now);
        let left = u64::from(limits.per_day.saturating_sub(ledger.used_today(limits, now))) * CALL;
        let reserved = self.0.keys().map(|connection| self.reserved(connection, ledger, limits, day, now)).sum();
        Reserves { shares: self, ledger, limits, now, day, left, reserved }
    }

    /// What `connection` is sure of: the part of its share that is not gone.
    fn reserved(&self, connection: &ConnectionId, ledger: &Ledger, limits: &Limits, day: Day, now: Timestamp) -> u64 {
        self.share(connection, limits).saturating_sub(self.gone(connection, ledger, limits, day, now))
    }

    /// How far its share is gone at `now`.
    fn gone(&self, connection: &ConnectionId, ledger: &Ledger, limits: &Limits, day: Day, now: Timestamp) -> u64 {
        let whole = day.end.duration_since(day.start).as_millis().max(1);
        let passed = now.duration_since(day.start).as_millis().clamp(0, whole);
        // Rounded up: nothing is reserved at the end.
        let by_time = (i128::from(self.share(connection, limits)) * passed + whole - 1) / whole;
        ledger.spent.of(connection, day.number).gone.max(u64::try_from(by_time).unwrap_or(u64::MAX))
    }

    /// In thousandths of a call.
    fn share(&self, connection: &ConnectionId, limits: &Limits) -> u64 {
        let orders = u64::from(limits.per_day.saturating_sub(limits.other_per_day()));
        // A millionth of a call is no call.
        self.0.get(connection).map_or(0, |share| orders * share / (WHOLE / CALL))
    }
}

/// What is left of a day, and what of it is reserved for whom.
#[derive(Debug, Clone, Copy)]
pub struct Reserves<'a> {
    shares: &'a Shares,
    ledger: &'a Ledger,
    limits: &'a Limits,
    now: Timestamp,
    day: Day,
    /// In thousandths of a call, as the next.
    left: u64,
    reserved: u64,
}

impl Reserves<'_> {
    /// Calls that a departure with orders of `connections` may make, so that everybody keeps what is reserved for them.
    #[must_use]
    pub fn budget(&self, connections: &[ConnectionId]) -> u32 {
        // The one with the least of its own pays with what nobody else is sure of.
        connections.iter().map(|connection| self.allowance(connection)).min().unwrap_or(0)
    }

    /// Which of `connections` depart together: all of them, unless so little is left that those that have spent their share would cut
    /// the departure of the others short.
    #[must_use]
    pub fn company<'c>(&self, connections: impl IntoIterator<Item = &'c ConnectionId>) -> Vec<&'c ConnectionId> {
        let all: Vec<&ConnectionId> = connections.into_iter().collect();
        let own: Vec<&ConnectionId> = all.iter().copied().filter(|of| self.own(of) >= CALL).collect();
        let allowed = all.iter().map(|connection| self.allowance(connection)).min().unwrap_or(0);
        if allowed < PLENTY && !own.is_empty() { own } else { all }
    }

    /// Whether `connection` may depart.
    #[must_use]
    pub fn is_open(&self, connection: &ConnectionId) -> bool {
        let usual = self.ledger.per_departure.clamp(1, WORTH_IT);
        // Of its own share, also the last call.
        let needed = match u32::try_from(self.own(connection) / CALL).unwrap_or(u32::MAX) {
            0 => usual,
            own => usual.min(own),
        };
        let allowed = self.allowance(connection);
        allowed > 0 && allowed >= needed.min(u32::try_from(self.left / CALL).unwrap_or(u32::MAX))
    }

    /// From when on `connection` may depart; `None`: now.
    #[must_use]
    pub fn opens(&self, connection: &ConnectionId) -> Option<Timestamp> {
        if self.is_open(connection) {
            return None;
        }
        let end = self.day.end;
        let (mut closed, mut open) = (0, end.duration_since(self.now).as_secs().max(1));
        if self.left < CALL {
            closed = open - 1;
        }
        // What is reserved only falls as the day goes by: the first second at which enough is free.
        while open - closed > 1 {
            let middle = closed + (open - closed) / 2;
            let then = self.shares.at(self.ledger, self.limits, self.now + SignedDuration::from_secs(middle));
            if then.is_open(connection) { open = middle } else { closed = middle }
        }
        // By another clock the new day may not have begun yet.
        Some((self.now + SignedDuration::from_secs(open)).min(end) + self.limits.clock_error * 2)
    }

    /// What is left of the day but for what the others are sure of. Less than a call is of no use to them.
    fn allowance(&self, connection: &ConnectionId) -> u32 {
        let others = self.reserved.saturating_sub(self.own(connection));
        let others = if others < CALL { 0 } else { others };
        u32::try_from(self.left.saturating_sub(others) / CALL).unwrap_or(u32::MAX)
    }

    fn own(&self, connection: &ConnectionId) -> u64 {
        self.shares.reserved(connection, self.ledger, self.limits, self.day, self.now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: &str = "2026-03-01T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shops(n: usize) -> Vec<ConnectionId> {
        (0..n).map(|i| format!("shop-{i}").parse().unwrap()).collect()
    }

    fn limits(per_day: u32) -> Limits {
        Limits { per_day, orders_share: 1000, ..Limits::default() }
    }

    /// A departure of `calls` with orders of `shop` alone.
    fn depart(shares: &Shares, ledger: &mut Ledger, shop: &ConnectionId, calls: u32, limits: &Limits, now: Timestamp) {
        let day = limits.day(now).number;
        if ledger.day != day {
            (ledger.day, ledger.used) = (day, 0);
        }
        ledger.used += calls;
        ledger.spent = shares.charged(ledger, limits, now, calls, &BTreeMap::from([(shop.clone(), 1)]));
        ledger.per_departure = calls;
    }

    #[test]
    fn one_connection_has_the_whole_day() {
        let (shops, limits) = (shops(1), limits(300));
        let shares = Shares::equal(&shops);
        let ledger = Ledger::default();
        assert_eq!(shares.at(&ledger, &limits, at(NOON)).budget(&shops), 300);
        assert_eq!(shares.at(&ledger, &limits, at(NOON)).opens(&shops[0]), None);
    }

    #[test]
    fn a_spender_leaves_the_others_their_share_of_the_time_that_is_left() {
        let (shops, limits) = (shops(3), limits(300));
        let shares = Shares::equal(&shops);
        let (mut ledger, now) = (Ledger::default(), at("2026-03-01T00:00:00Z"));
        // At the beginning of the day its own hundred, at noon what the others did not use of half a day.
        assert_eq!(shares.at(&ledger, &limits, now).budget(&shops[..1]), 100);
        depart(&shares, &mut ledger, &shops[0], 100, &limits, now);
        assert_eq!(shares.at(&ledger, &limits, now).budget(&shops[..1]), 0);
        let opens = shares.at(&ledger, &limits, now).opens(&shops[0]).unwrap();
        assert!(opens > now + SignedDuration::from_mins(60) && opens < now + SignedDuration::from_mins(80), "{opens}");
        assert_eq!(shares.at(&ledger, &limits, at(NOON)).budget(&shops[..1]), 100);
        assert_eq!(shares.at(&ledger, &limits, at(NOON)).budget(&shops[1..2]), 150);
        // In its company nobody spends what is a third one's.
        assert_eq!(shares.at(&ledger, &limits, at(NOON)).budget(&shops[..2]), 100);
        assert_eq!(shares.at(&ledger, &limits, at("2026-03-01T23:59:59Z")).budget(&shops[..1]), 200);
    }

    #[test]
    fn who_spent_its_share_does_not_cut_the_others_short() {
        let (shops, limits) = (shops(3), limits(300));
        let shares = Shares::equal(&shops);
        let (mut ledger, now) = (Ledger::default(), at("2026-03-01T00:00:00Z"));
        assert_eq!(shares.at(&ledger, &limits, now).company(&shops).len(), 3);
        depart(&shares, &mut ledger, &shops[0], 100, &limits, now);
        let later = at("2026-03-01T03:00:00Z");
        assert!(shares.at(&ledger, &limits, later).is_open(&shops[0]), "25 calls were lent by then");
        assert_eq!(shares.at(&ledger, &limits, later).company(&shops), [&shops[1], &shops[2]]);
        assert_eq!(shares.at(&ledger, &limits, later).company(&shops[..1]), [&shops[0]]);
        assert_eq!(shares.at(&ledger, &limits, at(NOON)).company(&shops).len(), 3, "a hundred were lent by then");
    }

    #[test]
    fn the_last_calls_of_a_share_are_not_held_back_for_a_longer_departure() {
        let (shops, limits) = (shops(2), limits(200));
        let shares = Shares::equal(&shops);
        let (mut ledger, now) = (Ledger::default(), at("2026-03-01T00:00:00Z"));
        depart(&shares, &mut ledger, &shops[1], 97, &limits, now);
        depart(&shares, &mut ledger, &shops[0], 100, &limits, now);
        assert_eq!(shares.at(&ledger, &limits, now).opens(&shops[1]), None, "three of its own are left");
        assert!(shares.at(&ledger, &limits, now).opens(&shops[0]).is_some());
    }

    #[test]
    fn shares_are_named_or_equal_and_never_more_than_the_day() {
        let shops = shops(3);
        let named = |shares: [Option<u32>; 3]| Shares::of(shops.iter().cloned().zip(shares));
        let per_day = |shares: &Shares| shops.iter().map(|shop| shares.per_day(shop, &limits(300))).collect::<Vec<_>>();
        assert_eq!(per_day(&Shares::equal(&shops)), [99, 99, 99], "rounded down");
        assert_eq!(per_day(&named([Some(500), None, None]).unwrap()), [150, 75, 75]);
        assert_eq!(per_day(&named([Some(1000), None, None]).unwrap()), [300, 0, 0]);
        assert_eq!(named([Some(600), Some(401), None]), None);
    }

    /// Who wants how many calls when: shops by number, in seconds after the last.
    fn wishes() -> impl Strategy<Value = Vec<(u64, usize, u32)>> {
        prop::collection::vec((0_u64..4000, 0_usize..4, 1_u32..40), 1..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn who_stays_within_its_share_is_never_kept_waiting(
            wishes in wishes(), named in prop::option::of(0_u32..400), per_day in 60_u32..600,
        ) {
            let (shops, limits) = (shops(4), limits(per_day));
            let given = shops.iter().cloned().zip([named, None, None, None]);
            let shares = Shares::of(given).unwrap();
            let (mut ledger, start) = (Ledger::default(), at("2026-03-01T00:00:00Z"));
            let mut now = start;
            for (after, shop, calls) in wishes {
                now += SignedDuration::from_secs(i64::try_from(after).unwrap());
                if limits.day(now).start != start {
                    break;
                }
                let shop = &shops[shop];
                let reserved = shares.reserved(shop, &ledger, &limits, limits.day(now), now);
                let budget = shares.at(&ledger, &limits, now).budget(std::slice::from_ref(shop));
                // Whatever the others did, what is reserved for it is there.
                prop_assert!(u64::from(budget) >= reserved / CALL, "{shop}: {budget} of {reserved}");
                let open = shares.at(&ledger, &limits, now).is_open(shop);
                let needed = u64::from(ledger.per_departure.clamp(1, WORTH_IT)) * CALL;
                prop_assert!(open || reserved < needed.max(CALL), "{shop} waits, and {reserved} are reserved for it");
                if open {
                    depart(&shares, &mut ledger, shop, calls.min(budget), &limits, now);
                }
                prop_assert!(ledger.used <= per_day);
            }
        }

        #[test]
        fn it_opens_when_it_says_and_not_before(
            spent in 0_u32..300, by in 0_usize..3, second in 0_i64..86_000, per_departure in 0_u32..30,
        ) {
            let (shops, limits) = (shops(3), limits(300));
            let shares = Shares::equal(&shops);
            let now = at("2026-03-01T00:00:00Z") + SignedDuration::from_secs(second);
            let mut ledger = Ledger::default();
            depart(&shares, &mut ledger, &shops[by], spent, &limits, now);
            ledger.per_departure = per_departure;
            if let Some(opens) = shares.at(&ledger, &limits, now).opens(&shops[0]) {
                prop_assert!(shares.at(&ledger, &limits, opens).opens(&shops[0]).is_none());
                let early = opens - limits.clock_error * 2 - SignedDuration::from_secs(1);
                prop_assert!(early <= now || shares.at(&ledger, &limits, early).opens(&shops[0]).is_some());
            }
        }
    }

    proptest! {
        // A whole day each.
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn with_enough_to_do_all_calls_of_the_day_are_used(
            calls in 1_u32..20, per_day in 30_u32..600, busy in prop::collection::vec(any::<bool>(), 4),
        ) {
            let (shops, limits) = (shops(4), limits(per_day));
            let shares = Shares::equal(&shops);
            let (mut ledger, start) = (Ledger::default(), at("2026-03-01T00:00:00Z"));
            // Every two minutes, and in the last second as often as it takes.
            let seconds = (0..720).map(|n| n * 120).chain([86_399; 20]);
            for now in seconds.map(|second| start + SignedDuration::from_secs(second)) {
                // The first always has something to do; the others, or none of them.
                for (shop, _) in shops.iter().zip(&busy).filter(|(shop, busy)| **busy || *shop == &shops[0]) {
                    let reserves = shares.at(&ledger, &limits, now);
                    if reserves.is_open(shop) {
                        let budget = reserves.budget(std::slice::from_ref(shop));
                        depart(&shares, &mut ledger, shop, calls.min(budget), &limits, now);
                    }
                }
            }
            prop_assert_eq!(ledger.used, per_day);
        }
    }
}
