//! Refunds: a credit note of its own (`account.move`, `out_refund`), of what was given back.
//!
//! It moves no goods: where they come back, somebody returns the delivery in Odoo. It is named as the reversal of the sale's invoice
//! where there is exactly one that is posted, and does not touch what the sale counts as invoiced: taken off there, a sale that is
//! invoiced once more would charge what was just given back.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    domain,
    map::{Resolved, origin},
    resolve::Resolver,
};
use crate::{
    Error,
    domain::{
        document::{Action, Document},
        reason::Why,
    },
    erp::{Job, SendError, repeatable},
};

/// The sale that a job gives back of; `None`: it is no credit note.
pub(super) fn of(job: &Job) -> Option<&Document> {
    match &job.step.action {
        Action::Credit { sale, .. } => Some(sale),
        Action::Create | Action::Amend { .. } | Action::Cancel { .. } => None,
    }
}

/// What a credit note says beside its lines.
pub(super) fn header(job: &Job, sale: &Document, to: &Resolved<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("move_type", "out_refund".to_owned()),
        ("partner_id/.id", to.to.invoice.to_string()),
        ("ref", job.step.reference.to_string()),
        ("invoice_origin", format!("{} {}", origin(job), sale.name())),
        ("company_id/.id", to.company.to_string()),
        ("currency_id", job.order.currency.code().to_owned()),
        ("reversed_entry_id/.id", to.invoice.map(|id| id.to_string()).unwrap_or_default()),
    ]
}

/// A sale that is given back of.
pub(super) struct Sold {
    state: String,
    /// Its invoice, if there is exactly one that is posted.
    invoice: Option<i64>,
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

/// The sales that are given back of, by their ids.
pub(super) async fn sales(resolver: &Resolver<'_>, jobs: &[Job]) -> Result<HashMap<String, Sold>, SendError> {
    #[derive(Deserialize)]
    struct Sale {
        id: i64,
        state: String,
        invoice_ids: Vec<i64>,
    }
    #[derive(Deserialize)]
    struct Invoice {
        id: i64,
    }
    let ids: Vec<i64> = jobs.iter().filter_map(|job| of(job)?.id.parse().ok()).collect();
    let found: Vec<Sale> =
        resolver.search("sale.order", &domain![("id", "in", ids)], &["state", "invoice_ids"]).await?;
    let all: Vec<i64> = found.iter().flat_map(|sale| sale.invoice_ids.iter().copied()).collect();
    let posted: Vec<Invoice> = if all.is_empty() {
        Vec::new()
    } else {
        let posted = domain![("id", "in", all), ("move_type", "=", "out_invoice"), ("state", "=", "posted")];
        resolver.search("account.move", &posted, &["id"]).await?
    };
    let sold = |sale: Sale| {
        let mut of = posted.iter().filter(|invoice| sale.invoice_ids.contains(&invoice.id));
        let invoice = of.next().filter(|_| of.next().is_none()).map(|invoice| invoice.id);
        (sale.id.to_string(), Sold { state: sale.state, invoice })
    };
    Ok(found.into_iter().map(sold).collect())
}
