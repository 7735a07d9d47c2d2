//! Every minute: wakes the conductor of each account that has something due and nobody on it.
//!
//! One wake-up per account, never one per order. It is what ends the waits after crashes, lapsed leases, lost wake-ups and
//! index lag.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Result,
    domain::{
        event::Event,
        ids::{AccountId, ConnectionId, ErpId},
        message::Message,
        metric::{Metric, Of},
        task::Period,
    },
    flow::{
        Puente, depart,
        goods::{self, conduct::On},
        task::{Report, Task, counted},
    },
    parties::Terms,
};

/// The task.
pub static SWEEP: Sweep = Sweep;

/// See [`sweep`].
pub struct Sweep;

#[async_trait]
impl Task for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn about(&self) -> &'static str {
        "wakes whoever sends to an ERP account that has something due and nobody on it"
    }

    fn period(&self) -> Period {
        Period::Every(SignedDuration::from_mins(1))
    }

    async fn run(&self, puente: &Puente, _deadline: Timestamp) -> Result<Report> {
        let Swept { accounts, woken } = sweep(puente).await?;
        Ok(Report {
            did: format!("looked at {}, woke {woken}", counted(accounts, "ERP account")),
            figures: vec![("accounts", accounts.into()), ("woken", woken.into())],
            failed: None,
        })
    }
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Accounts looked at.
    pub accounts: u32,
    /// Accounts woken.
    pub woken: u32,
}

/// Sweeps all accounts once. One account's failure does not keep the others asleep; the last error is returned.
pub async fn sweep(puente: &Puente) -> Result<Swept> {
    let mut swept = Swept::default();
    let mut outcome = Ok(());
    for erp in puente.settings.accounts() {
        swept.accounts += 1;
        match wants_conductor(puente, &erp).await {
            Ok(false) => {}
            Ok(true) => {
                let sent = puente.queue.send(&[Message::Wake { erp }], Duration::ZERO).await;
                match sent.and_then(|sent| sent.into_iter().collect::<Result<Vec<()>>>()) {
                    Ok(_) => swept.woken += 1,
                    Err(error) => outcome = Err(error),
                }
            }
            Err(error) => {
                puente.tell.of(&Event::SweepFailed { erp: Some(&erp), error: &error });
                outcome = Err(error);
            }
        }
    }
    for connection in puente.settings.connections() {
        match wake_if_due(puente, &connection).await {
            Ok(woken) => swept.woken += u32::from(woken),
            Err(error) => {
                puente.tell.of(&Event::StockFailed { connection: &connection, error: &error });
                outcome = Err(error);
            }
        }
    }
    outcome.map(|()| swept)
}

/// Wakes a store's conductor, if numbers, prices or shipments are due there.
async fn wake_if_due(puente: &Puente, connection: &ConnectionId) -> Result<bool> {
    let Some(erp) = puente.settings.erp_of(connection) else { return Ok(false) };
    let stock = puente.settings.selling(&erp).iter().any(|one| &one.connection == connection);
    let shipments = puente.settings.shipping(&erp).iter().any(|one| &one.connection == connection && one.tells);
    let prices = puente.settings.pricing(&erp).iter().any(|one| &one.connection == connection);
    let now = puente.clock.now();
    let on = On { stock, prices, shipments };
    let is_due = goods::conduct::next_due(puente, connection, on).await?.is_some_and(|due| due <= now);
    // What somebody holds stays due until they release it.
    let wanted = is_due && puente.goods.halted(connection).await?.is_none();
    if wanted {
        goods::wake(puente, connection, Duration::ZERO).await?;
    }
    Ok(wanted)
}

async fn wants_conductor(puente: &Puente, erp: &ErpId) -> Result<bool> {
    let Some(Terms { limits, shares, .. }) = puente.settings.terms(erp)? else { return Ok(false) };
    let now = puente.clock.now();
    let ledger = puente.accounts.ledger(&AccountId::from(erp)).await?;
    let conducted = ledger.holder.is_some() && ledger.lease_until.is_some_and(|end| end >= now - limits.clock_error);
    let closed = depart::closed(&ledger, &limits, now);
    // Measured from what is read anyway.
    let gauge = |metric, value| puente.tell.gauge(metric, Of::Account(erp), value);
    gauge(Metric::CallsLeft, limits.per_day.saturating_sub(ledger.used_today(&limits, now)).into());
    gauge(Metric::Closed, closed.map_or(0, |until| seconds(until.duration_since(now))));
    if conducted {
        return Ok(false);
    }
    let asks = ledger.blocked_until.is_none_or(|until| until <= now) && goods::wants_poll(puente, erp).await?;
    if closed.is_some() {
        // Its day is short for orders; stock is asked for from what is kept for other work.
        return Ok(asks);
    }
    let reserves = shares.at(&ledger, &limits, now);
    for connection in puente.settings.connections_of(erp.as_str()) {
        let open = !ledger.holds(&connection, now) && reserves.is_open(&connection);
        if !open {
            continue;
        }
        if let Some(due) = puente.records.next_due(&connection).await?.filter(|due| *due <= now) {
            gauge(Metric::Overdue, seconds(now.duration_since(due)));
            return Ok(true);
        }
    }
    gauge(Metric::Overdue, 0);
    Ok(asks)
}

/// Whole seconds, the last one begun.
fn seconds(time: SignedDuration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(0).div_ceil(1000)
}
