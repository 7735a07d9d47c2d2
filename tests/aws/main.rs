//! aws

#[path = "../support/mod.rs"]
mod support;
