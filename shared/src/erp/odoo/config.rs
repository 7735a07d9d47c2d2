//! The section of an Odoo, and what is built from it.

use std::{collections::BTreeMap, collections::HashMap, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{
    super::{
        Erp,
        booking::Codes,
        settings::{Named, a_minute, duration, hundred, one, some_duration},
    },
    wire::{Protocol, Server},
};
use crate::{
    Result,
    config::{Links, Secret, Section},
    domain::{document::Operation, order::TaxIdKind},
};

/// How long a server of Odoo's lets a request work (`limit_time_real`, 120 s unless it is set otherwise), and some seconds more: after
/// that nothing of a lost call can still land.
const SETTLE: Duration = Duration::from_secs(150);

/// The section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) database: String,
    /// The integration user's log-in; JSON-RPC needs it.
    #[serde(default)]
    pub(super) username: Option<String>,
    pub(super) api_key: Secret,
    /// The key that replaces it, while both are there.
    #[serde(default)]
    pub(super) next_api_key: Option<Secret>,
    #[serde(default)]
    pub(super) protocol: Option<Protocol>,
    #[serde(default = "one")]
    pub(super) company: i64,
    #[serde(default)]
    pub(super) state: State,
    #[serde(default)]
    pub(super) credit_state: InvoiceState,
    /// How far the invoice of a confirmed order is taken; `None`: people invoice.
    pub(super) invoice: Option<InvoiceState>,
    #[serde(default)]
    pub(super) customers: Customers,
    /// Odoo's names of the types of identification, where its Latin American modules have them.
    #[serde(default)]
    pub(super) identification_types: HashMap<TaxIdKind, Named>,
    #[serde(default)]
    pub(super) products: Codes,
    #[serde(default)]
    pub(super) taxes: HashMap<String, Named>,
    /// By the currency's code.
    #[serde(default)]
    pub(super) pricelists: BTreeMap<String, Named>,
    pub(super) warehouse: Option<Named>,
    pub(super) payment_term: Option<Named>,
    pub(super) sales_team: Option<Named>,
    #[serde(default)]
    pub(super) tags: Vec<Named>,
    #[serde(default = "a_minute", deserialize_with = "duration")]
    pub(super) timeout: Duration,
    #[serde(default, deserialize_with = "some_duration")]
    pub(super) settle: Option<Duration>,
    #[serde(default = "hundred")]
    pub(super) bulk: usize,
}

/// How far a sales order is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It stays a quotation.
    Draft,
    /// A sales order, with its delivery.
    #[default]
    Confirmed,
}

/// How far an invoice or a credit note is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InvoiceState {
    /// It waits for a bookkeeper.
    #[default]
    Draft,
    /// It is in the books, with its number.
    Posted,
}

/// By what a customer is known who was not brought by us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Customers {
    /// By our reference alone: whoever was typed by hand is somebody else.
    #[default]
    Reference,
    /// By the tax id.
    TaxId,
    /// By the e-mail address.
    Email,
}

/// An Odoo database, and a company in it.
pub(crate) struct Odoo {
    pub(super) settings: Settings,
    pub(super) server: Server,
    /// Its part of the configuration, such as `erp.main`.
    pub(super) place: String,
    /// The store's name or rate of a tax, and Odoo's name or `#id`.
    pub(super) tax_names: HashMap<String, String>,
    pub(super) settle: Duration,
}

impl Odoo {
    /// Whether documents of an operation are to be taken further than drafts.
    pub(super) fn takes_on(&self, operation: Operation) -> bool {
        match operation {
            Operation::Credit => self.settings.credit_state == InvoiceState::Posted,
            Operation::Create | Operation::Amend | Operation::Cancel => self.settings.state == State::Confirmed,
        }
    }
}

/// Every version of Odoo leads from this address to a record's own page, and over the log-in to it.
pub(super) fn links(section: &Section) -> Links {
    let base = section.text("url").unwrap_or_default().trim_end_matches('/');
    let page = |model: &str| format!("{base}/mail/view?model={model}&res_id={{id}}");
    Links::of(&page("sale.order"), &page("account.move"))
}

/// Builds one from its section.
pub(super) fn build(section: &Section) -> Result<Box<dyn Erp>> {
    let settings: Settings = section.read()?;
    if settings.timeout < Duration::from_secs(1) {
        return Err(section.refuse("timeout", "is at least 1 second"));
    }
    if !(1..=1000).contains(&settings.bulk) {
        return Err(section.refuse("bulk", "is 1 to 1000"));
    }
    let settle = settings.settle.unwrap_or(SETTLE.max(settings.timeout * 2));
    if settle < settings.timeout * 2 {
        return Err(section.refuse("settle", "is at least twice `timeout`"));
    }
    if settings.protocol == Some(Protocol::Rpc) && settings.username.is_none() {
        return Err(section.refuse("username", "is needed where `protocol` is \"json-rpc\""));
    }
    if settings.invoice.is_some() && settings.state != State::Confirmed {
        return Err(section.refuse("invoice", "needs `state = \"confirmed\"`: a quotation is not invoiced"));
    }
    let url = Url::parse(&settings.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| section.refuse("url", "is an address such as https://erp.example"))?;
    let keys = std::iter::once(settings.api_key.clone()).chain(settings.next_api_key.clone()).collect();
    let user = (settings.username.as_deref(), keys);
    let server = Server::new(url, &settings.database, user, settings.protocol, settings.company, settings.timeout);
    let tax_names = settings.taxes.iter().map(|(store, odoo)| (store.trim().to_owned(), odoo.to_string())).collect();
    Ok(Box::new(Odoo { settings, server, place: section.path().to_owned(), tax_names, settle }))
}
