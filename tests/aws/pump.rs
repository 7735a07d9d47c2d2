//! `puente pump`: from the emulator's queue into a stub of Lambda's invocations; what is deleted and what stays.

use std::{
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use puente::{domain::message::Message, ports::Queue};
use serde_json::{Value, json};

use crate::support::{
    binary::puente,
    moto::{self, Stack},
};

/// Longer than a pump takes, however busy the machine is.
const VISIBILITY: Duration = Duration::from_mins(10);

/// How the function answers an event.
type Answer = fn(&Value) -> Response;

/// A function that answers as it is told, and what it was asked.
struct Function {
    url: String,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Function {
    async fn start(answer: Answer) -> Self {
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let router = Router::new().route("/2015-03-31/functions/{function}/invocations", post(invoked));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router.with_state((events.clone(), answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, events }
    }
}

async fn invoked(
    State((events, answer)): State<(Arc<Mutex<Vec<Value>>>, Answer)>,
    Path(function): Path<String>,
    body: Bytes,
) -> Response {
    assert_eq!(function, "worker");
    let event: Value = serde_json::from_slice(&body).unwrap();
    events.lock().unwrap().push(event.clone());
    answer(&event)
}

/// A queue with this many messages.
async fn filled(messages: usize) -> Option<Stack> {
    // What is left in the queue is not seen again before the test says so.
    let stack = moto::stack_with(VISIBILITY, 100).await?;
    let wake = |n: usize| Message::Wake { erp: format!("erp-{n}").parse().unwrap() };
    let sent = stack.aws().queue.send(&(0..messages).map(wake).collect::<Vec<_>>(), Duration::ZERO).await.unwrap();
    assert!(sent.into_iter().all(|sent| sent.is_ok()));
    Some(stack)
}

async fn pump(stack: &Stack, to: &str) -> Output {
    let (queue, endpoint, to) = (stack.place.queue.clone(), stack.endpoint.clone(), to.to_owned());
    let run = move || {
        Command::new(puente())
            .args(["pump", "--once", "--json", "--wait", "1", "--to", &to])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL", &endpoint),
                ("PUENTE_QUEUE_URL", &queue),
            ])
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// How many messages there are, seen once those in flight are back.
async fn left(stack: &Stack) -> usize {
    stack.pass(VISIBILITY).await;
    let mut left = 0;
    loop {
        let received = stack.aws().queue.receive(10, Duration::ZERO).await.unwrap();
        if received.is_empty() {
            return left;
        }
        left += received.len();
    }
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_fail_is_deleted() {
    let Some(stack) = filled(3).await else { return };
    let function = Function::start(|event| {
        let failed = json!({ "itemIdentifier": event["Records"][1]["messageId"] });
        axum::Json(json!({ "batchItemFailures": [failed] })).into_response()
    })
    .await;
    let output = pump(&stack, &function.url).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = report(&output);
    assert_eq!((&report["received"], &report["deleted"]), (&json!(3), &json!(2)), "{report}");
    let event = function.events.lock().unwrap()[0].clone();
    assert_eq!(report["failed"], json!([event["Records"][1]["messageId"]]));
    assert_eq!(left(&stack).await, 1);

    // The event is one that the real function understands.
    let event: aws_lambda_events::sqs::SqsEvent = serde_json::from_value(event).unwrap();
    let record = &event.records[0];
    assert!(puente::aws::decode(record.body.as_deref().unwrap()).is_ok());
    assert_eq!(record.event_source.as_deref(), Some("aws:sqs"));
    assert!(record.event_source_arn.as_deref().unwrap().starts_with("arn:aws:sqs:eu-west-1:"));
    assert_eq!(record.attributes.get("ApproximateReceiveCount").map(String::as_str), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_done_where_nothing_failed() {
    let answers: [Answer; 3] = [
        |_| axum::Json(json!({ "batchItemFailures": [] })).into_response(),
        |_| axum::Json(Value::Null).into_response(),
        |_| StatusCode::OK.into_response(),
    ];
    for answer in answers {
        let Some(stack) = filled(12).await else { return };
        let function = Function::start(answer).await;
        for received in [10, 2, 0] {
            let output = pump(&stack, &function.url).await;
            assert!(output.status.success(), "{output:?}");
            assert_eq!(report(&output)["received"], received);
        }
        assert_eq!(function.events.lock().unwrap().len(), 2, "an empty queue invokes nothing");
        assert_eq!(left(&stack).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deleted_where_the_answer_does_not_say_so() {
    let answers: [(Answer, &str); 6] = [
        (|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), "the function failed (500"),
        (
            |_| {
                let header: HeaderMap =
                    [("x-amz-function-error".parse().unwrap(), "Unhandled".parse().unwrap())].into_iter().collect();
                (header, axum::Json(json!({ "errorMessage": "Ferreyra" }))).into_response()
            },
            "the function failed (200",
        ),
        (
            |_| axum::Json(json!({ "errorType": "Error", "errorMessage": "Ferreyra" })).into_response(),
            "the function failed",
        ),
        (|_| "Ferreyra".into_response(), "no list `batchItemFailures`"),
        (
            |_| axum::Json(json!({ "batchItemFailures": [{ "itemIdentifier": "of-another-batch" }] })).into_response(),
            "not in the batch",
        ),
        (
            |_| axum::Json(json!({ "batchItemFailures": [{ "itemIdentifier": null }] })).into_response(),
            "not in the batch",
        ),
    ];
    let Some(stack) = filled(2).await else { return };
    for (answer, says) in answers {
        let function = Function::start(answer).await;
        let output = pump(&stack, &function.url).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report = report(&output);
        assert_eq!((&report["received"], &report["deleted"]), (&json!(2), &json!(0)), "{says}: {report}");
        assert!(report["error"].as_str().unwrap().contains(says), "{says}: {report}");
        assert!(!format!("{output:?}").contains("Ferreyra"), "an answer may quote an order: {output:?}");
        stack.pass(VISIBILITY).await;
    }
    assert_eq!(left(&stack).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_while_nobody_listens() {
    let Some(stack) = filled(2).await else { return };
    let output = pump(&stack, "http://127.0.0.1:1").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("nobody listens") && words.contains("is `cargo lambda watch` running?"), "{words}");
    // Nothing is in flight.
    assert_eq!(stack.aws().queue.receive(10, Duration::ZERO).await.unwrap().len(), 2);
}
