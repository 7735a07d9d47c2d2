//! What stores call: webhooks and canonical orders. Thin: [`crate::flow::ingest`] decides, this file speaks HTTP.
//!
//! The order of checks is the order of their cost to the shop: connection and key, then the body (at most a megabyte, in at most
//! ten seconds; next to nothing of one that states no signature), then the signature, and only then the front door: what is forged
//! is counted apart. (Behind an API gateway its usage plan has counted before anybody saw the body.)

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::request::Parts;
use jiff::SignedDuration;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, OneOfBuilder, OpenApi, Ref, RefOr, Schema},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Always, WithKey},
    front_door::FrontDoors,
    label::{RequestId, label},
    problem::Problem,
};
use crate::{
    Error, Kind, Result,
    domain::{event::Outcome, ids::ConnectionId, order::Order},
    flow::{
        Puente,
        ingest::{self, LARGEST_BODY, LARGEST_POINTER, LARGEST_UNSIGNED, MOST_ORDERS, Opened, Verdict},
    },
    parties::Connection,
    ports::Clock,
    webhook::{self, RawWebhook},
};

/// The header that carries a key.
const API_KEY: &str = "x-api-key";

/// How long a body may take to arrive, in seconds.
const BODY_SECONDS: i64 = 10;

#[derive(Clone)]
struct Edge {
    puente: Puente,
    doors: Option<Arc<FrontDoors>>,
}

/// The router, without a front door of its own: behind an API gateway that counts.
pub fn router(puente: Puente) -> Router {
    build(Edge { puente, doors: None })
}

/// The router, counting requests itself: for `puente serve`.
pub fn limited(puente: Puente, doors: impl Into<Arc<FrontDoors>>) -> Router {
    build(Edge { puente, doors: Some(doors.into()) })
}

fn build(edge: Edge) -> Router {
    let label = middleware::from_fn_with_state(edge.puente.clone(), label);
    let (router, _) = routes().split_for_parts();
    router.layer(label).with_state(edge)
}

/// The routes and what is said of them, in one.
fn routes() -> OpenApiRouter<Edge> {
    OpenApiRouter::new().routes(routes!(webhook)).routes(routes!(orders)).routes(routes!(health))
}

/// What the OpenAPI document says of them.
pub(super) fn described() -> OpenApi {
    routes().into_openapi()
}

/// What became of the orders of a webhook.
#[derive(Serialize, ToSchema)]
struct Accepted {
    /// One for each order; none for a ping.
    accepted: Vec<Verdict>,
}

/// What became of the orders of a request.
#[derive(Serialize, ToSchema)]
struct Orders {
    /// One for each order, in the request's order.
    orders: Vec<Verdict>,
}

/// One canonical order, or an array of them.
struct OneOrMany;

impl PartialSchema for OneOrMany {
    fn schema() -> RefOr<Schema> {
        let order = || Ref::from_schema_name(Order::name());
        let many = ArrayBuilder::new().items(order()).min_items(Some(1)).max_items(Some(MOST_ORDERS));
        OneOfBuilder::new().item(order()).item(many).into()
    }
}

impl ToSchema for OneOrMany {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Order::name().into_owned(), Order::schema()));
        Order::schemas(schemas);
    }
}

/// That we live.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `alive`.
    status: &'static str,
    /// Which release.
    version: &'static str,
}

/// Whether this process answers at all.
#[utoipa::path(
    get, path = "/v1/health", operation_id = "health", tag = "service",
    responses((status = 200, description = "It does.", body = Health), Always),
)]
async fn health() -> Json<Health> {
    Json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// Takes a store's webhook, byte for byte: its signature is over the bytes, in the headers that the store sends.
///
/// Whatever is signed is accepted; what cannot be read as an order is kept for a person and answered `flagged`.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/webhook", operation_id = "receive_webhook", tag = "stores",
    params(("connection" = ConnectionId, Path, description = "Whose webhook.")),
    request_body(content = Option<serde_json::Value>, content_type = "application/json", description = "At most 1 MiB. Usually a JSON object."),
    responses((status = 200, description = "The queue has it.", body = Accepted), WithKey),
    security(("key_in_address" = []), ("key" = [])),
)]
async fn webhook(
    State(edge): State<Edge>,
    Path(name): Path<String>,
    Extension(RequestId(request)): Extension<RequestId>,
    http: Request,
) -> Result<Json<Accepted>, Problem> {
    let (parts, body) = http.into_parts();
    let connection = ingest::admit(&edge.puente, &name, key(&parts).as_deref()).await?;
    let take = async {
        let opened = edge.open(&connection, parts, body).await;
        let opened = edge.counted(&connection, opened).await?;
        ingest::webhook(&edge.puente, &connection, &request, opened).await
    };
    let accepted = take.await.map_err(|error| Problem::from(error).of(&connection.id))?;
    Ok(Json(Accepted { accepted }))
}

