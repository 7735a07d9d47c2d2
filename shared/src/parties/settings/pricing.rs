//! The connections whose stores are told the prices of their ERP account, read from the file without a secret.

use std::{collections::BTreeMap, sync::Arc};

use super::{Connection, Entry, Pricing, connection_head};
use crate::{
    Result,
    domain::ids::{ConnectionId, ErpId},
};

/// Those of each account.
pub(super) fn read(connections: &BTreeMap<ConnectionId, Entry<Connection>>) -> Result<BTreeMap<ErpId, Arc<[Pricing]>>> {
    let mut pricing: BTreeMap<ErpId, Vec<Pricing>> = BTreeMap::new();
    for (id, entry) in connections {
        let Some(erp) = &entry.erp else { continue };
        let (rules, orders) = if let Some(built) = entry.built.get() {
            (built.goods.clone(), built.orders.clone())
        } else {
            let head = connection_head(&entry.section, true)?;
            (head.goods, head.orders)
        };
        if rules.prices() {
            let one = Pricing { connection: id.clone(), rules, names: orders.names() };
            pricing.entry(erp.clone()).or_default().push(one);
        }
    }
    Ok(pricing.into_iter().map(|(erp, all)| (erp, all.into())).collect())
}
