//! The limiter by itself: several senders at full rate on one ledger, through the production's meter and ledger, on clocks that
//! are off, with a table that fails. Calls are counted at the sender, by true time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use puente::{
    domain::{
        ids::AccountId,
        ledger::{Limits, Purpose, Request, Taken},
    },
    erp::{Bulk, Capabilities, Class, Patience},
    flow::{Puente, depart, signs::Signs, tell::Tell},
    outbound::Client,
    parties::{Account, Settings},
};

use crate::{
    chance::Seeded,
    erp::{self, Connector, ModelErp},
    executor::{Executor, Micros},
    fault::{Fault, Faults},
    queue::{self, Sqs},
    table::Table,
    world::{HOUR, MINUTE, SECOND, SkewedClock, World, WorldChance, micros, span, stamp},
};

/// The circumstances.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What the account allows, and how well clocks are believed to be known.
    pub limits: Limits,
    /// How far clocks are really off, either way.
    pub skew: Micros,
    /// Senders of orders at a time; one more asks for other work.
    pub senders: usize,
    /// When it begins.
    pub start: Micros,
    /// For how long it goes on.
    pub length: Micros,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether the account is blocked now and then.
    pub blocks: bool,
}

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Calls sent.
    pub calls: usize,
    /// The most calls in any window.
    pub most_in_window: usize,
    /// The most calls in any of the ERP's days.
    pub most_in_day: u32,
    /// Of these, the most for other work than orders.
    pub most_other_in_day: u32,
    /// Calls while the account was blocked.
    pub while_blocked: usize,
    /// Calls a second.
    pub rate: f64,
}

impl Setup {
    /// What a seed makes.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let chance = Seeded::new(seed ^ 0x11_u64.rotate_left(40));
        let seconds = SignedDuration::from_secs;
        let (calls, window) = chance.one_of(&[
            (10, seconds(1)),
            (10, seconds(1)),
            (3, seconds(1)),
            (25, seconds(10)),
            (150, seconds(60)),
        ]);
        let error = chance.one_of(&[10, 50, 50, 200, 500]);
        let zone = chance.one_of(&["UTC", "America/Argentina/Buenos_Aires", "Europe/Madrid", "America/Santiago"]);
        let limits = Limits {
            calls,
            window,
            per_day: chance.one_of(&[100_000, 300, 60]),
            reset: chance.one_of(&[civil::Time::midnight(), civil::time(6, 30, 0, 0)]),
            time_zone: TimeZone::get(zone).unwrap(),
            clock_error: SignedDuration::from_millis(error),
            lateness: SignedDuration::from_millis(chance.one_of(&[20, 50, 100])),
            jitter: SignedDuration::from_millis(chance.one_of(&[0, 0, 30])),
            ..Limits::default()
        };
        let kinds = [
            Fault::Throttled,
            Fault::TableError,
            Fault::WriteUnanswered,
            Fault::WrittenTwice,
            Fault::TableSlow,
            Fault::Crash,
            Fault::Freeze,
            Fault::LongFreeze,
        ];
        let faults = (0..chance.index(4)).map(|_| chance.one_of(&kinds));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // An ordinary day, and the days on which the clocks of Madrid and Santiago change in 2026.
        let days = ["2026-05-04T12:00:00Z", "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2026-04-04T12:00:00Z"];
        let end = micros(limits.day(at(chance.one_of(&days))).end);
        let length = chance.within(20 * SECOND, 90 * SECOND);
        let start = if chance.permille(600) { end - chance.within(0, length) } else { end - 5 * HOUR };
        Self {
            faults: Faults::of(faults.collect::<Vec<_>>(), chance.one_of(&[5, 20, 60])),
            skew: error * 1000,
            senders: 1 + chance.index(8),
            start,
            length,
            blocks: chance.permille(300),
            limits,
        }
    }

    /// Plays it.
    #[must_use]
    pub fn play(&self, seed: u64, client: &Client) -> Counted {
        Run::new(self, seed, client).play()
    }
}

struct Run {
    setup: Setup,
    world: Arc<World>,
    table: Arc<Table>,
    puente: Puente,
    account: Arc<Account>,
    /// Calls: when, by true time, and what for.
    sent: Mutex<Vec<(Micros, Purpose)>>,
    /// Blocks: from when on, allowing for slots that were given out before, until when.
    blocked: Mutex<Vec<(Micros, Micros)>>,
}

impl Run {
    fn new(setup: &Setup, seed: u64, client: &Client) -> Arc<Self> {
        let world = World::new(setup.start, Seeded::new(seed), setup.faults.clone(), Vec::new(), false);
        let table = Arc::new(Table::new(world.clone()));
        let timeout = Duration::from_secs(5);
        let creates = Capabilities { class: Class::Unique, bulk: Bulk::Atomic, max_bulk: 1 };
        let patience = Patience { timeout, settle: timeout * 2 };
        let model = ModelErp::new(world.clone(), erp::Settings::plain(creates, patience));
        let account = || Account {
            limits: setup.limits.clone(),
            ..Account::new("main".parse().unwrap(), Box::new(Connector(model.clone())), Vec::new())
        };
        let queue = Sqs::new(world.clone(), queue::Settings { visibility: MINUTE, most_receives: 5 });
        let puente = Puente {
            settings: Arc::new(Settings::fixed(Vec::new(), vec![account()]).unwrap()),
            records: table.clone(),
            known: table.clone(),
            cursors: table.clone(),
            doors: table.clone(),
            goods: table.clone(),
            prices: table.clone(),
            shipments: table.clone(),
            accounts: table.clone(),
            signs: Signs::new(table.clone()),
            tokens: table.clone(),
            queue: Arc::new(queue),
            clock: Arc::new(SkewedClock(world.clone())),
            chance: Arc::new(WorldChance(world.clone())),
            client: client.clone(),
            tell: Tell::default(),
        };
        let (sent, blocked) = (Mutex::default(), Mutex::default());
        Arc::new(Self { setup: setup.clone(), world, table, puente, account: Arc::new(account()), sent, blocked })
    }

