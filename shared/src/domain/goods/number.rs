//! The number that a store is told, computed from a shelf as it is now.
//!
//! What is left of an article is the ERP's number less what stores sold that it does not know yet. It may be negative, and stays so
//! up to the last step: clamped earlier, each cancellation would sell a unit that is owed already. A store whose number is *gross*
//! keeps its own reservations: it is told what is left and what it has reserved, by our own records, so that a sale which we have not
//! seen yet is missing in both and cancels out.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    rows::{InStore, Shelf},
    rules::GoodsRules,
    sku::Sku,
};
use crate::domain::{ids::ConnectionId, money::Amount};

/// A number of the ERP that is older than this only lowers what a store has.
pub const STALE: SignedDuration = SignedDuration::from_hours(6);

/// Which number a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// What is there, with what it has reserved itself: Shopify's `on_hand`.
    Gross,
    /// What can be sold: lowered by the store with each of its own sales.
    Sellable,
}

/// A connection that sells from a shelf.
#[derive(Debug, Clone, Copy)]
pub struct Outlet<'a> {
    /// It.
    pub connection: &'a ConnectionId,
    /// What was agreed with it.
    pub rules: &'a GoodsRules,
    /// The number its store keeps.
    pub keeps: Keeps,
}

/// What a store should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The number.
    pub value: i64,
    /// The `rev` of the level that a raise depends on while the article is scarce.
    pub scarce: Option<u64>,
    /// Whether it would be higher, were the ERP's number not too old, or another store's not too high.
    pub held_back: bool,
}

impl Shelf {
    /// What is left: the ERP's number less all that it does not know yet. None: it was never asked.
    #[must_use]
    pub fn left(&self) -> Option<Amount> {
        let owed: Amount = self.commitments.values().map(super::Commitment::owed).sum();
        self.level.as_ref().map(|level| level.quantity - owed)
    }

    /// Whether so little is left that the stores which share it have parts of their own, and one is raised only as another is lowered.
    #[must_use]
    pub fn is_scarce(&self, all: &[Outlet<'_>]) -> bool {
        let threshold = all.iter().map(|outlet| outlet.rules.scarce).max().unwrap_or_default();
        all.len() > 1 && self.left().is_some_and(|left| left <= Amount::from(i64::from(threshold)))
    }

    /// The units that a connection's store keeps reserved for orders of ours.
    #[must_use]
    pub fn reserved(&self, connection: &ConnectionId) -> Amount {
        self.commitments.iter().filter(|(key, _)| &key.connection == connection).map(|(_, one)| one.reserved).sum()
    }

    /// What of it is `one`'s to sell, in units that may be fractions: all, or its part where it is scarce.
    fn part(&self, sku: &Sku, left: Amount, one: &Outlet<'_>, all: &[Outlet<'_>]) -> (Amount, bool) {
        let shown = |outlet: &&Outlet<'_>| {
            let store = self.listings.get(outlet.connection).map(|listing| listing.store).unwrap_or_default();
            outlet.connection == one.connection || matches!(store, InStore::Unknown | InStore::Kept)
        };
        let sharing: Vec<&Outlet<'_>> = all.iter().filter(shown).collect();
        let threshold = sharing.iter().map(|outlet| outlet.rules.scarce).max().unwrap_or_default();
        let scarce = sharing.len() > 1 && left > Amount::ZERO && left <= Amount::from(i64::from(threshold));
        if !scarce {
            return (left, false);
        }
        (Amount::from(own_part(sku, floor(left), one.connection, &sharing)), true)
    }

    /// The number of `one`'s store. `all`: the connections that sell from the shelf, `one` among them. `before`: what the store has,
    /// where that was read just now. None: the ERP was never asked.
    #[must_use]
    pub fn number(
        &self,
        sku: &Sku,
        one: &Outlet<'_>,
        all: &[Outlet<'_>],
        before: Option<i64>,
        now: Timestamp,
    ) -> Option<Number> {
        let level = self.level.as_ref()?;
        let left = self.left()?;
        let (part, scarce) = self.part(sku, left, one, all);
        let reserved = if one.keeps == Keeps::Gross { self.reserved(one.connection) } else { Amount::ZERO };
        let safety = Amount::from(i64::from(one.rules.safety));
        let want = floor(part - safety + reserved).max(0);
        let before = before.or_else(|| self.listings.get(one.connection)?.highest());
        if before.is_some_and(|before| want <= before) {
            return Some(Number { value: want, scarce: None, held_back: false });
        }
        if now.duration_since(level.read_at) > STALE {
            return before.map(|value| Number { value, scarce: None, held_back: true });
        }
        if !scarce {
            return Some(Number { value: want, scarce: None, held_back: false });
        }
        // What the others may still sell must not be sold here too.
        let others: Amount = all
            .iter()
            .filter(|other| other.connection != one.connection)
            .map(|other| Amount::from(self.may_sell(other)))
            .sum();
        let most = floor(left - others + reserved).max(before.unwrap_or(0)).max(0);
        Some(Number { value: want.min(most), scarce: Some(level.rev), held_back: want > most })
    }

    /// The most that a store may sell with the number that it has.
    fn may_sell(&self, outlet: &Outlet<'_>) -> i64 {
        let highest = self.listings.get(outlet.connection).and_then(super::Listing::highest).unwrap_or(0);
        let reserved = if outlet.keeps == Keeps::Gross { self.reserved(outlet.connection) } else { Amount::ZERO };
        floor(Amount::from(highest) - reserved).max(0)
    }
}

