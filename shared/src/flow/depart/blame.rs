//! Whose failure it is where the answer does not say: the order's, or the account's. `docs/decisions/attempts.md` has the reasons.
//!
//! What tells is another order: an order that is refused by itself is to blame once a call of the same kind with another one
//! passes. Until then its connection waits, and nobody else's: theirs may be the order that tells.

use std::collections::BTreeSet;

use super::{
    batch::{Batch, Ready},
    bulk::REPEATED,
    outcome::failed,
    pace::asked_for,
};
use crate::{
    Error, Result,
    domain::{
        event::Event,
        ids::OrderKey,
        ledger::Hold,
        reason::Why,
        record::{Count, Head},
    },
    flow::block::{LONGEST_BLOCK, block_for},
};

impl Batch<'_> {
    /// Decides about orders that were refused alone, in answers that do not say why. `others_pass`: the same call succeeds with other
    /// orders.
    pub(super) async fn judge(&mut self, suspects: Vec<(&Ready, Error)>, others_pass: bool) -> Result<()> {
        let (guilty, open): (Vec<_>, Vec<_>) = suspects
            .into_iter()
            .partition(|(ready, error)| others_pass || self.others_passed_since(&ready.head, error));
        for (ready, error) in guilty {
            self.blame(ready, &error).await?;
        }
        if let Some((_, error)) = open.first() {
            self.hold(open.iter().map(|(ready, _)| &ready.head.key), error);
        }
        for (ready, error) in open {
            // If no other order ever comes to compare with, the attempts count in the end, so that every order reaches an end.
            let forgiven = self.ledger.hold.as_ref().is_none_or(|hold| hold.strikes < LONGEST_BLOCK);
            self.later(ready, &error, forgiven).await?;
        }
        Ok(())
    }

    /// Whether another order passed after this one was refused in the same words: its refusal began a hold, and no hold is left.
    fn others_passed_since(&self, head: &Head, error: &Error) -> bool {
        self.ledger.hold.is_none() && head.reason.as_ref().is_some_and(|reason| reason.words() == error.to_string())
    }

    /// The order is to blame: that costs it an attempt, and after a few attempts it stops for a person.
    async fn blame(&mut self, ready: &Ready, error: &Error) -> Result<()> {
        let head = &ready.head;
        let tried = if head.intent.is_some() { head.attempts } else { head.attempts + 1 };
        if tried < REPEATED {
            return self.later(ready, error, false).await;
        }
        self.refuse(ready, Why::Blamed { words: error.to_string() }.into()).await
    }

    /// Its call was refused, so that nothing happened: it is tried again later.
    async fn later(&self, ready: &Ready, error: &Error, forgiven: bool) -> Result<()> {
        let (head, now) = (&ready.head, self.now());
        let due = now + self.wait(error, head.attempts);
        if head.intent.is_some() {
            let count = if forgiven { Count::Forgiven } else { Count::Kept };
            return self.reschedule(head, due, count, false, failed(error)).await.map(drop);
        }
        self.defer(ready, error, due, forgiven).await
    }

    /// Calls that carried these orders failed, and nothing says that it is the account's: their connections wait, longer each time
    /// until another order passes, and the batch ends.
    pub(super) fn hold<'k>(&mut self, orders: impl IntoIterator<Item = &'k OrderKey>, error: &Error) {
        if self.held.is_some() {
            return;
        }
        let before = self.ledger.hold.as_ref().filter(|_| !self.passed);
        let strikes = before.map_or(0, |hold| hold.strikes);
        let mut connections: BTreeSet<_> = before.map(|hold| hold.connections.clone()).unwrap_or_default();
        connections.extend(orders.into_iter().map(|key| key.connection.clone()));
        let until = self.now() + asked_for(error).unwrap_or_else(|| block_for(self.puente, strikes));
        let (erp, count) = (&self.account.id, connections.len());
        self.puente.tell.of(&Event::Held { erp, until, connections: count, error });
        self.held = Some(Hold { until, strikes: strikes + 1, because: error.to_string(), connections });
    }
}
