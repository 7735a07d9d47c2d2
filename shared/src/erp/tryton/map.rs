//! A canonical order becomes a `sale.sale`, in two pure steps: its books, for which currency and taxes are resolved, and the
//! sale, for which everything is.
//!
//! Invariant: the sale that Tryton will compute has the store's total to the minor unit, or there is no sale. What rounding
//! explains stands on a line of its own, on the product `products.rounding`; nothing else ever stands there.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Codes,
    amend::Amendment,
    books::{self, Item, Rounding, Tax},
    credit, mark,
    wire::{self, Add, Create, Date, Exact, Quantity},
};
use crate::{
    Error, Result,
    domain::{
        document::Action,
        money::Amount,
        order::{self, Order},
        reason::{Mismatch, TaxedLine, Why},
        rounding::{Rounded, difference},
    },
    erp::{
        Job,
        totals::{Balancing, settle, stored},
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

/// What the books of a sale rest on.
#[derive(Clone, Copy)]
pub(super) struct Rates<'a> {
    /// How amounts of its currency are rounded.
    pub(super) rounding: Rounding,
    /// Taxes by the name or id in the configuration.
    pub(super) taxes: &'a HashMap<String, Tax>,
    /// Which of Tryton's taxes stands for a store's: by the store's name or rate.
    pub(super) names: &'a HashMap<String, String>,
    /// The products that stand for charges.
    pub(super) codes: &'a Codes,
    /// The part of the configuration that names all this, such as `erp.main`.
    pub(super) place: &'a str,
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

/// The lines of a sale that will come to the store's total.
pub(super) struct Books<'a> {
    /// Usually one for each label.
    lines: Vec<Vec<books::Line>>,
    labels: Vec<Label<'a>>,
    booked: Balancing,
}

/// Why there is no sale.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The words.
    pub(super) error: Error,
    /// Tryton's total would differ: how it rounds is part of the reason.
    pub(super) books: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, books: false }
    }
}

/// What a line of the sale says beside its money.
struct Label<'a> {
    /// The product's code.
    code: &'a str,
    text: String,
    /// The tax that the store states.
    stated: Decimal,
}

/// The codes of all products an order may need, the store's article codes translated.
#[must_use]
pub(super) fn codes_of<'a>(sale: &'a Job, codes: &'a Codes) -> Vec<&'a str> {
    let lines = sale.order.lines.iter().filter_map(|line| code_of(sale, line, codes));
    let charges =
        sale.order.charges.iter().filter(|charge| !is_nothing(charge)).filter_map(|charge| codes.of(charge.kind));
    let others = [&codes.discount, &codes.rounding, &codes.adjustment];
    lines.chain(charges).chain(others.into_iter().filter_map(|code| code.as_deref())).collect()
}

/// The names in the configuration of all of Tryton's taxes an order needs.
#[must_use]
pub(super) fn taxes_of<'a>(order: &Order, names: &'a HashMap<String, String>) -> Vec<&'a str> {
    let lines = order.lines.iter().flat_map(|line| &line.taxes);
    let charges = order.charges.iter().flat_map(|charge| &charge.taxes);
    lines.chain(charges).filter_map(|tax| tax_name(tax, names)).collect()
}

