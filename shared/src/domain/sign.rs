//! What is known of connections and accounts themselves, beside their orders: signs of life, and who a shop says it is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};
use utoipa::ToSchema;

use super::ids::{AccountId, ConnectionId};

/// Whose sign of life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A connection's.
    Connection(ConnectionId),
    /// An account's.
    Account(AccountId),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => write!(f, "connection/{id}"),
            Self::Account(id) => id.fmt(f),
        }
    }
}

/// What was seen.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Fact {
    /// Something about an order arrived.
    Received,
    /// The store answered a question of ours.
    Fetched,
    /// The ERP took an order.
    Sent,
    /// A question to the store, or a call to the ERP, failed.
    Failed,
    /// The account was left alone from then on, after a call that succeeded.
    Blocked,
}

impl Fact {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// When something was seen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SignOfLife)]
pub struct Sign {
    /// What.
    pub fact: Fact,
    /// When.
    pub at: Timestamp,
    /// The words, without secrets or personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Who a shop says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub id: u64,
    /// Its domains, lower case.
    pub domains: Vec<String>,
}
