//! What travels through the queue. Self-contained: a message written by one release is read by the next.
//!
//! Enums are tagged from outside: inside tags would make serde buffer the content, and amounts are read from raw tokens.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    adoption::Adoption,
    ids::{ConnectionId, ErpId, OrderId, OrderKey},
    order::{Flag, Order},
};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Something about an order arrived.
    Arrival(Arrival),
    /// Work is due at an ERP account: somebody should conduct.
    Wake {
        /// Which account.
        erp: ErpId,
    },
    /// Somebody wants a store asked what changed.
    Backfill(BackfillRequest),
    /// Numbers of stock are due at a store: somebody should bring them.
    Publish {
        /// Whose store.
        connection: ConnectionId,
    },
}

/// A question to a connection's store: what changed since a time?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRequest {
    /// Whose store.
    pub connection: ConnectionId,
    /// Since when.
    pub since: Timestamp,
    /// The request it came with, for the log.
    pub request: String,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Something about an order of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Whose order: also the message group, so that a flooding shop cannot starve the others.
    pub connection: ConnectionId,
    /// Which order.
    pub order: OrderId,
    /// When we accepted it.
    pub received: Timestamp,
    /// The request it came with, for the timeline.
    pub request: String,
    /// Who asked for it, where a person did: a replay's operator, who made something by hand, or who moved it out of the dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How often a fetch was put off already because the store failed.
    #[serde(default)]
    pub tries: u32,
    /// How often in a row because of a limit, ours or the store's: that is nobody's failure, and costs no try.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waits: u32,
    /// What is known.
    pub news: News,
}

/// What is known of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The whole order.
    State {
        /// It.
        order: Arc<Order>,
    },
    /// Only that something changed: ask the store.
    Changed,
    /// The store says it is gone.
    Deleted,
    /// A signed body that could not be mapped: kept raw, for a person to see.
    Unmapped {
        /// Why, naming the field.
        flag: Flag,
        /// The body, base64.
        raw: String,
    },
    /// A person, or a redrive of the dead-letter queue, wants it tried again.
    Replay,
    /// A person made a document in the ERP by hand, or changed one.
    Adopt {
        /// What they made.
        adoption: Box<Adoption>,
    },
}

impl Message {
    /// The same, wanted by somebody. What a person made by hand stays theirs, whoever has it delivered again.
    #[must_use]
    pub fn wanted_by(mut self, by: &str) -> Self {
        if let Self::Arrival(arrival) = &mut self
            && !matches!(arrival.news, News::Adopt { .. })
        {
            arrival.by = Some(by.to_owned());
        }
        self
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Arrival {
    /// One that nobody in particular asked for, and that was never put off.
    #[must_use]
    pub fn new(key: OrderKey, received: Timestamp, request: impl Into<String>, news: News) -> Self {
        let OrderKey { connection, order } = key;
        Self { connection, order, received, request: request.into(), by: None, tries: 0, waits: 0, news }
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> OrderKey {
        OrderKey::new(self.connection.clone(), self.order.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_that_was_queued_before_it_said_who_asked_is_read() {
        let old = r#"{"arrival":{"connection":"acme","order":"1","received":"2026-01-31T10:00:00Z","request":"r","news":"replay"}}"#;
        let Message::Arrival(arrival) = serde_json::from_str(old).unwrap() else { panic!("{old}") };
        assert_eq!((arrival.by, arrival.waits, &arrival.news), (None, 0, &News::Replay));
    }
}
