//! The section of a Tryton, and what is built from it.

use std::{collections::HashMap, fmt, time::Duration};

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

use super::{super::Erp, wire};
use crate::{
    Result,
    config::{Secret, Section},
    domain::{document::Operation, order::ChargeKind},
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

fn one() -> i64 {
    1
}

fn a_minute() -> Duration {
    Duration::from_mins(1)
}

/// `"60s"`, `"2m"` or whole seconds.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Text(String),
    }
    let duration = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => Some(Duration::from_secs(seconds)),
        Written::Text(text) => text.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok()),
    };
    duration.ok_or_else(|| serde::de::Error::custom("is a time such as \"60s\", or whole seconds"))
}

fn hundred() -> usize {
    100
}

/// Something of Tryton's, by its name or its id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Id(i64),
    Name(String),
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

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "#{id}"),
            Self::Name(name) => f.write_str(name),
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

/// The codes of the products that stand for what is not an article.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Codes {
    pub(super) shipping: Option<String>,
    pub(super) tip: Option<String>,
    pub(super) duty: Option<String>,
    pub(super) fee: Option<String>,
    pub(super) discount: Option<String>,
    pub(super) rounding: Option<String>,
    pub(super) store_credit: Option<String>,
    /// Money given back without saying for what.
    pub(super) refund: Option<String>,
    pub(super) gift_card: Option<String>,
    pub(super) custom: Option<String>,
    pub(super) adjustment: Option<String>,
}

impl Codes {
    /// The code of the product for a kind of charge.
    #[must_use]
    pub(super) fn of(&self, kind: ChargeKind) -> Option<&str> {
        match kind {
            ChargeKind::Shipping => &self.shipping,
            ChargeKind::Tip => &self.tip,
            ChargeKind::Duty => &self.duty,
            ChargeKind::Fee => &self.fee,
            ChargeKind::Rounding => &self.rounding,
            ChargeKind::StoreCredit => &self.store_credit,
            ChargeKind::Refund => &self.refund,
        }
        .as_deref()
    }

    /// Its key in the configuration.
    #[must_use]
    pub(super) fn key(kind: ChargeKind) -> &'static str {
        match kind {
            ChargeKind::Shipping => "shipping",
            ChargeKind::Tip => "tip",
            ChargeKind::Duty => "duty",
            ChargeKind::Fee => "fee",
            ChargeKind::Rounding => "rounding",
            ChargeKind::StoreCredit => "store_credit",
            ChargeKind::Refund => "refund",
        }
    }
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
