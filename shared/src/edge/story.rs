//! An order with everything a person asks about it: the order itself, why it waits and until when, what happened to it.
//!
//! `puente orders show` and the operator's API answer with the same.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    steps::{self, DocumentView, OpenView, doubt, on_its_way},
    views::OrderView,
};
use crate::{
    Result,
    domain::{
        event::Happened,
        ids::{AccountId, ErpId},
        ledger::{Ledger, Limits},
        order::Order,
        reason::{Reason, Why},
        record::{Entry, Head, State},
        sign::{Fact, Party},
    },
    flow::{Puente, depart, record},
    parties::Terms,
    ports::Payload,
};

/// An order with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderStory)]
pub struct StoryView {
    /// Where it stands.
    pub order: OrderView,
    /// Its documents in the ERP, in the order in which they were booked.
    pub documents: Vec<DocumentView>,
    /// What is still to be done for it; nothing where the ERP holds what it should, or a rule keeps the order out.
    pub open: Option<OpenView>,
    /// What it waits for; nothing where it is at rest.
    pub waits: Vec<WaitView>,
    /// What the store says now, where it could be read.
    pub content: Option<Order>,
    /// The body as it came, where it could not be read.
    pub raw: Option<String>,
    /// Every attempt, its time, outcome and reason; oldest first.
    pub timeline: Vec<Entry>,
}

/// Why an order waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Wait)]
pub struct WaitView {
    /// What for.
    pub cause: Cause,
    /// The words.
    pub detail: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// Not before this time.
    pub until: Option<Timestamp>,
    /// Which attempt is next, or on its way.
    pub attempt: Option<u32>,
    /// After so many it is given up.
    pub attempts: Option<u32>,
}

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WaitCause)]
pub enum Cause {
    /// The store is asked for its content.
    Store,
    /// A step is on its way.
    Sending,
    /// Whether the ERP holds it is not known: it is looked up first.
    Doubt,
    /// It failed, and is tried again.
    Backoff,
    /// The ERP account is blocked.
    Blocked,
    /// The day's calls are used up.
    Quota,
    /// The day is short: orders travel together.
    Departure,
    /// Nothing but its turn.
    Turn,
}

/// The story of the order of `head`.
pub async fn story(puente: &Puente, head: Head) -> Result<StoryView> {
    let timeline = puente.records.timeline(&head.key).await?;
    let (content, raw) = match puente.records.payload(&head.key, &head.desired).await? {
        Some(Payload::Order(bytes)) => (Some(record::deserialise(&head.key, &bytes)?), None),
        Some(Payload::Raw(bytes)) if !bytes.is_empty() => (None, Some(String::from_utf8_lossy(&bytes).into_owned())),
        _ => (None, None),
    };
    let waits = waits(puente, &head, &timeline).await?;
    let documents = steps::documents(puente, &head, content.as_ref()).await?;
    let open = steps::open(&head);
    Ok(StoryView { order: head.into(), documents, open, waits, content, raw, timeline })
}

async fn waits(puente: &Puente, head: &Head, timeline: &[Entry]) -> Result<Vec<WaitView>> {
    let now = puente.clock.now();
    let mut waits = Vec::new();
    // The store said that something changed, and did not answer what: whatever state the order is in, there is more to come.
    if let Some(last) = timeline
        .iter()
        .rfind(|entry| entry.event != Happened::Duplicate.as_str())
        .filter(|entry| entry.event == Happened::FetchPutOff.as_str())
    {
        let detail = match (head.state(), &head.reason) {
            (State::Fetching, Some(reason)) => reason.words(),
            _ => last.detail.clone().unwrap_or_default(),
        };
        waits.push(WaitView { since: Some(last.at), ..WaitView::of(Cause::Store, detail) });
    } else if head.state() == State::Fetching {
        let detail = head.reason.as_ref().map_or_else(|| Why::StoreIsAsked.words(), Reason::words);
        waits.push(WaitView::of(Cause::Store, detail));
    }
    if !matches!(head.state(), State::Waiting | State::Sending) {
        return Ok(waits);
    }
    let Some(erp) = puente.settings.erp_of(&head.key.connection) else { return Ok(waits) };
    let Some(terms) = puente.settings.terms(&erp)? else { return Ok(waits) };
    waits.extend(of_step(head, &terms, now));
    waits.extend(account_wait(puente, &erp).await?);
    if waits.is_empty() {
        waits.push(WaitView::of(Cause::Turn, "it is due, and leaves with the next departure".to_owned()));
    }
    Ok(waits)
}

