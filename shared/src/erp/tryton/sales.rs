//! Sales in Tryton: created together, taken on together.
//!
//! Whatever happens after the create call succeeded, the sales are there: only a refusal or a success is certain then, and
//! everything else is UNKNOWN, to be looked up and finished.

use std::collections::{HashMap, HashSet};

use iso_currency::Currency;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{
    State, Tryton,
    wire::{self, FoundSale, parameters},
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Document, Operation},
        reason::{Reason, Why},
    },
    erp::{Draft, SendError, booking::Halving, repeatable, totals::stored},
    outbound::Metered,
};

/// What became of sales, by id. Missing: so far so good.
pub(super) type Setbacks = HashMap<i64, SendError>;

/// What was done a moment ago to sales that are taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Just {
    /// They were created, as drafts.
    Created,
    /// They were changed, as drafts.
    Amended,
    /// Nothing: each may stand anywhere.
    Found,
}

impl Tryton {
    /// Creates sales, or return sales, all or none.
    pub(super) async fn create_sales(
        &self,
        calls: &Metered,
        operation: Operation,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        if drafts.is_empty() {
            return Vec::new();
        }
        let all = |send_error: &SendError| drafts.iter().map(|_| Err(send_error.clone())).collect();
        let bodies: Result<Vec<&RawValue>, _> = drafts.iter().map(|draft| serde_json::from_str(&draft.body)).collect();
        let Ok(bodies) = bodies else {
            return all(&SendError::Refused(Error::new(Kind::Bug, "the rendered sale is not JSON")));
        };
        let created: Result<wire::Ids, _> =
            self.server.write(calls, "model.sale.sale.create", parameters![bodies]).await;
        match created {
            // One sale is never two orders.
            Ok(ids) if ids.len() == drafts.len() && ids.iter().collect::<HashSet<_>>().len() == ids.len() => {
                self.take_on(calls, &ids, Just::Created, self.target(operation)).await
            }
            Ok(_) => {
                all(&SendError::Unknown(Error::new(Kind::Unavailable, "Tryton answered for another number of sales")))
            }
            Err(send_error) => all(&send_error),
        }
    }

    /// Takes sales that were found to the configured state.
    pub(super) async fn finish_sales(
        &self,
        calls: &Metered,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        if documents.is_empty() {
            return Vec::new();
        }
        let ids: Result<Vec<i64>, _> = documents.iter().map(|document| document.id.parse()).collect();
        let Ok(ids) = ids else {
            let bug = || Err(SendError::Refused(Error::new(Kind::Bug, "a document's id is not one of Tryton's")));
            return documents.iter().map(|_| bug()).collect();
        };
        self.take_on(calls, &ids, Just::Found, self.target(operation)).await
    }

    /// Takes sales to the state `target`.
    pub(super) async fn take_on(
        &self,
        calls: &Metered,
        ids: &[i64],
        just: Just,
        target: State,
    ) -> Vec<Result<Document, SendError>> {
        let mut setbacks = Setbacks::new();
        let outcome = self.steps(calls, ids, (just, target), &mut setbacks).await;
        let (found, failed) = match outcome {
            Ok(found) => (found, None),
            Err(send_error) => (HashMap::new(), Some(send_error)),
        };
        let answer = |id: &i64| {
            if let Some(send_error) = setbacks.remove(id) {
                return Err(send_error);
            }
            if let Some(send_error) = &failed {
                return Err(in_doubt(send_error.clone(), just));
            }
            found.get(id).map(FoundSale::document).ok_or_else(|| {
                SendError::Unknown(Error::new(
                    Kind::Unavailable,
                    "the sale was in Tryton and is not to be seen any more",
                ))
            })
        };
        ids.iter().map(answer).collect()
    }

