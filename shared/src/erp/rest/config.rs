//! What the section of a `rest` ERP says: requests as templates, answers as JSON Pointers (RFC 6901).
//!
//! Everything that can be wrong before the first order is told here: an unknown key, a pointer that is none, a field that a
//! request does not use, a class that needs a look-up and has none.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use url::Url;

pub(super) use super::request::{need, wrong};
use super::{
    foreseen::TaxRounding,
    request::{Name, Request},
};
use crate::{
    Result,
    config::Secret,
    domain::document::Operation,
    erp::{
        Bulk, Class,
        settings::{duration, some_duration},
    },
};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    /// What every path is appended to.
    pub(super) url: String,
    /// How long one call may take: `"10s"` or whole seconds.
    #[serde(default = "ten_seconds", deserialize_with = "duration")]
    pub(super) timeout: Duration,
    /// How long the ERP can still be at work on a lost call; at least twice the time-out, which is the default.
    #[serde(default, deserialize_with = "some_duration")]
    pub(super) settle: Option<Duration>,
    /// Headers of every request.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// The same, with secrets in them.
    #[serde(default)]
    pub(super) secret_headers: BTreeMap<String, Secret>,
    /// How far the ERP protects itself from a second document with the same reference.
    pub(super) class: Class,
    /// What a bulk call does when one of its documents is refused.
    #[serde(default = "unknown")]
    pub(super) bulk: Bulk,
    /// The most documents in one `create`.
    #[serde(default = "one")]
    pub(super) bulk_limit: usize,
    /// How the ERP rounds the taxes that it computes by itself; none: it books the amounts that it is sent.
    #[serde(default)]
    pub(super) tax_rounding: Option<TaxRounding>,
    /// Template of one order's document.
    pub(super) document: String,
    /// Creates documents.
    pub(super) create: Request,
    /// Changes a sale to what was sold by now.
    #[serde(default)]
    pub(super) amend: Option<Request>,
    /// Cancels a sale.
    #[serde(default)]
    pub(super) cancel: Option<Request>,
    /// Creates the credit note of a refund.
    #[serde(default)]
    pub(super) credit: Option<Request>,
    /// Finds documents by reference.
    #[serde(default)]
    pub(super) look_up: Option<Request>,
    /// Finds credit notes by reference, where `look_up` does not.
    #[serde(default)]
    pub(super) look_up_credits: Option<Request>,
    /// Finds products by SKU.
    #[serde(default)]
    pub(super) products: Option<Request>,
    /// Finds customers by reference.
    #[serde(default)]
    pub(super) find_customers: Option<Request>,
    /// Creates customers.
    #[serde(default)]
    pub(super) customers: Option<Request>,
    /// Takes sales to their final state.
    #[serde(default)]
    pub(super) finish: Option<Request>,
    /// Takes credit notes there.
    #[serde(default)]
    pub(super) finish_credits: Option<Request>,
    /// The words of `look_up.state` (or `create.state`) that need no `finish` any more.
    #[serde(default)]
    pub(super) finished: Vec<String>,
    /// The words of `look_up.state` that say a document was cancelled.
    #[serde(default)]
    pub(super) cancelled: Vec<String>,
    /// Says what is available.
    #[serde(default)]
    pub(super) stock: Option<Request>,
    /// Says whether the ERP can be reached.
    #[serde(default)]
    pub(super) probe: Option<Request>,
}

impl Section {
    /// A request, if it is configured.
    pub(super) fn request(&self, name: Name) -> Option<&Request> {
        match name {
            Name::Create => Some(&self.create),
            Name::Amend => self.amend.as_ref(),
            Name::Cancel => self.cancel.as_ref(),
            Name::Credit => self.credit.as_ref(),
            Name::LookUp => self.look_up.as_ref(),
            Name::LookUpCredits => self.look_up_credits.as_ref(),
            Name::Products => self.products.as_ref(),
            Name::FindCustomers => self.find_customers.as_ref(),
            Name::Customers => self.customers.as_ref(),
            Name::Finish => self.finish.as_ref(),
            Name::FinishCredits => self.finish_credits.as_ref(),
            Name::Stock => self.stock.as_ref(),
            Name::Probe => self.probe.as_ref(),
        }
    }

