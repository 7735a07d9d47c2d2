//! The audit after a run: the records and the ERP's own books against the shops' truth.
//!
//! Every order of the truth was delivered until somebody answered. So each is in the ERP once, with its total, or its record
//! says why it is not: it waits (and has a `due`), or it stopped with a reason.

use std::time::{Duration, Instant};

use puente::{
    Kind,
    domain::{
        audit::{self, BookEntry, Expect, Finding},
        ids::{ConnectionId, OrderKey},
        record::Head,
    },
    ports::{Page, Query, Records},
};
use puente_sandbox::{
    erp::{Erp, Made},
    store::{self, CANARY, Shop},
};

/// What was found.
#[derive(Debug, Default)]
pub struct Audit {
    /// By the auditor.
    pub books: audit::Audit,
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
        let connection: ConnectionId = connection.parse().unwrap();
        let recorded = heads(records, &connection).await.iter().map(|head| (head.key.clone(), head.into())).collect();
        let orders = shop.truth().into_iter().map(|truth| {
            let key = OrderKey::new(connection.clone(), truth.order.parse().unwrap());
            (key, expect(&truth.expect))
        });
        let entries: Vec<BookEntry> = erp.orders().iter().map(entry).collect();
        Self { books: audit::Audit::of(orders, recorded, &entries), violations: erp.violations() }
    }

    /// One audit of several ERPs.
    pub fn and(self, other: Self) -> Self {
        Self { books: self.books.and(other.books), violations: self.violations + other.violations }
    }

    /// How many orders have something of one of these kinds.
    pub fn count(&self, findings: &[Finding]) -> usize {
        self.books.count(findings)
    }

    /// Whether nothing is on its way any more, and everything is where it will stay.
    pub fn settled(&self) -> bool {
        self.unsettled() == 0
    }

    /// How much is on its way, or not where it will stay.
    pub fn unsettled(&self) -> usize {
        self.books.on_their_way + self.count(&[Finding::Lost, Finding::NoCause, Finding::NotWanted])
    }

    /// Everything that must hold, whether it has settled or not. What ran out of attempts between the kills lies in the dead-letter
    /// queue: that is one of the ends.
    pub fn holds(&self) {
        let wrong = self.books.exceptions.iter().filter(|exception| exception.finding != Finding::Dead).count();
        assert!(wrong == 0 && self.violations == 0, "the books do not balance: {self:#?}");
    }
}

fn expect(expect: &store::Expect) -> Expect {
    match expect {
        store::Expect::InErp { total, currency } => {
            Expect::InErp { total: (*total).try_into().unwrap(), currency: (*currency).to_owned() }
        }
        store::Expect::Parked => Expect::Stopped,
        store::Expect::Nowhere => Expect::Nowhere,
    }
}

fn entry(made: &Made) -> BookEntry {
    let (reference, currency) = (made.reference.clone(), made.currency.clone());
    BookEntry { reference, total: made.total.try_into().unwrap(), currency }
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
