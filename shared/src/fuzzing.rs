//! Doors for tests and fuzz targets to what has no public one: ways out of a connector, and how each adapter of the queue writes and reads
//! a message.
//!
//! The latter are the adapters' own files, compiled here without the AWS SDK and without SQLite, which under libFuzzer take minutes to
//! build and are not what is looked at. Behind the feature `fuzzing`, which nothing that ships has; no interface to build upon.

use crate::{Result, domain::message::Message};

#[allow(clippy::duplicate_mod, reason = "with the adapter built too it is there twice")]
#[path = "embedded/body.rs"]
mod sqlite;
#[allow(clippy::duplicate_mod, reason = "with the adapter built too it is there twice")]
#[path = "aws/body.rs"]
mod sqs;

pub use self::sqs::{decode as from_sqs, encode as to_sqs};
pub use crate::outbound::doubles::{MemoryTokens, Way};

/// The body in a row of the embedded queue.
pub fn to_sqlite(message: &Message) -> Result<Vec<u8>> {
    sqlite::encode(message)
}

/// The message of a row's body.
pub fn from_sqlite(body: &[u8]) -> Result<Message> {
    sqlite::decode(body)
}
