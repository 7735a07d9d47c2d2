//! The table: reads, conditional updates, batches and large values, in the few forms the adapters need.
//!
//! Reads of single items are consistent. A refused update answers with the item as it is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::{
        ConditionCheck, Delete, DeleteRequest, KeysAndAttributes, Put, PutRequest, ReturnValue,
        ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, WriteRequest,
    },
};
use sha2::{Digest, Sha256};

use super::{
    client::{Tries, failed},
    expression::Update,
    item::{Item, Reader, bytes, damaged, number, text},
    keys::Key,
};
use crate::{Error, Kind, Result};

/// The most bytes of a value in one item: an item has at most 400 KB, names included.
const PART: usize = 350_000;
/// The most keys of one batch read, and of one batch write.
const READS: usize = 100;
const WRITES: usize = 25;
/// How often the rest of a batch that DynamoDB left undone is asked for again.
const ROUNDS: u32 = 6;

/// The one table.
#[derive(Clone)]
pub(super) struct Table {
    client: Client,
    name: Arc<str>,
}

/// What a conditional update did.
pub(super) enum Outcome {
    /// It held; the item as it is now.
    Done(Item),
    /// It did not hold; the item as it is, and whether the SDK sent the request more than once.
    Refused(Option<Item>, bool),
}

/// A part of a write of several items, and the revision that its item was read at; none: there was no item.
pub(super) enum Check {
    /// Put this one.
    Put(Item, Option<u64>),
    /// Delete this one.
    Delete(Key, Option<u64>),
    /// Leave this one as it was read.
    Same(Key, Option<u64>),
}

impl Check {
    fn item(self, table: &str) -> Result<TransactWriteItem> {
        let (revision, condition) = match &self {
            Self::Put(_, revision) | Self::Delete(_, revision) | Self::Same(_, revision) => match revision {
                Some(revision) => (Some(number(revision)), "revision = :r"),
                None => (None, "attribute_not_exists(pk)"),
            },
        };
        let values = revision.map(|revision| HashMap::from([(":r".to_owned(), revision)]));
        let item = TransactWriteItem::builder();
        Ok(match self {
            Self::Put(put, _) => {
                let put = Put::builder().table_name(table).set_item(Some(put)).condition_expression(condition);
                item.put(put.set_expression_attribute_values(values).build().map_err(incomplete)?)
            }
            Self::Delete(key, _) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key.item()));
                let delete = delete.condition_expression(condition).set_expression_attribute_values(values);
                item.delete(delete.build().map_err(incomplete)?)
            }
            Self::Same(key, _) => {
                let check = ConditionCheck::builder().table_name(table).set_key(Some(key.item()));
                let check = check.condition_expression(condition).set_expression_attribute_values(values);
                item.condition_check(check.build().map_err(incomplete)?)
            }
        }
        .build())
    }
}

/// What to look for in the table or one of its indexes.
pub(super) struct Query<'a> {
    /// The index, or the table itself.
    pub(super) index: Option<&'static str>,
    /// The attribute of the partition, and its value.
    pub(super) partition: (&'static str, &'a str),
    /// The attribute to sort by, and its range.
    pub(super) sort: Option<(&'static str, Sort<'a>)>,
    /// Whether the first comes first.
    pub(super) ascending: bool,
    /// At most so many.
    pub(super) limit: usize,
}

/// A range of an attribute to sort by.
#[derive(Clone, Copy)]
pub(super) enum Sort<'a> {
    /// Up to this value.
    AtMost(&'a str),
    /// After this value.
    After(&'a str),
    /// From the one to the other, both of them included.
    Between(&'a str, &'a str),
    /// With this beginning.
    Begins(&'a str),
}

/// A request of a batch: put this item.
pub(super) fn put(item: Item) -> Result<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// A request of a batch: delete the item of this key.
pub(super) fn delete(key: Key) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key.item())).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn incomplete(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Bug, "a request to DynamoDB is incomplete").caused_by(cause)
}

impl Table {
    pub(super) fn new(sdk: &SdkConfig, name: String) -> Self {
        Self { client: Client::new(sdk), name: name.into() }
    }

