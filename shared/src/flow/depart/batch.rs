//! One departure's orders: plan each, resolve what is in doubt, then send in bulk and write down what came of it.
//!
//! Every ERP write is a step whose intent is on record before its first byte. A time-out needs no write: the intent and its
//! `due` already stand, and whoever conducts after `settle_at` looks the step's reference up before it sends again.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    meter::{End as Ended, LONGEST_START, Slots, room},
    pace::asked_for,
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::Operation,
        event::{Happened, OrderEvent},
        ids::{AccountId, AttemptId, OrderKey},
        ledger::{Denied, Hold, Ledger},
        order::Order,
        reason::Reason,
        record::{Head, Intent, Write, Written},
        sign::{Fact, Party},
        version::Version,
    },
    erp::{Capabilities, Draft, Job},
    flow::{
        Puente,
        block::{block, block_for},
        record,
    },
    outbound::{Keeper, Metered},
    parties::{Account, Connection},
    ports::Payload,
};

/// How a batch ended.
pub(super) enum Outcome {
    /// Look for more.
    Done,
    /// The account may not be called before then.
    Closed(Timestamp),
    /// The invocation's time is nearly over.
    TimeShort,
    /// Another has the lease.
    Lost,
}

/// The orders of one departure, and how it goes so far.
pub(super) struct Batch<'a> {
    pub(super) puente: &'a Puente,
    pub(super) account: &'a Arc<Account>,
    pub(super) epoch: u64,
    pub(super) slots: &'a Arc<Slots>,
    pub(super) http: Metered,
    pub(super) tokens: Keeper,
    /// The account's ledger before this batch: how often calls failed in a row, and why.
    pub(super) ledger: &'a Ledger,
    /// Whether a call succeeded.
    pub(super) succeeded: bool,
    /// Whether the ERP took an order, or refused one with reasons: then the account itself works.
    pub(super) passed: bool,
    /// Until when the account was blocked by this batch.
    pub(super) closed: Option<Timestamp>,
    /// The connections whose orders have to wait after what happened in this batch.
    pub(super) held: Option<Hold>,
}

/// What came of a batch.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    /// The connections whose orders wait from now on.
    pub(super) hold: Option<Hold>,
}

/// A job on its way. A fresh one's head has no intent before it is written.
pub(super) struct Ready {
    pub(super) job: Job,
    /// Whether nothing is left to do for the job's version once it is booked.
    pub(super) last: bool,
    /// Of a sale that is cancelled to be made anew: what is made in its place.
    pub(super) anew: Option<Arc<Order>>,
    pub(super) head: Head,
}

/// A job whose document is rendered.
pub(super) struct Rendered {
    pub(super) ready: Ready,
    pub(super) draft: Draft,
    /// Whether its ids were looked up in the ERP just now, instead of taken from the cache.
    pub(super) afresh: bool,
}

impl Rendered {
    /// What is done to the ERP.
    pub(super) fn operation(&self) -> Operation {
        self.ready.job.step.operation()
    }

