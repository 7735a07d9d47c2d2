//! What becomes of changes, cancellations and credits where something fails, on the sandbox's own ERP with `rest`: what may have happened
//! is said to be unknown, and the look-up tells.

use std::time::Duration;

use puente::{
    Kind,
    domain::document::{Action, Operation, Step},
    erp::{Class, ERPS, Job, SendError},
};
use puente_sandbox::erp::{self as sandbox, Config, Fault, Faults, Of};
use rust_decimal::Decimal;

use super::{
    CHANGES, cancelling, crediting, dec, drafted, in_books, job_of, keeps_the_contract_of_changes, look_up, send, sold,
    take, whole,
};
use crate::erps::{Bench, bench, bench_of, open, rest};

#[tokio::test]
async fn drafts_are_confirmed_and_what_was_cancelled_is_not() {
    let (erp, bench) = bench(Config { drafts: true, ..whole() }).await;
    keeps_the_contract_of_changes(&bench, &|step| in_books(&erp, step)).await;
    assert!(erp.orders().iter().all(|made| made.state == if made.cancelled { "cancelled" } else { "confirmed" }));
    // A credit note that could not be confirmed is found unfinished.
    let (job, sale) = sold(&bench, "1").await;
    let credit = crediting(&job, &sale);
    erp.next(&format!("POST /credits/{}/confirm", erp.orders().len() + 1), Fault::ErrorBefore);
    let outcome = take(&bench, &credit).await;
    assert!(matches!(outcome, Err(SendError::Unknown(_))), "it exists: {outcome:?}");
    let found = look_up(&bench, &credit.step).await.unwrap();
    assert!(!found.finished);
    assert!(bench.erp.finish(&open().calls(), Operation::Credit, &[found.document]).await.remove(0).is_ok());
    assert!(look_up(&bench, &credit.step).await.unwrap().finished);
}

#[tokio::test]
async fn an_erp_that_changes_whatever_it_carries_is_searchable() {
    let (erp, bench) = bench_of(&ERPS[1], Config { unconditional: true, ..whole() }).await;
    assert_eq!(bench.erp.can(Operation::Amend).unwrap().class, Class::Searchable);
    keeps_the_contract_of_changes(&bench, &|step| in_books(&erp, step)).await;
}

#[tokio::test]
async fn goods_that_came_back_are_told_and_the_net_is_what_is_left() {
    let (erp, bench) = bench(whole()).await;
    let (job, sale) = sold(&bench, "1").await;
    take(&bench, &crediting(&job, &sale)).await.unwrap();
    let (cancelled, gone) = sold(&bench, "2").await;
    take(&bench, &cancelling(&cancelled, &gone)).await.unwrap();
    let books = erp.orders();
    let note = books.iter().find(|made| made.kind != Of::Sale).unwrap();
    assert_eq!((note.restocked, note.stated_total.as_deref()), (Decimal::ONE, Some("10.89")));
    let net = erp.net();
    assert_eq!(
        (net[job.step.reference.as_str()], net[cancelled.step.reference.as_str()]),
        (dec("15.89"), Decimal::ZERO)
    );
}

#[tokio::test]
async fn what_was_shipped_or_invoiced_refuses_in_words() {
    for state in ["shipped", "invoiced"] {
        let (erp, bench) = bench(whole()).await;
        let (job, sale) = sold(&bench, "1").await;
        erp.set_state(job.step.reference.as_str(), state);
        for operation in [Operation::Amend, Operation::Cancel] {
            let outcome = take(&bench, &job_of(operation, &job, &sale)).await;
            let Err(SendError::Refused(error)) = outcome else { panic!("{operation:?}: {outcome:?}") };
            assert!(error.to_string().contains(state) && error.kind() == Kind::Refused, "{error}");
        }
        assert_eq!(in_books(&erp, &job.step), [(dec("26.78"), false)]);
        assert!(take(&bench, &crediting(&job, &sale)).await.is_ok(), "it can be credited");
    }
}

fn call_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "POST /orders",
        Operation::Amend => "PUT /orders",
        Operation::Cancel => "POST /orders/cancel",
        Operation::Credit => "POST /credits",
    }
}

/// Whether the look-up of a step says that it was taken.
async fn landed(bench: &Bench, job: &Job) -> bool {
    let found = look_up(bench, &job.step).await;
    match &job.step.action {
        Action::Create | Action::Credit { .. } => found.is_some(),
        Action::Amend { .. } => found.unwrap().version.as_ref() == Some(&job.version),
        Action::Cancel { .. } => found.unwrap().cancelled,
    }
}

