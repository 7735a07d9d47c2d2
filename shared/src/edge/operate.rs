//! What people call: where is an order, why did it stop, try it again, how much of the quota is left.
//!
//! Reading and replaying need an operator's credential, checked once for all of these routes; only readiness does not. Invariant:
//! of a connection that an operator does not see they learn nothing, not even whether there is one of that name.

use axum::{
    Extension, Json, Router,
    extract::{
        MatchedPath, Path, Query, RawPathParams, Request, State,
        rejection::{QueryRejection, RawPathParamsRejection},
    },
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Always, WithCredential},
    authorize::route::{Target, is_known, scope},
    label::{RequestId, label},
    life::{LifeView, life},
    metrics,
    problem::{self, Problem},
    story::{StoryView, story},
    views::{OrderView, OrdersView, QuotaView},
};
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        event::Event,
        ids::{ConnectionId, ErpId, OrderId, OrderKey},
        message::{Arrival, Message, News},
        operator::{Operator, Sight},
        record::{Head, State as Standing},
    },
    flow::Puente,
    ports::{Page, Query as Wanted},
};

/// How many orders a page has when nobody says.
const PAGE: usize = 50;

/// The most orders a page has.
const LARGEST_PAGE: usize = 200;

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

#[derive(Clone)]
struct Desk {
    puente: Puente,
    access: Access,
}

/// The router.
pub fn router(puente: Puente, access: Access) -> Router {
    let desk = Desk { puente: puente.clone(), access };
    let (guarded, _) = guarded().split_for_parts();
    // For who collects measurements from a server. A function writes its own where its logs are, and no gateway leads here.
    let guarded = guarded.route(metrics::PATH, get(measured));
    let (open, _) = open().split_for_parts();
    guarded
        .route_layer(middleware::from_fn_with_state(desk.clone(), credential))
        .merge(open)
        .layer(middleware::from_fn_with_state(puente, label))
        .with_state(desk)
}

/// The routes that need the operator's credential, and what is said of them, in one.
fn guarded() -> OpenApiRouter<Desk> {
    let orders = OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(replay));
    orders.routes(routes!(connections)).routes(routes!(quota))
}

/// Those that do not.
fn open() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(ready))
}

/// What the OpenAPI document says of them.
pub(super) fn described() -> OpenApi {
    guarded().merge(open()).into_openapi()
}

/// Lets only operators pass, to what they may do and see.
async fn credential(
    State(desk): State<Desk>,
    route: MatchedPath,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (method, key) = (request.method().clone(), bearer(&request).map(str::to_owned));
    let decided = request.extensions().get().cloned();
    let operator = desk.operator(key.as_deref(), decided).await?;
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(refused) => return Ok(refused.into_response()),
    };
    let target = Target::of(&parameters);
    desk.allows(&operator, &method, route.as_str(), target.as_ref())?;
    request.extensions_mut().insert(operator);
    Ok(next.run(request).await)
}

/// What a list is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
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
struct Replayed {
    /// Whose order.
    connection: ConnectionId,
    /// Which one.
    order: OrderId,
    /// `queued`.
    result: &'static str,
}

/// That we can work.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ready`.
    status: &'static str,
}

/// A connection's orders, most recently changed first.
#[utoipa::path(
    get, path = "/v1/connections/{connection}/orders", operation_id = "list_orders", tag = "operators",
    params(("connection" = ConnectionId, Path, description = "Whose orders."), Filter),
    responses(
        (status = 200, description = "A page.", body = OrdersView),
        (status = 422, description = "A parameter cannot be read.", body = problem::Document, content_type = "application/problem+json"),
        WithCredential,
    ),
    security(("operator" = ["orders:read"])),
)]
async fn list(
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
#[utoipa::path(
    get, path = "/v1/connections/{connection}/orders/{order}", operation_id = "show_order", tag = "operators",
    params(
        ("connection" = ConnectionId, Path, description = "Whose order."),
        ("order" = OrderId, Path, description = "The store's own id, percent-encoded."),
    ),
    responses((status = 200, description = "The order.", body = StoryView), WithCredential),
    security(("operator" = ["orders:read"])),
)]
async fn show(
    State(desk): State<Desk>,
    Path((name, order)): Path<(String, String)>,
) -> Result<Json<StoryView>, Problem> {
    let head = desk.head(&name, order).await?;
    Ok(Json(story(&desk.puente, head).await?))
}

