//! The audit: the ERP's own books against the shops' truth, and every webhook and order accounted for.

use std::collections::BTreeMap;

use puente::{
    Result,
    domain::{ids::OrderKey, record::State},
    flow::Puente,
};
use puente_sandbox::store::{Expect, Truth};
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
                match entry.event.as_str() {
                    "accepted" => *tally.arrivals.entry("accepted").or_default() += 1,
                    "duplicate" => *tally.arrivals.entry("duplicate").or_default() += 1,
                    "superseded" => *tally.arrivals.entry("superseded").or_default() += 1,
                    "unknown" | "rescheduled" | "deferred" => tally.retried += 1,
                    _ => {}
                }
            }
            if matches!(state, State::Parked | State::Dead | State::Ignored) {
                tally.stopped.push(Stopped {
                    order: key.to_string(),
                    number: head.summary.number.clone(),
                    state,
                    reason: head.parked.map(|parked| parked.reason).unwrap_or_default(),
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
        self.of(State::Waiting) + self.of(State::Sending)
    }
}

/// What the ERP's books say.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Books {
    /// Orders in the ERP's books.
    pub(super) in_erp: usize,
    /// Orders that should be there, are not, and neither wait nor stopped with a reason.
    pub(super) lost: usize,
    /// References that more than one document carries.
    pub(super) doubled: usize,
    /// Documents whose total is not the shop's.
    pub(super) wrong_total: usize,
    /// Orders that ended where they should not have: there without reason, or stopped without one.
    pub(super) astray: usize,
}

impl Books {
    /// Compares the ERP's memory with the truth.
    pub(super) async fn audit(stage: &Stage, truth: &[(OrderKey, Truth)]) -> Result<Self> {
        let made = stage.erp.orders();
        let mut books = Self { in_erp: made.len(), doubled: stage.erp.doubled().len(), ..Self::default() };
        let mut known = 0;
        for (key, truth) in truth {
            let reference = key.sale();
            let mut documents = made.iter().filter(|made| made.reference == reference.as_str()).peekable();
            let there = documents.peek().is_some();
            known += documents.clone().count();
            let Expect::InErp { total, currency } = &truth.expect else {
                books.astray += usize::from(there);
                continue;
            };
            books.wrong_total += documents.filter(|made| made.total != *total || made.currency != *currency).count();
            if there {
                books.astray += usize::from(stage.poisoned.contains(key));
                continue;
            }
            let head = stage.puente.records.head(key).await?;
            match head.map(|head| head.state()) {
                Some(State::Waiting | State::Sending) => {}
                Some(State::Parked | State::Dead) if stage.poisoned.contains(key) => {}
                Some(State::Parked | State::Dead | State::Ignored) => books.astray += 1,
                Some(State::Synced) | None => books.lost += 1,
            }
        }
        // Documents that no shop knows of.
        books.astray += made.len().saturating_sub(known);
        Ok(books)
    }

    /// Whether they balance.
    pub(super) fn balance(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong_total == 0 && self.astray == 0
    }
}
