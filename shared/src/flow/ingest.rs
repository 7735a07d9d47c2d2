//! From a store's request to the queue: admit, verify, read, enqueue, answer.
//!
//! Invariant: an order that was answered `accepted` or `flagged` lies in the queue durably. Here is one network call, to the
//! queue; no database is written and neither store nor ERP is called, so that the answer comes in time even cold. A signed
//! body that cannot be mapped is accepted all the same, *flagged* and kept raw: refusing it would make the store drop the
//! subscription and hide the problem.

use std::{
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Puente, identity};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        event::{Event, Outcome},
        ids::{ConnectionId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        order::Flag,
        version::ContentHash,
    },
    parties::Connection,
    store::{Reading, canonical::read_order, without_mark},
    webhook::{RawWebhook, VerifiedWebhook},
};

/// The largest body that is taken, in bytes.
pub const LARGEST_BODY: usize = 1024 * 1024;

/// The most canonical orders in one request.
pub const MOST_ORDERS: usize = 100;

/// The most bytes that the deflated base64 of a raw body may have: with the rest of the message, and base64 once more around
/// it, it stays below the megabyte that a message may have.
const LARGEST_RAW: usize = 700 * 1024;

/// What is kept of a raw body that is larger.
const BEGINNING: usize = 256 * 1024;

/// What became of one order of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdict {
    /// Its place in the request, where a request has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Its id, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// What became of it.
    pub result: Outcome,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The largest body without a signature that is read where a store signs, in bytes: a ping.
pub const LARGEST_UNSIGNED: usize = 1024;

/// The largest body that is read where nobody signs, in bytes: it points to an order, and more of it is believed by nobody.
pub const LARGEST_POINTER: usize = 16 * 1024;

/// Finds the connection and checks the key that a webhook carries.
///
/// [`Kind::NotFound`]: there is none of that name. [`Kind::Forged`]: the key is missing or wrong.
pub async fn admit(puente: &Puente, name: &str, key: Option<&str>) -> Result<Arc<Connection>> {
    let connection = find(puente, name).await?;
    // Only `serve` on loopback starts with a connection without a key.
    let opens = connection.keys.is_empty() || key.is_some_and(|key| Secret::which(&connection.keys, key).is_some());
    if !opens {
        return Err(Error::new(Kind::Forged, "the connection's key is missing or wrong"));
    }
    identity::recall(puente, &connection).await;
    Ok(connection)
}

/// Finds the connection and checks the API key of who posts canonical orders. That is a secret of its own: webhook addresses,
/// which carry the connection's key, are read by many.
///
/// [`Kind::NotFound`]: there is none of that name, or its configuration lets nobody post orders. [`Kind::Forged`]: the API key
/// is missing or wrong.
pub async fn admit_poster(puente: &Puente, name: &str, key: Option<&str>) -> Result<Arc<Connection>> {
    let connection = find(puente, name).await?;
    let ours = connection.store.entrance().api_keys();
    if ours.is_empty() && key.is_some() {
        let words = "orders cannot be posted to this connection: its store has no `api_keys` in the configuration";
        return Err(Error::new(Kind::NotFound, words));
    }
    if key.is_some_and(|key| Secret::which(ours, key).is_some()) {
        return Ok(connection);
    }
    let words =
        "x-api-key is missing or wrong: posting orders takes one of the store's `api_keys`, not the connection's key";
    Err(Error::new(Kind::Forged, words))
}

async fn find(puente: &Puente, name: &str) -> Result<Arc<Connection>> {
    let unknown = || Error::new(Kind::NotFound, "there is no connection of that name");
    let id: ConnectionId = name.parse().map_err(|_| unknown())?;
    puente.settings.entrance(&id).await?.ok_or_else(unknown)
}

/// What a webhook of an admitted caller is.
pub enum Opened {
    /// A store's harmless ping, which is not signed.
    Ping,
    /// The store's own words, and what they say.
    Genuine(Box<VerifiedWebhook>, Reading),
    /// Somebody who knows the connection's key says that this order changed; or nothing of an order.
    Pointed(Option<OrderId>, Box<RawWebhook>),
}

/// Verifies a webhook and reads it. No call to anybody.
///
/// [`Kind::Forged`]: the signature is missing or wrong, or vouches for another shop. [`Kind::Unreadable`]: nobody signs at this
/// entrance, and no order's id can be read.
pub fn open(connection: &Connection, raw: RawWebhook) -> Result<Opened> {
    if connection.store.is_ping(&raw) {
        return Ok(Opened::Ping);
    }
    let Some(signed) = connection.store.entrance().signed() else {
        let pointed = pointed(connection, &raw).map_err(|flag| Error::new(Kind::Unreadable, flag.detail))?;
        return Ok(Opened::Pointed(pointed, raw.into()));
    };
    let verified = signed.verify(raw)?;
    match isolated(connection, &verified) {
        // One secret signs for all shops of an app: the signature vouches for the sender, not for the shop.
        Reading::AnotherShop => {
            Err(Error::new(Kind::Forged, "the signed body belongs to another shop than this connection's"))
        }
        reading => Ok(Opened::Genuine(verified.into(), reading)),
    }
}

