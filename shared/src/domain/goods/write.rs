//! The conditional writes of a shelf.
//!
//! Each reads a few rows, and writes those that it changes, all or none (`docs/decisions/goods.md` has the history that breaks without
//! each condition).

use jiff::Timestamp;

use super::rows::{Commitment, InStore, Level, Listing, Pending, RowKey, Shelf};
use crate::domain::{
    ids::{AttemptId, ConnectionId, OrderKey},
    money::Amount,
    version::Version,
};

/// One conditional write of a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoodsWrite {
    /// A state of an order took so much off the shelf. Before the head names that state: a crash in between leaves something that is
    /// subtracted for nothing, never an order that nobody subtracts.
    Commit(Commit),
    /// The numbers of these connections may have changed.
    Mark(Vec<Mark>),
    /// A poll of the ERP counted the article.
    Count(Count),
    /// More orders that the number of a poll is proven to contain.
    Settle {
        /// The poll.
        poll: u64,
        /// The orders.
        settled: Vec<(OrderKey, Settled)>,
        /// Whose numbers that changes.
        marks: Vec<Mark>,
    },
    /// A number is about to be sent to a store.
    Tell(Tell),
    /// The store took a number, and this is what it says that it has now.
    Told {
        /// Whose store.
        connection: ConnectionId,
        /// The attempt.
        attempt: AttemptId,
        /// What the store answered: not always what it was told.
        value: i64,
        /// The `dirt` that the number was made of.
        seen: u64,
    },
    /// The store has the right number: nothing was sent.
    Seen {
        /// Whose store.
        connection: ConnectionId,
        /// The conductor's fencing epoch.
        epoch: u64,
        /// The `dirt` that the number was made of.
        seen: u64,
        /// The number; none where the store has none of it.
        value: Option<i64>,
        /// How the store has the article, and what it calls it; none: it was not asked.
        read: Option<(InStore, Option<String>)>,
    },
    /// For certain the number of this attempt did not and will not arrive, or nobody can say more than that it may have.
    Failed {
        /// Whose store.
        connection: ConnectionId,
        /// The attempt; none: nothing was begun.
        attempt: Option<AttemptId>,
        /// Whether it certainly did not arrive.
        certain: bool,
        /// When to try again.
        due: Timestamp,
        /// Whether the store has to be read before.
        check: bool,
        /// Why, for people.
        note: String,
    },
    /// What the store keeps reserved of an order, now that it was told what was sent of it.
    Reserve {
        /// The order.
        order: OrderKey,
        /// The state of it that this was computed from.
        version: Version,
        /// The units that the store still keeps reserved.
        reserved: Amount,
    },
    /// A write of one store's number, and the stores whose numbers may rise by it: marked where it holds, or nothing is written at all.
    WithMarks(Box<Self>, Vec<Mark>),
}

/// What a state of an order took off a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The order.
    pub order: OrderKey,
    /// The units that the store sold and that are not back since; none: as many as before (an order that was cancelled while the ERP
    /// may have it: what it took comes back with the ERP's own number).
    pub quantity: Option<Amount>,
    /// Of these, the units that the store still keeps reserved itself.
    pub reserved: Amount,
    /// The state.
    pub version: Version,
    /// The units of the sale that is booked already, where this is the first that is kept of the order here.
    pub booked: Amount,
}

/// What a poll said of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// How many are available.
    pub quantity: Amount,
    /// The poll.
    pub poll: u64,
    /// When it began.
    pub read_at: Timestamp,
    /// The orders that were in the ERP before the poll's first byte.
    pub settled: Vec<(OrderKey, Settled)>,
    /// The connections that show the article: marked if the number or what is owed changed.
    pub marks: Vec<Mark>,
    /// Whether they are marked whatever changed: once a day what stores have is compared.
    pub daily: bool,
}

/// That a connection's number may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub connection: ConnectionId,
    /// Whether its store has to be read: it lowered its own number by a sale, which our number may have overwritten.
    pub check: bool,
}

impl Mark {
    /// One that calls for no reading.
    #[must_use]
    pub fn of(connection: ConnectionId) -> Self {
        Self { connection, check: false }
    }
}

/// What an order's booked sale took off the ERP's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// So many units.
    pub quantity: Amount,
    /// The booked version.
    pub version: Version,
}

/// A number that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// To whose store.
    pub connection: ConnectionId,
    /// It.
    pub pending: Pending,
    /// The conductor's fencing epoch.
    pub epoch: u64,
    /// The `dirt` that the number was made of.
    pub seen: u64,
    /// The level's `rev` that a raise was made of while the article is scarce.
    pub scarce: Option<u64>,
    /// How the store has the article, and what it calls it, where it was asked.
    pub read: Option<(InStore, Option<String>)>,
}

