//! Asking a store: the ways out that its connector gets.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::Puente;
use crate::{
    Result,
    domain::ids::AccountId,
    outbound::{Calls, Keeper, Meter, Metered},
    parties::Connection,
    ports::NoIds,
};

/// The ways out towards one connection's store.
pub struct Ask {
    http: Metered,
    tokens: Keeper,
}

impl Ask {
    /// Those of `connection`.
    #[must_use]
    pub fn new(puente: &Puente, connection: &Connection) -> Self {
        Self {
            http: Metered::new(puente.client.clone(), Arc::new(Unlimited)),
            tokens: puente.keeper(AccountId::Store(connection.id.clone())),
        }
    }

    /// What the connector's methods take.
    #[must_use]
    pub fn calls(&self) -> Calls<'_> {
        Calls::new(&self.http, &NoIds, &self.tokens)
    }
}

/// Nobody has said how often the store may be asked.
struct Unlimited;

#[async_trait]
impl Meter for Unlimited {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        Ok(())
    }
}
