//! Goods on their way back to the stores: what is left to sell of an article, and what each store is told of it. Pure.
//!
//! A [`Shelf`] is an article of an ERP account, in the warehouses that its connections sell from. It has a [`Level`] (what the ERP
//! said that is available), a [`Commitment`] for each order that took something off it, and a [`Listing`] for each connection that
//! shows it. What is published is made of all three at once ([`number`]), never of a number that was kept for later.
//!
//! Whatever happens is one [`GoodsWrite`], applied to the rows of one shelf; both databases and the simulation run the same function.

pub mod number;
mod rows;
pub mod rules;
pub mod schedule;
mod sku;
#[cfg(test)]
mod tests;
mod write;

pub use self::{
    rows::{Commitment, Halt, InStore, Level, Listing, Pending, Row, RowKey, Shelf},
    rules::{Carrier, GoodsRules, Publish},
    sku::{Place, ShelfId, Sku},
    write::{Commit, Count, GoodsWrite, Mark, Settled, Tell},
};
