//! A batch of messages as Lambda's event source hands it to a function: for whoever plays the event source.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>

use std::collections::BTreeMap;

use aws_sdk_sqs::types::Message;
use serde::Serialize;

/// The event: a batch of messages.
#[derive(Serialize)]
pub struct Batch {
    /// The messages.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// A message of a batch. Its body is an order: it has no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its id, by which a function reports that it failed.
    pub message_id: String,
    /// Deletes it.
    pub receipt_handle: String,
    body: String,
    md5_of_body: String,
    attributes: BTreeMap<String, String>,
    message_attributes: BTreeMap<String, String>,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    aws_region: String,
}

impl Record {
    /// A received message; `arn` is the queue's.
    pub(super) fn of(message: Message, arn: &str) -> Self {
        let attributes = message.attributes.unwrap_or_default();
        Self {
            message_id: message.message_id.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            md5_of_body: message.md5_of_body.unwrap_or_default(),
            attributes: attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
            message_attributes: BTreeMap::new(),
            event_source: "aws:sqs",
            event_source_arn: arn.to_owned(),
            aws_region: arn.split(':').nth(3).unwrap_or_default().to_owned(),
        }
    }
}
