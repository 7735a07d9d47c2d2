//! The section of a Medusa store, and what is built from it.

use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::super::{answer, check_secrets};
use crate::{Result, config::Secret, outbound::basic};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    url: String,
    webhook_secrets: Vec<Secret>,
    #[serde(default)]
    api_key: Option<Secret>,
    #[serde(default)]
    location: Option<String>,
}

/// A shop.
pub(super) struct Medusa {
    /// For errors: the server's host.
    pub(super) name: String,
    pub(super) secrets: Vec<Secret>,
    /// `Basic …`: the API key is the user, and there is no password.
    pub(super) authorization: Option<HeaderValue>,
    /// `…/admin/orders`.
    pub(super) orders: Url,
    /// `…/admin/inventory-items`.
    pub(super) inventory: Url,
    /// The stock location whose levels are written; none: the only one that an article has.
    pub(super) location: Option<String>,
}

impl Medusa {
    pub(super) fn new(config: Config) -> Result<Self> {
        check_secrets(&config.webhook_secrets)?;
        let base = answer::base("url", &config.url)?;
        let authorization = config.api_key.map(|key| basic(key.expose().trim(), "")).transpose()?;
        Ok(Self {
            name: base.host_str().unwrap_or_default().to_owned(),
            orders: answer::below(&base, &["admin", "orders"]),
            inventory: answer::below(&base, &["admin", "inventory-items"]),
            location: config.location,
            secrets: config.webhook_secrets,
            authorization,
        })
    }
}
