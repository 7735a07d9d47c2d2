//! What Tryton sent: customer shipments that left, and how they can be followed.
//!
//! A shipment counts from the moment it is shipped (`shipped`, then `done`), with its moves to the customer. What changed is known by the
//! stamps of shipments and, where the module `stock_package_shipping` is active, of their packages: a tracking number may be typed much
//! later, on either. Nothing new is one call; anything new is one more for each page of shipments, with all that is told of them.
//!
//! Modules add the fields that tell the carrier and the parcels. Which are there is asked once, and again with the first change of a day.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use url::Url;

use super::{
    Named, Tryton, resolve,
    wire::{self, Moment, SentShipment, StampedShipment, parameters},
};
use crate::{
    Error, Kind,
    domain::{
        goods::Sku,
        ids::Reference,
        money::Amount,
        shipment::{Parcel, Shipment, ShipmentId},
    },
    erp::{
        SendError,
        booking::{self, Memory},
        repeatable,
        shipments::{Sent, ShipmentAsk, ShipmentPage, Shipments},
        stock::{MOST, Mark, Moved},
    },
    outbound::{Calls, Metered},
};

/// Shipments in a page.
const PAGE: usize = 200;
/// The most written shipments that are compared with what was seen, the latest first. Where there are more, and one of these changed, all of
/// them are told.
const MOST_CHANGED: usize = 10_000;

#[async_trait]
impl Shipments for Tryton {
    async fn page(&self, calls: &Calls<'_>, ask: &ShipmentAsk<'_>) -> Result<ShipmentPage, SendError> {
        let answer = self.sent(calls, ask).await;
        if matches!(answer, Err(SendError::Refused(_))) {
            // Perhaps for a field that is not there any more, or not for this user.
            memory(calls).forget(&[modules()]).await?;
        }
        answer
    }
}

/// The fields that modules add, as far as they are active.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Fields {
    /// As of the first change of which day.
    day: Option<Date>,
    /// `stock_shipment_cost`: a shipment's carrier.
    carrier: bool,
    /// `stock_package_shipping`: tracking numbers of shipments and of their packages.
    tracked: bool,
}

/// What is in a shipment, by sale and article.
type Items = BTreeMap<Reference, BTreeMap<Sku, Amount>>;

impl Fields {
    /// Where tracking numbers are: on the shipment and on `packages`. Without the module for it Tryton has no field for them, and people
    /// write them into the shipment's reference ("the external identifier for the shipment").
    fn tracking(self, packages: &[&'static str]) -> Vec<&'static str> {
        if self.tracked { [&["shipping_reference"], packages].concat() } else { vec!["reference"] }
    }
}

fn memory<'a>(calls: &Calls<'a>) -> Memory<'a> {
    Memory { of: resolve::NAME, ids: calls.ids, afresh: false }
}

/// Where it is remembered which fields there are.
fn modules() -> String {
    booking::name(resolve::NAME, "shipments", "fields")
}

impl Tryton {
    async fn sent(&self, calls: &Calls<'_>, ask: &ShipmentAsk<'_>) -> Result<ShipmentPage, SendError> {
        let fields = self.fields(calls, None).await?;
        if let Some(page) = ask.page {
            let (from, after) = read_page(page)?;
            return self.changed_since(calls.http, fields, from, after).await;
        }
        // What is no mark of ours is as good as none.
        let Some(mark) = ask.since.and_then(Mark::read) else {
            let mark = self.last(calls.http).await?;
            // What is there already is known, and not told as long as nothing of the last minutes before is written again.
            let (_, mark) = mark.next(&self.stamps(calls.http, fields, mark.begins()).await?);
            return Ok(ShipmentPage { mark: Some(mark.to_string()), ..ShipmentPage::default() });
        };
        let stamps = self.stamps(calls.http, fields, mark.begins()).await?;
        let (changed, next) = mark.next(&stamps);
        let told = Some(next.to_string());
        if changed.is_empty() {
            return Ok(ShipmentPage { mark: told, ..ShipmentPage::default() });
        }
        let fields = self.fields(calls, Some(TimeZone::UTC.to_datetime(next.begins()).date())).await?;
        let page = if changed.len() > PAGE {
            self.changed_since(calls.http, fields, mark.begins(), 0).await?
        } else {
            let mut domain = self.that_left();
            domain.push(wire::raw(&("id", "in", &changed)));
            self.told(&self.read(calls.http, fields, domain).await?)
        };
        Ok(ShipmentPage { mark: told, ..page })
    }

