//! What happens, one event for each thing: its name, its level and its fields in the log, and what of it is counted.
//!
//! An event is told to all its sinks by one call (`flow/tell.rs`): a log line, metrics, and for what happens to an order a line of
//! the order's timeline. No name of an event is spelled anywhere else. Invariant: no field holds a secret or anything personal.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{AccountId, AttemptId, ConnectionId, ErpId, OrderKey},
    metric::{Metric, Of},
    reason::{Reason, Why},
    record::{End, Entry},
    sign::Party,
    version::Version,
};
use crate::{Error, Kind};

/// What became of an order that was sent to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The queue has it.
    Accepted,
    /// Nothing about an order.
    Ignored,
    /// The queue has it, raw: a person has to look.
    Flagged,
    /// It is not a canonical order: not taken.
    Invalid,
    /// The queue could not take it: send it again.
    Unavailable,
}

/// What can happen to an order that is on record, or is put there: a line of its timeline, a log line `order.NAME`, and a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Only its id came: the store is asked for its content.
    Announced,
    /// A state of it is what the ERP should hold.
    Accepted,
    /// That state was on record already.
    Duplicate,
    /// A newer state was on record already.
    Superseded,
    /// Another state of the same time is on record: the store is asked.
    Tied,
    /// Something about it could not be read.
    Flagged,
    /// The store could not be asked: it is asked later.
    FetchPutOff,
    /// Somebody had it tried again.
    Replayed,
    /// Somebody asked for that before it was handed to them: passed over.
    ReplayPassedOver,
    /// A step of it is sent, and its document carries more than the order says.
    Booked,
    /// Nobody knows what came of a step: it is looked up.
    Unknown,
    /// A step could not begin: later.
    Deferred,
    /// A step that was begun failed: later.
    Rescheduled,
    /// The ERP holds what it should.
    Synced,
    /// The document of a step in doubt was found in the ERP.
    Adopted,
    /// A person has to change something.
    Parked,
    /// Its attempts ran out.
    Dead,
    /// A stated rule keeps it out of the ERP.
    Ignored,
}

impl Happened {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Announced,
        Self::Accepted,
        Self::Duplicate,
        Self::Superseded,
        Self::Tied,
        Self::Flagged,
        Self::FetchPutOff,
        Self::Replayed,
        Self::ReplayPassedOver,
        Self::Booked,
        Self::Unknown,
        Self::Deferred,
        Self::Rescheduled,
        Self::Synced,
        Self::Adopted,
        Self::Parked,
        Self::Dead,
        Self::Ignored,
    ];

    /// As in timelines. They are stored: no name may change.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Superseded => "superseded",
            Self::Tied => "tied",
            Self::Flagged => "flagged",
            Self::FetchPutOff => "fetch_put_off",
            Self::Replayed => "replayed",
            Self::ReplayPassedOver => "replay_passed_over",
            Self::Booked => "booked",
            Self::Unknown => "unknown",
            Self::Deferred => "deferred",
            Self::Rescheduled => "rescheduled",
            Self::Synced => "synced",
            Self::Adopted => "adopted",
            Self::Parked => "parked",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
        }
    }

    /// What a timeline calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == name)
    }

    /// What is counted of it, for the order's connection.
    #[must_use]
    pub fn metric(self) -> Option<Metric> {
        Some(match self {
            Self::Accepted => Metric::Recorded,
            Self::Duplicate => Metric::Duplicate,
            Self::Superseded => Metric::Superseded,
            Self::Replayed => Metric::Replayed,
            Self::Unknown => Metric::Unknown,
            Self::Deferred | Self::Rescheduled => Metric::Deferred,
            Self::Synced => Metric::Synced,
            Self::Adopted => Metric::Adopted,
            Self::Parked => Metric::Parked,
            Self::Dead => Metric::Dead,
            Self::Ignored => Metric::Ignored,
            Self::Announced
            | Self::Tied
            | Self::Flagged
            | Self::FetchPutOff
            | Self::ReplayPassedOver
            | Self::Booked => {
                return None;
            }
        })
    }
}

impl From<End> for Happened {
    fn from(end: End) -> Self {
        match end {
            End::Parked => Self::Parked,
            End::Dead => Self::Dead,
            End::Ignored => Self::Ignored,
        }
    }
}

/// Something happened to an order.
#[derive(Debug, Clone, Copy)]
pub struct OrderEvent<'a> {
    /// To which.
    pub order: &'a OrderKey,
    /// What.
    pub what: Happened,
    /// The words, where there is no reason.
    pub detail: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a Reason>,
    /// Which version it was about.
    pub version: Option<&'a Version>,
    /// Which attempt.
    pub attempt: Option<&'a AttemptId>,
}

