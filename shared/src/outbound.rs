//! The only place that calls out: time-limited, no redirects, bounded answers, bundled roots; metered towards an ERP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use url::Url;

use crate::{Error, Kind, Result};

/// The process's one HTTP client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
}

/// A call to make.
#[derive(Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The headers; those with secrets are marked sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the whole call may take.
    pub timeout: Duration,
}

/// The answer to a call: any status.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`LARGEST_ANSWER`] bytes, decompressed.
    pub body: Bytes,
}

/// The largest answer that is read, in bytes.
pub const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Why a call has no answer. The difference decides between sending again and looking up first.
#[derive(Debug)]
pub enum Failure {
    /// Not one byte of the request reached the other side.
    NotSent(Error),
    /// The request, or a part of it, was sent: its effect is unknown.
    Unknown(Error),
}

impl Failure {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &Error {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) | Failure::Unknown(error) => error,
        }
    }
}

/// Grants one call at a time to an ERP account, each at its send slot. Implemented by the conductor.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Waits for the next send slot; fails where no call may start any more (lease, `start_by`, quota, block).
    async fn permit(&self, timeout: Duration) -> Result<()>;
}

/// The way to the network for an ERP connector: it spends a permit per call, so that metering cannot be forgotten.
#[derive(Clone)]
pub struct Metered {
    client: Client,
    meter: Arc<dyn Meter>,
}

impl Client {
    /// A client that accepts the bundled Mozilla roots, follows no redirects and keeps few idle connections.
    pub fn new() -> Result<Self> {
        Err(Error::new(Kind::Bug, "not built"))
    }

    /// Makes one call.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let _ = (&self.http, call);
        Err(Failure::NotSent(Error::new(Kind::Bug, "not built")))
    }
}

impl Metered {
    /// Calls through `client`, each permitted by `meter`.
    #[must_use]
    pub fn new(client: Client, meter: Arc<dyn Meter>) -> Self {
        Self { client, meter }
    }

    /// Waits for a permit and makes one call.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        self.meter.permit(call.timeout).await.map_err(Failure::NotSent)?;
        self.client.send(call).await
    }
}

/// The `Retry-After` of an answer (RFC 9110, section 10.2.3): seconds or an HTTP date, seen from `now`.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let _ = (headers, now);
    None
}
