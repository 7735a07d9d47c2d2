//! Every key of the table and of its indexes, and what lies there.
//!
//! | partition `pk` | sort `sk` | what |
//! |---|---|---|
//! | `order/{connection}/{order}` | `head` | the record's head, see `head.rs` |
//! | | `payload/{version}` | the content of a state, packed |
//! | | `note/{time}/{id}` | a line of the timeline; expires |
//! | `goods/{erp}/{warehouses}/{article}` | `level` | what the ERP said that is available, see `goods.rs` |
//! | | `order/{connection}/{order}` | what an order took off |
//! | | `listing/{connection}` | what a store is told |
//! | `shipments/{connection}/{order}` | `{shipment}` | what the ERP sent of an order, and what its store was told of it |
//! | `prices/{connection}/{article}` | `tag` | what the ERP says that an article costs, and what the store has |
//! | `halt/{connection}` | `halt` | that nothing is written to a store for now |
//! | `id/{erp}/{name}` | `id` | the id that an ERP has for an article's code or a customer's reference |
//! | `id/{erp}/begun/{name}` | `id` | that a record of this name is about to be made, and until when no look-up tells whether it was |
//! | `cursor/{name}` | `cursor` | a position: how far something got |
//! | `door/{connection}` | `door` | how many requests a front door of `puente serve` let in on its last day |
//! | `erp/{erp}`, `store/{connection}` | `ledger` | the limiter and the blocks of an account, and the lease of an ERP's |
//! | `token/{account}` | `token` | what an account gave us for a time, see `tokens.rs` |
//! | `sign/{party}` | a fact | when it was seen last |
//! | `task/{name}` | `claimed` | when somebody last claimed a run of a task |
//! | | `run` | how its last run went |
//! | `term/{kind}/{value}` | `{connection}/{order}` | an order that is, or was, found under a value |
//! | `secret/search` | `secret` | the key of what stands for buyers' e-mails |
//! | `config` | `config` | the published `puente.toml`, packed |
//! | | `retired` | names of secrets that the published file does not refer to any more |
//! | | `shop/{connection}` | who the shop is: where the edge may read, which sees the configuration and nothing else |
//!
//! What is too large for an item lies in parts beside it, at `{sk}/{digest}/{number}`.
//!
//! | index | partition | sort | what |
//! |---|---|---|---|
//! | [`DUE`] | `connection` | `due` | heads that are due at some time |
//! | | `goods/{connection}` | `due` | listings that are due |
//! | | `shipments/{connection}` | `due` | shipments that are due |
//! | | `prices/{connection}` | `due` | price tags that are due |
//! | [`STATE`] | `shelf` = `{connection}#{state}` | `listed` = `{updated}#{order}` | all heads, by state and the time of their last write |
//! | | `committed/{erp}` | `{article}` TAB `{warehouses}` TAB `{connection}/{order}` | what orders took off the shelves of an account |
//! | | `listing/{connection}` | `{article}` TAB `{warehouses}` TAB `{erp}` | the listings of a connection |
//! | | `shipments/{connection}` | `{order}` TAB `{shipment}` | the shipments of a connection's orders |
//! | | `prices/{connection}` | `{article}` | the price tags of a connection |
//!
//! The index `due` is not sharded: one partition takes a thousand writes a second, and a connection's front door lets ten requests in.
//! The functions' roles name partitions by these beginnings (`template.yaml`).

use jiff::Timestamp;
use uuid::Uuid;

use super::item::{Item, Reader, damaged, sortable, text};
use crate::{
    Result,
    domain::{
        goods::{RowKey, ShelfId, Sku},
        ids::{AccountId, ConnectionId, ErpId, OrderId, OrderKey},
        record::State,
        search::Term,
        shipment::ShipmentId,
        sign::{Fact, Party},
        version::Version,
    },
    ports::Place,
};

/// The index by connection and `due`.
pub(super) const DUE: &str = "due";
/// The index by connection and state, then by time of the last write.
pub(super) const STATE: &str = "state";
/// What the sort keys of a timeline begin with.
pub(super) const NOTES: &str = "note/";

/// What the names of records begin with that are about to be made. Earlier releases took them for ids of such names: whatever release
/// writes the mark, the other finds it.
pub(super) const BEGUN: &str = "begun/";

/// The rows of a shelf.
const LEVEL: &str = "level";
const COMMITMENT: &str = "order/";
const LISTING: &str = "listing/";

/// Shipments, by their orders and by their connections.
const SHIPMENTS: &str = "shipments/";

/// Price tags, by their articles and by their connections.
const PRICES: &str = "prices/";

