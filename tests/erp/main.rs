//! The connectors of ERPs that can be had, driven directly against the real thing.

#[path = "../support/mod.rs"]
mod support;

mod books;
mod flow;
mod made;
mod rounding;
mod servers;
mod shapes;
mod till;
mod tryton;
