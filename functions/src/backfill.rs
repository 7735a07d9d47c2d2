//! On time: the tasks that ask the stores. The event's `detail` may name the `task`, or say how many `hours` to go back, for whoever
//! wants that now.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    domain::task::Run,
    flow::{
        task::{self, Task},
        tasks::{
            self,
            backfill::{Backfill, NIGHTLY, RECENT},
        },
    },
};
use serde::{Deserialize, Serialize};

use crate::{App, Tell, ends, log, serve};

/// The farthest a backfill may reach back: a year.
const FARTHEST: u32 = 366 * 24;

/// What is left of an invocation's time when no store is asked any more: a page and a token may each wait half a minute for a permit,
/// and be as long on their way.
const LEFT: SignedDuration = SignedDuration::from_mins(2);

/// What the schedule asks for.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    hours: Option<u32>,
}

/// Backfills on every event until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = &App::from_env(Tell::default()).await?;
    serve(app, "backfill", async |event, context| handle(app, event.get(), ends(&context)? - LEFT).await).await
}

/// Backfills once: what it did, for whoever invokes it by hand. Which connections stopped early the log says; the next run goes on.
pub async fn handle(app: &App, event: &str, deadline: Timestamp) -> Result<Run> {
    let event: EventBridgeEvent<Detail> = serde_json::from_str(event).map_err(|cause| {
        Error::new(Kind::Unreadable, "the event is not a scheduled one of EventBridge").caused_by(cause)
    })?;
    let Detail { task, hours } = event.detail;
    let unreadable = |words: String| Err(Error::new(Kind::Unreadable, words));
    match (task, hours) {
        (Some(_), Some(_)) => unreadable("`detail` of the event has both a `task` and `hours`".to_owned()),
        (None, Some(hours)) if (1..=FARTHEST).contains(&hours) => {
            let wide = Backfill::within(SignedDuration::from_hours(i64::from(hours)));
            task::once(&app.puente().await?, &wide, deadline).await
        }
        (None, Some(_)) => unreadable(format!("`detail.hours` of the event is not within 1 to {FARTHEST}")),
        (name, None) => {
            let own = [RECENT.name(), NIGHTLY.name()];
            let name = name.as_deref().unwrap_or(RECENT.name());
            // The sweeper has a function of its own.
            match tasks::task(name).filter(|task| own.contains(&task.name())) {
                Some(task) => task::run(&app.puente().await?, task, task.period(), deadline).await,
                None => unreadable(format!("`detail.task` of the event is none of {}", own.join(", "))),
            }
        }
    }
}