/// Where the published `puente.toml` and what belongs to it lie.
const CONFIG: &str = "config";

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Its partition.
    pub(super) pk: String,
    /// Its place in it.
    pub(super) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The head of an order's record.
    pub(super) fn head(order: &OrderKey) -> Self {
        Self::new(partition(order), "head")
    }

    /// The content of a state of an order.
    pub(super) fn payload(order: &OrderKey, version: &Version) -> Self {
        Self::new(partition(order), format!("payload/{version}"))
    }

    /// A new line of an order's timeline. A version 7 UUID grows within the process: lines of one moment keep their order.
    pub(super) fn note(order: &OrderKey, at: Timestamp) -> Self {
        Self::new(partition(order), format!("{NOTES}{}/{}", sortable(at), Uuid::now_v7()))
    }

    /// A row of a shelf.
    pub(super) fn goods(id: &ShelfId, key: &RowKey) -> Self {
        let sk = match key {
            RowKey::Level => LEVEL.to_owned(),
            RowKey::Commitment(order) => format!("{COMMITMENT}{order}"),
            RowKey::Listing(connection) => format!("{LISTING}{connection}"),
        };
        Self::new(goods_pk(id), sk)
    }

    /// What was sent of an order. Not beside its head: roles are given the one without the other.
    pub(super) fn shipment(order: &OrderKey, id: &ShipmentId) -> Self {
        Self::new(shipments_pk(order), id.as_str())
    }

    /// The price tag of a connection's article.
    pub(super) fn price(connection: &ConnectionId, sku: &Sku) -> Self {
        Self::new(format!("{PRICES}{connection}/{sku}"), "tag")
    }

    /// That nothing is written to a store.
    pub(super) fn halt(connection: &ConnectionId) -> Self {
        Self::new(format!("halt/{connection}"), "halt")
    }

    /// The id that an ERP has for `name`.
    pub(super) fn id(erp: &ErpId, name: &str) -> Self {
        Self::new(format!("id/{erp}/{name}"), "id")
    }

    /// That a record of `name` is about to be made in an ERP.
    pub(super) fn begun(erp: &ErpId, name: &str) -> Self {
        Self::id(erp, &format!("{BEGUN}{name}"))
    }

    /// What a front door let in.
    pub(super) fn door(connection: &ConnectionId) -> Self {
        Self::new(format!("door/{connection}"), "door")
    }

    /// A position.
    pub(super) fn cursor(name: &str) -> Self {
        Self::new(format!("cursor/{name}"), "cursor")
    }

    /// The ledger of an account.
    pub(super) fn ledger(of: &AccountId) -> Self {
        Self::new(of.to_string(), "ledger")
    }

    /// The token of an account.
    pub(super) fn token(of: &AccountId) -> Self {
        Self::new(format!("token/{of}"), "token")
    }

    /// When a fact of a party was seen last.
    pub(super) fn sign(of: &Party, fact: Fact) -> Self {
        Self::new(format!("sign/{of}"), fact.as_str())
    }

    /// That an order is found under a value.
    pub(super) fn term(term: &Term, order: &OrderKey) -> Self {
        Self::new(term_pk(term), order.to_string())
    }

    /// The key of what stands for buyers' e-mails.
    pub(super) fn search_key() -> Self {
        Self::new("secret/search", "secret")
    }

    /// When a run of a task was claimed last.
    pub(super) fn claimed(task: &str) -> Self {
        Self::new(format!("task/{task}"), "claimed")
    }

    /// How the last run of a task went.
    pub(super) fn run(task: &str) -> Self {
        Self::new(format!("task/{task}"), "run")
    }

    /// Who a connection's shop is.
    pub(super) fn shop(connection: &ConnectionId) -> Self {
        Self::new(CONFIG, format!("shop/{connection}"))
    }

    /// The published configuration.
    pub(super) fn config() -> Self {
        Self::new(CONFIG, "config")
    }

    /// Secrets that were in use.
    pub(super) fn retired() -> Self {
        Self::new(CONFIG, "retired")
    }

    /// A part of what is too large for the item of this key.
    pub(super) fn part(&self, digest: &str, number: u32) -> Self {
        Self::new(self.pk.as_str(), format!("{}/{digest}/{number}", self.sk))
    }

    /// The key of an item.
    pub(super) fn of(item: &Item) -> Result<Self> {
        let item = Reader(item);
        Ok(Self::new(item.text("pk")?, item.text("sk")?))
    }

    /// Whether it is the key of `item`.
    pub(super) fn is_of(&self, item: &Item) -> bool {
        let item = Reader(item);
        item.text_if("pk") == Some(&self.pk) && item.text_if("sk") == Some(&self.sk)
    }

    /// An item with nothing but its key.
    pub(super) fn item(self) -> Item {
        Item::from([("pk".to_owned(), text(self.pk)), ("sk".to_owned(), text(self.sk))])
    }
}

/// The partition of a shelf.
pub(super) fn goods_pk(ShelfId { erp, place, sku }: &ShelfId) -> String {
    format!("goods/{erp}/{place}/{sku}")
}

/// The shelf of a partition. Neither an account's name nor a warehouse's has a `/`.
pub(super) fn shelf_of(partition: &str) -> Result<ShelfId> {
    let mut parts = partition.splitn(4, '/').skip(1);
    let mut next = || parts.next().ok_or_else(|| damaged("pk"));
    Ok(ShelfId { erp: next()?.parse()?, place: next()?.parse()?, sku: next()?.parse()? })
}

