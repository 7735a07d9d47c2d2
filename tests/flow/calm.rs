//! A world in which nothing goes wrong but what a test says: the simulation's models in order, and worker and sweeper one at a
//! time. Whatever the models find wrong by themselves (an order that nothing would wake again, say) fails the test.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{
        ids::{AccountId, OrderKey},
        ledger::Limits,
        message::{Arrival, Message, News},
        order::{Flag, Order},
        record::{Entry, Head, State},
        version::Version,
    },
    erp::{Bulk, Class},
    flow::{self, Puente},
    outbound::Client,
};
use puente_simulation::{
    erp::{Booked, POISON_SKU, REFUSED_SKU, Told},
    executor::Micros,
    fault::Fault,
    history::History,
    queue::{decode, encode},
    scenario::Scenario,
    shop::Shop,
    world::{SECOND, micros, span, stamp},
};

pub const START: &str = "2026-03-01T08:00:00Z";

/// A history whose flows run when the test says, as `puente` has them.
pub struct World {
    pub history: Arc<History>,
    pub puente: Puente,
    /// How long an invocation of the worker may take.
    pub span: SignedDuration,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.history.world.violations(), Vec::<String>::new());
        }
    }
}

impl World {
    /// `shops` connections (`shop-0`, …), which cannot be asked, on one ERP account that knows each document by its reference.
    pub fn new(seed: u64, shops: usize, limits: Limits) -> Self {
        Self::starting(START, seed, shops, limits)
    }

    pub fn starting(at: &str, seed: u64, shops: usize, limits: Limits) -> Self {
        let mut scenario = Scenario::calm(Class::Unique, Bulk::Atomic);
        scenario.start = micros(at.parse().unwrap());
        (scenario.shops, scenario.limits, scenario.max_attempts) = (shops, limits, 12);
        (scenario.can_fetch, scenario.in_order) = (false, true);
        let history = History::new(scenario, seed, &Client::new().unwrap(), Vec::new(), false);
        history.erp.books().takes = Some(SECOND / 5);
        // What comes after the sale is a person's here.
        history.erp.set_up(|erp| (erp.amends, erp.cancels, erp.credits) = (false, false, false));
        let world = Self { puente: history.lambda.puente(), history, span: SignedDuration::from_mins(10) };
        // What these articles are there is known: no call asks for them.
        let known = ["A", REFUSED_SKU, POISON_SKU].map(|sku| (format!("product/{sku}"), sku.to_owned()));
        world.play(world.puente.known.learn(&world.history.erp_id, &known)).unwrap();
        world
    }

    /// Lets time pass until this ends.
    pub fn play<T>(&self, future: impl Future<Output = T>) -> T {
        self.history.world.executor.play(future)
    }

    pub fn now(&self) -> Timestamp {
        stamp(self.history.world.now())
    }

    /// Nobody works until then.
    pub fn advance_to(&self, when: Timestamp) {
        self.history.world.executor.advance_to(micros(when));
    }

    /// The ERP's account.
    pub fn account(&self) -> AccountId {
        (&self.history.erp_id).into()
    }

    pub fn key(&self, shop: usize, order: &str) -> OrderKey {
        OrderKey::new(format!("shop-{shop}").parse().unwrap(), order.parse().unwrap())
    }

    pub fn heads(&self) -> BTreeMap<OrderKey, Head> {
        self.history.table.rows().heads.clone()
    }

    pub fn head(&self, key: &OrderKey) -> Head {
        self.heads()[key].clone()
    }

    /// How many orders are in each state that any is in.
    pub fn states(&self) -> Vec<(State, usize)> {
        let heads = self.heads();
        let count = |state| (state, heads.values().filter(|head| head.state() == state).count());
        State::ALL.iter().copied().map(count).filter(|(_, count)| *count > 0).collect()
    }

    pub fn timeline(&self, key: &OrderKey) -> Vec<Entry> {
        self.history.table.rows().timelines.get(key).cloned().unwrap_or_default()
    }

    pub fn events(&self, key: &OrderKey) -> Vec<String> {
        self.timeline(key).into_iter().map(|line| line.event).collect()
    }

    /// The first shop.
    pub fn shop(&self) -> &Shop {
        &self.history.shops[0]
    }

    /// The shops can be asked from now on.
    pub fn shops_answer(&self) {
        self.history.shops.iter().for_each(|shop| shop.answer());
    }

    /// How often the stores were asked for one order.
    pub fn asked(&self) -> usize {
        self.history.world.calls().values().flatten().filter(|call| **call == "store.fetch").count()
    }

    /// The sales in the ERP.
    pub fn sales(&self) -> Vec<Booked> {
        self.history.erp.books().documents.clone()
    }

    /// The ERP has a sale that we did not make.
    pub fn has(&self, key: &OrderKey, version: Version, total: &str) {
        let documents = &mut self.history.erp.books().documents;
        documents.push(Booked::sale(documents.len(), key.sale(), version, total));
    }

    /// When the ERP was called.
    pub fn calls(&self) -> Vec<Timestamp> {
        self.history.erp.books().sent.iter().map(|sent| stamp(sent.at)).collect()
    }

