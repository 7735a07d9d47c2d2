//! What is remembered of ERPs' articles and customers.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::OptionalExtension;

use super::{Embedded, file::Fault, records::text};
use crate::{Error, Kind, Result, domain::ids::ErpId, ports::Known};

#[async_trait]
impl Known for Embedded {
    async fn ids(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>> {
        self.by_name("SELECT id FROM known WHERE erp = ?1 AND name = ?2", erp, names).await
    }

    async fn learn(&self, erp: &ErpId, ids: &[(String, String)]) -> Result<()> {
        let put = "INSERT INTO known (erp, name, id) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET id = excluded.id";
        self.put(put, erp, ids.to_vec()).await
    }

    async fn forget(&self, erp: &ErpId, names: &[String]) -> Result<()> {
        self.drop_names("DELETE FROM known WHERE erp = ?1 AND name = ?2", erp, names).await
    }

    async fn begun(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, Timestamp>> {
        let begun = self.by_name("SELECT until FROM begun WHERE erp = ?1 AND name = ?2", erp, names).await?;
        let read = |(name, until): (String, String)| {
            let unreadable = || Error::new(Kind::Unreadable, format!("ERP {erp}: a time of `begun` cannot be read"));
            Ok((name, until.parse().map_err(|_| unreadable())?))
        };
        begun.into_iter().map(read).collect()
    }

    async fn begin(&self, erp: &ErpId, names: &[String], until: Timestamp) -> Result<()> {
        let put =
            "INSERT INTO begun (erp, name, until) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET until = excluded.until";
        self.put(put, erp, names.iter().map(|name| (name.clone(), until.to_string())).collect()).await
    }

    async fn ended(&self, erp: &ErpId, names: &[String]) -> Result<()> {
        self.drop_names("DELETE FROM begun WHERE erp = ?1 AND name = ?2", erp, names).await
    }
}

impl Embedded {
    async fn by_name(&self, select: &'static str, erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>> {
        let (erp, names) = (erp.clone(), names.to_vec());
        self.read(move |sql| {
            let mut select = sql.prepare_cached(select)?;
            let mut found = HashMap::new();
            for name in names {
                if let Some(value) = select.query_row([erp.as_str(), &name], text).optional()? {
                    found.insert(name, value);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn put(&self, put: &'static str, erp: &ErpId, rows: Vec<(String, String)>) -> Result<()> {
        let erp = erp.clone();
        self.write(move |sql| {
            let mut put = sql.prepare_cached(put)?;
            for (name, value) in &rows {
                put.execute([erp.as_str(), name, value])?;
            }
            Ok::<_, Fault>(())
        })
        .await
    }

    async fn drop_names(&self, delete: &'static str, erp: &ErpId, names: &[String]) -> Result<()> {
        let (erp, names) = (erp.clone(), names.to_vec());
        self.write(move |sql| {
            let mut delete = sql.prepare_cached(delete)?;
            for name in &names {
                delete.execute([erp.as_str(), name])?;
            }
            Ok::<_, Fault>(())
        })
        .await
    }
}
