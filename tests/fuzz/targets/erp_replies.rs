//! Answers of an ERP to everything else a connector asks: nothing is found or resolved that the answer does not say, nothing is
//! missing that it does.
//!
//! The first byte chooses the connector and the question, the rest is a script of answers (see `erp`).

use puente::{
    domain::{
        document::{Document, Operation},
        ids::Reference,
    },
    erp::{
        Found,
        kit::{Reads, Replies, text},
    },
};
use serde_json::Value;

use super::{
    check_error,
    erp::{Scripted, check_setback, replies, script, with_bench},
};

pub fn erp_replies(data: &[u8]) {
    let Some((choice, answers)) = data.split_first() else { return };
    let answers = script(answers);
    with_bench(&answers, |bench| {
        let count = bench.connectors.len();
        let (connector, question) = (usize::from(*choice) % count, usize::from(*choice) / count % 4);
        let connected = &bench.connectors[connector];
        match question {
            0 => {
                let steps = bench.steps();
                match bench.ask(async |calls| connected.erp.look_up(calls, &steps).await) {
                    Ok(found) => {
                        assert_eq!(found.len(), steps.len(), "one answer for each step");
                        let told = steps.iter().zip(&found);
                        told.for_each(|(step, found)| {
                            seen(&*connected.reads, &answers[0], &step.reference, found.as_ref())
                        });
                    }
                    Err(send_error) => check_error(&send_error.into_error()),
                }
            }
            1 => match bench.ask(async |calls| connected.erp.probe(calls).await) {
                Ok(name) => assert!(name.chars().count() <= 1000),
                Err(error) => check_error(&error),
            },
            2 => {
                let document = |id: &str| Document { id: id.to_owned(), number: None };
                let documents = [document("5"), document("6")];
                let outcomes = bench.ask(async |calls| connected.erp.finish(calls, &documents).await);
                assert_eq!(outcomes.len(), documents.len(), "one outcome for each document");
                for (outcome, document) in outcomes.iter().zip(&documents) {
                    match outcome {
                        Ok(finished) => assert_eq!(finished.id, document.id),
                        Err(send_error) => check_setback(send_error),
                    }
                }
            }
            _ => {
                let sales = &bench.sales;
                let outcomes =
                    bench.ask(async |calls| connected.erp.prepare(calls, Operation::Create, sales, false).await);
                assert_eq!(outcomes.len(), sales.len(), "one draft for each sale");
                for (outcome, sale) in outcomes.iter().zip(sales) {
                    match outcome {
                        Ok(draft) => {
                            assert_eq!(draft.reference, sale.step.reference);
                            serde_json::from_str::<serde::de::IgnoredAny>(&draft.body).expect("a document is JSON");
                        }
                        Err(send_error) => check_setback(send_error),
                    }
                }
            }
        }
    });
}

/// Compares what was found under a reference with what the answer lists.
fn seen(reads: &dyn Reads, answer: &Scripted, reference: &Reference, found: Option<&Found>) {
    let Some(body) = reads.documents(&answer.body) else { return };
    let items = body.as_array().map_or_else(|| std::slice::from_ref(&body), Vec::as_slice);
    let id = |item: &Value| text(item.get("id")).unwrap_or_default();
    let ours = items.iter().filter(|item| item[reads.reference()] == reference.as_str());
    let mut ids: Vec<String> = ours.map(id).collect();
    ids.sort();
    ids.dedup();
    match found {
        None => assert!(ids.is_empty(), "the answer lists what is said not to be there"),
        Some(found) => {
            assert!(ids.contains(&found.document.id), "found, and the answer does not list it");
            assert!(found.version.is_none() || ids.len() == 1, "two documents, and one is taken for the right one");
            let content = found.version.as_ref().map(|version| version.content.to_string());
            let listed = body.to_string().to_ascii_lowercase();
            assert!(content.is_none_or(|content| listed.contains(&content)), "another version");
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let of = [
        |replies: &Replies| replies.looked_up.clone(),
        |replies: &Replies| replies.probed.clone(),
        |replies: &Replies| replies.finished.clone(),
        |replies: &Replies| replies.prepared.clone(),
    ];
    let replies = replies();
    let mut seeds = Vec::new();
    for (connector, replies_of_it) in replies.iter().enumerate() {
        for (question, answers) in of.iter().enumerate() {
            let choice = u8::try_from(connector + replies.len() * question).unwrap();
            seeds.extend(answers(replies_of_it).iter().map(|answer| [&[choice], answer.as_bytes()].concat()));
        }
    }
    seeds
}
