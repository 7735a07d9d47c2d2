//! The connections that take part in the stock of their ERP account, read from the file without a secret.

use std::{collections::BTreeMap, sync::Arc};

use super::{Connection, Entry, GoodsRules, Keeps, STORES, Selling, connection_head, row};
use crate::{
    Result,
    domain::{
        ids::{ConnectionId, ErpId},
        rules::Rules,
    },
};

/// So many connections may sell from one shelf: all of them are marked in one write.
const MOST: usize = 40;

/// Those of each account.
pub(super) fn read(connections: &BTreeMap<ConnectionId, Entry<Connection>>) -> Result<BTreeMap<ErpId, Arc<[Selling]>>> {
    let mut selling: BTreeMap<ErpId, Vec<Selling>> = BTreeMap::new();
    for (id, entry) in connections {
        let Some(erp) = &entry.erp else { continue };
        let Some((rules, keeps, names)) = terms(entry)? else { continue };
        let all = selling.entry(erp.clone()).or_default();
        let place = rules.place().map_err(|error| entry.section.refuse("goods.warehouses", error))?;
        if let Some(other) = all.iter().find(|other| other.place.overlaps(&place)) {
            let why = format!(
                "{id} and {} sell from some warehouse together, and not from the same ones: give both the same list, or none in \
                 common",
                other.connection
            );
            return Err(entry.section.refuse("goods.warehouses", why));
        }
        if all.iter().filter(|other| other.place == place).count() >= MOST {
            return Err(entry
                .section
                .refuse("goods", format!("more than {MOST} connections would sell from the same warehouses")));
        }
        all.push(Selling { connection: id.clone(), erp: erp.clone(), rules, keeps, place, names: names.names() });
    }
    Ok(selling.into_iter().map(|(erp, all)| (erp, all.into())).collect())
}

/// What a connection that takes part says; none: it does not.
fn terms(entry: &Entry<Connection>) -> Result<Option<(GoodsRules, Keeps, Rules)>> {
    if let Some(built) = entry.built.get() {
        let keeps = built.keeps.filter(|_| built.goods.is_on());
        return Ok(keeps.map(|keeps| (built.goods.clone(), keeps, built.orders.clone())));
    }
    let head = connection_head(&entry.section, true)?;
    let Some(store) = entry.section.child("store") else { return Ok(None) };
    let keeps = row(&store, STORES, |row| row.kind)?.keeps.filter(|_| head.goods.is_on());
    Ok(keeps.map(|keeps| (head.goods, keeps, head.orders)))
}
