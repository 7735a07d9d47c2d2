//! What a seed makes: an ERP, shops, limits, sizes, and the faults that the history suffers. Each history suffers a few kinds
//! out of all, often enough to matter: all of them at once would hide behind each other.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use puente::{
    domain::{
        goods::number::Keeps,
        ledger::Limits,
        rules::{After, Cancel, Credit, Edit},
    },
    erp::{Bulk, Capabilities, Class, Patience},
    ports::Chance as _,
};

use crate::{
    chance::Seeded,
    erp,
    executor::Micros,
    fault::{Fault, Faults},
    queue,
    warehouse::Trade,
    world::{HOUR, MINUTE, SECOND, micros},
};

/// Whether the stores are asked for what no webhook brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfills {
    /// Never: webhooks alone must do.
    Never,
    /// Every quarter of an hour, from the last position.
    OnTime,
    /// The same, and at the end everything of the day, as every night.
    Wide,
}

/// The circumstances of a history.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// When it begins.
    pub start: Micros,
    /// For how long shops sell and faults happen.
    pub busy: Micros,
    /// How many shops share the ERP account.
    pub shops: usize,
    /// How many orders they sell together.
    pub orders: usize,
    /// Whether the shops can be asked.
    pub can_fetch: bool,
    /// Whether they are asked what no webhook brought, and how far back at the end.
    pub backfill: Backfills,
    /// How often a store sends a webhook that was not accepted.
    pub tries: u32,
    /// What becomes of orders that change once the ERP holds them.
    pub after: After,
    /// The ERP.
    pub erp: erp::Settings,
    /// Its limits.
    pub limits: Limits,
    /// Attempts before an order is dead.
    pub max_attempts: u32,
    /// The queue.
    pub queue: queue::Settings,
    /// How long an invocation of the worker may take.
    pub function: Micros,
    /// Workers at a time.
    pub workers: usize,
    /// How far any clock is off, at most.
    pub skew: Micros,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether the world is in order: see [`World::put_in_order`](crate::world::World::put_in_order).
    pub in_order: bool,
    /// How goods are sold, where stores are told their stock.
    pub trade: Option<Trade>,
}

impl Scenario {
    /// The circumstances that a seed makes.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let chance = Seeded::new(seed ^ 0x0005_eed0_f5ce_a210);
        let faults = faults(&chance);
        let timeout = chance.one_of(&[2, 5, 5, 10, 30]);
        let class = chance.one_of(&[Class::Key, Class::Unique, Class::Unique, Class::Searchable, Class::Nothing]);
        let creates = Capabilities {
            class,
            bulk: chance.one_of(&[Bulk::Atomic, Bulk::Atomic, Bulk::PerItem, Bulk::Unknown]),
            max_bulk: chance.one_of(&[1, 2, 5, 100]),
        };
        let patience = Patience { timeout: Duration::from_secs(timeout), settle: Duration::from_secs(timeout * 2) };
        let limits = limits(&chance, &faults);
        let start = start(&chance, &limits, &faults);
        // Three calls of a step, its commit, what is left for the answer, and some.
        let least = Micros::try_from(timeout).unwrap_or(30) * 3 + 12;
        let function = chance.one_of(&[least + 3, least.max(60), 300]).max(least) * SECOND;
        let many = faults.had(Fault::Flood) || faults.had(Fault::Spender) || chance.permille(30);
        let one_by_one = faults.had(Fault::Spender) || faults.had(Fault::ManyUnknown);
        Self {
            start,
            busy: chance.one_of(&[2 * MINUTE, 10 * MINUTE, 40 * MINUTE, 3 * HOUR]),
            shops: 1 + chance.index(3),
            orders: if many { 20 + chance.index(40) } else { 1 + chance.index(7) },
            can_fetch: chance.permille(600),
            backfill: chance.one_of(&[Backfills::Never, Backfills::OnTime, Backfills::OnTime, Backfills::Wide]),
            tries: chance.one_of(&[1, 3, 8]),
            after: After {
                edit: chance.one_of(&[Edit::Amend, Edit::Amend, Edit::CancelAndNew, Edit::Park]),
                cancel: chance.one_of(&[Cancel::Cancel, Cancel::Cancel, Cancel::Cancel, Cancel::Park]),
                refund: chance.one_of(&[Credit::Credit, Credit::Credit, Credit::Credit, Credit::Park]),
                ..After::default()
            },
            erp: erp::Settings {
                creates,
                amends: chance.permille(700),
                amends_blindly: class > Class::Unique,
                cancels: chance.permille(800),
                credits: chance.permille(850),
                patience,
                drafts: chance.permille(250),
                quotes: false,
                more_calls: 0,
                customers: class != Class::Nothing && chance.permille(400),
                at_most: if one_by_one { 1 } else { 100 },
            },
            limits,
            max_attempts: chance.one_of(&[3, 6, 12, 12]),
            queue: queue::Settings { visibility: function * 6 + SECOND, most_receives: chance.one_of(&[3, 5, 5, 10]) },
            function,
            workers: 2 + chance.index(3),
            skew: if faults.had(Fault::Skew) || faults.had(Fault::ClockJump) { 50_000 } else { 0 },
            faults,
            in_order: false,
            trade: None,
        }
    }
}

