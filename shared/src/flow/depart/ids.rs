//! The ids that an ERP's connector may rely on, kept with the records.

use std::collections::{HashMap, HashSet};

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
    async fn begin(&self, names: &[String]) -> Result<HashSet<String>> {
        let (known, erp) = (&self.0.puente.known, &self.0.account.id);
        let begun = known.begun(erp, names).await?;
        let now = self.0.now();
        let is_in_doubt = |name: &String| begun.get(name).is_some_and(|until| *until > now);
        let (in_doubt, free): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is_in_doubt);
        if !free.is_empty() {
            let (start_by, settle_at) = self.0.times();
            self.0.slots.start_by(Some(start_by)).await;
            known.begin(erp, &free, settle_at).await?;
        }
        Ok(in_doubt.into_iter().collect())
    }
    async fn ended(&self, names: &[String]) -> Result<()> {
        self.0.puente.known.ended(&self.0.account.id, names).await
    }
}
