//! What the section of a `rest` ERP says: requests as templates, answers as JSON Pointers (RFC 6901).
//!
//! Everything that can be wrong before the first order is told here: an unknown key, a pointer that is none, a field that a
//! request does not use, a class that needs a look-up and has none.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use strum::{IntoStaticStr, VariantArray};
use url::Url;

use super::foreseen::TaxRounding;
use crate::{
    Error, Kind, Result,
    config::Secret,
    erp::{Bulk, Class},
};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    /// What every path is appended to.
    pub(super) url: String,
    /// How long one call may take: `"10s"` or whole seconds.
    #[serde(default = "ten_seconds", deserialize_with = "duration")]
    pub(super) timeout: Duration,
    /// How long the ERP can still be at work on a lost call; at least twice the time-out, which is the default.
    #[serde(default, deserialize_with = "some_duration")]
    pub(super) settle: Option<Duration>,
    /// Headers of every request.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// The same, with secrets in them.
    #[serde(default)]
    pub(super) secret_headers: BTreeMap<String, Secret>,
    /// How far the ERP protects itself from a second document with the same reference.
    pub(super) class: Class,
    /// What a bulk call does when one of its documents is refused.
    #[serde(default = "unknown")]
    pub(super) bulk: Bulk,
    /// The most documents in one `create`.
    #[serde(default = "one")]
    pub(super) bulk_limit: usize,
    /// How the ERP rounds the taxes that it computes by itself; none: it books the amounts that it is sent.
    #[serde(default)]
    pub(super) tax_rounding: Option<TaxRounding>,
    /// Template of one order's document.
    pub(super) document: String,
    /// Creates documents.
    pub(super) create: Request,
    /// Finds documents by reference.
    #[serde(default)]
    pub(super) look_up: Option<Request>,
    /// Finds products by SKU.
    #[serde(default)]
    pub(super) products: Option<Request>,
    /// Finds customers by reference.
    #[serde(default)]
    pub(super) find_customers: Option<Request>,
    /// Creates customers.
    #[serde(default)]
    pub(super) customers: Option<Request>,
    /// Takes documents to their final state.
    #[serde(default)]
    pub(super) finish: Option<Request>,
    /// The words of `look_up.state` (or `create.state`) that need no `finish` any more.
    #[serde(default)]
    pub(super) finished: Vec<String>,
    /// Says whether the ERP can be reached.
    #[serde(default)]
    pub(super) probe: Option<Request>,
}

/// One request and how its answer is read.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request {
    /// The HTTP method.
    pub(super) method: String,
    /// Template of the path and query, from the slash on.
    pub(super) path: String,
    /// Template of the body.
    pub(super) body: Option<String>,
    /// The statuses of success; none: every 2xx.
    pub(super) ok: Vec<u16>,
    /// The statuses that say the reference exists; none: 409.
    pub(super) exists: Vec<u16>,
    /// Words in the error text that say the same.
    pub(super) exists_text: Option<String>,
    /// The statuses that say none of those asked for is there.
    pub(super) none: Vec<u16>,
    /// The most that one call asks for.
    pub(super) at_most: Option<usize>,
    /// The header that carries the reference as an idempotency key.
    pub(super) idempotency_header: Option<String>,
    /// Where the array of items is; if there is no array, the value there is the one item.
    pub(super) items: Pointer,
    /// Where an item says which of ours it is: the reference, or the SKU.
    pub(super) reference: Option<Pointer>,
    /// Where an item has its id.
    pub(super) id: Option<Pointer>,
    /// Where it has the number people see.
    pub(super) number: Option<Pointer>,
    /// Where it has our version.
    pub(super) version: Option<Pointer>,
    /// Where it has its state.
    pub(super) state: Option<Pointer>,
    /// Where it has the total the ERP computed.
    pub(super) total: Option<Pointer>,
    /// Where it has the store's total, as the document carried it.
    pub(super) stated_total: Option<Pointer>,
    /// Where an item has its own HTTP status.
    pub(super) status: Option<Pointer>,
    /// Where an error has its words, in the whole answer and in an item.
    pub(super) error: Option<Pointer>,
}

