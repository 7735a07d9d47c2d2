//! From Shopify's order to the canonical one. Pure.
//!
//! What is taken is the purchase: `price`, `quantity`, `total_price` (the `current_…` twins are what edits and refunds left of
//! it; refunds are listed by themselves). Amounts are the shop's currency throughout. Nothing is recomputed that Shopify
//! states: allocations of discounts and taxes are copied line by line, because the cents of a percentage fall where Shopify
//! let them fall.
//!
//! | `financial_status` | canonical payment |
//! |---|---|
//! | `pending`, empty | pending |
//! | `authorized` | authorized |
//! | `partially_paid` | partially paid |
//! | `paid` | paid |
//! | `partially_refunded` | partially refunded |
//! | `refunded` | refunded |
//! | `voided`, `expired` | voided |
//!
//! The order is cancelled when `cancelled_at` is set.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order>

use iso_currency::Currency;

use super::wire;
use crate::{
    domain::{
        ids::OrderId,
        money::Amount,
        order::{
            Address, Charge, ChargeKind, Customer, Discount, Flag, Line, Order, Payment, Refund, SCHEMA, Status, Tax,
            TaxIdKind,
        },
    },
    store::{
        audited,
        parse::{Code, country, currency, flag, joined, order_id, product, stamp},
        tax_id,
    },
};

/// The canonical order, its books examined.
pub(crate) fn order(wire: &wire::Order<'_>) -> Result<Order, Flag> {
    let currency = currency(wire.currency.as_str())?;
    let placed = if wire.processed_at.as_str().is_empty() { &wire.created_at } else { &wire.processed_at };
    let mut flags = Vec::new();
    let (payment, unknown) = payment(wire.financial_status.as_str());
    flags.extend(unknown);

    let labels = |index: Option<usize>| label(wire, index);
    // A tip is a line of its own kind, and counted in `total_tip_received` as well.
    let (tips, goods): (Vec<_>, Vec<_>) = wire.line_items.iter().partition(|line| line.tip.is_some());
    let lines =
        goods.into_iter().enumerate().map(|(n, line)| self::line(n, line, &labels)).collect::<Result<_, _>>()?;
    let mut order = Order {
        schema: SCHEMA,
        id: id(&wire.id)?,
        number: wire.name.owned().or_else(|| wire.order_number.owned()).unwrap_or_else(|| wire.id.as_str().to_owned()),
        placed_at: stamp("processed_at", placed.as_str())?,
        updated_at: stamp("updated_at", wire.updated_at.as_str())?,
        currency,
        channel: wire.source_name.owned(),
        test: wire.test.unwrap_or_default(),
        status: if wire.cancelled_at.as_str().is_empty() { Status::Open } else { Status::Cancelled },
        payment,
        customer: customer(wire),
        billing: wire.billing_address.as_ref().and_then(address),
        shipping: wire.shipping_address.as_ref().and_then(address),
        lines,
        charges: charges(wire, &tips, &labels)?,
        discounts: Vec::new(),
        tax_included: wire.taxes_included.unwrap_or_default(),
        tax: wire.total_tax.unwrap_or_default(),
        total: wire.total_price,
        current_total: None,
        refunds: refunds(wire, currency, &mut flags)?,
        flags,
    };
    unallocated(wire, &mut order);
    rounding(wire, &mut order);
    Ok(audited(order))
}

/// The order's id: digits, as many as there are.
pub(super) fn id(code: &Code<'_>) -> Result<OrderId, Flag> {
    order_id(code.as_str())
}

fn payment(status: &str) -> (Payment, Option<Flag>) {
    let known = match status {
        "pending" | "" => Payment::Pending,
        "authorized" => Payment::Authorized,
        "partially_paid" => Payment::PartiallyPaid,
        "paid" => Payment::Paid,
        "partially_refunded" => Payment::PartiallyRefunded,
        "refunded" => Payment::Refunded,
        "voided" | "expired" => Payment::Voided,
        _ => {
            let detail = "financial_status: is none of Shopify's documented states, taken as pending";
            return (Payment::Pending, Some(flag("status", detail)));
        }
    };
    (known, None)
}

fn line(n: usize, line: &wire::LineItem<'_>, labels: &impl Fn(Option<usize>) -> String) -> Result<Line, Flag> {
    Ok(Line {
        id: line.id.as_str().to_owned(),
        sku: line.sku.owned(),
        title: line.name.owned().or_else(|| line.title.owned()).unwrap_or_default(),
        quantity: line.quantity,
        unit_price: line.price,
        amount: product(line.price, line.quantity)
            .ok_or_else(|| flag("amount", format!("line_items[{n}]: price times quantity is larger than 10^15")))?,
        discounts: discounts(&line.discount_allocations, labels),
        taxes: taxes(&line.tax_lines),
        gift_card: line.gift_card.unwrap_or_default(),
    })
}

