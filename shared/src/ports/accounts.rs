//! The ledger of each ERP account.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Result,
    domain::{
        ids::ErpId,
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
    },
};

/// The ledger of each ERP account: lease and limiter.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The item as it is, read consistently; a fresh one if there is none.
    async fn ledger(&self, erp: &ErpId) -> Result<Ledger>;

    /// See [`Ledger::take`].
    async fn take(
        &self,
        erp: &ErpId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken>;

    /// See [`Ledger::leave_mark`].
    async fn mark(&self, erp: &ErpId, now: Timestamp) -> Result<bool>;

    /// See [`Ledger::release`].
    async fn release(&self, erp: &ErpId, epoch: u64, seen: Option<u64>) -> Result<Released>;

    /// See [`Ledger::reserve`]. If the ledger cannot be reached the caller must not send: fail closed.
    async fn reserve(
        &self,
        erp: &ErpId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<std::result::Result<Slots, Denied>>;

    /// See [`Ledger::block`].
    async fn block(&self, erp: &ErpId, until: Timestamp, because: &str) -> Result<()>;

    /// See [`Ledger::unblock`].
    async fn unblock(&self, erp: &ErpId) -> Result<()>;

    /// Writes down a departure, if the lease is still ours (`epoch`). See [`Ledger::departed`].
    async fn departed(&self, erp: &ErpId, epoch: u64, departed: &Departed) -> Result<()>;
}
