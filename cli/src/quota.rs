//! `puente quota`: how much of an ERP's day is left, who spends it, and how often stores may be asked.

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    domain::ids::{AccountId, ConnectionId, ErpId},
    edge::views::QuotaView,
    flow::Puente,
};

use crate::{
    output::{Output, Tone, bar, cell, distance, or_dash, plain, table, time},
    place::{self, Location},
};

/// Show the quota of each ERP account and store: used, left, blocked, and when orders leave next.
#[derive(Debug, Args)]
pub(crate) struct Quota {
    #[command(flatten)]
    place: Location,
    /// Only this ERP account's.
    #[arg(long)]
    erp: Option<ErpId>,
    /// Only that of this connection's store.
    #[arg(long, value_name = "CONNECTION", conflicts_with = "erp")]
    store: Option<ConnectionId>,
}

/// Runs the command.
pub(crate) async fn run(quota: Quota, output: Output) -> Result<()> {
    let puente = quota.place.open().await?;
    let now = puente.clock.now();
    let (mut erps, mut stores) = (Vec::new(), Vec::new());
    if quota.store.is_none() {
        erps = place::accounts(&puente.settings, quota.erp.as_ref())?;
    }
    if quota.erp.is_none() {
        stores = place::connections(&puente.settings, quota.store.as_ref())?;
    }
    let accounts = erps.into_iter().map(AccountId::Erp).chain(stores.into_iter().map(AccountId::Store));
    let mut shown = Vec::new();
    for account in accounts {
        shown.push(asked(&puente, account, now).await?);
    }
    output.answer(&shown, || {
        let (erps, stores): (Vec<_>, Vec<_>) =
            shown.iter().partition(|quota| matches!(quota.account, AccountId::Erp(_)));
        let mut tables: Vec<String> = erps.into_iter().map(|quota| described(quota, now)).collect();
        if !stores.is_empty() {
            let rows = stores.into_iter().map(|quota| store(quota, now));
            tables.push(table(&["store of", "rate", "today", "blocked"], rows));
        }
        tables.join("\n")
    })
}

async fn asked(puente: &Puente, account: AccountId, now: Timestamp) -> Result<QuotaView> {
    let limits = match &account {
        AccountId::Erp(id) => {
            let terms = puente.settings.terms(id)?;
            Some(terms.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no ERP `{id}`")))?.limits)
        }
        AccountId::Store(connection) => puente.settings.store_limits(connection)?,
    };
    let ledger = puente.accounts.ledger(&account).await?;
    Ok(QuotaView::of(account, limits.as_ref(), &ledger, now))
}

fn described(quota: &QuotaView, now: Timestamp) -> String {
    let later = |at: Timestamp| format!("{} ({})", time(at), distance(at, now));
    let (left, per_day) = (quota.left.unwrap_or_default(), quota.per_day.unwrap_or_default());
    let tone = match u64::from(left) * 10 {
        0 => Tone::Bad,
        tenth if tenth < u64::from(per_day) => Tone::Warn,
        _ => Tone::Good,
    };
    let row = |name: &str, value| vec![cell(name, Tone::Faint), value];
    let gauge = bar(quota.used.into(), per_day.into(), 30);
    let mut rows = vec![
        row("today", cell(format!("{gauge} {} of {per_day} used", quota.used), tone)),
        row("left", cell(left, tone)),
        row("rate", plain(or_dash(quota.rate.as_deref()))),
        row("day ends", plain(quota.resets_at.map_or_else(String::new, later))),
        row("next departure", departure(quota, later)),
    ];
    if quota.blocked_until.is_some() {
        rows.push(row("blocked", blocked(quota, now)));
    }
    let conductor = match (&quota.conductor, quota.conducts_until) {
        (Some(name), Some(until)) => {
            format!("{}, lease until {}", name.chars().take(8).collect::<String>(), later(until))
        }
        _ => "nobody is sending to this account right now".to_owned(),
    };
    rows.push(row("conductor", plain(conductor)));
    table(&["ERP account", name(quota)], rows)
}

fn store(quota: &QuotaView, now: Timestamp) -> Vec<Cell> {
    let today = match (quota.per_day, &quota.rate) {
        (Some(per_day), _) => plain(format!("{} of {per_day} used", quota.used)),
        (None, Some(_)) => plain(format!("{} asked", quota.used)),
        (None, None) => cell("not counted", Tone::Faint),
    };
    let rate = quota.rate.as_deref().map_or_else(|| cell("no limit is known", Tone::Faint), plain);
    vec![plain(name(quota)), rate, today, blocked(quota, now)]
}

/// Its name alone.
fn name(quota: &QuotaView) -> &str {
    match &quota.account {
        AccountId::Erp(id) => id.as_str(),
        AccountId::Store(id) => id.as_str(),
    }
}

fn blocked(quota: &QuotaView, now: Timestamp) -> Cell {
    let Some(until) = quota.blocked_until else { return plain("no") };
    let because = quota.blocked_because.as_deref().unwrap_or("no reason is on record");
    cell(format!("until {} ({}): {because}", time(until), distance(until, now)), Tone::Bad)
}

/// When orders leave next, and why not sooner.
fn departure(quota: &QuotaView, later: impl Fn(Timestamp) -> String) -> Cell {
    let Some(at) = quota.next_departure else { return plain("at once") };
    let why = match (quota.blocked_until, quota.left) {
        (Some(_), _) => "the account is blocked",
        (None, Some(0)) => "today's calls are used up: orders leave when the ERP's next day begins",
        (None, _) => "the day is short: orders travel together",
    };
    cell(format!("{}; {why}", later(at)), Tone::Warn)
}
