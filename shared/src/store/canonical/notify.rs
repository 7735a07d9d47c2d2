//! What somebody's own system is told: stock, prices and shipments, each as one event, signed by the Standard Webhooks scheme.
//!
//! An event is sent once. What was not taken is told again by the flows, as to every store, with the pauses that they make. Any 2xx is
//! a yes: what it was told then is what it has, since nobody can ask it.
//!
//! Two things let it take an event that comes twice, or late, for what it is. `webhook-id` is the same for the same thing said: of
//! stock and prices the attempts, which are made once; of a shipment what is said of it, however often. `sequence` is when the event was
//! begun, in microseconds: of two events about one article, or one shipment, the higher one counts. A time, and no counter of ours: a
//! counter begins anew with a restored backup, and everything that is told then would be taken for old. And not the time of the call:
//! a process that stood still since it made a number, and sends it after a later one, would be believed.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::super::{
    answer,
    goods::{MOST, NewStock, NotSet},
    prices::NewPrice,
};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        money::Amount,
        price::Price,
        shipment::{NewFulfilment, Parcel},
    },
    outbound::{Call, Calls},
    webhook,
};

/// As long as the specification has senders wait.
const TIMEOUT: Duration = Duration::from_secs(20);

/// `notify` in the section: where events are sent, and what they are signed with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    url: String,
    secret: Secret,
}

/// The same, checked.
pub(super) struct Notify {
    /// For errors: the host.
    name: String,
    url: Url,
    secret: Secret,
}

/// An event, as the scheme wants it.
#[derive(Serialize)]
struct Event<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: T,
}

#[derive(Serialize)]
struct Articles<T> {
    articles: Vec<T>,
}

#[derive(Serialize)]
struct Stock<'a> {
    sku: &'a str,
    quantity: i64,
    sequence: i64,
}

#[derive(Serialize)]
struct Priced<'a> {
    sku: &'a str,
    #[serde(flatten)]
    price: &'a Price,
    sequence: i64,
}

/// What is said of a shipment, and when.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    told: &'a Told<'a>,
    sequence: i64,
}

/// What is said of a shipment, whenever it is said.
#[derive(Serialize)]
struct Told<'a> {
    order: &'a str,
    shipment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<&'a str>,
    parcels: &'a [Parcel],
    note: &'a str,
    notify: bool,
}

/// What was sent with it: of a new one.
#[derive(Serialize)]
struct Sent<'a> {
    lines: Vec<Line<'a>>,
    completes: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    line: &'a str,
    quantity: Amount,
}

impl Notify {
    pub(super) fn new(target: Target) -> Result<Self> {
        let refuse = |words: String| Err(Error::new(Kind::Config, words));
        let url: Url = match target.url.parse() {
            Ok(url) => url,
            Err(_) => return refuse("notify.url is not a URL such as https://erp.example/hooks".to_owned()),
        };
        // Plain http to another machine needs `allow_insecure`, see `config/plain_http.rs`.
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refuse("notify.url must be https".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("notify.url has credentials in it: what is sent there is signed instead".to_owned());
        }
        webhook::check_standard(&target.secret).map_err(|error| error.within("notify.secret"))?;
        if let Some(why) = target.secret.too_short() {
            return refuse(format!("notify.secret {why}"));
        }
        Ok(Self { name: url.host_str().unwrap_or_default().to_owned(), url, secret: target.secret })
    }

