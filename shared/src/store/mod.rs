//! The stores. A new one is a new folder and a new row in [`STORES`]; the contract suite then enrols it by itself.
//!
//! A store reads verified bodies into canonical orders and answers two questions over HTTP. It never retries, sleeps, reads
//! the environment or builds an HTTP client; `wire` has the vendor's own names, `map` is pure.

mod answer;
pub mod canonical;
pub mod goods;
pub mod identity;
pub mod medusa;
mod parse;
pub mod prices;
pub mod shopify;
pub mod sign_in;
mod tax_id;
mod title;
pub mod woocommerce;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub(crate) use self::parse::without_mark;
use self::{
    goods::{NewStock, NotSet, Stocked},
    identity::Learnt,
    prices::{NewPrice, Priced},
    sign_in::SignIn,
};
use crate::{
    Error, Kind, Result,
    config::{Secret, Section},
    domain::{
        goods::{Sku, number::Keeps},
        ids::OrderId,
        order::{Flag, Order},
        price::Price,
        shipment::{Fulfilments, NewFulfilment},
        sign::Identity,
    },
    outbound::Calls,
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// Every kind of store: the `kind` of its section, how it is built, and an example section for `puente config example`.
pub const STORES: &[Row] = &[shopify::ROW, woocommerce::ROW, medusa::ROW, canonical::ROW];

/// A kind of store.
#[derive(Clone, Copy)]
pub struct Row {
    /// As in `store = { kind = "…" }`.
    pub kind: &'static str,
    /// Builds one from its section.
    pub build: fn(&Section) -> Result<Box<dyn Store>>,
    /// Whether `orders.statuses` may say what this status means: only a word that its shops can define by themselves. Else why not.
    pub explainable: fn(&str) -> Result<(), &'static str>,
    /// The keys of its section with which it can be asked, one set beside the other: each set will do. None: it never can.
    pub fetched_with: &'static [&'static [&'static str]],
    /// So many calls within a time that its vendor lets one app make to one shop, on the smallest plan; `None` where no vendor says.
    pub rate: Option<(u32, SignedDuration)>,
    /// The keys of its section without which nobody can tell it anything, beside those that it is asked with.
    pub told_with: &'static [&'static str],
    /// Which number its stock is; `None` where nobody can tell it any.
    pub keeps: Option<Keeps>,
    /// Whether it can be told prices.
    pub prices: bool,
    /// Whether it can be told what was sent of an order.
    pub ships: bool,
    /// An example section, as TOML.
    pub example: &'static str,
    /// A sample order webhook of that store, as the store would send it: for `puente send` and the contract suite.
    pub sample: &'static str,
    /// Its shops as they write, sign and answer: for the sandbox, the suites and the fuzz targets.
    #[cfg(feature = "fixtures")]
    pub kit: &'static dyn puente_sandbox::store::Vendor,
}

/// The row of a kind.
#[must_use]
pub fn row(kind: &str) -> Option<&'static Row> {
    STORES.iter().find(|row| row.kind == kind)
}

/// The most calls that a store may be asked for one order with: an order costs what is known beforehand.
pub const MOST_CALLS: usize = 4;

/// How orders enter, and what vouches for them.
///
/// Who may post canonical orders is said here and nowhere else: neither a scheme nor a kind of store implies it.
pub enum Entrance<'a> {
    /// Webhooks that the store signs: the body is its own words.
    Signed(Signed<'a>),
    /// Webhooks that nobody signs. The connection's key lets them in, and nothing in them is believed but an order's id: the order
    /// is fetched with our own credentials.
    Pointer,
    /// Canonical orders, of somebody's own system.
    Keyed {
        /// The keys under which they may be posted; none: they come signed only.
        api_keys: &'a [Secret],
        /// What they are signed with, if they come as webhooks.
        signed: Signed<'a>,
    },
}

/// What a store's signatures are checked with.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// How it signs.
    pub scheme: Scheme,
    /// The active secrets, as keys of the signature: one, or two while rotating. None: no webhook is genuine.
    pub secrets: &'a [Secret],
}

