//! Odoo's arithmetic, foreseen: what its sale order will come to, and the unit prices that make it come to the store's total.
//!
//! Invariant: [`total`] is what `sale.order` of Odoo 19.0 answers as `amount_untaxed`, `amount_tax` and `amount_total`, to the cent
//! (a test compares hundreds of orders with the real server). As seen there, and read in `account/models/account_tax.py`,
//! `sale/models/sale_order.py` and `tools/float_utils.py`:
//! - whatever is rounded is rounded half away from zero to the currency's step, and what lies within a hair below a half (2⁻⁵⁰ of
//!   the amount, for the sake of floats) counts as a half;
//! - neither the sign of a line nor that of its quantity matters: a credit is summed with everything else;
//! - **per line** (`round_per_line`): quantity × price is rounded, then each tax on it; the sale is the sum of its lines. A tax inside
//!   the price is taken out of the rounded amount, and what it leaves is the untaxed amount: the line keeps its price;
//! - **globally** (`round_globally`): nothing is rounded before each tax is summed over all lines, whatever other taxes these have.
//!   Each sum is rounded by itself. Where some line has a tax on top of its price, the untaxed sum is rounded likewise; where no line
//!   has one, the sum of the prices is rounded, and the untaxed amount is what the rounded taxes leave of it. A sum of exactly
//!   nothing is an exception: there the lines, each rounded, are summed;
//! - several taxes on a line are all on the same base. Those inside the price are taken out of it together where they stand side by
//!   side (by sequence, then id), else the last first; those on top are on what is left;
//! - a unit price is kept as it is sent; before 19 it is rounded to the decimals of "Product Price".
//!
//! Not foreseen: taxes that are part of the next one's base ("affect base of subsequent taxes"), fixed amounts, groups, discounts in
//! percent, payment terms with an early discount, and quantities of more decimals than the unit keeps (two).

use rust_decimal::{Decimal, RoundingStrategy};

pub use crate::erp::booking::{
    books::{Line, Total},
    items::{Item, Tax},
};
use crate::{domain::reason::Why, erp::booking::books::Arithmetic};

/// The decimals of a unit price where Odoo keeps what it is sent.
pub const PRICE_DECIMALS: u32 = 6;

/// 2⁻⁵⁰, of the amount: so much below a half is a half.
const HAIR: Decimal = Decimal::from_parts(888_178_419, 0, 0, false, 24);

/// How a company rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// The currency's step: 0.01 for EUR, 1 for JPY.
    pub step: Decimal,
    /// Taxes are rounded line by line; otherwise once per document.
    pub per_line: bool,
    /// The decimals that Odoo rounds a unit price to; `None`: it keeps what it is sent.
    pub price_decimals: Option<u32>,
}

impl Rounding {
    /// Rounded half away from zero to the currency's step.
    #[must_use]
    pub fn round(self, amount: Decimal) -> Decimal {
        let Some(steps) = amount.checked_div(self.step) else { return amount };
        let steps = steps + steps * HAIR;
        (steps.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero) * self.step).normalize()
    }

    /// A unit price as Odoo keeps it.
    fn price(self, price: Decimal) -> Decimal {
        let decimals = self.price_decimals.unwrap_or(PRICE_DECIMALS);
        price.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero).normalize()
    }

    /// The least by which a unit price can differ from another.
    fn tick(self) -> Decimal {
        Decimal::new(1, self.price_decimals.unwrap_or(PRICE_DECIMALS))
    }
}

/// What a line comes to: without tax, and each of its taxes in their order. `round` is what is done to every amount.
fn parts(line: &Line, rounding: Rounding, round: impl Fn(Decimal) -> Decimal) -> (Decimal, Vec<(&Tax, Decimal)>) {
    let mut left = round(line.quantity * rounding.price(line.price));
    let mut taxes = Vec::with_capacity(line.taxes.len());
    for together in line.taxes.chunk_by(|one, next| one.included == next.included).rev().filter(|taxes| inside(taxes)) {
        let rate: Decimal = together.iter().map(|tax| tax.rate).sum();
        let base = left.checked_div(Decimal::ONE + rate).unwrap_or_default();
        for tax in together {
            let amount = round(base * tax.rate);
            left -= amount;
            taxes.push((tax, amount));
        }
    }
    taxes.extend(line.taxes.iter().filter(|tax| !tax.included).map(|tax| (tax, round(left * tax.rate))));
    (left, taxes)
}

/// Whether some of these are in the price.
fn inside(taxes: &[Tax]) -> bool {
    taxes.iter().any(|tax| tax.included)
}

impl Arithmetic for Rounding {
    fn step(&self) -> Decimal {
        self.step
    }

    fn lines(&self, items: &[Item], tax_included: bool) -> Vec<Vec<Line>> {
        lines(items, tax_included, *self)
    }

    fn total(&self, lines: &[Line]) -> Result<Total, Why> {
        Ok(total(lines, *self))
    }

