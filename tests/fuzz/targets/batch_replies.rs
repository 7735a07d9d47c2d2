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
    erp::{Draft, SendError},
};

use super::erp::{Connected, Scripted, check_setback, replies, script, with_bench};

pub fn batch_replies(data: &[u8]) {
    let Some((choice, answers)) = data.split_first() else { return };
    let answers = script(answers);
    with_bench(&answers, |bench| {
        let count = bench.connectors.len();
        let (connector, many) = (usize::from(*choice) % count, usize::from(*choice) / count % 4 + 1);
        let connected = &bench.connectors[connector];
        let draft = |Step { reference, .. }: Step| {
            let body = connected.reads.draft(reference.as_str());
            Draft { reference, body, remark: None }
        };
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
            told(connected, &answers[0], drafts.len(), place, &draft.reference, outcome);
        }
    });
}

/// Compares an outcome with what the answer says of its draft.
fn told(
    connected: &Connected,
    answer: &Scripted,
    drafts: usize,
    place: usize,
    reference: &Reference,
    outcome: &Result<Document, SendError>,
) {
    let reads = &connected.reads;
    let Some(told) = reads.told(answer.status, &answer.body, drafts, place, reference.as_str()) else { return };
    match outcome {
        Ok(document) => assert_eq!(told.made.as_ref(), Some(&document.id), "created, which the answer does not say"),
        Err(SendError::Unknown(_)) => {}
        // It may have been taken back.
        Err(SendError::Refused(_) | SendError::Ambiguous(_) | SendError::Exists) if reads.takes_back() => {}
        Err(send_error) => assert!(!told.there, "{send_error:?}, and the answer says it was created"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let replies = replies();
    let mut seeds = Vec::new();
    for many in 0..3 {
        for (connector, of_it) in replies.iter().enumerate() {
            let choice = u8::try_from(connector + replies.len() * many).unwrap();
            seeds.extend(of_it.sent.iter().map(|answer| [&[choice], answer.as_bytes()].concat()));
        }
    }
    seeds
}
