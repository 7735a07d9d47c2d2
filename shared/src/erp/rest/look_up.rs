//! Looking documents up and taking them to the configured state.
//!
//! A sale that was cancelled is found like any other: only its state tells. "Not there" is said only of an answer that was read whole.

use minijinja::{Value as Data, context};
use serde_json::Value;

use super::{
    Rest,
    answer::{self, Verdict, What, items, read, text_at},
    config::Section,
    map,
    prepare::wanted,
    request::{Name, Request},
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Action, Document, Operation, Step},
        money::Amount,
        version::Version,
    },
    erp::{Found, SendError},
    outbound::{Answer, Failure, Metered},
};

/// A document as a look-up lists it.
#[derive(Debug)]
pub(super) struct Seen {
    reference: String,
    document: Document,
    version: Option<Version>,
    state: Option<String>,
}

impl Rest {
    /// What is there of each step.
    pub(super) async fn found(&self, calls: &Metered, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        let mut found = vec![None; steps.len()];
        for name in [Name::LookUp, Name::LookUpCredits] {
            let mut asked: Vec<(&mut Option<Found>, &Step)> = found.iter_mut().zip(steps).collect();
            asked.retain(|(_, step)| self.section.looks_up(step.operation()) == name);
            if asked.is_empty() {
                continue;
            }
            let Some(request) = self.section.request(name) else {
                let words = "this ERP is configured without look_up: only a person can say whether the document exists";
                return Err(SendError::Account(Error::new(Kind::Refused, words)));
            };
            for chunk in asked.chunks_mut(request.at_most()) {
                let references: Vec<&str> = chunk.iter().map(|(_, step)| step.reference.as_str()).collect();
                let data = wanted("references", "reference", &references);
                let answer = self.ask(calls, name, request, &data, None).await;
                let answer = answer.map_err(|failure| match failure {
                    // Perhaps for what was asked for.
                    Failure::Unknown(error) => SendError::Unknown(error),
                    failure @ Failure::NotSent(_) => answer::failed(&failure, false).send_error(),
                })?;
                let seen = self.seen(name, request, &answer).map_err(|verdict| verdict.send_error())?;
                for (found, step) in chunk {
                    **found = self.one_of(&seen, step);
                }
            }
        }
        Ok(found)
    }

    /// Every document of a look-up's answer, with the reference it carries.
    pub(super) fn seen(&self, name: Name, request: &Request, answer: &Answer) -> Result<Vec<Seen>, Verdict> {
        if request.none.contains(&answer.status.as_u16()) {
            return Ok(Vec::new());
        }
        let name = name.as_str();
        let body = read(name, request, answer, false)?;
        let foreign = |what: &str| Verdict::new(What::Account, Kind::Unavailable, format!("{name}: {what}"));
        let items = items(request, &body).ok_or_else(|| foreign("the answer has nothing at items"))?;
        let read = items.into_iter().map(|item| {
            // An item that cannot be read might be the very one that was asked for: "not there" would be a guess.
            let reference =
                text_at(request.reference.as_ref(), item).ok_or_else(|| foreign("an item has no reference"))?;
            let id = text_at(request.id.as_ref(), item).ok_or_else(|| foreign("an item has no id"))?;
            let document = Document { id, number: text_at(request.number.as_ref(), item) };
            let version = text_at(request.version.as_ref(), item).as_deref().and_then(version_in);
            // Totals that differ: adopted blindly, the difference would be hidden for good.
            let version = version.filter(|_| same_total(request, item));
            let state = request.state.as_ref().and_then(|state| state.of(item)).and_then(state_of);
            // Without a state it might be one that was cancelled.
            let untold = state.is_none() && request.state.is_some() && !self.section.cancelled.is_empty();
            if untold { Err(foreign("an item has no state")) } else { Ok(Seen { reference, document, version, state }) }
        });
        read.collect()
    }

