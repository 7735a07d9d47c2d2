//! What all models share: time, chance, faults, and what was seen going wrong.
//!
//! Every call that a flow makes through a port passes [`World::call`]: the one place where a process can die, stand still or be
//! answered wrongly. A kill-point enumeration counts the same calls.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    ports::{Chance, Clock},
};

use crate::{
    chance::Seeded,
    executor::{Executor, Micros},
    fault::{Fault, Faults, Place},
};

/// A second, in microseconds.
pub const SECOND: Micros = 1_000_000;
/// A minute.
pub const MINUTE: Micros = 60 * SECOND;
/// An hour.
pub const HOUR: Micros = 60 * MINUTE;

/// The timestamp of a moment.
#[must_use]
pub fn stamp(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap()
}

/// The moment of a timestamp.
#[must_use]
pub fn micros(at: Timestamp) -> Micros {
    at.as_microsecond()
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What the caller asked for.
    Well,
    /// The process dies before anything left it.
    DieBefore,
    /// The process dies after the other side did what it was asked.
    DieAfter,
    /// The other side did nothing and says so.
    Fail,
    /// The other side did it, and the caller is told that it failed.
    Unanswered,
    /// The caller's SDK repeats what had been done already.
    Twice,
    /// The process stands still for so long before anything left it.
    FreezeBefore(Micros),
    /// The process stands still for so long before it gets the answer.
    FreezeAfter(Micros),
    /// The other side takes so long.
    Slow(Micros),
}

/// An effect of one call of one process, in place of chance: "the third call of the first worker".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The process.
    pub process: String,
    /// Which of its calls, from 0.
    pub call: usize,
    /// What happens there.
    pub effect: Effect,
}

/// The world.
pub struct World {
    /// Time and processes.
    pub executor: Executor,
    /// Chance.
    pub chance: Seeded,
    faults: Mutex<Faults>,
    points: Mutex<Vec<Point>>,
    calls: Mutex<BTreeMap<Arc<str>, Vec<&'static str>>>,
    violations: Mutex<Vec<String>>,
    trace: Option<Mutex<Vec<String>>>,
    start: Micros,
    in_order: AtomicBool,
}

impl World {
    /// A world that begins at `start`. `traced`: everything that happens is written down.
    #[must_use]
    pub fn new(start: Micros, chance: Seeded, faults: Faults, points: Vec<Point>, traced: bool) -> Arc<Self> {
        Arc::new(Self {
            executor: Executor::new(start, chance.clone()),
            chance,
            faults: Mutex::new(faults),
            points: Mutex::new(points),
            calls: Mutex::default(),
            violations: Mutex::default(),
            trace: traced.then(Mutex::default),
            start,
            in_order: AtomicBool::new(false),
        })
    }

    /// From now on whatever is asked answers at once, and messages come in the order in which they were sent: for those who say
    /// what happens at which second.
    pub fn put_in_order(&self) {
        self.in_order.store(true, Ordering::Relaxed);
    }

    /// Whether it was put in order.
    #[must_use]
    pub fn in_order(&self) -> bool {
        self.in_order.load(Ordering::Relaxed)
    }

    /// The time that something takes, by chance within `from..to`.
    #[must_use]
    pub fn takes(&self, from: Micros, to: Micros) -> Micros {
        if self.in_order() { 0 } else { self.chance.within(from, to) }
    }