/// A JSON Pointer (RFC 6901): empty for the whole, or `/data/0/id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pointer(String);

impl Pointer {
    /// What it points at.
    pub(super) fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // After a tilde only 0 and 1 have a meaning.
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!("{text:?} is not a JSON Pointer such as \"/data/0/id\" (RFC 6901)")))
        }
    }
}

/// The requests of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Name {
    Create,
    LookUp,
    Products,
    FindCustomers,
    Customers,
    Finish,
    Probe,
}

impl Name {
    /// As in the section.
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }

    /// The settings that the request uses beside `method`, `path`, `body`, `ok` and `error`.
    fn uses(self) -> &'static [&'static str] {
        match self {
            Self::Create => &[
                "exists",
                "exists_text",
                "idempotency_header",
                "items",
                "reference",
                "id",
                "number",
                "state",
                "total",
                "status",
            ],
            Self::LookUp => {
                &["none", "at_most", "items", "reference", "id", "number", "version", "state", "total", "stated_total"]
            }
            Self::Products | Self::FindCustomers => &["none", "at_most", "items", "reference", "id"],
            Self::Customers => &["at_most", "idempotency_header", "items", "reference", "id", "status"],
            Self::Finish => &["exists", "exists_text", "at_most"],
            Self::Probe => &["number"],
        }
    }
}

impl Section {
    /// Every request that is configured, by name.
    pub(super) fn requests(&self) -> impl Iterator<Item = (Name, &Request)> {
        Name::VARIANTS.iter().filter_map(|name| Some((*name, self.request(*name)?)))
    }

    fn request(&self, name: Name) -> Option<&Request> {
        match name {
            Name::Create => Some(&self.create),
            Name::LookUp => self.look_up.as_ref(),
            Name::Products => self.products.as_ref(),
            Name::FindCustomers => self.find_customers.as_ref(),
            Name::Customers => self.customers.as_ref(),
            Name::Finish => self.finish.as_ref(),
            Name::Probe => self.probe.as_ref(),
        }
    }