/// Tries an order again, from its latest state.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/orders/{order}/replay", operation_id = "replay_order", tag = "operators",
    params(
        ("connection" = ConnectionId, Path, description = "Whose order."),
        ("order" = OrderId, Path, description = "The store's own id, percent-encoded."),
    ),
    responses((status = 202, description = "The queue has it.", body = Replayed), WithCredential),
    security(("operator" = ["orders:write"])),
)]
async fn replay(
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
    let arrival = Arrival { connection, order, received, request, by: Some(by), tries: 0, news: News::Replay };
    let replay = Message::Arrival(arrival);
    let unanswered = || Err(Error::new(Kind::Unavailable, "the queue did not say whether it took the replay"));
    desk.puente.queue.send(&[replay], std::time::Duration::ZERO).await?.pop().unwrap_or_else(unanswered)?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// When each connection and ERP account that the operator sees last received, fetched, sent, and what failed last.
#[utoipa::path(
    get, path = "/v1/connections", operation_id = "list_connections", tag = "operators",
    responses((status = 200, description = "Their signs of life.", body = LifeView), WithCredential),
    security(("operator" = ["orders:read"])),
)]
async fn connections(
    State(desk): State<Desk>,
    Extension(operator): Extension<Operator>,
) -> Result<Json<LifeView>, Problem> {
    let mut seen = desk.puente.settings.connections();
    seen.retain(|id| operator.sight.sees(id.as_str()));
    Ok(Json(life(&desk.puente, seen).await?))
}

/// What an ERP account allows, and what is left of it today.
#[utoipa::path(
    get, path = "/v1/erps/{erp}/quota", operation_id = "show_quota", tag = "operators",
    params(("erp" = ErpId, Path, description = "Which account.")),
    responses((status = 200, description = "The quota.", body = QuotaView), WithCredential),
    security(("operator" = ["ops"])),
)]
async fn quota(State(desk): State<Desk>, Path(name): Path<String>) -> Result<Json<QuotaView>, Problem> {
    let erp: ErpId = name.parse().map_err(|_| no_erp())?;
    let limits = desk.puente.settings.terms(&erp)?.ok_or_else(no_erp)?.limits;
    let ledger = desk.puente.accounts.ledger(&erp).await?;
    Ok(Json(QuotaView::of(erp, &limits, &ledger, desk.puente.clock.now())))
}

/// Whether queue and records can be reached.
#[utoipa::path(
    get, path = "/v1/ready", operation_id = "ready", tag = "service",
    responses((status = 200, description = "They can.", body = Ready), Always),
)]
async fn ready(State(desk): State<Desk>) -> Result<Json<Ready>, Problem> {
    desk.puente.queue.ready().await?;
    desk.puente.records.ready().await?;
    Ok(Json(Ready { status: "ready" }))
}

/// What this process measured since it began: of all connections, so for those who see all.
async fn measured(State(desk): State<Desk>, Extension(operator): Extension<Operator>) -> Result<Response, Problem> {
    if operator.sight != Sight::All {
        let words = "measurements are those of all connections, and this operator does not see all";
        return Err(Problem::refusal(StatusCode::FORBIDDEN, words));
    }
    Ok(metrics::answer(desk.puente.tell.samples())?)
}

fn no_connection() -> Error {
    Error::new(Kind::NotFound, "there is no connection of that name")
}

fn no_erp() -> Error {
    Error::new(Kind::NotFound, "there is no ERP of that name")
}

impl Desk {
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
    fn allows(
        &self,
        operator: &Operator,
        method: &Method,
        route: &str,
        target: Option<&Target>,
    ) -> Result<(), Problem> {
        let seen = target.is_none_or(|target| target.is_seen(&operator.sight, &self.puente.settings));
        // A method that the route does not have is the router's to refuse; a route that nobody listed is nobody's.
        let may = scope(method, route).map_or_else(|| is_known(route), |scope| operator.may(scope));
        match (may, seen, target) {
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

    async fn head(&self, name: &str, order: String) -> Result<Head> {
        let connection = self.connection(name)?;
        let unseen = || Error::new(Kind::NotFound, "not seen yet: no webhook, no backfill brought this order so far");
        let order = OrderId::try_from(order).map_err(|_| unseen())?;
        self.puente.records.head(&OrderKey::new(connection, order)).await?.ok_or_else(unseen)
    }
}

/// The key of a request's `Authorization: Bearer …` (RFC 6750).
fn bearer(request: &Request) -> Option<&str> {
    let given = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::operator::Scope;

    #[test]
    fn each_route_asks_for_the_scope_that_the_document_names() {
        let document = serde_json::to_value(described()).unwrap();
        let mut locked = 0;
        for (pattern, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let named = operation["security"][0]["operator"][0].as_str();
                let method: Method = method.to_uppercase().parse().unwrap();
                assert_eq!(scope(&method, pattern).map(Scope::as_str), named, "{method} {pattern}");
                locked += usize::from(named.is_some());
            }
        }
        assert!(locked >= 4, "{locked}");
    }
}
