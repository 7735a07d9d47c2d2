//! `puente backfill`: asks the stores now what changed, and puts what no webhook brought into the queue.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    domain::ids::ConnectionId,
    flow::tasks::backfill::{self, Backfilled},
};
use serde::Serialize;

use crate::{
    output::{Output, Tone, cell, number, or_dash, plain, table},
    place::{self, Location},
    progress,
};

/// Ask the stores what changed, now.
#[derive(Debug, Args)]
pub(crate) struct Backfill {
    #[command(flatten)]
    place: Location,
    /// Only this connection.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// How far back: `36h`, `7d`, or a time such as 2026-01-31T00:00:00Z. Without it, from where the last one ended.
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
}

/// A time in the past, as typed.
#[derive(Debug, Clone, Copy)]
enum Since {
    Ago(SignedDuration),
    At(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let (count, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
        let hours = match unit {
            "h" => 1,
            "d" => 24,
            _ => return Err("write 36h, 7d or a time such as 2026-01-31T00:00:00Z".to_owned()),
        };
        let count: i64 = count
            .parse()
            .ok()
            .filter(|n| (1..=36_500).contains(n))
            .ok_or("write 36h or 7d, with a number from 1 to 36500")?;
        Ok(Self::Ago(SignedDuration::from_hours(count * hours)))
    }
}

/// A connection's backfill, as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    connection: &'a ConnectionId,
    listed: u32,
    enqueued: u32,
    stopped: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(one: &'a Backfilled) -> Self {
        let Backfilled { connection, listed, enqueued, stopped, .. } = one;
        Self { connection, listed: *listed, enqueued: *enqueued, stopped: stopped.as_deref() }
    }
}

/// Runs the command.
pub(crate) async fn run(args: Backfill, output: Output) -> Result<()> {
    let puente = args.place.open().await?;
    let now = puente.clock.now();
    let since = args.since.map(|since| match since {
        Since::Ago(ago) => now - ago,
        Since::At(at) => at,
    });
    let mut done: Vec<Backfilled> = Vec::new();
    let mut silent: Vec<ConnectionId> = Vec::new();
    for connection in place::connections(&puente.settings, args.connection.as_ref())? {
        let spinner = progress::spinner(format!("asking {connection}"));
        let outcome = backfill::one(&puente, &connection, since, Timestamp::MAX).await;
        spinner.finish_and_clear();
        match outcome {
            Ok(Some(one)) => done.push(one),
            Ok(None) => silent.push(connection),
            // One shop's failure does not keep the others waiting.
            Err(error) => {
                done.push(Backfilled::not(connection, error.to_string()));
            }
        }
    }
    let mut shown: Vec<Shown> = done.iter().map(Shown::of).collect();
    let no_credentials = "not asked: the connection has no store credentials";
    shown.extend(silent.iter().map(|connection| Shown {
        connection,
        listed: 0,
        enqueued: 0,
        stopped: Some(no_credentials),
    }));
    output.answer(&shown, || {
        let rows = shown.iter().map(|one| {
            let tone = if one.stopped.is_some() { Tone::Warn } else { Tone::Plain };
            vec![plain(one.connection), number(one.listed), number(one.enqueued), cell(or_dash(one.stopped), tone)]
        });
        table(&["connection", "listed", "new, enqueued", "stopped because"], rows)
    })?;
    let failed = done.iter().filter(|one| one.stopped.is_some()).count();
    if failed > 0 {
        return Err(Error::new(Kind::Unavailable, format!("{failed} of the stores could not be listed to the end")));
    }
    if let (Some(connection), [_]) = (&args.connection, silent.as_slice()) {
        return Err(Error::new(
            Kind::Refused,
            format!("connection `{connection}` has no store credentials to ask with"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_distance_or_a_time() {
        assert!(matches!("36h".parse(), Ok(Since::Ago(ago)) if ago == SignedDuration::from_hours(36)));
        assert!(matches!("7d".parse(), Ok(Since::Ago(ago)) if ago == SignedDuration::from_hours(168)));
        assert!(matches!("2026-01-31T00:00:00Z".parse(), Ok(Since::At(_))));
        for bad in ["", "7", "d", "-1d", "7w", "99999999999999999999d", "0h"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
