//! Who a sale is for: the party and the two addresses, as Tryton holds them. Pure.
//!
//! A party carries our reference as its code, which Tryton keeps unique: `connection/customer/id`, and for somebody without an
//! account `connection/customer/guest/order`. It is created once and then belongs to the ERP's people: no later order changes it.

use std::fmt;

use super::wire::{self, Address, Create, Identifier, Mechanism, Party};
use crate::{
    domain::{
        ids::Reference,
        order::{self, Order},
        version::ContentHash,
    },
    erp::Job,
};

/// The buyer of a sale.
pub(super) struct Buyer {
    /// Our reference, the party's code.
    pub(super) reference: Reference,
    /// The party, if it has to be created.
    pub(super) party: Party,
    /// Where the invoice goes.
    pub(super) invoice: Address,
    /// Where the goods go.
    pub(super) shipment: Address,
}

/// The ISO codes of the countries an order names.
#[must_use]
pub(super) fn countries(order: &Order) -> Vec<String> {
    let both = order.billing.iter().chain(&order.shipping);
    both.filter_map(|address| wire::text(address.country.as_deref())).map(|code| code.to_uppercase()).collect()
}

/// The buyer of `sale`. `country` answers Tryton's id of a country, if it has it.
#[must_use]
pub(super) fn buyer(sale: &Job, country: impl Fn(&str) -> Option<i64>) -> Buyer {
    let order = &sale.order;
    let customer = order.customer.clone().unwrap_or_default();
    let reference = match wire::text(customer.id.as_deref()) {
        Some(id) => Reference::customer(&sale.key.connection, &id),
        None => Reference::customer(&sale.key.connection, &format!("guest/{}", order.id)),
    };
    // Each stands in for the other; an order at the counter has neither, and its party an address without a place.
    let billing = order.billing.as_ref().or(order.shipping.as_ref());
    let shipping = order.shipping.as_ref().or(order.billing.as_ref());
    let name = wire::text(customer.name.as_deref())
        .or_else(|| billing.and_then(addressee))
        .or_else(|| shipping.and_then(addressee))
        .unwrap_or_else(|| format!("Order {}", order.number));
    let phone = wire::text(customer.phone.as_deref())
        .or_else(|| [shipping, billing].into_iter().flatten().find_map(|address| wire::text(address.phone.as_deref())));
    let mechanisms: Vec<Mechanism> = [("email", wire::text(customer.email.as_deref())), ("phone", phone)]
        .into_iter()
        .filter_map(|(r#type, value)| Some(Mechanism { r#type, value: value? }))
        .collect();
    let tax_id = customer.tax_id.as_ref().and_then(|tax_id| wire::text(Some(&tax_id.value)));
    let party = Party {
        code: reference.as_str().to_owned(),
        contact_mechanisms: (!mechanisms.is_empty()).then(|| Create::new(mechanisms)),
        identifiers: tax_id.map(|code| Create::new(vec![Identifier { code }])),
        name,
    };
    let place = |address: Option<&order::Address>| {
        address.map(|address| self::address(address, &party.name, &country)).unwrap_or_default()
    };
    let (invoice, shipment) = (place(billing), place(shipping));
    Buyer { reference, party, invoice, shipment }
}

/// The person and the company of an address, in one line.
fn addressee(address: &order::Address) -> Option<String> {
    let both = [wire::text(address.company.as_deref()), wire::text(address.name.as_deref())];
    let text = both.into_iter().flatten().collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}

/// An address. What Tryton has no record for (regions as stores write them, countries nobody loaded) stays readable as text:
/// a parcel must not lose its destination.
fn address(from: &order::Address, party: &str, country: &impl Fn(&str) -> Option<i64>) -> Address {
    let code = wire::text(from.country.as_deref()).map(|code| code.to_uppercase());
    let country = code.as_deref().and_then(country);
    let unknown = if country.is_none() { code } else { None };
    let join = |parts: [Option<String>; 2], with: &str| {
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(with);
        (!text.is_empty()).then_some(text)
    };
    Address {
        party_name: addressee(from).filter(|name| name != party),
        street: join([wire::text(from.street.as_deref()), unknown], "\n"),
        postal_code: wire::text(from.postal_code.as_deref()),
        city: join([wire::text(from.city.as_deref()), wire::text(from.region.as_deref())], ", "),
        country,
    }
}

impl Address {
    /// The same address, whatever white space and blanks it came back with.
    #[must_use]
    pub(super) fn normal(&self) -> Self {
        let normal = |part: &Option<String>| {
            let lines = part.as_deref().unwrap_or_default().lines();
            let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            let text = words.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
            (!text.is_empty()).then_some(text)
        };
        Self {
            party_name: normal(&self.party_name),
            street: normal(&self.street),
            postal_code: normal(&self.postal_code),
            city: normal(&self.city),
            country: self.country,
        }
    }

    /// A short name for its content, so that the id cache holds no personal data.
    #[must_use]
    pub(super) fn hash(&self) -> ContentHash {
        let text = wire::raw(&self.normal());
        ContentHash::of(text.get())
    }
}

// Personal data stays out of `Debug`, and so out of logs and panics.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(hidden)")
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Party({})", self.code)
    }
}
