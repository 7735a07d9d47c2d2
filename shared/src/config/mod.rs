//! `puente.toml`: the only source of configuration. Parsed once; an error names file, line and key.
//!
//! [`Settings`] is the file as the flows see it, one connection or account at a time. [`Section`] is the part of it that
//! belongs to a connector, [`Secret`] what must never be seen. [`example`] writes a commented file to start from.

mod example;
mod limits;
mod plain_http;
mod secret;
mod section;
mod settings;

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Deserializer};

pub use self::{
    example::example,
    secret::Secret,
    section::Section,
    settings::{Door, Needs, Settings},
};
use crate::{
    domain::{
        ids::{ConnectionId, ErpId},
        ledger::Limits,
        money::Amount,
        share::Shares,
        status::Meaning,
    },
    erp::Erp,
    store::Store,
};

/// The keys of a connector's section that are not the connector's.
const GENERIC: [&str; 5] = ["kind", "limits", "max_attempts", "look_up_first", plain_http::ALLOWED];

/// One shop's connection.
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Which ERP account its orders go to.
    pub erp: ErpId,
    /// The key its callers carry; two while it is being changed, the new one first. Only `serve` on loopback may do without.
    pub keys: Vec<Secret>,
    /// The store.
    pub store: Box<dyn Store>,
    /// What becomes of its orders.
    pub orders: Orders,
    /// Its share of the front door.
    pub front_door: FrontDoor,
}

/// What becomes of a connection's orders.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Orders {
    /// When an order goes to the ERP.
    pub create_when: CreateWhen,
    /// Whether an authorised but not captured payment counts as paid.
    pub authorized_is_paid: bool,
    /// What to do when the ERP's total would not be the store's, and rounding does not explain it.
    pub total_mismatch: Mismatch,
    /// The largest difference that `adjust` may book, in the order's currency; more than nothing where that is set.
    #[serde(deserialize_with = "amount")]
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

impl Default for Orders {
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

/// A connection's share of the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontDoor {
    /// Requests a second.
    pub per_second: u32,
    /// Requests a day (UTC).
    pub per_day: u32,
}

/// One ERP account.
pub struct Account {
    /// Its name.
    pub id: ErpId,
    /// The connector.
    pub erp: Box<dyn Erp>,
    /// What the account allows.
    pub limits: Limits,
    /// The connections whose orders go there.
    pub connections: Vec<ConnectionId>,
    /// The share of the day that each of them is guaranteed.
    pub shares: Shares,
    /// Attempts before an order is dead-lettered.
    pub max_attempts: u32,
    /// Whether every order is looked up before it is created: after a restore from a backup.
    pub look_up_first: bool,
}

/// What is said of an ERP account beside its connector.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What the account allows.
    pub limits: Limits,
    /// What part of its day each of its connections is guaranteed.
    pub shares: Shares,
    /// Attempts before an order is dead-lettered.
    pub max_attempts: u32,
}

/// Reads an exact amount from TOML: text such as `"0.05"`, or a number, which is taken as its decimal text.
/// For `#[serde(deserialize_with = "puente::config::amount")]`.
pub fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    struct Text;
    impl serde::de::Visitor<'_> for Text {
        type Value = Amount;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal number such as \"0.05\"")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
            Amount::parse(text).map_err(E::custom)
        }
        fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<Amount, E> {
            self.visit_str(&whole.to_string())
        }
        // The shortest text that reads back as the same number: the one that was written.
        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Amount, E> {
            self.visit_str(&number.to_string())
        }
    }
    deserializer.deserialize_any(Text)
}

// Keys and credentials lie inside: only names are shown.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("erp", &self.erp).finish_non_exhaustive()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("limits", &self.limits).finish_non_exhaustive()
    }
}
