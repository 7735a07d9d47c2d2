//! The flows as a whole: production code between modelled or embedded ports.

#[path = "../support/mod.rs"]
mod support;

mod authorize;
mod calm;
mod cases;
mod day;
mod depart;
mod edge;
mod own_api;
mod record;
mod shopify;
mod stores;
mod tasks;
