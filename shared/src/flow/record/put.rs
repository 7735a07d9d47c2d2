//! The one write of an arriving state, and how the state stood against what is on record.

use std::time::Duration;

use jiff::Timestamp;

use super::{ASKED, Recorder, busy, serialise};
use crate::{
    Result,
    domain::{
        event::Happened,
        order::Order,
        record::{Head, Summary, Write, Written},
        version::{Standing, Version, compare},
    },
    flow::{goods, search},
    ports::Payload,
};

impl Recorder<'_> {
    /// A state of the order: what it took off the shelves is kept first, then the state itself is put on record.
    pub(super) async fn put_order(&self, order: &Order, version: &Version) -> Result<(Standing, Option<Head>)> {
        self.put_order_at(order, version, self.arrived(), self.arrived()).await
    }

    /// The same, of what counts as arrived at that time, and goes above a state of the same time if that arrived by `over`.
    pub(super) async fn put_order_at(
        &self,
        order: &Order,
        version: &Version,
        arrived: Timestamp,
        over: Timestamp,
    ) -> Result<(Standing, Option<Head>)> {
        let payload = Payload::Order(serialise(order)?);
        let summary = search::summary(self.puente, order).await?;
        let stores = Box::pin(goods::commit::order(self.puente, self.connection, order, version)).await?;
        let put = self.put_at(version, &payload, summary, arrived, over).await?;
        for store in stores {
            goods::wake(self.puente, &store, Duration::ZERO).await?;
        }
        Ok(put)
    }

    /// Keeps the payload, then makes it `desired` if it is newer. Returns how it stood, and the head it stood against.
    pub(super) async fn put(
        &self,
        version: &Version,
        payload: &Payload,
        summary: Summary,
    ) -> Result<(Standing, Option<Head>)> {
        self.put_at(version, payload, summary, self.arrived(), self.arrived()).await
    }

    /// The same, of what counts as arrived at that time, and goes above a state of the same time if that arrived by `over`.
    pub(super) async fn put_at(
        &self,
        version: &Version,
        payload: &Payload,
        summary: Summary,
        arrived: Timestamp,
        over: Timestamp,
    ) -> Result<(Standing, Option<Head>)> {
        let records = &self.puente.records;
        records.keep(&self.key, version, payload).await?;
        let record = Write::Record { version: version.clone(), summary, arrived, over };
        for _ in 0..ASKED {
            let head = match records.write(&self.key, &record, self.puente.clock.now()).await? {
                Written::Applied(head) => {
                    if version.is_unread() {
                        self.tell(
                            Happened::Announced,
                            Some("only its id came: the store is asked for its content"),
                            None,
                        )
                        .await;
                    } else {
                        self.tell(Happened::Accepted, head.summary.flags.first().map(String::as_str), Some(version))
                            .await;
                    }
                    return Ok((Standing::Newer, Some(head)));
                }
                Written::Refused(Some(head)) => head,
                Written::Refused(None) => break,
            };
            let standing = compare(&head.desired, head.newest, version);
            match standing {
                Standing::Duplicate if version.modified > head.newest || self.is_again(version, &head) => {
                    let touch = Write::Touch { desired: head.desired.clone(), newest: version.modified, arrived };
                    let touched = records.write(&self.key, &touch, self.puente.clock.now()).await?;
                    // Another state came in between: this one is no duplicate any more.
                    if matches!(&touched, Written::Refused(Some(now)) if now.desired != head.desired) {
                        continue;
                    }
                    let later = (version.modified > head.newest).then_some("the same content, a later time");
                    self.tell(Happened::Duplicate, later, Some(version)).await;
                }
                Standing::Duplicate => self.tell(Happened::Duplicate, None, Some(version)).await,
                Standing::Superseded => self.tell(Happened::Superseded, None, Some(version)).await,
                Standing::Tied => {}
                // The state it was to go above arrived again since.
                Standing::Newer if version.modified == head.newest => return Ok((Standing::Tied, Some(head))),
                // The adapter refused what its own answer says is newer: somebody wrote in between.
                Standing::Newer => continue,
            }
            return Ok((standing, Some(head)));
        }
        Err(busy(&self.key))
    }

    /// One above the state on record, which has the same modification time.
    pub(super) async fn put_above(&self, order: &Order, head: &Head) -> Result<bool> {
        let version = Version {
            modified: head.newest.max(order.updated_at.at()),
            tie: head.desired.tie.saturating_add(1),
            content: order.version().content,
        };
        let arrived = self.arrived().max(head.arrived.unwrap_or(Timestamp::MIN));
        let (standing, _) = self.put_order_at(order, &version, arrived, arrived).await?;
        self.above(standing)
    }

    /// If the head has moved meanwhile this fails: delivered again, the message is compared with the head as it is then.
    pub(super) fn above(&self, standing: Standing) -> Result<bool> {
        match standing {
            Standing::Newer => Ok(true),
            Standing::Duplicate => Ok(false),
            Standing::Superseded | Standing::Tied => Err(busy(&self.key)),
        }
    }
}
