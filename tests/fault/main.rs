//! Real processes behind lines that break, killed: what was answered 2xx is in the ERP once, with the right total.
//!
//! `PUENTE_KILLS=2000 cargo test --workspace --test fault killed -- --nocapture` kills so often, and prints what it saw. The
//! table names its seed: `PUENTE_SEED` draws the same faults and moments again, though processes keep their own time.

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod harness;
mod lambda;
mod limits;
mod market;
mod report;
mod serve;
mod store;
