//! When the company invoices: at the order, or what was shipped.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::{credit::is_left_unshipped, resolve::Resolver, wire::parameters};
use crate::erp::{Job, SendError};

impl Resolver<'_> {
    /// Whether the company invoices what was shipped, once it is; not asked where no sale depends on it.
    pub(super) async fn invoices_shipments(&self, sales: &[Job]) -> Result<bool, SendError> {
        #[derive(Deserialize)]
        struct Configuration {
            sale_invoice_method: Option<String>,
        }
        if !sales.iter().any(is_left_unshipped) {
            return Ok(false);
        }
        let key = self.tryton.settings.company.to_string();
        let found = self
            .memory
            .known_or("invoices shipments", BTreeSet::from([key.clone()]), async |_| {
                let asked = parameters![[1], ["sale_invoice_method"]];
                let read: Vec<Configuration> =
                    self.tryton.server.read(self.calls, "model.sale.configuration.read", asked).await?;
                let method = read.into_iter().next().and_then(|configuration| configuration.sale_invoice_method);
                Ok(HashMap::from([(key.clone(), method.as_deref() == Some("fulfillment"))]))
            })
            .await?;
        Ok(found.get(&key).copied().unwrap_or_default())
    }
}
