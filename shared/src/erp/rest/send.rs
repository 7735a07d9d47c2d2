//! Sending the documents of one operation in one call, and reading what became of each.
//!
//! A draft carries beside the rendered document what its step is about, and the store's total, so that the ERP's own can be
//! compared.

use std::collections::HashSet;

use minijinja::{Value as Data, context};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    Rest,
    answer::{Verdict, What, failed, items, read, text_at, value, words_at},
    look_up::state_of,
    map::{self, About, Resolved},
    request::{Name, Request},
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Action, Document, Operation},
        money::Amount,
        reason::Why,
        version::Version,
    },
    erp::{Bulk, Draft, Job, SendError, repeatable, totals::Balancing},
    outbound::{Answer, Metered},
};

/// What a draft's body holds.
#[derive(Serialize, Deserialize)]
struct Rendered<'a> {
    total: Amount,
    action: Action,
    version: Version,
    #[serde(borrow)]
    document: &'a RawValue,
}

/// What the templates of an operation's request can use: the documents as JSON text, and what they are about.
pub(super) fn data(drafts: &[Draft]) -> Result<Data> {
    let all = drafts.iter().map(rendered).collect::<Result<Vec<_>>>()?;
    let texts: Vec<&str> = all.iter().map(|one| one.document.get()).collect();
    let sales: Vec<Data> = all.iter().filter_map(|one| About::of(&one.action).sale.map(map::target)).collect();
    let first = all.first();
    let about = first.map(|one| About::of(&one.action)).unwrap_or_default();
    Ok(context! {
        document => texts.first().map(|text| Data::from_safe_string((*text).to_owned())),
        documents => Data::from_safe_string(format!("[{}]", texts.join(", "))),
        reference => drafts.first().map(|draft| draft.reference.as_str()),
        references => drafts.iter().map(|draft| draft.reference.as_str()).collect::<Data>(),
        version => first.map(|one| one.version.to_string()),
        sale => sales.first(),
        sales => sales.iter().cloned().collect::<Data>(),
        base => about.base,
        refund => about.refund,
    })
}

fn rendered(draft: &Draft) -> Result<Rendered<'_>> {
    serde_json::from_str(&draft.body).map_err(|_| Error::new(Kind::Bug, "the draft is not one of this connector's"))
}

impl Rest {
    /// Renders one job's document.
    pub(super) fn draft(&self, job: &Job, resolved: &Resolved<'_>, booked: Balancing) -> Result<Draft> {
        let operation = job.step.operation();
        let own = self.section.operation(operation).is_some_and(|request| request.document.is_some());
        let template = if own { format!("{}.document", operation.as_str()) } else { "document".to_owned() };
        let document = self.templates.json(&template, &map::document(job, resolved, booked))?;
        let remark = booked.remark(job.order.currency.code());
        Ok(Draft { remark, ..written(job, document)? })
    }

    /// The draft of a job that has no document.
    pub(super) fn bare(job: &Job) -> Result<Draft> {
        written(job, "null".to_owned())
    }

    /// One call for all, one answer for each.
    pub(super) async fn documents(
        &self,
        calls: &Metered,
        operation: Operation,
        request: &Request,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        let alike = |verdict: &Verdict| drafts.iter().map(|_| Err(verdict.send_error())).collect();
        let data = match data(drafts) {
            Ok(data) if drafts.len() <= self.section.limit(operation) => data,
            Ok(_) => {
                return alike(&Verdict::new(What::NotNow, Kind::Bug, "more documents than the limit in one call"));
            }
            Err(error) => return alike(&Verdict::new(What::NotNow, error.kind(), error.to_string())),
        };
        let key = drafts.first().map(|draft| draft.reference.as_str());
        let outcomes = match self.ask(calls, operation.into(), request, &data, key).await {
            Err(failure) => return alike(&failed(&failure, true)),
            Ok(answer) => self.outcomes(operation, request, drafts, &answer),
        };
        self.finish_new(calls, operation, outcomes).await
    }