/// The row of a shelf that lies there.
pub(super) fn row_of(sk: &str) -> Result<RowKey> {
    if let Some(order) = sk.strip_prefix(COMMITMENT) {
        return Ok(RowKey::Commitment(found(order)?));
    }
    match sk.strip_prefix(LISTING) {
        Some(connection) => Ok(RowKey::Listing(connection.parse()?)),
        None if sk == LEVEL => Ok(RowKey::Level),
        None => Err(damaged("sk")),
    }
}

/// Where what orders took off an account's shelves is listed.
pub(super) fn committed_pk(erp: &ErpId) -> String {
    format!("committed/{erp}")
}

/// The place of one of them in the list.
pub(super) fn committed_sk(ShelfId { place, sku, .. }: &ShelfId, order: &OrderKey) -> String {
    // A place of its own for each, or a page that ended between two would leave one out: no name has a control character.
    format!("{sku}\t{place}\t{order}")
}

/// Where the listings of a connection are listed.
pub(super) fn listed_pk(connection: &ConnectionId) -> String {
    format!("{LISTING}{connection}")
}

/// The place of one of them in the list.
pub(super) fn listed_sk(ShelfId { erp, place, sku }: &ShelfId) -> String {
    format!("{sku}\t{place}\t{erp}")
}

/// The shipments of an order.
pub(super) fn shipments_pk(order: &OrderKey) -> String {
    format!("{SHIPMENTS}{order}")
}

/// The shipment that lies there.
pub(super) fn shipment_of(pk: &str, sk: &str) -> Result<(OrderKey, ShipmentId)> {
    let order = pk.strip_prefix(SHIPMENTS).ok_or_else(|| damaged("pk"))?;
    Ok((found(order)?, sk.parse()?))
}

/// Where the shipments of a connection are listed, and found by when they are due.
pub(super) fn shipments_list(connection: &ConnectionId) -> String {
    format!("{SHIPMENTS}{connection}")
}

/// The place of one of them in the list.
pub(super) fn shipments_at(order: &OrderKey, id: &ShipmentId) -> String {
    // A control character, which no order's id has, comes before all others: the order of one id comes before those that begin with it.
    format!("{}\t{id}", order.order)
}

/// The article whose price tag lies there.
pub(super) fn price_of(connection: &ConnectionId, pk: &str) -> Result<Sku> {
    let of = pk.strip_prefix(PRICES).and_then(|rest| rest.strip_prefix(connection.as_str()));
    of.and_then(|rest| rest.strip_prefix('/')).ok_or_else(|| damaged("pk"))?.parse()
}

/// Where the price tags of a connection are listed, and found by when they are due.
pub(super) fn prices_list(connection: &ConnectionId) -> String {
    format!("{PRICES}{connection}")
}

/// The name of a record that is about to be made.
pub(super) fn begun_name(kept: &str) -> Result<&str> {
    kept.strip_prefix(BEGUN).ok_or_else(|| damaged("name"))
}

/// The orders that are found under a value.
pub(super) fn term_pk(term: &Term) -> String {
    format!("term/{}/{}", term.by().as_str(), term.value())
}

/// The order of a value's item.
pub(super) fn found(sk: &str) -> Result<OrderKey> {
    let (connection, order) = sk.split_once('/').ok_or_else(|| damaged("sk"))?;
    Ok(OrderKey::new(connection.parse()?, order.parse()?))
}

/// The partition of an order: all that is kept of it.
pub(super) fn partition(order: &OrderKey) -> String {
    format!("order/{order}")
}

/// The order of a partition.
pub(super) fn order_of(connection: &ConnectionId, partition: &str) -> Result<OrderKey> {
    let order = partition.strip_prefix("order/").and_then(|key| key.strip_prefix(connection.as_str()));
    let order = order.and_then(|order| order.strip_prefix('/')).ok_or_else(|| damaged("pk"))?;
    Ok(OrderKey::new(connection.clone(), order.parse::<OrderId>()?))
}

/// Where the heads of a state are listed.
pub(super) fn state_pk(connection: &ConnectionId, state: State) -> String {
    format!("{connection}#{state}")
}

/// The place in a list: by time, then by order, so that a page ends at exactly one place.
pub(super) fn state_sk(updated: Timestamp, order: &OrderKey) -> String {
    place_sk(&Place { updated, order: Some(order.order.clone()) })
}

/// The same of a place where a page ended.
pub(super) fn place_sk(place: &Place) -> String {
    format!("{}#{}", sortable(place.updated), place.order.as_ref().map_or("", OrderId::as_str))
}

/// The place that an item is at.
pub(super) fn place(listed: &str) -> Result<Place> {
    let (updated, order) = listed.split_once('#').ok_or_else(|| damaged("listed"))?;
    let updated = updated.parse().map_err(|_| damaged("listed"))?;
    Ok(Place { updated, order: Some(order.parse()?) })
}
