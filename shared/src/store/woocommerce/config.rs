//! The section of a `WooCommerce` store, and what is built from it.

use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::super::{answer, check_secrets, parse};
use crate::{Error, Kind, Result, config::Secret, outbound::basic};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    url: String,
    webhook_secrets: Vec<Secret>,
    #[serde(default)]
    consumer_key: Option<Secret>,
    #[serde(default)]
    consumer_secret: Option<Secret>,
}

/// A shop.
pub(super) struct WooCommerce {
    /// For errors: the site's host.
    pub(super) name: String,
    pub(super) secrets: Vec<Secret>,
    /// `Basic …`.
    pub(super) authorization: Option<HeaderValue>,
    /// `…/wp-json/wc/v3/orders`.
    pub(super) orders: Url,
    /// `…/wp-json/wc/v3/products`.
    pub(super) products: Url,
}

impl WooCommerce {
    pub(super) fn new(config: Config) -> Result<Self> {
        check_secrets(&config.webhook_secrets)?;
        let base = answer::base("url", &config.url)?;
        let authorization = match (config.consumer_key, config.consumer_secret) {
            (None, None) => None,
            (Some(key), Some(secret)) => Some(basic(key.expose().trim(), secret.expose().trim())?),
            _ => return Err(Error::new(Kind::Config, "consumer_key and consumer_secret come together")),
        };
        Ok(Self {
            name: base.host_str().unwrap_or_default().to_owned(),
            orders: answer::below(&base, &["wp-json", "wc", "v3", "orders"]),
            products: answer::below(&base, &["wp-json", "wc", "v3", "products"]),
            secrets: config.webhook_secrets.iter().map(|secret| Secret::new(parse::plain(secret.expose()))).collect(),
            authorization,
        })
    }
}