    /// Every request that is configured, by name.
    pub(super) fn requests(&self) -> impl Iterator<Item = (Name, &Request)> {
        Name::ALL.iter().filter_map(|name| Some((*name, self.request(*name)?)))
    }

    /// The request that does an operation, if it is configured.
    pub(super) fn operation(&self, operation: Operation) -> Option<&Request> {
        self.request(operation.into())
    }

    /// How far the ERP protects itself from doing this twice.
    pub(super) fn class_of(&self, operation: Operation) -> Class {
        self.operation(operation).and_then(|request| request.class).unwrap_or(self.class)
    }

    /// The most documents in one call of an operation.
    pub(super) fn limit(&self, operation: Operation) -> usize {
        match operation {
            Operation::Create => self.bulk_limit,
            _ => self.operation(operation).map_or(1, Request::at_most),
        }
    }

    /// The request that looks the document of an operation up.
    pub(super) fn looks_up(&self, operation: Operation) -> Name {
        let credits = operation == Operation::Credit && self.look_up_credits.is_some();
        if credits { Name::LookUpCredits } else { Name::LookUp }
    }

    /// The request that takes what an operation made to its final state.
    pub(super) fn finishes(operation: Operation) -> Option<Name> {
        match operation {
            Operation::Create | Operation::Amend => Some(Name::Finish),
            Operation::Credit => Some(Name::FinishCredits),
            Operation::Cancel => None,
        }
    }

