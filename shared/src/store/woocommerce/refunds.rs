//! What a refund gave back, part by part, as `orders/{id}/refunds` has it. Pure.
//!
//! The order lists its refunds as an id, a reason and a total. Their lines are a resource of their own: like the order's lines with
//! negative quantities and amounts, each naming the line that it is about (`_refunded_item_id`). Shipping and fees have no such name
//! to be found by, and need none. Nothing there says whether goods went back into stock, so none do, unless the rules say that
//! all do (`orders.after.restock`).
//!
//! People may give back another amount than the lines make, or an amount alone. Parts that do not make the amount say nothing: the
//! refund is left without any, and so is one about a line that the order does not have.
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#order-refund-properties> ·
//! `includes/rest-api/Controllers/Version2/class-wc-rest-order-refunds-v2-controller.php` of the plugin

use super::{
    super::parse::{elements, parse},
    map::{charge, named, taxes},
    wire,
};
use crate::domain::{
    money::{Amount, minor_unit},
    order::{Charge, ChargeKind, Line, Order, Refund, Returned, Tax},
};

/// Adds what is known of the refunds of `order`: `body` is the order's own, `refunds` the list of them. `None` if that is no list.
pub(super) fn detail(order: &mut Order, body: &[u8], refunds: &[u8]) -> Option<()> {
    let wire = parse::<wire::Order<'_>>(body).ok()?;
    for listed in elements(refunds, None)? {
        // What cannot be read of one says nothing of the others; the order itself has every refund's amount.
        let Ok(listed) = parse::<wire::Listed<'_>>(listed) else { continue };
        let Some((lines, charges)) = parts(&wire, &listed, &order.lines, order.currency) else { continue };
        if let Some(refund) = order.refunds.iter_mut().find(|refund| refund.id == listed.id.as_str()) {
            let stated = Refund { lines, charges, ..refund.clone() };
            if let Some(stated) = whole(stated, order.currency) {
                *refund = stated;
            }
        }
    }
    Some(())
}

/// The lines and charges of one refund; `None` where one is about no line of the order.
fn parts(
    order: &wire::Order<'_>,
    refund: &wire::Listed<'_>,
    known: &[Line],
    currency: iso_currency::Currency,
) -> Option<(Vec<Returned>, Vec<Charge>)> {
    let given = |on: &[wire::LineTax<'_>], total| -> Vec<Tax> {
        let taxes = taxes(order, on, total, currency).into_iter();
        taxes.map(|tax| Tax { amount: -tax.amount, ..tax }).collect()
    };
    let mut lines = Vec::new();
    for item in &refund.line_items {
        let taxes = given(&item.taxes, item.total_tax);
        // The editor lists every line of an order, with nothing on those that nothing comes back of.
        if item.quantity.is_zero() && item.total.is_zero() && taxes.is_empty() {
            continue;
        }
        let of = item.meta_data.iter().find(|meta| meta.key.as_str() == "_refunded_item_id")?;
        let line = known.iter().find(|line| line.id == of.value.as_str())?.id.clone();
        lines.push(Returned { line, quantity: item.quantity.abs(), amount: -item.total, taxes, restock: false });
    }
    let shipping = refund.shipping_lines.iter().map(|line| {
        let label = named(line.method_title.as_str(), "shipping");
        charge(ChargeKind::Shipping, label, -line.total, given(&line.taxes, line.total_tax))
    });
    let fees = refund.fee_lines.iter().map(|line| {
        charge(ChargeKind::Fee, named(line.name.as_str(), "fee"), -line.total, given(&line.taxes, line.total_tax))
    });
    let charges = shipping.chain(fees).filter(|charge| !charge.amount.is_zero() || !charge.taxes.is_empty());
    Some((lines, charges.collect()))
}

/// The refund, if its parts make its amount. Where the shop rounds tax once, each part of it is rounded here, and the largest takes
/// what that leaves.
fn whole(mut refund: Refund, currency: iso_currency::Currency) -> Option<Refund> {
    let taken_off = refund.taken_off();
    // The amounts of this resource never contain their tax.
    let missing = taken_off - refund.parts(false);
    let taxes = refund.lines.iter_mut().flat_map(|line| &mut line.taxes);
    let mut taxes: Vec<_> = taxes.chain(refund.charges.iter_mut().flat_map(|charge| &mut charge.taxes)).collect();
    let half_units = i64::try_from(taxes.len()).unwrap_or(i64::MAX);
    if (missing + missing).abs() > minor_unit(currency) * Amount::from(half_units) {
        return None;
    }
    if let Some(largest) = taxes.iter_mut().max_by_key(|tax| tax.amount.abs()) {
        largest.amount += missing;
    }
    Some(refund)
}
