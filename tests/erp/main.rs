//! The connectors of ERPs that can be had, driven directly against the real thing.

#[path = "../support/mod.rs"]
mod support;

mod books;
mod flow;
mod made;
mod servers;
mod shapes;
mod tryton;
