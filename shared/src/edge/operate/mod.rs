//! What people call: where is an order, why did it stop, try it again, what should a store have, how much of the quota is left.
//!
//! Each route that is not open needs an operator's credential, checked here for all of them. Invariant: of a connection that an
//! operator does not see they learn nothing, not even whether there is one of that name.

pub(super) mod accounts;
pub(super) mod dead;
pub(super) mod goods;
pub(super) mod orders;
pub(super) mod prices;
pub(super) mod search;
pub(super) mod service;
pub(super) mod shipments;

use axum::{
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use super::{problem::Problem, target::Target};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        operator::{Operator, Scope},
        record::Head,
    },
    flow::Puente,
};

/// How an operator is told.
#[derive(Debug, Clone)]
pub enum Access {
    /// Anybody who reaches the router, and sees all: because somebody asked for that on their own machine.
    Open,
    /// By a key of the configuration's operators, or by this one, whose bearer sees all. Without either nobody may.
    Keys(Option<Secret>),
    /// Whoever is in front decided, and put the [`Operator`] into the request's extensions.
    Decided,
}

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct Desk {
    puente: Puente,
    access: Access,
    /// The OpenAPI document.
    document: Bytes,
}

/// Lets only operators pass who have the route's scope, to what they see.
pub(super) async fn credential(
    State((desk, scope)): State<(Desk, Scope)>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = bearer(&request).map(str::to_owned);
    let decided = request.extensions().get().cloned();
    let operator = desk.operator(key.as_deref(), decided).await?;
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(refused) => return Ok(refused.into_response()),
    };
    desk.allows(&operator, scope, Target::of(&parameters).as_ref())?;
    request.extensions_mut().insert(operator);
    Ok(next.run(request).await)
}

fn no_connection() -> Error {
    Error::new(Kind::NotFound, "there is no connection of that name")
}

fn no_erp() -> Error {
    Error::new(Kind::NotFound, "there is no ERP of that name")
}

impl Desk {
    pub(super) fn new(puente: Puente, access: Access, document: Bytes) -> Self {
        Self { puente, access, document }
    }

    /// Who asks: by the key they show, or as was `decided` in front.
    async fn operator(&self, key: Option<&str>, decided: Option<Operator>) -> Result<Operator> {
        let nobody = || Error::new(Kind::Forged, "the operator's credential is missing or wrong");
        if matches!(self.access, Access::Keys(None)) && !self.puente.settings.has_operators() {
            let words = "nobody may read or replay orders over HTTP: this service was started without an operator's key. Set \
                         PUENTE_OPERATOR_KEY, or put an [operator.NAME] into the configuration, and start it again; on its own \
                         machine `puente orders`, `puente dlq` and `puente quota` need none";
            return Err(Error::new(Kind::Forged, words));
        }
        match &self.access {
            Access::Open => Ok(Operator::of_all("anybody")),
            Access::Decided => decided.ok_or_else(nobody),
            Access::Keys(one) => {
                let key = key.ok_or_else(nobody)?;
                // Both are asked, so that the time taken does not say which of them it was.
                let named = self.puente.settings.operator(key).await;
                if one.as_ref().is_some_and(|one| one.is(key)) {
                    return Ok(Operator::of_all("operator"));
                }
                named?.ok_or_else(nobody)
            }
        }
    }

    /// Refuses what `operator` may not do, and what they do not see: in the words that are said where there is nothing of that
    /// name.
    fn allows(&self, operator: &Operator, scope: Scope, target: Option<&Target>) -> Result<(), Problem> {
        let seen = target.is_none_or(|target| target.is_seen(&operator.sight, &self.puente.settings));
        match (operator.may(scope), seen, target) {
            (false, ..) => Err(Problem::refusal(StatusCode::FORBIDDEN, "this operator may not do that")),
            (true, false, Some(Target::Erp(_))) => Err(no_erp().into()),
            (true, false, _) => Err(no_connection().into()),
            (true, true, _) => Ok(()),
        }
    }

    /// The connection of that name. Its secrets are not needed here, so they are not fetched.
    fn connection(&self, name: &str) -> Result<ConnectionId> {
        let found = name.parse().ok().filter(|id| self.puente.settings.has(id));
        found.ok_or_else(no_connection)
    }

    /// The connections that `operator` sees.
    fn seen(&self, operator: &Operator) -> Vec<ConnectionId> {
        let mut seen = self.puente.settings.connections();
        seen.retain(|id| operator.sight.sees(id.as_str()));
        seen
    }

    async fn head(&self, name: &str, order: String) -> Result<Head, Problem> {
        let connection = self.connection(name)?;
        let unseen = || Error::new(Kind::NotFound, "not seen yet: no webhook or backfill has brought this order");
        let order = OrderId::try_from(order).map_err(|_| unseen())?;
        let key = OrderKey::new(connection, order);
        let head = self.puente.records.head(&key).await.map_err(|error| Problem::of_record(error, &key))?;
        Ok(head.ok_or_else(unseen)?)
    }
}

/// The key of a request's `Authorization: Bearer …` (RFC 6750).
fn bearer(request: &Request) -> Option<&str> {
    let given = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}
