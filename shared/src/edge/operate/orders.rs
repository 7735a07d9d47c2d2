//! One order: its story, and trying it again.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use crate::{
    Error, Kind,
    domain::{
        event::Event,
        ids::{ConnectionId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        operator::Operator,
    },
    edge::{
        label::RequestId,
        problem::Problem,
        story::{StoryView, story},
    },
};

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

/// An order: what the store says, where it stands, what it waits for, and everything that happened to it.
pub(in crate::edge) async fn show(
    State(desk): State<Desk>,
    Path((name, order)): Path<(String, String)>,
) -> Result<Json<StoryView>, Problem> {
    let head = desk.head(&name, order).await?;
    let key = head.key.clone();
    let story = story(&desk.puente, head).await.map_err(|error| match error.kind() {
        // What is kept beside the head.
        Kind::Unreadable | Kind::Bug => Problem::of_record(error, &key),
        _ => Problem::from(error).of(&key.connection),
    });
    Ok(Json(story?))
}

/// Tries an order again, from its latest state.
pub(in crate::edge) async fn replay(
    State(desk): State<Desk>,
    Path((name, order)): Path<(String, String)>,
    Extension(RequestId(request)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    let key = desk.head(&name, order).await?.key;
    let by = operator.name;
    desk.puente.tell.of(&Event::ReplayAsked { order: &key, by: &by, request: &request });
    let OrderKey { connection, order } = key;
    let answer = Replayed { connection: connection.clone(), order: order.clone(), result: "queued" };
    let received = desk.puente.clock.now();
    let arrival =
        Arrival { by: Some(by), ..Arrival::new(OrderKey::new(connection, order), received, request, News::Replay) };
    let replay = Message::Arrival(arrival);
    let unanswered = || Err(Error::new(Kind::Unavailable, "the queue did not say whether it took the replay"));
    desk.puente.queue.send(&[replay], std::time::Duration::ZERO).await?.pop().unwrap_or_else(unanswered)?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