/// The lines for everything the buyer pays for, and for what rounding leaves.
pub(super) fn books<'a>(sale: &'a Job, rates: Rates<'a>) -> Result<Books<'a>, Refusal> {
    let order = &sale.order;
    let (items, mut labels) = items(sale, rates)?;
    if items.is_empty() {
        return Err(Error::from(Why::NoLines).into());
    }
    let (included, rounding) = (order.tax_included, rates.rounding);
    let mut lines = books::lines(&items, included, rounding);
    let sum = |lines: &[Vec<books::Line>]| {
        books::total(&lines.concat(), rounding).map_err(|books::NeverAnswers| Error::from(Why::TaxesTooSmall))
    };
    let foreseen = sum(&lines)?;
    if included {
        check_tax(order, &items, foreseen.tax, rounding)?;
    }
    // What the store's own books miss is judged by itself.
    let parts = (order.total - order.proof().difference).decimal();
    let store = Rounded { total: parts, roundings: books::roundings_of_store(&items, included) };
    let tryton =
        Rounded { total: foreseen.total(), roundings: books::roundings_of_tryton(&items, &lines, included, rounding) };
    let differs = difference(books::exact(&items, included), store, tryton, rounding.step);
    let told = || differing(order, &items, &labels, foreseen);
    let booked = settle(sale, differs, told).map_err(|error| Refusal { error, books: true })?;
    let own = [
        (booked.rounding, &rates.codes.rounding, "rounding", "Rounding of tax, to the store's total"),
        (booked.adjustment, &rates.codes.adjustment, "adjustment", "Difference to the store's total"),
    ];
    for (amount, code, key, text) in own.into_iter().filter(|(amount, ..)| !amount.is_zero()) {
        let code = code.as_deref().ok_or_else(|| {
            let (key, section) = (key.to_owned(), rates.place.to_owned());
            let (currency, difference) = (order.currency, stored(amount));
            Error::from(Why::DifferenceProductNotSet { key, section, currency, difference })
        })?;
        lines.push(vec![books::Line { quantity: Decimal::ONE, price: amount, taxes: Vec::new() }]);
        labels.push(Label { code, text: text.to_owned(), stated: Decimal::ZERO });
    }
    for line in lines.iter_mut().flatten() {
        line.quantity = credit::signed(sale, line.quantity);
    }
    // A credit note comes to what its order does, below zero.
    if sum(&lines)?.total() != credit::signed(sale, order.total.decimal()) {
        let difference = stored(order.total.decimal() - foreseen.total());
        return Err(Error::from(Why::NotExact { difference }).into());
    }
    Ok(Books { lines, labels, booked })
}

impl Books<'_> {
    /// The codes of the products of its lines.
    pub(super) fn codes(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(|label| label.code)
    }

    /// What stands on lines of its own, for the order's timeline.
    pub(super) fn remark(&self, currency: &str) -> Option<String> {
        self.booked.remark(currency)
    }
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
        reference: wire::text(Some(&order.number)).unwrap_or_else(|| order.id.to_string()),
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

fn line_of(line: &books::Line, label: &Label<'_>, product: Product) -> Result<wire::SaleLine> {
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

/// Everything the buyer pays for, with its product: lines, charges, and the discounts that belong to none of them.
fn items<'a>(sale: &'a Job, rates: Rates<'a>) -> Result<(Vec<Item>, Vec<Label<'a>>)> {
    let order = &sale.order;
    let mut items = Vec::new();
    let mut labels = Vec::new();
    let stated = |taxes: &[order::Tax]| taxes.iter().map(|tax| tax.amount).sum::<Amount>().decimal();
    let missing = |key: &str| Error::from(Why::ProductNotSet { key: key.to_owned(), section: rates.place.to_owned() });
    for line in &order.lines {
        let in_money = credit::in_money(sale, line);
        let code = code_of(sale, line, rates.codes).ok_or_else(|| {
            if in_money {
                return missing("refund");
            }
            let key = if line.gift_card { "gift_card" } else { "custom" };
            Error::from(Why::NoArticleCode { line: line.id.clone(), key: key.to_owned() })
        })?;
        let quantity = line.quantity.decimal();
        if quantity.is_zero() {
            if line.net().is_zero() {
                // Removed from the order after it was placed.
                continue;
            }
            return Err(Why::NoQuantity { line: line.id.clone() }.into());
        }
        let text = described(&line.title, &line.discounts);
        let (quantity, text) =
            if in_money { (Decimal::ONE, format!("{} × {text}", line.quantity)) } else { (quantity, text) };
        items.push(Item { quantity, amount: line.net().decimal(), taxes: taxes(&line.taxes, line.net(), rates)? });
        labels.push(Label { code, text, stated: stated(&line.taxes) });
    }
    for charge in order.charges.iter().filter(|charge| !is_nothing(charge)) {
        let code = rates.codes.of(charge.kind).ok_or_else(|| missing(Codes::key(charge.kind)))?;
        let taxes = taxes(&charge.taxes, charge.net(), rates)?;
        items.push(Item { quantity: Decimal::ONE, amount: charge.net().decimal(), taxes });
        labels.push(Label { code, text: described(&charge.label, &charge.discounts), stated: stated(&charge.taxes) });
    }
    for discount in order.discounts.iter().filter(|discount| !discount.amount.is_zero()) {
        let code = rates.codes.discount.as_deref().ok_or_else(|| missing("discount"))?;
        items.push(Item { quantity: Decimal::ONE, amount: (-discount.amount).decimal(), taxes: Vec::new() });
        labels.push(Label { code, text: described(&discount.label, &[]), stated: Decimal::ZERO });
    }
    Ok((items, labels))
}

