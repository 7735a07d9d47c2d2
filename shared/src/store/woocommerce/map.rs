//! From `WooCommerce`'s order to the canonical one. Pure.
//!
//! Lines, shipping and fees are net of tax even in shops whose prices contain it; `prices_include_tax` only tells what the
//! buyer saw. What coupons take off is the difference of a line's `subtotal` and `total`. Gift cards stand outside the lines
//! and lower the total: they become negative store credit.
//!
//! | `status` | canonical status | canonical payment |
//! |---|---|---|
//! | `on-hold` without `date_paid`, but for cash on delivery | open | in process: a transfer or a voucher is awaited |
//! | `pending` with a gateway of [`AWAITED`] | open | in process: the buyer has a voucher or a code |
//! | `pending`, `on-hold` otherwise | open | pending, whatever `date_paid` says: the shop still waits for (more) money or looks into it |
//! | `failed` | open | failed if `date_paid` is set: it was paid once; else pending |
//! | `processing`, `completed` | open | paid: the vendor's own `wc_get_is_paid_statuses`, so that cash on delivery ships |
//! | `refunded` | open | refunded |
//! | `cancelled`, `trash` | cancelled | paid if `date_paid` is set, else pending |
//! | one of [`EXTENSIONS`] | open | as it says |
//! | any other: shops define their own | open | unknown, until `orders.statuses` explains it |
//! | `auto-draft`, `draft`, `checkout-draft` | not an order yet | |
//!
//! A `date_paid` alone never makes an order paid: extensions set it once a deposit came. Refunds turn paid into partially refunded,
//! and into refunded once they reach the total.
//!
//! Payments that expire leave no word of their own: unpaid orders are `cancelled`, by `WooCommerce` after a while or by the gateway.
//! Nor do those that are charged back: Mercado Pago makes such orders `refunded`, others make them `failed`. Where a shop has a
//! status for either, `orders.statuses` says so.
//!
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties> ·
//! <https://woocommerce.com/document/managing-orders/order-statuses/> ·
//! <https://woocommerce.github.io/code-reference/classes/Automattic-WooCommerce-Enums-OrderStatus.html> ·
//! <https://www.mercadopago.com.mx/developers/en/docs/woocommerce/payment-status>

use iso_currency::Currency;
use jiff::tz::Offset;

use super::wire;
use crate::{
    domain::{
        money::{Amount, minor_unit},
        order::{
            Address, Charge, ChargeKind, Customer, Discount, Flag, Line, LineStock, Order, Payment, Refund, SCHEMA,
            Status, Tax, TaxId,
        },
        status::after_refunds,
        time::Stamp,
    },
    store::{
        audited,
        parse::{Money, country, currency, flag, joined, order_id, stamp},
        tax_id::Fields,
        title::plain,
    },
};

/// The canonical order, its books examined.
pub(crate) fn order(wire: &wire::Order<'_>) -> Result<Order, Flag> {
    let (status, payment, store_status) = state(wire);
    let currency = currency(wire.currency.as_str())?;
    let (customer, passed_over) = customer(wire);
    let modified =
        if wire.date_modified_gmt.as_str().is_empty() { &wire.date_created_gmt } else { &wire.date_modified_gmt };
    let mut order = Order {
        schema: SCHEMA,
        id: order_id(wire.id.as_str())?,
        number: wire.number.owned().unwrap_or_else(|| wire.id.as_str().to_owned()),
        placed_at: placed(wire)?,
        updated_at: stamp("date_modified_gmt", modified.as_str())?,
        currency,
        channel: wire.created_via.owned(),
        test: false,
        status,
        payment,
        store_status,
        customer,
        billing: wire.billing.as_ref().and_then(address),
        shipping: wire.shipping.as_ref().and_then(address),
        lines: lines(wire, currency),
        charges: charges(wire, currency),
        discounts: Vec::new(),
        tax_included: false,
        tax: wire.total_tax.0.unwrap_or_default(),
        total: wire.total,
        current_total: None,
        refunds: refunds(wire)?,
        stock: stock(wire),
        flags: passed_over.into_iter().collect(),
    };
    spread_tax_rounding(wire, &mut order);
    Ok(audited(order))
}

/// Whether this is somebody's cart or an editor's sheet: nothing was ordered yet.
pub(super) fn is_draft(status: &str) -> bool {
    matches!(self::status(status), "auto-draft" | "draft" | "checkout-draft")
}