    /// The base of every path, without a slash at its end.
    pub(super) fn base(&self) -> Result<String> {
        let url = Url::parse(&self.url).map_err(|error| wrong(format!("url: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("url: begins with https:// (or http://) and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("url: has no user, query or fragment; credentials belong into secret_headers"));
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// Everything that does not fit together.
    pub(super) fn check(&self) -> Result<()> {
        for (name, request) in self.requests() {
            request.check(name)?;
        }
        if self.bulk_limit == 0 {
            return Err(wrong("bulk_limit: at least 1"));
        }
        if self.timeout.is_zero() {
            return Err(wrong("timeout: longer than nothing"));
        }
        if self.settle.is_some_and(|settle| settle < self.timeout * 2) {
            return Err(wrong("settle: at least twice the timeout; the ERP may still be at work on a lost call"));
        }
        need(self.create.id.is_some(), "create.id: says where the answer has the new document's id")?;
        self.check_bulk()?;
        self.check_look_up()?;
        if let Some(products) = &self.products {
            let complete = products.reference.is_some() && products.id.is_some();
            need(complete, "products: needs reference (where an item has its SKU) and id")?;
        }
        if let Some(customers) = &self.customers {
            need(customers.id.is_some(), "customers.id: says where the answer has the customer's id")?;
            let single = customers.at_most() == 1;
            need(single || customers.reference.is_some(), "customers.reference: needed when at_most is above 1")?;
        }
        if let Some(find) = &self.find_customers {
            need(self.customers.is_some(), "find_customers: needs customers, which creates those not found")?;
            need(find.reference.is_some() && find.id.is_some(), "find_customers: needs reference and id")?;
        }
        if self.finish.is_some() {
            let known = self.look_up.as_ref().is_none_or(|look_up| look_up.state.is_some());
            need(
                known && !self.finished.is_empty(),
                "finish: needs look_up.state and finished, the states that are final",
            )?;
        }
        Ok(())
    }

    fn check_bulk(&self) -> Result<()> {
        if self.bulk_limit == 1 {
            return Ok(());
        }
        // One header for many documents would tie the whole batch to the key of one.
        need(
            self.create.idempotency_header.is_none(),
            "create.idempotency_header: covers one document per call, so bulk_limit must be 1; or put the key into each document",
        )?;
        need(
            self.bulk != Bulk::PerItem || self.create.status.is_some() || self.create.error.is_some(),
            "create: bulk = \"per_item\" needs status or error, where an item says that it was refused",
        )
    }

    fn check_look_up(&self) -> Result<()> {
        let Some(look_up) = &self.look_up else {
            return need(
                self.class == Class::Nothing,
                "look_up: every class but \"nothing\" needs it; without it a lost answer is never resolved",
            );
        };
        need(self.class != Class::Nothing, "class: an ERP with a look_up is \"searchable\" at least")?;
        need(look_up.reference.is_some() && look_up.id.is_some(), "look_up: needs reference and id")?;
        // A difference seen in create's answer has to be seen again by the look-up: nothing else remembers it.
        let compares = look_up.total.is_some() && look_up.stated_total.is_some();
        need(look_up.total.is_some() == look_up.stated_total.is_some(), "look_up: total and stated_total go together")?;
        need(
            self.create.total.is_none() || compares,
            "create.total: needs look_up.total and look_up.stated_total, so that a difference is seen whenever the document is",
        )
    }
}

impl Request {
    /// The most that one call asks for.
    pub(super) fn at_most(&self) -> usize {
        self.at_most.unwrap_or(1).max(1)
    }

    /// Whether `status` is a success.
    pub(super) fn is_ok(&self, status: u16) -> bool {
        if self.ok.is_empty() { (200..300).contains(&status) } else { self.ok.contains(&status) }
    }

    /// Whether `status` or the ERP's words say that the reference exists.
    pub(super) fn says_exists(&self, status: u16, words: Option<&str>) -> bool {
        let by_status = if self.exists.is_empty() { status == 409 } else { self.exists.contains(&status) };
        let by_words = self.exists_text.as_deref().zip(words).is_some_and(|(sought, words)| words.contains(sought));
        by_status || by_words
    }

    fn check(&self, request: Name) -> Result<()> {
        let name = request.as_str();
        let method = http::Method::from_bytes(self.method.as_bytes());
        let known = self.method.bytes().all(|b| b.is_ascii_uppercase()) && !self.method.is_empty() && method.is_ok();
        need(known, &format!("{name}.method: such as \"GET\" or \"POST\""))?;
        need(self.path.starts_with('/'), &format!("{name}.path: begins with a slash"))?;
        need(self.at_most != Some(0), &format!("{name}.at_most: at least 1"))?;
        for (setting, set) in self.settings() {
            need(!set || request.uses().contains(&setting), &format!("{name}.{setting}: {name} has no use for it"))?;
        }
        Ok(())
    }

    fn settings(&self) -> [(&'static str, bool); 14] {
        [
            ("exists", !self.exists.is_empty()),
            ("exists_text", self.exists_text.is_some()),
            ("none", !self.none.is_empty()),
            ("at_most", self.at_most.is_some()),
            ("idempotency_header", self.idempotency_header.is_some()),
            ("items", self.items != Pointer::default()),
            ("reference", self.reference.is_some()),
            ("id", self.id.is_some()),
            ("number", self.number.is_some()),
            ("version", self.version.is_some()),
            ("state", self.state.is_some()),
            ("total", self.total.is_some()),
            ("stated_total", self.stated_total.is_some()),
            ("status", self.status.is_some()),
        ]
    }
}

/// An error about the section, which names its key.
pub(super) fn wrong(words: impl Into<String>) -> Error {
    Error::new(Kind::Config, words.into())
}

fn need(holds: bool, words: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(words)) }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn unknown() -> Bulk {
    Bulk::Unknown
}

fn one() -> usize {
    1
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => return Ok(Duration::from_secs(seconds)),
        Written::Text(text) => text,
    };
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration such as \"10s\" or \"1m 30s\"")))
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}
