//! What a shop was told of its orders since they were placed: what was sent of them, in whatever form its vendor keeps it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

/// What was sent, in the order in which the shop was told.
#[derive(Debug, Default)]
pub struct Sent(Mutex<Vec<Told>>);

/// One thing that a shop was told of what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The shop's own number for it.
    pub id: u64,
    /// Of which order, by the shop's id.
    pub order: String,
    /// When, by the shop's clock.
    pub at: Timestamp,
    /// How many of each of the order's lines, by their ids; empty where the shop does not keep that.
    pub lines: BTreeMap<String, i64>,
    /// Who carries it; none where that is no more than words to the shop.
    pub carrier: Option<String>,
    /// The tracking numbers; none where they are no more than words to the shop.
    pub tracking: Vec<String>,
    /// The words, where the shop takes some.
    pub words: String,
    /// Whether the shop wrote to the buyer.
    pub notified: bool,
}

impl Sent {
    /// All of it; nobody else sees or changes it meanwhile.
    pub fn all(&self) -> MutexGuard<'_, Vec<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was told of an order.
    #[must_use]
    pub fn of(&self, order: &str) -> Vec<Told> {
        self.all().iter().filter(|told| told.order == order).cloned().collect()
    }

    /// Keeps it, as it is then: with a number that nothing else has.
    pub fn keep(&self, told: Told) -> Told {
        let mut all = self.all();
        let id = all.iter().map(|told| told.id).max().unwrap_or(5000) + 1;
        let told = Told { id, at: crate::now(), ..told };
        all.push(told.clone());
        told
    }
}
