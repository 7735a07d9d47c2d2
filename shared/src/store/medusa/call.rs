//! The calls to the Admin API, and what their answers mean.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::{
    super::{
        Changes, answer,
        parse::{Text, elements, parse},
    },
    config::Medusa,
    map, wire,
};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::OrderId,
        order::{Flag, Order},
        time::Stamp,
    },
    outbound::{Answer, Call},
};

const TIMEOUT: Duration = Duration::from_secs(30);
const PER_PAGE: usize = 50;

/// What is asked for of an order: all that is read.
const FIELDS: &str = "id,display_id,status,is_draft_order,created_at,updated_at,canceled_at,currency_code,email,customer_id,metadata,\
                      total,tax_total,*items,*items.tax_lines,*items.adjustments,*shipping_methods,*shipping_methods.tax_lines,\
                      *shipping_methods.adjustments,*credit_lines,*summary,*customer,*sales_channel,*billing_address,\
                      *shipping_address,*payment_collections,*payment_collections.payments,*payment_collections.payments.refunds";

impl Medusa {
    pub(super) fn call(&self, url: Url) -> Result<Call> {
        let authorization = self.authorization.as_ref().ok_or_else(|| {
            Error::new(Kind::Config, format!("{}: api_key is needed to ask the shop for orders", self.name))
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call { method: Method::GET, url, headers, body: Bytes::new(), timeout: TIMEOUT })
    }

    pub(super) fn one_call(&self, order: &OrderId) -> Result<Call> {
        let mut url = answer::below(&self.orders, &[order.as_str()]);
        url.query_pairs_mut().append_pair("fields", FIELDS);
        self.call(url)
    }

    pub(super) fn page_call(&self, at: &Cursor) -> Result<Call> {
        let mut url = self.orders.clone();
        url.query_pairs_mut()
            .append_pair("updated_at[$gte]", &at.from.to_string())
            .append_pair("order", "updated_at")
            .append_pair("limit", &PER_PAGE.to_string())
            .append_pair("offset", &at.offset.to_string())
            .append_pair("fields", FIELDS);
        self.call(url)
    }

    pub(super) fn answered(&self, answer: Answer) -> Result<Option<Answer>> {
        // Something else that answers 404 there says nothing of an order; taken for a deletion it would cancel a sale.
        if answer.status == StatusCode::NOT_FOUND && !is_no_such_order(&answer.body) {
            return Err(Error::new(Kind::Config, format!("{}: no Admin API answers there: check url", self.name)));
        }
        answer::read(answer, &self.name, "the store's api_key")
    }

    pub(super) fn one(&self, answer: Answer) -> Result<Option<Order>> {
        let Some(answer) = self.answered(answer)? else { return Ok(None) };
        let unreadable = |flag: Flag| Error::new(Kind::Unreadable, format!("{}: {}", self.name, flag.detail));
        let single = parse::<wire::Single<'_>>(&answer.body).map_err(unreadable)?;
        let wire = parse::<wire::Order<'_>>(single.order.get().as_bytes()).map_err(unreadable)?;
        map::order(&wire).map(Some).map_err(unreadable)
    }

    pub(super) fn page(&self, at: &Cursor, answer: Answer) -> Result<Changes> {
        let Some(answer) = self.answered(answer)? else { return Ok(Changes::default()) };
        let page = elements(&answer.body, Some("orders")).ok_or_else(|| {
            Error::new(Kind::Unreadable, format!("{}: it answered with no list of orders", self.name))
        })?;
        let mut changes = Changes::default();
        let full = page.len() >= PER_PAGE;
        for body in page {
            changes.reached = updated(body).or(changes.reached);
            match parse::<wire::Order<'_>>(body).and_then(|wire| map::order(&wire)) {
                Ok(order) => changes.orders.push(order),
                Err(flag) => {
                    let outline = parse::<wire::OrderOutline<'_>>(body).ok();
                    if outline.as_ref().is_none_or(|outline| !outline.is_draft()) {
                        let id = outline.and_then(|outline| wire::order_id(outline.id.as_str()));
                        changes.unmapped.push((id, flag));
                    }
                }
            }
        }
        changes.next = full.then(|| at.next(changes.reached).to_string());
        Ok(changes)
    }
}

/// Where the listing stands: an order that is modified meanwhile moves to its end, and all behind it move up, so that offsets
/// alone would skip some. The next page begins at the last time seen; an offset is needed only where one time fills a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Inclusive, as the vendor's `$gte` is.
    from: Timestamp,
    offset: usize,
}

impl Cursor {
    pub(super) fn first(since: Timestamp) -> Self {
        Self { from: since, offset: 0 }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (from, offset) = text.split_once('/')?;
        Some(Self { from: from.parse().ok()?, offset: offset.parse().ok()? })
    }

    fn next(&self, last: Option<Timestamp>) -> Self {
        match last {
            Some(last) if last > self.from => Self::first(last),
            _ => Self { from: self.from, offset: self.offset + PER_PAGE },
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.from, self.offset)
    }
}

/// The time that the list is sorted by: the order's own, without its payments'.
fn updated(order: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Updated<'a> {
        #[serde(borrow)]
        updated_at: Text<'a>,
    }
    let order: Updated<'_> = parse(order).ok()?;
    Stamp::parse(order.updated_at.as_str()).ok().map(|stamp| stamp.at())
}

/// The vendor's own error for an id it does not have.
fn is_no_such_order(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(rename = "type", borrow)]
        kind: Text<'a>,
    }
    parse::<Refusal<'_>>(body).is_ok_and(|refusal| refusal.kind.as_str() == "not_found")
}
