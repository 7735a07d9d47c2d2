//! One history: shops sell, everything that the seed says goes wrong, then nothing goes wrong any more, and what came of it is
//! judged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use puente::{
    config::{Account, Connection, FrontDoor, Orders, Settings},
    domain::{
        ids::{ErpId, OrderId, OrderKey},
        ledger::Limits,
        message::{Arrival, Message, News},
    },
    erp::Class,
    flow::{Puente, ingest},
    outbound::Client,
};

use crate::{
    chance::Seeded,
    erp::{Connector, ModelErp, PANIC_SKU, POISON_SKU, REFUSED_SKU, UNKNOWN_SKU},
    executor::{Executor, Micros},
    fault::Fault,
    judge,
    lambda::Lambda,
    queue::{Sqs, encode},
    scenario::{Backfills, Scenario},
    shop::{self, Asked, Says, Shop},
    table::Table,
    world::{HOUR, MINUTE, Point, SECOND, SkewedClock, World, WorldChance, micros, stamp},
};

/// When everything must be at rest, once nothing goes wrong any more: in three days, since the longest backoff is an hour and a
/// day's quota a day; in twelve where a day has fewer calls than orders may need.
fn live(limits: &Limits) -> Micros {
    if limits.per_day < 100 { 12 * 24 * HOUR } else { 3 * 24 * HOUR }
}

/// What came of a history.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Invariants that did not hold, in words.
    pub violations: Vec<String>,
    /// Faults that happened.
    pub faults: BTreeMap<Fault, u64>,
    /// Checks made.
    pub checks: u64,
    /// Webhooks that were answered 2xx.
    pub accepted: u64,
    /// Orders in the ERP.
    pub booked: u64,
    /// Calls to the ERP.
    pub calls: u64,
    /// How long it took until all was at rest, after the last fault.
    pub settled: Micros,
    /// The calls that each process made through ports, as long as things could go wrong.
    pub ports: BTreeMap<Arc<str>, Vec<&'static str>>,
    /// What happened, if it was traced.
    pub trace: Vec<String>,
}

/// An event that was answered 2xx.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Of which order.
    pub key: OrderKey,
    /// What it said.
    pub says: Says,
    /// Which of the order's states it told of.
    pub state: usize,
}

/// A history on its way.
pub struct History {
    /// The circumstances.
    pub scenario: Scenario,
    /// Time, chance, faults.
    pub world: Arc<World>,
    /// Records and ledgers.
    pub table: Arc<Table>,
    /// The queues.
    pub queue: Arc<Sqs>,
    /// The ERP.
    pub erp: Arc<ModelErp>,
    /// Its account.
    pub erp_id: ErpId,
    /// The shops.
    pub shops: Vec<Arc<Shop>>,
    /// The functions.
    pub lambda: Lambda,
    /// What was answered 2xx.
    pub accepted: Mutex<Vec<Accepted>>,
    edges: AtomicU32,
}

/// The history of a seed.
#[must_use]
pub fn run(seed: u64, client: &Client, traced: bool) -> Report {
    History::new(Scenario::of(seed), seed, client, Vec::new(), traced).play()
}

