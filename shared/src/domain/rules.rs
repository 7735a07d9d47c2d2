//! What a shop and its company agreed on: when an order goes to the ERP, and what may be done so that its books equal the store's.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    money::{Amount, decimal},
    status::Meaning,
};

/// What becomes of a connection's orders: `orders` in its part of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// When an order goes to the ERP.
    pub create_when: CreateWhen,
    /// Whether an authorised but not captured payment counts as paid.
    pub authorized_is_paid: bool,
    /// What to do when the ERP's total would not be the store's, and rounding does not explain it.
    pub total_mismatch: Mismatch,
    /// The largest difference that `adjust` may book, in the order's currency; more than nothing where that is set.
    #[serde(deserialize_with = "decimal")]
    pub adjust_limit: Amount,
    /// The store's article codes that have another code in the ERP.
    pub sku: HashMap<String, String>,
    /// What the statuses mean that the shop or its extensions defined: `packing`, `partially-paid`.
    pub statuses: HashMap<String, Meaning>,
    /// Whether test orders go to the ERP too.
    pub test_orders: bool,
}

/// When an order goes to the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateWhen {
    /// Once it is paid (or partially refunded since).
    Paid,
    /// As soon as it is placed.
    Placed,
}

/// What to do when totals differ, and rounding does not explain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// The order waits for a person.
    Park,
    /// A labelled line books the exact difference, if it is within the limit.
    Adjust,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            create_when: CreateWhen::Paid,
            authorized_is_paid: false,
            total_mismatch: Mismatch::Park,
            adjust_limit: Amount::ZERO,
            sku: HashMap::new(),
            statuses: HashMap::new(),
            test_orders: false,
        }
    }
}