impl<'a> Entrance<'a> {
    /// What signatures are checked with; `None` where nobody signs.
    #[must_use]
    pub fn signed(&self) -> Option<Signed<'a>> {
        match self {
            Self::Signed(signed) | Self::Keyed { signed, .. } => Some(*signed),
            Self::Pointer => None,
        }
    }

    /// The keys under which canonical orders may be posted. None: nobody may post any.
    #[must_use]
    pub fn api_keys(&self) -> &'a [Secret] {
        match self {
            Self::Keyed { api_keys, .. } => api_keys,
            Self::Signed(_) | Self::Pointer => &[],
        }
    }
}

impl Signed<'_> {
    /// Verifies a webhook.
    pub fn verify(&self, raw: RawWebhook) -> Result<VerifiedWebhook> {
        webhook::verify(raw, self.scheme, self.secrets)
    }
}

/// A store.
#[async_trait]
pub trait Store: Send + Sync {
    /// How its orders enter.
    fn entrance(&self) -> Entrance<'_>;

    /// Which order an unsigned webhook is about, at an [`Entrance::Pointer`]: `None` if it is about none. Nothing else in it is
    /// believed: the order is fetched. The flag says why the body cannot be read; it is refused.
    fn pointed(&self, _raw: &RawWebhook) -> Result<Option<OrderId>, Flag> {
        Ok(None)
    }

    /// Whether an unsigned request is one of the store's harmless pings, to be answered 200 and otherwise ignored
    /// (`WooCommerce` pings without a signature when a webhook is created).
    fn is_ping(&self, raw: &RawWebhook) -> bool;

    /// What a verified body says. Never an error: what cannot be mapped is [`Reading::Unmapped`], because refusing it would
    /// make the store drop the subscription and hide the problem.
    fn read(&self, webhook: &VerifiedWebhook) -> Reading;

    /// Signs `body` as the store would: the headers of a delivery, for `puente send` and tests. Never used to verify.
    fn sign(&self, body: &[u8], now: Timestamp) -> http::HeaderMap;

    /// Where it keeps who its shop is, if it needs that to tell its own orders and the configuration does not say it.
    fn identity(&self) -> Option<&Learnt> {
        None
    }

    /// Asks the shop who it is. One call; `None` where the store cannot be asked, or needs no identity.
    async fn identify(&self, _calls: &Calls<'_>) -> Result<Option<Identity>> {
        Ok(None)
    }

    /// How its tokens come, where they are given for a time: they are kept, and renewed before they end.
    fn sign_in(&self) -> Option<&dyn SignIn> {
        None
    }

    /// What its configuration lacks though everything in it is right: for `puente check`, with what to set.
    fn lacks(&self) -> Option<String> {
        None
    }

    /// Whether the store can be asked: it has credentials.
    fn can_fetch(&self) -> bool;

