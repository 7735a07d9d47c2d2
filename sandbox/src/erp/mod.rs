//! An ERP that keeps books in memory and misbehaves on request.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use puente_sandbox::erp::{Config, Erp, Fault};
//!
//! let erp = Erp::start(Config::default()).await?;
//! println!("[erp.main]\nkind = \"rest\"\n{}", erp.config_example());
//! erp.next("POST /orders", Fault::HangAfter); // the next order arrives, and nobody is told
//! # Ok(()) }
//! ```

mod books;
mod changes;
mod faults;
mod http;
mod plain;
mod vendor;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ::http::{HeaderMap, header};
use rust_decimal::Decimal;
use tokio::sync::watch;

pub use self::{
    books::{Books, Entry, Made, Of, Party},
    faults::{Fault, Faults, Outage, Poison},
    plain::Plain,
    vendor::{Asked, Reply, Vendor, id_text},
};
use crate::net::Server;

/// How far the ERP protects itself from a second order with the same reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same reference, or `Idempotency-Key`, again: the first order is the answer.
    Key,
    /// The same reference again is refused with 409.
    Unique,
    /// The same reference again makes a second order; both can be found.
    Searchable,
    /// The same, and nothing can be found.
    Nothing,
}

/// What becomes of a bulk in which one order is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// Nothing is made: 422 or 409 for all.
    Atomic,
    /// Each order has its own status in the answer, 207.
    PerItem,
    /// What came before the wrong one is made: 400 for all.
    Unknown,
}

/// How the ERP is set up.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent settings")]
pub struct Config {
    /// What kind of ERP it is.
    pub vendor: &'static dyn Vendor,
    /// Its protection from doubles.
    pub class: Class,
    /// Its bulk mode.
    pub bulk: Bulk,
    /// The most orders in one call.
    pub bulk_limit: usize,
    /// The most orders a look-up lists.
    pub page: usize,
    /// The article codes it knows.
    pub products: Vec<String>,
    /// Whether an order whose stated total is not that of its lines is refused.
    pub checks_totals: bool,
    /// Whether orders are made as drafts, to be confirmed.
    pub drafts: bool,
    /// Whether its section says how a sale is changed, cancelled and credited. Without it an order that changes has to wait for a
    /// person.
    pub changes: bool,
    /// Whether a sale is changed whatever version it carries.
    pub unconditional: bool,
    /// The whole `Authorization` header it asks for.
    pub authorization: Option<String>,
    /// The calls it allows; beyond, it answers 429 and counts a violation.
    pub limits: Option<Limits>,
}

/// The calls an ERP allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many calls …
    pub calls: usize,
    /// … in every window of this length.
    pub window: Duration,
    /// So many a day.
    pub per_day: usize,
    /// How long a day is, counted from the start: shorter ones make a demo of it.
    pub day: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vendor: &Plain,
            class: Class::Unique,
            bulk: Bulk::Atomic,
            bulk_limit: 50,
            page: 100,
            products: crate::store::CATALOGUE.iter().map(|article| article.sku.to_string()).collect(),
            checks_totals: true,
            drafts: false,
            changes: false,
            unconditional: false,
            authorization: None,
            limits: None,
        }
    }
}

/// A call that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When, counted from the ERP's start.
    pub at: Duration,
    /// Its name: method and path, without the query (`POST /orders`), where its vendor does not tell calls apart otherwise.
    pub what: String,
}

/// A running ERP. It stops when dropped.
#[derive(Debug)]
pub struct Erp {
    server: Server,
    shared: Arc<Shared>,
}

impl Erp {
    /// Starts one on a free loopback port.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(config: Config) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(config));
        let server = Server::start(http::router(Arc::clone(&shared))).await?;
        lock(&shared.gate).open = Some(server.is_open());
        Ok(Self { server, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// The section of `puente.toml` that reaches it, without `[erp.NAME]` and `kind`.
    #[must_use]
    pub fn config_example(&self) -> String {
        self.shared.config.vendor.section(&self.shared.config, self.addr())
    }

    /// What it should do wrong from now on; the seed's sequence begins anew.
    pub fn set_faults(&self, faults: Faults) {
        let mut gate = lock(&self.shared.gate);
        gate.faults = faults;
        gate.drawn_from = gate.calls.len();
    }

    /// The fault of the next call of that name (`POST /orders`), or of the one after those already scripted.
    pub fn next(&self, what: &str, fault: Fault) {
        lock(&self.shared.gate).script.push_back((what.to_owned(), fault));
    }

    /// Closes the port, so that connections are refused; or opens it again. Returns when it is so.
    pub async fn listen(&self, open: bool) {
        self.server.listen(open).await;
    }

    /// Every document in the books, oldest first.
    #[must_use]
    pub fn orders(&self) -> Vec<Made> {
        self.shared.books(|books| books.orders.clone())
    }

    /// What each sale and what was given back of it come to together, by the sale's reference.
    #[must_use]
    pub fn net(&self) -> BTreeMap<String, Decimal> {
        self.shared.books(|books| books.net())
    }

    /// Somebody at the ERP takes the sale of this reference to another state, such as `shipped` or `invoiced`: neither can be changed or
    /// cancelled any more.
    pub fn set_state(&self, reference: &str, state: &'static str) {
        self.shared.books(|books| {
            let ours = books.orders.iter_mut().filter(|made| made.reference == reference && !made.cancelled);
            ours.for_each(|made| made.state = state);
        });
    }

    /// Every customer in the books.
    #[must_use]
    pub fn customers(&self) -> Vec<Party> {
        self.shared.books(|books| books.parties.clone())
    }

    /// The references that more than one order carries.
    #[must_use]
    pub fn doubled(&self) -> Vec<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        for made in self.orders() {
            *seen.entry(made.reference).or_default() += 1;
        }
        seen.into_iter().filter(|(_, times)| *times > 1).map(|(reference, _)| reference).collect()
    }

    /// Every call that arrived, whatever became of it.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.gate).calls.clone()
    }

