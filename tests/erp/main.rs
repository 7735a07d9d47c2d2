//! The connectors of ERPs that can be had, driven directly against the real thing.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod books;
mod credit;
mod desk;
mod flow;
mod goods;
mod life;
mod lives;
mod made;
mod odoo;
mod odoo_bad_input;
mod odoo_before;
mod odoo_books;
mod odoo_life;
mod odoo_shipments;
mod priced;
mod prices;
mod real;
mod rounding;
mod sent;
mod servers;
mod shapes;
mod stock;
mod till;
mod tryton;
mod tryton_shipments;
mod upgrade;
