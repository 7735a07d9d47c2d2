//! What runs while `serve` (and the demo) serves: the HTTP server, the workers, the sweeper, the backfill.
//!
//! Each is a loop that survives its own failures, logs them once and goes on. Stopping is one signal: nothing new is taken,
//! what is in flight is finished, the lease is given back. On AWS several processes run these loops at once: the queue, the
//! records and the leases are what keeps them apart, as they do for functions.

use std::{future::Future, net::SocketAddr, time::Duration};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use puente::{
    Error, Kind, Result,
    domain::{event::Event, message::Message},
    edge::{
        host::{HostName, Hosts},
        operate::Access,
    },
    flow::{Puente, backfill, depart, sweep, work},
    parties::Settings,
    ports::Delivery,
};
use tokio::{net::TcpListener, runtime::Handle, sync::watch, task::JoinSet};

use super::{
    server,
    source::{Site, Source},
};

/// How many messages a worker takes at once; SQS gives at most ten.
const BATCH: usize = 20;

/// How long a worker waits for a message. A stop waits as long for a long poll.
const WAIT: Duration = Duration::from_secs(5);

/// How long a conductor begins further steps before it lets the worker look at the queue again.
const STRETCH: SignedDuration = SignedDuration::from_secs(10);

/// How far back the nightly backfill looks.
const NIGHTLY: SignedDuration = SignedDuration::from_hours(72);

/// The hour (UTC) from which on the nightly backfill runs.
const NIGHT: i8 = 3;

/// How often a connection with two keys is named in the log.
const REMINDER: Duration = Duration::from_hours(1);

/// How often things are done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Loops that take messages.
    pub(crate) workers: usize,
    /// Between two sweeps.
    pub(crate) sweep: Duration,
    /// Between two backfills; `None`: none but those somebody asks for.
    pub(crate) backfill: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { workers: 4, sweep: Duration::from_secs(1), backfill: Some(Duration::from_mins(15)) }
    }
}

/// Who is let in over HTTP.
#[derive(Debug)]
pub(crate) struct Doors {
    /// The public names of the service.
    pub(crate) hosts: Vec<HostName>,
    /// Who may read and replay.
    pub(crate) operator: Access,
}

impl Doors {
    /// For whoever is on this machine.
    pub(crate) fn open() -> Self {
        Self { hosts: Vec::new(), operator: Access::Open }
    }
}

