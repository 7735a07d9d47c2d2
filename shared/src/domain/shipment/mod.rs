//! Shipments on their way back to the stores: what the ERP sent of an order, and what its store is told of it. Pure.
//!
//! A [`Shipment`] is what the ERP says. A [`Dispatch`] is what is kept of it: whether the store was told, and what is on its way there.
//! Whatever happens is one [`ShipmentWrite`], applied to one dispatch; both databases and the simulation run the same function. What is
//! to be done for one is decided by [`plan`](plan::plan), from what the store says at that moment.

mod fulfilment;
mod note;
pub mod plan;
mod row;
#[cfg(test)]
mod tests;
mod write;

pub use self::{
    fulfilment::{Fulfilment, Fulfilments, NewFulfilment, Open, Part},
    note::{carried, note},
    row::{Dispatch, Dispatched, Parcel, Shipment, ShipmentId, Underway, lines_of},
    write::{Failed, Sending, ShipmentWrite},
};