/// What statuses of well-known extensions mean, so far as their documents or sources say it. `orders.statuses` goes before it.
///
/// - `partially-paid`: a deposit came, <https://webtomizer.com/docs/woocommerce-deposits/usage>
/// - `partial-payment`, `pending-deposit`, `scheduled-payment`: <https://woocommerce.com/document/woocommerce-deposits/>
const EXTENSIONS: &[(&str, Payment)] = &[
    ("partially-paid", Payment::PartiallyPaid),
    ("partial-payment", Payment::PartiallyPaid),
    ("pending-deposit", Payment::Pending),
    ("scheduled-payment", Payment::Pending),
];

/// The gateways that leave an order `pending` while the buyer is to pay a voucher or a code. Others make it `on-hold` then.
///
/// Mercado Pago: `src/Order/OrderStatus.php` and `src/Gateways` of <https://github.com/mercadopago/cart-woocommerce>
const AWAITED: &[&str] = &["woo-mercado-pago-ticket", "woo-mercado-pago-pix"];

/// Cash on delivery: its money is expected at the door, not before.
const AT_THE_DOOR: &str = "cod";

/// The statuses of `WooCommerce` itself whose meaning no shop can change. `on-hold` is not among them: shops that ship before the
/// bank transfer has come may say so.
const FIXED: &[&str] = &[
    "pending",
    "failed",
    "processing",
    "completed",
    "refunded",
    "cancelled",
    "trash",
    "auto-draft",
    "draft",
    "checkout-draft",
];

/// Whether `orders.statuses` may explain this status.
pub(super) fn explainable(word: &str) -> Result<(), &'static str> {
    if FIXED.contains(&word) {
        return Err("is a status of WooCommerce's own, whose meaning is fixed");
    }
    if word.starts_with("wc-") {
        return Err("orders carry their status without the prefix `wc-`: leave it out");
    }
    let slug = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if word.is_empty() || !word.bytes().all(slug) {
        return Err("is not the slug of a status, such as `packing`: not the name that people see");
    }
    Ok(())
}

/// Whether it stands, its payment, and the word that a rule may explain.
fn state(wire: &wire::Order<'_>) -> (Status, Payment, Option<String>) {
    let dated = !wire.date_paid_gmt.as_str().is_empty() || !wire.date_paid.as_str().is_empty();
    let once_paid = |then| if dated { then } else { Payment::Pending };
    let (word, method) = (status(wire.status.as_str()), wire.payment_method.as_str());
    let (status, payment) = match word {
        "processing" | "completed" => (Status::Open, Payment::Paid),
        "refunded" => (Status::Open, Payment::Refunded),
        "on-hold" if !dated && method != AT_THE_DOOR => (Status::Open, Payment::InProcess),
        "pending" if AWAITED.contains(&method) => (Status::Open, Payment::InProcess),
        "pending" | "on-hold" => (Status::Open, Payment::Pending),
        "failed" => (Status::Open, once_paid(Payment::Failed)),
        "cancelled" | "trash" => (Status::Cancelled, once_paid(Payment::Paid)),
        _ => {
            let known = EXTENSIONS.iter().find(|(extension, _)| *extension == word);
            (Status::Open, known.map_or(Payment::Unknown, |(_, payment)| *payment))
        }
    };
    let refunded = wire.refunds.iter().map(|refund| refund.total.abs()).sum();
    let own = (!FIXED.contains(&word) && !word.is_empty()).then(|| word.to_owned());
    (status, after_refunds(payment, refunded, wire.total), own)
}

/// The status without the prefix that it has in the database, and in what some extensions send.
fn status(word: &str) -> &str {
    word.strip_prefix("wc-").unwrap_or(word)
}

/// When it was placed, on the shop's own calendar: the site's time and UTC are both given, their difference is the offset.
fn placed(wire: &wire::Order<'_>) -> Result<Stamp, Flag> {
    let gmt = stamp("date_created_gmt", wire.date_created_gmt.as_str())?;
    let offset = || {
        let local = Stamp::parse(wire.date_created.as_str()).ok()?;
        let seconds = local.at().as_second() - gmt.at().as_second();
        // Offsets are quarters of an hour, from -12 to +14 hours; anything else is not one.
        let is_offset = seconds % 900 == 0 && (-43_200..=50_400).contains(&seconds);
        if is_offset { Offset::from_seconds(i32::try_from(seconds).ok()?).ok() } else { None }
    };
    Ok(Stamp::new(gmt.at(), offset().unwrap_or(Offset::UTC)))
}

