//! The two routers: [`ingest`] is what stores call, [`people`] what people call. Together they are the whole HTTP surface;
//! on Lambda each is its own function with its own role, in `puente serve` both are served on one address
//! (`ingest::limited(..).merge(people(..))`).
//!
//! Invariant: every refusal is a problem document (RFC 9457) with the request's id, and says nothing about our insides.

mod answers;
pub mod authorize;
pub mod front_door;
pub mod host;
pub mod ingest;
mod label;
pub mod life;
pub mod metrics;
pub mod openapi;
pub mod operate;
mod problem;
pub mod story;
pub mod views;

use axum::{Router, middleware};

pub use self::label::{RequestId, refusal};
use crate::flow::Puente;

/// What people call: the operator's API, and the document that says how.
pub fn people(puente: Puente, access: operate::Access) -> Router {
    let (document, _) = openapi::routes().split_for_parts();
    let document = document.layer(middleware::from_fn_with_state(puente.clone(), label::label));
    operate::router(puente, access).merge(document)
}
