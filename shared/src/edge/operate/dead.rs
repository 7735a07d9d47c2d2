//! The dead-letter queue: what gave up, and moving it back.

use axum::{
    Extension, Json,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Desk;
use crate::{
    Error, Kind,
    domain::{
        event::Event,
        operator::{Operator, Sight},
    },
    edge::{
        body::{json, whole},
        dead::{DeadLettersView, DeadView},
        problem::Problem,
    },
};

/// How many letters are looked at, or moved, when nobody says; and at most.
const LETTERS: usize = 50;
const MOST_LETTERS: usize = 100;

/// How many letters are looked at.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Look {
    /// At most so many; those of connections that are not seen count too.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<usize>,
}

/// How many letters are moved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Redrive {
    /// At most so many.
    #[schema(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "whole")]
    limit: Option<usize>,
}

/// What was moved.
#[derive(Serialize, ToSchema)]
pub(in crate::edge) struct Redriven {
    /// How many letters went back into the work queue.
    moved: usize,
}

/// What lies in the dead-letter queue.
pub(in crate::edge) async fn list(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
    look: Result<Query<Look>, QueryRejection>,
) -> Result<Json<DeadLettersView>, Problem> {
    let Query(look) = look.map_err(|_| unreadable())?;
    let dead = desk.puente.queue.dead(limit(look.limit)?).await?;
    let letters = dead.into_iter().map(DeadView::from).filter(|letter| letter.is_seen(&operator.sight)).collect();
    Ok(Json(DeadLettersView { letters }))
}

/// Moves letters back, whosever they are: so it takes somebody who sees all.
pub(in crate::edge) async fn redrive(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<(StatusCode, Json<Redriven>), Problem> {
    if operator.sight != Sight::All {
        let words =
            "moving dead letters back takes an operator who sees all connections; an order of yours can be replayed";
        return Err(Problem::refusal(StatusCode::FORBIDDEN, words));
    }
    let Redrive { limit: most } = json(request, &*desk.puente.clock).await?;
    let moved = desk.puente.queue.redrive(limit(most)?, Some(&operator.name)).await?;
    desk.puente.tell.of(&Event::Redriven { by: &operator.name, moved });
    Ok((StatusCode::ACCEPTED, Json(Redriven { moved })))
}

fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    Some(asked.unwrap_or(LETTERS)).filter(|limit| (1..=MOST_LETTERS).contains(limit)).ok_or_else(|| unreadable().into())
}

fn unreadable() -> Error {
    Error::new(Kind::Unreadable, format!("`limit` must be a number from 1 to {MOST_LETTERS}"))
}
