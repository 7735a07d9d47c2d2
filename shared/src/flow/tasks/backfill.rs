//! Asks the stores what changed, and records what no webhook brought: refused by the front door, lost by the store, sent while
//! we were down. `WooCommerce` never retries, so that for it this is not a safety net but the second half of the delivery.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Error, Kind, Result, Retry,
    domain::{
        event::Event,
        ids::{ConnectionId, OrderId, OrderKey},
        message::{Arrival, BackfillRequest, Message, News},
        order::Flag,
        record::Head,
        sign::{Fact, Party},
        task::Period,
        version::{ContentHash, Standing, compare},
    },
    flow::{
        Puente,
        ask::{Ask, Errand},
        goods, identity, is_of_one_record,
        task::{Report, Task, counted},
    },
    parties::Connection,
    store::Changed,
};

/// What its messages have as their request.
pub(in crate::flow) const REQUEST: &str = "backfill";

/// How far behind its last position a backfill begins: a store's list may lag, and clocks differ.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// How far back the first one looks.
const FIRST: SignedDuration = SignedDuration::from_hours(24);

/// The most pages of one store in one run; the rest follows in the next.
const PAGES: u32 = 40;

/// How long a store that asks to be asked less, without saying when, is left alone by a backfill that somebody wants.
const LIMITED: Duration = Duration::from_mins(1);

/// The longest that such a backfill waits before it looks again: what the queue can hold a message back for.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// From where the last one ended.
pub static RECENT: Backfill = Backfill {
    name: "backfill",
    about: "asks the stores what changed since the last time, and enqueues what no webhook brought",
    period: Period::Every(SignedDuration::from_mins(15)),
    reach: None,
};

/// Wider, once a night: what a store's list showed late.
pub static NIGHTLY: Backfill = Backfill {
    name: "nightly-backfill",
    about: "the same, for everything that changed within three days",
    period: Period::Daily { hour: 3, minute: 17 },
    reach: Some(SignedDuration::from_hours(72)),
};

/// A backfill of all connections, as a task.
pub struct Backfill {
    name: &'static str,
    about: &'static str,
    period: Period,
    /// How far back it asks; from where the last one ended, if nothing is said.
    reach: Option<SignedDuration>,
}

impl Backfill {
    /// One that somebody wants now, of everything that changed within `reach`.
    #[must_use]
    pub fn within(reach: SignedDuration) -> Self {
        Self { reach: Some(reach), ..RECENT }
    }
}

#[async_trait]
impl Task for Backfill {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn period(&self) -> Period {
        self.period
    }

    async fn run(&self, puente: &Puente, deadline: Timestamp) -> Result<Report> {
        let since = self.reach.map(|reach| puente.clock.now() - reach);
        let done = backfill(puente, since, deadline).await?;
        let mut stopped = 0;
        for one in &done {
            if let Some(why) = &one.stopped {
                stopped += 1;
                puente.tell.of(&Event::BackfillStopped { connection: &one.connection, why });
            }
        }
        let (listed, enqueued) =
            (done.iter().map(|one| u64::from(one.listed)).sum(), done.iter().map(|one| u64::from(one.enqueued)).sum());
        let shops = done.len() as u64;
        Ok(Report {
            did: format!(
                "asked {}, which listed {}; {enqueued} of them were new to us",
                counted(shops, "store"),
                counted(listed, "order")
            ),
            figures: vec![("connections", shops), ("listed", listed), ("enqueued", enqueued), ("stopped", stopped)],
            failed: (stopped > 0).then(|| {
                format!(
                    "{stopped} of {} could not be listed to the end; `puente connections` and the log say which and why",
                    counted(shops, "store")
                )
            }),
        })
    }
}

/// What a backfill did for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfilled {
    /// Whose orders.
    pub connection: ConnectionId,
    /// Orders the store listed.
    pub listed: u32,
    /// Of these, enqueued: not on record as they were listed.
    pub enqueued: u32,
    /// Why it stopped early, if it did.
    pub stopped: Option<String>,
    /// Where it goes on, if there is more.
    pub rest: Option<Timestamp>,
    /// How long the store is not to be asked by then.
    pub wait: Duration,
}

impl Backfilled {
    /// Nothing yet, of this connection.
    fn begun(connection: ConnectionId) -> Self {
        Self { connection, listed: 0, enqueued: 0, stopped: None, rest: None, wait: Duration::ZERO }
    }

    /// Nothing, for this reason.
    #[must_use]
    pub fn not(connection: ConnectionId, why: impl Into<String>) -> Self {
        Self { stopped: Some(why.into()), ..Self::begun(connection) }
    }
}

