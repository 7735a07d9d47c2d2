//! The conditional writes of a dispatch (`docs/decisions/shipments.md` has the history that breaks without each condition).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::row::{Dispatch, Dispatched, Shipment, Underway};
use crate::domain::{ids::AttemptId, money::Amount};

/// One conditional write of a dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShipmentWrite {
    /// The ERP says this of it.
    Noted {
        /// What it says.
        shipment: Shipment,
        /// The poll that it was said in.
        poll: u64,
    },
    /// The store is about to be told.
    Sending(Sending),
    /// The store has it.
    Told {
        /// The attempt that told it; none: it was found there.
        attempt: Option<AttemptId>,
        /// The conductor's fencing epoch.
        epoch: u64,
        /// The `dirt` of the shipment that the store has.
        seen: u64,
        /// What the store calls it; none: it had all of it as sent already.
        fulfilment: Option<String>,
        /// The units of each of the order's lines.
        lines: BTreeMap<String, Amount>,
    },
    /// It was not told, for now or until a person looks.
    Failed(Failed),
    /// A person has it looked at again, now.
    Again,
}

/// That a store is about to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// What.
    pub underway: Underway,
    /// The conductor's fencing epoch.
    pub epoch: u64,
    /// The `rev` of the dispatch that this was decided on.
    pub rev: u64,
}

/// That a store was not told: for certain not, or nobody can say more than that it may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The attempt; none: nothing was begun.
    pub attempt: Option<AttemptId>,
    /// The conductor's fencing epoch.
    pub epoch: u64,
    /// The `dirt` of the shipment that it was decided on.
    pub seen: u64,
    /// Whether it certainly did not arrive.
    pub certain: bool,
    /// When to try again; none: when a person says so.
    pub due: Option<Timestamp>,
    /// Why, for people.
    pub note: String,
}

impl ShipmentWrite {
    /// Applies it to the dispatch; `false`: its condition does not hold, and nothing is changed.
    pub fn apply(&self, kept: &mut Option<Dispatch>, now: Timestamp) -> bool {
        let before = kept.clone();
        let holds = self.act(kept, now);
        if let (Some(before), Some(dispatch)) = (before, kept)
            && *dispatch != before
        {
            dispatch.rev += 1;
        }
        holds
    }

    fn act(&self, kept: &mut Option<Dispatch>, now: Timestamp) -> bool {
        if let Self::Noted { shipment, poll } = self {
            return note(kept, shipment, *poll, now);
        }
        let Some(dispatch) = kept else { return false };
        match self {
            Self::Noted { .. } => true,
            Self::Sending(sending) => sending.apply(dispatch),
            Self::Told { attempt, epoch, seen, fulfilment, lines } => {
                // Found there, it ends whatever is on its way: unless a later conductor knows better.
                let holds = match attempt {
                    Some(_) => dispatch.is_of(attempt.as_ref(), *epoch),
                    None => dispatch.epoch <= *epoch,
                };
                if !holds {
                    return false;
                }
                let (fulfilment, lines) = (fulfilment.clone(), lines.clone());
                dispatch.told = Some(Dispatched { fulfilment, lines, as_of: *seen, at: now });
                dispatch.underway = None;
                dispatch.epoch = dispatch.epoch.max(*epoch);
                dispatch.attempts = 0;
                dispatch.stopped = false;
                dispatch.note = None;
                dispatch.due = (dispatch.dirt != *seen).then_some(now);
                true
            }
            Self::Failed(failed) => failed.apply(dispatch, now),
            Self::Again => {
                dispatch.due = Some(dispatch.settles_after(now).unwrap_or(now));
                dispatch.stopped = false;
                dispatch.attempts = 0;
                true
            }
        }
    }
}

impl Sending {
    fn apply(&self, dispatch: &mut Dispatch) -> bool {
        // It is not any more as it was when this was decided, a later conductor took over, or an earlier attempt may still land.
        if dispatch.rev != self.rev || dispatch.epoch > self.epoch {
            return false;
        }
        if dispatch.settles_after(self.underway.begun).is_some() {
            return false;
        }
        dispatch.due = Some(self.underway.settle_at);
        dispatch.underway = Some(self.underway.clone());
        dispatch.epoch = self.epoch;
        dispatch.attempts = dispatch.attempts.saturating_add(1);
        true
    }
}

impl Failed {
    fn apply(&self, dispatch: &mut Dispatch, now: Timestamp) -> bool {
        if !dispatch.is_of(self.attempt.as_ref(), self.epoch) {
            return false;
        }
        if self.certain {
            dispatch.underway = None;
        }
        // A change that came meanwhile is looked at, whatever this one came to.
        let due = if dispatch.dirt == self.seen { self.due } else { Some(self.due.map_or(now, |due| due.min(now))) };
        dispatch.due = match dispatch.settles_after(now) {
            Some(settle) => Some(due.map_or(settle, |due| due.max(settle))),
            None => due,
        };
        dispatch.stopped = dispatch.due.is_none();
        dispatch.note = Some(self.note.clone());
        true
    }
}

impl Dispatch {
    /// Whether it is this attempt that is on its way; of none, whether none is, and no later conductor began or found one.
    fn is_of(&self, attempt: Option<&AttemptId>, epoch: u64) -> bool {
        let underway = self.underway.as_ref().map(|underway| &underway.attempt);
        underway == attempt && (attempt.is_some() || self.epoch <= epoch)
    }

    /// Until when what is on its way may still land, where that is after `now`.
    fn settles_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.underway.as_ref().map(|underway| underway.settle_at).filter(|settle| *settle > now)
    }
}

/// The same again changes nothing; anything else is due. What an older poll said is older.
fn note(kept: &mut Option<Dispatch>, shipment: &Shipment, poll: u64, now: Timestamp) -> bool {
    let Some(dispatch) = kept else {
        *kept = Some(Dispatch::new(shipment.clone(), poll, now));
        return true;
    };
    if dispatch.poll > poll {
        return false;
    }
    if dispatch.shipment == *shipment {
        return true;
    }
    dispatch.shipment = shipment.clone();
    dispatch.poll = poll;
    dispatch.dirt += 1;
    dispatch.stopped = false;
    dispatch.attempts = 0;
    dispatch.due = Some(dispatch.settles_after(now).unwrap_or(now));
    true
}