/// A running service.
pub(crate) struct Engine {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Engine {
    /// Starts everything; `listener` is listening already.
    pub(crate) async fn start(
        source: impl Into<Source>,
        listener: TcpListener,
        doors: Doors,
        pace: Pace,
    ) -> Result<Self> {
        let address = listener
            .local_addr()
            .map_err(|error| Error::new(Kind::Unavailable, "the listener has no address").caused_by(error))?;
        let source = source.into();
        let puente = source.puente().await?;
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let hosts = Hosts::new(address, doors.hosts);
        let router = Site::new(source.clone(), &puente, hosts, doors.operator).router();
        tasks.spawn(server::serve(listener, router, stopped(stopping.clone())));
        for _ in 0..pace.workers.max(1) {
            // Each on a thread of its own: planning and rendering a full batch must not delay an answer to a store.
            let (source, stopping, runtime) = (source.clone(), stopping.clone(), Handle::current());
            tasks.spawn_blocking(move || runtime.block_on(worker(source, stopping)));
        }
        tasks.spawn(every(REMINDER, stopping.clone(), source.clone(), |puente| async move {
            for connection in puente.settings.changing_keys() {
                let todo = "two keys open this connection: take the old one out once no store uses it";
                puente.tell.of(&Event::TwoKeys { connection: &connection, todo });
            }
        }));
        tasks.spawn(every(pace.sweep, stopping.clone(), source.clone(), |puente| async move {
            if let Err(error) = sweep::sweep(&puente).await {
                puente.tell.of(&Event::SweepFailed { erp: None, error: &error });
            }
        }));
        if let Some(period) = pace.backfill {
            let shared = source.shared();
            tasks.spawn(every(period, stopping, source, move |puente| async move {
                let mine = !shared || claimed(&puente, period).await.unwrap_or(true);
                if mine && let Err(error) = filled(&puente).await {
                    puente.tell.of(&Event::BackfillFailed { connection: None, error: &error });
                }
            }));
        }
        Ok(Self { address, stop, tasks })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes nothing new, finishes what is in flight, and ends.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// How long a message stays with the worker that took it, and after a crash is kept from others: twice the longest round.
pub(crate) async fn visibility(settings: &Settings) -> Duration {
    // A round may begin with asking stores, which take their time too.
    longest_round(settings).await.unsigned_abs() * 2 + Duration::from_secs(90)
}

/// How long one round of work may take: what a step of the slowest ERP needs, its slots with it, and some.
async fn longest_round(settings: &Settings) -> SignedDuration {
    let mut slowest = SignedDuration::ZERO;
    for erp in settings.accounts() {
        // An account that cannot be built says so where it is worked on.
        if let Ok(Some(account)) = settings.account(&erp).await {
            slowest = slowest.max(depart::least_time(&account) + account.limits.spacing() * 12);
        }
    }
    slowest.saturating_add(STRETCH)
}

/// Resolves once the stop signal came.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the engine is gone, which is a stop too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Does `task` at once and then every `period`, until the stop. A round that began is finished.
async fn every<F>(period: Duration, stopping: watch::Receiver<bool>, source: Source, task: impl Fn(Puente) -> F)
where
    F: Future<Output = ()>,
{
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(stopping.clone()) => return,
            _ = tick.tick() => {}
        }
        match source.puente().await {
            Ok(puente) => task(puente).await,
            Err(error) => Event::ConfigUnusable { error: &error }.log(),
        }
    }
}

/// Takes messages, works on them, deletes those that are done.
async fn worker(source: Source, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(error) = turn(&source, &stopping).await {
            Event::QueueFailed { error: &error }.log();
            tokio::select! {
                () = stopped(stopping.clone()) => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

async fn turn(source: &Source, stopping: &watch::Receiver<bool>) -> Result<()> {
    let puente = source.puente().await?;
    let receive = puente.queue.receive(BATCH, WAIT);
    let deliveries = if source.shared() {
        // Never given up: SQS hands messages also to a caller that hung up, and keeps them from the others meanwhile.
        receive.await?
    } else {
        tokio::select! {
            () = stopped(stopping.clone()) => return Ok(()),
            received = receive => received?,
        }
    };
    if !deliveries.is_empty() {
        round(&puente, deliveries).await;
    }
    Ok(())
}

async fn round(puente: &Puente, deliveries: Vec<Delivery>) {
    let deadline = puente.clock.now() + longest_round(&puente.settings).await;
    let receipts: Vec<String> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
    let messages: Vec<(String, Result<Message>)> =
        deliveries.into_iter().map(|delivery| (delivery.receipt, delivery.message)).collect();
    let failed = work::work(puente, messages, deadline).await;
    for receipt in receipts.iter().filter(|receipt| !failed.contains(receipt)) {
        if let Err(error) = puente.queue.delete(receipt).await {
            // Delivered again, and found to be on record.
            puente.tell.of(&Event::QueueNotDeleted { error: &error });
        }
    }
}

/// Whether this process is the one to backfill now. Two that ask at the same moment both are, which only asks stores twice.
async fn claimed(puente: &Puente, period: Duration) -> Result<bool> {
    const CURSOR: &str = "backfill/begun";
    // The clocks of two rounds never differ by the period exactly.
    let apart = period.saturating_sub(Duration::from_secs(30));
    let now = puente.clock.now();
    let last: Option<Timestamp> = puente.records.cursor(CURSOR).await?.and_then(|last| last.parse().ok());
    if last.is_some_and(|last| now.duration_since(last).unsigned_abs() < apart) {
        return Ok(false);
    }
    puente.records.set_cursor(CURSOR, &now.to_string()).await.map(|()| true)
}

/// A backfill from where the last one ended; once a night a wider one.
async fn filled(puente: &Puente) -> Result<()> {
    const CURSOR: &str = "backfill/nightly";
    let now = puente.clock.now();
    let night = now.to_zoned(TimeZone::UTC);
    let today = night.date().to_string();
    backfill::backfill(puente, None).await?;
    if night.hour() < NIGHT || puente.records.cursor(CURSOR).await?.is_some_and(|last| last >= today) {
        return Ok(());
    }
    backfill::backfill(puente, Some(now - NIGHTLY)).await?;
    puente.records.set_cursor(CURSOR, &today).await
}
