//! Two routers: [`stores`] is what stores call, [`people`] what people call. Together they are the whole HTTP surface, made from one
//! table ([`routes`]); on Lambda each is its own function with its own role, in `puente serve` both are served on one address
//! (`stores(..).merge(people(..))`).
//!
//! Invariant: every refusal is a problem document (RFC 9457) with the request's id, and says nothing about our insides.

mod answers;
pub mod authorize;
mod body;
pub mod dead;
pub mod front_door;
pub mod goods;
pub mod host;
mod ingest;
mod label;
pub mod life;
pub mod media;
pub mod metrics;
pub mod openapi;
pub mod operate;
pub mod prices;
mod problem;
mod router;
pub mod routes;
pub mod shipments;
pub mod steps;
pub mod story;
mod target;
pub mod tasks;
pub mod views;

pub use self::{
    label::{RequestId, refusal},
    router::{people, stores},
};
