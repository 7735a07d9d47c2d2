//! ERP accounts' ledgers: each operation is the pure function of [`Ledger`] inside one immediate transaction.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{
    Embedded,
    file::Fault,
    records::{json, read_json},
};
use crate::{
    Result,
    domain::{
        ids::ErpId,
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
    },
    ports::Accounts,
};

#[async_trait]
impl Accounts for Embedded {
    async fn ledger(&self, erp: &ErpId) -> Result<Ledger> {
        let erp = erp.clone();
        self.read(move |sql| load(sql, &erp)).await
    }

    async fn take(
        &self,
        erp: &ErpId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken> {
        let nonce = nonce.to_owned();
        self.change(erp, move |ledger| ledger.take(&nonce, now, until, clock_error)).await
    }

    async fn mark(&self, erp: &ErpId, now: Timestamp) -> Result<bool> {
        self.change(erp, move |ledger| ledger.leave_mark(now)).await
    }

    async fn release(&self, erp: &ErpId, epoch: u64, seen: Option<u64>) -> Result<Released> {
        self.change(erp, move |ledger| ledger.release(epoch, seen)).await
    }

    async fn reserve(
        &self,
        erp: &ErpId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Result<Slots, Denied>> {
        let (request, limits) = (request.clone(), limits.clone());
        self.change(erp, move |ledger| ledger.reserve(&request, &limits, now)).await
    }

    async fn block(&self, erp: &ErpId, until: Timestamp, because: &str) -> Result<()> {
        let because = because.to_owned();
        self.change(erp, move |ledger| ledger.block(until, &because)).await
    }

    async fn unblock(&self, erp: &ErpId) -> Result<()> {
        self.change(erp, Ledger::unblock).await
    }

    async fn departed(&self, erp: &ErpId, epoch: u64, departed: &Departed) -> Result<()> {
        let departed = departed.clone();
        self.change(erp, move |ledger| ledger.departed(epoch, &departed)).await
    }
}

impl Embedded {
    /// Loads the ledger, changes it, and stores it if it is another now.
    async fn change<T: Send + 'static>(
        &self,
        erp: &ErpId,
        change: impl FnOnce(&mut Ledger) -> T + Send + 'static,
    ) -> Result<T> {
        let erp = erp.clone();
        self.write(move |sql| {
            let before = load(sql, &erp)?;
            let mut after = before.clone();
            let outcome = change(&mut after);
            if after != before {
                let mut upsert = sql.prepare_cached(
                    "INSERT INTO ledger (erp, json) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET json = excluded.json",
                )?;
                upsert.execute([erp.as_str(), &json(&after)?])?;
            }
            Ok(outcome)
        })
        .await
    }
}

fn load(sql: &Connection, erp: &ErpId) -> Result<Ledger, Fault> {
    let mut select = sql.prepare_cached("SELECT json FROM ledger WHERE erp = ?1")?;
    let found: Option<String> = select.query_row([erp.as_str()], |row| row.get(0)).optional()?;
    let read = |text: String| read_json(&text, || format!("ERP {erp}: its ledger"));
    Ok(found.map(read).transpose()?.unwrap_or_default())
}
