//! Refunds: a credit note of its own (`account.move`, `out_refund`), of what was given back.
//!
//! It moves no goods: where they come back, somebody returns the delivery in Odoo. It is named as the reversal of the sale's invoice
//! where there is exactly one that is posted, and does not touch what the sale counts as invoiced: taken off there, a sale that is
//! invoiced once more would charge what was just given back.

use std::collections::HashMap;

use crate::{
    Error,
    domain::{
        document::{Action, Document},
        reason::Why,
    },
    erp::{Job, repeatable},
};

/// The sale that a job gives back of; `None`: it is no credit note.
pub(super) fn of(job: &Job) -> Option<&Document> {
    match &job.step.action {
        Action::Credit { sale, .. } => Some(sale),
        Action::Create | Action::Amend { .. } | Action::Cancel { .. } => None,
    }
}

/// A sale that is given back of.
pub(super) struct Sold {
    pub(super) state: String,
    /// Its invoice, if there is exactly one that is posted.
    pub(super) invoice: Option<i64>,
}

/// The invoice that a credit note of `sale` reverses, if there is one. What a person cancelled is in no books, and nothing of it can be
/// given back.
pub(super) fn invoice(sale: &Document, sales: &HashMap<String, Sold>) -> Result<Option<i64>, Error> {
    let document = sale.name().to_owned();
    match sales.get(&sale.id) {
        None => Err(Why::SaleGone { document }.into()),
        Some(sold) if sold.state == "cancel" => {
            Err(Why::SaleCancelled { document, state: repeatable(&sold.state) }.into())
        }
        Some(sold) => Ok(sold.invoice),
    }
}
