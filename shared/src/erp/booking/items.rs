//! What a buyer pays for, one item after the other, with the ERP's article and taxes for each.
//!
//! Whether the ERP's total will be the store's is judged from here too: each ERP foresees its own total, and what rounding may explain
//! of a difference is the same rule for all ([`crate::domain::rounding`]).

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::{Codes, text};
use crate::{
    Error, Result,
    domain::{
        money::Amount,
        order::{self, Order},
        reason::{Mismatch, TaxedLine, Why},
    },
    erp::{Job, totals::stored},
};

/// So many decimals of a computed tax are told.
const TOLD: u32 = 4;

/// A percentage tax of an ERP, in the order in which it applies taxes (sequence, then id).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tax {
    /// Its place: taxes without a sequence come first.
    pub sequence: Option<i64>,
    /// Its id.
    pub id: i64,
    /// As a fraction.
    pub rate: Decimal,
    /// Whether the ERP's prices with this tax contain it.
    pub included: bool,
}

/// What was charged for something, before it has a unit price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// How many.
    pub quantity: Decimal,
    /// What was charged for all of them, after discounts; with its tax where the store's prices contain it.
    pub amount: Decimal,
    /// Its taxes, sorted.
    pub taxes: Vec<Tax>,
}

impl Item {
    /// The sum of its taxes' rates.
    #[must_use]
    pub fn rate(&self) -> Decimal {
        self.taxes.iter().map(|tax| tax.rate).sum()
    }

    /// The tax on an amount without it, exactly.
    #[must_use]
    pub fn tax(&self) -> Decimal {
        self.amount * self.rate()
    }

    /// What was charged for all of them, without tax.
    #[must_use]
    pub fn net(&self, tax_included: bool) -> Decimal {
        if tax_included { self.amount.checked_div(Decimal::ONE + self.rate()).unwrap_or_default() } else { self.amount }
    }
}

/// What `items` come to where nothing is rounded, tax and all.
#[must_use]
pub fn exact(items: &[Item], tax_included: bool) -> Decimal {
    let gross = |item: &Item| if tax_included { item.amount } else { item.amount + item.tax() };
    items.iter().map(gross).sum()
}

/// How often the store rounded on the way to its total: each tax of each item, and the amount that tax is charged on, since a store
/// whose prices contain their tax rounds both. Where amounts contain their tax the total is their sum, and nothing is rounded.
#[must_use]
pub fn roundings_of_store(items: &[Item], tax_included: bool) -> Decimal {
    if tax_included {
        return Decimal::ZERO;
    }
    items.iter().map(|item| Decimal::from(item.taxes.len()) + item.rate()).sum()
}

/// What an item is called, and what the store says of it beside its money.
pub(in crate::erp) struct Label<'a> {
    /// What it is within the order, for as long as the order lives: `line 5`, `charge 0`.
    pub(in crate::erp) key: String,
    /// The article's code in the ERP.
    pub(in crate::erp) code: &'a str,
    /// What people read.
    pub(in crate::erp) text: String,
    /// The tax that the store states.
    stated: Decimal,
}

/// A line that balances the order, and stands for nothing that was bought.
pub(in crate::erp) fn balancing<'a>(key: &str, code: &'a str, text: &str) -> Label<'a> {
    Label { key: key.to_owned(), code, text: text.to_owned(), stated: Decimal::ZERO }
}

/// Which of the ERP's articles and taxes stand for a store's.
#[derive(Clone, Copy)]
pub(in crate::erp) struct Names<'a> {
    /// The ERP's taxes by the name or id in the configuration.
    pub(in crate::erp) taxes: &'a HashMap<String, Tax>,
    /// The ERP's name of a tax, by the store's name or rate of it.
    pub(in crate::erp) known_as: &'a HashMap<String, String>,
    /// The products that stand for charges.
    pub(in crate::erp) codes: &'a Codes,
    /// The part of the configuration that names all this, such as `erp.main`.
    pub(in crate::erp) place: &'a str,
    /// The currency's step, by which it is told whether a tax only rounds to nothing.
    pub(in crate::erp) step: Decimal,
    /// Whether a line of a credit note is credited in money, and not as an article.
    pub(in crate::erp) in_money: fn(&Job, &order::Line) -> bool,
}

