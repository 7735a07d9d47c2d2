//! From Medusa's order to the canonical one. Pure.
//!
//! Medusa rounds nothing: a third off 12.35 is 4.11666255 off, and a total is 41.1884176297. Buyers are shown, and charged, whole
//! minor units. So every part is rounded here, half away from zero, and what the rounded parts miss of the rounded sum stands
//! beside them as a charge of rounding: `docs/decisions/medusa-rounding.md`. What the parts do not make *unrounded* is no rounding,
//! and is flagged.
//!
//! Where all prices contain their tax, so do the lines; where only some do, all are net.
//!
//! | Medusa | canonical |
//! |---|---|
//! | `status` `canceled`, or a `canceled_at` | cancelled; all others, `archived` too, are open |
//! | captured all, a part, nothing | paid, partially paid, as below |
//! | nothing captured: authorised, or collections all `canceled` | authorized, voided; else pending |
//! | refunded all of what was captured, or a part | refunded, partially refunded |
//!
//! A refund makes a credit line, which lowers `total`: what was sold is `total` and those together. Other credit lines are store
//! credit.
//!
//! A refund is one of a payment: an amount and a note, and no lines. Goods come back as returns, and nothing says which refund pays for
//! which return, so refunds are without parts here. Nor does a payment say that a voucher is awaited, that it expired or that it was
//! charged back: collections that wait for money are pending, whatever they wait for.
//! <https://docs.medusajs.com/resources/references/types/interfaces/types.BaseRefund>

use iso_currency::Currency;

use super::wire;
use crate::{
    domain::{
        money::{Amount, minor_unit},
        order::{
            Address, Charge, ChargeKind, Customer, Discount, Flag, Line, Order, Payment, Refund, SCHEMA, Status, Tax,
        },
        time::Stamp,
    },
    store::{
        audited,
        parse::{country, currency, flag, joined, stamp},
        tax_id::Fields,
    },
};

/// The reference of a credit line that a refund made.
const OF_A_REFUND: &str = "payment_collection";

/// Decimals that count before the minor unit is rounded to: behind them is the noise of doubles.
const NOISE: u32 = 8;

/// The canonical order, its books examined.
pub(super) fn order(wire: &wire::Order<'_>) -> Result<Order, Flag> {
    let currency = currency(&wire.currency_code.as_str().to_uppercase())?;
    let (credited, credit) = credits(wire);
    let (customer, passed_over) = customer(wire);
    let sold = exact(wire.total + credited).rounded(currency);
    let now = exact(wire.total).rounded(currency);
    let tax_included = wire.items.iter().chain(&wire.shipping_methods).all(|part| part.is_tax_inclusive);
    let mut charges: Vec<Charge> =
        wire.shipping_methods.iter().map(|method| shipping(method, tax_included, currency)).collect();
    if !credit.is_zero() {
        charges.push(charge(ChargeKind::StoreCredit, "credit", -credit.rounded(currency)));
    }
    let mut order = Order {
        schema: SCHEMA,
        id: wire::order_id(wire.id.as_str()).ok_or_else(|| flag("unreadable", "id: is not an order's, order_…"))?,
        number: wire.display_id.owned().map_or_else(|| wire.id.as_str().to_owned(), |number| format!("#{number}")),
        placed_at: stamp("created_at", wire.created_at.as_str())?,
        updated_at: modified(wire)?,
        currency,
        channel: wire.sales_channel.as_ref().and_then(|channel| channel.name.owned()),
        test: false,
        status: status(wire),
        payment: payment(wire, sold, currency),
        store_status: None,
        customer,
        billing: wire.billing_address.as_ref().and_then(address),
        shipping: wire.shipping_address.as_ref().and_then(address),
        lines: wire.items.iter().map(|item| line(item, tax_included, currency)).collect(),
        charges,
        discounts: Vec::new(),
        tax_included,
        tax: Amount::ZERO,
        total: sold,
        current_total: Some(now),
        refunds: refunds(wire, sold - now, currency),
        stock: Vec::new(),
        flags: passed_over.into_iter().collect(),
    };
    round(wire, credit, &mut order);
    Ok(audited(order))
}

