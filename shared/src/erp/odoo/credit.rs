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
    domain::document::{Action, Document},
    erp::{Job, SendError},
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

/// The posted invoice of each sale that has exactly one, by the sale's id.
pub(super) async fn invoices(resolver: &Resolver<'_>, jobs: &[Job]) -> Result<HashMap<String, i64>, SendError> {
    #[derive(Deserialize)]
    struct Sale {
        id: i64,
        invoice_ids: Vec<i64>,
    }
    #[derive(Deserialize)]
    struct Invoice {
        id: i64,
    }
    let sales: Vec<i64> = jobs.iter().filter_map(|job| of(job)?.id.parse().ok()).collect();
    if sales.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<Sale> = resolver.search("sale.order", &domain![("id", "in", sales)], &["invoice_ids"]).await?;
    let all: Vec<i64> = found.iter().flat_map(|sale| sale.invoice_ids.iter().copied()).collect();
    if all.is_empty() {
        return Ok(HashMap::new());
    }
    let posted = domain![("id", "in", all), ("move_type", "=", "out_invoice"), ("state", "=", "posted")];
    let posted: Vec<Invoice> = resolver.search("account.move", &posted, &["id"]).await?;
    let alone = |sale: &Sale| {
        let mut of = posted.iter().filter(|invoice| sale.invoice_ids.contains(&invoice.id));
        of.next().filter(|_| of.next().is_none()).map(|invoice| (sale.id.to_string(), invoice.id))
    };
    Ok(found.iter().filter_map(alone).collect())
}
