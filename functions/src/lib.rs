//! The Lambda functions: a thin bin each, its handler here. Events in, flows called, answers out; nothing is decided here.
//!
//! Invariant: an event that cannot be understood is an error that says so, and a message that was not put on record is
//! reported as failed: nothing is acknowledged that was not done.

pub mod api;
pub mod authorizer;
pub mod backfill;
pub mod ingest;
pub mod sweep;
pub mod worker;

mod gateway;
pub mod metrics;

use std::{future::Future, panic::AssertUnwindSafe};

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use puente::{
    Error, Kind,
    domain::event::{Event, Told},
    ports::{Clock, SystemClock},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tracing_subscriber::EnvFilter;

pub use puente::{aws::App, flow::tell::Tell};

/// Answers events with `handle` until Lambda ends the process, and writes down what each invocation measured, as the function of that
/// name. Events come as raw JSON text: what is wrong with one is said by its handler.
async fn serve<F, A>(
    app: &App,
    function: &str,
    handle: impl Fn(Box<RawValue>, Context) -> F,
) -> Result<(), lambda_runtime::Error>
where
    F: Future<Output = puente::Result<A>>,
    A: Serialize,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = handle(event.payload, event.context).await;
        let answer = answer.map_err(|error| {
            app.tell().of(&Event::InvocationFailed { error: &error });
            lambda_runtime::Error::from(error.to_string())
        });
        metrics::flush(app.tell(), function);
        answer
    }))
    .await
}

/// No invocation takes longer: Lambda's own limit.
const LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// When the invocation ends. Lambda says it in milliseconds since 1970; `cargo lambda watch` (1.9) says how many are left, so that
/// a function seemed to be out of time for decades.
fn ends(context: &Context) -> puente::Result<Timestamp> {
    let told = i64::try_from(context.deadline).ok().and_then(|told| Timestamp::from_millisecond(told).ok());
    let told = told.ok_or_else(|| Error::new(Kind::Bug, "Lambda did not say when the invocation ends"))?;
    let since_1970 = told.duration_since(Timestamp::UNIX_EPOCH);
    Ok(if since_1970 <= LONGEST { SystemClock.now() + since_1970 } else { told })
}

/// Logs as JSON lines at `info`: no bodies, and no variable that could turn on the libraries' own traces of them.
fn log() {
    let filter = EnvFilter::new("info");
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_ansi(false);
    // A second start in one process (a test) keeps the first.
    let _ = lines.try_init();
    // The standard hook would print a panic's own words, which may hold an order: where it happened is enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // One hook for the whole process, whatever `Tell` there is.
        Event::Panicked { place: &place }.log();
    }));
}

/// Runs `work`; a panic costs this invocation, not the process and its warm connections.
async fn isolated<T>(what: &str, work: impl Future<Output = T>) -> puente::Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Error::new(Kind::Bug, format!("{what} panicked")))
}
