//! Lists of orders and search: of one connection, or across all that an operator sees.
//!
//! A buyer's e-mail is asked for in a body only: addresses are written into logs on the way. Of connections that an operator does not
//! see nothing is found, as if they had no orders.

use axum::{
    Extension, Json,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Desk;
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        operator::Operator,
        record::State as Standing,
        search::Term,
    },
    edge::{
        body::{json, whole},
        problem::Problem,
        views::{OrderView, OrdersView, UnreadableView},
    },
    flow::search::{After, Found, Wanted, buyer, search as look},
};

/// How many orders a page has when nobody says.
const PAGE: usize = 50;

/// The most orders a page has.
const LARGEST_PAGE: usize = 200;

/// The most characters of an e-mail address: 64 before the `@`, 255 after it (RFC 5321, 4.5.3.1).
const LONGEST_EMAIL: usize = 320;

/// The most connections whose lists are read for one page.
const MOST_LISTS: usize = 50;

/// What a list is asked for.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Filter {
    /// Only orders that stand so.
    status: Option<Standing>,
    /// Only the orders with this number, as people know it.
    number: Option<String>,
    /// Only orders whose document in the ERP has this number or id.
    document: Option<String>,
    /// Only orders that last changed on this day (UTC) or later.
    from: Option<Date>,
    /// Only orders that last changed on this day (UTC) or earlier.
    to: Option<Date>,
    /// How many a page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `cursor` of the page before, of the same search.
    cursor: Option<String>,
}

/// What is looked for: all of it must hold.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Search {
    /// The buyer's e-mail, in whatever case. It is compared by what only this installation makes of it, and kept nowhere.
    #[schema(max_length = 320)]
    email: Option<String>,
    /// Only orders of this connection.
    connection: Option<ConnectionId>,
    /// Only orders that stand so.
    status: Option<Standing>,
    /// Only the orders with this number, as people know it.
    number: Option<String>,
    /// Only orders whose document in the ERP has this number or id.
    document: Option<String>,
    /// Only orders that last changed on this day (UTC) or later.
    from: Option<Date>,
    /// Only orders that last changed on this day (UTC) or earlier.
    to: Option<Date>,
    /// How many a page has at most.
    #[schema(minimum = 1, maximum = 200, default = 50)]
    #[serde(default, deserialize_with = "whole")]
    limit: Option<usize>,
    /// Where the page begins: the `cursor` of the page before, of the same search.
    cursor: Option<String>,
}

