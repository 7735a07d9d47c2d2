//! Arguments of codes that have parts of their own.

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

use super::super::money::{self, Amount};

/// What was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refunded {
    /// So much.
    Amount {
        /// Of the amounts.
        currency: Currency,
        /// What was paid back.
        #[serde(deserialize_with = "money::text")]
        amount: Amount,
        /// What of the sale it takes off.
        #[serde(deserialize_with = "money::text")]
        taken_off: Amount,
    },
    /// An amount that the store does not state in the order's currency.
    Unstated {
        /// That currency.
        currency: Currency,
    },
    /// An amount that no refund states.
    Unexplained,
    /// A refund is no more.
    TakenBack,
}

/// What changed of an order that is in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// It was cancelled.
    Cancelled,
    /// It sold something else.
    Goods {
        /// What differs, see [`crate::domain::changes::changes`].
        changes: Vec<String>,
    },
    /// It is open again.
    Reopened,
    /// Something was given back.
    Refund {
        /// How much.
        refund: Refunded,
    },
    /// Its payment is lost.
    PaymentLost,
    /// Its payment is waited for again.
    PaymentPending,
}

/// In what the ERP would differ from the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mismatch {
    /// In nothing: the store's total is not what its own lines, charges and taxes make.
    Store {
        /// The store's total.
        #[serde(deserialize_with = "money::text")]
        total: Amount,
    },
    /// In the total.
    Total {
        /// The store's.
        #[serde(deserialize_with = "money::text")]
        store: Amount,
        /// The ERP's.
        #[serde(deserialize_with = "money::text")]
        erp: Amount,
        /// The line whose taxes are furthest apart, if any are.
        line: Option<TaxedLine>,
    },
    /// In the tax.
    Tax {
        /// The store's.
        #[serde(deserialize_with = "money::text")]
        store: Amount,
        /// The ERP's.
        #[serde(deserialize_with = "money::text")]
        erp: Amount,
    },
}

/// The tax of one line, twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxedLine {
    /// The article's code.
    pub sku: String,
    /// What the store states.
    #[serde(deserialize_with = "money::text")]
    pub store: Amount,
    /// What the ERP computes.
    #[serde(deserialize_with = "money::text")]
    pub erp: Amount,
}