/// Explains what rounding left: of the tax, which is that of the parts, and of the sum, as a charge of its own.
fn round(wire: &wire::Order<'_>, credit: Amount, order: &mut Order) {
    let (included, currency) = (order.tax_included, order.currency);
    let parts = || wire.items.iter().chain(&wire.shipping_methods);
    let made: Amount = parts().map(|part| figures(part, included).charged()).sum();
    let tax: Amount = parts().map(|part| part.tax_total).sum();
    let traced = order.lines.iter().flat_map(|line| &line.taxes).chain(order.charges.iter().flat_map(|c| &c.taxes));
    let traced: Amount = traced.map(|tax| tax.amount).sum();
    let stated = wire.tax_total.0.unwrap_or(tax);
    order.tax = traced + exact(stated).rounded(currency) - exact(tax).rounded(currency);
    let nets: Amount = order.lines.iter().map(Line::net).chain(order.charges.iter().map(Charge::net)).sum();
    let rounded = nets + if included { Amount::ZERO } else { traced };
    let missing = exact(made - credit).rounded(currency) - rounded;
    if !missing.is_zero() {
        order.charges.push(charge(ChargeKind::Rounding, "rounding of the store's unrounded amounts", missing));
    }
}

/// Without the noise of doubles.
fn exact(amount: Amount) -> Amount {
    Amount::try_from(amount.decimal().round_dp(NOISE)).unwrap_or(amount)
}

/// What a part costs, and what is taken off: with its tax, or without.
struct Figures {
    amount: Amount,
    discount: Amount,
    /// What comes on top.
    tax: Amount,
}

impl Figures {
    fn charged(&self) -> Amount {
        self.amount - self.discount + self.tax
    }
}

fn figures(part: &wire::Part<'_>, tax_included: bool) -> Figures {
    if tax_included {
        Figures { amount: part.original_total, discount: part.discount_total, tax: Amount::ZERO }
    } else {
        Figures { amount: part.subtotal, discount: part.discount_subtotal, tax: part.tax_total }
    }
}

fn line(item: &wire::Part<'_>, tax_included: bool, currency: Currency) -> Line {
    let Figures { amount, .. } = figures(item, tax_included);
    let quantity = item.quantity.0.unwrap_or(Amount::ONE);
    let unit = amount.decimal().checked_div(quantity.decimal()).and_then(|unit| Amount::try_from(unit).ok());
    let title = item.title.as_str();
    let variant = if item.variant_title.as_str() == title { "" } else { item.variant_title.as_str() };
    Line {
        id: item.id.as_str().to_owned(),
        sku: item.variant_sku.owned(),
        title: joined(&[title, variant], " / ").unwrap_or_default(),
        quantity,
        unit_price: unit.map_or(amount, exact),
        amount: exact(amount).rounded(currency),
        discounts: discounts(item, tax_included, currency),
        taxes: taxes(item, currency),
        gift_card: item.is_giftcard,
        restock: None,
    }
}

fn shipping(method: &wire::Part<'_>, tax_included: bool, currency: Currency) -> Charge {
    let label = method.name.owned().unwrap_or_else(|| "shipping".to_owned());
    let amount = exact(figures(method, tax_included).amount).rounded(currency);
    let discounts = discounts(method, tax_included, currency);
    Charge { discounts, taxes: taxes(method, currency), ..charge(ChargeKind::Shipping, &label, amount) }
}

fn charge(kind: ChargeKind, label: &str, amount: Amount) -> Charge {
    Charge { kind, label: label.to_owned(), amount, discounts: Vec::new(), taxes: Vec::new() }
}

