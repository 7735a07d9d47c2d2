//! Refusals as problem documents: <https://www.rfc-editor.org/rfc/rfc9457>.

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Error, Kind, Retry,
    domain::{
        event::Event,
        ids::{ConnectionId, OrderKey},
    },
    flow::{ingest::Verdict, is_of_one_record, tell::Tell},
};

/// A refusal: what the caller reads, and what only the log says.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Option<String>,
    /// The whole truth, for the log: nothing the caller sent.
    reason: Option<Arc<Error>>,
    retry_after: Option<Duration>,
    connection: Option<ConnectionId>,
    order: Option<Box<OrderKey>>,
    orders: Vec<Verdict>,
}

/// A refusal (RFC 9457). `type` is left out: it is `about:blank`, and the title the status' own words.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// The status' own words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'a str>,
    /// The id of the request, as in our log.
    request_id: &'a str,
    /// What became of each order, where the request had any that could be told apart.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    orders: &'a [Verdict],
}

/// When a caller may come back to something that is down.
const WHEN_DOWN: Duration = Duration::from_secs(30);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Forged => StatusCode::UNAUTHORIZED,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Unreadable | Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Limited => StatusCode::TOO_MANY_REQUESTS,
            // A mistake of ours in the configuration: the store shall come again when it is mended.
            Kind::Unavailable | Kind::Config => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let retry_after = match (error.retryable(), status) {
            (Retry::After(wait), _) => Some(wait),
            (_, StatusCode::SERVICE_UNAVAILABLE) => Some(WHEN_DOWN),
            (_, StatusCode::TOO_MANY_REQUESTS) => Some(Duration::from_secs(1)),
            _ => None,
        };
        let detail = match error.kind() {
            Kind::Unavailable | Kind::Config => Some("nothing was accepted; send it again later".to_owned()),
            Kind::Bug => None,
            _ => Some(error.to_string()),
        };
        // What is wrong with a body is told to its sender; the log must not repeat what may be quoted from it.
        let reason = (error.kind() != Kind::Unreadable).then(|| Arc::new(error));
        Self { detail, reason, retry_after, ..Self::of_status(status) }
    }
}

impl Problem {
    /// An order's record could not be read: our fault where it is that record's own, whatever kind of error its reader has.
    pub(super) fn of_record(error: Error, key: &OrderKey) -> Self {
        if !is_of_one_record(&error) {
            return Self::from(error).of(&key.connection);
        }
        // A failure of our own code or of the disk is told in the log only: its words are about this machine.
        let detail = matches!(error.kind(), Kind::Unreadable | Kind::Config).then(|| error.to_string());
        let reason = Some(Arc::new(error));
        let order = Some(Box::new(key.clone()));
        Self { detail, reason, order, ..Self::of_status(StatusCode::INTERNAL_SERVER_ERROR) }.of(&key.connection)
    }

    /// A refusal by the HTTP library: no such address, no such method, an address that is not UTF-8.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let (connection, order, orders) = (None, None, Vec::new());
        Self { status, detail: None, reason: None, retry_after: None, connection, order, orders }
    }

    /// A refusal that no kind of [`Error`] stands for; `words` say why, and hold nothing of the request.
    pub(super) fn refusal(status: StatusCode, words: &'static str) -> Self {
        let reason = Some(Arc::new(Error::new(Kind::Refused, words)));
        Self { detail: Some(words.to_owned()), reason, ..Self::of_status(status) }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// About a connection.
    pub(super) fn of(mut self, connection: &ConnectionId) -> Self {
        self.connection = Some(connection.clone());
        self
    }

    /// With what became of each order.
    pub(super) fn with(mut self, orders: Vec<Verdict>) -> Self {
        self.orders = orders;
        self
    }

    pub(super) fn render(&self, request_id: &str) -> Response {
        let document = Document {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.as_deref(),
            request_id,
            orders: &self.orders,
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"puente\""));
        }
        if let Some(wait) = self.retry_after {
            // Rounded up: a caller that comes at that second is let in.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }

    pub(super) fn tell(&self, tell: &Tell, request: &str, method: &str, route: &str) {
        let (status, connection, order) = (self.status.as_u16(), self.connection.as_ref(), self.order.as_deref());
        let reason: &dyn Display = match &self.reason {
            Some(reason) => reason,
            None => &"",
        };
        tell.of(&if self.status.is_server_error() {
            Event::Failed { request, connection, order, method, route, status, reason }
        } else {
            let (request, method, route) = (Some(request), Some(method), Some(route));
            Event::Refused { request, connection, method, route, status, reason }
        });
    }
}

impl IntoResponse for Problem {
    /// Without a body: [`super::label`] knows the request's id and renders it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
