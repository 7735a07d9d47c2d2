//! From Shopify's order to the canonical one. Pure.
//!
//! What is taken is what was *sold*: what the store states as current, plus what refunds took off it ([`sold`](super::sold),
//! [`refunds`](super::refunds)). Amounts are the shop's currency throughout. Nothing is recomputed that Shopify states:
//! allocations of discounts and taxes are copied line by line, because the cents of a percentage fall where Shopify let them
//! fall. Bodies without `current_…` figures (old API versions) are taken as bought.
//!
//! | `financial_status` | canonical payment |
//! |---|---|
//! | `pending` with a transfer, a voucher or a provider among [`AWAITED`] | in process: the provider waits for the money, or the shop does |
//! | `pending`, empty | pending |
//! | `authorized` | authorized |
//! | `partially_paid` | partially paid |
//! | `paid` | paid |
//! | `partially_refunded` | partially refunded |
//! | `refunded` | refunded |
//! | `voided` | voided |
//! | `expired` | expired |
//!
//! A charge that the buyer's bank takes back is a dispute, which is another resource: no order says so, and no payment is charged
//! back here.
//!
//! The order is cancelled when `cancelled_at` is set.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order> ·
//! <https://shopify.dev/docs/api/admin-graphql/latest/enums/OrderDisplayFinancialStatus> ·
//! <https://shopify.dev/docs/api/admin-graphql/latest/objects/ShopifyPaymentsDispute>

use iso_currency::Currency;

use super::{
    parts,
    refunds::{self, Back, set},
    sold::{Removed, taxes},
    wire,
};
use crate::{
    domain::{
        ids::OrderId,
        money::Amount,
        order::{
            Address, Charge, ChargeKind, Customer, Discount, Flag, Line, LineStock, Order, Payment, Refund, SCHEMA,
            Status, TaxId,
        },
    },
    store::{
        audited,
        parse::{Code, country, currency, flag, joined, order_id, product, stamp},
        tax_id::{Fields, brazilian},
        title::plain,
    },
};

/// The canonical order, its books examined.
pub(crate) fn order(wire: &wire::Order<'_>) -> Result<Order, Flag> {
    let currency = currency(wire.currency.as_str())?;
    let placed = if wire.processed_at.as_str().is_empty() { &wire.created_at } else { &wire.processed_at };
    let mut flags = Vec::new();
    let (payment, unknown) = payment(wire);
    flags.extend(unknown);

    let backs = refunds::read(wire, currency);
    let sale = Sale { wire, backs: &backs, currency, says_now: wire.current_total_price.0.is_some() };
    let mut removed = Removed::default();
    // A tip is a line of its own kind, and counted in `total_tip_received` as well.
    let (tips, goods): (Vec<_>, Vec<_>) = wire.line_items.iter().enumerate().partition(|(_, line)| line.tip.is_some());
    let mut lines = Vec::with_capacity(goods.len());
    for (n, line) in goods {
        lines.extend(sale.line(n, line, lines.len(), &mut removed)?);
    }
    let charges = sale.charges(&tips, &mut removed)?;
    let (customer, passed_over) = customer(wire);
    flags.extend(passed_over);
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
        store_status: None,
        customer,
        billing: wire.billing_address.as_ref().and_then(address),
        shipping: wire.shipping_address.as_ref().and_then(address),
        lines,
        charges,
        discounts: Vec::new(),
        tax_included: wire.taxes_included.unwrap_or_default(),
        tax: wire.total_tax.unwrap_or_default() - removed.tax,
        total: wire.total_price,
        current_total: wire.current_total_price.0,
        refunds: Vec::new(),
        stock: stock(wire),
        flags,
    };
    order.refunds = sale.refunds(&order.lines)?;
    sale.prove(&mut order, &removed);
    sale.explain_refunds(&mut order);
    let tax_included = order.tax_included;
    order.refunds.iter_mut().for_each(|refund| parts::complete(refund, tax_included));
    Ok(audited(order))
}

/// What the shop did with its stock: an edit or a refund took units out of the order, a carrier has some.
fn stock(wire: &wire::Order<'_>) -> Vec<LineStock> {
    let of = |line: &wire::LineItem<'_>| {
        let now = line.current_quantity.0.unwrap_or(line.quantity);
        let fulfilled = line.fulfillable_quantity.0.map(|open| now - open).filter(|gone| *gone > Amount::ZERO);
        let taken = (now != line.quantity).then_some(now);
        let said = taken.is_some() || fulfilled.is_some();
        said.then(|| LineStock { line: line.id.as_str().to_owned(), taken, fulfilled })
    };
    wire.line_items.iter().filter_map(of).collect()
}