/// Takes canonical orders, one or an array of at most 100. Each is read by itself: an invalid one does not sink the others.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/orders", operation_id = "post_orders", tag = "stores",
    params(("connection" = ConnectionId, Path, description = "Whose orders: a connection whose store has `api_keys`.")),
    request_body(content = inline(OneOrMany), description = "At most 1 MiB."),
    responses((status = 202, description = "The queue has those that are `accepted`.", body = Orders), WithKey),
    security(("api_key" = [])),
)]
async fn orders(
    State(edge): State<Edge>,
    Path(name): Path<String>,
    Extension(RequestId(request)): Extension<RequestId>,
    http: Request,
) -> Result<Response, Problem> {
    let (parts, body) = http.into_parts();
    let api_key = parts.headers.get(API_KEY).and_then(|key| key.to_str().ok());
    let connection = ingest::admit_poster(&edge.puente, &name, api_key).await?;
    let take = async {
        // The key is the sender's proof here: nobody else's request gets so far.
        edge.count(&connection).await?;
        let body = read(&parts, body, LARGEST_BODY, &*edge.puente.clock).await?;
        ingest::orders(&edge.puente, &connection, &request, &body).await
    };
    let orders = take.await.map_err(|error| Problem::from(error).of(&connection.id))?;
    let any = |outcome| orders.iter().any(|verdict| verdict.result == outcome);
    if any(Outcome::Accepted) {
        return Ok((StatusCode::ACCEPTED, Json(Orders { orders })).into_response());
    }
    let error = if any(Outcome::Unavailable) {
        Error::new(Kind::Unavailable, "the queue could not take any order")
    } else {
        Error::new(Kind::Unreadable, "no order is valid; each names its field")
    };
    Err(Problem::from(error).of(&connection.id).with(orders))
}

impl Edge {
    /// Reads a webhook, verifies it and reads what it says.
    async fn open(&self, connection: &Connection, parts: Parts, body: Body) -> Result<Opened> {
        let largest = match connection.store.entrance().signed() {
            None => LARGEST_POINTER,
            Some(by) if webhook::states_signature(&parts.headers, by.scheme) => LARGEST_BODY,
            Some(_) if length(&parts) > Some(LARGEST_BODY) => LARGEST_BODY,
            Some(_) => LARGEST_UNSIGNED,
        };
        let body = read(&parts, body, largest, &*self.puente.clock).await;
        let body = body.map_err(|error| match error.kind() {
            Kind::TooLarge if largest == LARGEST_UNSIGNED => {
                Error::new(Kind::Forged, "the signature header is missing")
            }
            _ => error,
        })?;
        ingest::open(connection, RawWebhook { headers: parts.headers, body, received: self.puente.clock.now() })
    }

    /// What was opened, counted: the shop's own words as the shop's, everything else apart.
    async fn counted(&self, connection: &Connection, opened: Result<Opened>) -> Result<Opened> {
        match &opened {
            Ok(Opened::Genuine(..) | Opened::Pointed(..)) => self.count(connection).await?,
            Ok(Opened::Ping) | Err(_) => {
                if let Some(doors) = &self.doors {
                    doors.suspect(connection)?;
                }
            }
        }
        opened
    }

    /// Lets one request of a connection in.
    async fn count(&self, connection: &Connection) -> Result<()> {
        match &self.doors {
            Some(doors) => doors.admit(connection).await,
            None => Ok(()),
        }
    }
}

/// The key that a webhook carries: `x-api-key`, or `?key=` where a store cannot send headers of ours.
fn key(parts: &Parts) -> Option<String> {
    if let Some(key) = parts.headers.get(API_KEY) {
        return key.to_str().ok().map(str::to_owned);
    }
    let query = parts.uri.query()?.as_bytes();
    url::form_urlencoded::parse(query).find(|(name, _)| name == "key").map(|(_, key)| key.into_owned())
}

/// The length that a body is said to have.
fn length(parts: &Parts) -> Option<usize> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body, of at most `largest` bytes.
async fn read(parts: &Parts, body: Body, largest: usize, clock: &dyn Clock) -> Result<Bytes> {
    let too_large = || Error::new(Kind::TooLarge, format!("the body is larger than {} KiB", largest / 1024));
    if length(parts) > Some(largest) {
        return Err(too_large());
    }
    let whole = async {
        let mut whole = BytesMut::new();
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Error::new(Kind::Unreadable, "the body broke off"))?;
            if whole.len() + chunk.len() > largest {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    let late = clock.sleep_until(clock.now() + SignedDuration::from_secs(BODY_SECONDS));
    tokio::select! {
        biased;
        whole = whole => whole,
        () = late => Err(Error::new(Kind::Unreadable, "the body did not arrive in time")),
    }
}
