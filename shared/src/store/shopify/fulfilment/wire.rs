//! What is asked and told, and how the shop answers: its own names, and what they are in ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::graphql::Page;
use crate::domain::{
    money::Amount,
    shipment::{Fulfilment, NewFulfilment, Open},
};

/// Everything of an order that is not unusually large. A question may cost a thousand points, whatever it brings, and an object costs
/// one: this stays below. <https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits>
pub(super) const ALL: &str = "\
    query($id: ID!, $after: String) { order(id: $id) { fulfillmentOrders(first: 5, after: $after) { nodes { id status \
    assignedLocation { location { id } } lineItems(first: 30) { nodes { id remainingQuantity lineItem { id } } pageInfo { \
    hasNextPage endCursor } } } pageInfo { hasNextPage endCursor } } fulfillments(first: 11) { id status createdAt \
    trackingInfo(first: 10) { number } fulfillmentLineItems(first: 20) { nodes { quantity lineItem { id } } pageInfo { \
    hasNextPage endCursor } } } } }";

/// The lines of one fulfilment order that had no room there.
pub(super) const LINES: &str = "\
    query($id: ID!, $after: String) { fulfillmentOrder(id: $id) { id status assignedLocation { location { id } } \
    lineItems(first: 250, after: $after) { nodes { id remainingQuantity lineItem { id } } pageInfo { hasNextPage endCursor \
    } } } }";

pub(super) const CREATE: &str = "\
    mutation($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id } \
    userErrors { field message } } }";

pub(super) const TRACK: &str = "\
    mutation($id: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean) { \
    fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify) { fulfillment \
    { id } userErrors { field message } } }";

/// A question about an order, or about a fulfilment order.
#[derive(Serialize)]
pub(super) struct Ask {
    #[serde(skip)]
    pub(super) query: &'static str,
    pub(super) id: String,
    pub(super) after: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    #[serde(default)]
    pub(super) order: Option<Whole>,
    #[serde(default)]
    pub(super) fulfillment_order: Option<Work>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole {
    pub(super) fulfillment_orders: Page<Work>,
    pub(super) fulfillments: Vec<Sent>,
}

/// A fulfilment order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Work {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) assigned_location: Assigned,
    pub(super) line_items: Page<WorkLine>,
}

#[derive(Deserialize)]
pub(super) struct Assigned {
    /// None: it was deleted.
    #[serde(default)]
    pub(super) location: Option<Named>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkLine {
    pub(super) id: String,
    pub(super) remaining_quantity: i64,
    pub(super) line_item: Named,
}

/// A fulfilment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) created_at: String,
    pub(super) tracking_info: Vec<Tracking>,
    pub(super) fulfillment_line_items: Page<SentLine>,
}

#[derive(Deserialize)]
pub(super) struct Tracking {
    #[serde(default)]
    pub(super) number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SentLine {
    #[serde(default)]
    pub(super) quantity: Option<i64>,
    pub(super) line_item: Named,
}

/// Where units are taken from: a line of a fulfilment order, its location, and the status that it had.
pub(super) struct Place<'a> {
    pub(super) work: &'a str,
    pub(super) line: &'a str,
    pub(super) location: &'a str,
    pub(super) status: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn words(&self) -> String {
        format!("{} {} {} {}", self.work, self.line, self.location, self.status)
    }

    pub(super) fn read(words: &'a str) -> Option<Self> {
        let mut parts = words.split(' ');
        Some(Self { work: parts.next()?, line: parts.next()?, location: parts.next()?, status: parts.next()? })
    }

    /// What keeps it from being sent now.
    pub(super) fn held(&self) -> Option<&'static str> {
        match self.status {
            "ON_HOLD" => Some("is on hold: release the hold"),
            "SCHEDULED" => Some("is scheduled for later: mark it as ready"),
            _ => None,
        }
    }
}

/// The number of a line, which it has in the order's webhooks, of `gid://shopify/LineItem/123`.
pub(super) fn number(gid: &str) -> String {
    gid.rsplit('/').next().unwrap_or(gid).to_owned()
}

impl Work {
    /// Whether anything of it is still to be sent, now or later.
    pub(super) fn is_expected(&self) -> bool {
        !matches!(self.status.as_str(), "CLOSED" | "CANCELLED")
    }

    pub(super) fn open(&self) -> impl Iterator<Item = Open> {
        let location = self.assigned_location.location.as_ref().map_or("-", |location| &location.id);
        self.line_items.nodes.iter().filter(|line| line.remaining_quantity > 0 && self.is_expected()).map(move |line| {
            let place = Place { work: &self.id, line: &line.id, location, status: &self.status };
            Open { line: number(&line.line_item.id), quantity: line.remaining_quantity.into(), item: place.words() }
        })
    }
}

impl Sent {
    pub(super) fn fulfilment(self) -> Option<Fulfilment> {
        if matches!(self.status.as_str(), "CANCELLED" | "ERROR" | "FAILURE") {
            return None;
        }
        let mut lines: BTreeMap<String, Amount> = BTreeMap::new();
        for line in &self.fulfillment_line_items.nodes {
            *lines.entry(number(&line.line_item.id)).or_default() += Amount::from(line.quantity.unwrap_or_default());
        }
        // A part of them would be taken for all.
        if self.fulfillment_line_items.page_info.next().is_some() {
            lines.clear();
        }
        Some(Fulfilment {
            id: self.id,
            created: self.created_at.parse().ok(),
            lines,
            tracking: self.tracking_info.into_iter().filter_map(|tracking| tracking.number).collect(),
            shipment: None,
        })
    }
}

#[derive(Serialize)]
pub(super) struct Create {
    pub(super) fulfillment: Input,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    pub(super) line_items_by_fulfillment_order: Vec<Taken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracking_info: Option<TrackingInput>,
    pub(super) notify_customer: bool,
}

/// What is taken of a fulfilment order. Without lines it would be all of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taken {
    pub(super) fulfillment_order_id: String,
    pub(super) fulfillment_order_line_items: Vec<Units>,
}

#[derive(Serialize)]
pub(super) struct Units {
    pub(super) id: String,
    pub(super) quantity: i32,
}

#[derive(Serialize)]
pub(super) struct Track<'a> {
    pub(super) id: &'a str,
    pub(super) tracking: TrackingInput,
    pub(super) notify: bool,
}

#[derive(Serialize)]
pub(super) struct TrackingInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) company: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) numbers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) urls: Vec<String>,
}

impl TrackingInput {
    pub(super) fn of(new: &NewFulfilment) -> Self {
        // They belong to the numbers by their places: one that is missing would give the others to the wrong ones.
        let urls: Option<Vec<String>> = new.parcels.iter().map(|parcel| parcel.url.clone()).collect();
        Self {
            company: new.carrier.clone(),
            numbers: new.parcels.iter().map(|parcel| parcel.number.clone()).collect(),
            urls: urls.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Outcome {
    #[serde(rename = "fulfillmentCreate", alias = "fulfillmentTrackingInfoUpdate")]
    pub(super) done: Option<Done>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    #[serde(default)]
    pub(super) fulfillment: Option<Named>,
    #[serde(default)]
    pub(super) user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
pub(super) struct UserError {
    #[serde(default)]
    pub(super) message: String,
}

impl UserError {
    /// Its words, as they may be repeated: these errors have no codes.
    pub(super) fn words(&self) -> String {
        let fits = |c: &char| c.is_ascii_alphanumeric() || " _-.,:='".contains(*c);
        self.message.chars().filter(fits).take(120).collect()
    }
}
