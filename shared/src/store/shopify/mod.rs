//! Shopify: REST-shaped webhooks, signed with the app's secret, and the REST Admin API to ask back.
//!
//! Shopify signs with *one* secret for all shops of an app, and signs no header. So the signature says "from Shopify", not
//! "from this shop": whose order it is must come out of the signed body, and what happened must come out of its state, never
//! out of the topic. An order's `order_status_url` has the shop's host and numeric id; a body that does not say whose it is
//! never becomes an order by itself: the shop is asked, with its own token. The shop's number and domains are learnt with that token
//! where the configuration does not say them (`docs/decisions/shop-identity.md`). Both spellings of the headers are
//! read, with `X-` and without. Delivery ids are not used for anything.
//!
//! <https://shopify.dev/docs/apps/build/webhooks> ·
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order> · why REST: `docs/decisions/shopify-rest-for-fetching.md`

mod access;
mod call;
mod config;
mod fulfilment;
mod goods;
mod graphql;
#[cfg(feature = "fixtures")]
mod kit;
mod map;
mod parts;
mod prices;
mod refunds;
mod search;
mod shop;
mod sold;
mod wire;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use url::Url;

use self::{
    access::Access,
    config::{App, Shopify},
};
use super::{
    Changes, Entrance, Reading, Row, Signed, Store, answer,
    goods::{NewStock, NotSet, Stocked},
    identity::Learnt,
    parse::{deleted, flag, parse},
    prices::{NewPrice, Priced},
    sign_in::SignIn,
};
use crate::{
    Error, Kind, Result,
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

/// The table's row.
pub const ROW: Row = Row {
    kind: "shopify",
    build: |section| Ok(Box::new(Shopify::new(section.read()?)?)),
    explainable: |_| Err("Shopify's shops define no statuses of their own"),
    fetched_with: &[&["token"], &["client_id", "client_secret"]],
    // <https://shopify.dev/docs/api/admin-rest/usage/rate-limits>: 2 a second for an app in a shop, 4 on Advanced, 20 on Plus; a bucket
    // of 40 allows bursts beyond that, which nothing here needs.
    rate: Some((2, SignedDuration::from_secs(1))),
    told_with: &[],
    keeps: Some(Keeps::Gross),
    prices: true,
    ships: true,
    example: r#"kind = "shopify"
shop = "acme.myshopify.com"
app = "shared"                                   # "custom": the app is installed in this shop alone, so its secret proves it
shop_id = 548380009                              # without a token: the number in your orders' status pages (else it is learnt)
webhook_secrets = [{ env = "SHOPIFY_SECRET" }]   # the app's client secret; two while rotating
token = { env = "SHOPIFY_TOKEN" }                # Admin API: for backfill and for what a webhook leaves open
# An app without a lasting token (all that were made since 2026) has these instead of token; client_secret is then what it signs with,
# unless webhook_secrets says otherwise:
# client_id = "…"
# client_secret = { env = "SHOPIFY_CLIENT_SECRET" }
# Only for an app of another organisation, an agency's. The address is one of the app's; sign in with
# `puente connections authorize NAME`:
# redirect_url = "https://agency.example/puente"
# scopes = ["read_orders", "read_all_orders"]     # prices need read_products and write_products as well
all_orders = false                               # true once the token has read_all_orders beside read_orders
# location = "655441491"                         # the location that stock is written to, if there are several
# limits = { rate = "4/s" }                      # 2/s if nothing is said, which Shopify allows every plan: 4/s with Advanced, 20/s with Plus
"#,
    sample: include_str!("sample.json"),
    #[cfg(feature = "fixtures")]
    kit: &kit::Kit,
};

const SIGNATURE: &[&str] = &["x-shopify-hmac-sha256", "shopify-hmac-sha256"];
const SHOP_DOMAIN: &[&str] = &["x-shopify-shop-domain", "shopify-shop-domain"];
/// What a person reads who has to find out.
const ONLY_AN_ID: &str = "the body is only an id: perhaps the order was deleted, perhaps something else of that number. Look for it in \
                          the store; with a token Puente asks the store itself";

const ORDER: &str = "gid://shopify/Order/";

/// Shopify's ids are numbers: it has no order of another id.
fn is_number(order: &OrderId) -> bool {
    order.as_str().bytes().all(|b| b.is_ascii_digit())
}

/// Whose order a status page's address says it is.
enum Whose {
    Ours,
    Anothers,
    Unsaid,
}

impl Shopify {
    fn is_ours(&self, host: &str) -> bool {
        let is = |domain: &String| host.eq_ignore_ascii_case(domain);
        is(&self.shop)
            || self.domains.iter().any(is)
            || self.learnt.with(|identity| identity.domains.iter().any(is)).unwrap_or_default()
    }

    /// The shop's number, if it is known.
    fn number(&self) -> Option<u64> {
        self.shop_id.or_else(|| self.learnt.with(|identity| identity.id))
    }

    /// Reads the address of an order's status page: `https://{host}/{shop id}/orders/{token}/authenticate?key=…`. The host is
    /// the shop's own domain where it has one.
    fn whose(&self, status_url: &str) -> Whose {
        let unsaid = if self.app == App::Custom { Whose::Ours } else { Whose::Unsaid };
        let Ok(url) = Url::parse(status_url) else { return unsaid };
        let number = url.path_segments().and_then(|mut path| path.next()?.parse::<u64>().ok());
        let host = url.host_str().unwrap_or_default();
        match (self.number(), number) {
            (Some(ours), Some(theirs)) if ours == theirs => Whose::Ours,
            (Some(_), Some(_)) => Whose::Anothers,
            _ if self.is_ours(host) => Whose::Ours,
            // Every shop has exactly one name there (and `domains` for a former one).
            _ if host.to_ascii_lowercase().ends_with(".myshopify.com") => Whose::Anothers,
            _ => unsaid,
        }
    }

    /// A body that is an order, or should be.
    fn placed(&self, id: Option<OrderId>, status_url: &str, order: Result<Order, Flag>) -> Reading {
        match (self.whose(status_url), order, id) {
            (Whose::Anothers, ..) => Reading::AnotherShop,
            (Whose::Ours, Ok(order), _) => Reading::Order(Box::new(order)),
            (Whose::Ours, Err(flag), id) => Reading::Unmapped(id, flag),
            // The shop itself knows whether the order is its own.
            (Whose::Unsaid, _, Some(id)) if self.can_fetch() => Reading::Changed(id),
            (Whose::Unsaid, order, id) => {
                let detail = format!(
                    "order_status_url: does not say that the order is of {}. Set in the connection's store shop_id (the number in \
                     that address), or a token so that the shop can be asked, or app = \"custom\" if the app is installed in no \
                     other shop; then replay the order",
                    self.shop
                );
                Reading::Unmapped(id, order.err().unwrap_or_else(|| flag("shop", detail)))
            }
        }
    }

    /// A body that could not be read as an order.
    fn other(&self, body: &[u8], fault: Option<Flag>) -> Reading {
        // A deletion has nothing but an id; but so has that of a product, and an id says nothing about whose it is.
        if let Some(id) = deleted(body) {
            return if self.can_fetch() {
                Reading::Changed(id)
            } else {
                Reading::Unmapped(Some(id), flag("unread", ONLY_AN_ID))
            };
        }
        let other = match parse::<wire::Other<'_>>(body) {
            Ok(other) => other,
            Err(flag) => return Reading::Unmapped(None, fault.unwrap_or(flag)),
        };
        let id = map::id(&other.id).ok();
        let resource = other.admin_graphql_api_id.as_str();
        let is_order = if resource.is_empty() {
            other.financial_status.is_some() && other.line_items.is_some() && other.order_id.as_str().is_empty()
        } else {
            resource.starts_with(ORDER)
        };
        if let (true, Some(fault)) = (is_order, fault) {
            return self.placed(id, other.order_status_url.as_str(), Err(fault));
        }
        // Refunds, fulfilments, transactions; edits; returns.
        let owner = [
            Some(&other.order_id),
            other.order_edit.as_ref().map(|e| &e.order_id),
            other.order.as_ref().map(|o| &o.id),
        ];
        match owner.into_iter().flatten().find_map(|id| map::id(id).ok()) {
            Some(order) => Reading::Changed(order),
            None => Reading::Ignored("not about an order"),
        }
    }
}

