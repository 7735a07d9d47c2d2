//! The work queue and its dead-letter queue on SQS: standard queues with a message group per connection (fair queues), so that
//! a flooding shop cannot make the others wait, and throughput has no cap.
//!
//! Invariant: `Ok` for a message means that SQS confirmed it. Entries that a batch send reports as failed, or does not
//! mention, are failures.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html>

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    config::timeout::TimeoutConfig,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, Message as Received, MessageAttributeValue,
        MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
    },
};
use jiff::Timestamp;

use super::{
    batch::{Batch, Record},
    body::{decode, encode},
    client::{failed, longer},
};
use crate::{
    Error, Kind, Result,
    domain::{
        event::{Event, Told},
        message::Message,
    },
    ports::{Dead, Delivery, Queue},
};

/// The most messages of one batch, and of one receive.
const BATCH: usize = 10;
/// The most bytes of one batch, less what the attributes need.
const BATCH_BYTES: usize = 1024 * 1024 - 8192;
/// The longest delay of a message.
const LONGEST_DELAY: Duration = Duration::from_mins(15);
/// The longest long poll.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long a dead letter stays out of sight while it is listed or moved, in seconds.
const SIGHT: i32 = 60;
/// The message attribute with the reason of a burial.
const REASON: &str = "reason";
/// The longest reason, in characters.
const LONGEST_REASON: usize = 1000;

/// The work queue and its dead-letter queue.
#[derive(Clone)]
pub struct SqsQueue {
    client: Client,
    timeouts: TimeoutConfig,
    work: String,
    dead: Option<String>,
}

impl SqsQueue {
    pub(super) fn new(sdk: &SdkConfig, work: String, dead: Option<String>) -> Self {
        let timeouts = sdk.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        Self { client: Client::new(sdk), timeouts, work, dead }
    }

    /// The ARN of the work queue.
    pub async fn arn(&self) -> Result<String> {
        let ask = self.client.get_queue_attributes().queue_url(&self.work);
        let answer = ask.attribute_names(QueueAttributeName::QueueArn).send().await;
        let attributes = answer.map_err(|error| failed("cannot reach the queue", &error))?.attributes;
        let arn = attributes.and_then(|mut attributes| attributes.remove(&QueueAttributeName::QueueArn));
        arn.ok_or_else(|| Error::new(Kind::Unavailable, "the queue did not say its ARN"))
    }

    /// Takes up to `max` messages as a function gets them, waiting up to `wait`; `arn` is the queue's.
    pub async fn batch(&self, max: usize, wait: Duration, arn: &str) -> Result<Batch> {
        let received = self.receive_from(&self.work, max, wait, None).await?;
        Ok(Batch { records: received.into_iter().map(|message| Record::of(message, arn)).collect() })
    }

    fn dead_url(&self) -> Result<&str> {
        self.dead.as_deref().ok_or_else(|| {
            Error::new(Kind::Config, "no dead-letter queue is known here: set PUENTE_DEAD_QUEUE_URL to its URL")
        })
    }

