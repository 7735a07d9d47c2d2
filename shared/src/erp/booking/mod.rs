//! What every connector that writes an order into an ERP line by line starts from: who bought, what was bought, which of the ERP's
//! articles and taxes stand for it, and the mark by which a document is known as ours. Pure; the ERP's own arithmetic and shapes are its
//! connector's.

pub mod books;
mod buyer;
mod codes;
mod halving;
pub mod items;
pub(super) mod mark;
mod memory;

pub(super) use self::{
    buyer::{Buyer, addressee, buyer, countries},
    codes::Codes,
    halving::Halving,
    memory::{Memory, name},
};

/// Text as it can be stored: without control characters, which some databases refuse; nothing instead of blank.
#[must_use]
pub(super) fn text(text: Option<&str>) -> Option<String> {
    let clean: String = text?.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}
