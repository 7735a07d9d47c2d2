//! Prices on their way from the ERP to the stores. Pure.
//!
//! The ERP says an [`Offer`] for each article: a price, and what it is compared to. What a store is told is computed from that when it is
//! written ([`Offer::in_store`]): with tax or without, rounded as was agreed. A [`PriceTag`] keeps for a connection's article what the ERP
//! says and what its store has; whatever happens to it is one [`PriceWrite`], applied by the same function on both databases and in the
//! simulation.

mod offer;
mod row;
mod rules;
#[cfg(test)]
mod tests;
mod write;

pub use self::{
    offer::{Offer, Price, Quote, Unpriced},
    row::{InShop, Later, PriceTag, Telling, Wanted},
    rules::{PriceRules, Tax},
    write::{NotTold, PriceWrite, Quoted, Sending},
};
