//! What has to be looked up for several sales, call by call, and no more than that: what a sale costs has a bound, and the first
//! thing that is missing is enough to know that it cannot be made.

use std::collections::{BTreeSet, HashSet};

/// The most calls that looking up one sale's things may take: a sixth of a day of 300 calls.
pub const MOST_CALLS: usize = 50;

/// The names that sales need looked up.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// For each sale what it needs; nothing any more once it is given up.
    sales: Vec<BTreeSet<String>>,
    asked: HashSet<String>,
    at_most: usize,
}

impl Wanted {
    /// `sales`: what each needs. `at_most`: for so many one call asks.
    #[must_use]
    pub fn new(sales: Vec<BTreeSet<String>>, at_most: usize) -> Self {
        Self { sales, asked: HashSet::new(), at_most: at_most.max(1) }
    }

    /// Gives up the sales that would take more than [`MOST_CALLS`], and says what they needed.
    pub fn give_up_the_longest(&mut self) -> BTreeSet<String> {
        let most = MOST_CALLS.saturating_mul(self.at_most);
        self.sales.iter_mut().filter(|names| names.len() > most).flat_map(std::mem::take).collect()
    }

    /// The names to ask for in the next call: each once, and only what a sale still needs.
    pub fn next_call(&mut self) -> Option<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for name in self.sales.iter().flatten() {
            if names.len() == self.at_most {
                break;
            }
            if !self.asked.contains(name) {
                self.asked.insert(name.clone());
                names.push(name.clone());
            }
        }
        (!names.is_empty()).then_some(names)
    }

    /// Whether a sale still needs it.
    #[must_use]
    pub fn needs(&self, name: &str) -> bool {
        self.sales.iter().any(|names| names.contains(name))
    }

    /// It is not to be had: who needs it needs nothing else any more.
    pub fn missing(&mut self, name: &str) {
        for names in self.sales.iter_mut().filter(|names| names.contains(name)) {
            names.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_name_is_asked_for_once_a_few_at_a_time() {
        let mut wanted = Wanted::new(vec![names(&["a", "b"]), names(&["b", "c"])], 2);
        assert_eq!(wanted.next_call().unwrap(), ["a", "b"]);
        assert_eq!(wanted.next_call().unwrap(), ["c"]);
        assert_eq!(wanted.next_call(), None);
    }

    #[test]
    fn the_first_that_is_missing_ends_its_sale_and_no_other() {
        let mut wanted = Wanted::new(vec![names(&["a", "b", "c"]), names(&["c", "d"])], 1);
        assert_eq!(wanted.next_call().unwrap(), ["a"]);
        wanted.missing("a");
        assert_eq!(wanted.next_call().unwrap(), ["c"]);
        assert_eq!(wanted.next_call().unwrap(), ["d"]);
        assert_eq!(wanted.next_call(), None);
    }

    #[test]
    fn a_sale_that_would_take_too_many_calls_is_given_up_before_the_first() {
        let many: BTreeSet<String> = (0..400).map(|n| n.to_string()).collect();
        let mut one_by_one = Wanted::new(vec![many.clone(), names(&["a"])], 1);
        assert_eq!(one_by_one.give_up_the_longest(), many);
        assert_eq!(one_by_one.next_call().unwrap(), ["a"]);
        assert_eq!(one_by_one.next_call(), None);
        let mut together = Wanted::new(vec![many], 100);
        assert!(together.give_up_the_longest().is_empty());
        assert_eq!(together.next_call().unwrap().len(), 100);
    }
}
