//! Sales orders and credit notes: loaded together, looked at, and taken on together.
//!
//! Whatever happens after the load succeeded, the documents are there: only a refusal or a success is certain then, and everything else
//! is UNKNOWN, to be looked up and finished. Totals and currencies are compared *before* anything is confirmed: Odoo takes the currency
//! of an order from its pricelist, whatever it was told.

use std::collections::{HashMap, HashSet};

use serde::de::IgnoredAny;

use super::{
    Odoo,
    load::{self, Known, Loaded},
    map::Body,
    records::{Model, Record},
    wire::Arguments,
};
use crate::{
    Error, Kind,
    domain::{
        document::{Document, Operation},
        money::Amount,
        reason::{Reason, Why},
    },
    erp::{Draft, SendError, booking::Halving, totals::stored},
    outbound::Calls,
};

/// What became of documents, by id. Missing: so far so good.
pub(super) type Setbacks = HashMap<i64, SendError>;

/// What was done a moment ago to documents that are taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Just {
    /// They were written, by us.
    Written,
    /// Nothing: each may stand anywhere.
    Found,
}

/// The answers for `drafts` where none of them can be understood.
pub(super) fn all(drafts: &[Draft], send_error: &SendError) -> Vec<Result<Document, SendError>> {
    drafts.iter().map(|_| Err(send_error.clone())).collect()
}

/// What drafts say; all of one operation have the same columns.
pub(super) fn bodies(drafts: &[Draft]) -> Result<Vec<Body>, SendError> {
    let bodies: Result<Vec<Body>, _> = drafts.iter().map(|draft| serde_json::from_str(&draft.body)).collect();
    let bug = || SendError::Refused(Error::new(Kind::Bug, "the rendered document is none of this connector's"));
    let bodies = bodies.map_err(|_| bug())?;
    let alike = bodies.windows(2).all(|two| matches!(two, [one, other] if one.fields == other.fields));
    if alike { Ok(bodies) } else { Err(bug()) }
}

/// The columns that all of them have.
pub(super) fn fields(bodies: &[Body]) -> Vec<&str> {
    bodies.first().map(|body| body.fields.iter().map(String::as_str).collect()).unwrap_or_default()
}

impl Odoo {
    /// Makes what is not there yet of sales orders, or of credit notes.
    pub(super) async fn create(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        let bodies = match bodies(drafts) {
            Ok(bodies) => bodies,
            Err(send_error) => return all(drafts, &send_error),
        };
        let model = Model::of(operation);
        let rows = bodies.iter().map(|body| body.rows.clone()).collect();
        let loaded = match load::load(self, calls, (model.name(), Known::Kept), &fields(&bodies), rows).await {
            Ok(loaded) => loaded,
            Err(send_error) => return all(drafts, &send_error),
        };
        let id = |loaded: &Loaded| match loaded {
            Loaded::There(ids) => ids.first().copied(),
            Loaded::Refused(_) | Loaded::Later => None,
        };
        let ids: Vec<i64> = loaded.iter().filter_map(id).collect();
        // One document is never two orders.
        if ids.iter().collect::<HashSet<_>>().len() != ids.len() {
            let words = "Odoo answered with one document for two orders";
            return all(drafts, &SendError::Unknown(Error::new(Kind::Unavailable, words)));
        }
        let (found, mut setbacks) = match self.by_id(calls, model, &ids).await {
            Ok(found) => (found, Setbacks::new()),
            Err(send_error) => {
                let in_doubt = in_doubt(send_error, Just::Written);
                (HashMap::new(), ids.iter().map(|id| (*id, in_doubt.clone())).collect())
            }
        };
        let mut wrong = Vec::new();
        for (body, loaded) in bodies.iter().zip(&loaded) {
            let Some(record) = id(loaded).and_then(|id| found.get(&id)) else { continue };
            match unlike(record, body) {
                Some(Unlike::Another(send_error)) => {
                    setbacks.insert(record.id, send_error);
                }
                Some(Unlike::Wrong(why)) => {
                    setbacks.insert(record.id, SendError::Refused(why.into()));
                    wrong.push(record.id);
                }
                None => {}
            }
        }
        self.undo(calls, model, &wrong, &found, &mut setbacks).await;
        if self.takes_on(operation) {
            self.press(calls, model, &found, Just::Written, &mut setbacks).await;
        }
        if model == Model::Sale {
            self.invoice(calls, &found, Just::Written, &mut setbacks).await;
        }
        // A credit note has its number once it is posted.
        let numbered = model == Model::CreditNote && self.takes_on(operation) && found.len() > setbacks.len();
        let found = if numbered { self.by_id(calls, model, &ids).await.unwrap_or(found) } else { found };
        let answer = |loaded: Loaded| match loaded {
            Loaded::Refused(error) => Err(SendError::Refused(error)),
            Loaded::Later => Err(load::later()),
            Loaded::There(ids) => answer_of(ids.first().copied(), &found, &mut setbacks),
        };
        loaded.into_iter().map(answer).collect()
    }

