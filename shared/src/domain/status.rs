//! What a store's own word for the state of an order means.
//!
//! Stores whose shops define statuses by themselves (`packing`, `partially-paid`) send words that no document explains. The
//! order carries such a word, and `orders.statuses` of its connection says what it means: not when the order is read but when it is
//! planned, so that a rule that was added later counts for the orders that wait for it.

use serde::Deserialize;

use super::{
    money::Amount,
    order::{Order, Payment, Status},
};

/// What a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Nothing was paid yet.
    Pending,
    /// The buyer can pay, and the money is expected: a transfer, a voucher.
    InProcess,
    /// Reserved at the payer's bank, not captured.
    Authorized,
    /// A part was paid.
    PartiallyPaid,
    /// All was paid.
    Paid,
    /// All was given back.
    Refunded,
    /// The payment was given up.
    Voided,
    /// The payment never came, and its time is over.
    Expired,
    /// It was paid, and that failed or was charged back since.
    Failed,
    /// It was paid, and the buyer's bank took it back.
    ChargedBack,
    /// The order is cancelled.
    Cancelled,
    /// The order is none of the ERP's business while it has this status; what the ERP holds stays as it is.
    Ignore,
}

impl Meaning {
    /// The payment it stands for; `None` where it says nothing of it.
    #[must_use]
    pub fn payment(self) -> Option<Payment> {
        Some(match self {
            Self::Pending => Payment::Pending,
            Self::InProcess => Payment::InProcess,
            Self::Authorized => Payment::Authorized,
            Self::PartiallyPaid => Payment::PartiallyPaid,
            Self::Paid => Payment::Paid,
            Self::Refunded => Payment::Refunded,
            Self::Voided => Payment::Voided,
            Self::Expired => Payment::Expired,
            Self::Failed => Payment::Failed,
            Self::ChargedBack => Payment::ChargedBack,
            Self::Cancelled | Self::Ignore => return None,
        })
    }

    /// Gives `order` this meaning.
    pub fn apply(self, order: &mut Order) {
        if self == Self::Cancelled {
            order.status = Status::Cancelled;
        }
        if let Some(payment) = self.payment() {
            order.payment = after_refunds(payment, order.refunds.iter().map(|refund| refund.amount).sum(), order.total);
        }
    }
}

/// What is left of a payment after refunds: paid becomes partially refunded, and refunded once they reach the total.
#[must_use]
pub fn after_refunds(payment: Payment, refunded: Amount, total: Amount) -> Payment {
    match payment {
        Payment::Paid if refunded.is_zero() => Payment::Paid,
        Payment::Paid if refunded < total => Payment::PartiallyRefunded,
        Payment::Paid => Payment::Refunded,
        other => other,
    }
}