    fn roundings(&self, items: &[Item], lines: &[Vec<Line>], tax_included: bool) -> Decimal {
        roundings_of_odoo(items, lines, tax_included, *self)
    }
}

/// What was charged for all of an item, as Odoo prices it: with those of its taxes that are in Odoo's price. A store that states its
/// prices without tax charges each tax rounded, half up; so does the price that contains it.
fn charged(item: &Item, tax_included: bool, rounding: Rounding) -> Decimal {
    let inside = item.taxes.iter().filter(|tax| tax.included);
    if !tax_included {
        return item.amount + inside.map(|tax| rounding.round(item.amount * tax.rate)).sum::<Decimal>();
    }
    if item.taxes.iter().all(|tax| tax.included) {
        return item.amount;
    }
    let net = item.net(tax_included);
    net + net * inside.map(|tax| tax.rate).sum::<Decimal>()
}

/// What Odoo's sale of these lines comes to.
#[must_use]
pub fn total(lines: &[Line], rounding: Rounding) -> Total {
    if rounding.per_line {
        let mut sum = Total { untaxed: Decimal::ZERO, tax: Decimal::ZERO };
        for line in lines {
            let (untaxed, taxes) = parts(line, rounding, |amount| rounding.round(amount));
            sum.untaxed += untaxed;
            sum.tax += taxes.iter().map(|(_, amount)| amount).sum::<Decimal>();
        }
        return sum;
    }
    let (mut exact, mut of_lines) = (Decimal::ZERO, Decimal::ZERO);
    let mut sums: Vec<(&Tax, Decimal)> = Vec::new();
    for line in lines {
        let (untaxed, taxes) = parts(line, rounding, |amount| amount);
        exact += untaxed;
        of_lines += rounding.round(untaxed);
        for (tax, amount) in taxes {
            match sums.iter_mut().find(|(known, _)| known.id == tax.id) {
                Some((_, sum)) => *sum += amount,
                None => sums.push((tax, amount)),
            }
        }
    }
    let tax = sums.iter().map(|(_, sum)| rounding.round(*sum)).sum();
    let on_top = sums.iter().any(|(tax, _)| !tax.included);
    let whole = exact + if on_top { Decimal::ZERO } else { sums.iter().map(|(_, sum)| sum).sum::<Decimal>() };
    let untaxed =
        if whole.is_zero() { of_lines } else { rounding.round(whole) - if on_top { Decimal::ZERO } else { tax } };
    Total { untaxed, tax }
}

/// How often Odoo rounds on the way to the total of `lines`, which stand for `items`: unit prices, and with them the tax on them; the
/// tax that a price without it was given; then amounts and taxes, per line or once per document.
#[must_use]
pub fn roundings_of_odoo(items: &[Item], lines: &[Vec<Line>], tax_included: bool, rounding: Rounding) -> Decimal {
    let mut count = Decimal::ZERO;
    let mut ids: Vec<i64> = Vec::new();
    let (mut on_top, mut of_lines) = (false, Decimal::ZERO);
    let (mut untaxed, mut priced) = (Decimal::ZERO, Decimal::ZERO);
    for (item, own) in items.iter().zip(lines) {
        let top: Decimal = item.taxes.iter().filter(|tax| !tax.included).map(|tax| tax.rate).sum();
        let inside = Decimal::from(item.taxes.iter().filter(|tax| tax.included).count());
        let amount = |line: &Line| line.quantity * rounding.price(line.price);
        if own.iter().map(amount).sum::<Decimal>() != charged(item, tax_included, rounding) {
            count += Decimal::ONE + item.rate();
        }
        if !tax_included {
            count += inside * (Decimal::ONE + top);
        }
        for line in own {
            let (left, taxes) = parts(line, rounding, |amount| amount);
            let amount = amount(line);
            if rounding.per_line {
                // The price, with the tax on top of it; a tax inside it only moves what is taxed on top; each tax on top.
                let first = Decimal::from(u8::from(rounding.round(amount) != amount));
                count += first * (Decimal::ONE + top) + inside * top;
                count += Decimal::from(taxes.iter().filter(|(tax, _)| !tax.included).count());
            }
            of_lines += Decimal::ONE;
            untaxed += left;
            priced += amount;
            for (tax, _) in taxes {
                on_top |= !tax.included;
                if !ids.contains(&tax.id) {
                    ids.push(tax.id);
                }
            }
        }
    }
    let taxes = Decimal::from(ids.len());
    let whole = if on_top { untaxed } else { priced };
    match (rounding.per_line, on_top) {
        (true, _) => count,
        (false, _) if whole.is_zero() => count + of_lines + taxes,
        (false, true) => count + Decimal::ONE + taxes,
        (false, false) => count + Decimal::ONE,
    }
}