impl GoodsWrite {
    /// The rows that it reads and may write.
    #[must_use]
    pub fn rows(&self) -> Vec<RowKey> {
        let listings =
            |marks: &[Mark]| marks.iter().map(|mark| RowKey::Listing(mark.connection.clone())).collect::<Vec<_>>();
        let orders = |settled: &[(OrderKey, Settled)]| {
            settled.iter().map(|(order, _)| RowKey::Commitment(order.clone())).collect::<Vec<_>>()
        };
        match self {
            Self::Commit(commit) => vec![RowKey::Commitment(commit.order.clone())],
            Self::Mark(marks) => listings(marks),
            Self::Count(count) => [vec![RowKey::Level], orders(&count.settled), listings(&count.marks)].concat(),
            Self::Settle { settled, marks, .. } => [vec![RowKey::Level], orders(settled), listings(marks)].concat(),
            Self::Tell(tell) => {
                let level = tell.scarce.map(|_| RowKey::Level);
                level.into_iter().chain([RowKey::Listing(tell.connection.clone())]).collect()
            }
            Self::Told { connection, .. } | Self::Seen { connection, .. } | Self::Failed { connection, .. } => {
                vec![RowKey::Listing(connection.clone())]
            }
            Self::Reserve { order, .. } => vec![RowKey::Commitment(order.clone())],
            Self::WithMarks(write, marks) => [write.rows(), listings(marks)].concat(),
        }
    }

    /// Applies it to the rows that it names; `false`: its condition does not hold, and nothing is changed.
    pub fn apply(&self, shelf: &mut Shelf, now: Timestamp) -> bool {
        match self {
            Self::Commit(commit) => commit.apply(shelf),
            Self::Mark(marks) => {
                mark(shelf, marks, false, now);
                true
            }
            Self::Count(count) => count.apply(shelf, now),
            Self::Settle { poll, settled, marks } => {
                // The number that stands is that of this poll, or of a later one, which contains the same orders.
                let stands = shelf.level.as_ref().is_some_and(|level| level.poll >= *poll);
                if stands && settle(shelf, settled) {
                    mark(shelf, marks, false, now);
                }
                stands
            }
            Self::Tell(tell) => tell.apply(shelf),
            Self::Told { connection, attempt, value, seen } => {
                let Some(listing) = shelf.listings.get_mut(connection) else { return false };
                if listing.pending.as_ref().is_none_or(|pending| pending.attempt != *attempt) {
                    return false;
                }
                listing.said = Some(*value);
                listing.store = InStore::Kept;
                listing.pending = None;
                listing.come_to_rest(*seen, true, now);
                true
            }
            Self::Seen { connection, epoch, seen, value, read } => {
                let listing = shelf.listings.entry(connection.clone()).or_default();
                if listing.epoch > *epoch {
                    return false;
                }
                listing.epoch = *epoch;
                listing.said = *value;
                listing.remember(read.as_ref());
                listing.come_to_rest(*seen, read.is_some(), now);
                true
            }
            Self::Failed { connection, attempt, certain, due, check, note } => {
                let Some(listing) = shelf.listings.get_mut(connection) else { return false };
                if listing.pending.as_ref().map(|pending| &pending.attempt) != attempt.as_ref() {
                    return false;
                }
                if *certain {
                    listing.pending = None;
                }
                let due = listing.pending.as_ref().map_or(*due, |pending| pending.settle_at.max(*due));
                listing.due = Some(due);
                listing.soon = Some(due);
                listing.check |= *check;
                listing.note = Some(note.clone());
                true
            }
            Self::Reserve { order, version, reserved } => {
                // A newer state of the order says by itself what is reserved.
                let Some(one) = shelf.commitments.get_mut(order).filter(|one| one.version == *version) else {
                    return false;
                };
                // It stays though nothing may be left to say of it: where the store refuses, it reserves them again.
                one.reserved = *reserved;
                true
            }
            Self::WithMarks(write, marks) => {
                let holds = write.apply(shelf, now);
                if holds {
                    mark(shelf, marks, false, now);
                }
                holds
            }
        }
    }
}