impl History {
    /// A history that has not begun.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64, client: &Client, points: Vec<Point>, traced: bool) -> Arc<Self> {
        let chance = Seeded::new(seed);
        let world = World::new(scenario.start, chance, scenario.faults.clone(), points, traced);
        let table = Arc::new(Table::new(world.clone()));
        let queue = Arc::new(Sqs::new(world.clone(), scenario.queue));
        let erp = ModelErp::new(world.clone(), scenario.erp);
        let erp_id: ErpId = "main".parse().unwrap();
        let shops: Vec<_> = (0..scenario.shops)
            .map(|i| Shop::new(world.clone(), format!("shop-{i}").parse().unwrap(), scenario.can_fetch))
            .collect();
        let settings = settings(&scenario, &erp, &erp_id, &shops, false);
        let puente = Puente {
            settings: Arc::new(settings),
            records: table.clone(),
            accounts: table.clone(),
            queue: queue.clone(),
            clock: Arc::new(SkewedClock(world.clone())),
            chance: Arc::new(WorldChance(world.clone())),
            client: client.clone(),
        };
        let (skew, function, workers) = (scenario.skew, scenario.function, scenario.workers);
        let lambda = Lambda::new(world.clone(), queue.clone(), table.clone(), puente, skew, function, workers);
        Arc::new(Self {
            scenario,
            world,
            table,
            queue,
            erp,
            erp_id,
            shops,
            lambda,
            accepted: Mutex::default(),
            edges: AtomicU32::new(0),
        })
    }

    /// Plays it to its end and judges it.
    #[must_use]
    pub fn play(self: Arc<Self>) -> Report {
        self.world.say(|| format!("{:?}", self.scenario));
        // What lasts all the time happens once.
        for fault in [Fault::Flood, Fault::Skew, Fault::Midnight, Fault::DaylightSaving] {
            self.world.strikes(fault, 1000);
        }
        if self.scenario.backfill == Backfills::Never {
            self.lambda.end_backfills();
        }
        self.sell();
        self.go_wrong();
        self.run_until(self.scenario.start + self.scenario.busy);
        let ports = self.world.calls();
        let (settled, checks) = self.end();
        // They hold the history, and the history would hold them.
        Executor::forget_all();
        let faults = self.world.faults().counts().clone();
        let books = self.erp.books();
        Report {
            violations: self.world.violations(),
            faults,
            checks,
            accepted: self.accepted.lock().unwrap().len() as u64,
            booked: books.sales.len() as u64,
            calls: books.sent.len() as u64,
            settled,
            ports,
            trace: self.world.trace(),
        }
    }

    /// Nothing goes wrong any more: everything must come to rest, and stay there whatever is redriven and replayed.
    pub fn end(self: &Arc<Self>) -> (Micros, u64) {
        self.mend();
        let begun = self.world.now();
        // Stores that send again, and what is frozen.
        self.run_until(begun + 40 * MINUTE);
        self.lambda.end_backfills();
        let mut checks = 0;
        match self.scenario.backfill {
            Backfills::Never => {}
            Backfills::OnTime => self.lambda.backfill(None),
            Backfills::Wide => self.lambda.backfill(Some(stamp(self.scenario.start - HOUR))),
        }
        self.settle("after the last fault");
        let settled = self.world.now() - begun;
        checks += judge::ends(self);
        // Whatever is dead gets another chance, now that nothing fails.
        self.queue.redrive_now(usize::MAX);
        self.settle("after a redrive");
        checks += judge::redriven(self);
        // The first replay of everything may change something: a person has looked. The second and the third may not.
        let mut before: Option<Vec<String>> = None;
        for _ in 0..3 {
            self.queue.redrive_now(usize::MAX);
            self.replay_all();
            self.settle("after everything was replayed");
            checks += judge::replayed(self);
            let after = judge::picture(self);
            // Where nobody can be asked each replay is a person's word anew: what the quota let wait goes out with the next.
            let asked = self.scenario.erp.manners.create != Class::Nothing;
            if let Some(before) = before.as_ref().filter(|before| asked && **before != after) {
                let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
                let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
                self.world.violated(format!("replaying everything again changed {gone:?} to {new:?}"));
            }
            before = Some(after);
        }
        checks += judge::limits(self) + judge::canaries(self);
        (settled, checks)
    }

    /// Ends all faults.
    fn mend(&self) {
        self.world.say(|| "nothing goes wrong any more".to_owned());
        self.world.faults().end();
        let mut books = self.erp.books();
        (books.down_until, books.refuses_until) = (0, 0);
        books.closed = None;
        self.shops.iter().for_each(|shop| shop.rotated());
    }

    /// Runs until nothing is on its way and nothing is due.
    fn settle(&self, when: &str) {
        let live = live(&self.scenario.limits);
        let end = self.world.now() + live;
        while self.world.now() < end {
            if self.at_rest() {
                return;
            }
            self.skip_idle_time();
            // Not a whole minute: a sweep would be on its way at every look.
            self.run_until(self.world.now() + MINUTE + 13 * SECOND);
        }
        let rows = self.table.rows();
        let waiting: Vec<String> =
            rows.heads.values().filter(|head| head.due.is_some()).map(|head| head.key.to_string()).collect();
        let messages = self.queue.letters().work.len();
        self.world.violated(format!("{when}: not at rest after {} h: {messages} messages, {waiting:?}", live / HOUR));
    }

    fn at_rest(&self) -> bool {
        self.lambda.idle()
            && self.world.executor.running().is_empty()
            && self.queue.letters().work.is_empty()
            && self.table.rows().heads.values().all(|head| head.due.is_none())
    }

    /// Where nothing runs, sweeps that would find nothing due are passed over.
    fn skip_idle_time(&self) {
        if !self.lambda.idle() || !self.world.executor.running().is_empty() || self.table.next_shown().is_some() {
            return;
        }
        let rows = self.table.rows();
        let Some(due) = rows.heads.values().filter_map(|head| head.due).min() else { return };
        let ledger = rows.ledgers.get(&self.erp_id);
        let closed = ledger.and_then(|ledger| ledger.blocked_until.max(ledger.departs_at));
        // An earlier departure time can be void.
        let closed =
            closed.filter(|until| self.scenario.limits.day(due).number == self.scenario.limits.day(*until).number);
        self.lambda.no_sweep_before(micros(closed.map_or(due, |until| due.max(until))));
    }

    /// Lets everything happen until then.
    pub fn run_until(&self, until: Micros) {
        loop {
            self.lambda.turn();
            let executor = &self.world.executor;
            let next = executor.next_event().into_iter().chain([self.lambda.next()]).min().unwrap_or(until);
            if next > until {
                executor.advance_to(until);
                return;
            }
            executor.run_until(next);
            executor.advance_to(next);
        }
    }

    /// All orders of the history, each by a buyer of its own.
    fn sell(self: &Arc<Self>) {
        for number in 0..self.scenario.orders {
            let flood = self.scenario.faults.had(Fault::Flood) && number % 10 != 0;
            let shop = if flood { 0 } else { self.world.chance.index(self.shops.len()) };
            let id: OrderId = format!("{}", 1000 + number).parse().unwrap();
            let history = Arc::clone(self);
            self.world.executor.spawn("buyer", 0, async move { history.buy(shop, id).await });
        }
    }

    /// The life of an order in its store.
    async fn buy(self: Arc<Self>, shop: usize, id: OrderId) {
        let chance = &self.world.chance;
        let busy = self.scenario.busy;
        self.pass(chance.within(0, busy / 2)).await;
        let sku = self.sku();
        let shop = &self.shops[shop];
        let paid = chance.permille(700);
        shop.place(&id, sku, paid, chance.within(1, 4).unsigned_abs());
        self.tell(shop, &id);
        for _ in 0..chance.index(4) {
            let same_second = self.world.strikes(Fault::SameSecond, 300);
            self.pass(if same_second { 10_000 } else { chance.within(SECOND, busy / 6) }).await;
            let silent = self.world.strikes(Fault::SilentChange, 300);
            match chance.index(8) {
                0 | 1 => shop.change(&id, !silent, shop::pay),
                2 => shop.change(&id, !silent, shop::cancel),
                3 => shop.change(&id, !silent, shop::refund),
                4 => shop.change(&id, !silent, shop::change_channel),
                5 if self.world.strikes(Fault::Deletion, 500) => shop.delete(&id),
                _ => shop.change(&id, !silent, shop::edit),
            }
            self.tell(shop, &id);
        }
        if !paid && chance.permille(700) {
            self.pass(chance.within(SECOND, busy / 6)).await;
            shop.change(&id, true, shop::pay);
            self.tell(shop, &id);
        }
    }

    fn sku(&self) -> &'static str {
        for (fault, sku) in [
            (Fault::OrderRefused, REFUSED_SKU),
            (Fault::OrderPoison, POISON_SKU),
            (Fault::OrderPanics, PANIC_SKU),
            (Fault::OrderRefused, UNKNOWN_SKU),
        ] {
            // Each one costs the account hours of growing blocks, until it is given up.
            let enough = fault == Fault::OrderPoison
                && self.world.faults().counts().get(&fault).is_some_and(|count| *count >= 2);
            if !enough && self.world.strikes(fault, 250) {
                return sku;
            }
        }
        self.world.chance.one_of(&["A", "B", "C"])
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Micros) {
        self.world.executor.sleep(time).await;
    }

    /// The store tells of an order's state as it is now: once, twice, late, or not at all.
    pub fn tell(self: &Arc<Self>, shop: &Arc<Shop>, id: &OrderId) {
        if self.world.strikes(Fault::WebhookLost, 300) {
            return;
        }
        let (state, deleted) = {
            let orders = shop.orders();
            (orders[id].states.len() - 1, orders[id].deleted)
        };
        let says = if deleted {
            Says::Deleted
        } else if self.world.strikes(Fault::Garbled, 200) {
            Says::Garbled
        } else if self.world.strikes(Fault::Pointer, 400) {
            Says::Pointer
        } else {
            Says::State
        };
        let copies = if self.world.strikes(Fault::WebhookTwice, 400) { 2 } else { 1 };
        for copy in 0..copies {
            let chance = &self.world.chance;
            let late = self.world.strikes(Fault::WebhookLate, 300);
            let delay = if late { chance.within(0, 15 * MINUTE) } else { chance.within(0, SECOND) * copy };
            let (history, shop, id) = (Arc::clone(self), shop.clone(), id.clone());
            self.world.executor.spawn("store", 0, async move {
                history.pass(delay).await;
                history.deliver(&shop, &id, state, says).await;
            });
        }
    }

    /// One webhook, sent until it is answered 2xx or the store gives up. A store that retries sends the old content.
    pub async fn deliver(self: &Arc<Self>, shop: &Arc<Shop>, id: &OrderId, state: usize, says: Says) {
        for attempt in 0..self.scenario.tries {
            let raw = shop.webhook(id, state, says);
            if self.post(shop, raw).await {
                let key = OrderKey::new(shop.id().clone(), id.clone());
                self.world.say(|| format!("{key}: state {state} told ({says:?}): 2xx"));
                self.accepted.lock().unwrap().push(Accepted { key, says, state });
                return;
            }
            self.pass((10 * SECOND) << attempt).await;
        }
    }

    /// Whether a request to the edge is answered 2xx within five seconds.
    async fn post(self: &Arc<Self>, shop: &Arc<Shop>, raw: puente::webhook::RawWebhook) -> bool {
        let answer = Arc::new(Mutex::new(None));
        let (history, told, id) = (Arc::clone(self), answer.clone(), shop.id().clone());
        let name = format!("edge-{}", self.edges.fetch_add(1, Ordering::Relaxed) + 1);
        let pid = self.world.executor.spawn(&name, 0, async move {
            let puente = history.lambda.puente();
            let Ok(Some(connection)) = puente.settings.connection(&id).await else { return };
            let result = ingest::webhook(&puente, &connection, "r", raw).await;
            *told.lock().unwrap() = Some(result.is_ok());
        });
        for _ in 0..50 {
            self.pass(SECOND / 10).await;
            if !self.world.executor.alive(pid) {
                break;
            }
        }
        answer.lock().unwrap().unwrap_or(false)
    }

    /// What goes wrong at times of its own.
    fn go_wrong(self: &Arc<Self>) {
        let history = Arc::clone(self);
        self.world.executor.spawn("world", 0, async move { history.restore_backup().await });
        let history = Arc::clone(self);
        self.world.executor.spawn("world", 0, async move {
            let chance = &history.world.chance;
            let end = history.scenario.start + history.scenario.busy;
            while history.world.now() < end {
                history.pass(chance.within(SECOND, history.scenario.busy / 4 + 2 * SECOND)).await;
                if history.world.now() < end {
                    history.incident().await;
                }
            }
        });
    }

    /// One of the things that happen at times of their own.
    async fn incident(self: &Arc<Self>) {
        let world = &self.world;
        let (chance, now) = (&world.chance, world.now());
        if world.strikes(Fault::ErpOutage, 300) {
            let most = chance.one_of(&[MINUTE, 20 * MINUTE, 3 * HOUR]);
            self.erp.books().down_until = now + chance.within(SECOND, most);
        }
        if world.strikes(Fault::ErpRefusesAll, 300) {
            let most = chance.one_of(&[MINUTE, 20 * MINUTE, 3 * HOUR]);
            self.erp.books().refuses_until = now + chance.within(SECOND, most);
        }
        if world.strikes(Fault::StaleIds, 500) {
            self.table.spoil_ids();
        }
        if world.strikes(Fault::Deploy, 500) {
            self.lambda.deploy();
        }
        if world.strikes(Fault::ClockJump, 500) {
            let skew = self.scenario.skew;
            world.executor.jump_clocks(|| chance.within(-skew, skew + 1));
        }
        if world.strikes(Fault::Undecodable, 500) {
            self.queue.put("{\"arrival\":".to_owned(), 0);
        }
        if world.strikes(Fault::RedriveMeanwhile, 500) {
            self.queue.redrive_now(usize::MAX);
        }
        if world.strikes(Fault::ReplayMeanwhile, 500) {
            let keys: Vec<OrderKey> = self.table.rows().heads.keys().cloned().collect();
            if !keys.is_empty() {
                self.replay(&chance.one_of(&keys));
            }
        }
        if world.strikes(Fault::SecretRotated, 500) {
            self.shops.iter().for_each(|shop| shop.rotate());
            self.pass(chance.within(0, 10 * MINUTE)).await;
            self.shops.iter().for_each(|shop| shop.rotated());
        }
        if world.strikes(Fault::Forgery, 500) {
            let shop = chance.one_of(&self.shops);
            let raw = shop.forgery(&"forged".parse().unwrap());
            if self.post(&shop, raw).await {
                world.violated("a forged webhook was answered 2xx".to_owned());
            }
        }
    }

    /// The table as it was a while ago comes back, and from then on everything is looked up first.
    async fn restore_backup(self: &Arc<Self>) {
        if !self.scenario.faults.had(Fault::BackupRestored) {
            return;
        }
        self.pass(self.world.chance.within(0, self.scenario.busy / 2)).await;
        let backup = self.table.backup();
        self.pass(self.world.chance.within(SECOND, self.scenario.busy / 2)).await;
        self.world.struck(Fault::BackupRestored);
        // Whoever restores a backup stops everything first, and lets what the ERP is at work on come to its end: longer than
        // the ERP's window, whose calls the backup does not know.
        self.lambda.stop_for(10 * MINUTE);
        self.table.restore(backup);
        let mut puente = self.lambda.puente();
        puente.settings = Arc::new(settings(&self.scenario, &self.erp, &self.erp_id, &self.shops, true));
        self.lambda.release(puente);
    }

    /// A person replays an order. Where nobody but a person can know whether the ERP has it, they look first.
    pub fn replay(&self, key: &OrderKey) {
        if self.scenario.erp.manners.create == Class::Nothing {
            let there = self.erp.books().sales.iter().any(|sale| sale.reference == key.sale());
            if there {
                return;
            }
        }
        let arrival = Arrival {
            connection: key.connection.clone(),
            order: key.order.clone(),
            received: stamp(self.world.now()),
            request: "replay".into(),
            tries: 0,
            news: News::Replay,
        };
        self.queue.put(encode(&Message::Arrival(arrival)), 0);
    }

    fn replay_all(&self) {
        let keys: Vec<OrderKey> = self.table.rows().heads.keys().cloned().collect();
        keys.iter().for_each(|key| self.replay(key));
    }
}

fn settings(
    scenario: &Scenario,
    erp: &Arc<ModelErp>,
    erp_id: &ErpId,
    shops: &[Arc<Shop>],
    look_up_first: bool,
) -> Settings {
    let connections: Vec<Connection> = shops
        .iter()
        .map(|shop| Connection {
            id: shop.id().clone(),
            erp: erp_id.clone(),
            key: None,
            store: Box::new(Asked(shop.clone())),
            orders: Orders::default(),
            front_door: FrontDoor { per_second: 10, per_day: 300 },
        })
        .collect();
    let account = Account {
        id: erp_id.clone(),
        erp: Box::new(Connector(erp.clone())),
        limits: scenario.limits.clone(),
        connections: connections.iter().map(|connection| connection.id.clone()).collect(),
        max_attempts: scenario.max_attempts,
        look_up_first,
    };
    Settings::fixed(connections, vec![account]).unwrap()
}