    /// What became of each draft.
    pub(super) fn outcomes(
        &self,
        operation: Operation,
        request: &Request,
        drafts: &[Draft],
        answer: &Answer,
    ) -> Vec<Result<Made, Verdict>> {
        let alike = |verdict: Verdict| drafts.iter().map(|_| Err(verdict.clone())).collect();
        let (many, name) = (drafts.len() > 1, Name::from(operation).as_str());
        // The document is known: a success that says nothing is one.
        let known = || drafts.iter().map(Made::known).collect();
        let quiet = matches!(operation, Operation::Amend | Operation::Cancel) && request.is_quiet();
        let unsaid = request.error.is_none() || answer.body.is_empty();
        if quiet && unsaid && request.is_ok(answer.status.as_u16()) {
            return known();
        }
        let body = match read(name, request, answer, true) {
            Ok(body) if quiet && !request.tells_errors(&body) => return known(),
            Ok(body) => body,
            Err(verdict) if !many || !matches!(verdict.what, What::Refused | What::Exists) => return alike(verdict),
            // Several were refused together.
            Err(verdict) => match self.section.bulk {
                // One of them exists, or is wrong: bisected, it will say so alone.
                Bulk::Atomic if verdict.what == What::Exists => {
                    return alike(Verdict::refused("the ERP refused the bulk: one of the references exists"));
                }
                Bulk::Atomic => return alike(verdict),
                Bulk::Unknown => {
                    return alike(verdict.in_doubt("a bulk was refused, and a part of it may have been done"));
                }
                // Under a status of refusal the items can still say each its own.
                Bulk::PerItem => match value(&answer.body) {
                    Some(body) if items(request, &body).is_some_and(|items| items.len() == drafts.len()) => body,
                    _ => return alike(verdict.in_doubt("the bulk's answer does not say what became of each document")),
                },
            },
        };
        let Some(items) = items(request, &body) else {
            return alike(Verdict::unknown(format!("the answer to {name} has nothing at items")));
        };
        // Without a reference in the items, only as many as were asked for can be told apart by their place.
        if request.reference.is_none() && items.len() != drafts.len() {
            let words = format!("{} documents were sent, the answer tells of {}", drafts.len(), items.len());
            return alike(Verdict::unknown(words));
        }
        let told = drafts.iter().enumerate().map(|(place, draft)| {
            let named =
                |item: &&&Value| text_at(request.reference.as_ref(), item).as_deref() == Some(draft.reference.as_str());
            let ours: Vec<&&Value> = match request.reference {
                Some(_) => items.iter().filter(named).collect(),
                None => items.get(place).into_iter().collect(),
            };
            let mut said = ours.into_iter().map(|item| self.outcome(operation, request, draft, item));
            let first = said
                .next()
                .ok_or_else(|| Verdict::unknown(format!("the answer to {name} does not tell of this document")))?;
            // Done and refused, or done twice: which of them is true is not for us to guess.
            if said.all(|other| is_same(&first, &other)) {
                first
            } else {
                Err(Verdict::unknown(format!("the answer to {name} contradicts itself about this document")))
            }
        });
        unshared(told.collect())
    }

    /// What one item says.
    fn outcome(&self, operation: Operation, request: &Request, draft: &Draft, item: &Value) -> Result<Made, Verdict> {
        let words = words_at(request.error.as_ref(), item);
        let status = match request.status.as_ref().and_then(|status| status.of(item)) {
            None | Some(Value::Null) => None,
            Some(_) => {
                let status = text_at(request.status.as_ref(), item).and_then(|text| text.parse::<u16>().ok());
                Some(status.ok_or_else(|| Verdict::unknown("the ERP answered this document with no HTTP status"))?)
            }
        };
        let tail = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        match status {
            Some(status) if !request.is_ok(status) => {
                return Err(if status >= 500 || status == 408 || status < 400 {
                    Verdict::unknown(format!("the ERP answered this document with {status}{tail}"))
                } else if request.says_exists(status, words.as_deref()) {
                    Verdict::exists()
                } else if status == 403 {
                    Verdict::ambiguous(format!("the ERP refuses this document (403){tail}"))
                } else if matches!(status, 401 | 429) {
                    Verdict::new(
                        What::Account,
                        Kind::Limited,
                        format!("the ERP let the document wait ({status}){tail}"),
                    )
                } else {
                    Verdict::refused(Why::ErpRefused { request: None, status: Some(status), said: words })
                });
            }
            _ => {}
        }
        if let Some(said) = words {
            let exists = request.exists_text.as_deref().is_some_and(|sought| said.contains(sought));
            return Err(if exists {
                Verdict::exists()
            } else {
                Verdict::refused(Why::ErpRefused { request: None, status: None, said: Some(said) })
            });
        }
        let name = operation.as_str();
        let known = match operation {
            Operation::Create | Operation::Credit => None,
            Operation::Amend | Operation::Cancel => Some(Made::known(draft)?.document),
        };
        let id = match (text_at(request.id.as_ref(), item), &known) {
            (Some(id), Some(known)) if id != known.id => {
                let (told, meant) = (repeatable(&id), repeatable(&known.id));
                return Err(Verdict::unknown(format!("the answer to {name} is about document {told}, not {meant}")));
            }
            (Some(id), _) => id,
            (None, Some(known)) if request.id.is_none() => known.id.clone(),
            (None, _) => return Err(Verdict::unknown(format!("the answer to {name} has no id for this document"))),
        };
        compare(request, draft, item, &id)?;
        let number = text_at(request.number.as_ref(), item).or_else(|| known.as_ref()?.number.clone());
        let state = request.state.as_ref().and_then(|state| state.of(item)).and_then(state_of);
        let is_final = state.is_some_and(|state| self.is_final(&state));
        // A change leaves the state as it is, unless the section says where the answer has it.
        let finished = is_final || (known.is_some() && request.state.is_none());
        Ok(Made { document: Document { id, number }, finished })
    }

