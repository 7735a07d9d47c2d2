//! Orders and quotas as people see them: what the operator's API answers, and the command line shows.

use iso_currency::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        document::Document,
        ids::{AccountId, ConnectionId, OrderId},
        ledger::{Ledger, Limits},
        money::Amount,
        reason::{Reason, Why},
        record::{Head, State},
        schema::CurrencyCode,
        version::Version,
    },
    flow::depart,
    ports::Unreadable,
};

/// An order as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderRecord)]
pub struct OrderView {
    /// Whose.
    pub connection: ConnectionId,
    /// The store's id.
    pub order: OrderId,
    /// The number people use.
    pub number: String,
    /// Where it stands.
    pub status: State,
    /// Why it waits or stopped, in words.
    pub reason: Option<String>,
    /// The code of that reason, the same for all orders that wait or stopped for it; none where only words are on record.
    pub code: Option<String>,
    /// The arguments of the code, where it has any.
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<serde_json::Value>,
    /// The total, where it could be read.
    pub total: Option<Amount>,
    /// Its currency.
    #[schema(value_type = Option<CurrencyCode>)]
    pub currency: Option<Currency>,
    /// The document in the ERP.
    pub document: Option<Document>,
    /// The state the ERP should hold.
    pub desired: Version,
    /// The state it holds, as far as is known.
    pub applied: Option<Version>,
    /// Attempts since the last success.
    pub attempts: u32,
    /// When it is tried next.
    pub due: Option<Timestamp>,
    /// What a person should know about how it was read, `code: detail`.
    pub flags: Vec<String>,
    /// When the record was last written.
    pub updated: Timestamp,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderPage)]
pub struct OrdersView {
    /// The most recently changed first.
    pub orders: Vec<OrderView>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
    /// Orders in their place whose records cannot be read, whatever was asked for. They are not sent to the ERP until that is mended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub unreadable: Vec<UnreadableView>,
}

/// An order whose record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UnreadableOrder)]
pub struct UnreadableView {
    /// Whose.
    pub connection: ConnectionId,
    /// The store's id.
    pub order: OrderId,
    /// That it cannot be read, why, and what to do.
    pub reason: String,
}

impl From<Unreadable> for UnreadableView {
    fn from(Unreadable { key, why, .. }: Unreadable) -> Self {
        Self { connection: key.connection, order: key.order, reason: why }
    }
}

/// An account's quota: an ERP's, or a store's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaView {
    /// Which account: `erp/main`, or `store/acme` for the store of the connection `acme`.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// Calls per window, such as `10/s`; none for a store of which no rate is known.
    pub rate: Option<String>,
    /// Calls a day, where a day has a limit.
    pub per_day: Option<u32>,
    /// Calls of the day so far, as far as they are counted: those to a store without a rate are not.
    pub used: u32,
    /// Of the day's calls, left.
    pub left: Option<u32>,
    /// When the account's next day begins, where a day has a limit.
    pub resets_at: Option<Timestamp>,
    /// No departure to the ERP before this time, or no call to the store: the day is short or used up, or the account is blocked.
    pub next_departure: Option<Timestamp>,
    /// No call before this time.
    pub blocked_until: Option<Timestamp>,
    /// Why.
    pub blocked_because: Option<String>,
    /// Who conducts now.
    pub conductor: Option<String>,
    /// Until when, unless it goes on.
    pub conducts_until: Option<Timestamp>,
}

impl From<Head> for OrderView {
    fn from(head: Head) -> Self {
        let parked = head.parked.as_ref().filter(|parked| parked.version == head.desired);
        let status = head.state();
        let (document, applied) = (head.document().cloned(), head.held().cloned());
        let asked = || (status == State::Fetching).then(|| Why::StoreIsAsked.into());
        let reason = parked.map(|parked| parked.reason.clone()).or(head.reason).or_else(asked);
        let why = reason.as_ref().and_then(Reason::known);
        Self {
            status,
            code: why.map(|why| why.code().to_owned()),
            arguments: why.and_then(Why::arguments),
            reason: reason.map(|reason| reason.words()),
            connection: head.key.connection,
            order: head.key.order,
            number: head.summary.number,
            total: head.summary.total,
            currency: head.summary.currency,
            document,
            desired: head.desired,
            applied,
            attempts: head.attempts,
            due: head.due,
            flags: head.summary.flags,
            updated: head.updated,
        }
    }
}

impl QuotaView {
    /// The quota of `account` as its ledger says at `now`; `None` as `limits`: nobody has said how often it may be called.
    #[must_use]
    pub fn of(account: AccountId, limits: Option<&Limits>, ledger: &Ledger, now: Timestamp) -> Self {
        let used = limits.map_or(0, |limits| ledger.used_today(limits, now));
        let daily = limits.filter(|limits| limits.per_day != Limits::ENDLESS);
        let ahead = |time: Option<Timestamp>| time.filter(|time| *time > now);
        let conducts_until = ahead(ledger.lease_until);
        let blocked_until = ahead(ledger.blocked_until);
        Self {
            account,
            rate: limits.map(rate),
            per_day: daily.map(|limits| limits.per_day),
            used,
            left: daily.map(|limits| limits.per_day.saturating_sub(used)),
            resets_at: daily.map(|limits| limits.day(now).end),
            next_departure: limits.map_or(blocked_until, |limits| depart::closed(ledger, limits, now)),
            blocked_because: ledger.blocked_because.clone().filter(|_| blocked_until.is_some()),
            blocked_until,
            conductor: ledger.holder.clone().filter(|_| conducts_until.is_some()),
            conducts_until,
        }
    }
}

/// As it is written in `puente.toml`.
#[must_use]
pub fn rate(limits: &Limits) -> String {
    let window = match limits.window.as_secs() {
        1 => "s".to_owned(),
        60 => "min".to_owned(),
        3600 => "h".to_owned(),
        seconds => format!("{seconds}s"),
    };
    format!("{}/{window}", limits.calls)
}
