//! The connectors of ERPs that can be had, driven directly against the real thing.

#[path = "../support/mod.rs"]
mod support;

mod books;
mod credit;
mod flow;
mod life;
mod lives;
mod made;
mod odoo_books;
mod rounding;
mod servers;
mod shapes;
mod till;
mod tryton;
