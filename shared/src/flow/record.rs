//! The worker's first half: an arrival becomes the record's `desired`, if it is news.
//!
//! One write, conditional on the version only. The payload is kept before the head names it, so that a head never points to
//! nothing. Once this returns, the record carries the order and the message may go.

use std::time::Duration;

use crate::{
    Error, Kind, Result,
    domain::{
        event::{Event, Happened, OrderEvent},
        ids::{ErpId, OrderKey},
        message::{Arrival, Message, News},
        order::{Order, Status},
        reason::{Reason, Why},
        record::{End, Head, Rest, Write, Written},
        sign::{Fact, Party},
        version::{Standing, Version},
    },
    parties::Connection,
    ports::Payload,
};

mod adopt;
mod fetch;
mod put;
mod raw;
mod tie;

pub use adopt::adoption;

use super::{Puente, tasks::backfill::REQUEST as BACKFILL};

/// How often a deletion of an order that was never seen looks again.
const UNSEEN: u32 = 3;

/// How often the same is tried again at once, where the record changed meanwhile.
const ASKED: u32 = 3;

/// Records one arrival. Returns the ERP account that has something to do now, if there is one.
///
/// An error means that nothing is on record: the message must be delivered again.
pub async fn arrival(puente: &Puente, arrival: &Arrival) -> Result<Option<ErpId>> {
    let Some(connection) = puente.settings.connection(&arrival.connection).await? else {
        // Accepted before the connection was removed from the configuration: the dead-letter queue keeps it.
        let reason = format!("there is no connection `{}` in the configuration any more", arrival.connection);
        puente.queue.bury(&Message::Arrival(arrival.clone()), &reason).await?;
        return Ok(None);
    };
    let recorder = Recorder { puente, connection: &connection, arrival, key: arrival.key() };
    let news = match &arrival.news {
        News::State { order } => Box::pin(recorder.state(order)).await?,
        News::Changed => recorder.changed().await?,
        News::Deleted => recorder.deleted().await?,
        News::Unmapped { flag, raw } => Box::pin(recorder.unmapped(flag, raw)).await?,
        News::Replay => Box::pin(recorder.replay()).await?,
        News::Adopt { adoption } => recorder.adopt(adoption).await?,
    };
    // Those tell themselves who asked, and nothing came from the store.
    let by_a_person = matches!(arrival.news, News::Replay | News::Adopt { .. });
    if let Some(by) = arrival.by.as_ref().filter(|_| recorder.first() && !by_a_person) {
        let detail = format!("moved out of the dead-letter queue by {by}");
        recorder.tell(Happened::Replayed, Some(&detail), None).await;
    }
    // Once it is on record, so that nothing comes before that.
    if recorder.first() && !by_a_person && arrival.request != BACKFILL {
        puente.signs.seen(recorder.party(), Fact::Received, arrival.received, None).await;
    }
    Ok(news.then(|| connection.erp.clone()))
}

struct Recorder<'a> {
    puente: &'a Puente,
    connection: &'a Connection,
    arrival: &'a Arrival,
    key: OrderKey,
}