/// An order on its way to the canonical one.
struct Sale<'a> {
    wire: &'a wire::Order<'a>,
    backs: &'a [Back<'a>],
    currency: Currency,
    /// Whether the body has the `current_…` figures.
    says_now: bool,
}

/// The order's id: digits, as many as there are.
pub(super) fn id(code: &Code<'_>) -> Result<OrderId, Flag> {
    order_id(code.as_str())
}

/// What a payment is called by whose name it is plain that the buyer has to transfer, deposit or pay in at a counter, or that a
/// provider waits for that. `Bank Deposit` and `Money Order` are Shopify's own names; other manual methods are named by the shop,
/// and the other providers' pending payments are taken as pending. Cash on delivery is none: nobody expects that money yet.
/// <https://help.shopify.com/en/manual/payments/manual-payments>
const AWAITED: &[&str] = &[
    "bank deposit",
    "money order",
    "bank transfer",
    "transferencia",
    "transferência",
    "depósito",
    "deposito",
    "boleto",
    "pix",
    "oxxo",
    "mercado pago",
];

/// Whether the money of a pending order is expected, by the names of its gateways.
fn is_awaited(wire: &wire::Order<'_>) -> bool {
    let says = |name: &str| {
        let words = name.to_lowercase();
        let words: Vec<_> = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let name = format!(" {} ", words.join(" "));
        AWAITED.iter().any(|word| name.contains(&format!(" {word} ")))
    };
    wire.payment_gateway_names.iter().any(|name| says(name.as_str()))
}

fn payment(wire: &wire::Order<'_>) -> (Payment, Option<Flag>) {
    let known = match wire.financial_status.as_str() {
        "pending" if is_awaited(wire) => Payment::InProcess,
        "pending" | "" => Payment::Pending,
        "authorized" => Payment::Authorized,
        "partially_paid" => Payment::PartiallyPaid,
        "paid" => Payment::Paid,
        "partially_refunded" => Payment::PartiallyRefunded,
        "refunded" => Payment::Refunded,
        "voided" => Payment::Voided,
        "expired" => Payment::Expired,
        _ => {
            let detail = "financial_status: is none of Shopify's documented states, taken as pending";
            return (Payment::Pending, Some(flag("status", detail)));
        }
    };
    (known, None)
}

