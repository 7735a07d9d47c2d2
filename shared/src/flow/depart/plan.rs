//! What is to be done for an order, from what the ERP holds and what it should hold. Pure.

use std::sync::Arc;

use crate::{
    domain::{
        changes::{changes, listed},
        document::Step,
        ids::OrderKey,
        money::Amount,
        order::{Order, Payment, Proof, Refund, Status},
        record::{End, Head, Rest},
        rounding::{self, Difference},
        rules::{CreateWhen, Rules},
    },
    erp::totals,
};

/// What planning found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Take this step.
    Take(Next),
    /// Take no step.
    Rest(Rest),
}

/// The step that is to be taken next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The step.
    pub step: Step,
    /// The order that its document is made from: its books hold, or what they miss may be booked.
    pub order: Arc<Order>,
    /// Whether nothing is left to do for this state of the order once the step is booked.
    pub last: bool,
}

/// Plans an order that could be read. `held` is the state the ERP holds, if it holds one.
#[must_use]
pub fn plan(head: &Head, desired: Order, held: Option<&Order>, rules: &Rules) -> Plan {
    let desired = match super::status::explained(desired, held.is_some(), rules) {
        Ok(desired) => desired,
        Err(rest) => return Plan::Rest(rest),
    };
    match held {
        Some(held) => amend(head, &desired, held, rules),
        None => create(&head.key, desired, rules),
    }
}

fn stop(end: End, reason: impl Into<String>) -> Plan {
    Plan::Rest(Rest::Stop { end, reason: reason.into() })
}

fn create(key: &OrderKey, order: Order, rules: &Rules) -> Plan {
    if order.test && !rules.test_orders {
        return stop(End::Ignored, "a test order (set test_orders = true to send them to the ERP)");
    }
    if order.status == Status::Cancelled {
        return stop(End::Ignored, "cancelled before it reached the ERP");
    }
    match (order.payment, rules.create_when) {
        (Payment::Refunded | Payment::Voided | Payment::Failed, _) => {
            return stop(End::Ignored, "its payment failed, was given up or was given back before it reached the ERP");
        }
        (Payment::Paid | Payment::PartiallyRefunded, _) | (_, CreateWhen::Placed) => {}
        (Payment::Authorized, CreateWhen::Paid) if rules.authorized_is_paid => {}
        (_, CreateWhen::Paid) => {
            return stop(
                End::Ignored,
                "not paid yet: it goes to the ERP once the store says so (create_when = \"paid\")",
            );
        }
    }
    if let Some(refunded) = refunded(&order, &[]) {
        let reason = format!("{refunded} before it reached the ERP: create the sale and its credit note there by hand");
        return stop(End::Parked, reason);
    }
    if order.lines.is_empty() {
        return stop(End::Parked, "nothing is left in it: look at it in the store, and cancel it there if it is void");
    }
    let proof = order.proof();
    if !proof.unexplained.is_zero() {
        let money = |amount: Amount| amount.in_currency(order.currency);
        let reason = format!(
            "its refunds do not explain its total: {} were sold and {} refunded, and the store says that it comes to {} now, \
             {} {}. Look at its edits and refunds in the store; when they are right, save the order there, or create the sale \
             in the ERP by hand",
            money(proof.total),
            money(proof.refunded),
            money(proof.total - proof.refunded + proof.unexplained),
            money(proof.unexplained.abs()),
            if proof.unexplained > Amount::ZERO { "more" } else { "less" },
        );
        return stop(End::Parked, reason);
    }
    balance(key, order, rules)
}

/// Only an order whose books hold goes to the ERP: what rounding explains is booked there on a line that says so, and so is what
/// the rules allow; any other difference waits for a person.
fn balance(key: &OrderKey, order: Order, rules: &Rules) -> Plan {
    match rounding::of_books(&order) {
        Difference::Unexplained(by) if !totals::allowed(rules, by) => {
            stop(End::Parked, unbalanced(&order.proof(), &order))
        }
        // What was refunded before stopped above: the sale is all there is to book.
        _ => Plan::Take(Next { step: Step::create(key.sale()), order: Arc::new(order), last: true }),
    }
}

