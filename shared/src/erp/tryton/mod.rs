//! tryton
pub mod books;

use super::Row;
use crate::{Error, Kind};

/// The table's row.
pub const ROW: Row = Row { kind: "tryton", build: |_| Err(Error::new(Kind::Config, "not built")), example: "" };
