//! Answers to a bulk create: whatever they say, each draft has one outcome, and "created" and "nothing happened" are said only
//! where the answer says so.
//!
//! The first byte chooses the connector and the number of drafts, the rest is a script of answers (see `erp`).

use std::collections::HashSet;

use puente::{
    domain::{
        document::{Document, Operation, Step},
        ids::Reference,
    },
    erp::{Bulk, Draft, SendError},
};
use serde_json::Value;

use super::{
    CANARY,
    erp::{CONNECTORS, Connected, Scripted, Speaks, check_setback, script, text, with_bench},
};

pub fn batch_replies(data: &[u8]) {
    let Some((choice, answers)) = data.split_first() else { return };
    let (connector, many) = (usize::from(*choice) % CONNECTORS, usize::from(*choice) / CONNECTORS % 4 + 1);
    let answers = script(answers);
    with_bench(&answers, |bench| {
        let connected = &bench.connectors[connector];
        let drafts: Vec<Draft> = bench.steps().into_iter().take(many).map(draft).collect();
        let outcomes = bench.ask(async |calls| connected.erp.send(calls, Operation::Create, &drafts).await);
        assert_eq!(outcomes.len(), drafts.len(), "one outcome for each draft");
        let mut ids = HashSet::new();
        for (place, (outcome, draft)) in outcomes.iter().zip(&drafts).enumerate() {
            if let Err(send_error) = outcome {
                check_setback(send_error);
            }
            if let Ok(document) = outcome {
                assert!(ids.insert(&document.id), "two orders in one document");
            }
            match connected.speaks {
                Speaks::Tryton => told_by_tryton(&answers[0], drafts.len(), place, outcome),
                _ => told(connected, &answers[0], drafts.len(), place, &draft.reference, outcome),
            }
        }
    });
}

/// A draft of any connector: a document and, for those that compare, the store's total.
fn draft(Step { reference, .. }: Step) -> Draft {
    let body = format!(r#"{{"total":"26.78","document":{{"reference":"{}"}}}}"#, reference.as_str());
    Draft { reference, body, remark: None }
}

/// Compares an outcome with what the answer's items say of its draft.
fn told(
    connected: &Connected,
    answer: &Scripted,
    drafts: usize,
    place: usize,
    reference: &Reference,
    outcome: &Result<Document, SendError>,
) {
    let success = (200..300).contains(&answer.status);
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let items = body.as_array().map_or_else(|| std::slice::from_ref(&body), Vec::as_slice);
    let items: Vec<&Value> = match connected.speaks {
        Speaks::ByPlace if items.len() != drafts => Vec::new(),
        Speaks::ByPlace => vec![&items[place]],
        _ => items.iter().filter(|item| text(item.get("reference")).as_deref() == Some(reference.as_str())).collect(),
    };
    let quiet = |error: Option<&Value>| match error {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(words)) => words.trim().is_empty(),
        Some(Value::Array(words)) => words.is_empty(),
        Some(_) => false,
    };
    let made = |item: &&Value| text(item.get("id")).is_some() && quiet(item.get("error")) && quiet(body.get("error"));
    let per_item = connected.erp.can(Operation::Create).unwrap().bulk == Bulk::PerItem;
    match outcome {
        Ok(document) => {
            assert!(success || per_item, "created, says an answer of {}", answer.status);
            assert!(!items.is_empty() && items.iter().all(made), "created, which the answer does not say");
            assert!(items.iter().all(|item| text(item.get("id")).as_ref() == Some(&document.id)), "another id");
        }
        Err(SendError::Unknown(_)) => {}
        Err(send_error) => {
            let accepted = |item: &&Value| !per_item || text(item.get("status")).is_none_or(|s| s.starts_with('2'));
            let said = success && items.iter().any(|item| made(item) && accepted(item));
            assert!(!said, "{send_error:?}, and the answer says it was created");
        }
    }
}

