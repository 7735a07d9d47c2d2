//! Connections and ERP accounts: signs of life, and what is left of a day.

use axum::{
    Extension, Json,
    extract::{Path, State},
};

use super::{Desk, no_erp};
use crate::{
    domain::{ids::ErpId, operator::Operator},
    edge::{
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
    let mut seen = desk.puente.settings.connections();
    seen.retain(|id| operator.sight.sees(id.as_str()));
    Ok(Json(life(&desk.puente, seen).await?))
}

/// What an ERP account allows, and what is left of it today.
pub(in crate::edge) async fn quota(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<QuotaView>, Problem> {
    let erp: ErpId = name.parse().map_err(|_| no_erp())?;
    let limits = desk.puente.settings.terms(&erp)?.ok_or_else(no_erp)?.limits;
    let ledger = desk.puente.accounts.ledger(&erp).await?;
    Ok(Json(QuotaView::of(erp, &limits, &ledger, desk.puente.clock.now())))
}
