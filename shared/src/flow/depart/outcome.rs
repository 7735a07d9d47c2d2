//! What came of a step, written down: on the record, and as a line of the timeline.

use jiff::Timestamp;

use super::{
    batch::{Batch, Ready, Rendered},
    pace::FLOOR,
};
use crate::{
    Error, Result,
    domain::{
        document::Document,
        event::Happened,
        ids::{AccountId, OrderKey},
        message::{Arrival, Message, News},
        reason::{Reason, Why},
        record::{Count, Doubt, End, Head, Intent, Write, Written},
        sign::{Fact, Party},
        version::Version,
    },
    erp::SendError,
};

/// It was refused for good: by the code that the connector gave, or in words.
pub(super) fn refused(error: &Error) -> Reason {
    Why::of(error).cloned().unwrap_or_else(|| Why::Refused { words: error.to_string() }).into()
}

/// Its document is there, and the ERP refused to take it on: `document` is a draft, unless it was cancelled.
pub(super) fn stuck(document: String, error: &Error) -> Reason {
    let words = match Why::of(error) {
        Some(Why::SaleCancelled { .. }) => return refused(error),
        Some(Why::NotTakenOn { because, .. }) => because.told(),
        _ => error.to_string(),
    };
    Why::DraftStuck { document, words }.into()
}

/// It failed, and is tried again: by the code that the connector gave, or in words.
pub(super) fn failed(error: &Error) -> Reason {
    Why::of(error).cloned().unwrap_or_else(|| Why::Failed { words: error.to_string() }).into()
}

/// Whether it only waits for what is being made for another order, which is that one's attempt.
pub(super) fn awaits(error: &Error) -> bool {
    matches!(Why::of(error), Some(Why::CustomerAwaited { .. }))
}

/// Whether something happened to the order itself that it waits for.
pub(super) fn failed_before(head: &Head) -> bool {
    head.intent.as_ref().is_some_and(|intent| intent.unknown)
        // In words, since records of schema 1 have no more.
        || head.reason.as_ref().map(Reason::words).is_some_and(|words| {
            ![Why::BeforeItsTurn, Why::Together].iter().any(|why| why.words() == words)
        })
}

