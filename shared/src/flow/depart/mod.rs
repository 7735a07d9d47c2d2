//! The worker's second half: one conductor per ERP account takes what is due to the ERP.
//!
//! Whoever has work for an account takes its lease, or leaves a mark for the holder; the holder releases only if no mark came
//! since it last looked. So there is one sender per account: no duplicate customers, no contention on the limiter, full
//! batches. All waiting is a record's `due` or the account's ledger; nothing here sleeps but for a send slot.

mod batch;
mod begin;
mod blame;
mod bulk;

mod discreet;
mod ids;
mod look_up;
pub(crate) mod meter;
mod outcome;
mod pace;
pub mod plan;
mod resolve;
mod send;
mod status;

use std::{
    collections::{BTreeMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Puente, goods::poll::poll, is_of_one_record};
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        ids::{AccountId, ConnectionId, ErpId, OrderKey},
        ledger::{Departed, Hold, Ledger, Purpose, Released, Taken},
        message::Message,
        record::Head,
    },
    outbound::{Calls, Meter, Metered},
    parties::Account,
    ports::NoIds,
};
use batch::{Batch, Outcome, Ran};
use meter::{Slots, lease};
use outcome::failed_before;
use pace::{FLOOR, next_departure};
pub(crate) use pace::{backoff, closed};

/// How many orders travel together at most.
const BATCH: usize = 100;

/// How many records are read or written at a time.
const AT_A_TIME: usize = 16;

/// How many orders are compared for the one that goes first.
const FIRST: usize = 16;

/// A wake-up further away than this is left to the sweeper.
const SOON: SignedDuration = SignedDuration::from_secs(60);

/// What a conductor did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Departure {
    /// Whether it had the lease; otherwise it left a mark.
    pub conducted: bool,
    /// Orders whose record was changed.
    pub orders: u32,
    /// Calls to the ERP.
    pub calls: u32,
    /// When something is due next, as far as is known.
    pub next: Option<Timestamp>,
}

/// Conducts `erp` until nothing is due, its quota or a block stops it, or `deadline` is near. `recorded`: orders that were put on
/// record a moment ago, which an index that lags may not show yet.
pub async fn conduct(puente: &Puente, erp: &ErpId, recorded: Vec<OrderKey>, deadline: Timestamp) -> Result<Departure> {
    let Some(account) = puente.settings.account(erp).await? else {
        return Err(Error::new(Kind::NotFound, format!("there is no ERP `{erp}` in the configuration")));
    };
    let Some(ledger) = take_or_mark(puente, &account).await? else {
        return Ok(Departure::default());
    };
    let lease_until = ledger.lease_until.unwrap_or(deadline);
    let slots = Arc::new(Slots::new(puente, &account, ledger.epoch, lease_until, deadline));
    let turn = AtomicUsize::new(usize::try_from(ledger.epoch).unwrap_or(0));
    let conductor = Conductor { puente, account: &account, ledger: erp.into(), epoch: ledger.epoch, slots, turn };
    let outcome = conductor.run(ledger, recorded).await;
    if outcome.is_err() {
        // Whatever failed, the account should not wait for the lease to lapse.
        let _ = puente.accounts.release(&conductor.ledger, conductor.epoch, None).await;
    }
    let departure = outcome?;
    puente.tell.of(&Event::Departed { erp, orders: departure.orders, calls: departure.calls });
    Ok(departure)
}

/// The meter of whoever holds the lease of `epoch`: each call at its send slot, under a lease that is renewed with it. What
/// [`conduct`] makes its calls through.
#[must_use]
pub fn meter(
    puente: &Puente,
    account: &Arc<Account>,
    epoch: u64,
    lease_until: Timestamp,
    deadline: Timestamp,
) -> Arc<dyn Meter> {
    Arc::new(Slots::new(puente, account, epoch, lease_until, deadline))
}

/// The time that a conductor of `account` needs: with less it could not carry one bulk to its end.
#[must_use]
pub fn least_time(account: &Account) -> SignedDuration {
    meter::step(account)
}