impl Commit {
    fn apply(&self, shelf: &mut Shelf) -> bool {
        let old = shelf.commitments.get(&self.order);
        // Of two states of one time the one that goes above the other comes again, with a tie of its own.
        let place = |version: &Version| (version.modified, version.tie);
        if old.is_some_and(|old| place(&old.version) >= place(&self.version)) {
            return false;
        }
        let (before, in_erp) = old.map_or((self.booked, self.booked), |old| (old.quantity, old.in_erp));
        let new = Commitment {
            quantity: self.quantity.unwrap_or(before),
            reserved: self.reserved,
            version: self.version.clone(),
            in_erp,
            in_version: old.and_then(|old| old.in_version.clone()),
        };
        keep(shelf, &self.order, new);
        true
    }
}

impl Count {
    fn apply(&self, shelf: &mut Shelf, now: Timestamp) -> bool {
        // An answer that lands after that of a later poll is older than it.
        if shelf.level.as_ref().is_some_and(|level| level.poll >= self.poll) {
            return false;
        }
        let before = shelf.level.as_ref().map(|level| level.quantity);
        let rev = shelf.level.as_ref().map_or(0, |level| level.rev) + 1;
        shelf.level = Some(Level { quantity: self.quantity, poll: self.poll, read_at: self.read_at, rev });
        let changed = settle(shelf, &self.settled) || before != Some(self.quantity);
        if changed || self.daily {
            mark(shelf, &self.marks, self.daily, now);
        }
        true
    }
}

impl Tell {
    fn apply(&self, shelf: &mut Shelf) -> bool {
        let listing = shelf.listings.get(&self.connection);
        // An order that came meanwhile, or a conductor that took over, knows better.
        if listing.is_some_and(|listing| listing.dirt != self.seen || listing.epoch > self.epoch) {
            return false;
        }
        if let Some(rev) = self.scarce {
            match &mut shelf.level {
                Some(level) if level.rev == rev => level.rev += 1,
                _ => return false,
            }
        }
        let listing = shelf.listings.entry(self.connection.clone()).or_default();
        // Also where it cannot land any more: it may have.
        listing.doubt();
        listing.due = Some(self.pending.settle_at);
        listing.soon = Some(self.pending.settle_at);
        listing.pending = Some(self.pending.clone());
        listing.epoch = self.epoch;
        listing.attempts = listing.attempts.saturating_add(1);
        listing.remember(self.read.as_ref());
        true
    }
}

impl Listing {
    /// What was read of it in the store.
    fn remember(&mut self, read: Option<&(InStore, Option<String>)>) {
        if let Some((store, item)) = read {
            self.store = *store;
            self.item.clone_from(item);
        }
    }

    /// A number that is pending makes way for another, and nobody knows what came of it.
    fn doubt(&mut self) {
        if let Some(Pending { value, settle_at, .. }) = self.pending.take() {
            self.unsure = self.unsure.max(Some(settle_at));
            self.unsure_value = self.unsure_value.max(Some(value));
        }
    }

    /// What the store has is known, because it said so (`read`) or because nothing happened since. It comes to rest, unless the shelf
    /// changed meanwhile, or a number of unknown outcome may still land.
    fn come_to_rest(&mut self, seen: u64, read: bool, now: Timestamp) {
        self.doubt();
        if self.unsure.is_none_or(|until| until <= now) {
            (self.unsure, self.unsure_value) = (None, None);
        }
        self.attempts = 0;
        self.note = None;
        let changed = self.dirt != seen;
        self.check &= changed || !read;
        self.due = if changed { Some(now) } else { self.unsure };
        self.soon = self.due;
    }
}

/// The orders whose sales the ERP's number contains. Whether that is news of one of them.
fn settle(shelf: &mut Shelf, settled: &[(OrderKey, Settled)]) -> bool {
    let mut news = false;
    for (order, Settled { quantity, version }) in settled {
        let Some(commitment) = shelf.commitments.get(order) else { continue };
        // Amended down, then up again: what was proven of the older version says nothing of the newer.
        if commitment.in_version.as_ref().is_some_and(|proven| proven >= version) {
            continue;
        }
        let new = Commitment { in_erp: *quantity, in_version: Some(version.clone()), ..commitment.clone() };
        keep(shelf, order, new);
        news = true;
    }
    news
}

fn keep(shelf: &mut Shelf, order: &OrderKey, commitment: Commitment) {
    if commitment.is_over() {
        shelf.commitments.remove(order);
    } else {
        shelf.commitments.insert(order.clone(), commitment);
    }
}

fn mark(shelf: &mut Shelf, marks: &[Mark], daily: bool, now: Timestamp) {
    for Mark { connection, check } in marks {
        let listing = shelf.listings.entry(connection.clone()).or_default();
        listing.check |= *check || daily;
        let when = listing.soon.unwrap_or(now);
        listing.due = Some(when);
        listing.soon = Some(when);
        listing.dirt += 1;
    }
}
