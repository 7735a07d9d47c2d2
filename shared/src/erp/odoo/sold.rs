//! The sales that refunds give back of, as they stand in Odoo.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    credit::{self, Sold},
    domain,
    resolve::Resolver,
};
use crate::erp::{Job, SendError};

impl Resolver<'_> {
    /// The sales that are given back of, by their ids.
    pub(super) async fn sold(&self, jobs: &[Job]) -> Result<HashMap<String, Sold>, SendError> {
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
        let ids: Vec<i64> = jobs.iter().filter_map(|job| credit::of(job)?.id.parse().ok()).collect();
        let found: Vec<Sale> =
            self.search("sale.order", &domain![("id", "in", ids)], &["state", "invoice_ids"]).await?;
        let all: Vec<i64> = found.iter().flat_map(|sale| sale.invoice_ids.iter().copied()).collect();
        let posted: Vec<Invoice> = if all.is_empty() {
            Vec::new()
        } else {
            let posted = domain![("id", "in", all), ("move_type", "=", "out_invoice"), ("state", "=", "posted")];
            self.search("account.move", &posted, &["id"]).await?
        };
        let sold = |sale: Sale| {
            let mut of = posted.iter().filter(|invoice| sale.invoice_ids.contains(&invoice.id));
            let invoice = of.next().filter(|_| of.next().is_none()).map(|invoice| invoice.id);
            (sale.id.to_string(), Sold { state: sale.state, invoice })
        };
        Ok(found.into_iter().map(sold).collect())
    }
}
