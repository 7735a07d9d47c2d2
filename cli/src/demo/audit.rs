//! The audit: the ERP's own books against the shops' truth, and every webhook and order accounted for.

use std::collections::BTreeMap;

use puente::{
    Result,
    domain::{ids::OrderKey, record::State},
    flow::Puente,
};
use puente_sandbox::{
    erp::Made,
    store::{Expect, Truth},
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
        self.of(State::Waiting) + self.of(State::Sending) + self.of(State::Fetching)
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
    /// Orders that ended where they should not have: in the ERP against a rule, or stopped without a cause.
    pub(super) astray: usize,
}

impl Books {
    /// Compares the ERP's memory with the truth.
    pub(super) async fn audit(stage: &Stage, truth: &[(OrderKey, Truth)]) -> Result<Self> {
        let mut states = BTreeMap::new();
        for (key, _) in truth {
            states.extend(stage.puente.records.head(key).await?.map(|head| (key.clone(), head.state())));
        }
        Ok(Self::compare(&stage.erp.orders(), truth, &states, &stage.poisoned))
    }

    /// `made`: the ERP's documents; `states`: what the records say; `poisoned`: orders that must not get there.
    fn compare(
        made: &[Made],
        truth: &[(OrderKey, Truth)],
        states: &BTreeMap<OrderKey, State>,
        poisoned: &[OrderKey],
    ) -> Self {
        let mut documents: BTreeMap<&str, Vec<&Made>> = BTreeMap::new();
        for one in made {
            documents.entry(&one.reference).or_default().push(one);
        }
        let doubled = documents.values().filter(|same| same.len() > 1).count();
        let mut books = Self { in_erp: made.len(), doubled, ..Self::default() };
        for (key, truth) in truth {
            let there = documents.remove(key.sale().as_str()).unwrap_or_default();
            let Expect::InErp { total, currency } = &truth.expect else {
                books.astray += usize::from(!there.is_empty());
                continue;
            };
            let wrong = |made: &&&Made| made.total != *total || made.currency != *currency;
            books.wrong_total += there.iter().filter(wrong).count();
            let poisoned = poisoned.contains(key);
            match states.get(key) {
                _ if !there.is_empty() => books.astray += usize::from(poisoned),
                Some(State::Waiting | State::Sending | State::Fetching) => {}
                Some(State::Parked | State::Dead | State::Ignored) => books.astray += usize::from(!poisoned),
                // Nobody would ever come back to it.
                Some(State::Synced) | None => books.lost += 1,
            }
        }
        // Documents that no shop knows of.
        books.astray += documents.len();
        books
    }

    /// Whether they balance.
    pub(super) fn balance(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong_total == 0 && self.astray == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "tango-shop";

    fn key(order: &str) -> OrderKey {
        OrderKey::new(SHOP.parse().unwrap(), order.parse().unwrap())
    }

    fn truth(order: &str, expect: Expect) -> (OrderKey, Truth) {
        (key(order), Truth { order: order.into(), number: format!("#{order}"), expect, lost: false })
    }

    fn made(order: &str, total: i64) -> Made {
        Made {
            id: 1,
            number: "S1".into(),
            reference: format!("{SHOP}/{order}"),
            version: None,
            currency: "EUR".into(),
            total: total.into(),
            stated_total: None,
            customer: None,
            state: "confirmed",
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn wanted(total: i64) -> Expect {
        Expect::InErp { total: total.into(), currency: "EUR" }
    }

    fn compare(made: &[Made], truth: &[(OrderKey, Truth)], state: Option<State>, poisoned: &[OrderKey]) -> Books {
        let states = state.into_iter().flat_map(|s| truth.iter().map(move |(key, _)| (key.clone(), s))).collect();
        Books::compare(made, truth, &states, poisoned)
    }

    #[test]
    fn books_balance_when_every_order_is_where_it_must_be() {
        let truth = [truth("1", wanted(10)), truth("2", Expect::Nowhere), truth("3", Expect::Parked)];
        let books = compare(&[made("1", 10)], &truth, Some(State::Synced), &[]);
        assert!(books.balance() && books.in_erp == 1, "{books:?}");
    }

    #[test]
    fn each_way_to_be_wrong_is_seen() {
        let one = [truth("1", wanted(10))];
        // Called synced and not there, or not even on record: lost.
        assert_eq!(compare(&[], &one, Some(State::Synced), &[]).lost, 1);
        assert_eq!(compare(&[], &one, None, &[]).lost, 1);
        // On its way it is not lost; stopped without having been poisoned it is astray.
        assert!(compare(&[], &one, Some(State::Waiting), &[]).balance());
        assert_eq!(compare(&[], &one, Some(State::Dead), &[]).astray, 1);
        assert!(compare(&[], &one, Some(State::Dead), &[key("1")]).balance());
        assert_eq!(compare(&[made("1", 10), made("1", 10)], &one, Some(State::Synced), &[]).doubled, 1);
        assert_eq!(compare(&[made("1", 11)], &one, Some(State::Synced), &[]).wrong_total, 1);
        // In the ERP though it should not be, or known to no shop.
        assert_eq!(compare(&[made("2", 5)], &[truth("2", Expect::Nowhere)], Some(State::Synced), &[]).astray, 1);
        assert_eq!(compare(&[made("9", 5)], &[], None, &[]).astray, 1);
    }
}
