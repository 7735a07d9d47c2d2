//! The simulation's models beside the emulator: one script of calls, and every answer compared. Whatever the simulation shows is
//! worth as much as its models are like what the flows run on.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use puente::{
    domain::{
        ids::{AccountId, ConnectionId},
        ledger::{Ledger, Limits},
    },
    ports::{Clock, Delivery, Queue},
};
use puente_simulation::{
    chance::Seeded,
    fault::Faults,
    queue::{Settings, Sqs},
    table::Table,
    world::{SkewedClock, World, micros},
};

use super::{accounts, at, key, queue, records};
use crate::support::moto;

/// The models, in a world where time passes as soon as everybody waits for it.
pub(super) struct Models {
    pub(super) table: Arc<Table>,
    pub(super) queue: Arc<Sqs>,
    pub(super) clock: Arc<dyn Clock>,
    time: tokio::task::JoinHandle<()>,
}

impl Models {
    pub(super) fn new(visibility: Duration, most_receives: u32) -> Self {
        let world = World::new(micros(at(0)), Seeded::new(1), Faults::default(), Vec::new(), false);
        let visibility = i64::try_from(visibility.as_micros()).unwrap();
        let passing = world.clone();
        Self {
            table: Arc::new(Table::new(world.clone())),
            queue: Arc::new(Sqs::new(world.clone(), Settings { visibility, most_receives })),
            clock: Arc::new(SkewedClock(world)),
            time: tokio::spawn(async move {
                loop {
                    passing.executor.run_until(i64::MAX);
                    tokio::task::yield_now().await;
                }
            }),
        }
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.time.abort();
    }
}

/// Calls made on both, and the answers that differed.
#[derive(Default)]
struct Script {
    calls: u32,
    differences: Vec<String>,
}

impl Script {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, model: &T, emulator: &T) {
        self.calls += 1;
        if model != emulator {
            self.differences.push(format!("{what}:\n  model    {model:?}\n  emulator {emulator:?}"));
        }
    }

    fn ends(self, of: &str, least: u32) {
        eprintln!(
            "{of}: {} calls on the model and on the emulator, {} answers differ",
            self.calls,
            self.differences.len()
        );
        assert_eq!(self.differences, Vec::<String>::new());
        assert!(self.calls >= least, "{} calls", self.calls);
    }
}

