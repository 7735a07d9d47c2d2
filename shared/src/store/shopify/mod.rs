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

mod map;
mod refunds;
mod shop;
mod sold;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::{
    Changes, Reading, Row, Store, answer,
    identity::Learnt,
    parse::{deleted, elements, flag, parse},
};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        ids::OrderId,
        order::{Flag, Order},
        sign::Identity,
    },
    outbound::{Answer, Call, Client},
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "shopify",
    build: |section| Ok(Box::new(Shopify::new(section.read()?)?)),
    explainable: |_| Err("Shopify's shops define no statuses of their own"),
    example: r#"kind = "shopify"
shop = "acme.myshopify.com"
app = "shared"                                   # "custom": the app is installed in this shop alone, so its secret proves it
shop_id = 548380009                              # without a token: the number in your orders' status pages (else it is learnt)
webhook_secrets = [{ env = "SHOPIFY_SECRET" }]   # the app's client secret; two while rotating
token = { env = "SHOPIFY_TOKEN" }                # Admin API: for backfill and for what a webhook leaves open
all_orders = false                               # true once the token has read_all_orders beside read_orders
"#,
    sample: include_str!("sample.json"),
};

const SIGNATURE: &[&str] = &["x-shopify-hmac-sha256", "shopify-hmac-sha256"];
const SHOP_DOMAIN: &[&str] = &["x-shopify-shop-domain", "shopify-shop-domain"];
const TIMEOUT: Duration = Duration::from_secs(20);
const PER_PAGE: &str = "250";

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    /// `name.myshopify.com`.
    shop: String,
    /// The shop's number: the surest way to tell its orders. Learnt with the token where nobody says it.
    #[serde(default)]
    shop_id: Option<u64>,
    #[serde(default)]
    app: App,
    /// Further domains of the shop, as its orders' status pages show them.
    #[serde(default)]
    domains: Vec<String>,
    webhook_secrets: Vec<Secret>,
    #[serde(default)]
    token: Option<Secret>,
    /// Whether the token may read orders older than 60 days: only then does "not found" mean "deleted".
    #[serde(default)]
    all_orders: bool,
    #[serde(default = "version")]
    api_version: String,
    /// Where the Admin API is, if not at `https://{shop}`: a sandbox.
    #[serde(default)]
    api_url: Option<String>,
}

/// For how many shops the app's secret signs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum App {
    /// It may be installed in other shops: a signed order has to say that it is this one's.
    #[default]
    Shared,
    /// It is installed in this shop alone: whatever it signs is this shop's.
    Custom,
}

fn version() -> String {
    "2026-07".to_owned()
}

struct Shopify {
    shop: String,
    shop_id: Option<u64>,
    domains: Vec<String>,
    app: App,
    /// What the shop said of itself, where the configuration does not.
    learnt: Learnt,
    secrets: Vec<Secret>,
    token: Option<HeaderValue>,
    all_orders: bool,
    /// `…/admin/api/{version}`.
    api: Url,
}

/// Whose order a status page's address says it is.
enum Whose {
    Ours,
    Anothers,
    Unsaid,
}

