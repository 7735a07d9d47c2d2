//! What the tests of every ERP's connector stand on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;

use crate::{Result, ports::Ids};

/// What an ERP was asked: the methods, with their arguments.
pub(in crate::erp) type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// The methods that were called since the last time.
pub(in crate::erp) fn methods(asked: &Asked) -> Vec<String> {
    std::mem::take(&mut *asked.lock().unwrap()).into_iter().map(|(method, _)| method).collect()
}

/// Ids, remembered.
#[derive(Default)]
pub(in crate::erp) struct Remembered(Mutex<HashMap<String, String>>);

#[async_trait]
impl Ids for Remembered {
    async fn ids(&self, names: &[String]) -> Result<HashMap<String, String>> {
        let known = self.0.lock().unwrap();
        Ok(names.iter().filter_map(|name| Some((name.clone(), known.get(name)?.clone()))).collect())
    }
    async fn learn(&self, ids: &[(String, String)]) -> Result<()> {
        self.0.lock().unwrap().extend(ids.iter().cloned());
        Ok(())
    }
    async fn forget(&self, names: &[String]) -> Result<()> {
        self.0.lock().unwrap().retain(|name, _| !names.contains(name));
        Ok(())
    }
    async fn begin(&self, _: &[String]) -> Result<HashMap<String, Duration>> {
        Ok(HashMap::new())
    }
}
