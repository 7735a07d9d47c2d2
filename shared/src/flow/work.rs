//! The worker: what became of a batch of messages, then the departures they call for.
//!
//! A message is done once the record carries its order; whatever goes wrong after that is the record's `due`, never a
//! redelivery. So waiting burns no receive count, and a failed message always means: not on record.

use std::collections::{BTreeMap, BTreeSet};

use futures::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream,
};
use jiff::{SignedDuration, Timestamp};

use super::{Puente, depart, goods::conduct, record, tasks::backfill};
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        ids::{ConnectionId, ErpId, OrderKey},
        message::Message,
    },
};

/// How many messages of a batch are recorded at a time.
const AT_A_TIME: usize = 8;

/// Records every message, then conducts the ERP accounts they concern, until `deadline`.
///
/// Returns the ids of the messages that failed, as given: they stay in the queue. Those that cannot be decoded are among
/// them, so that the queue's redrive policy takes them to the dead-letter queue.
pub async fn work(puente: &Puente, messages: Vec<(String, Result<Message>)>, deadline: Timestamp) -> Vec<String> {
    let whole = deadline.duration_since(puente.clock.now());
    // Numbers for stores go their own way beside the rest: a store that is slow keeps no order waiting.
    let (stock, messages): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|(_, message)| matches!(message, Ok(Message::Publish { .. })));
    let stores: BTreeSet<ConnectionId> = stock
        .into_iter()
        .filter_map(|(_, message)| match message {
            Ok(Message::Publish { connection }) => Some(connection),
            _ => None,
        })
        .collect();
    let orders = async {
        let done = record_all(puente, messages, puente.clock.now() + whole / 2).await;
        conduct_all(puente, &done, whole, deadline).await;
        done
    };
    let (done, ()) = future::join(orders, conduct_stores(puente, stores, deadline)).await;
    done.into_iter().filter(|(_, outcome)| outcome.is_err()).map(|(id, _)| id).collect()
}

/// Conducts the accounts that have something to do.
async fn conduct_all(puente: &Puente, done: &[Done], whole: SignedDuration, deadline: Timestamp) {
    let mut accounts: BTreeMap<ErpId, Vec<OrderKey>> = BTreeMap::new();
    for (erp, order) in done.iter().filter_map(|(_, outcome)| outcome.as_ref().ok().cloned().flatten()) {
        accounts.entry(erp).or_default().extend(order);
    }
    for (erp, recorded) in accounts {
        let conducted = async {
            long_enough(puente, &erp, whole).await?;
            depart::conduct(puente, &erp, recorded, deadline).await
        };
        let isolated = std::panic::AssertUnwindSafe(conducted).catch_unwind().await;
        let conducted = isolated.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "conducting panicked")));
        if let Err(error) = conducted {
            // Nothing is lost: the records have their `due`, and the sweeper wakes the account again.
            puente.tell.of(&Event::DepartureFailed { erp: &erp, error: &error });
        }
    }
}

/// Brings stores what is due there until `deadline`. What is cut short then is in doubt, on record, and read again: whatever fails is still
/// due, and the sweeper has it looked at.
async fn conduct_stores(puente: &Puente, stores: BTreeSet<ConnectionId>, deadline: Timestamp) {
    let each = stores.iter().map(|connection| async move {
        let conducted = conduct::conduct(puente, connection, deadline);
        let isolated = std::panic::AssertUnwindSafe(Box::pin(conducted)).catch_unwind();
        let outcome = match future::select(isolated, puente.clock.sleep_until(deadline)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => return,
        };
        let outcome = outcome.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a store's conductor panicked")));
        if let Err(error) = outcome {
            puente.tell.of(&Event::StockFailed { connection, error: &error });
        }
    });
    future::join_all(each).await;
}

/// An invocation that is too short for one step, even from its beginning, would only wake the next one.
async fn long_enough(puente: &Puente, erp: &ErpId, whole: SignedDuration) -> Result<()> {
    let Some(account) = puente.settings.account(erp).await? else { return Ok(()) };
    let needed = depart::least_time(&account);
    if whole > needed {
        return Ok(());
    }
    let (needed, whole) = (needed.as_secs(), whole.as_secs());
    let words = format!(
        "ERP `{erp}`: with its `timeout` an order may take {needed} s, and a worker has {whole} s: shorten the `timeout`, or let \
         the worker run longer"
    );
    Err(Error::new(Kind::Config, words))
}

/// A message's id, and the account that has something to do now, with the order that was put on record.
type Done = (String, Result<Option<(ErpId, Option<OrderKey>)>>);

/// Stores are asked what changed until `until`: the rest of the time is for the ERPs.
async fn record_all(puente: &Puente, messages: Vec<(String, Result<Message>)>, until: Timestamp) -> Vec<Done> {
    stream::iter(messages)
        .map(|(id, message)| async move {
            let outcome = match message {
                Ok(Message::Wake { erp }) => Ok(Some((erp, None))),
                // Not here: see `conduct_stores`.
                Ok(Message::Publish { .. }) => Ok(None),
                Ok(Message::Backfill(ask)) => {
                    let isolated =
                        std::panic::AssertUnwindSafe(backfill::asked(puente, &ask, until)).catch_unwind().await;
                    isolated.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a backfill panicked"))).map(|()| None)
                }
                Ok(Message::Arrival(arrival)) => {
                    let isolated =
                        std::panic::AssertUnwindSafe(Box::pin(record::arrival(puente, &arrival))).catch_unwind().await;
                    let recorded = isolated.unwrap_or_else(|_| {
                        Err(Error::new(Kind::Bug, format!("order {}: recording it panicked", arrival.key())))
                    });
                    recorded.map(|erp| erp.map(|erp| (erp, Some(arrival.key()))))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = &outcome {
                puente.tell.of(&Event::MessageFailed { message: &id, error });
            }
            (id, outcome)
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await
}