    /// What happens to the create calls that nothing was told of yet, one after another.
    pub fn creates(&self, faults: impl IntoIterator<Item = Fault>) {
        self.tell("erp.create", faults, 0);
    }

    /// The same, of any call; `time`: for how long a 429 says to wait.
    pub fn tell(&self, call: &'static str, faults: impl IntoIterator<Item = Fault>, time: Micros) {
        self.history.erp.books().told.extend(faults.into_iter().map(|fault| Told { call, fault, time }));
    }

    /// The ERP refuses everything for a while.
    pub fn refuses_for(&self, time: SignedDuration) {
        self.history.erp.books().refuses_until = self.history.world.now() + span(time);
    }

    /// Puts an order's state into the queue, as the edge would.
    pub fn arrives(&self, shop: usize, order: Order) {
        self.arrived(shop, order, self.now());
    }

    /// The same, of what came to the edge at another time than now.
    pub fn arrived(&self, shop: usize, order: Order, received: Timestamp) {
        let key = OrderKey::new(self.key(shop, "1").connection, order.id.clone());
        self.put(key, News::State { order: Arc::new(order) }, received);
    }

    pub fn news(&self, shop: usize, order: &str, news: News) {
        self.put(self.key(shop, order), news, self.now());
    }

    fn put(&self, key: OrderKey, news: News, received: Timestamp) {
        let OrderKey { connection, order } = key;
        let arrival = Arrival::new(OrderKey::new(connection, order), received, "r", news);
        self.history.queue.put(encode(&Message::Arrival(arrival)), 0);
    }

    /// When the next message becomes visible.
    pub fn next_message(&self) -> Option<Timestamp> {
        self.history.queue.next_visible().map(stamp)
    }

    /// The reasons of the dead letters.
    pub fn dead(&self) -> Vec<String> {
        self.history.queue.letters().dead.iter().map(|(_, reason, _)| reason.clone()).collect()
    }

    /// Lets the worker do everything that is visible now.
    pub fn work(&self) {
        loop {
            let batch = self.history.queue.take(10);
            if batch.is_empty() {
                return;
            }
            let deadline = self.now() + self.span;
            let messages = batch.iter().map(|(id, message)| (id.to_string(), decode(&message.body))).collect();
            let failed = self.play(flow::work::work(&self.puente, messages, deadline));
            assert!(failed.is_empty(), "{failed:?}");
            batch.iter().for_each(|(id, _)| self.history.queue.done(*id));
        }
    }

    /// Runs worker and sweeper until `end`, jumping from one event to the next.
    pub fn run_until(&self, end: Timestamp) {
        let mut sweep_at = self.now();
        loop {
            self.work();
            if self.now() >= sweep_at {
                self.play(flow::tasks::sweep::sweep(&self.puente)).unwrap();
                sweep_at = self.now() + SignedDuration::from_mins(1);
                continue;
            }
            let next = self.next_message().map_or(sweep_at, |at| at.min(sweep_at));
            self.advance_to(next.min(end));
            if next >= end {
                return;
            }
        }
    }

    pub fn run_for(&self, time: SignedDuration) {
        self.run_until(self.now() + time);
    }

    /// A message is taken from the queue and lost.
    pub fn lose_message(&self) {
        let lost = self.play(self.puente.queue.receive(10, Duration::ZERO)).unwrap();
        assert_eq!(lost.len(), 1);
        self.play(self.puente.queue.delete(&lost[0].receipt)).unwrap();
    }

    /// No step's reference twice in the ERP.
    pub fn assert_single(&self) {
        let mut references: Vec<_> = self.sales().into_iter().map(|sale| sale.reference).collect();
        references.sort();
        let all = references.len();
        references.dedup();
        assert_eq!(references.len(), all, "doubled sales");
    }

    /// At most `n` calls in every window.
    pub fn assert_rate(&self, n: usize, window: SignedDuration) {
        let calls = self.calls();
        for (i, at) in calls.iter().enumerate() {
            let within = calls[i..].iter().take_while(|call| call.duration_since(*at) < window).count();
            assert!(within <= n, "{within} calls in {window:?} from {at}");
        }
    }
}

/// A flag on nothing in particular.
pub fn flag(detail: &str) -> Flag {
    Flag { code: "unmapped".into(), detail: detail.into() }
}

/// A paid order of one line whose books hold, modified `second` seconds after the start.
pub fn order(id: &str, sku: &str, total: &str, second: i64) -> Order {
    let at: Timestamp = START.parse().unwrap();
    let at = at + SignedDuration::from_secs(second);
    let text = format!(
        r##"{{"schema":1,"id":"{id}","number":"#{id}","placed_at":"{START}","updated_at":"{at}","currency":"EUR","status":"open",
        "payment":"paid","lines":[{{"id":"1","sku":"{sku}","title":"A thing","quantity":"1","unit_price":"{total}","amount":"{total}"}}],
        "tax":"0","total":"{total}"}}"##
    );
    serde_json::from_str(&text).unwrap()
}
