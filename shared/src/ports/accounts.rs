//! The ledger of each account that calls are made to: an ERP's, or a store's.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Result,
    domain::{
        ids::AccountId,
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
    },
};

/// The ledger of each account: its limiter and its blocks; for an ERP's, its conductor's lease as well.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The item as it is, read consistently; a fresh one if there is none.
    async fn ledger(&self, of: &AccountId) -> Result<Ledger>;

    /// See [`Ledger::take`].
    async fn take(
        &self,
        of: &AccountId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken>;

    /// See [`Ledger::leave_mark`].
    async fn mark(&self, of: &AccountId, now: Timestamp) -> Result<bool>;

    /// See [`Ledger::release`].
    async fn release(&self, of: &AccountId, epoch: u64, seen: Option<u64>) -> Result<Released>;

    /// See [`Ledger::reserve`]. If the ledger cannot be reached the caller must not send: fail closed.
    async fn reserve(
        &self,
        of: &AccountId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<std::result::Result<Slots, Denied>>;

    /// See [`Ledger::block`].
    async fn block(&self, of: &AccountId, until: Timestamp, because: &str, seen: u32) -> Result<()>;

    /// See [`Ledger::unblock`].
    async fn unblock(&self, of: &AccountId, now: Timestamp) -> Result<()>;

    /// See [`Ledger::poll`].
    async fn poll(&self, of: &AccountId, epoch: u64) -> Result<Option<u64>>;

    /// Writes down a departure, if the lease is still ours (`epoch`). See [`Ledger::departed`].
    async fn departed(&self, of: &AccountId, epoch: u64, departed: &Departed) -> Result<()>;
}
