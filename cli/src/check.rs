//! `puente check`: is everything in the configuration right, and does everybody in it answer?
//!
//! ERP probes spend permits of the account like every other call: a check must not be what breaks the quota.

use std::time::Duration;

use clap::Args;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use puente::{
    Error, Kind, Result,
    domain::{changes::listed, document::Operation, ids::AccountId, ledger::Ledger},
    edge::views::{self, QuotaView},
    erp::{Bulk, Capabilities, Class},
    flow::{
        Puente,
        ask::{Ask, Errand},
        identity,
    },
    parties::{Account, Connection},
};
use serde::Serialize;

use crate::{
    output::{self, Output, Tone, cell, plain, table},
    place::Location,
    progress,
};

/// Parse the configuration, then ask every store and ERP.
///
/// Each question to an ERP is one of its calls of the day, and is counted as one.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    place: Location,
}

/// What a check found.
#[derive(Serialize)]
struct Report {
    erps: Vec<ErpReport>,
    connections: Vec<ConnectionReport>,
    ok: bool,
}

/// What a check found of an ERP account.
#[derive(Serialize)]
struct ErpReport {
    erp: String,
    ok: bool,
    answer: String,
    /// The day on which the first of the integration user's credentials ends, where the ERP tells.
    credentials_end: Option<Date>,
    /// What to do about it, where that is soon.
    ends_soon: Option<String>,
    class: Class,
    promise: &'static str,
    bulk: Bulk,
    bulk_limit: usize,
    timeout_ms: u64,
    settle_ms: u64,
    rate: String,
    per_day: u32,
}

/// What a check found of a connection.
#[derive(Serialize)]
struct ConnectionReport {
    connection: String,
    erp: String,
    ok: bool,
    answer: String,
    /// Which kind of token opens the store, and when it ends, where it does.
    token: Option<String>,
    /// What to add to the configuration: orders arrive without it, and may have to be looked at.
    lacks: Option<String>,
    class: Option<Class>,
    promise: Option<&'static str>,
    /// What a person has to book of orders that change once the ERP holds them: the rules say so, or the ERP cannot.
    by_hand: Vec<&'static str>,
    per_second: u32,
    per_day: u32,
    /// How often its store may be asked, as far as anybody has said.
    store_rate: Option<String>,
    key: bool,
}

/// Runs the command.
pub(crate) async fn run(check: Check, output: Output) -> Result<()> {
    // Where nobody has served yet the data begin here: what is spent now, `serve` must know of.
    let puente = check.place.begin(async |_| Ok(())).await?;
    let report = probed(&puente).await?;
    output.answer(&report, || report.described())?;
    if report.ok {
        return Ok(());
    }
    let failed = report.erps.iter().filter(|erp| !erp.ok).count();
    let failed = failed + report.connections.iter().filter(|connection| !connection.ok).count();
    Err(Error::new(Kind::Unavailable, format!("{failed} {} failed", if failed == 1 { "check" } else { "checks" })))
}

async fn probed(puente: &Puente) -> Result<Report> {
    let mut report = Report { erps: Vec::new(), connections: Vec::new(), ok: true };
    for id in puente.settings.accounts() {
        let Some(account) = puente.settings.account(&id).await? else { continue };
        let spinner = progress::spinner(format!("asking ERP {id}"));
        report.erps.push(erp(puente, &account).await);
        spinner.finish_and_clear();
    }
    for id in puente.settings.connections() {
        let Some(connection) = puente.settings.connection(&id).await? else { continue };
        let account = puente.settings.account(&connection.erp).await?;
        let spinner = progress::spinner(format!("asking the store of {id}"));
        report.connections.push(store(puente, &connection, account.as_deref()).await);
        spinner.finish_and_clear();
    }
    report.ok = report.erps.iter().all(|erp| erp.ok) && report.connections.iter().all(|connection| connection.ok);
    Ok(report)
}

