//! Sales as they are read: how they stand, what they carry, and when they were last changed; and parties.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::{Address, Exact, Flag};
use crate::{
    domain::{document::Document, version::Version},
    erp::{booking::mark, repeatable},
};

/// Records and when each was last changed, in Tryton's own words (`sale.sale,7`). A call that carries them is refused as a whole if one
/// of them was changed since.
pub(in crate::erp::tryton) type Seen = BTreeMap<String, String>;

/// A found sale.
#[derive(Clone, Deserialize)]
pub(in crate::erp::tryton) struct FoundSale {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) web_id: Option<String>,
    pub(in crate::erp::tryton) number: Option<String>,
    pub(in crate::erp::tryton) state: String,
    #[serde(default)]
    pub(in crate::erp::tryton) invoice_state: Option<String>,
    #[serde(default)]
    pub(in crate::erp::tryton) shipment_state: Option<String>,
    pub(in crate::erp::tryton) total_amount: Option<Exact>,
    #[serde(rename = "_timestamp", default)]
    changed: Option<String>,
    #[serde(rename = "currency.", default)]
    pub(in crate::erp::tryton) currency: Option<SaleCurrency>,
    #[serde(rename = "lines.", default)]
    lines: Vec<FoundLine>,
}

/// A sale's currency.
#[derive(Clone, Deserialize)]
pub(in crate::erp::tryton) struct SaleCurrency {
    pub(in crate::erp::tryton) code: String,
}

/// A found sale's line.
#[derive(Clone, Deserialize)]
struct FoundLine {
    #[serde(default)]
    id: Option<i64>,
    note: Option<String>,
    #[serde(rename = "_timestamp", default)]
    changed: Option<String>,
}

impl FoundSale {
    /// The fields to ask for.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 10] = [
        "web_id",
        "number",
        "state",
        "invoice_state",
        "shipment_state",
        "total_amount",
        "currency.code",
        "_timestamp",
        "lines.note",
        "lines._timestamp",
    ];

    /// What the flows call it.
    pub(in crate::erp::tryton) fn document(&self) -> Document {
        Document { id: self.id.to_string(), number: self.number.clone() }
    }

    /// Our mark: the version, and the total the sale must have.
    pub(in crate::erp::tryton) fn mark(&self) -> Option<(Version, Decimal)> {
        self.lines.iter().find_map(|line| mark::read(line.note.as_deref()?))
    }

    /// Whether it comes to the total of its mark; so does what has none, or does not say.
    pub(in crate::erp::tryton) fn adds_up(&self) -> bool {
        self.mark().zip(self.total_amount).is_none_or(|((_, total), is)| is.0 == total)
    }

    /// The ids of its lines.
    pub(in crate::erp::tryton) fn line_ids(&self) -> Vec<i64> {
        self.lines.iter().filter_map(|line| line.id).collect()
    }

    /// It and its lines, as they stand.
    pub(in crate::erp::tryton) fn seen(&self) -> impl Iterator<Item = (String, String)> {
        let sale = self.changed.clone().map(|changed| (format!("sale.sale,{}", self.id), changed));
        let line = |line: &FoundLine| Some((format!("sale.line,{}", line.id?), line.changed.clone()?));
        sale.into_iter().chain(self.lines.iter().filter_map(line))
    }

    /// How it stands, for people: what keeps it from being changed.
    pub(in crate::erp::tryton) fn standing(&self) -> String {
        let told = |what: &str, state: Option<&str>| match state {
            None | Some("none") => String::new(),
            Some(state) => format!(", its {what} is {}", repeatable(state)),
        };
        let shipment = told("shipment", self.shipment_state.as_deref());
        let invoice = told("invoice", self.invoice_state.as_deref());
        format!("its state is {}{shipment}{invoice}", repeatable(&self.state))
    }
}

/// A found party with its addresses.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct FoundParty {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) code: String,
    pub(in crate::erp::tryton) active: Flag,
    #[serde(default)]
    replaced_by: Option<i64>,
    #[serde(rename = "addresses.", default)]
    pub(in crate::erp::tryton) addresses: Vec<FoundAddress>,
}

impl FoundParty {
    /// The fields to ask for.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 8] = [
        "code",
        "active",
        "replaced_by",
        "addresses.party_name",
        "addresses.street",
        "addresses.postal_code",
        "addresses.city",
        "addresses.country",
    ];

    /// The party that it was merged into.
    pub(in crate::erp::tryton) fn heir(&self) -> Option<i64> {
        self.replaced_by.filter(|_| !self.active.0)
    }
}

/// A found address.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct FoundAddress {
    pub(in crate::erp::tryton) id: i64,
    #[serde(flatten)]
    pub(in crate::erp::tryton) content: Address,
}
