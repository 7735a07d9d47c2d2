//! The table of events that are not about an order on record: for each its fields, its level, its name, its fields as the log has
//! them, and what of it is counted.

use std::fmt;

use jiff::Timestamp;

use super::{
    super::{
        ids::{AccountId, ConnectionId, ErpId, OrderId, OrderKey},
        metric::{Metric, Of},
        sign::Party,
    },
    Outcome, Told,
};
use crate::{Error, Kind};

/// A row says what it `counts`, or that it is `log_only`. Nobody counts those, so that rooms without a `Tell` may write them by
/// themselves: those below `flow/`, and a process before it has one.
macro_rules! events {
    ($(
        $(#[doc = $doc:literal])+ $event:ident { $($field:ident: $type:ty),* } = $level:ident $name:literal ($($line:tt)*)
            $mark:ident $(($metric:expr, $of:expr, $by:expr)),*;
    )*) => {
        /// Something happened, though not to an order that is on record.
        #[derive(Clone, Copy)]
        #[allow(missing_docs, reason = "the fields are named as the log has them")]
        pub enum Event<'a> {
            $( $(#[doc = $doc])+ $event { $($field: $type),* }, )*
        }

        impl Event<'_> {
            /// The rows: the event's name here, its name in the log, its mark, and how many counts it has.
            pub const TABLE: &'static [(&'static str, &'static str, &'static str, usize)] = &[$( (
                stringify!($event),
                $name,
                stringify!($mark),
                <[&str]>::len(&[$(stringify!($metric)),*]),
            ), )*];
        }

        impl Told for Event<'_> {
            #[allow(clippy::too_many_lines, reason = "a table")]
            fn log(&self) {
                match self {
                    $( Self::$event { $($field),* } => tracing::$level!(event = $name, $($line)*), )*
                }
            }

            #[allow(unused_variables, reason = "most rows count nothing of their fields")]
            fn count(&self, add: &mut dyn FnMut(Metric, Of<'_>, u64)) {
                match *self {
                    $( Self::$event { $($field),* } => { $( add($metric, $of, $by); )* } )*
                }
            }
        }
    };
}

