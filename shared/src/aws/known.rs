//! What is remembered of ERPs' articles and customers, on DynamoDB.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    item::{Reader, text},
    keys::{BEGUN, Key, begun_name},
    table::{self, Table},
};
use crate::{Result, domain::ids::ErpId, ports::Known};

/// The longest name: a partition key has at most 2048 bytes.
const LONGEST_NAME: usize = 1900;

/// What is remembered of ERPs' articles and customers.
#[derive(Clone)]
pub struct DynamoKnown(Table);

impl DynamoKnown {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    async fn put<'a>(&self, rows: impl Iterator<Item = (Key, String, &'a str)>) -> Result<()> {
        let puts = rows.map(|(key, name, value)| {
            let mut item = key.item();
            item.insert("name".to_owned(), text(name));
            item.insert("id".to_owned(), text(value));
            table::put(item)
        });
        self.0.write_many(&puts.collect::<Result<Vec<_>>>()?).await
    }

    async fn delete(&self, keys: impl Iterator<Item = Key>) -> Result<()> {
        self.0.write_many(&keys.map(table::delete).collect::<Result<Vec<_>>>()?).await
    }
}

#[async_trait]
impl Known for DynamoKnown {
    async fn ids(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>> {
        // No need to read consistently: the ERP finds a stale one out.
        let items = self.0.get_many(usable(names).map(|name| Key::id(erp, name)), false).await?;
        let read = |item| {
            let item = Reader(item);
            Ok((item.text("name")?.to_owned(), item.text("id")?.to_owned()))
        };
        items.iter().map(read).collect()
    }

    async fn learn(&self, erp: &ErpId, ids: &[(String, String)]) -> Result<()> {
        // A batch refuses a key that stands twice in it: the last one counts.
        let ids: BTreeMap<&String, &String> =
            ids.iter().filter(|(name, _)| fits(name)).map(|(name, id)| (name, id)).collect();
        self.put(ids.into_iter().map(|(name, id)| (Key::id(erp, name), name.clone(), id.as_str()))).await
    }

    async fn forget(&self, erp: &ErpId, names: &[String]) -> Result<()> {
        self.delete(usable(names).map(|name| Key::id(erp, name))).await
    }

    async fn begun(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, Timestamp>> {
        let items = self.0.get_many(usable(names).map(|name| Key::begun(erp, name)), true).await?;
        let read = |item| {
            let item = Reader(item);
            Ok((begun_name(item.text("name")?)?.to_owned(), item.parsed("id")?))
        };
        items.iter().map(read).collect()
    }

    async fn begin(&self, erp: &ErpId, names: &[String], until: Timestamp) -> Result<()> {
        let until = until.to_string();
        self.put(usable(names).map(|name| (Key::begun(erp, name), format!("{BEGUN}{name}"), until.as_str()))).await
    }

    async fn ended(&self, erp: &ErpId, names: &[String]) -> Result<()> {
        self.delete(usable(names).map(|name| Key::begun(erp, name))).await
    }
}

/// Each name once. Longer ones cannot be keys: they are never remembered, and asked for each time.
fn usable(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|name| fits(name)).collect::<BTreeSet<_>>().into_iter()
}

fn fits(name: &str) -> bool {
    name.len() <= LONGEST_NAME
}
