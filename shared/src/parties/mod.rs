//! Who takes part: the shops' connections and the ERP accounts that `puente.toml` names, each with its connector, built.
//!
//! [`Settings`] is the file as the flows see it, one connection or account at a time; [`example`] writes a commented file to start from.

mod example;
mod settings;

use std::{collections::BTreeMap, fmt, num::NonZeroU32};

pub use self::{
    example::example,
    settings::{Door, Needs, Settings},
};
use crate::{
    config::{FrontDoor, Links, Secret},
    domain::{
        goods::{
            GoodsRules, Place, ShelfId, Sku,
            number::{Keeps, Outlet},
        },
        ids::{ConnectionId, ErpId},
        ledger::Limits,
        money::Amount,
        rules::Rules,
        share::Shares,
    },
    erp::Erp,
    store::Store,
};

/// A connection whose store is told the prices of its ERP account, told without its credentials.
#[derive(Debug, Clone)]
pub struct Pricing {
    /// Which.
    pub connection: ConnectionId,
    /// What was agreed.
    pub rules: GoodsRules,
    /// The store's codes that have another code in the ERP.
    pub names: BTreeMap<Sku, Sku>,
}

impl Pricing {
    /// The store's code of an article; none where several of its codes stand for it, or it is ignored.
    #[must_use]
    pub fn code<'a>(&'a self, sku: &'a Sku) -> Option<&'a Sku> {
        code_of(sku, &self.names, &self.rules)
    }
}

/// The store's code of an article of the ERP; none where several of its codes stand for it, it is ignored, or the store has the ERP's code for
/// another article.
fn code_of<'a>(sku: &'a Sku, names: &'a BTreeMap<Sku, Sku>, rules: &GoodsRules) -> Option<&'a Sku> {
    let mut codes = names.iter().filter(|(_, named)| *named == sku).map(|(code, _)| code);
    let code = match (codes.next(), codes.next()) {
        // The store has this code for another article.
        (None, _) if names.contains_key(sku) => return None,
        (None, _) => sku,
        (Some(code), None) => code,
        (Some(_), Some(_)) => return None,
    };
    (!rules.ignore.contains(code)).then_some(code)
}

/// A connection whose store is told what its ERP account sent, told without its credentials.
#[derive(Debug, Clone)]
pub struct Shipping {
    /// Which.
    pub connection: ConnectionId,
    /// Whether its store is told; otherwise that is only shown.
    pub tells: bool,
}

/// How often a step is attempted, unless the file says otherwise: with backoff up to an hour, for about half a day.
const MAX_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(11);

/// One shop's connection.
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Which ERP account its orders go to.
    pub erp: ErpId,
    /// The key its callers carry; two while it is being changed, the new one first. Only `serve` on loopback may do without.
    pub keys: Vec<Secret>,
    /// The store.
    pub store: Box<dyn Store>,
    /// How often the store may be asked; `None`: nobody has said.
    pub limits: Option<Limits>,
    /// What becomes of its orders.
    pub orders: Rules,
    /// What becomes of stock towards its store.
    pub goods: GoodsRules,
    /// Which number of stock its store keeps; `None`: it cannot be told any.
    pub keeps: Option<Keeps>,
    /// Its share of the front door.
    pub front_door: FrontDoor,
}

/// One ERP account.
pub struct Account {
    /// Its name.
    pub id: ErpId,
    /// The connector.
    pub erp: Box<dyn Erp>,
    /// What the account allows.
    pub limits: Limits,
    /// The connections whose orders go there.
    pub connections: Vec<ConnectionId>,
    /// The share of the day that each of them is guaranteed.
    pub shares: Shares,
    /// Attempts before an order is dead-lettered.
    pub max_attempts: u32,
    /// Whether every order is looked up before it is created: after a restore from a backup.
    pub look_up_first: bool,
    /// Where people look at its documents.
    pub links: Links,
}

impl Connection {
    /// A connection of which the file says nothing more.
    #[must_use]
    pub fn new(id: ConnectionId, erp: ErpId, store: Box<dyn Store>) -> Self {
        Self {
            id,
            erp,
            keys: Vec::new(),
            store,
            limits: None,
            orders: Rules::default(),
            goods: GoodsRules::default(),
            keeps: None,
            front_door: FrontDoor::default(),
        }
    }
}

impl Account {
    /// An account of which the file says nothing more, shared by these connections.
    #[must_use]
    pub fn new(id: ErpId, erp: Box<dyn Erp>, connections: Vec<ConnectionId>) -> Self {
        let shares = Shares::equal(&connections);
        Self {
            id,
            erp,
            limits: Limits::default(),
            connections,
            shares,
            max_attempts: MAX_ATTEMPTS.get(),
            look_up_first: false,
            links: Links::default(),
        }
    }
}

/// A connection that takes part in the stock of its ERP account, told without its credentials.
#[derive(Debug, Clone)]
pub struct Selling {
    /// Which.
    pub connection: ConnectionId,
    /// Whose goods.
    pub erp: ErpId,
    /// What was agreed.
    pub rules: GoodsRules,
    /// The number that its store keeps.
    pub keeps: Keeps,
    /// The warehouses that it sells from.
    pub place: Place,
    /// The store's codes that have another code in the ERP.
    pub names: BTreeMap<Sku, Sku>,
}

impl Selling {
    /// As the number is computed from.
    #[must_use]
    pub fn outlet(&self) -> Outlet<'_> {
        Outlet { connection: &self.connection, rules: &self.rules, keeps: self.keeps }
    }

    /// What one unit of a code of the store takes off which shelves.
    #[must_use]
    pub fn takes(&self, code: &Sku) -> Vec<(ShelfId, Amount)> {
        let named = |code: &Sku| self.names.get(code).cloned().unwrap_or_else(|| code.clone());
        self.rules.takes(code, named).into_iter().map(|(sku, each)| (self.shelf(sku), each)).collect()
    }

    /// The shelf of an article of the ERP, or of a set.
    #[must_use]
    pub fn shelf(&self, sku: Sku) -> ShelfId {
        ShelfId { erp: self.erp.clone(), place: self.place.clone(), sku }
    }

    /// The store's code of an article; none where several of its codes stand for it, or nobody keeps stock of it there.
    #[must_use]
    pub fn code<'a>(&'a self, sku: &'a Sku) -> Option<&'a Sku> {
        code_of(sku, &self.names, &self.rules)
    }
}

/// What is said of an ERP account beside its connector.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What the account allows.
    pub limits: Limits,
    /// What part of its day each of its connections is guaranteed.
    pub shares: Shares,
    /// Attempts before an order is dead-lettered.
    pub max_attempts: u32,
    /// Where people look at its documents.
    pub links: Links,
}

// Keys and credentials lie inside: only names are shown.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("erp", &self.erp).finish_non_exhaustive()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("limits", &self.limits).finish_non_exhaustive()
    }
}
