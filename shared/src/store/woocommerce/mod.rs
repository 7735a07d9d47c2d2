//! `WooCommerce`: webhooks whose body is the REST v3 order, and that REST API to ask back.
//!
//! Each webhook has its own secret, so the signature also says which shop. The key is the secret *after* HTML-entity
//! decoding: that is how the plugin signs. `WooCommerce` never repeats a delivery and disables a webhook after a handful of
//! refusals, so what we miss comes through the list of modified orders. Delivery ids repeat within a second, and are not used
//! for anything.
//!
//! <https://woocommerce.com/document/webhooks/> · <https://woocommerce.github.io/woocommerce-rest-api-docs/#orders> ·
//! `includes/class-wc-webhook.php` of the plugin

mod map;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use url::Url;

use super::{
    Changes, Reading, Row, Store, answer,
    parse::{self, deleted, flag, order_id, parse},
};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        ids::OrderId,
        order::{Flag, Order},
        time::Stamp,
    },
    outbound::{Answer, Call, Client},
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "woocommerce",
    build: |section| Ok(Box::new(WooCommerce::new(section.read()?)?)),
    explainable: map::explainable,
    example: r#"kind = "woocommerce"
url = "https://shop.example"                     # the site's address, with its folder if it has one
webhook_secrets = [{ env = "WOO_SECRET" }]       # the webhook's secret; two while rotating
consumer_key = { env = "WOO_KEY" }               # REST API, read: for backfill, which WooCommerce needs
consumer_secret = { env = "WOO_KEY_SECRET" }
"#,
    sample: include_str!("sample.json"),
};

const SIGNATURE: &str = "x-wc-webhook-signature";
const TIMEOUT: Duration = Duration::from_secs(30);
const PER_PAGE: usize = 100;

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    url: String,
    webhook_secrets: Vec<Secret>,
    #[serde(default)]
    consumer_key: Option<Secret>,
    #[serde(default)]
    consumer_secret: Option<Secret>,
}

struct WooCommerce {
    /// For errors: the site's host.
    name: String,
    secrets: Vec<Secret>,
    /// `Basic …`.
    authorization: Option<HeaderValue>,
    /// `…/wp-json/wc/v3/orders`.
    orders: Url,
}

impl WooCommerce {
    fn new(config: Config) -> Result<Self> {
        super::check_secrets(&config.webhook_secrets)?;
        let base = answer::base("url", &config.url)?;
        let authorization = match (config.consumer_key, config.consumer_secret) {
            (None, None) => None,
            (Some(key), Some(secret)) => {
                let pair = BASE64_STANDARD.encode(format!("{}:{}", key.expose().trim(), secret.expose().trim()));
                let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
                    .map_err(|_| Error::new(Kind::Config, "consumer_key and consumer_secret make no header"))?;
                value.set_sensitive(true);
                Some(value)
            }
            _ => return Err(Error::new(Kind::Config, "consumer_key and consumer_secret come together")),
        };
        Ok(Self {
            name: base.host_str().unwrap_or_default().to_owned(),
            orders: answer::below(&base, &["wp-json", "wc", "v3", "orders"]),
            secrets: config.webhook_secrets.iter().map(|secret| Secret::new(parse::plain(secret.expose()))).collect(),
            authorization,
        })
    }

