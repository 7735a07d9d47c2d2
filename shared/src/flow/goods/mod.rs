//! Stock, prices and shipments on their way from the ERP to the stores.
//!
//! An order that arrives commits what its store sold (`commit.rs`), before its record says so. The conductor of the ERP account asks for
//! what is available, after the orders of a departure (`poll.rs`). One conductor for each store brings it the numbers that are due
//! (`publish.rs`): computed at that moment, never queued. People see what it would write (`view.rs`), and hold it (`hold.rs`).

mod article;
pub mod commit;
pub mod conduct;
pub mod hold;
pub mod pass;
pub(super) mod poll;
pub mod prices;
mod publish;
mod sent;
mod ship;
pub mod shipments;
pub mod view;

use std::time::Duration;

use super::Puente;
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, ErpId},
        message::Message,
    },
    parties::Selling,
};

/// How the connection sells from its ERP's stock; refused in words for whoever asked, where it does not.
pub fn selling(puente: &Puente, connection: &ConnectionId) -> Result<Selling> {
    let own = puente
        .settings
        .erp_of(connection)
        .and_then(|erp| puente.settings.selling(&erp).iter().find(|one| &one.connection == connection).cloned());
    own.ok_or_else(|| {
        let words = format!(
            "stock is not on for {connection}: put goods = {{ stock = \"show\" }} into its part of the configuration"
        );
        Error::new(Kind::NotFound, words)
    })
}

/// Whether anything is written to the store of a connection, or shown that could be: stock, prices or shipments. Refused in words where
/// nothing is on.
pub fn is_told(puente: &Puente, connection: &ConnectionId) -> Result<()> {
    if shipments::tells(puente, connection).is_ok() || prices::pricing(puente, connection).is_ok() {
        return Ok(());
    }
    selling(puente, connection).map(drop)
}

/// How long a wake-up of a store's conductor is held back: what comes together travels together.
const TOGETHER: Duration = Duration::from_secs(1);

/// Whether it is time to ask an ERP account what is available.
pub(super) async fn wants_poll(puente: &Puente, erp: &ErpId) -> Result<bool> {
    let nobody = puente.settings.selling(erp).is_empty()
        && puente.settings.pricing(erp).is_empty()
        && puente.settings.shipping(erp).is_empty();
    if nobody {
        return Ok(false);
    }
    Ok(poll::polls(puente, erp).await?.is_due(puente.clock.now()))
}

/// Has a store's conductor look at what is due.
pub(super) async fn wake(puente: &Puente, connection: &ConnectionId, delay: Duration) -> Result<()> {
    let message = Message::Publish { connection: connection.clone() };
    let sent = puente.queue.send(&[message], delay.max(TOGETHER)).await?;
    sent.into_iter().collect()
}
