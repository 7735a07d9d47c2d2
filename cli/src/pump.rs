//! `puente pump`: plays Lambda's event source for local work. It takes messages from SQS (the emulator's) and posts them as
//! events to a function (`cargo lambda watch`).
//!
//! A message that was taken is nobody else's until its visibility time-out, half an hour on the stack's queue: none is taken
//! while nobody listens.
//!
//! Invariant: a message is deleted only if the function answered and did not report it as failed. What an answer means is
//! Lambda's own rule: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use puente::{
    Error, Kind, Result,
    aws::{Access, Aws, Batch, Place, SqsQueue},
    outbound::{Answer, Call, Client},
    ports::Queue,
};
use reqwest::{Method, Url, header::HeaderMap};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use tokio::net::TcpStream;

use crate::{output::Output, serve::asked_to_stop};

/// How long a function may take: Lambda's own limit, and some.
const INVOCATION: Duration = Duration::from_secs(905);
/// How long a look takes at most for whether anybody listens.
const LOOK: Duration = Duration::from_secs(2);
/// After a failure, before the next try.
const REST: Duration = Duration::from_secs(1);

/// Carry messages from SQS to a function, as Lambda's event source does. For local work.
///
/// The queue is at `AWS_ENDPOINT_URL` (the emulator); the function under `cargo lambda watch` or whatever answers Lambda's
/// invocations.
#[derive(Debug, Args)]
pub(crate) struct Pump {
    /// The queue.
    #[arg(long, env = "PUENTE_QUEUE_URL", value_name = "URL")]
    queue: String,
    /// Where functions are invoked.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    to: Url,
    /// The function.
    #[arg(long, value_name = "NAME", default_value = "worker")]
    function: String,
    /// The most messages at once.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=10))]
    batch: u8,
    /// Seconds to wait at an empty queue before asking again.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=20))]
    wait: u8,
    /// Carry one batch, or none if the queue is empty, and exit: with 1 if a message failed.
    #[arg(long)]
    once: bool,
}

/// What became of a batch.
#[derive(Serialize)]
struct Carried {
    received: usize,
    deleted: usize,
    /// The ids of messages that stay in the queue.
    failed: BTreeSet<String>,
    /// Why all of them stay.
    error: Option<String>,
}

