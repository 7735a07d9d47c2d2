//! Orders: lists of them, one with its story, and trying it again.

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Desk;
use crate::{
    Error, Kind,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        operator::Operator,
        record::State as Standing,
    },
    edge::{
        label::RequestId,
        problem::Problem,
        story::{StoryView, story},
        views::{OrderView, OrdersView},
    },
    ports::{Page, Query as Wanted},
};

/// How many orders a page has when nobody says.
const PAGE: usize = 50;

/// The most orders a page has.
const LARGEST_PAGE: usize = 200;

/// What a list is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::edge) struct Filter {
    /// Only orders that stand so.
    status: Option<Standing>,
    /// How many a page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `cursor` of the page before.
    cursor: Option<String>,
}

/// A replay on its way.
#[derive(Serialize, ToSchema)]
pub(in crate::edge) struct Replayed {
    /// Whose order.
    connection: ConnectionId,
    /// Which one.
    order: OrderId,
    /// `queued`.
    result: &'static str,
}

/// A connection's orders, most recently changed first.
pub(in crate::edge) async fn list(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<OrdersView>, Problem> {
    let connection = desk.connection(&name)?;
    let unreadable = || {
        let states = Standing::ALL.map(Standing::as_str).join(", ");
        Error::new(Kind::Unreadable, format!("status is one of {states}; limit is a number from 1 to {LARGEST_PAGE}"))
    };
    let Query(filter) = filter.map_err(|_| unreadable())?;
    let limit = filter.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(unreadable().into());
    }
    let wanted = Wanted { connection, state: filter.status, limit, cursor: filter.cursor };
    let Page { heads, cursor } = desk.puente.records.list(&wanted).await?;
    Ok(Json(OrdersView { orders: heads.into_iter().map(OrderView::from).collect(), cursor }))
}

/// An order: what the store says, where it stands, what it waits for, and everything that happened to it.
pub(in crate::edge) async fn show(
    State(desk): State<Desk>,
    Path((name, order)): Path<(String, String)>,
) -> Result<Json<StoryView>, Problem> {
    let head = desk.head(&name, order).await?;
    Ok(Json(story(&desk.puente, head).await?))
}

/// Tries an order again, from its latest state.
pub(in crate::edge) async fn replay(
    State(desk): State<Desk>,
    Path((name, order)): Path<(String, String)>,
    Extension(RequestId(request)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    let OrderKey { connection, order } = desk.head(&name, order).await?.key;
    let by = operator.name;
    tracing::info!(event = "order.replay_asked", %connection, %order, by, request);
    let answer = Replayed { connection: connection.clone(), order: order.clone(), result: "queued" };
    let received = desk.puente.clock.now();
    let arrival = Arrival { connection, order, received, request, by: Some(by), tries: 0, news: News::Replay };
    let replay = Message::Arrival(arrival);
    let unanswered = || Err(Error::new(Kind::Unavailable, "the queue did not say whether it took the replay"));
    desk.puente.queue.send(&[replay], std::time::Duration::ZERO).await?.pop().unwrap_or_else(unanswered)?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