/// Histories of the kind the suite makes up, always the same ones.
fn sample<T: std::fmt::Debug>(histories: impl Strategy<Value = Vec<T>>, count: usize) -> Vec<Vec<T>> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| histories.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_answers_as_the_emulator_does() {
    let Some(emulator) = super::aws_alone().await else { return };
    let model = super::simulation().await.unwrap();
    let mut script = Script::default();
    let shop: ConnectionId = "script".parse().unwrap();
    let mut now = at(100);
    for (order, moves) in sample(records::moves(), 40).into_iter().enumerate() {
        let key = key("script", &order.to_string());
        for (serial, step) in (0..).zip(&moves) {
            now += SignedDuration::from_secs(step.after);
            let head = model.records.head(&key).await.unwrap();
            script.compare("head", &head, &emulator.records.head(&key).await.unwrap());
            let write = records::make(step, &key, head.as_ref(), serial, now);
            let answers = [&model, &emulator].map(|ports| ports.records.write(&key, &write, now));
            let [one, other] = futures::future::join_all(answers).await.try_into().unwrap();
            script.compare(&format!("{write:?}"), &one.unwrap(), &other.unwrap());
        }
        // The index shows a write a moment later, on both.
        model.pass(Duration::from_secs(1)).await;
        let mut due = Vec::new();
        for ports in [&model, &emulator] {
            let mut keys = ports.records.due(&shop, now, 1000).await.unwrap();
            keys.sort();
            due.push((keys, ports.records.next_due(&shop).await.unwrap(), ports.records.counts(&shop).await.unwrap()));
        }
        script.compare("what is due", &due[0], &due[1]);
    }
    script.ends("records", 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_answers_as_the_emulator_does() {
    let Some(emulator) = super::aws_alone().await else { return };
    let model = super::simulation().await.unwrap();
    let mut script = Script::default();
    let limits = Limits { per_day: 25, horizon: SignedDuration::from_secs(1), ..Limits::default() };
    for (account, moves) in sample(accounts::moves(), 25).into_iter().enumerate() {
        let of: AccountId = format!("{}/script-{account}", ["erp", "store"][account % 2]).parse().unwrap();
        let (mut ledger, mut now) = (Ledger::default(), at(0));
        for (after, step) in &moves {
            now += SignedDuration::from_millis(*after);
            let answer = accounts::real(&*model.accounts, &of, &ledger, step, &limits, now).await;
            let other = accounts::real(&*emulator.accounts, &of, &ledger, step, &limits, now).await;
            script.compare(&format!("{step:?}"), &answer, &other);
            ledger = model.accounts.ledger(&of).await.unwrap();
            script.compare("ledger", &ledger, &emulator.accounts.ledger(&of).await.unwrap());
        }
    }
    script.ends("ledgers", 500);
}

/// Receives everything that is visible, ten at a time.
async fn receive_all(queue: &dyn Queue) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(10, Duration::ZERO).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// Orders apart: neither promises one.
fn told(deliveries: &[Delivery]) -> Vec<(u32, String)> {
    let mut told: Vec<_> = deliveries
        .iter()
        .map(|delivery| (delivery.receives, format!("{:?}", delivery.message.as_ref().unwrap())))
        .collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_delivers_as_the_emulator_does() {
    // Longer than a busy machine takes for a round.
    let (visibility, most) = (Duration::from_mins(10), 2);
    let Some(stack) = moto::busy_stack(visibility, most).await else { return };
    let emulator = stack.aws();
    let models = Models::new(visibility, most);
    let chance = Seeded::new(7);
    let mut script = Script::default();
    for round in 0..4 {
        let batch: Vec<_> = (0..12).map(|n| queue::changed(&format!("{round}-{n}"))).collect();
        // A half of it two rounds later.
        for (messages, delay) in [(&batch[..6], Duration::ZERO), (&batch[6..], visibility * 3 / 2)] {
            let mut taken = Vec::new();
            for queue in [&*models.queue as &dyn Queue, &*emulator.queue] {
                taken.push(queue.send(messages, delay).await.unwrap().iter().filter(|sent| sent.is_ok()).count());
            }
            script.compare("send", &taken[0], &taken[1]);
        }
        let [one, other] = [receive_all(&*models.queue).await, receive_all(&*emulator.queue).await];
        script.compare("receive", &told(&one), &told(&other));
        // Some are done, the same on both; the others come again.
        for delivery in &one {
            if chance.permille(400) {
                let message = delivery.message.as_ref().unwrap();
                let twin = other.iter().find(|twin| twin.message.as_ref().unwrap() == message).unwrap();
                models.queue.delete(&delivery.receipt).await.unwrap();
                emulator.queue.delete(&twin.receipt).await.unwrap();
                script.calls += 1;
            }
        }
        let [one, other] = [models.queue.receive(10, Duration::ZERO), emulator.queue.receive(10, Duration::ZERO)];
        script.compare("nothing is visible", &one.await.unwrap().len(), &other.await.unwrap().len());
        let pause = visibility + Duration::from_secs(1);
        stack.pass(pause).await;
        models.clock.sleep_until(models.clock.now() + SignedDuration::try_from(pause).unwrap()).await;
        if round % 2 == 1 {
            let buried = queue::changed(&format!("buried-{round}"));
            models.queue.bury(&buried, "why").await.unwrap();
            emulator.queue.bury(&buried, "why").await.unwrap();
            let dead = async |queue: &dyn Queue| {
                receive_all(queue).await;
                queue::sorted(queue.dead(100).await.unwrap().into_iter().filter_map(|dead| dead.message))
            };
            script.compare("dead", &dead(&*models.queue).await, &dead(&*emulator.queue).await);
            let redriven =
                [models.queue.redrive(100, None).await.unwrap(), emulator.queue.redrive(100, None).await.unwrap()];
            script.compare("redrive", &redriven[0], &redriven[1]);
        }
    }
    script.ends("queue", 30);
}