fn discounts(allocations: &[wire::DiscountAllocation], labels: &impl Fn(Option<usize>) -> String) -> Vec<Discount> {
    let stated = allocations.iter().filter(|a| !a.amount.is_zero());
    stated.map(|a| Discount { label: labels(a.discount_application_index), amount: a.amount }).collect()
}

fn label(wire: &wire::Order<'_>, index: Option<usize>) -> String {
    index
        .and_then(|at| wire.discount_applications.get(at))
        .and_then(|a| a.code.owned().or_else(|| a.title.owned()).or_else(|| a.description.owned()))
        .unwrap_or_else(|| "discount".to_owned())
}

fn taxes<'a>(lines: impl IntoIterator<Item = &'a wire::TaxLine<'a>>) -> Vec<Tax> {
    let charged = lines.into_iter().filter(|tax| !tax.price.is_zero());
    charged.map(|tax| Tax { name: tax.title.as_str().to_owned(), rate: tax.rate, amount: tax.price }).collect()
}

/// What is paid beside the lines: carriage, tips, duties and additional fees.
fn charges(
    wire: &wire::Order<'_>,
    tips: &[&wire::LineItem<'_>],
    labels: &impl Fn(Option<usize>) -> String,
) -> Result<Vec<Charge>, Flag> {
    let mut charges: Vec<_> = wire.shipping_lines.iter().map(|line| shipping(line, labels)).collect();
    let charge = |kind, label: &str, amount, taxes| Charge {
        kind,
        label: label.to_owned(),
        amount,
        discounts: Vec::new(),
        taxes,
    };

    let mut tipped = Amount::ZERO;
    for tip in tips {
        let amount = product(tip.price, tip.quantity)
            .ok_or_else(|| flag("amount", "line_items: the tip is larger than 10^15"))?;
        tipped += amount;
        charges.push(charge(ChargeKind::Tip, "tip", amount, taxes(&tip.tax_lines)));
    }
    let rest = wire.total_tip_received.unwrap_or_default() - tipped;
    if rest > Amount::ZERO {
        charges.push(charge(ChargeKind::Tip, "tip", rest, Vec::new()));
    }
    if let Some(duties) = shop(wire.original_total_duties_set) {
        // With `duties_included` the prices of the lines contain them.
        if !wire.duties_included.unwrap_or_default() {
            let taxed = wire.line_items.iter().flat_map(|line| &line.duties).flat_map(|duty| &duty.tax_lines);
            charges.push(charge(ChargeKind::Duty, "duties", duties, taxes(taxed)));
        }
    }
    if let Some(fees) = shop(wire.original_total_additional_fees_set) {
        charges.push(charge(ChargeKind::Fee, "additional fees", fees, Vec::new()));
    }
    Ok(charges)
}

fn shipping(line: &wire::ShippingLine<'_>, labels: &impl Fn(Option<usize>) -> String) -> Charge {
    let mut discounts = discounts(&line.discount_allocations, labels);
    let off = line.price - line.discounted_price.unwrap_or(line.price);
    // Older payloads lower the price without saying by what.
    if discounts.is_empty() && off > Amount::ZERO {
        discounts.push(Discount { label: "shipping discount".to_owned(), amount: off });
    }
    Charge {
        kind: ChargeKind::Shipping,
        label: line.title.owned().unwrap_or_else(|| "shipping".to_owned()),
        amount: line.price,
        discounts,
        taxes: taxes(&line.tax_lines),
    }
}

fn shop(both: Option<wire::Both>) -> Option<Amount> {
    both.map(|both| both.shop_money.amount).filter(|amount| !amount.is_zero())
}

/// What `total_discounts` states beyond the allocations lowers the total too; unless the books hold without it.
fn unallocated(wire: &wire::Order<'_>, order: &mut Order) {
    let proof = order.proof();
    let rest = wire.total_discounts.unwrap_or_default() - proof.discounts;
    if rest > Amount::ZERO && !proof.holds() {
        order.discounts.push(Discount { label: "discount without allocation".to_owned(), amount: rest });
    }
}

/// Cash rounding is an adjustment of the payment. Whether `total_price` contains it is not documented, so the sum decides:
/// it is a charge where the books hold with it and not without.
fn rounding(wire: &wire::Order<'_>, order: &mut Order) {
    let rounding = shop(wire.total_cash_rounding_payment_adjustment_set);
    if let Some(amount) = rounding.filter(|amount| order.proof().difference == *amount) {
        let label = "cash rounding".to_owned();
        let charge = Charge { kind: ChargeKind::Rounding, label, amount, discounts: Vec::new(), taxes: Vec::new() };
        order.charges.push(charge);
    }
}

fn customer(wire: &wire::Order<'_>) -> Option<Customer> {
    let of = wire.customer.as_ref();
    let field = |read: fn(&wire::Customer<'_>) -> Option<String>| of.and_then(read);
    let billing = wire.billing_address.as_ref();
    let customer = Customer {
        id: field(|c| c.id.owned()),
        name: field(|c| joined(&[c.first_name.as_str(), c.last_name.as_str()], " "))
            .or_else(|| billing.and_then(name))
            .or_else(|| billing.and_then(|address| address.company.owned())),
        email: wire.email.owned().or_else(|| wire.contact_email.owned()).or_else(|| field(|c| c.email.owned())),
        phone: wire
            .phone
            .owned()
            .or_else(|| field(|c| c.phone.owned()))
            .or_else(|| billing.and_then(|b| b.phone.owned())),
        tax_id: tax_id::find(wire.note_attributes.iter().map(|a| (a.name.as_str(), a.value.as_str())))
            .or_else(|| billing.and_then(brazilian)),
    };
    (customer != Customer::default()).then_some(customer)
}

/// Shopify's checkout has no field for a tax id; Brazilian shops relabel `company`, and get a CPF or CNPJ there.
fn brazilian(address: &wire::Address<'_>) -> Option<crate::domain::order::TaxId> {
    let value = address.company.as_str();
    let only = value.chars().all(|c| c.is_ascii_digit() || ".-/ ".contains(c));
    let kind = match value.bytes().filter(u8::is_ascii_digit).count() {
        11 => TaxIdKind::Cpf,
        14 => TaxIdKind::Cnpj,
        _ => return None,
    };
    if only && address.country_code.as_str() == "BR" { tax_id::of_kind(kind, value) } else { None }
}

fn name(address: &wire::Address<'_>) -> Option<String> {
    address.name.owned().or_else(|| joined(&[address.first_name.as_str(), address.last_name.as_str()], " "))
}

fn address(wire: &wire::Address<'_>) -> Option<Address> {
    let address = Address {
        name: name(wire),
        company: wire.company.owned(),
        street: joined(&[wire.address1.as_str(), wire.address2.as_str()], "\n"),
        city: wire.city.owned(),
        region: wire.province.owned(),
        postal_code: wire.zip.owned(),
        country: country(wire.country_code.as_str()),
        phone: wire.phone.owned(),
    };
    (address != Address::default()).then_some(address)
}

/// Money given back. A refund that moved none (a restock, a void) is none.
fn refunds(wire: &wire::Order<'_>, currency: Currency, flags: &mut Vec<Flag>) -> Result<Vec<Refund>, Flag> {
    let mut refunds = Vec::new();
    for refund in &wire.refunds {
        let mut paid_back = refund
            .transactions
            .iter()
            .filter(|t| t.kind.as_str() == "refund" && matches!(t.status.as_str(), "success" | "pending"))
            .peekable();
        if paid_back.peek().is_none() {
            continue;
        }
        let foreign =
            |t: &&wire::Transaction<'_>| !matches!(t.currency.as_str(), "") && t.currency.as_str() != currency.code();
        let amount = if paid_back.clone().any(|t| foreign(&t)) {
            let amount = of_lines(refund, wire.taxes_included.unwrap_or_default());
            let detail = format!(
                "refund {}: paid back in another currency; {amount} {} is what its lines and adjustments make",
                refund.id.as_str(),
                currency.code()
            );
            flags.push(flag("refund", detail));
            amount
        } else {
            paid_back.filter_map(|t| t.amount).sum()
        };
        if !amount.is_zero() {
            let id = refund.id.owned().ok_or_else(|| flag("unreadable", "refunds: one has no id"))?;
            refunds.push(Refund { id, amount, taken_off: None, reason: refund.note.owned() });
        }
    }
    Ok(refunds)
}

/// What a refund's lines and adjustments make, in the shop's currency.
fn of_lines(refund: &wire::Refund<'_>, tax_included: bool) -> Amount {
    let lines: Amount = refund.refund_line_items.iter().filter_map(|line| line.subtotal).sum();
    let tax: Amount = refund.refund_line_items.iter().filter_map(|line| line.total_tax).sum();
    let adjustments: Amount = refund.order_adjustments.iter().flat_map(|a| [a.amount, a.tax_amount]).flatten().sum();
    lines - adjustments + if tax_included { Amount::ZERO } else { tax }
}
