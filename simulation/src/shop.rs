//! The stores: what buyers and shopkeepers do to orders, the webhooks that tell of it, and the answers to our questions. The
//! shop's own list is the truth that everything is judged by.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use iso_currency::Currency;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result, Retry,
    config::Secret,
    domain::{
        goods::{InStore, Sku, number::Keeps},
        ids::{ConnectionId, OrderId, OrderKey},
        money::Amount,
        order::{Flag, Line, LineStock, Order, Payment, Refund, Returned, Status, Tax},
        price::Price,
        shipment::{Fulfilment, Fulfilments, NewFulfilment, Open},
        time::Stamp,
    },
    outbound::Calls,
    store::{
        Changed, Changes, Entrance, Reading, Signed, Store,
        canonical::read_order,
        goods::{NewStock, NotSet, Stocked},
        prices::{NewPrice, Priced},
    },
    webhook::{RawWebhook, Scheme, VerifiedWebhook, sign},
};

use crate::{
    executor::Micros,
    fault::{Fault, Place},
    warehouse::{Counter, LATEST, Shared, Trade},
    world::{MINUTE, SECOND, World, micros, stamp},
};

/// The header that webhooks are signed in.
pub const SIGNATURE: &str = "x-shop-signature";

/// Personal data of every buyer: it may be nowhere but in payloads.
pub const BUYER_CANARY: &str = "canary-buyer@example.com";
/// What every secret holds: it may be nowhere at all.
pub const SECRET_CANARY: &str = "canary-secret";

/// An order as the shop knows it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its states, oldest first.
    pub states: Vec<Order>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// When the last change was made.
    pub changed_at: Micros,
    /// Whether a change moved no timestamp, or shares one: a list by time, or a state alone, cannot tell of it.
    pub ambiguous: bool,
}

impl Known {
    /// The state it has now.
    #[must_use]
    pub fn last(&self) -> &Order {
        self.states.last().unwrap()
    }
}

/// A shop.
pub struct Shop {
    world: Arc<World>,
    id: ConnectionId,
    /// The old one, and the one it rotates to.
    secrets: [Secret; 2],
    /// Which of them it signs with.
    signs_with: AtomicUsize,
    /// How many of them our configuration knows.
    known: AtomicUsize,
    can_fetch: AtomicBool,
    /// Whether its list has nothing but ids.
    lists_ids: AtomicBool,
    orders: Mutex<BTreeMap<OrderId, Known>>,
    /// What its next answers are, in place of what it was asked for.
    told: Mutex<VecDeque<Error>>,
    /// What every body says, since somebody mended our configuration.
    reads: Mutex<Option<Order>>,
    /// Its numbers of stock, if it keeps any.
    counter: Mutex<Option<Counter>>,
    /// What its articles cost.
    prices: Mutex<BTreeMap<String, Price>>,
    /// What it has as sent, by order.
    sent: Mutex<BTreeMap<OrderId, Vec<Fulfilment>>>,
    /// Where its goods lie, and what becomes of numbers that are written to it.
    trade: Option<(Shared, Trade)>,
}

/// The production's side of a shop.
pub struct Asked(pub Arc<Shop>);

/// What a webhook says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The whole order.
    State,
    /// Which order changed.
    Pointer,
    /// That it was deleted.
    Deleted,
    /// Something nobody can map.
    Garbled,
}

impl Shop {
    /// A shop without orders.
    #[must_use]
    pub fn new(world: Arc<World>, id: ConnectionId, can_fetch: bool) -> Arc<Self> {
        Self::with(world, id, can_fetch, None)
    }

