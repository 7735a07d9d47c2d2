//! The work queue and its dead-letter queue.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Result, domain::message::Message};

/// The work queue and its dead-letter queue. At least once, in any order.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts messages in, each visible after `delay` (at most 15 minutes). One answer per message, in order: `Ok` means the
    /// queue has it durably.
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>>;

    /// Takes up to `max` messages, waiting up to `wait` for the first. Each stays invisible until deleted or its visibility
    /// time-out is over.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>>;

    /// Deletes a delivered message.
    async fn delete(&self, receipt: &str) -> Result<()>;

    /// Puts a message into the dead-letter queue, with its reason.
    async fn bury(&self, message: &Message, reason: &str) -> Result<()>;

    /// What lies in the dead-letter queue, as far as can be seen now.
    async fn dead(&self, limit: usize) -> Result<Vec<Dead>>;

    /// Moves up to `limit` messages of the dead-letter queue back to the work queue, with the name of who wants it where that is known:
    /// how many were moved.
    async fn redrive(&self, limit: usize, by: Option<&str>) -> Result<usize>;

    /// Whether the queue can be reached now.
    async fn ready(&self) -> Result<()>;
}

/// A delivered message.
#[derive(Debug)]
pub struct Delivery {
    /// Deletes it.
    pub receipt: String,
    /// How often it was delivered, this time included.
    pub receives: u32,
    /// The message, or why it cannot be decoded.
    pub message: Result<Message>,
}

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The message, if it can be decoded.
    pub message: Option<Message>,
    /// Why it is there: the words given, or that it was received too often.
    pub reason: String,
    /// Since when, if known.
    pub since: Option<Timestamp>,
}