    fn play(self: Arc<Self>) -> Counted {
        let end = self.setup.start + self.setup.length;
        let mut running = Vec::new();
        // Whoever dies is followed by another, with another clock.
        while self.world.now() < end {
            running.retain(|(pid, _)| self.world.executor.alive(*pid));
            for sender in 0..=self.setup.senders {
                if running.iter().all(|(_, other)| *other != sender) {
                    running.push((self.start(sender, end), sender));
                }
            }
            let next = (self.world.now() + SECOND / 4).min(end);
            self.world.executor.run_until(next);
            self.world.executor.advance_to(next);
            if self.setup.blocks && self.world.chance.permille(10) {
                self.block();
            }
        }
        Executor::forget_all();
        self.count()
    }

    fn start(self: &Arc<Self>, sender: usize, end: Micros) -> u64 {
        let run = Arc::clone(self);
        let skew = self.setup.skew;
        let skew = if skew == 0 { 0 } else { self.world.chance.within(-skew, skew + 1) };
        self.world.executor.spawn("sender", skew, async move {
            if sender == 0 { run.other_work(end).await } else { run.orders(end).await }
        })
    }

    /// A conductor, as far as the meter is concerned: many share a lease here, or take it from each other.
    async fn orders(&self, end: Micros) {
        let Puente { accounts, clock, chance, .. } = &self.puente;
        let of = AccountId::from(&self.account.id);
        while self.world.now() < end {
            let now = clock.now();
            let until = now + SignedDuration::from_secs(90);
            let held = { self.table.rows().ledgers.get(&of).cloned() };
            // Nobody but the limiter keeps these apart: that is what is shown.
            let epoch = match held.filter(|ledger| ledger.holder.is_some()) {
                Some(ledger) => ledger.epoch,
                None => match accounts.take(&of, &chance.token(), now, until, self.setup.limits.clock_error).await {
                    Ok(Taken::Taken(ledger)) => ledger.epoch,
                    Ok(Taken::Held) | Err(_) => {
                        self.world.executor.sleep(SECOND / 10).await;
                        continue;
                    }
                },
            };
            let deadline = now + SignedDuration::from_hours(2);
            let meter = depart::meter(&self.puente, &self.account, epoch, until, deadline);
            while self.world.now() < end {
                if meter.permit(Duration::from_secs(5)).await.is_err() {
                    self.world.executor.sleep(self.world.chance.within(SECOND / 20, SECOND / 2)).await;
                    break;
                }
                self.send(Purpose::Orders);
            }
        }
    }

    async fn other_work(&self, end: Micros) {
        let Puente { accounts, clock, .. } = &self.puente;
        let limits = &self.setup.limits;
        let request = Request { k: 1, purpose: Purpose::Other, lease: None };
        while self.world.now() < end {
            if let Ok(Ok(slots)) =
                accounts.reserve(&AccountId::from(&self.account.id), &request, limits, clock.now()).await
            {
                clock.sleep_until(slots.first).await;
                if clock.now() <= slots.first + limits.lateness {
                    self.send(Purpose::Other);
                }
            }
            self.world.executor.sleep(self.world.chance.within(SECOND / 10, SECOND)).await;
        }
    }

    fn send(&self, purpose: Purpose) {
        self.sent.lock().unwrap().push((self.world.now(), purpose));
    }

    /// The ERP answered 429, or an outage was noticed.
    fn block(&self) {
        let now = self.world.now();
        let until = now + self.world.chance.within(5 * SECOND, 30 * SECOND);
        let mut rows = self.table.rows();
        let ledger = rows.ledgers.entry((&self.account.id).into()).or_default();
        ledger.block(stamp(until), "429", ledger.strikes);
        let given_out = span(self.setup.limits.reach() + self.setup.limits.lateness) + self.setup.skew;
        self.blocked.lock().unwrap().push((now + given_out, until - self.setup.skew));
    }

    fn count(&self) -> Counted {
        let mut sent = self.sent.lock().unwrap().clone();
        sent.sort_by_key(|(at, _)| *at);
        let window = span(self.setup.limits.window);
        let (mut most, mut from) = (0, 0);
        for (place, (at, _)) in sent.iter().enumerate() {
            while at - sent[from].0 >= window {
                from += 1;
            }
            most = most.max(place - from + 1);
        }
        let (mut days, mut others): (BTreeMap<i64, u32>, BTreeMap<i64, u32>) = (BTreeMap::new(), BTreeMap::new());
        for (at, purpose) in &sent {
            let day = self.setup.limits.day(stamp(*at)).number;
            *days.entry(day).or_default() += 1;
            *others.entry(day).or_default() += u32::from(*purpose == Purpose::Other);
        }
        let blocked = self.blocked.lock().unwrap();
        let while_blocked = |at: &Micros| blocked.iter().any(|(from, until)| from < at && at < until);
        Counted {
            calls: sent.len(),
            most_in_window: most,
            most_in_day: days.values().copied().max().unwrap_or(0),
            most_other_in_day: others.values().copied().max().unwrap_or(0),
            while_blocked: sent.iter().filter(|(at, _)| while_blocked(at)).count(),
            rate: sent.len() as f64 / (self.setup.length as f64 / 1e6),
        }
    }
}
