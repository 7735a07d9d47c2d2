//! How a store's tokens come, where it gives them for a time only.

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::{
    Result,
    outbound::{Grant, Metered, NotRenewed, Renewal},
};

/// A store whose tokens are asked for, kept and renewed.
#[async_trait]
pub trait SignIn: Renewal {
    /// Which kind of token it is, for people.
    fn kind(&self) -> &'static str;

    /// The page where a person lets the app in, with `state` in its address; `None` if that takes no person.
    fn page(&self, state: &str) -> Option<Url>;

    /// The first token, for the address that the person was sent back to: its signature and `state` are checked before anything of it
    /// is used.
    async fn first(&self, http: &Metered, state: &SecretString, address: &str) -> Result<Grant, NotRenewed>;
}
