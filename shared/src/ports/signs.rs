//! Signs of life, who a shop is, and how tasks went.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Result,
    domain::{
        ids::ConnectionId,
        sign::{Identity, Party, Sign},
        task::Run,
    },
};

/// What is known of connections, accounts and tasks themselves, beside the orders.
#[async_trait]
pub trait Signs: Send + Sync {
    /// Keeps when something was seen last; the same fact of the same party before it is forgotten.
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()>;

    /// The signs of each party, in the order asked for.
    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>>;

    /// Who a connection's shop is, if somebody has learnt it.
    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>>;

    /// Keeps who it is.
    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()>;

    /// When somebody last claimed a run of a task, read consistently.
    async fn claimed(&self, task: &str) -> Result<Option<Timestamp>>;

    /// Claims a run of a task that begins at `at`.
    async fn claim(&self, task: &str, at: Timestamp) -> Result<()>;

    /// Keeps how the last run of a task went; the one before is forgotten.
    async fn ran(&self, task: &str, run: &Run) -> Result<()>;

    /// The last run of each task, in the order asked for.
    async fn runs(&self, tasks: &[&str]) -> Result<Vec<Option<Run>>>;
}
