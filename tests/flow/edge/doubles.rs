//! A store that reads what its bodies ask for, an ERP nobody calls, a queue that fails on request, and a log that is kept.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        document::{Document, Operation, Step},
        ids::OrderId,
        message::Message,
        order::{Flag, Order},
    },
    erp::{Bulk, Capabilities, Class, Draft, Erp, Found, Job, Patience, Probed, SendError},
    outbound::Calls,
    ports::{Clock, Dead, Delivery, Queue},
    store::{Changes, Entrance, Reading, Signed, Store},
    webhook::{RawWebhook, Scheme, VerifiedWebhook, sign},
};
use serde_json::json;

/// A canonical order as its sender writes it: the books add up, the buyer is a canary.
pub fn order(id: &str) -> serde_json::Value {
    json!({
        "schema": 1, "id": id, "number": format!("#{id}"), "currency": "EUR",
        "placed_at": "2026-03-01T10:00:00-03:00", "updated_at": "2026-03-01T10:00:00-03:00",
        "status": "open", "payment": "paid", "tax": "0", "total": "12.50",
        "customer": { "name": "Canary Buyer", "email": "canary@buyer.example" },
        "lines": [{ "id": "1", "sku": "A", "title": "Canary title", "quantity": 1, "unit_price": "12.50", "amount": "12.50" }],
    })
}

/// Does what the body's `do` says.
pub struct ObedientStore {
    pub scheme: Scheme,
    pub secrets: Vec<Secret>,
    pub api_keys: Vec<Secret>,
}

#[async_trait]
impl Store for ObedientStore {
    fn entrance(&self) -> Entrance<'_> {
        let signed = Signed { scheme: self.scheme, secrets: &self.secrets };
        if self.api_keys.is_empty() {
            return Entrance::Signed(signed);
        }
        Entrance::Keyed { api_keys: &self.api_keys, signed }
    }
    fn is_ping(&self, raw: &RawWebhook) -> bool {
        raw.headers.contains_key("x-ping")
    }
    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        let unmapped = |id: Option<OrderId>| {
            let detail = "total: is not a decimal number".to_owned();
            Reading::Unmapped(id, Flag { code: "unmapped".into(), detail })
        };
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(webhook.body()) else { return unmapped(None) };
        let id = || body["id"].as_str().unwrap().parse::<OrderId>().unwrap();
        match body["do"].as_str() {
            Some("order") => {
                let order: Order = serde_json::from_str(&order(id().as_str()).to_string()).unwrap();
                Reading::Order(Box::new(order))
            }
            Some("changed") => Reading::Changed(id()),
            Some("deleted") => Reading::Deleted(id()),
            Some("ignored") => Reading::Ignored("a topic that is no order"),
            Some("another") => Reading::AnotherShop,
            Some("panic") => panic!("a mapper's bug"),
            Some("unmapped") => unmapped(Some(id())),
            _ => unmapped(None),
        }
    }
    fn sign(&self, body: &[u8], _: Timestamp) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-signature", sign(&self.secrets[0], body).parse().unwrap());
        headers
    }
    fn can_fetch(&self) -> bool {
        false
    }
    async fn fetch(&self, _: &Calls<'_>, _: &OrderId) -> Result<Option<Order>> {
        Ok(None)
    }
    async fn changed_since(&self, _: &Calls<'_>, _: Timestamp, _: Option<&str>) -> Result<Changes> {
        Ok(Changes::default())
    }
}

/// A store whose webhooks nobody signs, as marketplaces send them: a resource's path, and whatever else.
pub struct PointingStore;

#[async_trait]
impl Store for PointingStore {
    fn entrance(&self) -> Entrance<'_> {
        Entrance::Pointer
    }
    fn pointed(&self, raw: &RawWebhook) -> Result<Option<OrderId>, Flag> {
        let unreadable = |detail: &str| Flag { code: "unreadable".into(), detail: detail.to_owned() };
        let body: serde_json::Value = serde_json::from_slice(&raw.body).map_err(|_| unreadable("is not JSON"))?;
        let path = body["resource"].as_str().ok_or_else(|| unreadable("resource: is not text"))?;
        let Some(id) = path.strip_prefix("/orders/") else { return Ok(None) };
        assert_ne!(id, "panic", "a reader's bug");
        id.parse().map(Some).map_err(|_| unreadable("resource: has no order's id"))
    }
    fn is_ping(&self, _: &RawWebhook) -> bool {
        false
    }
    fn read(&self, _: &VerifiedWebhook) -> Reading {
        panic!("nobody vouches for the body of a pointer")
    }
    fn sign(&self, _: &[u8], _: Timestamp) -> http::HeaderMap {
        http::HeaderMap::new()
    }
    fn can_fetch(&self) -> bool {
        true
    }
    async fn fetch(&self, _: &Calls<'_>, _: &OrderId) -> Result<Option<Order>> {
        panic!("the edge calls no store")
    }
    async fn changed_since(&self, _: &Calls<'_>, _: Timestamp, _: Option<&str>) -> Result<Changes> {
        panic!("the edge calls no store")
    }
}

