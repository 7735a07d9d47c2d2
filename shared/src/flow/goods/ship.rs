//! Telling a store what the ERP sent of its orders, each shipment exactly once.
//!
//! The store is looked at first, each time: what it has already is not told again ([`plan`]). What is told has its intent on record before
//! its first byte; where the answer is lost, nothing is told of that order until the lost call cannot land any more, and then the store is
//! looked at again.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    commit::{self, sent_of},
    pass::{CALL, Conducted, PASS},
};
use crate::{
    Result,
    domain::{
        event::Event,
        ids::{AttemptId, OrderKey},
        money::Amount,
        order::Order,
        shipment::{
            Dispatch, Failed, Fulfilments, NewFulfilment, Sending, ShipmentId, ShipmentWrite, Underway, carried, note,
            plan::{Codes, Plan, plan},
        },
        version::Version,
    },
    flow::{
        Puente,
        ask::{Ask, Errand},
        depart, is_of_one_record,
        record::deserialise,
    },
    parties::{Connection, Selling},
    ports::Payload,
    store::goods::NotSet,
};

/// How long what was sent may take to land, counted from the last moment at which it may have been begun: a store is told of a shipment
/// with two calls at most.
const SETTLE: SignedDuration = SignedDuration::from_secs(2 * CALL.as_secs());

/// When what a store refused is tried again.
const REFUSED: SignedDuration = SignedDuration::from_hours(1);

/// So often a shipment is tried before a person has to look.
const MOST_ATTEMPTS: u32 = 12;

pub(super) struct Shipper<'a> {
    pub(super) puente: &'a Puente,
    pub(super) connection: &'a Arc<Connection>,
    /// How the connection sells, where it is told stock too.
    pub(super) own: Option<&'a Selling>,
    pub(super) epoch: u64,
    pub(super) until: Timestamp,
}

/// A shipment that is due, with the others of its order.
struct Due {
    key: OrderKey,
    dispatch: Dispatch,
    others: Vec<Dispatch>,
    order: Order,
    version: Version,
}

