//! `puente tasks`: what runs on time, how it last went, and running it now.

use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    domain::operator::Sight,
    edge::tasks::{RunView, TaskView, tasks},
    flow::{
        task,
        tasks::{names, task as named},
    },
};

use serde::Serialize;

use crate::{
    output::{Output, Tone, cell, distance, number, or_dash, plain, table},
    place::Location,
    progress,
};

/// How long a task that is run by hand may take.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Show the tasks that `puente serve` or the functions run on time, and how each last went; run one now.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the tasks and how each last went.
    List(List),
    /// Runs a task now.
    Run(Run),
}

/// `tasks list`.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    place: Location,
}

/// `tasks run`.
#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    place: Location,
    /// The task, as `puente tasks` names it.
    name: String,
}

/// What `tasks run` did.
#[derive(Serialize)]
struct Ran {
    task: &'static str,
    #[serde(flatten)]
    run: RunView,
}

/// Runs the command.
pub(crate) async fn run(tasks: Tasks, output: Output) -> Result<()> {
    match tasks.command {
        Some(Command::Run(run)) => now(&run, output).await,
        Some(Command::List(list)) => self::list(&list, output).await,
        None => list(&tasks.list, output).await,
    }
}

async fn list(list: &List, output: Output) -> Result<()> {
    let puente = list.place.open().await?;
    let view = tasks(&puente, &Sight::All).await?;
    output.answer(&view, || shown(&view.tasks, puente.clock.now()))
}

/// The tasks in a table.
pub(crate) fn shown(tasks: &[TaskView], now: Timestamp) -> String {
    let row = |task: &TaskView| match &task.last {
        None => {
            vec![plain(&task.name), cell("never", Tone::Faint), plain("-"), plain(&task.about), plain("-"), plain("-")]
        }
        Some(last) => vec![
            plain(&task.name),
            plain(distance(last.began, now)),
            number(format!("{} ms", last.took_ms)),
            plain(if last.did.is_empty() { "-" } else { &last.did }),
            due(last, now),
            cell(or_dash(last.error.as_ref()), if last.error.is_some() { Tone::Bad } else { Tone::Faint }),
        ],
    };
    table(&["task", "ran", "took", "what it did", "next", "failed"], tasks.iter().map(row))
}

fn due(last: &RunView, now: Timestamp) -> Cell {
    if last.overdue {
        cell(format!("overdue: {}. Is `puente serve` running?", distance(last.next, now)), Tone::Bad)
    } else if last.next > now {
        plain(distance(last.next, now))
    } else {
        plain("now")
    }
}

async fn now(run: &Run, output: Output) -> Result<()> {
    let task = named(&run.name).ok_or_else(|| {
        let known = names().join(", ");
        Error::new(Kind::NotFound, format!("there is no task `{}` (there is: {known})", run.name))
    })?;
    let puente = run.place.open().await?;
    let spinner = progress::spinner(format!("running {}", task.name()));
    let ran = task::run(&puente, task, task.period(), puente.clock.now() + LONGEST).await;
    spinner.finish_and_clear();
    let ran = ran?;
    let error = ran.error.clone();
    let ran = Ran { task: task.name(), run: RunView::of(ran, &Sight::All, puente.clock.now()) };
    output.answer(&ran, || {
        let view = &ran.run;
        let figures = view.figures.iter().map(|(name, n)| vec![plain(name), number(n)]);
        format!("{}: {}\n{}", task.name(), view.did, table(&["what", "how many"], figures))
    })?;
    error.map_or(Ok(()), |error| Err(Error::new(Kind::Unavailable, error)))
}
