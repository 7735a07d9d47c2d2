//! What runs on time. [`super::tasks::TASKS`] has all of it: `puente serve`, the functions and `puente tasks` run and list the same.
//!
//! Invariant: of every run something is kept, also of one that fails or panics, so that a task that stopped working is seen.

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;

use super::Puente;
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        task::{Period, Run},
    },
};

/// Something that is done on time. What it needs it takes from [`Puente`]; nothing is kept between two runs but in the records.
#[async_trait]
pub trait Task: Send + Sync {
    /// Its name: in logs, on screens, and under which its state is kept.
    fn name(&self) -> &'static str;

    /// What it is for, in a line.
    fn about(&self) -> &'static str;

    /// How often it runs on AWS, and where nobody says otherwise.
    fn period(&self) -> Period;

    /// Does it once. Begins nothing more after `deadline`; what is left is the next run's. An error means that it failed as a whole.
    async fn run(&self, puente: &Puente, deadline: Timestamp) -> Result<Report>;
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In words, without names of connections and accounts.
    pub did: String,
    /// In figures.
    pub figures: Vec<(&'static str, u64)>,
    /// What part of it failed, if some did, without such names.
    pub failed: Option<String>,
}

/// So many of a thing, in words: `1 store`, `2 stores`.
#[must_use]
pub fn counted(n: impl Into<u64>, thing: &str) -> String {
    let n = n.into();
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{plural}")
}

/// Whether it is time for `task`; if so, this process has it: the next who asks is told no. Two that ask at the same moment may both
/// be told yes, which a task must take.
pub async fn claim(puente: &Puente, task: &dyn Task, period: Period) -> Result<bool> {
    let now = puente.clock.now();
    let claimed = puente.signs.claimed(task.name()).await?;
    let due = period.is_due(claimed, now);
    // One that nobody ever looked at counts from now.
    if due || claimed.is_none() {
        puente.signs.claim(task.name(), now).await?;
    }
    Ok(due)
}

/// Runs `task`, which runs at this `period`, and keeps how it went. An error means that it failed as a whole.
pub async fn run(puente: &Puente, task: &dyn Task, period: Period, deadline: Timestamp) -> Result<Run> {
    let (run, failed) = measured(puente, task, period, deadline).await;
    if puente.signs.ran(task.name(), &run).await {
        told(puente, task, &run);
    }
    failed.map_or(Ok(run), Err)
}

/// Runs what is none of the [`super::tasks::TASKS`]: nothing is kept of it.
pub async fn once(puente: &Puente, task: &dyn Task, deadline: Timestamp) -> Result<Run> {
    let (run, failed) = measured(puente, task, task.period(), deadline).await;
    told(puente, task, &run);
    failed.map_or(Ok(run), Err)
}

fn told(puente: &Puente, task: &dyn Task, run: &Run) {
    let Run { took_ms: ms, did, error, .. } = run;
    puente.tell.of(&match error {
        None => Event::TaskRan { task: task.name(), ms: *ms, did },
        Some(why) => Event::TaskFailed { task: task.name(), ms: *ms, why },
    });
}

async fn measured(puente: &Puente, task: &dyn Task, period: Period, deadline: Timestamp) -> (Run, Option<Error>) {
    let name = task.name();
    let began = puente.clock.now();
    let isolated = AssertUnwindSafe(task.run(puente, deadline)).catch_unwind().await;
    let outcome = isolated.unwrap_or_else(|_| Err(Error::new(Kind::Bug, format!("the task `{name}` panicked"))));
    let took = puente.clock.now().duration_since(began).unsigned_abs();
    let (report, failed) = match outcome {
        Ok(report) => (report, None),
        Err(error) => (Report { failed: Some(error.to_string()), ..Report::default() }, Some(error)),
    };
    let Report { did, figures, failed: words } = report;
    let run = Run {
        began,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        did,
        figures: figures.into_iter().map(|(name, n)| (name.to_owned(), n)).collect::<BTreeMap<_, _>>(),
        error: words,
        next: period.next(began),
    };
    (run, failed)
}
