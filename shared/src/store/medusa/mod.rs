//! Medusa 2: webhooks that a subscriber of the shop sends and signs (`docs/medusa.md` has it), and the Admin API to ask back.
//!
//! Medusa itself sends no webhooks; its events carry an id. So what arrives is what the shop's subscriber makes of an event: the
//! order with its totals, or only its id, which is then asked for. Totals come unrounded (`docs/decisions/medusa-rounding.md`).
//! Capturing or refunding a payment does not always move an order's `updated_at`: its payments' own times count as well.
//!
//! <https://docs.medusajs.com/resources/commerce-modules/order/events> · <https://docs.medusajs.com/api/admin#orders_getorders>

mod call;
mod config;
mod goods;
#[cfg(feature = "fixtures")]
mod kit;
mod map;
mod wire;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use self::{call::Cursor, config::Medusa};
use super::{
    Changes, Entrance, Reading, Row, Signed, Store,
    goods::{NewStock, NotSet, Stocked},
    parse::{flag, parse},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{Sku, number::Keeps},
        ids::OrderId,
        order::Order,
    },
    outbound::Calls,
    webhook::{self, RawWebhook, Scheme, VerifiedWebhook},
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "medusa",
    build: |section| Ok(Box::new(Medusa::new(section.read()?)?)),
    explainable: |_| Err("Medusa's shops define no statuses of their own"),
    fetched_with: &[&["api_key"]],
    // A shop runs on its owner's server, and Medusa has no limit of its own.
    rate: None,
    told_with: &[],
    keeps: Some(Keeps::Gross),
    prices: false,
    ships: false,
    example: r#"kind = "medusa"
url = "https://medusa.example"                   # where the Medusa server answers /admin
webhook_secrets = [{ env = "MEDUSA_SECRET" }]    # what the shop's subscriber signs with; two while rotating
api_key = { env = "MEDUSA_API_KEY" }             # a secret API key (sk_…): for backfill and for what a webhook leaves open
# location = "sloc_…"                            # the stock location that the shop sells from, if there are several
# limits = { rate = "5/s" }                      # how often the shop's server may be asked; without it as often as there is need
"#,
    sample: include_str!("sample.json"),
    #[cfg(feature = "fixtures")]
    kit: &kit::Kit,
};

const SIGNATURE: &str = "x-medusa-signature";

impl Medusa {
    /// Only which order it is came: the store is asked for the rest.
    fn named(&self, id: OrderId) -> Reading {
        if self.can_fetch() {
            return Reading::Changed(id);
        }
        let detail = "the webhook names an order and does not carry its totals: have the shop's subscriber ask for them \
                      (docs/medusa.md), or set api_key so that the order can be fetched";
        Reading::Unmapped(Some(id), flag("webhook", detail))
    }
}

#[async_trait]
impl Store for Medusa {
    fn entrance(&self) -> Entrance<'_> {
        Entrance::Signed(Signed { scheme: Scheme::HmacHex(&[SIGNATURE]), secrets: &self.secrets })
    }

    fn is_ping(&self, _raw: &RawWebhook) -> bool {
        false
    }

    fn read(&self, webhook: &VerifiedWebhook) -> Reading {
        let outline = match parse::<wire::Outline<'_>>(webhook.body()) {
            Ok(outline) => outline,
            Err(flag) => return Reading::Unmapped(None, flag),
        };
        match (&outline.order, outline.id()) {
            (Some(order), _) if order.is_draft() => Reading::Ignored("a draft, nothing was ordered yet"),
            (Some(order), Some(id)) if order.total.is_none() => self.named(id),
            (Some(_), id) => {
                match parse::<wire::Webhook<'_>>(webhook.body()).and_then(|body| map::order(&body.order)) {
                    Ok(order) => Reading::Order(Box::new(order)),
                    Err(flag) => Reading::Unmapped(id, flag),
                }
            }
            (None, Some(id)) => self.named(id),
            (None, None) => Reading::Ignored("not about an order"),
        }
    }

    fn sign(&self, body: &[u8], _now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-medusa-event", HeaderValue::from_static("order.placed"));
        let signature = self.secrets.first().and_then(|s| HeaderValue::from_str(&webhook::sign_hex(s, body)).ok());
        if let Some(signature) = signature {
            headers.insert(SIGNATURE, signature);
        }
        headers
    }

    fn can_fetch(&self) -> bool {
        self.authorization.is_some()
    }

    async fn fetch(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Order>> {
        let answer = calls.http.send(self.one_call(order)?).await?;
        self.one(answer).map_err(|error| error.within(format_args!("order {order}")))
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
}

#[cfg(test)]
mod tests;
