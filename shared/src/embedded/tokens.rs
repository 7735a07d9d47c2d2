//! The accounts' tokens, encrypted: a row for each account.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::{Embedded, file::Fault, micros, seal};
use crate::{
    Result,
    domain::ids::AccountId,
    ports::{Kept, Swapped, Token, Tokens},
};

#[async_trait]
impl Tokens for Embedded {
    async fn get(&self, of: &AccountId) -> Result<Option<Kept>> {
        let (of, key) = (of.clone(), seal::beside(self.file()));
        self.read(move |sql| {
            let row = row(sql, &of)?;
            row.map(|row| row.open(&of, &key).map_err(Fault::from)).transpose()
        })
        .await
    }

    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped> {
        let (of, new, key) = (of.clone(), new.clone(), seal::beside(self.file()));
        self.write(move |sql| {
            let found = row(sql, &of)?.map(|row| row.open(&of, &key)).transpose()?;
            let swapped = Kept::swap(found, expected);
            if let Swapped::Written(version) = swapped {
                Row::seal(&of, version, &new, &key)?.put(sql, &of)?;
            }
            Ok(swapped)
        })
        .await
    }

    async fn put(&self, of: &AccountId, new: &Token) -> Result<()> {
        let (of, new, key) = (of.clone(), new.clone(), seal::beside(self.file()));
        self.write(move |sql| {
            let version = row(sql, &of)?.map_or(1, |row| row.version + 1);
            Row::seal(&of, version, &new, &key)?.put(sql, &of)
        })
        .await
    }
}

/// A row of the table.
struct Row {
    version: u64,
    expires: Option<i64>,
    sealed: Vec<u8>,
}

impl Row {
    fn seal(of: &AccountId, version: u64, token: &Token, key: &std::path::Path) -> Result<Self> {
        Ok(Self { version, expires: token.expires_at.map(micros), sealed: seal::seal(key, of, &token.value)? })
    }

    fn open(self, of: &AccountId, key: &std::path::Path) -> Result<Kept> {
        let expires_at = self.expires.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        let value = seal::open(key, of, &self.sealed)?;
        Ok(Kept { token: Token { value, expires_at }, version: self.version })
    }

    fn put(self, sql: &Connection, of: &AccountId) -> Result<(), Fault> {
        let mut put = sql.prepare_cached(
            "INSERT INTO token (account, version, expires, sealed) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
             SET version = excluded.version, expires = excluded.expires, sealed = excluded.sealed",
        )?;
        let version = i64::try_from(self.version).unwrap_or(i64::MAX);
        put.execute((of.to_string(), version, self.expires, self.sealed))?;
        Ok(())
    }
}

fn row(sql: &Connection, of: &AccountId) -> Result<Option<Row>, Fault> {
    let mut select = sql.prepare_cached("SELECT version, expires, sealed FROM token WHERE account = ?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        let version: i64 = row.get(0)?;
        Ok(Row { version: u64::try_from(version).unwrap_or_default(), expires: row.get(1)?, sealed: row.get(2)? })
    };
    Ok(select.query_row([of.to_string()], read).optional()?)
}