impl Recorder<'_> {
    fn party(&self) -> Party {
        Party::Connection(self.connection.id.clone())
    }

    /// Whether it was never put off.
    fn first(&self) -> bool {
        self.arrival.tries == 0 && self.arrival.waits == 0
    }

    async fn state(&self, order: &Order) -> Result<bool> {
        let version = order.version();
        match self.put_order(order, &version).await? {
            (Standing::Tied, Some(head)) => Box::pin(self.tie(order, &version, head)).await,
            // Of a second in which the store was asked already: perhaps whoever asked died before asking again.
            (Standing::Duplicate, Some(head))
                if head.desired.tie > 0 && version.modified == head.newest && self.connection.store.can_fetch() =>
            {
                self.changed().await
            }
            (standing, _) => Ok(standing == Standing::Newer),
        }
    }

    /// Deleted in the store: its last known state, cancelled.
    async fn deleted(&self) -> Result<bool> {
        let head = self.puente.records.head(&self.key).await?;
        let head = match head {
            Some(head) if !head.desired.is_unread() => head,
            unread => {
                // Never seen. Perhaps its own state is still on the way: look again, before it is believed that nothing was there.
                if self.arrival.tries < UNSEEN {
                    let again = Arrival { tries: self.arrival.tries + 1, ..self.arrival.clone() };
                    self.again(again, Duration::from_mins(1)).await?;
                } else if let Some(head) = unread {
                    self.stop(&head, End::Ignored, Why::NoSuchOrder).await?;
                }
                self.puente.tell.of(&Event::DeletedUnseen { order: &self.key });
                return Ok(false);
            }
        };
        let Some(Payload::Order(bytes)) = self.puente.records.payload(&self.key, &head.desired).await? else {
            return self.unread("it was deleted in the store").await;
        };
        let mut order: Order = deserialise(&self.key, &bytes)?;
        if order.status == Status::Cancelled {
            self.tell(Happened::Duplicate, Some("deleted in the store; it was cancelled already"), None).await;
            return Ok(false);
        }
        order.status = Status::Cancelled;
        self.put_above(&order, &head).await
    }

    async fn replay(&self) -> Result<bool> {
        let head = self.puente.records.head(&self.key).await?;
        if let Some(head) = head.filter(|head| head.intent.is_none())
            && let Some(Payload::Raw(raw)) = self.puente.records.payload(&self.key, &head.desired).await?
        {
            // Only the store, or a configuration that was mended since, can say more than is on record.
            // Once, however often the store is asked.
            if self.first() {
                self.tell(Happened::Replayed, self.replayed_by().as_deref(), None).await;
            }
            return if self.connection.store.can_fetch() {
                self.changed().await
            } else {
                self.read_again(&head, raw).await
            };
        }
        let now = self.puente.clock.now();
        let replay = Write::Replay { asked: self.arrival.received };
        let written = self.puente.records.write(&self.key, &replay, now).await?;
        match written {
            Written::Applied(_) => {
                self.tell(Happened::Replayed, self.replayed_by().as_deref(), None).await;
            }
            Written::Refused(Some(_)) => {
                let by = self.arrival.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                let detail = format!(
                    "asked for{by} before the order was handed to a person: look in the ERP, then replay it again"
                );
                self.tell(Happened::ReplayPassedOver, Some(&detail), None).await;
            }
            Written::Refused(None) => {}
        }
        Ok(written.applied())
    }

    fn replayed_by(&self) -> Option<String> {
        self.arrival.by.as_ref().map(|by| format!("replayed by {by}"))
    }

    /// The order stops at the state it was planned from.
    async fn stop(&self, head: &Head, end: End, why: Why) -> Result<()> {
        let reason = Reason::from(why);
        let write = Write::Rest {
            desired: head.desired.clone(),
            steps: head.steps,
            attempts: head.attempts,
            rest: Rest::Stop { end, reason: reason.clone() },
        };
        // Refused: somebody put another state on record meanwhile, and that one is not what this is about.
        if self.puente.records.write(&self.key, &write, self.puente.clock.now()).await?.applied() {
            self.puente.tell(OrderEvent { reason: Some(&reason), ..OrderEvent::new(&self.key, end.into()) }).await;
        }
        Ok(())
    }

    /// Tells what happened to the order.
    async fn tell(&self, what: Happened, detail: Option<&str>, version: Option<&Version>) {
        self.puente.tell(OrderEvent { detail, version, ..OrderEvent::new(&self.key, what) }).await;
    }
}

/// Why an order whose body was kept raw stops, and what to do.
pub(super) fn why_raw(head: &Head) -> String {
    let flag = head.summary.flags.first().map_or("it could not be read", String::as_str);
    // These say themselves what to do, and it is not in the store.
    if ["shop: ", "unread: "].iter().any(|code| flag.starts_with(code)) {
        return flag.to_owned();
    }
    format!("{flag}. Its body is kept raw: fix it in the store, which sends it again")
}

fn busy(key: &OrderKey) -> Error {
    Error::new(Kind::Unavailable, format!("order {key}: its record changed while it was written; it is tried again"))
}

fn serialise(order: &Order) -> Result<bytes::Bytes> {
    let bytes = serde_json::to_vec(order)
        .map_err(|e| Error::new(Kind::Bug, format!("order {} cannot be serialised", order.id)).caused_by(e))?;
    Ok(bytes.into())
}

/// Reads a kept order.
pub(crate) fn deserialise(key: &OrderKey, bytes: &[u8]) -> Result<Order> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Kind::Unreadable, format!("order {key}: its kept payload cannot be read")).caused_by(e))
}
