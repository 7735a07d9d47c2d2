//! A canonical order becomes a `sale.sale`: pure, everything is resolved already.
//!
//! Invariant: the sale that Tryton will compute has the store's total to the minor unit, or there is no sale.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Codes,
    books::{self, Item, Rounding, Tax},
    wire::{self, Add, Create, Date, Exact, Quantity},
};
use crate::{
    Error, Kind, Result,
    config::Mismatch,
    domain::{
        money::Amount,
        order::{self, ChargeKind, Order},
    },
    erp::Sale,
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

/// Everything a sale refers to.
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
    /// How its amounts are rounded.
    pub(super) rounding: Rounding,
    /// Products by code.
    pub(super) products: &'a HashMap<String, Product>,
    /// Taxes by the name or id in the configuration.
    pub(super) taxes: &'a HashMap<String, Tax>,
    /// Which of Tryton's taxes stands for a store's: by the store's name or rate.
    pub(super) tax_names: &'a HashMap<String, String>,
    /// The products that stand for charges.
    pub(super) codes: &'a Codes,
    /// The party.
    pub(super) party: i64,
    /// Where the invoice goes.
    pub(super) invoice_address: i64,
    /// Where the goods go.
    pub(super) shipment_address: i64,
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
struct Label {
    product: Product,
    text: String,
}

/// The first word of the note on a sale's first line: our version and the total it must have. The note of a line is printed on
/// no document of Tryton's.
const MARK: &str = "puente";

/// The note.
#[must_use]
pub(super) fn note(version: &crate::domain::version::Version, total: Amount) -> String {
    format!("{MARK} {version} {total}")
}

/// The version and the total in a note of ours.
#[must_use]
pub(super) fn read_note(note: &str) -> Option<(crate::domain::version::Version, Decimal)> {
    let mut words = note.split_whitespace();
    let ours = words.next()? == MARK;
    let version = words.next()?.parse().ok()?;
    let total = Amount::parse(words.next()?).ok()?.decimal();
    ours.then_some((version, total))
}

/// The codes of all products an order needs, the store's article codes translated.
#[must_use]
pub(super) fn codes_of<'a>(sale: &'a Sale, codes: &'a Codes) -> Vec<&'a str> {
    let lines = sale.order.lines.iter().filter_map(|line| code_of(sale, line, codes));
    let charges =
        sale.order.charges.iter().filter(|charge| !is_nothing(charge)).filter_map(|charge| codes.of(charge.kind));
    let discounts = (!sale.order.discounts.is_empty()).then_some(codes.discount.as_deref()).flatten();
    let adjustment = (sale.rules.total_mismatch == Mismatch::Adjust).then_some(codes.adjustment.as_deref()).flatten();
    lines.chain(charges).chain(discounts).chain(adjustment).collect()
}

/// The names in the configuration of all of Tryton's taxes an order needs.
#[must_use]
pub(super) fn taxes_of<'a>(order: &Order, names: &'a HashMap<String, String>) -> Vec<&'a str> {
    let lines = order.lines.iter().flat_map(|line| &line.taxes);
    let charges = order.charges.iter().flat_map(|charge| &charge.taxes);
    lines.chain(charges).filter_map(|tax| tax_name(tax, names)).collect()
}