fn told_by_tryton(answer: &Scripted, drafts: usize, place: usize, outcome: &Result<Document, SendError>) {
    // The connector reads over what it does not need; where all of it is no JSON there is nothing to compare with.
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return };
    let made = answer.status == 200 && body.get("error").is_none_or(Value::is_null);
    let ids = body.get("result").and_then(Value::as_array).filter(|ids| made && ids.len() == drafts);
    let id = ids.and_then(|ids| text(ids.get(place)));
    match outcome {
        Ok(document) => assert_eq!(id.as_ref(), Some(&document.id), "created, which the answer does not say"),
        // A refusal may follow the create: then the sale was taken back, or is named to a person.
        Err(SendError::NotNow(_) | SendError::Account(_)) => {
            let whole = ids.is_some_and(|ids| ids.iter().all(Value::is_i64));
            assert!(!whole, "nothing happened, and the answer says it was created");
        }
        Err(_) => {}
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let item = |n: usize| {
        format!(
            r#"{{"reference":"acme/{n}","id":"SO-{n}","number":"S{n}","status":201,"total":"26.78","state":"draft"}}"#
        )
    };
    let refused = |n: usize| format!(r#"{{"reference":"acme/{n}","status":422,"error":"{CANARY} is not known"}}"#);
    let list = |items: &[String]| format!("[{}]", items.join(","));
    let answers = [
        format!("201\n{}", item(1)),
        format!("201\n{}\n%%\n200\n{{}}", list(&[item(1), item(2)])),
        format!("207\n{}", list(&[item(2), refused(1), item(3)])),
        format!("200\n{}", list(&[item(1), item(1), refused(1), item(9)])),
        format!("400\n{}", list(&[refused(1), item(2)])),
        format!("422\n{{\"error\":\"{CANARY} is not known\"}}"),
        "429 retry-after: 30\n".to_owned(),
        "503 retry-after: Sat, 31 Jan 2026 10:00:30 GMT\n<html>".to_owned(),
        format!("200\n{{\"error\":\"{CANARY} exists\"}}"),
    ];
    let sale = |id: usize, state: &str| {
        format!(
            r#"{{"id":{id},"web_id":"acme/{id}","number":"S{id}","state":"{state}","total_amount":{{"__class__":"Decimal","decimal":"26.78"}},"lines.":[{{"note":null}},{{"note":"puente 2026-02-01T01:31:00Z/00000/0123456789abcdef 26.78"}}]}}"#
        )
    };
    let result = |result: &str| format!("200\n{{\"id\":1,\"result\":{result}}}");
    let read = result(&list(&[sale(5, "quotation"), sale(6, "quotation")]));
    let says = |error: &str| format!("200\n{{\"id\":1,\"error\":{error}}}");
    let tryton = [
        [result("[5,6]"), result("null"), read.clone(), result("null")].join("\n%%\n"),
        [result("[5]"), result("null"), result(&list(&[sale(5, "draft")])), result("null")].join("\n%%\n"),
        [
            result("[5,5]"),
            result("null"),
            read,
            says(r#"["UserError",["The record \"Ana\" of \"Sale\" is odd.","",null]]"#),
        ]
        .join("\n%%\n"),
        says(r#"["UserError",["The web ID on the sale must be unique per shop.","",null]]"#),
        says(&format!(
            r#"["UserError",["The value \"{CANARY}\" for field \"Party\" in record \"[#5]\" of \"Sale\" is not valid.","",null]]"#
        )),
        says(&format!(r#"["UserWarning",["credit","\"{CANARY}\" is over the limit.",""]]"#)),
        says(r#"["server closed the connection unexpectedly",""]"#),
    ];
    let mut seeds = Vec::new();
    for many in 0..3 {
        for connector in 0..CONNECTORS {
            let choice = u8::try_from(connector + CONNECTORS * many).unwrap();
            let answers: &[String] = if connector + 1 == CONNECTORS { &tryton } else { &answers };
            seeds.extend(answers.iter().map(|answer| [&[choice], answer.as_bytes()].concat()));
        }
    }
    seeds
}
