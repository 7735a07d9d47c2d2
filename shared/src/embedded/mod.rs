//! The ports on one SQLite file: records, ledgers and queue of one machine, the default of `puente serve`.
//!
//! Invariants: whatever is answered `Ok` is on the disk (write-ahead log, `synchronous = FULL`: it survives a power cut), every
//! conditional write runs in one immediate transaction, and several processes may open the same directory. A file that is
//! full, locked, damaged or of a later release is an error that names it and says what to do.
//!
//! SQLite: <https://www.sqlite.org/wal.html>, <https://www.sqlite.org/pragma.html#pragma_synchronous>.

mod accounts;
mod body;
mod cursors;
mod file;
mod goods;
mod key;
mod known;
mod owner;
mod prices;
mod queue;
mod records;
mod search;
mod shipments;
mod signs;
#[cfg(test)]
mod tests;
mod tokens;
mod writer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::{
    Error, Kind, Result,
    domain::search::SearchKey,
    ports::{Bundle, Clock, Secrets, SystemClock},
};
use file::Fault;
pub use owner::Ownership;
use writer::Writer;

/// The adapter: cheap to clone, all clones are the same open file.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

/// What may be set beside the directory.
pub struct Options {
    /// The time, for the visibility of messages.
    pub clock: Arc<dyn Clock>,
    /// How long a delivered message stays invisible: longer than any handler works on one.
    pub visibility: Duration,
    /// After so many deliveries a message goes to the dead-letter queue.
    pub max_receives: u32,
    /// How long to wait for another process that is writing, before the error.
    pub patience: Duration,
    /// Whether an older file is backed up beside itself and brought up to date, which only whoever is about to serve from it does;
    /// otherwise it is refused.
    pub migrate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            visibility: Duration::from_mins(1),
            max_receives: 10,
            patience: Duration::from_secs(5),
            migrate: true,
        }
    }
}

struct Inner {
    file: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    clock: Arc<dyn Clock>,
    visibility: Duration,
    max_receives: u32,
    patience: Duration,
    /// Wakes whoever waits for a message: something was sent in this process.
    sent: Notify,
    /// Read once.
    search_key: OnceLock<SearchKey>,
}

/// Idle reading connections kept open; more are opened while more read at once.
const READERS: usize = 4;

impl Embedded {
    /// Opens `dir/puente.db`, creating both as needed: for their owner's eyes only. An older file is backed up beside itself
    /// and brought up to date, unless somebody serves from it; one of a later release is refused ([`Kind::Config`]).
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, Options::default())
    }

    /// [`Embedded::open`] with other options.
    pub fn open_with(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        let file = file::create(dir.as_ref())?;
        let Options { clock, visibility, max_receives, patience, migrate } = options;
        let connection = file::open(&file, patience, migrate)?;
        let writer = Writer::start(connection, file.clone())?;
        let inner = Inner {
            file,
            writer,
            readers: Mutex::default(),
            clock,
            visibility,
            max_receives,
            patience,
            sent: Notify::new(),
            search_key: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The file everything is in.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    /// Runs `work` in an immediate transaction: `Ok` means that it is on the disk, an error that nothing of it is.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.inner.writer.run(work).await
    }

    /// Runs `work` on a connection that only reads: it sees everything answered so far, by whatever process.
    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let inner = self.inner.clone();
        let read = move || {
            let idle = inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => file::reader(&inner.file, inner.patience)?,
            };
            // One transaction, so that several statements see one state.
            let result = connection
                .execute_batch("BEGIN")
                .map_err(Fault::from)
                .and_then(|()| work(&connection))
                .map_err(|fault| fault.explain(&inner.file));
            if connection.is_autocommit() || connection.execute_batch("COMMIT").is_ok() {
                let mut readers = inner.readers.lock().unwrap_or_else(PoisonError::into_inner);
                if readers.len() < READERS {
                    readers.push(connection);
                }
            }
            result
        };
        let outcome = tokio::task::spawn_blocking(read).await;
        outcome.map_err(|cause| Error::new(Kind::Bug, "reading the records failed").caused_by(cause))?
    }
}

#[async_trait]
impl Secrets for Embedded {
    async fn secrets(&self, _: &Bundle) -> Result<BTreeMap<String, SecretString>> {
        let words = "`{ secret = … }` names a secret of AWS Secrets Manager; on one machine write `{ env = \"NAME\" }` or \
                     `{ file = \"path\" }`";
        Err(Error::new(Kind::Config, words))
    }
}

/// Whole microseconds since 1970, rounded up: an indexed time is never earlier than the exact one.
fn micros(time: Timestamp) -> i64 {
    let up = time.as_nanosecond().saturating_add(999).div_euclid(1000);
    i64::try_from(up).unwrap_or(i64::MAX)
}

/// Whole microseconds since 1970, rounded down: the present, for comparisons with [`micros`].
fn micros_now(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1000)).unwrap_or(i64::MAX)
}
