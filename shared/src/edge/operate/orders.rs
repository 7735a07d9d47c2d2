//! One order: its story, trying it again, and having noted what a person made of it in the ERP.

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use crate::{
    Error, Kind,
    domain::{
        adoption::Made,
        event::Event,
        ids::{ConnectionId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        operator::Operator,
    },
    edge::{
        body::json,
        label::RequestId,
        problem::Problem,
        story::{StoryView, story},
    },
    flow::record,
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

/// What a person made, on its way to the order's record.
#[derive(Serialize, ToSchema)]
pub(in crate::edge) struct Adopting {
    /// Whose order.
    connection: ConnectionId,
    /// Which one.
    order: OrderId,
    /// What is to be noted, in words.
    noted: String,
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
    desk.queue(&key, by, request, News::Replay).await?;
    let OrderKey { connection, order } = key;
    Ok((StatusCode::ACCEPTED, Json(Replayed { connection, order, result: "queued" })))
}

/// Has noted what a person made in the ERP by hand.
pub(in crate::edge) async fn adopt(
    State(desk): State<Desk>,
    Path((name, order)): Path<(String, String)>,
    Extension(RequestId(id)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<(StatusCode, Json<Adopting>), Problem> {
    let head = desk.head(&name, order).await?;
    let what: Made = json(request, &*desk.puente.clock).await?;
    let key = &head.key;
    let adoption = record::adoption(&desk.puente, &head, what).await.map_err(|error| match error.kind() {
        Kind::Bug => Problem::of_record(error, key),
        _ => Problem::from(error).of(&key.connection),
    })?;
    let by = operator.name;
    desk.puente.tell.of(&Event::AdoptAsked { order: key, by: &by, request: &id });
    let noted = adoption.words();
    desk.queue(key, by, id, News::Adopt { adoption: Box::new(adoption) }).await?;
    let OrderKey { connection, order } = head.key;
    Ok((StatusCode::ACCEPTED, Json(Adopting { connection, order, noted, result: "queued" })))
}

impl Desk {
    /// Queues what a person wants done with an order.
    async fn queue(&self, key: &OrderKey, by: String, request: String, news: News) -> crate::Result<()> {
        let arrival = Arrival::new(key.clone(), self.puente.clock.now(), request, news);
        let message = Message::Arrival(Arrival { by: Some(by), ..arrival });
        let unanswered = || Err(Error::new(Kind::Unavailable, "the queue did not say whether it took it"));
        self.puente.queue.send(&[message], std::time::Duration::ZERO).await?.pop().unwrap_or_else(unanswered)
    }
}