    /// Numbers: one event for all of them, or for each hundred.
    pub(super) async fn stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let mut answers = Vec::new();
        for part in stock.chunks(MOST) {
            let articles = part.iter().map(|new| {
                let sequence = new.begun.as_microsecond();
                Stock { sku: new.sku.as_str(), quantity: new.to, sequence }
            });
            let attempts: Vec<&str> = part.iter().map(|new| new.attempt.as_str()).collect();
            let begun = part.iter().map(|new| new.begun).max().unwrap_or_default();
            let taken = self.send(calls, "stock.changed", &attempts, begun, articles.collect()).await;
            answers.extend(part.iter().map(|new| taken.clone().map(|()| new.to)));
        }
        answers
    }

    /// Prices, in the same way.
    pub(super) async fn prices(&self, calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        let mut answers = Vec::new();
        for part in prices.chunks(MOST) {
            let articles = part.iter().map(|new| {
                let sequence = new.begun.as_microsecond();
                Priced { sku: new.sku.as_str(), price: &new.to, sequence }
            });
            let attempts: Vec<&str> = part.iter().map(|new| new.attempt.as_str()).collect();
            let begun = part.iter().map(|new| new.begun).max().unwrap_or_default();
            let taken = self.send(calls, "price.changed", &attempts, begun, articles.collect()).await;
            answers.extend(part.iter().map(|new| taken.clone().map(|()| new.to)));
        }
        answers
    }

    /// A shipment: what it is called from now on is the event's id.
    pub(super) async fn created(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        let lines = new.parts.iter().map(|part| Line { line: &part.line, quantity: part.quantity });
        let sent = Sent { lines: lines.collect(), completes: new.completes };
        self.shipment(calls, "shipment.created", new, Some(sent)).await
    }

    /// How it can be followed now.
    pub(super) async fn updated(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<(), NotSet> {
        self.shipment(calls, "shipment.updated", new, None).await.map(drop)
    }

    async fn shipment(
        &self,
        calls: &Calls<'_>,
        kind: &'static str,
        new: &NewFulfilment,
        sent: Option<Sent<'_>>,
    ) -> Result<String, NotSet> {
        let told = Told {
            order: new.order.as_str(),
            shipment: &new.shipment,
            sent,
            carrier: new.carrier.as_deref(),
            parcels: &new.parcels,
            note: &new.note,
            notify: new.notify,
        };
        let said = json(&told)?;
        // A number that is changed and changed back is three states: the third is no repetition of the first.
        let id = id(kind, [&new.revision.to_be_bytes()[..], &said]);
        let data = Said { told: &told, sequence: new.begun.as_microsecond() };
        self.post(calls, &id, &Event { kind, timestamp: new.begun, data }).await?;
        Ok(id)
    }

    async fn send<T: Serialize>(
        &self,
        calls: &Calls<'_>,
        kind: &'static str,
        attempts: &[&str],
        begun: Timestamp,
        articles: Vec<T>,
    ) -> Result<(), NotSet> {
        let id = id(kind, attempts.iter().map(|attempt| attempt.as_bytes()));
        self.post(calls, &id, &Event { kind, timestamp: begun, data: Articles { articles } }).await
    }

    async fn post<T: Serialize>(&self, calls: &Calls<'_>, id: &str, event: &Event<T>) -> Result<(), NotSet> {
        let body = json(event)?;
        let headers = headers(&self.secret, id, event.timestamp, &body);
        let (url, body) = (self.url.clone(), Bytes::from(body));
        let call = Call { method: Method::POST, url, headers, body, timeout: TIMEOUT };
        let answer = calls.http.send(call).await.map_err(NotSet::unanswered)?;
        let nobody = || Error::new(Kind::Config, format!("{}: nobody takes events at notify.url", self.name));
        answer::read(answer, &self.name, "that it knows notify.secret")
            .and_then(|answer| answer.ok_or_else(nobody))
            .map(drop)
            .map_err(NotSet::answered)
    }
}

/// The headers of a body that is signed by the scheme, as of `at`.
pub(super) fn headers(secret: &Secret, id: &str, at: Timestamp, body: &[u8]) -> HeaderMap {
    let timestamp = at.as_second().to_string();
    let signature = webhook::sign_standard(secret, id, &timestamp, body);
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("webhook-id", id), ("webhook-timestamp", timestamp.as_str()), ("webhook-signature", signature.as_str())]
    {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// The id of an event: the same for the same parts, and without a dot, which the scheme separates by.
fn id<'a>(kind: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new_with_prefix(kind);
    for part in parts {
        // With its length before it: two lists of parts are never one text.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest = hex::encode(hash.finalize());
    format!("msg_{}", digest.get(..32).unwrap_or(&digest))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, NotSet> {
    let bug = |cause| NotSet::NotNow(Error::new(Kind::Bug, "an event cannot be written").caused_by(cause));
    serde_json::to_vec(value).map_err(bug)
}
