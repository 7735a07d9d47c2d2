//! Stock towards a store: what it has of articles, and numbers that are written there.

use std::fmt;

use jiff::Timestamp;
use url::form_urlencoded;

use crate::{
    Error, Kind,
    domain::{
        goods::{InStore, Sku},
        ids::AttemptId,
        money::Amount,
    },
    outbound::Failure,
};

/// So many articles are asked about, or written, together at most.
pub const MOST: usize = 100;

/// What a store has of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stocked {
    /// Which, by the store's code.
    pub sku: Sku,
    /// How the store has it.
    pub store: InStore,
    /// The number that it keeps, see [`Keeps`](crate::domain::goods::number::Keeps).
    pub number: Option<i64>,
    /// What the store calls it, in the connector's own words: where the next number goes.
    pub item: Option<String>,
}

impl Stocked {
    /// One that the store has not, or keeps no stock of.
    #[must_use]
    pub fn none(sku: Sku, store: InStore) -> Self {
        Self { sku, store, number: None, item: None }
    }
}

/// A number that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStock {
    /// Of which article, by the store's code.
    pub sku: Sku,
    /// What the store calls it.
    pub item: String,
    /// The number that the store is believed to have: where it can compare, it refuses the new one if it has another.
    pub from: Option<i64>,
    /// The new number.
    pub to: i64,
    /// This attempt: a key that a store which knows idempotency keys is given.
    pub attempt: AttemptId,
    /// When it was begun: of two numbers the one begun later counts, whichever arrives first.
    pub begun: Timestamp,
}

/// Why a number was not written, or may not have been.
#[derive(Debug, Clone)]
pub enum NotSet {
    /// For certain not: the store has another number than it was believed to have.
    Stale,
    /// For certain not, and it will not be until a person changes something.
    Refused(Error),
    /// For certain not, and nobody knows of the others either: the store did not take the call.
    NotNow(Error),
    /// It may have been.
    Unknown(Error),
}

impl NotSet {
    /// What an answer of the store to the whole call comes to: its status, or what stands in its place.
    #[must_use]
    pub fn answered(error: Error) -> Self {
        match error.kind() {
            Kind::Unavailable | Kind::Unreadable | Kind::TooLarge | Kind::Bug => Self::Unknown(error),
            Kind::Refused => Self::Refused(error),
            // Credentials, an address, a limit: nobody's number is to blame, and none arrived.
            Kind::Config | Kind::Forged | Kind::NotFound | Kind::Limited => Self::NotNow(error),
        }
    }

    /// What no answer comes to.
    #[must_use]
    pub fn unanswered(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) => Self::NotNow(error),
            Failure::Unknown(error) => Self::Unknown(error),
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Stale => "the store's number had changed meanwhile: it is read again".to_owned(),
            Self::Refused(error) | Self::NotNow(error) | Self::Unknown(error) => error.to_string(),
        }
    }
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

/// Whole units, rounded down: what a store's number is, however it is written.
#[must_use]
pub(crate) fn whole(amount: Amount) -> i64 {
    amount.decimal().floor().try_into().unwrap_or(0)
}

/// The longest list of codes in an address, in bytes: many servers refuse an address of more than eight kilobytes.
const LONGEST: usize = 6000;

/// The codes in as many parts as addresses are needed for them: one, unless they are very long. `more`: the bytes around each.
pub(crate) fn in_addresses<'a>(skus: &[&'a Sku], more: usize) -> Vec<Vec<&'a Sku>> {
    let (mut parts, mut length): (Vec<Vec<&Sku>>, usize) = (Vec::new(), 0);
    for sku in skus {
        let own = form_urlencoded::byte_serialize(sku.as_str().as_bytes()).map(str::len).sum::<usize>() + more;
        if let Some(part) = parts.last_mut().filter(|_| length + own <= LONGEST) {
            part.push(sku);
            length += own;
        } else {
            parts.push(vec![sku]);
            length = own;
        }
    }
    parts
}

/// What a store says of an article: of its stock, or of its price.
pub(crate) trait Said: Clone + Send {
    /// Of which.
    fn sku(&self) -> &Sku;

    /// Of one that it has not, or not so that it could be told.
    fn none(sku: Sku, store: InStore) -> Self;
}

impl Said for Stocked {
    fn sku(&self) -> &Sku {
        &self.sku
    }

    fn none(sku: Sku, store: InStore) -> Self {
        Self::none(sku, store)
    }
}

