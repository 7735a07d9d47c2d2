//! Who bought, as a `res.partner` and the addresses that hang on it.
//!
//! Odoo keeps an address as a partner of its own below the customer's. A guest's own record carries where the invoice goes; a customer
//! who comes again may have moved since, so that each address of theirs is a record by itself, named by what it says.

use std::fmt;

use serde::Serialize;

use super::{
    names,
    places::{self, Places},
};
use crate::{
    domain::{
        ids::Reference,
        order::{Address, TaxId},
        version::ContentHash,
    },
    erp::{
        Job,
        booking::{self, text},
    },
};

/// The buyer of a sale.
pub(super) struct Buyer {
    /// Our reference of the customer.
    pub(super) reference: Reference,
    /// The e-mail address, as it is compared.
    pub(super) email: Option<String>,
    /// The tax id, as the buyer wrote it.
    pub(super) tax_id: Option<TaxId>,
    /// The customer.
    pub(super) contact: Contact,
    /// Where the invoice goes; none: to the customer's own record.
    pub(super) invoice: Option<Contact>,
    /// Where the goods go; none: as the invoice.
    pub(super) delivery: Option<Contact>,
}

/// The three partners of a sale.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Addressees {
    pub(super) customer: i64,
    pub(super) invoice: i64,
    pub(super) delivery: i64,
}

/// A `res.partner`, as it is created.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(super) struct Contact {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) street: String,
    pub(super) zip: String,
    pub(super) city: String,
    pub(super) state: Option<i64>,
    pub(super) country: Option<i64>,
}

/// The buyer of `sale`.
#[must_use]
pub(super) fn buyer(sale: &Job, places: &Places) -> Buyer {
    let booking::Buyer { reference, name, email, phone, tax_id, billing, shipping, guest } = booking::buyer(sale);
    let mut contact = place("contact", billing, &name, places);
    (contact.name, contact.email) = (name.clone(), email.clone().unwrap_or_default());
    if contact.phone.is_empty() {
        contact.phone = phone.unwrap_or_default();
    }
    let at = |kind, address| place(kind, address, &name, places);
    let (invoice, delivery) = match (billing, shipping) {
        (None, None) => (None, None),
        _ if at("", billing) == at("", shipping) => ((!guest).then(|| at("other", billing)), None),
        _ => ((!guest).then(|| at("invoice", billing)), Some(at("delivery", shipping))),
    };
    Buyer { reference, email: email.map(|email| email.to_lowercase()), tax_id, contact, invoice, delivery }
}

fn place(kind: &'static str, from: Option<&Address>, name: &str, places: &Places) -> Contact {
    let from = from.cloned().unwrap_or_default();
    let code = text(from.country.as_deref()).map(|code| code.to_uppercase());
    let country = code.as_deref().and_then(|code| places.country(code));
    let state = places::named(&from).and_then(|(country, called)| places.province(&country, &called));
    let joined = |parts: [Option<String>; 2]| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    Contact {
        kind,
        name: booking::addressee(&from).unwrap_or_else(|| name.to_owned()),
        email: String::new(),
        phone: text(from.phone.as_deref()).unwrap_or_default(),
        // A field of one line. What Odoo has no record for stays readable: a parcel must not lose its destination.
        street: joined([text(from.street.as_deref()), code.filter(|_| country.is_none())]).replace('\n', ", "),
        zip: text(from.postal_code.as_deref()).unwrap_or_default(),
        city: joined([text(from.city.as_deref()), text(from.region.as_deref()).filter(|_| state.is_none())]),
        state,
        country,
    }
}

impl Contact {
    /// The external id of an address, named by what it says.
    pub(super) fn external(&self, customer: &Reference) -> String {
        names::part(customer, &self.hash().to_string())
    }

    /// A short name for its content, so that the id cache holds no personal data.
    #[must_use]
    pub(super) fn hash(&self) -> ContentHash {
        ContentHash::of(super::wire::raw(self).get())
    }
}

// Personal data stays out of `Debug`, and so out of logs and panics.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({}, hidden)", self.kind)
    }
}
