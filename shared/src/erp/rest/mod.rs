//! Any ERP with an HTTP interface that speaks JSON: requests are templates, answers are read by JSON Pointers.
//!
//! It is how an integrator reaches an ERP that Puente does not know, without writing code. The invariant of every connector
//! holds here too: an error says "for certain nothing happened" only where that is certain, see `answer.rs`.
//!
//! Amounts leave as the exact text of the canonical order. Unknown shapes are why answers are read as `serde_json::Value`;
//! no amount in them is booked, a total is only compared.

mod answer;
#[cfg(test)]
mod changes;
mod config;
mod foreseen;
#[cfg(feature = "fixtures")]
mod kit;
mod look_up;
mod map;
mod prepare;
mod request;
mod send;
mod stock;
mod template;
#[cfg(test)]
mod tests;
mod trial;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use minijinja::{Value as Data, context};
use url::Url;

use self::{
    answer::{read, words_at},
    config::wrong,
    request::{Name, Request},
    template::{Templates, unusable},
};
use super::{Capabilities, Draft, Erp, Found, Job, Patience, Probed, Row, SendError, cannot, stock::Stock};
use crate::{
    Result,
    config::Links,
    domain::{
        document::{Document, Operation, Step},
        ids::{ConnectionId, OrderKey},
    },
    outbound::{Answer, Call, Calls, Failure, Metered},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "rest",
    build: |section| Ok(Box::new(Rest::build(section.read()?)?)),
    links: |_| Links::default(),
    example: include_str!("example.toml"),
    #[cfg(feature = "fixtures")]
    kit: &kit::KIT,
};

/// An ERP described by its section.
struct Rest {
    section: config::Section,
    base: String,
    headers: HeaderMap,
    templates: Templates,
    /// The operations through whose template of the document a charge of rounding comes.
    carries_rounding: Vec<Operation>,
}

impl Rest {
    fn build(section: config::Section) -> Result<Self> {
        section.check()?;
        let (base, headers) = (section.base()?, headers(&section)?);
        let templates = Templates::compile(&section)?;
        let mut rest = Self { section, base, headers, templates, carries_rounding: Vec::new() };
        rest.try_templates()?;
        rest.try_rounding()?;
        rest.try_base()?;
        Ok(rest)
    }

    /// The call of a request, rendered.
    fn call(&self, named: Name, request: &Request, data: &Data, idempotency: Option<&str>) -> Result<Call> {
        let name = named.as_str();
        let path = self.templates.path(&format!("{name}.path"), data)?;
        let url = Url::parse(&format!("{}{path}", self.base))
            .map_err(|error| unusable(format!("{name}.path does not render to a URL: {error}")))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| wrong(format!("{name}.method: is not an HTTP method")))?;
        let mut headers = self.headers.clone();
        let body = match self.body(named, request, data)? {
            Some(body) => {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                Bytes::from(body)
            }
            None => Bytes::new(),
        };
        let mut add = |setting: &str, header: &str, value: &str| -> Result<()> {
            let told = || unusable(format!("{name}.{setting} cannot be sent as a header"));
            let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| told())?;
            headers.insert(header, HeaderValue::from_str(value).map_err(|_| told())?);
            Ok(())
        };
        if let (Some(header), Some(key)) = (&request.idempotency_header, idempotency) {
            add("idempotency_header", header, key)?;
        }
        for header in request.headers.keys() {
            add("headers", header, &self.templates.header(name, header, data)?)?;
        }
        Ok(Call { method, url, headers, body, timeout: self.section.timeout })
    }

    fn body(&self, name: Name, request: &Request, data: &Data) -> Result<Option<String>> {
        if request.body.is_some() {
            return self.templates.json(&format!("{}.body", name.as_str()), data).map(Some);
        }
        // What makes or changes documents, and has no template of its own for that, sends them as they are.
        let makes = [Operation::Create, Operation::Amend, Operation::Credit];
        let Some(operation) = makes.into_iter().find(|operation| Name::from(*operation) == name) else {
            return Ok(None);
        };
        let own = if self.section.limit(operation) == 1 { "document" } else { "documents" };
        Ok(Some(data.get_attr(own).map(|text| text.to_string()).unwrap_or_default()))
    }

    /// Makes the call of a request: an answer of any status, or why there is none.
    async fn ask(
        &self,
        calls: &Metered,
        name: Name,
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
        self.section.operation(operation)?;
        let (class, max_bulk) = (self.section.class_of(operation), self.section.limit(operation));
        Some(Capabilities { class, bulk: self.section.bulk, max_bulk })
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
        if self.section.operation(operation).is_none() {
            return jobs.iter().map(|_| Err(cannot(operation))).collect();
        }
        match operation {
            // It has no document: only the sale's id is sent.
            Operation::Cancel => jobs.iter().map(|job| Self::bare(job).map_err(SendError::Refused)).collect(),
            Operation::Create | Operation::Amend | Operation::Credit => {
                self.drafts(calls.http, calls.ids, jobs, afresh).await
            }
        }
    }

    async fn send(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        match self.section.operation(operation) {
            Some(request) => self.documents(calls.http, operation, request, drafts).await,
            None => drafts.iter().map(|_| Err(cannot(operation))).collect(),
        }
    }

    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        self.found(calls.http, steps).await
    }

    async fn finish(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        self.finished(calls.http, operation, documents).await
    }

    fn stock(&self) -> Option<&dyn Stock> {
        self.section.stock.as_ref().map(|_| self as &dyn Stock)
    }

    async fn probe(&self, calls: &Calls<'_>) -> Result<Probed> {
        let Some(request) = &self.section.probe else {
            // A reference nobody has asks for nothing but an answer.
            let nobody = OrderKey::new(ConnectionId::try_from("puente".to_owned())?, "probe".to_owned().try_into()?);
            self.look_up(calls, &[Step::create(nobody.sale())]).await.map_err(SendError::into_error)?;
            return Ok(format!("{} answers look_up", self.base).into());
        };
        let answer = self.ask(calls.http, Name::Probe, request, &context! {}, None).await?;
        let body = read("probe", request, &answer, false).map_err(|verdict| verdict.error())?;
        let name = words_at(request.number.as_ref(), &body);
        Ok(name.unwrap_or_else(|| format!("{} answers {}", self.base, answer.status.as_u16())).into())
    }
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
