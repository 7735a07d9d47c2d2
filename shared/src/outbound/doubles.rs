//! Ways out for tests: permitted by whom the test says, tokens kept in memory.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{Arc, Calls, Client, Duration, Keeper, Meter, Metered, Result, async_trait};
use crate::{
    domain::ids::{AccountId, ConnectionId},
    ports::{Ids, Kept, NoIds, Swapped, SystemClock, Token, Tokens},
};

/// A way out.
pub struct Way {
    /// To the network.
    pub http: Metered,
    /// The tokens.
    pub tokens: Keeper,
}

impl Way {
    /// Permits everything.
    ///
    /// # Panics
    /// Where no client can be built.
    #[must_use]
    pub fn open() -> Self {
        Self::by(Arc::new(Open))
    }

    /// Permits what `meter` permits.
    ///
    /// # Panics
    /// Where no client can be built.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "for tests")]
    pub fn by(meter: Arc<dyn Meter>) -> Self {
        let account = AccountId::Store("acme".parse::<ConnectionId>().unwrap());
        let tokens = Keeper::new(Arc::new(MemoryTokens::default()), account, Arc::new(SystemClock));
        Self { http: Metered::new(Client::new().unwrap(), meter), tokens }
    }

    /// For a connector that needs no ids.
    #[must_use]
    pub fn calls(&self) -> Calls<'_> {
        self.with(&NoIds)
    }

    /// With these ids.
    #[must_use]
    pub fn with<'a>(&'a self, ids: &'a dyn Ids) -> Calls<'a> {
        Calls::new(&self.http, ids, &self.tokens)
    }
}

struct Open;

#[async_trait]
impl Meter for Open {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        Ok(())
    }
}

/// Tokens in memory.
#[derive(Default)]
pub struct MemoryTokens(Mutex<HashMap<AccountId, Kept>>);

#[async_trait]
impl Tokens for MemoryTokens {
    async fn get(&self, of: &AccountId) -> Result<Option<Kept>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(of).cloned())
    }
    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let swapped = Kept::swap(all.get(of).cloned(), expected);
        if let Swapped::Written(version) = swapped {
            all.insert(of.clone(), Kept { token: new.clone(), version });
        }
        Ok(swapped)
    }
    async fn put(&self, of: &AccountId, new: &Token) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = all.get(of).map_or(0, |kept| kept.version) + 1;
        all.insert(of.clone(), Kept { token: new.clone(), version });
        Ok(())
    }
}

/// Permits nothing.
#[cfg(test)]
pub(crate) struct Refusing;

#[cfg(test)]
#[async_trait]
impl Meter for Refusing {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        Err(crate::Error::new(crate::Kind::Limited, "no more calls today"))
    }
}

/// An address at which nobody listens.
#[cfg(test)]
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
