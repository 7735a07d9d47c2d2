//! Whether Odoo can be reached, for people: its version, the company, and when the key ends.

use serde::Deserialize;

use super::{
    Odoo, domain,
    wire::{Edition, Maybe},
};
use crate::{
    Error, Kind,
    erp::{Probed, SendError, repeatable},
    outbound::Calls,
};

impl Odoo {
    /// Its version and company, and when keys end.
    pub(super) async fn tried(&self, calls: &Calls<'_>) -> Result<Probed, SendError> {
        #[derive(Deserialize)]
        struct Company {
            name: String,
        }
        #[derive(Deserialize)]
        struct Key {
            #[serde(default)]
            expiration_date: Maybe<String>,
        }
        let edition: Edition = self.server.edition(calls).await?;
        let id = self.settings.company;
        let found: Vec<Company> =
            self.server.search(calls, "res.company", &domain![("id", "=", id)], &["name"]).await?;
        let Some(company) = found.first() else {
            let text = format!("Odoo has no company {id} that the user may see: check `company`");
            return Err(SendError::Account(Error::new(Kind::Config, text)));
        };
        // Its own keys a user may see.
        let every: [i64; 0] = [];
        let keys: Vec<Key> =
            self.server.search(calls, "res.users.apikeys", &every, &["expiration_date"]).await.unwrap_or_default();
        let day = |key: Key| key.expiration_date.0?.get(..10)?.parse().ok();
        let credentials_end = keys.into_iter().filter_map(day).collect();
        let rounding = if self.settings.products.rounding.is_none() {
            "; products.rounding is not set: a cent of rounding parks an order"
        } else {
            ""
        };
        let words = format!("Odoo {}, company {}{rounding}", edition.major, repeatable(&company.name));
        Ok(Probed { words, credentials_end })
    }
}