/// What keeps every order of an account waiting, if anything does.
pub async fn account_wait(puente: &Puente, erp: &ErpId) -> Result<Option<WaitView>> {
    let Some(terms) = puente.settings.terms(erp)? else { return Ok(None) };
    let now = puente.clock.now();
    let ledger = puente.accounts.ledger(&AccountId::from(erp)).await?;
    let blocked_since = if ledger.blocked_until.is_some_and(|until| until > now) {
        let signs = puente.signs.signs(&[Party::Account(AccountId::from(erp))]).await?;
        signs.into_iter().flatten().find(|sign| sign.fact == Fact::Blocked).map(|sign| sign.at)
    } else {
        None
    };
    Ok(of_account(erp, &terms.limits, &ledger, blocked_since, now))
}

impl WaitView {
    fn of(cause: Cause, detail: String) -> Self {
        Self { cause, detail, since: None, until: None, attempt: None, attempts: None }
    }
}

/// What its own step waits for.
fn of_step(head: &Head, terms: &Terms, now: Timestamp) -> Option<WaitView> {
    let attempts = Some(terms.max_attempts);
    let Some(intent) = &head.intent else {
        let due = head.due.filter(|due| *due > now)?;
        let attempt = Some(head.attempts + 1).filter(|_| head.attempts > 0);
        let detail = head.reason.as_ref().map_or_else(|| "it is not due yet".to_owned(), Reason::words);
        return Some(WaitView { until: Some(due), attempt, attempts, ..WaitView::of(Cause::Backoff, detail) });
    };
    // `due` lies behind the look-up where an attempt has to be waited for as well.
    let until = head.due.map_or(intent.settle_at, |due| due.max(intent.settle_at));
    let (cause, detail) = if intent.unknown || now > intent.start_by {
        (Cause::Doubt, doubt(&intent.step))
    } else {
        let (what, reference) = (on_its_way(intent.step.operation()), &intent.step.reference);
        (Cause::Sending, format!("{what} {reference} is on its way; without an answer it is looked up"))
    };
    let attempt = Some(head.attempts).filter(|attempts| *attempts > 0);
    Some(WaitView { until: Some(until), attempt, attempts, ..WaitView::of(cause, detail) })
}

/// What its account waits for.
fn of_account(
    erp: &ErpId,
    limits: &Limits,
    ledger: &Ledger,
    blocked_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<WaitView> {
    let until = depart::closed(ledger, limits, now)?;
    let left = limits.per_day.saturating_sub(ledger.used_today(limits, now));
    let mut wait = if ledger.blocked_until.is_some_and(|end| end > now) {
        let because = ledger.blocked_because.as_deref().unwrap_or("no reason is on record");
        let detail = format!("the ERP account `{erp}` is left alone for a while: {because}");
        WaitView { since: blocked_since, ..WaitView::of(Cause::Blocked, detail) }
    } else if left == 0 {
        let detail = format!("today's {} calls of the ERP account `{erp}` are used up", limits.per_day);
        WaitView::of(Cause::Quota, detail)
    } else {
        let detail =
            format!("{left} of {} calls are left today: orders travel together, in the next departure", limits.per_day);
        WaitView::of(Cause::Departure, detail)
    };
    wait.until = Some(until);
    Some(wait)
}
