//! Our mark on a document: the version of the order it was made from, and the total it must have. It stands in a field that is printed
//! nowhere, or where nobody minds.

use rust_decimal::Decimal;

use crate::domain::{money::Amount, version::Version};

/// Its first word; our version and the total follow.
const MARK: &str = "puente";

/// The note.
#[must_use]
pub(in crate::erp) fn note(version: &Version, total: Amount) -> String {
    format!("{MARK} {version} {total}")
}

/// The version and the total in a note of ours.
#[must_use]
pub(in crate::erp) fn read(note: &str) -> Option<(Version, Decimal)> {
    let mut words = note.split_whitespace();
    let ours = words.next()? == MARK;
    let version = words.next()?.parse().ok()?;
    let total = Amount::parse(words.next()?).ok()?.decimal();
    ours.then_some((version, total))
}
