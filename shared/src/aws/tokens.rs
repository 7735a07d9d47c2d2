//! The accounts' tokens on DynamoDB, where the table's key encrypts them at rest (`template.yaml`).

use async_trait::async_trait;
use secrecy::ExposeSecret as _;

use super::{
    expression::Update,
    item::{Item, Reader, number, text},
    keys::Key,
    table::{Outcome, Table},
};
use crate::{
    Error, Kind, Result,
    domain::ids::AccountId,
    ports::{Kept, Swapped, Token, Tokens, sign_in},
};

/// The accounts' tokens.
#[derive(Clone)]
pub struct DynamoTokens(Table);

impl DynamoTokens {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }
}

#[async_trait]
impl Tokens for DynamoTokens {
    async fn get(&self, of: &AccountId) -> Result<Option<Kept>> {
        let item = self.0.get(Key::token(of)).await?;
        item.map(|item| read(of, &item)).transpose()
    }

    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped> {
        let mut update = written(new);
        let as_seen = match expected {
            Some(version) => update.is("version", "=", number(version)),
            None => update.missing("version"),
        };
        update.only_if(as_seen);
        let next = expected.map_or(1, |version| version + 1);
        match self.0.update(Key::token(of), update).await? {
            Outcome::Done(_) => Ok(Swapped::Written(next)),
            Outcome::Refused(None, _) => Ok(Swapped::Other(None)),
            Outcome::Refused(Some(item), _) => {
                let found = read(of, &item)?;
                // The first of two equal requests wrote it.
                let ours = found.version == next && found.token.is(new);
                Ok(if ours { Swapped::Written(next) } else { Swapped::Other(Some(found)) })
            }
        }
    }

    async fn put(&self, of: &AccountId, new: &Token) -> Result<()> {
        self.0.update(Key::token(of), written(new)).await.map(drop)
    }
}

/// The next version, with this content.
fn written(new: &Token) -> Update {
    let mut update = Update::default();
    update.add("version", number(1)).set("secret", text(new.value.expose_secret()));
    match new.expires_at {
        Some(at) => update.set("ends", text(at.to_string())),
        None => update.remove(&["ends"]),
    };
    update
}

fn read(of: &AccountId, item: &Item) -> Result<Kept> {
    let read = || {
        let item = Reader(item);
        let expires_at = item.text_if("ends").map(str::parse).transpose().ok()?;
        let token = Token { value: item.text("secret").ok()?.into(), expires_at };
        Some(Kept { token, version: item.number("version").ok()? })
    };
    read().ok_or_else(|| Error::new(Kind::Config, unreadable(of)))
}

/// For the person who has to do something about it.
fn unreadable(of: &AccountId) -> String {
    format!("the item with the token of {of} cannot be read: {}", sign_in(of))
}
