//! A store and an ERP that misbehave on request, over real HTTP on loopback: for the demo, the tests, and users.
//!
//! - [`erp`]: an ERP that keeps books, computes totals by itself and counts every call; every fault of the real world can be
//!   scripted or drawn by a seed.
//! - [`store`]: a shop of Shopify's or `WooCommerce`'s shape that signs its webhooks, keeps the truth about every order, and
//!   answers the REST calls that fetch orders.
//!
//! Nothing here shares code with the library it tests: a mistake in signing or in adding up would otherwise hide itself. The
//! same seed makes the same orders, deliveries and faults, on every machine.

// Whole orders are written as one literal.
#![recursion_limit = "256"]

mod dice;
pub mod erp;
mod net;
pub mod store;

/// The system's time, in its one home here.
#[allow(
    clippy::disallowed_methods,
    reason = "the sandbox plays other people's machines: they have clocks of their own"
)]
#[must_use]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