    /// Takes what was made to the final state. It exists whatever comes of that, so a failure only leaves it in doubt: the
    /// look-up finds it unfinished.
    async fn finish_new(
        &self,
        calls: &Metered,
        operation: Operation,
        outcomes: Vec<Result<Made, Verdict>>,
    ) -> Vec<Result<Document, SendError>> {
        let open: Vec<Document> =
            outcomes.iter().flatten().filter(|made| !made.finished).map(|made| made.document.clone()).collect();
        let finished = if open.is_empty() { Vec::new() } else { self.finished(calls, operation, &open).await };
        let mut finished = finished.into_iter();
        outcomes
            .into_iter()
            .map(|outcome| {
                let made = outcome.map_err(|verdict| verdict.send_error())?;
                if made.finished {
                    return Ok(made.document);
                }
                let doubt = |error: Error| SendError::Unknown(error.within("done, but not finished"));
                match finished.next() {
                    Some(Ok(document)) => Ok(document),
                    Some(Err(
                        SendError::Refused(error)
                        | SendError::NotNow(error)
                        | SendError::Account(error)
                        | SendError::Ambiguous(error)
                        | SendError::Unknown(error),
                    )) => Err(doubt(error)),
                    Some(Err(SendError::Exists)) | None => {
                        Err(doubt(Error::new(Kind::Bug, "finish did not tell of this document")))
                    }
                }
            })
            .collect()
    }
}

/// The document exists: a total that differs cannot be a refusal any more, and must not look like a success. It is left in
/// doubt, and the look-up, which compares too, gives it to a person.
fn compare(request: &Request, draft: &Draft, item: &Value, id: &str) -> Result<(), Verdict> {
    let Some(pointer) = &request.total else { return Ok(()) };
    let erp = text_at(Some(pointer), item).and_then(|text| Amount::parse(&text).ok());
    let id = repeatable(id);
    let store = rendered(draft).map_err(|error| Verdict::unknown(error.to_string()))?.total;
    match erp {
        Some(erp) if erp == store => Ok(()),
        Some(erp) => Err(Verdict::unknown(format!(
            "the ERP has document {id} with the total {erp}, the store says {store}: compare them"
        ))),
        None => Err(Verdict::unknown(format!("the ERP made document {id} and does not tell its total"))),
    }
}

/// Whether two items say the same of one document.
fn is_same(one: &Result<Made, Verdict>, other: &Result<Made, Verdict>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.what == other.what,
        _ => false,
    }
}

/// The outcomes, those in doubt that share a document: one document is never two orders.
fn unshared(outcomes: Vec<Result<Made, Verdict>>) -> Vec<Result<Made, Verdict>> {
    let mut seen = HashSet::new();
    let ids = outcomes.iter().flatten().map(|made| &made.document.id);
    let shared: HashSet<String> = ids.filter(|id| !seen.insert(*id)).cloned().collect();
    let each = |outcome: Result<Made, Verdict>| match outcome {
        Ok(made) if shared.contains(&made.document.id) => Err(Verdict::unknown(format!(
            "the ERP named one document ({}) for several orders",
            repeatable(&made.document.id)
        ))),
        other => other,
    };
    outcomes.into_iter().map(each).collect()
}