    /// Asks the store for one order; `None` if it has none of that id. One call, or a few where a store keeps the parts of an
    /// order at several addresses: at most [`MOST_CALLS`], whatever the order.
    async fn fetch(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>>;

    /// The orders modified at or after `since`, oldest first, a page at a time: whole, or their ids where the store lists no more.
    /// One call.
    async fn changed_since(&self, calls: &Calls<'_>, since: Timestamp, page: Option<&str>) -> Result<Changes>;

    /// Whether nobody can ask it what it has: that is what it was told. Whatever is in doubt is told again, and it takes the same, told
    /// twice, for once.
    fn is_only_told(&self) -> bool {
        false
    }

    /// What the store has of these articles, at most [`goods::MOST`], by its own codes: one answer for each, in order. As few calls as it
    /// takes.
    async fn stock(&self, _calls: &Calls<'_>, _skus: &[Sku]) -> Result<Vec<Stocked>> {
        Err(Error::new(Kind::Refused, "nobody can ask this kind of store for its stock"))
    }

    /// Writes numbers, at most [`goods::MOST`]: for each what the store says that it has then, in order. Each call is made once.
    async fn set_stock(&self, _calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let refused = || NotSet::Refused(Error::new(Kind::Refused, "nobody can tell this kind of store its stock"));
        stock.iter().map(|_| Err(refused())).collect()
    }

    /// What these articles cost in the store, at most [`goods::MOST`], by its own codes: one answer for each, in order. As few calls as
    /// it takes.
    async fn prices(&self, _calls: &Calls<'_>, _skus: &[Sku]) -> Result<Vec<Priced>> {
        Err(Error::new(Kind::Refused, "nobody can ask this kind of store for its prices"))
    }

    /// Writes prices, at most [`goods::MOST`]: for each what the store says that it has then, in order. Each call is made once.
    async fn set_prices(&self, _calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        let refused = || NotSet::Refused(Error::new(Kind::Refused, "nobody can tell this kind of store its prices"));
        prices.iter().map(|_| Err(refused())).collect()
    }

    /// What the store has of an order as sent, and what it still expects; `None` if it has no such order. As few calls as it takes, at
    /// most [`MOST_CALLS`].
    async fn fulfilments(&self, _calls: &Calls<'_>, _order: &OrderId) -> Result<Option<Fulfilments>> {
        Err(Error::new(Kind::Refused, "nobody can ask this kind of store what was sent"))
    }

    /// Tells it of a shipment: what it calls that then. Each call is made once.
    async fn fulfil(&self, _calls: &Calls<'_>, _new: &NewFulfilment) -> Result<String, NotSet> {
        Err(NotSet::Refused(Error::new(Kind::Refused, "nobody can tell this kind of store what was sent")))
    }

    /// Tells it how a shipment that it has, as it calls it, can be followed now: of `new` the carrier and the parcels, in place of what
    /// it had. Each call is made once.
    async fn track(&self, _calls: &Calls<'_>, _fulfilment: &str, _new: &NewFulfilment) -> Result<(), NotSet> {
        Err(NotSet::Refused(Error::new(Kind::Refused, "nobody can tell this kind of store what was sent")))
    }
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

/// An order that changed, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its id.
    pub order: OrderId,
    /// When the store last modified it, as its list says.
    pub modified: Timestamp,
}

/// A page of what changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// The orders that could be read.
    pub orders: Vec<Order>,
    /// The orders of which only the id is listed: each is fetched.
    pub ids: Vec<Changed>,
    /// Those that could not.
    pub unmapped: Vec<(Option<OrderId>, Flag)>,
    /// How far the list has come, by the time it is sorted by; `None`: by the last order's own.
    pub reached: Option<Timestamp>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// `order` with its books examined: what does not add up is flagged with the exact difference, and kept.
///
/// Every connector's mapping ends here. Whatever `books`, `tax` and `refunds` flags it came with are replaced.
#[must_use]
pub fn audited(mut order: Order) -> Order {
    order.flags.retain(|flag| !matches!(flag.code.as_str(), "books" | "tax" | "refunds"));
    let (proof, currency) = (order.proof(), order.currency.code());
    if !proof.holds() {
        let detail = format!(
            "the store's total is {} {currency}, lines, charges, discounts and tax make {}: {} of difference",
            proof.total,
            proof.total - proof.difference,
            proof.difference,
        );
        order.flags.push(parse::flag("books", detail));
    }
    if !proof.untraced_tax.is_zero() {
        let detail = format!(
            "the store's tax is {} {currency}, that of the lines and charges {}: {} of difference",
            order.tax,
            order.tax - proof.untraced_tax,
            proof.untraced_tax,
        );
        order.flags.push(parse::flag("tax", detail));
    }
    if !proof.unexplained.is_zero() {
        let detail = format!(
            "{} {currency} were sold and {} refunded, and the store says that it comes to {} now: {} of difference",
            proof.total,
            proof.refunded,
            proof.total - proof.refunded + proof.unexplained,
            proof.unexplained,
        );
        order.flags.push(parse::flag("refunds", detail));
    }
    order
}

/// One secret, or two while rotating; none of them empty.
fn check_secrets(secrets: &[Secret]) -> Result<()> {
    let refuse = |text: &'static str| Err(Error::new(Kind::Config, text));
    match secrets.len() {
        _ if secrets.iter().any(|secret| secret.expose().is_empty()) => refuse("webhook_secrets has an empty secret"),
        1 | 2 => Ok(()),
        0 => refuse("webhook_secrets is empty: without a secret no webhook can be told from a forgery"),
        _ => refuse("webhook_secrets has more than two: the one in use and, while rotating, the next"),
    }
}
