//! The worker's first half: an arrival becomes the record's `desired`, if it is news.
//!
//! One write, conditional on the version only. The payload is kept before the head names it, so that a head never points to
//! nothing. Once this returns, the record carries the order and the message may go.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Error, Kind, Result,
    domain::{
        event::{Event, Happened, OrderEvent},
        ids::{ErpId, OrderKey},
        message::{Arrival, Message, News},
        order::{Flag, Order, Status},
        reason::{Reason, Why},
        record::{End, Head, QUESTION, Rest, Summary, Write, Written},
        sign::{Fact, Party},
        version::{ContentHash, Standing, Version, compare},
    },
    parties::Connection,
    ports::Payload,
    store::Reading,
    webhook::VerifiedWebhook,
};

mod tie;

use super::{
    Puente,
    ask::{Ask, Errand},
    identity, search,
    tasks::backfill::REQUEST as BACKFILL,
};

/// How often a deletion of an order that was never seen looks again.
const UNSEEN: u32 = 3;

/// How often the same is tried again at once, where the record changed meanwhile.
const ASKED: u32 = 3;

/// How often a store is asked for one order before the message is buried.
const FETCHES: u32 = 12;

/// Records one arrival. Returns the ERP account that has something to do now, if there is one.
///
/// An error means that nothing is on record: the message must be delivered again.
pub async fn arrival(puente: &Puente, arrival: &Arrival) -> Result<Option<ErpId>> {
    let Some(connection) = puente.settings.connection(&arrival.connection).await? else {
        // Accepted before the connection was removed from the configuration: the dead-letter queue keeps it.
        let reason = format!("there is no connection `{}` in the configuration any more", arrival.connection);
        puente.queue.bury(&Message::Arrival(arrival.clone()), &reason).await?;
        return Ok(None);
    };
    let recorder = Recorder { puente, connection: &connection, arrival, key: arrival.key() };
    let news = match &arrival.news {
        News::State { order } => Box::pin(recorder.state(order)).await?,
        News::Changed => recorder.changed().await?,
        News::Deleted => recorder.deleted().await?,
        News::Unmapped { flag, raw } => recorder.unmapped(flag, raw).await?,
        News::Replay => Box::pin(recorder.replay()).await?,
    };
    // Once it is on record, so that nothing comes before that.
    if arrival.tries == 0 && arrival.waits == 0 && !matches!(arrival.news, News::Replay) && arrival.request != BACKFILL
    {
        puente.signs.seen(recorder.party(), Fact::Received, arrival.received, None).await;
    }
    Ok(news.then(|| connection.erp.clone()))
}

struct Recorder<'a> {
    puente: &'a Puente,
    connection: &'a Connection,
    arrival: &'a Arrival,
    key: OrderKey,
}

/// What the store's answer was worth, and whether it was news.
enum Answer {
    Last(bool),
    AskAgain(bool),
}