/// A draft of a job with this document, as JSON.
fn written(job: &Job, document: String) -> Result<Draft> {
    let document = RawValue::from_string(document).map_err(|_| Error::new(Kind::Bug, "the document is not JSON"))?;
    let (action, version) = (job.step.action.clone(), job.version.clone());
    let body = serde_json::to_string(&Rendered { total: job.order.total, action, version, document: &document })
        .map_err(|error| Error::new(Kind::Bug, "the draft cannot be written").caused_by(error))?;
    Ok(Draft { reference: job.step.reference.clone(), body, remark: None })
}

/// A document as an answer tells of it.
#[derive(PartialEq)]
pub(super) struct Made {
    pub(super) document: Document,
    finished: bool,
}

impl Made {
    /// The sale that a draft is about, changed or cancelled as it says.
    fn known(draft: &Draft) -> Result<Self, Verdict> {
        let rendered = rendered(draft).map_err(|error| Verdict::unknown(error.to_string()))?;
        let sale = About::of(&rendered.action).sale.cloned();
        let document = sale.ok_or_else(|| Verdict::unknown("the draft names no sale"))?;
        Ok(Self { document, finished: true })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::{config::Section, domain::ids::OrderKey};

    /// What an answer of 200 says of orders 1, 2, ...: an id, or which error.
    fn said(reference: &str, orders: usize, body: &str) -> Vec<Result<String, What>> {
        let section = format!(
            "url = 'https://erp.example'\nclass = 'unique'\ndocument = '{{}}'\nbulk_limit = 9\n\
             create = {{ method = 'POST', path = '/', id = '/id', status = '/status', error = '/error'{reference} }}\n\
             look_up = {{ method = 'GET', path = '/', reference = '/ref', id = '/id' }}"
        );
        let rest = Rest::build(Section::from_toml(&section).unwrap().read().unwrap()).unwrap();
        let draft = |order: usize| {
            let key = OrderKey::new("acme".parse().unwrap(), order.to_string().parse().unwrap());
            let sample = super::super::trial::sample(Operation::Create).unwrap();
            Draft { reference: key.sale(), ..Rest::bare(&sample).unwrap() }
        };
        let drafts: Vec<Draft> = (1..=orders).map(draft).collect();
        let answer =
            Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: bytes::Bytes::from(body.to_owned()) };
        let outcomes = rest.outcomes(Operation::Create, &rest.section.create, &drafts, &answer).into_iter();
        outcomes.map(|outcome| outcome.map(|made| made.document.id).map_err(|verdict| verdict.what)).collect()
    }

    const NAMED: &str = ", reference = '/ref'";

    #[test]
    fn an_answer_that_contradicts_itself_is_in_doubt() {
        let refused = r#"{"ref":"acme/1","error":"unknown article"}"#;
        let made = |id| format!(r#"{{"ref":"acme/1","id":"{id}"}}"#);
        for (one, other) in [(refused.to_owned(), made(7)), (made(7), refused.to_owned()), (made(7), made(8))] {
            assert_eq!(said(NAMED, 1, &format!("[{one},{other}]")), [Err(What::Unknown)], "{one} {other}");
        }
        // The same twice is no contradiction.
        assert_eq!(said(NAMED, 1, &format!("[{},{}]", made(7), made(7))), [Ok("7".to_owned())]);
    }

    #[test]
    fn one_document_is_never_two_orders() {
        let body = r#"[{"id":7},{"id":7},{"id":8}]"#;
        assert_eq!(said("", 3, body), [Err(What::Unknown), Err(What::Unknown), Ok("8".to_owned())]);
    }

    #[test]
    fn a_status_that_is_none_is_no_success() {
        for status in ["\"failed\"", "70000", "true", "[]"] {
            let body = format!(r#"[{{"ref":"acme/1","id":7,"status":{status}}}]"#);
            assert_eq!(said(NAMED, 1, &body), [Err(What::Unknown)], "{status}");
        }
    }
}
