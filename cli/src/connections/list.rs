//! `puente connections`: is everything alive? When each connection and account last received, fetched, sent, and what failed; and how
//! the tasks went.

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use puente::{
    Result,
    domain::{ids::ConnectionId, operator::Sight},
    edge::{
        life::{AccountLife, ConnectionLife, FailureView, LifeView, life},
        tasks::{TaskView, tasks},
    },
};
use serde::Serialize;

use crate::{
    output::{Output, Tone, cell, distance, plain, table},
    place::{self, Location},
    tasks::shown,
};

/// `connections list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Location,
    /// Only this connection, and the account it sends to.
    #[arg(long)]
    connection: Option<ConnectionId>,
}

/// What is shown.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    life: LifeView,
    tasks: Vec<TaskView>,
}

/// Runs the command.
pub(super) async fn run(list: &List, output: Output) -> Result<()> {
    let puente = list.place.open().await?;
    let connections = place::connections(&puente.settings, list.connection.as_ref())?;
    let view = Shown { life: life(&puente, connections).await?, tasks: tasks(&puente, &Sight::All).await?.tasks };
    let now = puente.clock.now();
    output.answer(&view, || {
        let connections = view.life.connections.iter().map(|one| connection(one, now));
        let erps = view.life.erps.iter().map(|one| account(one, now));
        format!(
            "{}\n{}\n{}",
            table(&["connection", "ERP", "received", "fetched", "sent", "store blocked", "failed last"], connections),
            table(&["ERP account", "sent", "blocked", "failed last"], erps),
            shown(&view.tasks, now)
        )
    })
}

fn connection(one: &ConnectionLife, now: Timestamp) -> Vec<Cell> {
    let ConnectionLife { connection, erp, received, fetched, sent, failed, blocked_since, blocked_until } = one;
    vec![
        plain(connection),
        plain(erp),
        when(*received, now),
        when(*fetched, now),
        when(*sent, now),
        blocked(*blocked_since, *blocked_until, now),
        failure(failed.as_ref(), now),
    ]
}

fn account(one: &AccountLife, now: Timestamp) -> Vec<Cell> {
    let blocked = blocked(one.blocked_since, one.blocked_until, now);
    vec![plain(&one.erp), when(one.sent, now), blocked, failure(one.failed.as_ref(), now)]
}

fn blocked(since: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Cell {
    match (since, until) {
        (_, None) => plain("no"),
        (None, Some(until)) => cell(format!("for {} more", span(until, now)), Tone::Bad),
        (Some(since), Some(until)) => {
            cell(format!("since {}, for {} more", distance(since, now), span(until, now)), Tone::Bad)
        }
    }
}

/// How long it is till then, without "in".
fn span(until: Timestamp, now: Timestamp) -> String {
    distance(until, now).trim_start_matches("in ").to_owned()
}

fn when(at: Option<Timestamp>, now: Timestamp) -> Cell {
    at.map_or_else(|| cell("never", Tone::Faint), |at| plain(distance(at, now)))
}

fn failure(failed: Option<&FailureView>, now: Timestamp) -> Cell {
    let Some(FailureView { at, reason, over }) = failed else { return cell("-", Tone::Faint) };
    let ago = distance(*at, now);
    if *over {
        cell(format!("{ago}, works again: {reason}"), Tone::Faint)
    } else {
        cell(format!("{ago}: {reason}"), Tone::Bad)
    }
}
