//! The section of a Shopify store, and what is built from it.

use serde::Deserialize;
use url::Url;

use super::{
    super::{answer, check_secrets, identity::Learnt},
    access::{Access, Keys},
};
use crate::{Error, Kind, Result, config::Secret};

/// The section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default, rename = "kind")]
    _kind: String,
    /// `name.myshopify.com`.
    shop: String,
    /// The shop's number: the surest way to tell its orders. Learnt with the token where nobody says it.
    #[serde(default)]
    shop_id: Option<u64>,
    #[serde(default)]
    app: App,
    /// Further domains of the shop, as its orders' status pages show them.
    #[serde(default)]
    domains: Vec<String>,
    /// The app's client secret, unless it says otherwise.
    #[serde(default)]
    webhook_secrets: Option<Vec<Secret>>,
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<Secret>,
    #[serde(default)]
    redirect_url: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// Whether the token may read orders older than 60 days: only then does "not found" mean "deleted".
    #[serde(default)]
    all_orders: bool,
    #[serde(default = "version")]
    api_version: String,
    /// The location whose stock is written, by its number; none: the only one that an article is at.
    #[serde(default)]
    location: Option<String>,
    /// Where the Admin API is, if not at `https://{shop}`: a sandbox.
    #[serde(default)]
    api_url: Option<String>,
}

/// For how many shops the app's secret signs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum App {
    /// It may be installed in other shops: a signed order has to say that it is this one's.
    #[default]
    Shared,
    /// It is installed in this shop alone: whatever it signs is this shop's.
    Custom,
}

/// What the Admin API calls a location, before its number.
const LOCATION: &str = "gid://shopify/Location/";

fn version() -> String {
    "2026-10".to_owned()
}

/// A shop.
pub(super) struct Shopify {
    pub(super) shop: String,
    pub(super) shop_id: Option<u64>,
    pub(super) domains: Vec<String>,
    pub(super) app: App,
    /// What the shop said of itself, where the configuration does not.
    pub(super) learnt: Learnt,
    pub(super) secrets: Vec<Secret>,
    pub(super) access: Access,
    pub(super) all_orders: bool,
    /// The location whose stock is written: `gid://shopify/Location/…`.
    pub(super) location: Option<String>,
    /// `…/admin/api/{version}`.
    pub(super) api: Url,
}

impl Shopify {
    pub(super) fn new(config: Config) -> Result<Self> {
        let refuse = |text: &'static str| Err(Error::new(Kind::Config, text));
        let shop = config.shop.to_ascii_lowercase();
        let name = shop.strip_suffix(".myshopify.com").unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse("shop is not a name such as acme.myshopify.com");
        }
        if !config.api_version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse("api_version is not a version such as 2026-10");
        }
        let location = config.location.map(|named| {
            let number = named.strip_prefix(LOCATION).unwrap_or(&named);
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let refused = || Error::new(Kind::Config, "location is not the number of one, such as \"1234567\"");
            if is_number { Ok(format!("{LOCATION}{number}")) } else { Err(refused()) }
        });
        let location = location.transpose()?;
        let base = answer::base("api_url", config.api_url.as_deref().unwrap_or(&format!("https://{shop}")))?;
        // The app's secret signs its webhooks.
        let secrets = config.webhook_secrets.unwrap_or_else(|| config.client_secret.iter().cloned().collect());
        let (token, client_id, client_secret) = (config.token, config.client_id, config.client_secret);
        let keys = Keys { token, client_id, client_secret, redirect_url: config.redirect_url, scopes: config.scopes };
        // First: a client_secret that is missing is the reason why nothing signs.
        let access = Access::new(keys, &shop, &base)?;
        check_secrets(&secrets)?;
        Ok(Self {
            access,
            api: answer::below(&base, &["admin", "api", &config.api_version]),
            domains: config.domains.into_iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            shop,
            shop_id: config.shop_id,
            app: config.app,
            learnt: Learnt::default(),
            secrets,
            all_orders: config.all_orders,
            location,
        })
    }
}
