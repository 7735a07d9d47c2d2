//! What a person made in the ERP by hand is booked on the order's record, and the order is planned anew at once. No call to the ERP.

use super::{ASKED, Recorder, busy, deserialise};
use crate::{
    Result,
    domain::{
        adoption::{Adoption, Made},
        event::Happened,
        order::Order,
        record::{Head, Write},
    },
    flow::Puente,
    ports::Payload,
};

/// What a person says that they made, of the order as it is on record now: a message may take it to the worker.
/// An error says in words for that person why it cannot be so.
pub async fn adoption(puente: &Puente, head: &Head, what: Made) -> Result<Adoption> {
    // Only of a refund does what is booked not say whether there is one.
    let content: Option<Order> = match what {
        Made::Credit { .. } => match puente.records.payload(&head.key, &head.desired).await? {
            Some(Payload::Order(bytes)) => Some(deserialise(&head.key, &bytes)?),
            _ => None,
        },
        _ => None,
    };
    Ok(Adoption::new(what, head, content.as_ref())?)
}

impl Recorder<'_> {
    /// Books it, unless the order went on since it was said.
    pub(super) async fn adopt(&self, adoption: &Adoption) -> Result<bool> {
        let by = self.arrival.by.as_ref().map(|by| format!(", noted by {by}")).unwrap_or_default();
        let said = format!("{}{by}", adoption.words());
        for _ in 0..ASKED {
            let Some(head) = self.puente.records.head(&self.key).await? else { return Ok(false) };
            let booked = match adoption.books(&head) {
                Ok(Some(booked)) => booked,
                // Delivered before. Perhaps whoever booked it could wake nobody.
                Ok(None) => return Ok(head.due.is_some()),
                Err(refusal) => {
                    let detail = format!("{said}: not booked, since {refusal}");
                    self.tell(Happened::NotePassedOver, Some(&detail), Some(&adoption.version)).await;
                    return Ok(false);
                }
            };
            let write = Write::Book { desired: head.desired.clone(), steps: head.steps, booked };
            if self.puente.records.write(&self.key, &write, self.puente.clock.now()).await?.applied() {
                self.tell(Happened::Noted, Some(&said), Some(&adoption.version)).await;
                return Ok(true);
            }
        }
        Err(busy(&self.key))
    }
}
