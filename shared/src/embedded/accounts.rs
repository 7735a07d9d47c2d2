//! Accounts' ledgers: each operation is the pure function of [`Ledger`] inside one immediate transaction.

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
        ids::AccountId,
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
    },
    ports::Accounts,
};

#[async_trait]
impl Accounts for Embedded {
    async fn ledger(&self, of: &AccountId) -> Result<Ledger> {
        let of = of.clone();
        self.read(move |sql| load(sql, &of)).await
    }

    async fn take(
        &self,
        of: &AccountId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken> {
        let nonce = nonce.to_owned();
        self.change(of, move |ledger| ledger.take(&nonce, now, until, clock_error)).await
    }

    async fn mark(&self, of: &AccountId, now: Timestamp) -> Result<bool> {
        self.change(of, move |ledger| ledger.leave_mark(now)).await
    }

    async fn release(&self, of: &AccountId, epoch: u64, seen: Option<u64>) -> Result<Released> {
        self.change(of, move |ledger| ledger.release(epoch, seen)).await
    }

    async fn reserve(
        &self,
        of: &AccountId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Result<Slots, Denied>> {
        let (request, limits) = (request.clone(), limits.clone());
        self.change(of, move |ledger| ledger.reserve(&request, &limits, now)).await
    }

    async fn block(&self, of: &AccountId, until: Timestamp, because: &str, seen: u32) -> Result<()> {
        let because = because.to_owned();
        self.change(of, move |ledger| ledger.block(until, &because, seen)).await
    }

    async fn unblock(&self, of: &AccountId, now: Timestamp) -> Result<()> {
        self.change(of, move |ledger| ledger.unblock(now)).await
    }

    async fn poll(&self, of: &AccountId, epoch: u64) -> Result<Option<u64>> {
        self.change(of, move |ledger| ledger.poll(epoch)).await
    }

    async fn departed(&self, of: &AccountId, epoch: u64, departed: &Departed) -> Result<()> {
        let departed = departed.clone();
        self.change(of, move |ledger| ledger.departed(epoch, &departed)).await
    }
}

impl Embedded {
    /// Loads the ledger, changes it, and stores it if it is another now.
    async fn change<T: Send + 'static>(
        &self,
        of: &AccountId,
        change: impl FnOnce(&mut Ledger) -> T + Send + 'static,
    ) -> Result<T> {
        let of = of.clone();
        self.write(move |sql| {
            let before = load(sql, &of)?;
            let mut after = before.clone();
            let outcome = change(&mut after);
            if after != before {
                let mut upsert = sql.prepare_cached(
                    "INSERT INTO ledger (account, json) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET json = excluded.json",
                )?;
                upsert.execute([of.to_string(), json(&after)?])?;
            }
            Ok(outcome)
        })
        .await
    }
}

fn load(sql: &Connection, of: &AccountId) -> Result<Ledger, Fault> {
    let mut select = sql.prepare_cached("SELECT json FROM ledger WHERE account = ?1")?;
    let found: Option<String> = select.query_row([of.to_string()], |row| row.get(0)).optional()?;
    let read = |text: String| read_json(&text, || format!("the ledger of {of}"));
    Ok(found.map(read).transpose()?.unwrap_or_default())
}
