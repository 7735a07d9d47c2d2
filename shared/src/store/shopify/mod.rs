//! Shopify.

use super::Row;
use crate::{Error, Kind};

/// The table's row.
pub const ROW: Row =
    Row { kind: "shopify", build: |_| Err(Error::new(Kind::Config, "not built")), example: "", sample: "" };
