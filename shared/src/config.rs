//! `puente.toml`: the only source of configuration. Parsed once; an error names file, line and key.

use std::{collections::HashMap, sync::Arc};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, ErpId},
        ledger::Limits,
        money::Amount,
    },
    erp::Erp,
    ports::Secrets,
    store::Store,
};

/// A secret of the configuration, already fetched: `{ env = "NAME" }`, `{ file = "path" }` or `{ secret = "name" }`.
/// Written out in the file itself it is refused.
#[derive(Clone)]
pub struct Secret(SecretString);

/// One shop's connection.
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Which ERP account its orders go to.
    pub erp: ErpId,
    /// The key its callers carry; only `serve` on loopback may do without.
    pub key: Option<Secret>,
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
    /// What to do with an article the ERP does not know.
    pub unknown_sku: UnknownSku,
    /// What to do when the ERP's total would not be the store's.
    pub total_mismatch: Mismatch,
    /// The largest difference that `adjust` may book, in the order's currency.
    pub adjust_limit: Amount,
    /// The store's article codes that have another code in the ERP.
    pub sku: HashMap<String, String>,
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

/// What to do with an article the ERP does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSku {
    /// The order waits for a person.
    Park,
}

/// What to do when totals differ.
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
            unknown_sku: UnknownSku::Park,
            total_mismatch: Mismatch::Park,
            adjust_limit: Amount::ZERO,
            sku: HashMap::new(),
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
    /// Attempts before an order is dead-lettered.
    pub max_attempts: u32,
    /// Whether every order is looked up before it is created: after a restore from a backup.
    pub look_up_first: bool,
}

/// A connector's own part of the file: a table, with its place for error messages.
#[derive(Debug, Clone)]
pub struct Section {
    _place: String,
}

impl Section {
    /// Reads it into the connector's own type, which denies unknown fields. The error names file, line and key.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Err(Error::new(Kind::Config, "not built"))
    }

    /// A section from TOML text, for tests and examples: secrets are `{ literal = "…" }` there.
    pub fn from_toml(text: &str) -> Result<Self> {
        Ok(Self { _place: text.to_owned() })
    }
}

/// The configuration as the flows see it: one connection or account at a time, so that a function with ten thousand
/// connections fetches the secrets of the one it serves.
pub struct Settings {
    _secrets: Option<Arc<dyn Secrets>>,
    fixed: (HashMap<ConnectionId, Arc<Connection>>, HashMap<ErpId, Arc<Account>>),
}

impl Settings {
    /// Parses the text of `file`. Secrets are fetched when a connection or account is first asked for.
    pub fn parse(_text: &str, _file: &str, secrets: Arc<dyn Secrets>) -> Result<Self> {
        Ok(Self { _secrets: Some(secrets), fixed: Default::default() })
    }

    /// Settings of parts built by hand: for simulations, whose stores and ERPs are models.
    #[must_use]
    pub fn fixed(connections: Vec<Connection>, accounts: Vec<Account>) -> Self {
        let connections = connections.into_iter().map(|c| (c.id.clone(), Arc::new(c))).collect();
        let accounts = accounts.into_iter().map(|a| (a.id.clone(), Arc::new(a))).collect();
        Self { _secrets: None, fixed: (connections, accounts) }
    }

    /// The names of all connections.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.fixed.0.keys().cloned().collect()
    }

    /// The names of all ERP accounts.
    #[must_use]
    pub fn accounts(&self) -> Vec<ErpId> {
        self.fixed.1.keys().cloned().collect()
    }

    /// One connection; `None` if there is none of that name.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>> {
        Ok(self.fixed.0.get(id).cloned())
    }

    /// One ERP account.
    pub async fn account(&self, id: &ErpId) -> Result<Option<Arc<Account>>> {
        Ok(self.fixed.1.get(id).cloned())
    }

    /// Fetches everything at once: a missing secret or a wrong section is told before anything starts.
    pub async fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Secret {
    /// A secret from text: for tests, and for adapters that fetched it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself. Keep it as short as you can.
    #[must_use]
    pub fn expose(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