/// What the shop took off its stock: `_reduced_stock` of a line says how much, also after it put some back. A line without it took
/// nothing while the order waits for its money; later it is an article of which the shop keeps no stock, and the ERP does.
fn stock(wire: &wire::Order<'_>) -> Vec<LineStock> {
    let waits = matches!(status(wire.status.as_str()), "pending" | "failed" | "cancelled");
    let of = |line: &wire::LineItem<'_>| {
        let reduced = line.meta_data.iter().find(|meta| meta.key.as_str() == "_reduced_stock");
        let reduced = reduced.and_then(|meta| Amount::parse(meta.value.as_str()).ok());
        let taken = reduced.or_else(|| waits.then_some(Amount::ZERO)).filter(|taken| *taken != line.quantity)?;
        Some(LineStock { line: line.id.as_str().to_owned(), taken: Some(taken), fulfilled: None })
    };
    wire.line_items.iter().filter_map(of).collect()
}

fn lines(wire: &wire::Order<'_>, currency: Currency) -> Vec<Line> {
    let coupons: Vec<_> = wire.coupon_lines.iter().map(|coupon| plain(coupon.code.as_str())).collect();
    let coupons: Vec<_> = coupons.iter().map(String::as_str).collect();
    let coupons = joined(&coupons, ", ").unwrap_or_else(|| "discount".to_owned());
    let line = |line: &wire::LineItem<'_>| {
        // A plugin may have raised `total` above `subtotal`: then `total` is what is charged, and nothing was taken off.
        let amount = line.subtotal.0.map_or(line.total, |subtotal| subtotal.max(line.total));
        let off = amount - line.total;
        let discount = || Discount { label: coupons.clone(), amount: off };
        let unit = amount.decimal().checked_div(line.quantity.decimal()).and_then(|unit| Amount::try_from(unit).ok());
        Line {
            id: line.id.as_str().to_owned(),
            sku: line.sku.owned(),
            title: plain(line.name.as_str()),
            quantity: line.quantity,
            unit_price: unit.unwrap_or(amount),
            amount,
            discounts: (!off.is_zero()).then(discount).into_iter().collect(),
            taxes: taxes(wire, &line.taxes, line.total_tax, currency),
            gift_card: false,
            restock: None,
        }
    };
    wire.line_items.iter().map(line).collect()
}