fn unbalanced(proof: &Proof, order: &Order) -> String {
    let money = |amount: Amount| amount.in_currency(order.currency);
    format!(
        "the totals do not match: lines {} - discounts {} + shipping {} + other {} + tax {} make {}, and the store's total is {}: {} \
         {}. Fix the order in the store, or allow the difference with total_mismatch = \"adjust\" and adjust_limit, then replay it",
        proof.lines,
        proof.discounts,
        proof.shipping,
        proof.other,
        proof.tax_on_top,
        proof.total - proof.difference,
        money(proof.total),
        money(proof.difference.abs()),
        if proof.difference > Amount::ZERO { "higher" } else { "lower" },
    )
}

/// The ERP holds a state of it already: what happened since is said with what to do about it there.
fn amend(head: &Head, desired: &Order, held: &Order, rules: &Rules) -> Plan {
    let mut facts = Vec::new();
    let mut deeds = Vec::new();
    if desired.status == Status::Cancelled && held.status != Status::Cancelled {
        // What is cancelled has no lines any more: that needs no words of its own.
        facts.push("it was cancelled in the store".to_owned());
        deeds.push("cancel");
    } else if !desired.same_goods(held) {
        facts.push(format!("{} changed", listed(&changes(held, desired))));
        deeds.push("change");
    } else if desired.status != held.status {
        facts.push("it was opened again".to_owned());
        deeds.push("open");
    }
    if let Some(refunded) = refunded(desired, &held.refunds) {
        facts.push(refunded);
        deeds.push("credit");
    }
    let (now, before) = (desired.payment, super::status::payment(held, rules));
    if is_lost(now) && !is_lost(before) {
        facts.push("its payment failed, was given up or was charged back".to_owned());
        deeds.push("look at its payment in the store, then cancel or credit");
    } else if now == Payment::Pending && is_paid(before) {
        // On hold for a dispute, say; or set back by hand.
        facts.push("it was paid, and the store waits for its payment again".to_owned());
        deeds.push("look at its payment in the store, then cancel or leave");
    }
    if facts.is_empty() {
        return Plan::Rest(Rest::Synced);
    }
    let document = head.document().map_or_else(|| "the sale".to_owned(), |sale| format!("sale {}", sale.name()));
    let reason = format!("{} after it reached the ERP: {} {document} there by hand", listed(&facts), listed(&deeds));
    stop(End::Parked, reason)
}

/// Whether all of it was paid, whatever was given back since.
fn is_paid(payment: Payment) -> bool {
    matches!(payment, Payment::Paid | Payment::PartiallyRefunded)
}

/// Whether a payment that was there, or was to come, is so no more.
fn is_lost(payment: Payment) -> bool {
    matches!(payment, Payment::Voided | Payment::Failed)
}

/// What was given back since `known`, in words: the whole amount, or none where the store does not state the whole.
fn refunded(order: &Order, known: &[Refund]) -> Option<String> {
    let money = |amount: Amount| amount.in_currency(order.currency);
    let same = |one: &Refund, other: &Refund| {
        (&one.id, one.amount, one.taken_off) == (&other.id, other.amount, other.taken_off)
    };
    let among = |refunds: &[Refund], refund: &Refund| refunds.iter().any(|other| same(refund, other));
    let new: Vec<_> = order.refunds.iter().filter(|refund| !among(known, refund)).collect();
    if new.is_empty() {
        let unexplained = order.refunds.is_empty()
            && known.is_empty()
            && matches!(order.payment, Payment::PartiallyRefunded | Payment::Refunded);
        let gone = known.iter().any(|refund| !among(&order.refunds, refund));
        let words = "it was refunded, and no refund in the store says how much".to_owned();
        return unexplained.then_some(words).or_else(|| gone.then(|| "a refund of it was taken back".to_owned()));
    }
    let amount: Amount = new.iter().map(|refund| refund.amount).sum();
    let taken_off: Amount = new.iter().map(|refund| refund.taken_off()).sum();
    Some(match new.iter().any(|refund| refund.amount.is_zero()) {
        true => format!("an amount that the store does not state in {} was refunded", order.currency.code()),
        false if amount == taken_off => format!("{} were refunded", money(amount)),
        false => format!("{} were refunded ({} of what was sold came back)", money(amount), money(taken_off)),
    })
}

#[cfg(test)]
mod tests;
