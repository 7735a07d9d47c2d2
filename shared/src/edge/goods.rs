//! Stock as people see it: what the operator's API answers, and the command line shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        goods::{Halt, InStore, Place, Sku},
        ids::{ConnectionId, OrderKey},
        money::Amount,
        operator::Sight,
        version::Version,
    },
    flow::goods::view::{Stock, Whole},
};

/// An article as a connection sells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockView {
    /// Whose.
    pub connection: ConnectionId,
    /// The ERP's code; of a set the store's.
    pub article: Sku,
    /// The store's code; none where several of its codes stand for the article, or its stock is ignored there.
    pub code: Option<Sku>,
    /// In which warehouses: their names, or `*` for all of the company.
    pub warehouses: Place,
    /// What the ERP said that is available; none before it did, and for a set.
    pub erp: Option<Amount>,
    /// When it was asked.
    pub read_at: Option<Timestamp>,
    /// What stores sold and the ERP's number does not hold yet.
    pub owed: Amount,
    /// What this store keeps reserved itself, where its number is gross.
    pub reserved: Amount,
    /// What is left to sell. May be negative: sold and not there.
    pub left: Option<Amount>,
    /// The number that the store should have; none where it cannot be told yet.
    pub should: Option<i64>,
    /// The number that it has, as far as is known.
    pub has: Option<i64>,
    /// A number on its way to the store, or of unknown outcome.
    pub pending: Option<i64>,
    /// Whether `should` would be written: the store keeps stock of the article, and has another number or was not read yet.
    pub differs: bool,
    /// Whether the number would be higher, were the ERP's not too old, or another store's not too high.
    pub held_back: bool,
    /// How the store has the article.
    pub store: InStore,
    /// When it is looked at again.
    pub due: Option<Timestamp>,
    /// Why it waits, in words.
    pub note: Option<String>,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockPage)]
pub struct GoodsView {
    /// By article.
    pub goods: Vec<StockView>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
    /// Whether and since when nothing is written to the store.
    pub hold: HoldView,
}

/// Whether nothing is written to a connection's store for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockHold)]
pub struct HoldView {
    /// Whose store.
    pub connection: ConnectionId,
    /// Whether it is held.
    pub held: bool,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Who wanted it.
    pub by: Option<String>,
}

/// One article with everything that its number is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockWhole)]
pub struct WholeView {
    /// As the connection sells it.
    pub stock: StockView,
    /// What a set is made of.
    pub parts: Vec<PartView>,
    /// What orders took off the shelf: those of connections that the operator sees.
    pub commitments: Vec<CommitmentView>,
    /// The same article as each connection sells it that the operator sees.
    pub listings: Vec<StockView>,
}

/// An article of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SetPart)]
pub struct PartView {
    /// Which.
    pub article: Sku,
    /// How many one set takes.
    pub each: u32,
    /// What is left of it.
    pub left: Option<Amount>,
}

/// What an order took off a shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockCommitment)]
pub struct CommitmentView {
    /// The order, `connection/order`.
    #[schema(value_type = String)]
    pub order: OrderKey,
    /// The units that the store sold and that are not back.
    pub quantity: Amount,
    /// Of these, those that the ERP's number is proven to hold.
    pub in_erp: Amount,
    /// Of these, those that it is not: they are subtracted.
    pub owed: Amount,
    /// The units that the store still keeps reserved itself.
    pub reserved: Amount,
    /// The state of the order that this was read from.
    pub version: Version,
}

impl StockView {
    /// An article of `connection`.
    #[must_use]
    pub fn of(connection: ConnectionId, stock: Stock) -> Self {
        let differs = stock.differs();
        let Stock { id, code, level, owed, reserved, left, number, listing } = stock;
        let held_back = number.as_ref().is_some_and(|number| number.held_back);
        Self {
            connection,
            article: id.sku,
            code,
            warehouses: id.place,
            erp: level.as_ref().map(|level| level.quantity),
            read_at: level.map(|level| level.read_at),
            owed,
            reserved,
            left,
            should: number.map(|number| number.value),
            has: listing.said,
            pending: listing.pending.map(|pending| pending.value),
            differs,
            held_back,
            store: listing.store,
            due: listing.due,
            note: listing.note,
        }
    }
}

impl HoldView {
    /// The hold of `connection`, if there is one.
    #[must_use]
    pub fn of(connection: ConnectionId, halt: Option<Halt>) -> Self {
        let held = halt.is_some();
        let (since, by) = halt.map(|Halt { since, by }| (since, by)).unzip();
        Self { connection, held, since, by }
    }
}

impl WholeView {
    /// An article of `connection` as somebody of this `sight` may see it: of other connections they learn nothing.
    #[must_use]
    pub fn of(connection: ConnectionId, whole: Whole, sight: &Sight) -> Self {
        let Whole { stock, parts, commitments, outlets } = whole;
        let parts = parts.into_iter().map(|(article, each, left)| PartView { article, each, left }).collect();
        let seen = |connection: &ConnectionId| sight.sees(connection.as_str());
        let commitments = commitments.into_iter().filter(|(order, _)| seen(&order.connection));
        let commitments = commitments.map(|(order, one)| CommitmentView {
            order,
            quantity: one.quantity,
            in_erp: one.in_erp,
            owed: one.owed(),
            reserved: one.reserved,
            version: one.version,
        });
        let outlets = outlets.into_iter().filter(|(other, _)| seen(other));
        Self {
            stock: StockView::of(connection, stock),
            parts,
            commitments: commitments.collect(),
            listings: outlets.map(|(other, stock)| StockView::of(other, stock)).collect(),
        }
    }
}