/// A function's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reported {
    #[serde(default)]
    batch_item_failures: Option<Vec<Failure>>,
    /// It failed, and whoever runs it passes that on without the header that says so.
    #[serde(default)]
    error_type: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(pump: Pump, output: Output) -> Result<()> {
    let place =
        Place { table: String::new(), queue: pump.queue.clone(), dead: None, secrets: String::new(), token_key: None };
    let queue = Aws::new(&Access::discovered().await?, place).queue;
    let arn = queue.arn().await?;
    let (client, url) = (Client::new()?, pump.address()?);
    if pump.once {
        let carried = pump.carry(&queue, &arn, &client, &url).await?;
        output.answer(&carried, || carried.described())?;
        if carried.failed.is_empty() {
            return Ok(());
        }
        return Err(Error::new(Kind::Refused, format!("{} of the messages failed", carried.failed.len())));
    }
    output.remark(format!("carrying messages to {url}; ctrl-c ends it"));
    let carry = async {
        let mut said = String::new();
        loop {
            match pump.carry(&queue, &arn, &client, &url).await {
                Ok(carried) => {
                    said.clear();
                    if carried.received > 0 {
                        output.answer(&carried, || carried.described())?;
                    }
                }
                Err(error) => {
                    // Once, not every second until it is mended.
                    let words = error.to_string();
                    if words != said {
                        output.failure(&error);
                        said = words;
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    };
    tokio::select! {
        ended = carry => ended,
        asked = asked_to_stop() => asked,
    }
}

impl Pump {
    fn address(&self) -> Result<Url> {
        let mut url = self.to.clone();
        let told = || Error::new(Kind::Config, format!("--to {} is not an address", self.to));
        let parts = ["2015-03-31", "functions", self.function.as_str(), "invocations"];
        url.path_segments_mut().map_err(|()| told())?.pop_if_empty().extend(parts);
        Ok(url)
    }

    /// Whether anybody listens at the function's address: an error says that nobody does.
    async fn listens(&self) -> Result<()> {
        let nobody = || {
            let words = format!(
                "nobody listens at {}: is `cargo lambda watch` running? No message is taken until then",
                self.to
            );
            Error::new(Kind::Unavailable, words)
        };
        let addresses = self.to.socket_addrs(|| None).map_err(|error| nobody().caused_by(error))?;
        match tokio::time::timeout(LOOK, TcpStream::connect(&*addresses)).await {
            Ok(connected) => connected.map(drop).map_err(|error| nobody().caused_by(error)),
            Err(_) => Err(nobody()),
        }
    }

    async fn carry(&self, queue: &SqsQueue, arn: &str, client: &Client, url: &Url) -> Result<Carried> {
        self.listens().await?;
        let batch = queue.batch(self.batch.into(), Duration::from_secs(self.wait.into()), arn).await?;
        let ids: BTreeSet<String> = batch.records.iter().map(|record| record.message_id.clone()).collect();
        let (failed, error) = match self.invoked(&batch, &ids, client, url).await {
            Ok(failed) => (failed, None),
            Err(error) => (ids, Some(error.to_string())),
        };
        let mut deleted = 0;
        for record in batch.records.iter().filter(|record| !failed.contains(&record.message_id)) {
            queue.delete(&record.receipt_handle).await?;
            deleted += 1;
        }
        Ok(Carried { received: batch.records.len(), deleted, failed, error })
    }

    /// The ids of the messages that the function reports as failed; an error: all of them failed.
    async fn invoked(
        &self,
        batch: &Batch,
        ids: &BTreeSet<String>,
        client: &Client,
        url: &Url,
    ) -> Result<BTreeSet<String>> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let body = serde_json::to_vec(batch)
            .map_err(|error| Error::new(Kind::Bug, "the event cannot be written as JSON").caused_by(error))?;
        let call = Call {
            method: Method::POST,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: body.into(),
            timeout: INVOCATION,
        };
        let answer = client.send(call).await.map_err(|failure| {
            let words = format!("no answer from {url}: is `cargo lambda watch` still running? {}", failure.error());
            Error::new(Kind::Unavailable, words)
        })?;
        failures(&answer, ids)
    }
}

/// Which messages an answer reports as failed. What it says beyond that is not repeated: it may quote an order.
fn failures(answer: &Answer, ids: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let error = |words: String| Err(Error::new(Kind::Unavailable, words));
    let failed = || error(format!("the function failed ({}): its own log says why", answer.status));
    if !answer.status.is_success() || answer.headers.contains_key("x-amz-function-error") {
        return failed();
    }
    if answer.body.is_empty() {
        return Ok(BTreeSet::new());
    }
    let Ok(reported) = serde_json::from_slice::<Option<Reported>>(&answer.body) else {
        return error("the function's answer has no list `batchItemFailures` that can be read".to_owned());
    };
    if reported.as_ref().is_some_and(|reported| reported.error_type.is_some()) {
        return failed();
    }
    let reported = reported.and_then(|reported| reported.batch_item_failures).unwrap_or_default();
    let failed: BTreeSet<String> =
        reported.into_iter().map(|failure| failure.item_identifier.unwrap_or_default()).collect();
    if failed.is_subset(ids) {
        return Ok(failed);
    }
    error("the function reports a message that was not in the batch".to_owned())
}

impl Carried {
    fn described(&self) -> String {
        let Self { received, deleted, failed, error } = self;
        match (received, error) {
            (0, _) => "the queue is empty".to_owned(),
            (_, Some(error)) => format!("{received} received, none deleted: {error}"),
            (_, None) => format!("{received} received, {deleted} done and deleted, {} failed and left", failed.len()),
        }
    }
}
