//! What runs on time, and how it last went.
//!
//! `puente tasks`, `puente connections` and the operator's API answer with the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Result,
    domain::{operator::Sight, task::Run},
    flow::{
        Puente,
        tasks::{names, task},
    },
};

/// All tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tasks)]
pub struct TasksView {
    /// In the order of the list.
    pub tasks: Vec<TaskView>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// How its last run went; nothing before the first.
    pub last: Option<RunView>,
}

/// A run of a task. One that runs oftener tells once a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TaskRun)]
pub struct RunView {
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What it did, in words.
    pub did: String,
    /// The same in figures.
    pub figures: BTreeMap<String, u64>,
    /// Why it failed, if it did; perhaps in a part of its work only.
    pub error: Option<String>,
    /// When the next run is due.
    pub next: Timestamp,
    /// Whether that is long ago: nobody runs it any more.
    pub overdue: bool,
}

/// What is said of a failure to whoever does not see all connections: its words may name others'.
const HIDDEN: &str = "it failed; an operator who sees all connections is told why";

/// All tasks, as somebody of this `sight` may see them.
pub async fn tasks(puente: &Puente, sight: &Sight) -> Result<TasksView> {
    let names = names();
    let runs = puente.signs.runs(&names).await?;
    let now = puente.clock.now();
    let view = |(name, run): (&str, Option<Run>)| TaskView {
        name: name.to_owned(),
        about: task(name).map(|task| task.about().to_owned()).unwrap_or_default(),
        last: run.map(|run| RunView::of(run, sight, now)),
    };
    Ok(TasksView { tasks: names.into_iter().zip(runs).map(view).collect() })
}

impl RunView {
    /// A run as somebody of this `sight` may see it at `now`.
    #[must_use]
    pub fn of(run: Run, sight: &Sight, now: Timestamp) -> Self {
        let overdue = run.is_overdue(now);
        let Run { began, took_ms, did, figures, error, next } = run;
        let error = error.map(|error| if *sight == Sight::All { error } else { HIDDEN.to_owned() });
        Self { began, took_ms, did, figures, error, next, overdue }
    }
}