    fn call(&self, url: Url) -> Result<Call> {
        let authorization = self.authorization.as_ref().ok_or_else(|| {
            let what = format!("{}: consumer_key and consumer_secret are needed to ask the shop for orders", self.name);
            Error::new(Kind::Config, what)
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call { method: Method::GET, url, headers, body: Bytes::new(), timeout: TIMEOUT })
    }

    fn one_call(&self, order: &OrderId) -> Result<Call> {
        self.call(answer::below(&self.orders, &[order.as_str()]))
    }

    fn page_call(&self, at: &Cursor) -> Result<Call> {
        let mut url = self.orders.clone();
        url.query_pairs_mut()
            .append_pair("modified_after", &gmt(at.after))
            .append_pair("dates_are_gmt", "true")
            .append_pair("orderby", "modified")
            .append_pair("order", "asc")
            .append_pair("per_page", &PER_PAGE.to_string())
            .append_pair("page", &at.page.to_string());
        self.call(url)
    }

    fn answered(&self, answer: Answer) -> Result<Option<Answer>> {
        // Broken permalinks and security plugins answer 404 as well; taken for a deletion it would cancel a sale.
        if answer.status == StatusCode::NOT_FOUND && !is_no_such_order(&answer.body) {
            let what =
                format!("{}: no REST API answers there: check url and that permalinks are not \"plain\"", self.name);
            return Err(Error::new(Kind::Config, what));
        }
        answer::read(answer, &self.name, "the store's consumer_key and consumer_secret")
    }

    fn one(&self, answer: Answer) -> Result<Option<Order>> {
        let Some(answer) = self.answered(answer)? else { return Ok(None) };
        let unreadable = |why: &str| Err(Error::new(Kind::Unreadable, format!("{}: {why}", self.name)));
        match read_order(&answer.body) {
            Read::Order(order) => Ok(Some(*order)),
            Read::Draft => Ok(None),
            Read::Unmapped(_, flag) => unreadable(&flag.detail),
            // Taken for "there is none" it would cancel a sale.
            Read::Pointer(..) | Read::Error(_) | Read::Other => {
                unreadable("it answered with something that is no order")
            }
        }
    }

    fn page(&self, at: &Cursor, answer: Answer) -> Result<Changes> {
        let Some(answer) = self.answered(answer)? else { return Ok(Changes::default()) };
        let page = parse::elements(&answer.body, None).ok_or_else(|| {
            Error::new(Kind::Unreadable, format!("{}: it answered with no list of orders", self.name))
        })?;
        let mut changes = Changes::default();
        let (full, mut last) = (page.len() >= PER_PAGE, None);
        for body in page {
            last = modified(body).or(last);
            match read_order(body) {
                Read::Order(order) => changes.orders.push(*order),
                Read::Draft => {}
                Read::Other => {
                    changes.unmapped.push((None, flag("unreadable", "something in the list of orders is none")));
                }
                Read::Unmapped(id, flag) => changes.unmapped.push((id, flag)),
                Read::Pointer(id, shape) => changes.unmapped.push((Some(id), shape.flag())),
                Read::Error(flag) => changes.unmapped.push((None, flag)),
            }
        }
        changes.next = full.then(|| at.next(last).to_string());
        Ok(changes)
    }
}

/// Where the listing stands. Pages by number alone would skip orders: one that is modified meanwhile moves to the end, and all
/// behind it move up. So the next request starts again from the last time seen, and a number is needed only where one second
/// fills more than a page. Orders of that last second come twice, which costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    /// Exclusive, as the vendor's `modified_after` is.
    after: Timestamp,
    page: u32,
}

impl Cursor {
    fn first(since: Timestamp) -> Self {
        // Times have whole seconds there: "at or after" is "after the second before".
        Self { after: since.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(since), page: 1 }
    }

    fn next(&self, last: Option<Timestamp>) -> Self {
        match last.map(Self::first) {
            Some(next) if next.after > self.after => next,
            _ => Self { after: self.after, page: self.page.saturating_add(1) },
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (after, page) = text.split_once('/')?;
        Some(Self { after: after.parse().ok()?, page: page.parse().ok()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.after, self.page)
    }
}

/// The vendor's own error for an id it does not have: `woocommerce_rest_shop_order_invalid_id`.
fn is_no_such_order(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow)]
        code: parse::Text<'a>,
    }
    parse::<Refusal<'_>>(body).is_ok_and(|refusal| refusal.code.as_str().ends_with("invalid_id"))
}

fn gmt(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn modified(order: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Modified<'a> {
        #[serde(borrow)]
        date_modified_gmt: parse::Text<'a>,
    }
    let order: Modified<'_> = parse(order).ok()?;
    Stamp::parse(order.date_modified_gmt.as_str()).ok().map(|stamp| stamp.at())
}

