//! `puente quota`: how much of the ERP's day is left, and who spends it.

use clap::Args;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    config::Account,
    domain::{
        ids::ErpId,
        ledger::{Ledger, Limits},
    },
};
use serde::Serialize;

use crate::{
    output::{Output, Tone, bar, cell, distance, plain, table, time},
    place::{self, Place},
};

/// The ERP quota: used, left, and what waits for it.
#[derive(Debug, Args)]
pub(crate) struct Quota {
    #[command(flatten)]
    place: Place,
    /// Only this ERP account's.
    #[arg(long)]
    erp: Option<ErpId>,
}

/// The quota of an account, as it is shown.
#[derive(Serialize)]
struct Shown {
    erp: ErpId,
    rate: String,
    per_day: u32,
    used: u32,
    used_other: u32,
    other_per_day: u32,
    left: u32,
    reset: Timestamp,
    next_departure: Option<Timestamp>,
    blocked_until: Option<Timestamp>,
    blocked_because: Option<String>,
    conductor: Option<String>,
    conducts_until: Option<Timestamp>,
}

impl Shown {
    fn of(account: &Account, ledger: &Ledger, now: Timestamp) -> Self {
        let limits = &account.limits;
        let today = limits.day(now);
        let used = ledger.used_today(limits, now);
        let held = ledger.holder.clone().zip(ledger.lease_until).filter(|(_, until)| *until >= now);
        let blocked_until = ledger.blocked_until.filter(|until| *until > now);
        Self {
            erp: account.id.clone(),
            rate: rate(limits),
            per_day: limits.per_day,
            used,
            used_other: if today.number == ledger.day { ledger.used_other } else { 0 },
            other_per_day: limits.other_per_day(),
            left: limits.per_day.saturating_sub(used),
            reset: today.end,
            next_departure: ledger.departs_at.filter(|at| *at > now && today.number == ledger.day),
            blocked_until,
            blocked_because: blocked_until.and_then(|_| ledger.blocked_because.clone()),
            conductor: held.as_ref().map(|(holder, _)| holder.chars().take(8).collect()),
            conducts_until: held.map(|(_, until)| until),
        }
    }

    fn described(&self, now: Timestamp) -> String {
        let later = |at: Timestamp| format!("{} ({})", time(at), distance(at, now));
        let tone = match u64::from(self.left) * 10 {
            0 => Tone::Bad,
            tenth if tenth < u64::from(self.per_day) => Tone::Warn,
            _ => Tone::Good,
        };
        let used = u64::from(self.used);
        let row = |name: &str, value| vec![cell(name, Tone::Faint), value];
        let mut rows = vec![
            row("today", cell(format!("{} {used} of {}", bar(used, self.per_day.into(), 30), self.per_day), tone)),
            row("left", cell(self.left, tone)),
            row("not for orders", plain(format!("{} of at most {}", self.used_other, self.other_per_day))),
            row("rate", plain(&self.rate)),
            row("day ends", plain(later(self.reset))),
            row("next departure", plain(self.next_departure.map_or_else(|| "at once".to_owned(), later))),
        ];
        if let Some(until) = self.blocked_until {
            let because = self.blocked_because.as_deref().unwrap_or("no reason is on record");
            rows.push(row("blocked", cell(format!("until {}: {because}", later(until)), Tone::Bad)));
        }
        let conductor = match (&self.conductor, self.conducts_until) {
            (Some(name), Some(until)) => format!("{name}, lease until {}", later(until)),
            _ => "nobody now".to_owned(),
        };
        rows.push(row("conductor", plain(conductor)));
        table(&["ERP account", self.erp.as_str()], rows)
    }
}

/// A rate in words: `10/s`, `150/60s`.
pub(crate) fn rate(limits: &Limits) -> String {
    match limits.window.as_secs() {
        1 => format!("{}/s", limits.calls),
        60 => format!("{}/min", limits.calls),
        3600 => format!("{}/h", limits.calls),
        seconds => format!("{}/{seconds}s", limits.calls),
    }
}

/// Runs the command.
pub(crate) async fn run(quota: Quota, output: Output) -> Result<()> {
    let puente = quota.place.open()?;
    let now = puente.clock.now();
    let mut shown = Vec::new();
    for id in place::accounts(&puente.settings, quota.erp.as_ref())? {
        let account = puente.settings.account(&id).await?;
        let account = account.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no ERP `{id}`")))?;
        let ledger = puente.accounts.ledger(&id).await?;
        shown.push(Shown::of(&account, &ledger, now));
    }
    output.answer(&shown, || shown.iter().map(|shown| shown.described(now)).collect::<Vec<_>>().join("\n"))
}
