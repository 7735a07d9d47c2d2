//! What Shopify's refund objects say, in the shop's currency. Pure.
//!
//! A refund object gives money back, takes goods off the order, or does both: an edit that removes a line, and the returned half of
//! an exchange, are refund objects without transactions. The object has no total. Two figures are made of it:
//!
//! - what was *paid* back: its transactions; where they are in the buyer's currency, what its parts make in the shop's
//!   (lines, shipping, duties and their tax, less the adjustments);
//! - what it *took* off the order: the same without the adjustments.
//!
//! Refunded shipping stands in `refund_shipping_lines` (API version 2024-10), in an order adjustment (before), or in both.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/refund>

use iso_currency::Currency;

use super::wire;
use crate::domain::money::Amount;

/// A refund object, read.
pub(super) struct Back<'a> {
    /// As it came.
    pub(super) wire: &'a wire::Refund<'a>,
    /// Whether money went back, or is on its way.
    pub(super) paid: bool,
    /// How much, in the shop's currency; `None` where only the buyer's currency is stated.
    pub(super) amount: Option<Amount>,
    /// Whether that money was in the buyer's currency.
    pub(super) foreign: bool,
    /// What it took off the order, with tax.
    pub(super) taken: Amount,
    /// The tax in `taken`.
    pub(super) tax: Amount,
    /// Whether its money only pays back what an edit had removed before: nothing that was sold.
    pub(super) settles: bool,
}

/// Refunded shipping.
pub(super) struct Carriage<'a> {
    /// Of which line, where that is known.
    pub(super) line: Option<&'a wire::ShippingLine<'a>>,
    /// How much, as the order states prices.
    pub(super) amount: Amount,
    /// Its tax.
    pub(super) tax: Amount,
}

/// The refund objects of an order.
pub(super) fn read<'a>(order: &'a wire::Order<'a>, currency: Currency) -> Vec<Back<'a>> {
    let mut backs: Vec<_> = order.refunds.iter().map(|refund| Back::of(order, refund, currency)).collect();
    // Of what edits removed, what was not paid back yet.
    let mut owed: Amount = backs.iter().filter(|back| !back.paid).map(|back| back.taken).sum();
    for back in &mut backs {
        let amount = back.amount.unwrap_or_default();
        if back.paid && back.taken.is_zero() && back.wire.is_settlement() && amount <= owed {
            owed -= amount;
            back.settles = true;
        }
    }
    backs
}

impl<'a> Back<'a> {
    fn of(order: &wire::Order<'_>, wire: &'a wire::Refund<'a>, currency: Currency) -> Self {
        let (subtotal, mut tax) = wire.lines(order, currency);
        let mut shipping = Amount::ZERO;
        for part in wire.shipping(order, currency) {
            shipping += part.amount;
            tax += part.tax;
        }
        let on_top = if order.taxes_included.unwrap_or_default() { Amount::ZERO } else { tax };
        let taken = subtotal + shipping + set(wire.total_duties_set).unwrap_or_default() + on_top;

        let moved = || wire.transactions.iter().filter(|transaction| transaction.gives_back());
        let paid = moved().any(|transaction| !transaction.amount.is_some_and(Amount::is_zero));
        // A transaction that names no currency is in what the buyer paid in.
        let buyers = order.presentment_currency.as_str();
        let paid_in = |transaction: &wire::Transaction<'_>| match (transaction.currency.as_str(), buyers) {
            ("", "") => true,
            ("", code) | (code, _) => code == currency.code(),
        };
        let foreign = paid && !moved().all(paid_in);
        let amount = if foreign {
            // A transaction that is still pending is adjusted away until it succeeds.
            let parts = [taken - wire.adjusted(), taken];
            parts.into_iter().find(|amount| *amount > Amount::ZERO)
        } else {
            Some(moved().filter_map(|transaction| transaction.amount).sum())
        };
        Self { wire, paid, amount, foreign, taken, tax, settles: false }
    }

    /// What it says of one line.
    pub(super) fn of_line(&self, line: &str) -> impl Iterator<Item = &wire::RefundLineItem<'a>> {
        self.wire.refund_line_items.iter().filter(move |item| item.line_item_id.as_str() == line)
    }

    /// What it took off one shipping line, before tax.
    pub(super) fn of_shipping(&self, order: &wire::Order<'_>, line: &wire::ShippingLine<'_>) -> Amount {
        let only = order.shipping_lines.len() == 1;
        if self.wire.refund_shipping_lines.is_empty() {
            let adjusted: Amount = self.wire.adjustments(true).map(|adjustment| -adjustment.amount()).sum();
            return if only { adjusted } else { Amount::ZERO };
        }
        let of = self.wire.refund_shipping_lines.iter().filter(|back| only || back.line() == line.id.as_str());
        of.filter_map(|back| set(back.subtotal_amount_set)).sum()
    }
}