    /// One that keeps stock, and which number.
    #[must_use]
    pub fn with(
        world: Arc<World>,
        id: ConnectionId,
        can_fetch: bool,
        trade: Option<(Shared, Trade, Keeps)>,
    ) -> Arc<Self> {
        let secret = |n| Secret::new(format!("{SECRET_CANARY}-{id}-{n}"));
        Arc::new(Self {
            world,
            secrets: [secret(1), secret(2)],
            signs_with: AtomicUsize::new(0),
            known: AtomicUsize::new(1),
            id,
            can_fetch: AtomicBool::new(can_fetch),
            lists_ids: AtomicBool::new(false),
            orders: Mutex::default(),
            told: Mutex::default(),
            reads: Mutex::default(),
            prices: Mutex::default(),
            sent: Mutex::default(),
            counter: Mutex::new(trade.as_ref().map(|(_, trade, keeps)| Counter::new(*keeps, &trade.articles))),
            trade: trade.map(|(warehouse, trade, _)| (warehouse, trade)),
        })
    }

    /// Whose shop.
    #[must_use]
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Whether it can be asked.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.can_fetch.load(Ordering::Relaxed)
    }

    /// It can be asked from now on.
    pub fn answer(&self) {
        self.can_fetch.store(true, Ordering::Relaxed);
    }

    /// Its list has nothing but ids from now on.
    pub fn list_ids(&self) {
        self.lists_ids.store(true, Ordering::Relaxed);
    }

    /// This is what comes of the next question that nobody told of yet.
    pub fn fails(&self, with: Error) {
        self.told.lock().unwrap().push_back(with);
    }

    /// Somebody mended our configuration: every body says this.
    pub fn mend(&self, order: Order) {
        *self.reads.lock().unwrap() = Some(order);
    }

    /// It has this order.
    pub fn sell(&self, order: Order) {
        let known =
            Known { states: vec![order.clone()], deleted: false, changed_at: self.world.now(), ambiguous: false };
        self.orders().insert(order.id, known);
    }

    /// Signs with the new secret from now on.
    pub fn rotate(&self) {
        self.signs_with.store(1, Ordering::Relaxed);
    }

    /// Our configuration knows the new secret too.
    pub fn rotated(&self) {
        self.known.store(2, Ordering::Relaxed);
    }

    /// Its orders.
    pub fn orders(&self) -> MutexGuard<'_, BTreeMap<OrderId, Known>> {
        self.orders.lock().unwrap()
    }

    /// Its numbers of stock.
    pub fn counter(&self) -> MutexGuard<'_, Option<Counter>> {
        self.counter.lock().unwrap()
    }

    /// What its articles cost.
    pub fn prices(&self) -> MutexGuard<'_, BTreeMap<String, Price>> {
        self.prices.lock().unwrap()
    }

    /// What it has of an order as sent.
    pub fn sent(&self, order: &OrderId) -> Vec<Fulfilment> {
        self.sent.lock().unwrap().get(order).cloned().unwrap_or_default()
    }

    /// A buyer places an order.
    pub fn place(&self, id: &OrderId, sku: &str, paid: bool, customer: u64) {
        let now = self.world.now();
        let key = OrderKey::new(self.id.clone(), id.clone());
        let cents = self.world.chance.within(100, 99_999);
        let total = format!("{}.{:02}", cents / 100, cents % 100);
        let text = format!(
            r#"{{"schema":1,"id":"{id}","number":"{key}","placed_at":"{at}","updated_at":"{at}","currency":"EUR","status":"open",
            "payment":"pending","customer":{{"id":"{customer}","email":"{BUYER_CANARY}"}},"lines":[{{"id":"1","sku":"{sku}",
            "title":"A thing","quantity":"1","unit_price":"{total}","amount":"{total}"}}],"tax":"0","total":"{total}"}}"#,
            at = whole_second(now),
        );
        let mut order: Order = serde_json::from_str(&text).unwrap();
        if paid {
            order.payment = Payment::Paid;
        }
        self.sell(order);
    }

    /// Some shops' sums are off, by a cent of rounding or by what nothing explains: which, the order's total says.
    pub fn miscount(&self, id: &OrderId) {
        for order in self.orders().get_mut(id).into_iter().flat_map(|known| &mut known.states) {
            let cents: u64 = order.total.to_string().replace('.', "").parse().unwrap();
            match cents % 23 {
                3 => miss_a_cent(order),
                5 => order.total += Amount::ONE,
                _ => {}
            }
        }
    }

    /// Somebody changes an order. `moved`: whether its modification time moves.
    pub fn change(&self, id: &OrderId, moved: bool, change: impl FnOnce(&mut Order)) {
        let now = self.world.now();
        let mut orders = self.orders();
        let Some(known) = orders.get_mut(id) else { return };
        let before = known.last().clone();
        let mut next = before.clone();
        change(&mut next);
        if next == before || known.deleted {
            return;
        }
        if moved {
            next.updated_at = Stamp::utc(whole_second(now));
        }
        known.ambiguous |= next.updated_at.at() <= before.updated_at.at();
        known.changed_at = now;
        known.states.push(next);
    }

    /// The shopkeeper deletes an order.
    pub fn delete(&self, id: &OrderId) {
        if let Some(known) = self.orders().get_mut(id) {
            known.deleted = true;
            known.changed_at = self.world.now();
        }
    }

    /// The request of a webhook about the state that `state` is.
    #[must_use]
    pub fn webhook(&self, id: &OrderId, state: usize, says: Says) -> RawWebhook {
        let body = match says {
            Says::State => serde_json::to_vec(&self.orders()[id].states[state]).unwrap(),
            Says::Pointer => format!("changed {id}").into_bytes(),
            Says::Deleted => format!("deleted {id}").into_bytes(),
            Says::Garbled => format!("garbled {id} {state}").into_bytes(),
        };
        let signature = sign(&self.secrets[self.signs_with.load(Ordering::Relaxed)], &body);
        self.request(body, &signature)
    }

    fn request(&self, body: Vec<u8>, signature: &str) -> RawWebhook {
        let mut headers = http::HeaderMap::new();
        headers.insert(SIGNATURE, signature.parse().unwrap());
        RawWebhook { headers, body: body.into(), received: stamp(self.world.now()) }
    }

    /// The request of a webhook that somebody else made up.
    #[must_use]
    pub fn forgery(&self, id: &OrderId) -> RawWebhook {
        let body = format!("changed {id}").into_bytes();
        let signature = sign(&Secret::new("a guess"), &body);
        self.request(body, &signature)
    }

    /// A question to the shop.
    async fn ask<T>(&self, name: &'static str, answer: impl Fn() -> T) -> Result<T> {
        let told = self.world.call(Place::Store, name, |_| answer()).await?;
        self.world.executor.sleep(self.world.takes(20_000, 400_000)).await;
        if let Some(error) = self.told.lock().unwrap().pop_front() {
            return Err(error);
        }
        if self.world.strikes(Fault::StoreDown, 300) {
            let error = if self.world.chance.permille(500) {
                let wait = Duration::from_secs(self.world.chance.within(1, 120).unsigned_abs());
                Error::new(Kind::Limited, "the store answered 429").retry(Retry::After(wait))
            } else {
                Error::new(Kind::Unavailable, "the store answered 503")
            };
            return Err(error);
        }
        Ok(told)
    }
}

