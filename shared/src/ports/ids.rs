//! The ids that a connector may rely on.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use crate::Result;

/// The ids the flows remember for a connector: products by SKU, customers by reference. Names are the connector's own.
#[async_trait]
pub trait Ids: Send + Sync {
    /// The known ones of `names`.
    async fn ids(&self, names: &[String]) -> Result<HashMap<String, String>>;
    /// Remembers ids.
    async fn learn(&self, ids: &[(String, String)]) -> Result<()>;
    /// Forgets ids.
    async fn forget(&self, names: &[String]) -> Result<()>;
    /// Writes down that records of these names are about to be made, unless the ERP itself refuses a second one: the intent of
    /// that step. Answers those that may not be made now, with how long that is so: they were begun before, and a look-up cannot be
    /// trusted yet.
    async fn begin(&self, names: &[String]) -> Result<HashMap<String, Duration>>;
    /// What became of these is known, though they were begun: made, and forgotten since, or for certain not made. They need no look-up
    /// that can be trusted.
    async fn ended(&self, _names: &[String]) -> Result<()> {
        Ok(())
    }
}

/// Where nobody remembers ids: towards a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoIds;

#[async_trait]
impl Ids for NoIds {
    async fn ids(&self, _names: &[String]) -> Result<HashMap<String, String>> {
        Ok(HashMap::new())
    }
    async fn learn(&self, _ids: &[(String, String)]) -> Result<()> {
        Ok(())
    }
    async fn forget(&self, _names: &[String]) -> Result<()> {
        Ok(())
    }
    async fn begin(&self, _names: &[String]) -> Result<HashMap<String, Duration>> {
        Ok(HashMap::new())
    }
}
