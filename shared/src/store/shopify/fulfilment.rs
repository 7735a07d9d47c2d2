//! What was sent of an order, through the GraphQL Admin API.
//!
//! Shopify divides an order into fulfilment orders, at least one for each location that its lines lie at, and a fulfilment takes units
//! from those of one location. What remains of them is Shopify's own count, of which it lets nobody take more. No idempotency key is sent:
//! `fulfillmentCreate` is none of the mutations that take one.
//! <https://shopify.dev/docs/api/admin-graphql/latest/objects/FulfillmentOrder> ·
//! <https://shopify.dev/docs/api/admin-graphql/latest/mutations/fulfillmentCreate> ·
//! <https://shopify.dev/docs/api/admin-graphql/latest/mutations/fulfillmentTrackingInfoUpdate>

mod wire;

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use self::wire::{
    ALL, Ask, CREATE, Create, Found, Input, LINES, Outcome, Place, Sent, TRACK, Taken, Track, TrackingInput, Units,
    Whole,
};
use super::{
    super::{MOST_CALLS, goods::NotSet},
    ORDER,
    config::Shopify,
    graphql::Question,
};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::OrderId,
        money::Amount,
        shipment::{Fulfilments, NewFulfilment, Open, Part},
    },
    outbound::Calls,
};

/// The scopes that all of it needs. Fulfilment orders that they do not cover are left out of an answer without a word.
const SCOPES: &str =
    "read_merchant_managed_fulfillment_orders and write_merchant_managed_fulfillment_orders, beside read_orders";

/// So many fulfilments may an order have: they have no pages, and one more is asked for.
const MOST_SENT: usize = 10;

/// Whole units.
fn units(quantity: Amount) -> Option<i32> {
    let quantity = quantity.decimal();
    if quantity.is_integer() { quantity.to_i32().filter(|units| *units > 0) } else { None }
}

fn refused(words: String) -> NotSet {
    NotSet::Refused(Error::new(Kind::Refused, words))
}

impl Shopify {
    /// What the shop has of an order as sent, and what it still expects.
    pub(super) async fn fulfilments_of(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Fulfilments>> {
        let mut asks = vec![Ask { query: ALL, id: format!("{ORDER}{order}"), after: None }];
        let (mut open, mut sent, mut any) = (Vec::new(), Vec::new(), false);
        for _ in 0..MOST_CALLS {
            let Some(ask) = asks.pop() else { break };
            let question = Question { query: ask.query, variables: &ask, scopes: SCOPES };
            let answer = self.graphql(calls, &question).await?;
            let works = match self.data(answer, &question)? {
                Found { order: Some(Whole { fulfillment_orders: page, fulfillments }), .. } => {
                    sent = fulfillments;
                    let next = page.page_info.next().map(Some);
                    asks.extend(next.map(|after| Ask { query: ALL, id: ask.id, after }));
                    page.nodes
                }
                Found { fulfillment_order: Some(work), .. } => vec![work],
                Found { .. } => return self.no_order(),
            };
            for work in works {
                any = true;
                open.extend(work.open());
                let (is_expected, id) = (work.is_expected(), work.id);
                let next = work.line_items.page_info.next().filter(|_| is_expected).map(Some);
                asks.extend(next.map(|after| Ask { query: LINES, id, after }));
            }
        }
        if !asks.is_empty() || sent.len() > MOST_SENT {
            let words = format!(
                "{}: the order has more lines, or more than {MOST_SENT} fulfilments, than are read of one: tell the shop by hand",
                self.shop
            );
            return Err(Error::new(Kind::Unreadable, words));
        }
        // Every order has one, be it closed: taking what is not shown for what is not expected would leave the buyer without a word.
        if !any {
            return Err(self.lacks_scopes(SCOPES));
        }
        // What can be sent now, and from the configured location, goes first.
        open.sort_by_cached_key(|open: &Open| {
            let place = Place::read(&open.item);
            let elsewhere =
                self.location.is_some() && place.as_ref().map(|place| place.location) != self.location.as_deref();
            (place.is_some_and(|place| place.held().is_some()), elsewhere)
        });
        Ok(Some(Fulfilments { open: Some(open), sent: sent.into_iter().filter_map(Sent::fulfilment).collect() }))
    }

    /// Tells it of a shipment.
    pub(super) async fn send(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        let tracking = (new.carrier.is_some() || !new.parcels.is_empty()).then(|| TrackingInput::of(new));
        let fulfillment = Input {
            line_items_by_fulfillment_order: self.taken(&new.parts)?,
            tracking_info: tracking,
            notify_customer: new.notify,
        };
        self.ship(calls, CREATE, Create { fulfillment }).await
    }

    /// Tells it how a shipment can be followed now.
    pub(super) async fn follow(&self, calls: &Calls<'_>, fulfilment: &str, new: &NewFulfilment) -> Result<(), NotSet> {
        let track = Track { id: fulfilment, tracking: TrackingInput::of(new), notify: new.notify };
        self.ship(calls, TRACK, track).await.map(|_| ())
    }

    /// The parts by the fulfilment orders that they are of, if one fulfilment can have them all.
    fn taken(&self, parts: &[Part]) -> Result<Vec<Taken>, NotSet> {
        let (mut taken, mut location): (BTreeMap<&str, Vec<Units>>, Option<&str>) = (BTreeMap::new(), None);
        for part in parts {
            // What is no item of this connector's is read again.
            let place = part.item.as_deref().and_then(Place::read).ok_or(NotSet::Stale)?;
            if let Some(why) = place.held() {
                return Err(refused(format!("a part of the order {why} in {}, then have it told again", self.shop)));
            }
            if location.replace(place.location).is_some_and(|before| before != place.location) {
                let words = format!(
                    "what was sent lies at several locations of {}, and a fulfilment takes from one: move the items to one location in \
                     the order there, then have it told again",
                    self.shop
                );
                return Err(refused(words));
            }
            let quantity = units(part.quantity)
                .ok_or_else(|| refused(format!("{} sends whole units, and this is {}", self.shop, part.quantity)))?;
            taken.entry(place.work).or_default().push(Units { id: place.line.to_owned(), quantity });
        }
        if taken.is_empty() {
            return Err(refused("there is nothing in it that could be told".to_owned()));
        }
        let of = |(work, units): (&str, Vec<Units>)| Taken {
            fulfillment_order_id: work.to_owned(),
            fulfillment_order_line_items: units,
        };
        Ok(taken.into_iter().map(of).collect())
    }

    /// What the shop calls the fulfilment that it made or changed.
    async fn ship<V: Serialize>(&self, calls: &Calls<'_>, query: &str, variables: V) -> Result<String, NotSet> {
        let question = Question { query, variables, scopes: SCOPES };
        let answer = self.graphql(calls, &question).await.map_err(NotSet::unanswered)?;
        let outcome: Outcome = self.data(answer, &question).map_err(NotSet::answered)?;
        let untold = || {
            let words = format!("{}: its answer does not say what became of the shipment", self.shop);
            NotSet::Unknown(Error::new(Kind::Unreadable, words))
        };
        let done = outcome.done.ok_or_else(untold)?;
        if let Some(error) = done.user_errors.first() {
            return Err(refused(format!("{} refused the shipment: {}", self.shop, error.words())));
        }
        done.fulfillment.map(|fulfillment| fulfillment.id).ok_or_else(untold)
    }
}