    /// Which fields there are: as it is remembered, if that is of `day` where one is given.
    async fn fields(&self, calls: &Calls<'_>, day: Option<Date>) -> Result<Fields, SendError> {
        #[derive(Deserialize)]
        struct Found {
            carrier: Option<IgnoredAny>,
            shipping_reference: Option<IgnoredAny>,
        }
        let known = memory(calls).recall::<Fields>(&[modules()]).await?.remove(&modules());
        if let Some(known) = known.filter(|known| day.is_none() || known.day == day) {
            return Ok(known);
        }
        let asked = parameters![["carrier", "shipping_reference"]];
        let method = "model.stock.shipment.out.fields_get";
        let found: Found = self.server.read(calls.http, method, asked).await?;
        let (carrier, tracked) = (found.carrier.is_some(), found.shipping_reference.is_some());
        let fields = Fields { day, carrier, tracked };
        memory(calls).learn(&[(modules(), fields)]).await?;
        Ok(fields)
    }

    /// The stamp of the shipment that was written last, where the first question begins.
    async fn last(&self, calls: &Metered) -> Result<Mark, SendError> {
        let nothing: Option<i64> = None;
        let domain = parameters![("company", "=", self.settings.company), ("write_date", "!=", nothing)];
        let parameters = parameters![domain, 0, 1, [("write_date", "DESC")], ["state", "_timestamp"]];
        let found: Vec<StampedShipment> =
            self.server.read(calls, "model.stock.shipment.out.search_read", parameters).await?;
        // Where nothing was ever sent, everything is still to come.
        Ok(Mark::from(found.first().and_then(|shipment| shipment.seen().at)))
    }

    /// Those that left and were written since, or packages of them, as they were seen.
    async fn stamps(&self, calls: &Metered, fields: Fields, from: Timestamp) -> Result<Vec<Moved>, SendError> {
        let mut asked = vec!["state", "_timestamp"];
        asked.extend(fields.tracking(&["packages._timestamp", "packages.shipping_reference"]));
        let mut domain = self.that_left();
        domain.push(written_since(fields, from));
        let order = [("write_date", "DESC"), ("id", "DESC")];
        let parameters = parameters![domain, 0, MOST_CHANGED, order, asked];
        let found: Vec<StampedShipment> =
            self.server.read(calls, "model.stock.shipment.out.search_read", parameters).await?;
        Ok(found.iter().map(StampedShipment::seen).collect())
    }

    /// A page of all that were written since, by their ids: one that is written meanwhile moves no other to another page.
    async fn changed_since(
        &self,
        calls: &Metered,
        fields: Fields,
        from: Timestamp,
        after: i64,
    ) -> Result<ShipmentPage, SendError> {
        let mut domain = self.that_left();
        domain.extend([written_since(fields, from), wire::raw(&("id", ">", after))]);
        let found = self.read(calls, fields, domain).await?;
        let next = found.last().filter(|_| found.len() >= PAGE).map(|last| format!("{from} {}", last.id));
        Ok(ShipmentPage { next, ..self.told(&found) })
    }

    async fn read(
        &self,
        calls: &Metered,
        fields: Fields,
        domain: Vec<Box<RawValue>>,
    ) -> Result<Vec<SentShipment>, SendError> {
        let mut asked = SentShipment::FIELDS.to_vec();
        if fields.carrier {
            asked.push("carrier.party.name");
        }
        asked.extend(fields.tracking(&["packages.shipping_reference", "packages.shipping_tracking_url"]));
        let parameters = parameters![domain, 0, PAGE, [("id", "ASC")], asked];
        self.server.read(calls, "model.stock.shipment.out.search_read", parameters).await
    }

    fn that_left(&self) -> Vec<Box<RawValue>> {
        parameters![("company", "=", self.settings.company), ("state", "in", ["shipped", "done"])].into()
    }

