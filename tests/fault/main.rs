//! fault

#[path = "../support/mod.rs"]
mod support;