#[async_trait]
impl Store for Shopify {
    fn entrance(&self) -> Entrance<'_> {
        Entrance::Signed(Signed { scheme: Scheme::HmacBase64(SIGNATURE), secrets: &self.secrets })
    }

    fn is_ping(&self, _raw: &RawWebhook) -> bool {
        false
    }

    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        // Not signed, so it proves nothing; but an honest delivery for another shop says so here.
        let named = SHOP_DOMAIN.iter().find_map(|name| webhook.headers().get(*name));
        if named.is_some_and(|host| !host.to_str().is_ok_and(|host| self.is_ours(host.trim()))) {
            return Reading::AnotherShop;
        }
        match parse::<wire::Order<'_>>(webhook.body()) {
            Ok(wire) => {
                let resource = wire.admin_graphql_api_id.as_str();
                // Draft orders and checkouts look much the same.
                if wire.order_id.as_str().is_empty() && (resource.is_empty() || resource.starts_with(ORDER)) {
                    self.placed(map::id(&wire.id).ok(), wire.order_status_url.as_str(), map::order(&wire))
                } else {
                    self.other(webhook.body(), None)
                }
            }
            Err(fault) => self.other(webhook.body(), Some(fault)),
        }
    }

    fn sign(&self, body: &[u8], now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set("content-type", "application/json");
        set("x-shopify-topic", "orders/updated");
        set("x-shopify-shop-domain", &self.shop);
        set("x-shopify-triggered-at", &now.to_string());
        if let Some(secret) = self.secrets.first() {
            set("x-shopify-hmac-sha256", &webhook::sign(secret, body));
        }
        headers
    }

    fn identity(&self) -> Option<&Learnt> {
        (self.shop_id.is_none() && self.app == App::Shared).then_some(&self.learnt)
    }

    async fn identify(&self, calls: &Calls<'_>) -> Result<Option<Identity>> {
        if !self.access.is_some() || self.identity().is_none() {
            return Ok(None);
        }
        let answer = self.access.ask(calls, self.call(&["shop.json"], &[]), false).await?;
        let answer = answer::read(answer, &self.shop, self.access.credentials())?.ok_or_else(|| self.no_api())?;
        let unreadable = |flag: Flag| Error::new(Kind::Unreadable, format!("{}: {}", self.shop, flag.detail));
        shop::identity(&answer.body).map(Some).map_err(unreadable)
    }

    fn sign_in(&self) -> Option<&dyn SignIn> {
        match &self.access {
            Access::App(app) => Some(&**app),
            Access::None | Access::Lasting(_) => None,
        }
    }

    fn lacks(&self) -> Option<String> {
        let proven =
            self.access.is_some() || self.number().is_some() || !self.domains.is_empty() || self.app == App::Custom;
        (!proven).then(|| {
            "nothing says which orders are this shop's once it has a domain of its own: set shop_id (the number in the address \
             of its orders' status pages), or a token, or app = \"custom\" if the app is installed in no other shop"
                .to_owned()
        })
    }

    fn can_fetch(&self) -> bool {
        self.access.is_some()
    }

    async fn fetch(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>> {
        if !is_number(order) {
            return Ok(None);
        }
        let answer = self.access.ask(calls, self.one_call(order), false).await?;
        self.one(answer).map_err(|error| error.within(format_args!("order {order}")))
    }

    async fn changed_since(&self, calls: &Calls<'_>, since: Timestamp, page: Option<&str>) -> Result<Changes> {
        let answer = self.access.ask(calls, self.page_call(since, page), true).await?;
        self.page(answer)
    }

    async fn stock(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        self.stock_of(calls, skus).await
    }

    async fn set_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        self.write_stock(calls, stock).await
    }

    async fn prices(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Priced>> {
        self.prices_of(calls, skus).await
    }

    async fn set_prices(&self, calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        self.write_prices(calls, prices).await
    }

    async fn fulfilments(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Fulfilments>> {
        if !is_number(order) {
            return Ok(None);
        }
        let found = self.fulfilments_of(calls, order).await;
        found.map_err(|error| error.within(format_args!("order {order}")))
    }

    async fn fulfil(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        self.send(calls, new).await
    }

    async fn track(&self, calls: &Calls<'_>, fulfilment: &str, new: &NewFulfilment) -> Result<(), NotSet> {
        self.follow(calls, fulfilment, new).await
    }
}

#[cfg(test)]
mod tests;