    /// The one document that is the step's: it carries the step's reference, and is the very sale where the step is about one. Two of
    /// them are a person's to compare, so they are found without a version, unless all but one were cancelled.
    pub(super) fn one_of(&self, seen: &[Seen], step: &Step) -> Option<Found> {
        let ours = || seen.iter().filter(|seen| seen.reference == step.reference.as_str());
        let stands = |seen: &&Seen| !self.is_cancelled(seen);
        let one = match &step.action {
            Action::Amend { document, .. } | Action::Cancel { document } => {
                ours().find(|seen| seen.document.id == document.id)
            }
            Action::Create | Action::Credit { .. } => ours().find(stands).or_else(|| ours().next()),
        }?;
        // Of cancelled ones too there is only one that is known to be ours.
        let alone = if stands(&one) {
            ours().filter(stands).all(|other| other.document.id == one.document.id)
        } else {
            ours().all(|other| other.document.id == one.document.id) || matches!(step.action, Action::Cancel { .. })
        };
        let cancelled = self.is_cancelled(one);
        Some(Found {
            document: one.document.clone(),
            version: one.version.clone().filter(|_| alone),
            // What was cancelled must not be confirmed.
            finished: cancelled || self.is_finished(step.operation(), one),
            cancelled,
        })
    }

    fn is_cancelled(&self, seen: &Seen) -> bool {
        seen.state.as_ref().is_some_and(|state| self.section.cancelled.contains(state))
    }

    fn is_finished(&self, operation: Operation, seen: &Seen) -> bool {
        let finish = Section::finishes(operation).and_then(|name| self.section.request(name));
        let told =
            self.section.request(self.section.looks_up(operation)).is_some_and(|look_up| look_up.state.is_some());
        finish.is_none() || !told || seen.state.as_deref().is_some_and(|state| self.is_final(state))
    }

    /// Whether a document in this state needs no finish.
    pub(super) fn is_final(&self, state: &str) -> bool {
        self.section.finished.iter().any(|finished| finished == state)
    }

    /// Takes what an operation made to the final state, in as few calls as `at_most` allows.
    pub(super) async fn finished(
        &self,
        calls: &Metered,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        let name = Section::finishes(operation);
        let Some((name, request)) = name.and_then(|name| Some((name, self.section.request(name)?))) else {
            return documents.iter().cloned().map(Ok).collect();
        };
        let mut outcomes = Vec::with_capacity(documents.len());
        for chunk in documents.chunks(request.at_most()) {
            let verdict = match self.ask(calls, name, request, &finishing(chunk), None).await {
                Err(failure) => Some(answer::failed(&failure, true)),
                // What an ERP says after finishing is nobody's business, as long as it is a success.
                Ok(answer) if request.is_ok(answer.status.as_u16()) && request.error.is_none() => None,
                Ok(answer) => read(name.as_str(), request, &answer, true).err(),
            };
            // "It is already" is what was wanted.
            let verdict = verdict.filter(|verdict| verdict.what != What::Exists);
            outcomes.extend(chunk.iter().map(|document| match &verdict {
                None => Ok(document.clone()),
                Some(verdict) => Err(verdict.send_error()),
            }));
        }
        outcomes
    }
}

/// Our version in a field that may hold other words beside it.
pub(super) fn version_in(text: &str) -> Option<Version> {
    text.split_whitespace().rev().find_map(|word| word.parse().ok())
}

/// A state as text: some ERPs have a number, or a flag.
pub(super) fn state_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether the ERP's total is the store's, as far as both are told.
fn same_total(request: &Request, item: &Value) -> bool {
    let Some(total) = &request.total else { return true };
    let read = |pointer| text_at(pointer, item).and_then(|text| Amount::parse(&text).ok());
    // Their scale is no matter: 10 is 10.00.
    matches!((read(Some(total)), read(request.stated_total.as_ref())), (Some(erp), Some(store)) if erp == store)
}

/// What the templates of `finish` can use.
pub(super) fn finishing(documents: &[Document]) -> Data {
    let all = documents.iter().map(map::target).collect::<Data>();
    context! { documents => all, document => documents.first().map(map::target) }
}
