//! Any ERP with an HTTP interface that speaks JSON: requests are templates, answers are read by JSON Pointers.
//!
//! It is how an integrator reaches an ERP that Puente does not know, without writing code. The invariant of every connector
//! holds here too: an error says "for certain nothing happened" only where that is certain, see `answer.rs`.
//!
//! Amounts leave as the exact text of the canonical order. Unknown shapes are why answers are read as `serde_json::Value`;
//! no amount in them is booked, a total is only compared.

mod answer;
mod config;
mod create;
mod foreseen;
#[cfg(feature = "fixtures")]
mod kit;
mod map;
mod prepare;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use minijinja::{Value as Data, context};
use rust_decimal::Decimal;
use serde_json::Value;
use url::Url;

use self::{
    answer::{Verdict, What, items, read, text_at, words_at},
    config::{Name, Request, wrong},
    template::{Templates, unusable},
};
use super::{Capabilities, Draft, Erp, Found, Job, Patience, Row, SendError, totals::Balancing};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Document, Operation, Step},
        ids::{ConnectionId, OrderKey},
        money::Amount,
        order::Order,
        rules::Rules,
        version::Version,
    },
    outbound::{Answer, Call, Calls, Failure, Metered},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "rest",
    build: |section| Ok(Box::new(Rest::build(section.read()?)?)),
    example: include_str!("example.toml"),
    #[cfg(feature = "fixtures")]
    kit: &kit::KIT,
};

/// A rounding to try the template with.
const MORE_THAN_EVER: Decimal = Decimal::TEN;

/// An ERP described by its section.
struct Rest {
    section: config::Section,
    base: String,
    headers: HeaderMap,
    templates: Templates,
    /// Whether a charge of rounding comes through the template of the document.
    carries_rounding: bool,
}

impl Rest {
    fn build(section: config::Section) -> Result<Self> {
        section.check()?;
        let (base, headers) = (section.base()?, headers(&section)?);
        let templates = Templates::compile(&section)?;
        let mut rest = Self { section, base, headers, templates, carries_rounding: true };
        rest.try_templates()?;
        rest.carries_rounding = rest.tries_rounding()?;
        if rest.section.tax_rounding.is_some() && !rest.carries_rounding {
            return Err(wrong(
                "tax_rounding: needs a `document` that goes through all of order.charges, where rounding stands",
            ));
        }
        Ok(rest)
    }

    /// Whether the document of the sample order is another one with a charge of rounding.
    fn tries_rounding(&self) -> Result<bool> {
        let (sale, resolved) = (sample()?, map::Resolved::trial());
        let some = Balancing { rounding: MORE_THAN_EVER, adjustment: Decimal::ZERO };
        Ok(self.draft(&sale, &resolved, some)?.body != self.draft(&sale, &resolved, Balancing::default())?.body)
    }

    /// Renders everything once with an invented order: a misspelt field is told now, not by the first order of the day.
    fn try_templates(&self) -> Result<()> {
        let sale = sample()?;
        let reference = sale.step.reference.clone();
        let buyer = map::customer_reference(&sale).unwrap_or_else(|| reference.clone());
        let draft = self.draft(&sale, &map::Resolved::trial(), Balancing::default())?;
        let create = create::data(&[draft])?;
        let document = [Document { id: "1".to_owned(), number: Some("S1".to_owned()) }];
        for (name, request) in self.section.requests() {
            let data = match name {
                Name::Create => create.clone(),
                Name::LookUp | Name::FindCustomers => prepare::wanted("references", "reference", &[reference.as_str()]),
                Name::Products => prepare::wanted("skus", "sku", &["MATE-01"]),
                Name::Customers => prepare::buyers(&[map::buyer(&sale, &buyer)]),
                Name::Finish => finishing(&document),
                Name::Probe => context! {},
            };
            let rendered = self.call(name.as_str(), request, &data, None);
            rendered.map_err(|error| wrong(format!("tried with a sample order, {error}")))?;
        }
        Ok(())
    }