/// The ledger with the lease, or nothing: somebody else conducts and knows that there is more.
async fn take_or_mark(puente: &Puente, account: &Account) -> Result<Option<Ledger>> {
    let nonce = puente.chance.token();
    let of = AccountId::from(&account.id);
    loop {
        let now = puente.clock.now();
        let error = account.limits.clock_error;
        match puente.accounts.take(&of, &nonce, now, now + lease(account), error).await? {
            Taken::Taken(ledger) => return Ok(Some(ledger)),
            Taken::Held => {}
        }
        // Refused only if the lease ended meanwhile: then it can be taken.
        if puente.accounts.mark(&of, puente.clock.now()).await? {
            return Ok(None);
        }
        // The lease ended less than `clock_error` ago: it can be neither taken nor marked yet. A wake-up tries again in a second.
        let ledger = puente.accounts.ledger(&of).await?;
        let now = puente.clock.now();
        if ledger.holder.is_some() && ledger.lease_until.is_some_and(|end| end < now && end >= now - error) {
            let message = Message::Wake { erp: account.id.clone() };
            puente.queue.send(&[message], Duration::from_secs(1)).await?;
            return Ok(None);
        }
    }
}

struct Conductor<'a> {
    puente: &'a Puente,
    account: &'a Arc<Account>,
    /// The account, as its ledger knows it.
    ledger: AccountId,
    epoch: u64,
    slots: Arc<Slots>,
    /// Whose turn it is to be the first: each departure begins with another connection.
    turn: AtomicUsize,
}

/// What is due.
struct Due {
    heads: Vec<Head>,
    /// Whether there is more, which this release cannot read.
    unreadable: bool,
}

/// Why a conductor stops looking.
enum Stop {
    /// Nothing is due before then.
    Idle(Option<Timestamp>),
    /// The account may not be called before then.
    Closed(Timestamp),
    /// The invocation's time is nearly over.
    TimeShort,
    /// Another has the lease.
    Lost,
}

