//! The queue: SQS standard. At least once, in any order, with visibility time-outs, receive counts, delays and a dead-letter
//! queue that takes what was received too often. Bodies are text, encoded and decoded as the messages are.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use puente::{
    Error, Kind, Result,
    domain::message::Message,
    ports::{Dead, Delivery, Queue},
};

use crate::{
    executor::Micros,
    fault::{Fault, Place},
    world::{MINUTE, SECOND, World, stamp},
};

/// How the queue is set up.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a received message stays invisible.
    pub visibility: Micros,
    /// Received more often, a message is dead.
    pub most_receives: u32,
}

/// A message in the queue.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its text.
    pub body: String,
    /// From when on it is visible.
    pub visible_at: Micros,
    /// How often it was received.
    pub receives: u32,
}

/// What the queues hold.
#[derive(Default)]
pub struct Letters {
    /// Messages of the work queue.
    pub work: BTreeMap<u64, Stored>,
    /// The dead ones.
    pub dead: Vec<(String, String, Micros)>,
    /// The most receives that any message ever had.
    pub most_receives: u32,
    next: u64,
}

/// The work queue and its dead-letter queue.
pub struct Sqs {
    world: Arc<World>,
    settings: Settings,
    letters: Mutex<Letters>,
}

impl Sqs {
    /// Empty ones.
    #[must_use]
    pub fn new(world: Arc<World>, settings: Settings) -> Self {
        Self { world, settings, letters: Mutex::default() }
    }

    /// What they hold.
    pub fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap()
    }

    /// Puts a body in as it is.
    pub fn put(&self, body: String, delay: Micros) {
        let late = if self.world.strikes(Fault::QueueLate, 150) { self.world.chance.within(0, 15 * MINUTE) } else { 0 };
        let visible_at = self.world.now() + delay + late;
        let mut letters = self.letters();
        letters.next += 1;
        let id = letters.next;
        letters.work.insert(id, Stored { body, visible_at, receives: 0 });
    }

    /// When the next message can be received.
    #[must_use]
    pub fn next_visible(&self) -> Option<Micros> {
        self.letters().work.values().map(|message| message.visible_at).min()
    }

    /// Takes up to `max` visible messages, in any order; those received too often go to the dead-letter queue instead.
    pub fn take(&self, max: usize) -> Vec<(u64, Stored)> {
        let now = self.world.now();
        let mut taken = Vec::new();
        while taken.len() < max {
            let mut letters = self.letters();
            let visible: Vec<u64> =
                letters.work.iter().filter(|(_, message)| message.visible_at <= now).map(|(id, _)| *id).collect();
            if visible.is_empty() {
                break;
            }
            let place = if self.world.in_order() { 0 } else { self.world.chance.index(visible.len()) };
            let id = visible[place];
            let most = self.settings.most_receives;
            let message = letters.work.get_mut(&id).unwrap();
            if message.receives >= most {
                let dead = letters.work.remove(&id).unwrap();
                letters.dead.push((dead.body, "it was received too often".to_owned(), now));
                continue;
            }
            message.receives += 1;
            message.visible_at = now + self.settings.visibility;
            let copy = message.clone();
            letters.most_receives = letters.most_receives.max(copy.receives);
            drop(letters);
            // A second worker gets it too: now, or while the first is at it.
            if self.world.strikes(Fault::QueueTwice, 50) {
                let again = self.world.chance.within(0, 5 * SECOND);
                self.letters().work.get_mut(&id).unwrap().visible_at = now + again;
            } else if self.world.strikes(Fault::VisibilityLapse, 50) {
                let again = self.world.chance.within(5 * SECOND, 2 * MINUTE);
                self.letters().work.get_mut(&id).unwrap().visible_at = now + again;
            }
            taken.push((id, copy));
        }
        taken
    }

    /// A message is done.
    pub fn done(&self, id: u64) {
        if !self.world.strikes(Fault::DeleteLost, 50) {
            self.letters().work.remove(&id);
        }
    }

    /// Moves dead letters back into the work queue.
    pub fn redrive_now(&self, limit: usize) -> usize {
        self.redriven(limit, None)
    }

    fn redriven(&self, limit: usize, by: Option<&str>) -> usize {
        let count = limit.min(self.letters().dead.len());
        let dead: Vec<_> = self.letters().dead.drain(..count).collect();
        for (body, ..) in dead {
            let wanted = by.and_then(|by| Some(encode(&decode(&body).ok()?.wanted_by(by))));
            self.put(wanted.unwrap_or(body), 0);
        }
        count
    }
}

/// A message from its body.
pub fn decode(body: &str) -> Result<Message> {
    serde_json::from_str(body).map_err(|_| Error::new(Kind::Unreadable, "the message cannot be decoded"))
}

/// A message's body.
#[must_use]
pub fn encode(message: &Message) -> String {
    serde_json::to_string(message).unwrap()
}

#[async_trait]
impl Queue for Sqs {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>> {
        let bodies: Vec<String> = messages.iter().map(encode).collect();
        let delay = Micros::try_from(delay.as_micros()).unwrap_or(15 * MINUTE).min(15 * MINUTE);
        self.world
            .call(Place::Queue, "queue.send", |_| {
                let taken = bodies.iter().map(|body| {
                    if self.world.strikes(Fault::SendPartly, 20) {
                        return Err(Error::new(Kind::Unavailable, "the queue did not take the message"));
                    }
                    self.put(body.clone(), delay);
                    Ok(())
                });
                taken.collect()
            })
            .await
    }

    async fn receive(&self, max: usize, _wait: Duration) -> Result<Vec<Delivery>> {
        let taken = self.world.call(Place::Queue, "queue.receive", |_| self.take(max)).await?;
        let delivery = |(id, message): (u64, Stored)| Delivery {
            receipt: id.to_string(),
            receives: message.receives,
            message: decode(&message.body),
        };
        Ok(taken.into_iter().map(delivery).collect())
    }

    async fn delete(&self, receipt: &str) -> Result<()> {
        let id = receipt.parse().unwrap_or(0);
        self.world.call(Place::Queue, "queue.delete", |_| self.done(id)).await
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        let body = encode(message);
        self.world
            .call(Place::Queue, "queue.bury", |_| {
                let now = self.world.now();
                self.letters().dead.push((body.clone(), reason.to_owned(), now));
            })
            .await
    }

    async fn dead(&self, limit: usize) -> Result<Vec<Dead>> {
        let letters = self.letters();
        let dead = letters.dead.iter().take(limit).map(|(body, reason, since)| Dead {
            message: decode(body).ok(),
            reason: reason.clone(),
            since: Some(stamp(*since)),
        });
        Ok(dead.collect())
    }

    async fn redrive(&self, limit: usize, by: Option<&str>) -> Result<usize> {
        Ok(self.redriven(limit, by))
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}
