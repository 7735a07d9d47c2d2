//! What a refund gave back, part by part: of which lines, of the carriage, of the duties. Pure.
//!
//! The parts come from the same figures as what the refund took off the order ([`refunds`](super::refunds)), and make it to the
//! cent. Where the order was lowered by what was *paid* instead (goodwill counted in, a fee kept), the rest stands beside them as
//! a charge of its own. The tax of a part is what the refund object states, shared out among the taxes of the line it is about.
//!
//! | `restock_type` | goes back into stock |
//! |---|---|
//! | `return`, `cancel`, `legacy_restock` | yes |
//! | `no_restock`, or nothing said | no |
//!
//! A refund object that is about a line which the order does not have (an edit removed it, and it was not sold then) is left
//! without parts, rather than naming some of them: what its credit note is to say is a person's.
//! <https://shopify.dev/docs/api/admin-graphql/latest/enums/RefundLineItemRestockType>

use iso_currency::Currency;

use super::{
    refunds::{Back, set},
    sold::{scale, taxes},
    wire,
};
use crate::{
    domain::{
        money::Amount,
        order::{Charge, ChargeKind, Line, Refund, Returned, Tax},
    },
    store::title::plain,
};

/// The lines and charges of one refund.
pub(super) type Parts = (Vec<Returned>, Vec<Charge>);

impl Back<'_> {
    /// What it gave back of `sold` and beside it; `None` where it is about something else.
    pub(super) fn parts(&self, order: &wire::Order<'_>, sold: &[Line], currency: Currency) -> Option<Parts> {
        let (mut lines, mut charges) = (Vec::new(), Vec::new());
        for item in &self.wire.refund_line_items {
            let (amount, tax) = item.worth(order, currency);
            let quantity = item.quantity.0.unwrap_or_default();
            if quantity.is_zero() && amount.is_zero() && tax.is_zero() {
                continue;
            }
            let id = item.line_item_id.as_str();
            let line = order.line_items.iter().find(|line| line.id.as_str() == id)?;
            let taxes = shared(&line.tax_lines, tax, currency);
            if line.tip.is_some() {
                charges.push(charge(ChargeKind::Tip, "tip".to_owned(), amount, taxes));
                continue;
            }
            if !sold.iter().any(|line| line.id == id) {
                return None;
            }
            let restock = matches!(item.restock_type.as_str(), "return" | "cancel" | "legacy_restock");
            lines.push(Returned { line: id.to_owned(), quantity, amount, taxes, restock });
        }
        for part in self.wire.shipping(order, currency) {
            if part.amount.is_zero() && part.tax.is_zero() {
                continue;
            }
            let (label, taxes) = match part.line {
                Some(line) => (line.label(), shared(&line.tax_lines, part.tax, currency)),
                None => ("shipping".to_owned(), shared(&[], part.tax, currency)),
            };
            charges.push(charge(ChargeKind::Shipping, label, part.amount, taxes));
        }
        if let Some(duties) = set(self.wire.total_duties_set).filter(|duties| !duties.is_zero()) {
            charges.push(charge(ChargeKind::Duty, "duties".to_owned(), duties, Vec::new()));
        }
        Some((lines, charges))
    }
}

/// Lets the parts of a refund make what it took off, whatever that was found to be.
pub(super) fn complete(refund: &mut Refund, tax_included: bool) {
    if refund.lines.is_empty() && refund.charges.is_empty() {
        return;
    }
    let more = refund.taken_off() - refund.parts(tax_included);
    if more.is_zero() {
        return;
    }
    refund.charges.push(Charge::beyond_parts(more));
}

/// `tax`, shared out among the taxes of what it is on.
fn shared(of: &[wire::TaxLine<'_>], tax: Amount, currency: Currency) -> Vec<Tax> {
    if tax.is_zero() {
        return Vec::new();
    }
    let mut taxes = taxes(of);
    let whole: Amount = taxes.iter().map(|tax| tax.amount).sum();
    if whole.is_zero() {
        return vec![Tax { name: "tax".to_owned(), rate: None, amount: tax }];
    }
    scale(&mut taxes, whole, tax, currency);
    taxes
}

fn charge(kind: ChargeKind, label: String, amount: Amount, taxes: Vec<Tax>) -> Charge {
    Charge { kind, label, amount, discounts: Vec::new(), taxes }
}

impl wire::ShippingLine<'_> {
    /// What the buyer read.
    pub(super) fn label(&self) -> String {
        self.title.owned().map_or_else(|| "shipping".to_owned(), |title| plain(&title))
    }
}
