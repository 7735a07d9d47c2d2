//! What runs while `serve` (and the demo) serves: the HTTP server, the workers, and every task on time.
//!
//! Each is a loop that survives its own failures, logs them once and goes on. Stopping is one signal: nothing new is taken,
//! what is in flight is finished, the lease is given back. On AWS several processes run these loops at once: the queue, the
//! records and the leases are what keeps them apart, as they do for functions.

use std::{future::Future, net::SocketAddr, time::Duration};

use jiff::SignedDuration;
use puente::{
    Error, Kind, Result,
    domain::{event::Event, message::Message, task::Period},
    edge::{
        host::{HostName, Hosts},
        operate::Access,
    },
    flow::{
        Puente, depart,
        task::{self, Task},
        tasks::{TASKS, sweep::SWEEP},
        work,
    },
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

/// How often it is looked whether a daily task is due.
const LOOK: Duration = Duration::from_mins(1);

/// What runs as seldom as this is one process' work where several share the data; what runs oftener is cheap, and each does it.
const SELDOM: SignedDuration = SignedDuration::from_mins(5);

/// How long a daily task may take.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// How often a connection with two keys is named in the log.
const REMINDER: Duration = Duration::from_hours(1);

/// How often things are done.
#[derive(Clone)]
pub(crate) struct Pace {
    /// Loops that take messages.
    pub(crate) workers: usize,
    /// What runs on time, and how often.
    pub(crate) tasks: Vec<(&'static dyn Task, Period)>,
}

impl Default for Pace {
    /// Every task at its own pace; sweeping costs next to nothing on one machine.
    fn default() -> Self {
        let pace = Self { workers: 4, tasks: TASKS.iter().map(|task| (*task, task.period())).collect() };
        pace.sweeping(Duration::from_secs(1))
    }
}

impl Pace {
    /// With this time between two sweeps.
    pub(crate) fn sweeping(mut self, period: Duration) -> Self {
        let period = Period::Every(SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX));
        for (_, own) in self.tasks.iter_mut().filter(|(task, _)| task.name() == SWEEP.name()) {
            *own = period;
        }
        self
    }

    /// Without any other task than the sweep: no store is asked but when somebody says so.
    pub(crate) fn sweep_only(mut self) -> Self {
        self.tasks.retain(|(task, _)| task.name() == SWEEP.name());
        self
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
        for (task, period) in pace.tasks {
            let shared = source.shared();
            tasks.spawn(every(tick(period), stopping.clone(), source.clone(), move |puente| async move {
                if let Err(error) = on_time(&puente, task, period, shared).await {
                    puente.tell.of(&Event::TaskNotRun { task: task.name(), error: &error });
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
            Err(error) => source.tell().of(&Event::ConfigUnusable { error: &error }),
        }
    }
}

/// Takes messages, works on them, deletes those that are done.
async fn worker(source: Source, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(error) = turn(&source, &stopping).await {
            source.tell().of(&Event::QueueFailed { error: &error });
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

/// How often it is looked whether a task is due.
fn tick(period: Period) -> Duration {
    match period {
        Period::Every(period) => period.unsigned_abs(),
        Period::Daily { .. } => LOOK,
    }
}

/// Runs a task, if this process is the one to do it now.
async fn on_time(puente: &Puente, task: &'static dyn Task, period: Period, shared: bool) -> Result<()> {
    let (claimed, longest) = match period {
        Period::Every(period) => {
            (shared && period >= SELDOM, period.max(LOOK.try_into().unwrap_or(SignedDuration::MAX)))
        }
        Period::Daily { .. } => (true, LONGEST),
    };
    if claimed && !task::claim(puente, task, period).await? {
        return Ok(());
    }
    // What came of it is logged and kept.
    let _ = task::run(puente, task, period, puente.clock.now() + longest).await;
    Ok(())
}
