//! Sales orders and credit notes as they are read: how they stand, and what they carry.

use std::collections::HashMap;

use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    Odoo, domain,
    wire::{Edition, Exact, Link, Maybe},
};
use crate::{
    domain::{
        document::{Document, Operation},
        ids::Reference,
        version::Version,
    },
    erp::{SendError, booking::mark, repeatable},
    outbound::Calls,
};

/// A kind of record that we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// `sale.order`.
    Sale,
    /// `account.move`.
    CreditNote,
}

impl Model {
    /// Of the documents that an operation makes or changes.
    pub(super) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Credit => Self::CreditNote,
            Operation::Create | Operation::Amend | Operation::Cancel => Self::Sale,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale.order",
            Self::CreditNote => "account.move",
        }
    }

    /// The field that carries our reference.
    pub(super) fn reference(self) -> &'static str {
        match self {
            Self::Sale => "client_order_ref",
            Self::CreditNote => "ref",
        }
    }

    /// The field that carries our mark.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Sale => "origin",
            Self::CreditNote => "invoice_origin",
        }
    }

    /// The button that takes it on.
    pub(super) fn button(self) -> &'static str {
        match self {
            Self::Sale => "action_confirm",
            Self::CreditNote => "action_post",
        }
    }

    /// What it does, in words.
    pub(super) fn step(self) -> &'static str {
        match self {
            Self::Sale => "confirm",
            Self::CreditNote => "post",
        }
    }

    fn fields(self, edition: Edition, invoices: bool) -> Vec<&'static str> {
        let mut fields = vec![self.reference(), self.mark(), "name", "state", "amount_total", "currency_id"];
        if self == Self::Sale && edition.locks() {
            fields.push("locked");
        }
        if self == Self::Sale && invoices {
            fields.extend(["invoice_status", "invoice_ids"]);
        }
        fields
    }
}

/// A sales order or a credit note.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Record {
    pub(super) id: i64,
    #[serde(default)]
    name: Maybe<String>,
    #[serde(default, alias = "client_order_ref", rename = "ref")]
    reference: Maybe<String>,
    #[serde(default, alias = "origin", rename = "invoice_origin")]
    mark: Maybe<String>,
    pub(super) state: String,
    amount_total: Exact,
    #[serde(default)]
    currency_id: Maybe<Link>,
    #[serde(default)]
    locked: bool,
    /// Read only where orders are invoiced.
    #[serde(default)]
    invoice_status: Maybe<String>,
    #[serde(default)]
    invoice_ids: Vec<i64>,
}

impl Record {
    /// What the flows call it.
    pub(super) fn document(&self) -> Document {
        // A draft of a credit note has no number yet.
        let number = self.name.0.clone().filter(|name| name != "/").map(|name| repeatable(&name));
        Document { id: self.id.to_string(), number }
    }

    /// Whether it is the document of this reference.
    pub(super) fn is_of(&self, reference: &Reference) -> bool {
        self.reference.0.as_deref() == Some(reference.as_str())
    }

    /// Our mark: the version, and the total it must have.
    pub(super) fn mark(&self) -> Option<(Version, Decimal)> {
        mark::read(self.mark.0.as_deref()?)
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.mark().map(|(version, _)| version)
    }

    pub(super) fn total(&self) -> Decimal {
        self.amount_total.0
    }

    pub(super) fn currency(&self) -> Option<Currency> {
        self.currency_code().and_then(Currency::from_code)
    }

    pub(super) fn currency_code(&self) -> Option<&str> {
        self.currency_id.0.as_ref().map(|currency| currency.1.as_str())
    }

    /// Whether it comes to the total of its mark; so does what has none.
    pub(super) fn adds_up(&self) -> bool {
        self.mark().is_none_or(|(_, total)| total == self.total())
    }

    pub(super) fn is_draft(&self) -> bool {
        matches!(self.state.as_str(), "draft" | "sent")
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state == "cancel"
    }

    /// Whether it is confirmed, or posted.
    pub(super) fn is_taken_on(&self) -> bool {
        !self.is_draft() && !self.is_cancelled()
    }

    /// Whether it is confirmed, and something of it may be invoiced.
    pub(super) fn is_to_invoice(&self) -> bool {
        self.is_taken_on() && self.invoice_status.0.as_deref() == Some("to invoice")
    }

    /// Its invoices and their credit notes.
    pub(super) fn invoices(&self) -> &[i64] {
        &self.invoice_ids
    }

    /// Whether nobody may change it any more. Before Odoo 17 that was a state.
    pub(super) fn is_locked(&self) -> bool {
        self.locked || self.state == "done"
    }
}

/// A line of a sales order.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SaleLine {
    pub(super) id: i64,
    pub(super) order_id: Link,
    #[serde(default)]
    pub(super) product_id: Maybe<Link>,
    pub(super) product_uom_qty: Exact,
    pub(super) price_unit: Exact,
    #[serde(alias = "tax_id")]
    pub(super) tax_ids: Vec<i64>,
    pub(super) name: String,
    pub(super) qty_delivered: Exact,
    pub(super) qty_invoiced: Exact,
}

/// How far sales orders went, in words; those that went nowhere are not in it.
pub(super) fn gone(lines: &[SaleLine]) -> HashMap<i64, &'static str> {
    let mut gone: HashMap<i64, (bool, bool)> = HashMap::new();
    for line in lines {
        let of = gone.entry(line.order_id.0).or_default();
        of.0 |= !line.qty_delivered.0.is_zero();
        of.1 |= !line.qty_invoiced.0.is_zero();
    }
    let words = |(delivered, invoiced)| match (delivered, invoiced) {
        (true, true) => Some("some of it is delivered and invoiced"),
        (true, false) => Some("some of it is delivered"),
        (false, true) => Some("some of it is invoiced"),
        (false, false) => None,
    };
    gone.into_iter().filter_map(|(id, how)| Some((id, words(how)?))).collect()
}

impl Odoo {
    /// Records of a kind by their ids; who is missing is not there any more, or not to be seen.
    pub(super) async fn by_id(
        &self,
        calls: &Calls<'_>,
        model: Model,
        ids: &[i64],
    ) -> Result<HashMap<i64, Record>, SendError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.records(calls, model, &domain![("id", "in", ids)]).await?;
        Ok(found.into_iter().map(|record| (record.id, record)).collect())
    }

    /// Records of a kind that a domain finds.
    pub(super) async fn records(
        &self,
        calls: &Calls<'_>,
        model: Model,
        domain: &impl serde::Serialize,
    ) -> Result<Vec<Record>, SendError> {
        let edition = self.server.edition(calls).await?;
        self.server.search(calls, model.name(), domain, &model.fields(edition, self.settings.invoice.is_some())).await
    }

    /// The lines of sales orders.
    pub(super) async fn lines(&self, calls: &Calls<'_>, sales: &[i64]) -> Result<Vec<SaleLine>, SendError> {
        let taxes = if self.server.edition(calls).await?.is_19() { "tax_ids" } else { "tax_id" };
        let fields =
            ["order_id", "product_id", "product_uom_qty", "price_unit", taxes, "name", "qty_delivered", "qty_invoiced"];
        self.server.search(calls, "sale.order.line", &domain![("order_id", "in", sales)], &fields).await
    }
}
