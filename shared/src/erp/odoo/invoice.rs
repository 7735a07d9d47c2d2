//! Invoices of confirmed sales orders, where the configuration wants them.
//!
//! They are made by Odoo's own wizard, of what may be invoiced: nothing, where the articles are invoiced as they are delivered. A second
//! invoice of the same lines is refused by Odoo, so a call that is made again does no harm.

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Odoo,
    config::InvoiceState,
    domain,
    orders::{Just, Setbacks, in_doubt, stuck},
    records::{Model, Record},
    wire::Arguments,
};
use crate::{
    erp::{SendError, booking::Halving},
    outbound::Calls,
};

const WIZARD: &str = "sale.advance.payment.inv";

impl Odoo {
    /// Invoices those sales orders among `found` that are confirmed by now, each by itself, and posts the invoices where that is wanted.
    pub(super) async fn invoice(
        &self,
        calls: &Calls<'_>,
        found: &HashMap<i64, Record>,
        just: Just,
        setbacks: &mut Setbacks,
    ) {
        let Some(wanted) = self.settings.invoice else { return };
        let mut ids: Vec<i64> = found.keys().copied().filter(|id| !setbacks.contains_key(id)).collect();
        ids.sort_unstable();
        let mut failed = Setbacks::new();
        if let Err(send_error) = self.invoiced(calls, wanted, &ids, &mut failed).await {
            for id in ids {
                failed.entry(id).or_insert_with(|| send_error.clone());
            }
        }
        // The orders are there, whatever became of their invoices.
        setbacks.extend(failed.into_iter().map(|(id, send_error)| (id, in_doubt(send_error, just))));
    }

    async fn invoiced(
        &self,
        calls: &Calls<'_>,
        wanted: InvoiceState,
        ids: &[i64],
        setbacks: &mut Setbacks,
    ) -> Result<(), SendError> {
        let mut sales = self.by_id(calls, Model::Sale, ids).await?;
        let open: Vec<i64> =
            ids.iter().copied().filter(|id| sales.get(id).is_some_and(Record::is_to_invoice)).collect();
        if !open.is_empty() {
            let failed = self.wizard(calls, &open).await?;
            sales = self.by_id(calls, Model::Sale, ids).await?;
            // Whoever was invoiced since it was read is refused too, and is as it should be.
            let still = failed.into_iter().filter(|(id, _)| sales.get(id).is_some_and(Record::is_to_invoice));
            setbacks.extend(still.map(|(id, send_error)| (id, stuck("invoice", send_error))));
        }
        if wanted == InvoiceState::Posted {
            self.post(calls, &sales, setbacks).await?;
        }
        Ok(())
    }

    /// Has the wizard make an invoice for each of these.
    async fn wizard(&self, calls: &Calls<'_>, ids: &[i64]) -> Result<Vec<(i64, SendError)>, SendError> {
        let edition = self.server.edition(calls).await?;
        // Where it cannot be told to keep them apart, a customer's orders would share one.
        let groups: Vec<&[i64]> = if edition.bills_apart() { vec![ids] } else { ids.chunks(1).collect() };
        let mut failed = Vec::new();
        for group in groups {
            let mut halving = Halving::of(group.to_vec());
            while let Some(ids) = halving.take() {
                let outcome = self.invoices_of(calls, &ids, edition.bills_apart()).await;
                halving.came(ids, outcome);
            }
            failed.extend(halving.failed());
        }
        Ok(failed)
    }

    async fn invoices_of(&self, calls: &Calls<'_>, ids: &[i64], apart: bool) -> Result<IgnoredAny, SendError> {
        #[derive(serde::Serialize)]
        struct Wizard {
            advance_payment_method: &'static str,
            sale_order_ids: [(u8, u8, Vec<i64>); 1],
            #[serde(skip_serializing_if = "Option::is_none")]
            consolidated_billing: Option<bool>,
        }
        let wizard = Wizard {
            advance_payment_method: "delivered",
            // Odoo's command to have exactly these.
            sale_order_ids: [(6, 0, ids.to_vec())],
            consolidated_billing: apart.then_some(false),
        };
        let of = |arguments: Arguments| {
            arguments.in_context("active_model", Model::Sale.name()).in_context("active_ids", ids)
        };
        let made: Vec<i64> =
            self.server.write(calls, WIZARD, "create", of(Arguments::new().with("vals_list", [wizard]))).await?;
        self.server.write(calls, WIZARD, "create_invoices", of(Arguments::of(&made))).await
    }

    /// Posts the invoices of sales orders that are drafts.
    async fn post(
        &self,
        calls: &Calls<'_>,
        sales: &HashMap<i64, Record>,
        setbacks: &mut Setbacks,
    ) -> Result<(), SendError> {
        let drafts = self.draft_invoices(calls, sales.values()).await?;
        if drafts.is_empty() {
            return Ok(());
        }
        let mut halving = Halving::of(drafts);
        while let Some(ids) = halving.take() {
            let outcome = self.server.write(calls, "account.move", "action_post", Arguments::of(&ids)).await;
            halving.came(ids, outcome);
        }
        let failed: HashMap<i64, SendError> = halving.failed().into_iter().collect();
        if failed.is_empty() {
            return Ok(());
        }
        let still = self.draft_invoices(calls, sales.values()).await?;
        for (sale, invoice) in sales.values().flat_map(|sale| sale.invoices().iter().map(move |id| (sale, id))) {
            if let Some(send_error) = failed.get(invoice).filter(|_| still.contains(invoice)) {
                setbacks.insert(sale.id, stuck("post the invoice of", send_error.clone()));
            }
        }
        Ok(())
    }

    /// The invoices of sales orders that are drafts.
    pub(super) async fn draft_invoices(
        &self,
        calls: &Calls<'_>,
        sales: impl Iterator<Item = &Record>,
    ) -> Result<Vec<i64>, SendError> {
        #[derive(Deserialize)]
        struct Invoice {
            id: i64,
        }
        let invoices: Vec<i64> = sales.flat_map(Record::invoices).copied().collect();
        if invoices.is_empty() {
            return Ok(Vec::new());
        }
        let drafts = domain![("id", "in", invoices), ("state", "=", "draft"), ("move_type", "=", "out_invoice")];
        let found: Vec<Invoice> = self.server.search(calls, "account.move", &drafts, &["id"]).await?;
        Ok(found.into_iter().map(|invoice| invoice.id).collect())
    }
}
