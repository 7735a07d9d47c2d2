//! What an order took off the shelves: kept before its head names the state that says so.
//!
//! A crash in between leaves units that are subtracted for nothing until the order arrives again; the other way round it would leave an
//! order that nobody subtracts, and its units would be sold twice.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;

use crate::{
    Result,
    domain::{
        document::Booked,
        goods::{Commit, Commitment, GoodsWrite, Mark, ShelfId, Sku, number::Keeps},
        ids::{ConnectionId, OrderKey},
        money::Amount,
        order::{Order, Status},
        record::Head,
        shipment::lines_of,
        version::Version,
    },
    flow::{Puente, record::deserialise},
    parties::{Connection, Selling},
    ports::Payload,
};

/// Keeps what `order` took, as of `version`, and marks what stores are told of those articles. The connections whose stores should
/// hear of it soon.
pub async fn order(
    puente: &Puente,
    connection: &Connection,
    order: &Order,
    version: &Version,
) -> Result<BTreeSet<ConnectionId>> {
    let selling = puente.settings.selling(&connection.erp);
    let Some(own) = selling.iter().find(|one| one.connection == connection.id) else { return Ok(BTreeSet::new()) };
    let key = OrderKey::new(connection.id.clone(), order.id.clone());
    let head = puente.records.head(&key).await?;
    // Of an older state nothing is kept: what is on record has committed already, and may be over and forgotten.
    let is_older = |head: &Head| (version.modified, version.tie) < (head.newest, head.desired.tie);
    if head.as_ref().is_some_and(is_older) {
        return Ok(BTreeSet::new());
    }
    let sent = sent_of(puente, own, &key).await?;
    let mut taken = taken(own, order, &sent);
    let before = match &head {
        Some(head) if head.desired != *version => of_version(puente, own, &key, &head.desired).await?,
        _ => BTreeMap::new(),
    };
    // What was taken out of the order since.
    for shelf in before.into_keys() {
        taken.entry(shelf).or_default();
    }
    let booked = booked(puente, own, &key, head.as_ref(), version, order).await?;
    let recorded = head.as_ref().is_some_and(|head| head.desired == *version);
    let gone = order.status == Status::Cancelled;
    let was_sent = head.as_ref().is_some_and(|head| head.intent.is_some() || !head.booked.is_empty());
    let writes = taken.into_iter().map(|(shelf, Taken { quantity, reserved })| {
        let write = GoodsWrite::Commit(Commit {
            order: key.clone(),
            // The ERP may have it: its own number goes up again when it is cancelled there.
            quantity: (!(gone && was_sent)).then_some(if gone { Amount::ZERO } else { quantity }),
            reserved: if gone { Amount::ZERO } else { reserved },
            version: version.clone(),
            booked: booked.get(&shelf).copied().unwrap_or_default(),
        });
        async move {
            let now = puente.clock.now();
            let news = puente.goods.write(&shelf, &write, now).await?;
            if !news && recorded {
                return Ok(false);
            }
            // Also where the commitment was kept already: whoever kept it may have died before the mark.
            let marks = marks(&selling_of(&shelf, &puente.settings.selling(&shelf.erp)), Some(&own.connection));
            puente.goods.write(&shelf, &GoodsWrite::Mark(marks), now).await?;
            mark_sets(puente, &shelf).await?;
            Ok::<bool, crate::Error>(news)
        }
    });
    let news = try_join_all(writes).await?;
    // A shipment that the store is being told of since: whoever tells it may not have found this commitment yet.
    let since = sent_of(puente, own, &key).await?;
    if since != sent {
        reserve(puente, own, &key, order, version, &since).await?;
    }
    if !news.contains(&true) {
        return Ok(BTreeSet::new());
    }
    Ok(selling
        .iter()
        .filter(|one| one.rules.publishes() && one.place == own.place)
        .map(|one| one.connection.clone())
        .collect())
}

/// What an order took off a shelf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The units that the store sold and that are not back.
    pub(super) quantity: Amount,
    /// Of these, the units that the store still keeps reserved.
    pub(super) reserved: Amount,
}

/// The units of each of an order's lines that its store was told, or is being told, as sent: it reserves them no more, whatever its last
/// state says. Only a store whose number is gross reserves any.
pub(super) async fn sent_of(puente: &Puente, own: &Selling, key: &OrderKey) -> Result<BTreeMap<String, Amount>> {
    if own.keeps != Keeps::Gross || !own.rules.tells_shipments() {
        return Ok(BTreeMap::new());
    }
    Ok(lines_of(&puente.shipments.of_order(key).await?))
}

