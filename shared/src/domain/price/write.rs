//! The conditional writes of a price tag (`docs/decisions/prices.md` has the history that breaks without each condition).

use jiff::Timestamp;

use super::{
    offer::{Offer, Price},
    row::{InShop, Later, PriceTag, Telling},
};
use crate::domain::ids::AttemptId;

/// One conditional write of a price tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceWrite {
    /// The ERP says this.
    Quoted(Quoted),
    /// The store is about to be told.
    Sending(Sending),
    /// The store took a price, and this is what it says that it has now.
    Told {
        /// The attempt.
        attempt: AttemptId,
        /// What the store answered: not always what it was told.
        price: Price,
        /// The `dirt` that it was decided on.
        seen: u64,
    },
    /// The store has the right price, or none that could be told it: nothing was sent.
    Seen {
        /// The conductor's fencing epoch.
        epoch: u64,
        /// The `dirt` that it was decided on.
        seen: u64,
        /// What was read in the store; none: it was not asked.
        read: Option<InShop>,
    },
    /// The store was not told, for now or until a person looks.
    NotTold(NotTold),
    /// A person has it looked at again, now.
    Again {
        /// The price that may be told though it differs much from the store's; none: none is released.
        released: Option<Price>,
    },
}

/// What the ERP says that an article costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// Now.
    pub offer: Offer,
    /// Later, where it knows that already.
    pub later: Option<Later>,
    /// The poll that it was said in.
    pub poll: u64,
    /// Whether the connection was asked for otherwise before, of another account or by another list: no number of a poll says then what is
    /// older.
    pub afresh: bool,
    /// Whether the store is looked at whatever it says: once a day what stores have is compared.
    pub daily: bool,
}

/// That a store is about to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// What.
    pub telling: Telling,
    /// The conductor's fencing epoch.
    pub epoch: u64,
    /// The `rev` of the tag that this was decided on.
    pub rev: u64,
    /// What was read in the store; none: it was not asked.
    pub read: Option<InShop>,
    /// When it was begun.
    pub begun: Timestamp,
}

/// That a store was not told: for certain not, or nobody can say more than that it may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTold {
    /// The attempt; none: nothing was begun.
    pub attempt: Option<AttemptId>,
    /// The conductor's fencing epoch.
    pub epoch: u64,
    /// The `dirt` that it was decided on.
    pub seen: u64,
    /// Whether it certainly did not arrive.
    pub certain: bool,
    /// When to try again; none: when a person says so, or the ERP says another price.
    pub due: Option<Timestamp>,
    /// What was read in the store; none: it was not asked.
    pub read: Option<InShop>,
    /// Why, for people.
    pub note: String,
}

impl PriceWrite {
    /// Applies it to the tag; `false`: its condition does not hold, and nothing is changed.
    pub fn apply(&self, kept: &mut Option<PriceTag>, now: Timestamp) -> bool {
        let before = kept.clone();
        let holds = self.act(kept, now);
        if let (Some(before), Some(tag)) = (before, kept)
            && *tag != before
        {
            tag.rev += 1;
        }
        holds
    }

    fn act(&self, kept: &mut Option<PriceTag>, now: Timestamp) -> bool {
        if let Self::Quoted(quoted) = self {
            return quoted.apply(kept, now);
        }
        let Some(tag) = kept else { return false };
        match self {
            Self::Quoted(_) => true,
            Self::Sending(sending) => sending.apply(tag),
            Self::Told { attempt, price, seen } => {
                if !tag.is_of(Some(attempt), tag.epoch) {
                    return false;
                }
                tag.said = Some(*price);
                tag.come_to_rest(*seen, now);
                true
            }
            Self::Seen { epoch, seen, read } => {
                // What a frozen conductor read is old, and what is on its way would change it.
                if tag.epoch > *epoch || tag.settles_after(now).is_some() {
                    return false;
                }
                tag.epoch = *epoch;
                tag.remember(read.as_ref());
                tag.come_to_rest(*seen, now);
                true
            }
            Self::NotTold(not_told) => not_told.apply(tag, now),
            Self::Again { released } => {
                tag.released = *released;
                tag.wake(now);
                true
            }
        }
    }
}