/// The sale, as the JSON text of `sale.sale`'s values.
pub(super) fn sale(sale: &Sale, to: &Resolved<'_>) -> Result<String, Refusal> {
    let order = &sale.order;
    let (items, labels) = items(sale, to)?;
    if items.is_empty() {
        return Err(refused("it has no lines").into());
    }
    let mut groups = books::lines(&items, order.tax_included, to.rounding);
    let mut labels = labels;
    let sum = |groups: &[Vec<books::Line>]| {
        books::total(&groups.concat(), to.rounding).map_err(|books::NeverAnswers| {
            refused(
                "Tryton 8.0 never comes to an end with two taxes that both round to nothing on so small an amount: book \
                 this order by hand",
            )
        })
    };
    let foreseen = sum(&groups)?;
    if order.tax_included {
        check_tax(order, &items, foreseen.tax, to.rounding)?;
    }
    let difference = order.total.decimal() - foreseen.total();
    if !difference.is_zero() {
        let product = adjustment(sale, to, difference, foreseen).map_err(|error| Refusal { error, books: true })?;
        groups.push(vec![books::Line { quantity: Decimal::ONE, price: difference, taxes: Vec::new() }]);
        labels.push(Label { product, text: "Difference to the store's total".to_owned() });
        if sum(&groups)?.total() != order.total.decimal() {
            return Err(refused(format!("the difference {difference} cannot be booked exactly in Tryton")).into());
        }
    }
    let mut lines: Vec<wire::SaleLine> = Vec::new();
    for (group, label) in groups.into_iter().zip(&labels) {
        lines.extend(group.iter().map(|line| line_of(line, label)));
    }
    if let Some(first) = lines.first_mut() {
        first.note = Some(note(&sale.version, order.total));
    }
    let values = wire::Sale {
        company: to.company,
        web_shop: to.shop,
        web_id: sale.reference.as_str(),
        reference: wire::text(Some(&order.number)).unwrap_or_else(|| order.id.to_string()),
        date: Date(order.placed_at.date()),
        currency: to.currency,
        party: to.party,
        invoice_address: to.invoice_address,
        shipment_address: to.shipment_address,
        warehouse: to.warehouse,
        payment_term: to.payment_term,
        lines: Create::new(lines),
    };
    Ok(String::from(Box::<str>::from(wire::raw(&values))))
}

fn line_of(line: &books::Line, label: &Label) -> wire::SaleLine {
    wire::SaleLine {
        product: label.product.id,
        unit: label.product.unit,
        quantity: Quantity(line.quantity),
        unit_price: Exact(line.price),
        taxes: Add::new(line.taxes.iter().map(|tax| tax.id).collect()),
        description: label.text.clone(),
        note: None,
    }
}

/// Everything the buyer pays for, with its product: lines, charges, and the discounts that belong to none of them.
fn items(sale: &Sale, to: &Resolved<'_>) -> Result<(Vec<Item>, Vec<Label>)> {
    let order = &sale.order;
    let mut items = Vec::new();
    let mut labels = Vec::new();
    for line in &order.lines {
        let code = code_of(sale, line, to.codes).ok_or_else(|| {
            let key = if line.gift_card { "gift_card" } else { "custom" };
            refused(format!("line {} has no article code: name a product for such lines as `products.{key}`", line.id))
        })?;
        let product = product(code, to)?;
        let quantity = line.quantity.decimal();
        if quantity.is_zero() {
            if line.net().is_zero() {
                // Removed from the order after it was placed.
                continue;
            }
            return Err(refused(format!("line {} costs something without a quantity", line.id)));
        }
        if quantity.normalize().scale() > product.digits {
            return Err(refused(format!(
                "Tryton sells {code} with {} decimals and the order has a quantity of {quantity}: change the product's unit",
                product.digits
            )));
        }
        items.push(Item { quantity, amount: line.net().decimal(), taxes: taxes(&line.taxes, line.net(), to)? });
        labels.push(Label { product, text: described(&line.title, &line.discounts) });
    }
    for charge in order.charges.iter().filter(|charge| !is_nothing(charge)) {
        let key = Codes::key(charge.kind);
        let code = to.codes.of(charge.kind).ok_or_else(|| unnamed(key))?;
        let taxes = taxes(&charge.taxes, charge.net(), to)?;
        items.push(Item { quantity: Decimal::ONE, amount: charge.net().decimal(), taxes });
        labels.push(Label { product: product(code, to)?, text: described(&charge.label, &charge.discounts) });
    }
    for discount in order.discounts.iter().filter(|discount| !discount.amount.is_zero()) {
        let code = to.codes.discount.as_deref().ok_or_else(|| unnamed("discount"))?;
        items.push(Item { quantity: Decimal::ONE, amount: (-discount.amount).decimal(), taxes: Vec::new() });
        labels.push(Label { product: product(code, to)?, text: described(&discount.label, &[]) });
    }
    Ok((items, labels))
}

/// The code of the product a line stands for.
fn code_of<'a>(sale: &'a Sale, line: &'a order::Line, codes: &'a Codes) -> Option<&'a str> {
    match line.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty()) {
        Some(sku) => Some(sale.rules.sku.get(sku).map_or(sku, String::as_str)),
        None if line.gift_card => codes.gift_card.as_deref(),
        None => codes.custom.as_deref(),
    }
}

