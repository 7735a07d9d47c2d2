//! A credit note is a return sale: a sale of its own, of what came back, with negative quantities.
//!
//! Tryton makes from it, once it is processed, the credit note of its invoice and a return shipment. What moves no goods must therefore
//! not stand on it as an article that is shipped:
//! - nothing comes back into stock: the articles stand on it all the same, so that the money is taken from where it was booked, and its
//!   shipment is left to a person (`shipment_method = "manual"`), who has nothing to do for it;
//! - some come back and others do not: only one shipment can be made of a sale, so that the others are credited in money, on the service
//!   `products.refund`, with what they were in the text. The price of that: their revenue is taken from that product's account.

use rust_decimal::Decimal;

use super::Tryton;
use crate::{
    Result,
    domain::{
        document::{Action, Document},
        order,
        reason::Why,
    },
    erp::{Draft, Job, SendError, repeatable},
    outbound::Metered,
};

/// The sale that a job gives back of; `None`: it is no credit note.
pub(super) fn of(job: &Job) -> Option<&Document> {
    match &job.step.action {
        Action::Credit { sale, .. } => Some(sale),
        Action::Create | Action::Amend { .. } | Action::Cancel { .. } => None,
    }
}

/// Whether anything comes back into stock.
fn moves_goods(job: &Job) -> bool {
    job.order.lines.iter().any(comes_back)
}

fn comes_back(line: &order::Line) -> bool {
    line.restock == Some(true)
}

/// Whether a job is a credit note of which nothing comes back into stock.
pub(super) fn is_left_unshipped(job: &Job) -> bool {
    of(job).is_some() && !job.order.lines.is_empty() && !moves_goods(job)
}

/// Whether a line is credited in money, and not as an article. A gift card is owed, not shipped.
pub(super) fn in_money(job: &Job, line: &order::Line) -> bool {
    of(job).is_some() && moves_goods(job) && !comes_back(line) && !line.gift_card
}

/// The sign of its quantities.
pub(super) fn sign(job: &Job) -> Decimal {
    if of(job).is_some() { Decimal::NEGATIVE_ONE } else { Decimal::ONE }
}

/// The record that Tryton calls the origin of a return sale.
pub(super) fn origin(job: &Job) -> Option<String> {
    // Of an id that is none of Tryton's the return sale says nothing.
    let id: i64 = of(job)?.id.parse().ok()?;
    Some(format!("sale.sale,{id}"))
}

impl Tryton {
    /// Of rendered credit notes those whose sale stands: what a person cancelled is in no books, and nothing of it can be given back.
    pub(super) async fn of_standing_sales(
        &self,
        calls: &Metered,
        jobs: &[Job],
        drafts: Vec<Result<Draft, SendError>>,
    ) -> Vec<Result<Draft, SendError>> {
        // An id that is none of Tryton's tells nothing.
        let sale = |job: &Job| of(job)?.id.parse::<i64>().ok();
        let ids: Vec<i64> =
            jobs.iter().zip(&drafts).filter(|(_, draft)| draft.is_ok()).filter_map(|(job, _)| sale(job)).collect();
        if ids.is_empty() {
            return drafts;
        }
        let found = self.by_id(calls, &ids).await;
        let judged = |(job, draft): (&Job, Result<Draft, SendError>)| {
            let draft = draft?;
            let Some((id, document)) = sale(job).zip(of(job)) else { return Ok(draft) };
            let document = document.name().to_owned();
            match found.as_ref().map_err(Clone::clone)?.get(&id) {
                None => Err(SendError::Refused(Why::SaleGone { document }.into())),
                Some(sale) if sale.state == "cancelled" => {
                    Err(SendError::Refused(Why::SaleCancelled { document, state: repeatable(&sale.state) }.into()))
                }
                Some(_) => Ok(draft),
            }
        };
        jobs.iter().zip(drafts).map(judged).collect()
    }
}
