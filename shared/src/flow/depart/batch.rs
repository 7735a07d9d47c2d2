//! One departure's orders: plan each, resolve what is in doubt, then create in bulk and write down what came of it.
//!
//! Every ERP write is a step whose intent is on record before its first byte. A time-out needs no write: the intent and its
//! `due` already stand, and whoever conducts after `settle_at` looks the step's reference up before it sends again.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    AT_A_TIME, FLOOR, backoff, block_for,
    meter::{End as Ended, Slots},
    plan::{Plan, plan},
    stop_for,
};
use crate::{
    Error, Kind, Result, Retry,
    config::{Account, Connection},
    domain::{
        ids::{AttemptId, OrderKey},
        message::{Arrival, Message, News},
        order::Order,
        record::{Document, End, Entry, Head, Intent, Operation, Rest, Step, Write, Written},
        version::Version,
    },
    erp::{Bulk, Class, Draft, Found, Ids, Sale, Setback},
    flow::{Puente, record},
    outbound::Metered,
    ports::Payload,
};

/// How a batch ended.
pub(super) enum Outcome {
    /// Look for more.
    Done,
    /// The account may not be called before then.
    Closed(Timestamp),
    /// The invocation's time is nearly over.
    TimeShort,
    /// Another has the lease.
    Lost,
}

pub(super) struct Batch<'a> {
    pub(super) puente: &'a Puente,
    pub(super) account: &'a Arc<Account>,
    pub(super) epoch: u64,
    pub(super) slots: &'a Arc<Slots>,
}

/// A sale on its way, with the attempt that its record knows.
struct Ready {
    sale: Sale,
    head: Head,
    /// The attempt on record; a fresh step has none before its intent is written.
    attempt: Option<AttemptId>,
}

/// A rendered one.
struct Rendered {
    ready: Ready,
    draft: Draft,
}