impl Sale<'_> {
    /// What was sold of a line; `None` if all of it was removed. `place` is where it will stand.
    fn line(
        &self,
        n: usize,
        line: &wire::LineItem<'_>,
        place: usize,
        removed: &mut Removed,
    ) -> Result<Option<Line>, Flag> {
        let bought = Line {
            id: line.id.as_str().to_owned(),
            sku: line.sku.owned(),
            title: line.name.owned().or_else(|| line.title.owned()).map(|title| plain(&title)).unwrap_or_default(),
            quantity: line.quantity,
            unit_price: line.price,
            amount: product(line.price, line.quantity)
                .ok_or_else(|| flag("amount", format!("line_items[{n}]: price times quantity is larger than 10^15")))?,
            discounts: self.discounts(&line.discount_allocations),
            taxes: taxes(&line.tax_lines),
            gift_card: line.gift_card.unwrap_or_default(),
            restock: None,
        };
        Ok(if self.says_now { removed.line(bought, line, self.backs, self.currency, place) } else { Some(bought) })
    }

    fn discounts(&self, allocations: &[wire::DiscountAllocation]) -> Vec<Discount> {
        let stated = allocations.iter().filter(|a| !a.amount.is_zero());
        stated.map(|a| Discount { label: self.label(a.discount_application_index), amount: a.amount }).collect()
    }

    fn label(&self, index: Option<usize>) -> String {
        index
            .and_then(|at| self.wire.discount_applications.get(at))
            .and_then(|a| a.code.owned().or_else(|| a.title.owned()).or_else(|| a.description.owned()))
            .unwrap_or_else(|| "discount".to_owned())
    }

    /// What is paid beside the lines: carriage, tips, duties and additional fees.
    fn charges(&self, tips: &[(usize, &wire::LineItem<'_>)], removed: &mut Removed) -> Result<Vec<Charge>, Flag> {
        let wire = self.wire;
        let mut charges = Vec::new();
        for line in &wire.shipping_lines {
            let bought = self.shipping(line);
            charges.extend(if self.says_now {
                removed.shipping(bought, wire, line, self.backs, self.currency)
            } else {
                Some(bought)
            });
        }
        let mut charge = |kind, label: &str, amount: Amount, taxes| {
            if !amount.is_zero() {
                charges.push(Charge { kind, label: label.to_owned(), amount, discounts: Vec::new(), taxes });
            }
        };

        let mut tipped = Amount::ZERO;
        for (n, tip) in tips {
            tipped += product(tip.price, tip.quantity)
                .ok_or_else(|| flag("amount", "line_items: the tip is larger than 10^15"))?;
            if let Some(line) = self.line(*n, tip, usize::MAX, removed)? {
                charge(ChargeKind::Tip, "tip", line.net(), line.taxes);
            }
        }
        let rest = wire.total_tip_received.unwrap_or_default() - tipped;
        if rest > Amount::ZERO {
            charge(ChargeKind::Tip, "tip", rest, Vec::new());
        }
        let now = |both: Option<wire::Both>| set(both).filter(|_| self.says_now);
        if let Some(duties) = set(wire.original_total_duties_set) {
            // With `duties_included` the prices of the lines contain them.
            if !wire.duties_included.unwrap_or_default() {
                let refunded = self.paid().filter_map(|back| set(back.wire.total_duties_set)).sum();
                let on_duties = wire.line_items.iter().flat_map(|line| &line.duties).flat_map(|duty| &duty.tax_lines);
                let (kept, taxes) = removed.taxed(
                    duties,
                    taxes(on_duties),
                    now(wire.current_total_duties_set),
                    refunded,
                    self.currency,
                );
                charge(ChargeKind::Duty, "duties", kept, taxes);
            }
        }
        if let Some(fees) = set(wire.original_total_additional_fees_set) {
            // A refund does not say how much of it was a fee: with one, they count as bought.
            let now = now(wire.current_total_additional_fees_set).filter(|_| self.paid().next().is_none());
            let (kept, taxes) = removed.taxed(fees, Vec::new(), now, Amount::ZERO, self.currency);
            charge(ChargeKind::Fee, "additional fees", kept, taxes);
        }
        Ok(charges)
    }

    fn shipping(&self, line: &wire::ShippingLine<'_>) -> Charge {
        let mut discounts = self.discounts(&line.discount_allocations);
        let off = line.price - line.discounted_price.unwrap_or(line.price);
        // Older payloads lower the price without saying by what.
        if discounts.is_empty() && off > Amount::ZERO {
            discounts.push(Discount { label: "shipping discount".to_owned(), amount: off });
        }
        Charge {
            kind: ChargeKind::Shipping,
            label: line.label(),
            amount: line.price,
            discounts,
            taxes: taxes(&line.tax_lines),
        }
    }

    /// The refunds that gave money back.
    fn paid(&self) -> impl Iterator<Item = &Back<'_>> {
        self.backs.iter().filter(|back| back.paid)
    }

    /// Money given back of what was sold, each with what it took off the order and of which parts.
    fn refunds(&self, sold: &[Line]) -> Result<Vec<Refund>, Flag> {
        let of_what_was_sold = self.paid().filter(|back| !back.settles);
        of_what_was_sold
            .map(|back| {
                let id = back.wire.id.owned().ok_or_else(|| flag("unreadable", "refunds: one has no id"))?;
                let amount = back.amount.unwrap_or_default();
                let taken_off = (self.says_now && back.taken != amount).then_some(back.taken);
                let (lines, charges) = back.parts(self.wire, sold, self.currency).unwrap_or_default();
                Ok(Refund { id, amount, taken_off, reason: back.wire.note.owned(), lines, charges })
            })
            .collect()
    }

    /// Finds the total that was sold for: the current one and what the refunds took off it. Whether Shopify's current total counts
    /// what a refund gave beyond its lines (goodwill, a fee that was kept) is not documented, so the sum decides. Where no
    /// reading leads from the current total to what was sold, the total as bought stands, and the order says what is unexplained.
    fn prove(&self, order: &mut Order, removed: &Removed) {
        let Some(current) = order.current_total else {
            self.unallocated(order);
            self.rounding(order);
            return;
        };
        let current_tax = self.wire.current_total_tax.0.map(|now| now + self.paid().map(|back| back.tax).sum());
        if let Some(tax) = current_tax.filter(|_| removed.has_rounded_tax() || !order.proof().untraced_tax.is_zero()) {
            order.tax = tax;
        }
        order.total = current + order.proof().refunded;
        removed.settle(order);
        if order.proof().holds() {
            return;
        }
        let by_parts = order.total;
        let by_money = current + order.refunds.iter().map(|refund| refund.amount).sum();
        order.total = by_money;
        if order.proof().holds() && order.refunds.iter().all(|refund| !refund.amount.is_zero()) {
            order.refunds.iter_mut().for_each(|refund| refund.taken_off = None);
            return;
        }
        let without_money: Amount = self.backs.iter().filter(|back| !back.paid).map(|back| back.taken).sum();
        order.total = self.wire.total_price - without_money;
        if !removed.any && !order.proof().holds() {
            self.unallocated(order);
            self.rounding(order);
        }
        if !order.proof().holds() {
            order.total = by_parts;
        }
    }

    /// A refund of an amount that only the buyer's currency states: where it alone is unknown, it is what the others leave open.
    fn explain_refunds(&self, order: &mut Order) {
        let proof = order.proof();
        let mut unknown = order.refunds.iter_mut().filter(|refund| refund.amount.is_zero());
        if let (Some(refund), None) = (unknown.next(), unknown.next())
            && proof.holds()
            && proof.unexplained < Amount::ZERO
        {
            refund.amount = -proof.unexplained;
        }
        // It is called partially refunded for money that only paid an edit back.
        if order.refunds.is_empty() && self.paid().next().is_some() && order.payment == Payment::PartiallyRefunded {
            order.payment = Payment::Paid;
        }
        for back in self.paid().filter(|back| back.foreign) {
            let detail = format!(
                "refund {}: paid back in another currency; {} {} is what its lines, shipping and adjustments make",
                back.wire.id.as_str(),
                back.amount.unwrap_or_default(),
                order.currency.code()
            );
            order.flags.push(flag("refund", detail));
        }
    }

    /// What `total_discounts` states beyond the allocations lowers the total too; unless the books hold without it.
    fn unallocated(&self, order: &mut Order) {
        let proof = order.proof();
        let rest = self.wire.total_discounts.unwrap_or_default() - proof.discounts;
        if rest > Amount::ZERO && !proof.holds() {
            order.discounts.push(Discount { label: "discount without allocation".to_owned(), amount: rest });
        }
    }

    /// Cash rounding is an adjustment of the payment. Whether `total_price` contains it is not documented, so the sum decides:
    /// it is a charge where the books hold with it and not without.
    fn rounding(&self, order: &mut Order) {
        let rounding = set(self.wire.total_cash_rounding_payment_adjustment_set).filter(|amount| !amount.is_zero());
        if let Some(amount) = rounding.filter(|amount| order.proof().difference == *amount) {
            let label = "cash rounding".to_owned();
            let charge = Charge { kind: ChargeKind::Rounding, label, amount, discounts: Vec::new(), taxes: Vec::new() };
            order.charges.push(charge);
        }
    }
}

fn customer(wire: &wire::Order<'_>) -> (Option<Customer>, Option<Flag>) {
    let of = wire.customer.as_ref();
    let field = |read: fn(&wire::Customer<'_>) -> Option<String>| of.and_then(read);
    let billing = wire.billing_address.as_ref();
    let (tax_id, passed_over) = tax_id(wire);
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
        tax_id,
    };
    ((customer != Customer::default()).then_some(customer), passed_over)
}

/// Shopify's checkout has no field for a tax id: shops ask for it as a note, and in Brazil they relabel `company`.
fn tax_id(wire: &wire::Order<'_>) -> (Option<TaxId>, Option<Flag>) {
    let billing = wire.billing_address.as_ref();
    let country = billing.or(wire.shipping_address.as_ref()).and_then(|address| country(address.country_code.as_str()));
    let in_brazil = country.as_deref() == Some("BR");
    let mut fields = Fields::new(country);
    for note in &wire.note_attributes {
        fields.add(note.name.as_str(), note.value.as_str());
    }
    let (found, passed_over) = fields.found();
    let company = || billing.filter(|_| in_brazil).and_then(|address| brazilian(address.company.as_str()));
    (found.or_else(company), passed_over)
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
