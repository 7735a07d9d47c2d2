//! The ids that an ERP's connector may rely on, kept with the records.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use super::batch::Batch;
use crate::{Result, outbound::Calls, ports::Ids};

impl Batch<'_> {
    /// What the connector's methods take.
    pub(super) fn calls<'b>(&'b self, ids: &'b Cache<'b>) -> Calls<'b> {
        Calls::new(&self.http, ids, &self.tokens)
    }
}

/// The id cache of the account.
pub(super) struct Cache<'a>(pub(super) &'a Batch<'a>);

#[async_trait]
impl Ids for Cache<'_> {
    async fn ids(&self, names: &[String]) -> Result<HashMap<String, String>> {
        self.0.puente.known.ids(&self.0.account.id, names).await
    }
    async fn learn(&self, ids: &[(String, String)]) -> Result<()> {
        self.0.puente.known.learn(&self.0.account.id, ids).await
    }
    async fn forget(&self, names: &[String]) -> Result<()> {
        self.0.puente.known.forget(&self.0.account.id, names).await
    }
    async fn begin(&self, names: &[String]) -> Result<HashMap<String, Duration>> {
        let (known, erp) = (&self.0.puente.known, &self.0.account.id);
        let begun = known.begun(erp, names).await?;
        let now = self.0.now();
        let in_doubt: HashMap<String, Duration> = begun
            .into_iter()
            .filter(|(_, until)| *until > now)
            .map(|(name, until)| (name, until.duration_since(now).unsigned_abs()))
            .collect();
        let free: Vec<String> = names.iter().filter(|name| !in_doubt.contains_key(*name)).cloned().collect();
        if !free.is_empty() {
            let (start_by, settle_at) = self.0.times();
            self.0.slots.start_by(Some(start_by)).await;
            known.begin(erp, &free, settle_at).await?;
        }
        Ok(in_doubt)
    }
    async fn ended(&self, names: &[String]) -> Result<()> {
        self.0.puente.known.ended(&self.0.account.id, names).await
    }
}