    /// What is told of shipments: each once for every sale of ours.
    fn told(&self, shipments: &[SentShipment]) -> ShipmentPage {
        let mut page = ShipmentPage::default();
        for shipment in shipments {
            let number = shipment.number.as_deref().map_or_else(|| shipment.id.to_string(), repeatable);
            match self.items(shipment) {
                Err(why) => page.unread.push((number, why)),
                Ok((id, items)) => {
                    let parcels = parcels(shipment);
                    page.rows.extend(items.into_iter().map(|(sale, items)| {
                        let carrier = shipment.carrier().map(repeatable).filter(|name| !name.is_empty());
                        let (id, number, parcels) = (id.clone(), number.clone(), parcels.clone());
                        Sent { sale, shipment: Shipment { id, number, items, carrier, parcels } }
                    }));
                }
            }
        }
        page
    }

    /// What is in a shipment, by the sales of ours that it is of; or why that cannot be said.
    fn items(&self, shipment: &SentShipment) -> Result<(ShipmentId, Items), String> {
        let id = shipment.id.to_string().parse().map_err(|error: Error| error.to_string())?;
        let mut items = Items::new();
        for sent in shipment.moves.iter().filter(|sent| sent.has_left()) {
            let Some(sale) = sent.sale.as_ref() else { continue };
            let is_ours = sale.web_shop.as_ref().is_some_and(|shop| match &self.settings.web_shop {
                Named::Id(id) => shop.id == *id,
                Named::Name(name) => shop.name == *name,
            });
            let Some(reference) = sale.web_id.as_ref().filter(|web_id| is_ours && web_id.as_str().contains('/')) else {
                continue;
            };
            let code = repeatable(sent.code());
            let sku: Sku = sent.code().parse().map_err(|error: Error| format!("{code:?} is in it: {error}"))?;
            let most = Amount::from(MOST);
            let Some(quantity) = sent.sold().0.filter(|quantity| *quantity >= Amount::ZERO && *quantity <= most) else {
                return Err(format!(
                    "how many of {code:?} are in it is no number to calculate with, or of another unit than it is sold in"
                ));
            };
            if quantity > Amount::ZERO {
                *items.entry(reference.clone()).or_default().entry(sku).or_default() += quantity;
            }
        }
        Ok((id, items))
    }
}

/// Those that were made or written since, or packages of which were.
fn written_since(fields: Fields, from: Timestamp) -> Box<RawValue> {
    let from = Moment(from);
    let mut written = parameters!["OR", ("write_date", ">=", from), ("create_date", ">=", from)].to_vec();
    if fields.tracked {
        written.extend(parameters![("packages.write_date", ">=", from), ("packages.create_date", ">=", from)]);
    }
    wire::raw(&written)
}

/// How a shipment can be followed: by its packages; where they say nothing, as a whole.
fn parcels(shipment: &SentShipment) -> Vec<Parcel> {
    let said = |text: &Option<String>| text.as_deref().map(repeatable).filter(|number| !number.is_empty());
    let mut parcels: Vec<Parcel> = Vec::new();
    for package in &shipment.packages {
        let Some(number) = said(&package.shipping_reference) else { continue };
        let is_page = |url: &&str| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        let url = package.shipping_tracking_url.as_deref().filter(is_page).map(str::to_owned);
        if !parcels.iter().any(|parcel| parcel.number == number) {
            parcels.push(Parcel { number, url });
        }
    }
    if parcels.is_empty() {
        let number = said(&shipment.shipping_reference).or_else(|| said(&shipment.reference));
        parcels.extend(number.map(|number| Parcel { number, url: None }));
    }
    parcels
}

/// Since when, and after which id.
fn read_page(page: &str) -> Result<(Timestamp, i64), SendError> {
    let parts = page.split_once(' ').and_then(|(from, after)| Some((from.parse().ok()?, after.parse().ok()?)));
    let what = || Error::new(Kind::Unreadable, format!("{page:?} is no page of Tryton's shipments"));
    parts.ok_or_else(|| SendError::NotNow(what()))
}

#[cfg(test)]
mod tests;