/// Stores give modification times in whole seconds.
fn whole_second(at: Micros) -> Timestamp {
    stamp(at - at.rem_euclid(SECOND))
}

/// Pays it.
pub fn pay(order: &mut Order) {
    if order.payment == Payment::Pending {
        order.payment = Payment::Paid;
    }
}

/// Cancels it.
pub fn cancel(order: &mut Order) {
    order.status = Status::Cancelled;
}

/// Changes what was bought.
pub fn edit(order: &mut Order) {
    let one = Amount::ONE;
    for line in &mut order.lines {
        line.amount += one;
        line.unit_price = line.amount;
        order.total += one;
        order.current_total = order.current_total.map(|now| now + one);
    }
}

/// The payer's bank takes the money of a paid order back; any other order is edited.
pub fn charge_back(order: &mut Order) {
    if order.payment == Payment::Paid {
        order.payment = Payment::Failed;
    } else {
        edit(order);
    }
}

/// Two taxed lines, and a total that misses their sum by a cent: the shop rounded each tax, and the total at once.
fn miss_a_cent(order: &mut Order) {
    let amount = |text: &str| Amount::parse(text).unwrap();
    let tax = Tax { name: "VAT".into(), rate: Some(amount("0.21")), amount: amount("0.11") };
    let line = order.lines.first().cloned().unwrap();
    for id in ["2", "3"] {
        let (id, price, taxes) = (id.to_owned(), amount("0.50"), vec![tax.clone()]);
        order.lines.push(Line { id, unit_price: price, amount: price, taxes, ..line.clone() });
    }
    order.tax = amount("0.22");
    order.total += amount("1.21");
}

