//! Sales that are cancelled, by their id.
//!
//! Tryton lets a draft and a quotation be cancelled; a confirmed sale goes back to draft first. What it processes has a shipment and an
//! invoice of its own, which no button takes back: those are a person's. Cancelled already is as good as cancelled now.

use serde::{Deserialize, Serialize};

use super::{State, Tryton, sales::Setbacks};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Action, Document, Operation},
        reason::Why,
    },
    erp::{Draft, Job, SendError, cannot},
    outbound::Metered,
};

/// The body of a draft.
#[derive(Serialize, Deserialize)]
struct Cancellation {
    document: Document,
}

/// What is sent to cancel a sale: nothing has to be resolved for it.
pub(super) fn draft(job: &Job) -> Result<Draft, SendError> {
    let Action::Cancel { document } = &job.step.action else { return Err(cannot(job.step.operation())) };
    let body = super::wire::raw(&Cancellation { document: document.clone() }).get().to_owned();
    Ok(Draft { reference: job.step.reference.clone(), body, remark: None })
}

impl Tryton {
    /// Cancels sales, each by itself.
    pub(super) async fn cancel_sales(&self, calls: &Metered, drafts: &[Draft]) -> Vec<Result<Document, SendError>> {
        let sale = |draft: &Draft| {
            let Cancellation { document } = serde_json::from_str(&draft.body).ok()?;
            Some((document.id.parse().ok()?, draft.reference.as_str().to_owned(), document))
        };
        let sales: Option<Vec<(i64, String, Document)>> = drafts.iter().map(sale).collect();
        let Some(sales) = sales else {
            let bug = || SendError::Refused(Error::new(Kind::Bug, "a document's id is not one of Tryton's"));
            return drafts.iter().map(|_| Err(bug())).collect();
        };
        if sales.is_empty() {
            return Vec::new();
        }
        let ids: Vec<i64> = sales.iter().map(|(id, ..)| *id).collect();
        let found = match self.by_id(calls, &ids).await {
            Ok(found) => found,
            Err(send_error) => return sales.iter().map(|_| Err(send_error.clone())).collect(),
        };
        let mut setbacks = Setbacks::new();
        let (mut confirmed, mut open) = (Vec::new(), Vec::new());
        for (id, reference, document) in &sales {
            let document = document.name().to_owned();
            // After Tryton was set up anew another sale may have its id.
            let Some(sale) = found.get(id).filter(|sale| sale.web_id.as_ref() == Some(reference)) else {
                setbacks.insert(*id, SendError::Refused(Why::SaleGone { document }.into()));
                continue;
            };
            match State::of(&sale.state) {
                None if sale.state == "cancelled" => {}
                Some(State::Draft | State::Quotation) => open.push(*id),
                Some(State::Confirmed) => confirmed.push(*id),
                Some(State::Processing) | None => {
                    let (operation, because) = (Operation::Cancel, sale.standing());
                    let why = Why::TooLate { operation, document, because };
                    setbacks.insert(*id, SendError::Refused(why.into()));
                }
            }
        }
        if !confirmed.is_empty() {
            setbacks.extend(self.press(calls, "draft", confirmed.clone()).await);
            open.extend(confirmed.into_iter().filter(|id| !setbacks.contains_key(id)));
        }
        if !open.is_empty() {
            setbacks.extend(self.press(calls, "cancel", open).await);
        }
        let answer = |(id, _, on_record): &(i64, String, Document)| match setbacks.remove(id) {
            Some(send_error) => Err(send_error),
            None => Ok(found.get(id).map_or_else(|| on_record.clone(), super::wire::FoundSale::document)),
        };
        sales.iter().map(answer).collect()
    }
}
