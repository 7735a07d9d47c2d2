//! Messages of the work queue: [`puente::flow::work`] on each batch.
//!
//! Messages that failed are reported one by one (`ReportBatchItemFailures`), with the ids they came with, so that the others
//! of the batch are done. Those that cannot be decoded are among them: the queue's redrive policy takes them to the
//! dead-letter queue. A batch of which nothing can be told is an error: then all of it comes again.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    aws::decode,
    domain::{event::Event, message::Message},
    flow::work::work,
};

use crate::{App, Tell, ends, isolated, log, serve};

/// What is left of an invocation's time when its flows must have ended.
const LEFT: SignedDuration = SignedDuration::from_secs(3);

/// Works until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = &App::from_env(Tell::default()).await?;
    serve(app, "worker", async |event, context| handle(app, event.get(), ends(&context)? - LEFT).await).await
}

/// Works on one batch until `deadline`: which messages failed.
pub async fn handle(app: &App, event: &str, deadline: Timestamp) -> Result<SqsBatchResponse> {
    let deliveries = read(event)?;
    let ids: Vec<String> = deliveries.iter().map(|(id, _)| id.clone()).collect();
    let puente = app.puente().await?;
    let failed = isolated("working on a batch", Box::pin(work(&puente, deliveries, deadline))).await;
    // Which of them made it panic is not known: all come again, and what was recorded is recognised.
    let failed = failed.unwrap_or_else(|_| ids.clone());
    puente.tell.of(&Event::Batch { messages: ids.len(), failed: failed.len() });
    let mut answer = SqsBatchResponse::default();
    for id in failed {
        answer.add_failure(id);
    }
    Ok(answer)
}

fn read(event: &str) -> Result<Vec<(String, Result<Message>)>> {
    let event: SqsEvent = serde_json::from_str(event).map_err(|cause| {
        // The cause would quote the event, and the event is orders.
        let place = format!("line {}, column {}", cause.line(), cause.column());
        Error::new(Kind::Unreadable, format!("the event is not one of SQS ({place})"))
    })?;
    let read = |message: aws_lambda_events::sqs::SqsMessage| {
        // Without its id a failure could not be reported: it would count as done.
        let id = message.message_id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Error::new(Kind::Unreadable, "a message of the batch has no `messageId`"))?;
        let body = message.body.ok_or_else(|| Error::new(Kind::Unreadable, "the message has no body"));
        Ok((id, body.and_then(|body| decode(&body))))
    };
    event.records.into_iter().map(read).collect()
}
