//! The functions as Lambda runs them: each bin as a process, against a Runtime API that hands it one event.
//!
//! The bins are those that the tests were built with. `PUENTE_BOOTSTRAPS` names a directory of others, as `sam build` lays it out
//! (`.aws-sam/build` is its own); these are built for the machine that the tests run on:
//!
//! ```sh
//! sam build --parameter-overrides Architecture=x86_64
//! PUENTE_BOOTSTRAPS=$PWD/.aws-sam/build cargo test --workspace --test aws -- bootstraps:: tryton::
//! ```

use std::time::Duration;

use jiff::SignedDuration;
use puente::ports::{Clock, SystemClock};
use serde_json::Value;

use crate::{
    stack::{SECRET, World, event},
    support::function::Function,
};

/// What the process does with its one event.
#[derive(Debug)]
pub struct Outcome {
    /// `response`, `error` or `init/error`.
    pub kind: String,
    pub answer: Value,
    /// Everything it printed.
    pub log: String,
}

/// Runs one bin on one event, on the stack of `world`.
pub async fn invoke(world: &World, function: &str, event: String) -> Outcome {
    let deadline = SystemClock.now() + SignedDuration::from_secs(300);
    invoke_until(world, function, event, deadline.as_millisecond()).await
}

/// The same with this deadline.
async fn invoke_until(world: &World, function: &str, event: String, deadline: i64) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let mut process = Function::start(function, &world.stack, &world.stack.endpoint, &log).await;
    let (kind, body) = process.invoke_until(event, deadline, Duration::from_secs(300)).await;
    process.kill().await;
    let log = std::fs::read_to_string(log).unwrap();
    let answer = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    Outcome { kind, answer, log }
}

/// Every line is JSON, and none holds an order or a secret.
pub fn is_discreet(outcome: &Outcome) {
    for line in outcome.log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
    for word in ["Ferreyra", "lucia", "27-28765433-8", "sample-key-of-acme-shop", SECRET, "53450"] {
        assert!(!outcome.log.contains(word), "{word} is in the log:\n{}", outcome.log);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_travels_through_the_processes_of_all_functions() {
    let Some(world) = World::new().await else { return };
    let taken = invoke(&world, "ingest", event("ingest")).await;
    assert_eq!((taken.kind.as_str(), &taken.answer["statusCode"]), ("response", &200.into()), "{taken:?}");
    assert!(taken.answer["body"].as_str().unwrap().contains(r#""result":"accepted""#), "{taken:?}");
    assert_eq!(taken.answer["multiValueHeaders"]["strict-transport-security"][0], "max-age=31536000", "{taken:?}");
    is_discreet(&taken);

    let batch = world.batch().await.unwrap();
    let worked = invoke(&world, "worker", batch.event.clone()).await;
    assert_eq!((worked.kind.as_str(), &worked.answer), ("response", &serde_json::json!({ "batchItemFailures": [] })));
    is_discreet(&worked);
    assert_eq!(world.erp.orders().len(), 1);

    let swept = invoke(&world, "sweep", event("sweep")).await;
    assert_eq!(swept.answer["figures"], serde_json::json!({ "accounts": 1, "woken": 0 }), "{swept:?}");
    is_discreet(&swept);
    // Without credentials for its store there is nobody to ask.
    let asked = invoke(&world, "backfill", event("backfill")).await;
    assert_eq!(asked.answer["figures"]["connections"], 0, "{asked:?}");
    is_discreet(&asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_cargo_lambda_watch_the_worker_has_time_too() {
    let Some(world) = World::new().await else { return };
    // It says how long, where Lambda says until when.
    let worked = invoke_until(&world, "worker", event("worker"), 600_000).await;
    assert_eq!(worked.answer, serde_json::json!({ "batchItemFailures": [] }), "{worked:?}");
    assert_eq!(world.erp.orders().len(), 1, "{worked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_event_is_an_error_for_lambda() {
    let Some(world) = World::new().await else { return };
    let broken = invoke(&world, "worker", r#"{"Records":[{"body":"Ferreyra"}]}"#.to_owned()).await;
    assert_eq!(broken.kind, "error", "{broken:?}");
    assert!(broken.answer["errorMessage"].as_str().unwrap().contains("messageId"), "{broken:?}");
    is_discreet(&broken);
}