    /// Takes documents that were found to the configured state.
    pub(super) async fn finish_found(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        let ids: Result<Vec<i64>, _> = documents.iter().map(|document| document.id.parse()).collect();
        let Ok(ids) = ids else {
            let bug = || SendError::Refused(Error::new(Kind::Bug, "a document's id is not one of Odoo's"));
            return documents.iter().map(|_| Err(bug())).collect();
        };
        self.take_on(calls, operation, &ids, Just::Found).await
    }

    /// Looks at documents and takes those that come to the total of their mark to the configured state.
    pub(super) async fn take_on(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        ids: &[i64],
        just: Just,
    ) -> Vec<Result<Document, SendError>> {
        let model = Model::of(operation);
        let found = match self.by_id(calls, model, ids).await {
            Ok(found) => found,
            Err(send_error) => {
                let send_error = in_doubt(send_error, just);
                return ids.iter().map(|_| Err(send_error.clone())).collect();
            }
        };
        let mut setbacks = Setbacks::new();
        for record in found.values() {
            if record.is_cancelled() {
                setbacks.insert(record.id, SendError::Refused(cancelled(record).into()));
            } else if !record.adds_up() {
                let store = record.mark().map(|(_, total)| total).unwrap_or_default();
                let why = Why::MadeOtherwise {
                    currency: record.currency(),
                    store: stored(store),
                    erp: stored(record.total()),
                };
                setbacks.insert(record.id, SendError::Refused(why.into()));
            }
        }
        if self.takes_on(operation) {
            self.press(calls, model, &found, just, &mut setbacks).await;
        }
        if model == Model::Sale {
            self.invoice(calls, &found, just, &mut setbacks).await;
        }
        ids.iter().map(|id| answer_of(Some(*id), &found, &mut setbacks)).collect()
    }

    /// Confirms sales orders, or posts credit notes, that are drafts. Odoo refuses all if one of them is to blame: it is found by halving.
    async fn press(
        &self,
        calls: &Calls<'_>,
        model: Model,
        found: &HashMap<i64, Record>,
        just: Just,
        setbacks: &mut Setbacks,
    ) {
        let draft = |record: &&Record| record.is_draft() && !setbacks.contains_key(&record.id);
        let mut drafts: Vec<i64> = found.values().filter(draft).map(|record| record.id).collect();
        drafts.sort_unstable();
        let mut halving = Halving::of(drafts);
        while let Some(ids) = halving.take() {
            let outcome: Result<IgnoredAny, _> =
                self.server.write(calls, model.name(), model.button(), Arguments::of(&ids)).await;
            halving.came(ids, outcome);
        }
        let failed = halving.failed();
        let refused = failed.iter().filter(|(_, send_error)| matches!(send_error, SendError::Refused(_)));
        let refused: Vec<i64> = refused.map(|(id, _)| *id).collect();
        // What was confirmed since it was read is refused too, and is as it should be: a call whose answer was lost may still be at
        // work, and so may people.
        let now = self.by_id(calls, model, &refused).await;
        for (id, send_error) in failed {
            let send_error = match (send_error, &now) {
                (SendError::Refused(_), Err(unread)) => in_doubt(unread.clone(), just),
                (SendError::Refused(error), Ok(now)) => {
                    if now.get(&id).is_some_and(Record::is_taken_on) {
                        continue;
                    }
                    stuck(model.step(), SendError::Refused(error))
                }
                (send_error, _) => in_doubt(send_error, just),
            };
            setbacks.insert(id, send_error);
        }
    }

