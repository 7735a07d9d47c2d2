//! Anyone's own system: canonical orders, signed by the Standard Webhooks scheme, or posted with an API key of its own.
//!
//! The body is one [`Order`] as JSON, exactly: an unknown field is refused, because it would be a fact that nobody carries on.
//! There is no address to ask back at: the sender repeats what matters.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Changes, Reading, Row, Store, audited,
    parse::{Code, flag, parse},
};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        ids::OrderId,
        order::{Customer, Flag, Order, SCHEMA},
    },
    outbound::Client,
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "canonical",
    build: |section| Ok(Box::new(Canonical::new(section.read()?)?)),
    // Whoever sends canonical orders may leave the meaning of `store_status` to us.
    explainable: |_| Ok(()),
    example: r#"kind = "canonical"
webhook_secrets = [{ env = "ORDERS_SECRET" }]    # of signed webhooks: "whsec_" and base64; two while rotating
api_keys = [{ env = "ORDERS_API_KEY" }]          # of POST .../orders, as x-api-key; two while one is changed. Without: no posts
"#,
    sample: include_str!("sample.json"),
};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    #[serde(default)]
    webhook_secrets: Option<Vec<Secret>>,
    #[serde(default)]
    api_keys: Vec<Secret>,
}

struct Canonical {
    secrets: Vec<Secret>,
    api_keys: Vec<Secret>,
}

impl Canonical {
    fn new(config: Config) -> Result<Self> {
        if config.webhook_secrets.is_none() && config.api_keys.is_empty() {
            let words = "has neither webhook_secrets nor api_keys: no order could come in";
            return Err(Error::new(Kind::Config, words));
        }
        if let Some(secrets) = &config.webhook_secrets {
            super::check_secrets(secrets)?;
        }
        let secrets = config.webhook_secrets.unwrap_or_default();
        secrets.iter().try_for_each(webhook::check_standard)?;
        if config.api_keys.len() > 2 {
            let words = "api_keys has more than two: the one in use and, while it is changed, the next";
            return Err(Error::new(Kind::Config, words));
        }
        Ok(Self { secrets, api_keys: config.api_keys })
    }
}

/// One canonical order from its JSON, its books examined.
pub fn read_order(body: &[u8]) -> Result<Order, (Option<OrderId>, Flag)> {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        id: Code<'a>,
    }
    let order: Order = parse(body).map_err(|flag| {
        let id = parse::<Id<'_>>(body).ok().and_then(|named| named.id.as_str().parse().ok());
        (id, flag)
    })?;
    if order.schema != SCHEMA {
        let detail = format!("schema: is {}, and this version reads {SCHEMA}", order.schema);
        return Err((Some(order.id), flag("unreadable", detail)));
    }
    if let Some(why) = order.id.ambiguous() {
        return Err((Some(order.id), flag("unreadable", format!("id: {why}"))));
    }
    let guest = |customer: &Customer| customer.id.as_ref().is_some_and(|id| id.starts_with("guest/"));
    if order.customer.as_ref().is_some_and(guest) {
        let detail =
            "customer.id: begins with `guest/`: in the ERP the customer could not be told from the guest of an order";
        return Err((Some(order.id), flag("unreadable", detail)));
    }
    Ok(audited(order))
}

#[async_trait]
impl Store for Canonical {
    fn scheme(&self) -> Scheme {
        Scheme::Standard
    }

    fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    fn api_keys(&self) -> &[Secret] {
        &self.api_keys
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

    async fn fetch(&self, _client: &Client, order: &OrderId) -> Result<Option<Order>> {
        Err(Error::new(
            Kind::Config,
            format!("order {order}: a canonical store cannot be asked; it has to send the order again"),
        ))
    }

    async fn changed_since(&self, _client: &Client, _since: Timestamp, _page: Option<&str>) -> Result<Changes> {
        Err(Error::new(Kind::Config, "a canonical store cannot be asked for its orders; it has to send them again"))
    }
}

#[cfg(test)]
mod tests;
