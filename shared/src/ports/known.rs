//! What is remembered of the records that an ERP keeps beside its sales: articles, customers.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Result, domain::ids::ErpId};

/// What is remembered of an ERP account's articles and customers, by name: an article's code, a customer's reference.
#[async_trait]
pub trait Known: Send + Sync {
    /// The ids that the ERP has for these names. Missing ones are left out. A stale one is found out by the ERP's own answer.
    async fn ids(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>>;

    /// Remembers ids.
    async fn learn(&self, erp: &ErpId, ids: &[(String, String)]) -> Result<()>;

    /// Forgets ids: the ERP did not know them any more.
    async fn forget(&self, erp: &ErpId, names: &[String]) -> Result<()>;

    /// Of these names those whose making was begun, read consistently, and until when a look-up cannot tell whether it was done.
    async fn begun(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, Timestamp>>;

    /// Writes down that records of these names are about to be made, and that no look-up can be trusted before `until`.
    async fn begin(&self, erp: &ErpId, names: &[String], until: Timestamp) -> Result<()>;

    /// What became of these is known, though they were begun.
    async fn ended(&self, erp: &ErpId, names: &[String]) -> Result<()>;
}