impl Batch<'_> {
    /// Takes these heads as far as they go. `strikes`: how often the account failed in a row before.
    pub(super) async fn run(&self, heads: Vec<Head>, strikes: u32) -> Result<Outcome> {
        let metered = Metered::new(self.puente.client.clone(), self.slots.clone());
        let mut run = Run { batch: self, metered, strikes, succeeded: false, closed: None };
        let (doubtful, fresh): (Vec<Head>, Vec<Head>) = heads.into_iter().partition(|head| head.intent.is_some());
        run.resolve(doubtful).await?;
        run.begin(fresh).await?;
        if run.succeeded && strikes > 0 && run.closed.is_none() {
            self.puente.accounts.unblock(&self.account.id).await?;
        }
        match self.slots.end().await {
            Some(Ended::Denied(denied)) => return Ok(stop_for(denied)),
            Some(Ended::Lease) => return Ok(Outcome::Lost),
            Some(Ended::Time) => return Ok(Outcome::TimeShort),
            None => {}
        }
        if let Some(until) = run.closed {
            return Ok(Outcome::Closed(until));
        }
        if !self.slots.time_left(self.account.erp.manners().timeout) {
            return Ok(Outcome::TimeShort);
        }
        Ok(Outcome::Done)
    }

    fn now(&self) -> Timestamp {
        self.puente.clock.now()
    }

    async fn write(&self, key: &OrderKey, write: Write) -> Result<Written> {
        self.puente.records.write(key, &write, self.now()).await
    }

    /// Lines of the timelines: for people, so that one lost does not undo what it tells.
    async fn note(&self, key: &OrderKey, event: &str, detail: Option<String>, attempt: Option<&AttemptId>) {
        tracing::info!(event = %format_args!("order.{event}"), order = %key, detail = detail.as_deref());
        let entry = Entry { at: self.now(), event: event.to_owned(), detail, version: None, attempt: attempt.cloned() };
        if let Err(error) = self.puente.records.note(&[(key.clone(), entry)]).await {
            tracing::warn!(event = "timeline.lost", order = %key, %error);
        }
    }

    fn intent(&self, sale: &Sale, unknown: bool) -> Intent {
        let manners = self.account.erp.manners();
        let timeout = SignedDuration::try_from(manners.timeout).unwrap_or(LONGEST_START);
        let settle = SignedDuration::try_from(manners.settle).unwrap_or(LONGEST_START);
        // Every call of the step has to start in this time: a bulk takes several.
        let start_by = self.now() + (timeout * 2).clamp(SignedDuration::from_secs(1), LONGEST_START);
        Intent {
            step: Step { operation: Operation::Create, reference: sale.reference.clone() },
            planned: sale.version.clone(),
            attempt: AttemptId::new(self.puente.chance.token()),
            epoch: self.epoch,
            start_by,
            settle_at: start_by + settle,
            unknown,
            refused: false,
        }
    }

    async fn connection(&self, key: &OrderKey) -> Result<Arc<Connection>> {
        self.puente
            .settings
            .connection(&key.connection)
            .await?
            .ok_or_else(|| Error::new(Kind::NotFound, format!("there is no connection `{}` any more", key.connection)))
    }

    async fn order(&self, key: &OrderKey, version: &Version) -> Result<Option<Order>> {
        match self.puente.records.payload(key, version).await? {
            Some(Payload::Order(bytes)) => record::deserialise(key, &bytes).map(Some),
            Some(Payload::Raw(_)) | None => Ok(None),
        }
    }

    /// Plans one order. `Ok(None)`: its record was written, nothing more to do now.
    async fn plan(&self, head: &Head) -> Result<Option<Ready>> {
        let connection = self.connection(&head.key).await?;
        let stop = |end, reason: String| Plan::Rest(Rest::Stop { end, reason });
        let plan = if head.attempts >= self.account.max_attempts {
            let reason = format!(
                "gave up after {} attempts; the last: {}",
                head.attempts,
                head.reason.as_deref().unwrap_or("its outcome was never known")
            );
            self.bury(&head.key, &reason).await?;
            stop(End::Dead, reason)
        } else {
            match self.order(&head.key, &head.desired).await {
                Ok(Some(order)) => {
                    let applied = match &head.applied {
                        Some(applied) => self.order(&head.key, applied).await?,
                        None => None,
                    };
                    // A panic in one order's own work parks that order and costs its batchmates nothing.
                    std::panic::catch_unwind(AssertUnwindSafe(|| {
                        plan(head, order, applied.as_ref(), &connection.orders)
                    }))
                    .unwrap_or_else(|_| {
                        stop(End::Parked, "planning it failed in our own code: please report it, then replay it".into())
                    })
                }
                Ok(None) => {
                    let why = head.summary.flags.first().map_or("it could not be read", String::as_str);
                    stop(
                        End::Parked,
                        format!("{why}. Its body is kept raw: mend it in the store, which sends it again"),
                    )
                }
                Err(error) if error.kind() == Kind::Unreadable => stop(End::Parked, error.to_string()),
                Err(error) => return Err(error),
            }
        };
        match plan {
            Plan::Create(order) => Ok(Some(Ready {
                sale: Sale {
                    key: head.key.clone(),
                    reference: head.key.sale(),
                    version: head.desired.clone(),
                    order,
                    rules: Arc::new(connection.orders.clone()),
                },
                head: head.clone(),
                attempt: None,
            })),
            Plan::Rest(rest) => {
                let (event, detail) = match &rest {
                    Rest::Synced => ("synced", Some("nothing to send: the sale stays as it is".to_owned())),
                    Rest::Stop { end, reason } => (end_name(*end), Some(reason.clone())),
                };
                let write = Write::Rest { desired: head.desired.clone(), applied: head.applied.clone(), rest };
                if self.write(&head.key, write).await?.applied() {
                    self.note(&head.key, event, detail, None).await;
                }
                Ok(None)
            }
        }
    }

    /// Into the dead-letter queue first: a crash in between leaves a message too many there, never one too few, and a
    /// redrive is a replay.
    async fn bury(&self, key: &OrderKey, reason: &str) -> Result<()> {
        let arrival = Arrival {
            connection: key.connection.clone(),
            order: key.order.clone(),
            received: self.now(),
            request: String::new(),
            tries: 0,
            news: News::Replay,
        };
        self.puente.queue.bury(&Message::Arrival(arrival), reason).await
    }
}