/// Everything the buyer pays for, with its product: lines, charges, and the discounts that belong to none of them.
pub(in crate::erp) fn items<'a>(sale: &'a Job, names: Names<'a>) -> Result<(Vec<Item>, Vec<Label<'a>>)> {
    let order = &sale.order;
    let mut items = Vec::new();
    let mut labels = Vec::new();
    let stated = |taxes: &[order::Tax]| taxes.iter().map(|tax| tax.amount).sum::<Amount>().decimal();
    let missing = |key: &str| Error::from(Why::ProductNotSet { key: key.to_owned(), section: names.place.to_owned() });
    for line in &order.lines {
        let in_money = (names.in_money)(sale, line);
        let code = code_of(sale, line, names).ok_or_else(|| {
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
        items.push(Item { quantity, amount: line.net().decimal(), taxes: taxes(&line.taxes, line.net(), names)? });
        labels.push(Label { key: format!("line {}", line.id), code, text, stated: stated(&line.taxes) });
    }
    for (at, charge) in order.charges.iter().enumerate().filter(|(_, charge)| !is_nothing(charge)) {
        let code = names.codes.of(charge.kind).ok_or_else(|| missing(Codes::key(charge.kind)))?;
        let taxes = taxes(&charge.taxes, charge.net(), names)?;
        items.push(Item { quantity: Decimal::ONE, amount: charge.net().decimal(), taxes });
        let text = described(&charge.label, &charge.discounts);
        labels.push(Label { key: format!("charge {at}"), code, text, stated: stated(&charge.taxes) });
    }
    for (at, discount) in order.discounts.iter().enumerate().filter(|(_, discount)| !discount.amount.is_zero()) {
        let code = names.codes.discount.as_deref().ok_or_else(|| missing("discount"))?;
        items.push(Item { quantity: Decimal::ONE, amount: (-discount.amount).decimal(), taxes: Vec::new() });
        let text = described(&discount.label, &[]);
        labels.push(Label { key: format!("discount {at}"), code, text, stated: Decimal::ZERO });
    }
    Ok((items, labels))
}

/// The codes of all products an order may need, the store's article codes translated.
#[must_use]
pub(in crate::erp) fn codes_of<'a>(sale: &'a Job, names: Names<'a>) -> Vec<&'a str> {
    let codes = names.codes;
    let lines = sale.order.lines.iter().filter_map(|line| code_of(sale, line, names));
    let charges =
        sale.order.charges.iter().filter(|charge| !is_nothing(charge)).filter_map(|charge| codes.of(charge.kind));
    let others = [&codes.discount, &codes.rounding, &codes.adjustment];
    lines.chain(charges).chain(others.into_iter().filter_map(|code| code.as_deref())).collect()
}

/// The names in the configuration of all of the ERP's taxes an order needs.
#[must_use]
pub(in crate::erp) fn taxes_of<'a>(order: &Order, tax_names: &'a HashMap<String, String>) -> Vec<&'a str> {
    let lines = order.lines.iter().flat_map(|line| &line.taxes);
    let charges = order.charges.iter().flat_map(|charge| &charge.taxes);
    lines.chain(charges).filter_map(|tax| tax_name(tax, tax_names)).collect()
}

/// Where prices contain their tax the total says nothing about the tax: it is compared by itself, a rounding step per taxed
/// line apart.
pub(in crate::erp) fn check_tax(order: &Order, items: &[Item], foreseen: Decimal, step: Decimal) -> Result<()> {
    let taxed = items.iter().filter(|item| !item.taxes.is_empty()).count();
    let tolerance = step * Decimal::from(taxed.max(1));
    let difference = order.tax.decimal() - foreseen;
    if difference.abs() <= tolerance {
        return Ok(());
    }
    Err(Why::TaxDiffers { currency: order.currency, store: order.tax, erp: stored(foreseen) }.into())
}

