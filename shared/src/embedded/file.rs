//! The file itself: creating, opening, migrating it, and what its errors mean to the person who runs puente.
//!
//! Invariant: nothing is ever deleted or overwritten. A file we do not understand is refused, one we change is backed up first.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{Error, Kind, Result, Retry};

/// "Pnte": marks the file as ours, <https://www.sqlite.org/pragma.html#pragma_application_id>.
const APPLICATION: i64 = 0x506e_7465;

/// Each step brings the schema from its index to the next version, which the file carries as its `user_version`.
pub(super) const MIGRATIONS: [&str; 10] = [
    include_str!("schema.sql"),
    include_str!("signs.sql"),
    include_str!("booked.sql"),
    include_str!("tokens.sql"),
    include_str!("search.sql"),
    include_str!("places.sql"),
    include_str!("accounts.sql"),
    include_str!("goods.sql"),
    include_str!("shipments.sql"),
    include_str!("prices.sql"),
];

/// Why work on the file failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// We said so.
    Ours(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Fault {
    /// The error for the person who reads it, naming the file and what to do.
    pub(super) fn explain(self, file: &Path) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Sqlite(cause) => explain(file, cause),
        }
    }
}

fn explain(file: &Path, cause: rusqlite::Error) -> Error {
    let file = file.display();
    let (kind, retry, words) = match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (
            Kind::Unavailable,
            Retry::Backoff,
            format!(
                "the disk of {file} is full: free some space; what was accepted before is safe, this was not accepted"
            ),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Unavailable,
            Retry::Backoff,
            format!("{file} is locked by another process for too long: end whatever else writes to it"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            Kind::Unavailable,
            Retry::Never,
            format!(
                "{file} is damaged: stop puente, keep a copy of the file, and restore a backup or `sqlite3 {file} .recover`"
            ),
        ),
        Some(ErrorCode::NotADatabase) => (
            Kind::Config,
            Retry::Never,
            format!("{file} is not a puente database: choose another directory, or restore a backup"),
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            Kind::Config,
            Retry::Never,
            format!(
                "cannot write {file}: give the user that runs puente the right to write the file and its directory"
            ),
        ),
        Some(ErrorCode::SystemIoFailure) => {
            (Kind::Unavailable, Retry::Backoff, format!("the disk of {file} failed: look at the system's log"))
        }
        _ => (Kind::Bug, Retry::Never, format!("a statement on {file} failed")),
    };
    Error::new(kind, words).retry(retry).caused_by(cause)
}

/// Makes sure that directory and file are there, readable by their owner only: they hold personal data.
pub(super) fn create(dir: &Path) -> Result<PathBuf> {
    let refused = |path: &Path, cause: std::io::Error| {
        let words = format!("cannot create {}: choose a directory puente may write to", path.display());
        Error::new(Kind::Config, words).caused_by(cause)
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|cause| refused(dir, cause))?;
    let file = dir.join("puente.db");
    private(&file).map_err(|cause| refused(&file, cause))?;
    #[cfg(unix)]
    close_to_others(dir)?;
    Ok(file)
}

/// The file and what lies beside it by its name (the write-ahead log, its index, backups, the key of tokens) become their owner's alone, whatever an
/// earlier release, a copy or a restore left; so does the directory, if it holds nothing else.
#[cfg(unix)]
fn close_to_others(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let refused = |path: &Path, cause: std::io::Error| {
        let words = format!(
            "other users of this machine may open {}, which holds personal data, and puente cannot change that: give it to the \
             user that runs puente",
            path.display()
        );
        Error::new(Kind::Config, words).caused_by(cause)
    };
    let close = |path: &Path| {
        let mode = fs::metadata(path)?.permissions().mode();
        let closed = mode & !0o077;
        if mode == closed { Ok(()) } else { fs::set_permissions(path, fs::Permissions::from_mode(closed)) }
    };
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(|cause| refused(dir, cause))?;
    let ours = |entry: &fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|name| {
            (name.starts_with("puente.") && name.contains(".db")) || name.starts_with(super::key::FILE)
        })
    };
    for entry in entries.iter().filter(|entry| ours(entry)) {
        match close(&entry.path()) {
            // SQLite removes its own files when the last process closes them.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            outcome => outcome.map_err(|cause| refused(&entry.path(), cause))?,
        }
    }
    if entries.iter().all(ours) {
        close(dir).map_err(|cause| refused(dir, cause))?;
    }
    Ok(())
}

