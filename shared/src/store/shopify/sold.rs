//! What was sold of a line or a charge: what the store states as current, plus what refunds that paid money back took off. Pure.
//!
//! Shopify's `current_quantity` falls for edits and for refunds alike. Only what went without money (an edit, the returned half
//! of an exchange, a return that is not paid back) was not sold; a refund never changes what was. The discounts and taxes of a
//! line that lost pieces stay as they were at purchase, for all pieces: the share of the removed ones is what their refund
//! object states, to the cent, and only without that it is computed.

use iso_currency::Currency;

use super::{
    refunds::{Back, set},
    wire,
};
use crate::domain::{
    money::{Amount, minor_unit},
    order::{Charge, Discount, Line, Order, Tax},
};

/// What is left of an order's parts, and what is known about the way there.
#[derive(Default)]
pub(super) struct Removed {
    /// Whether anything was removed.
    pub(super) any: bool,
    /// The tax that went with it.
    pub(super) tax: Amount,
    /// The lines whose share had to be rounded, by their place: discounts, taxes.
    loose: (Vec<usize>, Vec<usize>),
}

impl Removed {
    /// `line` without what was removed from it; `None` if that is all of it. `place` is where it will stand.
    pub(super) fn line(
        &mut self,
        mut line: Line,
        wire: &wire::LineItem<'_>,
        backs: &[Back<'_>],
        currency: Currency,
        place: usize,
    ) -> Option<Line> {
        let items =
            |paid: bool| backs.iter().filter(move |back| back.paid == paid).flat_map(|back| back.of_line(&line.id));
        let quantity = |item: &wire::RefundLineItem<'_>| item.quantity.0.unwrap_or_default();
        let without_money: Amount = items(false).map(quantity).sum();
        let with_money: Amount = items(true).map(quantity).sum();
        let bought = line.quantity;
        let kept = wire.current_quantity.0.map_or(bought - without_money, |now| now + with_money);
        if kept >= bought {
            return Some(line);
        }
        self.any = true;
        if kept <= Amount::ZERO {
            self.tax += sum(&line.taxes);
            return None;
        }
        let stated = without_money == bought - kept;
        let gone: Option<Amount> = if stated { items(false).map(wire::RefundLineItem::subtotal).sum() } else { None };
        let gone_tax: Option<Amount> = if stated { items(false).map(wire::RefundLineItem::tax).sum() } else { None };

        let amount = line.unit_price * kept;
        let (off, tax) = (sum(&line.discounts), sum(&line.taxes));
        let left = |whole: Amount, stated: Option<Amount>| match stated {
            Some(left) if Amount::ZERO <= left && left <= whole => (left, false),
            _ => {
                let left = whole.share(kept, bought, currency);
                (left, left * bought != whole * kept)
            }
        };
        // What the removed pieces cost less than their price was their part of the discount.
        let (off_left, off_loose) = left(off, gone.map(|gone| off - (line.amount - amount - gone)));
        let (tax_left, tax_loose) = left(tax, gone_tax.map(|gone| tax - gone));
        if off_loose {
            self.loose.0.push(place);
        }
        if tax_loose {
            self.loose.1.push(place);
        }
        self.tax += tax - tax_left;
        (line.quantity, line.amount) = (kept, amount);
        scale(&mut line.discounts, off, off_left, currency);
        scale(&mut line.taxes, tax, tax_left, currency);
        Some(line)
    }

    /// A shipping line without what was removed from it; `None` if that is all of it.
    pub(super) fn shipping(
        &mut self,
        mut charge: Charge,
        order: &wire::Order<'_>,
        wire: &wire::ShippingLine<'_>,
        backs: &[Back<'_>],
        currency: Currency,
    ) -> Option<Charge> {
        let taken = |paid: bool| -> Amount {
            backs.iter().filter(|back| back.paid == paid).map(|back| back.of_shipping(order, wire)).sum()
        };
        let bought = charge.net();
        let gone = wire.is_removed.unwrap_or_default();
        let kept = match set(wire.current_discounted_price_set) {
            _ if gone => taken(true),
            Some(now) => now + taken(true),
            None => bought - taken(false),
        };
        if kept >= bought && !(gone && bought.is_zero()) {
            return Some(charge);
        }
        self.any = true;
        let tax = sum(&charge.taxes);
        if kept <= Amount::ZERO {
            self.tax += tax;
            return None;
        }
        let left = tax.share(kept, bought, currency);
        self.tax += tax - left;
        charge.amount -= bought - kept;
        scale(&mut charge.taxes, tax, left, currency);
        Some(charge)
    }

    /// What was sold of a charge that came to `bought` and comes to `now`, and its taxes.
    pub(super) fn taxed(
        &mut self,
        bought: Amount,
        mut taxes: Vec<Tax>,
        now: Option<Amount>,
        refunded: Amount,
        currency: Currency,
    ) -> (Amount, Vec<Tax>) {
        let kept = now.map_or(bought, |now| now + refunded);
        if kept >= bought {
            return (bought, taxes);
        }
        self.any = true;
        let tax = sum(&taxes);
        let left = tax.share(kept, bought, currency);
        self.tax += tax - left;
        scale(&mut taxes, tax, left, currency);
        (kept, taxes)
    }

    /// Whether a share of tax had to be rounded.
    pub(super) fn has_rounded_tax(&self) -> bool {
        !self.loose.1.is_empty()
    }

    /// Puts the cents of computed shares where the store's own totals put them. Rounding leaves each share of a removal open by
    /// one minor unit at most; what those cannot explain stays a difference.
    pub(super) fn settle(&self, order: &mut Order) {
        let unit = minor_unit(order.currency);
        let untraced = order.proof().untraced_tax;
        for place in steps(&self.loose.1, untraced, unit) {
            if let Some(tax) = order.lines.get_mut(*place).and_then(|line| line.taxes.last_mut()) {
                tax.amount += toward(untraced, unit);
            }
        }
        let difference = order.proof().difference;
        for place in steps(&self.loose.0, difference, unit) {
            if let Some(discount) = order.lines.get_mut(*place).and_then(|line| line.discounts.last_mut()) {
                discount.amount -= toward(difference, unit);
            }
        }
    }
}

/// The first of `places` that together make up `difference` by one `unit` each; none if they are too few.
fn steps(places: &[usize], difference: Amount, unit: Amount) -> &[usize] {
    let count = (1..=places.len()).find(|count| {
        let count = i64::try_from(*count).unwrap_or_default();
        unit * Amount::from(count) == difference.abs()
    });
    count.and_then(|count| places.get(..count)).unwrap_or_default()
}

fn toward(difference: Amount, unit: Amount) -> Amount {
    if difference < Amount::ZERO { -unit } else { unit }
}

impl wire::LineItem<'_> {
    /// After discounts, as bought.
    pub(super) fn net(&self) -> Amount {
        self.price * self.quantity - self.discount_allocations.iter().map(|discount| discount.amount).sum()
    }
    /// Its tax, as bought.
    pub(super) fn tax(&self) -> Amount {
        self.tax_lines.iter().map(|tax| tax.price).sum()
    }
}

impl wire::ShippingLine<'_> {
    /// After discounts, as bought.
    pub(super) fn net(&self) -> Amount {
        let off: Amount = self.discount_allocations.iter().map(|discount| discount.amount).sum();
        if off.is_zero() { self.discounted_price.unwrap_or(self.price) } else { self.price - off }
    }
    /// Its tax, as bought.
    pub(super) fn tax(&self) -> Amount {
        self.tax_lines.iter().map(|tax| tax.price).sum()
    }
}

