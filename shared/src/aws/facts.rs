//! The facts of a head that decide what a write does.
//!
//! An update expression cannot branch, so each branch of a write is an update of its own whose condition *pins* the facts it
//! relies on, see `write.rs`.

use jiff::Timestamp;

use crate::domain::{
    record::{Head, Intent, State, Write},
    version::Version,
};

/// The facts of a head that decide between branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each a condition of its own")]
pub(super) struct Facts {
    /// There is an intent.
    pub(super) intent: bool,
    /// Its outcome is in doubt.
    pub(super) unknown: bool,
    /// It is about the desired version.
    pub(super) planned_is_desired: bool,
    /// Its look-up can be trusted now.
    pub(super) settled: bool,
    /// The ERP holds what it should (for an arrival: the arriving state).
    pub(super) applied_is_desired: bool,
    /// The order stopped at the desired version.
    pub(super) stopped: bool,
    /// It stopped at some version.
    pub(super) parked: bool,
    /// Attempts are on record.
    pub(super) attempted: bool,
    /// Its content is still asked of the store.
    pub(super) unread: bool,
    /// The version that a [`Write::Park`] is about is the desired one.
    pub(super) judged_is_desired: bool,
    /// The version that a [`Write::Complete`] found is the one its step was planned with.
    pub(super) as_planned: bool,
    /// And the desired one, for which nothing is left to do then.
    pub(super) nothing_left: bool,
}

impl Facts {
    /// What is usual: nothing in doubt, no newer version meanwhile.
    pub(super) fn usual() -> Self {
        Self {
            intent: false,
            unknown: false,
            planned_is_desired: true,
            settled: true,
            applied_is_desired: false,
            stopped: false,
            parked: true,
            attempted: true,
            unread: false,
            judged_is_desired: true,
            as_planned: true,
            nothing_left: true,
        }
    }

    /// Those of a head.
    pub(super) fn of(head: &Head, write: &Write, now: Timestamp) -> Self {
        let intent = head.intent.as_ref();
        let on_record = head.desired.to_string();
        let completes = |write: &Write, also: fn(&Intent, &Version) -> bool| match write {
            Write::Complete { found, .. } => {
                intent.is_some_and(|intent| intent.planned == *found && also(intent, &head.desired))
            }
            _ => false,
        };
        // As text, since that is what conditions compare.
        let desired = match write {
            Write::Record { version, .. } => &version.to_string(),
            _ => &on_record,
        };
        Self {
            intent: intent.is_some(),
            unknown: intent.is_some_and(|intent| intent.unknown),
            planned_is_desired: intent.is_some_and(|intent| intent.planned == head.desired),
            settled: intent.is_none_or(|intent| intent.settle_at <= now),
            applied_is_desired: head.applied.as_ref().is_some_and(|applied| &applied.to_string() == desired),
            stopped: head.parked.as_ref().is_some_and(|parked| parked.version == head.desired),
            parked: head.parked.is_some(),
            attempted: head.attempts > 0,
            unread: head.desired.is_unread(),
            judged_is_desired: matches!(write, Write::Park { judged, .. } if judged.to_string() == on_record),
            as_planned: completes(write, |_, _| true),
            nothing_left: completes(write, |intent, desired| intent.last && intent.planned == *desired),
        }
    }

    /// The state of a head with these facts: `None` if the order stays stopped, and so as it is listed.
    pub(super) fn state(self) -> Option<State> {
        match self {
            Self { stopped: true, .. } => None,
            Self { intent: true, .. } => Some(State::Sending),
            Self { applied_is_desired: true, .. } => Some(State::Synced),
            Self { unread: true, .. } => Some(State::Fetching),
            _ => Some(State::Waiting),
        }
    }
}