impl Conductor<'_> {
    async fn run(&self, mut ledger: Ledger, mut recorded: Vec<OrderKey>) -> Result<Departure> {
        let mut orders = 0;
        // Read with the take, before the first look.
        let mut seen = ledger.mark;
        let first = seen;
        loop {
            match self.depart(&ledger, std::mem::take(&mut recorded)).await? {
                Ok(count) => orders += count,
                Err(stop) => {
                    if matches!(stop, Stop::Idle(_) | Stop::Closed(_)) {
                        self.ask_for_stock(&ledger).await;
                    }
                    let marked = seen != first;
                    if let Some(departure) = self.stop(stop, orders, &mut seen, marked).await? {
                        return Ok(departure);
                    }
                }
            }
            ledger = self.puente.accounts.ledger(&self.ledger).await?;
        }
    }

    /// Asks for the stock, if it is time: after the orders, so that what was just booked is in the answer. What fails is the next poll's.
    async fn ask_for_stock(&self, ledger: &Ledger) {
        let now = self.puente.clock.now();
        if ledger.epoch != self.epoch
            || ledger.blocked_until.is_some_and(|until| until > now)
            || !self.slots.step_fits()
        {
            return;
        }
        self.slots.start_over_for(Purpose::Other, u32::MAX).await;
        let of = AccountId::from(&self.account.id);
        let http = Metered::new(self.puente.client.clone(), self.slots.clone());
        let tokens = self.puente.keeper(of);
        let calls = Calls::new(&http, &NoIds, &tokens);
        let spent = async || self.slots.calls().await;
        let polled = AssertUnwindSafe(poll(self.puente, self.account, self.epoch, &calls, spent)).catch_unwind().await;
        let polled = polled.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "asking for the stock panicked")));
        if let Err(error) = polled {
            self.puente.tell.of(&Event::StockUnread { erp: &self.account.id, error: &error });
        }
        self.slots.start_over(u32::MAX).await;
    }

    /// Ends the work, unless a mark came since `seen`. `marked`: one came before, about an order that the index may not show yet.
    async fn stop(&self, stop: Stop, orders: u32, seen: &mut u64, marked: bool) -> Result<Option<Departure>> {
        let accounts = &self.puente.accounts;
        let of = &self.ledger;
        let calls = self.slots.calls().await;
        let departure = |next| Some(Departure { conducted: true, orders, calls, next });
        match stop {
            Stop::Lost => Ok(departure(None)),
            Stop::TimeShort => {
                // Released first: whoever gets the wake-up must find the lease free.
                accounts.release(of, self.epoch, None).await?;
                self.wake(self.puente.clock.now()).await?;
                Ok(departure(Some(self.puente.clock.now())))
            }
            Stop::Idle(next) => match accounts.release(of, self.epoch, Some(*seen)).await? {
                Released::Released => {
                    let again = marked.then(|| self.puente.clock.now() + FLOOR);
                    if let Some(next) = next.into_iter().chain(again).min() {
                        self.wake(next).await?;
                    }
                    Ok(departure(next))
                }
                Released::Marked(mark) => {
                    *seen = mark;
                    Ok(None)
                }
                Released::Lost => Ok(departure(next)),
            },
            Stop::Closed(until) => {
                // A mark changes nothing: nobody may call before `until`.
                accounts.release(of, self.epoch, None).await?;
                self.wake(until).await?;
                Ok(departure(Some(until)))
            }
        }
    }

    async fn wake(&self, at: Timestamp) -> Result<()> {
        let wait = at.duration_since(self.puente.clock.now());
        if wait > SOON {
            return Ok(());
        }
        let wait = Duration::try_from(wait).unwrap_or_default();
        let sent = self.puente.queue.send(&[Message::Wake { erp: self.account.id.clone() }], wait).await?;
        sent.into_iter().collect()
    }

    /// One departure: everything due, up to a batch. Returns how many orders it touched.
    async fn depart(&self, ledger: &Ledger, recorded: Vec<OrderKey>) -> Result<std::result::Result<u32, Stop>> {
        let now = self.puente.clock.now();
        if ledger.epoch != self.epoch {
            return Ok(Err(Stop::Lost));
        }
        if let Some(until) = closed(ledger, &self.account.limits, now) {
            return Ok(Err(Stop::Closed(until)));
        }
        if !self.slots.step_fits() {
            return Ok(Err(Stop::TimeShort));
        }
        // After a block one order goes first: an outage must not cost the day's quota.
        let one = ledger.strikes > 0 || ledger.hold.is_some();
        let Due { heads, unreadable } = self.due(one, ledger, recorded).await?;
        if heads.is_empty() {
            // An index that lags may still name an order that is done: never wake faster than the least interval. What nobody can
            // read stays due, and is left to the sweeper.
            let soonest = now + if unreadable { SOON + FLOOR } else { FLOOR };
            let next = self.next_due(ledger).await?.map(|next| next.max(soonest));
            return Ok(Err(Stop::Idle(next)));
        }
        let count = u32::try_from(heads.len()).unwrap_or(u32::MAX);
        let mut orders: BTreeMap<ConnectionId, u32> = BTreeMap::new();
        for head in &heads {
            *orders.entry(head.key.connection.clone()).or_default() += 1;
        }
        let connections: Vec<ConnectionId> = orders.keys().cloned().collect();
        let budget = self.account.shares.at(ledger, &self.account.limits, now).budget(&connections);
        let before = self.slots.calls().await;
        let batch = Batch::new(self.puente, self.account, self.epoch, &self.slots, ledger);
        let Ran { outcome, hold } = batch.run(heads, budget).await?;
        let calls = self.slots.calls().await - before;
        if calls > 0 || hold != ledger.hold {
            self.departed(calls, &orders, hold).await?;
        }
        Ok(match outcome {
            Outcome::Done => Ok(count),
            Outcome::Closed(until) => Err(Stop::Closed(until)),
            Outcome::Lost => Err(Stop::Lost),
            Outcome::TimeShort => Err(Stop::TimeShort),
        })
    }

    /// Writes down what a departure with these orders took. When the day is short the next one waits, and the orders that arrive
    /// meanwhile travel together.
    async fn departed(&self, calls: u32, orders: &BTreeMap<ConnectionId, u32>, hold: Option<Hold>) -> Result<()> {
        let (now, limits) = (self.puente.clock.now(), &self.account.limits);
        let ledger = self.puente.accounts.ledger(&self.ledger).await?;
        let full = orders.values().sum::<u32>() as usize >= BATCH;
        let departed = Departed {
            // A full batch is the best use of calls there is: only a part-filled one makes the next wait for company.
            departs_at: if full || calls == 0 { None } else { next_departure(&ledger, limits, calls, now) },
            calls: if full || calls == 0 { ledger.per_departure } else { calls },
            spent: self.account.shares.charged(&ledger, limits, now, calls, orders),
            hold,
        };
        self.puente.accounts.departed(&self.ledger, self.epoch, &departed).await
    }

    /// The due heads of the account's connections in turn, so that a flooding shop cannot starve the others; without those that
    /// have to wait. `one`: only the one that tells most.
    ///
    /// The index only suggests, and may not show yet what was `recorded` a moment ago; each head is read consistently.
    async fn due(&self, one: bool, ledger: &Ledger, recorded: Vec<OrderKey>) -> Result<Due> {
        let now = self.puente.clock.now();
        let records = &self.puente.records;
        let most = if one { FIRST } else { BATCH };
        let account = self.account;
        let reserves = account.shares.at(ledger, &account.limits, now);
        let open: Vec<&ConnectionId> =
            account.connections.iter().filter(|of| !ledger.holds(of, now) && reserves.is_open(of)).collect();
        let mut queues: Vec<(&ConnectionId, std::vec::IntoIter<OrderKey>)> = stream::iter(open.clone())
            // More than leave: some are done already, and some cannot be read.
            .map(|connection| records.due(connection, now, 2 * BATCH))
            .buffered(AT_A_TIME)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .zip(open)
            .map(|(keys, connection)| {
                let mut seen = HashSet::new();
                let ours = recorded.iter().filter(|key| &key.connection == connection).cloned();
                let mut keys: Vec<OrderKey> = ours.chain(keys?).collect();
                keys.retain(|key| seen.insert(key.clone()));
                Ok((connection, keys.into_iter()))
            })
            .collect::<Result<_>>()?;
        // Each departure begins with another connection that has something due: after a block only one order goes.
        queues.retain(|(_, keys)| keys.len() > 0);
        // Who has spent its share does not travel on what little is left of the others'.
        let company = reserves.company(queues.iter().map(|(connection, _)| *connection));
        queues.retain(|(connection, _)| company.contains(connection));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % queues.len().max(1);
        queues.rotate_left(turn);
        let (mut heads, mut unreadable) = (Vec::new(), false);
        while heads.len() < most {
            let keys: Vec<OrderKey> = queues.iter_mut().filter_map(|(_, keys)| keys.next()).collect();
            if keys.is_empty() {
                break;
            }
            let read: Vec<Result<Option<Head>>> =
                stream::iter(&keys).map(|key| records.head(key)).buffered(AT_A_TIME).collect().await;
            for head in read {
                let head = match head {
                    Ok(head) => head,
                    Err(error) if is_of_one_record(&error) => {
                        self.puente.tell.of(&Event::RecordUnreadable { error: &error });
                        unreadable = true;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                // An unresolved intent is left alone until its settle time, whatever brought the order back.
                let head = head.filter(|head| {
                    head.due.is_some_and(|due| due <= now)
                        && head.intent.as_ref().is_none_or(|intent| intent.settle_at <= now)
                });
                heads.extend(head);
            }
        }
        if one {
            heads.sort_by_key(|head| proof(head, ledger));
            heads.truncate(1);
        }
        heads.truncate(most);
        Ok(Due { heads, unreadable })
    }

    async fn next_due(&self, ledger: &Ledger) -> Result<Option<Timestamp>> {
        let (records, now) = (&self.puente.records, self.puente.clock.now());
        let reserves = self.account.shares.at(ledger, &self.account.limits, now);
        let dues: Vec<Result<Option<Timestamp>>> = stream::iter(&self.account.connections)
            .map(|connection| async move {
                let due = records.next_due(connection).await?;
                let held = ledger.hold.as_ref().filter(|hold| hold.holds(connection, now)).map(|hold| hold.until);
                Ok(due.map(|due| due.max(held.max(reserves.opens(connection)).unwrap_or(due))))
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        Ok(dues.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().min())
    }
}

/// How much an order would tell, the most first: one that is not held, then one to which nothing has happened, then the one that was
/// tried the least.
fn proof(head: &Head, ledger: &Ledger) -> (bool, bool, u32) {
    let suspected = ledger.hold.as_ref().is_some_and(|hold| hold.connections.contains(&head.key.connection));
    (suspected, failed_before(head), head.attempts)
}
