//! A function as Lambda runs it: its bin as a process, warm from one event to the next, against a Runtime API of its own.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    sync::Arc,
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
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::AbortHandle,
};

use super::{
    binary::binary,
    moto::{Stack, template},
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

/// A running function.
pub struct Function {
    child: Child,
    events: mpsc::Sender<(String, i64)>,
    answers: mpsc::Receiver<Answer>,
    serving: AbortHandle,
}

/// What it said to an event: `response`, `error` or `init/error`, and the body.
pub type Answer = (String, Bytes);

#[derive(Clone)]
struct Runtime {
    events: Arc<Mutex<mpsc::Receiver<(String, i64)>>>,
    answers: mpsc::Sender<Answer>,
}

async fn next(State(runtime): State<Runtime>) -> impl IntoResponse {
    // Frozen until there is an event.
    let Some((event, deadline)) = runtime.events.lock().await.recv().await else { std::future::pending().await };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:puente".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event)
}

async fn done(State(runtime): State<Runtime>, Segment(kind): Segment<String>, body: Bytes) -> http::StatusCode {
    let kind = kind.rsplit_once("3fcd/").map_or(kind.clone(), |(_, kind)| kind.to_owned());
    // Whoever asked may have killed it meanwhile.
    let _ = runtime.answers.send((kind, body)).await;
    http::StatusCode::ACCEPTED
}

impl Function {
    /// Starts the bin of `function` on `stack`, which it reaches through `endpoint`. What it prints is added to `log`.
    pub async fn start(function: &str, stack: &Stack, endpoint: &str, log: &Path) -> Self {
        let function = function.to_owned();
        let bin = tokio::task::spawn_blocking(move || bootstrap(&function)).await.unwrap();
        let (events, given) = mpsc::channel(1);
        let (said, answers) = mpsc::channel(1);
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/{*kind}", post(done))
            .with_state(Runtime { events: Arc::new(Mutex::new(given)), answers: said });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();

        let place = &stack.place;
        let output = || OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(&bin)
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
                ("AWS_ENDPOINT_URL", endpoint),
                ("PUENTE_TABLE", place.table.as_str()),
                ("PUENTE_HSTS_MAX_AGE", "31536000"),
                ("PUENTE_QUEUE_URL", place.queue.as_str()),
                ("PUENTE_DEAD_QUEUE_URL", place.dead.as_deref().unwrap()),
                ("PUENTE_SECRET_PREFIX", place.secrets.as_str()),
                // Somebody looks for a fault: still no order in the log.
                ("RUST_LOG", "trace"),
                ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
            ])
            .stdin(std::process::Stdio::null())
            .stdout(output())
            .stderr(output())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", bin.display()));
        Self { child, events, answers, serving }
    }

    /// Hands it an event that may take `time`: what it says. Given up, it must be killed: it is at work on the event.
    ///
    /// # Panics
    /// If it ends by itself, or says nothing in twice its time.
    pub async fn invoke(&mut self, event: String, time: Duration) -> Answer {
        let deadline = SystemClock.now() + SignedDuration::try_from(time).unwrap();
        self.invoke_until(event, deadline.as_millisecond(), time * 2).await
    }

    /// The same with this deadline, in milliseconds as Lambda says it, and this patience.
    pub async fn invoke_until(&mut self, event: String, deadline: i64, patience: Duration) -> Answer {
        self.events.send((event, deadline)).await.unwrap();
        tokio::select! {
            answer = self.answers.recv() => answer.unwrap(),
            ended = self.child.wait() => panic!("it ended by itself: {ended:?}"),
            () = tokio::time::sleep(patience) => panic!("no answer in {patience:?}"),
        }
    }

    /// SIGKILL: no destructor, no flush, no goodbye.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
        self.serving.abort();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
