//! What the ERP knows: articles, customers, orders. How they are asked for is the vendor's.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Config;
use crate::now;

/// What a document in the books is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// What was sold.
    Sale,
    /// What was given back of a sale, which this id has.
    Credit(u64),
}

/// A document in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The ERP's id.
    pub id: u64,
    /// The number people see.
    pub number: String,
    /// The reference its maker gave it.
    pub reference: String,
    /// The maker's version of it.
    pub version: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// What the ERP computed from the lines.
    pub total: Decimal,
    /// What the maker said the total is.
    pub stated_total: Option<String>,
    /// The customer's id, if one was named.
    pub customer: Option<String>,
    /// `confirmed`, or any other of its vendor's states.
    pub state: &'static str,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is.
    pub kind: Of,
    /// Whether it was cancelled since.
    pub cancelled: bool,
    /// How many of the goods it names go back into stock.
    pub restocked: Decimal,
}

impl Made {
    /// What it adds to the company's books: nothing where it was cancelled, less than nothing where it gives back.
    #[must_use]
    pub fn net(&self) -> Decimal {
        match self.kind {
            _ if self.cancelled => Decimal::ZERO,
            Of::Sale => self.total,
            Of::Credit(_) => -self.total,
        }
    }
}

/// A customer in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// The ERP's id.
    pub id: u64,
    /// The reference its maker gave it.
    pub reference: String,
    /// The name.
    pub name: Option<String>,
}

/// A document to be put into the books; the fields are those of [`Made`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "those of `Made`")]
pub struct Entry {
    pub reference: String,
    pub version: Option<String>,
    pub currency: String,
    pub total: Decimal,
    pub stated_total: Option<String>,
    pub customer: Option<String>,
    pub state: &'static str,
}

/// The books.
pub struct Books {
    /// How the ERP is set up.
    pub config: Config,
    /// Every document, oldest first: sales, and what was given back of them.
    pub orders: Vec<Made>,
    /// Every customer, oldest first.
    pub parties: Vec<Party>,
    /// How long a new order cannot be found yet.
    pub(super) lag: Duration,
}

impl Books {
    pub(super) fn new(config: Config) -> Self {
        Self { config, orders: Vec::new(), parties: Vec::new(), lag: Duration::ZERO }
    }

    /// The articles it knows, by their place.
    #[must_use]
    pub fn products(&self) -> &[String] {
        &self.config.products
    }

    /// The orders with one of these references that can be found by now.
    pub fn found<'a>(&'a self, references: &'a [String]) -> impl Iterator<Item = &'a Made> {
        let now = now();
        let visible = move |made: &&Made| now.duration_since(made.created_at).unsigned_abs() >= self.lag;
        self.orders.iter().filter(|made| references.contains(&made.reference)).filter(visible)
    }

    /// Whether an order has this reference.
    #[must_use]
    pub fn has(&self, reference: &str) -> bool {
        self.orders.iter().any(|made| made.reference == reference)
    }

    /// Puts a sale in.
    pub fn book(&mut self, entry: Entry) -> Made {
        self.enter(entry, Of::Sale, Decimal::ZERO)
    }

    /// Puts in what is given back of a sale.
    pub fn credit(&mut self, entry: Entry, sale: u64, restocked: Decimal) -> Made {
        self.enter(entry, Of::Credit(sale), restocked)
    }

    fn enter(&mut self, entry: Entry, kind: Of, restocked: Decimal) -> Made {
        let Entry { reference, version, currency, total, stated_total, customer, state } = entry;
        let id = self.orders.len() as u64 + 1;
        let letters = if kind == Of::Sale { "SO" } else { "CN" };
        let (number, created_at) = (format!("{letters}{id:05}"), now());
        let made = Made {
            id,
            number,
            reference,
            version,
            currency,
            total,
            stated_total,
            customer,
            state,
            created_at,
            kind,
            cancelled: false,
            restocked,
        };
        self.orders.push(made.clone());
        made
    }

    /// Changes a document: its id, number, reference and kind stay.
    pub fn amend(&mut self, id: u64, entry: Entry) -> Option<Made> {
        let made = self.orders.iter_mut().find(|made| made.id == id)?;
        let Entry { reference: _, version, currency, total, stated_total, customer, state } = entry;
        *made = Made { version, currency, total, stated_total, customer, state, ..made.clone() };
        Some(made.clone())
    }

    /// What each sale and what was given back of it come to together, by the sale's reference.
    #[must_use]
    pub fn net(&self) -> BTreeMap<String, Decimal> {
        let reference = |id: u64| self.orders.iter().find(|made| made.id == id).map(|made| made.reference.clone());
        let mut net = BTreeMap::<String, Decimal>::new();
        for made in &self.orders {
            let of = match made.kind {
                Of::Sale => Some(made.reference.clone()),
                Of::Credit(sale) => reference(sale),
            };
            *net.entry(of.unwrap_or_default()).or_default() += made.net();
        }
        net
    }

    /// A new customer.
    pub fn welcome(&mut self, reference: String, name: Option<String>) -> Party {
        let party = Party { id: self.parties.len() as u64 + 1, reference, name };
        self.parties.push(party.clone());
        party
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Customers' names are in there.
        write!(f, "Books({} orders, {} customers)", self.orders.len(), self.parties.len())
    }
}