impl Shipper<'_> {
    /// One pass over what is due. One whose row cannot be read is said, and costs the others nothing.
    pub(super) async fn pass(&self, due: &[(OrderKey, ShipmentId)], done: &mut Conducted) -> Result<()> {
        for (order, id) in due {
            if self.until.duration_since(self.puente.clock.now()) < PASS {
                return Ok(());
            }
            match self.one(order, id).await {
                Ok(looked_at) => done.shipments += u32::from(looked_at),
                Err(error) if is_of_one_record(&error) => {
                    let (connection, order, why) = (&order.connection, &order.order, error.to_string());
                    let shipment = id.as_str();
                    self.puente.tell.of(&Event::ShipmentWaits {
                        connection,
                        order,
                        shipment,
                        stopped: false,
                        why: &why,
                    });
                    done.unreadable = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks at one; `false`: the index named it, and it is not due.
    async fn one(&self, key: &OrderKey, id: &ShipmentId) -> Result<bool> {
        let mut all = self.puente.shipments.of_order(key).await?;
        let Some(place) = all.iter().position(|one| one.shipment.id == *id) else { return Ok(false) };
        let dispatch = all.remove(place);
        if dispatch.due.is_none_or(|due| due > self.puente.clock.now()) {
            return Ok(false);
        }
        let (order, version) = match self.order(key).await {
            Ok(Some(order)) => order,
            Ok(None) => {
                self.stop(key, &dispatch, "the order is not on record here any more".to_owned()).await?;
                return Ok(true);
            }
            Err(error) if is_of_one_record(&error) => {
                self.stop(key, &dispatch, error.to_string()).await?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let ask = Ask::new(self.puente, self.connection, Errand::List);
        match self.has(&ask, key, all.iter().chain([&dispatch])).await {
            Ok(Some(store)) => {
                let due = Due { key: key.clone(), dispatch, others: all, order, version };
                self.act(&ask, &due, &store).await?;
            }
            Ok(None) => self.stop(key, &dispatch, "the store has no such order any more".to_owned()).await?,
            Err(error) => {
                let again = self.again(dispatch.attempts.max(4));
                self.failed(key, &dispatch, underway(&dispatch), false, Some(again), error.to_string()).await?;
            }
        }
        Ok(true)
    }

    /// What the store has of an order, of which these are the shipments.
    async fn has(
        &self,
        ask: &Ask,
        key: &OrderKey,
        dispatches: impl Iterator<Item = &Dispatch>,
    ) -> Result<Option<Fulfilments>> {
        let store = &self.connection.store;
        if store.is_only_told() {
            return Ok(Some(Fulfilments::as_told(dispatches)));
        }
        store.fulfilments(&ask.calls(), &key.order).await
    }

    async fn act(&self, ask: &Ask, due: &Due, store: &Fulfilments) -> Result<()> {
        let Due { key, dispatch, others, order, .. } = due;
        let (names, now) = (self.connection.orders.names(), self.puente.clock.now());
        let codes = Codes { names: &names, rules: &self.connection.goods };
        match plan(dispatch, others, order, codes, store, now) {
            Plan::Has { fulfilment, lines, follows } => {
                // Known to be there before it is told anything more: a lost answer to that would hide it again.
                let seen = if follows { dispatch.dirt } else { 0 };
                let told = ShipmentWrite::Told { attempt: None, epoch: self.epoch, seen, fulfilment, lines };
                self.write(key, dispatch, &told).await?;
                self.reserve(due).await
            }
            Plan::Tell { .. } | Plan::Track { .. } if dispatch.attempts >= MOST_ATTEMPTS => {
                let last = dispatch.note.as_deref().unwrap_or("it did not say why");
                self.stop(key, dispatch, format!("told {MOST_ATTEMPTS} times in vain, at last: {last}")).await
            }
            Plan::Tell { parts, completes } => {
                let lines = parts.iter().fold(BTreeMap::new(), |mut lines: BTreeMap<_, _>, part| {
                    *lines.entry(part.line.clone()).or_default() += part.quantity;
                    lines
                });
                let new = NewFulfilment { parts, completes, ..self.fulfilment(key, dispatch) };
                self.tell(ask, due, new, lines, None).await
            }
            Plan::Track { fulfilment, lines } => {
                let new = self.fulfilment(key, dispatch);
                self.tell(ask, due, new, lines, Some(fulfilment)).await
            }
            Plan::Wait(until) => {
                let why = "another shipment of the order may still be arriving at the store".to_owned();
                self.failed(key, dispatch, underway(dispatch), false, Some(until), why).await
            }
            Plan::Stop(why) => self.stop(key, dispatch, why).await,
        }
    }

    /// Tells the store, with the intent on record first. `fulfilment`: the store has it, and is told how it can be followed.
    async fn tell(
        &self,
        ask: &Ask,
        due: &Due,
        new: NewFulfilment,
        lines: BTreeMap<String, Amount>,
        fulfilment: Option<String>,
    ) -> Result<()> {
        let (key, dispatch) = (&due.key, &due.dispatch);
        let begun = new.begun;
        let start_by = begun + CALL;
        let settle_at = start_by + SETTLE;
        let intent = Underway { attempt: new.attempt.clone(), lines: lines.clone(), begun, settle_at };
        let sending = Sending { underway: intent, epoch: self.epoch, rev: dispatch.rev };
        if !self.write(key, dispatch, &ShipmentWrite::Sending(sending)).await? {
            // It changed meanwhile, or another conductor took over: it is still due.
            return Ok(());
        }
        // Before the store's own number falls: afterwards a number that is computed in between would be too high.
        self.reserve(due).await?;
        if self.puente.clock.now() > start_by {
            // Who stood still for so long may not be alone any more: another may be telling the store.
            let (attempt, why) = (Some(new.attempt), "it could not be told in time".to_owned());
            self.failed(key, dispatch, attempt, true, Some(self.puente.clock.now()), why).await?;
            return self.reserve(due).await;
        }
        let answer = match &fulfilment {
            None => self.connection.store.fulfil(&ask.calls(), &new).await,
            Some(of) => self.connection.store.track(&ask.calls(), of, &new).await.map(|()| of.clone()),
        };
        let attempt = Some(new.attempt);
        let again = self.again(dispatch.attempts);
        let (certain, again, why) = match answer {
            Ok(fulfilment) => {
                let (connection, order, shipment) = (&key.connection, &key.order, &dispatch.shipment.number);
                self.puente.tell.of(&Event::ShipmentTold { connection, order, shipment });
                let (epoch, seen) = (self.epoch, dispatch.dirt);
                let told = ShipmentWrite::Told { attempt, epoch, seen, fulfilment: Some(fulfilment), lines };
                self.write(key, dispatch, &told).await?;
                return self.reserve(due).await;
            }
            Err(NotSet::Stale) => (true, again, NotSet::Stale.words()),
            Err(NotSet::Refused(error)) => (true, self.puente.clock.now() + REFUSED, error.to_string()),
            Err(NotSet::NotNow(error)) => (true, again, error.to_string()),
            Err(NotSet::Unknown(error)) => (false, again, error.to_string()),
        };
        self.failed(key, dispatch, attempt, certain, Some(again), why).await?;
        self.reserve(due).await
    }

    /// The order as it is desired now, or as it is booked where that state cannot be read; none: nothing of it is on record.
    async fn order(&self, key: &OrderKey) -> Result<Option<(Order, Version)>> {
        let Some(head) = self.puente.records.head(key).await? else { return Ok(None) };
        let booked = head.sale().and_then(|sale| sale.version.clone());
        for version in [Some(head.desired), booked].into_iter().flatten() {
            if let Some(Payload::Order(bytes)) = self.puente.records.payload(key, &version).await? {
                return Ok(Some((deserialise(key, &bytes)?, version)));
            }
        }
        Ok(None)
    }

    /// What the store is told of a shipment, but for its parts.
    fn fulfilment(&self, key: &OrderKey, dispatch: &Dispatch) -> NewFulfilment {
        let rules = &self.connection.goods;
        let (carrier, parcels) = carried(&dispatch.shipment, rules);
        NewFulfilment {
            order: key.order.clone(),
            shipment: dispatch.shipment.number.clone(),
            parts: Vec::new(),
            note: note(rules.shipment_note.as_deref(), carrier.as_deref(), &parcels),
            carrier,
            parcels,
            completes: false,
            notify: rules.notify,
            attempt: AttemptId::new(self.puente.chance.token()),
            begun: self.puente.clock.now(),
            revision: dispatch.dirt,
        }
    }

    /// What the store keeps reserved of the order, now that it was told.
    async fn reserve(&self, due: &Due) -> Result<()> {
        let Some(own) = self.own else { return Ok(()) };
        let sent = sent_of(self.puente, own, &due.key).await?;
        commit::reserve(self.puente, own, &due.key, &due.order, &due.version, &sent).await
    }

    /// When it is tried again: later the more often it was tried.
    fn again(&self, attempts: u32) -> Timestamp {
        self.puente.clock.now() + depart::backoff(self.puente, attempts)
    }

    /// A person has to look.
    async fn stop(&self, key: &OrderKey, dispatch: &Dispatch, note: String) -> Result<()> {
        self.failed(key, dispatch, underway(dispatch), true, None, note).await
    }

    async fn failed(
        &self,
        key: &OrderKey,
        dispatch: &Dispatch,
        attempt: Option<AttemptId>,
        certain: bool,
        due: Option<Timestamp>,
        note: String,
    ) -> Result<()> {
        let (connection, order, shipment) = (&key.connection, &key.order, dispatch.shipment.id.as_str());
        self.puente.tell.of(&Event::ShipmentWaits { connection, order, shipment, stopped: due.is_none(), why: &note });
        let failed = Failed { attempt, epoch: self.epoch, seen: dispatch.dirt, certain, due, note };
        self.write(key, dispatch, &ShipmentWrite::Failed(failed)).await.map(drop)
    }

    async fn write(&self, key: &OrderKey, dispatch: &Dispatch, write: &ShipmentWrite) -> Result<bool> {
        self.puente.shipments.write(key, &dispatch.shipment.id, write, self.puente.clock.now()).await
    }
}

/// The attempt that is on its way, or of unknown outcome.
fn underway(dispatch: &Dispatch) -> Option<AttemptId> {
    dispatch.underway.as_ref().map(|underway| underway.attempt.clone())
}
