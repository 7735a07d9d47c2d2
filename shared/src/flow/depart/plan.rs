//! What is to be done for an order, from what the ERP holds and what it should hold. Pure.

use std::sync::Arc;

use crate::{
    config::{CreateWhen, Mismatch, Orders},
    domain::{
        money::Amount,
        order::{Charge, ChargeKind, Order, Payment, Status},
        record::{End, Head, Rest},
    },
};

/// What planning found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Create the sale from this order, whose books hold.
    Create(Arc<Order>),
    /// Take no step.
    Rest(Rest),
}

/// Plans an order that could be read. `applied` is the state the ERP holds, if it holds one.
#[must_use]
pub fn plan(head: &Head, desired: Order, applied: Option<&Order>, rules: &Orders) -> Plan {
    match applied {
        Some(applied) => amend(head, &desired, applied),
        None => create(desired, rules),
    }
}

fn stop(end: End, reason: impl Into<String>) -> Plan {
    Plan::Rest(Rest::Stop { end, reason: reason.into() })
}

fn create(order: Order, rules: &Orders) -> Plan {
    if order.test && !rules.test_orders {
        return stop(End::Ignored, "a test order (set test_orders = true to send them to the ERP)");
    }
    if order.status == Status::Cancelled {
        return stop(End::Ignored, "cancelled before it reached the ERP");
    }
    match (order.payment, rules.create_when) {
        (Payment::Refunded | Payment::Voided, _) => {
            return stop(End::Ignored, "its payment was given back or given up before it reached the ERP");
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
    if !order.refunds.is_empty() {
        let amount: Amount = order.refunds.iter().map(|r| r.amount).sum();
        let reason = format!(
            "{amount} {} were refunded before it reached the ERP: create the sale and its credit note there by hand",
            order.currency.code()
        );
        return stop(End::Parked, reason);
    }
    if order.lines.is_empty() {
        return stop(End::Parked, "it has no lines: look at it in the store, then replay it");
    }
    balance(order, rules)
}

/// Only an order whose books hold goes to the ERP: a difference waits for a person, or is booked on a line that says so.
fn balance(mut order: Order, rules: &Orders) -> Plan {
    let proof = order.proof();
    if proof.holds() {
        return Plan::Create(Arc::new(order));
    }
    let code = order.currency.code();
    let difference = proof.difference;
    if rules.total_mismatch == Mismatch::Adjust && difference.abs() <= rules.adjust_limit {
        order.charges.push(Charge {
            kind: ChargeKind::Rounding,
            label: format!("Adjustment: the store's total differs by {difference} {code}"),
            amount: difference,
            discounts: Vec::new(),
            taxes: Vec::new(),
        });
        return Plan::Create(Arc::new(order));
    }
    let reason = format!(
        "its books do not add up: lines {} - discounts {} + shipping {} + other {} + tax {} make {}, the store says {}: {} {code} \
         too {}. Mend it in the store, or allow it with total_mismatch = \"adjust\", then replay it",
        proof.lines,
        proof.discounts,
        proof.shipping,
        proof.other,
        proof.tax_on_top,
        proof.total - difference,
        proof.total,
        difference.abs(),
        if difference > Amount::ZERO { "much" } else { "little" },
    );
    stop(End::Parked, reason)
}

/// The ERP holds a state of it already.
fn amend(head: &Head, desired: &Order, applied: &Order) -> Plan {
    if desired.same_sale(applied) {
        return Plan::Rest(Rest::Synced);
    }
    let document = head
        .document
        .as_ref()
        .map_or_else(|| "the sale".to_owned(), |d| format!("sale {}", d.number.as_ref().unwrap_or(&d.id)));
    let reason = if desired.status == Status::Cancelled && applied.status != Status::Cancelled {
        format!("cancelled in the store after it reached the ERP: cancel {document} there by hand")
    } else if desired.refunds == applied.refunds {
        format!(
            "changed in the store after it reached the ERP (total {} instead of {}): change {document} there by hand",
            desired.total, applied.total
        )
    } else {
        let amount: Amount = desired.refunds.iter().map(|r| r.amount).sum();
        let before: Amount = applied.refunds.iter().map(|r| r.amount).sum();
        format!(
            "{} {} were refunded after it reached the ERP: credit {document} there by hand",
            amount - before,
            desired.currency.code()
        )
    };
    stop(End::Parked, reason)
}
