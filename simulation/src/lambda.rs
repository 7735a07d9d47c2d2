//! Lambda: the event source that hands batches to workers, the schedules, and the ends of invocations: done, dead, out of time.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use puente::{
    domain::message::{Message, News},
    flow::{self, Puente},
};

use crate::{
    executor::{Micros, Pid},
    fault::Fault,
    queue::{Sqs, decode},
    table::Table,
    world::{MINUTE, SECOND, World},
};

/// What is left of an invocation's time when its flows must have ended; as the worker's handler has it.
const LEFT: SignedDuration = SignedDuration::from_secs(3);

/// How many messages an invocation gets at most.
const BATCH: usize = 10;

/// How long a sweep may take.
const SWEEP: Micros = 50 * SECOND;

/// How long a backfill may take.
const BACKFILL: Micros = 14 * MINUTE;

/// The functions.
pub struct Lambda {
    world: Arc<World>,
    queue: Arc<Sqs>,
    table: Arc<Table>,
    puente: Mutex<Puente>,
    skew: Micros,
    worker_time: Micros,
    most_workers: usize,
    running: Mutex<Vec<Invocation>>,
    started: Mutex<[u32; 3]>,
    next_sweep: Mutex<Micros>,
    next_backfill: Mutex<Option<Micros>>,
    /// The event source asks for nothing before then.
    next_poll: Mutex<Micros>,
}

struct Invocation {
    pid: Pid,
    ends: Micros,
    /// The messages of a worker.
    messages: Vec<u64>,
    /// What it answered.
    answer: Arc<Mutex<Option<Vec<String>>>>,
}

/// A function.
#[derive(Debug, Clone, Copy)]
enum Function {
    Worker,
    Sweep,
    Backfill,
}

