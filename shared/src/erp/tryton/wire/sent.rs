//! What was sent: shipments to customers with their moves, and how they can be followed.

use serde::Deserialize;

use super::stocked;
use crate::{
    domain::ids::Reference,
    erp::stock::{Moved, Units},
};

/// A shipment, and when it or a package of it was made or last written.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct StampedShipment {
    id: i64,
    state: String,
    #[serde(rename = "_timestamp")]
    stamp: String,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    shipping_reference: Option<String>,
    #[serde(rename = "packages.", default)]
    packages: Vec<StampedPackage>,
}

/// A package, and when it was made or last written.
#[derive(Deserialize)]
struct StampedPackage {
    #[serde(rename = "_timestamp")]
    stamp: String,
    #[serde(default)]
    shipping_reference: Option<String>,
}

/// A shipment that left, as it is now.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct SentShipment {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) number: Option<String>,
    #[serde(default)]
    pub(in crate::erp::tryton) reference: Option<String>,
    #[serde(default)]
    pub(in crate::erp::tryton) shipping_reference: Option<String>,
    #[serde(rename = "carrier.", default)]
    carrier: Option<Carrier>,
    #[serde(rename = "packages.", default)]
    pub(in crate::erp::tryton) packages: Vec<Package>,
    #[serde(rename = "outgoing_moves.", default)]
    pub(in crate::erp::tryton) moves: Vec<SentMove>,
}

#[derive(Deserialize)]
struct Carrier {
    #[serde(rename = "party.", default)]
    party: Option<Party>,
}

#[derive(Deserialize)]
struct Party {
    name: Option<String>,
}

/// A package of a shipment.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct Package {
    pub(in crate::erp::tryton) shipping_reference: Option<String>,
    pub(in crate::erp::tryton) shipping_tracking_url: Option<String>,
}

/// A move to a customer.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct SentMove {
    state: String,
    quantity: Units,
    unit: Option<i64>,
    /// In the unit that the article is stocked in.
    internal_quantity: Units,
    #[serde(rename = "product.", default)]
    product: Option<SentProduct>,
    #[serde(rename = "sale.", default)]
    pub(in crate::erp::tryton) sale: Option<SentSale>,
}

#[derive(Deserialize)]
struct SentProduct {
    code: Option<String>,
    default_uom: Option<i64>,
    sale_uom: Option<i64>,
}

/// The sale of a move.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct SentSale {
    pub(in crate::erp::tryton) web_id: Option<Reference>,
    #[serde(rename = "web_shop.", default)]
    pub(in crate::erp::tryton) web_shop: Option<WebShop>,
}

/// A web shop.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct WebShop {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) name: String,
}

impl StampedShipment {
    /// As it was seen: by its latest stamp, and by what of it may change within a second.
    pub(in crate::erp::tryton) fn seen(&self) -> Moved {
        let stamps = self.packages.iter().map(|package| &package.stamp).chain([&self.stamp]);
        // One that cannot be read makes it changed each time.
        let at =
            stamps.map(|stamp| stocked::at(stamp)).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        let packages: Vec<_> = self.packages.iter().map(|one| (&one.stamp, &one.shipping_reference)).collect();
        let Self { state, reference, shipping_reference, .. } = self;
        let as_it_is = format!("{state} {reference:?} {shipping_reference:?} {packages:?}");
        Moved { at, id: self.id, as_it_is, product: self.id }
    }
}

impl SentShipment {
    /// The fields that every Tryton has.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 10] = [
        "number",
        "outgoing_moves.state",
        "outgoing_moves.quantity",
        "outgoing_moves.unit",
        "outgoing_moves.internal_quantity",
        "outgoing_moves.product.code",
        "outgoing_moves.product.default_uom",
        "outgoing_moves.product.sale_uom",
        "outgoing_moves.sale.web_id",
        "outgoing_moves.sale.web_shop.name",
    ];

    /// Who carries it.
    pub(in crate::erp::tryton) fn carrier(&self) -> Option<&str> {
        self.carrier.as_ref()?.party.as_ref()?.name.as_deref()
    }
}

impl SentMove {
    /// Whether it left: a shipment on its way still has its moves as assigned, and they are done when it has arrived.
    pub(in crate::erp::tryton) fn has_left(&self) -> bool {
        matches!(self.state.as_str(), "assigned" | "done")
    }

    /// The code of its article.
    pub(in crate::erp::tryton) fn code(&self) -> &str {
        self.product.as_ref().and_then(|product| product.code.as_deref()).unwrap_or_default()
    }

    /// How many, in the unit that the article is sold in, as orders count it; none: they are of another one, or no number.
    pub(in crate::erp::tryton) fn sold(&self) -> Units {
        let product = self.product.as_ref();
        let sold_in = product.and_then(|product| product.sale_uom);
        let stocked_in = product.and_then(|product| product.default_uom);
        if self.unit == sold_in {
            self.quantity
        } else if stocked_in == sold_in {
            self.internal_quantity
        } else {
            Units(None)
        }
    }
}