/// Takes what an opened webhook says: 200 for a store means that the queue has its order.
///
/// [`Kind::Unavailable`]: nothing accepted.
pub async fn webhook(puente: &Puente, connection: &Connection, request: &str, opened: Opened) -> Result<Vec<Verdict>> {
    let (received, body, reading) = match opened {
        Opened::Genuine(verified, reading) => (verified.received(), verified.body().clone(), reading),
        Opened::Pointed(Some(order), raw) => (raw.received, raw.body, Reading::Changed(order)),
        Opened::Pointed(None, raw) => (raw.received, raw.body, Reading::Ignored("not about an order")),
        Opened::Ping => {
            told(puente, connection, request, 0, &Verdict::ignored("ping"));
            return Ok(Vec::new());
        }
    };
    let bytes = body.len();
    let (verdict, order, news) = match reading {
        Reading::Order(order) => (Verdict::accepted(&order.id), order.id.clone(), News::State { order: order.into() }),
        Reading::Changed(id) => (Verdict::accepted(&id), id, News::Changed),
        Reading::Deleted(id) => (Verdict::accepted(&id), id, News::Deleted),
        Reading::Ignored(why) => {
            let verdict = Verdict::ignored(why);
            told(puente, connection, request, bytes, &verdict);
            return Ok(vec![verdict]);
        }
        Reading::AnotherShop => return Err(Error::new(Kind::Bug, "another shop's body was opened")),
        Reading::Unmapped(id, flag) => flagged(&body, id, flag)?,
    };
    let message = Message::Arrival(Arrival::new(OrderKey::new(connection.id.clone(), order), received, request, news));
    enqueue(puente, &[message]).await?.pop().unwrap_or_else(|| Err(unanswered()))?;
    told(puente, connection, request, bytes, &verdict);
    Ok(vec![verdict])
}

/// Takes canonical orders, one or an array, of an admitted caller. One verdict per order: an invalid one does not sink the
/// others.
///
/// [`Kind::Unreadable`]: the body is no JSON, or has no or too many orders.
pub async fn orders(puente: &Puente, connection: &Connection, request: &str, body: &Bytes) -> Result<Vec<Verdict>> {
    let received = puente.clock.now();
    let mut verdicts = Vec::new();
    let mut messages = Vec::new();
    for (index, text) in split(body)?.into_iter().enumerate() {
        let verdict = match read_order(text.get().as_bytes()) {
            Ok(order) => {
                let verdict = Verdict::accepted(&order.id);
                messages.push(Message::Arrival(Arrival::new(
                    OrderKey::new(connection.id.clone(), order.id.clone()),
                    arrived(received, index),
                    request,
                    News::State { order: Arc::new(order) },
                )));
                verdict
            }
            Err((id, flag)) => invalid(id.as_ref(), flag),
        };
        verdicts.push(Verdict { index: Some(index), ..verdict });
    }
    if !messages.is_empty() {
        let answers = enqueue(puente, &messages).await?;
        let sent = verdicts.iter_mut().filter(|verdict| verdict.result == Outcome::Accepted);
        for (verdict, answer) in sent.zip(answers) {
            if let Err(error) = answer {
                puente.tell.of(&Event::Unavailable { connection: &connection.id, request, error: &error });
                verdict.result = Outcome::Unavailable;
            }
        }
    }
    for verdict in &verdicts {
        told(puente, connection, request, body.len(), verdict);
    }
    Ok(verdicts)
}

/// Of two states of one order in one request the later one arrived later.
fn arrived(received: Timestamp, index: usize) -> Timestamp {
    let place = SignedDuration::from_nanos(i64::try_from(index).unwrap_or(i64::MAX));
    received.checked_add(place).unwrap_or(received)
}

impl Verdict {
    fn of(order: Option<&OrderId>, result: Outcome) -> Self {
        Self { index: None, order: order.map(ToString::to_string), result, field: None, detail: None }
    }
    fn accepted(order: &OrderId) -> Self {
        Self::of(Some(order), Outcome::Accepted)
    }
    fn ignored(why: &str) -> Self {
        Self { detail: Some(why.to_owned()), ..Self::of(None, Outcome::Ignored) }
    }
}

