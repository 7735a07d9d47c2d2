//! Our mark on a sale: the version of the order it was made from, and the total it must have.

use rust_decimal::Decimal;

use crate::domain::{money::Amount, version::Version};

/// The first word of the note on a sale's first line: our version and the total it must have. The note of a line is printed on
/// no document of Tryton's.
const MARK: &str = "puente";

/// The note.
#[must_use]
pub(super) fn note(version: &Version, total: Amount) -> String {
    format!("{MARK} {version} {total}")
}

/// The version and the total in a note of ours.
#[must_use]
pub(super) fn read(note: &str) -> Option<(Version, Decimal)> {
    let mut words = note.split_whitespace();
    let ours = words.next()? == MARK;
    let version = words.next()?.parse().ok()?;
    let total = Amount::parse(words.next()?).ok()?.decimal();
    ours.then_some((version, total))
}
