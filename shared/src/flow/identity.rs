//! Who a shop is, learnt with its token and kept beside the records: so that a signed order can be told to be its own without a call.
//!
//! Whoever may call the store learns it (`puente check`, the worker, backfill, which `serve` begins with). The edge only recalls
//! what is kept: once for each connection of a configuration, and at most once a minute while nobody has learnt it yet.

use super::{
    Puente,
    ask::{Ask, Errand},
};
use crate::{
    Result,
    domain::{event::Event, sign::Identity},
    parties::Connection,
};

/// Gives the store what is kept of its shop. That it cannot be read now costs nobody an order: it is then asked for later.
pub async fn recall(puente: &Puente, connection: &Connection) {
    let Some(learnt) = connection.store.identity() else { return };
    if !learnt.to_look_up(puente.clock.now()) {
        return;
    }
    match puente.signs.identity(&connection.id).await {
        Ok(Some(identity)) => learnt.set(identity),
        Ok(None) => {}
        Err(error) => puente.tell.of(&Event::ShopUnknown { connection: &connection.id, error: &error }),
    }
}

/// Makes sure that the store knows its shop: recalled, or asked of the shop and kept.
pub async fn learn(puente: &Puente, connection: &Connection) -> Result<()> {
    let Some(learnt) = connection.store.identity() else { return Ok(()) };
    if learnt.with(|_| ()).is_some() {
        return Ok(());
    }
    match puente.signs.identity(&connection.id).await? {
        Some(identity) => learnt.set(identity),
        None => drop(learn_afresh(puente, connection).await?),
    }
    Ok(())
}

/// Asks the shop, and keeps what it says. `None`: it cannot be asked, or need not be.
pub async fn learn_afresh(puente: &Puente, connection: &Connection) -> Result<Option<Identity>> {
    let Some(identity) = connection.store.identify(&Ask::new(puente, connection, Errand::Other).calls()).await? else {
        return Ok(None);
    };
    puente.signs.set_identity(&connection.id, &identity).await?;
    puente.tell.of(&Event::ShopLearnt { connection: &connection.id, shop: identity.id });
    if let Some(learnt) = connection.store.identity() {
        learnt.set(identity.clone());
    }
    Ok(Some(identity))
}
