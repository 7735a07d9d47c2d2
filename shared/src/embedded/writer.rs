//! The one writing connection, on its own thread.
//!
//! Group commit: what was asked for while the disk was busy with one commit goes into the next together, each piece of work in
//! its own savepoint. Invariant: nothing is answered before the commit that holds it, and a piece of work that fails leaves
//! nothing behind and costs the others nothing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::file::Fault;
use crate::{Error, Kind, Result};

/// The most pieces of work in one commit: bounds what one answer waits for.
const LARGEST_GROUP: usize = 256;

/// Hands work to the thread; when it is dropped the thread ends and the file is closed.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, file: PathBuf) -> Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("puente-writer".into())
            .spawn(move || serve(&connection, &queue, &file))
            .map_err(|cause| Error::new(Kind::Unavailable, "cannot start the writer's thread").caused_by(cause))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `work` inside a transaction: `Ok` once it is committed.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let stopped = || Error::new(Kind::Unavailable, "the writer has stopped: restart puente");
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Piece { work: Some(work), outcome: None, reply });
        self.jobs.as_ref().ok_or_else(stopped)?.send(job).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It finishes what it was asked for; a panic of it was told to whoever asked.
            let _ = thread.join();
        }
    }
}

/// A piece of work whose result type only its asker knows.
trait Job: Send {
    /// Does it. `false`: it failed, and what it changed must be undone.
    fn run(&mut self, connection: &Connection, explain: &dyn Fn(Fault) -> Error) -> bool;
    /// Answers with its own result, or with what befell the whole group.
    fn answer(self: Box<Self>, group: Option<Error>);
}

struct Piece<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, connection: &Connection, explain: &dyn Fn(Fault) -> Error) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection).map_err(explain)))
            .unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a write failed inside puente: nothing of it was kept")));
        let done = outcome.is_ok();
        self.outcome = Some(outcome);
        done
    }

    fn answer(self: Box<Self>, group: Option<Error>) {
        let answer = match (self.outcome, group) {
            // Its own failure says more than the group's.
            (Some(Err(error)), _) | (_, Some(error)) => Err(error),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::new(Kind::Bug, "a write was never run")),
        };
        // Whoever asked may have gone: the work is done all the same.
        let _ = self.reply.send(answer);
    }
}

fn serve(connection: &Connection, queue: &mpsc::Receiver<Box<dyn Job>>, file: &Path) {
    let explain = |fault: Fault| fault.explain(file);
    while let Ok(first) = queue.recv() {
        let mut group = Vec::new();
        let failed = commit(connection, first, queue, &mut group, &explain).err().map(explain);
        if failed.is_some() && !connection.is_autocommit() {
            // Never leave a transaction open behind an error; if even this fails the next BEGIN says so.
            let _ = connection.execute_batch("ROLLBACK");
        }
        for job in group {
            let again = |error: &Error| Error::new(error.kind(), error.to_string()).retry(error.retryable());
            job.answer(failed.as_ref().map(again));
        }
    }
}

/// Runs `first` and whatever else waits in one transaction. An error means that nothing of the group was kept.
fn commit(
    connection: &Connection,
    first: Box<dyn Job>,
    queue: &mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
    explain: &dyn Fn(Fault) -> Error,
) -> Result<(), Fault> {
    group.push(first);
    connection.execute_batch("BEGIN IMMEDIATE")?;
    loop {
        connection.prepare_cached("SAVEPOINT piece")?.execute([])?;
        let done = group.last_mut().is_some_and(|job| job.run(connection, explain));
        if !done {
            if connection.is_autocommit() {
                // A full disk or a failed write makes SQLite undo the whole transaction, the others' work with it.
                let words = "a write in the same transaction failed: nothing of it was kept";
                return Err(Error::new(Kind::Unavailable, words).into());
            }
            connection.prepare_cached("ROLLBACK TO piece")?.execute([])?;
        }
        connection.prepare_cached("RELEASE piece")?.execute([])?;
        let next = if group.len() < LARGEST_GROUP { queue.try_recv().ok() } else { None };
        let Some(next) = next else { break };
        group.push(next);
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}