    /// Sends at most [`BATCH`] bodies: for each of `entries` (a place, a body, its group) what became of it.
    async fn send_batch(&self, entries: &[(usize, String, String)], delay: i32) -> Vec<(usize, Result<()>)> {
        let mut request = self.client.send_message_batch().queue_url(&self.work);
        for (place, body, group) in entries {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(body)
                .message_group_id(group)
                .delay_seconds(delay)
                .build();
            match entry {
                Ok(entry) => request = request.entries(entry),
                Err(cause) => Event::QueueEntry { cause: &cause }.log(),
            }
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let each =
                    |(place, ..): &(usize, String, String)| (*place, Err(failed("cannot reach the queue", &error)));
                return entries.iter().map(each).collect();
            }
        };
        let sent: HashSet<&str> = answer.successful.iter().map(|entry| entry.id.as_str()).collect();
        let reasons: HashMap<&str, &str> =
            answer.failed.iter().map(|entry| (entry.id.as_str(), entry.code.as_str())).collect();
        let each = |(place, ..): &(usize, String, String)| {
            let id = place.to_string();
            let outcome = match reasons.get(id.as_str()) {
                None if sent.contains(id.as_str()) => Ok(()),
                None => Err(Error::new(Kind::Unavailable, "the queue did not say what became of the message")),
                Some(code) => Err(Error::new(Kind::Unavailable, format!("the queue did not take the message: {code}"))),
            };
            (*place, outcome)
        };
        entries.iter().map(each).collect()
    }

    async fn receive_from(&self, url: &str, max: usize, wait: Duration, sight: Option<i32>) -> Result<Vec<Received>> {
        let wait = wait.min(LONGEST_WAIT);
        let max = i32::try_from(max.clamp(1, BATCH)).unwrap_or(1);
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(max)
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or_default())
            .set_visibility_timeout(sight)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_attribute_names(REASON);
        let patient = aws_sdk_sqs::config::Config::builder().timeout_config(longer(&self.timeouts, wait));
        let answer = request.customize().config_override(patient).send().await;
        let answer = answer.map_err(|error| failed("cannot receive from the queue", &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    async fn delete_from(&self, url: &str, receipt: &str) -> Result<()> {
        let delete = self.client.delete_message().queue_url(url).receipt_handle(receipt);
        delete.send().await.map(drop).map_err(|error| failed("cannot delete from the queue", &error))
    }

    /// Puts received dead letters back into sight.
    async fn show_again(&self, url: &str, receipts: &[String]) -> Result<()> {
        for chunk in receipts.chunks(BATCH) {
            let mut request = self.client.change_message_visibility_batch().queue_url(url);
            for (place, receipt) in chunk.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(place.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .build();
                request = request.entries(entry.map_err(incomplete)?);
            }
            request.send().await.map_err(|error| failed("cannot put dead letters back into sight", &error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>> {
        // A fraction of a second would be rounded away, and the message come too early.
        let rounded_up = Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0));
        let delay = i32::try_from(rounded_up.min(LONGEST_DELAY).as_secs()).unwrap_or_default();
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut batch: Vec<(usize, String, String)> = Vec::new();
        let mut bytes = 0;
        for (place, message) in messages.iter().enumerate() {
            let body = match encode(message) {
                Ok(body) => body,
                Err(error) => {
                    outcomes.push((place, Err(error)));
                    continue;
                }
            };
            if batch.len() == BATCH || bytes + body.len() > BATCH_BYTES {
                outcomes.extend(self.send_batch(&batch, delay).await);
                batch.clear();
                bytes = 0;
            }
            bytes += body.len();
            batch.push((place, body, group(message)));
        }
        if !batch.is_empty() {
            outcomes.extend(self.send_batch(&batch, delay).await);
        }
        outcomes.sort_by_key(|(place, _)| *place);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>> {
        let received = self.receive_from(&self.work, max, wait, None).await?;
        let deliveries = received.into_iter().map(|message| Delivery {
            receives: receives(&message),
            message: decode(message.body.as_deref().unwrap_or_default()),
            receipt: message.receipt_handle.unwrap_or_default(),
        });
        Ok(deliveries.collect())
    }

    async fn delete(&self, receipt: &str) -> Result<()> {
        self.delete_from(&self.work, receipt).await
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        let reason = MessageAttributeValue::builder().data_type("String").string_value(sqs_text(reason)).build();
        let request = self
            .client
            .send_message()
            .queue_url(self.dead_url()?)
            .message_body(encode(message)?)
            .message_group_id(group(message))
            .message_attributes(REASON, reason.map_err(incomplete)?);
        request.send().await.map(drop).map_err(|error| failed("cannot reach the dead-letter queue", &error))
    }

    async fn dead(&self, limit: usize) -> Result<Vec<Dead>> {
        let url = self.dead_url()?;
        let mut seen = HashSet::new();
        let mut receipts = Vec::new();
        let mut dead = Vec::new();
        let mut outcome = Ok(());
        while dead.len() < limit {
            let received = match self.receive_from(url, limit - dead.len(), Duration::from_secs(1), Some(SIGHT)).await {
                Ok(received) if received.is_empty() => break,
                Ok(received) => received,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            for message in received {
                receipts.extend(message.receipt_handle.clone());
                if seen.insert(message.message_id.clone()) {
                    dead.push(letter(&message));
                }
            }
        }
        // Listing must not hide what it lists; if this fails they come back by themselves.
        self.show_again(url, &receipts).await?;
        outcome.map(|()| dead)
    }

    async fn redrive(&self, limit: usize, by: Option<&str>) -> Result<usize> {
        let url = self.dead_url()?;
        let mut moved = 0;
        while moved < limit {
            let received = self.receive_from(url, limit - moved, Duration::from_secs(1), Some(SIGHT)).await?;
            if received.is_empty() {
                break;
            }
            for message in received {
                let (Some(receipt), Some(body)) = (&message.receipt_handle, &message.body) else { continue };
                let group = system(&message, &MessageSystemAttributeName::MessageGroupId);
                // What cannot be decoded goes back as it is.
                let wanted = by.and_then(|by| encode(&decode(body).ok()?.wanted_by(by)).ok());
                let body = wanted.as_ref().unwrap_or(body);
                let send = self.client.send_message().queue_url(&self.work).message_body(body);
                let send = send.set_message_group_id(group.map(str::to_owned)).send().await;
                send.map_err(|error| failed("cannot move a dead letter", &error))?;
                // Sent first, then deleted: a crash between the two doubles it, which the record takes.
                self.delete_from(url, receipt).await?;
                moved += 1;
            }
        }
        Ok(moved)
    }

    async fn ready(&self) -> Result<()> {
        self.arn().await.map(drop)
    }
}

/// The message group: whose message it is.
fn group(message: &Message) -> String {
    match message {
        Message::Arrival(arrival) => arrival.connection.to_string(),
        Message::Backfill(ask) => ask.connection.to_string(),
        Message::Wake { erp } => format!("erp.{erp}"),
        Message::Publish { connection } => format!("stock.{connection}"),
    }
}

fn system<'a>(message: &'a Received, name: &MessageSystemAttributeName) -> Option<&'a str> {
    message.attributes.as_ref().and_then(|attributes| attributes.get(name)).map(String::as_str)
}

fn receives(message: &Received) -> u32 {
    let count = system(message, &MessageSystemAttributeName::ApproximateReceiveCount);
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn letter(message: &Received) -> Dead {
    let decoded = decode(message.body.as_deref().unwrap_or_default());
    let given = message.message_attributes.as_ref().and_then(|attributes| attributes.get(REASON));
    let reason = match (given.and_then(MessageAttributeValue::string_value), &decoded) {
        (Some(reason), _) => reason.to_owned(),
        (None, Err(error)) => error.to_string(),
        (None, Ok(_)) => "it was received too often: each time it could not be put on record".to_owned(),
    };
    let since = system(message, &MessageSystemAttributeName::SentTimestamp).and_then(|millis| millis.parse().ok());
    Dead { message: decoded.ok(), reason, since: since.and_then(|millis| Timestamp::from_millisecond(millis).ok()) }
}

/// Text as SQS takes it in an attribute: not empty, no control characters, not too long.
fn sqs_text(text: &str) -> String {
    let taken = |c: &char| !c.is_control() && !['\u{FFFE}', '\u{FFFF}'].contains(c);
    let text: String = text.chars().filter(taken).take(LONGEST_REASON).collect();
    if text.trim().is_empty() { "no reason was given".to_owned() } else { text }
}

fn incomplete(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Bug, "a request to SQS is incomplete").caused_by(cause)
}