    /// Whether the ERP may hold it already.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.ready.head.intent.as_ref().is_some_and(|intent| intent.unknown)
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        puente: &'a Puente,
        account: &'a Arc<Account>,
        epoch: u64,
        slots: &'a Arc<Slots>,
        ledger: &'a Ledger,
    ) -> Self {
        let http = Metered::new(puente.client.clone(), slots.clone());
        let tokens = puente.keeper(AccountId::from(&account.id));
        let (succeeded, passed, closed, held) = (false, false, None, None);
        Self { puente, account, epoch, slots, http, tokens, ledger, succeeded, passed, closed, held }
    }

    /// Takes these heads as far as they go, with `budget` calls at most.
    pub(super) async fn run(mut self, heads: Vec<Head>, budget: u32) -> Result<Ran> {
        self.slots.start_over(budget).await;
        let (doubtful, fresh): (Vec<Head>, Vec<Head>) = heads.into_iter().partition(|head| head.intent.is_some());
        Box::pin(self.resolve(doubtful)).await?;
        Box::pin(self.begin(fresh)).await?;
        if self.succeeded && self.ledger.strikes > 0 && self.closed.is_none() {
            self.puente.accounts.unblock(&AccountId::from(&self.account.id), self.now()).await?;
        }
        let outcome = match (self.slots.end().await, self.closed) {
            (Some(Ended::Denied(Denied::Lost)), _) => Outcome::Lost,
            (Some(Ended::Denied(Denied::Day(until) | Denied::Horizon(until) | Denied::Blocked(until))), _)
            | (_, Some(until)) => Outcome::Closed(until),
            (Some(Ended::Time | Ended::Lease), _) => Outcome::TimeShort,
            (Some(Ended::Share) | None, None) => Outcome::Done,
        };
        if let Some(hold) = &self.held {
            let party = Party::Account(AccountId::from(&self.account.id));
            self.puente.signs.seen(party, Fact::Failed, self.now(), Some(hold.because.clone())).await;
        }
        let before = self.ledger.hold.clone().filter(|_| !self.passed);
        Ok(Ran { outcome, hold: self.held.or(before) })
    }

    /// The account fails: it is blocked for everybody for a while, and the batch ends.
    pub(super) async fn close(&mut self, error: &Error) -> Result<()> {
        // We held the call back ourselves (no slot, no lease, no time): that says nothing about the ERP.
        if self.slots.held_back().await {
            return Ok(());
        }
        self.block(error).await
    }

    /// Blocks the account until the ERP's own Retry-After, or for a time that grows with each failure in a row.
    pub(super) async fn block(&mut self, error: &Error) -> Result<()> {
        if self.closed.is_some() {
            return Ok(());
        }
        let step = asked_for(error).unwrap_or_else(|| block_for(self.puente, self.ledger.strikes));
        let until = self.now() + step;
        block(self.puente, &AccountId::from(&self.account.id), until, self.ledger.strikes, error).await?;
        self.closed = Some(until);
        Ok(())
    }

    /// Whether the batch should make no more calls.
    pub(super) async fn over(&self) -> bool {
        self.closed.is_some()
            || self.held.is_some()
            || self.slots.end().await.is_some()
            || !self.slots.time_left(self.account.erp.patience().timeout)
    }

    /// Whether the batch should begin no more steps.
    pub(super) async fn closing(&self) -> bool {
        self.over().await || !self.slots.step_fits()
    }

    /// What the ERP can do of `operation`.
    pub(super) fn can(&self, operation: Operation) -> Capabilities {
        self.account.erp.can(operation).unwrap_or(Capabilities::NONE)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.puente.clock.now()
    }

    pub(super) async fn write(&self, key: &OrderKey, write: Write) -> Result<Written> {
        self.puente.records.write(key, &write, self.now()).await
    }

    /// Tells what happened to an order.
    pub(super) async fn tell(
        &self,
        order: &OrderKey,
        what: Happened,
        detail: Option<&str>,
        attempt: Option<&AttemptId>,
    ) {
        self.puente.tell(OrderEvent { detail, attempt, ..OrderEvent::new(order, what) }).await;
    }

    /// The same, and why.
    pub(super) async fn tell_why(
        &self,
        order: &OrderKey,
        what: Happened,
        reason: &Reason,
        attempt: Option<&AttemptId>,
    ) {
        self.puente.tell(OrderEvent { reason: Some(reason), attempt, ..OrderEvent::new(order, what) }).await;
    }

    /// Until when the calls of a step that begins now may start, and from when on a look-up of it can be trusted.
    pub(super) fn times(&self) -> (Timestamp, Timestamp) {
        let settle = SignedDuration::try_from(self.account.erp.patience().settle).unwrap_or(LONGEST_START);
        let start_by = self.now() + room(self.account);
        (start_by, start_by + settle)
    }

    pub(super) fn intent(&self, job: &Job, last: bool, unknown: bool) -> Intent {
        let (start_by, settle_at) = self.times();
        Intent {
            step: job.step.clone(),
            planned: job.version.clone(),
            last,
            attempt: AttemptId::new(self.puente.chance.token()),
            epoch: self.epoch,
            start_by,
            settle_at,
            unknown,
            refused: false,
        }
    }

    pub(super) async fn connection(&self, key: &OrderKey) -> Result<Arc<Connection>> {
        self.puente
            .settings
            .connection(&key.connection)
            .await?
            .ok_or_else(|| Error::new(Kind::NotFound, format!("there is no connection `{}` any more", key.connection)))
    }

    pub(super) async fn order(&self, key: &OrderKey, version: &Version) -> Result<Option<Order>> {
        match self.puente.records.payload(key, version).await? {
            Some(Payload::Order(bytes)) => record::deserialise(key, &bytes).map(Some),
            Some(Payload::Raw(_)) | None => Ok(None),
        }
    }
}
