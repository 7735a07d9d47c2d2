//! The connections whose stores are told what their ERP account sent, read from the file without a secret.

use std::{collections::BTreeMap, sync::Arc};

use super::{Connection, Entry, Shipping, connection_head};
use crate::{
    Result,
    domain::ids::{ConnectionId, ErpId},
};

/// Those of each account.
pub(super) fn read(
    connections: &BTreeMap<ConnectionId, Entry<Connection>>,
) -> Result<BTreeMap<ErpId, Arc<[Shipping]>>> {
    let mut shipping: BTreeMap<ErpId, Vec<Shipping>> = BTreeMap::new();
    for (id, entry) in connections {
        let Some(erp) = &entry.erp else { continue };
        let goods = match entry.built.get() {
            Some(built) => built.goods.clone(),
            None => connection_head(&entry.section, true)?.goods,
        };
        if goods.ships() {
            let one = Shipping { connection: id.clone(), tells: goods.tells_shipments() };
            shipping.entry(erp.clone()).or_default().push(one);
        }
    }
    Ok(shipping.into_iter().map(|(erp, all)| (erp, all.into())).collect())
}
