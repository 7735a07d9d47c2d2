//! What a connector remembers of the ERP's ids, so that a departure asks only for what is new.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::erp::{Ids, SendError};

/// The memory of one call of a connector.
#[derive(Clone, Copy)]
pub(in crate::erp) struct Memory<'a> {
    /// The connector, whose names begin with it.
    pub(in crate::erp) of: &'static str,
    /// What is remembered.
    pub(in crate::erp) ids: &'a dyn Ids,
    /// Whether it may be stale: then everything is asked again.
    pub(in crate::erp) afresh: bool,
}

/// The name under which something is remembered.
pub(in crate::erp) fn name(connector: &str, kind: &str, of: impl fmt::Display) -> String {
    format!("{connector}/{kind}/{of}")
}

impl Memory<'_> {
    /// What is remembered under `names`; nothing if it may be stale.
    pub(in crate::erp) async fn recall<T: DeserializeOwned>(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, T>, SendError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        if self.afresh {
            self.forget(names).await?;
            return Ok(HashMap::new());
        }
        let known = self.ids.ids(names).await.map_err(SendError::NotNow)?;
        // What an older version of ours wrote differently is resolved again.
        Ok(known.into_iter().filter_map(|(name, text)| Some((name, serde_json::from_str(&text).ok()?))).collect())
    }

    /// Remembers.
    pub(in crate::erp) async fn learn<T: Serialize>(&self, learnt: &[(String, T)]) -> Result<(), SendError> {
        if learnt.is_empty() {
            return Ok(());
        }
        // Plain data cannot fail to serialise.
        let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
        let ids: Vec<_> = learnt.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        self.ids.learn(&ids).await.map_err(SendError::NotNow)
    }

    /// Forgets.
    pub(in crate::erp) async fn forget(&self, names: &[String]) -> Result<(), SendError> {
        self.ids.forget(names).await.map_err(SendError::NotNow)
    }

    /// Things of one kind by their keys: what is remembered, and the rest in one call.
    pub(in crate::erp) async fn known_or<T, F>(
        &self,
        kind: &str,
        keys: BTreeSet<String>,
        find: F,
    ) -> Result<HashMap<String, T>, SendError>
    where
        T: Serialize + DeserializeOwned + Clone,
        F: AsyncFnOnce(&[String]) -> Result<HashMap<String, T>, SendError>,
    {
        let names: Vec<String> = keys.iter().map(|key| name(self.of, kind, key)).collect();
        let mut known: HashMap<String, T> = self.recall(&names).await?;
        let mut all = HashMap::new();
        let mut missing = Vec::new();
        for key in keys {
            match known.remove(&name(self.of, kind, &key)) {
                Some(value) => {
                    all.insert(key, value);
                }
                None => missing.push(key),
            }
        }
        if missing.is_empty() {
            return Ok(all);
        }
        let found = find(&missing).await?;
        let learnt: Vec<_> = found.iter().map(|(key, value)| (name(self.of, kind, key), value.clone())).collect();
        self.learn(&learnt).await?;
        all.extend(found);
        Ok(all)
    }
}
