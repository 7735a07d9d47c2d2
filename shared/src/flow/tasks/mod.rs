//! The tasks, and the one list of them.

pub mod backfill;
pub mod sweep;

use super::task::Task;

/// All tasks.
pub static TASKS: &[&dyn Task] = &[&sweep::SWEEP, &backfill::RECENT, &backfill::NIGHTLY];

/// The names of all tasks.
#[must_use]
pub fn names() -> Vec<&'static str> {
    TASKS.iter().map(|task| task.name()).collect()
}

/// The task of that name.
#[must_use]
pub fn task(name: &str) -> Option<&'static dyn Task> {
    TASKS.iter().copied().find(|task| task.name() == name)
}
