//! The ids that an ERP's connector may rely on, kept with the records.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;

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
        self.0.puente.records.ids(&self.0.account.id, names).await
    }
    async fn learn(&self, ids: &[(String, String)]) -> Result<()> {
        self.0.puente.records.learn(&self.0.account.id, ids).await
    }
    async fn forget(&self, names: &[String]) -> Result<()> {
        self.0.puente.records.forget(&self.0.account.id, names).await
    }
    async fn begin(&self, names: &[String]) -> Result<HashSet<String>> {
        let (records, erp) = (&self.0.puente.records, &self.0.account.id);
        let begun = |name: &String| format!("begun/{name}");
        let known = records.ids(erp, &names.iter().map(begun).collect::<Vec<_>>()).await?;
        let now = self.0.now();
        let in_doubt = |name: &&String| {
            let until = known.get(&begun(name)).and_then(|until| until.parse::<Timestamp>().ok());
            until.is_some_and(|until| until > now)
        };
        let (in_doubt, free): (Vec<&String>, Vec<&String>) = names.iter().partition(in_doubt);
        if !free.is_empty() {
            let (start_by, settle_at) = self.0.times();
            self.0.slots.start_by(Some(start_by)).await;
            let marks: Vec<_> = free.iter().map(|name| (begun(name), settle_at.to_string())).collect();
            records.learn(erp, &marks).await?;
        }
        Ok(in_doubt.into_iter().cloned().collect())
    }
    async fn not_made(&self, names: &[String]) -> Result<()> {
        let begun: Vec<String> = names.iter().map(|name| format!("begun/{name}")).collect();
        self.0.puente.records.forget(&self.0.account.id, &begun).await
    }
}
