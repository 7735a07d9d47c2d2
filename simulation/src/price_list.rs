//! What articles cost in the ERP: now, and from times that are announced.

use std::collections::BTreeMap;

use puente::domain::money::Amount;

use crate::executor::Micros;

/// The ERP's price list.
#[derive(Debug, Clone, Default)]
pub struct PriceList {
    costs: BTreeMap<String, Vec<Cost>>,
    /// The ERP's own count of changes.
    changes: u64,
}

/// A price of an article.
#[derive(Debug, Clone)]
struct Cost {
    from: Micros,
    cents: i64,
    /// The ERP's count when it was typed.
    change: u64,
}

impl PriceList {
    /// An article costs so much from a time on.
    pub fn set(&mut self, article: &str, cents: i64, from: Micros) {
        self.changes += 1;
        self.costs.entry(article.to_owned()).or_default().push(Cost { from, cents, change: self.changes });
    }

    /// What an article costs at a time: what was typed last of what has begun.
    #[must_use]
    pub fn at(&self, article: &str, time: Micros) -> Option<Amount> {
        let begun = self.costs.get(article)?.iter().filter(|cost| cost.from <= time);
        begun.max_by_key(|cost| (cost.from, cost.change)).map(|cost| money(cost.cents))
    }

    /// What the ERP answers to the question what articles cost at a time: those that changed since, how far it is, and when the next price
    /// begins.
    #[must_use]
    pub fn answer(&self, since: Option<u64>, time: Micros) -> (Vec<(String, Amount)>, u64, Option<Micros>) {
        let changed = |costs: &Vec<Cost>| costs.iter().any(|cost| since.is_none_or(|since| cost.change > since));
        let rows = self.costs.iter().filter(|(_, costs)| changed(costs));
        let rows = rows.filter_map(|(article, _)| Some((article.clone(), self.at(article, time)?))).collect();
        let next = self.costs.values().flatten().map(|cost| cost.from).filter(|from| *from > time).min();
        (rows, self.changes, next)
    }
}

/// An amount of cents.
#[must_use]
pub fn money(cents: i64) -> Amount {
    Amount::parse(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}