impl Scenario {
    /// Nothing goes wrong by chance: for histories that are told step by step.
    #[must_use]
    pub fn calm(class: Class, bulk: Bulk) -> Self {
        let timeout = Duration::from_secs(5);
        let creates = Capabilities { class, bulk, max_bulk: 100 };
        let patience = Patience { timeout, settle: timeout * 2 };
        Self {
            start: micros("2026-03-02T08:00:00Z".parse().unwrap()),
            busy: 5 * MINUTE,
            shops: 1,
            orders: 0,
            can_fetch: true,
            backfill: Backfills::Wide,
            tries: 3,
            after: After::default(),
            erp: erp::Settings::plain(creates, patience),
            limits: Limits { per_day: 100_000, ..Limits::default() },
            max_attempts: 6,
            queue: queue::Settings { visibility: 30 * SECOND, most_receives: 5 },
            function: 60 * SECOND,
            workers: 2,
            skew: 0,
            faults: Faults::default(),
            in_order: false,
            trade: None,
        }
    }

    /// The circumstances that a seed makes where stores are told their stock: a busy warehouse, one or two shops, and what goes wrong.
    #[must_use]
    pub fn of_goods(seed: u64) -> Self {
        let chance = Seeded::new(seed ^ 0x0060_0d5f_00d5_0000);
        let base = Self::of(seed);
        let keeps: Vec<Keeps> =
            (0..1 + chance.index(2)).map(|_| chance.one_of(&[Keeps::Gross, Keeps::Sellable])).collect();
        let rough = chance.one_of(&[0, 0, 30, 150]);
        let trade = Trade {
            visits: chance.one_of(&[15, 40, 80]),
            lot: chance.within(1, 8),
            reorder: chance.within(0, 4),
            cancelled: chance.one_of(&[0, 100, 300]),
            exchanged: chance.one_of(&[0, 50]),
            lost: rough,
            unanswered: rough,
            late: rough,
            safety: chance.one_of(&[0, 0, 0, 1]),
            scarce: chance.one_of(&[0, 3, 6]),
            sent: chance.one_of(&[0, 500, 900]),
            // By the seed alone: drawn by chance it would change what every other seed makes.
            repriced: if seed % 3 == 1 { 6 } else { 0 },
            ..Trade::plain(keeps)
        };
        Self {
            shops: trade.keeps.len(),
            orders: 0,
            busy: chance.one_of(&[20 * MINUTE, 2 * HOUR, 6 * HOUR]),
            limits: Limits { per_day: chance.one_of(&[300, 300, 100_000]), ..base.limits },
            trade: Some(trade),
            erp: erp::Settings { quotes: chance.permille(250), ..base.erp },
            ..base
        }
    }

