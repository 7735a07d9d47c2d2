//! Connections and accounts: signs of life, asking a store what changed, and what is left of a day.

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::StatusCode,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Desk, no_erp};
use crate::{
    Error, Kind,
    domain::{
        event::Event,
        ids::{AccountId, ConnectionId, ErpId},
        ledger::Limits,
        message::{BackfillRequest, Message},
        operator::Operator,
    },
    edge::{
        body::json,
        label::RequestId,
        life::{LifeView, life},
        problem::Problem,
        views::QuotaView,
    },
};

/// When each connection and ERP account that the operator sees last received, fetched, sent, and what failed last.
pub(in crate::edge) async fn connections(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
) -> Result<Json<LifeView>, Problem> {
    Ok(Json(life(&desk.puente, desk.seen(&operator)).await?))
}

/// How far back a store may be asked.
const FARTHEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Since when a store is asked what changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Since {
    /// A time within the last year.
    since: Timestamp,
}

/// A backfill on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = BackfillAsked)]
pub(in crate::edge) struct Asked {
    /// Of which connection's store.
    connection: ConnectionId,
    /// Since when.
    since: Timestamp,
    /// `queued`.
    result: &'static str,
}

/// Has a connection's store asked what changed.
pub(in crate::edge) async fn backfill(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<(StatusCode, Json<Asked>), Problem> {
    let connection = desk.connection(&name)?;
    let Since { since } = json(request, &*desk.puente.clock).await?;
    let now = desk.puente.clock.now();
    if since > now || since < now - FARTHEST {
        return Err(Error::new(Kind::Unreadable, "`since` must be a time within the last year").into());
    }
    if let Some(why) = desk.puente.settings.cannot_fetch(&connection) {
        return Err(Problem::from(Error::new(Kind::Refused, why)).of(&connection));
    }
    let by = operator.name;
    desk.puente.tell.of(&Event::BackfillAsked { connection: &connection, since, by: &by, request: &request_id });
    let ask = BackfillRequest { connection: connection.clone(), since, request: request_id, by: Some(by) };
    let unanswered = || Err(Error::new(Kind::Unavailable, "the queue did not say whether it took the question"));
    let sent = desk.puente.queue.send(&[Message::Backfill(ask)], std::time::Duration::ZERO).await?.pop();
    sent.unwrap_or_else(unanswered)?;
    Ok((StatusCode::ACCEPTED, Json(Asked { connection, since, result: "queued" })))
}

/// What an ERP account allows, and what is left of it today.
pub(in crate::edge) async fn quota(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<QuotaView>, Problem> {
    let erp: ErpId = name.parse().map_err(|_| no_erp())?;
    let limits = desk.puente.settings.terms(&erp)?.ok_or_else(no_erp)?.limits;
    Ok(Json(left(&desk, AccountId::Erp(erp), Some(&limits)).await?))
}

/// How often a connection's store may be asked, and whether it is left alone now.
pub(in crate::edge) async fn store_quota(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<QuotaView>, Problem> {
    let connection = desk.connection(&name)?;
    let limits = desk.puente.settings.store_limits(&connection)?;
    Ok(Json(left(&desk, AccountId::Store(connection), limits.as_ref()).await?))
}

async fn left(desk: &Desk, account: AccountId, limits: Option<&Limits>) -> Result<QuotaView, Problem> {
    let ledger = desk.puente.accounts.ledger(&account).await?;
    Ok(QuotaView::of(account, limits, &ledger, desk.puente.clock.now()))
}