/// One answer for each article that was asked about, in order. An article that several of `found` have is nobody's.
pub(crate) fn in_order<S: Said>(skus: &[Sku], found: &[S]) -> Vec<S> {
    skus.iter()
        .map(|sku| {
            let mut of = found.iter().filter(|one| one.sku() == sku);
            match (of.next(), of.next()) {
                (None, _) => S::none(sku.clone(), InStore::Absent),
                (Some(one), None) => one.clone(),
                (Some(_), Some(_)) => S::none(sku.clone(), InStore::Ambiguous),
            }
        })
        .collect()
}

/// What the tests of every store's stock say.
#[cfg(test)]
pub(in crate::store) mod doubles {
    use super::*;

    pub(in crate::store) fn sku(text: &str) -> Sku {
        text.parse().unwrap()
    }

    pub(in crate::store) fn skus(codes: &[&str]) -> Vec<Sku> {
        codes.iter().map(|code| sku(code)).collect()
    }

    /// What became of a number or a price, in a word.
    pub(in crate::store) fn word<T: fmt::Display>(answer: &Result<T, NotSet>) -> String {
        match answer {
            Ok(number) => number.to_string(),
            Err(NotSet::Stale) => "stale".to_owned(),
            Err(NotSet::Refused(_)) => "refused".to_owned(),
            Err(NotSet::NotNow(_)) => "not now".to_owned(),
            Err(NotSet::Unknown(_)) => "unknown".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{doubles::sku, *};
    use crate::Retry;

    #[test]
    fn a_status_says_what_became_of_a_number() {
        let words = |not_set: &NotSet| match not_set {
            NotSet::Stale => "stale",
            NotSet::Refused(_) => "refused",
            NotSet::NotNow(_) => "not now",
            NotSet::Unknown(_) => "unknown",
        };
        for (kind, became) in [
            (Kind::Config, "not now"),
            (Kind::Limited, "not now"),
            (Kind::NotFound, "not now"),
            (Kind::Refused, "refused"),
            (Kind::Unavailable, "unknown"),
            (Kind::Unreadable, "unknown"),
            (Kind::TooLarge, "unknown"),
            (Kind::Bug, "unknown"),
        ] {
            assert_eq!(words(&NotSet::answered(Error::new(kind, "x"))), became, "{kind:?}");
        }
        let error = || Error::new(Kind::Unavailable, "cannot connect").retry(Retry::Backoff);
        assert_eq!(words(&NotSet::unanswered(Failure::NotSent(error()))), "not now");
        assert_eq!(words(&NotSet::unanswered(Failure::Unknown(error()))), "unknown");
    }

    #[test]
    fn each_article_has_one_answer_in_order_and_a_code_of_several_is_nobodys() {
        let kept = |code: &str, number| Stocked {
            sku: sku(code),
            store: InStore::Kept,
            number: Some(number),
            item: Some("7".to_owned()),
        };
        let found = vec![kept("B", 2), kept("C", 3), kept("A", 1), kept("C", 4), kept("X", 9)];
        let answers = in_order(&[sku("A"), sku("a"), sku("C"), sku("B")], &found);
        assert_eq!(answers[0], kept("A", 1));
        assert_eq!(answers[1], Stocked::none(sku("a"), InStore::Absent));
        assert_eq!(answers[2], Stocked::none(sku("C"), InStore::Ambiguous));
        assert_eq!(answers[3], kept("B", 2));
    }

    #[test]
    fn half_a_unit_cannot_be_sold() {
        for (amount, units) in [("7", 7), ("7.9", 7), ("-0.5", -1), ("-2", -2), ("0", 0)] {
            assert_eq!(whole(amount.parse().unwrap()), units, "{amount}");
        }
    }

    #[test]
    fn codes_fit_into_one_address_unless_they_are_very_long() {
        let parts = |codes: &[String]| {
            let skus: Vec<Sku> = codes.iter().map(|code| sku(code)).collect();
            let of: Vec<&Sku> = skus.iter().collect();
            let parts = in_addresses(&of, 11);
            assert_eq!(parts.concat(), of);
            parts.len()
        };
        assert_eq!(parts(&[]), 0);
        assert_eq!(parts(&(0..100).map(|n| format!("ARTICLE-OF-30-LETTERS-{n:08}")).collect::<Vec<_>>()), 1);
        assert_eq!(parts(&(0..100).map(|n| format!("{}{n:02}", "ñ".repeat(98))).collect::<Vec<_>>()), 12);
    }
}