/// The order that an unsigned webhook points to. A panic on one body is this body's refusal, not the end of the process.
fn pointed(connection: &Connection, raw: &RawWebhook) -> Result<Option<OrderId>, Flag> {
    catch_unwind(AssertUnwindSafe(|| connection.store.pointed(raw))).unwrap_or_else(|_| Err(panicked()))
}

/// What the store reads in the body. A panic on one body is this body's flag, not the end of the process.
fn isolated(connection: &Connection, webhook: &VerifiedWebhook) -> Reading {
    catch_unwind(AssertUnwindSafe(|| connection.store.read(webhook)))
        .unwrap_or_else(|_| Reading::Unmapped(None, panicked()))
}

fn panicked() -> Flag {
    Flag { code: "panic".to_owned(), detail: "our own code failed on this body".to_owned() }
}

/// The message of a body that could not be mapped. Without an id it gets one from its content, so that its repetitions are
/// the same entry.
fn flagged(body: &Bytes, id: Option<OrderId>, flag: Flag) -> Result<(Verdict, OrderId, News)> {
    let order = match id {
        Some(id) => id,
        None => format!("unreadable-{}", ContentHash::of(body)).parse()?,
    };
    let detail = Some(flag.detail.clone());
    let verdict = Verdict { detail, ..Verdict::of(Some(&order), Outcome::Flagged) };
    let (flag, raw) = bounded(body, flag)?;
    Ok((verdict, order, News::Unmapped { flag, raw }))
}

/// The raw body as base64, cut where a message could not hold it.
fn bounded(body: &Bytes, mut flag: Flag) -> Result<(Flag, String)> {
    let raw = STANDARD.encode(body);
    if raw.len() <= LARGEST_RAW || deflated(raw.as_bytes())? <= LARGEST_RAW {
        return Ok((flag, raw));
    }
    flag.detail = format!("{} (only the first {} KiB of the body are kept)", flag.detail, BEGINNING / 1024);
    Ok((flag, STANDARD.encode(body.get(..BEGINNING).unwrap_or(body))))
}

/// How many bytes `content` has once a queue has deflated it.
fn deflated(content: &[u8]) -> Result<usize> {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = deflate.write_all(content).and_then(|()| deflate.finish());
    packed.map(|packed| packed.len()).map_err(|e| Error::new(Kind::Bug, "cannot deflate a body").caused_by(e))
}

/// The orders of a body: one, or those of an array, each as its own text.
fn split(body: &[u8]) -> Result<Vec<&RawValue>> {
    let body = without_mark(body);
    let not_json = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        Error::new(Kind::Unreadable, format!("the body is not JSON: see line {line}, column {column}"))
    };
    let array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let orders: Vec<&RawValue> = if array {
        serde_json::from_slice(body).map_err(not_json)?
    } else {
        vec![serde_json::from_slice(body).map_err(not_json)?]
    };
    match orders.len() {
        0 => Err(Error::new(Kind::Unreadable, "the array has no order")),
        1..=MOST_ORDERS => Ok(orders),
        n => Err(Error::new(Kind::Unreadable, format!("the array has {n} orders: send at most {MOST_ORDERS} at once"))),
    }
}

/// The verdict on an order that is none: its id, if that could be read, and the field that is wrong.
fn invalid(id: Option<&OrderId>, flag: Flag) -> Verdict {
    let (field, detail) = match flag.detail.split_once(": ") {
        Some((field, why)) if !field.contains(' ') => (Some(field.to_owned()), why.to_owned()),
        _ => (None, flag.detail),
    };
    Verdict { field, detail: Some(detail), ..Verdict::of(id, Outcome::Invalid) }
}

/// One call to the queue; one answer per message.
async fn enqueue(puente: &Puente, messages: &[Message]) -> Result<Vec<Result<()>>> {
    // Whatever is wrong with the queue is no mistake of the sender's: to be sent again.
    let unavailable = |error: Error| match error.kind() {
        Kind::TooLarge | Kind::Unavailable => error,
        _ => Error::new(Kind::Unavailable, "the queue could not take the order").caused_by(error),
    };
    let answers = puente.queue.send(messages, Duration::ZERO).await.map_err(unavailable)?;
    let mut answers: Vec<_> = answers.into_iter().map(|answer| answer.map_err(unavailable)).collect();
    answers.resize_with(messages.len(), || Err(unanswered()));
    Ok(answers)
}

fn unanswered() -> Error {
    Error::new(Kind::Unavailable, "the queue did not say whether it took the order")
}

/// One event per outcome. Ids and sizes only: a body, a query or a header would be personal data or a secret.
fn told(puente: &Puente, connection: &Connection, request: &str, bytes: usize, verdict: &Verdict) {
    let (order, outcome) = (verdict.order.as_deref(), verdict.result);
    puente.tell.of(&Event::Received { connection: &connection.id, order, outcome, request, bytes });
}