    /// The base of every path, without a slash at its end.
    pub(super) fn base(&self) -> Result<String> {
        let url = Url::parse(&self.url).map_err(|error| wrong(format!("url: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("url: begins with https:// (or http://) and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("url: has no user, query or fragment; credentials belong into secret_headers"));
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// Everything that does not fit together.
    pub(super) fn check(&self) -> Result<()> {
        for (name, request) in self.requests() {
            request.check(name)?;
        }
        if self.bulk_limit == 0 {
            return Err(wrong("bulk_limit: at least 1"));
        }
        if self.timeout.is_zero() {
            return Err(wrong("timeout: longer than nothing"));
        }
        if self.settle.is_some_and(|settle| settle < self.timeout * 2) {
            return Err(wrong("settle: at least twice the timeout; the ERP may still be at work on a lost call"));
        }
        need(self.create.id.is_some(), "create.id: says where the answer has the new document's id")?;
        self.check_bulk()?;
        self.check_look_up()?;
        self.check_changes()?;
        if let Some(products) = &self.products {
            let complete = products.reference.is_some() && products.id.is_some();
            need(complete, "products: needs reference (where an item has its SKU) and id")?;
        }
        if let Some(customers) = &self.customers {
            need(customers.id.is_some(), "customers.id: says where the answer has the customer's id")?;
            let single = customers.at_most() == 1;
            need(single || customers.reference.is_some(), "customers.reference: needed when at_most is above 1")?;
        }
        if let Some(find) = &self.find_customers {
            need(self.customers.is_some(), "find_customers: needs customers, which creates those not found")?;
            need(find.reference.is_some() && find.id.is_some(), "find_customers: needs reference and id")?;
        }
        self.check_stock()?;
        self.check_finish()
    }

    fn check_stock(&self) -> Result<()> {
        let Some(stock) = &self.stock else { return Ok(()) };
        let complete = stock.reference.is_some() && stock.quantity.is_some();
        need(complete, "stock: needs reference (where an item has its SKU) and quantity")?;
        let words = "stock.reflects: true if a sale lowers what is available as soon as it is made; if false, nothing is published";
        need(stock.reflects.is_some(), words)
    }

    fn check_finish(&self) -> Result<()> {
        for (finish, made_by) in [(Name::Finish, Operation::Create), (Name::FinishCredits, Operation::Credit)] {
            if self.request(finish).is_none() {
                continue;
            }
            let (finish, look_up) = (finish.as_str(), self.looks_up(made_by));
            need(self.operation(made_by).is_some(), &format!("{finish}: needs {}", Name::from(made_by).as_str()))?;
            let known = self.request(look_up).is_none_or(|look_up| look_up.state.is_some());
            let words = format!("{finish}: needs {}.state and finished, the states that are final", look_up.as_str());
            need(known && !self.finished.is_empty(), &words)?;
        }
        Ok(())
    }

    fn check_bulk(&self) -> Result<()> {
        for &operation in Operation::ALL {
            let Some(request) = self.operation(operation).filter(|_| self.limit(operation) > 1) else { continue };
            let name = Name::from(operation).as_str();
            let limit = if operation == Operation::Create { "bulk_limit" } else { "at_most" };
            // One header for many documents would tie the whole batch to the key of one.
            let single = request.idempotency_header.is_none() && request.headers.is_empty();
            let header = if request.headers.is_empty() { "idempotency_header" } else { "headers" };
            need(
                single,
                &format!(
                    "{name}.{header}: covers one document per call, so {limit} must be 1; or put it into each document"
                ),
            )?;
            let told = self.bulk != Bulk::PerItem || request.status.is_some() || request.error.is_some();
            need(
                told,
                &format!("{name}: bulk = \"per_item\" needs status or error, where an item says that it was refused"),
            )?;
        }
        Ok(())
    }

    fn check_look_up(&self) -> Result<()> {
        let Some(look_up) = &self.look_up else {
            return need(
                self.class == Class::Nothing && self.look_up_credits.is_none(),
                "look_up: every class but \"nothing\" needs it; without it a lost answer is never resolved",
            );
        };
        need(self.class != Class::Nothing, "class: an ERP with a look_up is \"searchable\" at least")?;
        for (name, request) in [(Name::LookUp, Some(look_up)), (Name::LookUpCredits, self.look_up_credits.as_ref())] {
            let (name, Some(request)) = (name.as_str(), request) else { continue };
            need(request.reference.is_some() && request.id.is_some(), &format!("{name}: needs reference and id"))?;
            let alike = request.total.is_some() == request.stated_total.is_some();
            need(alike, &format!("{name}: total and stated_total go together"))?;
        }
        // A difference seen in an answer has to be seen again by the look-up: nothing else remembers it.
        for &operation in Operation::ALL {
            let (name, sees) = (Name::from(operation).as_str(), self.looks_up(operation));
            let compares = self.request(sees).is_some_and(|look_up| look_up.total.is_some());
            let compared = self.operation(operation).is_some_and(|request| request.total.is_some());
            let sees = sees.as_str();
            let words = format!(
                "{name}.total: needs {sees}.total and {sees}.stated_total, so that a difference is seen whenever the document is"
            );
            need(!compared || compares, &words)?;
        }
        Ok(())
    }

    /// What changes and credits need so that a lost answer can be resolved.
    fn check_changes(&self) -> Result<()> {
        for operation in [Operation::Amend, Operation::Cancel, Operation::Credit] {
            let asked = self.operation(operation).is_none()
                || self.look_up.is_some()
                || self.class_of(operation) == Class::Nothing;
            let name = Name::from(operation).as_str();
            need(asked, &format!("{name}.class: every class but \"nothing\" needs look_up"))?;
        }
        if let Some(credit) = &self.credit {
            need(credit.id.is_some(), "credit.id: says where the answer has the new document's id")?;
            need(credit.document.is_some(), "credit.document: is missing; the section's document makes sales")?;
        } else {
            need(self.look_up_credits.is_none(), "look_up_credits: needs credit, which makes them")?;
        }
        let look_up = self.look_up.as_ref();
        // The sale is there in any case: its version tells whether it was changed.
        let told = self.amend.is_none() || look_up.is_none_or(|look_up| look_up.version.is_some());
        need(told, "amend: needs look_up.version, which says whether a sale was changed")?;
        let states = look_up.is_some_and(|look_up| look_up.state.is_some());
        let told = self.cancel.is_none() || (states && !self.cancelled.is_empty());
        need(told, "cancel: needs look_up.state and cancelled, the states that say a sale was cancelled")?;
        need(self.cancelled.is_empty() || states, "cancelled: needs look_up.state")?;
        let both = self.cancelled.iter().find(|state| self.finished.contains(state));
        need(both.is_none(), "cancelled: a state cannot be in finished too")
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn unknown() -> Bulk {
    Bulk::Unknown
}

fn one() -> usize {
    1
}
