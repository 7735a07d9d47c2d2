//! What is to be done for an order, from what the ERP holds and what it should hold. Pure.

use std::sync::Arc;

use iso_currency::Currency;

use crate::{
    domain::{
        changes::changes,
        document::{Operation, Step},
        ids::OrderKey,
        order::{Order, Payment, Proof, Refund, Status},
        reason::{Fact, Refunded, Why},
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

/// Plans an order that could be read. `in_erp` is the state the ERP holds, if it holds one.
#[must_use]
pub fn plan(head: &Head, desired: Order, in_erp: Option<&Order>, rules: &Rules) -> Plan {
    let desired = match super::status::explained(desired, in_erp.is_some(), rules) {
        Ok(desired) => desired,
        Err(rest) => return Plan::Rest(rest),
    };
    match in_erp {
        Some(in_erp) => amend(head, &desired, in_erp, rules),
        None => create(&head.key, desired, rules),
    }
}

/// Plans the step on record once more, with the content that goes out with it: that step, or none.
///
/// It is in doubt and was looked up: nothing of it is in the ERP.
#[must_use]
pub fn again(step: &Step, head: &Head, content: Order, rules: &Rules) -> Plan {
    let planned = match step.operation {
        Operation::Create => plan(head, content, None, rules),
    };
    match planned {
        Plan::Take(next) if next.step != *step => stop(End::Parked, Why::NothingToSend),
        planned => planned,
    }
}

fn stop(end: End, why: Why) -> Plan {
    Plan::Rest(Rest::Stop { end, reason: why.into() })
}

fn create(key: &OrderKey, order: Order, rules: &Rules) -> Plan {
    if order.test && !rules.test_orders {
        return stop(End::Ignored, Why::TestOrder);
    }
    if order.status == Status::Cancelled {
        return stop(End::Ignored, Why::CancelledBefore);
    }
    match (order.payment, rules.create_when) {
        (Payment::Refunded | Payment::Voided | Payment::Failed, _) => {
            return stop(End::Ignored, Why::PaymentLost);
        }
        (Payment::Paid | Payment::PartiallyRefunded, _) | (_, CreateWhen::Placed) => {}
        (Payment::Authorized, CreateWhen::Paid) if rules.authorized_is_paid => {}
        (_, CreateWhen::Paid) => {
            return stop(End::Ignored, Why::NotPaid { payment: order.payment });
        }
    }
    if let Some(refund) = refunded(&order, &[]) {
        return stop(End::Parked, Why::RefundedBefore { refund });
    }
    if order.lines.is_empty() {
        return stop(End::Parked, Why::NothingLeft);
    }
    let proof = order.proof();
    if !proof.unexplained.is_zero() {
        let why = Why::RefundsUnexplained {
            currency: order.currency,
            sold: proof.total,
            refunded: proof.refunded,
            total: proof.total - proof.refunded + proof.unexplained,
            difference: proof.unexplained,
        };
        return stop(End::Parked, why);
    }
    balance(key, order, rules)
}

/// Only an order whose books hold goes to the ERP: what rounding explains is booked there on a line that says so, and so is what
/// the rules allow; any other difference waits for a person.
fn balance(key: &OrderKey, order: Order, rules: &Rules) -> Plan {
    match rounding::of_books(&order) {
        Difference::Unexplained(by) if !totals::allowed(rules, by) => {
            stop(End::Parked, unbalanced(&order.proof(), order.currency))
        }
        // What was refunded before stopped above: the sale is all there is to book.
        _ => Plan::Take(Next { step: Step::create(key.sale()), order: Arc::new(order), last: true }),
    }
}

fn unbalanced(proof: &Proof, currency: Currency) -> Why {
    Why::TotalsDiffer {
        currency,
        lines: proof.lines,
        discounts: proof.discounts,
        shipping: proof.shipping,
        other: proof.other,
        tax: proof.tax_on_top,
        total: proof.total,
        difference: proof.difference,
    }
}

/// The ERP holds a state of it already: what happened since is said with what to do about it there.
fn amend(head: &Head, desired: &Order, in_erp: &Order, rules: &Rules) -> Plan {
    let mut facts = Vec::new();
    if desired.status == Status::Cancelled && in_erp.status != Status::Cancelled {
        // What is cancelled has no lines any more: that is no fact of its own.
        facts.push(Fact::Cancelled);
    } else if !desired.same_goods(in_erp) {
        facts.push(Fact::Goods { changes: changes(in_erp, desired) });
    } else if desired.status != in_erp.status {
        facts.push(Fact::Reopened);
    }
    facts.extend(refunded(desired, &in_erp.refunds).map(|refund| Fact::Refund { refund }));
    let (now, before) = (desired.payment, super::status::payment(in_erp, rules));
    if is_lost(now) && !is_lost(before) {
        facts.push(Fact::PaymentLost);
    } else if now == Payment::Pending && is_paid(before) {
        // On hold for a dispute, say; or set back by hand.
        facts.push(Fact::PaymentPending);
    }
    if facts.is_empty() {
        return Plan::Rest(Rest::Synced);
    }
    stop(End::Parked, Why::Changed { facts, document: head.document().map(|sale| sale.name().to_owned()) })
}

/// Whether all of it was paid, whatever was given back since.
fn is_paid(payment: Payment) -> bool {
    matches!(payment, Payment::Paid | Payment::PartiallyRefunded)
}

/// Whether a payment that was there, or was to come, is so no more.
fn is_lost(payment: Payment) -> bool {
    matches!(payment, Payment::Voided | Payment::Failed)
}

/// What was given back since `known`: the whole amount, or none where the store does not state the whole.
fn refunded(order: &Order, known: &[Refund]) -> Option<Refunded> {
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
        return unexplained.then_some(Refunded::Unexplained).or_else(|| gone.then_some(Refunded::TakenBack));
    }
    let currency = order.currency;
    if new.iter().any(|refund| refund.amount.is_zero()) {
        return Some(Refunded::Unstated { currency });
    }
    let amount = new.iter().map(|refund| refund.amount).sum();
    let taken_off = new.iter().map(|refund| refund.taken_off()).sum();
    Some(Refunded::Amount { currency, amount, taken_off })
}

#[cfg(test)]
mod tests;