/// Creates an empty file that only its owner may read, unless it is there.
fn private(file: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

/// The writing connection, its schema up to date: brought there, if the caller is to `update` an older file.
pub(super) fn open(file: &Path, patience: Duration, update: bool) -> Result<Connection> {
    let open = || -> Result<Connection, Fault> {
        let mut connection = connect(file, patience)?;
        check(&connection, file, MIGRATIONS.len())?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            let words = format!(
                "{} lies on a file system without shared memory (a network share?): choose a local disk",
                file.display()
            );
            return Err(Error::new(Kind::Config, words).into());
        }
        let found = user_version(&connection)?;
        if !update && (1..MIGRATIONS.len()).contains(&found) {
            let words = format!(
                "{} is of an earlier release of puente (schema {found}, this one has {}): `puente serve` of this release backs it up and \
                 brings it up to date; until then use the release that serves from it",
                file.display(),
                MIGRATIONS.len()
            );
            return Err(Error::new(Kind::Config, words).into());
        }
        migrate(&mut connection, file, &MIGRATIONS)?;
        Ok(connection)
    };
    open().map_err(|fault| fault.explain(file))
}

/// A connection that only reads.
pub(super) fn reader(file: &Path, patience: Duration) -> Result<Connection> {
    let open = || -> Result<Connection, Fault> {
        let connection = connect(file, patience)?;
        connection.execute_batch("PRAGMA query_only = ON")?;
        Ok(connection)
    };
    open().map_err(|fault| fault.explain(file))
}

fn connect(file: &Path, patience: Duration) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: a commit is on the disk before it is answered; on macOS that takes `fullfsync` as well.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(connection)
}

/// The lock of the directory with `file`, until it is dropped. [`Kind::Config`]: another process serves from there.
pub(super) fn lock(file: &Path) -> Result<fs::File> {
    let path = file.with_file_name("puente.lock");
    let cannot = |why: &str| format!("cannot serve from {}: {why}", path.display());
    let lock = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::new(Kind::Config, cannot("its lock file cannot be opened")).caused_by(error))?;
    lock.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => {
            Error::new(Kind::Config, cannot("another process serves from there: stop it first"))
        }
        fs::TryLockError::Error(error) => Error::new(Kind::Config, cannot("it cannot be locked")).caused_by(error),
    })?;
    Ok(lock)
}

fn user_version(connection: &Connection) -> Result<usize, Fault> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Refuses another program's file and one of a later release, before anything in it is changed.
fn check(connection: &Connection, file: &Path, latest: usize) -> Result<(), Fault> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION {
        let words = format!("{} is another program's database: choose another directory", file.display());
        return Err(Error::new(Kind::Config, words).into());
    }
    let version = user_version(connection)?;
    if version > latest {
        let words = format!(
            "{} was written by a later release of puente (schema {version}, this one knows {latest}): run that release, or \
             restore the backup it made beside the file",
            file.display()
        );
        return Err(Error::new(Kind::Config, words).into());
    }
    Ok(())
}

/// Brings the schema up to date, in one transaction, after a backup of what was there. Not under whoever serves from the file: an earlier
/// release goes on with what it knows.
pub(super) fn migrate(connection: &mut Connection, file: &Path, migrations: &[&str]) -> Result<(), Fault> {
    let found = user_version(connection)?;
    if found == migrations.len() {
        return Ok(());
    }
    let _alone = if found > 0 {
        let alone = lock(file)?;
        back_up(connection, file, found)?;
        Some(alone)
    } else {
        None
    };
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found = user_version(&transaction)?;
    for migration in migrations.iter().skip(found) {
        transaction.execute_batch(migration)?;
    }
    if found < migrations.len() {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}

/// Copies the file as it is beside itself: `puente.schema-1.db`, or the next free name like it.
fn back_up(connection: &Connection, file: &Path, version: usize) -> Result<PathBuf, Fault> {
    let name = |n: u32| match n {
        1 => format!("puente.schema-{version}.db"),
        n => format!("puente.schema-{version}.{n}.db"),
    };
    let free = (1..=1000).map(|n| file.with_file_name(name(n))).find(|path| !path.exists());
    let Some(backup) = free else { return Err(Error::new(Kind::Bug, "no name is free for a backup").into()) };
    let refused = |cause: std::io::Error| {
        let words = format!("cannot back up {} to {}: nothing was changed", file.display(), backup.display());
        Error::new(Kind::Config, words).caused_by(cause)
    };
    // VACUUM INTO takes an empty file as it finds it, with its permissions.
    private(&backup).map_err(refused)?;
    let copied = connection.execute("VACUUM INTO ?1", [backup.to_string_lossy()]);
    copied.map_err(|cause| {
        let words = format!("cannot back up {} to {}: nothing was changed", file.display(), backup.display());
        Error::new(Kind::Unavailable, words).caused_by(cause)
    })?;
    // The copy must survive a power cut before the original is changed.
    fs::File::open(&backup).and_then(|copy| copy.sync_all()).map_err(refused)?;
    Ok(backup)
}