/// Something of an amount: a discount, a tax.
pub(super) trait Part {
    fn amount(&self) -> Amount;
    fn set(&mut self, amount: Amount);
}
impl Part for Discount {
    fn amount(&self) -> Amount {
        self.amount
    }
    fn set(&mut self, amount: Amount) {
        self.amount = amount;
    }
}
impl Part for Tax {
    fn amount(&self) -> Amount {
        self.amount
    }
    fn set(&mut self, amount: Amount) {
        self.amount = amount;
    }
}

fn sum<T: Part>(parts: &[T]) -> Amount {
    parts.iter().map(Part::amount).sum()
}

/// Lowers parts that make `before` so that they make `after`, each in proportion. Rounding the running sum, instead of each
/// part, lets no cent go missing and no part fall below zero.
pub(super) fn scale<T: Part>(parts: &mut Vec<T>, before: Amount, after: Amount, currency: Currency) {
    let (mut running, mut given) = (Amount::ZERO, Amount::ZERO);
    for part in parts.iter_mut() {
        running += part.amount();
        let reached = after.share(running, before, currency);
        part.set(reached - given);
        given = reached;
    }
    parts.retain(|part| !part.amount().is_zero());
}

/// The taxes that these lines state.
pub(super) fn taxes<'a>(lines: impl IntoIterator<Item = &'a wire::TaxLine<'a>>) -> Vec<Tax> {
    let charged = lines.into_iter().filter(|tax| !tax.price.is_zero());
    charged.map(|tax| Tax { name: tax.title.as_str().to_owned(), rate: tax.rate, amount: tax.price }).collect()
}
