//! The stores. A new one is a new folder and a new row in [`STORES`]; the contract suite then enrols it by itself.
//!
//! A store reads verified bodies into canonical orders and answers two questions over HTTP. It never retries, sleeps, reads
//! the environment or builds an HTTP client; `wire` has the vendor's own names, `map` is pure.

pub mod canonical;
pub mod shopify;
pub mod woocommerce;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Result,
    config::{Secret, Section},
    domain::{
        ids::OrderId,
        order::{Flag, Order},
    },
    outbound::{Call, Client},
    webhook::{RawWebhook, Scheme, VerifiedWebhook},
};

/// Every kind of store: the `kind` of its section, how it is built, and an example section for `puente config example`.
pub const STORES: &[Row] = &[shopify::ROW, woocommerce::ROW, canonical::ROW];

/// A kind of store.
#[derive(Clone, Copy)]
pub struct Row {
    /// As in `store = { kind = "…" }`.
    pub kind: &'static str,
    /// Builds one from its section.
    pub build: fn(&Section) -> Result<Box<dyn Store>>,
    /// An example section, as TOML.
    pub example: &'static str,
    /// A sample order webhook of that store, as the store would send it: for `puente send` and the contract suite.
    pub sample: &'static str,
}

/// A store.
#[async_trait]
pub trait Store: Send + Sync {
    /// How it signs.
    fn scheme(&self) -> Scheme;

    /// The active secrets, as keys of the signature: one, or two while rotating.
    fn secrets(&self) -> &[Secret];

    /// Whether an unsigned request is one of the store's harmless pings, to be answered 200 and otherwise ignored
    /// (`WooCommerce` pings without a signature when a webhook is created).
    fn is_ping(&self, raw: &RawWebhook) -> bool;

    /// What a verified body says. Never an error: what cannot be mapped is [`Reading::Unmapped`], because refusing it would
    /// make the store drop the subscription and hide the problem.
    fn read(&self, webhook: &VerifiedWebhook) -> Reading;

    /// Signs `body` as the store would: the headers of a delivery, for `puente send` and tests. Never used to verify.
    fn sign(&self, body: &[u8], now: Timestamp) -> http::HeaderMap;

    /// Whether the store can be asked: it has credentials.
    fn can_fetch(&self) -> bool;

    /// Asks the store for one order; `None` if it has none of that id. One call.
    async fn fetch(&self, client: &Client, order: &OrderId) -> Result<Option<Order>>;

    /// The orders modified at or after `since`, oldest first, a page at a time. One call.
    async fn changed_since(&self, client: &Client, since: Timestamp, page: Option<&str>) -> Result<Changes>;
}

/// What a verified webhook says.
#[derive(Debug)]
pub enum Reading {
    /// The whole order.
    Order(Box<Order>),
    /// Only which order changed.
    Changed(OrderId),
    /// The store deleted the order.
    Deleted(OrderId),
    /// Nothing about an order: another topic, a test ping.
    Ignored(&'static str),
    /// Another shop's order, though the signature is right: Shopify signs for all shops of an app with one secret.
    AnotherShop,
    /// It could not be mapped: kept raw, visible to people. The order's id, if that at least could be read.
    Unmapped(Option<OrderId>, Flag),
}

/// A page of what changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// The orders that could be read.
    pub orders: Vec<Order>,
    /// Those that could not.
    pub unmapped: Vec<(Option<OrderId>, Flag)>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// A call that asks whether the store's credentials work, for `puente check`: connectors without one answer `None`.
pub type Probe = Option<Call>;
