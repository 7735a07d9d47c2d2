//! Anyone's own system: canonical orders, signed by the Standard Webhooks scheme, or posted with an API key of its own.
//!
//! The body is one [`Order`] as JSON, exactly: an unknown field is refused, because it would be a fact that nobody carries on.
//! There is no address to ask back at: the sender repeats what matters.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

mod config;
#[cfg(feature = "fixtures")]
mod kit;
mod map;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use self::config::Canonical;
pub use self::map::read_order;
use super::{Changes, Entrance, Reading, Row, Signed, Store};
use crate::{
    Error, Kind, Result,
    domain::{ids::OrderId, order::Order},
    outbound::Calls,
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "canonical",
    build: |section| Ok(Box::new(Canonical::new(section.read()?)?)),
    // Whoever sends canonical orders may leave the meaning of `store_status` to us.
    explainable: |_| Ok(()),
    fetched_with: &[],
    // It is never asked.
    rate: None,
    keeps: None,
    ships: false,
    example: r#"kind = "canonical"
webhook_secrets = [{ env = "ORDERS_SECRET" }]    # of signed webhooks: "whsec_" and base64; two while rotating
api_keys = [{ env = "ORDERS_API_KEY" }]          # of POST .../orders, as x-api-key; two while one is changed. Without: no posts
"#,
    sample: include_str!("sample.json"),
    #[cfg(feature = "fixtures")]
    kit: &kit::Kit,
};

#[async_trait]
impl Store for Canonical {
    fn entrance(&self) -> Entrance<'_> {
        let signed = Signed { scheme: Scheme::Standard, secrets: &self.secrets };
        Entrance::Keyed { api_keys: &self.api_keys, signed }
    }

    fn is_ping(&self, _raw: &RawWebhook) -> bool {
        false
    }

    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        match read_order(webhook.body()) {
            Ok(order) => Reading::Order(Box::new(order)),
            Err((id, flag)) => Reading::Unmapped(id, flag),
        }
    }

    fn sign(&self, body: &[u8], now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        let timestamp = now.as_second().to_string();
        let signature =
            self.secrets.first().map(|s| webhook::sign_standard(s, &id, &timestamp, body)).unwrap_or_default();
        for (name, value) in [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }

    fn can_fetch(&self) -> bool {
        false
    }

    async fn fetch(&self, _calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>> {
        Err(Error::new(
            Kind::Config,
            format!("order {order}: a canonical store cannot be asked; it has to send the order again"),
        ))
    }

    async fn changed_since(&self, _calls: &Calls<'_>, _since: Timestamp, _page: Option<&str>) -> Result<Changes> {
        Err(Error::new(Kind::Config, "a canonical store cannot be asked for its orders; it has to send them again"))
    }
}

#[cfg(test)]
mod tests;
