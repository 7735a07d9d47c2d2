//! What is to be done for a shipment, from what its order's store says at that moment.
//!
//! A store is told of nothing that it does not expect any more, and of nothing twice: what it has already is known by the number of the
//! shipment or of a parcel, or, after a call of unknown outcome, by its lines and its time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    fulfilment::{Fulfilment, Fulfilments, Open, Part},
    row::{Dispatch, lines_of},
};
use crate::domain::{
    goods::{GoodsRules, Sku},
    money::Amount,
    order::{Line, Order, Status},
};

/// How far a store's clock may be off.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The store has it.
    Has {
        /// What the store calls it; none: it had all of it as sent already, by somebody else.
        fulfilment: Option<String>,
        /// The units of each of the order's lines.
        lines: BTreeMap<String, Amount>,
        /// Whether it can follow the parcels as they are; otherwise it is told how, once it is on record that it has them.
        follows: bool,
    },
    /// The store is told of it.
    Tell {
        /// What was sent.
        parts: Vec<Part>,
        /// Whether everything of the order is sent with it.
        completes: bool,
    },
    /// The store was told of it, and is told how it can be followed now.
    Track {
        /// What the store calls it.
        fulfilment: String,
        /// The units of each of the order's lines.
        lines: BTreeMap<String, Amount>,
    },
    /// Another shipment of the order may still be arriving there: then this one is looked at.
    Wait(Timestamp),
    /// A person has to look.
    Stop(String),
}

/// What the store's and the ERP's codes say of each other.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    /// The store's codes that have another one in the ERP.
    pub names: &'a BTreeMap<Sku, Sku>,
    /// Sets, and codes whose stock is nobody's.
    pub rules: &'a GoodsRules,
}

/// What is to be done for `dispatch`. `others`: the other shipments of the order. `store`: what its store says just now.
#[must_use]
pub fn plan(
    dispatch: &Dispatch,
    others: &[Dispatch],
    order: &Order,
    codes: Codes<'_>,
    store: &Fulfilments,
    now: Timestamp,
) -> Plan {
    if let Some(told) = &dispatch.told {
        let lines = told.lines.clone();
        let Some(id) = &told.fulfilment else { return Plan::Has { fulfilment: None, lines, follows: true } };
        let Some(there) = store.sent.iter().find(|one| one.id == *id) else {
            return Plan::Stop("the store had it as sent, and has cancelled that since: is it sent?".to_owned());
        };
        let fulfilment = id.clone();
        return if tracks(dispatch, there) {
            Plan::Has { fulfilment: Some(fulfilment), lines, follows: true }
        } else {
            Plan::Track { fulfilment, lines }
        };
    }
    if let Some(there) = found(dispatch, others, store) {
        let lines = if there.lines.is_empty() { dispatch.lines() } else { there.lines.clone() };
        return Plan::Has { fulfilment: Some(there.id.clone()), lines, follows: tracks(dispatch, there) };
    }
    let doubt = others.iter().filter_map(|other| other.underway.as_ref()).map(|underway| underway.settle_at).max();
    if let Some(until) = doubt.filter(|until| *until > now) {
        return Plan::Wait(until);
    }
    if order.status == Status::Cancelled {
        return Plan::Stop(
            "the order is cancelled in the store, and the ERP has sent it: was it called back?".to_owned(),
        );
    }
    let told = lines_of(others);
    let mut left = store.open.clone().unwrap_or_else(|| left(order, &told));
    let (parts, short) = match allot(dispatch, order, codes, &mut left) {
        Ok(allotted) => allotted,
        Err(why) => return Plan::Stop(why),
    };
    if parts.is_empty() {
        if short && store.open.is_some() && store.sent.is_empty() {
            // Given back before it was sent; or the store does not show all that it expects.
            let why =
                "the store expects none of it, and has nothing as sent: may Puente see all of its fulfilment orders?";
            return Plan::Stop(why.to_owned());
        }
        if short {
            return Plan::Has { fulfilment: None, lines: BTreeMap::new(), follows: true };
        }
        return Plan::Stop("there is nothing in it that the order has".to_owned());
    }
    let counts = |open: &&Open| {
        let line = order.lines.iter().find(|line| line.id == open.line);
        let code = line.and_then(|line| line.sku.as_deref()?.parse::<Sku>().ok());
        open.quantity > Amount::ZERO && code.is_some_and(|code| !codes.rules.ignore.contains(&code))
    };
    Plan::Tell { parts, completes: left.iter().find(counts).is_none() }
}

/// Whether the store can follow all of its parcels, and no other ones.
fn tracks(dispatch: &Dispatch, there: &Fulfilment) -> bool {
    let mut ours: Vec<&str> = dispatch.shipment.parcels.iter().map(|parcel| parcel.number.as_str()).collect();
    let mut theirs: Vec<&str> = there.tracking.iter().map(String::as_str).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    // What the ERP has forgotten is no reason to take it from the buyer.
    ours.is_empty() || ours == theirs
}

