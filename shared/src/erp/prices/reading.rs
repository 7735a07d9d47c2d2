//! What connectors read prices with: where the next question begins, how a list was, and when it says other prices by the clock.
//!
//! A line that is deleted from a list leaves no stamp, and one that begins or ends writes nothing: so a mark holds a print of the list as
//! it was, beside the stamp of the latest article that was seen. Where the list is another one by now, everything is asked for.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;

use crate::{
    Error, Kind,
    erp::{SendError, repeatable, stock::Mark},
};

/// How many lists are named where the one that is asked for is not there.
pub(in crate::erp) const NAMED: usize = 10;

/// Up to where prices were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::erp) struct Seen {
    /// A print of the list.
    pub(in crate::erp) list: u64,
    /// Up to where articles were seen.
    pub(in crate::erp) articles: Mark,
}

impl Seen {
    /// Of its text; `None`: it is none.
    pub(in crate::erp) fn read(text: &str) -> Option<Self> {
        let (list, articles) = text.split_once(' ')?;
        Some(Self { list: u64::from_str_radix(list, 16).ok()?, articles: Mark::read(articles)? })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} {}", self.list, self.articles)
    }
}

/// A print of a list as it is. Where another version of ours makes another one, everything is asked for once.
pub(in crate::erp) fn print(list: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    hasher.finish()
}

/// The earliest of `moments` after `at`.
pub(in crate::erp) fn next(at: Timestamp, moments: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
    moments.filter(|moment| *moment > at).min()
}

/// There is no price list of this name, or there are several: the configuration is the reason.
pub(in crate::erp) fn no_list(erp: &str, name: &str, found: usize, others: &[String]) -> SendError {
    let text = if found > 1 {
        format!("{erp} has {found} price lists named {name:?}: give each its own name")
    } else {
        let others: Vec<String> = others.iter().take(NAMED).map(|name| format!("{:?}", repeatable(name))).collect();
        let there = if others.is_empty() { "it has none".to_owned() } else { format!("it has {}", others.join(", ")) };
        format!("{erp} has no active price list named {name:?} in the company ({there}): check `goods.price`")
    };
    SendError::Account(Error::new(Kind::Config, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let seen = Seen { list: 0xabc, articles: Mark::from(Timestamp::from_second(1000).ok()) };
        assert_eq!(Seen::read(&seen.to_string()), Some(seen));
        assert_eq!(
            (Seen::read("yesterday"), Seen::read("xyz 1970-01-01T00:16:40Z -"), Seen::read("0 -")),
            (None, None, None)
        );
    }

    #[test]
    fn the_next_change_is_the_earliest_after_the_time_that_was_asked_for() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(next(at(5), [at(9), at(5), at(7), at(1)].into_iter()), Some(at(7)));
        assert_eq!(next(at(9), [at(9)].into_iter()), None);
    }

    #[test]
    fn a_list_that_is_not_there_is_told_with_some_of_those_that_are() {
        let others: Vec<String> = (0..30).map(|n| format!("List {n}")).collect();
        let told = no_list("Odoo", "Wbe", 0, &others).into_error().to_string();
        assert!(told.contains("\"Wbe\"") && told.contains("\"List 9\"") && !told.contains("\"List 10\""), "{told}");
        assert!(no_list("Odoo", "Web", 2, &[]).into_error().to_string().contains("2 price lists"));
    }
}
