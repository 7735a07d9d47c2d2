//! Tells a history: places orders, lets time pass, and looks at what became of them.

use std::sync::Arc;

use puente::{
    domain::{
        ids::{OrderId, OrderKey},
        message::{Arrival, Message, News},
        money::Amount,
        order::Order,
        record::{Head, State},
    },
    outbound::Client,
};
use puente_simulation::{
    erp::{Booked, Told},
    executor::Micros,
    fault::Fault,
    history::History,
    queue::encode,
    scenario::Scenario,
    shop::{self, Says},
    world::{Point, SECOND, stamp},
};

/// A history that is told: its clock moves only where the teller says. What happened is shown where it fails.
pub struct Teller(pub Arc<History>);

impl Drop for Teller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.world.trace().iter().for_each(|line| println!("{line}"));
        }
    }
}

impl Teller {
    pub fn new(scenario: Scenario) -> Self {
        Self::killed(scenario, Vec::new())
    }

    /// A process dies at each of these points.
    pub fn killed(scenario: Scenario, points: Vec<Point>) -> Self {
        Self::seeded(scenario, 11, points)
    }

    pub fn seeded(scenario: Scenario, seed: u64, points: Vec<Point>) -> Self {
        Self(History::new(scenario, seed, &Client::new().unwrap(), points, true))
    }

    pub fn pass(&self, time: Micros) {
        self.0.run_until(self.0.world.now() + time);
    }

    /// An order of that shop, paid, and told of by webhook.
    pub fn place(&self, shop: usize, id: &str, sku: &str) {
        let id: OrderId = id.parse().unwrap();
        let shop = &self.0.shops[shop];
        shop.place(&id, sku, true, 1);
        self.0.tell(shop, &id);
    }

    /// An order of another shop, which must be in the ERP a few seconds later.
    pub fn neighbour(&self, shop: usize, id: &str) {
        self.place(shop, id, "A");
        self.pass(10 * SECOND);
        assert_eq!(self.state(shop, id), State::Synced, "{id} of shop {shop} waits for somebody else");
    }

    /// An order of the first shop is edited there, and told of by webhook.
    pub fn edit(&self, id: &str) {
        let id: OrderId = id.parse().unwrap();
        self.0.shops[0].change(&id, true, shop::edit);
        self.0.tell(&self.0.shops[0], &id);
    }

    /// An order of the first shop is changed there, and told of by webhook.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Order)) {
        let id: OrderId = id.parse().unwrap();
        self.0.shops[0].change(&id, true, change);
        self.0.tell(&self.0.shops[0], &id);
    }

    /// The same, and nobody tells of it.
    pub fn change_untold(&self, id: &str, change: impl FnOnce(&mut Order)) {
        self.0.shops[0].change(&id.parse().unwrap(), true, change);
    }

    /// A webhook about an order of the first shop as it is.
    pub fn tell(&self, id: &str) {
        self.0.tell(&self.0.shops[0], &id.parse().unwrap());
    }

    /// The documents of an order of the first shop in the ERP, each by the end of its reference, with a mark where it is cancelled.
    pub fn documents(&self, id: &str) -> Vec<String> {
        let sale = self.key(0, id).sale();
        let books = self.0.erp.books();
        let name = |one: &Booked| {
            let end = one.reference.as_str().strip_prefix(sale.as_str()).unwrap();
            format!("{}{}", if end.is_empty() { "sale" } else { end }, if one.cancelled { " cancelled" } else { "" })
        };
        books.documents.iter().filter(|one| one.is_of(&sale)).map(name).collect()
    }

    /// What the documents of an order of the first shop come to together, and what the shop says.
    pub fn comes_to(&self, id: &str) -> (Amount, Amount) {
        let key = self.key(0, id);
        let together = self.0.erp.books().of(&key.sale()).map(Booked::amount).sum();
        (together, self.0.shops[0].orders()[&key.order].last().net())
    }

    /// A webhook about one of the states of an order of the first shop, so much later.
    pub fn deliver(&self, id: &str, state: usize, says: Says, delay: Micros) {
        let (history, shop, id) = (self.0.clone(), self.0.shops[0].clone(), id.parse().unwrap());
        self.0.world.executor.spawn("store", 0, async move {
            history.pass(delay).await;
            history.deliver(&shop, &id, state, says).await;
        });
    }

    /// A message about one of the states of an order of the first shop, which came to the edge at that second of the history.
    pub fn arrives(&self, id: &str, state: usize, second: i64) {
        let id: OrderId = id.parse().unwrap();
        let shop = &self.0.shops[0];
        let order = Arc::new(shop.orders()[&id].states[state].clone());
        let arrival = Arrival::new(
            OrderKey::new(shop.id().clone(), id),
            stamp(self.0.scenario.start + second * SECOND),
            "r",
            News::State { order },
        );
        self.0.queue.put(encode(&Message::Arrival(arrival)), 0);
    }

    /// The next call of that name is lost, and what it asked for lands so long after.
    pub fn late(&self, call: &'static str, time: Micros) {
        self.0.erp.books().told.push(Told { call, fault: Fault::ErpLate, time });
    }

    pub fn next(&self, call: &'static str, fault: Fault) {
        self.0.erp.books().told.push(Told { call, fault, time: 0 });
    }

    /// The ERP answers nobody for a while.
    pub fn down_for(&self, time: Micros) {
        self.0.erp.books().down_until = self.0.world.now() + time;
    }

    /// The ERP refuses everything for a while.
    pub fn refuses_for(&self, time: Micros) {
        self.0.erp.books().refuses_until = self.0.world.now() + time;
    }

    pub fn key(&self, shop: usize, id: &str) -> OrderKey {
        OrderKey::new(format!("shop-{shop}").parse().unwrap(), id.parse().unwrap())
    }

    pub fn head(&self, shop: usize, id: &str) -> Head {
        self.0.table.rows().heads[&self.key(shop, id)].clone()
    }

    pub fn state(&self, shop: usize, id: &str) -> State {
        self.head(shop, id).state()
    }

    /// The orders of whose own refusal in these words a timeline tells.
    pub fn told_of(&self, words: &str) -> Vec<String> {
        let rows = self.0.table.rows();
        let tells = rows.timelines.iter().filter(|(_, lines)| {
            lines.iter().any(|line| line.detail.as_ref().is_some_and(|detail| detail.contains(words)))
        });
        tells.map(|(key, _)| key.to_string()).collect()
    }

    /// How many sales the ERP has.
    pub fn booked(&self) -> usize {
        self.0.erp.books().documents.len()
    }

    /// How many calls the ERP was sent.
    pub fn calls(&self) -> usize {
        self.0.erp.books().sent.len()
    }

    /// To the end, and judged.
    pub fn end(self) {
        self.0.end();
        assert_eq!(self.0.world.violations(), Vec::<String>::new());
    }
}