/// The number of a set: as many as the scarcest of its articles allows. `parts`: the shelf of each, and how many one set takes.
/// `shelf` is the set's own, with what the store has of it and keeps reserved.
#[must_use]
pub fn of_set(
    shelf: &Shelf,
    parts: &[(&Sku, &Shelf, u32)],
    one: &Outlet<'_>,
    all: &[Outlet<'_>],
    before: Option<i64>,
    now: Timestamp,
) -> Option<Number> {
    let mut fewest: Option<i64> = None;
    let mut stale = false;
    for (sku, part, each) in parts {
        let left = part.left()?;
        stale |= now.duration_since(part.level.as_ref()?.read_at) > STALE;
        let (left, _) = part.part(sku, left, one, all);
        let sets = floor(left).div_euclid(i64::from((*each).max(1)));
        fewest = Some(fewest.map_or(sets, |fewest| fewest.min(sets)));
    }
    let reserved = if one.keeps == Keeps::Gross { floor(shelf.reserved(one.connection)) } else { 0 };
    let want = fewest?.saturating_sub(i64::from(one.rules.safety)).saturating_add(reserved).max(0);
    let before = before.or_else(|| shelf.listings.get(one.connection)?.highest());
    match before {
        Some(before) if want > before && stale => Some(Number { value: before, scarce: None, held_back: true }),
        None if stale => None,
        _ => Some(Number { value: want, scarce: None, held_back: false }),
    }
}

/// One's own of the units that are left, by weight. What is left over of the division goes to the largest remainders; among equals who
/// comes first differs from article to article, so that no store is always the one that goes without.
fn own_part(sku: &Sku, left: i64, connection: &ConnectionId, all: &[&Outlet<'_>]) -> i64 {
    let weights: i64 = all.iter().map(|outlet| i64::from(outlet.rules.weight)).sum::<i64>().max(1);
    let turn = sku.as_str().bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let mut shares: Vec<(i64, usize, &ConnectionId, i64)> = all
        .iter()
        .enumerate()
        .map(|(place, outlet)| {
            let product = left * i64::from(outlet.rules.weight);
            let order = place.wrapping_add(turn) % all.len();
            (-(product % weights), order, outlet.connection, product / weights)
        })
        .collect();
    shares.sort();
    let over = left - shares.iter().map(|(.., share)| share).sum::<i64>();
    let own = shares.iter().zip(0_i64..).find(|((_, _, of, _), _)| *of == connection);
    own.map_or(0, |((.., share), place)| share + i64::from(place < over))
}

/// Whole units, rounded down.
fn floor(amount: Amount) -> i64 {
    let whole: Decimal = amount.decimal().floor();
    whole.to_i64().unwrap_or(0)
}