/// A connection's orders.
pub(in crate::edge) async fn of_one(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<OrdersView>, Problem> {
    let connection = desk.connection(&name)?;
    let Query(filter) = filter.map_err(|_| unreadable())?;
    page(&desk, vec![connection], Search::from(filter)).await
}

/// The orders of all connections that are seen.
pub(in crate::edge) async fn across(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<OrdersView>, Problem> {
    let Query(filter) = filter.map_err(|_| unreadable())?;
    page(&desk, desk.seen(&operator), Search::from(filter)).await
}

/// The same, with what no address may have in it.
pub(in crate::edge) async fn search(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<Json<OrdersView>, Problem> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        // Passed over, it would be asked for again, and stand in logs on the way.
        return Err(Error::new(Kind::Unreadable, "what is looked for belongs in the body, not in the address").into());
    }
    let search: Search = json(request, &*desk.puente.clock).await?;
    let mut connections = desk.seen(&operator);
    if let Some(only) = &search.connection {
        connections.retain(|connection| connection == only);
    }
    page(&desk, connections, search).await
}

async fn page(desk: &Desk, connections: Vec<ConnectionId>, search: Search) -> Result<Json<OrdersView>, Problem> {
    let Search { email, connection: _, status, number, document, from, to, limit, cursor } = search;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(unreadable().into());
    }
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Error::new(
            Kind::Unreadable,
            format!("`from` ({from}) is after `to` ({to}): no day is in between"),
        )
        .into());
    }
    if email.as_ref().is_some_and(|email| email.chars().count() > LONGEST_EMAIL) {
        return Err(Error::new(Kind::Unreadable, format!("email has at most {LONGEST_EMAIL} characters")).into());
    }
    let mut terms = Vec::new();
    let mut possible = true;
    for term in [
        number.map(|number| Term::number(&number)),
        document.map(|document| Term::document(&document)),
        match email {
            Some(email) => Some(buyer(&desk.puente, &email).await?),
            None => None,
        },
    ] {
        possible &= term != Some(None);
        terms.extend(term.flatten());
    }
    if !possible {
        // No order has such a one.
        return Ok(Json(OrdersView { orders: Vec::new(), cursor: None, unreadable: Vec::new() }));
    }
    if terms.is_empty() && connections.len() > MOST_LISTS {
        let words = format!(
            "more than {MOST_LISTS} connections cannot be listed at once: say `number`, `document` or `email`, or list one connection"
        );
        return Err(Error::new(Kind::Unreadable, words).into());
    }
    let wanted = Wanted {
        connections,
        state: status,
        from: from.map(begins),
        to: to.map(|day| begins(day.tomorrow().unwrap_or(Date::MAX))),
        terms,
        limit,
        after: cursor.as_deref().map(read).transpose()?,
    };
    let Found { heads, unreadable, next } = look(&desk.puente, &wanted).await?;
    let orders = heads.into_iter().map(OrderView::from).collect();
    let unreadable = unreadable.into_iter().map(UnreadableView::from).collect();
    Ok(Json(OrdersView { orders, cursor: next.as_ref().map(written), unreadable }))
}

impl From<Filter> for Search {
    fn from(filter: Filter) -> Self {
        let Filter { status, number, document, from, to, limit, cursor } = filter;
        Self { email: None, connection: None, status, number, document, from, to, limit, cursor }
    }
}

fn unreadable() -> Error {
    let states = Standing::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ");
    let words = format!(
        "a list is asked for by status, number, document, from, to, limit and cursor, each once: status is one of {states}; from and \
         to are days such as 2026-03-01; limit is a number from 1 to {LARGEST_PAGE}; an e-mail is looked for with POST \
         /v1/orders/search, in the body"
    );
    Error::new(Kind::Unreadable, words)
}

/// When a day begins (UTC).
fn begins(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

/// A place as a cursor.
fn written(place: &After) -> String {
    let text = match place {
        After::Listed(updated, key) => format!("{updated}/{key}"),
        After::Found(key) => format!("/{key}"),
    };
    URL_SAFE_NO_PAD.encode(text)
}

fn read(cursor: &str) -> Result<After> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (updated, key) = text.split_once('/')?;
        let (connection, order) = key.split_once('/')?;
        let key = OrderKey::new(connection.parse().ok()?, order.parse().ok()?);
        Some(if updated.is_empty() { After::Found(key) } else { After::Listed(updated.parse().ok()?, key) })
    };
    place()
        .ok_or_else(|| Error::new(Kind::Unreadable, "`cursor` is not one of this list: take it from the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was() {
        let key = OrderKey::new("acme".parse().unwrap(), "a/b é #1".parse().unwrap());
        let at = "2026-03-01T12:00:00.000000001Z".parse().unwrap();
        for place in [After::Found(key.clone()), After::Listed(at, key)] {
            assert_eq!(read(&written(&place)).unwrap(), place);
        }
        for foreign in ["", "%%%", "YQ", "Ly8v", &URL_SAFE_NO_PAD.encode("yesterday/acme/1")] {
            assert_eq!(read(foreign).unwrap_err().kind(), Kind::Unreadable, "{foreign}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let day: Date = "2026-02-28".parse().unwrap();
        assert_eq!(begins(day), "2026-02-28T00:00:00Z".parse().unwrap());
        assert_eq!(begins(day.tomorrow().unwrap()), "2026-03-01T00:00:00Z".parse().unwrap());
        begins(Date::MAX);
        begins(Date::MIN);
    }
}
