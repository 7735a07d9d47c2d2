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
            backfill::{NIGHTLY, RECENT},
            names,
            sweep::SWEEP,
        },
        work::work,
    },
    ports::Signs as _,
};

use crate::calm::{World, order};

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

fn ran(world: &World, task: &dyn Task) -> Result<Run> {
    world.play(task::run(&world.puente, task, task.period(), world.now() + LONG))
}

fn kept(world: &World, name: &str) -> Option<Run> {
    world.play(world.history.table.runs(&[name])).unwrap().pop().unwrap()
}

#[test]
fn of_every_run_something_is_kept_however_it_ends() {
    let world = World::new(1, 1, Limits::default());
    let down = Ends(|| Err(Error::new(Kind::Unavailable, "the table does not answer")));
    assert_eq!(ran(&world, &down).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(kept(&world, "ends").unwrap().error.as_deref(), Some("the table does not answer"));

    world.advance_to(world.now() + SignedDuration::from_mins(15));
    let panics = Ends(|| panic!("canary"));
    assert_eq!(ran(&world, &panics).unwrap_err().kind(), Kind::Bug);
    let run = kept(&world, "ends").unwrap();
    assert_eq!((run.began, run.error.as_deref()), (world.now(), Some("the task `ends` panicked")));
    assert_eq!(run.next, world.now() + SignedDuration::from_mins(15));
}

#[test]
fn a_task_that_runs_every_second_writes_once_a_minute_and_a_failure_soon() {
    let world = World::new(1, 1, Limits::default());
    let begun = world.now();
    let every = Period::Every(SignedDuration::from_secs(1));
    for second in 0..45 {
        world.advance_to(begun + SignedDuration::from_secs(second));
        world.play(task::run(&world.puente, &SWEEP, every, world.now() + LONG)).unwrap();
    }
    let run = kept(&world, "sweep").unwrap();
    assert_eq!((run.began, run.next), (begun, begun + SignedDuration::from_mins(1)));
    assert_eq!((run.figures["accounts"], run.figures["woken"]), (1, 0));
    assert!(!run.is_overdue(begun + SignedDuration::from_secs(60)));
    // One second after another.
    let down = Ends(|| Err(Error::new(Kind::Unavailable, "down")));
    ran(&world, &Ends(|| Ok(Report::default()))).unwrap();
    world.advance_to(world.now() + SignedDuration::from_secs(10));
    ran(&world, &down).unwrap_err();
    assert_eq!(kept(&world, "ends").unwrap().error.as_deref(), Some("down"));
}

#[test]
fn a_backfill_in_which_a_store_fails_is_seen_and_names_no_shop() {
    let world = World::new(1, 2, Limits::default());
    world.shops_answer();
    world.shop().fails(Error::new(Kind::Unavailable, "the store answered 503"));
    let listed = order("7", "A", "10.00", 5);
    world.history.shops[1].sell(listed);
    let run = ran(&world, &RECENT).unwrap();
    assert_eq!((run.figures["connections"], run.figures["enqueued"], run.figures["stopped"]), (2, 1, 1));
    let error = run.error.clone().unwrap();
    assert!(error.starts_with("1 of 2 stores could not be listed to the end") && !error.contains("shop-"), "{error}");

    let shown = world.play(tasks(&world.puente, &Sight::All)).unwrap().tasks;
    assert_eq!(shown.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), names());
    let last = shown[1].last.as_ref().unwrap();
    assert_eq!((last.error.as_ref(), last.overdue, &shown[0].last), (Some(&error), false, &None));
    // Who does not see all connections learns that it failed, and nothing of the others.
    let hidden = world.play(tasks(&world.puente, &Sight::of(["shop-0"]))).unwrap().tasks;
    assert!(hidden[1].last.as_ref().unwrap().error.as_ref().unwrap().starts_with("it failed"));
}

#[test]
fn a_backfill_whose_time_is_over_asks_no_store() {
    let world = World::new(1, 2, Limits::default());
    world.shops_answer();
    let run = world.play(task::run(&world.puente, &RECENT, RECENT.period(), world.now())).unwrap();
    assert_eq!((run.figures["connections"], run.figures["stopped"], run.figures["listed"]), (2, 2, 0));
    let shop: ConnectionId = "shop-0".parse().unwrap();
    assert_eq!(world.play(world.puente.cursors.cursor(&format!("backfill/{shop}"))).unwrap(), None);
}

#[test]
fn a_backfill_that_somebody_asked_for_is_done_by_the_worker_and_its_failure_comes_again() {
    let world = World::new(1, 1, Limits::default());
    world.shops_answer();
    let listed = order("7", "A", "10.00", 5);
    world.shop().sell(listed);
    let since = world.now() - SignedDuration::from_hours(48);
    let ask =
        BackfillRequest { connection: "shop-0".parse().unwrap(), since, request: "r".into(), by: Some("ana".into()) };
    let message = || vec![("m".to_owned(), Ok(Message::Backfill(ask.clone())))];
    let until = world.now() + SignedDuration::from_mins(10);
    world.shop().fails(Error::new(Kind::Unavailable, "the store answered 503"));
    assert_eq!(world.play(work(&world.puente, message(), until)), ["m"], "not done: it stays in the queue");
    assert_eq!(world.play(work(&world.puente, message(), until)), Vec::<String>::new());
    world.work();
    assert_eq!(world.head(&world.key(0, "7")).summary.number, "#7");
    // It leaves the frequent one's position alone.
    assert_eq!(world.play(world.puente.cursors.cursor("backfill/shop-0")).unwrap(), None);
}

#[test]
fn of_several_processes_one_runs_a_task_and_a_night_that_was_missed_is_made_good() {
    let world = World::new(1, 1, Limits::default());
    let claim = |task: &dyn Task| world.play(task::claim(&world.puente, task, task.period())).unwrap();
    // Nobody ever ran them: the nightly one waits for its time, also where nobody looks at that hour.
    assert!(claim(&RECENT) && !claim(&NIGHTLY));
    assert!(!claim(&RECENT) && !claim(&NIGHTLY), "another process came first");
    world.advance_to(world.now() + SignedDuration::from_mins(15));
    assert!(claim(&RECENT) && !claim(&NIGHTLY));
    // Off for a night: at eight the night's run is late, not lost.
    world.advance_to(world.now() + SignedDuration::from_hours(24));
    assert!(claim(&NIGHTLY) && !claim(&NIGHTLY));
}