    /// A busy market, for figures: ten articles, 120 units of each a day in lots of 60, an ERP of 300 calls a day, and shops that lose
    /// a webhook of fifty. In a `storm` a tenth of webhooks and of numbers to stores are lost or late.
    #[must_use]
    pub fn market(keeps: &[Keeps], scarce: u32, days: i64, storm: bool) -> Self {
        const ARTICLES: [&str; 10] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"];
        let (rough, unheard) = if storm { (50, 100) } else { (3, 20) };
        let trade = Trade {
            articles: ARTICLES.to_vec(),
            visits: usize::try_from(days * 1200).unwrap_or_default(),
            lot: 60,
            reorder: 10,
            lead: 3 * HOUR,
            cancelled: 30,
            exchanged: 0,
            lost: rough,
            unanswered: rough,
            late: rough,
            scarce,
            unheard,
            rhythm: true,
            ..Trade::plain(keeps.to_vec())
        };
        let calm = Self::calm(Class::Unique, Bulk::Atomic);
        Self {
            start: micros("2026-03-02T00:00:00Z".parse().unwrap()),
            busy: days * 24 * HOUR,
            shops: keeps.len(),
            backfill: Backfills::OnTime,
            limits: Limits { per_day: 300, ..Limits::default() },
            trade: Some(trade),
            ..calm
        }
    }
}

/// A few kinds of all, at a rate.
fn faults(chance: &Seeded) -> Faults {
    let count = chance.one_of(&[1, 2, 3, 3, 4, 5, 6, 8, 12]);
    let mut kinds: Vec<Fault> = (0..count).map(|_| chance.one_of(Fault::ALL)).collect();
    // What breaks most where it meets another: a lost answer.
    if chance.permille(400) {
        kinds.push(chance.one_of(&[Fault::ErpDrips, Fault::ErpLate, Fault::ErpResetAfter, Fault::Crash]));
    }
    Faults::of(kinds, chance.one_of(&[10, 30, 60, 120, 250]))
}

fn limits(chance: &Seeded, faults: &Faults) -> Limits {
    let second = SignedDuration::from_secs(1);
    let (calls, window) = chance.one_of(&[
        (10, second),
        (10, second),
        (3, second),
        (25, second * 10),
        (150, second * 60),
        (12, second * 60),
    ]);
    let zones = ["UTC", "America/Argentina/Buenos_Aires", "America/Mexico_City", "Europe/Madrid", "America/Santiago"];
    let zone = if faults.had(Fault::DaylightSaving) { chance.one_of(&zones[3..]) } else { chance.one_of(&zones) };
    Limits {
        calls,
        window,
        per_day: chance.one_of(&[100_000, 100_000, 300, 300, 40]),
        reset: if chance.permille(200) { civil::time(6, 30, 0, 0) } else { civil::Time::midnight() },
        time_zone: TimeZone::get(zone).unwrap(),
        ..Limits::default()
    }
}

fn start(chance: &Seeded, limits: &Limits, faults: &Faults) -> Micros {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let day = if faults.had(Fault::DaylightSaving) {
        // The days on which Madrid's and Santiago's clocks change in 2026.
        chance.one_of(&[
            at("2026-03-28T12:00:00Z"),
            at("2026-10-24T12:00:00Z"),
            at("2026-04-04T12:00:00Z"),
            at("2026-09-05T12:00:00Z"),
        ])
    } else {
        at("2026-05-04T12:00:00Z") + SignedDuration::from_hours(24) * i32::try_from(chance.below(30)).unwrap_or(0)
    };
    let end = micros(limits.day(day).end);
    if faults.had(Fault::Midnight) || faults.had(Fault::DaylightSaving) {
        end - chance.within(SECOND, 8 * MINUTE)
    } else {
        end - chance.within(HOUR, 24 * HOUR)
    }
}
