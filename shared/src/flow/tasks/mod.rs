//! The tasks, and the one list of them.

pub mod backfill;
pub mod sweep;

use super::task::Task;

/// All tasks.
pub static TASKS: &[&dyn Task] = &[&sweep::SWEEP, &backfill::RECENT, &backfill::NIGHTLY];

/// The task of that name.
#[must_use]
pub fn task(name: &str) -> Option<&'static dyn Task> {
    TASKS.iter().copied().find(|task| task.name() == name)
}