/// The code of the product a line stands for.
fn code_of<'a>(sale: &'a Job, line: &'a order::Line, codes: &'a Codes) -> Option<&'a str> {
    if credit::in_money(sale, line) {
        return codes.refund.as_deref();
    }
    match line.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty()) {
        Some(sku) => Some(sale.rules.sku.get(sku).map_or(sku, String::as_str)),
        None if line.gift_card => codes.gift_card.as_deref(),
        None => codes.custom.as_deref(),
    }
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

/// A charge that neither costs anything nor is taxed, such as free shipping.
fn is_nothing(charge: &order::Charge) -> bool {
    charge.net().is_zero() && charge.taxes.iter().all(|tax| tax.amount.is_zero())
}

fn described(title: &str, discounts: &[order::Discount]) -> String {
    let mut text = wire::text(Some(title)).unwrap_or_default();
    for discount in discounts.iter().filter(|discount| !discount.amount.is_zero()) {
        let label = wire::text(Some(&discount.label)).unwrap_or_default();
        text = format!("{text}\n{label} (-{})", discount.amount);
    }
    text
}

/// Which name in the configuration stands for a store's tax: that of its name, else that of its rate.
fn tax_name<'a>(tax: &order::Tax, names: &'a HashMap<String, String>) -> Option<&'a str> {
    let by_rate = || {
        let rate = tax.rate?;
        names.iter().find(|(key, _)| Amount::parse(key).is_ok_and(|known| known == rate)).map(|(_, name)| name)
    };
    names.get(tax.name.trim()).or_else(by_rate).map(String::as_str)
}

/// Tryton's taxes for a store's, sorted as Tryton applies them. `net` is what they are charged on.
fn taxes(stated: &[order::Tax], net: Amount, rates: Rates<'_>) -> Result<Vec<Tax>> {
    let mut taxes = Vec::new();
    for tax in stated {
        let charged = !tax.amount.is_zero();
        // Stated but not charged: exempt. What only rounds to nothing is charged all the same.
        let exempt = !charged
            && tax.rate.is_none_or(|rate| {
                rate.is_zero()
                    || !rates.rounding.round(net.decimal() * rate.decimal() / (Decimal::ONE + rate.decimal())).is_zero()
            });
        if exempt {
            continue;
        }
        let Some(name) = tax_name(tax, rates.names) else {
            let rate = tax.rate.map(|rate| rate.to_string());
            return Err(Why::UnknownTax { tax: tax.name.clone(), rate }.into());
        };
        let known = rates.taxes.get(name).ok_or_else(|| Error::from(Why::TaxNotUsable { tax: name.to_owned() }))?;
        if !taxes.contains(known) {
            taxes.push(known.clone());
        }
    }
    taxes.sort();
    Ok(taxes)
}

/// Where prices contain their tax the total says nothing about the tax: it is compared by itself, a rounding step per taxed
/// line apart.
fn check_tax(order: &Order, items: &[Item], foreseen: Decimal, rounding: Rounding) -> Result<()> {
    let taxed = items.iter().filter(|item| !item.taxes.is_empty()).count();
    let tolerance = rounding.step * Decimal::from(taxed.max(1));
    let difference = order.tax.decimal() - foreseen;
    if difference.abs() <= tolerance {
        return Ok(());
    }
    Err(Why::TaxDiffers { currency: order.currency, store: order.tax, erp: stored(foreseen) }.into())
}

/// What differs, for the person who has to look: both totals, and the line whose tax is furthest from Tryton's.
fn differing(order: &Order, items: &[Item], labels: &[Label<'_>], foreseen: books::Total) -> Mismatch {
    let off = |(item, label): &(&Item, &Label<'_>)| (label.stated - item.tax()).abs();
    let furthest = items.iter().zip(labels).max_by_key(off).filter(|pair| !order.tax_included && !off(pair).is_zero());
    let line = furthest.map(|(item, label)| TaxedLine {
        sku: label.code.to_owned(),
        store: stored(label.stated),
        erp: stored(item.tax().round_dp(books::PRICE_DECIMALS)),
    });
    Mismatch::Total { store: order.total, erp: stored(foreseen.total()), line }
}