/// Keeps what the store still reserves of `order`, as of `version`, now that `sent` was told.
pub(super) async fn reserve(
    puente: &Puente,
    own: &Selling,
    key: &OrderKey,
    order: &Order,
    version: &Version,
    sent: &BTreeMap<String, Amount>,
) -> Result<()> {
    if own.keeps != Keeps::Gross {
        return Ok(());
    }
    let gone = order.status == Status::Cancelled;
    for (shelf, Taken { reserved, .. }) in taken(own, order, sent) {
        let reserved = if gone { Amount::ZERO } else { reserved };
        let write = GoodsWrite::Reserve { order: key.clone(), version: version.clone(), reserved };
        puente.goods.write(&shelf, &write, puente.clock.now()).await?;
        // It lowers its own number as it is told: read, before that number is believed.
        let mark = GoodsWrite::Mark(vec![Mark { connection: own.connection.clone(), check: true }]);
        puente.goods.write(&shelf, &mark, puente.clock.now()).await?;
    }
    Ok(())
}

/// Takes back what `order` took off a shelf by a state that the one on record, `head`'s, does not know of: whoever kept it died before it was
/// put on record, so that nothing named that shelf any more when the next state came, and no sale of it ever will. What is left of `shelves`.
pub(super) async fn take_back(
    puente: &Puente,
    own: &Selling,
    order: &OrderKey,
    head: &Head,
    shelves: Vec<(ShelfId, Commitment)>,
) -> Result<Vec<(ShelfId, Commitment)>> {
    // What is newer has committed already, and its turn to be put on record has not come.
    let on_record = (head.newest, head.desired.tie);
    let is_older = |one: &Commitment| (one.version.modified, one.version.tie) < on_record;
    if !shelves.iter().any(|(_, one)| is_older(one)) {
        return Ok(shelves);
    }
    let Some(Payload::Order(bytes)) = puente.records.payload(order, &head.desired).await? else { return Ok(shelves) };
    let Ok(state) = deserialise(order, &bytes) else { return Ok(shelves) };
    let named = taken(own, &state, &BTreeMap::new());
    let is_past = |(id, one): &(ShelfId, Commitment)| is_older(one) && !named.contains_key(id);
    let (past, left): (Vec<_>, Vec<_>) = shelves.into_iter().partition(is_past);
    for (shelf, _) in past {
        let none = GoodsWrite::Commit(Commit {
            order: order.clone(),
            quantity: Some(Amount::ZERO),
            reserved: Amount::ZERO,
            version: Version { modified: head.newest, ..head.desired.clone() },
            booked: Amount::ZERO,
        });
        let marks = marks(&selling_of(&shelf, &puente.settings.selling(&shelf.erp)), Some(&own.connection));
        puente.goods.write(&shelf, &GoodsWrite::WithMarks(Box::new(none), marks), puente.clock.now()).await?;
        mark_sets(puente, &shelf).await?;
    }
    Ok(left)
}

/// What an order took off each shelf, as its state says, and what of its lines was `sent` since.
fn taken(own: &Selling, order: &Order, sent: &BTreeMap<String, Amount>) -> BTreeMap<ShelfId, Taken> {
    let mut taken: BTreeMap<ShelfId, Taken> = BTreeMap::new();
    for line in order.lines.iter().filter(|line| !line.gift_card) {
        let Some(code) = line.sku.as_deref().and_then(|sku| sku.parse::<Sku>().ok()) else { continue };
        let back: Amount = order
            .refunds
            .iter()
            .flat_map(|refund| &refund.lines)
            .filter(|returned| returned.line == line.id && returned.restock)
            .map(|returned| returned.quantity)
            .sum();
        let said = order.stock.iter().find(|stock| stock.line == line.id);
        let sold = said.and_then(|stock| stock.taken).unwrap_or(line.quantity - back).max(Amount::ZERO);
        let fulfilled = said.and_then(|stock| stock.fulfilled).unwrap_or_default();
        let fulfilled = fulfilled.max(sent.get(&line.id).copied().unwrap_or_default());
        let gross = own.keeps == Keeps::Gross;
        let open = if gross { (sold - fulfilled).max(Amount::ZERO) } else { Amount::ZERO };
        for (shelf, each) in own.takes(&code) {
            let of = taken.entry(shelf).or_default();
            of.quantity += sold * each;
            // What a store reserves of a set it reserves under the set's own code.
            if !own.rules.kits.contains_key(&code) {
                of.reserved += open;
            }
        }
        // Also where it reserves none any more: what was reserved before has to fall.
        if gross && own.rules.kits.contains_key(&code) {
            taken.entry(own.shelf(code)).or_default().reserved += open;
        }
    }
    taken
}