/// What a body is.
enum Read {
    /// An order.
    Order(Box<Order>),
    /// Somebody's cart or an editor's sheet.
    Draft,
    /// Not about an order.
    Other,
    /// An order in another shape than the REST API's: only its id is believed.
    Pointer(OrderId, Shape),
    /// An error instead of an order.
    Error(Flag),
    /// An order that cannot be read.
    Unmapped(Option<OrderId>, Flag),
}

/// The shapes that an order's webhook has besides the REST API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The Legacy REST API's.
    Legacy,
    /// Whatever an extension made of it.
    Overridden,
    /// The name of an action, and what it was called with.
    Action,
}

impl Shape {
    /// What is wrong and what to change in the store.
    fn flag(self) -> Flag {
        let detail = match self {
            Self::Legacy => {
                "this webhook uses the Legacy API: in the store, under WooCommerce > Settings > Advanced > Webhooks, set its API \
                 version to \"WP REST API Integration v3\""
            }
            Self::Overridden => {
                "the webhook names an order but does not carry it: an extension changes what webhooks send (the filter \
                 woocommerce_webhook_payload). Take that extension's hand off order webhooks, or set consumer_key and \
                 consumer_secret so that the order can be fetched"
            }
            Self::Action => {
                "the webhook tells of an action and does not carry the order: in the store, set its topic to \"Order updated\", or \
                 set consumer_key and consumer_secret here so that the order can be fetched"
            }
        };
        flag("webhook", detail)
    }
}

fn read_order(body: &[u8]) -> Read {
    // serde would take a list for an object, by place.
    if parse::without_mark(body).trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Read::Unmapped(None, flag("unreadable", "is not an object"));
    }
    match parse::<wire::Order<'_>>(body) {
        Ok(wire) if wire.billing_period.is_some() => Read::Other,
        Ok(wire) if map::is_draft(wire.status.as_str()) => Read::Draft,
        Ok(wire) => match map::order(&wire) {
            Ok(order) => Read::Order(Box::new(order)),
            Err(flag) => Read::Unmapped(order_id(wire.id.as_str()).ok(), flag),
        },
        Err(fault) => match parse::<wire::Other<'_>>(body) {
            Ok(other) => read_other(&other, fault),
            Err(_) => Read::Unmapped(None, fault),
        },
    }
}

/// What cannot be read as an order: `fault` is why.
fn read_other(other: &wire::Other<'_>, fault: Flag) -> Read {
    let id = order_id(other.id.as_str()).ok();
    if other.billing_period.is_some() {
        return Read::Other;
    }
    if let Some(legacy) = &other.order {
        return match order_id(legacy.id.as_str()) {
            Ok(id) => Read::Pointer(id, Shape::Legacy),
            Err(_) => Read::Unmapped(None, Shape::Legacy.flag()),
        };
    }
    if id.is_none()
        && let Some(error) = other.error()
    {
        return Read::Error(refused(error));
    }
    if let Ok(order) = order_id(other.order_id.as_str()) {
        return Read::Pointer(order, Shape::Overridden);
    }
    if is_about_orders(other.action.as_str())
        && let Ok(order) = order_id(other.arg.as_str())
    {
        return Read::Pointer(order, Shape::Action);
    }
    // Refunds have lines too, but no currency; coupons, products and customers have neither key nor total.
    let is_order = other.order_key.is_some() || (other.line_items.is_some() && other.currency.is_some());
    match id {
        _ if map::is_draft(other.status.as_str()) && is_order => Read::Draft,
        id if is_order => Read::Unmapped(id, fault),
        // What an extension left of an order.
        Some(id) if other.total.is_some() && other.is_named_status() => Read::Pointer(id, Shape::Overridden),
        _ => Read::Other,
    }
}

