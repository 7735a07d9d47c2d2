//! The words a template can use, and where they come from. Pure.
//!
//! What an order may lack is `none` here, never undefined: `{{ order.customer }}` renders `null`, and only a misspelt name, or
//! a field of something that is `none`, is an error.

use std::collections::HashMap;

use minijinja::{Value, context};
use serde::Serialize;

use crate::{
    domain::{
        document::{Action, Document},
        ids::Reference,
        money::Amount,
        order::{Address, Charge, Customer, Discount, Line, Order, Refund, Tax},
    },
    erp::{Job, totals::Balancing},
};

/// What was resolved for a sale.
#[derive(Default)]
pub(super) struct Resolved<'a> {
    /// Product ids by SKU; empty if the section has no `products`.
    pub(super) products: HashMap<&'a str, &'a str>,
    /// The customer's id.
    pub(super) customer: Option<&'a str>,
}

/// The article code the ERP knows a line by: the store's own, unless `orders.sku` names another. A line without one can be
/// given one under the empty name.
pub(super) fn sku<'a>(sale: &'a Job, line: &'a Line) -> Option<&'a str> {
    let own = line.sku.as_deref().filter(|sku| !sku.is_empty());
    sale.rules.sku.get(own.unwrap_or_default()).map(String::as_str).or(own)
}

/// The reference of the sale's customer; guests have none.
pub(super) fn customer_reference(sale: &Job) -> Option<Reference> {
    let id = sale.order.customer.as_ref()?.id.as_deref()?;
    Some(Reference::customer(&sale.key.connection, id))
}

/// Everything a document's template can use.
pub(super) fn document(job: &Job, resolved: &Resolved<'_>, booked: Balancing) -> Value {
    let about = About::of(&job.step.action);
    context! {
        reference => job.step.reference.as_str(),
        version => job.version.to_string(),
        connection => job.key.connection.as_str(),
        customer_id => resolved.customer,
        sale => about.sale.map(target),
        base => about.base,
        refund => about.refund,
        order => order(job, resolved, booked),
    }
}

/// What a step is about, beside its own document. What it is not about is none, so that one template can serve several operations.
#[derive(Default)]
pub(super) struct About<'a> {
    /// The sale that is changed, cancelled or credited.
    pub(super) sale: Option<&'a Document>,
    /// The version that it must carry still.
    pub(super) base: Option<String>,
    /// The store's id of the refund.
    pub(super) refund: Option<&'a str>,
}

impl<'a> About<'a> {
    pub(super) fn of(action: &'a Action) -> Self {
        match action {
            Action::Create => Self::default(),
            Action::Amend { document, base } => {
                Self { sale: Some(document), base: Some(base.to_string()), refund: None }
            }
            Action::Cancel { document } => Self { sale: Some(document), ..Self::default() },
            Action::Credit { refund, sale } => Self { sale: Some(sale), base: None, refund: Some(refund) },
        }
    }
}

/// A document of the ERP.
pub(super) fn target(document: &Document) -> Value {
    context! { id => &document.id, number => &document.number }
}

/// Everything the template of a customer can use.
pub(super) fn buyer(sale: &Job, reference: &Reference) -> Value {
    let order = &sale.order;
    context! {
        reference => reference.as_str(),
        billing => order.billing.as_ref().map(address),
        shipping => order.shipping.as_ref().map(address),
        customer => order.customer.as_ref().map(customer),
    }
}

fn order(sale: &Job, resolved: &Resolved<'_>, booked: Balancing) -> Value {
    let order: &Order = &sale.order;
    context! {
        id => order.id.as_str(),
        number => &order.number,
        placed_at => order.placed_at.to_string(),
        date => order.placed_at.date().to_string(),
        updated_at => order.updated_at.to_string(),
        currency => order.currency.code(),
        channel => &order.channel,
        test => order.test,
        status => word(&order.status),
        payment => word(&order.payment),
        customer => order.customer.as_ref().map(customer),
        billing => order.billing.as_ref().map(address),
        shipping => order.shipping.as_ref().map(address),
        lines => order.lines.iter().map(|of| line(sale, of, resolved)).collect::<Value>(),
        charges => order.charges.iter().map(charge).chain(beside(booked)).collect::<Value>(),
        discounts => order.discounts.iter().map(discount).collect::<Value>(),
        discount => text(order.discounts.iter().map(|of| of.amount).sum()),
        tax_included => order.tax_included,
        tax => text(order.tax),
        total => text(order.total),
        refunds => order.refunds.iter().map(refund).collect::<Value>(),
    }
}