/// What the sale of a kept version took off each shelf: what the ERP was told of it.
pub(super) async fn of_version(
    puente: &Puente,
    own: &Selling,
    key: &OrderKey,
    version: &Version,
) -> Result<BTreeMap<ShelfId, Amount>> {
    let Some(Payload::Order(bytes)) = puente.records.payload(key, version).await? else { return Ok(BTreeMap::new()) };
    // One that cannot be read any more took nothing that anybody could name.
    let Ok(order) = deserialise(key, &bytes) else { return Ok(BTreeMap::new()) };
    Ok(sold(own, &order))
}

/// What the sale of an order takes off each shelf in the ERP: all that was sold, whatever the store has restocked since.
pub(super) fn sold(own: &Selling, order: &Order) -> BTreeMap<ShelfId, Amount> {
    let mut sold: BTreeMap<ShelfId, Amount> = BTreeMap::new();
    for line in order.lines.iter().filter(|line| !line.gift_card) {
        let Some(code) = line.sku.as_deref().and_then(|sku| sku.parse::<Sku>().ok()) else { continue };
        for (shelf, each) in own.takes(&code) {
            *sold.entry(shelf).or_default() += line.quantity * each;
        }
    }
    sold
}

/// What the sale that is booked takes off each shelf in the ERP's own number, as far as that is certain. Where a sale does not lower it in
/// the state that we leave it in, the next poll says which do.
async fn booked(
    puente: &Puente,
    own: &Selling,
    key: &OrderKey,
    head: Option<&Head>,
    version: &Version,
    order: &Order,
) -> Result<BTreeMap<ShelfId, Amount>> {
    let Some(in_erp) = head.and_then(Head::sale).and_then(|sale: &Booked| sale.version.as_ref()) else {
        return Ok(BTreeMap::new());
    };
    let account = puente.settings.account(&own.erp).await?;
    if account.is_none_or(|account| account.erp.stock().is_none_or(|stock| !stock.reflects())) {
        return Ok(BTreeMap::new());
    }
    if in_erp.content == version.content { Ok(sold(own, order)) } else { of_version(puente, own, key, in_erp).await }
}

/// The connections that sell from a shelf.
pub(super) fn selling_of<'a>(shelf: &ShelfId, all: &'a [Selling]) -> Vec<&'a Selling> {
    all.iter().filter(|one| one.place == shelf.place).collect()
}

/// Their marks. `seller`: whose store has sold some, and lowered its own number by itself if that is what it keeps.
pub(super) fn marks(selling: &[&Selling], seller: Option<&ConnectionId>) -> Vec<Mark> {
    let check = |one: &Selling| one.keeps == Keeps::Sellable && seller == Some(&one.connection);
    selling.iter().map(|one| Mark { connection: one.connection.clone(), check: check(one) }).collect()
}

/// The sets that an article is a part of have another number too.
pub(super) async fn mark_sets(puente: &Puente, shelf: &ShelfId) -> Result<()> {
    let all = puente.settings.selling(&shelf.erp);
    for one in selling_of(shelf, &all) {
        for set in one.rules.sets_of(&shelf.sku) {
            let mark = GoodsWrite::Mark(vec![Mark::of(one.connection.clone())]);
            puente.goods.write(&one.shelf(set.clone()), &mark, puente.clock.now()).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::goods::GoodsRules;

    #[test]
    fn of_a_set_that_was_sent_a_gross_store_reserves_none_any_more() {
        let sku = |code: &str| code.parse::<Sku>().unwrap();
        let kits = BTreeMap::from([(sku("SET"), BTreeMap::from([(sku("A"), 2)]))]);
        let mut own = Selling {
            connection: "acme".parse().unwrap(),
            erp: "main".parse().unwrap(),
            rules: GoodsRules { kits, ..GoodsRules::default() },
            keeps: Keeps::Gross,
            place: "*".parse().unwrap(),
            names: BTreeMap::new(),
        };
        let order: Order = serde_json::from_str(
            r#"{"schema":1,"id":"5","number":"5","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z",
            "currency":"EUR","status":"open","payment":"paid","lines":[{"id":"1","sku":"SET","title":"x","quantity":"3",
            "unit_price":"1","amount":"3"}],"tax":"0","total":"3"}"#,
        )
        .unwrap();
        let reserved = |own: &Selling, sent: i64| {
            let sent = BTreeMap::from([("1".to_owned(), Amount::from(sent))]);
            taken(own, &order, &sent).get(&own.shelf(sku("SET"))).map(|taken| taken.reserved)
        };
        assert_eq!(reserved(&own, 0), Some(Amount::from(3)));
        assert_eq!(reserved(&own, 1), Some(Amount::from(2)));
        // Named all the same: what was reserved before is taken back.
        assert_eq!(reserved(&own, 3), Some(Amount::ZERO));
        own.keeps = Keeps::Sellable;
        assert_eq!(reserved(&own, 3), None);
    }
}
