//! Several states of an order with one modification time: `WooCommerce` does not move it when items change, and two changes may fall
//! into one second.
//!
//! Only the store knows which is the last, so it is asked. Where it cannot be asked, the state further along in its life wins, and of
//! equals the one that arrived last: at our edge, not here, so that the end does not depend on the order in which workers process
//! messages, nor on one that is delivered twice. Every state that loses has a line in the order's timeline with what it said.
//! Why, and what it costs: `docs/decisions/versions.md`.

use jiff::Timestamp;

use super::{Recorder, deserialise};
use crate::{
    Result,
    domain::{
        event::Happened,
        money::Amount,
        order::{Flag, Order, Payment, Status},
        record::Head,
        version::{Standing, Version},
    },
    ports::Payload,
};

/// How often a state is held against what another worker put on record meanwhile.
const TRIES: u32 = 3;

impl Recorder<'_> {
    /// `order` has the modification time of the state on record, and another content.
    pub(super) async fn tie(&self, order: &Order, version: &Version, head: Head) -> Result<bool> {
        if self.connection.store.can_fetch() {
            let detail = format!("{}; another state of the same time is on record: the store is asked", said(order));
            self.tell(Happened::Tied, Some(&detail), Some(version)).await;
            return self.changed().await;
        }
        let mut flagged = order.clone();
        flagged.flags.push(Flag {
            code: "tie".into(),
            detail: "several states have one modification time, and there are no store credentials to ask which is the last: the one \
                     that arrived last counts"
                .into(),
        });
        let mut head = head;
        for _ in 0..TRIES {
            if !self.wins(order, version, &head) {
                let detail =
                    format!("{}; the state on record has the same time, and {}", said(order), why(order, &head));
                self.tell(Happened::Superseded, Some(&detail), Some(version)).await;
                return Ok(false);
            }
            let above = Version { tie: head.desired.tie.saturating_add(1), ..version.clone() };
            // What is further along wins whenever it arrived, unless that state arrives again meanwhile: then they are compared anew.
            let over = self.arrived().max(head.arrived.unwrap_or(Timestamp::MIN));
            match self.put_order_at(&flagged, &above, self.arrived(), over).await? {
                (Standing::Newer, _) => {
                    self.lost(&head).await?;
                    return Ok(true);
                }
                (Standing::Tied, Some(now)) => head = now,
                // Noted already.
                (Standing::Duplicate | Standing::Superseded, _) | (Standing::Tied, None) => return Ok(false),
            }
        }
        Err(super::busy(&self.key))
    }

    /// Whether a state of the same time is the later one. A body that nobody could read has no life: only its arrival counts.
    fn wins(&self, order: &Order, version: &Version, head: &Head) -> bool {
        let arrived = Some(self.arrived());
        if head.summary.total.is_none() {
            return arrived > head.arrived;
        }
        // The content only where two arrived at the same instant: then nobody can say, and both orders of work must end alike.
        let key = (order.life(), arrived, version.content);
        key > (head.summary.life, head.arrived, head.desired.content)
    }

    /// Whether the content on record arrived again, with the time it has there: it may be what the order came back to.
    pub(super) fn is_again(&self, version: &Version, head: &Head) -> bool {
        // Whoever can be asked is asked when it matters: that saves the write.
        !self.connection.store.can_fetch() && version.modified == head.newest && Some(self.arrived()) > head.arrived
    }

    /// When this arrived at our edge.
    pub(super) fn arrived(&self) -> Timestamp {
        self.arrival.received
    }

    /// The state that was on record lost: its line.
    async fn lost(&self, head: &Head) -> Result<()> {
        let said = match self.puente.records.payload(&self.key, &head.desired).await? {
            Some(Payload::Order(bytes)) => match deserialise(&self.key, &bytes) {
                Ok(order) => said(&order),
                Err(_) => "a state whose payload cannot be read any more".to_owned(),
            },
            _ => "a body that could not be read".to_owned(),
        };
        let detail = format!("{said}; a state of the same time arrived later, or is further along");
        self.tell(Happened::Superseded, Some(&detail), Some(&head.desired)).await;
        Ok(())
    }
}

fn why(order: &Order, head: &Head) -> &'static str {
    match (order.life() < head.summary.life, head.summary.total.is_none()) {
        (true, false) => "is further along",
        _ => "arrived later",
    }
}

/// What a state says, for the timeline: figures, no personal data.
fn said(order: &Order) -> String {
    let units: Amount = order.lines.iter().map(|line| line.quantity).sum();
    let lines = match order.lines.len() {
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    };
    let state = match (order.status, order.payment) {
        (Status::Cancelled, _) => "cancelled",
        (_, Payment::Pending) => "not paid",
        (_, Payment::InProcess) => "payment expected",
        (_, Payment::Authorized) => "authorised",
        (_, Payment::PartiallyPaid) => "partially paid",
        (_, Payment::Paid) => "paid",
        (_, Payment::PartiallyRefunded) => "partially refunded",
        (_, Payment::Refunded) => "refunded",
        (_, Payment::Voided) => "payment given up",
        (_, Payment::Expired) => "payment expired",
        (_, Payment::Failed) => "payment failed",
        (_, Payment::ChargedBack) => "payment charged back",
        (_, Payment::Unknown) => "payment unknown",
    };
    format!("total {}, {units} units on {lines}, {state}", order.total.in_currency(order.currency))
}
