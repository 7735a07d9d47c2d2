//! Signs of life: when each connection and account last received, fetched, sent, and what failed.
//!
//! Invariant: they cost little and stop nothing. Each process writes a fact of a party at most once a minute, a failure in new words
//! at once but not oftener than every ten seconds, and a sign that cannot be written is logged and forgotten.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{
        event::Event,
        sign::{Fact, Party, Sign},
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
}

impl Signs {
    /// On this port.
    pub fn new(port: Arc<dyn ports::Signs>) -> Self {
        Self { port, written: Arc::default() }
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
