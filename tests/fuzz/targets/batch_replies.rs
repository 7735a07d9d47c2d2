//! Answers to the documents of any operation: whatever they say, each draft has one outcome, and "done" and "nothing happened" are
//! said only where the answer says so.
//!
//! The first byte chooses the connector, the operation and the number of drafts, the rest is a script of answers (see `erp`).

use std::collections::HashSet;

use puente::{
    domain::document::{Document, Operation, Step},
    erp::{Draft, SendError},
};

use super::erp::{Connected, Scripted, check_setback, replies, script, with_bench};

pub fn batch_replies(data: &[u8]) {
    let Some((choice, answers)) = data.split_first() else { return };
    let answers = script(answers);
    with_bench(&answers, |bench| {
        let count = bench.connectors.len();
        let (connector, choice) = (usize::from(*choice) % count, usize::from(*choice) / count);
        let (operation, many) = (Operation::ALL[choice % 4], choice / 4 % 4 + 1);
        let connected = &bench.connectors[connector];
        let can = connected.erp.can(operation);
        let steps = bench.steps(operation).into_iter().take(can.map_or(1, |can| many.min(can.max_bulk)));
        let steps: Vec<Step> = steps.collect();
        let draft = |step: &Step| Draft {
            reference: step.reference.clone(),
            body: connected.reads.draft_of(step),
            remark: None,
        };
        let drafts: Vec<Draft> = steps.iter().map(draft).collect();
        let outcomes = bench.ask(async |calls| connected.erp.send(calls, operation, &drafts).await);
        assert_eq!(outcomes.len(), drafts.len(), "one outcome for each draft");
        if can.is_none() {
            let refused = |outcome: &Result<_, _>| matches!(outcome, Err(SendError::Refused(_)));
            assert!(outcomes.iter().all(refused), "it cannot do that: {outcomes:?}");
            return;
        }
        let mut ids = HashSet::new();
        for (place, outcome) in outcomes.iter().enumerate() {
            if let Err(send_error) = outcome {
                check_setback(send_error);
            }
            if let Ok(document) = outcome {
                assert!(ids.insert(&document.id), "two orders in one document");
            }
            told(connected, &answers[0], &steps, place, outcome);
        }
    });
}

/// Compares an outcome with what the answer says of its draft.
fn told(connected: &Connected, answer: &Scripted, steps: &[Step], place: usize, outcome: &Result<Document, SendError>) {
    let reads = &connected.reads;
    let Some(told) = reads.told_of(answer.status, &answer.body, steps, place) else { return };
    match outcome {
        Ok(document) => assert_eq!(told.made.as_ref(), Some(&document.id), "done, which the answer does not say"),
        Err(SendError::Unknown(_)) => {}
        // It may have been taken back.
        Err(SendError::Refused(_) | SendError::Ambiguous(_) | SendError::Exists) if reads.takes_back() => {}
        Err(send_error) => assert!(!told.there, "{send_error:?}, and the answer says it was done"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let replies = replies();
    let mut seeds = Vec::new();
    // Each operation alone, and sales together.
    for choice in [0, 1, 2, 3, 4, 8] {
        for (connector, of_it) in replies.iter().enumerate() {
            let choice = u8::try_from(connector + replies.len() * choice).unwrap();
            seeds.extend(of_it.sent.iter().map(|answer| [&[choice], answer.as_bytes()].concat()));
        }
    }
    seeds
}