/// Fails the test if the edge ever calls it.
pub struct UncalledErp;

#[async_trait]
impl Erp for UncalledErp {
    fn can(&self, _: Operation) -> Option<Capabilities> {
        Some(Capabilities { class: Class::Unique, bulk: Bulk::Atomic, max_bulk: 10 })
    }
    fn patience(&self) -> Patience {
        let timeout = Duration::from_secs(10);
        Patience { timeout, settle: timeout * 2 }
    }
    async fn prepare(&self, _: &Calls<'_>, _: Operation, _: &[Job], _: bool) -> Vec<Result<Draft, SendError>> {
        panic!("the edge calls no ERP")
    }
    async fn send(&self, _: &Calls<'_>, _: Operation, _: &[Draft]) -> Vec<Result<Document, SendError>> {
        panic!("the edge calls no ERP")
    }
    async fn look_up(&self, _: &Calls<'_>, _: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        panic!("the edge calls no ERP")
    }
    async fn finish(&self, _: &Calls<'_>, _: Operation, _: &[Document]) -> Vec<Result<Document, SendError>> {
        panic!("the edge calls no ERP")
    }
    async fn probe(&self, _: &Calls<'_>) -> Result<Probed> {
        panic!("the edge calls no ERP")
    }
}

/// Passes on to a real queue, unless it is told to fail. Counts its calls.
pub struct MoodyQueue {
    pub real: Arc<dyn Queue>,
    /// The whole queue is down.
    pub down: AtomicBool,
    /// The orders it takes no message of, as `Failed[]` entries of a batch.
    pub picky: Mutex<Vec<String>>,
    pub calls: AtomicUsize,
}

#[async_trait]
impl Queue for MoodyQueue {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.ready().await?;
        let picky = self.picky.lock().unwrap().clone();
        let mut answers = Vec::new();
        for message in messages {
            let refused = matches!(message, Message::Arrival(arrival) if picky.contains(&arrival.order.to_string()));
            answers.push(if refused {
                Err(Error::new(Kind::Unavailable, "throttled"))
            } else {
                self.real.send(std::slice::from_ref(message), delay).await?.remove(0)
            });
        }
        Ok(answers)
    }
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>> {
        self.real.receive(max, wait).await
    }
    async fn delete(&self, receipt: &str) -> Result<()> {
        self.real.delete(receipt).await
    }
    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        self.real.bury(message, reason).await
    }
    async fn dead(&self, limit: usize) -> Result<Vec<Dead>> {
        self.real.dead(limit).await
    }
    async fn redrive(&self, limit: usize, by: Option<&str>) -> Result<usize> {
        self.real.redrive(limit, by).await
    }
    async fn ready(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Unavailable, "queue.internal:9324 refused the connection"));
        }
        Ok(())
    }
}

/// A clock that is set by hand.
pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn at(text: &str) -> Arc<Self> {
        let clock = Arc::new(Self(AtomicI64::new(0)));
        clock.set(text);
        clock
    }
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
    pub fn set(&self, text: &str) {
        self.0.store(text.parse::<Timestamp>().unwrap().as_microsecond(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
    async fn sleep_until(&self, when: Timestamp) {
        self.0.fetch_max(when.as_microsecond(), Ordering::SeqCst);
    }
}

/// Everything this thread logs, at every level and of every crate.
///
/// One subscriber for the whole test binary: with one per thread, a callsite first met by a thread without one stays silent.
#[derive(Clone, Default)]
pub struct KeptLog(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static HERE: RefCell<Option<KeptLog>> = const { RefCell::new(None) };
}

impl KeptLog {
    /// Keeps what this thread logs from now on.
    pub fn start() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(|| HERE.with_borrow(|log| log.clone().unwrap_or_default()))
                .init();
        });
        let log = Self::default();
        HERE.set(Some(log.clone()));
        log
    }

    /// What was logged; nothing more is kept.
    pub fn stop(self) -> String {
        HERE.set(None);
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for KeptLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
