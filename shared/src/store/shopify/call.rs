//! The calls to the REST Admin API, and what their answers mean.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use url::Url;

use super::{
    super::{
        Changes, answer,
        parse::{elements, parse},
    },
    config::Shopify,
    map, wire,
};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::OrderId,
        order::{Flag, Order},
    },
    outbound::{Answer, Call},
};

const TIMEOUT: Duration = Duration::from_secs(20);
const PER_PAGE: &str = "250";

impl Shopify {
    pub(super) fn call(&self, path: &[&str], query: &[(&str, &str)]) -> Call {
        let mut url = answer::below(&self.api, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Call { method: Method::GET, url, headers, body: Bytes::new(), timeout: TIMEOUT }
    }

    pub(super) fn one_call(&self, order: &OrderId) -> Call {
        self.call(&["orders", &format!("{order}.json")], &[])
    }

    pub(super) fn page_call(&self, since: Timestamp, page: Option<&str>) -> Call {
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

    pub(super) fn one(&self, answer: Answer) -> Result<Option<Order>> {
        let Some(answer) = answer::read(answer, &self.shop, self.access.credentials())? else {
            return self.no_order();
        };
        let unreadable = |flag: Flag| Error::new(Kind::Unreadable, format!("{}: {}", self.shop, flag.detail));
        let single = parse::<wire::Single<'_>>(&answer.body).map_err(unreadable)?;
        read_order(single.order.get().as_bytes()).map(Some).map_err(|(_, flag)| unreadable(flag))
    }

    /// Nothing, where that means that the shop has no such order: taking an old order for a deleted one would cancel its sale.
    pub(super) fn no_order<T>(&self) -> Result<Option<T>> {
        let why = "the shop shows no such order: deleted, or older than 60 days and the token lacks read_all_orders (grant it and set \
                   all_orders = true)";
        if self.all_orders { Ok(None) } else { Err(Error::new(Kind::NotFound, why)) }
    }

    pub(super) fn no_api(&self) -> Error {
        Error::new(Kind::Config, format!("{}: there is no Admin API here: check shop, api_version", self.shop))
    }

    pub(super) fn page(&self, answer: Answer) -> Result<Changes> {
        let Some(answer) = answer::read(answer, &self.shop, self.access.credentials())? else {
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
