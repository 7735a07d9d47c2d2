//! What buyers and shopkeepers do, and how the stores tell of it.

use std::sync::{Arc, Mutex, atomic::Ordering};

use puente::{
    domain::ids::{OrderId, OrderKey},
    flow::ingest,
};

use super::{Accepted, History};
use crate::{
    erp::{FORBIDDEN_SKU, LONG_SKU, NEW_SKU, PANIC_SKU, POISON_SKU, REFUSED_SKU, UNKNOWN_SKU},
    executor::Micros,
    fault::Fault,
    shop::{self, Says, Shop},
    world::{MINUTE, SECOND},
};

impl History {
    /// All orders of the history, each by a buyer of its own.
    pub(super) fn sell(self: &Arc<Self>) {
        for number in 0..self.scenario.orders {
            let faults = &self.scenario.faults;
            let flood = (faults.had(Fault::Flood) || faults.had(Fault::Spender)) && number % 10 != 0;
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
        let sku = self.sku(shop, &id);
        let shop = &self.shops[shop];
        let paid = chance.permille(700);
        shop.place(&id, &sku, paid, chance.within(1, 4).unsigned_abs());
        shop.miscount(&id);
        if sku != LONG_SKU && !self.enough(Fault::PoisonLookUp) && self.world.strikes(Fault::PoisonLookUp, 250) {
            self.erp.books().unaskable.insert(OrderKey::new(shop.id().clone(), id.clone()).to_string());
        }
        if sku.starts_with(NEW_SKU) && self.world.strikes(Fault::ManyUnknown, 500) {
            shop.orders().get_mut(&id).into_iter().flat_map(|known| &mut known.states).for_each(shop::order_much);
        }
        self.tell(shop, &id);
        for _ in 0..chance.index(4) {
            let same_second = self.world.strikes(Fault::SameSecond, 300);
            self.pass(if same_second { 10_000 } else { chance.within(SECOND, busy / 6) }).await;
            let silent = self.world.strikes(Fault::SilentChange, 300);
            match chance.index(12) {
                0 | 1 => shop.change(&id, !silent, shop::pay),
                2 => shop.change(&id, !silent, shop::cancel),
                3 | 8 => shop.change(&id, !silent, shop::refund),
                4 => shop.change(&id, !silent, shop::change_channel),
                7 if chance.permille(400) => shop.change(&id, !silent, shop::charge_back),
                9 => shop.change(&id, !silent, shop::exchange),
                10 => shop.change(&id, !silent, shop::reopen),
                11 => shop.change(&id, !silent, shop::refund_the_rest),
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

    fn sku(&self, shop: usize, id: &OrderId) -> String {
        if (shop == 0 && self.world.strikes(Fault::Spender, 900))
            || (self.world.faults().has(Fault::ManyUnknown) && self.world.chance.permille(250))
        {
            return format!("{NEW_SKU}{id}");
        }
        for (fault, sku) in [
            (Fault::OrderRefused, REFUSED_SKU),
            (Fault::OrderPoison, POISON_SKU),
            (Fault::OrderPanics, PANIC_SKU),
            (Fault::OrderRefused, UNKNOWN_SKU),
            (Fault::PoisonText, FORBIDDEN_SKU),
            (Fault::PoisonLookUp, LONG_SKU),
        ] {
            if !self.enough(fault) && self.world.strikes(fault, 250) {
                return sku.to_owned();
            }
        }
        self.world.chance.one_of(&["A", "B", "C"]).to_owned()
    }

    /// Whether there are as many such orders as a history takes: each costs the account hours of growing blocks, until it is given up.
    fn enough(&self, fault: Fault) -> bool {
        [Fault::OrderPoison, Fault::PoisonText, Fault::PoisonLookUp].contains(&fault)
            && self.world.faults().counts().get(&fault).is_some_and(|count| *count >= 2)
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
            let key = OrderKey::new(shop.id().clone(), id.clone());
            let event = Accepted { key, says, state, arrived: raw.received };
            self.posted.lock().unwrap().push(event.clone());
            if self.post(shop, raw).await {
                let key = &event.key;
                self.world.say(|| format!("{key}: state {state} told ({says:?}): 2xx"));
                self.accepted.lock().unwrap().push(event);
                return;
            }
            self.pass((10 * SECOND) << attempt).await;
        }
    }

    /// Whether a request to the edge is answered 2xx within five seconds.
    pub(super) async fn post(self: &Arc<Self>, shop: &Arc<Shop>, raw: puente::webhook::RawWebhook) -> bool {
        let answer = Arc::new(Mutex::new(None));
        let (history, told, id) = (Arc::clone(self), answer.clone(), shop.id().clone());
        let name = format!("edge-{}", self.edges.fetch_add(1, Ordering::Relaxed) + 1);
        let pid = self.world.executor.spawn(&name, 0, async move {
            let puente = history.lambda.puente();
            let Ok(Some(connection)) = puente.settings.entrance(&id).await else { return };
            let result = match ingest::open(&connection, raw) {
                Ok(opened) => ingest::webhook(&puente, &connection, "r", opened).await,
                Err(error) => Err(error),
            };
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
}