/// Backfills every connection whose store can be asked, from its own position, or from `since` for all. No store is asked anything more
/// after `deadline`.
pub async fn backfill(puente: &Puente, since: Option<Timestamp>, deadline: Timestamp) -> Result<Vec<Backfilled>> {
    let mut report = Vec::new();
    for id in puente.settings.connections() {
        if puente.clock.now() >= deadline {
            report.push(Backfilled { rest: since, ..Backfilled::not(id, "the time was over before its turn") });
            continue;
        }
        let done = one(puente, &id, since, deadline).await;
        match done {
            Ok(Some(done)) => report.push(done),
            Ok(None) => {}
            // One shop's failure does not keep the others waiting.
            Err(error) => {
                failed(puente, &id, &error).await;
                report.push(Backfilled::not(id, error.to_string()));
            }
        }
    }
    Ok(report)
}

/// Backfills one connection; `None` if its store cannot be asked. The store is asked nothing more after `deadline`.
pub async fn one(
    puente: &Puente,
    id: &ConnectionId,
    since: Option<Timestamp>,
    deadline: Timestamp,
) -> Result<Option<Backfilled>> {
    let Some(connection) = puente.settings.connection(id).await? else {
        return Err(Error::new(Kind::NotFound, format!("there is no connection `{id}` in the configuration")));
    };
    if !connection.store.can_fetch() {
        return Ok(None);
    }
    if let Err(error) = identity::learn(puente, &connection).await {
        puente.tell.of(&Event::ShopUnknown { connection: id, error: &error });
    }
    let cursor = format!("backfill/{id}");
    let begun = puente.clock.now();
    let from = match since {
        Some(since) => since,
        None => match puente.cursors.cursor(&cursor).await?.and_then(|text| text.parse::<Timestamp>().ok()) {
            Some(position) => position - OVERLAP,
            None => begun - FIRST,
        },
    };
    let mut done = Backfilled::begun(id.clone());
    let ask = Ask::new(puente, &connection, Errand::List);
    let mut page = None;
    // The position reached: everything modified before it is on record or in the queue.
    let mut reached = from;
    for _ in 0..PAGES {
        if puente.clock.now() >= deadline {
            done.stopped = Some("its time was over; the next run goes on".to_owned());
            done.rest = Some(reached);
            break;
        }
        let changes = match connection.store.changed_since(&ask.calls(), from, page.as_deref()).await {
            Ok(changes) => changes,
            Err(error) => {
                failed(puente, id, &error).await;
                done.stopped = Some(error.to_string());
                if error.kind() == Kind::Limited {
                    // It is nobody's failure: what was listed so far stands, and the rest is asked for when the limit allows.
                    done.rest = Some(reached);
                    done.wait = match error.retryable() {
                        Retry::After(wait) => wait.max(Duration::from_secs(1)),
                        Retry::Backoff | Retry::Never => LIMITED,
                    };
                }
                break;
            }
        };
        puente.signs.seen(Party::Connection(id.clone()), Fact::Fetched, puente.clock.now(), None).await;
        done.listed +=
            u32::try_from(changes.orders.len() + changes.ids.len() + changes.unmapped.len()).unwrap_or(u32::MAX);
        let last = changes.orders.last().map(|order| order.updated_at.at());
        let last = changes.reached.or(last.max(changes.ids.last().map(|changed| changed.modified)));
        let mut messages = Vec::new();
        for order in changes.orders {
            messages.extend(news(puente, &connection, order, begun).await?);
        }
        for message in &messages {
            if let Message::Arrival(Arrival { news: News::State { order }, .. }) = message {
                // What the store sold is known from here on, whenever its turn comes.
                goods::commit::order(puente, &connection, order, &order.version()).await?;
            }
        }
        for changed in changes.ids {
            messages.extend(pointed(puente, &connection, changed, begun).await?);
        }
        for (order, flag) in changes.unmapped {
            messages.push(unmapped(&connection, order, flag, begun)?);
        }
        done.enqueued += u32::try_from(messages.len()).unwrap_or(u32::MAX);
        enqueue(puente, &connection, &messages).await?;
        reached = last.map_or(reached, |last| reached.max(last));
        page = changes.next;
        if page.is_none() {
            reached = reached.max(begun);
            break;
        }
    }
    if page.is_some() && done.stopped.is_none() {
        done.stopped = Some("more than one run lists at once; the next goes on".to_owned());
        done.rest = Some(reached);
    }
    if page.is_some() && reached - OVERLAP <= from {
        // More than a run's pages within the overlap: else the same pages would be listed for ever.
        reached += OVERLAP;
    }
    // Where nothing was listed the position stays: written back by the overlap each time, a store that is blocked for a day would be
    // listed from long ago.
    if since.is_none() && reached > from {
        puente.cursors.set_cursor(&cursor, &reached.to_string()).await?;
    }
    puente.tell.of(&Event::Backfilled { connection: id, listed: done.listed, enqueued: done.enqueued });
    Ok(Some(done))
}

