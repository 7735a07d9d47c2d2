//! What accounts give us for a time: OAuth tokens, sessions.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Result, domain::ids::AccountId};

/// The token of each account, encrypted where it lies. Whoever changes one says which version it has seen, so that of two holders who
/// renew at once one wins, and the other learns what the winner wrote.
///
/// A kept token that cannot be read (written with another key, cut off) is an error of [`Kind::Config`](crate::Kind::Config) that names
/// the account and says what to do. Only [`Tokens::put`] goes past it.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Whether a token of this account could be written now: asked before somebody signs in, so that what they are given is not lost.
    async fn ready(&self, _of: &AccountId) -> Result<()> {
        Ok(())
    }

    /// The token of an account, read consistently.
    async fn get(&self, of: &AccountId) -> Result<Option<Kept>>;

    /// Writes `new` if the version is `expected` still (`None`: if there is none). A write that our own retry had already applied is
    /// `Written`.
    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped>;

    /// Writes `new` over whatever is there, readable or not: a person has signed in anew.
    async fn put(&self, of: &AccountId, new: &Token) -> Result<()>;
}

/// A token.
#[derive(Debug, Clone)]
pub struct Token {
    /// All of it, as text whose form is the writer's own.
    pub value: SecretString,
    /// When it ends, if it does: beside the secret, for people.
    pub expires_at: Option<Timestamp>,
}

impl Token {
    /// Whether both are the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.value.expose_secret() == other.value.expose_secret() && self.expires_at == other.expires_at
    }
}

/// What a person has to do where an account's token is of no use.
#[must_use]
pub fn sign_in(of: &AccountId) -> String {
    match of {
        AccountId::Store(connection) => format!("run `puente connections authorize {connection}`"),
        AccountId::Erp(erp) => format!("sign in to ERP {erp} again"),
    }
}

/// A token as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The token.
    pub token: Token,
    /// Grows with every write.
    pub version: u64,
}

impl Kept {
    /// What a swap comes to where `found` is kept: the adapter writes `new` if it is `Written`.
    #[must_use]
    pub fn swap(found: Option<Self>, expected: Option<u64>) -> Swapped {
        if found.as_ref().map(|kept| kept.version) == expected {
            Swapped::Written(expected.map_or(1, |version| version + 1))
        } else {
            Swapped::Other(found)
        }
    }
}

/// What came of a swap.
#[derive(Debug, Clone)]
pub enum Swapped {
    /// It is written, and has this version.
    Written(u64),
    /// Somebody else wrote first: what is there now.
    Other(Option<Kept>),
}
