//! Signs of life, and who a shop is.

use async_trait::async_trait;

use crate::{
    Result,
    domain::{
        ids::ConnectionId,
        sign::{Identity, Party, Sign},
    },
};

/// What is known of connections and accounts themselves, beside their orders.
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
}
