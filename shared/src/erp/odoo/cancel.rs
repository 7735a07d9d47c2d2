//! Sales orders that are cancelled, by their id.
//!
//! Odoo cancels a delivered or invoiced order without a word, and its delivery and its invoice stay: it is looked at before. Cancelled
//! already is as good as cancelled now.

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{
    Odoo,
    orders::{Just, Setbacks, in_doubt},
    records::{Model, Record, gone},
    wire::{Arguments, raw},
};
use crate::{
    Error, Kind,
    domain::{
        document::{Action, Document, Operation},
        reason::Why,
    },
    erp::{Draft, Job, SendError, booking::Halving, cannot},
    outbound::Calls,
};

/// The body of a draft.
#[derive(Serialize, Deserialize)]
struct Cancellation {
    document: Document,
}

/// What is sent to cancel a sale: nothing has to be resolved for it.
pub(super) fn draft(job: &Job) -> Result<Draft, SendError> {
    let Action::Cancel { document } = &job.step.action else { return Err(cannot(job.step.operation())) };
    let body = raw(&Cancellation { document: document.clone() }).get().to_owned();
    Ok(Draft { reference: job.step.reference.clone(), body, remark: None })
}

impl Odoo {
    /// Cancels sales orders, each by itself.
    pub(super) async fn cancel(&self, calls: &Calls<'_>, drafts: &[Draft]) -> Vec<Result<Document, SendError>> {
        let sale = |draft: &Draft| {
            let Cancellation { document } = serde_json::from_str(&draft.body).ok()?;
            Some((document.id.parse::<i64>().ok()?, draft.reference.clone(), document))
        };
        let sales: Option<Vec<_>> = drafts.iter().map(sale).collect();
        let Some(sales) = sales else {
            let bug = || SendError::Refused(Error::new(Kind::Bug, "a document's id is not one of Odoo's"));
            return drafts.iter().map(|_| Err(bug())).collect();
        };
        let ids: Vec<i64> = sales.iter().map(|(id, ..)| *id).collect();
        let read = async { Ok((self.by_id(calls, Model::Sale, &ids).await?, self.lines(calls, &ids).await?)) };
        let (mut found, lines) = match read.await {
            Ok(read) => read,
            Err(send_error) => return super::orders::all(drafts, &send_error),
        };
        let gone = gone(&lines);
        let mut setbacks = Setbacks::new();
        let mut open = Vec::new();
        for (id, reference, document) in &sales {
            let name = document.name().to_owned();
            let too_late = |because: &str| {
                let (operation, because) = (Operation::Cancel, because.to_owned());
                SendError::Refused(Why::TooLate { operation, document: name.clone(), because }.into())
            };
            // After Odoo was set up anew another order may have its id.
            match found.get(id).filter(|sale| sale.is_of(reference)) {
                None => {
                    setbacks.insert(*id, SendError::Refused(Why::SaleGone { document: name.clone() }.into()));
                }
                Some(sale) if sale.is_cancelled() => {}
                Some(sale) => match gone.get(id) {
                    Some(because) => drop(setbacks.insert(*id, too_late(because))),
                    None if sale.is_locked() => drop(setbacks.insert(*id, too_late("it is locked there"))),
                    None => open.push(*id),
                },
            }
        }
        let mut halving = Halving::of(open.clone());
        while let Some(ids) = halving.take() {
            // Without this 17 and 18 answer with a question for a person, and cancel nothing.
            let arguments = Arguments::of(&ids).in_context("disable_cancel_warning", true);
            let outcome: Result<IgnoredAny, _> =
                self.server.write(calls, Model::Sale.name(), "action_cancel", arguments).await;
            halving.came(ids, outcome);
        }
        setbacks.extend(halving.failed());
        let cancelled: Vec<i64> = open.into_iter().filter(|id| !setbacks.contains_key(id)).collect();
        if !cancelled.is_empty() {
            match self.by_id(calls, Model::Sale, &cancelled).await {
                Ok(now) => {
                    let stands = |id: &&i64| !now.get(id).is_some_and(Record::is_cancelled);
                    let doubt =
                        || Error::new(Kind::Unavailable, "Odoo did not cancel the order, and did not refuse to");
                    setbacks.extend(cancelled.iter().filter(stands).map(|id| (*id, SendError::Unknown(doubt()))));
                    found.extend(now);
                }
                Err(send_error) => {
                    let send_error = in_doubt(send_error, Just::Written);
                    setbacks.extend(cancelled.iter().map(|id| (*id, send_error.clone())));
                }
            }
        }
        let answer = |(id, _, on_record): &(i64, _, Document)| match setbacks.remove(id) {
            Some(send_error) => Err(send_error),
            None => Ok(found.get(id).map_or_else(|| on_record.clone(), Record::document)),
        };
        sales.iter().map(answer).collect()
    }
}
