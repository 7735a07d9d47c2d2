//! The accounts' tokens on DynamoDB: sealed with a key of KMS where the stack has one ([`Envelope`]), and in any case in a table that is
//! encrypted at rest.

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    envelope::{Envelope, Sealed},
    expression::Update,
    item::{Item, Reader, bytes, number, text},
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
pub struct DynamoTokens {
    table: Table,
    envelope: Envelope,
}

#[async_trait]
impl Tokens for DynamoTokens {
    async fn ready(&self, of: &AccountId) -> Result<()> {
        self.envelope.seal(of, &SecretString::default()).await.map(drop)
    }

    async fn get(&self, of: &AccountId) -> Result<Option<Kept>> {
        match self.table.get(Key::token(of)).await? {
            Some(item) => self.read(of, &item).await.map(Some),
            None => Ok(None),
        }
    }

    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped> {
        let mut update = self.written(of, new).await?;
        let as_seen = match expected {
            Some(version) => update.is("version", "=", number(version)),
            None => update.missing("version"),
        };
        update.only_if(as_seen);
        let next = expected.map_or(1, |version| version + 1);
        match self.table.update(Key::token(of), update).await? {
            Outcome::Done(_) => Ok(Swapped::Written(next)),
            Outcome::Refused(None, _) => Ok(Swapped::Other(None)),
            Outcome::Refused(Some(item), _) => {
                self.may_replace(of, &item)?;
                let found = self.read(of, &item).await?;
                // The first of two equal requests wrote it.
                let ours = found.version == next && found.token.is(new);
                Ok(if ours { Swapped::Written(next) } else { Swapped::Other(Some(found)) })
            }
        }
    }

    async fn put(&self, of: &AccountId, new: &Token) -> Result<()> {
        let update = self.written(of, new).await?;
        match self.table.update(Key::token(of), update).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Refused(item, _) => self.may_replace(of, &item.unwrap_or_default()),
        }
    }
}

impl DynamoTokens {
    pub(super) fn new(table: Table, envelope: Envelope) -> Self {
        Self { table, envelope }
    }

    /// The next version, with this content.
    async fn written(&self, of: &AccountId, new: &Token) -> Result<Update> {
        let mut update = Update::default();
        update.add("version", number(1));
        if let Some(Sealed { content, data_key }) = self.envelope.seal(of, &new.value).await? {
            update.set("sealed", bytes(content)).set("data_key", bytes(data_key)).remove(&["secret"]);
        } else {
            // What the stack encrypts is not written in plain text by who was not told of the key.
            let plain = update.missing("data_key");
            update.set("secret", text(new.value.expose_secret())).only_if(plain);
        }
        match new.expires_at {
            Some(at) => update.set("ends", text(at.to_string())),
            None => update.remove(&["ends"]),
        };
        Ok(update)
    }

    /// Whether what lies there may be written over by us.
    fn may_replace(&self, of: &AccountId, item: &Item) -> Result<()> {
        if self.envelope.seals() || Reader(item).bytes_if("data_key").is_none() {
            return Ok(());
        }
        let words = format!(
            "the token of {of} is encrypted with a key in KMS, and nobody told this process which: set PUENTE_TOKEN_KEY to the \
             stack's output TokenKey"
        );
        Err(Error::new(Kind::Config, words))
    }

    async fn read(&self, of: &AccountId, item: &Item) -> Result<Kept> {
        let item = Reader(item);
        let value = match (item.bytes_if("sealed"), item.bytes_if("data_key")) {
            (Some(content), Some(data_key)) => {
                let sealed = Sealed { content: content.to_vec(), data_key: data_key.to_vec() };
                self.envelope.open(of, &sealed).await?
            }
            _ => item.text_if("secret").map(Into::into),
        };
        let read = || {
            let expires_at = item.text_if("ends").map(str::parse).transpose().ok()?;
            Some(Kept { token: Token { value: value?, expires_at }, version: item.number("version").ok()? })
        };
        read().ok_or_else(|| Error::new(Kind::Config, unreadable(of)))
    }
}

/// For the person who has to do something about it.
fn unreadable(of: &AccountId) -> String {
    format!("the item with the token of {of} cannot be read: {}", sign_in(of))
}