impl Batch<'_> {
    /// The ERP took it.
    pub(super) async fn taken(&mut self, one: &Rendered, document: &Document) -> Result<()> {
        self.succeeded = true;
        self.complete(&one.ready.head, &one.ready.job.version, document, Happened::Synced).await
    }

    /// Its intent is on record, but for certain nothing of this attempt was sent, or it was refused whole.
    pub(super) async fn not_sent(&mut self, ready: &Ready) -> Result<()> {
        let soon = self.now() + FLOOR;
        self.reschedule(&ready.head, soon, Count::Forgiven, false, Why::BeforeItsTurn.into()).await.map(drop)
    }

    /// A step that was begun did not succeed.
    pub(super) async fn set_back(&mut self, ready: &Ready, send_error: SendError) -> Result<()> {
        let (now, head) = (self.now(), &ready.head);
        match send_error {
            SendError::Refused(error) => {
                self.succeeded = true;
                self.park(head, &ready.job.version, Doubt::None, End::Parked, refused(&error)).await
            }
            SendError::NotNow(error) => {
                let backoff = now + self.wait(&error, head.attempts);
                let count = if awaits(&error) { Count::Forgiven } else { Count::Kept };
                self.reschedule(head, backoff, count, false, failed(&error)).await.map(drop)
            }
            SendError::Account(error) => {
                self.close(&error).await?;
                self.reschedule(head, now + FLOOR, Count::Forgiven, false, failed(&error)).await.map(drop)
            }
            SendError::Ambiguous(error) => self.judge(vec![(ready, error)], self.passed).await,
            // No write: the intent and its `due` already stand.
            SendError::Unknown(error) => {
                let attempt = head.intent.as_ref().map(|intent| &intent.attempt);
                self.tell_why(&head.key, Happened::Unknown, &failed(&error), attempt).await;
                Ok(())
            }
            SendError::Exists => Ok(()),
        }
    }

    /// The ERP took an order: a sign of life of its connection and of the account.
    async fn sent(&self, key: &OrderKey) {
        let parties = [Party::Connection(key.connection.clone()), Party::Account(AccountId::from(&self.account.id))];
        for party in parties {
            self.puente.signs.seen(party, Fact::Sent, self.now(), None).await;
        }
    }

    pub(super) async fn complete(
        &mut self,
        head: &Head,
        found: &Version,
        document: &Document,
        what: Happened,
    ) -> Result<()> {
        let Some(write) = Write::complete(head, found, document) else { return Ok(()) };
        if let Written::Applied(written) = self.write(&head.key, write).await? {
            let attempt = head.intent.as_ref().map(|intent| &intent.attempt);
            let told = head.intent.as_ref().map(|intent| intent.step.operation().told(document));
            let what = if written.applied.as_ref() == Some(&written.desired) { what } else { what.with_more_to_do() };
            self.tell(&head.key, what, told.as_deref(), attempt).await;
            self.sent(&head.key).await;
        }
        Ok(())
    }

    /// The order stops at the version `judged`.
    pub(super) async fn park(
        &mut self,
        head: &Head,
        judged: &Version,
        doubt: Doubt,
        end: End,
        reason: Reason,
    ) -> Result<()> {
        let Some(Intent { attempt, .. }) = &head.intent else { return Ok(()) };
        let floor = self.now() + FLOOR;
        let write = Write::Park {
            attempt: attempt.clone(),
            judged: judged.clone(),
            doubt,
            end,
            given_up: (end == End::Dead).then_some(head.attempts),
            reason: reason.clone(),
            floor,
        };
        if self.write(&head.key, write).await?.applied() {
            self.tell_why(&head.key, end.into(), &reason, Some(attempt)).await;
        }
        Ok(())
    }

    /// Later. A step in doubt never comes back before its look-up can be trusted: due earlier, it would only be passed over,
    /// and stand in the way of others. Returns the record as it is then, unless somebody else wrote it meanwhile.
    pub(super) async fn reschedule(
        &self,
        head: &Head,
        backoff: Timestamp,
        count: Count,
        doubtful: bool,
        reason: Reason,
    ) -> Result<Option<Head>> {
        let Some(intent) = &head.intent else { return Ok(None) };
        let mut floor = self.now() + FLOOR;
        if intent.unknown || doubtful {
            floor = floor.max(intent.settle_at);
        }
        let write = Write::Reschedule {
            attempt: intent.attempt.clone(),
            backoff: backoff.max(floor),
            floor,
            count,
            doubtful,
            reason: reason.clone(),
        };
        let Written::Applied(written) = self.write(&head.key, write).await? else { return Ok(None) };
        self.tell_why(&head.key, Happened::Rescheduled, &reason, Some(&intent.attempt)).await;
        Ok(Some(written))
    }

    /// Into the dead-letter queue first: a crash in between leaves a message too many there, never one too few, and a
    /// redrive is a replay.
    pub(super) async fn bury(&self, key: &OrderKey, reason: &str) -> Result<()> {
        let arrival = Arrival::new(key.clone(), self.now(), "", News::Replay);
        self.puente.queue.bury(&Message::Arrival(arrival), reason).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_refusal_keeps_the_connectors_code_and_the_errors_words() {
        let why = Why::UnknownArticle { sku: "MATE-01".to_owned() };
        let error = Error::from(why.clone());
        assert_eq!((refused(&error), failed(&error)), (why.clone().into(), why.into()));
        assert_eq!(refused(&error).words(), error.to_string());
        let plain = Error::new(Kind::Refused, "the period is closed");
        let words = || "the period is closed".to_owned();
        assert_eq!(refused(&plain), Why::Refused { words: words() }.into());
        assert_eq!(failed(&plain), Why::Failed { words: words() }.into());
        // Who adds words says more than the code.
        let more = error.within("created, but not finished");
        assert_eq!(refused(&more), Why::Refused { words: more.to_string() }.into());
    }

    #[test]
    fn a_document_that_does_not_go_on_is_a_draft_unless_it_was_cancelled() {
        let name = || "S7".to_owned();
        let cancelled = Why::SaleCancelled { document: name(), state: "cancelled".to_owned() };
        assert_eq!(stuck(name(), &cancelled.clone().into()), cancelled.into());
        // Who refused it is said once.
        let said = "“no credit”".to_owned();
        let because = Box::new(Why::ErpRefused { request: None, status: None, said: Some(said.clone()) }.into());
        let why = Why::NotTakenOn { step: "quote".to_owned(), because };
        assert_eq!(stuck(name(), &why.into()), Why::DraftStuck { document: name(), words: said }.into());
        let plain = Error::new(Kind::Refused, "the period is closed");
        let words = plain.to_string();
        assert_eq!(stuck(name(), &plain), Why::DraftStuck { document: name(), words }.into());
    }
}