/// Hundreds of articles, each another one of the same kind as the first.
pub fn order_much(order: &mut Order) {
    let Some(first) = order.lines.first().cloned() else { return };
    let nothing = Amount::ZERO;
    order.lines.extend((2..=400).map(|number| {
        let mut line = first.clone();
        line.id = number.to_string();
        line.sku = first.sku.as_ref().map(|sku| format!("{sku}-{number}"));
        (line.amount, line.unit_price) = (nothing, nothing);
        line
    }));
}

/// Changes something that the sale does not show.
pub fn change_channel(order: &mut Order) {
    // There and back: the content of a while ago comes again.
    order.channel = if order.channel.is_some() { None } else { Some("app".to_owned()) };
}

/// Gives a part of the first line's price back.
pub fn refund(order: &mut Order) {
    give_back(order, Amount::parse("0.10").unwrap());
}

/// Gives back what is left of it.
pub fn refund_the_rest(order: &mut Order) {
    let left = order.total - order.proof().refunded;
    give_back(order, left);
    if order.payment == Payment::PartiallyRefunded {
        order.payment = Payment::Refunded;
    }
}

fn give_back(order: &mut Order, amount: Amount) {
    if !matches!(order.payment, Payment::Paid | Payment::PartiallyRefunded) || amount <= Amount::ZERO {
        return;
    }
    order.payment = Payment::PartiallyRefunded;
    let line = order.lines.first().map(|line| line.id.clone()).unwrap_or_default();
    let nothing = Amount::ZERO;
    let returned = Returned { line, quantity: nothing, amount, taxes: Vec::new(), restock: false };
    let id = (order.refunds.len() + 1).to_string();
    order.refunds.push(Refund { lines: vec![returned], ..Refund::new(id, amount) });
    order.current_total = Some(order.total - order.proof().refunded);
}

/// The buyer takes another article in place of the first, for another price.
pub fn exchange(order: &mut Order) {
    let common = |line: &&mut Line| line.sku.as_deref().is_some_and(|sku| ["A", "B", "C"].contains(&sku));
    let Some(line) = order.lines.first_mut().filter(common) else { return };
    line.sku = Some(if line.sku.as_deref() == Some("A") { "B" } else { "A" }.to_owned());
    let more = Amount::parse("2.50").unwrap();
    line.amount += more;
    line.unit_price = line.amount;
    order.total += more;
    order.current_total = order.current_total.map(|now| now + more);
}

/// What was cancelled stands again.
pub fn reopen(order: &mut Order) {
    order.status = Status::Open;
}

