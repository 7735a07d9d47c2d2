//! Anyone's own system: canonical orders, signed by the Standard Webhooks scheme.

use super::Row;
use crate::{Error, Kind};

/// The table's row.
pub const ROW: Row =
    Row { kind: "canonical", build: |_| Err(Error::new(Kind::Config, "not built")), example: "", sample: "" };
