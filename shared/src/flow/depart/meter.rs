//! The conductor's send slots: every call of a departure spends one, at its time, under a lease that is still ours.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::{
    Error, Kind, Result, Retry,
    domain::{
        ids::AccountId,
        ledger::{Denied, Purpose, Request},
    },
    flow::{
        Puente,
        permits::{LATE, SLOWEST},
    },
    outbound::Meter,
    parties::Account,
};

/// From the intent of a step to the start of its last call: a bulk takes several calls, each at its slot.
pub(super) fn room(account: &Account) -> SignedDuration {
    let timeout = SignedDuration::try_from(account.erp.patience().timeout).unwrap_or(LONGEST_START);
    timeout.saturating_mul(2).max(account.limits.spacing() * 12).clamp(SignedDuration::from_secs(1), LONGEST_START)
}

/// The longest that a step's calls may wait for their start.
pub(super) const LONGEST_START: SignedDuration = SignedDuration::from_mins(5);

/// What a step's calls may take, from its intent to its last commit: an invocation that has less left begins none.
///
/// A step that its invocation cut short would be in doubt, and wait for its look-up although nothing had failed. The slots of a
/// slow rate are not counted in: an account of two calls a minute would find no invocation long enough, and wait for good.
pub(super) fn step(account: &Account) -> SignedDuration {
    let timeout = SignedDuration::try_from(account.erp.patience().timeout).unwrap_or(LONGEST_START);
    timeout.saturating_mul(3).saturating_add(COMMIT)
}

/// How long a lease lasts from its last renewal: short, so that one crash does not stall an account, and longer than a call.
pub(super) fn lease(account: &Account) -> SignedDuration {
    let timeout = SignedDuration::try_from(account.erp.patience().timeout).unwrap_or(LEASE);
    LEASE.max(timeout.saturating_add(LEASE / 2))
}

const LEASE: SignedDuration = SignedDuration::from_secs(90);

/// What completing a record may take after the last answer.
const COMMIT: SignedDuration = SignedDuration::from_secs(2);

/// The lease and the slots of one departure.
pub(super) struct Slots {
    puente: Puente,
    account: Arc<Account>,
    /// The account, as its ledger knows it.
    ledger: AccountId,
    epoch: u64,
    deadline: Timestamp,
    state: Mutex<State>,
}

struct State {
    lease_until: Timestamp,
    slots: VecDeque<Timestamp>,
    start_by: Option<Timestamp>,
    calls: u32,
    /// What the calls are for.
    purpose: Purpose,
    /// How many calls this batch may still make: more would be at the cost of other connections' shares of the day.
    budget: u32,
    end: Option<End>,
    late: bool,
    /// How long the last reservation took: the next slot is asked for as much later, or it would be over before it is ours.
    lead: SignedDuration,
}

impl State {
    /// Whether the intent on its way still allows a call to start.
    fn in_time(&mut self, now: Timestamp) -> Result<()> {
        if self.start_by.is_some_and(|start_by| now > start_by) {
            self.late = true;
            return Err(Error::new(Kind::Limited, "the time to start this step is over"));
        }
        Ok(())
    }
}

/// Why no further call of this departure may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The ledger said so.
    Denied(Denied),
    /// The lease would be over before the call.
    Lease,
    /// The invocation's time is nearly over.
    Time,
    /// What is left of the day is other connections' share.
    Share,
}

impl Slots {
    pub(super) fn new(
        puente: &Puente,
        account: &Arc<Account>,
        epoch: u64,
        lease_until: Timestamp,
        deadline: Timestamp,
    ) -> Self {
        let state = State {
            lease_until,
            slots: VecDeque::new(),
            start_by: None,
            calls: 0,
            purpose: Purpose::Orders,
            budget: u32::MAX,
            end: None,
            late: false,
            lead: SignedDuration::ZERO,
        };
        let ledger = AccountId::from(&account.id);
        Self { puente: puente.clone(), account: account.clone(), ledger, epoch, deadline, state: Mutex::new(state) }
    }

    /// No call starts after `start_by`, until told otherwise: the intent of the step on its way says so.
    pub(super) async fn start_by(&self, start_by: Option<Timestamp>) {
        let mut state = self.state.lock().await;
        state.start_by = start_by;
        // What the step before was held back by is over.
        state.late &= start_by.is_none();
    }

    /// A new batch of so many calls at most: what held the last one back is over.
    pub(super) async fn start_over(&self, budget: u32) {
        self.start_over_for(Purpose::Orders, budget).await;
    }

