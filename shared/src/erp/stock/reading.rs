//! What connectors read stock and shipments with: quantities, and what moved since.
//!
//! What changed is known by moves: everything that raises or lowers a quantity is one. A shipment that was written moved likewise. A mark is the stamp of the latest move that was
//! seen, by the ERP's own clock, and a print of those shortly before it. A transaction stamps its moves when it begins and shows them when
//! it ends, so the question goes back by [`OVERLAP`]; what of that span was seen before, and is as it was, counts as known.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::money::Amount;

/// How long a transaction of the ERP's is believed to take.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// A quantity from the digits of a JSON number. One that nothing can be calculated with is told of its article, and costs no other one.
#[derive(Debug, Clone, Copy, Hash)]
pub(in crate::erp) struct Units(pub(in crate::erp) Option<Amount>);

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Amount::parse(raw.get()).ok()))
    }
}

/// A move as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::erp) struct Moved {
    /// When it was made or last written; none: it cannot be read, and the move counts as changed each time.
    pub(in crate::erp) at: Option<Timestamp>,
    /// Its id.
    pub(in crate::erp) id: i64,
    /// What of it may change without another stamp, where stamps are of whole seconds.
    pub(in crate::erp) as_it_is: String,
    /// The id of the article; where shipments are asked for, the shipment's own.
    pub(in crate::erp) product: i64,
}

/// Up to where moves were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::erp) struct Mark {
    /// The latest stamp.
    at: Timestamp,
    /// A print of the moves in the span before it that is asked about again; none: not known.
    seen: Option<u64>,
}

impl Mark {
    /// From where everything is still to come.
    pub(in crate::erp) fn from(at: Option<Timestamp>) -> Self {
        Self { at: at.unwrap_or(Timestamp::UNIX_EPOCH), seen: None }
    }

    /// Of its text; `None`: it is none.
    pub(in crate::erp) fn read(text: &str) -> Option<Self> {
        let (at, seen) = text.split_once(' ')?;
        Some(Self { at: at.parse().ok()?, seen: u64::from_str_radix(seen, 16).ok() })
    }

    /// From where on moves are asked for.
    pub(in crate::erp) fn begins(&self) -> Timestamp {
        self.at.checked_sub(OVERLAP).unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH)
    }

    /// The articles of those among all `moves` since [`begins`](Self::begins) that are new, and the next mark.
    pub(in crate::erp) fn next(&self, moves: &[Moved]) -> (BTreeSet<i64>, Self) {
        let is_known = |moved: &&Moved| moved.at.is_some_and(|at| self.begins() <= at && at <= self.at);
        let same = self.seen == Some(print(moves.iter().filter(is_known)));
        let changed = moves.iter().filter(|moved| !(same && is_known(moved))).map(|moved| moved.product).collect();
        let at = moves.iter().filter_map(|moved| moved.at).fold(self.at, Timestamp::max);
        let mark = Self { at, seen: None };
        let again = moves.iter().filter(|moved| moved.at.is_some_and(|at| mark.begins() <= at));
        (changed, Self { seen: Some(print(again)), ..mark })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seen {
            Some(seen) => write!(f, "{} {seen:016x}", self.at),
            None => write!(f, "{} -", self.at),
        }
    }
}

/// Where another version of ours makes another one, everything of the span counts as changed once.
fn print<'a>(moves: impl Iterator<Item = &'a Moved>) -> u64 {
    let mut moves: Vec<_> = moves.collect();
    moves.sort_unstable();
    let mut hasher = DefaultHasher::new();
    moves.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(id: i64, second: i64, as_it_is: &str) -> Moved {
        Moved { at: Timestamp::from_second(second).ok(), id, as_it_is: as_it_is.to_owned(), product: id * 10 }
    }

    fn ids(changed: &BTreeSet<i64>) -> Vec<i64> {
        changed.iter().copied().collect()
    }

    #[test]
    fn a_quantity_keeps_its_digits_and_an_absurd_one_is_none() {
        let read = |json: &str| serde_json::from_str::<Units>(json).unwrap().0;
        assert_eq!(read("-0.125").unwrap().to_string(), "-0.125");
        assert_eq!(read("12.0").unwrap(), Amount::from(12));
        // What binary fractions leave.
        assert_eq!(read("0.30000000000000004").unwrap().to_string(), "0.3");
        assert_eq!((read("1e300"), read("null"), read("\"many\"")), (None, None, None));
    }

    #[test]
    fn what_was_seen_is_known_until_it_is_written_again() {
        let start = Mark::from(Timestamp::from_second(1000).ok());
        let first = vec![moved(1, 900, "draft"), moved(2, 1000, "draft")];
        let (changed, mark) = start.next(&first);
        assert_eq!(ids(&changed), [10, 20], "of the span before a first mark nothing is known");
        let mark = Mark::read(&mark.to_string()).unwrap();
        assert_eq!(mark.next(&first), (BTreeSet::new(), mark));
        // A new one, and one that was committed late.
        let (changed, next) = mark.next(&[moved(1, 900, "draft"), moved(2, 1000, "draft"), moved(3, 1100, "draft")]);
        assert_eq!((ids(&changed), next.at.as_second()), (vec![30], 1100));
        let late = [moved(1, 900, "draft"), moved(2, 1000, "draft"), moved(4, 950, "draft")];
        assert!(mark.next(&late).0.contains(&40));
        // Within the second of its stamp.
        assert!(mark.next(&[moved(1, 900, "draft"), moved(2, 1000, "done")]).0.contains(&20));
    }

    #[test]
    fn a_mark_never_goes_back_and_one_that_is_none_is_told() {
        let mark = Mark::from(Timestamp::from_second(1000).ok());
        assert_eq!(mark.next(&[]).1.at, mark.at);
        assert_eq!(Mark::from(None).begins(), Timestamp::UNIX_EPOCH);
        assert_eq!((Mark::read("yesterday"), Mark::read(""), Mark::read("x y")), (None, None, None));
        let unstamped = Moved { at: None, ..moved(7, 0, "") };
        let (changed, next) = mark.next(std::slice::from_ref(&unstamped));
        assert_eq!((ids(&changed), ids(&next.next(&[unstamped]).0)), (vec![70], vec![70]));
    }
}