fn discounts(part: &wire::Part<'_>, tax_included: bool, currency: Currency) -> Vec<Discount> {
    let amount = exact(figures(part, tax_included).discount).rounded(currency);
    let mut codes: Vec<&str> = part.adjustments.iter().map(|adjustment| adjustment.code.as_str()).collect();
    codes.dedup();
    let label = joined(&codes, ", ").unwrap_or_else(|| "discount".to_owned());
    if amount.is_zero() { Vec::new() } else { vec![Discount { label, amount }] }
}

/// The taxes of a part, each rounded. A tax that no tax line explains stays, without a name.
fn taxes(part: &wire::Part<'_>, currency: Currency) -> Vec<Tax> {
    let explained: Amount = part.tax_lines.iter().filter_map(|tax| tax.total.0).sum();
    let rest = exact(part.tax_total - explained).rounded(currency);
    let named = part.tax_lines.iter().map(|tax| Tax {
        name: tax.description.owned().or_else(|| tax.code.owned()).unwrap_or_else(|| "tax".to_owned()),
        rate: tax.rate.0.and_then(fraction),
        amount: exact(tax.total.0.unwrap_or_default()).rounded(currency),
    });
    let unnamed = Tax { name: "tax".to_owned(), rate: None, amount: rest };
    named.chain([unnamed]).filter(|tax| !tax.amount.is_zero()).collect()
}

/// 21 % is 0.21.
fn fraction(percent: Amount) -> Option<Amount> {
    percent.decimal().checked_div(100.into()).and_then(|rate| Amount::try_from(rate).ok())
}

/// What refunds took off the total, and what else lowers it.
fn credits(wire: &wire::Order<'_>) -> (Amount, Amount) {
    let of = |refund: bool| -> Amount {
        let lines = wire.credit_lines.iter().filter(|line| (line.reference.as_str() == OF_A_REFUND) == refund);
        lines.filter_map(|line| line.amount.0).sum()
    };
    (of(true), of(false))
}

/// The refunds, with what they took off together shared out among them.
fn refunds(wire: &wire::Order<'_>, taken_off: Amount, currency: Currency) -> Vec<Refund> {
    let payments = wire.payment_collections.iter().flat_map(|collection| &collection.payments);
    let told = payments.flat_map(|payment| &payment.refunds).map(|refund| Refund {
        id: refund.id.as_str().to_owned(),
        amount: exact(refund.amount).rounded(currency),
        taken_off: None,
        reason: refund.note.owned(),
        lines: Vec::new(),
        charges: Vec::new(),
    });
    let mut refunds: Vec<Refund> = told.filter(|refund| !refund.amount.is_zero()).collect();
    let summed = wire.summary.as_ref().and_then(|summary| summary.refunded_total.0).unwrap_or_default();
    if wire.payment_collections.is_empty() && !summed.is_zero() {
        let amount = exact(summed).rounded(currency);
        refunds.push(Refund::new("refunded", amount));
    }
    let mut left = taken_off;
    let last = refunds.len().saturating_sub(1);
    for (place, refund) in refunds.iter_mut().enumerate() {
        let mut share = refund.amount.min(left);
        // The minor unit that rounding each by itself leaves.
        if place == last && (left - share).abs() <= minor_unit(currency) {
            share = left;
        }
        left -= share;
        refund.taken_off = (share != refund.amount).then_some(share);
    }
    refunds
}

fn status(wire: &wire::Order<'_>) -> Status {
    let cancelled = wire.status.as_str() == "canceled" || !wire.canceled_at.as_str().is_empty();
    if cancelled { Status::Cancelled } else { Status::Open }
}

