//! The functions as Lambda runs them: each bin as a process, against a Runtime API that hands it one event.
//!
//! The bins are those that the tests were built with. `PUENTE_BOOTSTRAPS` names a directory of others, as `sam build` lays it out
//! (`.aws-sam/build` is its own); these are built for the machine that the tests run on:
//!
//! ```sh
//! sam build --parameter-overrides Architecture=x86_64
//! PUENTE_BOOTSTRAPS=$PWD/.aws-sam/build cargo test --workspace --test aws -- bootstraps:: tryton::
//! ```
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as Segment, State},
    response::IntoResponse,
    routing::{get, post},
};
use jiff::SignedDuration;
use puente::ports::{Clock, SystemClock};
use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    process::Command,
    sync::{Notify, mpsc},
};

use crate::{
    stack::{SECRET, World, event},
    support::{binary::binary, moto::template},
};

/// The bin of a function: of `PUENTE_BOOTSTRAPS`, or built here.
fn bootstrap(function: &str) -> PathBuf {
    let Some(built) = std::env::var_os("PUENTE_BOOTSTRAPS") else { return binary(function) };
    // In a directory with the function's name in the template.
    let resources = template().unwrap()["Resources"].as_object().unwrap();
    let is = |resource: &Value| resource["Metadata"]["BuildProperties"]["Binary"] == function;
    let (name, _) = resources.iter().find(|(_, resource)| is(resource)).unwrap();
    let bin = Path::new(&built).join(name).join("bootstrap");
    assert!(bin.is_absolute() && bin.exists(), "PUENTE_BOOTSTRAPS: there is no {}, from the root", bin.display());
    bin
}

/// What the process does with its one event.
#[derive(Debug)]
pub struct Outcome {
    /// `response`, `error` or `init/error`.
    pub kind: String,
    pub answer: Value,
    /// Everything it printed.
    pub log: String,
}

#[derive(Clone)]
struct Runtime {
    event: Arc<Mutex<Option<String>>>,
    /// When the invocation ends, in milliseconds.
    deadline: i64,
    answers: mpsc::Sender<(String, Bytes)>,
}

async fn next(State(runtime): State<Runtime>) -> impl IntoResponse {
    let event = runtime.event.lock().unwrap().take();
    let Some(event) = event else {
        // Frozen until the next event, which never comes.
        Notify::new().notified().await;
        unreachable!()
    };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", runtime.deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:puente".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event)
}

async fn done(State(runtime): State<Runtime>, Segment(kind): Segment<String>, body: Bytes) -> http::StatusCode {
    let kind = kind.rsplit_once("3fcd/").map_or(kind.clone(), |(_, kind)| kind.to_owned());
    runtime.answers.send((kind, body)).await.unwrap();
    http::StatusCode::ACCEPTED
}

/// Runs one bin on one event, on the stack of `world`.
pub async fn invoke(world: &World, function: &str, event: String) -> Outcome {
    let deadline = SystemClock.now() + SignedDuration::from_secs(300);
    invoke_until(world, function, event, deadline.as_millisecond()).await
}

/// The same with this deadline.
async fn invoke_until(world: &World, function: &str, event: String, deadline: i64) -> Outcome {
    let function = function.to_owned();
    let bin = tokio::task::spawn_blocking(move || bootstrap(&function)).await.unwrap();
    let (answers, mut answered) = mpsc::channel(1);
    let runtime = Runtime { event: Arc::new(Mutex::new(Some(event))), deadline, answers };
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/{*kind}", post(done))
        .with_state(runtime);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let place = &world.stack.place;
    let mut child = Command::new(&bin)
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "puente"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "puente"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "puente"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", world.stack.endpoint.as_str()),
            ("PUENTE_TABLE", place.table.as_str()),
            ("PUENTE_HSTS_MAX_AGE", "31536000"),
            ("PUENTE_QUEUE_URL", place.queue.as_str()),
            ("PUENTE_DEAD_QUEUE_URL", place.dead.as_deref().unwrap()),
            // Somebody looks for a fault: still no order in the log.
            ("RUST_LOG", "trace"),
            ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", bin.display()));
    let answer = tokio::time::timeout(Duration::from_secs(300), answered.recv()).await;
    child.kill().await.unwrap();
    let (mut log, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut log).await.unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
    log += &errors;
    let (kind, body) = answer.unwrap_or_else(|_| panic!("no answer in time:\n{log}")).unwrap();
    let answer = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    Outcome { kind, answer, log }
}

/// Every line is JSON, and none holds an order or a secret.
pub fn is_discreet(outcome: &Outcome) {
    for line in outcome.log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
    for word in ["Ferreyra", "lucia", "27-28765432-4", "sample-key-of-acme-shop", SECRET, "53450"] {
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
    assert_eq!(swept.answer, serde_json::json!({ "accounts": 1, "woken": 0 }), "{swept:?}");
    is_discreet(&swept);
    // Without credentials for its store there is nobody to ask.
    let asked = invoke(&world, "backfill", event("backfill")).await;
    assert_eq!(asked.answer["connections"], 0, "{asked:?}");
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