    /// How many calls came above the limits.
    #[must_use]
    pub fn violations(&self) -> usize {
        lock(&self.shared.gate).violations
    }

    /// The most calls in any window of this length.
    #[must_use]
    pub fn busiest(&self, window: Duration) -> usize {
        let times: Vec<Duration> = self.calls().into_iter().map(|call| call.at).collect();
        let until = |start: &Duration| times.partition_point(|at| *at < *start + window);
        times.iter().enumerate().map(|(place, start)| until(start) - place).max().unwrap_or_default()
    }

    /// How many calls arrived in each second since the start; seconds without calls are left out.
    #[must_use]
    pub fn calls_per_second(&self) -> BTreeMap<u64, usize> {
        let mut seconds = BTreeMap::new();
        for call in self.calls() {
            *seconds.entry(call.at.as_secs()).or_default() += 1;
        }
        seconds
    }
}

/// What handlers and the handle share.
#[derive(Debug)]
struct Shared {
    config: Config,
    started: Instant,
    gate: Mutex<Gate>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Gate {
    open: Option<watch::Receiver<bool>>,
    calls: Vec<Call>,
    /// When the calls were let in that count for the window.
    let_in: VecDeque<Duration>,
    /// The day that is counted, and its calls.
    day: (u128, usize),
    violations: usize,
    faults: Faults,
    drawn_from: usize,
    script: VecDeque<(String, Fault)>,
}

impl Shared {
    fn new(config: Config) -> Self {
        let books = Mutex::new(Books::new(config.clone()));
        Self { config, started: Instant::now(), gate: Mutex::default(), books }
    }

    fn books<T>(&self, with: impl FnOnce(&mut Books) -> T) -> T {
        with(&mut lock(&self.books))
    }

    fn is_open(&self) -> bool {
        lock(&self.gate).open.as_ref().is_none_or(|open| *open.borrow())
    }

    /// Returns when the port is closed.
    async fn closed(&self) {
        let open = lock(&self.gate).open.clone();
        if let Some(mut open) = open {
            // An error says that the ERP was dropped.
            let _ = open.wait_for(|open| !*open).await;
        }
    }

    /// Counts a call: its number.
    fn arrived(&self, what: String) -> usize {
        let mut gate = lock(&self.gate);
        // Under the lock, so that calls are in the order of their times.
        let at = self.started.elapsed();
        gate.calls.push(Call { at, what });
        gate.calls.len() - 1
    }

    /// How long a call that is above the limits should wait.
    fn over_the_limit(&self, number: usize) -> Option<Duration> {
        let limits = self.config.limits?;
        let mut gate = lock(&self.gate);
        let at = gate.calls.get(number)?.at;
        while gate.let_in.front().is_some_and(|first| *first + limits.window <= at) {
            gate.let_in.pop_front();
        }
        let today = at.as_nanos().checked_div(limits.day.as_nanos()).unwrap_or_default();
        if gate.day.0 != today {
            gate.day = (today, 0);
        }
        let wait = if gate.day.1 >= limits.per_day {
            let gone = at.as_nanos().checked_rem(limits.day.as_nanos()).unwrap_or_default();
            Some(limits.day.saturating_sub(Duration::from_nanos(u64::try_from(gone).unwrap_or_default())))
        } else if gate.let_in.len() >= limits.calls {
            gate.let_in.front().map(|first| (*first + limits.window).saturating_sub(at))
        } else {
            None
        };
        if wait.is_some() {
            gate.violations += 1;
        } else {
            gate.let_in.push_back(at);
            gate.day.1 += 1;
        }
        wait
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.config.authorization.as_deref().is_none_or(|wanted| sent == Some(wanted))
    }

    fn poisoned(&self, query: &str, body: &[u8]) -> Option<u16> {
        let gate = lock(&self.gate);
        let body = String::from_utf8_lossy(body);
        gate.faults.poison.iter().find(|p| query.contains(&p.words) || body.contains(&p.words)).map(|p| p.status)
    }

    /// The fault of a call, which is known by its name from now on.
    fn fault(&self, number: usize, what: &str, writes: bool) -> Option<Fault> {
        let mut gate = lock(&self.gate);
        if let Some(call) = gate.calls.get_mut(number) {
            what.clone_into(&mut call.what);
        }
        if let Some(place) = gate.script.iter().position(|(of, _)| of == what) {
            return gate.script.remove(place).map(|(_, fault)| fault);
        }
        let at = gate.calls.get(number)?.at;
        let drawn = number.saturating_sub(gate.drawn_from);
        gate.faults.of(drawn as u64, at, writes)
    }

    /// Does what was asked.
    fn act(&self, asked: &Asked) -> Reply {
        let lag = lock(&self.gate).faults.look_up_lag;
        self.books(|books| {
            books.lag = lag;
            self.config.vendor.answer(books, asked)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held leaves counters and books that are still worth reading.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
