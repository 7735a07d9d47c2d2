//! Creating documents in one call, and reading what became of each.
//!
//! A draft carries the store's total beside the rendered document, so that the ERP's own total can be compared.

use std::collections::HashSet;

use minijinja::{Value as Data, context};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    Rest,
    answer::{Verdict, What, failed, items, read, text_at, value, words_at},
    map::{self, Resolved},
};
use crate::{
    Error, Kind, Result,
    domain::{document::Document, money::Amount, reason::Why},
    erp::{Bulk, Draft, Job, SendError, repeatable, totals::Balancing},
    outbound::{Answer, Metered},
};

/// What a draft's body holds.
#[derive(Serialize, Deserialize)]
struct Rendered<'a> {
    total: Amount,
    #[serde(borrow)]
    document: &'a RawValue,
}

/// What the templates of `create` can use: the documents as JSON text.
pub(super) fn data(drafts: &[Draft]) -> Result<Data> {
    let mut texts = Vec::with_capacity(drafts.len());
    for draft in drafts {
        texts.push(rendered(draft)?.document.get());
    }
    Ok(context! {
        document => texts.first().map(|text| Data::from_safe_string((*text).to_owned())),
        documents => Data::from_safe_string(format!("[{}]", texts.join(", "))),
        reference => drafts.first().map(|draft| draft.reference.as_str()),
        references => drafts.iter().map(|draft| draft.reference.as_str()).collect::<Data>(),
    })
}

fn rendered(draft: &Draft) -> Result<Rendered<'_>> {
    serde_json::from_str(&draft.body).map_err(|_| Error::new(Kind::Bug, "the draft is not one of this connector's"))
}

impl Rest {
    /// Renders one sale's document.
    pub(super) fn draft(&self, sale: &Job, resolved: &Resolved<'_>, booked: Balancing) -> Result<Draft> {
        let document = self.templates.json("document", &map::document(sale, resolved, booked))?;
        let document =
            RawValue::from_string(document).map_err(|_| Error::new(Kind::Bug, "the document is not JSON"))?;
        let body = serde_json::to_string(&Rendered { total: sale.order.total, document: &document })
            .map_err(|error| Error::new(Kind::Bug, "the draft cannot be written").caused_by(error))?;
        let remark = booked.remark(sale.order.currency.code());
        Ok(Draft { reference: sale.step.reference.clone(), body, remark })
    }

    /// One call for all, one answer for each.
    pub(super) async fn documents(&self, calls: &Metered, drafts: &[Draft]) -> Vec<Result<Document, SendError>> {
        let alike = |verdict: &Verdict| drafts.iter().map(|_| Err(verdict.send_error())).collect();
        let request = &self.section.create;
        let data = match data(drafts) {
            Ok(data) if drafts.len() <= self.section.bulk_limit => data,
            Ok(_) => {
                return alike(&Verdict::new(What::NotNow, Kind::Bug, "more documents than bulk_limit in one call"));
            }
            Err(error) => return alike(&Verdict::new(What::NotNow, error.kind(), error.to_string())),
        };
        let key = drafts.first().map(|draft| draft.reference.as_str());
        let outcomes = match self.ask(calls, "create", request, &data, key).await {
            Err(failure) => return alike(&failed(&failure, true)),
            Ok(answer) => self.outcomes(drafts, &answer),
        };
        self.finish_new(calls, outcomes).await
    }

    /// What became of each draft.
    fn outcomes(&self, drafts: &[Draft], answer: &Answer) -> Vec<Result<Made, Verdict>> {
        let request = &self.section.create;
        let alike = |verdict: Verdict| drafts.iter().map(|_| Err(verdict.clone())).collect();
        let many = drafts.len() > 1;
        let body = match read("create", request, answer, true) {
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
                    return alike(verdict.in_doubt("a bulk was refused, and a part of it may have been created"));
                }
                // Under a status of refusal the items can still say each its own.
                Bulk::PerItem => match value(&answer.body) {
                    Some(body) if items(request, &body).is_some_and(|items| items.len() == drafts.len()) => body,
                    _ => return alike(verdict.in_doubt("the bulk's answer does not say what became of each document")),
                },
            },
        };
        let Some(items) = items(request, &body) else {
            return alike(Verdict::unknown("the answer to create has nothing at items"));
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
            let mut said = ours.into_iter().map(|item| self.outcome(draft, item));
            let first =
                said.next().ok_or_else(|| Verdict::unknown("the answer to create does not tell of this document"))?;
            // Created and refused, or created twice: which of them is true is not for us to guess.
            if said.all(|other| is_same(&first, &other)) {
                first
            } else {
                Err(Verdict::unknown("the answer to create contradicts itself about this document"))
            }
        });
        unshared(told.collect())
    }

    /// What one item says.
    fn outcome(&self, draft: &Draft, item: &Value) -> Result<Made, Verdict> {
        let request = &self.section.create;
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
        let Some(id) = text_at(request.id.as_ref(), item) else {
            return Err(Verdict::unknown("the answer to create has no id for this document"));
        };
        self.compare(draft, item, &id)?;
        let document = Document { id, number: text_at(request.number.as_ref(), item) };
        let state = request.state.as_ref().and_then(|state| state.of(item)).and_then(Value::as_str);
        Ok(Made { document, finished: state.is_some_and(|state| self.is_final(state)) })
    }

    /// The document exists: a total that differs cannot be a refusal any more, and must not look like a success. It is left in
    /// doubt, and the look-up, which compares too, gives it to a person.
    fn compare(&self, draft: &Draft, item: &Value, id: &str) -> Result<(), Verdict> {
        let Some(pointer) = &self.section.create.total else { return Ok(()) };
        let erp = text_at(Some(pointer), item).and_then(|text| Amount::parse(&text).ok());
        let id = repeatable(id);
        let store = rendered(draft).map_err(|error| Verdict::unknown(error.to_string()))?.total;
        match erp {
            Some(erp) if erp == store => Ok(()),
            Some(erp) => Err(Verdict::unknown(format!(
                "the ERP made document {id} with the total {erp}, the store says {store}: compare them"
            ))),
            None => Err(Verdict::unknown(format!("the ERP made document {id} and does not tell its total"))),
        }
    }

    /// Takes what was created to the final state. It exists whatever comes of that, so a failure only leaves it in doubt: the
    /// look-up finds it unfinished.
    async fn finish_new(
        &self,
        calls: &Metered,
        outcomes: Vec<Result<Made, Verdict>>,
    ) -> Vec<Result<Document, SendError>> {
        let open: Vec<Document> =
            outcomes.iter().flatten().filter(|made| !made.finished).map(|made| made.document.clone()).collect();
        let finished = if open.is_empty() { Vec::new() } else { self.finished(calls, &open).await };
        let mut finished = finished.into_iter();
        outcomes
            .into_iter()
            .map(|outcome| {
                let made = outcome.map_err(|verdict| verdict.send_error())?;
                if made.finished {
                    return Ok(made.document);
                }
                let doubt = |error: Error| SendError::Unknown(error.within("created, but not finished"));
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

/// A document as `create` told of it.
#[derive(PartialEq)]
struct Made {
    document: Document,
    finished: bool,
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
            Draft { reference: key.sale(), body: r#"{"total":"1","document":{}}"#.to_owned(), remark: None }
        };
        let drafts: Vec<Draft> = (1..=orders).map(draft).collect();
        let answer =
            Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: bytes::Bytes::from(body.to_owned()) };
        let outcomes = rest.outcomes(&drafts, &answer).into_iter();
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
