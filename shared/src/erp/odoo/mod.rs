//! Odoo.

pub mod books;