/// The longest a step's calls may wait for their start.
const LONGEST_START: SignedDuration = SignedDuration::from_secs(60);

/// So many single orders refused alike, and none accepted, mean that no order is to blame.
const ALIKE: usize = 3;

fn end_name(end: End) -> &'static str {
    match end {
        End::Parked => "parked",
        End::Dead => "dead",
        End::Ignored => "ignored",
    }
}

struct Run<'a> {
    batch: &'a Batch<'a>,
    metered: Metered,
    strikes: u32,
    succeeded: bool,
    closed: Option<Timestamp>,
}

impl Run<'_> {
    /// The account fails: it is blocked for everybody for a while, and the batch ends.
    async fn close(&mut self, error: &Error) -> Result<()> {
        // Held back by us (no slot, no lease, no time): that says nothing about the ERP.
        if self.closed.is_some() || self.batch.slots.held_back().await {
            return Ok(());
        }
        let step = match error.retryable() {
            Retry::After(wait) => SignedDuration::try_from(wait).unwrap_or(LONGEST_START).max(FLOOR),
            _ => block_for(self.batch.puente, self.strikes),
        };
        let until = self.batch.now() + step;
        self.batch.puente.accounts.block(&self.batch.account.id, until, &error.to_string()).await?;
        tracing::warn!(event = "account.blocked", erp = %self.batch.account.id, %until, %error);
        self.closed = Some(until);
        Ok(())
    }

    /// Whether the batch should make no more calls.
    async fn over(&self) -> bool {
        self.closed.is_some()
            || self.batch.slots.end().await.is_some()
            || !self.batch.slots.time_left(self.batch.account.erp.manners().timeout)
    }

    /// Looks up the steps of unknown outcome: adopts what is there, sends the same content again where nothing is.
    async fn resolve(&mut self, heads: Vec<Head>) -> Result<()> {
        if self.batch.account.erp.manners().create == Class::Nothing {
            return self.hand_over(heads).await;
        }
        let mut again = Vec::new();
        for chunk in heads.chunks(100) {
            let references: Vec<_> =
                chunk.iter().filter_map(|head| head.intent.as_ref().map(|i| i.step.reference.clone())).collect();
            let found = match self.batch.account.erp.look_up(&self.metered, &references).await {
                Ok(found) => found,
                // Their intents stand and they are still due: the account is left alone for a while instead.
                Err(failure) => return self.close(failure.error()).await,
            };
            self.succeeded = true;
            let mut unfinished = Vec::new();
            for (head, found) in chunk.iter().zip(found) {
                match found {
                    None => again.extend(self.resend(head).await?),
                    Some(found) if found.finished => self.adopt(head, &found).await?,
                    Some(found) => unfinished.push((head, found)),
                }
            }
            self.finish(unfinished).await?;
        }
        // One poison order that makes the ERP fail on the whole bulk must not drag its batchmates to the end of their
        // attempts: each further attempt travels in a smaller company.
        let attempts = again.iter().map(|one| one.head.attempts).max().unwrap_or(0);
        let company = again.len() >> attempts.saturating_sub(1).min(16);
        self.send(again, company.max(1)).await
    }

    /// An ERP that can neither refuse a second document nor be asked: at most once, the rest is a person's.
    async fn hand_over(&mut self, heads: Vec<Head>) -> Result<()> {
        for head in heads {
            let Some(intent) = &head.intent else { continue };
            let reason = format!(
                "the ERP never answered and cannot be asked by reference: look for {} there. If it is missing, replay the order",
                intent.step.reference
            );
            self.park(&head.key, intent.attempt.clone(), End::Parked, reason).await?;
        }
        Ok(())
    }

    /// The ERP holds the step's document: the record says so, with the version the document carries.
    async fn adopt(&mut self, head: &Head, found: &Found) -> Result<()> {
        let Some(attempt) = head.intent.as_ref().map(|i| i.attempt.clone()) else { return Ok(()) };
        let Some(applied) = found.version.clone() else {
            let name = found.document.number.as_ref().unwrap_or(&found.document.id);
            let reason = format!(
                "sale {name} in the ERP has this order's reference but not our version: compare the two by hand"
            );
            return self.park(&head.key, attempt, End::Parked, reason).await;
        };
        self.complete(&head.key, attempt, applied, found.document.clone(), "adopted").await
    }

    /// Found, but not in the configured state yet.
    async fn finish(&mut self, unfinished: Vec<(&Head, Found)>) -> Result<()> {
        if unfinished.is_empty() {
            return Ok(());
        }
        let documents: Vec<Document> = unfinished.iter().map(|(_, found)| found.document.clone()).collect();
        let outcomes = self.batch.account.erp.finish(&self.metered, &documents).await;
        for ((head, mut found), outcome) in unfinished.into_iter().zip(outcomes) {
            match outcome {
                Ok(document) => {
                    found.document = document;
                    self.adopt(head, &found).await?;
                }
                Err(Setback::Refused(error)) => {
                    let Some(attempt) = head.intent.as_ref().map(|i| i.attempt.clone()) else { continue };
                    let name = found.document.number.as_ref().unwrap_or(&found.document.id);
                    let reason = format!("sale {name} is in the ERP as a draft, which will not go on: {error}");
                    self.park(&head.key, attempt, End::Parked, reason).await?;
                }
                // Still in doubt and still due: the account is left alone for a while.
                Err(Setback::NotNow(error) | Setback::Account(error) | Setback::Unknown(error)) => {
                    self.close(&error).await?
                }
                Err(Setback::Exists) => {}
            }
        }
        Ok(())
    }

    /// Looked up after its settle time and not there: the same step with the same content, still in doubt.
    async fn resend(&mut self, head: &Head) -> Result<Option<Ready>> {
        let Some(intent) = &head.intent else { return Ok(None) };
        if head.attempts >= self.batch.account.max_attempts {
            let reason = format!("gave up after {} attempts, none of which arrived in the ERP in time", head.attempts);
            self.batch.bury(&head.key, &reason).await?;
            self.park(&head.key, intent.attempt.clone(), End::Dead, reason).await?;
            return Ok(None);
        }
        // A permanent refusal lifts the binding to the old content, not the need of the look-up that was just made.
        let content = if intent.refused { &head.desired } else { &intent.planned };
        let planned = Head { desired: content.clone(), applied: None, ..head.clone() };
        let connection = self.batch.connection(&head.key).await?;
        let Some(order) = self.batch.order(&head.key, content).await? else {
            let reason = "its content is not on record any more: send it again from the store".to_owned();
            self.park(&head.key, intent.attempt.clone(), End::Parked, reason).await?;
            return Ok(None);
        };
        let order = match plan(&planned, order, None, &connection.orders) {
            Plan::Create(order) => order,
            Plan::Rest(rest) => {
                let (end, reason) = match rest {
                    Rest::Stop { end, reason } => (end, reason),
                    Rest::Synced => (End::Parked, "nothing to send".to_owned()),
                };
                self.park(&head.key, intent.attempt.clone(), end, reason).await?;
                return Ok(None);
            }
        };
        let sale = Sale {
            key: head.key.clone(),
            reference: intent.step.reference.clone(),
            version: content.clone(),
            order,
            rules: Arc::new(connection.orders.clone()),
        };
        // On record before anything else is tried: from here every failure knows of the doubt.
        let next = self.batch.intent(&sale, true);
        let due = next.settle_at.max(self.batch.now() + backoff(self.batch.puente, head.attempts));
        let attempt = next.attempt.clone();
        let write = Write::Resend { looked_up: intent.attempt.clone(), intent: next, due };
        match self.batch.write(&head.key, write).await? {
            Written::Applied(head) => Ok(Some(Ready { sale, head, attempt: Some(attempt) })),
            Written::Refused(_) => Ok(None),
        }
    }

    /// Plans the orders without an intent, and sends those that want a sale.
    async fn begin(&mut self, heads: Vec<Head>) -> Result<()> {
        let planned: Vec<Result<Option<Ready>>> =
            stream::iter(&heads).map(|head| self.batch.plan(head)).buffered(AT_A_TIME).collect().await;
        let mut ready = planned.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        if self.batch.account.look_up_first && !ready.is_empty() {
            ready = self.look_up_first(ready).await?;
        }
        let bulk = self.batch.account.erp.manners().bulk_limit;
        self.send(ready, bulk).await
    }

    /// After a restore from a backup the ERP may hold more than the records know: everything is looked up first.
    async fn look_up_first(&mut self, ready: Vec<Ready>) -> Result<Vec<Ready>> {
        let references: Vec<_> = ready.iter().map(|r| r.sale.reference.clone()).collect();
        let found = match self.batch.account.erp.look_up(&self.metered, &references).await {
            Ok(found) => found,
            Err(failure) => {
                self.close(failure.error()).await?;
                return Ok(Vec::new());
            }
        };
        let mut missing = Vec::new();
        for (one, found) in ready.into_iter().zip(found) {
            match found {
                None => missing.push(one),
                Some(found) => {
                    if let Some(head) = self.intend(&one).await? {
                        self.adopt(&head, &found).await?;
                    }
                }
            }
        }
        Ok(missing)
    }

    /// Prepares sales together, writes the intents of those that have none yet, and creates them in bulk.
    async fn send(&mut self, ready: Vec<Ready>, company: usize) -> Result<()> {
        if ready.is_empty() || self.over().await {
            return Ok(());
        }
        let rendered = self.prepare(ready, false).await?;
        let limit = self.batch.account.erp.manners().bulk_limit.min(company).max(1);
        let mut rest = rendered.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk: Vec<Rendered> = rest.by_ref().take(limit).collect();
            if self.over().await {
                // Nothing was sent of these: fresh ones are still due, the others' intents stand.
                break;
            }
            let chunk = self.intend_all(chunk).await?;
            self.create(chunk).await?;
        }
        Ok(())
    }

    async fn prepare(&mut self, ready: Vec<Ready>, afresh: bool) -> Result<Vec<Rendered>> {
        let sales: Vec<Sale> = ready.iter().map(|r| r.sale.clone()).collect();
        let erp = &self.batch.account.erp;
        let ids = Cache(self.batch);
        let together = AssertUnwindSafe(erp.prepare(&self.metered, &ids, &sales, afresh)).catch_unwind().await;
        let outcomes = if let Ok(outcomes) = together {
            outcomes
        } else {
            // One of them made the connector panic: each alone, so that it parks that one only.
            let mut outcomes = Vec::new();
            for sale in &sales {
                let one = std::slice::from_ref(sale);
                let alone = AssertUnwindSafe(erp.prepare(&self.metered, &ids, one, afresh)).catch_unwind().await;
                outcomes.push(alone.ok().and_then(|mut outcomes| outcomes.pop()).unwrap_or_else(|| {
                    Err(Setback::Refused(Error::new(
                        Kind::Bug,
                        "the connector failed in our own code: please report it, then replay it",
                    )))
                }));
            }
            outcomes
        };
        let mut rendered = Vec::new();
        for (ready, outcome) in ready.into_iter().zip(outcomes) {
            match outcome {
                Ok(draft) => rendered.push(Rendered { ready, draft }),
                Err(setback) => self.unprepared(ready, setback).await?,
            }
        }
        Ok(rendered)
    }

    /// A sale that could not be rendered: of the sale itself nothing was sent.
    async fn unprepared(&mut self, ready: Ready, setback: Setback) -> Result<()> {
        let batch = self.batch;
        let Ready { sale, head, attempt } = ready;
        if let Some(attempt) = attempt {
            return self.set_back(&sale.key, head.attempts, attempt, setback).await;
        }
        let now = batch.now();
        let (desired, applied) = (head.desired.clone(), head.applied.clone());
        match setback {
            Setback::Refused(error) => {
                let reason = error.to_string();
                let rest = Rest::Stop { end: End::Parked, reason: reason.clone() };
                if batch.write(&sale.key, Write::Rest { desired, applied, rest }).await?.applied() {
                    batch.note(&sale.key, "parked", Some(reason), None).await;
                }
            }
            Setback::NotNow(error) | Setback::Unknown(error) => {
                let reason = error.to_string();
                let due = now + self.wait(&error, head.attempts);
                let write = Write::Defer {
                    desired,
                    applied,
                    epoch: batch.epoch,
                    due,
                    floor: now + FLOOR,
                    forgiven: false,
                    reason: reason.clone(),
                };
                if batch.write(&sale.key, write).await?.applied() {
                    batch.note(&sale.key, "deferred", Some(reason), None).await;
                }
            }
            // Still due; the ledger says when the account may be called again.
            Setback::Account(error) => self.close(&error).await?,
            Setback::Exists => {}
        }
        Ok(())
    }

    fn wait(&self, error: &Error, attempts: u32) -> SignedDuration {
        match error.retryable() {
            Retry::After(wait) => SignedDuration::try_from(wait).unwrap_or(LONGEST_START).max(FLOOR),
            _ => backoff(self.batch.puente, attempts),
        }
    }

    /// Writes the intent of a fresh step. `None`: the record changed meanwhile, it is planned anew.
    async fn intend(&self, ready: &Ready) -> Result<Option<Head>> {
        let intent = self.batch.intent(&ready.sale, false);
        let due = intent.settle_at.max(self.batch.now() + backoff(self.batch.puente, ready.head.attempts));
        let write =
            Write::Begin { desired: ready.head.desired.clone(), applied: ready.head.applied.clone(), intent, due };
        match self.batch.write(&ready.sale.key, write).await? {
            Written::Applied(head) => Ok(Some(head)),
            Written::Refused(_) => Ok(None),
        }
    }

    /// Only what has its intent on record may be sent.
    async fn intend_all(&self, chunk: Vec<Rendered>) -> Result<Vec<Rendered>> {
        let intended: Vec<Result<Option<Rendered>>> = stream::iter(chunk)
            .map(|mut one| async move {
                if one.ready.attempt.is_none() {
                    let Some(head) = self.intend(&one.ready).await? else { return Ok(None) };
                    one.ready.attempt = head.intent.as_ref().map(|i| i.attempt.clone());
                    one.ready.head = head;
                }
                Ok(Some(one))
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        intended.into_iter().filter_map(Result::transpose).collect()
    }

    /// Creates a chunk, halving what an atomic bulk refuses until the guilty ones stand alone.
    async fn create(&mut self, chunk: Vec<Rendered>) -> Result<()> {
        let whole = chunk.len();
        let mut groups = vec![chunk];
        let mut refreshed = false;
        let mut accepted = 0;
        let mut alike: Vec<String> = Vec::new();
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let outcomes = self.call(&group).await;
            let refusals = outcomes.iter().filter(|o| matches!(o, Err(Setback::Refused(_)))).count();
            let bulk = self.batch.account.erp.manners().bulk;
            let together = refusals == group.len() && (bulk == Bulk::Atomic || group.len() == 1);
            if together && !refreshed {
                // Perhaps a remembered id is stale: resolve once more before blaming anybody.
                refreshed = true;
                let ready = group.into_iter().map(|one| one.ready).collect();
                groups.push(self.prepare(ready, true).await?);
                continue;
            }
            if together && group.len() > 1 {
                let second = group.split_off(group.len() / 2);
                groups.push(second);
                groups.push(group);
                continue;
            }
            if outcomes.iter().any(|outcome| matches!(outcome, Err(Setback::Exists))) {
                self.adopt_existing(group, outcomes, &mut groups).await?;
                continue;
            }
            if outcomes.iter().all(|outcome| matches!(outcome, Err(Setback::Unknown(_))))
                && let Some(Err(Setback::Unknown(error))) = outcomes.first()
            {
                // Not one answer: the account may be in trouble, and the next hundred orders should not find out.
                self.close(error).await?;
            }
            for (one, outcome) in group.into_iter().zip(outcomes) {
                match outcome {
                    Ok(document) => {
                        accepted += 1;
                        self.created(&one, document).await?;
                    }
                    Err(Setback::Refused(error)) if whole > ALIKE && accepted == 0 && bulk == Bulk::Atomic => {
                        alike.push(error.to_string());
                        let setback = if alike.len() >= ALIKE && alike.windows(2).all(|w| w.first() == w.last()) {
                            // Nobody passed and all fail alike: not one order's fault. The account rests, nobody is parked.
                            self.close(&error).await?;
                            Setback::NotNow(error)
                        } else {
                            Setback::Refused(error)
                        };
                        self.outcome(one, setback).await?;
                    }
                    Err(setback) => self.outcome(one, setback).await?,
                }
            }
            if self.over().await {
                break;
            }
        }
        // What was not sent again was refused before: for certain nothing of it happened.
        for one in groups.into_iter().flatten() {
            let error = Error::new(Kind::Limited, "the departure ended before its turn");
            self.outcome(one, Setback::Account(error)).await?;
        }
        Ok(())
    }

    /// One create call, inside the time its intents allow.
    async fn call(&self, group: &[Rendered]) -> Vec<std::result::Result<Document, Setback>> {
        let start_by = group.iter().filter_map(|one| one.ready.head.intent.as_ref().map(|i| i.start_by)).min();
        self.batch.slots.start_by(start_by).await;
        let drafts: Vec<Draft> = group.iter().map(|one| one.draft.clone()).collect();
        let outcomes = AssertUnwindSafe(self.batch.account.erp.create(&self.metered, &drafts)).catch_unwind().await;
        self.batch.slots.start_by(None).await;
        let unknown = || Setback::Unknown(Error::new(Kind::Bug, "the connector failed while sending"));
        let mut outcomes = outcomes.unwrap_or_default();
        // A connector that answers for too few leaves the rest in doubt, never forgotten.
        outcomes.truncate(group.len());
        while outcomes.len() < group.len() {
            outcomes.push(Err(unknown()));
        }
        outcomes
    }

    /// The unique key refused some: they are in the ERP already. Look all up, adopt those, and send the others again.
    async fn adopt_existing(
        &mut self,
        group: Vec<Rendered>,
        outcomes: Vec<std::result::Result<Document, Setback>>,
        groups: &mut Vec<Vec<Rendered>>,
    ) -> Result<()> {
        let atomic = self.batch.account.erp.manners().bulk == Bulk::Atomic;
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        for (one, outcome) in group.into_iter().zip(outcomes) {
            match outcome {
                _ if atomic => asked.push(one),
                Err(Setback::Exists) => asked.push(one),
                outcome => others.push((one, outcome)),
            }
        }
        for (one, outcome) in others {
            match outcome {
                Ok(document) => self.created(&one, document).await?,
                Err(setback) => self.outcome(one, setback).await?,
            }
        }
        let references: Vec<_> = asked.iter().map(|one| one.ready.sale.reference.clone()).collect();
        let found = match self.batch.account.erp.look_up(&self.metered, &references).await {
            Ok(found) => found,
            // Their intents stand: looked up after settle.
            Err(failure) => return self.close(failure.error()).await,
        };
        let (mut again, mut unfinished, mut adopted) = (Vec::new(), Vec::new(), false);
        for (one, found) in asked.into_iter().zip(found) {
            match found {
                None => again.push(one),
                Some(found) => {
                    adopted = true;
                    if found.finished {
                        self.adopt(&one.ready.head, &found).await?;
                    } else {
                        unfinished.push((one.ready.head, found));
                    }
                }
            }
        }
        self.finish(unfinished.iter().map(|(head, found)| (head, found.clone())).collect()).await?;
        if adopted {
            groups.push(again);
        } else {
            // Refused as existing, yet not to be found: in doubt until settle.
            tracing::warn!(event = "erp.exists_unfound", erp = %self.batch.account.id, orders = again.len());
        }
        Ok(())
    }

    async fn created(&mut self, one: &Rendered, document: Document) -> Result<()> {
        self.succeeded = true;
        let Some(attempt) = one.ready.attempt.clone() else { return Ok(()) };
        self.complete(&one.ready.sale.key, attempt, one.ready.sale.version.clone(), document, "synced").await
    }

    async fn outcome(&mut self, one: Rendered, setback: Setback) -> Result<()> {
        let Some(attempt) = one.ready.attempt else { return Ok(()) };
        self.set_back(&one.ready.sale.key, one.ready.head.attempts, attempt, setback).await
    }

    /// A step that was begun did not succeed.
    async fn set_back(&mut self, key: &OrderKey, attempts: u32, attempt: AttemptId, setback: Setback) -> Result<()> {
        let now = self.batch.now();
        match setback {
            Setback::Refused(error) => {
                self.succeeded = true;
                self.park(key, attempt, End::Parked, error.to_string()).await
            }
            Setback::NotNow(error) => {
                let backoff = now + self.wait(&error, attempts);
                self.reschedule(key, attempt, backoff, false, error.to_string()).await
            }
            Setback::Account(error) => {
                self.close(&error).await?;
                self.reschedule(key, attempt, now + FLOOR, true, error.to_string()).await
            }
            // No write: the intent and its `due` already stand.
            Setback::Unknown(error) => {
                self.batch.note(key, "unknown", Some(error.to_string()), Some(&attempt)).await;
                Ok(())
            }
            Setback::Exists => Ok(()),
        }
    }

    async fn complete(
        &mut self,
        key: &OrderKey,
        attempt: AttemptId,
        applied: Version,
        document: Document,
        event: &str,
    ) -> Result<()> {
        let name = document.number.clone().unwrap_or_else(|| document.id.clone());
        let write = Write::Complete { attempt: attempt.clone(), applied, document };
        if self.batch.write(key, write).await?.applied() {
            self.batch.note(key, event, Some(format!("as {name}")), Some(&attempt)).await;
        }
        Ok(())
    }

    async fn park(&mut self, key: &OrderKey, attempt: AttemptId, end: End, reason: String) -> Result<()> {
        let floor = self.batch.now() + FLOOR;
        let write = Write::Park { attempt: attempt.clone(), end, reason: reason.clone(), floor };
        if self.batch.write(key, write).await?.applied() {
            self.batch.note(key, end_name(end), Some(reason), Some(&attempt)).await;
        }
        Ok(())
    }

    async fn reschedule(
        &mut self,
        key: &OrderKey,
        attempt: AttemptId,
        backoff: Timestamp,
        forgiven: bool,
        reason: String,
    ) -> Result<()> {
        let floor = self.batch.now() + FLOOR;
        let write = Write::Reschedule {
            attempt: attempt.clone(),
            backoff: backoff.max(floor),
            floor,
            forgiven,
            reason: reason.clone(),
        };
        if self.batch.write(key, write).await?.applied() {
            self.batch.note(key, "rescheduled", Some(reason), Some(&attempt)).await;
        }
        Ok(())
    }
}

/// The id cache of the account.
struct Cache<'a>(&'a Batch<'a>);

#[async_trait::async_trait]
impl Ids for Cache<'_> {
    async fn ids(&self, names: &[String]) -> Result<std::collections::HashMap<String, String>> {
        self.0.puente.records.ids(&self.0.account.id, names).await
    }
    async fn learn(&self, ids: &[(String, String)]) -> Result<()> {
        self.0.puente.records.learn(&self.0.account.id, ids).await
    }
    async fn forget(&self, names: &[String]) -> Result<()> {
        self.0.puente.records.forget(&self.0.account.id, names).await
    }
}
