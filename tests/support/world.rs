//! A world in one thread: virtual time, seeded chance, ports in memory, and an ERP that fails on request.
//!
//! The flows are the production ones; only what lies behind the ports is modelled, and the records and the ledger run the same
//! pure functions as the real adapters.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result, Retry,
    config::FrontDoor,
    domain::{
        document::{Document, Operation, Step},
        ids::{ConnectionId, ErpId, OrderId, OrderKey, Reference},
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
        message::{Arrival, Message, News},
        order::{Flag, Order},
        record::{Entry, Head, State, Write, Written},
        rules::Rules,
        search::{SearchKey, Term, terms},
        share::Shares,
        sign::{Fact, Identity, Party, Sign},
        task::Run,
        version::Version,
    },
    erp::{Bulk, Capabilities, Class, Draft, Erp, Found, Job, Patience, SendError},
    flow::{self, Puente, signs::Signs, tell::Tell},
    fuzzing::MemoryTokens,
    outbound::{Calls, Client, Failure},
    parties::{Account, Connection, Settings},
    ports::{Accounts, Chance, Clock, Dead, Delivery, Page, Payload, Query, Queue, Records},
    store::{Changed, Changes, Entrance, Reading, Signed, Store},
    webhook::{RawWebhook, Scheme, VerifiedWebhook},
};

/// Virtual time: sleeping moves it.
pub struct VirtualClock(AtomicI64);

impl VirtualClock {
    pub fn at(text: &str) -> Arc<Self> {
        let at: Timestamp = text.parse().unwrap();
        Arc::new(Self(AtomicI64::new(at.as_microsecond())))
    }

    pub fn advance_to(&self, when: Timestamp) {
        self.0.fetch_max(when.as_microsecond(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
    async fn sleep_until(&self, when: Timestamp) {
        self.advance_to(when);
        tokio::task::yield_now().await;
    }
}

/// Seeded chance (splitmix64), so that a history replays.
pub struct SeededChance(AtomicU64);

impl SeededChance {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seed)))
    }

    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Chance for SeededChance {
    fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next() % n }
    }
    fn token(&self) -> String {
        format!("{:016x}", self.next())
    }
}

/// Records and ledgers in memory.
#[derive(Default)]
pub struct MemoryRecords {
    pub heads: Mutex<BTreeMap<OrderKey, Head>>,
    payloads: Mutex<HashMap<(OrderKey, Version), Payload>>,
    timelines: Mutex<HashMap<OrderKey, Vec<Entry>>>,
    ids: Mutex<HashMap<String, String>>,
    cursors: Mutex<HashMap<String, String>>,
    ledgers: Mutex<HashMap<ErpId, Ledger>>,
    pub signs: Mutex<BTreeMap<(Party, Fact), Sign>>,
    identities: Mutex<HashMap<ConnectionId, Identity>>,
    runs: Mutex<HashMap<String, Run>>,
}

