//! The interface that orders are fetched from, and stock and prices are kept in: HTTP on one side, the vendor's own answers on the other.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::{Plan, Sent, Stock, Tokens};

/// The largest body that is read.
const LARGEST: usize = 4 * 1024 * 1024;

/// A call to the REST interface.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path, as it was sent.
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// All of the query, in order: where a word may be there several times.
    pub pairs: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What the REST interface answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers beside the usual.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Value,
}

/// What a shop answers from.
pub struct Shelf {
    /// The shop.
    pub plan: Plan,
    /// What its app was given, if it has one.
    pub tokens: Option<Arc<Tokens>>,
    /// Every order's last state, with its modification time and its id: those modified first come first.
    pub orders: Vec<(Timestamp, String, Value)>,
    /// What it has of its articles, and what they cost.
    pub stock: Arc<Stock>,
    /// What was sent.
    pub sent: Arc<Sent>,
    /// The orders that were changed through the interface, as they are since, by their ids.
    changed: Mutex<BTreeMap<String, (Timestamp, Value)>>,
}

impl Asked {
    /// A header as text; "" if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A word of the query; "" if it is missing.
    #[must_use]
    pub fn word(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Every value of a word that may be there several times.
    pub fn words<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; nothing if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A number of the query.
    #[must_use]
    pub fn number(&self, name: &str, otherwise: usize) -> usize {
        self.word(name).parse().unwrap_or(otherwise)
    }
}

impl Answer {
    /// An answer.
    #[must_use]
    pub fn of(status: StatusCode, body: Value) -> Self {
        Self { status, headers: HeaderMap::new(), body }
    }

    /// A success.
    #[must_use]
    pub fn ok(body: Value) -> Self {
        Self::of(StatusCode::OK, body)
    }

    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        super::header(&mut self.headers, name, value);
        self
    }
}

impl Shelf {
    /// These orders of that shop.
    #[must_use]
    pub fn new(plan: Plan, mut orders: Vec<(Timestamp, String, Value)>) -> Self {
        orders.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let tokens = plan.app.clone().map(|app| Arc::new(Tokens::new(app, plan.shop.clone())));
        Self { plan, tokens, orders, stock: Arc::default(), sent: Arc::default(), changed: Mutex::default() }
    }

    /// The orders that were changed, with the times of that; nobody else sees or changes them meanwhile.
    pub fn changed(&self) -> MutexGuard<'_, BTreeMap<String, (Timestamp, Value)>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One order as it is now, and since when.
    #[must_use]
    pub fn latest(&self, id: &str) -> Option<(Timestamp, Value)> {
        let changed = self.changed().get(id).cloned();
        changed.or_else(|| self.orders.iter().find(|(_, own, _)| own == id).map(|(at, _, order)| (*at, order.clone())))
    }

    /// One order, as it was before anybody changed it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Value> {
        self.orders.iter().find(|(_, own, _)| own == id).map(|(_, _, order)| order)
    }
}

/// The calls that were made to a shop, and what is answered otherwise.
#[derive(Debug, Default)]
pub(super) struct Visits {
    calls: Mutex<Vec<Instant>>,
    next: Mutex<VecDeque<Answer>>,
}

impl Visits {
    pub(super) fn calls(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn router(shelf: Arc<Shelf>, visits: Arc<Visits>) -> Router {
    let tokens = shelf.tokens.clone();
    let orders = Router::new().fallback(answer).with_state((shelf, visits));
    match tokens {
        Some(tokens) => orders.merge(super::oauth::router(tokens)),
        None => orders,
    }
}

async fn answer(
    State((shelf, visits)): State<(Arc<Shelf>, Arc<Visits>)>,
    Query(pairs): Query<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let tells = head.method == Method::POST || head.method == Method::PUT;
    if !tells && head.method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    visits.calls().push(Instant::now());
    let otherwise = visits.next().pop_front();
    let query = pairs.iter().cloned().collect();
    let asked = Asked { path: head.uri.path().to_owned(), query, pairs, headers: head.headers, body };
    let vendor = shelf.plan.vendor;
    let Answer { status, headers, body } =
        otherwise.unwrap_or_else(|| if tells { vendor.told(&shelf, &asked) } else { vendor.answer(&shelf, &asked) });
    (status, headers, Json(body)).into_response()
}
