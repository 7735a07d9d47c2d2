//! `puente demo`: the whole product in one process, against a sandbox that misbehaves, audited at the end.
//!
//! Everything is the real thing: signed webhooks over HTTP by many clients at once, the routers, queue, workers and
//! connectors of `serve` on a file of its own. Only the shops and the ERP are the sandbox's, and they keep the truth.

mod audit;
mod post;
mod screen;
mod stage;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use puente::{
    Error, Kind, Result,
    domain::{event::Happened, record::State},
    flow::tasks::backfill,
};
use puente_sandbox::store::Expect;
use serde::Serialize;

use crate::output::Output;
use audit::{Books, Tally};
use post::Answers;
use screen::Screen;
use stage::{Mischief, Stage};

/// After this time what is still on the way is told as such.
const PATIENCE: Duration = Duration::from_secs(55);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// See it all at work: two shops, an ERP that misbehaves, and books that balance in the end. No cloud, no set-up.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many orders the two shops have together.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(20..=2000))]
    orders: u16,
    /// The same seed draws the same orders, deliveries and faults.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// How it ended.
#[derive(Debug, Serialize)]
struct Report {
    sent: usize,
    accepted: usize,
    refused: usize,
    parked: usize,
    waiting: usize,
    #[serde(flatten)]
    books: Books,
    erp_calls: usize,
    calls_per_order: f64,
    seconds: f64,
    recorded: usize,
    duplicates: usize,
    superseded: usize,
    pings: usize,
    forged: usize,
    limited: usize,
    failed: usize,
    orders: usize,
    unseen: usize,
    backfilled: usize,
    ignored: usize,
    dead: usize,
    retried: usize,
    quota_used: u32,
    quota_per_day: u32,
    holds: bool,
}

/// Runs the command.
pub(crate) async fn run(demo: Demo, output: Output) -> Result<()> {
    let began = Instant::now();
    let stage = Stage::set(demo.orders.into(), demo.seed).await?;
    let played = tokio::select! {
        played = play(&stage, began) => played?,
        _ = tokio::signal::ctrl_c() => return Err(Error::new(Kind::Unavailable, "the demo was stopped before its end")),
    };
    let report = report(&stage, &played, began).await?;
    let calls = stage.erp.calls_per_second();
    output.answer(&report, || screen::closing(&report, &played.tally.stopped, &calls))?;
    stage.engine.stop().await;
    if report.holds {
        return Ok(());
    }
    let words = if report.books.balance() {
        "the demo did not come to rest in its time: what is above says how far it came"
    } else {
        "the books of the demo do not balance: what is above says where"
    };
    Err(Error::new(Kind::Bug, words))
}

/// What was played, before the audit.
struct Played {
    answers: Arc<Answers>,
    tally: Tally,
    /// What the webhooks alone had brought.
    before_backfill: Tally,
}

async fn play(stage: &Stage, began: Instant) -> Result<Played> {
    let truth = stage.truth()?;
    let answers = Arc::new(Answers::default());
    let expected = truth.iter().filter(|(_, truth)| matches!(truth.expect, Expect::InErp { .. })).count();
    let screen = Screen::new(post::letters(stage), expected - stage.poisoned.len());
    let late = || began.elapsed() > PATIENCE;
    let mischief = Mischief::default();
    let look = async |phase| -> Result<Tally> {
        // Every look reads every record: of more orders there are fewer.
        tokio::time::sleep(LOOK * u32::try_from(1 + truth.len() / 250).unwrap_or(1)).await;
        let tally = Tally::take(&stage.puente, &truth).await?;
        mischief.next(&stage.erp, tally.of(State::Synced));
        screen.show(&answers, &tally, stage.erp.calls().len(), phase);
        Ok(tally)
    };

    let mut posting = std::pin::pin!(post::everything(stage, answers.clone()));
    loop {
        tokio::select! {
            posted = &mut posting => break posted?,
            looked = look("the shops send their webhooks") => drop(looked?),
        }
    }
    let accepted = Answers::count(&answers.accepted);
    let mut before_backfill = look("the queue is worked off").await?;
    while before_backfill.recorded() < accepted && !late() {
        before_backfill = look("the queue is worked off").await?;
    }
    let filled = backfill::backfill(&stage.puente, None, jiff::Timestamp::MAX).await?;
    if let Some(stopped) = filled.iter().find_map(|one| one.stopped.clone()) {
        return Err(Error::new(Kind::Unavailable, format!("the backfill stopped: {stopped}")));
    }
    let enqueued: u32 = filled.iter().map(|one| one.enqueued).sum();
    let arrivals = accepted + usize::try_from(enqueued).unwrap_or(usize::MAX);
    let mut tally = look("backfill asks the shops what never came").await?;
    while (tally.recorded() < arrivals || tally.waiting() > 0) && !late() {
        tally = look("the ERP's failures are made good").await?;
    }
    screen.clear();
    Ok(Played { answers, tally, before_backfill })
}

async fn report(stage: &Stage, played: &Played, began: Instant) -> Result<Report> {
    let Played { answers, tally, before_backfill } = played;
    let truth = stage.truth()?;
    let books = Books::audit(stage, &truth).await?;
    let (ledger, quota_per_day) = stage.quota().await?;
    let erp_calls = stage.erp.calls().len();
    let arrived = |what: Happened| before_backfill.arrivals.get(what.as_str()).copied().unwrap_or(0);
    let failed = Answers::count(&answers.failed);
    let waiting = tally.waiting();
    Ok(Report {
        sent: Answers::count(&answers.sent),
        accepted: Answers::count(&answers.accepted),
        refused: answers.refused(),
        parked: tally.of(State::Parked),
        waiting,
        erp_calls,
        calls_per_order: hundredths(erp_calls * 100 / books.in_erp.max(1)),
        seconds: hundredths(usize::try_from(began.elapsed().as_millis() / 10).unwrap_or(usize::MAX)),
        recorded: arrived(Happened::Accepted),
        duplicates: arrived(Happened::Duplicate),
        superseded: arrived(Happened::Superseded),
        pings: Answers::count(&answers.pings),
        forged: Answers::count(&answers.forged),
        limited: Answers::count(&answers.limited),
        failed,
        orders: truth.len(),
        unseen: tally.unseen,
        backfilled: before_backfill.unseen.saturating_sub(tally.unseen),
        ignored: tally.of(State::Ignored),
        dead: tally.of(State::Dead),
        retried: tally.retried,
        quota_used: ledger.used,
        quota_per_day,
        holds: books.balance() && waiting == 0 && failed == 0,
        books,
    })
}

/// A count of hundredths as the number it means.
fn hundredths(count: usize) -> f64 {
    format!("{}.{:02}", count / 100, count % 100).parse().unwrap_or_default()
}
