//! The accounts' tokens, encrypted: a row for each account.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::{Embedded, file::Fault, key, micros};
use crate::{
    Result,
    domain::ids::AccountId,
    ports::{Kept, Swapped, Token, Tokens},
};

#[async_trait]
impl Tokens for Embedded {
    async fn get(&self, of: &AccountId) -> Result<Option<Kept>> {
        let (of, key) = (of.clone(), key::beside(self.file()));
        self.read(move |sql| {
            let row = row(sql, &of)?;
            row.map(|row| row.open(&of, &key).map_err(Fault::from)).transpose()
        })
        .await
    }

    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped> {
        let (of, new, key) = (of.clone(), new.clone(), key::beside(self.file()));
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
        let (of, new, key) = (of.clone(), new.clone(), key::beside(self.file()));
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
        Ok(Self { version, expires: token.expires_at.map(micros), sealed: key::seal(key, of, &token.value)? })
    }

    fn open(self, of: &AccountId, key: &std::path::Path) -> Result<Kept> {
        let expires_at = self.expires.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        let value = key::open(key, of, &self.sealed)?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Kind;

    fn acme() -> AccountId {
        AccountId::Store("acme".parse().unwrap())
    }

    fn token() -> Token {
        Token { value: "canary-token".into(), expires_at: None }
    }

    /// Checks that reading and swapping say what is wrong, and that signing in again gets past it.
    async fn one_clear_state(file: &Embedded) {
        for _ in 0..3 {
            for error in
                [file.get(&acme()).await.unwrap_err(), file.swap(&acme(), Some(1), &token()).await.unwrap_err()]
            {
                assert_eq!((error.kind(), error.retryable()), (Kind::Config, crate::Retry::Never));
                let words = error.to_string();
                assert!(words.contains("store/acme") && words.contains("puente connections authorize acme"), "{words}");
            }
        }
        file.put(&acme(), &token()).await.unwrap();
        assert!(file.get(&acme()).await.unwrap().unwrap().token.is(&token()));
    }

    #[tokio::test]
    async fn nothing_in_the_directory_shows_the_token_and_the_key_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = Embedded::open(dir.path()).unwrap();
        assert!(!dir.path().join(key::FILE).exists(), "made when it is first needed");
        file.swap(&acme(), None, &token()).await.unwrap();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let content = fs::read(&path).unwrap();
            assert!(!content.windows(6).any(|part| part == b"canary"), "{}", path.display());
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
            }
        }
        // Another process reads it with the same key.
        assert!(Embedded::open(dir.path()).unwrap().get(&acme()).await.unwrap().unwrap().token.is(&token()));
    }

    #[tokio::test]
    async fn another_key_or_none_is_one_clear_state() {
        for key in [Some([7; 32]), None] {
            let dir = tempfile::tempdir().unwrap();
            let file = Embedded::open(dir.path()).unwrap();
            file.put(&acme(), &token()).await.unwrap();
            match key {
                Some(key) => fs::write(dir.path().join(key::FILE), key).unwrap(),
                None => fs::remove_file(dir.path().join(key::FILE)).unwrap(),
            }
            one_clear_state(&file).await;
        }
    }

    #[tokio::test]
    async fn a_key_that_is_cut_off_is_said_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = Embedded::open(dir.path()).unwrap();
        file.put(&acme(), &token()).await.unwrap();
        fs::write(dir.path().join(key::FILE), b"half").unwrap();
        let error = file.get(&acme()).await.unwrap_err();
        assert!(error.kind() == Kind::Config && error.to_string().contains("token.key"), "{error}");
        assert!(file.put(&acme(), &token()).await.is_err(), "a new key would hide that the old one is damaged");
    }

    #[tokio::test]
    async fn a_value_that_is_half_written_changed_or_another_accounts_is_one_clear_state() {
        for damage in [
            "UPDATE token SET sealed = CAST(substr(sealed, 1, 20) AS BLOB)",
            "UPDATE token SET sealed = x''",
            "UPDATE token SET sealed = CAST(x'02' || substr(sealed, 2) AS BLOB)",
            "UPDATE token SET sealed = CAST(sealed || x'01' AS BLOB)",
            "UPDATE token SET sealed = (SELECT sealed FROM token WHERE account = 'store/other') WHERE account = 'store/acme'",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = Embedded::open(dir.path()).unwrap();
            for of in [acme(), AccountId::Store("other".parse().unwrap())] {
                file.put(&of, &token()).await.unwrap();
            }
            let damaged = file.write(move |sql| Ok(sql.execute_batch(damage)?)).await;
            damaged.unwrap();
            one_clear_state(&file).await;
        }
    }
}
