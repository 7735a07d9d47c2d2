//! The ERP's front: every call is counted, meets its fault, and reaches the books or not.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use futures::stream;
use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{
    Call, Fault, Shared,
    books::{Reply, refusal},
};
use crate::{net::Cut, now};

/// The largest body that is read.
const LARGEST: usize = 32 * 1024 * 1024;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

/// A call as it came.
#[derive(Clone)]
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(State(shared): State<Arc<Shared>>, ConnectInfo(cut): ConnectInfo<Cut>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Counted when it arrives, whatever becomes of it.
    let number = shared.arrived(format!("{} {}", parts.method, parts.uri.path()));
    let body = to_bytes(body, LARGEST).await.unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    if !shared.is_open() {
        cut.cut();
        return plain(503, &json!(null));
    }
    if let Some(wait) = shared.over_the_limit(number) {
        return limited(Some(wait));
    }
    if !shared.lets_in(&asked.headers) {
        return plain(401, &refusal(401, "unauthorized", "wrong token").1);
    }
    if let Some(status) = shared.poisoned(&asked.query, &asked.body) {
        return plain(status, &refusal(status, "poison", "this cannot be processed").1);
    }
    let Some(fault) = shared.fault(number, &asked.method, &asked.path) else {
        return reply(act(&shared, &asked));
    };
    misbehave(&shared, &cut, asked, fault).await
}

async fn misbehave(shared: &Arc<Shared>, cut: &Cut, asked: Asked, fault: Fault) -> Response {
    match fault {
        Fault::ErrorBefore => plain(500, &json!({"error": "internal error"})),
        Fault::ErrorAfter => {
            act(shared, &asked);
            plain(500, &json!({"error": "internal error"}))
        }
        Fault::Unavailable => plain(503, &json!({"error": "maintenance"})),
        Fault::Limited(wait) => limited(wait),
        Fault::Unauthorized => plain(401, &json!({"error": "token expired"})),
        Fault::HangBefore => hang(shared, cut).await,
        Fault::HangAfter => {
            act(shared, &asked);
            hang(shared, cut).await
        }
        Fault::Late(delay) => {
            // On its own: the caller's hanging up does not stop it.
            let later = Arc::clone(shared);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                act(&later, &asked);
            });
            hang(shared, cut).await
        }
        Fault::ResetBefore => reset(cut),
        Fault::ResetAfter => {
            act(shared, &asked);
            reset(cut)
        }
        Fault::BrokenBody => {
            let (_, body) = act(shared, &asked);
            let whole = body.to_string();
            let half = whole.get(..whole.len() / 2).unwrap_or("{").to_owned();
            let mut response = Response::new(Body::from(half));
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            response
        }
        Fault::Drip(delay) => {
            let (status, body) = act(shared, &asked);
            let bytes = body.to_string().into_bytes().into_iter();
            let drops = stream::unfold(bytes, move |mut bytes| async move {
                let byte = bytes.next()?;
                tokio::time::sleep(delay).await;
                Some((Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(&[byte])), bytes))
            });
            let mut response = Response::new(Body::from_stream(drops));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            response
        }
        Fault::Half => {
            let body = serde_json::from_slice(&asked.body).unwrap_or_default();
            reply(shared.books(|books| books.post_half(body, now())))
        }
    }
}

/// Does what was asked.
fn act(shared: &Shared, asked: &Asked) -> Reply {
    let query = |key: &str| -> Vec<String> {
        let pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
        let plain = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        pairs.filter(|(name, _)| *name == key).map(|(_, value)| plain(value)).collect()
    };
    let body =
        || serde_json::from_slice::<Value>(&asked.body).map_err(|error| refusal(400, "json", &error.to_string()));
    let lag = shared.look_up_lag();
    let key = asked.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    shared.books(|books| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/orders") => body().map_or_else(|refusal| refusal, |body| books.post_orders(body, key, now())),
        ("GET", "/orders") => books.find_orders(&query("reference"), now(), lag),
        ("GET", "/products") => books.find_products(&query("sku")),
        ("GET", "/customers") => books.find_parties(&query("reference")),
        ("POST", "/customers") => body().map_or_else(|refusal| refusal, |body| books.post_party(&body)),
        ("GET", "/health") => (200, json!({"name": "sandbox ERP 1.0"})),
        ("POST", path) => {
            let id = path.strip_prefix("/orders/").and_then(|rest| rest.strip_suffix("/confirm"));
            id.map_or_else(|| refusal(404, "path", "no such path"), |id| books.confirm(id))
        }
        _ => refusal(404, "path", "no such path"),
    })
}

/// Answers nothing for as long as anybody would wait, or until the ERP goes down.
async fn hang(shared: &Shared, cut: &Cut) -> Response {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_mins(10)) => {}
        () = shared.closed() => {}
    }
    reset(cut)
}

fn reset(cut: &Cut) -> Response {
    cut.cut();
    plain(200, &Value::Null)
}

fn limited(wait: Option<Duration>) -> Response {
    let mut response = plain(429, &json!({"error": "too many requests"}));
    if let Some(wait) = wait {
        // Whole seconds, rounded up: it must not invite a call too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn reply((status, body): Reply) -> Response {
    plain(status, &body)
}

fn plain(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

impl Call {
    /// Whether a call of this name writes.
    pub(super) fn writes(method: &Method) -> bool {
        method != Method::GET && method != Method::HEAD
    }
}
