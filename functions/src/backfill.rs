//! On time: [`puente::flow::backfill`]. The event's `detail` may hold `hours`: then everything modified within them is asked
//! for again, instead of what is new since the last time.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::SignedDuration;
use puente::{Error, Kind, Result, domain::event::Event, flow::backfill::backfill};
use serde::{Deserialize, Serialize};

use crate::{App, isolated, log, serve};

/// The farthest a backfill may reach back: a year.
const FARTHEST: u32 = 366 * 24;

/// What the schedule asks for.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    #[serde(default)]
    hours: Option<u32>,
}

/// What a backfill did, for whoever invokes it by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Connections whose stores were asked.
    pub connections: usize,
    /// Orders the stores listed.
    pub listed: u32,
    /// Of these, enqueued: not on record as they are now.
    pub enqueued: u32,
    /// Connections that stopped early; the log says why, the next run goes on.
    pub stopped: Vec<String>,
}

/// Backfills on every event until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = &App::from_env().await?;
    serve(app, "backfill", async |event, _| handle(app, event.get()).await).await
}

/// Backfills once.
pub async fn handle(app: &App, event: &str) -> Result<Answer> {
    let event: EventBridgeEvent<Detail> = serde_json::from_str(event).map_err(|cause| {
        Error::new(Kind::Unreadable, "the event is not a scheduled one of EventBridge").caused_by(cause)
    })?;
    let hours = event.detail.hours;
    if hours.is_some_and(|hours| !(1..=FARTHEST).contains(&hours)) {
        return Err(Error::new(Kind::Unreadable, format!("`detail.hours` of the event is not within 1 to {FARTHEST}")));
    }
    let puente = app.puente().await?;
    let since = hours.map(|hours| puente.clock.now() - SignedDuration::from_hours(i64::from(hours)));
    let report = isolated("the backfill", backfill(&puente, since)).await??;
    let mut answer = Answer { connections: report.len(), ..Answer::default() };
    for done in report {
        answer.listed += done.listed;
        answer.enqueued += done.enqueued;
        if let Some(why) = done.stopped {
            puente.tell.of(&Event::BackfillStopped { connection: &done.connection, why: &why });
            answer.stopped.push(done.connection.to_string());
        }
    }
    Ok(answer)
}
