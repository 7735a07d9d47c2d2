//! An order that cannot be read: its body is kept raw, and it stops with the field named.

use jiff::Timestamp;

use super::Recorder;
use crate::{
    Error, Kind, Result,
    domain::{
        event::Happened,
        order::Flag,
        reason::Why,
        record::{End, Head, Summary, Write},
        version::{ContentHash, Version},
    },
    ports::Payload,
    store::Reading,
    webhook::VerifiedWebhook,
};

impl Recorder<'_> {
    /// A body nobody could map. Where a readable state is on record and the store can be asked, its word counts; otherwise the
    /// body is kept raw, and stops there with the field named.
    pub(super) async fn unmapped(&self, flag: &Flag, raw: &str) -> Result<bool> {
        // The store knows best what its order says.
        if flag.code == "shop" && self.connection.store.can_fetch() {
            return self.changed().await;
        }
        let head = self.puente.records.head(&self.key).await?;
        if let Some(head) = &head
            && self.connection.store.can_fetch()
            && matches!(self.puente.records.payload(&self.key, &head.desired).await?, Some(Payload::Order(_)))
        {
            return self.changed().await;
        }
        self.keep_raw(flag, raw, head.as_ref()).await
    }

    /// The store answered with what cannot be mapped. A body that is kept already says more than our own words about it.
    pub(super) async fn unreadable(&self, flag: &Flag, head: Option<&Head>) -> Result<bool> {
        if let Some(head) = head
            && let Some(Payload::Raw(raw)) = self.puente.records.payload(&self.key, &head.desired).await?
            && !raw.is_empty()
        {
            self.tell(Happened::Flagged, Some(&flag.to_string()), None).await;
            return Ok(false);
        }
        self.keep_raw(flag, "", head).await
    }

    /// Puts an unreadable body above the state that was read; a readable state that was recorded since is never overwritten with it.
    pub(super) async fn keep_raw(&self, flag: &Flag, raw: &str, head: Option<&Head>) -> Result<bool> {
        let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, raw)
            .map_err(|e| Error::new(Kind::Unreadable, "the raw body in the message is not base64").caused_by(e))?;
        let content = ContentHash::of(&raw);
        // It has no time of its own that could be trusted. Whatever the store says later, or is asked for, is newer.
        let (modified, tie) = match head {
            Some(head) if head.desired.content == content => (head.desired.modified, head.desired.tie),
            Some(head) => (head.newest, head.desired.tie.saturating_add(1)),
            None => (Timestamp::UNIX_EPOCH, 0),
        };
        let version = Version { modified, tie, content };
        let summary = self.summary(vec![flag.to_string()]);
        let arrived = head.and_then(|head| head.arrived).max(Some(self.arrived())).unwrap_or(Timestamp::MIN);
        let (standing, _) = self.put_at(&version, &Payload::Raw(raw.into()), summary, arrived, arrived).await?;
        self.above(standing)
    }

    /// The summary of an order that could not be read.
    pub(super) fn summary(&self, flags: Vec<String>) -> Summary {
        Summary { number: self.arrival.order.to_string(), total: None, currency: None, life: 0, buyer: None, flags }
    }

    /// Something happened to an order that cannot be read: noted on its record, or a record of its own.
    pub(super) async fn unread(&self, detail: &str) -> Result<bool> {
        if let Some(head) = self.puente.records.head(&self.key).await? {
            self.tell(Happened::Flagged, Some(detail), None).await;
            if head.desired.is_unread() {
                self.stop(&head, End::Parked, Why::Unreadable { words: detail.to_owned() }).await?;
            }
            return Ok(false);
        }
        self.keep_raw(&Flag { code: "unread".into(), detail: detail.to_owned() }, "", None).await
    }

    /// Reads a body that was kept raw once more: what was wrong may have been the configuration.
    pub(super) async fn read_again(&self, head: &Head, raw: bytes::Bytes) -> Result<bool> {
        let webhook = VerifiedWebhook::kept(raw, self.arrival.received);
        match self.connection.store.read(&webhook) {
            Reading::Order(order) if order.id == self.arrival.order => self.put_above(&order, head).await,
            _ => {
                let replay = Write::Replay { asked: self.arrival.received };
                self.puente
                    .records
                    .write(&self.key, &replay, self.puente.clock.now())
                    .await
                    .map(|written| written.applied())
            }
        }
    }
}