impl Shopify {
    fn new(config: Config) -> Result<Self> {
        let refuse = |text: &'static str| Err(Error::new(Kind::Config, text));
        let shop = config.shop.to_ascii_lowercase();
        let name = shop.strip_suffix(".myshopify.com").unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse("shop is not a name such as acme.myshopify.com");
        }
        super::check_secrets(&config.webhook_secrets)?;
        if !config.api_version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse("api_version is not a version such as 2026-07");
        }
        let token = match config.token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::from_str(token.expose().trim())
                    .map_err(|_| Error::new(Kind::Config, "token has characters no Admin API token has"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let base = answer::base("api_url", config.api_url.as_deref().unwrap_or(&format!("https://{shop}")))?;
        Ok(Self {
            api: answer::below(&base, &["admin", "api", &config.api_version]),
            domains: config.domains.into_iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            shop,
            shop_id: config.shop_id,
            app: config.app,
            learnt: Learnt::default(),
            secrets: config.webhook_secrets,
            token,
            all_orders: config.all_orders,
        })
    }

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

    fn call(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Call> {
        let token = self.token.as_ref().ok_or_else(|| {
            Error::new(Kind::Config, format!("{}: token is needed to ask the shop for orders", self.shop))
        })?;
        let mut url = answer::below(&self.api, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-shopify-access-token", token.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call { method: Method::GET, url, headers, body: Bytes::new(), timeout: TIMEOUT })
    }

    fn one_call(&self, order: &OrderId) -> Result<Call> {
        self.call(&["orders", &format!("{order}.json")], &[])
    }

    fn page_call(&self, since: Timestamp, page: Option<&str>) -> Result<Call> {
        let path = &["orders.json"];
        match page {
            // A cursor has the filters in itself; Shopify refuses them beside it.
            Some(cursor) => self.call(path, &[("limit", PER_PAGE), ("page_info", cursor)]),
            None => self.call(
                path,
                &[
                    ("status", "any"),
                    ("updated_at_min", &since.to_string()),
                    ("order", "updated_at asc"),
                    ("limit", PER_PAGE),
                ],
            ),
        }
    }

    fn one(&self, answer: Answer) -> Result<Option<Order>> {
        let Some(answer) = answer::read(answer, &self.shop, "the store's token")? else {
            // Taking an old order for a deleted one would cancel its sale.
            let why = "the shop shows no such order: deleted, or older than 60 days and the token lacks read_all_orders \
                       (grant it and set all_orders = true)";
            return if self.all_orders { Ok(None) } else { Err(Error::new(Kind::NotFound, why)) };
        };
        let unreadable = |flag: Flag| Error::new(Kind::Unreadable, format!("{}: {}", self.shop, flag.detail));
        let single = parse::<wire::Single<'_>>(&answer.body).map_err(unreadable)?;
        read_order(single.order.get().as_bytes()).map(Some).map_err(|(_, flag)| unreadable(flag))
    }

    fn no_api(&self) -> Error {
        Error::new(Kind::Config, format!("{}: there is no Admin API here: check shop, api_version", self.shop))
    }

    fn page(&self, answer: Answer) -> Result<Changes> {
        let Some(answer) = answer::read(answer, &self.shop, "the store's token")? else {
            return Err(self.no_api());
        };
        // One by one: what is wrong with one of them hides none of the others.
        let page = elements(&answer.body, Some("orders")).ok_or_else(|| {
            Error::new(Kind::Unreadable, format!("{}: it answered with no list of orders", self.shop))
        })?;
        let mut changes = Changes { next: next(&answer.headers), ..Changes::default() };
        for order in page {
            match read_order(order) {
                Ok(order) => changes.orders.push(order),
                Err(unmapped) => changes.unmapped.push(unmapped),
            }
        }
        Ok(changes)
    }
}

/// What a person reads who has to find out.
const ONLY_AN_ID: &str = "the body is only an id: perhaps the order was deleted, perhaps something else of that number. Look for it in \
                          the store; with a token Puente asks the store itself";

const ORDER: &str = "gid://shopify/Order/";

/// An order of an answer: that it is this shop's is beyond doubt.
fn read_order(body: &[u8]) -> Result<Order, (Option<OrderId>, Flag)> {
    match parse::<wire::Order<'_>>(body) {
        Ok(wire) => map::order(&wire).map_err(|flag| (map::id(&wire.id).ok(), flag)),
        Err(flag) => Err((parse::<wire::Other<'_>>(body).ok().and_then(|other| map::id(&other.id).ok()), flag)),
    }
}

/// The cursor of the next page: `Link: <https://…?page_info=abc>; rel="next"`.
/// <https://shopify.dev/docs/api/admin-rest/usage/pagination>
fn next(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let next = links.flat_map(|value| value.split(',')).find(|link| link.contains("rel=\"next\""))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    let url = Url::parse(address).ok()?;
    url.query_pairs().find(|(name, _)| name == "page_info").map(|(_, cursor)| cursor.into_owned())
}

#[async_trait]
impl Store for Shopify {
    fn scheme(&self) -> Scheme {
        Scheme::HmacBase64(SIGNATURE)
    }

    fn secrets(&self) -> &[Secret] {
        &self.secrets
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

    async fn identify(&self, client: &Client) -> Result<Option<Identity>> {
        if self.token.is_none() || self.identity().is_none() {
            return Ok(None);
        }
        let answer = client.send(self.call(&["shop.json"], &[])?).await?;
        let answer = answer::read(answer, &self.shop, "the store's token")?.ok_or_else(|| self.no_api())?;
        let unreadable = |flag: Flag| Error::new(Kind::Unreadable, format!("{}: {}", self.shop, flag.detail));
        shop::identity(&answer.body).map(Some).map_err(unreadable)
    }

    fn lacks(&self) -> Option<String> {
        let proven =
            self.token.is_some() || self.number().is_some() || !self.domains.is_empty() || self.app == App::Custom;
        (!proven).then(|| {
            "nothing says which orders are this shop's once it has a domain of its own: set shop_id (the number in the address \
             of its orders' status pages), or a token, or app = \"custom\" if the app is installed in no other shop"
                .to_owned()
        })
    }

    fn can_fetch(&self) -> bool {
        self.token.is_some()
    }

    async fn fetch(&self, client: &Client, order: &OrderId) -> Result<Option<Order>> {
        // Shopify's ids are numbers: it has no order of another id.
        if !order.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        let answer = client.send(self.one_call(order)?).await?;
        self.one(answer).map_err(|error| error.within(format_args!("order {order}")))
    }

    async fn changed_since(&self, client: &Client, since: Timestamp, page: Option<&str>) -> Result<Changes> {
        let answer = client.send_for_page(self.page_call(since, page)?).await?;
        self.page(answer)
    }
}

#[cfg(test)]
mod tests;
