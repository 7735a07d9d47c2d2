//! Stock towards a store: what it has of articles, and numbers that are written there.

use std::fmt;

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

/// One answer for each article that was asked about, in order. An article that several of `found` have is nobody's.
pub(crate) fn in_order(skus: &[Sku], found: &[Stocked]) -> Vec<Stocked> {
    skus.iter()
        .map(|sku| {
            let mut of = found.iter().filter(|one| one.sku == *sku);
            match (of.next(), of.next()) {
                (None, _) => Stocked::none(sku.clone(), InStore::Absent),
                (Some(one), None) => one.clone(),
                (Some(_), Some(_)) => Stocked::none(sku.clone(), InStore::Ambiguous),
            }
        })
        .collect()
}
