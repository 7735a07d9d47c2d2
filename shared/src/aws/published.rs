//! The text of `puente.toml` as the functions see it: published to the table, so that no deployment is needed to change it.

use std::collections::BTreeSet;

use super::{keys::Key, table::Table};
use crate::{
    Error, Kind, Result,
    payload::{pack, unpack},
};

/// The largest configuration, in bytes: some ten thousand connections.
const LARGEST: usize = 16 * 1024 * 1024;

/// The published configuration.
#[derive(Clone)]
pub struct Published(Table);

impl Published {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    /// The text of `puente.toml`; `None` before the first one was published. Callers keep it for five minutes.
    pub async fn config(&self) -> Result<Option<String>> {
        let Some((_, packed)) = self.0.get_large(Key::config()).await? else { return Ok(None) };
        let text = String::from_utf8(unpack(&packed, LARGEST)?);
        text.map(Some)
            .map_err(|_| Error::new(Kind::Config, "the published configuration is not text: publish it again"))
    }

    /// Publishes the text of `puente.toml`. It holds references to secrets, never secrets. The caller checks it first.
    pub async fn publish_config(&self, config: &str) -> Result<()> {
        if config.len() > LARGEST {
            return Err(Error::new(Kind::TooLarge, format!("puente.toml has more than {LARGEST} bytes")));
        }
        self.0.put_large(Key::config(), &[("file", "puente.toml")], pack(config.as_bytes()), false).await
    }

    /// The names of secrets that an earlier configuration referred to and the published one does not: nobody deleted them yet.
    pub async fn retired(&self) -> Result<BTreeSet<String>> {
        let Some((_, json)) = self.0.get_large(Key::retired()).await? else { return Ok(BTreeSet::new()) };
        serde_json::from_slice(&json)
            .map_err(|error| Error::new(Kind::Config, "the list of retired secrets cannot be read").caused_by(error))
    }

    /// Writes down the names of such secrets.
    pub async fn set_retired(&self, names: &BTreeSet<String>) -> Result<()> {
        let json = serde_json::to_vec(names)
            .map_err(|error| Error::new(Kind::Bug, "names cannot be written as JSON").caused_by(error))?;
        self.0.put_large(Key::retired(), &[], json, false).await
    }
}