/// A body that names nothing of an order. Where the store calls it an order's all the same, somebody has to look: the header is not
/// signed, but only who knows the secret could have sent the body.
fn not_about_an_order(webhook: &VerifiedWebhook) -> Reading {
    let nothing = |other: wire::Other<'_>| other.id.as_str().is_empty() && other.action.as_str().is_empty();
    let empty = parse::<wire::Other<'_>>(webhook.body()).is_ok_and(nothing);
    let of_order = webhook.headers().get("x-wc-webhook-resource").is_some_and(|resource| resource == "order");
    if empty && of_order {
        let detail = "the webhook is one for orders, and its body has neither an order nor the id of one: an extension changes what \
                      webhooks send (the filter woocommerce_webhook_payload)";
        return Reading::Unmapped(None, flag("webhook", detail));
    }
    Reading::Ignored("not about an order")
}

/// Whether the first argument of an action is an order's id: `woocommerce_new_order`, `woocommerce_order_status_processing`,
/// `woocommerce_payment_complete`.
fn is_about_orders(action: &str) -> bool {
    let of_items = action.contains("order_item") || action.contains("order_note");
    action.starts_with("woocommerce_") && (action.contains("order") || action.contains("payment_complete")) && !of_items
}

/// The store's own error: it could not show the order to the webhook's user.
fn refused(code: &str) -> Flag {
    let plain = code.len() <= 80 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let code = if plain { code } else { "an error" };
    let detail = format!(
        "the store sends {code} instead of the order: the user whose webhook this is may not read orders, so every order of this \
         webhook is lost. In the store, under WooCommerce > Settings > Advanced > Webhooks, save it again as a user who may \
         (an administrator or shop manager); backfill then brings the orders it lost"
    );
    flag("webhook", detail)
}

#[async_trait]
impl Store for WooCommerce {
    fn scheme(&self) -> Scheme {
        Scheme::HmacBase64(&[SIGNATURE])
    }

    fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    fn is_ping(&self, raw: &RawWebhook) -> bool {
        let number = raw.body.strip_prefix(b"webhook_id=");
        !raw.headers.contains_key(SIGNATURE)
            && number.is_some_and(|n| (1..=20).contains(&n.len()) && n.iter().all(u8::is_ascii_digit))
    }

    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        let body = webhook.body();
        match read_order(body) {
            Read::Order(order) => Reading::Order(order),
            Read::Draft => Reading::Ignored("a draft, nothing was ordered yet"),
            Read::Pointer(id, _) if self.can_fetch() => Reading::Changed(id),
            Read::Pointer(id, shape) => Reading::Unmapped(Some(id), shape.flag()),
            Read::Error(flag) => Reading::Unmapped(None, flag),
            Read::Other => deleted(body).map_or_else(|| not_about_an_order(webhook), Reading::Deleted),
            Read::Unmapped(id, flag) => Reading::Unmapped(id, flag),
        }
    }

    fn sign(&self, body: &[u8], _now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-wc-webhook-topic", HeaderValue::from_static("order.updated"));
        headers.insert("x-wc-webhook-resource", HeaderValue::from_static("order"));
        headers.insert("x-wc-webhook-event", HeaderValue::from_static("updated"));
        let signature = self.secrets.first().and_then(|s| HeaderValue::from_str(&webhook::sign(s, body)).ok());
        if let Some(signature) = signature {
            headers.insert(SIGNATURE, signature);
        }
        headers
    }

    fn can_fetch(&self) -> bool {
        self.authorization.is_some()
    }

    async fn fetch(&self, client: &Client, order: &OrderId) -> Result<Option<Order>> {
        // `WooCommerce`'s ids are numbers: it has no order of another id.
        if !order.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        let answer = client.send(self.one_call(order)?).await?;
        self.one(answer).map_err(|error| error.within(format_args!("order {order}")))
    }

    async fn changed_since(&self, client: &Client, since: Timestamp, page: Option<&str>) -> Result<Changes> {
        let at = match page {
            None => Cursor::first(since),
            Some(text) => Cursor::parse(text)
                .ok_or_else(|| Error::new(Kind::Bug, format!("{}: the page is not one of ours", self.name)))?,
        };
        let answer = client.send_for_page(self.page_call(&at)?).await?;
        self.page(&at, answer)
    }
}

#[cfg(test)]
mod tests;
