//! The calls to the REST API, and what their answers mean.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use url::Url;

use super::{
    super::{
        Changed, Changes, answer,
        parse::{self, flag, parse},
    },
    config::WooCommerce,
    read::{Read, read_order},
};
use crate::{
    Error, Kind, Result,
    domain::{ids::OrderId, order::Order, time::Stamp},
    outbound::{Answer, Call},
};

const TIMEOUT: Duration = Duration::from_secs(30);
const PER_PAGE: usize = 100;

impl WooCommerce {
    pub(super) fn call(&self, url: Url) -> Result<Call> {
        let authorization = self.authorization.as_ref().ok_or_else(|| {
            let what = format!("{}: consumer_key and consumer_secret are needed to ask the shop for orders", self.name);
            Error::new(Kind::Config, what)
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call { method: Method::GET, url, headers, body: Bytes::new(), timeout: TIMEOUT })
    }

    pub(super) fn one_call(&self, order: &OrderId) -> Result<Call> {
        self.call(answer::below(&self.orders, &[order.as_str()]))
    }

    /// For all refunds of an order, as many as are shown at once: those beyond have amounts and no parts.
    pub(super) fn refunds_call(&self, order: &OrderId) -> Result<Call> {
        let mut url = answer::below(&self.orders, &[order.as_str(), "refunds"]);
        url.query_pairs_mut().append_pair("per_page", &PER_PAGE.to_string());
        self.call(url)
    }

    pub(super) fn page_call(&self, at: &Cursor) -> Result<Call> {
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

    pub(super) fn answered(&self, answer: Answer) -> Result<Option<Answer>> {
        self.found(answer, "the store's consumer_key and consumer_secret")
    }

    /// The same of a call that changes an order.
    pub(super) fn taken(&self, answer: Answer) -> Result<Option<Answer>> {
        self.found(answer, "the store's consumer_key and consumer_secret: they need Read/Write")
    }

    fn found(&self, answer: Answer, credentials: &str) -> Result<Option<Answer>> {
        // Broken permalinks and security plugins answer 404 as well; taken for a deletion it would cancel a sale.
        if answer.status == StatusCode::NOT_FOUND && !is_no_such_order(&answer.body) {
            let what =
                format!("{}: no REST API answers there: check url and that permalinks are not \"plain\"", self.name);
            return Err(Error::new(Kind::Config, what));
        }
        answer::read(answer, &self.name, credentials)
    }

    pub(super) fn one(&self, answer: &Answer) -> Result<Option<Order>> {
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

    /// Adds the parts of its refunds to an order, whose own answer was `found`.
    pub(super) fn detail(&self, order: &mut Order, found: &Answer, refunds: Answer) -> Result<()> {
        // Nobody shows them there: the order is as true without them, and says how much was given back.
        if refunds.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        let Some(refunds) = self.answered(refunds)? else { return Ok(()) };
        super::refunds::detail(order, &found.body, &refunds.body)
            .ok_or_else(|| Error::new(Kind::Unreadable, format!("{}: it answered with no list of refunds", self.name)))
    }

    pub(super) fn page(&self, at: &Cursor, answer: Answer) -> Result<Changes> {
        let Some(answer) = self.answered(answer)? else { return Ok(Changes::default()) };
        let page = parse::elements(&answer.body, None).ok_or_else(|| {
            Error::new(Kind::Unreadable, format!("{}: it answered with no list of orders", self.name))
        })?;
        let mut changes = Changes::default();
        let (full, mut last) = (page.len() >= PER_PAGE, None);
        for body in page {
            last = modified(body).or(last);
            match read_order(body) {
                // Its refunds are told in parts only where it is asked for.
                Read::Order(order) if !order.refunds.is_empty() => {
                    changes.ids.push(Changed { modified: order.updated_at.at(), order: order.id });
                }
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
pub(super) struct Cursor {
    /// Exclusive, as the vendor's `modified_after` is.
    pub(super) after: Timestamp,
    pub(super) page: u32,
}

impl Cursor {
    pub(super) fn first(since: Timestamp) -> Self {
        // Times have whole seconds there: "at or after" is "after the second before".
        Self { after: since.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(since), page: 1 }
    }

    fn next(&self, last: Option<Timestamp>) -> Self {
        match last.map(Self::first) {
            Some(next) if next.after > self.after => next,
            _ => Self { after: self.after, page: self.page.saturating_add(1) },
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
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
