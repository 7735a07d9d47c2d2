//! `puente quota`: how much of the ERP's day is left, and who spends it.

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use puente::{Error, Kind, Result, domain::ids::ErpId, edge::views::QuotaView};

use crate::{
    output::{Output, Tone, bar, cell, distance, plain, table, time},
    place::{self, Location},
};

/// Show each ERP account's quota: used, left, and when orders leave next.
#[derive(Debug, Args)]
pub(crate) struct Quota {
    #[command(flatten)]
    place: Location,
    /// Only this ERP account's.
    #[arg(long)]
    erp: Option<ErpId>,
}

/// Runs the command.
pub(crate) async fn run(quota: Quota, output: Output) -> Result<()> {
    let puente = quota.place.open().await?;
    let now = puente.clock.now();
    let mut shown = Vec::new();
    for id in place::accounts(&puente.settings, quota.erp.as_ref())? {
        let terms = puente.settings.terms(&id)?;
        let terms = terms.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no ERP `{id}`")))?;
        let ledger = puente.accounts.ledger(&id).await?;
        shown.push(QuotaView::of(id, &terms.limits, &ledger, now));
    }
    output.answer(&shown, || shown.iter().map(|quota| described(quota, now)).collect::<Vec<_>>().join("\n"))
}

fn described(quota: &QuotaView, now: Timestamp) -> String {
    let later = |at: Timestamp| format!("{} ({})", time(at), distance(at, now));
    let tone = match u64::from(quota.left) * 10 {
        0 => Tone::Bad,
        tenth if tenth < u64::from(quota.per_day) => Tone::Warn,
        _ => Tone::Good,
    };
    let row = |name: &str, value| vec![cell(name, Tone::Faint), value];
    let gauge = bar(quota.used.into(), quota.per_day.into(), 30);
    let mut rows = vec![
        row("today", cell(format!("{gauge} {} of {} used", quota.used, quota.per_day), tone)),
        row("left", cell(quota.left, tone)),
        row("rate", plain(&quota.rate)),
        row("day ends", plain(later(quota.resets_at))),
        row("next departure", departure(quota, later)),
    ];
    if let Some(until) = quota.blocked_until {
        let because = quota.blocked_because.as_deref().unwrap_or("no reason is on record");
        rows.push(row("blocked", cell(format!("until {}: {because}", later(until)), Tone::Bad)));
    }
    let conductor = match (&quota.conductor, quota.conducts_until) {
        (Some(name), Some(until)) => {
            format!("{}, lease until {}", name.chars().take(8).collect::<String>(), later(until))
        }
        _ => "nobody is sending to this account right now".to_owned(),
    };
    rows.push(row("conductor", plain(conductor)));
    table(&["ERP account", quota.erp.as_str()], rows)
}

/// When orders leave next, and why not sooner.
fn departure(quota: &QuotaView, later: impl Fn(Timestamp) -> String) -> Cell {
    let Some(at) = quota.next_departure else { return plain("at once") };
    let why = match (quota.blocked_until, quota.left) {
        (Some(_), _) => "the account is blocked",
        (None, 0) => "today's calls are used up: orders leave when the ERP's next day begins",
        (None, _) => "the day is short: orders travel together",
    };
    cell(format!("{}; {why}", later(at)), Tone::Warn)
}
