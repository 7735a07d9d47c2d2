//! Real processes, killed: what was answered 2xx is in the ERP once, with the right total.

#[path = "../support/mod.rs"]
mod support;

mod kill;
mod limits;
