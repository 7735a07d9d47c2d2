//! The facts of a head that decide what a write does.
//!
//! An update expression cannot branch, so each branch of a write is an update of its own whose condition *pins* the facts it
//! relies on, see `write.rs`.

use jiff::Timestamp;

use crate::domain::record::{Head, State, Write};

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
    /// The version a [`Write::Complete`] brings, or a [`Write::Park`] is about, is the desired one.
    pub(super) last_word: bool,
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
            last_word: true,
        }
    }

    /// Those of a head.
    pub(super) fn of(head: &Head, write: &Write, now: Timestamp) -> Self {
        let intent = head.intent.as_ref();
        let on_record = head.desired.to_string();
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
            last_word: match write {
                Write::Complete { applied: version, .. } | Write::Park { judged: version, .. } => {
                    version.to_string() == on_record
                }
                _ => false,
            },
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