/// How far its payment is, from what was captured, authorised and given back.
fn payment(wire: &wire::Order<'_>, sold: Amount, currency: Currency) -> Payment {
    let collections = &wire.payment_collections;
    let sum = |of: fn(&wire::Collection<'_>) -> Amount| exact(collections.iter().map(of).sum()).rounded(currency);
    let (mut captured, mut refunded) = (
        sum(|collection| collection.captured_amount.0.unwrap_or_default()),
        sum(|collection| collection.refunded_amount.0.unwrap_or_default()),
    );
    if let (true, Some(summary)) = (collections.is_empty(), &wire.summary) {
        captured = exact(summary.paid_total.0.unwrap_or_default()).rounded(currency);
        refunded = exact(summary.refunded_total.0.unwrap_or_default()).rounded(currency);
    }
    if captured > Amount::ZERO {
        return match refunded {
            none if none.is_zero() && captured >= sold => Payment::Paid,
            none if none.is_zero() => Payment::PartiallyPaid,
            all if all >= captured => Payment::Refunded,
            _ => Payment::PartiallyRefunded,
        };
    }
    let standing = |collection: &&wire::Collection<'_>| collection.status.as_str() != "canceled";
    let authorized: Amount = collections.iter().filter(standing).filter_map(|c| c.authorized_amount.0).sum();
    if sold.is_zero() {
        // Nothing to pay: Medusa asks for no payment then.
        Payment::Paid
    } else if authorized > Amount::ZERO {
        Payment::Authorized
    } else if !collections.is_empty() && !collections.iter().any(|collection| standing(&collection)) {
        Payment::Voided
    } else {
        Payment::Pending
    }
}

/// When it was last modified, its payment included.
fn modified(wire: &wire::Order<'_>) -> Result<Stamp, Flag> {
    let order = stamp("updated_at", wire.updated_at.as_str())?;
    let payments = wire.payment_collections.iter().filter_map(|c| Stamp::parse(c.updated_at.as_str()).ok());
    Ok(payments.fold(order, |latest, payment| if payment.at() > latest.at() { payment } else { latest }))
}

fn customer(wire: &wire::Order<'_>) -> (Option<Customer>, Option<Flag>) {
    let (who, billing) = (wire.customer.as_ref(), wire.billing_address.as_ref());
    let addresses = || billing.into_iter().chain(&wire.shipping_address);
    let own = who.and_then(|who| {
        joined(&[who.first_name.as_str(), who.last_name.as_str()], " ").or_else(|| who.company_name.owned())
    });
    let (tax_id, passed_over) = {
        let mut fields = Fields::new(addresses().find_map(|address| country(address.country_code.as_str())));
        let metadata = std::iter::once(&wire.metadata).chain(who.map(|who| &who.metadata));
        for (key, value) in metadata.chain(addresses().map(|address| &address.metadata)).flatten().flatten() {
            fields.add(key, value.as_str());
        }
        fields.found()
    };
    let customer = Customer {
        id: wire.customer_id.owned(),
        name: addresses().find_map(|address| name(address).or_else(|| address.company.owned())).or(own),
        email: wire.email.owned(),
        phone: addresses().find_map(|address| address.phone.owned()).or_else(|| who.and_then(|who| who.phone.owned())),
        tax_id,
    };
    ((customer != Customer::default()).then_some(customer), passed_over)
}

fn name(address: &wire::Address<'_>) -> Option<String> {
    joined(&[address.first_name.as_str(), address.last_name.as_str()], " ")
}

/// An address, unless it is only its id: a subscriber that asks for no more gets no more.
fn address(wire: &wire::Address<'_>) -> Option<Address> {
    let address = Address {
        name: name(wire),
        company: wire.company.owned(),
        street: joined(&[wire.address_1.as_str(), wire.address_2.as_str()], "\n"),
        city: wire.city.owned(),
        region: wire.province.owned(),
        postal_code: wire.postal_code.owned(),
        country: country(wire.country_code.as_str()),
        phone: wire.phone.owned(),
    };
    let rest = Address { country: None, ..address.clone() };
    (rest != Address::default()).then_some(address)
}
