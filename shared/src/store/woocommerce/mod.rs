//! `WooCommerce`: webhooks whose body is the REST v3 order, and that REST API to ask back.
//!
//! Each webhook has its own secret, so the signature also says which shop. The key is the secret *after* HTML-entity
//! decoding: that is how the plugin signs. `WooCommerce` never repeats a delivery and disables a webhook after a handful of
//! refusals, so what we miss comes through the list of modified orders. Delivery ids repeat within a second, and are not used
//! for anything.
//!
//! An order's refunds are told in parts by another address, `orders/{id}/refunds`. An order without refunds costs one call, as ever; one with
//! refunds costs two whenever it is fetched, and it is fetched whenever a webhook or a list shows it, if the shop can be asked: the
//! webhook of an order with refunds is then no more than a pointer, and so is its place in the list. Without keys the body counts as it
//! is, its refunds as amounts without parts.
//!
//! <https://woocommerce.com/document/webhooks/> · <https://woocommerce.github.io/woocommerce-rest-api-docs/#orders> ·
//! `includes/class-wc-webhook.php` of the plugin

mod call;
mod config;
mod fulfilment;
mod goods;
#[cfg(feature = "fixtures")]
mod kit;
mod map;
mod prices;
mod products;
mod read;
mod refunds;
mod wire;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use self::{
    call::Cursor,
    config::WooCommerce,
    read::{Read, read_order},
};
use super::{
    Changes, Entrance, Reading, Row, Signed, Store,
    goods::{NewStock, NotSet, Stocked},
    parse::{deleted, flag, parse},
    prices::{NewPrice, Priced},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{Sku, number::Keeps},
        ids::OrderId,
        order::Order,
        price::Price,
        shipment::{Fulfilments, NewFulfilment},
    },
    outbound::Calls,
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "woocommerce",
    build: |section| Ok(Box::new(WooCommerce::new(section.read()?)?)),
    explainable: map::explainable,
    fetched_with: &[&["consumer_key", "consumer_secret"]],
    // A shop runs on its owner's server: WooCommerce limits its Store API only, and that not by itself.
    // <https://developer.woocommerce.com/docs/apis/store-api/rate-limiting>
    rate: None,
    told_with: &[],
    keeps: Some(Keeps::Sellable),
    prices: true,
    ships: true,
    example: r#"kind = "woocommerce"
url = "https://shop.example"                     # the site's address, with its folder if it has one
webhook_secrets = [{ env = "WOO_SECRET" }]       # the webhook's secret; two while rotating
consumer_key = { env = "WOO_KEY" }               # REST API, read: for backfill, which WooCommerce needs; read/write for stock, prices, shipments
consumer_secret = { env = "WOO_KEY_SECRET" }
# limits = { rate = "5/s" }                      # how often the shop's server may be asked; without it as often as there is need
"#,
    sample: include_str!("sample.json"),
    #[cfg(feature = "fixtures")]
    kit: &kit::Kit,
};

const SIGNATURE: &str = "x-wc-webhook-signature";

#[async_trait]
impl Store for WooCommerce {
    fn entrance(&self) -> Entrance<'_> {
        Entrance::Signed(Signed { scheme: Scheme::HmacBase64(&[SIGNATURE]), secrets: &self.secrets })
    }

    fn is_ping(&self, raw: &RawWebhook) -> bool {
        let number = raw.body.strip_prefix(b"webhook_id=");
        !raw.headers.contains_key(SIGNATURE)
            && number.is_some_and(|n| (1..=20).contains(&n.len()) && n.iter().all(u8::is_ascii_digit))
    }

    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        let body = webhook.body();
        match read_order(body) {
            // The body has only the amounts of its refunds.
            Read::Order(order) if !order.refunds.is_empty() && self.can_fetch() => Reading::Changed(order.id),
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

    async fn fetch(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>> {
        // `WooCommerce`'s ids are numbers: it has no order of another id.
        if !order.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        let within = |error: Error| error.within(format_args!("order {order}"));
        let answer = calls.http.send(self.one_call(order)?).await?;
        let Some(answer) = self.answered(answer).map_err(within)? else { return Ok(None) };
        let mut found = self.one(&answer).map_err(within)?;
        if let Some(found) = found.as_mut().filter(|found| !found.refunds.is_empty()) {
            let refunds = calls.http.send(self.refunds_call(order)?).await?;
            self.detail(found, &answer, refunds).map_err(within)?;
        }
        Ok(found)
    }

    async fn changed_since(&self, calls: &Calls<'_>, since: Timestamp, page: Option<&str>) -> Result<Changes> {
        let at = match page {
            None => Cursor::first(since),
            Some(text) => Cursor::parse(text)
                .ok_or_else(|| Error::new(Kind::Bug, format!("{}: the page is not one of ours", self.name)))?,
        };
        let answer = calls.http.send_for_page(self.page_call(&at)?).await?;
        self.page(&at, answer)
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
        self.sent(calls, order).await
    }

    async fn fulfil(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        self.tell(calls, new).await
    }

    async fn track(&self, calls: &Calls<'_>, _fulfilment: &str, new: &NewFulfilment) -> Result<(), NotSet> {
        self.follow(calls, new).await
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

#[cfg(test)]
mod tests;
