//! What runs on time: the state of each last run, whatever became of it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    domain::{
        ids::ConnectionId,
        ledger::Limits,
        message::{BackfillRequest, Message},
        operator::Sight,
        task::{Period, Run},
    },
    edge::tasks::tasks,
    flow::{
        Puente,
        task::{self, Report, Task},
        tasks::{
            TASKS,
            backfill::{NIGHTLY, RECENT},
            sweep::SWEEP,
        },
        work::work,
    },
    ports::Signs as _,
};

use crate::support::world::{World, order};

const LONG: SignedDuration = SignedDuration::from_mins(14);

/// A task that ends as it is told.
struct Ends(fn() -> Result<Report>);

#[async_trait]
impl Task for Ends {
    fn name(&self) -> &'static str {
        "ends"
    }
    fn about(&self) -> &'static str {
        "ends as it is told"
    }
    fn period(&self) -> Period {
        Period::Every(SignedDuration::from_mins(15))
    }
    async fn run(&self, _puente: &Puente, _deadline: Timestamp) -> Result<Report> {
        (self.0)()
    }
}

async fn ran(world: &World, task: &dyn Task) -> Result<Run> {
    task::run(&world.puente, task, task.period(), world.now() + LONG).await
}

async fn kept(world: &World, name: &str) -> Option<Run> {
    world.records.runs(&[name]).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn of_every_run_something_is_kept_however_it_ends() {
    let world = World::new(1, 1, Limits::default());
    let down = Ends(|| Err(Error::new(Kind::Unavailable, "the table does not answer")));
    assert_eq!(ran(&world, &down).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(kept(&world, "ends").await.unwrap().error.as_deref(), Some("the table does not answer"));

    world.clock.advance_to(world.now() + SignedDuration::from_mins(15));
    let panics = Ends(|| panic!("canary"));
    assert_eq!(ran(&world, &panics).await.unwrap_err().kind(), Kind::Bug);
    let run = kept(&world, "ends").await.unwrap();
    assert_eq!((run.began, run.error.as_deref()), (world.now(), Some("the task `ends` panicked")));
    assert_eq!(run.next, world.now() + SignedDuration::from_mins(15));
}

#[tokio::test]
async fn a_task_that_runs_every_second_writes_once_a_minute_and_a_failure_soon() {
    let world = World::new(1, 1, Limits::default());
    let begun = world.now();
    let every = Period::Every(SignedDuration::from_secs(1));
    for second in 0..45 {
        world.clock.advance_to(begun + SignedDuration::from_secs(second));
        task::run(&world.puente, &SWEEP, every, world.now() + LONG).await.unwrap();
    }
    let run = kept(&world, "sweep").await.unwrap();
    assert_eq!((run.began, run.next), (begun, begun + SignedDuration::from_mins(1)));
    assert_eq!((run.figures["accounts"], run.figures["woken"]), (1, 0));
    assert!(!run.is_overdue(begun + SignedDuration::from_secs(60)));
    // One second after another.
    let down = Ends(|| Err(Error::new(Kind::Unavailable, "down")));
    ran(&world, &Ends(|| Ok(Report::default()))).await.unwrap();
    world.clock.advance_to(world.now() + SignedDuration::from_secs(10));
    ran(&world, &down).await.unwrap_err();
    assert_eq!(kept(&world, "ends").await.unwrap().error.as_deref(), Some("down"));
}

#[tokio::test]
async fn a_backfill_in_which_a_store_fails_is_seen_and_names_no_shop() {
    let world = World::new(1, 2, Limits::default());
    world.shop.answers.store(true, std::sync::atomic::Ordering::SeqCst);
    world.shop.faults.lock().unwrap().push_back(Error::new(Kind::Unavailable, "the store answered 503"));
    let listed = order("7", "A", "10.00", 5);
    world.shop.orders.lock().unwrap().insert(listed.id.clone(), listed);
    let run = ran(&world, &RECENT).await.unwrap();
    assert_eq!((run.figures["connections"], run.figures["enqueued"], run.figures["stopped"]), (2, 1, 1));
    let error = run.error.clone().unwrap();
    assert!(error.starts_with("1 of 2 stores could not be listed to the end") && !error.contains("shop-"), "{error}");

    let shown = tasks(&world.puente, &Sight::All).await.unwrap().tasks;
    assert_eq!(shown.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), TASKS.map(|task| task.name()));
    let last = shown[1].last.as_ref().unwrap();
    assert_eq!((last.error.as_ref(), last.overdue, &shown[0].last), (Some(&error), false, &None));
    // Who does not see all connections learns that it failed, and nothing of the others.
    let hidden = tasks(&world.puente, &Sight::of(["shop-0"])).await.unwrap().tasks;
    assert!(hidden[1].last.as_ref().unwrap().error.as_ref().unwrap().starts_with("it failed"));
}

#[tokio::test]
async fn a_backfill_whose_time_is_over_asks_no_store() {
    let world = World::new(1, 2, Limits::default());
    world.shop.answers.store(true, std::sync::atomic::Ordering::SeqCst);
    let run = task::run(&world.puente, &RECENT, RECENT.period(), world.now()).await.unwrap();
    assert_eq!((run.figures["connections"], run.figures["stopped"], run.figures["listed"]), (2, 2, 0));
    let shop: ConnectionId = "shop-0".parse().unwrap();
    assert_eq!(puente::ports::Records::cursor(&*world.records, &format!("backfill/{shop}")).await.unwrap(), None);
}

#[tokio::test]
async fn a_backfill_that_somebody_asked_for_is_done_by_the_worker_and_its_failure_comes_again() {
    let world = World::new(1, 1, Limits::default());
    world.shop.answers.store(true, std::sync::atomic::Ordering::SeqCst);
    let listed = order("7", "A", "10.00", 5);
    world.shop.orders.lock().unwrap().insert(listed.id.clone(), listed);
    let since = world.now() - SignedDuration::from_hours(48);
    let ask =
        BackfillRequest { connection: "shop-0".parse().unwrap(), since, request: "r".into(), by: Some("ana".into()) };
    let message = || vec![("m".to_owned(), Ok(Message::Backfill(ask.clone())))];
    let until = world.now() + SignedDuration::from_mins(10);
    world.shop.faults.lock().unwrap().push_back(Error::new(Kind::Unavailable, "the store answered 503"));
    assert_eq!(work(&world.puente, message(), until).await, ["m"], "not done: it stays in the queue");
    assert_eq!(work(&world.puente, message(), until).await, Vec::<String>::new());
    world.work().await;
    assert_eq!(world.head(&world.key(0, "7")).summary.number, "#7");
    // It leaves the frequent one's position alone.
    assert_eq!(puente::ports::Records::cursor(&*world.records, "backfill/shop-0").await.unwrap(), None);
}

#[tokio::test]
async fn of_several_processes_one_runs_a_task_and_a_night_that_was_missed_is_made_good() {
    let world = World::new(1, 1, Limits::default());
    let claim = async |task: &dyn Task| task::claim(&world.puente, task, task.period()).await.unwrap();
    // Nobody ever ran them.
    assert!(claim(&RECENT).await && claim(&NIGHTLY).await);
    assert!(!claim(&RECENT).await && !claim(&NIGHTLY).await, "another process came first");
    world.clock.advance_to(world.now() + SignedDuration::from_mins(15));
    assert!(claim(&RECENT).await && !claim(&NIGHTLY).await);
    // Off for a night: at eight the night's run is late, not lost.
    world.clock.advance_to(world.now() + SignedDuration::from_hours(24));
    assert!(claim(&NIGHTLY).await && !claim(&NIGHTLY).await);
}
