//! How far something got that goes on from there.

use async_trait::async_trait;

use crate::Result;

/// Named positions, such as the time up to which a store was asked for what changed. Nothing but positions lies here.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// The position of that name.
    async fn cursor(&self, name: &str) -> Result<Option<String>>;

    /// Moves it.
    async fn set_cursor(&self, name: &str, value: &str) -> Result<()>;
}