impl Quoted {
    /// The same again changes nothing but when it was said; anything else is due. What an older poll said is older.
    fn apply(&self, kept: &mut Option<PriceTag>, now: Timestamp) -> bool {
        let Self { offer, later, poll, afresh, daily } = self;
        let Some(tag) = kept else {
            *kept = Some(PriceTag::new(offer.clone(), later.clone(), *poll, now));
            return true;
        };
        if tag.poll >= *poll && !afresh {
            return false;
        }
        tag.poll = *poll;
        tag.check |= daily;
        if tag.offer != *offer || tag.later != *later {
            tag.offer = offer.clone();
            tag.later.clone_from(later);
            tag.dirt += 1;
            tag.wake(now);
        } else if *daily {
            let when = tag.settles_after(now).unwrap_or(now);
            tag.due = Some(tag.due.map_or(when, |due| due.min(when)));
        }
        true
    }
}

impl Sending {
    fn apply(&self, tag: &mut PriceTag) -> bool {
        // It is not any more as it was when this was decided, a later conductor took over, or an earlier price may still land.
        if tag.rev != self.rev || tag.epoch > self.epoch || tag.settles_after(self.begun).is_some() {
            return false;
        }
        tag.remember(self.read.as_ref());
        tag.due = Some(self.telling.settle_at);
        tag.telling = Some(self.telling.clone());
        tag.epoch = self.epoch;
        tag.attempts = tag.attempts.saturating_add(1);
        true
    }
}

impl NotTold {
    fn apply(&self, tag: &mut PriceTag, now: Timestamp) -> bool {
        if !tag.is_of(self.attempt.as_ref(), self.epoch) {
            return false;
        }
        tag.epoch = tag.epoch.max(self.epoch);
        if self.certain {
            tag.telling = None;
        } else {
            tag.check = true;
        }
        tag.remember(self.read.as_ref());
        tag.stopped = self.due.is_none();
        tag.note = Some(self.note.clone());
        let due = self.due.into_iter().chain(tag.begins(now)).min();
        tag.due = match tag.settles_after(now) {
            Some(settle) => Some(due.map_or(settle, |due| due.max(settle))),
            None => due,
        };
        // A change that came meanwhile is looked at, whatever this one came to.
        if tag.dirt != self.seen {
            tag.wake(now);
        }
        true
    }
}

impl PriceTag {
    /// Whether it is this attempt that is on its way; of none, whether none is, and no later conductor wrote here.
    fn is_of(&self, attempt: Option<&AttemptId>, epoch: u64) -> bool {
        let telling = self.telling.as_ref().map(|telling| &telling.attempt);
        telling == attempt && (attempt.is_some() || self.epoch <= epoch)
    }

    /// It is looked at as soon as what is on its way cannot land any more.
    fn wake(&mut self, now: Timestamp) {
        self.stopped = false;
        self.attempts = 0;
        self.due = Some(self.settles_after(now).unwrap_or(now));
    }

    fn remember(&mut self, read: Option<&InShop>) {
        if let Some(InShop { store, item, price }) = read {
            self.store = *store;
            self.item.clone_from(item);
            self.said = *price;
            self.check = false;
        }
    }

    /// What the store has is known. It rests until the next price begins, unless the ERP said another one meanwhile.
    ///
    /// `now` is when that was decided: a price that began since is due.
    fn come_to_rest(&mut self, seen: u64, now: Timestamp) {
        self.telling = None;
        self.released = None;
        self.attempts = 0;
        self.stopped = false;
        self.note = None;
        self.due = if self.dirt == seen && !self.check { self.begins(now) } else { Some(now) };
    }
}
