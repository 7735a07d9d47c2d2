//! Puente ("bridge") carries orders from ecommerce stores into an ERP, exactly once.
//!
//! Where things are:
//! - [`domain`]: the order, its money, its record and the ledger of an ERP account. No I/O.
//! - [`flow`]: the business, as verbs: ingest, record, depart, sweep, backfill.
//! - [`edge`]: the two HTTP routers, one for stores and one for people.
//! - [`ports`]: what the flows need from the outside; `embedded` and `aws` are its two adapters.
//! - [`store`] and [`erp`]: one folder per connector, one table row each.
//! - [`webhook`]: the only place that compares signatures. [`outbound`]: the only place that calls out.
//! - [`config`]: `puente.toml` as text; [`parties`]: the connections and accounts it names, built.

// Whole orders are written as one literal.
#![cfg_attr(feature = "fixtures", recursion_limit = "256")]

#[cfg(feature = "aws")]
pub mod aws;
pub mod config;
pub mod domain;
pub mod edge;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod erp;
mod error;
pub mod flow;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod outbound;
pub mod parties;
#[cfg(any(feature = "aws", feature = "embedded", feature = "fuzzing"))]
mod payload;
pub mod ports;
#[cfg(any(feature = "aws", feature = "embedded"))]
mod seal;
pub mod store;
pub mod webhook;

pub use error::{Error, Kind, Result, Retry};
