//! Permits for calls outside of a departure, see `ask.rs`: a store's, and the questions of `puente check`.
//!
//! Whoever calls reserves a send slot of its own on the account's ledger, without a lease: the slots of several processes never
//! overlap, so that none of them need know of the others (`docs/decisions/store-accounts.md`).

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::{
    Puente,
    block::{block, block_for},
};
use crate::{
    Error, Kind, Result, Retry,
    domain::{
        event::Event,
        ids::AccountId,
        ledger::{Denied, Limits, Purpose, Request, Slots},
    },
    outbound::{Answer, Meter, asks_for_less, retry_after},
};

/// After so many slots in a row that had passed when they were granted, nobody waits for another: the ledger is too slow now.
pub(super) const LATE: u32 = 3;

/// The longest that a reservation is believed to take.
pub(super) const SLOWEST: SignedDuration = SignedDuration::from_secs(1);

/// The least time that a block lasts.
const LEAST: SignedDuration = SignedDuration::from_secs(1);

/// The permits of one account.
pub(super) struct Permits {
    puente: Puente,
    of: AccountId,
    /// None: nobody has said how often the account may be called. Its blocks hold all the same.
    limits: Option<Limits>,
    purpose: Purpose,
    /// How long it is waited where no slot is near enough to be given out.
    patience: SignedDuration,
    /// Failures in a row when the last permit was given.
    strikes: AtomicU32,
    held_back: AtomicBool,
}

impl Permits {
    /// Those of the account `of`, for that purpose. Where no slot is near enough to be given out, they are refused after `patience`.
    #[must_use]
    pub(super) fn new(
        puente: &Puente,
        of: AccountId,
        limits: Option<Limits>,
        purpose: Purpose,
        patience: SignedDuration,
    ) -> Self {
        let (strikes, held_back) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { puente: puente.clone(), of, limits, purpose, patience, strikes, held_back }
    }

    /// Whether the last call was held back by us: nobody was asked.
    pub(super) fn held_back(&self) -> bool {
        self.held_back.load(Ordering::Relaxed)
    }

    /// Waits for a slot, and for its time.
    async fn slot(&self) -> Result<()> {
        let Puente { accounts, clock, .. } = &self.puente;
        let now = clock.now();
        let Some(limits) = &self.limits else {
            let ledger = accounts.ledger(&self.of).await?;
            self.strikes.store(ledger.strikes, Ordering::Relaxed);
            let blocked = ledger.blocked_until.filter(|until| *until > now);
            return blocked.map_or(Ok(()), |until| Err(self.refused(Denied::Blocked(until), now)));
        };
        let patient_until = now.saturating_add(self.patience).unwrap_or(Timestamp::MAX);
        let request = Request { k: 1, purpose: self.purpose, lease: None };
        let (mut lead, mut late) = (SignedDuration::ZERO, 0);
        while late < LATE {
            let asked = clock.now();
            // As much later as the last reservation took, or the slot would be over before it is ours. A later slot is always safe.
            let reserved = accounts.reserve(&self.of, &request, limits, asked + lead).await?;
            let now = clock.now();
            lead = now.duration_since(asked).clamp(SignedDuration::ZERO, SLOWEST);
            match reserved {
                Ok(Slots { first, strikes, .. }) => {
                    self.strikes.store(strikes, Ordering::Relaxed);
                    clock.sleep_until(first).await;
                    // A wasted slot is safe, a late call is not.
                    if clock.now() <= first + limits.lateness {
                        return Ok(());
                    }
                    late += 1;
                }
                Err(Denied::Horizon(until) | Denied::Day(until)) if until < patient_until => {
                    clock.sleep_until(until).await;
                }
                Err(denied) => return Err(self.refused(denied, now)),
            }
        }
        let words =
            format!("{} was not asked: its send slots come too late, the ledger is slow at the moment", self.of);
        Err(Error::new(Kind::Limited, words))
    }

    fn refused(&self, denied: Denied, now: Timestamp) -> Error {
        let (why, until) = match (denied, self.purpose) {
            (Denied::Day(until), Purpose::Orders) => ("its calls of the day are used up", until),
            (Denied::Day(until), Purpose::Other) => ("its calls of the day for anything but orders are used up", until),
            (Denied::Horizon(until), _) => ("its rate has no slot soon", until),
            (Denied::Blocked(until), _) => ("it is blocked", until),
            (Denied::Lost, _) => ("another has its lease", now),
        };
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        let words = format!("{} was not asked: {why} (until {})", self.of, until);
        Error::new(Kind::Limited, words).retry(Retry::After(wait))
    }

    /// What the other side asks of all callers, written down for them.
    async fn heed(&self, answer: &Answer) -> Result<()> {
        let (now, status) = (self.puente.clock.now(), answer.status);
        let asked = asked_for(&answer.headers, now).filter(|_| status.is_client_error() || status.is_server_error());
        if asked.is_some() || asks_for_less(status) {
            let strikes = self.strikes.load(Ordering::Relaxed);
            let wait = asked.unwrap_or_else(|| block_for(&self.puente, strikes)).max(LEAST);
            let error = Error::new(Kind::Limited, format!("it answered {status}"));
            return block(&self.puente, &self.of, now + wait, strikes, &error).await;
        }
        if status.is_success() && self.strikes.swap(0, Ordering::Relaxed) > 0 {
            return self.puente.accounts.unblock(&self.of, now).await;
        }
        Ok(())
    }
}

/// How long the other side asks to be left alone.
fn asked_for(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    retry_after(headers, now).and_then(|wait| SignedDuration::try_from(wait).ok())
}

#[async_trait]
impl Meter for Permits {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        let outcome = self.slot().await;
        self.held_back.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }

    async fn answered(&self, answer: &Answer) {
        // Whether an ERP's answer is about the account is its connector's to say.
        if !matches!(self.of, AccountId::Store(_)) {
            return;
        }
        if let Err(error) = self.heed(answer).await {
            self.puente.tell.of(&Event::BlockNotKept { account: &self.of, error: &error });
        }
    }
}