async fn erp(puente: &Puente, account: &Account) -> ErpReport {
    // What a probe needs no ids for, it need not remember.
    let outcome = account.erp.probe(&Ask::erp(puente, account).calls()).await;
    let now = puente.clock.now();
    let ends = outcome.as_ref().ok().and_then(|probed| next(&probed.credentials_end, today(now)));
    let (creates, patience) = (creates(account), account.erp.patience());
    let ledger = Ledger::default();
    let quota = QuotaView::of((&account.id).into(), Some(&account.limits), &ledger, now);
    ErpReport {
        erp: account.id.to_string(),
        ok: outcome.is_ok(),
        answer: outcome.map_or_else(|error| error.to_string(), |probed| probed.words),
        credentials_end: ends,
        ends_soon: ends.and_then(|ends| ends_soon(ends, today(now))),
        class: creates.class,
        promise: promise(creates.class),
        bulk: creates.bulk,
        bulk_limit: creates.max_bulk,
        timeout_ms: millis(patience.timeout),
        settle_ms: millis(patience.settle),
        rate: quota.rate.unwrap_or_default(),
        per_day: account.limits.per_day,
    }
}

/// So many days before credentials end a check says so.
const NOTICE: i32 = 14;

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The first of these days that is not over: what has ended opens nothing, and was replaced.
fn next(days: &[Date], today: Date) -> Option<Date> {
    days.iter().copied().filter(|day| *day >= today).min()
}

/// What to do about credentials that end on a day, where that is soon.
fn ends_soon(ends: Date, today: Date) -> Option<String> {
    let days = (ends - today).get_days();
    let when = match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        days => format!("in {days} days"),
    };
    let what = "if it is this one, make a new one in the ERP before, and have both in the configuration meanwhile";
    (days <= NOTICE).then(|| format!("a key of the integration user ends {when}: {what}"))
}

/// How the ERP creates sales.
fn creates(account: &Account) -> Capabilities {
    account.erp.can(Operation::Create).unwrap_or(Capabilities::NONE)
}

async fn store(puente: &Puente, connection: &Connection, account: Option<&Account>) -> ConnectionReport {
    let class = account.map(|account| creates(account).class);
    let can = |operation| account.is_some_and(|account| account.erp.can(operation).is_some());
    let outcome = if connection.store.can_fetch() {
        // What changed since now: a page that is empty, or nearly.
        let changes = connection
            .store
            .changed_since(&Ask::new(puente, connection, Errand::Other).calls(), puente.clock.now(), None)
            .await;
        match changes {
            Ok(_) => learnt(puente, connection).await,
            Err(error) => Err(error),
        }
    } else {
        Ok("no credentials to ask with: webhooks only, no backfill".to_owned())
    };
    let ok = outcome.is_ok();
    let answer = outcome.unwrap_or_else(|error| error.to_string());
    let token = token(puente, connection, &answer).await;
    let lacks = [
        connection.store.lacks(),
        account.and_then(|account| no_stock(connection, account)),
        account.and_then(|account| no_prices(connection, account)),
        account.and_then(|account| no_shipments(connection, account)),
    ];
    let lacks = lacks.into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
    ConnectionReport {
        connection: connection.id.to_string(),
        erp: connection.erp.to_string(),
        ok,
        answer,
        token,
        lacks,
        class,
        promise: class.map(promise),
        by_hand: connection.orders.after.by_hand(can),
        per_second: connection.front_door.per_second,
        per_day: connection.front_door.per_day,
        store_rate: connection.limits.as_ref().map(views::rate),
        key: !connection.keys.is_empty(),
    }
}

/// That the ERP of a connection cannot be asked for the stock that its store is to be told.
fn no_stock(connection: &Connection, account: &Account) -> Option<String> {
    let lacks = connection.goods.is_on() && account.erp.stock().is_none();
    lacks.then(|| format!("goods.stock: ERP {} cannot be asked what is available, so nothing is published", account.id))
}

/// That the ERP of a connection cannot be asked for the prices that its store is to be told.
fn no_prices(connection: &Connection, account: &Account) -> Option<String> {
    let lacks = connection.goods.prices() && account.erp.prices().is_none();
    lacks.then(|| {
        format!("goods.prices: ERP {} cannot be asked what articles cost, so nothing is published", account.id)
    })
}

/// That the ERP of a connection cannot be asked for the shipments that its store is to be told.
fn no_shipments(connection: &Connection, account: &Account) -> Option<String> {
    let lacks = connection.goods.ships() && account.erp.shipments().is_none();
    lacks.then(|| format!("goods.shipments: ERP {} cannot be asked what was sent, so nothing is told", account.id))
}

