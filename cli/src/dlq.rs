//! `puente dlq`: what lies in the dead-letter queue, why, and moving it back.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};
use puente::{Error, Kind, Result, domain::operator::Operator, edge::dead::DeadView};
use serde::Serialize;

use crate::{
    output::{Output, or_dash, plain, table, time},
    place::Location,
};

/// List the dead-letter queue (messages that gave up), or move them back into the work queue.
#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// Lists the messages that gave up, and why.
    List(List),
    /// Moves messages back into the work queue, to be tried again.
    Redrive(Redrive),
}

/// `dlq list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Location,
    /// How many at most.
    #[arg(long, default_value = "50")]
    limit: NonZeroUsize,
}

/// `dlq redrive`.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    #[command(flatten)]
    place: Location,
    /// How many at most, oldest first.
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Who asks, for the orders' timelines.
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "somebody at a terminal")]
    by: String,
}

/// What `dlq redrive` did.
#[derive(Serialize)]
struct Redriven {
    moved: usize,
}

/// Runs the command.
pub(crate) async fn run(dlq: Dlq, output: Output) -> Result<()> {
    match dlq {
        Dlq::List(list) => {
            let dead = list.place.open().await?.queue.dead(list.limit.get()).await?;
            let shown: Vec<DeadView> = dead.into_iter().map(DeadView::from).collect();
            output.answer(&shown, || {
                if shown.is_empty() {
                    return "the dead-letter queue is empty".to_owned();
                }
                let row = |letter: &DeadView| {
                    let since = or_dash(letter.since.map(time));
                    vec![plain(since), plain(name(letter)), plain(letter.about.as_str()), plain(&letter.reason)]
                };
                table(&["since", "what", "message", "why"], shown.iter().map(row))
            })
        }
        Dlq::Redrive(redrive) => {
            let limit = match (redrive.limit, redrive.all) {
                (Some(limit), _) => limit.get(),
                (None, true) => usize::MAX,
                (None, false) => return Err(Error::new(Kind::Unreadable, "pass `--limit N` or `--all`")),
            };
            let by = Operator::of_all(&redrive.by).name;
            let moved = redrive.place.open().await?.queue.redrive(limit, Some(&by)).await?;
            output.answer(&Redriven { moved }, || match moved {
                0 => "the dead-letter queue is empty: nothing moved".to_owned(),
                1 => "1 message queued for retry".to_owned(),
                n => format!("{n} messages queued for retry"),
            })
        }
    }
}

/// What a letter is about.
fn name(letter: &DeadView) -> String {
    match (&letter.connection, &letter.order, &letter.erp) {
        (Some(connection), Some(order), _) => format!("{connection}/{order}"),
        (Some(connection), None, _) => connection.to_string(),
        (None, _, erp) => or_dash(erp.as_ref()),
    }
}