    /// Deletes drafts that were just made with a wrong total, so that it is true that nothing happened.
    async fn undo(
        &self,
        calls: &Calls<'_>,
        model: Model,
        wrong: &[i64],
        found: &HashMap<i64, Record>,
        setbacks: &mut Setbacks,
    ) {
        if wrong.is_empty() {
            return;
        }
        let undone: Result<IgnoredAny, _> =
            self.server.write(calls, model.name(), "unlink", Arguments::of(wrong)).await;
        if undone.is_ok() {
            return;
        }
        for id in wrong {
            if let Some(SendError::Refused(error)) = setbacks.get(id) {
                let because = Box::new(Reason::of(error));
                let document =
                    found.get(id).map_or_else(|| id.to_string(), |record| record.document().name().to_owned());
                setbacks.insert(*id, SendError::Refused(Why::NotTakenBack { document, because }.into()));
            }
        }
    }
}

/// Why a document that was loaded is not the one that was meant.
enum Unlike {
    /// It was there before.
    Another(SendError),
    /// It was made now, and Odoo made something else of it.
    Wrong(Why),
}

fn unlike(record: &Record, body: &Body) -> Option<Unlike> {
    if record.is_cancelled() {
        return Some(Unlike::Another(SendError::Refused(cancelled(record).into())));
    }
    // An older step under the same name, or what a person made of it: the look-up tells.
    if record.version().as_ref() != Some(&body.version) {
        return Some(Unlike::Another(SendError::Exists));
    }
    let total = Amount::parse(&body.total).unwrap_or_default();
    let alike = record.total() == total.decimal() && record.currency_code() == Some(body.currency.as_str());
    let why = || Why::MadeOtherwise { currency: record.currency(), store: total, erp: stored(record.total()) };
    match record.is_draft() {
        _ if alike => None,
        true => Some(Unlike::Wrong(why())),
        // It was confirmed since: nothing is taken back.
        false => Some(Unlike::Another(SendError::Refused(why().into()))),
    }
}

fn cancelled(record: &Record) -> Why {
    Why::SaleCancelled { document: record.document().name().to_owned(), state: record.state.clone() }
}

fn answer_of(id: Option<i64>, found: &HashMap<i64, Record>, setbacks: &mut Setbacks) -> Result<Document, SendError> {
    let gone =
        || SendError::Unknown(Error::new(Kind::Unavailable, "the document was in Odoo and is not to be seen any more"));
    let id = id.ok_or_else(gone)?;
    match setbacks.remove(&id) {
        Some(send_error) => Err(send_error),
        None => found.get(&id).map(Record::document).ok_or_else(gone),
    }
}

/// Once documents were written everything but a refusal is in doubt.
pub(super) fn in_doubt(send_error: SendError, just: Just) -> SendError {
    match send_error {
        SendError::NotNow(error) | SendError::Account(error) | SendError::Ambiguous(error) if just == Just::Written => {
            SendError::Unknown(error)
        }
        other => other,
    }
}

/// What keeps an order that is there from its next step.
pub(super) fn stuck(step: &str, send_error: SendError) -> SendError {
    match send_error {
        SendError::Refused(error) => {
            let because = Box::new(Reason::of(&error));
            SendError::Refused(Why::NotTakenOn { step: step.to_owned(), because }.into())
        }
        other => other,
    }
}
