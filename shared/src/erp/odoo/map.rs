//! A canonical order becomes the rows of a `sale.order`, a refund those of an `account.move`: its books (`booking/books.rs`), for which
//! taxes were resolved, and everything else that the document says. Every cell of a load is text, so that amounts keep their digits.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    credit,
    customer::Addressees,
    names,
    wire::{Edition, raw},
};
use crate::{
    Error, Result,
    domain::{
        document::{Action, Document},
        reason::Why,
        version::Version,
    },
    erp::{
        Job,
        booking::{
            books::{Books, Line},
            items::Label,
            mark, text,
        },
        totals::stored,
    },
};

/// The decimals of a quantity, unless an administrator changed them.
const QUANTITY_DECIMALS: u32 = 2;

/// A product, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Product {
    /// Its id.
    pub(super) id: i64,
    /// Whether it may be sold.
    pub(super) salable: bool,
}

/// Everything that a document refers to.
pub(super) struct Resolved<'a> {
    pub(super) edition: Edition,
    pub(super) company: i64,
    /// The pricelist that decides its currency, if one does.
    pub(super) pricelist: Option<i64>,
    pub(super) products: &'a HashMap<String, Option<Product>>,
    /// What the configuration names for every order, by column.
    pub(super) fixed: &'a [(&'static str, String)],
    pub(super) to: Addressees,
    /// The invoice that a credit note is about, if there is one.
    pub(super) invoice: Option<i64>,
}

/// The body of a draft: what is loaded.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body {
    /// The version that the document will carry.
    pub(super) version: Version,
    /// Its total.
    pub(super) total: String,
    /// Its currency.
    pub(super) currency: String,
    /// Of a sale that is there: which, and the version it must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amends: Option<(Document, Version)>,
    /// The columns.
    pub(super) fields: Vec<String>,
    /// The rows, the first with what is no line's.
    pub(super) rows: Vec<Vec<String>>,
}

/// What is sent, as JSON text.
pub(super) fn draft(job: &Job, books: &Books<'_>, to: &Resolved<'_>) -> Result<String> {
    let mut lines = Vec::new();
    for (own, label) in books.lines.iter().zip(&books.labels) {
        let product = product(job, label.code, to)?;
        for (at, line) in own.iter().enumerate() {
            // With the article: Odoo lets no line of a confirmed order become another one.
            let key = format!("{} {} {at}", label.key, label.code);
            lines.push(cells(job, line, label, (product, &key))?);
        }
    }
    let order = &job.order;
    let amends = match &job.step.action {
        Action::Amend { document, base } => Some((document.clone(), base.clone())),
        _ => None,
    };
    let header = match (&amends, credit::of(job)) {
        (Some(_), _) => vec![("origin", origin(job))],
        (None, None) => sale(job, to),
        (None, Some(sale)) => credit_note(job, sale, to),
    };
    let lines_of = if credit::of(job).is_some() { "invoice_line_ids" } else { "order_line" };
    let quantity = if credit::of(job).is_some() { "quantity" } else { "product_uom_qty" };
    let taxes = if to.edition.is_19() || credit::of(job).is_some() { "tax_ids/.id" } else { "tax_id/.id" };
    let of_line = ["id", "product_id/.id", quantity, "price_unit", taxes, "name"];
    let fields = std::iter::once("id".to_owned())
        .chain(header.iter().map(|(column, _)| (*column).to_owned()))
        .chain(of_line.iter().map(|column| format!("{lines_of}/{column}")))
        .collect();
    let blank = vec![String::new(); header.len() + 1];
    let first = std::iter::once(names::external(&job.step.reference)).chain(header.into_iter().map(|(_, cell)| cell));
    let first: Vec<String> = first.collect();
    let rows = lines.into_iter().enumerate().map(|(at, line)| {
        let own = if at == 0 { first.clone() } else { blank.clone() };
        own.into_iter().chain(line).collect()
    });
    let body = Body {
        version: job.version.clone(),
        total: order.total.to_string(),
        currency: order.currency.code().to_owned(),
        amends,
        fields,
        rows: rows.collect(),
    };
    Ok(raw(&body).get().to_owned())
}

/// What a sale says beside its lines.
fn sale(job: &Job, to: &Resolved<'_>) -> Vec<(&'static str, String)> {
    let mut header = vec![
        ("partner_id/.id", to.to.customer.to_string()),
        ("partner_invoice_id/.id", to.to.invoice.to_string()),
        ("partner_shipping_id/.id", to.to.delivery.to_string()),
        ("client_order_ref", job.step.reference.to_string()),
        ("origin", origin(job)),
        ("date_order", moment(job)),
        ("company_id/.id", to.company.to_string()),
        ("pricelist_id/.id", to.pricelist.map(|id| id.to_string()).unwrap_or_default()),
    ];
    header.extend(to.fixed.iter().map(|(column, cell)| (*column, cell.clone())));
    header
}

/// What a credit note says beside its lines.
fn credit_note(job: &Job, sale: &Document, to: &Resolved<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("move_type", "out_refund".to_owned()),
        ("partner_id/.id", to.to.invoice.to_string()),
        ("ref", job.step.reference.to_string()),
        ("invoice_origin", format!("{} {}", origin(job), sale.name())),
        ("company_id/.id", to.company.to_string()),
        ("currency_id", job.order.currency.code().to_owned()),
        ("reversed_entry_id/.id", to.invoice.map(|id| id.to_string()).unwrap_or_default()),
    ]
}

/// Our mark, and the number that people in the shop use.
fn origin(job: &Job) -> String {
    let number = text(Some(&job.order.number)).unwrap_or_default();
    format!("{} {number}", mark::note(&job.version, job.order.total)).trim_end().to_owned()
}

/// When the order was placed, in UTC, as Odoo reads it.
fn moment(job: &Job) -> String {
    job.order.placed_at.at().to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn cells(job: &Job, line: &Line, label: &Label<'_>, (product, key): (Product, &str)) -> Result<Vec<String>> {
    let quantity = line.quantity.normalize();
    if quantity.scale() > QUANTITY_DECIMALS {
        let (sku, decimals) = (label.code.to_owned(), QUANTITY_DECIMALS);
        return Err(Why::QuantityTooFine { sku, decimals, quantity: stored(quantity) }.into());
    }
    let taxes: Vec<String> = line.taxes.iter().map(|tax| tax.id.to_string()).collect();
    Ok(vec![
        names::part(&job.step.reference, key),
        product.id.to_string(),
        quantity.to_string(),
        line.price.normalize().to_string(),
        // An empty cell is no tax; without the column Odoo would take the article's own.
        taxes.join(","),
        label.text.clone(),
    ])
}

fn product(job: &Job, code: &str, to: &Resolved<'_>) -> Result<Product> {
    let known = to.products.get(code).ok_or_else(|| Error::from(Why::UnknownArticle { sku: code.to_owned() }))?;
    let product = known.ok_or_else(|| Error::from(Why::FoundTwice { name: code.to_owned() }))?;
    // What is sold no more comes back all the same.
    if !product.salable && credit::of(job).is_none() {
        return Err(Why::NotForSale { sku: code.to_owned() }.into());
    }
    Ok(product)
}
