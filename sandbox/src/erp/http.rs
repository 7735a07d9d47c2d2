//! The ERP's front: every call is counted, meets its fault, and reaches the books or not.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use futures::stream;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{Asked, Fault, Reply, Shared};
use crate::net::Cut;

/// The largest body that is read.
const LARGEST: usize = 32 * 1024 * 1024;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
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
        return plain(401, &json!({"error": "wrong token", "code": "unauthorized"}));
    }
    if let Some(status) = shared.poisoned(&asked.query, &asked.body) {
        return plain(status, &json!({"error": "this cannot be processed", "code": "poison"}));
    }
    let vendor = shared.config.vendor;
    let Some(fault) = shared.fault(number, &vendor.name(&asked), vendor.writes(&asked)) else {
        return reply(shared.act(&asked));
    };
    misbehave(&shared, &cut, asked, fault).await
}

async fn misbehave(shared: &Arc<Shared>, cut: &Cut, asked: Asked, fault: Fault) -> Response {
    match fault {
        Fault::ErrorBefore => plain(500, &json!({"error": "internal error"})),
        Fault::ErrorAfter => {
            shared.act(&asked);
            plain(500, &json!({"error": "internal error"}))
        }
        Fault::Unavailable => plain(503, &json!({"error": "maintenance"})),
        Fault::Limited(wait) => limited(wait),
        Fault::Unauthorized => plain(401, &json!({"error": "token expired"})),
        Fault::HangBefore => hang(shared, cut).await,
        Fault::HangAfter => {
            shared.act(&asked);
            hang(shared, cut).await
        }
        Fault::Late(delay) => {
            // On its own: the caller's hanging up does not stop it.
            let later = Arc::clone(shared);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                later.act(&asked);
            });
            hang(shared, cut).await
        }
        Fault::ResetBefore => reset(cut),
        Fault::ResetAfter => {
            shared.act(&asked);
            reset(cut)
        }
        Fault::BrokenBody => {
            let (_, body) = shared.act(&asked);
            let whole = body.to_string();
            let half = whole.get(..whole.len() / 2).unwrap_or("{").to_owned();
            let mut response = Response::new(Body::from(half));
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            response
        }
        Fault::Drip(delay) => {
            let (status, body) = shared.act(&asked);
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
        Fault::Half => reply(shared.books(|books| shared.config.vendor.half(books, &asked))),
    }
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
