//! Many histories, on all cores: each is one thread's, so that its seed alone decides it.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use puente::outbound::Client;

use crate::{
    erp::ON_REQUEST,
    fault::Fault,
    history::{self, About, Report},
};

/// What came of many histories.
#[derive(Debug, Default)]
pub struct Campaign {
    /// How many were played.
    pub histories: u64,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Invariants checked.
    pub checks: u64,
    /// Webhooks that were answered 2xx.
    pub accepted: u64,
    /// Documents in the ERPs.
    pub booked: u64,
    /// Calls to the ERPs.
    pub calls: u64,
    /// Units sold in shops that are told their stock.
    pub sold: u64,
    /// Of these, units that were not there.
    pub oversold: u64,
    /// The longest time until all was at rest, in hours of virtual time.
    pub longest: i64,
    /// The seeds that failed, and how.
    pub failed: BTreeMap<u64, Vec<String>>,
    /// What it took.
    pub took: Duration,
}

impl Campaign {
    fn add(&mut self, report: &Report) {
        self.histories += 1;
        self.checks += report.checks;
        self.accepted += report.accepted;
        self.booked += report.booked;
        self.calls += report.calls;
        if let Some(stock) = &report.stock {
            self.sold += stock.sold;
            self.oversold += stock.oversold;
        }
        self.longest = self.longest.max(report.settled);
        for (fault, count) in &report.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }
}

/// Plays the histories of `count` seeds from `first` on, until `failures` of them have failed. `progress` is told of each that is done.
#[must_use]
pub fn play(about: About, first: u64, count: u64, failures: usize, progress: impl Fn() + Sync) -> Campaign {
    let begun = Instant::now();
    quiet_panics();
    let client = Client::new().unwrap();
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let whole = Mutex::new(Campaign::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Campaign::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let violations = match guarded(about, seed, &client, false) {
                        Ok(report) => {
                            mine.add(&report);
                            report.violations
                        }
                        Err(panic) => vec![panic],
                    };
                    progress();
                    if !violations.is_empty() {
                        let mut whole = whole.lock().unwrap();
                        whole.failed.insert(seed, violations);
                        stop.fetch_or(whole.failed.len() >= failures, Ordering::Relaxed);
                    }
                }
                let mut whole = whole.lock().unwrap();
                whole.merge(mine);
            });
        }
    });
    let mut whole = whole.into_inner().unwrap();
    whole.took = begun.elapsed();
    whole
}

/// One history; a panic of the simulation itself is a failure too.
pub fn guarded(about: About, seed: u64, client: &Client, traced: bool) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| history::run(about, seed, client, traced))).map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        format!("the simulation panicked: {}", words.unwrap_or_default())
    })
}

impl Campaign {
    fn merge(&mut self, other: Self) {
        self.histories += other.histories;
        self.checks += other.checks;
        self.accepted += other.accepted;
        self.booked += other.booked;
        self.calls += other.calls;
        self.sold += other.sold;
        self.oversold += other.oversold;
        self.longest = self.longest.max(other.longest);
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

/// Orders that make our code panic do so on purpose, thousands of times: nobody wants to read that.
pub fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.to_string().contains(ON_REQUEST) {
                loud(panic);
            }
        }));
    });
}
