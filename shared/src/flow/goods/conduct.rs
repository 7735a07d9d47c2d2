//! The conductor of a store: one at a time for each store, under the lease of its account.
//!
//! It tells the store what the ERP sent (`ship.rs`), then brings it the numbers of stock (`publish.rs`) and the prices (`prices/tell.rs`)
//! that are due, until nothing is or its time is short.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    pass::{Conducted, PASS},
    prices::tell::Pricer,
    publish::Publisher,
    ship::Shipper,
    wake,
};
use crate::{
    Result,
    domain::{
        event::Event,
        ids::{AccountId, ConnectionId},
        ledger::{Released, Taken},
    },
    flow::Puente,
    store::goods::MOST,
};

/// How long the lease lasts, which nobody renews: what is begun before its end and answered after it is another's to look at.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// Shipments of a pass: each takes a few calls, and stock waits meanwhile.
const SHIPMENTS: usize = 10;

/// Brings the store of `id` what is due, until nothing is or `deadline` is near.
pub async fn conduct(puente: &Puente, id: &ConnectionId, deadline: Timestamp) -> Result<Conducted> {
    let Some(connection) = puente.settings.connection(id).await? else { return Ok(Conducted::default()) };
    let selling = puente.settings.selling(&connection.erp);
    let own = selling.iter().find(|one| &one.connection == id);
    let tells = connection.goods.tells_shipments();
    let pricing = puente.settings.pricing(&connection.erp);
    let priced = pricing.iter().find(|one| &one.connection == id);
    if own.is_none() && priced.is_none() && !tells {
        return Ok(Conducted::default());
    }
    let of = AccountId::from(id);
    let nonce = puente.chance.token();
    let now = puente.clock.now();
    let error = connection.limits.clone().unwrap_or_default().clock_error;
    let Taken::Taken(ledger) = puente.accounts.take(&of, &nonce, now, now + LEASE, error).await? else {
        // Refused only if the lease ended meanwhile: the next who looks finds it free.
        puente.accounts.mark(&of, puente.clock.now()).await?;
        return Ok(Conducted::default());
    };
    let (epoch, until) = (ledger.epoch, deadline.min(now + LEASE));
    let publisher = own.map(|own| Publisher {
        puente,
        connection: &connection,
        own,
        selling: &selling,
        epoch,
        until,
        writes: own.rules.publishes(),
    });
    let shipper = tells.then_some(Shipper { puente, connection: &connection, own, epoch, until });
    let writes = connection.goods.tells_prices();
    let pricer = priced.map(|own| Pricer { puente, connection: &connection, own, epoch, writes });
    let conductor = Conductor { puente, id, epoch, until, publisher, pricer, shipper };
    let done = conductor.run(ledger.mark).await;
    if done.is_err() {
        // Whatever failed, the store should not wait for the lease to lapse.
        let _ = puente.accounts.release(&of, epoch, None).await;
    }
    let done = done?;
    if done.looked_at > 0 {
        puente.tell.of(&Event::StockPublished {
            connection: id,
            looked_at: done.looked_at,
            written: done.written,
            failed: done.failed,
        });
    }
    if done.prices > 0 {
        puente.tell.of(&Event::PricesPublished {
            connection: id,
            looked_at: done.prices,
            written: done.prices_written,
            failed: done.prices_failed,
        });
    }
    Ok(done)
}

struct Conductor<'a> {
    puente: &'a Puente,
    id: &'a ConnectionId,
    epoch: u64,
    until: Timestamp,
    publisher: Option<Publisher<'a>>,
    pricer: Option<Pricer<'a>>,
    shipper: Option<Shipper<'a>>,
}

impl Conductor<'_> {
    async fn run(&self, mut seen: u64) -> Result<Conducted> {
        let mut done = Conducted { conducted: true, ..Conducted::default() };
        let of = AccountId::from(self.id);
        loop {
            if self.until.duration_since(self.puente.clock.now()) < PASS {
                self.puente.accounts.release(&of, self.epoch, None).await?;
                wake(self.puente, self.id, Duration::ZERO).await?;
                return Ok(done);
            }
            let before = (done.looked_at, done.prices, done.shipments);
            if self.pass(&mut done).await? == Pass::Held || done.put_off {
                self.puente.accounts.release(&of, self.epoch, None).await?;
                return Ok(done);
            }
            // An index that lags may still name what is done: then there is no hurry.
            if (done.looked_at, done.prices, done.shipments) != before {
                continue;
            }
            match self.puente.accounts.release(&of, self.epoch, Some(seen)).await? {
                Released::Marked(mark) => seen = mark,
                Released::Released | Released::Lost => {
                    let wait = self.next().await?.map(|next| next.duration_since(self.puente.clock.now()));
                    let soon = |wait: &SignedDuration| *wait < SignedDuration::from_secs(60) && !done.unreadable;
                    if let Some(wait) = wait.filter(soon) {
                        wake(self.puente, self.id, Duration::try_from(wait).unwrap_or_default()).await?;
                    }
                    return Ok(done);
                }
            }
        }
    }

    /// One pass over what is due.
    async fn pass(&self, done: &mut Conducted) -> Result<Pass> {
        let now = self.puente.clock.now();
        let shipments = match &self.shipper {
            Some(_) => self.puente.shipments.due(self.id, now, SHIPMENTS).await?,
            None => Vec::new(),
        };
        let shelves = match &self.publisher {
            Some(_) => self.puente.goods.due(self.id, now, MOST).await?,
            None => Vec::new(),
        };
        let articles = match &self.pricer {
            Some(_) => self.puente.prices.due(self.id, now, MOST).await?,
            None => Vec::new(),
        };
        if shipments.is_empty() && shelves.is_empty() && articles.is_empty() {
            return Ok(Pass::Done);
        }
        // Held: what is due stays due, and whoever releases it has it looked at.
        if self.puente.goods.halted(self.id).await?.is_some() {
            return Ok(Pass::Held);
        }
        if let Some(shipper) = &self.shipper {
            shipper.pass(&shipments, done).await?;
        }
        if let Some(publisher) = self.publisher.as_ref().filter(|_| !shelves.is_empty()) {
            publisher.pass(&shelves, done).await?;
        }
        if let Some(pricer) = self.pricer.as_ref().filter(|_| !articles.is_empty()) {
            pricer.pass(&articles, done).await?;
        }
        Ok(Pass::Done)
    }

    /// When something is due next.
    async fn next(&self) -> Result<Option<Timestamp>> {
        let on =
            On { stock: self.publisher.is_some(), prices: self.pricer.is_some(), shipments: self.shipper.is_some() };
        next_due(self.puente, self.id, on).await
    }
}

/// How a pass ended.
#[derive(PartialEq, Eq)]
enum Pass {
    Done,
    Held,
}

/// What a store is told.
#[derive(Clone, Copy)]
pub(in crate::flow) struct On {
    pub(in crate::flow) stock: bool,
    pub(in crate::flow) prices: bool,
    pub(in crate::flow) shipments: bool,
}

/// When something that is `on` is due for a store next.
pub(in crate::flow) async fn next_due(puente: &Puente, id: &ConnectionId, on: On) -> Result<Option<Timestamp>> {
    let number = if on.stock { puente.goods.next_due(id).await? } else { None };
    let price = if on.prices { puente.prices.next_due(id).await? } else { None };
    let shipment = if on.shipments { puente.shipments.next_due(id).await? } else { None };
    Ok([number, price, shipment].into_iter().flatten().min())
}
