//! What stores call: webhooks and canonical orders. Thin: [`crate::flow::ingest`] decides, this file speaks HTTP.
//!
//! The order of checks is the order of their cost to the shop: connection and key, then the body (at most a megabyte, in at most
//! ten seconds; next to nothing of one that states no signature), then the signature, and only then the front door: what is forged
//! is counted apart. (Behind an API gateway its usage plan has counted before anybody saw the body.)

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use http::request::Parts;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, OneOfBuilder, Ref, RefOr, Schema},
};

use super::{
    body::{length, read},
    front_door::FrontDoors,
    label::RequestId,
    problem::Problem,
};
use crate::{
    Error, Kind, Result,
    domain::{event::Outcome, order::Order},
    flow::{
        Puente,
        ingest::{self, LARGEST_BODY, LARGEST_POINTER, LARGEST_UNSIGNED, MOST_ORDERS, Opened, Verdict},
    },
    parties::Connection,
    webhook::{self, RawWebhook},
};

/// The header that carries a key.
const API_KEY: &str = "x-api-key";

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) puente: Puente,
    /// Counts requests, where nobody in front does.
    pub(super) doors: Option<Arc<FrontDoors>>,
}

/// What became of the orders of a webhook.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// One for each order; none for a ping.
    accepted: Vec<Verdict>,
}

/// What became of the orders of a request.
#[derive(Serialize, ToSchema)]
pub(super) struct Orders {
    /// One for each order, in the request's order.
    orders: Vec<Verdict>,
}

/// One canonical order, or an array of them.
pub(super) struct OneOrMany;

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

/// The answer of liveness: this process answers at all.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `alive`.
    status: &'static str,
    /// Which release.
    version: &'static str,
}

/// Whether this process answers at all.
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// Takes a store's webhook, byte for byte: its signature is over the bytes, in the headers that the store sends.
///
/// Whatever is signed is accepted; what cannot be read as an order is kept for a person and answered `flagged`.
pub(super) async fn webhook(
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
pub(super) async fn orders(
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
        Error::new(Kind::Unreadable, "none of the orders is valid: `orders` says what is wrong with each")
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
