//! The one auditor: what the store says must be so, what the records say, and what the ERP's books hold, compared. Pure.
//!
//! Invariant: an order is balanced, on its way, or named in an [`Exception`] with what is wrong. None is passed over, and no document
//! either: what is left in the books when every order was looked at belongs to nobody.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    ids::{OrderKey, order_of},
    money::Amount,
    record::{Head, State},
};

/// Where an order must be when nothing is on its way any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// In the ERP, once, where its documents together come to exactly this total: the sale, less its credit notes.
    InErp {
        /// In major units.
        total: Amount,
        /// ISO 4217.
        currency: String,
    },
    /// Stopped, with a reason for a person.
    Stopped,
    /// Not in the ERP: unpaid, cancelled before it was paid, a test order. The records may know of it, or not.
    Nowhere,
}

/// What the records say of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// How it stands.
    pub state: State,
    /// Whether nobody will come back to it, see [`Head::forgotten`].
    pub forgotten: bool,
    /// Whether it stopped and its record does not say why.
    pub unexplained: bool,
}

impl From<&Head> for Recorded {
    fn from(head: &Head) -> Self {
        let state = head.state();
        let stopped = matches!(state, State::Parked | State::Dead | State::Ignored);
        let silent = head.parked.as_ref().is_none_or(|parked| parked.reason.words().trim().is_empty());
        Self { state, forgotten: head.forgotten(), unexplained: stopped && silent }
    }
}

/// A document in the ERP's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookEntry {
    /// The reference it carries.
    pub reference: String,
    /// Its total, in major units; below zero of a credit note.
    pub total: Amount,
    /// ISO 4217.
    pub currency: String,
}

/// What is wrong with an order, or with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It should be in the ERP and is not, and nobody is going to take it there.
    Lost,
    /// Its attempts ran out: it lies in the dead-letter queue, for a person to replay.
    Dead,
    /// The ERP has it more than once.
    Doubled,
    /// The ERP has it with another total or currency than the store.
    WrongTotal,
    /// The ERP has it, against a rule or against what its record says; or a document is nobody's.
    NotWanted,
    /// It stopped, or came to rest, and nothing in the store says that it should have.
    NoCause,
    /// Its record is neither at rest nor due.
    Forgotten,
    /// It stopped, and its record does not say why.
    Unexplained,
}

/// An order or a document, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// The order, as `connection/order`; of a document that is nobody's, its reference.
    pub of: String,
    /// What is wrong.
    pub finding: Finding,
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Documents in the books.
    pub in_erp: usize,
    /// Orders on their way: not where they will stay yet.
    pub on_their_way: usize,
    /// Orders on record, by state.
    pub states: BTreeMap<&'static str, usize>,
    /// What is wrong, and with what.
    pub exceptions: Vec<Exception>,
}

impl Audit {
    /// Compares all `orders` of the store with the records and the ERP's books.
    #[must_use]
    pub fn of(
        orders: impl IntoIterator<Item = (OrderKey, Expect)>,
        mut recorded: BTreeMap<OrderKey, Recorded>,
        books: &[BookEntry],
    ) -> Self {
        let mut documents: BTreeMap<&str, Vec<&BookEntry>> = BTreeMap::new();
        for document in books {
            documents.entry(order_of(&document.reference)).or_default().push(document);
        }
        let mut audit = Self { in_erp: books.len(), ..Self::default() };
        for (key, expect) in orders {
            let there = documents.remove(key.sale().as_str()).unwrap_or_default();
            let record = recorded.remove(&key);
            if let Some(record) = &record {
                *audit.states.entry(record.state.as_str()).or_default() += 1;
            }
            let (findings, on_its_way) = examine(&expect, record.as_ref(), &there);
            audit.on_their_way += usize::from(on_its_way);
            audit.exceptions.extend(findings.into_iter().map(|finding| Exception { of: key.to_string(), finding }));
        }
        // Orders and documents that the store knows nothing of.
        let unknown = recorded.keys().map(|key| (key.to_string(), Finding::NoCause));
        let nobodys = documents.into_values().flatten().map(|entry| (entry.reference.clone(), Finding::NotWanted));
        audit.exceptions.extend(unknown.chain(nobodys).map(|(of, finding)| Exception { of, finding }));
        audit
    }