/// The taxes of a line. Their parts have more decimals than the line's own tax, which is the one that is charged: the last
/// part takes what rounding leaves.
pub(super) fn taxes(
    wire: &wire::Order<'_>,
    parts: &[wire::LineTax<'_>],
    stated: Money,
    currency: Currency,
) -> Vec<Tax> {
    let parts: Vec<_> =
        parts.iter().filter_map(|p| p.total.0.filter(|total| !total.is_zero()).map(|total| (p, total))).collect();
    let mut left = stated.0.unwrap_or_else(|| parts.iter().map(|(_, total)| *total).sum());
    let mut taxes = Vec::with_capacity(parts.len());
    for (n, (part, total)) in parts.iter().enumerate() {
        let last = n + 1 == parts.len();
        let amount = if last { left } else { total.rounded(currency) };
        left -= amount;
        let rate = wire.tax_lines.iter().find(|rate| rate.rate_id == part.id);
        taxes.push(Tax {
            name: named(rate.map_or("", |rate| rate.label.as_str()), "tax"),
            rate: rate.and_then(|rate| rate.rate_percent.0).and_then(fraction),
            amount,
        });
    }
    if taxes.is_empty() && !left.is_zero() {
        taxes.push(Tax { name: "tax".to_owned(), rate: None, amount: left });
    }
    taxes.retain(|tax| !tax.amount.is_zero());
    taxes
}

/// The name as people read it, if there is one.
pub(super) fn named(name: &str, otherwise: &str) -> String {
    let name = plain(name);
    if name.is_empty() { otherwise.to_owned() } else { name }
}

/// 21 % is 0.21.
fn fraction(percent: Amount) -> Option<Amount> {
    percent.decimal().checked_div(100.into()).and_then(|rate| Amount::try_from(rate).ok())
}

/// Shops may round tax once per order instead of per line. Then the lines' rounded taxes miss the order's by some cents,
/// though their unrounded parts make it exactly: the largest takes those cents. Any other difference stays, and is flagged.
fn spread_tax_rounding(wire: &wire::Order<'_>, order: &mut Order) {
    let missing = order.proof().untraced_tax;
    if missing.is_zero() {
        return;
    }
    let lines = wire.line_items.iter().flat_map(|line| &line.taxes);
    let shipping = wire.shipping_lines.iter().flat_map(|line| &line.taxes);
    let fees = wire.fee_lines.iter().flat_map(|line| &line.taxes);
    let parts: Vec<_> = lines.chain(shipping).chain(fees).filter_map(|part| part.total.0).collect();
    let exact: Amount = parts.iter().copied().sum();
    let half_units = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    let only_rounding = (missing + missing).abs() <= minor_unit(order.currency) * Amount::from(half_units);
    if only_rounding && exact.rounded(order.currency) == order.tax {
        let taxes = order.lines.iter_mut().flat_map(|line| &mut line.taxes);
        let taxes = taxes.chain(order.charges.iter_mut().flat_map(|charge| &mut charge.taxes));
        if let Some(largest) = taxes.max_by_key(|tax| tax.amount.abs()) {
            largest.amount += missing;
        }
    }
}

pub(super) fn charge(kind: ChargeKind, label: String, amount: Amount, taxes: Vec<Tax>) -> Charge {
    Charge { kind, label, amount, discounts: Vec::new(), taxes }
}

fn charges(wire: &wire::Order<'_>, currency: Currency) -> Vec<Charge> {
    let shipping = wire.shipping_lines.iter().map(|line| {
        let label = named(line.method_title.as_str(), "shipping");
        charge(ChargeKind::Shipping, label, line.total, taxes(wire, &line.taxes, line.total_tax, currency))
    });
    let fees = wire.fee_lines.iter().map(|line| {
        let label = named(line.name.as_str(), "fee");
        charge(ChargeKind::Fee, label, line.total, taxes(wire, &line.taxes, line.total_tax, currency))
    });
    let gift_cards = wire.gift_cards.iter().filter(|card| !card.amount.is_zero()).map(|card| {
        charge(ChargeKind::StoreCredit, format!("gift card {}", card.id.as_str()), -card.amount.abs(), Vec::new())
    });
    shipping.chain(fees).chain(gift_cards).collect()
}

fn customer(wire: &wire::Order<'_>) -> (Option<Customer>, Option<Flag>) {
    let billing = wire.billing.as_ref();
    let (tax_id, passed_over) = tax_id(wire);
    let customer = Customer {
        id: wire.customer_id.owned().filter(|id| id != "0"),
        name: billing.and_then(|b| name(b).or_else(|| b.company.owned())),
        email: billing.and_then(|b| b.email.owned()),
        phone: billing.and_then(|b| b.phone.owned()),
        tax_id,
    };
    ((customer != Customer::default()).then_some(customer), passed_over)
}

/// Extensions keep the tax id in the order's metadata, in the billing address, or in both.
fn tax_id(wire: &wire::Order<'_>) -> (Option<TaxId>, Option<Flag>) {
    let country = |address: Option<&wire::Address<'_>>| country(address?.country.as_str());
    let mut fields = Fields::new(country(wire.billing.as_ref()).or_else(|| country(wire.shipping.as_ref())));
    for meta in wire.meta_data.iter().filter(|meta| !meta.key.as_str().starts_with(wire::OURS)) {
        fields.add(meta.key.as_str(), meta.value.as_str());
    }
    if let Some(billing) = &wire.billing {
        fields.add("persontype", billing.persontype.as_str());
        fields.add("cnpj", billing.cnpj.as_str());
        fields.add("cpf", billing.cpf.as_str());
    }
    fields.found()
}

fn name(address: &wire::Address<'_>) -> Option<String> {
    joined(&[address.first_name.as_str(), address.last_name.as_str()], " ")
}

fn address(wire: &wire::Address<'_>) -> Option<Address> {
    let first = joined(&[wire.address_1.as_str(), wire.number.as_str()], " ");
    let second = joined(&[wire.address_2.as_str(), wire.neighborhood.as_str()], ", ");
    let address = Address {
        name: name(wire),
        company: wire.company.owned(),
        street: joined(&[first.as_deref().unwrap_or_default(), second.as_deref().unwrap_or_default()], "\n"),
        city: wire.city.owned(),
        region: wire.state.owned(),
        postal_code: wire.postcode.owned(),
        country: country(wire.country.as_str()),
        phone: wire.phone.owned(),
    };
    // The country alone is filled in for digital orders too.
    let rest = Address { country: None, ..address.clone() };
    (rest != Address::default()).then_some(address)
}

fn refunds(wire: &wire::Order<'_>) -> Result<Vec<Refund>, Flag> {
    let refund = |refund: &wire::Refund<'_>| {
        let id = refund.id.owned().ok_or_else(|| flag("unreadable", "refunds: one has no id"))?;
        Ok(Refund { reason: refund.reason.owned(), ..Refund::new(id, refund.total.abs()) })
    };
    wire.refunds.iter().filter(|refund| !refund.total.is_zero()).map(refund).collect()
}
