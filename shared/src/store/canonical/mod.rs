//! Anyone's own system: canonical orders, signed by the Standard Webhooks scheme, or posted with an API key of its own.
//!
//! The body is one [`Order`] as JSON, exactly: an unknown field is refused, because it would be a fact that nobody carries on.
//! There is no address to ask back at: the sender repeats what matters. Where it names one to be told at, it is sent what changed
//! (`notify.rs`).
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

mod config;
#[cfg(feature = "fixtures")]
mod kit;
mod map;
mod notify;

use async_trait::async_trait;
use http::HeaderMap;
use jiff::Timestamp;

use self::config::Canonical;
pub use self::map::read_order;
use super::{
    Changes, Entrance, Reading, Row, Signed, Store,
    goods::{NewStock, NotSet, Stocked},
    prices::{NewPrice, Priced},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{InStore, Sku, number::Keeps},
        ids::OrderId,
        order::Order,
        price::Price,
        shipment::NewFulfilment,
    },
    outbound::Calls,
    webhook::{RawWebhook, Scheme, VerifiedWebhook},
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
    told_with: &["notify"],
    keeps: Some(Keeps::Sellable),
    prices: true,
    ships: true,
    example: r#"kind = "canonical"
webhook_secrets = [{ env = "ORDERS_SECRET" }]    # of signed webhooks: "whsec_" and base64; two while rotating
api_keys = [{ env = "ORDERS_API_KEY" }]          # of POST .../orders, as x-api-key; two while one is changed. Without: no posts
# notify = { url = "https://…", secret = { env = "ORDERS_NOTIFY" } }   # where it is told stock, prices and shipments; "whsec_" and base64
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
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        self.secrets.first().map(|secret| notify::headers(secret, &id, now, body)).unwrap_or_default()
    }

    fn can_fetch(&self) -> bool {
        false
    }

    fn is_only_told(&self) -> bool {
        true
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

    async fn stock(&self, _calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        // Nobody knows what it has. Whether it has the article is its own to say, when it is told.
        let kept = |sku: &Sku| Stocked { item: Some(sku.to_string()), ..Stocked::none(sku.clone(), InStore::Kept) };
        Ok(skus.iter().map(kept).collect())
    }

    async fn set_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        match &self.notify {
            Some(notify) => notify.stock(calls, stock).await,
            None => stock.iter().map(|_| Err(untold())).collect(),
        }
    }

    async fn prices(&self, _calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Priced>> {
        let kept = |sku: &Sku| Priced { item: Some(sku.to_string()), ..Priced::none(sku.clone(), InStore::Kept) };
        Ok(skus.iter().map(kept).collect())
    }

    async fn set_prices(&self, calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        match &self.notify {
            Some(notify) => notify.prices(calls, prices).await,
            None => prices.iter().map(|_| Err(untold())).collect(),
        }
    }

    async fn fulfil(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        self.notify.as_ref().ok_or_else(untold)?.created(calls, new).await
    }

    async fn track(&self, calls: &Calls<'_>, _fulfilment: &str, new: &NewFulfilment) -> Result<(), NotSet> {
        self.notify.as_ref().ok_or_else(untold)?.updated(calls, new).await
    }
}

/// That it has no address to be told at. The configuration is refused before.
fn untold() -> NotSet {
    NotSet::Refused(Error::new(Kind::Config, "this store can be told nothing: it lacks `notify`"))
}

#[cfg(test)]
mod tests;
