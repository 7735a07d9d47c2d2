//! The time, and chance.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The time. Flows never ask the system.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Sleeps until a time.
    async fn sleep_until(&self, when: Timestamp);
}

/// Chance: jitter and unguessable tokens. Flows never draw from the system themselves, so that a simulation replays.
pub trait Chance: Send + Sync {
    /// A number below `n`, each equally likely; 0 if `n` is 0.
    fn below(&self, n: u64) -> u64;
    /// A text nobody else has.
    fn token(&self) -> String;
}

/// The system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { rand::random_range(0..n) }
    }
    fn token(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
#[allow(clippy::disallowed_methods, reason = "the one home of the system's time")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn sleep_until(&self, when: Timestamp) {
        let wait = when.duration_since(Timestamp::now());
        if let Ok(wait) = Duration::try_from(wait) {
            tokio::time::sleep(wait).await;
        }
    }
}