/// Which kind of token opens the store, and when it ends, where the store gives them for a time. What `answer` says already is not
/// said again.
async fn token(puente: &Puente, connection: &Connection, answer: &str) -> Option<String> {
    let app = connection.store.sign_in()?;
    let keeper = puente.keeper(AccountId::Store(connection.id.clone()));
    let ends = |at| format!("ends {}, renewed before", output::time(at));
    let standing = match keeper.standing(app.app()).await {
        // What is wrong with it is said by the answer to the question that needed it.
        Err(_) => return Some(app.kind().to_owned()),
        Ok(standing) => standing?,
    };
    let state = match (standing.ended, standing.expires_at) {
        (Some(why), _) if answer.contains(why.as_str()) => "not renewed".to_owned(),
        (Some(why), _) => format!("not renewed: {why}"),
        (None, Some(at)) => ends(at),
        (None, None) => "without an end".to_owned(),
    };
    Some(format!("token: {}, {state}", app.kind()))
}

/// Asks the shop who it is, where its orders do not say so by themselves, and keeps that for whoever receives them.
async fn learnt(puente: &Puente, connection: &Connection) -> Result<String> {
    let Some(shop) = identity::learn_afresh(puente, connection).await? else { return Ok("answers".to_owned()) };
    Ok(format!("answers; it is shop {} ({})", shop.id, shop.domains.join(", ")))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What Puente promises with an ERP of a class.
fn promise(class: Class) -> &'static str {
    match class {
        Class::Key => "exactly one document: the ERP takes an idempotency key",
        Class::Unique => "exactly one document: the ERP refuses a second with the same reference",
        Class::Searchable => "one document, unless a create lands after the settle time; that is reported",
        Class::Nothing => "at most one document; in doubt a person decides",
    }
}

impl ErpReport {
    /// What it says, and until when it will.
    fn said(&self) -> String {
        match (&self.ends_soon, self.credentials_end) {
            (Some(soon), _) => format!("{}; {soon}", self.answer),
            (None, Some(day)) => format!("{}; a key ends on {day}", self.answer),
            (None, None) => self.answer.clone(),
        }
    }
}

impl ConnectionReport {
    /// What its store says, and what the configuration lacks.
    fn said(&self) -> String {
        let more = [&self.token, &self.lacks].into_iter().flatten();
        more.fold(self.answer.clone(), |said, more| format!("{said}; {more}"))
    }
}

impl ConnectionReport {
    /// What is promised of its orders, and what is left to people.
    fn promised(&self) -> String {
        let promise = format!("{}: {}", self.erp, self.promise.unwrap_or("-"));
        if self.by_hand.is_empty() {
            return promise;
        }
        format!("{promise}; later {} wait for a person", listed(&self.by_hand))
    }
}

impl Report {
    fn described(&self) -> String {
        let mark = |ok| if ok { cell("ok", Tone::Good) } else { cell("failed", Tone::Bad) };
        let erps = self.erps.iter().map(|erp| {
            let limits = format!("{}, {} a day", erp.rate, erp.per_day);
            vec![plain(&erp.erp), mark(erp.ok), plain(erp.said()), plain(erp.promise), plain(limits)]
        });
        let connections = self.connections.iter().map(|connection| {
            let key = if connection.key { "" } else { "; no key" };
            let limits = format!("{}/s, {} a day{key}", connection.per_second, connection.per_day);
            vec![
                plain(&connection.connection),
                mark(connection.ok),
                plain(connection.said()),
                plain(connection.promised()),
                plain(limits),
            ]
        });
        format!(
            "{}\n{}",
            table(&["ERP", "", "says", "guarantee", "limits"], erps),
            table(&["connection", "", "its store", "its orders", "front door"], connections)
        )
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_key_that_ends_within_two_weeks_is_told_and_one_that_ended_is_not() {
        let today = date(2026, 11, 30);
        let ends = next(&[date(2026, 11, 29), date(2027, 2, 28), date(2026, 12, 14)], today).unwrap();
        assert_eq!(ends, date(2026, 12, 14));
        assert!(ends_soon(ends, today).unwrap().contains("ends in 14 days"));
        assert_eq!(ends_soon(date(2026, 12, 15), today), None);
        assert!(ends_soon(today, today).unwrap().contains("ends today"));
        assert_eq!(next(&[date(2026, 11, 29)], today), None);
    }
}
