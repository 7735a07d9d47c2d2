//! The secrets that the configuration only names.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{
    Result,
    domain::ids::{ConnectionId, ErpId, OperatorId},
};

/// Where the secrets come from that the configuration only names.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secrets of a bundle, by the names that the configuration has for them.
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, SecretString>>;
}

/// Secrets that are kept, and may be read, together: those of one part of the configuration that one role needs. What faces the
/// internet needs [`Bundle::Edge`] alone, and is let to read nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bundle {
    /// What a connection's callers show and sign with: its keys and webhook secrets.
    Edge(ConnectionId),
    /// What opens a connection's store.
    Worker(ConnectionId),
    /// What opens an ERP account.
    Erp(ErpId),
    /// What an operator of `puente serve` shows.
    Operator(OperatorId),
}

impl fmt::Display for Bundle {
    /// Its name, such as `edge/acme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge(id) => write!(f, "edge/{id}"),
            Self::Worker(id) => write!(f, "worker/{id}"),
            Self::Erp(id) => write!(f, "erp/{id}"),
            Self::Operator(id) => write!(f, "operator/{id}"),
        }
    }
}