#[async_trait]
impl Records for MemoryRecords {
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>> {
        Ok(self.heads.lock().unwrap().get(key).cloned())
    }
    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written> {
        let mut heads = self.heads.lock().unwrap();
        let old = heads.get(key);
        match write.apply(key, old, now) {
            Some(head) => {
                assert!(!head.forgotten(), "{key}: {write:?} leaves an order without a due: {head:?}");
                heads.insert(key.clone(), head.clone());
                Ok(Written::Applied(head))
            }
            None => Ok(Written::Refused(old.cloned())),
        }
    }
    async fn keep(&self, key: &OrderKey, version: &Version, payload: &Payload) -> Result<()> {
        self.payloads.lock().unwrap().insert((key.clone(), version.clone()), payload.clone());
        Ok(())
    }
    async fn payload(&self, key: &OrderKey, version: &Version) -> Result<Option<Payload>> {
        Ok(self.payloads.lock().unwrap().get(&(key.clone(), version.clone())).cloned())
    }
    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<OrderKey>> {
        let heads = self.heads.lock().unwrap();
        let mut due: Vec<_> = heads
            .values()
            .filter(|h| &h.key.connection == connection)
            .filter_map(|h| h.due.filter(|due| *due <= now).map(|due| (due, h.key.clone())))
            .collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
    }
    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        let heads = self.heads.lock().unwrap();
        Ok(heads.values().filter(|h| &h.key.connection == connection).filter_map(|h| h.due).min())
    }
    async fn find(
        &self,
        term: &Term,
        connection: Option<&ConnectionId>,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<Vec<OrderKey>> {
        let heads = self.heads.lock().unwrap();
        let found = heads.iter().filter(|(key, head)| {
            let here = connection.is_none_or(|connection| key.connection == *connection);
            here && after.is_none_or(|after| *key > after) && terms(head).contains(term)
        });
        Ok(found.map(|(key, _)| key.clone()).take(limit).collect())
    }
    async fn search_key(&self, _chance: Option<&dyn Chance>) -> Result<Option<SearchKey>> {
        Ok(SearchKey::kept(&[7; 32]))
    }
    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()> {
        for (key, entry) in entries {
            self.timelines.lock().unwrap().entry(key.clone()).or_default().push(entry.clone());
        }
        Ok(())
    }
    async fn timeline(&self, key: &OrderKey) -> Result<Vec<Entry>> {
        Ok(self.timelines.lock().unwrap().get(key).cloned().unwrap_or_default())
    }
    async fn list(&self, query: &Query) -> Result<Page> {
        let heads = self.heads.lock().unwrap();
        let heads = heads
            .values()
            .filter(|h| h.key.connection == query.connection && query.state.is_none_or(|s| h.state() == s))
            .take(query.limit)
            .cloned()
            .collect();
        Ok(Page { heads, cursor: None })
    }
    async fn counts(&self, connection: &ConnectionId) -> Result<HashMap<State, u64>> {
        let mut counts = HashMap::new();
        for head in self.heads.lock().unwrap().values().filter(|h| &h.key.connection == connection) {
            *counts.entry(head.state()).or_default() += 1;
        }
        Ok(counts)
    }
    async fn ids(&self, _erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>> {
        let ids = self.ids.lock().unwrap();
        Ok(names.iter().filter_map(|n| ids.get(n).map(|id| (n.clone(), id.clone()))).collect())
    }
    async fn learn(&self, _erp: &ErpId, ids: &[(String, String)]) -> Result<()> {
        self.ids.lock().unwrap().extend(ids.iter().cloned());
        Ok(())
    }
    async fn forget(&self, _erp: &ErpId, names: &[String]) -> Result<()> {
        self.ids.lock().unwrap().retain(|name, _| !names.contains(name));
        Ok(())
    }
    async fn cursor(&self, name: &str) -> Result<Option<String>> {
        Ok(self.cursors.lock().unwrap().get(name).cloned())
    }
    async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        self.cursors.lock().unwrap().insert(name.to_owned(), value.to_owned());
        Ok(())
    }
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl puente::ports::Signs for MemoryRecords {
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()> {
        self.signs.lock().unwrap().insert((of.clone(), sign.fact), sign.clone());
        Ok(())
    }
    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>> {
        let signs = self.signs.lock().unwrap();
        let of_party = |of: &Party| -> Vec<Sign> {
            signs.iter().filter(|((party, _), _)| party == of).map(|(_, sign)| sign.clone()).collect()
        };
        Ok(of.iter().map(of_party).collect())
    }
    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>> {
        Ok(self.identities.lock().unwrap().get(connection).cloned())
    }
    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()> {
        self.identities.lock().unwrap().insert(connection.clone(), identity.clone());
        Ok(())
    }
    async fn ran(&self, task: &str, run: &Run) -> Result<()> {
        self.runs.lock().unwrap().insert(task.to_owned(), run.clone());
        Ok(())
    }
    async fn runs(&self, tasks: &[&str]) -> Result<Vec<Option<Run>>> {
        let runs = self.runs.lock().unwrap();
        Ok(tasks.iter().map(|task| runs.get(*task).cloned()).collect())
    }
}

impl MemoryRecords {
    fn with<T>(&self, erp: &ErpId, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(self.ledgers.lock().unwrap().entry(erp.clone()).or_default())
    }
}

#[async_trait]
impl Accounts for MemoryRecords {
    async fn ledger(&self, erp: &ErpId) -> Result<Ledger> {
        Ok(self.with(erp, |l| l.clone()))
    }
    async fn take(
        &self,
        erp: &ErpId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        error: SignedDuration,
    ) -> Result<Taken> {
        Ok(self.with(erp, |l| l.take(nonce, now, until, error)))
    }
    async fn mark(&self, erp: &ErpId, now: Timestamp) -> Result<bool> {
        Ok(self.with(erp, |l| l.leave_mark(now)))
    }
    async fn release(&self, erp: &ErpId, epoch: u64, seen: Option<u64>) -> Result<Released> {
        Ok(self.with(erp, |l| l.release(epoch, seen)))
    }
    async fn reserve(
        &self,
        erp: &ErpId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<std::result::Result<Slots, Denied>> {
        Ok(self.with(erp, |l| l.reserve(request, limits, now)))
    }
    async fn block(&self, erp: &ErpId, until: Timestamp, because: &str) -> Result<()> {
        self.with(erp, |l| l.block(until, because));
        Ok(())
    }
    async fn unblock(&self, erp: &ErpId) -> Result<()> {
        self.with(erp, Ledger::unblock);
        Ok(())
    }
    async fn departed(&self, erp: &ErpId, epoch: u64, departed: &Departed) -> Result<()> {
        self.with(erp, |l| l.departed(epoch, departed));
        Ok(())
    }
}

/// The queue in memory: every message once, in order of visibility.
pub struct MemoryQueue {
    clock: Arc<VirtualClock>,
    messages: Mutex<VecDeque<(Timestamp, Message)>>,
    pub dead: Mutex<Vec<Dead>>,
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>> {
        let at = self.clock.now() + SignedDuration::try_from(delay).unwrap();
        let mut queue = self.messages.lock().unwrap();
        queue.extend(messages.iter().map(|m| (at, m.clone())));
        Ok(messages.iter().map(|_| Ok(())).collect())
    }
    async fn receive(&self, max: usize, _wait: Duration) -> Result<Vec<Delivery>> {
        let now = self.clock.now();
        let mut queue = self.messages.lock().unwrap();
        let mut deliveries = Vec::new();
        while deliveries.len() < max {
            let Some(i) = queue.iter().position(|(at, _)| *at <= now) else { break };
            let (_, message) = queue.remove(i).unwrap();
            deliveries.push(Delivery { receipt: String::new(), receives: 1, message: Ok(message) });
        }
        Ok(deliveries)
    }
    async fn delete(&self, _receipt: &str) -> Result<()> {
        Ok(())
    }
    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        let dead = Dead { message: Some(message.clone()), reason: reason.to_owned(), since: Some(self.clock.now()) };
        self.dead.lock().unwrap().push(dead);
        Ok(())
    }
    async fn dead(&self, limit: usize) -> Result<Vec<Dead>> {
        Ok(self.dead.lock().unwrap().iter().take(limit).cloned().collect())
    }
    async fn redrive(&self, limit: usize) -> Result<usize> {
        let mut dead = self.dead.lock().unwrap();
        let count = limit.min(dead.len());
        let now = self.clock.now();
        let mut queue = self.messages.lock().unwrap();
        queue.extend(dead.drain(..count).filter_map(|d| d.message).map(|m| (now, m)));
        Ok(count)
    }
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

impl MemoryQueue {
    /// When the next message becomes visible.
    pub fn next(&self) -> Option<Timestamp> {
        self.messages.lock().unwrap().iter().map(|(at, _)| *at).min()
    }
}

/// What the model ERP does with the next calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call commits, and the answer is lost.
    CommitThenTimeout,
    /// The call is lost before the ERP acts.
    TimeoutBefore,
    /// 500 without effect, which nobody can know.
    ServerError,
    /// 429 with Retry-After in seconds.
    TooMany(u64),
    /// Connection refused.
    Down,
    /// Refused for good, whatever it is.
    Refused,
}

/// An ERP with a unique reference and atomic bulks (or as told), which counts its calls by true time.
pub struct ModelErp {
    clock: Arc<VirtualClock>,
    pub creates: Mutex<Capabilities>,
    pub patience: Mutex<Patience>,
    pub sales: Mutex<Vec<(Reference, Version, String)>>,
    pub calls: Mutex<Vec<Timestamp>>,
    /// Faults of the next create calls, in order.
    pub faults: Mutex<VecDeque<Option<Fault>>>,
    /// From when until when it is down.
    pub outage: Mutex<Option<(Timestamp, Timestamp)>>,
    /// Whether a look-up's answer is lost.
    pub blind: Mutex<bool>,
    /// Documents are found unfinished, and finishing is refused (`true`) or fails (`false`).
    pub stuck: Mutex<Option<bool>>,
    /// Calls that a create takes beyond the first: reading back, confirming.
    pub more_calls: Mutex<u32>,
    /// How long a call takes.
    pub takes: Mutex<SignedDuration>,
}

pub struct ErpHandle(pub Arc<ModelErp>);

/// A SKU that the ERP refuses on the create call.
pub const REFUSED_SKU: &str = "REFUSED";
/// A SKU that makes the ERP fail with a 500.
pub const POISON_SKU: &str = "POISON";
/// A SKU that no product has.
pub const UNKNOWN_SKU: &str = "UNKNOWN";
/// A SKU that the ERP refuses with words about the buyer: when it is asked for the article, and on the create call.
pub const TALKATIVE_SKUS: [&str; 2] = ["TALKATIVE-ARTICLE", "TALKATIVE"];
/// What it says then.
pub const TALK: &str = "the ERP refused it: “no credit for ANA NUNEZ, ana.n@example.com, article 7 stays”";
/// A SKU that makes our connector panic.
pub const PANIC_SKU: &str = "PANIC";

fn down() -> Error {
    Error::new(Kind::Unavailable, "the ERP refused the connection")
}

impl ModelErp {
    async fn call(&self, calls: &Calls<'_>) -> std::result::Result<(), Failure> {
        calls.http.permit(Duration::from_secs(5)).await.map_err(Failure::NotSent)?;
        let now = self.clock.now();
        self.calls.lock().unwrap().push(now);
        self.clock.advance_to(now + *self.takes.lock().unwrap());
        if self.outage.lock().unwrap().is_some_and(|(from, to)| from <= now && now < to) {
            return Err(Failure::NotSent(down()));
        }
        Ok(())
    }
}

type Outcomes = Vec<std::result::Result<Document, SendError>>;

fn sku(draft: &Draft) -> &str {
    draft.body.split('|').nth(1).unwrap()
}

impl ErpHandle {
    /// What the ERP does with a create that arrived.
    fn book(&self, drafts: &[Draft], all: &dyn Fn(&dyn Fn() -> SendError) -> Outcomes) -> Outcomes {
        let bulk = self.0.creates.lock().unwrap().bulk;
        let mut sales = self.0.sales.lock().unwrap();
        let refused = |d: &Draft| sku(d) == REFUSED_SKU;
        let exists = |sales: &[(Reference, Version, String)], d: &Draft| sales.iter().any(|(r, ..)| r == &d.reference);
        if bulk == Bulk::Atomic {
            if drafts.iter().any(|d| exists(&sales, d)) {
                return all(&|| SendError::Exists);
            }
            if drafts.iter().any(refused) {
                return all(&|| SendError::Refused(Error::new(Kind::Refused, "the period is closed")));
            }
        }
        drafts
            .iter()
            .map(|d| {
                if exists(&sales, d) {
                    return Err(SendError::Exists);
                }
                if refused(d) {
                    return Err(SendError::Refused(Error::new(Kind::Refused, "the period is closed")));
                }
                if sku(d) == TALKATIVE_SKUS[1] {
                    return Err(SendError::Refused(Error::new(Kind::Refused, TALK)));
                }
                let mut parts = d.body.split('|');
                let version = parts.next().unwrap().parse().unwrap();
                let total = parts.nth(1).unwrap().to_owned();
                sales.push((d.reference.clone(), version, total));
                Ok(Document { id: sales.len().to_string(), number: Some(format!("S{}", sales.len())) })
            })
            .collect()
    }
}

#[async_trait]
impl Erp for ErpHandle {
    fn can(&self, _operation: Operation) -> Option<Capabilities> {
        Some(*self.0.creates.lock().unwrap())
    }

    fn patience(&self) -> Patience {
        *self.0.patience.lock().unwrap()
    }

    async fn prepare(
        &self,
        _calls: &Calls<'_>,
        _operation: Operation,
        sales: &[Job],
        _afresh: bool,
    ) -> Vec<std::result::Result<Draft, SendError>> {
        sales
            .iter()
            .map(|sale| {
                let sku = sale.order.lines[0].sku.clone().unwrap_or_default();
                assert_ne!(sku, PANIC_SKU, "a panic on request");
                if sku == TALKATIVE_SKUS[0] {
                    return Err(SendError::Refused(Error::new(Kind::Refused, TALK)));
                }
                if sku == UNKNOWN_SKU {
                    return Err(SendError::Refused(Error::new(Kind::Refused, "article UNKNOWN is not in the ERP")));
                }
                Ok(Draft {
                    reference: sale.step.reference.clone(),
                    body: format!("{}|{sku}|{}", sale.version.to_string().replace('|', "/"), sale.order.total),
                    remark: None,
                })
            })
            .collect()
    }

    async fn send(&self, calls: &Calls<'_>, _operation: Operation, drafts: &[Draft]) -> Outcomes {
        let all = |make: &dyn Fn() -> SendError| -> Outcomes { drafts.iter().map(|_| Err(make())).collect() };
        match self.0.call(calls).await {
            Ok(()) => {}
            Err(Failure::NotSent(error)) => {
                let text = error.to_string();
                return all(&|| SendError::Account(Error::new(Kind::Unavailable, text.clone())));
            }
            Err(Failure::Unknown(_)) => unreachable!(),
        }
        let fault = self.0.faults.lock().unwrap().pop_front().flatten();
        match fault {
            Some(Fault::TimeoutBefore) => {
                return all(&|| SendError::Unknown(Error::new(Kind::Unavailable, "no answer in time")));
            }
            Some(Fault::ServerError) => {
                return all(&|| SendError::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500")));
            }
            Some(Fault::TooMany(secs)) => {
                let retry = Retry::After(Duration::from_secs(secs));
                return all(&|| SendError::Account(Error::new(Kind::Limited, "the ERP answered 429").retry(retry)));
            }
            Some(Fault::Down) => return all(&|| SendError::Account(down())),
            Some(Fault::Refused) => {
                return all(&|| SendError::Refused(Error::new(Kind::Refused, "the period is closed")));
            }
            Some(Fault::CommitThenTimeout) | None => {}
        }
        if drafts.iter().any(|d| sku(d) == POISON_SKU) {
            return all(&|| SendError::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500")));
        }
        let outcomes = self.book(drafts, &all);
        if outcomes.iter().all(Result::is_err) {
            return outcomes;
        }
        let more = *self.0.more_calls.lock().unwrap();
        for _ in 0..more {
            if let Err(failure) = self.0.call(calls).await {
                let text = failure.error().to_string();
                return all(&|| SendError::Unknown(Error::new(Kind::Unavailable, text.clone())));
            }
        }
        if fault == Some(Fault::CommitThenTimeout) {
            return all(&|| SendError::Unknown(Error::new(Kind::Unavailable, "no answer in time")));
        }
        outcomes
    }

    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> std::result::Result<Vec<Option<Found>>, SendError> {
        self.0.call(calls).await.map_err(|failure| SendError::Account(failure.into()))?;
        if *self.0.blind.lock().unwrap() {
            return Err(SendError::Unknown(Error::new(Kind::Unavailable, "no answer in time")));
        }
        let sales = self.0.sales.lock().unwrap();
        Ok(steps
            .iter()
            .map(|step| {
                sales.iter().position(|(r, ..)| r == &step.reference).map(|i| Found {
                    document: Document { id: (i + 1).to_string(), number: Some(format!("S{}", i + 1)) },
                    version: Some(sales[i].1.clone()),
                    finished: self.0.stuck.lock().unwrap().is_none(),
                })
            })
            .collect())
    }

    async fn finish(&self, calls: &Calls<'_>, documents: &[Document]) -> Vec<std::result::Result<Document, SendError>> {
        let stuck = *self.0.stuck.lock().unwrap();
        if let Some(refused) = stuck {
            let sent = self.0.call(calls).await;
            let send_error = || match &sent {
                Err(failure) => SendError::Account(Error::new(Kind::Unavailable, failure.error().to_string())),
                Ok(()) if refused => SendError::Refused(Error::new(Kind::Refused, "the warehouse is closed")),
                Ok(()) => SendError::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500")),
            };
            return documents.iter().map(|_| Err(send_error())).collect();
        }
        documents.iter().cloned().map(Ok).collect()
    }

    async fn probe(&self, calls: &Calls<'_>) -> Result<String> {
        self.0.call(calls).await?;
        Ok("model".into())
    }
}

/// What a store answers to those who may ask it.
#[derive(Default)]
pub struct ModelShop {
    /// Whether it can be asked at all.
    pub answers: AtomicBool,
    pub orders: Mutex<BTreeMap<OrderId, Order>>,
    /// What the next questions fail with, in order.
    pub faults: Mutex<VecDeque<Error>>,
    /// What a body that was kept raw says by now.
    pub reads: Mutex<Option<Order>>,
    pub asked: AtomicU64,
    /// Whether its list has nothing but ids.
    pub lists_ids: AtomicBool,
}

/// A store nobody can ask unless a test says so, whose webhooks do not matter here.
pub struct QuietStore(pub Arc<ModelShop>);

#[async_trait]
impl Store for QuietStore {
    fn entrance(&self) -> Entrance<'_> {
        Entrance::Signed(Signed { scheme: Scheme::Standard, secrets: &[] })
    }
    fn is_ping(&self, _raw: &RawWebhook) -> bool {
        false
    }
    fn read(&self, _webhook: &VerifiedWebhook) -> Reading {
        let order = self.0.reads.lock().unwrap().clone();
        order.map_or(Reading::Ignored("quiet"), |order| Reading::Order(Box::new(order)))
    }
    fn sign(&self, _body: &[u8], _now: Timestamp) -> http::HeaderMap {
        http::HeaderMap::new()
    }
    fn can_fetch(&self) -> bool {
        self.0.answers.load(Ordering::SeqCst)
    }
    async fn fetch(&self, _calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = self.0.faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        Ok(self.0.orders.lock().unwrap().get(order).cloned())
    }
    async fn changed_since(&self, _calls: &Calls<'_>, _since: Timestamp, _page: Option<&str>) -> Result<Changes> {
        if let Some(fault) = self.0.faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        let orders: Vec<Order> = self.0.orders.lock().unwrap().values().cloned().collect();
        if self.0.lists_ids.load(Ordering::SeqCst) {
            let of = |order: Order| Changed { order: order.id, modified: order.updated_at.at() };
            return Ok(Changes { ids: orders.into_iter().map(of).collect(), ..Changes::default() });
        }
        Ok(Changes { orders, ..Changes::default() })
    }
}

/// The whole world.
pub struct World {
    pub puente: Puente,
    pub clock: Arc<VirtualClock>,
    pub records: Arc<MemoryRecords>,
    pub queue: Arc<MemoryQueue>,
    pub erp: Arc<ModelErp>,
    pub erp_id: ErpId,
    /// What every connection's store answers.
    pub shop: Arc<ModelShop>,
    /// How long an invocation of the worker may take.
    pub span: SignedDuration,
}

pub const START: &str = "2026-03-01T08:00:00Z";

impl World {
    /// `shops` connections (`shop-0`, …) on one ERP account.
    pub fn new(seed: u64, shops: usize, limits: Limits) -> Self {
        Self::starting(START, seed, shops, limits)
    }

    pub fn starting(at: &str, seed: u64, shops: usize, limits: Limits) -> Self {
        let clock = VirtualClock::at(at);
        let timeout = Duration::from_secs(5);
        let creates = Capabilities { class: Class::Unique, bulk: Bulk::Atomic, max_bulk: 100 };
        let erp = Arc::new(ModelErp {
            clock: clock.clone(),
            creates: Mutex::new(creates),
            patience: Mutex::new(Patience { timeout, settle: timeout * 2 }),
            sales: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            outage: Mutex::default(),
            blind: Mutex::default(),
            stuck: Mutex::default(),
            more_calls: Mutex::default(),
            takes: Mutex::new(SignedDuration::from_millis(200)),
        });
        let erp_id: ErpId = "main".parse().unwrap();
        let shop = Arc::new(ModelShop::default());
        let connections: Vec<Connection> = (0..shops)
            .map(|i| Connection {
                id: format!("shop-{i}").parse().unwrap(),
                erp: erp_id.clone(),
                keys: Vec::new(),
                store: Box::new(QuietStore(shop.clone())),
                orders: Rules::default(),
                front_door: FrontDoor { per_second: 10, per_day: 300 },
            })
            .collect();
        let account = Account {
            id: erp_id.clone(),
            erp: Box::new(ErpHandle(erp.clone())),
            limits,
            shares: Shares::equal(&connections.iter().map(|c| c.id.clone()).collect::<Vec<_>>()),
            connections: connections.iter().map(|c| c.id.clone()).collect(),
            max_attempts: 12,
            look_up_first: false,
        };
        let records = Arc::new(MemoryRecords::default());
        let queue = Arc::new(MemoryQueue { clock: clock.clone(), messages: Mutex::default(), dead: Mutex::default() });
        let puente = Puente {
            settings: Arc::new(Settings::fixed(connections, vec![account]).unwrap()),
            records: records.clone(),
            accounts: records.clone(),
            signs: Signs::new(records.clone()),
            tokens: Arc::new(MemoryTokens::default()),
            queue: queue.clone(),
            clock: clock.clone(),
            chance: SeededChance::new(seed),
            client: Client::new().unwrap(),
            tell: Tell::default(),
        };
        Self { puente, clock, records, queue, erp, erp_id, shop, span: SignedDuration::from_mins(10) }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn key(&self, shop: usize, order: &str) -> OrderKey {
        OrderKey::new(format!("shop-{shop}").parse().unwrap(), order.parse().unwrap())
    }

    pub fn head(&self, key: &OrderKey) -> Head {
        self.records.heads.lock().unwrap()[key].clone()
    }

    pub async fn events(&self, key: &OrderKey) -> Vec<String> {
        self.records.timeline(key).await.unwrap().into_iter().map(|e| e.event).collect()
    }

    /// Puts an order's state into the queue, as the edge would.
    pub async fn arrives(&self, shop: usize, order: Order) {
        self.arrived(shop, order, self.now()).await;
    }

    /// The same, of what came to the edge at another time than now.
    pub async fn arrived(&self, shop: usize, order: Order, received: Timestamp) {
        let arrival = Arrival {
            connection: format!("shop-{shop}").parse().unwrap(),
            order: order.id.clone(),
            received,
            request: "r".into(),
            by: None,
            tries: 0,
            news: News::State { order: Arc::new(order) },
        };
        self.puente.queue.send(&[Message::Arrival(arrival)], Duration::ZERO).await.unwrap();
    }

    pub async fn news(&self, shop: usize, order: &str, news: News) {
        let key = self.key(shop, order);
        let arrival = Arrival {
            connection: key.connection,
            order: key.order,
            received: self.now(),
            request: "r".into(),
            by: None,
            tries: 0,
            news,
        };
        self.puente.queue.send(&[Message::Arrival(arrival)], Duration::ZERO).await.unwrap();
    }

    /// Lets the worker do everything that is visible now.
    pub async fn work(&self) {
        loop {
            let batch = self.puente.queue.receive(10, Duration::ZERO).await.unwrap();
            if batch.is_empty() {
                return;
            }
            let deadline = self.now() + self.span;
            let messages = batch.into_iter().enumerate().map(|(i, d)| (i.to_string(), d.message)).collect();
            let failed = flow::work::work(&self.puente, messages, deadline).await;
            assert!(failed.is_empty(), "{failed:?}");
        }
    }

    /// Runs worker and sweeper until `end`, jumping from one event to the next.
    pub async fn run_until(&self, end: Timestamp) {
        let mut sweep_at = self.now();
        loop {
            self.work().await;
            if self.now() >= sweep_at {
                flow::tasks::sweep::sweep(&self.puente).await.unwrap();
                sweep_at = self.now() + SignedDuration::from_mins(1);
                continue;
            }
            let next = self.queue.next().map_or(sweep_at, |at| at.min(sweep_at));
            if next >= end {
                self.clock.advance_to(end);
                return;
            }
            self.clock.advance_to(next);
        }
    }

    pub async fn run_for(&self, time: SignedDuration) {
        self.run_until(self.now() + time).await;
    }

    /// No step's reference twice in the ERP.
    pub fn assert_single(&self) {
        let sales = self.erp.sales.lock().unwrap();
        let mut references: Vec<_> = sales.iter().map(|(r, ..)| r.clone()).collect();
        references.sort();
        let all = references.len();
        references.dedup();
        assert_eq!(references.len(), all, "doubled sales");
    }

    /// At most `n` calls in every window.
    pub fn assert_rate(&self, n: usize, window: SignedDuration) {
        let calls = self.erp.calls.lock().unwrap();
        for (i, at) in calls.iter().enumerate() {
            let within = calls[i..].iter().take_while(|c| c.duration_since(*at) < window).count();
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
