//! One history: shops sell, everything that the seed says goes wrong, then nothing goes wrong any more, and what came of it is
//! judged.

mod ending;
mod incidents;
mod market;
mod trade;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicU32},
};

use iso_currency::Currency;
use jiff::Timestamp;
use puente::{
    domain::{
        document::Action,
        goods::{GoodsRules, Publish},
        ids::{ErpId, OrderKey},
        message::{Arrival, Message, News},
        price::{PriceRules, Tax},
    },
    erp::Class,
    flow::{Puente, signs::Signs, tell::Tell},
    outbound::Client,
    parties::{Account, Connection, Settings},
};

use crate::{
    chance::Seeded,
    erp::{Connector, ModelErp},
    executor::{Executor, Micros},
    fault::Fault,
    lambda::Lambda,
    queue::{Sqs, encode},
    scenario::{Backfills, Scenario},
    shop::{Asked, Says, Shop},
    table::Table,
    warehouse::{Shared, Stock},
    world::{Point, SkewedClock, World, WorldChance, stamp},
};

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
    /// What was sold of goods, and what was not.
    pub stock: Option<Stock>,
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
    /// When it came to our edge.
    pub arrived: Timestamp,
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
    /// The goods, where stores are told their stock.
    pub warehouse: Option<Shared>,
    /// The functions.
    pub lambda: Lambda,
    /// What was answered 2xx.
    pub accepted: Mutex<Vec<Accepted>>,
    /// All that was posted: some of it is in the queue though its answer was lost.
    pub posted: Mutex<Vec<Accepted>>,
    edges: AtomicU32,
}

/// What a history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Orders on their way to the ERP.
    Orders,
    /// The same, and stores that are told their stock.
    Goods,
}

/// The history of a seed.
#[must_use]
pub fn run(about: About, seed: u64, client: &Client, traced: bool) -> Report {
    let scenario = match about {
        About::Orders => Scenario::of(seed),
        About::Goods => Scenario::of_goods(seed),
    };
    History::new(scenario, seed, client, Vec::new(), traced).play()
}

impl History {
    /// A history that has not begun.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64, client: &Client, points: Vec<Point>, traced: bool) -> Arc<Self> {
        let chance = Seeded::new(seed);
        let world = World::new(scenario.start, chance, scenario.faults.clone(), points, traced);
        if scenario.in_order {
            world.put_in_order();
        }
        let table = Arc::new(Table::new(world.clone()));
        let queue = Arc::new(Sqs::new(world.clone(), scenario.queue));
        let warehouse: Option<Shared> = scenario.trade.as_ref().map(|_| Shared::default());
        let erp = ModelErp::with(world.clone(), scenario.erp, warehouse.clone());
        let erp_id: ErpId = "main".parse().unwrap();
        let shops: Vec<_> = (0..scenario.shops)
            .map(|i| {
                let trade = warehouse.clone().zip(scenario.trade.clone()).and_then(|(warehouse, trade)| {
                    let keeps = *trade.keeps.get(i)?;
                    Some((warehouse, trade, keeps))
                });
                Shop::with(world.clone(), format!("shop-{i}").parse().unwrap(), scenario.can_fetch, trade)
            })
            .collect();
        let settings = settings(&scenario, &erp, &erp_id, &shops, false);
        let puente = Puente {
            settings: Arc::new(settings),
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
            queue: queue.clone(),
            clock: Arc::new(SkewedClock(world.clone())),
            chance: Arc::new(WorldChance(world.clone())),
            client: client.clone(),
            tell: Tell::default(),
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
            warehouse,
            lambda,
            accepted: Mutex::default(),
            posted: Mutex::default(),
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
        self.trade();
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
            booked: books.documents.len() as u64,
            calls: books.sent.len() as u64,
            settled,
            stock: self.warehouse.as_ref().map(|warehouse| warehouse.stock().clone()),
            ports,
            trace: self.world.trace(),
        }
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

    /// A person replays an order. Where nobody but a person can know whether the ERP has it, they look first.
    pub fn replay(&self, key: &OrderKey) {
        if self.scenario.erp.creates.class == Class::Nothing {
            // In doubt about a document, or a change: it is there, or it is not.
            let intent = self.table.rows().heads.get(key).and_then(|head| head.intent.clone());
            let books = self.erp.books();
            let there = intent.is_some_and(|intent| match &intent.step.action {
                Action::Create | Action::Credit { .. } => {
                    books.documents.iter().any(|one| one.reference == intent.step.reference)
                }
                Action::Amend { document, .. } => {
                    books.at(document).is_some_and(|sale| sale.version.as_ref() == Some(&intent.planned))
                }
                Action::Cancel { document } => books.at(document).is_none_or(|sale| sale.cancelled),
            });
            if there {
                return;
            }
        }
        let arrival = Arrival::new(key.clone(), stamp(self.world.now()), "replay", News::Replay);
        self.queue.put(encode(&Message::Arrival(arrival)), 0);
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
        .map(|shop| {
            let mut connection = Connection::new(shop.id().clone(), erp_id.clone(), Box::new(Asked(shop.clone())));
            connection.orders.after = scenario.after;
            if let Some(trade) = &scenario.trade {
                connection.keeps = shop.counter().as_ref().map(|counter| counter.keeps);
                connection.goods = GoodsRules {
                    stock: Some(Publish::Publish),
                    prices: (trade.repriced > 0).then_some(Publish::Publish),
                    price: PriceRules {
                        currency: Some(Currency::EUR),
                        tax: Some(Tax::Included),
                        ..PriceRules::default()
                    },
                    shipments: (trade.sent > 0).then_some(Publish::Publish),
                    safety: trade.safety,
                    scarce: trade.scarce,
                    ..GoodsRules::default()
                };
            }
            connection
        })
        .collect();
    let account = Account {
        limits: scenario.limits.clone(),
        max_attempts: scenario.max_attempts,
        look_up_first,
        ..Account::new(
            erp_id.clone(),
            Box::new(Connector(erp.clone())),
            connections.iter().map(|connection| connection.id.clone()).collect(),
        )
    };
    Settings::fixed(connections, vec![account]).unwrap()
}
