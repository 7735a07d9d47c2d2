//! What came of a step, written down: on the record, and as a line of the timeline.

use jiff::Timestamp;

use super::{
    batch::{Batch, Rendered},
    pace::FLOOR,
};
use crate::{
    Result,
    domain::{
        ids::{AttemptId, OrderKey},
        message::{Arrival, Message, News},
        record::{Document, End, Write},
        version::Version,
    },
    erp::Setback,
};

impl Batch<'_> {
    pub(super) async fn created(&mut self, one: &Rendered, document: Document) -> Result<()> {
        self.succeeded = true;
        let Some(attempt) = one.ready.attempt.clone() else { return Ok(()) };
        self.complete(&one.ready.sale.key, attempt, one.ready.sale.version.clone(), document, "synced").await
    }

    /// Its intent is on record, but for certain nothing of this attempt was sent, or it was refused whole.
    pub(super) async fn not_sent(&mut self, one: Rendered) -> Result<()> {
        let Some(attempt) = one.ready.attempt else { return Ok(()) };
        let soon = self.now() + FLOOR;
        let reason = "the departure ended before its turn".to_owned();
        self.reschedule(&one.ready.sale.key, attempt, soon, true, reason).await
    }

    pub(super) async fn outcome(&mut self, one: Rendered, setback: Setback) -> Result<()> {
        let Some(attempt) = one.ready.attempt else { return Ok(()) };
        self.set_back(&one.ready.sale.key, one.ready.head.attempts, attempt, setback).await
    }

    /// A step that was begun did not succeed.
    pub(super) async fn set_back(
        &mut self,
        key: &OrderKey,
        attempts: u32,
        attempt: AttemptId,
        setback: Setback,
    ) -> Result<()> {
        let now = self.now();
        match setback {
            Setback::Refused(error) => {
                self.succeeded = true;
                self.park(key, attempt, End::Parked, error.to_string()).await
            }
            Setback::NotNow(error) => {
                let backoff = now + self.wait(&error, attempts);
                self.reschedule(key, attempt, backoff, false, error.to_string()).await
            }
            Setback::Account(error) => {
                self.close(&error).await?;
                self.reschedule(key, attempt, now + FLOOR, true, error.to_string()).await
            }
            // No write: the intent and its `due` already stand.
            Setback::Unknown(error) => {
                self.note(key, "unknown", Some(error.to_string()), Some(&attempt)).await;
                Ok(())
            }
            Setback::Exists => Ok(()),
        }
    }

    pub(super) async fn complete(
        &mut self,
        key: &OrderKey,
        attempt: AttemptId,
        applied: Version,
        document: Document,
        event: &str,
    ) -> Result<()> {
        let name = document.number.clone().unwrap_or_else(|| document.id.clone());
        let write = Write::Complete { attempt: attempt.clone(), applied, document };
        if self.write(key, write).await?.applied() {
            self.note(key, event, Some(format!("as {name}")), Some(&attempt)).await;
        }
        Ok(())
    }

    pub(super) async fn park(&mut self, key: &OrderKey, attempt: AttemptId, end: End, reason: String) -> Result<()> {
        let floor = self.now() + FLOOR;
        let write = Write::Park { attempt: attempt.clone(), end, reason: reason.clone(), floor };
        if self.write(key, write).await?.applied() {
            self.note(key, end_name(end), Some(reason), Some(&attempt)).await;
        }
        Ok(())
    }

    pub(super) async fn reschedule(
        &mut self,
        key: &OrderKey,
        attempt: AttemptId,
        backoff: Timestamp,
        forgiven: bool,
        reason: String,
    ) -> Result<()> {
        let floor = self.now() + FLOOR;
        let write = Write::Reschedule {
            attempt: attempt.clone(),
            backoff: backoff.max(floor),
            floor,
            forgiven,
            reason: reason.clone(),
        };
        if self.write(key, write).await?.applied() {
            self.note(key, "rescheduled", Some(reason), Some(&attempt)).await;
        }
        Ok(())
    }

    /// Into the dead-letter queue first: a crash in between leaves a message too many there, never one too few, and a
    /// redrive is a replay.
    pub(super) async fn bury(&self, key: &OrderKey, reason: &str) -> Result<()> {
        let arrival = Arrival {
            connection: key.connection.clone(),
            order: key.order.clone(),
            received: self.now(),
            request: String::new(),
            tries: 0,
            news: News::Replay,
        };
        self.puente.queue.bury(&Message::Arrival(arrival), reason).await
    }
}

/// An end, as the timeline's word.
pub(super) fn end_name(end: End) -> &'static str {
    match end {
        End::Parked => "parked",
        End::Dead => "dead",
        End::Ignored => "ignored",
    }
}