    /// True time.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.executor.now()
    }

    /// When the world began.
    #[must_use]
    pub fn start(&self) -> Micros {
        self.start
    }

    /// Its faults.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap()
    }

    /// Whether a fault that has no place of its own happens now: so many times of a thousand, if it is among the history's.
    pub fn strikes(&self, fault: Fault, permille: u32) -> bool {
        let strikes = self.faults().has(fault) && self.chance.permille(permille);
        if strikes {
            self.struck(fault);
        }
        strikes
    }

    /// A fault happened.
    pub fn struck(&self, fault: Fault) {
        self.say(|| format!("!! {}", fault.name()));
        self.faults().count(fault);
    }

    /// Writes a line of the trace.
    pub fn say(&self, line: impl FnOnce() -> String) {
        let Some(trace) = &self.trace else { return };
        let since = self.now() - self.start;
        let line = format!("{:>11.3} s  {:<12} {}", since as f64 / 1e6, self.executor.name(), line());
        trace.lock().unwrap().push(line);
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.trace.as_ref().map(|trace| trace.lock().unwrap().clone()).unwrap_or_default()
    }

    /// An invariant does not hold.
    pub fn violated(&self, what: String) {
        self.say(|| format!("VIOLATED {what}"));
        let mut violations = self.violations.lock().unwrap();
        if !violations.contains(&what) {
            violations.push(what);
        }
    }

    /// What did not hold.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    /// Whether something was told to go wrong at a certain call.
    #[must_use]
    pub fn scripted(&self) -> bool {
        !self.points.lock().unwrap().is_empty()
    }

    /// The calls that each process made, in order.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<Arc<str>, Vec<&'static str>> {
        self.calls.lock().unwrap().clone()
    }

    /// Makes a call: `act` is what the other side does, once or, where an SDK repeats it, twice (`act(true)`).
    pub async fn call<T>(&self, place: Place, name: &'static str, mut act: impl FnMut(bool) -> T) -> Result<T> {
        let effect = self.effect(place, name);
        if effect != Effect::Well {
            self.say(|| format!("{name}: {effect:?}"));
        }
        match effect {
            Effect::DieBefore => self.die().await,
            Effect::FreezeBefore(time) => self.freeze(time).await,
            Effect::Fail => {
                self.travel().await;
                return Err(Error::new(Kind::Unavailable, format!("{name} failed")));
            }
            Effect::Slow(time) => self.executor.sleep(time).await,
            _ => {}
        }
        // One way or the other takes the time: enough for others to come in between, before and after.
        let first = self.chance.permille(500);
        if first {
            self.travel().await;
        }
        let mut answer = act(false);
        match effect {
            Effect::DieAfter => self.die().await,
            Effect::FreezeAfter(time) => self.freeze(time).await,
            Effect::Unanswered => {
                self.executor.sleep(self.chance.within(SECOND, 4 * SECOND)).await;
                return Err(Error::new(Kind::Unavailable, format!("{name}: no answer")));
            }
            Effect::Twice => {
                self.executor.sleep(self.chance.within(SECOND / 10, 2 * SECOND)).await;
                answer = act(true);
            }
            _ => {}
        }
        if !first {
            self.travel().await;
        }
        Ok(answer)
    }

    /// The process dies here.
    pub async fn die(&self) {
        if let Some(pid) = self.executor.current() {
            self.executor.kill(pid);
        }
        std::future::poll_fn(|_| Poll::<()>::Pending).await;
    }

    /// The process stands still.
    pub async fn freeze(&self, time: Micros) {
        if let Some(pid) = self.executor.current() {
            self.executor.freeze(pid, time);
            self.executor.sleep(1).await;
        }
    }

    /// What a call within a region or a data centre takes.
    async fn travel(&self) {
        self.executor.sleep(self.takes(1_000, 12_000)).await;
    }

    /// What becomes of this call: as a point says, or as chance has it.
    pub fn effect(&self, place: Place, name: &'static str) -> Effect {
        let process = self.executor.name();
        let call = {
            let mut calls = self.calls.lock().unwrap();
            let made = calls.entry(process.clone()).or_default();
            made.push(name);
            made.len() - 1
        };
        let points = self.points.lock().unwrap();
        if let Some(point) = points.iter().find(|point| *point.process == *process && point.call == call) {
            return point.effect;
        }
        drop(points);
        self.by_chance(place)
    }

    fn by_chance(&self, place: Place) -> Effect {
        let permille = self.faults().permille;
        if !self.chance.permille(permille) {
            return Effect::Well;
        }
        let mut kinds = self.faults().at(Place::Process);
        kinds.extend(self.faults().at(place));
        if kinds.is_empty() {
            return Effect::Well;
        }
        let fault = self.chance.one_of(&kinds);
        let before = self.chance.permille(500);
        let freeze = |time| if before { Effect::FreezeBefore(time) } else { Effect::FreezeAfter(time) };
        let effect = match fault {
            Fault::Crash | Fault::OutOfMemory if before => Effect::DieBefore,
            Fault::Crash | Fault::OutOfMemory => Effect::DieAfter,
            Fault::Freeze => freeze(self.chance.within(SECOND, 60 * SECOND)),
            Fault::LongFreeze => freeze(self.chance.within(95 * SECOND, 15 * MINUTE)),
            Fault::Throttled | Fault::TableError | Fault::SendRefused => Effect::Fail,
            Fault::WriteUnanswered | Fault::SendUnanswered => Effect::Unanswered,
            Fault::WrittenTwice => Effect::Twice,
            Fault::TableSlow => Effect::Slow(self.chance.within(SECOND / 5, 5 * SECOND)),
            // The others are decided by the models themselves.
            _ => return Effect::Well,
        };
        self.struck(fault);
        effect
    }
}

/// The clock of whoever asks.
pub struct SkewedClock(pub Arc<World>);

#[async_trait]
impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        stamp(self.0.now() + self.0.executor.skew())
    }
    async fn sleep_until(&self, when: Timestamp) {
        let at = micros(when) - self.0.executor.skew();
        if at > self.0.now() {
            // A scheduler wakes a little late.
            self.0.executor.sleep_until(at + self.0.takes(0, 5_000)).await;
        }
    }
}

/// The history's chance, as the flows see it.
pub struct WorldChance(pub Arc<World>);

impl Chance for WorldChance {
    fn below(&self, n: u64) -> u64 {
        self.0.chance.below(n)
    }
    fn token(&self) -> String {
        self.0.chance.token()
    }
}

/// A span in microseconds.
#[must_use]
pub fn span(time: SignedDuration) -> Micros {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
