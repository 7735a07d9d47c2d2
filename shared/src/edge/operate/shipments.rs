//! Shipments: what the ERP sent and what stores were told of it, and having one looked at again.

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Desk;
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        operator::Operator,
        shipment::ShipmentId,
    },
    edge::{
        label::RequestId,
        problem::Problem,
        shipments::{ShipmentState, ShipmentView, ShipmentsView},
    },
    flow::goods::shipments,
};

/// How many shipments a page has when nobody says.
const PAGE: usize = 50;

/// The most pages that are read for one of a certain state: where few are in it, a page is short and the next one goes on.
const MOST_PAGES: usize = 5;

/// What a list is asked for.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Filter {
    /// Only those in this state.
    state: Option<ShipmentState>,
    /// How many a page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `cursor` of the page before, of the same list.
    cursor: Option<String>,
}

/// A shipment that is looked at again.
#[derive(Serialize, ToSchema)]
pub(in crate::edge) struct Retried {
    /// Whose.
    connection: ConnectionId,
    /// Of which order.
    order: OrderId,
    /// Which one.
    shipment: ShipmentId,
    /// `queued`.
    result: &'static str,
}

/// The shipments of a connection.
pub(in crate::edge) async fn list(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<ShipmentsView>, Problem> {
    let connection = desk.connection(&name)?;
    let Query(Filter { state, limit, cursor }) = filter.map_err(|_| unreadable())?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=shipments::MOST).contains(&limit) {
        return Err(unreadable().into());
    }
    let mut after = cursor.as_deref().map(|cursor| read(&connection, cursor)).transpose()?;
    let of = |error: Error| Problem::from(error).of(&connection);
    let tells = shipments::tells(&desk.puente, &connection).map_err(of)?;
    let mut shown = Vec::new();
    for _ in 0..MOST_PAGES {
        // No more than are still wanted: what is read is shown, or is in another state, so that no cursor passes over any.
        let page = shipments::page(&desk.puente, &connection, after.as_ref(), limit - shown.len()).await.map_err(of)?;
        let views = page.shipments.into_iter().map(|(key, one)| ShipmentView::of(key, one, tells));
        shown.extend(views.filter(|one| state.is_none_or(|state| one.state == state)));
        after = page.next;
        if after.is_none() || state.is_none() || shown.len() >= limit {
            break;
        }
    }
    Ok(Json(ShipmentsView { shipments: shown, cursor: after.as_ref().map(written) }))
}

/// Has a shipment looked at again.
pub(in crate::edge) async fn retry(
    State(desk): State<Desk>,
    Path((name, order, shipment)): Path<(String, String, String)>,
    Extension(RequestId(request)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
) -> Result<(StatusCode, Json<Retried>), Problem> {
    let connection = desk.connection(&name)?;
    let unseen = || Error::new(Kind::NotFound, "not seen yet: the ERP has not said that this was sent");
    let order = OrderId::try_from(order).map_err(|_| unseen())?;
    let shipment: ShipmentId = shipment.parse().map_err(|_| unseen())?;
    let key = OrderKey::new(connection, order);
    let of = |error: Error| Problem::from(error).of(&key.connection);
    if !shipments::again(&desk.puente, &key, &shipment, &operator.name, &request).await.map_err(of)? {
        return Err(unseen().into());
    }
    let OrderKey { connection, order } = key;
    Ok((StatusCode::ACCEPTED, Json(Retried { connection, order, shipment, result: "queued" })))
}

fn unreadable() -> Error {
    let words = format!(
        "a list of shipments is asked for by state, limit and cursor, each once: state is shown, waiting, underway, told or stopped, \
         limit a number from 1 to {}",
        shipments::MOST
    );
    Error::new(Kind::Unreadable, words)
}

/// A place as a cursor.
fn written((key, id): &(OrderKey, ShipmentId)) -> String {
    // Ids of shipments have no `/`, those of orders may have.
    URL_SAFE_NO_PAD.encode(format!("{id}/{}", key.order))
}

fn read(connection: &ConnectionId, cursor: &str) -> Result<(OrderKey, ShipmentId)> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (id, order) = text.split_once('/')?;
        Some((OrderKey::new(connection.clone(), order.parse().ok()?), id.parse().ok()?))
    };
    place()
        .ok_or_else(|| Error::new(Kind::Unreadable, "`cursor` is not one of this list: take it from the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was() {
        let acme: ConnectionId = "acme".parse().unwrap();
        for order in ["5", "a/b#é"] {
            let place = (OrderKey::new(acme.clone(), order.parse().unwrap()), "17".parse().unwrap());
            assert_eq!(read(&acme, &written(&place)).unwrap(), place);
        }
        for foreign in ["", "%%%", "YQ", &URL_SAFE_NO_PAD.encode("a b/5")] {
            assert_eq!(read(&acme, foreign).unwrap_err().kind(), Kind::Unreadable, "{foreign}");
        }
    }
}
