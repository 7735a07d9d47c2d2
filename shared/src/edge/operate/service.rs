//! The service itself: whether it can work, what runs on time, and the document that says how to call it.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use crate::{
    domain::operator::{Operator, Sight},
    edge::{
        metrics,
        problem::Problem,
        tasks::{TasksView, tasks as last_runs},
    },
};

/// The answer of readiness: queue and records can be reached.
#[derive(Serialize, ToSchema)]
pub(in crate::edge) struct Ready {
    /// `ready`.
    status: &'static str,
}

/// Whether queue and records can be reached.
pub(in crate::edge) async fn ready(State(desk): State<Desk>) -> Result<Json<Ready>, Problem> {
    desk.puente.queue.ready().await?;
    desk.puente.records.ready().await?;
    Ok(Json(Ready { status: "ready" }))
}

/// What runs on time, and how it last went.
pub(in crate::edge) async fn tasks(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
) -> Result<Json<TasksView>, Problem> {
    Ok(Json(last_runs(&desk.puente, &operator.sight).await?))
}

/// What this process measured since it began: of all connections, so for those who see all.
pub(in crate::edge) async fn measured(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Problem> {
    if operator.sight != Sight::All {
        let words = "measurements are those of all connections, and this operator does not see all";
        return Err(Problem::refusal(StatusCode::FORBIDDEN, words));
    }
    Ok(metrics::answer(desk.puente.tell.samples())?)
}

/// The OpenAPI document.
pub(in crate::edge) async fn openapi(State(desk): State<Desk>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], desk.document).into_response()
}
