//! The section of a Tryton, and what is built from it.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{
    super::{
        Erp,
        booking::Codes,
        settings::{Named, a_minute, duration, hundred, one},
    },
    wire,
};
use crate::{
    Result,
    config::{Links, Secret, Section},
    domain::document::Operation,
};

/// The section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(super) url: String,
    pub(super) database: String,
    pub(super) username: String,
    pub(super) password: Secret,
    #[serde(default = "one")]
    pub(super) company: i64,
    pub(super) web_shop: Named,
    #[serde(default)]
    pub(super) state: State,
    /// How far a credit note is taken; as `state` if it is not said.
    pub(super) credit_state: Option<State>,
    #[serde(default)]
    pub(super) products: Codes,
    #[serde(default)]
    pub(super) taxes: HashMap<String, Named>,
    pub(super) payment_term: Option<Named>,
    pub(super) warehouse: Option<Named>,
    #[serde(default = "a_minute", deserialize_with = "duration")]
    pub(super) timeout: Duration,
    #[serde(default = "hundred")]
    pub(super) bulk: usize,
}

impl Named {
    /// The search domain that finds it.
    pub(super) fn domain(&self, field: &str) -> Box<RawValue> {
        match self {
            Self::Id(id) => wire::raw(&[("id", "=", id)]),
            Self::Name(name) => wire::raw(&[(field, "=", name)]),
        }
    }
}

/// How far a sale is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Created, for a person to look at.
    Draft,
    /// It has a number and can still be changed.
    Quotation,
    /// It stands; Tryton processes it by itself, at once or from its queue.
    #[default]
    Confirmed,
    /// Its invoice and shipment are made before we say that it is done.
    Processing,
}

/// A Tryton database and a web shop in it.
pub(crate) struct Tryton {
    pub(super) settings: Settings,
    pub(super) server: wire::Server,
    /// Its part of the configuration, such as `erp.main`.
    pub(super) place: String,
    /// The store's name or rate of a tax, and Tryton's name or `#id`.
    pub(super) tax_names: HashMap<String, String>,
}

impl Tryton {
    /// How far the documents of an operation are taken.
    pub(super) fn target(&self, operation: Operation) -> State {
        let settings = &self.settings;
        match operation {
            Operation::Credit => settings.credit_state.unwrap_or(settings.state),
            Operation::Create | Operation::Amend | Operation::Cancel => settings.state,
        }
    }
}

/// Tryton's web client: what its records call their `__href__` (trytond/url.py). A credit note is a sale of less than nothing there.
pub(super) fn links(section: &Section) -> Links {
    let text = |key: &str| section.text(key).unwrap_or_default();
    let page = format!("{}/#{}/model/sale.sale/{{id}}", text("url").trim_end_matches('/'), text("database"));
    Links::of(&page, &page)
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
    let url = Url::parse(&settings.url)
        .map_err(|_| section.refuse("url", "is not an address such as https://erp.example"))?;
    let server = wire::Server::new(
        &url,
        &settings.database,
        &settings.username,
        &settings.password,
        settings.company,
        settings.timeout,
    )?;
    let tax_names =
        settings.taxes.iter().map(|(store, tryton)| (store.trim().to_owned(), tryton.to_string())).collect();
    Ok(Box::new(Tryton { settings, server, place: section.path().to_owned(), tax_names }))
}
