//! The audit: the ERP's own books against the shops' truth, and every webhook and order accounted for.

use std::collections::BTreeMap;

use puente::{
    Result,
    domain::{
        audit::{Audit, BookEntry, Expect, Finding, Recorded},
        event::Happened,
        ids::OrderKey,
        money::Amount,
        record::State,
    },
    flow::Puente,
};
use puente_sandbox::{
    erp::Made,
    store::{self as sandbox, Truth},
};
use serde::Serialize;

use super::stage::Stage;

/// What happened to the orders, as their records and timelines tell it.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    /// Orders by state.
    pub(super) states: BTreeMap<&'static str, usize>,
    /// Arrivals by what became of them: accepted, duplicate, superseded.
    pub(super) arrivals: BTreeMap<&'static str, usize>,
    /// Attempts that did not succeed and were followed by another.
    pub(super) retried: usize,
    /// Orders that stopped: who, how, why.
    pub(super) stopped: Vec<Stopped>,
    /// Orders that the records have never seen.
    pub(super) unseen: usize,
}

/// An order that stopped.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Stopped {
    /// Which.
    pub(super) order: String,
    /// The number people use.
    pub(super) number: String,
    /// Parked, dead or ignored.
    pub(super) state: State,
    /// Why.
    pub(super) reason: String,
}

impl Tally {
    /// Reads the record and the timeline of every order in `truth`.
    pub(super) async fn take(puente: &Puente, truth: &[(OrderKey, Truth)]) -> Result<Self> {
        let mut tally = Self::default();
        for (key, _) in truth {
            let Some(head) = puente.records.head(key).await? else {
                tally.unseen += 1;
                continue;
            };
            let state = head.state();
            *tally.states.entry(state.as_str()).or_default() += 1;
            for entry in puente.records.timeline(key).await? {
                match Happened::named(&entry.event) {
                    Some(what @ (Happened::Accepted | Happened::Duplicate | Happened::Superseded)) => {
                        *tally.arrivals.entry(what.as_str()).or_default() += 1;
                    }
                    Some(Happened::Unknown | Happened::Rescheduled | Happened::Deferred) => tally.retried += 1,
                    _ => {}
                }
            }
            if matches!(state, State::Parked | State::Dead | State::Ignored) {
                tally.stopped.push(Stopped {
                    order: key.to_string(),
                    number: head.summary.number.clone(),
                    state,
                    reason: head.parked.map(|parked| parked.reason.words()).unwrap_or_default(),
                });
            }
        }
        Ok(tally)
    }

    /// Orders in a state.
    pub(super) fn of(&self, state: State) -> usize {
        self.states.get(state.as_str()).copied().unwrap_or(0)
    }

    /// Arrivals that are on record.
    pub(super) fn recorded(&self) -> usize {
        self.arrivals.values().sum()
    }

    /// Orders on their way.
    pub(super) fn waiting(&self) -> usize {
        self.of(State::Waiting) + self.of(State::Sending) + self.of(State::Fetching)
    }
}

/// What the auditor found, as counts.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Books {
    /// Orders in the ERP's books.
    pub(super) in_erp: usize,
    /// Orders that should be there, are not, and neither wait nor stopped with a reason.
    pub(super) lost: usize,
    /// Orders that the ERP has more than once.
    pub(super) doubled: usize,
    /// Orders whose total in the ERP is not the shop's.
    pub(super) wrong_total: usize,
    /// Orders that ended where they should not have: in the ERP against a rule, or stopped without a cause.
    pub(super) astray: usize,
}

impl Books {
    /// Compares the ERP's memory and the records with the truth.
    pub(super) async fn audit(stage: &Stage, truth: &[(OrderKey, Truth)]) -> Result<Self> {
        let mut records = BTreeMap::new();
        let mut orders = Vec::new();
        for (key, truth) in truth {
            records.extend(stage.puente.records.head(key).await?.map(|head| (key.clone(), Recorded::from(&head))));
            // What nobody could take there stops, whatever the shop wanted.
            let expect = if stage.poisoned.contains(key) { Expect::Stopped } else { expect(&truth.expect)? };
            orders.push((key.clone(), expect));
        }
        let books = stage.erp.orders().iter().map(entry).collect::<Result<Vec<_>>>()?;
        Ok(Self::of(&Audit::of(orders, records, &books)))
    }

    fn of(audit: &Audit) -> Self {
        use Finding::{Doubled, Lost, WrongTotal};
        let [lost, doubled, wrong_total] = [Lost, Doubled, WrongTotal].map(|finding| audit.count(&[finding]));
        let astray = audit.exceptions.len() - lost - doubled - wrong_total;
        Self { in_erp: audit.in_erp, lost, doubled, wrong_total, astray }
    }

    /// Whether they balance.
    pub(super) fn balance(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong_total == 0 && self.astray == 0
    }
}

/// Where the shop says that an order must be.
fn expect(expect: &sandbox::Expect) -> Result<Expect> {
    Ok(match expect {
        sandbox::Expect::InErp { total, currency } => {
            Expect::InErp { total: Amount::try_from(*total)?, currency: (*currency).to_owned() }
        }
        sandbox::Expect::Parked => Expect::Stopped,
        sandbox::Expect::Nowhere => Expect::Nowhere,
    })
}

/// A document of the sandbox's ERP.
fn entry(made: &Made) -> Result<BookEntry> {
    let (reference, currency) = (made.reference.clone(), made.currency.clone());
    Ok(BookEntry { reference, total: Amount::try_from(made.total)?, currency })
}

#[cfg(test)]
mod tests {
    use puente::domain::audit::Exception;

    use super::*;

    #[test]
    fn every_exception_is_counted_once() {
        let findings = [
            Finding::Lost,
            Finding::Dead,
            Finding::Doubled,
            Finding::WrongTotal,
            Finding::NotWanted,
            Finding::NoCause,
            Finding::Forgotten,
            Finding::Unexplained,
        ];
        for finding in findings {
            let exceptions = vec![Exception { of: "shop/1".into(), finding }];
            let books = Books::of(&Audit { exceptions, ..Audit::default() });
            assert_eq!(books.lost + books.doubled + books.wrong_total + books.astray, 1, "{finding:?}");
            assert!(!books.balance(), "{finding:?}");
        }
        assert!(Books::of(&Audit::default()).balance());
    }
}