impl wire::Refund<'_> {
    /// What its lines come to after discounts, and their tax.
    fn lines(&self, order: &wire::Order<'_>, currency: Currency) -> (Amount, Amount) {
        let (mut subtotal, mut tax) = (Amount::ZERO, Amount::ZERO);
        for item in &self.refund_line_items {
            let (net, on_it) = item.worth(order, currency);
            subtotal += net;
            tax += on_it;
        }
        (subtotal, tax)
    }

    /// Refunded shipping: what of which shipping line.
    pub(super) fn shipping<'o>(&self, order: &'o wire::Order<'o>, currency: Currency) -> Vec<Carriage<'o>> {
        let mut adjusted = (Amount::ZERO, Amount::ZERO);
        for adjustment in self.adjustments(true) {
            adjusted = (adjusted.0 - adjustment.amount(), adjusted.1 - adjustment.tax());
        }
        if self.refund_shipping_lines.is_empty() {
            // An adjustment names no line.
            let line = order.shipping_lines.first().filter(|_| order.shipping_lines.len() == 1);
            return vec![Carriage { line, amount: adjusted.0, tax: adjusted.1 }];
        }
        let mut parts: Vec<_> = self
            .refund_shipping_lines
            .iter()
            .map(|back| {
                let amount = set(back.subtotal_amount_set).unwrap_or_default();
                let named = order.shipping_lines.iter().find(|line| line.id.as_str() == back.line());
                let line = named.or(order.shipping_lines.first());
                let tax = line.map(|line| line.tax().share(amount, line.net(), currency)).unwrap_or_default();
                Carriage { line, amount, tax }
            })
            .collect();
        let amount: Amount = parts.iter().map(|part| part.amount).sum();
        if adjusted.0 == amount {
            // Said twice: the adjustment states the tax.
            let (mut running, mut given) = (Amount::ZERO, Amount::ZERO);
            for part in &mut parts {
                running += part.amount;
                let reached = adjusted.1.share(running, amount, currency);
                part.tax = reached - given;
                given = reached;
            }
        }
        parts
    }

    fn adjustments(&self, shipping: bool) -> impl Iterator<Item = &wire::OrderAdjustment<'_>> {
        self.order_adjustments.iter().filter(move |adjustment| adjustment.is_shipping() == shipping)
    }

    /// By how much less than its parts it paid back.
    fn adjusted(&self) -> Amount {
        self.adjustments(false).map(|adjustment| adjustment.amount() + adjustment.tax()).sum()
    }

    /// Whether its money only pays back what an earlier edit removed.
    fn is_settlement(&self) -> bool {
        let pending = |adjustment: &wire::OrderAdjustment<'_>| {
            let word = "pending_refund_discrepancy";
            adjustment.kind.as_str() == word || adjustment.reason.as_str().replace(' ', "_").eq_ignore_ascii_case(word)
        };
        !self.order_adjustments.is_empty() && self.order_adjustments.iter().all(pending)
    }
}

impl wire::RefundLineItem<'_> {
    /// What it comes to after discounts, and its tax: where it states no amount, its share of the line.
    pub(super) fn worth(&self, order: &wire::Order<'_>, currency: Currency) -> (Amount, Amount) {
        let line = order.line_items.iter().find(|line| line.id.as_str() == self.line_item_id.as_str());
        let quantity = self.quantity.0.unwrap_or_default();
        let part = |whole: Amount, of: Amount| whole.share(quantity, of, currency);
        let net = || line.map(|line| part(line.net(), line.quantity)).unwrap_or_default();
        let tax = || line.map(|line| part(line.tax(), line.quantity)).unwrap_or_default();
        (self.subtotal().unwrap_or_else(net), self.tax().unwrap_or_else(tax))
    }
    pub(super) fn subtotal(&self) -> Option<Amount> {
        set(self.subtotal_set).or(self.subtotal.0)
    }
    pub(super) fn tax(&self) -> Option<Amount> {
        set(self.total_tax_set).or(self.total_tax.0)
    }
}

impl wire::RefundShippingLine<'_> {
    fn line(&self) -> &str {
        match &self.shipping_line {
            Some(line) if self.shipping_line_id.as_str().is_empty() => line.id.as_str(),
            _ => self.shipping_line_id.as_str(),
        }
    }
}

impl wire::OrderAdjustment<'_> {
    fn is_shipping(&self) -> bool {
        match self.kind.as_str() {
            "" => self.reason.as_str().eq_ignore_ascii_case("shipping refund"),
            kind => kind == "shipping_refund",
        }
    }
    fn amount(&self) -> Amount {
        set(self.amount_set).or(self.amount.0).unwrap_or_default()
    }
    fn tax(&self) -> Amount {
        set(self.tax_amount_set).or(self.tax_amount.0).unwrap_or_default()
    }
}

impl wire::Transaction<'_> {
    fn gives_back(&self) -> bool {
        self.kind.as_str() == "refund" && matches!(self.status.as_str(), "success" | "pending")
    }
}

/// A set's amount in the shop's currency.
pub(super) fn set(both: Option<wire::Both>) -> Option<Amount> {
    both.map(|both| both.shop_money.amount)
}
