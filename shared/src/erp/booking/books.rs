//! The lines that will come to the store's total in an ERP that adds them up by itself, or why there are none.
//!
//! Invariant: the document that the ERP will compute has the store's total to the minor unit. What rounding explains stands on a line of
//! its own, on the product `products.rounding`; nothing else ever stands there.

use rust_decimal::Decimal;

use super::items::{self, Item, Label, Names, Tax, balancing, check_tax, differing, items};
use crate::{
    Error,
    domain::{
        reason::Why,
        rounding::{Rounded, difference},
    },
    erp::{
        Job,
        totals::{Balancing, settle, stored},
    },
};

/// A document's line as far as money is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How many.
    pub quantity: Decimal,
    /// The price of one: with tax where the ERP's tax says so.
    pub price: Decimal,
    /// Its taxes, sorted.
    pub taxes: Vec<Tax>,
}

/// What a document comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// Σ lines without tax.
    pub untaxed: Decimal,
    /// Σ taxes.
    pub tax: Decimal,
}

impl Total {
    /// What the buyer pays.
    #[must_use]
    pub fn total(self) -> Decimal {
        self.untaxed + self.tax
    }
}

/// How an ERP adds up.
pub trait Arithmetic {
    /// The currency's step: 0.01 for EUR, 1 for JPY.
    fn step(&self) -> Decimal;

    /// The lines for `items`: each item's own, usually one, in order. What cannot be hit exactly is left to [`total`](Self::total) to tell.
    fn lines(&self, items: &[Item], tax_included: bool) -> Vec<Vec<Line>>;

    /// What it will come to.
    ///
    /// # Errors
    /// Why such a document must not be sent.
    fn total(&self, lines: &[Line]) -> Result<Total, Why>;

    /// How often it rounds on the way to the total of `lines`, which stand for `items`.
    fn roundings(&self, items: &[Item], lines: &[Vec<Line>], tax_included: bool) -> Decimal;
}

/// The lines of a document that will come to the store's total.
pub(in crate::erp) struct Books<'a> {
    /// Usually one for each label.
    pub(in crate::erp) lines: Vec<Vec<Line>>,
    pub(in crate::erp) labels: Vec<Label<'a>>,
    booked: Balancing,
}

/// Why there is no document.
#[derive(Debug)]
pub(in crate::erp) struct Refusal {
    /// The words.
    pub(in crate::erp) error: Error,
    /// The ERP's total would differ: how it rounds is part of the reason.
    pub(in crate::erp) books: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, books: false }
    }
}

/// The lines for everything the buyer pays for, and for what rounding leaves. `sign` is that of their quantities: an ERP's credit note
/// may be a sale of less than nothing.
pub(in crate::erp) fn books<'a>(
    sale: &'a Job,
    names: Names<'a>,
    erp: &impl Arithmetic,
    sign: Decimal,
) -> Result<Books<'a>, Refusal> {
    let order = &sale.order;
    let (items, mut labels) = items(sale, names)?;
    if items.is_empty() {
        return Err(Error::from(Why::NoLines).into());
    }
    let included = order.tax_included;
    let mut lines = erp.lines(&items, included);
    let sum = |lines: &[Vec<Line>]| erp.total(&lines.concat()).map_err(Error::from);
    let foreseen = sum(&lines)?;
    if included {
        check_tax(order, &items, foreseen.tax, erp.step())?;
    }
    // What the store's own books miss is judged by itself.
    let parts = (order.total - order.proof().difference).decimal();
    let store = Rounded { total: parts, roundings: items::roundings_of_store(&items, included) };
    let theirs = Rounded { total: foreseen.total(), roundings: erp.roundings(&items, &lines, included) };
    let differs = difference(items::exact(&items, included), store, theirs, erp.step());
    let told = || differing(order, &items, &labels, foreseen.total());
    let booked = settle(sale, differs, told).map_err(|error| Refusal { error, books: true })?;
    let own = [
        (booked.rounding, &names.codes.rounding, "rounding", "Rounding of tax, to the store's total"),
        (booked.adjustment, &names.codes.adjustment, "adjustment", "Difference to the store's total"),
    ];
    for (amount, code, key, text) in own.into_iter().filter(|(amount, ..)| !amount.is_zero()) {
        let code = code.as_deref().ok_or_else(|| {
            let (key, section) = (key.to_owned(), names.place.to_owned());
            let (currency, difference) = (order.currency, stored(amount));
            Error::from(Why::DifferenceProductNotSet { key, section, currency, difference })
        })?;
        lines.push(vec![Line { quantity: Decimal::ONE, price: amount, taxes: Vec::new() }]);
        labels.push(balancing(key, code, text));
    }
    for line in lines.iter_mut().flatten() {
        line.quantity *= sign;
    }
    if sum(&lines)?.total() != order.total.decimal() * sign {
        let difference = stored(order.total.decimal() - foreseen.total());
        return Err(Error::from(Why::NotExact { difference }).into());
    }
    Ok(Books { lines, labels, booked })
}

impl Books<'_> {
    /// The codes of the products of its lines.
    pub(in crate::erp) fn codes(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(|label| label.code)
    }

    /// What stands on lines of its own, for the order's timeline.
    pub(in crate::erp) fn remark(&self, currency: &str) -> Option<String> {
        self.booked.remark(currency)
    }
}