    /// The call of a request, rendered.
    fn call(&self, name: &str, request: &Request, data: &Data, idempotency: Option<&str>) -> Result<Call> {
        let path = self.templates.path(&format!("{name}.path"), data)?;
        let url = Url::parse(&format!("{}{path}", self.base))
            .map_err(|error| unusable(format!("{name}.path does not render to a URL: {error}")))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| wrong(format!("{name}.method: is not an HTTP method")))?;
        let mut headers = self.headers.clone();
        let body = match self.body(name, request, data)? {
            Some(body) => {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                Bytes::from(body)
            }
            None => Bytes::new(),
        };
        if let (Some(header), Some(key)) = (&request.idempotency_header, idempotency) {
            let told = || unusable(format!("{name}.idempotency_header cannot carry this reference"));
            let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| told())?;
            headers.insert(name, HeaderValue::from_str(key).map_err(|_| told())?);
        }
        Ok(Call { method, url, headers, body, timeout: self.section.timeout })
    }

    fn body(&self, name: &str, request: &Request, data: &Data) -> Result<Option<String>> {
        if request.body.is_some() {
            return self.templates.json(&format!("{name}.body"), data).map(Some);
        }
        // A create without a template of its own posts the documents as they are.
        let own = if self.section.bulk_limit == 1 { "document" } else { "documents" };
        Ok((name == "create").then(|| data.get_attr(own).map(|text| text.to_string()).unwrap_or_default()))
    }

    /// Makes the call of a request: an answer of any status, or why there is none.
    async fn ask(
        &self,
        calls: &Metered,
        name: &str,
        request: &Request,
        data: &Data,
        idempotency: Option<&str>,
    ) -> Result<Answer, Failure> {
        let call = self.call(name, request, data, idempotency).map_err(Failure::NotSent)?;
        calls.send(call).await
    }
}

#[async_trait]
impl Erp for Rest {
    fn can(&self, operation: Operation) -> Option<Capabilities> {
        let config::Section { class, bulk, bulk_limit: max_bulk, .. } = self.section;
        match operation {
            Operation::Create => Some(Capabilities { class, bulk, max_bulk }),
        }
    }

    fn patience(&self) -> Patience {
        let timeout = self.section.timeout;
        Patience { timeout, settle: self.section.settle.unwrap_or(timeout * 2) }
    }

    async fn prepare(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        jobs: &[Job],
        afresh: bool,
    ) -> Vec<Result<Draft, SendError>> {
        match operation {
            Operation::Create => self.drafts(calls.http, calls.ids, jobs, afresh).await,
        }
    }

    async fn send(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        match operation {
            Operation::Create => self.documents(calls.http, drafts).await,
        }
    }

    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        let Some(request) = &self.section.look_up else {
            let words = "this ERP is configured without look_up: only a person can say whether the document exists";
            return Err(SendError::Account(Error::new(Kind::Refused, words)));
        };
        let mut found: Vec<Option<Found>> = Vec::with_capacity(steps.len());
        for chunk in steps.chunks(request.at_most()) {
            let names: Vec<&str> = chunk.iter().map(|step| step.reference.as_str()).collect();
            let data = prepare::wanted("references", "reference", &names);
            let answer = self.ask(calls.http, "look_up", request, &data, None).await;
            let answer = answer.map_err(|failure| match failure {
                // Perhaps for what was asked for.
                Failure::Unknown(error) => SendError::Unknown(error),
                failure @ Failure::NotSent(_) => answer::failed(&failure, false).send_error(),
            })?;
            let seen = self.seen(request, &answer).map_err(|verdict| verdict.send_error())?;
            found.extend(names.iter().map(|name| one_of(&seen, name)));
        }
        Ok(found)
    }

    async fn finish(&self, calls: &Calls<'_>, documents: &[Document]) -> Vec<Result<Document, SendError>> {
        self.finished(calls.http, documents).await
    }

    async fn probe(&self, calls: &Calls<'_>) -> Result<String> {
        let Some(request) = &self.section.probe else {
            // A reference nobody has asks for nothing but an answer.
            let nobody = OrderKey::new(ConnectionId::try_from("puente".to_owned())?, "probe".to_owned().try_into()?);
            self.look_up(calls, &[Step::create(nobody.sale())]).await.map_err(SendError::into_error)?;
            return Ok(format!("{} answers look_up", self.base));
        };
        let answer = self.ask(calls.http, "probe", request, &context! {}, None).await?;
        let body = read("probe", request, &answer, false).map_err(|verdict| verdict.error())?;
        let name = words_at(request.number.as_ref(), &body);
        Ok(name.unwrap_or_else(|| format!("{} answers {}", self.base, answer.status.as_u16())))
    }
}