/// The lines for `items`: each item's own, usually one, in order. What cannot be hit exactly is left to [`total`] to tell.
#[must_use]
pub fn lines(items: &[Item], tax_included: bool, rounding: Rounding) -> Vec<Vec<Line>> {
    let own: Vec<Vec<Line>> = items.iter().map(|item| nearest(item, tax_included, rounding)).collect();
    if !tax_included {
        return own;
    }
    // Only the sum is given, and Odoo rounds tax and price by itself: some price is moved by less than a few steps to come to it.
    let wanted: Decimal = items.iter().map(|item| item.amount).sum();
    let mut lines = hit(own.concat(), wanted, rounding).into_iter();
    own.iter().map(|own| lines.by_ref().take(own.len()).collect()).collect()
}

/// The lines that come nearest to what was charged for an item. Of so many pieces that the decimals of a price do not reach it, one
/// piece stands alone and carries the rest.
fn nearest(item: &Item, tax_included: bool, rounding: Rounding) -> Vec<Line> {
    let (amount, quantity, taxes) = (charged(item, tax_included, rounding), item.quantity, item.taxes.clone());
    let price = rounding.price(amount.checked_div(quantity).unwrap_or_default());
    let missed = (amount - quantity * price).abs();
    // What is left of prices that are as near as they can be is smaller than what rounding to the step forgives.
    if quantity > Decimal::ONE && missed * Decimal::TWO >= rounding.tick().max(rounding.step / Decimal::TEN) {
        let others = quantity - Decimal::ONE;
        let rest = amount - if rounding.per_line { rounding.round(others * price) } else { others * price };
        let last = rounding.price(rest);
        if (rest - last).abs() < missed {
            let one = Line { quantity: Decimal::ONE, price: last, taxes: taxes.clone() };
            return vec![Line { quantity: others, price, taxes }, one];
        }
    }
    vec![Line { quantity, price, taxes }]
}

/// How far a line's amount is moved at most, in steps of the currency, and in how many parts of a step where sums are rounded.
const MOST_STEPS: i64 = 2;
const PARTS: i64 = 16;

/// `lines` with prices moved, one at a time and each by as little as does it, until they come to `wanted` or no move brings them nearer.
fn hit(mut lines: Vec<Line>, wanted: Decimal, rounding: Rounding) -> Vec<Line> {
    let mut left = wanted - total(&lines, rounding).total();
    while !left.is_zero() {
        let mut best: Option<(Decimal, Decimal, usize, Line)> = None;
        for at in movable(&lines, rounding) {
            let Some(line) = lines.get(at).cloned() else { continue };
            let before = alone(&line, &lines, rounding);
            for price in prices(&line, rounding) {
                let moved = ((price - line.price) * line.quantity).abs();
                let tried = Line { price, ..line.clone() };
                put(&mut lines, at, &tried);
                let now = (left + before - alone(&tried, &lines, rounding)).abs();
                if now < left.abs() && best.as_ref().is_none_or(|(least, by, ..)| (now, moved) < (*least, *by)) {
                    best = Some((now, moved, at, tried));
                }
            }
            put(&mut lines, at, &line);
        }
        let Some((_, _, at, line)) = best else { break };
        put(&mut lines, at, &line);
        left = wanted - total(&lines, rounding).total();
    }
    lines
}

fn put(lines: &mut [Line], at: usize, line: &Line) {
    if let Some(place) = lines.get_mut(at) {
        place.clone_from(line);
    }
}

/// What changes in the total when this one of `lines` does: the line's own, or everything.
fn alone(line: &Line, lines: &[Line], rounding: Rounding) -> Decimal {
    if rounding.per_line { total(std::slice::from_ref(line), rounding).total() } else { total(lines, rounding).total() }
}

/// The lines worth moving: all, or, where only sums are rounded, of those with the same taxes the one of the fewest pieces, whose
/// amount can be moved by the least.
fn movable(lines: &[Line], rounding: Rounding) -> Vec<usize> {
    let mut movable: Vec<usize> = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.taxes.is_empty() && !line.quantity.is_zero()) {
        let same = |other: &&mut usize| lines.get(**other).is_some_and(|other| other.taxes == line.taxes);
        match movable.iter_mut().find(same).filter(|_| !rounding.per_line) {
            Some(known) if lines.get(*known).is_some_and(|known| known.quantity.abs() > line.quantity.abs()) => {
                *known = at;
            }
            Some(_) => {}
            None => movable.push(at),
        }
    }
    movable
}

/// Prices near a line's own that may come to another total.
fn prices(line: &Line, rounding: Rounding) -> Vec<Decimal> {
    let amount = line.quantity * line.price;
    let (from, part) = if rounding.per_line {
        (rounding.round(amount), rounding.step)
    } else {
        (amount, rounding.step / Decimal::from(PARTS))
    };
    let most = if rounding.per_line { MOST_STEPS } else { MOST_STEPS * PARTS };
    let near = (-most..=most).filter(|n| *n != 0).map(|n| (from + part * Decimal::from(n)).checked_div(line.quantity));
    near.flatten().map(|price| rounding.price(price)).filter(|price| *price != line.price).collect()
}

#[cfg(test)]
mod tests;
