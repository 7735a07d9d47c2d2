//! An order's record: its head, and every write that may change it.
//!
//! The head carries the order from the moment its message is done. Each [`Write`] is one conditional update: [`Write::apply`]
//! says when it holds and what it does, in one place; the SQLite adapter runs it inside a transaction, the DynamoDB adapter
//! translates it to an update expression, and the ports' contract suite compares the two over random histories. The set of
//! conditions was model-checked; each one's comment names the history that breaks without it.
//!
//! Invariant: an order whose `applied` differs from `desired` and that is not parked for `desired` has a `due`.

mod head;
mod write;

pub use head::{End, Entry, Head, Intent, Parked, State, Summary};
use jiff::SignedDuration;
pub use write::{Count, Doubt, Rest, Write, Written};

use super::document::Booked;

#[cfg(test)]
mod tests;

/// The schema of the stored head: 2 since documents are kept with their versions, see [`Head::booked`]; 3 since there is more than one
/// sale to book.
pub const SCHEMA: u16 = 3;

/// The schema that a head with these documents has, at rest: releases of schema 2 know of one sale that stands, and read no other.
#[must_use]
pub fn schema_of(booked: &[Booked]) -> u16 {
    match booked {
        [] => 2,
        [only] if only.is_sale() && !only.cancelled => 2,
        _ => SCHEMA,
    }
}

/// How long a question to the store may be on its way: a message is delayed 15 minutes at most. After that the message is lost, and
/// the record's `due` has it sent again.
pub const QUESTION: SignedDuration = SignedDuration::from_mins(20);