fn line(sale: &Job, line: &Line, resolved: &Resolved<'_>) -> Value {
    let sku = sku(sale, line);
    context! {
        id => &line.id,
        sku => sku,
        product_id => sku.and_then(|sku| resolved.products.get(sku).copied()),
        title => &line.title,
        quantity => text(line.quantity),
        unit_price => text(line.unit_price),
        amount => text(line.amount),
        discounts => line.discounts.iter().map(discount).collect::<Value>(),
        discount => text(line.amount - line.net()),
        net => text(line.net()),
        taxes => line.taxes.iter().map(tax).collect::<Value>(),
        tax => text(line.taxes.iter().map(|of| of.amount).sum()),
        gift_card => line.gift_card,
        restock => line.restock,
    }
}

fn charge(charge: &Charge) -> Value {
    context! {
        kind => word(&charge.kind),
        label => &charge.label,
        amount => text(charge.amount),
        discount => text(charge.amount - charge.net()),
        net => text(charge.net()),
        taxes => charge.taxes.iter().map(tax).collect::<Value>(),
        tax => text(charge.taxes.iter().map(|of| of.amount).sum()),
    }
}

/// What is booked beside the order's own charges, as charges without tax.
fn beside(booked: Balancing) -> impl Iterator<Item = Value> {
    let own = [
        ("rounding", "Rounding of tax, to the store's total", booked.rounding),
        ("adjustment", "Difference to the store's total", booked.adjustment),
    ];
    own.into_iter().filter(|(_, _, amount)| !amount.is_zero()).map(|(kind, label, amount)| {
        let (net, nothing) = (amount.normalize().to_string(), text(Amount::ZERO));
        context! { kind, label, amount => &net, discount => &nothing, net, taxes => Value::from(Vec::<Value>::new()), tax => &nothing }
    })
}

fn discount(discount: &Discount) -> Value {
    context! { label => &discount.label, amount => text(discount.amount) }
}

fn tax(tax: &Tax) -> Value {
    context! { name => &tax.name, rate => tax.rate.map(text), amount => text(tax.amount) }
}

fn refund(refund: &Refund) -> Value {
    context! { id => &refund.id, amount => text(refund.amount), reason => &refund.reason }
}

fn customer(customer: &Customer) -> Value {
    context! {
        id => &customer.id,
        name => &customer.name,
        email => &customer.email,
        phone => &customer.phone,
        tax_id => customer.tax_id.as_ref().map(|id| context! { kind => word(&id.kind), value => &id.value }),
    }
}

fn address(address: &Address) -> Value {
    context! {
        name => &address.name,
        company => &address.company,
        street => &address.street,
        city => &address.city,
        region => &address.region,
        postal_code => &address.postal_code,
        country => &address.country,
        phone => &address.phone,
    }
}

/// An amount is text everywhere: no float between the store's total and the ERP's.
fn text(amount: Amount) -> String {
    amount.to_string()
}

/// The name an enumeration has in JSON.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned()
}

/// An invented order that has everything: every template is tried with it before anything starts.
pub(super) const SAMPLE: &str = r##"{
    "schema": 1, "id": "1001", "number": "#1001", "placed_at": "2026-01-31T22:30:00-03:00",
    "updated_at": "2026-02-01T01:31:00Z", "currency": "EUR", "channel": "web", "status": "open", "payment": "paid",
    "customer": {"id": "7", "name": "Ana Ejemplo", "email": "ana@example.com", "phone": "+34 600 000 000",
        "tax_id": {"kind": "nif", "value": "00000000T"}},
    "billing": {"name": "Ana Ejemplo", "company": "Ejemplo SL", "street": "Calle Mayor 1", "city": "Madrid",
        "region": "Madrid", "postal_code": "28001", "country": "ES", "phone": "+34 600 000 000"},
    "shipping": {"name": "Ana \"Anita\" Ejemplo", "company": "Ejemplo SL", "street": "Calle Mayor 1", "city": "Madrid",
        "region": "Madrid", "postal_code": "28001", "country": "ES", "phone": "+34 600 000 000"},
    "lines": [{"id": "1", "sku": "MATE-01", "title": "Mate", "quantity": "2", "unit_price": "10", "amount": "20",
        "discounts": [{"label": "TEN", "amount": "2"}], "taxes": [{"name": "IVA", "rate": "0.21", "amount": "3.78"}]}],
    "charges": [{"kind": "shipping", "label": "Post", "amount": "5"}],
    "discounts": [{"label": "WELCOME", "amount": "1"}],
    "tax": "3.78", "total": "25.78",
    "refunds": [{"id": "1", "amount": "1", "reason": "late"}]
}"##;
