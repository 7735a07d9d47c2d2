//! The head of a record as an item, so that each condition of a write is a comparison of attributes.
//!
//! | attribute | what |
//! |---|---|
//! | `connection`, `order`, `schema`, `summary`, `booked`, `steps`, `reason`, `last`, `attempts`, `epoch` | as in [`Head`]; `summary` and `booked` as JSON text |
//! | `document` | of a record of schema 1, in place of `booked` and `steps`: the one document, as JSON text |
//! | `desired`, `desired_content`, `desired_tie`, `newest` | the version as sortable text, and apart what the version rule compares |
//! | `applied`, `parked_version`, `parked_end`, `parked_reason` | versions as text, comparable with `desired` inside a condition |
//! | `intent` | a map: the members of its [`Step`](crate::domain::document::Step) by their own names, `planned`, `last`, `attempt`, `epoch`, `start_by`, `settle_at`, `unknown`, `refused` |
//! | `due`, `soon` (`not_before`), `updated`, `arrived` | times as text that sorts |
//! | `why`, `parked_why` | the code of `reason` and of `parked_reason`, its arguments, and a digest of the words that it is about |
//! | `token` | drawn for each write: whose write this item is |
//! | `shelf`, `listed` | where the index for lists has it |
//!
//! Its key, and those of the indexes, are in `keys.rs`. Heads without a `due` are not in the index `due`.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::item::{Item, Reader, damaged, number, text, time};
use crate::{
    Error, Kind, Result,
    domain::{
        document::Booked,
        ids::{AttemptId, OrderKey},
        reason::{Reason, Why},
        record::{Head, Intent, Parked, SCHEMA},
        version::ContentHash,
    },
};

/// A part of the head that is only read, as JSON text.
pub(super) fn json<T: Serialize>(value: &T) -> Result<AttributeValue> {
    serde_json::to_string(value)
        .map(text)
        .map_err(|cause| Error::new(Kind::Bug, "a part of the record cannot be written as JSON").caused_by(cause))
}

/// The code of a reason and its arguments, beside its words.
#[derive(Serialize, Deserialize)]
struct Told {
    /// The digest of those words. An earlier release knows the words only and writes others: then this is about none of them.
    said: String,
    why: Why,
}

fn digest(words: &str) -> String {
    ContentHash::of(words).to_string()
}

/// What is kept of a reason beside its words, if it has a code.
pub(super) fn why(reason: &Reason) -> Result<Option<AttributeValue>> {
    let told = reason.known().map(|why| Told { said: digest(&reason.words()), why: why.clone() });
    told.as_ref().map(json).transpose()
}

/// The reason of these words.
fn reason(words: &str, why: Option<&str>) -> Reason {
    // A code of a later release is none of ours; the words say it all.
    match why.and_then(|why| serde_json::from_str::<Told>(why).ok()) {
        Some(told) if told.said == digest(words) => told.why.into(),
        _ => Reason::Text(words.to_owned()),
    }
}

/// An intent as a map.
pub(super) fn intent(intent: &Intent) -> Result<AttributeValue> {
    let mut map: Item = serde_dynamo::to_item(&intent.step)
        .map_err(|cause| Error::new(Kind::Bug, "the step cannot be written as a map").caused_by(cause))?;
    map.extend([
        ("planned".to_owned(), text(intent.planned.to_string())),
        ("last".to_owned(), AttributeValue::Bool(intent.last)),
        ("attempt".to_owned(), text(intent.attempt.as_str())),
        ("epoch".to_owned(), number(intent.epoch)),
        ("start_by".to_owned(), time(intent.start_by)),
        ("settle_at".to_owned(), time(intent.settle_at)),
        ("unknown".to_owned(), AttributeValue::Bool(intent.unknown)),
        ("refused".to_owned(), AttributeValue::Bool(intent.refused)),
    ]);
    Ok(AttributeValue::M(map))
}

/// The head of an order in its item. Errors name the order.
pub(super) fn of(key: &OrderKey, item: &Item) -> Result<Head> {
    read(item).map_err(|error| error.within(format!("order {key} cannot be read")))
}

fn read(item: &Item) -> Result<Head> {
    let item = Reader(item);
    let schema = item.number("schema")?;
    if schema > SCHEMA {
        return Err(Error::new(Kind::Config, "a later release of puente wrote it, update this one"));
    }
    let key = OrderKey::new(item.parsed("connection")?, item.parsed("order")?);
    let booked = read_booked(item, &key)?;
    Ok(Head {
        schema,
        // Of schema 1: what is booked was the one step there was.
        steps: item.number_if("steps")?.unwrap_or_else(|| u32::from(!booked.is_empty())),
        booked,
        key,
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
        reason: item.text_if("reason").map(|words| reason(words, item.text_if("why"))),
        updated: item.parsed("updated")?,
    })
}

/// What is booked; of a record of schema 1 its one document, under the reference that every sale had, with a version nobody kept.
fn read_booked(item: Reader<'_>, key: &OrderKey) -> Result<Vec<Booked>> {
    if let Some(booked) = item.text_if("booked") {
        return serde_json::from_str(booked).map_err(|_| damaged("booked"));
    }
    let Some(document) = item.text_if("document") else { return Ok(Vec::new()) };
    let document = serde_json::from_str(document).map_err(|_| damaged("document"))?;
    Ok(vec![Booked::of_unknown_version(key.sale(), document)])
}

fn read_intent(map: Reader<'_>) -> Result<Intent> {
    Ok(Intent {
        step: serde_dynamo::from_item(map.0.clone()).map_err(|_| damaged("intent"))?,
        planned: map.parsed("planned")?,
        // An intent of schema 1 says nothing of it: then planning once more finds out.
        last: map.flag("last"),
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
    let end = item.parsed("parked_end")?;
    let reason = reason(item.text("parked_reason")?, item.text_if("parked_why"));
    Ok(Some(Parked { version, end, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_and_says_nothing_of_words_that_an_earlier_release_wrote_since() {
        let known = Reason::from(Why::NeverArrived { attempts: 12 });
        let Some(AttributeValue::S(kept)) = why(&known).unwrap() else { panic!("a text") };
        assert_eq!(reason(&known.words(), Some(&kept)), known);
        for (words, kept) in [("unknown article", Some(kept.as_str())), ("unknown article", None), ("it", Some("{}"))] {
            assert_eq!(reason(words, kept), Reason::Text(words.to_owned()));
        }
        let later = kept.replace("never_arrived", "of_a_later_release");
        assert_eq!(reason(&known.words(), Some(&later)), Reason::Text(known.words()));
        assert_eq!(why(&Reason::from("unknown article")).unwrap(), None);
    }
}
