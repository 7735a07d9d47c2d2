//! What the ERP knows: articles, customers, orders. How they are asked for is the vendor's.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Config;
use crate::now;

/// An order in the books.
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

/// An order to be put into the books; the fields are those of [`Made`].
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
    /// Every order, oldest first.
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

    /// Puts an order in.
    pub fn book(&mut self, entry: Entry) -> Made {
        let Entry { reference, version, currency, total, stated_total, customer, state } = entry;
        let id = self.orders.len() as u64 + 1;
        let (number, created_at) = (format!("SO{id:05}"), now());
        let made = Made { id, number, reference, version, currency, total, stated_total, customer, state, created_at };
        self.orders.push(made.clone());
        made
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
