//! What the test binaries share: outside parts that set themselves up under `target/`, and makers of orders.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod audit;
pub mod binary;
pub mod debian;
pub mod function;
pub mod issuer;
pub mod moto;
pub mod odoo;
pub mod orders;
pub mod proxy;
pub mod stack;
pub mod tryton;
pub mod venv;
