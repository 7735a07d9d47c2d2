//! Everything rendered once with an invented order and an invented refund of it: a misspelt field is told now, not by the first
//! order of the day.

use std::sync::Arc;

use jiff::SignedDuration;
use minijinja::context;
use rust_decimal::Decimal;

use super::{
    Rest,
    config::wrong,
    look_up::finishing,
    map::{self, Resolved},
    prepare::{self, wanted},
    request::{Name, Request},
    send, stock,
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Action, Document, Operation, Step},
        goods::Place,
        ids::{ConnectionId, OrderKey},
        money::Amount,
        order::{Order, Refund, Returned},
        rules::Rules,
        version::Version,
    },
    erp::{Class, Draft, Job, totals::Balancing},
    outbound::Call,
};

/// A rounding to try the templates with.
const MORE_THAN_EVER: Decimal = Decimal::TEN;

impl Rest {
    /// Renders every request.
    pub(super) fn try_templates(&self) -> Result<()> {
        let sale = sample(Operation::Create)?;
        let reference = sale.step.reference.as_str();
        let buyer = map::customer_reference(&sale).unwrap_or_else(|| sale.step.reference.clone());
        for (name, request) in self.section.requests() {
            let data = match name {
                Name::Create => self.try_operation(Operation::Create)?,
                Name::Amend => self.try_operation(Operation::Amend)?,
                Name::Cancel => self.try_operation(Operation::Cancel)?,
                Name::Credit => self.try_operation(Operation::Credit)?,
                Name::LookUp | Name::LookUpCredits | Name::FindCustomers => {
                    wanted("references", "reference", &[reference])
                }
                Name::Products => wanted("skus", "sku", &["MATE-01"]),
                Name::Customers => prepare::buyers(&[map::buyer(&sale, &buyer)]),
                Name::Finish | Name::FinishCredits => finishing(&[document()]),
                Name::Stock => self.try_stock(request)?,
                Name::Probe => context! {},
            };
            let rendered = self.call(name, request, &data, None);
            rendered.map_err(|error| wrong(format!("tried with a sample order, {error}")))?;
        }
        Ok(())
    }

    /// What `stock` is tried with, where it was tried with nothing at all: a count of everything.
    fn try_stock(&self, request: &Request) -> Result<minijinja::Value> {
        let nothing = stock::asking(&Place::of(&[])?, None, &[], None);
        let rendered = self.call(Name::Stock, request, &nothing, None);
        rendered.map_err(|error| wrong(format!("tried with a count of everything, {error}")))?;
        Ok(stock::asking(&Place::of(&["Main".to_owned()])?, Some("1"), &["MATE-01".parse()?], Some("1")))
    }

    fn try_operation(&self, operation: Operation) -> Result<minijinja::Value> {
        send::data(&[self.trial(&sample(operation)?, Balancing::default())?])
    }

    fn trial(&self, job: &Job, booked: Balancing) -> Result<Draft> {
        match job.step.operation() {
            Operation::Cancel => Self::bare(job),
            Operation::Create | Operation::Amend | Operation::Credit => self.draft(job, &Resolved::trial(), booked),
        }
    }

    /// Sees whose document is another one with a charge of rounding.
    pub(super) fn try_rounding(&mut self) -> Result<()> {
        let some = Balancing { rounding: MORE_THAN_EVER, adjustment: Decimal::ZERO };
        for operation in [Operation::Create, Operation::Amend, Operation::Credit] {
            if self.section.operation(operation).is_none() {
                continue;
            }
            let job = sample(operation)?;
            if self.trial(&job, some)?.body != self.trial(&job, Balancing::default())?.body {
                self.carries_rounding.push(operation);
            } else if self.section.tax_rounding.is_some() {
                return Err(wrong(format!(
                    "tax_rounding: {} needs a `document` that goes through all of order.charges, where rounding stands",
                    operation.as_str()
                )));
            }
        }
        Ok(())
    }

    /// Sees whether a change says what it is a change of: a call that lands late would else put an older content over a newer one.
    pub(super) fn try_base(&self) -> Result<()> {
        let Some(request) = &self.section.amend else { return Ok(()) };
        let of = |seconds| -> Result<Call> {
            let mut job = sample(Operation::Amend)?;
            let older = earlier(&job.version, seconds);
            if let Action::Amend { base, .. } = &mut job.step.action {
                *base = older;
            }
            self.call(Name::Amend, request, &send::data(&[self.trial(&job, Balancing::default())?])?, None)
        };
        let (one, other) = (of(1)?, of(2)?);
        if (one.url, one.headers, one.body) != (other.url, other.headers, other.body) {
            return Ok(());
        }
        match self.section.class_of(Operation::Amend) {
            Class::Key | Class::Unique => Err(wrong(
                "amend.class: \"key\" and \"unique\" need a request that carries {{ base }}, the version that the sale must carry \
                 still: as an expected version, or in amend.headers as If-Match. Where the ERP changes a sale whatever it \
                 carries, the class is \"searchable\"",
            )),
            Class::Searchable if self.section.settle.is_none() => Err(wrong(
                "settle: amend carries no {{ base }}, so that a call which lands late would put an older content over a newer one: \
                 say how long the ERP can still be at work on a call, or leave amend out",
            )),
            Class::Searchable | Class::Nothing => Ok(()),
        }
    }
}

/// An invented job.
pub(super) fn sample(operation: Operation) -> Result<Job> {
    let broken = |error: Error| Error::new(Kind::Bug, "the sample order cannot be used").caused_by(error);
    let order: Order = serde_json::from_str(map::SAMPLE)
        .map_err(|error| Error::new(Kind::Bug, "the sample order cannot be read").caused_by(error))?;
    let key = OrderKey::new(ConnectionId::try_from("acme-shop".to_owned())?, order.id.clone());
    let version = order.version();
    let action = match operation {
        Operation::Create => Action::Create,
        Operation::Amend => Action::Amend { document: document(), base: earlier(&version, 1) },
        Operation::Cancel => Action::Cancel { document: document() },
        Operation::Credit => Action::Credit { refund: "1".to_owned(), sale: document() },
    };
    let (reference, order) = match operation {
        Operation::Credit => (key.credit("1"), order.credit(&refund(&order)).map_err(|why| broken(why.into()))?),
        Operation::Create | Operation::Amend | Operation::Cancel => (key.sale(), order),
    };
    let step = Step { action, reference };
    Ok(Job { step, version, key, order: Arc::new(order), rules: Arc::new(Rules::default()) })
}

/// A refund of the first line.
fn refund(order: &Order) -> Refund {
    let lines: Vec<Returned> = order
        .lines
        .iter()
        .take(1)
        .map(|line| Returned {
            line: line.id.clone(),
            quantity: line.quantity,
            amount: line.net(),
            taxes: line.taxes.clone(),
            restock: true,
        })
        .collect();
    let given = |line: &Returned| line.amount + line.taxes.iter().map(|tax| tax.amount).sum();
    let amount: Amount = lines.iter().map(given).sum();
    Refund { lines, ..Refund::new("1", amount) }
}

fn document() -> Document {
    Document { id: "1".to_owned(), number: Some("S1".to_owned()) }
}

fn earlier(version: &Version, seconds: i64) -> Version {
    Version { modified: version.modified - SignedDuration::from_secs(seconds), ..version.clone() }
}
