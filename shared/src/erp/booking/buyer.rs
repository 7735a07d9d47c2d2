//! Who bought, as an order says it.

use super::text;
use crate::{
    domain::{
        ids::Reference,
        order::{Address, Order, TaxId},
    },
    erp::Job,
};

/// The buyer of a sale.
pub(in crate::erp) struct Buyer<'a> {
    /// Our reference of the customer: a guest's is the order's.
    pub(in crate::erp) reference: Reference,
    /// Their name, or what stands in for one.
    pub(in crate::erp) name: String,
    /// Their e-mail address.
    pub(in crate::erp) email: Option<String>,
    /// Their phone, or an address's.
    pub(in crate::erp) phone: Option<String>,
    /// Their tax id, if they gave one.
    pub(in crate::erp) tax_id: Option<TaxId>,
    /// Where the invoice goes. Each address stands in for the other; an order at the counter has neither.
    pub(in crate::erp) billing: Option<&'a Address>,
    /// Where the goods go.
    pub(in crate::erp) shipping: Option<&'a Address>,
    /// Whether the store has no account of them.
    pub(in crate::erp) guest: bool,
}

/// The buyer of `sale`.
#[must_use]
pub(in crate::erp) fn buyer(sale: &Job) -> Buyer<'_> {
    let order = &sale.order;
    let customer = order.customer.clone().unwrap_or_default();
    let id = text(customer.id.as_deref());
    let guest = id.is_none();
    let reference = Reference::customer(&sale.key.connection, &id.unwrap_or_else(|| format!("guest/{}", order.id)));
    let billing = order.billing.as_ref().or(order.shipping.as_ref());
    let shipping = order.shipping.as_ref().or(order.billing.as_ref());
    let name = text(customer.name.as_deref())
        .or_else(|| billing.and_then(addressee))
        .or_else(|| shipping.and_then(addressee))
        .unwrap_or_else(|| format!("Order {}", order.number));
    let phone = text(customer.phone.as_deref())
        .or_else(|| [shipping, billing].into_iter().flatten().find_map(|address| text(address.phone.as_deref())));
    let tax_id = customer.tax_id.filter(|tax_id| text(Some(&tax_id.value)).is_some());
    Buyer { reference, name, email: text(customer.email.as_deref()), phone, tax_id, billing, shipping, guest }
}

/// The ISO codes of the countries an order names.
#[must_use]
pub(in crate::erp) fn countries(order: &Order) -> Vec<String> {
    let both = order.billing.iter().chain(&order.shipping);
    both.filter_map(|address| text(address.country.as_deref())).map(|code| code.to_uppercase()).collect()
}

/// The person and the company of an address, in one line.
#[must_use]
pub(in crate::erp) fn addressee(address: &Address) -> Option<String> {
    let both = [text(address.company.as_deref()), text(address.name.as_deref())];
    let text = both.into_iter().flatten().collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}