    /// How many exceptions are of one of these kinds.
    #[must_use]
    pub fn count(&self, findings: &[Finding]) -> usize {
        self.exceptions.iter().filter(|exception| findings.contains(&exception.finding)).count()
    }

    /// Whether every order is where it must be.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.on_their_way == 0 && self.exceptions.is_empty()
    }

    /// One audit of two ERPs.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.in_erp += other.in_erp;
        self.on_their_way += other.on_their_way;
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        self.exceptions.extend(other.exceptions);
        self
    }
}

/// What is wrong with one order, given its record and all its documents; and whether it is on its way, so that
/// nothing can be said yet of where it will be.
#[must_use]
pub fn examine(expect: &Expect, recorded: Option<&Recorded>, there: &[&BookEntry]) -> (Vec<Finding>, bool) {
    use State::{Dead, Fetching, Ignored, Parked, Sending, Synced, Waiting};
    let state = recorded.map(|record| record.state);
    let mut findings = Vec::new();
    let mut found = |wrong: bool, finding| findings.extend(wrong.then_some(finding));
    found(recorded.is_some_and(|record| record.forgotten), Finding::Forgotten);
    found(recorded.is_some_and(|record| record.unexplained), Finding::Unexplained);
    let distinct: BTreeMap<&str, &BookEntry> =
        there.iter().rev().map(|document| (document.reference.as_str(), *document)).collect();
    let sales = distinct.keys().filter(|reference| !reference.contains("/refund/")).count();
    found(distinct.len() < there.len() || sales > 1, Finding::Doubled);
    let on_its_way = matches!(state, Some(Waiting | Sending | Fetching));
    match expect {
        Expect::InErp { total, currency } => {
            let together: Amount = distinct.values().map(|document| document.total).sum();
            let foreign = there.iter().any(|document| document.currency != *currency);
            found(!there.is_empty() && (together != *total || foreign), Finding::WrongTotal);
            match state {
                Some(Synced) | None => found(there.is_empty(), Finding::Lost),
                Some(Parked | Ignored) if there.is_empty() => found(true, Finding::NoCause),
                // The record does not say what is so.
                Some(Parked | Ignored) => found(true, Finding::NotWanted),
                Some(Dead) => found(there.is_empty(), Finding::Dead),
                Some(Waiting | Sending | Fetching) => {}
            }
        }
        Expect::Stopped => {
            found(!there.is_empty(), Finding::NotWanted);
            found(state.is_none(), Finding::Lost);
            found(matches!(state, Some(Synced | Ignored)), Finding::NoCause);
        }
        Expect::Nowhere => {
            found(!there.is_empty(), Finding::NotWanted);
            // At rest with nothing in the books, its sale was cancelled.
            found(matches!(state, Some(Parked | Dead)), Finding::NoCause);
        }
    }
    (findings, on_its_way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(order: &str) -> OrderKey {
        OrderKey::new("shop".parse().unwrap(), order.parse().unwrap())
    }

    fn document(order: &str, total: i64) -> BookEntry {
        BookEntry { reference: format!("shop/{order}"), total: total.into(), currency: "EUR".into() }
    }

    fn wanted() -> Expect {
        Expect::InErp { total: 10.into(), currency: "EUR".into() }
    }

    fn recorded(state: State) -> Recorded {
        Recorded { state, forgotten: false, unexplained: false }
    }

    /// One order, of which this much is so.
    fn audit(expect: Expect, state: Option<State>, books: &[BookEntry]) -> Audit {
        let records = state.map(|state| (key("1"), recorded(state))).into_iter().collect();
        Audit::of([(key("1"), expect)], records, books)
    }

    #[test]
    fn an_order_that_is_where_it_must_be_balances() {
        assert!(audit(wanted(), Some(State::Synced), &[document("1", 10)]).balances());
        for stopped in [State::Parked, State::Dead] {
            assert!(audit(Expect::Stopped, Some(stopped), &[]).balances());
        }
        assert!(audit(wanted(), Some(State::Synced), &[document("1/v/1", 12), document("1/refund/9", -2)]).balances());
        for nowhere in [None, Some(State::Ignored), Some(State::Synced)] {
            assert!(audit(Expect::Nowhere, nowhere, &[]).balances());
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_named() {
        use Finding::{Dead, Doubled, Lost, NoCause, NotWanted, WrongTotal};
        let (one, other) = (document("1", 10), document("1", 11));
        let foreign = BookEntry { currency: "USD".into(), ..one.clone() };
        let credit = document("1/refund/9", -2);
        let cases = [
            (wanted(), Some(State::Synced), vec![], vec![Lost]),
            (wanted(), None, vec![], vec![Lost]),
            (wanted(), Some(State::Parked), vec![], vec![NoCause]),
            (wanted(), Some(State::Dead), vec![], vec![Dead]),
            (wanted(), Some(State::Parked), vec![one.clone()], vec![NotWanted]),
            (wanted(), Some(State::Synced), vec![one.clone(), one.clone()], vec![Doubled]),
            (wanted(), Some(State::Synced), vec![other], vec![WrongTotal]),
            (wanted(), Some(State::Synced), vec![foreign], vec![WrongTotal]),
            (Expect::Stopped, None, vec![], vec![Lost]),
            (Expect::Stopped, Some(State::Ignored), vec![], vec![NoCause]),
            (Expect::Stopped, Some(State::Parked), vec![one.clone()], vec![NotWanted]),
            (Expect::Nowhere, Some(State::Parked), vec![], vec![NoCause]),
            (Expect::Nowhere, Some(State::Synced), vec![one.clone()], vec![NotWanted]),
            (wanted(), Some(State::Synced), vec![one.clone(), credit.clone()], vec![WrongTotal]),
            (wanted(), Some(State::Synced), vec![document("1", 12), credit.clone(), credit], vec![Doubled]),
            (wanted(), Some(State::Synced), vec![one.clone(), document("1/v/1", 10)], vec![Doubled, WrongTotal]),
        ];
        for (expect, state, books, findings) in cases {
            let audit = audit(expect.clone(), state, &books);
            let found: Vec<Finding> = audit.exceptions.iter().map(|exception| exception.finding).collect();
            assert_eq!(found, findings, "{expect:?} {state:?} {books:?}");
            assert!(audit.exceptions.iter().all(|exception| exception.of == "shop/1") && !audit.balances());
        }
    }

    #[test]
    fn what_is_on_its_way_is_neither_lost_nor_balanced() {
        for state in [State::Waiting, State::Sending, State::Fetching] {
            for expect in [wanted(), Expect::Stopped, Expect::Nowhere] {
                let audit = audit(expect, Some(state), &[]);
                assert!(audit.exceptions.is_empty() && audit.on_their_way == 1 && !audit.balances());
            }
        }
    }

    #[test]
    fn nobodys_orders_and_documents_are_named() {
        let records = [(key("8"), recorded(State::Synced))].into();
        let audit = Audit::of([], records, &[document("9", 5)]);
        let named: Vec<_> =
            audit.exceptions.iter().map(|exception| (exception.of.as_str(), exception.finding)).collect();
        assert_eq!(named, [("shop/8", Finding::NoCause), ("shop/9", Finding::NotWanted)]);
    }

    #[test]
    fn a_record_that_nobody_comes_back_to_or_that_does_not_say_why_is_named() {
        let records = [(key("1"), Recorded { forgotten: true, unexplained: true, ..recorded(State::Parked) })].into();
        let audit = Audit::of([(key("1"), Expect::Stopped)], records, &[]);
        assert_eq!(audit.count(&[Finding::Forgotten, Finding::Unexplained]), 2, "{audit:?}");
    }
}