    /// One item, read consistently.
    pub(super) async fn get(&self, key: Key) -> Result<Option<Item>> {
        let read = self.client.get_item().table_name(&*self.name).set_key(Some(key.item())).consistent_read(true);
        let answer = read.send().await.map_err(|error| failed("cannot read the table", &error))?;
        Ok(answer.item)
    }

    /// Writes an item; with `only_new` an item of that key stays as it is.
    pub(super) async fn put(&self, item: Item, only_new: bool) -> Result<()> {
        let mut write = self.client.put_item().table_name(&*self.name).set_item(Some(item));
        if only_new {
            write = write.condition_expression("attribute_not_exists(pk)");
        }
        match write.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(failed("cannot write the table", &error)),
        }
    }

    /// Deletes an item, if there is one.
    pub(super) async fn delete(&self, key: Key) -> Result<()> {
        let delete = self.client.delete_item().table_name(&*self.name).set_key(Some(key.item()));
        delete.send().await.map_err(|error| failed("cannot write the table", &error))?;
        Ok(())
    }

    /// One conditional update.
    pub(super) async fn update(&self, key: Key, update: Update) -> Result<Outcome> {
        let tries = Tries::default();
        let update = update.render();
        let request = self
            .client
            .update_item()
            .table_name(&*self.name)
            .set_key(Some(key.item()))
            .update_expression(update.update)
            .set_condition_expression(update.condition)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values((!update.values.is_empty()).then_some(update.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.customize().interceptor(tries.clone()).send().await {
            Ok(answer) => Ok(Outcome::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Outcome::Refused(refused.item.clone(), tries.repeated()))
                }
                _ => Err(failed("cannot write the table", &error)),
            },
        }
    }

    /// The items of these keys that exist, in any order. Keys must differ.
    pub(super) async fn get_many(&self, keys: impl IntoIterator<Item = Key>, consistent: bool) -> Result<Vec<Item>> {
        let keys: Vec<_> = keys.into_iter().map(Key::item).collect();
        let mut items = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(READS) {
            let mut rest = chunk.to_vec();
            for round in 0.. {
                let keys = KeysAndAttributes::builder().set_keys(Some(rest)).consistent_read(consistent).build();
                let request = self.client.batch_get_item().request_items(&*self.name, keys.map_err(incomplete)?);
                let answer = request.send().await.map_err(|error| failed("cannot read the table", &error))?;
                items.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
                rest = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
                if rest.is_empty() {
                    break;
                }
                pause(round).await?;
            }
        }
        Ok(items)
    }

    /// Puts and deletes, in any order. Keys must differ.
    pub(super) async fn write_many(&self, requests: &[WriteRequest]) -> Result<()> {
        for chunk in requests.chunks(WRITES) {
            let mut rest = chunk.to_vec();
            for round in 0.. {
                let request = self.client.batch_write_item().request_items(&*self.name, rest);
                let answer = request.send().await.map_err(|error| failed("cannot write the table", &error))?;
                rest = answer.unprocessed_items.into_iter().flat_map(HashMap::into_values).flatten().collect();
                if rest.is_empty() {
                    break;
                }
                pause(round).await?;
            }
        }
        Ok(())
    }

    /// All of these or none. `false`: an item is not of the revision that it was read at, or somebody else writes it at this moment.
    pub(super) async fn write_all(&self, checks: Vec<Check>) -> Result<bool> {
        let mut items = Vec::with_capacity(checks.len());
        for check in checks {
            items.push(check.item(&self.name)?);
        }
        let tries = Tries::default();
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        match request.customize().interceptor(tries).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons();
                    let codes = reasons.iter().filter_map(|reason| reason.code()).filter(|code| *code != "None");
                    let conflict = |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
                    let (mut any, mut others) = (false, false);
                    for code in codes {
                        any |= conflict(code);
                        others |= !conflict(code);
                    }
                    if any && !others { Ok(false) } else { Err(failed("cannot write the table", &error)) }
                }
                _ => Err(failed("cannot write the table", &error)),
            },
        }
    }

    fn ask(&self, query: &Query<'_>) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let (partition, value) = query.partition;
        let mut ask = self
            .client
            .query()
            .table_name(&*self.name)
            .set_index_name(query.index.map(str::to_owned))
            .consistent_read(query.index.is_none())
            .scan_index_forward(query.ascending)
            .expression_attribute_names("#p", partition)
            .expression_attribute_values(":p", text(value));
        let Some((attribute, sort)) = query.sort else { return ask.key_condition_expression("#p = :p") };
        let (condition, value) = match sort {
            Sort::AtMost(value) => ("#p = :p AND #s <= :s", value),
            Sort::After(value) => ("#p = :p AND #s > :s", value),
            Sort::Between(value, _) => ("#p = :p AND #s BETWEEN :s AND :t", value),
            Sort::Begins(value) => ("#p = :p AND begins_with(#s, :s)", value),
        };
        if let Sort::Between(_, last) = sort {
            ask = ask.expression_attribute_values(":t", text(last));
        }
        ask = ask.expression_attribute_names("#s", attribute).expression_attribute_values(":s", text(value));
        ask.key_condition_expression(condition)
    }

    /// The items found, in order.
    pub(super) async fn query(&self, query: &Query<'_>) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let left = i32::try_from(query.limit.saturating_sub(items.len())).unwrap_or(i32::MAX);
            let ask = self.ask(query).limit(left.max(1)).set_exclusive_start_key(from);
            let answer = ask.send().await.map_err(|error| failed("cannot read the table", &error))?;
            items.extend(answer.items.unwrap_or_default());
            from = answer.last_evaluated_key;
            if from.is_none() || items.len() >= query.limit {
                items.truncate(query.limit);
                return Ok(items);
            }
        }
    }

    /// How many items there are.
    pub(super) async fn count(&self, query: &Query<'_>) -> Result<u64> {
        let mut count = 0;
        let mut from = None;
        loop {
            let ask = self.ask(query).select(Select::Count).set_exclusive_start_key(from);
            let answer = ask.send().await.map_err(|error| failed("cannot read the table", &error))?;
            count += u64::try_from(answer.count).unwrap_or_default();
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(count);
            }
        }
    }

    /// Writes an item with a value of any size in `body`: a large one in parts beside it, the item that names them last.
    pub(super) async fn put_large(
        &self,
        key: Key,
        attributes: &[(&str, &str)],
        body: Vec<u8>,
        only_new: bool,
    ) -> Result<()> {
        let mut item = key.clone().item();
        item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), text(*value))));
        if body.len() <= PART {
            item.insert("body".to_owned(), bytes(body));
            return self.put(item, only_new).await;
        }
        let digest = hex::encode(Sha256::digest(&body));
        let mut parts = 0;
        for part in body.chunks(PART) {
            let mut beside = key.part(&digest, parts).item();
            beside.insert("body".to_owned(), bytes(part.to_vec()));
            self.put(beside, true).await?;
            parts += 1;
        }
        item.insert("parts".to_owned(), number(parts));
        item.insert("digest".to_owned(), text(digest));
        self.put(item, only_new).await
    }

    /// An item and its `body`.
    pub(super) async fn get_large(&self, key: Key) -> Result<Option<(Item, Vec<u8>)>> {
        let Some(item) = self.get(key.clone()).await? else { return Ok(None) };
        let at = Reader(&item);
        if let Some(body) = at.bytes_if("body") {
            let body = body.to_vec();
            return Ok(Some((item, body)));
        }
        let mut body = Vec::new();
        let digest = at.text("digest")?;
        for part in 0..at.number::<u32>("parts")? {
            let beside = self.get(key.part(digest, part)).await?.ok_or_else(|| damaged("parts"))?;
            body.extend_from_slice(Reader(&beside).bytes_if("body").ok_or_else(|| damaged("body"))?);
        }
        Ok(Some((item, body)))
    }
}

/// DynamoDB did a part of a batch: the rest goes again, each time later.
pub(super) async fn pause(round: u32) -> Result<()> {
    if round >= ROUNDS {
        return Err(Error::new(Kind::Unavailable, "DynamoDB is busy: it left a part of a batch undone"));
    }
    tokio::time::sleep(Duration::from_millis(25 << round)).await;
    Ok(())
}
