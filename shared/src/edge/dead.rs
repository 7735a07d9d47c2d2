//! Letters of the dead-letter queue as people see them: never their content, which is personal data.
//!
//! `puente dlq` and the operator's API answer with the same.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        ids::{ConnectionId, ErpId, OrderId},
        message::{Message, News},
        operator::Sight,
    },
    ports::Dead,
};

/// Dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetters)]
pub struct DeadLettersView {
    /// The oldest first, as far as that is known.
    pub letters: Vec<DeadView>,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadView {
    /// Since when it lies there, if known.
    pub since: Option<Timestamp>,
    /// What it said.
    pub about: About,
    /// Whose it was.
    pub connection: Option<ConnectionId>,
    /// About which order.
    pub order: Option<OrderId>,
    /// About which ERP account.
    pub erp: Option<ErpId>,
    /// Why it is there.
    pub reason: String,
}

/// What a message said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterKind)]
pub enum About {
    /// A state of an order.
    Order,
    /// That an order changed.
    Changed,
    /// That an order is gone.
    Deleted,
    /// What could not be read as an order.
    UnreadableOrder,
    /// That an order is to be tried again.
    Replay,
    /// That a person made something in the ERP by hand.
    Adoption,
    /// That something is due at an ERP account.
    WakeUp,
    /// That a store is to be asked what changed.
    Backfill,
    /// Nobody can tell: it cannot be decoded.
    Undecodable,
}

impl About {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::UnreadableOrder => "unreadable order",
            Self::Replay => "replay",
            Self::Adoption => "adoption",
            Self::WakeUp => "wake-up",
            Self::Backfill => "backfill",
            Self::Undecodable => "cannot be decoded",
        }
    }
}

impl DeadView {
    /// Whether somebody sees it. What is no connection's is for whoever sees all of them.
    #[must_use]
    pub fn is_seen(&self, sight: &Sight) -> bool {
        *sight == Sight::All || self.connection.as_ref().is_some_and(|connection| sight.sees(connection.as_str()))
    }
}

impl From<Dead> for DeadView {
    fn from(Dead { message, reason, since }: Dead) -> Self {
        let none = Self { since, about: About::Undecodable, connection: None, order: None, erp: None, reason };
        match message {
            None => none,
            Some(Message::Wake { erp }) => Self { about: About::WakeUp, erp: Some(erp), ..none },
            Some(Message::Backfill(ask)) => Self { about: About::Backfill, connection: Some(ask.connection), ..none },
            Some(Message::Publish { connection }) => {
                Self { about: About::WakeUp, connection: Some(connection), ..none }
            }
            Some(Message::Arrival(arrival)) => {
                let about = match arrival.news {
                    News::State { .. } => About::Order,
                    News::Changed => About::Changed,
                    News::Deleted => About::Deleted,
                    News::Unmapped { .. } => About::UnreadableOrder,
                    News::Replay => About::Replay,
                    News::Adopt { .. } => About::Adoption,
                };
                Self { about, connection: Some(arrival.connection), order: Some(arrival.order), ..none }
            }
        }
    }
}
