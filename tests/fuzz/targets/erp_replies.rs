//! Answers of an ERP to everything else a connector asks: nothing is found or resolved that the answer does not say, nothing is
//! missing that it does.
//!
//! The first byte chooses the connector, the question and the operation, the rest is a script of answers (see `erp`).

use puente::{
    domain::document::{Action, Document, Operation, Step},
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
        let (connector, choice) = (usize::from(*choice) % count, usize::from(*choice) / count);
        let (question, operation) = (choice % 4, Operation::ALL[choice / 4 % 4]);
        let connected = &bench.connectors[connector];
        match question {
            // What it cannot do it is never asked about.
            0 if connected.erp.can(operation).is_none() => {}
            0 => {
                let steps = bench.steps(operation);
                match bench.ask(async |calls| connected.erp.look_up(calls, &steps).await) {
                    Ok(found) => {
                        assert_eq!(found.len(), steps.len(), "one answer for each step");
                        let told = steps.iter().zip(&found);
                        told.for_each(|(step, found)| seen(&*connected.reads, &answers[0], step, found.as_ref()));
                    }
                    Err(send_error) => check_error(&send_error.into_error()),
                }
            }
            1 => match bench.ask(async |calls| connected.erp.probe(calls).await) {
                Ok(name) => assert!(name.words.chars().count() <= 1000),
                Err(error) => check_error(&error),
            },
            2 => {
                let document = |id: &str| Document { id: id.to_owned(), number: None };
                let documents = [document("5"), document("6")];
                let outcomes = bench.ask(async |calls| connected.erp.finish(calls, operation, &documents).await);
                assert_eq!(outcomes.len(), documents.len(), "one outcome for each document");
                for (outcome, document) in outcomes.iter().zip(&documents) {
                    match outcome {
                        Ok(finished) => assert_eq!(finished.id, document.id),
                        Err(send_error) => check_setback(send_error),
                    }
                }
            }
            _ => {
                let jobs = bench.jobs(operation);
                let outcomes = bench.ask(async |calls| connected.erp.prepare(calls, operation, &jobs, false).await);
                assert_eq!(outcomes.len(), jobs.len(), "one draft for each job");
                for (outcome, sale) in outcomes.iter().zip(&jobs) {
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

/// Compares what was found for a step with what the answer lists under its reference.
fn seen(reads: &dyn Reads, answer: &Scripted, step: &Step, found: Option<&Found>) {
    let Some(body) = reads.documents(&answer.body) else { return };
    let items = body.as_array().map_or_else(|| std::slice::from_ref(&body), Vec::as_slice);
    let id = |item: &Value| text(item.get("id")).unwrap_or_default();
    // A cancellation is about one document, whatever else carries the reference; so may a change be.
    let (about, only) = match &step.action {
        Action::Cancel { document } => (Some(&document.id), true),
        Action::Amend { document, .. } => (Some(&document.id), false),
        Action::Create | Action::Credit { .. } => (None, false),
    };
    let ours: Vec<&Value> = items.iter().filter(|item| item[reads.reference()] == step.reference.as_str()).collect();
    let ids = |of: &dyn Fn(&Value) -> bool| {
        let mut ids: Vec<String> = ours.iter().filter(|item| of(item)).map(|item| id(item)).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let cancelled = |item: &Value| reads.is_cancelled(item);
    let meant = ids(&|item| about.is_none_or(|about| id(item) == *about));
    let Some(found) = found else {
        assert!(meant.is_empty(), "the answer lists what is said not to be there");
        return;
    };
    let listed = if only { meant } else { ids(&|_| true) };
    assert!(listed.contains(&found.document.id), "found, and the answer does not list it");
    let alone = ids(&|_| true).len() == 1 || ids(&|item| cancelled(item) == Some(false)).len() == 1;
    let matters = step.operation() != Operation::Cancel;
    assert!(!matters || found.version.is_none() || alone, "two documents, and one is taken for the right one");
    let content = found.version.as_ref().map(|version| version.content.to_string());
    let words = body.to_string().to_ascii_lowercase();
    assert!(content.is_none_or(|content| words.contains(&content)), "another version");
    let states: Vec<bool> =
        ours.iter().filter(|item| id(item) == found.document.id).filter_map(|item| cancelled(item)).collect();
    assert!(states.is_empty() || states.contains(&found.cancelled), "cancelled or not, the answer says otherwise");
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
            for operation in 0..Operation::ALL.len() {
                let choice = u8::try_from(connector + replies.len() * (question + 4 * operation)).unwrap();
                seeds.extend(answers(replies_of_it).iter().map(|answer| [&[choice], answer.as_bytes()].concat()));
            }
        }
    }
    seeds
}
