//! The section of a Medusa store, and what is built from it.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::super::{answer, check_secrets};
use crate::{Error, Kind, Result, config::Secret};

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
}

impl Medusa {
    pub(super) fn new(config: Config) -> Result<Self> {
        check_secrets(&config.webhook_secrets)?;
        let base = answer::base("url", &config.url)?;
        let authorization = match config.api_key {
            None => None,
            Some(key) => {
                let user = BASE64_STANDARD.encode(format!("{}:", key.expose().trim()));
                let mut value = HeaderValue::from_str(&format!("Basic {user}"))
                    .map_err(|_| Error::new(Kind::Config, "api_key makes no header"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            name: base.host_str().unwrap_or_default().to_owned(),
            orders: answer::below(&base, &["admin", "orders"]),
            secrets: config.webhook_secrets,
            authorization,
        })
    }
}
