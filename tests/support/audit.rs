//! The audit after a run: the records and the ERP's own books against the shops' truth.
//!
//! Every order of the truth was delivered until somebody answered. So each is in the ERP once, with its total, or its record
//! says why it is not: it waits (and has a `due`), or it stopped with a reason.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use puente::{
    Kind,
    domain::{
        ids::{ConnectionId, OrderKey},
        record::{Head, State},
    },
    ports::{Page, Query, Records},
};
use puente_sandbox::{
    erp::{Erp, Made},
    store::{CANARY, Expect, Shop},
};

/// What was found. The lists are empty when all is well.
#[derive(Debug, Default)]
pub struct Audit {
    /// Documents in the ERP's books.
    pub in_erp: usize,
    /// Orders of the truth that belong there.
    pub expected: usize,
    /// Orders on record, by state.
    pub states: BTreeMap<&'static str, usize>,
    /// Neither in the ERP nor on record as waiting or stopped.
    pub lost: Vec<String>,
    /// References that more than one document carries.
    pub doubled: Vec<String>,
    /// In the ERP with another total or currency than the shop's.
    pub wrong: Vec<String>,
    /// In the ERP against a rule, or stopped without a cause.
    pub astray: Vec<String>,
    /// Neither at rest nor due: nobody would come back to them.
    pub forgotten: Vec<String>,
    /// Stopped, and nobody can say why.
    pub unexplained: Vec<String>,
    /// Calls above the ERP's limits, counted by the ERP.
    pub violations: usize,
}

/// Every head of a connection.
pub async fn heads(records: &dyn Records, connection: &ConnectionId) -> Vec<Head> {
    let mut query = Query { connection: connection.clone(), state: None, from: None, limit: 200, cursor: None };
    let mut heads = Vec::new();
    loop {
        let page = page(records, &query).await;
        heads.extend(page.heads);
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return heads;
        }
    }
}

/// The emulator is slow at times; an audit can wait.
async fn page(records: &dyn Records, query: &Query) -> Page {
    for _ in 0..20 {
        match records.list(query).await {
            Err(error) if error.kind() == Kind::Unavailable => tokio::time::sleep(Duration::from_millis(500)).await,
            page => return page.unwrap(),
        }
    }
    panic!("the records cannot be read")
}

/// The orders of a connection that nobody would come back to, at any moment.
pub async fn forgotten(records: &dyn Records, connection: &ConnectionId) -> Vec<String> {
    heads(records, connection).await.iter().filter(|head| head.forgotten()).map(told).collect()
}

/// Waits until nothing is `left`, as long as something comes to rest in every twelve minutes: an ERP that failed ten times in a row,
/// which processes that are killed while they ask it make likely, is left alone nearly as long. Returns how long it took.
pub async fn comes_to_rest(left: impl AsyncFn() -> usize) -> Duration {
    let began = Instant::now();
    let (mut least, mut since) = (usize::MAX, began);
    while began.elapsed() < Duration::from_mins(30) && since.elapsed() < Duration::from_mins(12) {
        match left().await {
            0 => break,
            fewer if fewer < least => (least, since) = (fewer, Instant::now()),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    began.elapsed()
}

impl Audit {
    /// Compares the books of an ERP with those of the shop that sells into it.
    pub async fn of(erp: &Erp, records: &dyn Records, connection: &str, shop: &Shop) -> Self {
        let made = erp.orders();
        let mut documents: HashMap<&str, Vec<&Made>> = HashMap::new();
        for one in &made {
            documents.entry(&one.reference).or_default().push(one);
        }
        let mut audit =
            Self { in_erp: made.len(), doubled: erp.doubled(), violations: erp.violations(), ..Self::default() };
        let connection: ConnectionId = connection.parse().unwrap();
        let mut heads: HashMap<OrderKey, Head> =
            heads(records, &connection).await.into_iter().map(|head| (head.key.clone(), head)).collect();
        for truth in shop.truth() {
            let key = OrderKey::new(connection.clone(), truth.order.parse().unwrap());
            let there = documents.remove(key.sale().as_str()).unwrap_or_default();
            audit.order(&key, &truth.expect, &there, heads.remove(&key).as_ref());
        }
        // Orders and documents that no shop knows of.
        audit.astray.extend(heads.values().map(told));
        audit.astray.extend(documents.keys().map(|reference| (*reference).to_owned()));
        audit
    }

    fn order(&mut self, key: &OrderKey, expect: &Expect, there: &[&Made], head: Option<&Head>) {
        let state = head.map(Head::state);
        if let Some(head) = head {
            *self.states.entry(head.state().as_str()).or_default() += 1;
            if head.forgotten() {
                self.forgotten.push(told(head));
            }
            let stopped = matches!(head.state(), State::Parked | State::Dead | State::Ignored);
            if stopped && head.parked.as_ref().is_none_or(|parked| parked.reason.trim().is_empty()) {
                self.unexplained.push(told(head));
            }
        }
        let found = || format!("{key}: {state:?}, {} documents", there.len());
        match expect {
            Expect::InErp { total, currency } => {
                self.expected += 1;
                let wrong = there.iter().any(|made| made.total != *total || made.currency != *currency);
                self.wrong.extend(wrong.then(found));
                match state {
                    // What the record says must be so; what it still waits for may be there already.
                    Some(State::Synced) | None if there.is_empty() => self.lost.push(found()),
                    Some(State::Parked | State::Ignored) => self.astray.push(found()),
                    _ => {}
                }
            }
            // A person must find it.
            Expect::Parked if state.is_none() => self.lost.push(found()),
            Expect::Parked => self.astray.extend((state != Some(State::Parked) || !there.is_empty()).then(found)),
            Expect::Nowhere => {
                let right = matches!(state, None | Some(State::Ignored)) && there.is_empty();
                self.astray.extend((!right).then(found));
            }
        }
    }

    /// One audit of several ERPs.
    pub fn and(mut self, other: Self) -> Self {
        self.in_erp += other.in_erp;
        self.expected += other.expected;
        self.violations += other.violations;
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
        self.wrong.extend(other.wrong);
        self.astray.extend(other.astray);
        self.forgotten.extend(other.forgotten);
        self.unexplained.extend(other.unexplained);
        self
    }

    /// Whether nothing is on its way any more, and everything is where it will stay.
    pub fn settled(&self) -> bool {
        self.unsettled() == 0
    }

    /// How much is on its way, or not where it will stay.
    pub fn unsettled(&self) -> usize {
        let of = |state: State| self.states.get(state.as_str()).copied().unwrap_or(0);
        of(State::Waiting) + of(State::Sending) + self.lost.len() + self.astray.len()
    }

    /// Everything that must hold, whether it has settled or not.
    pub fn holds(&self) {
        assert!(
            self.lost.is_empty()
                && self.doubled.is_empty()
                && self.wrong.is_empty()
                && self.astray.is_empty()
                && self.forgotten.is_empty()
                && self.unexplained.is_empty()
                && self.violations == 0,
            "the books do not balance: {self:#?}"
        );
    }
}

/// Which, and how it stands.
fn told(head: &Head) -> String {
    format!("{}: {:?}, due {:?}", head.key, head.state(), head.due)
}

/// Panics if what a process printed holds a buyer's data or one of `secrets`.
pub fn is_discreet(log: &str, secrets: &[&str]) {
    for word in secrets.iter().copied().chain([CANARY, "-Canary"]) {
        let line = log.lines().find(|line| line.contains(word));
        assert!(line.is_none(), "{word:?} is in the log: {line:?}");
    }
}