#[tokio::test]
async fn whatever_may_have_happened_is_unknown_and_the_look_up_tells() {
    let (before, after) = (false, true);
    let faults = [
        (Fault::ErrorBefore, before),
        (Fault::ResetBefore, before),
        (Fault::Unavailable, before),
        (Fault::HangBefore, before),
        (Fault::ErrorAfter, after),
        (Fault::ResetAfter, after),
        (Fault::HangAfter, after),
        (Fault::BrokenBody, after),
    ];
    let (erp, bench) = bench(whole()).await;
    for operation in CHANGES {
        for (place, (fault, lands)) in faults.into_iter().enumerate() {
            let (job, sale) = sold(&bench, &format!("{}-{place}", operation.as_str())).await;
            let change = job_of(operation, &job, &sale);
            let draft = drafted(&bench, &change).await;
            erp.next(call_of(operation), fault);
            let outcome = send(&bench, &change, draft.clone()).await;
            assert!(matches!(outcome, Err(SendError::Unknown(_))), "{operation:?} {fault:?}: {outcome:?}");
            assert_eq!(landed(&bench, &change).await, lands, "{operation:?} {fault:?}");
            // Sent again, it is there once.
            let again = send(&bench, &change, draft).await;
            assert!(matches!(again, Ok(_) | Err(SendError::Exists)), "{operation:?} {fault:?}: {again:?}");
            assert!(
                landed(&bench, &change).await && in_books(&erp, &change.step).len() == 1,
                "{operation:?} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_for_certain_nothing_says_whose_fault_it_is() {
    for operation in CHANGES {
        let (erp, bench) = bench(whole()).await;
        let (job, sale) = sold(&bench, "1").await;
        let change = job_of(operation, &job, &sale);
        let draft = drafted(&bench, &change).await;
        for fault in [Fault::Limited(Some(Duration::from_secs(7))), Fault::Limited(None), Fault::Unauthorized] {
            erp.next(call_of(operation), fault);
            let outcome = send(&bench, &change, draft.clone()).await;
            assert!(matches!(outcome, Err(SendError::Account(_))), "{operation:?} {fault:?}: {outcome:?}");
        }
        if operation != Operation::Cancel {
            let poison = vec![sandbox::Poison { words: job.step.reference.to_string(), status: 403 }];
            erp.set_faults(Faults { poison, ..Faults::default() });
            let outcome = send(&bench, &change, draft).await;
            assert!(matches!(outcome, Err(SendError::Ambiguous(_))), "{operation:?}: {outcome:?}");
            erp.set_faults(Faults::default());
        }
        assert!(!landed(&bench, &change).await, "{operation:?}");
    }
}

#[tokio::test]
async fn a_total_that_differs_after_a_change_is_never_a_success() {
    let (_erp, bench) = bench(Config { checks_totals: false, ..whole() }).await;
    for operation in [Operation::Amend, Operation::Credit] {
        let (job, sale) = sold(&bench, operation.as_str()).await;
        let change = job_of(operation, &job, &sale);
        let mut draft = drafted(&bench, &change).await;
        let wrong = draft.body.replace("\"net\": \"9\"", "\"net\": \"9.01\"");
        assert_ne!(draft.body, wrong);
        draft.body = wrong;
        let outcome = send(&bench, &change, draft).await;
        assert!(matches!(outcome, Err(SendError::Unknown(_))), "{operation:?}: {outcome:?}");
        assert_eq!(look_up(&bench, &change.step).await.unwrap().version, None, "{operation:?}");
    }
}

#[tokio::test]
async fn credit_notes_that_lie_elsewhere_are_looked_up_there() {
    let (erp, _bench) = bench(whole()).await;
    let section = erp.config_example();
    let look_up = section.lines().filter(|line| line.starts_with("look_up."));
    let elsewhere: String = look_up.map(|line| format!("{}\n", line.replace("look_up.", "look_up_credits."))).collect();
    let elsewhere = elsewhere.replace("/orders?", "/orders?kind=credit");
    let (erp, elsewhere) = (&erp, rest(&format!("{section}{elsewhere}")));
    let bench = Bench { erp: elsewhere, known_sku: "MATE-01", count: Box::new(|_| 0) };
    let (job, sale) = sold(&bench, "1").await;
    let credit = crediting(&job, &sale);
    take(&bench, &credit).await.unwrap();
    let before = erp.calls().len();
    let steps = [credit.step.clone(), job.step.clone(), Step::cancel(&sale)];
    let found = bench.erp.look_up(&open().calls(), &steps).await.unwrap();
    let ids: Vec<_> = found.iter().map(|found| found.as_ref().map(|found| found.document.id.as_str())).collect();
    assert_eq!(ids, [Some("2"), Some("1"), Some("1")]);
    assert_eq!(erp.calls().len() - before, 2, "the sales in one call, the credit note in another");
}