#[async_trait]
impl Store for Asked {
    fn entrance(&self) -> Entrance<'_> {
        let known = self.0.known.load(Ordering::Relaxed);
        Entrance::Signed(Signed { scheme: Scheme::HmacBase64(&[SIGNATURE]), secrets: &self.0.secrets[..known] })
    }

    fn is_ping(&self, _raw: &RawWebhook) -> bool {
        false
    }

    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        if let Some(order) = self.0.reads.lock().unwrap().clone() {
            return Reading::Order(Box::new(order));
        }
        let text = std::str::from_utf8(webhook.body()).unwrap_or_default();
        let mut words = text.split(' ');
        let id = |words: &mut std::str::Split<'_, char>| words.next().and_then(|id| id.parse::<OrderId>().ok());
        match words.next() {
            Some("changed") => id(&mut words).map_or(Reading::Ignored("nothing"), Reading::Changed),
            Some("deleted") => id(&mut words).map_or(Reading::Ignored("nothing"), Reading::Deleted),
            Some("garbled") => {
                let flag = Flag { code: "unmapped".into(), detail: "total_price: is not a number".into() };
                Reading::Unmapped(id(&mut words), flag)
            }
            _ => match read_order(webhook.body()) {
                Ok(order) => Reading::Order(Box::new(order)),
                Err((id, flag)) => Reading::Unmapped(id, flag),
            },
        }
    }

    fn sign(&self, body: &[u8], _now: Timestamp) -> http::HeaderMap {
        self.0.request(Vec::new(), &sign(&self.0.secrets[0], body)).headers
    }

    fn can_fetch(&self) -> bool {
        self.0.answers()
    }

    async fn fetch(&self, _calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>> {
        let shop = &self.0;
        let last = || {
            let orders = shop.orders();
            orders.get(order).filter(|known| !known.deleted).map(|known| known.last().clone())
        };
        shop.ask("store.fetch", last).await
    }

    async fn changed_since(&self, _calls: &Calls<'_>, since: Timestamp, page: Option<&str>) -> Result<Changes> {
        const PAGE: usize = 20;
        let shop = &self.0;
        let lag = if shop.world.strikes(Fault::ListLags, 300) { shop.world.chance.within(0, 5 * MINUTE) } else { 0 };
        let visible = shop.world.now() - lag;
        // Paged by what was listed last, as the connectors page: a place in the list would move under whoever counts on it.
        let after = |order: &Order| format!("{:020}/{}", micros(order.updated_at.at()), order.id);
        let page = page.unwrap_or_default();
        let list = || {
            let orders = shop.orders();
            let listed = orders
                .values()
                .filter(|known| !known.deleted && known.changed_at <= visible && known.last().updated_at.at() >= since);
            let mut listed: Vec<Order> = listed.map(|known| known.last().clone()).collect();
            listed.sort_by_key(&after);
            listed.retain(|order| after(order).as_str() > page);
            listed
        };
        let mut orders = shop.ask("store.list", list).await?;
        let more = orders.len() > PAGE;
        orders.truncate(PAGE);
        let next = orders.last().filter(|_| more).map(after);
        if shop.lists_ids.load(Ordering::Relaxed) {
            let of = |order: Order| Changed { order: order.id, modified: order.updated_at.at() };
            return Ok(Changes { ids: orders.into_iter().map(of).collect(), next, ..Changes::default() });
        }
        Ok(Changes { orders, next, ..Changes::default() })
    }

    async fn stock(&self, _calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        let shop = &self.0;
        let read = || {
            let counter = shop.counter();
            let number = |sku: &Sku| counter.as_ref().and_then(|counter| counter.numbers.get(sku.as_str()).copied());
            let one = |sku: &Sku| match number(sku) {
                Some(number) => Stocked {
                    sku: sku.clone(),
                    store: InStore::Kept,
                    number: Some(number),
                    item: Some(sku.to_string()),
                },
                None => Stocked::none(sku.clone(), InStore::Absent),
            };
            skus.iter().map(one).collect()
        };
        shop.called();
        shop.ask("store.stock", read).await
    }

    async fn set_stock(&self, _calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let numbers = stock.to_vec();
        match self.0.told("store.set_stock", move |shop| shop.put(&numbers)).await {
            Some(answers) => answers,
            None => stock.iter().map(|_| Err(unanswered())).collect(),
        }
    }

    async fn prices(&self, _calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Priced>> {
        let shop = &self.0;
        let read = || {
            let prices = shop.prices();
            let one = |sku: &Sku| match prices.get(sku.as_str()) {
                Some(price) => Priced {
                    sku: sku.clone(),
                    store: InStore::Kept,
                    price: Some(*price),
                    currency: Some(Currency::EUR),
                    item: Some(sku.to_string()),
                },
                None => Priced::none(sku.clone(), InStore::Absent),
            };
            skus.iter().map(one).collect()
        };
        shop.ask("store.prices", read).await
    }

    async fn set_prices(&self, _calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        let new = prices.to_vec();
        match self.0.told("store.set_prices", move |shop| shop.reprice(&new)).await {
            Some(answers) => answers,
            None => prices.iter().map(|_| Err(unanswered())).collect(),
        }
    }

    async fn fulfilments(&self, _calls: &Calls<'_>, order: &OrderId) -> Result<Option<Fulfilments>> {
        let shop = &self.0;
        shop.ask("store.fulfilments", || {
            let orders = shop.orders();
            let known = orders.get(order).filter(|known| !known.deleted)?;
            let sent = shop.sent(order);
            let open = known.last().lines.iter().map(|line| Open {
                line: line.id.clone(),
                quantity: line.quantity - sent_of(&sent, &line.id),
                item: line.id.clone(),
            });
            // As WooCommerce: nothing is listed of what is left, and what was sent is known by its number alone.
            if !shop.keeps_what_is_left() {
                let sent = sent.into_iter().map(|one| Fulfilment { lines: BTreeMap::new(), ..one }).collect();
                return Some(Fulfilments { open: None, sent });
            }
            Some(Fulfilments { open: Some(open.collect()), sent })
        })
        .await
    }

    async fn fulfil(&self, _calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        let new = new.clone();
        self.0.told("store.fulfil", move |shop| shop.fulfil(&new)).await.unwrap_or_else(|| Err(unanswered()))
    }

    async fn track(&self, _calls: &Calls<'_>, fulfilment: &str, new: &NewFulfilment) -> Result<(), NotSet> {
        let (new, id) = (new.clone(), fulfilment.to_owned());
        self.0.told("store.track", move |shop| shop.track(&id, &new)).await.unwrap_or_else(|| Err(unanswered()))
    }
}

fn unanswered() -> NotSet {
    NotSet::Unknown(Error::new(Kind::Unavailable, "no answer in time"))
}

/// The units of a line that were sent.
fn sent_of(sent: &[Fulfilment], line: &str) -> Amount {
    sent.iter().filter_map(|one| one.lines.get(line).copied()).sum()
}

impl Shop {
    /// It is told something: `act` happens once, or late, or not at all. None: no answer.
    async fn told<T>(self: &Arc<Self>, what: &'static str, act: impl Fn(&Self) -> T + Send + 'static) -> Option<T> {
        let (_, trade) = self.trade.as_ref()?;
        self.called();
        let (world, timeout) = (&self.world, 30 * SECOND);
        let lost = world.faults().kinds().next().is_some() || trade.lost > 0;
        if lost && world.chance.permille(trade.lost) {
            world.executor.sleep(timeout).await;
            return None;
        }
        if lost && world.chance.permille(trade.late) {
            // It lands after whoever sent it has given up, or died.
            let late = Arc::clone(self);
            let after = world.chance.within(timeout, LATEST);
            world.executor.spawn("network", 0, async move {
                late.world.executor.sleep(after).await;
                act(&late);
            });
            world.executor.sleep(timeout).await;
            return None;
        }
        world.executor.sleep(world.takes(20_000, 400_000)).await;
        let answer = world.call(Place::Store, what, |again| (!again).then(|| act(self))).await.ok().flatten()?;
        world.executor.sleep(world.takes(20_000, 400_000)).await;
        if lost && world.chance.permille(trade.unanswered) {
            world.executor.sleep(timeout).await;
            return None;
        }
        Some(answer)
    }

    /// Whether it knows what is left to send, and refuses more: as Shopify, whose number is gross; WooCommerce takes whatever it is told.
    fn keeps_what_is_left(&self) -> bool {
        self.counter().as_ref().is_none_or(|counter| counter.keeps == Keeps::Gross)
    }

    /// Something was sent: where the shop knows what is left, it is taken only of that; a gross number falls with what was reserved.
    fn fulfil(&self, new: &NewFulfilment) -> Result<String, NotSet> {
        let refused = |words: &'static str| NotSet::Refused(Error::new(Kind::Refused, words));
        let lines: BTreeMap<String, Amount> = new.parts.iter().map(|part| (part.line.clone(), part.quantity)).collect();
        let id = {
            let mut all = self.sent.lock().unwrap();
            let orders = self.orders();
            let known = orders.get(&new.order).ok_or_else(|| refused("there is no such order"))?;
            let sent = all.entry(new.order.clone()).or_default();
            for (line, quantity) in &lines {
                let sold = known.last().lines.iter().find(|one| one.id == *line).map(|one| one.quantity);
                let left = sold.unwrap_or_default() - sent_of(sent, line);
                let more = *quantity > left || known.last().status == Status::Cancelled;
                if more && self.keeps_what_is_left() {
                    return Err(refused("more than is left to send"));
                }
                let article = known.last().lines.iter().find(|one| one.id == *line).and_then(|one| one.sku.clone());
                if let Some((counter, article)) = self.counter().as_mut().zip(article) {
                    counter.sent(&article, 1);
                }
            }
            let id = format!("{}-f{}", new.order, sent.len() + 1);
            sent.push(Fulfilment {
                id: id.clone(),
                created: Some(stamp(self.world.now())),
                lines: lines.clone(),
                tracking: new.parcels.iter().map(|parcel| parcel.number.clone()).collect(),
                shipment: (!self.keeps_what_is_left()).then(|| new.shipment.clone()),
            });
            id
        };
        self.world.say(|| format!("{}: order {} is sent, as {id}", self.id, new.order));
        self.change(&new.order, true, |order| {
            let fulfilled =
                |(line, quantity): (String, Amount)| LineStock { line, taken: None, fulfilled: Some(quantity) };
            order.stock = lines.into_iter().map(fulfilled).collect();
        });
        Ok(id)
    }

    /// How something that was sent can be followed.
    fn track(&self, id: &str, new: &NewFulfilment) -> Result<(), NotSet> {
        let mut all = self.sent.lock().unwrap();
        let there = all.get_mut(&new.order).and_then(|sent| sent.iter_mut().find(|one| one.id == id));
        let there = there.ok_or_else(|| NotSet::Refused(Error::new(Kind::Refused, "there is no such fulfilment")))?;
        there.tracking = new.parcels.iter().map(|parcel| parcel.number.clone()).collect();
        Ok(())
    }

    /// Prices arrive.
    fn reprice(&self, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        let mut kept = self.prices();
        let mut put = |new: &NewPrice| {
            self.world.say(|| format!("{}: {} costs {} now", self.id, new.item, new.to.amount));
            kept.insert(new.item.clone(), new.to);
            Ok(new.to)
        };
        prices.iter().map(&mut put).collect()
    }

    fn called(&self) {
        if let Some((warehouse, _)) = &self.trade {
            warehouse.stock().store_calls += 1;
        }
    }

    /// Numbers arrive: a gross store takes one only if it has what it is believed to have.
    fn put(&self, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let mut counter = self.counter();
        let Some(counter) = counter.as_mut() else { return Vec::new() };
        let mut put = |new: &NewStock| {
            let number = counter.numbers.entry(new.item.clone()).or_default();
            if counter.keeps == Keeps::Gross && new.from.is_some_and(|from| from != *number) {
                return Err(NotSet::Stale);
            }
            let before = *number;
            *number = new.to;
            self.world.say(|| format!("{}: {} is {} now, and was {before}", self.id, new.item, new.to));
            Ok(new.to)
        };
        let answers = stock.iter().map(&mut put).collect();
        if let Some((warehouse, _)) = &self.trade {
            warehouse.stock().written += stock.len() as u64;
        }
        answers
    }
}