impl Lambda {
    /// Functions that run these flows.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        queue: Arc<Sqs>,
        table: Arc<Table>,
        puente: Puente,
        skew: Micros,
        worker_time: Micros,
        most_workers: usize,
    ) -> Self {
        let now = world.now();
        Self {
            next_sweep: Mutex::new(now + world.chance.within(0, MINUTE)),
            next_backfill: Mutex::new(Some(now + world.chance.within(0, 15 * MINUTE))),
            world,
            queue,
            table,
            puente: Mutex::new(puente),
            skew,
            worker_time,
            most_workers,
            running: Mutex::default(),
            next_poll: Mutex::new(0),
            started: Mutex::default(),
        }
    }

    /// The flows with what they work on.
    pub fn puente(&self) -> Puente {
        self.puente.lock().unwrap().clone()
    }

    /// From now on invocations work with this.
    pub fn release(&self, puente: Puente) {
        *self.puente.lock().unwrap() = puente;
    }

    /// No more scheduled backfills.
    pub fn end_backfills(&self) {
        *self.next_backfill.lock().unwrap() = None;
    }

    /// Whether no invocation runs.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.running.lock().unwrap().is_empty()
    }

    /// Sweeps not before then: nothing is due earlier.
    pub fn no_sweep_before(&self, at: Micros) {
        let mut next = self.next_sweep.lock().unwrap();
        if at > *next {
            *next += (at - *next + MINUTE - 1) / MINUTE * MINUTE;
        }
    }

    /// When something happens here by itself.
    #[must_use]
    pub fn next(&self) -> Micros {
        let running = self.running.lock().unwrap();
        let ends = running.iter().map(|invocation| invocation.ends).min();
        let workers = running.iter().filter(|invocation| !invocation.messages.is_empty()).count();
        let message = if workers < self.most_workers { self.queue.next_visible() } else { None };
        let message = message.map(|at| at.max(*self.next_poll.lock().unwrap()));
        let backfill = *self.next_backfill.lock().unwrap();
        let sweep = *self.next_sweep.lock().unwrap();
        [ends, message, backfill, Some(sweep)].into_iter().flatten().min().unwrap_or(sweep)
    }

    /// Ends what is over and starts what is due.
    pub fn turn(&self) {
        self.reap();
        let now = self.world.now();
        if *self.next_sweep.lock().unwrap() <= now {
            *self.next_sweep.lock().unwrap() += MINUTE;
            self.sweep();
        }
        let backfill = *self.next_backfill.lock().unwrap();
        if backfill.is_some_and(|at| at <= now) {
            *self.next_backfill.lock().unwrap() = Some(now + 15 * MINUTE);
            self.backfill(None);
        }
        self.poll();
    }

    /// A release ends every process.
    pub fn deploy(&self) {
        for invocation in self.running.lock().unwrap().iter() {
            self.world.executor.kill(invocation.pid);
        }
    }

    /// Ends every process, and starts none for a while.
    pub fn stop_for(&self, time: Micros) {
        self.deploy();
        let until = self.world.now() + time;
        *self.next_poll.lock().unwrap() = until;
        *self.next_sweep.lock().unwrap() = until;
        if let Some(backfill) = &mut *self.next_backfill.lock().unwrap() {
            *backfill = until;
        }
    }

    fn poll(&self) {
        let now = self.world.now();
        loop {
            let workers = self.running.lock().unwrap().iter().filter(|one| !one.messages.is_empty()).count();
            let visible = self.queue.next_visible().is_some_and(|at| at <= now);
            if workers >= self.most_workers || !visible || *self.next_poll.lock().unwrap() > now {
                return;
            }
            if self.world.strikes(Fault::PollerThrottled, 200) {
                *self.next_poll.lock().unwrap() = now + self.world.chance.within(SECOND, MINUTE);
                return;
            }
            let batch = self.queue.take(1 + self.world.chance.index(BATCH));
            if batch.is_empty() {
                return;
            }
            self.work(batch);
        }
    }

    fn work(&self, batch: Vec<(u64, crate::queue::Stored)>) {
        let (puente, worker_time) = (self.puente(), self.worker_time);
        let messages: Vec<u64> = batch.iter().map(|(id, _)| *id).collect();
        let answer = Arc::new(Mutex::new(None));
        let told = answer.clone();
        let work = async move {
            let time = SignedDuration::from_micros(worker_time);
            let deadline = puente.clock.now() + time - LEFT;
            let batch = batch.into_iter().map(|(id, message)| (id.to_string(), decode(&message.body))).collect();
            let failed = flow::work::work(&puente, batch, deadline).await;
            *told.lock().unwrap() = Some(failed);
        };
        let time = if self.world.strikes(Fault::TimeOut, 100) {
            self.world.chance.within(SECOND, worker_time)
        } else {
            worker_time
        };
        self.start(Function::Worker, time, messages, answer, work);
    }

    fn sweep(&self) {
        let puente = self.puente();
        let sweep = async move {
            // Its failure is logged; the next one is a minute away.
            let _ = flow::tasks::sweep::sweep(&puente).await;
        };
        self.start(Function::Sweep, SWEEP, Vec::new(), Arc::default(), sweep);
    }

    /// Asks the shops, from each one's position or from `since`.
    pub fn backfill(&self, since: Option<jiff::Timestamp>) {
        let puente = self.puente();
        let backfill = async move {
            let _ = flow::tasks::backfill::backfill(&puente, since, jiff::Timestamp::MAX).await;
        };
        self.start(Function::Backfill, BACKFILL, Vec::new(), Arc::default(), backfill);
    }

    fn start(
        &self,
        function: Function,
        time: Micros,
        messages: Vec<u64>,
        answer: Arc<Mutex<Option<Vec<String>>>>,
        work: impl Future<Output = ()> + 'static,
    ) {
        let (place, name) = match function {
            Function::Worker => (0, "worker"),
            Function::Sweep => (1, "sweep"),
            Function::Backfill => (2, "backfill"),
        };
        let count = {
            let mut started = self.started.lock().unwrap();
            started[place] += 1;
            started[place]
        };
        let skew = self.skew();
        let pid = self.world.executor.spawn(&format!("{name}-{count}"), skew, work);
        self.world.say(|| format!("{name}-{count} starts with messages {messages:?}, its clock {skew} us ahead"));
        let ends = self.world.now() + time;
        self.running.lock().unwrap().push(Invocation { pid, ends, messages, answer });
    }

    /// How far a new process's clock is off.
    fn skew(&self) -> Micros {
        if self.skew == 0 { 0 } else { self.world.chance.within(-self.skew, self.skew + 1) }
    }

    /// Invocations that are over: what was done is deleted, what failed or died comes again when it is visible.
    fn reap(&self) {
        let now = self.world.now();
        let executor = &self.world.executor;
        let (over, running) = std::mem::take(&mut *self.running.lock().unwrap())
            .into_iter()
            .partition::<Vec<_>, _>(|one| !executor.alive(one.pid) || one.ends <= now);
        *self.running.lock().unwrap() = running;
        for invocation in over {
            executor.kill(invocation.pid);
            let Some(failed) = invocation.answer.lock().unwrap().take() else { continue };
            for id in invocation.messages {
                if !failed.contains(&id.to_string()) {
                    self.check_on_record(id);
                    self.queue.done(id);
                }
            }
        }
    }

    /// A deleted message implies a record, for what can have one: from here the record carries the order.
    fn check_on_record(&self, id: u64) {
        let letters = self.queue.letters();
        let Some(message) = letters.work.get(&id) else { return };
        let Ok(Message::Arrival(arrival)) = decode(&message.body) else { return };
        // After a restore the message of what is gone may still be done.
        if self.world.faults().had(Fault::BackupRestored) {
            return;
        }
        let carries = matches!(arrival.news, News::State { .. } | News::Unmapped { .. });
        if carries && !self.table.rows().heads.contains_key(&arrival.key()) {
            self.world.violated(format!("{}: its message is done and there is no record", arrival.key()));
        }
    }
}