    /// The calls, each for all sales: quote, read, confirm, process. The error is everybody's.
    async fn steps(
        &self,
        calls: &Metered,
        ids: &[i64],
        (just, target): (Just, State),
        setbacks: &mut Setbacks,
    ) -> Result<HashMap<i64, FoundSale>, SendError> {
        let are_drafts = just != Just::Found;
        let standing = if are_drafts { HashMap::new() } else { self.by_id(calls, ids).await? };
        let drafts: Vec<i64> = if are_drafts {
            ids.to_vec()
        } else {
            ids.iter().copied().filter(|id| standing.get(id).is_some_and(|sale| sale.state == "draft")).collect()
        };
        let quoted = target > State::Draft && !drafts.is_empty();
        if quoted {
            self.transition(calls, "quote", drafts, just, setbacks).await?;
        }
        // One read tells the numbers, the states, and whether Tryton came to the store's totals.
        let found = if are_drafts || quoted { self.by_id(calls, ids).await? } else { standing };
        let wrong = check(&found, setbacks);
        if just == Just::Created && !wrong.is_empty() {
            self.undo(calls, &found, &wrong, setbacks).await;
        }
        let at = |state: &str, setbacks: &Setbacks| -> Vec<i64> {
            let there = |id: &i64| found.get(id).is_some_and(|sale| sale.state == state) && !setbacks.contains_key(id);
            ids.iter().copied().filter(there).collect()
        };
        if target >= State::Confirmed {
            let quotations = at("quotation", setbacks);
            self.transition(calls, "confirm", quotations, just, setbacks).await?;
        }
        if target >= State::Processing {
            let mut confirmed = at("quotation", setbacks);
            confirmed.extend(at("confirmed", setbacks));
            self.transition(calls, "process", confirmed, just, setbacks).await?;
        }
        Ok(found)
    }

    /// Presses a button on all of them. Where Tryton refuses one it refuses all: it is found by halving.
    async fn transition(
        &self,
        calls: &Metered,
        button: &str,
        ids: Vec<i64>,
        just: Just,
        setbacks: &mut Setbacks,
    ) -> Result<(), SendError> {
        let failed = self.press(calls, button, ids).await;
        for (id, send_error) in failed {
            let SendError::Refused(error) = send_error else {
                // Those that went through before are not known from those that did not: all are looked up.
                return Err(in_doubt(send_error, just));
            };
            let why = Why::NotTakenOn { step: button.to_owned(), because: Box::new(Reason::of(&error)) };
            setbacks.insert(id, SendError::Refused(why.into()));
        }
        Ok(())
    }

    /// Presses a button on sales: those on which it did not work, and why.
    pub(super) async fn press(&self, calls: &Metered, button: &str, ids: Vec<i64>) -> Vec<(i64, SendError)> {
        let method = format!("model.sale.sale.{button}");
        let mut halving = Halving::of(ids);
        while let Some(ids) = halving.take() {
            let outcome = self.server.write(calls, &method, parameters![ids]).await;
            halving.came(ids, outcome);
        }
        halving.failed()
    }

    /// Takes back sales that were just created with a wrong total, so that it is true that nothing happened.
    async fn undo(&self, calls: &Metered, found: &HashMap<i64, FoundSale>, wrong: &[i64], setbacks: &mut Setbacks) {
        let quotations: Vec<i64> =
            wrong.iter().copied().filter(|id| found.get(id).is_some_and(|sale| sale.state != "draft")).collect();
        let mut undone = Ok(IgnoredAny);
        if !quotations.is_empty() {
            undone = self.server.write(calls, "model.sale.sale.cancel", parameters![quotations]).await;
        }
        if undone.is_ok() {
            undone = self.server.write(calls, "model.sale.sale.delete", parameters![wrong]).await;
        }
        if undone.is_err() {
            for (id, send_error) in setbacks.iter_mut().filter(|(id, _)| wrong.contains(id)) {
                if let SendError::Refused(error) = send_error {
                    let because = Box::new(Reason::of(error));
                    *send_error = SendError::Refused(Why::NotTakenBack { document: id.to_string(), because }.into());
                }
            }
        }
    }
}

/// Cancelled sales, and those whose total is not the store's: which ids are of the second kind.
fn check(found: &HashMap<i64, FoundSale>, setbacks: &mut Setbacks) -> Vec<i64> {
    let mut wrong = Vec::new();
    for (id, sale) in found {
        let document = sale.number.as_deref().map_or_else(|| id.to_string(), repeatable);
        if State::of(&sale.state).is_none() {
            let why = Why::SaleCancelled { document, state: repeatable(&sale.state) };
            setbacks.insert(*id, SendError::Refused(why.into()));
            continue;
        }
        let (Some((_, total)), Some(is)) = (sale.mark(), sale.total_amount) else { continue };
        if is.0 != total {
            let currency = sale.currency.as_ref().and_then(|currency| Currency::from_code(&currency.code));
            let why = Why::MadeOtherwise { currency, store: stored(total), erp: stored(is.0) };
            setbacks.entry(*id).or_insert_with(|| SendError::Refused(why.into()));
            wrong.push(*id);
        }
    }
    wrong
}

/// Once the sales were written everything but a refusal is in doubt.
fn in_doubt(send_error: SendError, just: Just) -> SendError {
    match send_error {
        SendError::NotNow(error) | SendError::Account(error) | SendError::Ambiguous(error) if just != Just::Found => {
            SendError::Unknown(error)
        }
        other => other,
    }
}