/// What differs, for the person who has to look: both totals, and the line whose tax is furthest from the ERP's.
#[must_use]
pub(in crate::erp) fn differing(order: &Order, items: &[Item], labels: &[Label<'_>], foreseen: Decimal) -> Mismatch {
    let off = |(item, label): &(&Item, &Label<'_>)| (label.stated - item.tax()).abs();
    let furthest = items.iter().zip(labels).max_by_key(off).filter(|pair| !order.tax_included && !off(pair).is_zero());
    let line = furthest.map(|(item, label)| TaxedLine {
        sku: label.code.to_owned(),
        store: stored(label.stated),
        erp: stored(item.tax().round_dp(TOLD)),
    });
    Mismatch::Total { store: order.total, erp: stored(foreseen), line }
}

/// The code of the product a line stands for.
fn code_of<'a>(sale: &'a Job, line: &'a order::Line, names: Names<'a>) -> Option<&'a str> {
    if (names.in_money)(sale, line) {
        return names.codes.refund.as_deref();
    }
    match line.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty()) {
        Some(sku) => Some(sale.rules.sku.get(sku).map_or(sku, String::as_str)),
        None if line.gift_card => names.codes.gift_card.as_deref(),
        None => names.codes.custom.as_deref(),
    }
}

/// A charge that neither costs anything nor is taxed, such as free shipping.
fn is_nothing(charge: &order::Charge) -> bool {
    charge.net().is_zero() && charge.taxes.iter().all(|tax| tax.amount.is_zero())
}

fn described(title: &str, discounts: &[order::Discount]) -> String {
    let mut described = text(Some(title)).unwrap_or_default();
    for discount in discounts.iter().filter(|discount| !discount.amount.is_zero()) {
        let label = text(Some(&discount.label)).unwrap_or_default();
        described = format!("{described}\n{label} (-{})", discount.amount);
    }
    described
}

/// Which name in the configuration stands for a store's tax: that of its name, else that of its rate.
fn tax_name<'a>(tax: &order::Tax, tax_names: &'a HashMap<String, String>) -> Option<&'a str> {
    let by_rate = || {
        let rate = tax.rate?;
        tax_names.iter().find(|(key, _)| Amount::parse(key).is_ok_and(|known| known == rate)).map(|(_, name)| name)
    };
    tax_names.get(tax.name.trim()).or_else(by_rate).map(String::as_str)
}

/// The ERP's taxes for a store's, sorted as the ERP applies them. `net` is what they are charged on.
fn taxes(stated: &[order::Tax], net: Amount, names: Names<'_>) -> Result<Vec<Tax>> {
    let mut taxes = Vec::new();
    for tax in stated {
        let charged = !tax.amount.is_zero();
        // Less than half a step would be nothing however it is rounded.
        let nothing = |amount: Decimal| (amount * Decimal::TWO).abs() <= names.step;
        // Stated but not charged: exempt. What only rounds to nothing is charged all the same.
        let exempt = !charged
            && tax.rate.is_none_or(|rate| {
                rate.is_zero() || !nothing(net.decimal() * rate.decimal() / (Decimal::ONE + rate.decimal()))
            });
        if exempt {
            continue;
        }
        let Some(name) = tax_name(tax, names.known_as) else {
            let rate = tax.rate.map(|rate| rate.to_string());
            return Err(Why::UnknownTax { tax: tax.name.clone(), rate }.into());
        };
        let known = names.taxes.get(name).ok_or_else(|| Error::from(Why::TaxNotUsable { tax: name.to_owned() }))?;
        if !taxes.contains(known) {
            taxes.push(known.clone());
        }
    }
    taxes.sort();
    Ok(taxes)
}
