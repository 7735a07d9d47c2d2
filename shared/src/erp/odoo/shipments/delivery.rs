//! A delivery as it is read, and the shipment that is told of it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    super::{
        find::at,
        wire::{Link, Maybe},
    },
    parcels::parcels,
};
use crate::{
    Error,
    domain::{
        goods::Sku,
        ids::Reference,
        money::Amount,
        shipment::{Shipment, ShipmentId},
    },
    erp::{
        quoted, repeatable,
        stock::{MOST, Moved, Units},
    },
};

/// A delivery.
#[derive(Deserialize)]
pub(super) struct Delivery {
    pub(super) id: i64,
    #[serde(default)]
    name: Maybe<String>,
    #[serde(default)]
    write_date: Maybe<String>,
    #[serde(default)]
    carrier_id: Maybe<Link>,
    /// All of its numbers.
    #[serde(default)]
    carrier_tracking_ref: Maybe<String>,
}

impl Delivery {
    pub(super) fn at(&self) -> Option<Timestamp> {
        at(self.write_date.0.as_deref()?)
    }

    pub(super) fn moved(&self) -> Moved {
        let carrier = self.carrier_id.0.as_ref().map(|carrier| carrier.0).unwrap_or_default();
        let as_it_is = format!("{carrier} {}", self.carrier_tracking_ref.0.as_deref().unwrap_or_default());
        Moved { at: self.at(), id: self.id, as_it_is, product: self.id }
    }

    /// As people know it.
    pub(super) fn number(&self) -> String {
        repeatable(self.name.0.as_deref().unwrap_or_default())
    }

    /// Whether there may be a link to follow it.
    pub(super) fn is_followed(&self) -> bool {
        self.carrier_id.0.is_some() && self.carrier_tracking_ref.0.is_some()
    }

    /// What of one sale left with a delivery, or why it cannot be told.
    pub(super) fn shipment(
        &self,
        gone: &[&Gone],
        articles: &HashMap<i64, Article>,
        link: Option<&str>,
    ) -> Result<Shipment, String> {
        let mut items: BTreeMap<Sku, Amount> = BTreeMap::new();
        for gone in gone {
            let words = || quoted(&gone.product_id.1);
            let article =
                articles.get(&gone.product_id.0).ok_or_else(|| format!("{} is not in Odoo any more", words()))?;
            let quantity = units(gone, article).ok_or_else(|| {
                format!("the quantity of {} is no number to calculate with in the unit that it is kept in", words())
            })?;
            if quantity.is_zero() {
                continue;
            }
            let code = article.default_code.0.as_deref().unwrap_or_default();
            let sku: Sku =
                code.parse().map_err(|error: Error| format!("the internal reference of {}: {error}", words()))?;
            *items.entry(sku).or_default() += quantity;
        }
        let id: ShipmentId = self.id.to_string().parse().map_err(|error: Error| error.to_string())?;
        Ok(Shipment {
            id,
            number: self.number(),
            items,
            carrier: self.carrier_id.0.as_ref().map(|carrier| carrier.1.clone()),
            parcels: parcels(self.carrier_tracking_ref.0.as_deref().unwrap_or_default(), link),
        })
    }
}

/// A sale of ours.
#[derive(Deserialize)]
pub(super) struct Sale {
    pub(super) client_order_ref: Maybe<Reference>,
    pub(super) order_line: Vec<i64>,
}

/// A move of a delivery.
#[derive(Deserialize)]
pub(super) struct Gone {
    pub(super) picking_id: Link,
    pub(super) sale_line_id: Link,
    pub(super) product_id: Link,
    /// How many left, in the move's own unit.
    #[serde(alias = "quantity_done")]
    quantity: Units,
    product_uom: Link,
    /// How many were to leave, in the move's own unit and in the article's.
    product_uom_qty: Units,
    product_qty: Units,
}

/// An article.
#[derive(Deserialize)]
pub(super) struct Article {
    pub(super) id: i64,
    #[serde(default)]
    default_code: Maybe<String>,
    uom_id: Link,
}

/// How many left, in the unit that the article is kept in: Odoo says what was to leave in both units, and what left in the move's.
fn units(gone: &Gone, article: &Article) -> Option<Amount> {
    let quantity = gone.quantity.0?;
    let own = if quantity.is_zero() || gone.product_uom.0 == article.uom_id.0 {
        quantity
    } else {
        let (planned, own) = (gone.product_uom_qty.0?.decimal(), gone.product_qty.0?.decimal());
        let quantity = quantity.decimal().checked_mul(own)?.checked_div(planned)?;
        Amount::try_from(quantity.round_dp(6)).ok()?
    };
    (Amount::ZERO..=Amount::from(MOST)).contains(&own).then_some(own)
}
