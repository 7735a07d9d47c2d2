//! Signs of life: when each connection and account last received, fetched, sent, and what failed; how each task's last run went.
//!
//! Invariant: they cost little and stop nothing. Each process writes a fact of a party at most once a minute, a failure in new words
//! at once but not oftener than every ten seconds, and a sign that cannot be written is logged and forgotten. The same of the runs
//! of a task.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{
        event::{Event, Told},
        sign::{Fact, Party, Sign},
        task::Run,
    },
    ports,
};

/// Between two signs of one fact.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// Between two failures in different words.
const FAILURES_APART: SignedDuration = SignedDuration::from_secs(10);

/// The signs, with what this process wrote last. Cheap to clone; all clones share that.
#[derive(Clone)]
pub struct Signs {
    port: Arc<dyn ports::Signs>,
    written: Arc<Mutex<HashMap<(Party, Fact), Sign>>>,
    ran: Arc<Mutex<HashMap<&'static str, Run>>>,
}

impl Signs {
    /// On this port.
    pub fn new(port: Arc<dyn ports::Signs>) -> Self {
        Self { port, written: Arc::default(), ran: Arc::default() }
    }

    /// Something was seen. `detail` is for people, without secrets or personal data.
    pub async fn seen(&self, of: Party, fact: Fact, at: Timestamp, detail: Option<String>) {
        let sign = Sign { fact, at, detail };
        if !self.is_news(&of, &sign) {
            return;
        }
        if let Err(error) = self.port.sign(&of, &sign).await {
            Event::SignLost { party: &of, error: &error }.log();
        }
    }

    /// A task ran. Whether it was news, and was written.
    pub async fn ran(&self, task: &'static str, run: &Run) -> bool {
        // Told when it is written again, not when it runs again.
        let next = run.next.max(run.began.checked_add(APART).unwrap_or(Timestamp::MAX));
        let run = Run { next, ..run.clone() };
        {
            let mut ran = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
            let apart = |last: &Run| if last.error == run.error { APART } else { FAILURES_APART };
            if ran.get(task).is_some_and(|last| run.began.duration_since(last.began) < apart(last)) {
                return false;
            }
            ran.insert(task, run.clone());
        }
        if let Err(error) = self.port.ran(task, &run).await {
            Event::RunLost { task, error: &error }.log();
        }
        true
    }

    fn is_news(&self, of: &Party, sign: &Sign) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let place = written.entry((of.clone(), sign.fact));
        let std::collections::hash_map::Entry::Occupied(mut last) = place else {
            place.or_insert_with(|| sign.clone());
            return true;
        };
        let apart = if last.get().detail == sign.detail { APART } else { FAILURES_APART };
        let news = sign.at.duration_since(last.get().at) >= apart;
        if news {
            last.insert(sign.clone());
        }
        news
    }
}

impl Deref for Signs {
    type Target = dyn ports::Signs;
    fn deref(&self) -> &Self::Target {
        &*self.port
    }
}
