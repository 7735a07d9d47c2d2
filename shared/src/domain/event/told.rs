//! What all events have in common.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::metric::{Metric, Of};

/// Something to tell: a line of the log, and what is counted of it.
pub trait Told {
    /// Writes its line in the log.
    fn log(&self);

    /// Adds what is counted of it.
    fn count(&self, add: &mut dyn FnMut(Metric, Of<'_>, u64));
}

/// What became of an order that was sent to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The queue has it.
    Accepted,
    /// Nothing about an order.
    Ignored,
    /// The queue has it, raw: a person has to look.
    Flagged,
    /// It is not a canonical order: not taken.
    Invalid,
    /// The queue could not take it: send it again.
    Unavailable,
}

impl Outcome {
    /// As in answers and in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Flagged => "flagged",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
        }
    }

    /// What it counts as.
    pub(super) fn metric(self) -> Metric {
        match self {
            Self::Accepted => Metric::ReceivedAccepted,
            Self::Ignored => Metric::ReceivedIgnored,
            Self::Flagged => Metric::ReceivedFlagged,
            Self::Invalid => Metric::ReceivedInvalid,
            Self::Unavailable => Metric::ReceivedUnavailable,
        }
    }
}