fn product(code: &str, to: &Resolved<'_>) -> Result<Product> {
    let product = to.products.get(code).ok_or_else(|| {
        refused(format!(
            "Tryton has no product with the code {code}: create it there, or map the store's code to another with \
             `orders.sku`, then replay"
        ))
    })?;
    if !product.salable {
        return Err(refused(format!("the product {code} is not marked as salable in Tryton: mark it, then replay")));
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
fn taxes(stated: &[order::Tax], net: Amount, to: &Resolved<'_>) -> Result<Vec<Tax>> {
    let mut taxes = Vec::new();
    for tax in stated {
        let charged = !tax.amount.is_zero();
        // Stated but not charged: exempt. What only rounds to nothing is charged all the same.
        let exempt = !charged
            && tax.rate.is_none_or(|rate| {
                rate.is_zero()
                    || !to.rounding.round(net.decimal() * rate.decimal() / (Decimal::ONE + rate.decimal())).is_zero()
            });
        if exempt {
            continue;
        }
        let Some(name) = tax_name(tax, to.tax_names) else {
            let rate = tax.rate.map_or_else(|| "without a rate".to_owned(), |rate| format!("at a rate of {rate}"));
            let name = &tax.name;
            return Err(refused(format!(
                "Tryton's tax for the store's \"{name}\" {rate} is not known: name it under `taxes`, by that name or rate"
            )));
        };
        let known = to.taxes.get(name).ok_or_else(|| {
            refused(format!(
                "Tryton has no plain percentage tax \"{name}\" for this company (taxes with children or a fixed amount are \
                 not supported): correct `taxes`"
            ))
        })?;
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
    Err(refused(format!(
        "the store states a tax of {} and Tryton would compute {foreseen}: check which of Tryton's taxes stand for the store's \
         (`taxes`)",
        order.tax
    )))
}

/// The product that carries a difference, if the rules allow to book it.
fn adjustment(sale: &Sale, to: &Resolved<'_>, difference: Decimal, foreseen: books::Total) -> Result<Product> {
    let (total, tryton) = (sale.order.total, foreseen.total());
    let told = format!("the store's total is {total} and Tryton's would be {tryton}, a difference of {difference}");
    match sale.rules.total_mismatch {
        Mismatch::Park => Err(refused(format!(
            "{told}: if it is a cent of tax rounding, set Tryton's \"Tax Rounding\" as the store rounds, or allow small \
             differences with `total_mismatch = \"adjust\"`"
        ))),
        Mismatch::Adjust if difference.abs() > sale.rules.adjust_limit.decimal() => {
            Err(refused(format!("{told}, which is more than `adjust_limit` ({})", sale.rules.adjust_limit)))
        }
        Mismatch::Adjust => {
            let code = to.codes.adjustment.as_deref().ok_or_else(|| unnamed("adjustment"))?;
            product(code, to)
        }
    }
}

fn unnamed(key: &str) -> Error {
    refused(format!("the order needs a product of Tryton's for this: name its code as `products.{key}`"))
}

fn refused(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::Refused, text)
}

impl Codes {
    /// The code of the product for a kind of charge.
    #[must_use]
    pub(super) fn of(&self, kind: ChargeKind) -> Option<&str> {
        match kind {
            ChargeKind::Shipping => &self.shipping,
            ChargeKind::Tip => &self.tip,
            ChargeKind::Duty => &self.duty,
            ChargeKind::Fee => &self.fee,
            ChargeKind::Rounding => &self.rounding,
            ChargeKind::StoreCredit => &self.store_credit,
        }
        .as_deref()
    }

    /// Its key in the configuration.
    #[must_use]
    pub(super) fn key(kind: ChargeKind) -> &'static str {
        match kind {
            ChargeKind::Shipping => "shipping",
            ChargeKind::Tip => "tip",
            ChargeKind::Duty => "duty",
            ChargeKind::Fee => "fee",
            ChargeKind::Rounding => "rounding",
            ChargeKind::StoreCredit => "store_credit",
        }
    }
}
