//! The section of a canonical store, and what is built from it.

use serde::Deserialize;

use super::{
    super::check_secrets,
    notify::{Notify, Target},
};
use crate::{Error, Kind, Result, config::Secret, webhook};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    #[serde(default)]
    webhook_secrets: Option<Vec<Secret>>,
    #[serde(default)]
    api_keys: Vec<Secret>,
    #[serde(default)]
    notify: Option<Target>,
}

/// Anyone's own system.
pub(super) struct Canonical {
    pub(super) secrets: Vec<Secret>,
    pub(super) api_keys: Vec<Secret>,
    /// None: it is told nothing.
    pub(super) notify: Option<Notify>,
}

impl Canonical {
    pub(super) fn new(config: Config) -> Result<Self> {
        if config.webhook_secrets.is_none() && config.api_keys.is_empty() {
            let words = "has neither webhook_secrets nor api_keys: no order could come in";
            return Err(Error::new(Kind::Config, words));
        }
        if let Some(secrets) = &config.webhook_secrets {
            check_secrets(secrets)?;
        }
        let secrets = config.webhook_secrets.unwrap_or_default();
        secrets.iter().try_for_each(webhook::check_standard)?;
        if config.api_keys.len() > 2 {
            let words = "api_keys has more than two: the one in use and, while it is changed, the next";
            return Err(Error::new(Kind::Config, words));
        }
        let notify = config.notify.map(Notify::new).transpose()?;
        Ok(Self { secrets, api_keys: config.api_keys, notify })
    }
}