impl Recorder<'_> {
    fn party(&self) -> Party {
        Party::Connection(self.connection.id.clone())
    }

    async fn state(&self, order: &Order) -> Result<bool> {
        let version = order.version();
        let payload = Payload::Order(serialise(order)?);
        match self.put(&version, &payload, search::summary(self.puente, order).await?).await? {
            (Standing::Tied, Some(head)) => Box::pin(self.tie(order, &version, head)).await,
            // Of a second in which the store was asked already: perhaps whoever asked died before asking again.
            (Standing::Duplicate, Some(head))
                if head.desired.tie > 0 && version.modified == head.newest && self.connection.store.can_fetch() =>
            {
                self.changed().await
            }
            (standing, _) => Ok(standing == Standing::Newer),
        }
    }

    /// Asks the store, now.
    async fn changed(&self) -> Result<bool> {
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
    async fn asked(&self, failed: Option<&Error>) {
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
    async fn announce(&self) -> Result<Option<Head>> {
        let summary = self.summary(Vec::new());
        // A head never names a payload that is not there.
        let nothing = Payload::Raw(bytes::Bytes::new());
        self.put(&Version::unread(), &nothing, summary).await.map(|(_, head)| head)
    }

    /// The order had stopped before its content was known, and somebody sent it again.
    async fn asked_again(&self) -> Result<Option<Head>> {
        let replay = Write::Replay { asked: self.arrival.received };
        match self.puente.records.write(&self.key, &replay, self.puente.clock.now()).await? {
            Written::Applied(head) => Ok(Some(head)),
            Written::Refused(head) => Ok(head),
        }
    }

    /// What the store answered, put on record, where the record is still as it was `before` the store was asked.
    async fn fetched(&self, order: &Order, before: Option<&Head>) -> Result<Answer> {
        let version = order.version();
        let payload = Payload::Order(serialise(order)?);
        match self.put(&version, &payload, search::summary(self.puente, order).await?).await? {
            (Standing::Tied, Some(head)) => {
                let unchanged = before.is_some_and(|before| before.desired == head.desired);
                // Meanwhile the forerunner's content may have come back, and passed for a duplicate of it: the store knows.
                Ok(Answer::AskAgain(unchanged && self.put_above(order, &head).await?))
            }
            (standing, _) => Ok(Answer::Last(standing == Standing::Newer)),
        }
    }

    /// Deleted in the store: its last known state, cancelled.
    async fn deleted(&self) -> Result<bool> {
        let head = self.puente.records.head(&self.key).await?;
        let head = match head {
            Some(head) if !head.desired.is_unread() => head,
            unread => {
                // Never seen. Perhaps its own state is still on the way: look again, before it is believed that nothing was there.
                if self.arrival.tries < UNSEEN {
                    let again = Arrival { tries: self.arrival.tries + 1, ..self.arrival.clone() };
                    self.again(again, Duration::from_mins(1)).await?;
                } else if let Some(head) = unread {
                    self.stop(&head, End::Ignored, Why::NoSuchOrder).await?;
                }
                self.puente.tell.of(&Event::DeletedUnseen { order: &self.key });
                return Ok(false);
            }
        };
        let Some(Payload::Order(bytes)) = self.puente.records.payload(&self.key, &head.desired).await? else {
            return self.unread("it was deleted in the store").await;
        };
        let mut order: Order = deserialise(&self.key, &bytes)?;
        if order.status == Status::Cancelled {
            self.tell(Happened::Duplicate, Some("deleted in the store; it was cancelled already"), None).await;
            return Ok(false);
        }
        order.status = Status::Cancelled;
        self.put_above(&order, &head).await
    }

    /// A body nobody could map. Where a readable state is on record and the store can be asked, its word counts; otherwise the
    /// body is kept raw, and stops there with the field named.
    async fn unmapped(&self, flag: &Flag, raw: &str) -> Result<bool> {
        // The store knows best what its order says.
        if flag.code == "shop" && self.connection.store.can_fetch() {
            return self.changed().await;
        }
        let head = self.puente.records.head(&self.key).await?;
        if let Some(head) = &head
            && self.connection.store.can_fetch()
            && matches!(self.puente.records.payload(&self.key, &head.desired).await?, Some(Payload::Order(_)))
        {
            return self.changed().await;
        }
        self.keep_raw(flag, raw, head.as_ref()).await
    }

    /// The store answered with what cannot be mapped. A body that is kept already says more than our own words about it.
    async fn unreadable(&self, flag: &Flag, head: Option<&Head>) -> Result<bool> {
        if let Some(head) = head
            && let Some(Payload::Raw(raw)) = self.puente.records.payload(&self.key, &head.desired).await?
            && !raw.is_empty()
        {
            self.tell(Happened::Flagged, Some(&flag.to_string()), None).await;
            return Ok(false);
        }
        self.keep_raw(flag, "", head).await
    }

    /// Puts an unreadable body above the state that was read; a readable state that was recorded since is never overwritten with it.
    async fn keep_raw(&self, flag: &Flag, raw: &str, head: Option<&Head>) -> Result<bool> {
        let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, raw)
            .map_err(|e| Error::new(Kind::Unreadable, "the raw body in the message is not base64").caused_by(e))?;
        let content = ContentHash::of(|sha| sha2::Digest::update(sha, &raw));
        // It has no time of its own that could be trusted. Whatever the store says later, or is asked for, is newer.
        let (modified, tie) = match head {
            Some(head) if head.desired.content == content => (head.desired.modified, head.desired.tie),
            Some(head) => (head.newest, head.desired.tie.saturating_add(1)),
            None => (Timestamp::UNIX_EPOCH, 0),
        };
        let version = Version { modified, tie, content };
        let summary = self.summary(vec![flag.to_string()]);
        let arrived = head.and_then(|head| head.arrived).max(Some(self.arrived())).unwrap_or(Timestamp::MIN);
        let (standing, _) = self.put_at(&version, &Payload::Raw(raw.into()), summary, arrived, arrived).await?;
        self.above(standing)
    }

    /// The summary of an order that could not be read.
    fn summary(&self, flags: Vec<String>) -> Summary {
        Summary { number: self.arrival.order.to_string(), total: None, currency: None, life: 0, buyer: None, flags }
    }

    /// Something happened to an order that cannot be read: noted on its record, or a record of its own.
    async fn unread(&self, detail: &str) -> Result<bool> {
        if let Some(head) = self.puente.records.head(&self.key).await? {
            self.tell(Happened::Flagged, Some(detail), None).await;
            if head.desired.is_unread() {
                self.stop(&head, End::Parked, Why::Unreadable { words: detail.to_owned() }).await?;
            }
            return Ok(false);
        }
        self.keep_raw(&Flag { code: "unread".into(), detail: detail.to_owned() }, "", None).await
    }

    async fn replay(&self) -> Result<bool> {
        let head = self.puente.records.head(&self.key).await?;
        if let Some(head) = head.filter(|head| head.intent.is_none())
            && let Some(Payload::Raw(raw)) = self.puente.records.payload(&self.key, &head.desired).await?
        {
            // Only the store, or a configuration that was mended since, can say more than is on record.
            self.tell(Happened::Replayed, self.replayed_by().as_deref(), None).await;
            return if self.connection.store.can_fetch() {
                self.changed().await
            } else {
                self.read_again(&head, raw).await
            };
        }
        let now = self.puente.clock.now();
        let replay = Write::Replay { asked: self.arrival.received };
        let written = self.puente.records.write(&self.key, &replay, now).await?;
        match written {
            Written::Applied(_) => {
                self.tell(Happened::Replayed, self.replayed_by().as_deref(), None).await;
            }
            Written::Refused(Some(_)) => {
                let by = self.arrival.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                let detail = format!(
                    "asked for{by} before the order was handed to a person: look in the ERP, then replay it again"
                );
                self.tell(Happened::ReplayPassedOver, Some(&detail), None).await;
            }
            Written::Refused(None) => {}
        }
        Ok(written.applied())
    }

    fn replayed_by(&self) -> Option<String> {
        self.arrival.by.as_ref().map(|by| format!("replayed by {by}"))
    }

    /// Reads a body that was kept raw once more: what was wrong may have been the configuration.
    async fn read_again(&self, head: &Head, raw: bytes::Bytes) -> Result<bool> {
        let webhook = VerifiedWebhook::kept(raw, self.arrival.received);
        match self.connection.store.read(&webhook) {
            Reading::Order(order) if order.id == self.arrival.order => self.put_above(&order, head).await,
            _ => {
                let replay = Write::Replay { asked: self.arrival.received };
                self.puente
                    .records
                    .write(&self.key, &replay, self.puente.clock.now())
                    .await
                    .map(|written| written.applied())
            }
        }
    }

    /// The order stops at the state it was planned from.
    async fn stop(&self, head: &Head, end: End, why: Why) -> Result<()> {
        let reason = Reason::from(why);
        let write = Write::Rest {
            desired: head.desired.clone(),
            steps: head.steps,
            attempts: head.attempts,
            rest: Rest::Stop { end, reason: reason.clone() },
        };
        // Refused: somebody put another state on record meanwhile, and that one is not what this is about.
        if self.puente.records.write(&self.key, &write, self.puente.clock.now()).await?.applied() {
            self.puente.tell(OrderEvent { reason: Some(&reason), ..OrderEvent::new(&self.key, end.into()) }).await;
        }
        Ok(())
    }

    /// The store cannot be asked now: the same message, later. It is a new message, so that waiting burns no receive count.
    async fn put_off(&self, error: Error) -> Result<bool> {
        let unread = self.puente.records.head(&self.key).await?.filter(|head| head.desired.is_unread());
        // A limit, ours or the store's, is nobody's failure: whatever it takes, the order is asked for in the end.
        let limited = error.kind() == Kind::Limited;
        let (tries, waits) = if limited {
            (self.arrival.tries, self.arrival.waits.saturating_add(1))
        } else {
            (self.arrival.tries + 1, 0)
        };
        if tries >= FETCHES || error.retryable() == crate::Retry::Never {
            let reason = format!("the store could not be asked for order {}: {error}", self.key);
            // Redriven, it is asked as often again.
            let letter = Arrival { tries: 0, waits: 0, ..self.arrival.clone() };
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
            crate::Retry::After(delay) if limited => delay.max(backoff()),
            crate::Retry::After(delay) => delay,
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
    async fn still_asked(&self, head: &Head, reason: Reason) -> Result<()> {
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
    async fn again(&self, arrival: Arrival, delay: Duration) -> Result<()> {
        let sent = self.puente.queue.send(&[Message::Arrival(arrival)], delay).await?;
        sent.into_iter().collect()
    }

    /// One above the state on record, which has the same modification time.
    async fn put_above(&self, order: &Order, head: &Head) -> Result<bool> {
        let version = Version {
            modified: head.newest.max(order.updated_at.at()),
            tie: head.desired.tie.saturating_add(1),
            content: order.version().content,
        };
        let payload = Payload::Order(serialise(order)?);
        let arrived = self.arrived().max(head.arrived.unwrap_or(Timestamp::MIN));
        let summary = search::summary(self.puente, order).await?;
        let (standing, _) = self.put_at(&version, &payload, summary, arrived, arrived).await?;
        self.above(standing)
    }

    /// If the head has moved meanwhile this fails: delivered again, the message is compared with the head as it is then.
    fn above(&self, standing: Standing) -> Result<bool> {
        match standing {
            Standing::Newer => Ok(true),
            Standing::Duplicate => Ok(false),
            Standing::Superseded | Standing::Tied => Err(busy(&self.key)),
        }
    }

    /// Keeps the payload, then makes it `desired` if it is newer. Returns how it stood, and the head it stood against.
    async fn put(&self, version: &Version, payload: &Payload, summary: Summary) -> Result<(Standing, Option<Head>)> {
        self.put_at(version, payload, summary, self.arrived(), self.arrived()).await
    }

    /// The same, of what counts as arrived at that time, and goes above a state of the same time if that arrived by `over`.
    async fn put_at(
        &self,
        version: &Version,
        payload: &Payload,
        summary: Summary,
        arrived: Timestamp,
        over: Timestamp,
    ) -> Result<(Standing, Option<Head>)> {
        let records = &self.puente.records;
        records.keep(&self.key, version, payload).await?;
        let record = Write::Record { version: version.clone(), summary, arrived, over };
        for _ in 0..ASKED {
            let head = match records.write(&self.key, &record, self.puente.clock.now()).await? {
                Written::Applied(head) => {
                    if version.is_unread() {
                        self.tell(
                            Happened::Announced,
                            Some("only its id came: the store is asked for its content"),
                            None,
                        )
                        .await;
                    } else {
                        self.tell(Happened::Accepted, head.summary.flags.first().map(String::as_str), Some(version))
                            .await;
                    }
                    return Ok((Standing::Newer, Some(head)));
                }
                Written::Refused(Some(head)) => head,
                Written::Refused(None) => break,
            };
            let standing = compare(&head.desired, head.newest, version);
            match standing {
                Standing::Duplicate if version.modified > head.newest || self.is_again(version, &head) => {
                    let touch = Write::Touch { desired: head.desired.clone(), newest: version.modified, arrived };
                    let touched = records.write(&self.key, &touch, self.puente.clock.now()).await?;
                    // Another state came in between: this one is no duplicate any more.
                    if matches!(&touched, Written::Refused(Some(now)) if now.desired != head.desired) {
                        continue;
                    }
                    let later = (version.modified > head.newest).then_some("the same content, a later time");
                    self.tell(Happened::Duplicate, later, Some(version)).await;
                }
                Standing::Duplicate => self.tell(Happened::Duplicate, None, Some(version)).await,
                Standing::Superseded => self.tell(Happened::Superseded, None, Some(version)).await,
                Standing::Tied => {}
                // The state it was to go above arrived again since.
                Standing::Newer if version.modified == head.newest => return Ok((Standing::Tied, Some(head))),
                // The adapter refused what its own answer says is newer: somebody wrote in between.
                Standing::Newer => continue,
            }
            return Ok((standing, Some(head)));
        }
        Err(busy(&self.key))
    }

    /// Tells what happened to the order.
    async fn tell(&self, what: Happened, detail: Option<&str>, version: Option<&Version>) {
        self.puente.tell(OrderEvent { detail, version, ..OrderEvent::new(&self.key, what) }).await;
    }
}

/// Why an order whose body was kept raw stops, and what to do.
pub(super) fn why_raw(head: &Head) -> String {
    let flag = head.summary.flags.first().map_or("it could not be read", String::as_str);
    // These say themselves what to do, and it is not in the store.
    if ["shop: ", "unread: "].iter().any(|code| flag.starts_with(code)) {
        return flag.to_owned();
    }
    format!("{flag}. Its body is kept raw: fix it in the store, which sends it again")
}

fn busy(key: &OrderKey) -> Error {
    Error::new(Kind::Unavailable, format!("order {key}: its record changed while it was written; it is tried again"))
}

fn serialise(order: &Order) -> Result<bytes::Bytes> {
    let bytes = serde_json::to_vec(order)
        .map_err(|e| Error::new(Kind::Bug, format!("order {} cannot be serialised", order.id)).caused_by(e))?;
    Ok(bytes.into())
}

/// Reads a kept order.
pub(crate) fn deserialise(key: &OrderKey, bytes: &[u8]) -> Result<Order> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Kind::Unreadable, format!("order {key}: its kept payload cannot be read")).caused_by(e))
}