/// Backfills one connection because somebody asked, until `deadline`; what is left then is asked for in a new message. An error means
/// that the message must be delivered again.
pub(in crate::flow) async fn asked(puente: &Puente, ask: &BackfillRequest, deadline: Timestamp) -> Result<()> {
    let id = &ask.connection;
    let (rest, wait) = match one(puente, id, Some(ask.since), deadline).await {
        Ok(Some(Backfilled { rest: Some(rest), wait, .. })) => (rest, wait),
        // The store failed: said in the connection's signs of life, and asked again when the message comes back.
        Ok(Some(Backfilled { stopped: Some(why), .. })) => return Err(Error::new(Kind::Unavailable, why)),
        Ok(Some(_)) => return Ok(()),
        Ok(None) => {
            let words = "the connection has no store credentials to ask with: set them in puente.toml";
            failed(puente, id, &Error::new(Kind::Refused, words)).await;
            return Ok(());
        }
        Err(error) => {
            failed(puente, id, &error).await;
            return Err(error);
        }
    };
    // Pages of one moment would be listed for ever; where a limit ended it, they were not listed yet.
    let since = if rest > ask.since || !wait.is_zero() { rest } else { rest + SignedDuration::from_micros(1) };
    let again = Message::Backfill(BackfillRequest { since, ..ask.clone() });
    let sent = puente.queue.send(&[again], wait.min(LONGEST_WAIT)).await?;
    sent.into_iter().collect()
}

/// Into the queue. An order that is too large for it is passed over, and named: it would stop the shop here for ever.
async fn enqueue(puente: &Puente, connection: &Connection, messages: &[Message]) -> Result<()> {
    let mut named = Vec::new();
    for (message, sent) in messages.iter().zip(puente.queue.send(messages, Duration::ZERO).await?) {
        match (message, sent) {
            (Message::Arrival(arrival), Err(error)) if error.kind() == Kind::TooLarge => {
                puente.tell.of(&Event::BackfillPassedOver { order: &arrival.key(), error: &error });
                let flag = Flag { code: "too_large".to_owned(), detail: format!("the order cannot be taken: {error}") };
                named.push(unmapped(connection, Some(arrival.order.clone()), flag, arrival.received)?);
            }
            (_, sent) => sent?,
        }
    }
    if !named.is_empty() {
        for sent in puente.queue.send(&named, Duration::ZERO).await? {
            sent?;
        }
    }
    Ok(())
}

/// Logs the failure and keeps it for `puente connections`: nobody watches a backfill that runs by itself.
async fn failed(puente: &Puente, id: &ConnectionId, error: &Error) {
    puente.tell.of(&Event::BackfillFailed { connection: Some(id), error });
    let words = format!("backfill: {error}");
    puente.signs.seen(Party::Connection(id.clone()), Fact::Failed, puente.clock.now(), Some(words)).await;
}

/// A message for an order, unless it is on record as it was listed, or as it was later.
async fn news(
    puente: &Puente,
    connection: &Arc<Connection>,
    order: crate::domain::order::Order,
    now: Timestamp,
) -> Result<Option<Message>> {
    let arrival = Arrival::new(
        OrderKey::new(connection.id.clone(), order.id.clone()),
        now,
        REQUEST,
        News::State { order: Arc::new(order) },
    );
    let News::State { order } = &arrival.news else { return Ok(None) };
    let Some(head) = head(puente, &arrival).await? else { return Ok(None) };
    let known = head.is_some_and(|head| {
        let version = order.version();
        match compare(&head.desired, head.newest, &version) {
            Standing::Superseded => true,
            // Seen later than on record, it is newer than what may still be on its way from in between.
            Standing::Duplicate => version.modified <= head.newest,
            Standing::Newer | Standing::Tied => false,
        }
    });
    Ok((!known).then_some(Message::Arrival(arrival)))
}

/// A message that has the store asked for an order, as a webhook without a body would; unless a later state is on record. Asked
/// again for the same time: within one unit of the store's clock an order may change twice.
async fn pointed(
    puente: &Puente,
    connection: &Connection,
    changed: Changed,
    now: Timestamp,
) -> Result<Option<Message>> {
    let arrival = Arrival::new(OrderKey::new(connection.id.clone(), changed.order), now, REQUEST, News::Changed);
    let Some(head) = head(puente, &arrival).await? else { return Ok(None) };
    let known = head.is_some_and(|head| !head.desired.is_unread() && head.newest > changed.modified);
    Ok((!known).then_some(Message::Arrival(arrival)))
}

/// What is on record of an arrival's order; `None` where that cannot be read, which is told.
async fn head(puente: &Puente, arrival: &Arrival) -> Result<Option<Option<Head>>> {
    match puente.records.head(&arrival.key()).await {
        Err(error) if is_of_one_record(&error) => {
            puente.tell.of(&Event::RecordUnreadable { error: &error });
            Ok(None)
        }
        head => head.map(Some),
    }
}

fn unmapped(connection: &Connection, order: Option<OrderId>, flag: Flag, now: Timestamp) -> Result<Message> {
    let order = if let Some(order) = order {
        order
    } else {
        let hash = ContentHash::of(&flag.detail);
        format!("unreadable-{hash}").parse()?
    };
    Ok(Message::Arrival(Arrival::new(
        OrderKey::new(connection.id.clone(), order),
        now,
        REQUEST,
        News::Unmapped { flag, raw: String::new() },
    )))
}