impl<'a> OrderEvent<'a> {
    /// That happened to this order.
    #[must_use]
    pub fn new(order: &'a OrderKey, what: Happened) -> Self {
        Self { order, what, detail: None, reason: None, version: None, attempt: None }
    }

    fn words(&self) -> Option<String> {
        self.reason.map(Reason::words).or_else(|| self.detail.map(ToOwned::to_owned))
    }

    /// Its line in the log.
    pub fn log(&self) {
        let version = self.version.map(tracing::field::display);
        let attempt = self.attempt.map(AttemptId::as_str);
        let (detail, code) = (self.words(), self.reason.and_then(Reason::known).map(Why::code));
        let name = format_args!("order.{}", self.what.as_str());
        tracing::info!(event = %name, order = %self.order, detail, code, version, attempt);
    }

    /// Its line in the order's timeline.
    #[must_use]
    pub fn entry(&self, at: Timestamp) -> Entry {
        Entry {
            at,
            event: self.what.as_str().to_owned(),
            detail: self.words(),
            why: self.reason.and_then(Reason::known).cloned(),
            version: self.version.cloned(),
            attempt: self.attempt.cloned(),
        }
    }
}

/// Everything else that happens: for each event its fields, its level, its name, and its fields as the log has them.
macro_rules! events {
    ($( $(#[doc = $doc:literal])+ $event:ident { $($field:ident: $type:ty),* } = $level:ident $name:literal ($($line:tt)*); )*) => {
        /// Something happened, though not to an order that is on record.
        #[derive(Clone, Copy)]
        #[allow(missing_docs, reason = "the fields are named as the log has them")]
        pub enum Event<'a> {
            $( $(#[doc = $doc])+ $event { $($field: $type),* }, )*
        }

        impl Event<'_> {
            /// The name of each.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Its line in the log.
            #[allow(clippy::too_many_lines, reason = "a table")]
            pub fn log(&self) {
                match self {
                    $( Self::$event { $($field),* } => tracing::$level!(event = $name, $($line)*), )*
                }
            }
        }
    };
}

events! {
    // ---- the front door
    /// An order was sent to us.
    Received { connection: &'a ConnectionId, order: Option<&'a str>, outcome: Outcome, request: &'a str, bytes: usize }
        = info "order.received" (%connection, order = order.unwrap_or_default(), ?outcome, request, bytes);
    /// The queue could not take one of the orders of a request.
    Unavailable { connection: &'a ConnectionId, request: &'a str, error: &'a Error }
        = warn "order.unavailable" (%connection, request, %error);
    /// A request was refused for what it is.
    Refused {
        request: Option<&'a str>, connection: Option<&'a ConnectionId>, method: Option<&'a str>, route: Option<&'a str>,
        status: u16, reason: &'a dyn fmt::Display
    } = info "request.refused" (request, connection = connection.map_or("", ConnectionId::as_str), method, route, status, %reason);
    /// A request could not be answered, for a reason of ours.
    Failed {
        request: &'a str, connection: Option<&'a ConnectionId>, method: &'a str, route: &'a str, status: u16,
        reason: &'a dyn fmt::Display
    } = error "request.failed" (request, connection = connection.map_or("", ConnectionId::as_str), method, route, status, %reason);
    /// No router could be made for a request, or it panicked.
    Unanswered { request: &'a str, error: &'a Error } = error "request.unanswered" (request, %error);
    /// No router could be made for a request to `serve`.
    HttpUnavailable { request: &'a str, error: &'a Error } = error "http.unavailable" (request, %error);
    /// A connection to `serve` was not accepted.
    HttpNotAccepted { error: &'a std::io::Error } = warn "http.not_accepted" (%error);
    /// The count of a front door's day could not be written down.
    DoorNotKept { connection: &'a ConnectionId, error: &'a Error } = warn "front_door.not_kept" (%connection, %error);
    /// The count of a front door's day could not be read.
    DoorNotRead { door: &'a str, error: &'a Error } = warn "front_door.not_read" (door, %error);
    /// Somebody sends many forged requests.
    DoorFlooded { connection: &'a ConnectionId, todo: &'a str } = warn "front_door.flooded" (%connection, todo);
    /// The older of a connection's two keys is in use.
    OldKeyInUse { connection: &'a ConnectionId } = info "key.old_in_use" (%connection);
    /// A connection has two keys.
    TwoKeys { connection: &'a ConnectionId, todo: &'a str } = warn "connection.two_keys" (%connection, todo);
    /// The keys of an issuer of tokens could not be fetched; so many of before are known.
    IssuerWithoutKeys { known: usize, error: &'a Error } = error "issuer.no_keys" (known, %error);
    /// No token is taken.
    TokensRefused { error: &'a Error } = error "tokens.refused" (%error);
    /// An operator's key could not be fetched.
    OperatorUnusable { operator: &'a str, error: &'a Error } = error "operator.unusable" (operator, %error);
    /// Somebody asked to have an order tried again.
    ReplayAsked { order: &'a OrderKey, by: &'a str, request: &'a str }
        = info "order.replay_asked" (connection = %order.connection, order = %order.order, by, request);

    /// Somebody asked to have a store asked what changed.
    BackfillAsked { connection: &'a ConnectionId, since: Timestamp, by: &'a str, request: &'a str }
        = info "backfill.asked" (%connection, %since, by, request);
    /// Somebody moved dead letters back.
    Redriven { by: &'a str, moved: usize } = info "dead_letters.redriven" (by, moved);

    // ---- recording
    /// A message was not put on record: it stays in the queue.
    MessageFailed { message: &'a str, error: &'a Error } = error "message.failed" (message, %error);
    /// A batch of messages was worked on.
    Batch { messages: usize, failed: usize } = info "batch" (messages, failed);
    /// An order was deleted in the store before anything of it was on record.
    DeletedUnseen { order: &'a OrderKey } = info "order.deleted_unseen" (%order);
    /// A store was asked for an order; the error, if it did not answer.
    StoreAsked { connection: &'a ConnectionId, error: Option<&'a Error> }
        = debug "store.asked" (%connection, error = error.map(tracing::field::display));
    /// A line of a timeline could not be written.
    TimelineLost { order: &'a OrderKey, error: &'a Error } = warn "timeline.lost" (%order, %error);
    /// A sign of life could not be written.
    SignLost { party: &'a Party, error: &'a Error } = warn "sign.lost" (%party, %error);
    /// What an order is found by could not be written: it is found again after its next change.
    SearchLost { order: &'a OrderKey, error: &'a Error } = warn "search.lost" (%order, %error);
    /// A record cannot be read: another release wrote it, perhaps.
    RecordUnreadable { error: &'a Error } = error "record.unreadable" (%error);
    /// Who a connection's shop is could not be read or asked.
    ShopUnknown { connection: &'a ConnectionId, error: &'a Error } = warn "shop.unknown" (%connection, %error);
    /// Who a connection's shop is was learnt.
    ShopLearnt { connection: &'a ConnectionId, shop: u64 } = info "shop.learnt" (%connection, shop);

    // ---- departing
    /// A conductor ended its work.
    Departed { erp: &'a ErpId, orders: u32, calls: u32 } = info "departure" (%erp, orders, calls);
    /// A conductor failed: the records have their `due`, and the sweeper wakes the account again.
    DepartureFailed { erp: &'a ErpId, error: &'a Error } = warn "departure.failed" (%erp, %error);
    /// An account failed, and is left alone for a while.
    Blocked { erp: &'a ErpId, until: Timestamp, error: &'a Error } = warn "account.blocked" (%erp, %until, %error);
    /// Connections are held: nobody knows whether they or the account are to blame.
    Held { erp: &'a ErpId, until: Timestamp, connections: usize, error: &'a Error }
        = warn "orders.held" (%erp, %until, connections, %error);
    /// An ERP refused orders as existing, and does not find them.
    ExistsUnfound { erp: &'a ErpId, orders: usize } = warn "erp.exists_unfound" (%erp, orders);
    /// Ids of an ERP's records could not be kept.
    IdsNotKept { error: &'a Error } = warn "ids.not_remembered" (%error);
    /// Intents of records that were not made could not be taken back.
    IdsNotForgotten { error: &'a Error } = warn "ids.not_forgotten" (%error);

    // ---- tokens
    /// A new token of an account is on record.
    TokenRenewed { account: &'a AccountId, until: Option<Timestamp> }
        = info "token.renewed" (%account, until = until.map(tracing::field::display));
    /// An account takes no token any more until a person signs in.
    TokenEnded { account: &'a AccountId, why: &'a str } = error "token.ended" (%account, why);
    /// The other side refused a token that was renewed a moment ago: nobody asks anything of it for a while.
    TokenRefused { account: &'a AccountId, why: &'a str } = error "token.refused" (%account, why);
    /// A token could not be renewed: it is tried again.
    TokenNotRenewed { account: &'a AccountId, error: &'a Error } = warn "token.not_renewed" (%account, %error);

    // ---- on time
    /// A task ran. Of one that runs oftener it is said once a minute.
    TaskRan { task: &'a str, ms: u64, did: &'a str } = info "task.ran" (task, ms, did);
    /// A task failed, perhaps in a part of its work only.
    TaskFailed { task: &'a str, ms: u64, why: &'a str } = warn "task.failed" (task, ms, why);
    /// It could not be told whether it is time for a task.
    TaskNotRun { task: &'a str, error: &'a Error } = warn "task.not_run" (task, %error);
    /// The state of a task's last run could not be written.
    RunLost { task: &'a str, error: &'a Error } = warn "task.not_kept" (task, %error);
    /// The sweeper could not look at an account; without one, at all.
    SweepFailed { erp: Option<&'a ErpId>, error: &'a Error } = warn "sweep.failed" (erp = erp.map(tracing::field::display), %error);
    /// A store was asked what changed.
    Backfilled { connection: &'a ConnectionId, listed: u32, enqueued: u32 } = info "backfill" (%connection, listed, enqueued);
    /// A backfill failed for a connection; without one, for all.
    BackfillFailed { connection: Option<&'a ConnectionId>, error: &'a Error }
        = warn "backfill.failed" (connection = connection.map(tracing::field::display), %error);
    /// A backfill ended early.
    BackfillStopped { connection: &'a ConnectionId, why: &'a str } = warn "backfill.stopped" (%connection, why);
    /// A backfill found an order that cannot be taken.
    BackfillPassedOver { order: &'a OrderKey, error: &'a Error } = error "backfill.passed_over" (%order, %error);

    // ---- the process
    /// The configuration cannot be used.
    ConfigUnusable { error: &'a Error } = error "config.unusable" (%error);
    /// The configuration cannot be read again: an older one serves on.
    ConfigStale { error: &'a Error } = error "config.stale" (%error);
    /// The queue cannot be reached.
    QueueUnready { error: &'a Error } = error "queue.unready" (%error);
    /// A worker could not take messages.
    QueueFailed { error: &'a Error } = error "queue.failed" (%error);
    /// A message that is done could not be deleted.
    QueueNotDeleted { error: &'a Error } = warn "queue.not_deleted" (%error);
    /// A message could not be put into a request to the queue.
    QueueEntry { cause: &'a dyn fmt::Display } = error "queue.entry" (%cause);
    /// A function could not do what its event asks for.
    InvocationFailed { error: &'a Error } = error "invocation.failed" (%error);
    /// The measurements of an invocation could not be written.
    MetricsLost { error: &'a std::io::Error } = warn "metrics.lost" (%error);
    /// Something panicked at this place of the sources.
    Panicked { place: &'a str } = error "panic" (place);
    /// `serve` was asked to stop.
    Stopping {} = info "serve.stopping" ();
    /// The demonstration makes something fail.
    Mischief { from: usize, what: &'a str, fault: &'a dyn fmt::Debug } = debug "demo.mischief" (from, what, ?fault);
}

impl Event<'_> {
    /// Adds what is counted of it.
    pub fn count(&self, mut add: impl FnMut(Metric, Of<'_>, u64)) {
        match *self {
            Self::Received { connection, outcome, .. } => {
                let metric = match outcome {
                    Outcome::Accepted => Metric::ReceivedAccepted,
                    Outcome::Ignored => Metric::ReceivedIgnored,
                    Outcome::Flagged => Metric::ReceivedFlagged,
                    Outcome::Invalid => Metric::ReceivedInvalid,
                    Outcome::Unavailable => Metric::ReceivedUnavailable,
                };
                add(metric, Of::Connection(connection), 1);
            }
            Self::Refused { connection, status, .. } => {
                let metric = match status {
                    401 | 403 => Metric::RefusedDenied,
                    429 => Metric::RefusedLimited,
                    _ => Metric::RefusedInvalid,
                };
                add(metric, connection.map_or(Of::Service, Of::Connection), 1);
            }
            Self::Failed { connection, .. } => {
                add(Metric::RefusedFailed, connection.map_or(Of::Service, Of::Connection), 1);
            }
            Self::Unanswered { .. } | Self::HttpUnavailable { .. } => add(Metric::RefusedFailed, Of::Service, 1),
            Self::MessageFailed { .. } => add(Metric::MessagesFailed, Of::Service, 1),
            Self::StoreAsked { connection, error } => {
                // Whatever it answered, it answers.
                let answered = error.is_none_or(|error| error.kind() == Kind::Unreadable);
                let metric = if answered { Metric::FetchAnswered } else { Metric::FetchFailed };
                add(metric, Of::Connection(connection), 1);
            }
            Self::TimelineLost { order, .. } => add(Metric::TimelineLost, Of::Connection(&order.connection), 1),
            Self::Departed { erp, calls, .. } => {
                add(Metric::Departures, Of::Account(erp), 1);
                add(Metric::ErpCalls, Of::Account(erp), calls.into());
            }
            Self::Blocked { erp, .. } => add(Metric::Blocks, Of::Account(erp), 1),
            Self::Held { erp, .. } => add(Metric::Holds, Of::Account(erp), 1),
            Self::Backfilled { connection, enqueued, .. } => {
                add(Metric::Backfilled, Of::Connection(connection), enqueued.into());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_name_of_its_own() {
        let of_orders = Happened::ALL.map(|what| format!("order.{}", what.as_str()));
        let mut names: Vec<&str> = of_orders.iter().map(String::as_str).chain(Event::NAMES.iter().copied()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