/// What the store has of it already.
fn found<'a>(dispatch: &Dispatch, others: &[Dispatch], store: &'a Fulfilments) -> Option<&'a Fulfilment> {
    let is_taken = |there: &Fulfilment| {
        let of = |other: &Dispatch| other.told.as_ref().is_some_and(|told| told.fulfilment.as_ref() == Some(&there.id));
        others.iter().any(of)
    };
    let is_its_own = |there: &Fulfilment| {
        let parcel = |number: &String| dispatch.shipment.parcels.iter().any(|parcel| parcel.number == *number);
        there.shipment.as_ref() == Some(&dispatch.shipment.number) || there.tracking.iter().any(parcel)
    };
    let may_be = |there: &Fulfilment| {
        dispatch.underway.as_ref().is_some_and(|underway| {
            let since = there.created.is_some_and(|created| created >= underway.begun - CLOCKS);
            there.lines == underway.lines && !there.lines.is_empty() && since
        })
    };
    let free = || store.sent.iter().filter(|there| !is_taken(there));
    free().find(|there| is_its_own(there)).or_else(|| free().find(|there| may_be(there)))
}

/// What of an order is left to send: what was sold, less what came back, less what was told.
fn left(order: &Order, told: &BTreeMap<String, Amount>) -> Vec<Open> {
    let back = |line: &str| -> Amount {
        let lines = order.refunds.iter().flat_map(|refund| &refund.lines);
        lines.filter(|returned| returned.line == line).map(|returned| returned.quantity).sum()
    };
    let open = order.lines.iter().map(|line| {
        let sent = told.get(&line.id).copied().unwrap_or_default();
        // What was sent and came back since is in both: an order is never left with less to send than nothing.
        let quantity = (line.quantity - sent.max(back(&line.id))).max(Amount::ZERO);
        Open { line: line.id.clone(), quantity, item: String::new() }
    });
    open.collect()
}

/// The parts of the order that its articles are, taken out of what is left; and whether some of it was not expected any more.
fn allot(dispatch: &Dispatch, order: &Order, codes: Codes<'_>, left: &mut [Open]) -> Result<(Vec<Part>, bool), String> {
    let (mut parts, mut short) = (Vec::new(), false);
    let mut items = dispatch.shipment.items.clone();
    items.retain(|_, quantity| *quantity > Amount::ZERO);
    let code = |line: &Line| line.sku.as_deref().and_then(|sku| sku.parse::<Sku>().ok());
    for line in &order.lines {
        let Some(code) = code(line) else { continue };
        let mut quantity = match codes.rules.kits.get(&code) {
            // As many sets as all of its articles are in the shipment.
            Some(kit) => {
                let sets = |(sku, each): (&Sku, &u32)| {
                    let there = items.get(sku).copied().unwrap_or_default().decimal();
                    (there / Decimal::from((*each).max(1))).floor()
                };
                kit.iter().map(sets).min().and_then(|sets| sets.to_i64()).map_or(Amount::ZERO, Amount::from)
            }
            None => items.get(codes.names.get(&code).unwrap_or(&code)).copied().unwrap_or_default(),
        };
        for open in left.iter_mut().filter(|open| open.line == line.id) {
            let taken = quantity.min(open.quantity);
            if taken > Amount::ZERO {
                let item = (!open.item.is_empty()).then(|| open.item.clone());
                parts.push(Part { line: line.id.clone(), item, quantity: taken });
                open.quantity -= taken;
                quantity -= taken;
                for (sku, each) in takes(&code, codes) {
                    if let Some(there) = items.get_mut(&sku) {
                        *there -= taken * each;
                    }
                }
            }
        }
    }
    let known = |sku: &Sku| {
        let lines = order.lines.iter().filter_map(code);
        lines.flat_map(|code| takes(&code, codes)).any(|(taken, _)| taken == *sku)
    };
    for (sku, quantity) in items.iter().filter(|(_, quantity)| **quantity > Amount::ZERO) {
        if !known(sku) {
            return Err(format!("{quantity} of {sku} were sent, and the order has no such article"));
        }
        short = true;
    }
    Ok((parts, short))
}

/// What one unit of a line's code is in the ERP.
fn takes(code: &Sku, codes: Codes<'_>) -> Vec<(Sku, Amount)> {
    match codes.rules.kits.get(code) {
        Some(kit) => kit.iter().map(|(sku, each)| (sku.clone(), Amount::from(i64::from(*each)))).collect(),
        None => vec![(codes.names.get(code).unwrap_or(code).clone(), Amount::ONE)],
    }
}

#[cfg(test)]
mod tests;
