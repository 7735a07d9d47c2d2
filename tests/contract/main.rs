//! One suite per trait, run against every row of STORES and ERPS and against both adapters of every port.
//!
//! The suite is the abstraction: if a connector passes it, it works; if a rule matters, it is in here.

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod erps;
mod events;
mod floors;
mod openapi;
mod ports;
mod sandbox;
mod stores;
mod tokens;
mod tryton;
