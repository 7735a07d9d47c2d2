//! Asking an ERP what was sent: with the questions about stock, from the same part of the day.

use std::{collections::BTreeSet, time::Duration};

use super::wake;
use crate::{
    Result,
    domain::{
        event::Event,
        goods::schedule::Polls,
        ids::{ConnectionId, ErpId, OrderKey},
        shipment::ShipmentWrite,
    },
    erp::{
        SendError,
        shipments::{Sent, ShipmentAsk, Shipments},
    },
    flow::Puente,
    outbound::Calls,
    parties::Shipping,
};

/// So many pages are asked for in one poll; the rest is the next one's.
const PAGES: u32 = 10;

/// Asks what was sent since the last time, in the poll `number`, and notes it. How many shipments there were.
pub(super) async fn poll(
    puente: &Puente,
    erp: &ErpId,
    asked: &dyn Shipments,
    shipping: &[Shipping],
    calls: &Calls<'_>,
    (number, polls): (u64, &mut Polls),
) -> Result<usize> {
    let (mut rows, mut news) = (0, BTreeSet::new());
    for _ in 0..PAGES {
        let sent = &polls.sent;
        let ask = ShipmentAsk { since: sent.since.as_deref(), page: sent.page.as_deref() };
        let answer = asked.page(calls, &ask).await.map_err(SendError::into_error)?;
        for (number, why) in &answer.unread {
            puente.tell.of(&Event::ShipmentUnread { erp, shipment: number, why });
        }
        for sent in &answer.rows {
            rows += 1;
            news.extend(note(puente, shipping, sent, number).await?);
        }
        polls.sent.came_to(answer.mark, answer.next);
        if polls.sent.page.is_none() {
            break;
        }
    }
    for connection in news {
        wake(puente, &connection, Duration::ZERO).await?;
    }
    Ok(rows)
}

/// Notes one; the connection whose store is to be told.
async fn note(puente: &Puente, shipping: &[Shipping], sent: &Sent, poll: u64) -> Result<Option<ConnectionId>> {
    // A sale of another installation, or of a connection that is not told.
    let Some(key) = OrderKey::of(&sent.sale) else { return Ok(None) };
    let Some(own) = shipping.iter().find(|one| one.connection == key.connection) else { return Ok(None) };
    let noted = ShipmentWrite::Noted { shipment: sent.shipment.clone(), poll };
    puente.shipments.write(&key, &sent.shipment.id, &noted, puente.clock.now()).await?;
    Ok(own.tells.then(|| key.connection.clone()))
}
