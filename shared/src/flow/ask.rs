//! Asking a store, or an ERP outside of a departure: the ways out that its connector gets.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{Puente, permits::Permits};
use crate::{
    domain::{
        ids::AccountId,
        ledger::{Limits, Purpose},
    },
    outbound::{Calls, Keeper, Metered},
    parties::{Account, Connection},
    ports::NoIds,
};

/// What a store is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// One order. If no call may be made soon, somebody else's order is looked at first.
    Order,
    /// What changed: a list, which waits for its turn between questions for single orders.
    List,
    /// Anything else: who the shop is, whether it answers, a first token.
    Other,
}

/// The ways out towards one account: every call spends one of its permits.
pub struct Ask {
    permits: Arc<Permits>,
    http: Metered,
    tokens: Keeper,
}

impl Ask {
    /// Those towards the store of `connection`, on that errand.
    #[must_use]
    pub fn new(puente: &Puente, connection: &Connection, errand: Errand) -> Self {
        let (purpose, patience) = match errand {
            Errand::Order => (Purpose::Orders, SignedDuration::ZERO),
            Errand::List => (Purpose::Orders, SignedDuration::from_secs(30)),
            Errand::Other => (Purpose::Other, SignedDuration::ZERO),
        };
        Self::of(puente, (&connection.id).into(), connection.limits.clone(), purpose, patience)
    }

    /// Those towards an ERP, for whether it answers.
    #[must_use]
    pub fn erp(puente: &Puente, account: &Account) -> Self {
        let limits = Some(account.limits.clone());
        Self::of(puente, (&account.id).into(), limits, Purpose::Other, SignedDuration::ZERO)
    }

    fn of(
        puente: &Puente,
        account: AccountId,
        limits: Option<Limits>,
        purpose: Purpose,
        patience: SignedDuration,
    ) -> Self {
        let permits = Arc::new(Permits::new(puente, account.clone(), limits, purpose, patience));
        Self { http: Metered::new(puente.client.clone(), permits.clone()), permits, tokens: puente.keeper(account) }
    }

    /// What the connector's methods take.
    #[must_use]
    pub fn calls(&self) -> Calls<'_> {
        Calls::new(&self.http, &NoIds, &self.tokens)
    }

    /// Whether the last call was held back by the account's limits or a block: it says nothing about the store.
    #[must_use]
    pub fn held_back(&self) -> bool {
        self.permits.held_back()
    }
}