events! {
    // ---- stock
    /// An ERP was asked what is available.
    StockPolled { erp: &'a ErpId, articles: usize, calls: u32 }
        = info "stock.polled" (%erp, articles, calls)
        counts (Metric::StockPolls, Of::Account(erp), 1);
    /// An ERP could not be asked what is available, or not to the end.
    StockUnread { erp: &'a ErpId, error: &'a Error } = warn "stock.unread" (%erp, %error) log_only;
    /// The number of one article could not be read, or believed.
    StockRowUnread { article: &'a str, why: &'a str } = warn "stock.row_unread" (article, why) log_only;
    /// Numbers were brought to a store.
    StockPublished { connection: &'a ConnectionId, looked_at: u32, written: u32, failed: u32 }
        = info "stock.published" (%connection, looked_at, written, failed)
        counts (Metric::StockWritten, Of::Connection(connection), u64::from(written)),
            (Metric::StockFailed, Of::Connection(connection), u64::from(failed));
    /// A store could not be asked, so that its numbers wait.
    StockPutOff { connection: &'a ConnectionId, articles: usize, why: &'a str }
        = warn "stock.put_off" (%connection, articles, why) log_only;
    /// A store's conductor could not be woken, or failed as a whole.
    StockFailed { connection: &'a ConnectionId, error: &'a Error }
        = error "stock.failed" (%connection, %error) log_only;

    /// Somebody wanted nothing more to be written to a store.
    StockHeld { connection: &'a ConnectionId, by: &'a str, request: &'a str }
        = info "stock.held" (%connection, by, request) log_only;
    /// Somebody let it go on.
    StockReleased { connection: &'a ConnectionId, by: &'a str, request: &'a str }
        = info "stock.released" (%connection, by, request) log_only;

    // ---- prices
    /// An ERP was asked what articles cost.
    PricesPolled { erp: &'a ErpId, prices: usize, calls: u32 }
        = info "prices.polled" (%erp, prices, calls)
        counts (Metric::PricesRead, Of::Account(erp), u64::try_from(prices).unwrap_or(u64::MAX));
    /// An ERP could not be asked what articles cost, or not to the end.
    PricesUnread { erp: &'a ErpId, error: &'a Error } = warn "prices.unread" (%erp, %error) log_only;
    /// The price of one article could not be read, or believed.
    PriceUnread { erp: &'a ErpId, article: &'a str, why: &'a str }
        = warn "price.unread" (%erp, article, why) log_only;
    /// Prices were brought to a store.
    PricesPublished { connection: &'a ConnectionId, looked_at: u32, written: u32, failed: u32 }
        = info "prices.published" (%connection, looked_at, written, failed)
        counts (Metric::PricesWritten, Of::Connection(connection), u64::from(written)),
            (Metric::PricesFailed, Of::Connection(connection), u64::from(failed));
    /// A price is not told until a person looks, or the ERP says another one.
    PriceStopped { connection: &'a ConnectionId, article: &'a str, why: &'a str }
        = warn "price.stopped" (%connection, article, why)
        counts (Metric::PricesStopped, Of::Connection(connection), 1);
    /// A store could not be asked, so that its prices wait.
    PricesPutOff { connection: &'a ConnectionId, articles: usize, why: &'a str }
        = warn "prices.put_off" (%connection, articles, why) log_only;
    /// Somebody had a price looked at again, and told though it differs much.
    PriceReleased { connection: &'a ConnectionId, article: &'a str, by: &'a str, request: &'a str }
        = info "price.released" (%connection, article, by, request) log_only;

    // ---- shipments
    /// An ERP was asked what was sent.
    ShipmentsPolled { erp: &'a ErpId, shipments: usize }
        = info "shipments.polled" (%erp, shipments)
        counts (Metric::ShipmentsRead, Of::Account(erp), u64::try_from(shipments).unwrap_or(u64::MAX));
    /// An ERP could not be asked what was sent, or not to the end.
    ShipmentsUnread { erp: &'a ErpId, error: &'a Error } = warn "shipments.unread" (%erp, %error) log_only;
    /// A shipment could not be read.
    ShipmentUnread { erp: &'a ErpId, shipment: &'a str, why: &'a str }
        = warn "shipment.unread" (%erp, shipment, why) log_only;
    /// A store was told of a shipment.
    ShipmentTold { connection: &'a ConnectionId, order: &'a OrderId, shipment: &'a str }
        = info "shipment.told" (%connection, %order, shipment)
        counts (Metric::ShipmentsTold, Of::Connection(connection), 1);
    /// Somebody had a shipment looked at again.
    ShipmentAgain { order: &'a OrderKey, shipment: &'a str, by: &'a str, request: &'a str }
        = info "shipment.again" (%order, shipment, by, request) log_only;
    /// A shipment waits, or is stopped until a person looks.
    ShipmentWaits {
        connection: &'a ConnectionId, order: &'a OrderId, shipment: &'a str, stopped: bool, why: &'a str
    }
        = warn "shipment.waits" (%connection, %order, shipment, stopped, why)
        counts (Metric::ShipmentsStopped, Of::Connection(connection), u64::from(stopped));

    // ---- the front door
    /// An order was sent to us.
    Received { connection: &'a ConnectionId, order: Option<&'a str>, outcome: Outcome, request: &'a str, bytes: usize }
        = info "order.received" (%connection, order = order.unwrap_or_default(), outcome = outcome.as_str(), request, bytes)
        counts (outcome.metric(), Of::Connection(connection), 1);
    /// The queue could not take one of the orders of a request.
    Unavailable { connection: &'a ConnectionId, request: &'a str, error: &'a Error }
        = warn "order.unavailable" (%connection, request, %error) log_only;
    /// A request was refused for what it is.
    Refused {
        request: Option<&'a str>, connection: Option<&'a ConnectionId>, method: Option<&'a str>, route: Option<&'a str>,
        status: u16, reason: &'a dyn fmt::Display
    } = info "request.refused" (request, connection = connection.map_or("", ConnectionId::as_str), method, route, status, %reason)
        counts (refused(status), connection.map_or(Of::Service, Of::Connection), 1);
    /// A request could not be answered, for a reason of ours.
    Failed {
        request: &'a str, connection: Option<&'a ConnectionId>, order: Option<&'a OrderKey>, method: &'a str, route: &'a str,
        status: u16, reason: &'a dyn fmt::Display
    } = error "request.failed" (request, connection = connection.map_or("", ConnectionId::as_str),
        order = order.map(tracing::field::display), method, route, status, %reason)
        counts (Metric::RefusedFailed, connection.map_or(Of::Service, Of::Connection), 1);
    /// No router could be made for a request, or it panicked.
    Unanswered { request: &'a str, error: &'a Error } = error "request.unanswered" (request, %error)
        counts (Metric::RefusedFailed, Of::Service, 1);
    /// No router could be made for a request to `serve`.
    HttpUnavailable { request: &'a str, error: &'a Error } = error "http.unavailable" (request, %error)
        counts (Metric::RefusedFailed, Of::Service, 1);
    /// A connection to `serve` was not accepted.
    HttpNotAccepted { error: &'a std::io::Error } = warn "http.not_accepted" (%error) log_only;
    /// The count of a front door's day could not be written down.
    DoorNotKept { connection: &'a ConnectionId, error: &'a Error } = warn "front_door.not_kept" (%connection, %error) log_only;
    /// The count of a front door's day could not be read.
    DoorNotRead { connection: &'a ConnectionId, error: &'a Error } = warn "front_door.not_read" (%connection, %error) log_only;
    /// Somebody sends many forged requests.
    DoorFlooded { connection: &'a ConnectionId, todo: &'a str } = warn "front_door.flooded" (%connection, todo) log_only;
    /// The older of a connection's two keys is in use.
    OldKeyInUse { connection: &'a ConnectionId } = info "key.old_in_use" (%connection) log_only;
    /// A connection has two keys.
    TwoKeys { connection: &'a ConnectionId, todo: &'a str } = warn "connection.two_keys" (%connection, todo) log_only;
    /// The keys of an issuer of tokens could not be fetched; so many of before are known.
    IssuerWithoutKeys { known: usize, error: &'a Error } = error "issuer.no_keys" (known, %error) log_only;
    /// No token is taken.
    TokensRefused { error: &'a Error } = error "tokens.refused" (%error) log_only;
    /// An operator's key could not be fetched.
    OperatorUnusable { operator: &'a str, error: &'a Error } = error "operator.unusable" (operator, %error) log_only;
    /// Somebody asked to have an order tried again.
    ReplayAsked { order: &'a OrderKey, by: &'a str, request: &'a str }
        = info "order.replay_asked" (connection = %order.connection, order = %order.order, by, request) log_only;
    /// Somebody said what they made in the ERP by hand.
    AdoptAsked { order: &'a OrderKey, by: &'a str, request: &'a str }
        = info "order.adopt_asked" (connection = %order.connection, order = %order.order, by, request) log_only;

    /// Somebody asked to have a store asked what changed.
    BackfillAsked { connection: &'a ConnectionId, since: Timestamp, by: &'a str, request: &'a str }
        = info "backfill.asked" (%connection, %since, by, request) log_only;
    /// Somebody moved dead letters back.
    Redriven { by: &'a str, moved: usize } = info "dead_letters.redriven" (by, moved) log_only;

    // ---- recording
    /// A message was not put on record: it stays in the queue.
    MessageFailed { message: &'a str, error: &'a Error } = error "message.failed" (message, %error)
        counts (Metric::MessagesFailed, Of::Service, 1);
    /// A batch of messages was worked on.
    Batch { messages: usize, failed: usize } = info "batch" (messages, failed) log_only;
    /// An order was deleted in the store before anything of it was on record.
    DeletedUnseen { order: &'a OrderKey } = info "order.deleted_unseen" (%order) log_only;
    /// A store was asked for an order; the error, if it did not answer.
    StoreAsked { connection: &'a ConnectionId, error: Option<&'a Error> }
        = debug "store.asked" (%connection, error = error.map(tracing::field::display))
        counts (fetched(error), Of::Connection(connection), 1);
    /// A line of a timeline could not be written.
    TimelineLost { order: &'a OrderKey, error: &'a Error } = warn "timeline.lost" (%order, %error)
        counts (Metric::TimelineLost, Of::Connection(&order.connection), 1);
    /// A sign of life could not be written.
    SignLost { party: &'a Party, error: &'a Error } = warn "sign.lost" (%party, %error) log_only;
    /// What an order is found by could not be written: it is found again after its next change.
    SearchLost { order: &'a OrderKey, error: &'a Error } = warn "search.lost" (%order, %error) log_only;
    /// A record cannot be read: another release wrote it, perhaps.
    RecordUnreadable { error: &'a Error } = error "record.unreadable" (%error) log_only;
    /// Who a connection's shop is could not be read or asked.
    ShopUnknown { connection: &'a ConnectionId, error: &'a Error } = warn "shop.unknown" (%connection, %error) log_only;
    /// Who a connection's shop is was learnt.
    ShopLearnt { connection: &'a ConnectionId, shop: u64 } = info "shop.learnt" (%connection, shop) log_only;

    // ---- departing
    /// A conductor ended its work.
    Departed { erp: &'a ErpId, orders: u32, calls: u32 } = info "departure" (%erp, orders, calls)
        counts (Metric::Departures, Of::Account(erp), 1), (Metric::ErpCalls, Of::Account(erp), u64::from(calls));
    /// A conductor failed: the records have their `due`, and the sweeper wakes the account again.
    DepartureFailed { erp: &'a ErpId, error: &'a Error } = warn "departure.failed" (%erp, %error) log_only;
    /// An account failed, and is left alone for a while.
    Blocked { account: &'a AccountId, until: Timestamp, error: &'a Error } = warn "account.blocked" (%account, %until, %error)
        counts (blocks(account), of(account), 1);
    /// A store asked to be left alone, and that could not be written down: its other callers do not know.
    BlockNotKept { account: &'a AccountId, error: &'a Error } = warn "account.block_not_kept" (%account, %error) log_only;
    /// Connections are held: nobody knows whether they or the account are to blame.
    Held { erp: &'a ErpId, until: Timestamp, connections: usize, error: &'a Error }
        = warn "orders.held" (%erp, %until, connections, %error)
        counts (Metric::Holds, Of::Account(erp), 1);
    /// An ERP refused orders as existing, and does not find them.
    ExistsUnfound { erp: &'a ErpId, orders: usize } = warn "erp.exists_unfound" (%erp, orders) log_only;
    /// Ids of an ERP's records could not be kept.
    IdsNotKept { error: &'a Error } = warn "ids.not_remembered" (%error) log_only;
    /// Intents of records that were not made could not be taken back.
    IdsNotForgotten { error: &'a Error } = warn "ids.not_forgotten" (%error) log_only;

    // ---- tokens
    /// A new token of an account is on record.
    TokenRenewed { account: &'a AccountId, until: Option<Timestamp> }
        = info "token.renewed" (%account, until = until.map(tracing::field::display)) log_only;
    /// An account takes no token any more until a person signs in.
    TokenEnded { account: &'a AccountId, why: &'a str } = error "token.ended" (%account, why) log_only;
    /// The other side refused a token that was renewed a moment ago: nobody asks anything of it for a while.
    TokenRefused { account: &'a AccountId, why: &'a str } = error "token.refused" (%account, why) log_only;
    /// A token could not be renewed: it is tried again.
    TokenNotRenewed { account: &'a AccountId, error: &'a Error } = warn "token.not_renewed" (%account, %error) log_only;

    // ---- on time
    /// A task ran. Of one that runs oftener it is said once a minute.
    TaskRan { task: &'a str, ms: u64, did: &'a str } = info "task.ran" (task, ms, did) log_only;
    /// A task failed, perhaps in a part of its work only.
    TaskFailed { task: &'a str, ms: u64, why: &'a str } = warn "task.failed" (task, ms, why) log_only;
    /// It could not be told whether it is time for a task.
    TaskNotRun { task: &'a str, error: &'a Error } = warn "task.not_run" (task, %error) log_only;
    /// The state of a task's last run could not be written.
    RunLost { task: &'a str, error: &'a Error } = warn "task.not_kept" (task, %error) log_only;
    /// The sweeper could not look at an account; without one, at all.
    SweepFailed { erp: Option<&'a ErpId>, error: &'a Error } = warn "sweep.failed" (erp = erp.map(tracing::field::display), %error) log_only;
    /// A store was asked what changed.
    Backfilled { connection: &'a ConnectionId, listed: u32, enqueued: u32 } = info "backfill" (%connection, listed, enqueued)
        counts (Metric::Backfilled, Of::Connection(connection), u64::from(enqueued));
    /// A backfill failed for a connection; without one, for all.
    BackfillFailed { connection: Option<&'a ConnectionId>, error: &'a Error }
        = warn "backfill.failed" (connection = connection.map(tracing::field::display), %error) log_only;
    /// A backfill ended early.
    BackfillStopped { connection: &'a ConnectionId, why: &'a str } = warn "backfill.stopped" (%connection, why) log_only;
    /// A backfill found an order that cannot be taken.
    BackfillPassedOver { order: &'a OrderKey, error: &'a Error } = error "backfill.passed_over" (%order, %error) log_only;

    // ---- the process
    /// The configuration cannot be used.
    ConfigUnusable { error: &'a Error } = error "config.unusable" (%error) log_only;
    /// The configuration cannot be read again: an older one serves on.
    ConfigStale { error: &'a Error } = error "config.stale" (%error) log_only;
    /// The queue cannot be reached.
    QueueUnready { error: &'a Error } = error "queue.unready" (%error) log_only;
    /// A worker could not take messages.
    QueueFailed { error: &'a Error } = error "queue.failed" (%error) log_only;
    /// A message that is done could not be deleted.
    QueueNotDeleted { error: &'a Error } = warn "queue.not_deleted" (%error) log_only;
    /// A message could not be put into a request to the queue.
    QueueEntry { cause: &'a dyn fmt::Display } = error "queue.entry" (%cause) log_only;
    /// A function could not do what its event asks for.
    InvocationFailed { error: &'a Error } = error "invocation.failed" (%error) log_only;
    /// The measurements of an invocation could not be written.
    MetricsLost { error: &'a std::io::Error } = warn "metrics.lost" (%error) log_only;
    /// Something panicked at this place of the sources.
    Panicked { place: &'a str } = error "panic" (place) log_only;
    /// `serve` was asked to stop.
    Stopping {} = info "serve.stopping" () log_only;
    /// The demonstration makes something fail.
    Mischief { from: usize, what: &'a str, fault: &'a dyn fmt::Debug } = debug "demo.mischief" (from, what, ?fault) log_only;
}

/// Whose an account is.
fn of(account: &AccountId) -> Of<'_> {
    match account {
        AccountId::Erp(erp) => Of::Account(erp),
        AccountId::Store(connection) => Of::Connection(connection),
    }
}

/// What a block counts as.
fn blocks(account: &AccountId) -> Metric {
    match account {
        AccountId::Erp(_) => Metric::Blocks,
        AccountId::Store(_) => Metric::StoreBlocks,
    }
}

/// What a refused request counts as.
fn refused(status: u16) -> Metric {
    match status {
        401 | 403 => Metric::RefusedDenied,
        429 => Metric::RefusedLimited,
        _ => Metric::RefusedInvalid,
    }
}

/// What a question to a store counts as. Whatever it answered, it answers.
fn fetched(error: Option<&Error>) -> Metric {
    let answered = error.is_none_or(|error| error.kind() == Kind::Unreadable);
    if answered { Metric::FetchAnswered } else { Metric::FetchFailed }
}
