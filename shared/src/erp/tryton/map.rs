//! A canonical order becomes a `sale.sale`: its books (`booking/books.rs`), for which currency and taxes were resolved, and everything
//! else that a sale says.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    amend::Amendment,
    credit,
    wire::{self, Add, Create, Date, Exact, Quantity},
};
use crate::{
    Error, Result,
    domain::{document::Action, reason::Why},
    erp::{
        Job,
        booking::{
            books::{Books, Line, Refusal},
            items::Label,
            mark, text,
        },
        totals::stored,
    },
};

/// A product, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Product {
    /// Its id.
    pub(super) id: i64,
    /// The unit it is sold in.
    pub(super) unit: i64,
    /// How many decimals a quantity in that unit has.
    pub(super) digits: u32,
    /// Whether it may be sold.
    pub(super) salable: bool,
}

/// Everything else a sale refers to.
pub(super) struct Resolved<'a> {
    /// The web shop's id.
    pub(super) shop: i64,
    /// The company's id.
    pub(super) company: i64,
    /// The warehouse, if one is named.
    pub(super) warehouse: Option<i64>,
    /// The payment term, if one is named.
    pub(super) payment_term: Option<i64>,
    /// The currency's id.
    pub(super) currency: i64,
    /// Products by code.
    pub(super) products: &'a HashMap<String, Product>,
    /// The party.
    pub(super) party: i64,
    /// Where the invoice goes.
    pub(super) invoice_address: i64,
    /// Where the goods go.
    pub(super) shipment_address: i64,
    /// Whether the company invoices what was shipped, once it is.
    pub(super) invoices_shipments: bool,
}

/// What is sent, as JSON text: the values of a new `sale.sale`, or what a sale that is there becomes.
pub(super) fn sale(sale: &Job, books: &Books<'_>, to: &Resolved<'_>) -> Result<String, Refusal> {
    let order = &sale.order;
    let mut lines: Vec<wire::SaleLine> = Vec::new();
    for (own, label) in books.lines.iter().zip(&books.labels) {
        let product = product(label.code, sale, to)?;
        for line in own {
            lines.push(line_of(line, label, product)?);
        }
    }
    let is_credit = credit::of(sale).is_some();
    if let Some(first) = lines.first_mut() {
        first.note = Some(mark::note(&sale.version, if is_credit { -order.total } else { order.total }));
    }
    let header = wire::Header {
        reference: text(Some(&order.number)).unwrap_or_else(|| order.id.to_string()),
        date: Date(order.placed_at.date()),
        currency: to.currency,
        party: to.party,
        invoice_address: to.invoice_address,
        shipment_address: to.shipment_address,
        warehouse: to.warehouse,
        payment_term: to.payment_term,
    };
    if let Action::Amend { document, base } = &sale.step.action {
        let (document, base, version) = (document.clone(), base.clone(), sale.version.clone());
        let to = Amendment { document, base, version, header: wire::raw(&header), lines: wire::raw(&lines) };
        return Ok(String::from(Box::<str>::from(wire::raw(&to))));
    }
    let unshipped = credit::is_left_unshipped(sale);
    let values = wire::Sale {
        company: to.company,
        web_shop: to.shop,
        web_id: sale.step.reference.as_str(),
        header,
        origin: credit::origin(sale),
        shipment_method: unshipped.then_some("manual"),
        // Of what is never shipped there would never be a credit note.
        invoice_method: (unshipped && to.invoices_shipments).then_some("order"),
        lines: Create::new(lines),
    };
    Ok(String::from(Box::<str>::from(wire::raw(&values))))
}

fn line_of(line: &Line, label: &Label<'_>, product: Product) -> Result<wire::SaleLine> {
    let quantity = line.quantity;
    if quantity.normalize().scale() > product.digits {
        let (sku, decimals, quantity) = (label.code.to_owned(), product.digits, stored(quantity));
        return Err(Why::QuantityTooFine { sku, decimals, quantity }.into());
    }
    Ok(wire::SaleLine {
        product: product.id,
        unit: product.unit,
        quantity: Quantity(quantity),
        unit_price: Exact(line.price),
        taxes: Add::new(line.taxes.iter().map(|tax| tax.id).collect()),
        description: label.text.clone(),
        note: None,
    })
}

fn product(code: &str, sale: &Job, to: &Resolved<'_>) -> Result<Product> {
    let sku = || code.to_owned();
    let product = to.products.get(code).ok_or_else(|| Error::from(Why::UnknownArticle { sku: sku() }))?;
    // What is sold no more comes back all the same.
    if !product.salable && credit::of(sale).is_none() {
        return Err(Why::NotForSale { sku: sku() }.into());
    }
    Ok(*product)
}
