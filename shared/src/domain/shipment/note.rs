//! How a shipment is told: its carrier and parcels as the configuration names them, and words for the buyer.

use url::form_urlencoded::byte_serialize;

use super::row::{Parcel, Shipment};
use crate::domain::goods::GoodsRules;

/// Who carries a shipment and how its parcels can be followed, as the store is told.
#[must_use]
pub fn carried(shipment: &Shipment, rules: &GoodsRules) -> (Option<String>, Vec<Parcel>) {
    let carrier = shipment.carrier.as_ref().and_then(|name| rules.carriers.get(name));
    let name = carrier.and_then(|carrier| carrier.name.clone()).or_else(|| shipment.carrier.clone());
    let follow = |number: &str| {
        let number: String = byte_serialize(number.as_bytes()).collect();
        carrier.and_then(|carrier| Some(carrier.url.as_ref()?.replace("{number}", &number)))
    };
    let parcels = shipment.parcels.iter().map(|parcel| {
        let url = parcel.url.clone().or_else(|| follow(&parcel.number));
        Parcel { number: parcel.number.clone(), url }
    });
    (name, parcels.collect())
}

/// What the buyer is told: the configuration's words with `{carrier}` and `{tracking}` in them, or our own.
#[must_use]
pub fn note(words: Option<&str>, carrier: Option<&str>, parcels: &[Parcel]) -> String {
    let one = |parcel: &Parcel| match &parcel.url {
        Some(url) => format!("{} ({url})", parcel.number),
        None => parcel.number.clone(),
    };
    let tracking = parcels.iter().map(one).collect::<Vec<_>>().join(", ");
    if let Some(words) = words {
        return words.replace("{carrier}", carrier.unwrap_or_default()).replace("{tracking}", &tracking);
    }
    match (carrier, tracking.is_empty()) {
        (Some(carrier), false) => format!("Sent with {carrier}: {tracking}"),
        (Some(carrier), true) => format!("Sent with {carrier}"),
        (None, false) => format!("Sent: {tracking}"),
        (None, true) => "Sent".to_owned(),
    }
}