    /// The same, for other work than orders too.
    pub(super) async fn start_over_for(&self, purpose: Purpose, budget: u32) {
        let mut state = self.state.lock().await;
        if state.purpose != purpose {
            // A slot that was given for the one is not used for the other.
            state.slots.clear();
        }
        state.purpose = purpose;
        state.late = false;
        state.end = None;
        state.budget = budget;
    }

    /// How many calls were permitted so far.
    pub(super) async fn calls(&self) -> u32 {
        self.state.lock().await.calls
    }

    /// Why no further call may start, if so.
    pub(super) async fn end(&self) -> Option<End> {
        self.state.lock().await.end
    }

    /// Whether a call was held back by us, so that its failure says nothing about the ERP.
    pub(super) async fn held_back(&self) -> bool {
        let state = self.state.lock().await;
        state.end.is_some() || state.late
    }

    /// Whether a step that begins now can still be over in time.
    pub(super) fn step_fits(&self) -> bool {
        self.fits(step(&self.account))
    }

    /// Whether there is time for one more call, in the slot after the next, and for a step after it.
    pub(super) fn another_call_and_step_fit(&self) -> bool {
        let timeout = SignedDuration::try_from(self.account.erp.patience().timeout).unwrap_or(LONGEST_START);
        let call = timeout.min(self.account.limits.spacing().saturating_mul(2));
        self.fits(step(&self.account).saturating_add(call))
    }

    /// Whether a call of `timeout` that starts now can still be over in time.
    pub(super) fn time_left(&self, timeout: Duration) -> bool {
        self.fits(SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX).saturating_add(COMMIT))
    }

    fn fits(&self, needed: SignedDuration) -> bool {
        self.puente.clock.now().saturating_add(needed).is_ok_and(|end| end < self.deadline)
    }

    /// Reserves the next slot, which also renews the lease: a conductor that lost it gets none.
    async fn reserve(&self, state: &mut State) -> Result<()> {
        let asked = self.puente.clock.now();
        let until = asked + lease(&self.account);
        let request = Request { k: 1, purpose: state.purpose, lease: Some((self.epoch, until)) };
        // A later slot is always safe.
        let from = asked + state.lead;
        let answer = self.puente.accounts.reserve(&self.ledger, &request, &self.account.limits, from).await?;
        let now = self.puente.clock.now();
        state.lead = now.duration_since(asked).clamp(SignedDuration::ZERO, SLOWEST);
        match answer {
            Ok(slots) => {
                state.lease_until = until;
                state.slots.extend(
                    (0..slots.k).filter_map(|i| slots.first.checked_add(slots.spacing * i32::try_from(i).ok()?).ok()),
                );
                Ok(())
            }
            Err(denied) => {
                state.end = Some(End::Denied(denied));
                Err(refusal(denied, now))
            }
        }
    }
}

/// A refused reservation, in words.
fn refusal(denied: Denied, now: Timestamp) -> Error {
    let (text, until) = match denied {
        Denied::Day(until) => ("the ERP's quota of the day has no call left", until),
        Denied::Horizon(until) => ("the ERP's rate has no slot soon", until),
        Denied::Blocked(until) => ("the ERP account is blocked", until),
        Denied::Lost => return Error::new(Kind::Limited, "another worker sends to this ERP account now"),
    };
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    Error::new(Kind::Limited, format!("{text} (until {until})")).retry(Retry::After(wait))
}

#[async_trait]
impl Meter for Slots {
    async fn permit(&self, timeout: Duration) -> Result<()> {
        let clock = &self.puente.clock;
        let lateness = self.account.limits.lateness;
        // One at a time: the slots are in order, and so are the calls.
        let mut state = self.state.lock().await;
        let mut late = 0;
        loop {
            if late == LATE || !self.time_left(timeout) {
                state.end = Some(End::Time);
                return Err(Error::new(Kind::Limited, "the time of this invocation is nearly over"));
            }
            // Asked before a slot is: one that nobody uses still counts for the day.
            state.in_time(clock.now())?;
            if state.budget == 0 {
                state.end = Some(End::Share);
                return Err(Error::new(Kind::Limited, "the calls that are left today are other connections' share"));
            }
            let Some(slot) = state.slots.pop_front() else {
                self.reserve(&mut state).await?;
                continue;
            };
            clock.sleep_until(slot).await;
            let now = clock.now();
            if now > slot + lateness {
                // A wasted slot is safe, a late call is not.
                late += 1;
                continue;
            }
            state.in_time(now)?;
            let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
            if state.lease_until.duration_since(now) <= timeout.saturating_add(COMMIT) {
                state.end = Some(End::Lease);
                return Err(Error::new(Kind::Limited, "the lease would be over before the call"));
            }
            state.calls += 1;
            state.budget -= 1;
            return Ok(());
        }
    }
}
