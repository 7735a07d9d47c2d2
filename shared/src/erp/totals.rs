//! The store's total and the ERP's: which difference is booked, and which keeps the order waiting. Pure.
//!
//! Two differences can stand between them: the store's own books may not add up, and the ERP may round otherwise than the store.
//! Each is judged by itself (`domain/rounding.rs`). What rounding explains is booked as rounding; the rest waits for a person,
//! or is booked as an adjustment where the connection's rules allow so much.

use rust_decimal::Decimal;

use super::Job;
use crate::{
    Result,
    domain::{
        money::Amount,
        reason::{self, Why},
        rounding::{Difference, of_books},
        rules::{Mismatch, Rules},
    },
};

/// What is booked beside the order's own lines, so that the ERP's total is the store's. Both may be nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Balancing {
    /// What rounding explains.
    pub(crate) rounding: Decimal,
    /// What `total_mismatch = "adjust"` allows.
    pub(crate) adjustment: Decimal,
}

impl Balancing {
    /// As a person reads it in the order's timeline; nothing where nothing is booked.
    pub(crate) fn remark(self, currency: &str) -> Option<String> {
        let part = |amount: Decimal, what: &str| {
            (!amount.is_zero()).then(|| format!("{} {currency} {what}, on a line of its own", amount.normalize()))
        };
        let parts = [part(self.rounding, "of rounding"), part(self.adjustment, "of adjustment")];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then_some(text)
    }
}

/// What is booked for `sale` in an ERP whose total differs by `erp` from the sum of the order's parts. `told` says what
/// differs, for the person who has to look at the order.
pub(crate) fn settle(sale: &Job, erp: Difference, told: impl FnOnce() -> reason::Mismatch) -> Result<Balancing> {
    let (own, mut booked) = (of_books(&sale.order), Balancing::default());
    for difference in [own, erp] {
        match difference {
            Difference::None => {}
            Difference::Rounding(by) => booked.rounding += by,
            Difference::Unexplained(by) => booked.adjustment += by,
        }
    }
    if booked.adjustment.is_zero() || allowed(&sale.rules, booked.adjustment) {
        return Ok(booked);
    }
    let how = match erp {
        Difference::Unexplained(_) => told(),
        _ => reason::Mismatch::Store { total: sale.order.total },
    };
    let limit = match sale.rules.total_mismatch {
        Mismatch::Park => None,
        Mismatch::Adjust => Some(sale.rules.adjust_limit.to_string()),
    };
    Err(Why::ErpDiffers {
        how: Box::new(how),
        currency: sale.order.currency,
        difference: stored(booked.adjustment),
        limit,
    }
    .into())
}

/// A computed amount as a reason keeps it: at most ten decimals.
pub(crate) fn stored(amount: Decimal) -> Amount {
    Amount::try_from(amount).unwrap_or_default()
}

/// Whether the rules let so much be booked that nobody can explain.
pub(crate) fn allowed(rules: &Rules, difference: Decimal) -> bool {
    rules.total_mismatch == Mismatch::Adjust && difference.abs() <= rules.adjust_limit.decimal()
}
