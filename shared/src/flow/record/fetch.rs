//! An order of which only the id came: the store is asked for its content, now or later.

use std::time::Duration;

use super::{ASKED, Recorder, busy};
use crate::{
    Error, Kind, Result, Retry,
    domain::{
        event::{Event, Happened},
        message::{Arrival, Message},
        order::{Flag, Order},
        reason::{Reason, Why},
        record::{End, Head, QUESTION, Write, Written},
        sign::Fact,
        version::{Standing, Version},
    },
    flow::{
        ask::{Ask, Errand},
        identity,
    },
    ports::Payload,
};

/// How often a store is asked for one order before the message is buried.
const FETCHES: u32 = 12;

/// What the store's answer was worth, and whether it was news.
pub(super) enum Answer {
    Last(bool),
    AskAgain(bool),
}

impl Recorder<'_> {
    /// Asks the store, now.
    pub(super) async fn changed(&self) -> Result<bool> {
        if !self.connection.store.can_fetch() {
            let detail = "the store says it changed, and there are no store credentials to ask how: set the store's `token` or keys \
                          in puente.toml, then replay it";
            return self.unread(detail).await;
        }
        if let Err(error) = identity::learn(self.puente, self.connection).await {
            // Its orders are asked for one by one until then.
            self.puente.tell.of(&Event::ShopUnknown { connection: &self.connection.id, error: &error });
        }
        let ask = Ask::new(self.puente, self.connection, Errand::Order);
        let mut news = false;
        for _ in 0..ASKED {
            // Read before the store is asked: its word is the last only about what was on record by then.
            let head = match self.puente.records.head(&self.key).await? {
                None => self.announce().await?,
                Some(head) if head.desired.is_unread() && head.due.is_none() => self.asked_again().await?,
                head => head,
            };
            let answer = self.connection.store.fetch(&ask.calls(), &self.arrival.order).await;
            if !ask.held_back() {
                self.asked(answer.as_ref().err()).await;
            }
            match answer {
                Ok(Some(order)) => match self.fetched(&order, head.as_ref()).await? {
                    Answer::Last(newer) => return Ok(news || newer),
                    Answer::AskAgain(newer) => news |= newer,
                },
                Ok(None) => return Ok(self.deleted().await? || news),
                Err(error) if error.kind() == Kind::Unreadable => {
                    let flag = Flag { code: "unmapped".into(), detail: error.to_string() };
                    return self.unreadable(&flag, head.as_ref()).await;
                }
                Err(error) => return Ok(self.put_off(error).await? || news),
            }
        }
        Ok(self.put_off(busy(&self.key)).await? || news)
    }

    /// What became of a question to the store, as a sign of life: whatever it answered, it answers.
    pub(super) async fn asked(&self, failed: Option<&Error>) {
        let signs = &self.puente.signs;
        let now = self.puente.clock.now();
        self.puente.tell.of(&Event::StoreAsked { connection: &self.connection.id, error: failed });
        match failed.filter(|error| error.kind() != Kind::Unreadable) {
            None => signs.seen(self.party(), Fact::Fetched, now, None).await,
            Some(error) => {
                let words = format!("asking the store: {error}");
                signs.seen(self.party(), Fact::Failed, now, Some(words)).await;
            }
        }
    }

    /// Only the id is known, and the store has still to be asked. The order is put on record first, so that people see it whatever
    /// becomes of the question.
    pub(super) async fn announce(&self) -> Result<Option<Head>> {
        let summary = self.summary(Vec::new());
        // A head never names a payload that is not there.
        let nothing = Payload::Raw(bytes::Bytes::new());
        self.put(&Version::unread(), &nothing, summary).await.map(|(_, head)| head)
    }

    /// The order had stopped before its content was known, and somebody sent it again.
    pub(super) async fn asked_again(&self) -> Result<Option<Head>> {
        let replay = Write::Replay { asked: self.arrival.received };
        match self.puente.records.write(&self.key, &replay, self.puente.clock.now()).await? {
            Written::Applied(head) => Ok(Some(head)),
            Written::Refused(head) => Ok(head),
        }
    }

    /// What the store answered, put on record, where the record is still as it was `before` the store was asked.
    pub(super) async fn fetched(&self, order: &Order, before: Option<&Head>) -> Result<Answer> {
        let version = order.version();
        match self.put_order(order, &version).await? {
            (Standing::Tied, Some(head)) => {
                let unchanged = before.is_some_and(|before| before.desired == head.desired);
                // Meanwhile the forerunner's content may have come back, and passed for a duplicate of it: the store knows.
                Ok(Answer::AskAgain(unchanged && self.put_above(order, &head).await?))
            }
            (standing, _) => Ok(Answer::Last(standing == Standing::Newer)),
        }
    }

    /// The store cannot be asked now: the same message, later. It is a new message, so that waiting burns no receive count.
    pub(super) async fn put_off(&self, error: Error) -> Result<bool> {
        let unread = self.puente.records.head(&self.key).await?.filter(|head| head.desired.is_unread());
        // A limit, ours or the store's, is nobody's failure: whatever it takes, the order is asked for in the end.
        let limited = error.kind() == Kind::Limited;
        let (tries, waits) = if limited {
            (self.arrival.tries, self.arrival.waits.saturating_add(1))
        } else {
            (self.arrival.tries + 1, 0)
        };
        if tries >= FETCHES || error.retryable() == Retry::Never {
            let reason = format!("the store could not be asked for order {}: {error}", self.key);
            // Redriven, it is asked as often again, and by whoever redrives it.
            let letter = Arrival { tries: 0, waits: 0, by: None, ..self.arrival.clone() };
            // Buried first: a crash in between leaves a letter too many, never an order that nothing asks for.
            self.puente.queue.bury(&Message::Arrival(letter), &reason).await?;
            match unread {
                Some(head) => {
                    let why = Why::StoreSilent { order: self.key.clone(), words: error.to_string() };
                    self.stop(&head, End::Parked, why).await?;
                }
                None => self.tell(Happened::Dead, Some(&reason), None).await,
            }
            return Ok(false);
        }
        let backoff = || Duration::from_secs(1 + self.puente.chance.below(5 << tries.max(waits).min(8)));
        let delay = match error.retryable() {
            // All that wait for a limit would come back at the same moment.
            Retry::After(delay) if limited => delay.max(backoff()),
            Retry::After(delay) => delay,
            _ => backoff(),
        };
        let delay = delay.min(Duration::from_mins(15));
        if let Some(head) = unread {
            let words = error.to_string();
            let why =
                if limited { Why::StoreLimited { words } } else { Why::StoreAsked { tries, most: FETCHES, words } };
            self.still_asked(&head, why.into()).await?;
        }
        self.tell(Happened::FetchPutOff, Some(&error.to_string()), None).await;
        self.again(Arrival { tries, waits, ..self.arrival.clone() }, delay).await?;
        Ok(false)
    }

    /// The message goes on asking. The record says why it waits, and comes back by itself should the message be lost.
    pub(super) async fn still_asked(&self, head: &Head, reason: Reason) -> Result<()> {
        let now = self.puente.clock.now();
        let defer = Write::Defer {
            desired: head.desired.clone(),
            steps: head.steps,
            epoch: head.epoch,
            due: now + QUESTION,
            // Once it is read it goes at once.
            floor: now,
            forgiven: true,
            reason,
        };
        self.puente.records.write(&self.key, &defer, now).await.map(drop)
    }

    /// The same arrival, later, as a new message: waiting burns no receive count.
    pub(super) async fn again(&self, arrival: Arrival, delay: Duration) -> Result<()> {
        let sent = self.puente.queue.send(&[Message::Arrival(arrival)], delay).await?;
        sent.into_iter().collect()
    }
}