impl Rest {
    /// Every document of a look-up's answer, with the reference it carries.
    fn seen(&self, request: &Request, answer: &Answer) -> Result<Vec<(String, Found)>, Verdict> {
        if request.none.contains(&answer.status.as_u16()) {
            return Ok(Vec::new());
        }
        let body = read("look_up", request, answer, false)?;
        let foreign = |what: &str| Verdict::new(What::Account, Kind::Unavailable, format!("look_up: {what}"));
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
            let finished = self.is_finished(request, item);
            Ok((reference, Found { document, version, finished }))
        });
        read.collect()
    }

    fn is_finished(&self, request: &Request, item: &Value) -> bool {
        let Some(state) = &request.state else { return true };
        self.section.finish.is_none() || state.of(item).and_then(Value::as_str).is_some_and(|s| self.is_final(s))
    }

    fn is_final(&self, state: &str) -> bool {
        self.section.finished.iter().any(|finished| finished == state)
    }

    /// Takes documents to the final state, in as few calls as `at_most` allows.
    async fn finished(&self, calls: &Metered, documents: &[Document]) -> Vec<Result<Document, SendError>> {
        let Some(request) = &self.section.finish else {
            return documents.iter().cloned().map(Ok).collect();
        };
        let mut outcomes = Vec::with_capacity(documents.len());
        for chunk in documents.chunks(request.at_most()) {
            let verdict = match self.ask(calls, "finish", request, &finishing(chunk), None).await {
                Err(failure) => Some(answer::failed(&failure, true)),
                // What an ERP says after finishing is nobody's business, as long as it is a success.
                Ok(answer) if request.is_ok(answer.status.as_u16()) && request.error.is_none() => None,
                Ok(answer) => read("finish", request, &answer, true).err(),
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

/// The one document that carries `reference`. Two of them are a person's to compare, so they are adopted without a version.
fn one_of(seen: &[(String, Found)], reference: &str) -> Option<Found> {
    let mut ours = seen.iter().filter(|(carried, _)| carried == reference).map(|(_, found)| found);
    let first = ours.next()?;
    let alone = ours.all(|other| other.document.id == first.document.id);
    Some(Found { version: first.version.clone().filter(|_| alone), ..first.clone() })
}

/// Our version in a field that may hold other words beside it.
fn version_in(text: &str) -> Option<Version> {
    text.split_whitespace().rev().find_map(|word| word.parse().ok())
}

/// Whether the ERP's total is the store's, as far as both are told.
fn same_total(request: &Request, item: &Value) -> bool {
    let Some(total) = &request.total else { return true };
    let read = |pointer| text_at(pointer, item).and_then(|text| Amount::parse(&text).ok());
    // Their scale is no matter: 10 is 10.00.
    matches!((read(Some(total)), read(request.stated_total.as_ref())), (Some(erp), Some(store)) if erp == store)
}

fn finishing(documents: &[Document]) -> Data {
    let of = |document: &Document| context! { id => &document.id, number => &document.number };
    context! { documents => documents.iter().map(of).collect::<Data>(), document => documents.first().map(of) }
}

fn headers(section: &config::Section) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let plain = section.headers.iter().map(|(name, value)| (name, value.as_str(), false));
    let secret = section.secret_headers.iter().map(|(name, value)| (name, value.expose(), true));
    for (name, value, sensitive) in plain.chain(secret) {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| wrong(format!("headers: {name:?} is not the name of a header")))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| wrong(format!("headers: the value of {name:?} cannot be sent in a header")))?;
        value.set_sensitive(sensitive);
        headers.insert(key, value);
    }
    Ok(headers)
}

fn sample() -> Result<Job> {
    let order: Order = serde_json::from_str(map::SAMPLE)
        .map_err(|error| Error::new(Kind::Bug, "the sample order cannot be read").caused_by(error))?;
    let key = OrderKey::new(ConnectionId::try_from("acme-shop".to_owned())?, order.id.clone());
    Ok(Job {
        step: Step::create(key.sale()),
        version: order.version(),
        key,
        order: Arc::new(order),
        rules: Arc::new(Rules::default()),
    })
}
