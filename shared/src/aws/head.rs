//! The head of a record as an item, so that each condition of a write is a comparison of attributes.
//!
//! | attribute | what |
//! |---|---|
//! | `connection`, `order`, `schema`, `summary`, `document`, `reason`, `last`, `attempts`, `epoch` | as in [`Head`]; `summary` and `document` as JSON text |
//! | `desired`, `desired_content`, `desired_tie`, `newest` | the version as sortable text, and apart what the version rule compares |
//! | `applied`, `parked_version`, `parked_end`, `parked_reason` | versions as text, comparable with `desired` inside a condition |
//! | `intent` | a map: `operation`, `reference`, `planned`, `attempt`, `epoch`, `start_by`, `settle_at`, `unknown`, `refused` |
//! | `due`, `soon` (`not_before`), `updated`, `arrived` | times as text that sorts |
//! | `token` | drawn for each write: whose write this item is |
//! | `shelf`, `listed` | where the index for lists has it |
//!
//! Its key, and those of the indexes, are in `keys.rs`. Heads without a `due` are not in the index `due`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use super::item::{Item, Reader, damaged, number, text, time};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{AttemptId, OrderKey},
        record::{End, Head, Intent, Operation, Parked, SCHEMA, Step},
    },
};

/// A part of the head that is only read, as JSON text.
pub(super) fn json<T: Serialize>(value: &T) -> Result<AttributeValue> {
    serde_json::to_string(value)
        .map(text)
        .map_err(|cause| Error::new(Kind::Bug, "a part of the record cannot be written as JSON").caused_by(cause))
}

/// An intent as a map.
pub(super) fn intent(intent: &Intent) -> AttributeValue {
    let operation = match intent.step.operation {
        Operation::Create => "create",
    };
    AttributeValue::M(HashMap::from([
        ("operation".to_owned(), text(operation)),
        ("reference".to_owned(), text(intent.step.reference.as_str())),
        ("planned".to_owned(), text(intent.planned.to_string())),
        ("attempt".to_owned(), text(intent.attempt.as_str())),
        ("epoch".to_owned(), number(intent.epoch)),
        ("start_by".to_owned(), time(intent.start_by)),
        ("settle_at".to_owned(), time(intent.settle_at)),
        ("unknown".to_owned(), AttributeValue::Bool(intent.unknown)),
        ("refused".to_owned(), AttributeValue::Bool(intent.refused)),
    ]))
}

/// The head in an item.
pub(super) fn read(item: &Item) -> Result<Head> {
    let item = Reader(item);
    let schema = item.number("schema")?;
    if schema > SCHEMA {
        return Err(Error::new(Kind::Config, "the record was written by a later release of puente: update this one"));
    }
    let from_json = |name: &str| item.text_if(name).map(serde_json::from_str).transpose().map_err(|_| damaged(name));
    Ok(Head {
        schema,
        key: OrderKey::new(item.parsed("connection")?, item.parsed("order")?),
        summary: serde_json::from_str(item.text("summary")?).map_err(|_| damaged("summary"))?,
        desired: item.parsed("desired")?,
        newest: item.parsed("newest")?,
        arrived: item.parsed_if("arrived")?,
        applied: item.parsed_if("applied")?,
        due: item.parsed_if("due")?,
        not_before: item.parsed_if("soon")?,
        intent: item.map_if("intent").map(read_intent).transpose()?,
        attempts: item.number("attempts")?,
        epoch: item.number("epoch")?,
        parked: read_parked(item)?,
        last: item.text_if("last").map(AttemptId::new),
        document: from_json("document")?,
        reason: item.text_if("reason").map(str::to_owned),
        updated: item.parsed("updated")?,
    })
}

fn read_intent(map: Reader<'_>) -> Result<Intent> {
    let operation = match map.text("operation")? {
        "create" => Operation::Create,
        _ => return Err(damaged("intent.operation")),
    };
    let reference = serde_json::from_value(map.text("reference")?.into()).map_err(|_| damaged("intent.reference"))?;
    Ok(Intent {
        step: Step { operation, reference },
        planned: map.parsed("planned")?,
        attempt: AttemptId::new(map.text("attempt")?),
        epoch: map.number("epoch")?,
        start_by: map.parsed("start_by")?,
        settle_at: map.parsed("settle_at")?,
        unknown: map.flag("unknown"),
        refused: map.flag("refused"),
    })
}

fn read_parked(item: Reader<'_>) -> Result<Option<Parked>> {
    let Some(version) = item.parsed_if("parked_version")? else { return Ok(None) };
    let end = match item.text("parked_end")? {
        "parked" => End::Parked,
        "dead" => End::Dead,
        "ignored" => End::Ignored,
        _ => return Err(damaged("parked_end")),
    };
    Ok(Some(Parked { version, end, reason: item.text("parked_reason")?.to_owned() }))
}
