//! Who a sale is for: the party and the two addresses, as Tryton holds them. Pure.
//!
//! A party carries our reference as its code, which Tryton keeps unique: `connection/customer/id`, and for somebody without an
//! account `connection/customer/guest/order`. It is created once and then belongs to the ERP's people: no later order changes it.

use std::fmt;

use super::wire::{self, Address, Create, Identifier, Mechanism, Party};
use crate::{
    domain::{ids::Reference, order, version::ContentHash},
    erp::{
        Job,
        booking::{self, addressee, text},
    },
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

/// The buyer of `sale`. `country` answers Tryton's id of a country, if it has it.
#[must_use]
pub(super) fn buyer(sale: &Job, country: impl Fn(&str) -> Option<i64>) -> Buyer {
    let booking::Buyer { reference, name, email, phone, tax_id, billing, shipping, guest: _ } = booking::buyer(sale);
    let mechanisms: Vec<Mechanism> = [("email", email), ("phone", phone)]
        .into_iter()
        .filter_map(|(r#type, value)| Some(Mechanism { r#type, value: value? }))
        .collect();
    let tax_id = tax_id.and_then(|tax_id| text(Some(&tax_id.value)));
    let party = Party {
        code: reference.as_str().to_owned(),
        contact_mechanisms: (!mechanisms.is_empty()).then(|| Create::new(mechanisms)),
        identifiers: tax_id.map(|code| Create::new(vec![Identifier { code }])),
        name,
    };
    // An order at the counter has neither, and its party an address without a place.
    let place = |address: Option<&order::Address>| {
        address.map(|address| self::address(address, &party.name, &country)).unwrap_or_default()
    };
    let (invoice, shipment) = (place(billing), place(shipping));
    Buyer { reference, party, invoice, shipment }
}

/// An address. What Tryton has no record for (regions as stores write them, countries nobody loaded) stays readable as text:
/// a parcel must not lose its destination.
fn address(from: &order::Address, party: &str, country: &impl Fn(&str) -> Option<i64>) -> Address {
    let code = text(from.country.as_deref()).map(|code| code.to_uppercase());
    let country = code.as_deref().and_then(country);
    let unknown = if country.is_none() { code } else { None };
    let join = |parts: [Option<String>; 2], with: &str| {
        let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(with);
        (!joined.is_empty()).then_some(joined)
    };
    Address {
        party_name: addressee(from).filter(|name| name != party),
        street: join([text(from.street.as_deref()), unknown], "\n"),
        postal_code: text(from.postal_code.as_deref()),
        city: join([text(from.city.as_deref()), text(from.region.as_deref())], ", "),
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
