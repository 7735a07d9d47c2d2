//! Why an order waits or stops: a code and its arguments, which are stored; the words are made where they are shown.
//!
//! Invariant: codes and arguments are stored, so none is renamed or loses a member. New ones may come. No argument holds personal
//! data of a buyer; an ERP's own words are an argument between quotation marks, see `erp/words.rs`.

mod arguments;
mod codes;
mod error;
#[cfg(test)]
mod tests;
mod words;

pub(super) use self::codes::known;
pub use self::{
    arguments::{Fact, Mismatch, Refunded, TaxedLine},
    codes::{Reason, Why},
};
