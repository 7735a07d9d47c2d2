//! What every ERP connector must do with a sale that is in the ERP: change it, cancel it, credit a part of it, each exactly once.
//!
//! As in `erps`: every row of `ERPS` is enrolled by itself for the operations that it can do, and a real instance fills in a bench of
//! its own. What is about faults is the sandbox's own ERP with `rest`, in `faults`.

mod faults;

use std::sync::Arc;

use jiff::SignedDuration;
use puente::{
    domain::{
        document::{Booked, Document, DocumentKind, Operation, Step},
        order::{Order, Refund, Returned},
        version::Version,
    },
    erp::{Class, Draft, ERPS, Found, Job, SendError},
};
use puente_sandbox::erp::{self as sandbox, Config};
use rust_decimal::Decimal;

use crate::{
    erps::{BULKS, Bench, CLASSES, bench, bench_of, open, sale, shut},
    support::tryton::Memory,
};

/// What the ERP holds under a reference, asked without the connector: what it adds to the books, and whether it was cancelled.
pub type Held<'a> = &'a (dyn Fn(&Step) -> Vec<(Decimal, bool)> + Sync);

/// The sandbox's own ERP with a section that says how everything is done.
fn whole() -> Config {
    Config { changes: true, ..Config::default() }
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The content of a job, changed a while later.
fn later(job: &Job, minutes: i64, change: impl FnOnce(&mut Order)) -> (Arc<Order>, Version) {
    let mut order = (*job.order).clone();
    change(&mut order);
    let mut version = order.version();
    version.modified += SignedDuration::from_mins(minutes);
    (order.into(), version)
}

/// One piece instead of two: 15.89 EUR.
fn one_piece(order: &mut Order) {
    let line = &mut order.lines[0];
    (line.quantity, line.amount) = ("1".parse().unwrap(), "10".parse().unwrap());
    (line.discounts[0].amount, line.taxes[0].amount) = ("1".parse().unwrap(), "1.89".parse().unwrap());
    (order.tax, order.total) = ("1.89".parse().unwrap(), "15.89".parse().unwrap());
}

/// A sale that the ERP holds.
async fn sold(bench: &Bench, order: &str) -> (Job, Booked) {
    let job = sale(order, bench.known_sku);
    let document = take(bench, &job).await.unwrap();
    let (reference, version) = (job.step.reference.clone(), Some(job.version.clone()));
    let booked = Booked { reference, kind: DocumentKind::Sale, version, document, cancelled: false };
    (job, booked)
}

async fn drafted(bench: &Bench, job: &Job) -> Draft {
    let operation = job.step.operation();
    let jobs = std::slice::from_ref(job);
    let prepared = bench.erp.prepare(&open().with(&Memory::default()), operation, jobs, false).await.remove(0);
    prepared.unwrap()
}

async fn send(bench: &Bench, job: &Job, draft: Draft) -> Result<Document, SendError> {
    bench.erp.send(&open().calls(), job.step.operation(), &[draft]).await.remove(0)
}

async fn take(bench: &Bench, job: &Job) -> Result<Document, SendError> {
    send(bench, job, drafted(bench, job).await).await
}

async fn look_up(bench: &Bench, step: &Step) -> Option<Found> {
    bench.erp.look_up(&open().calls(), std::slice::from_ref(step)).await.unwrap().remove(0)
}

/// The change to one piece.
fn amending(job: &Job, sale: &Booked) -> Job {
    let (order, version) = later(job, 5, one_piece);
    Job { step: Step::amend(sale, job.version.clone()), order, version, ..job.clone() }
}

fn cancelling(job: &Job, sale: &Booked) -> Job {
    Job { step: Step::cancel(sale), ..job.clone() }
}

/// The credit note of one piece that came back: 10.89 EUR.
fn crediting(job: &Job, sale: &Booked) -> Job {
    let line = &job.order.lines[0];
    let mut taxes = line.taxes.clone();
    taxes[0].amount = "1.89".parse().unwrap();
    let back = Returned {
        line: line.id.clone(),
        quantity: "1".parse().unwrap(),
        amount: "9".parse().unwrap(),
        taxes,
        restock: true,
    };
    let refund = Refund { lines: vec![back], ..Refund::new("9", "10.89".parse().unwrap()) };
    let (refunded, version) = later(job, 5, |order| order.refunds = vec![refund.clone()]);
    let order = Arc::new(refunded.credit(&refund).unwrap());
    Job { step: Step::credit(job.key.credit("9"), "9", sale), order, version, ..job.clone() }
}

/// The job of an operation on a sale.
fn job_of(operation: Operation, job: &Job, sale: &Booked) -> Job {
    match operation {
        Operation::Create => job.clone(),
        Operation::Amend => amending(job, sale),
        Operation::Cancel => cancelling(job, sale),
        Operation::Credit => crediting(job, sale),
    }
}

const CHANGES: [Operation; 3] = [Operation::Amend, Operation::Cancel, Operation::Credit];

fn can(bench: &Bench, operation: Operation) -> bool {
    bench.erp.can(operation).is_some()
}

/// A sale that is changed carries the new version; sent again, it is changed once.
pub async fn a_change_is_made_once_and_found_by_its_version(bench: &Bench, held: Held<'_>, order: &str) {
    let (job, sale) = sold(bench, order).await;
    let amend = amending(&job, &sale);
    let before = look_up(bench, &amend.step).await.expect("the sale is there");
    assert_eq!((before.version.as_ref(), before.cancelled), (Some(&job.version), false), "not changed yet");
    assert_eq!(take(bench, &amend).await.unwrap().id, sale.document.id);
    let after = look_up(bench, &amend.step).await.expect("it is still there");
    assert_eq!((after.version.as_ref(), after.cancelled), (Some(&amend.version), false));
    assert!(after.finished && after.document.id == sale.document.id);
    let again = take(bench, &amend).await;
    assert!(matches!(again, Ok(_) | Err(SendError::Exists)), "{again:?}");
    assert_eq!(held(&job.step), [(dec("15.89"), false)]);
}

/// A change of a version that is not there any more does nothing, where the class says so: an older call that lands late.
pub async fn a_change_of_an_old_version_never_lands(bench: &Bench, held: Held<'_>, order: &str) {
    if bench.erp.can(Operation::Amend).is_none_or(|can| can.class > Class::Unique) {
        return;
    }
    let (job, sale) = sold(bench, order).await;
    let amend = amending(&job, &sale);
    let (order, version) = later(&job, 1, |order| order.lines[0].title = "Mate, red".to_owned());
    // Rendered while the version it knows was there.
    let late = drafted(bench, &Job { order, version, ..amend.clone() }).await;
    take(bench, &amend).await.unwrap();
    let outcome = send(bench, &amend, late).await;
    assert!(matches!(outcome, Err(SendError::Exists | SendError::Refused(_))), "{outcome:?}");
    assert_eq!(held(&job.step), [(dec("15.89"), false)]);
    assert_eq!(look_up(bench, &amend.step).await.unwrap().version, Some(amend.version));
}

/// A sale is cancelled once, by its id; it is found as a cancelled one, and cannot be changed any more.
pub async fn a_sale_is_cancelled_once_and_found_so(bench: &Bench, held: Held<'_>, order: &str) {
    let (job, sale) = sold(bench, order).await;
    let cancel = cancelling(&job, &sale);
    let before = look_up(bench, &cancel.step).await.expect("the sale is there");
    assert!(!before.cancelled);
    take(bench, &cancel).await.unwrap();
    for _ in 0..2 {
        let after = look_up(bench, &cancel.step).await.expect("it is found all the same");
        assert!(after.cancelled && after.finished && after.document.id == sale.document.id, "{after:?}");
        assert_eq!(held(&job.step), [(Decimal::ZERO, true)]);
        let again = take(bench, &cancel).await;
        assert!(matches!(again, Ok(_) | Err(SendError::Exists)), "{again:?}");
    }
    if can(bench, Operation::Amend) {
        let outcome = take(bench, &amending(&job, &sale)).await;
        assert!(matches!(outcome, Err(SendError::Exists | SendError::Refused(_))), "{outcome:?}");
        assert_eq!(held(&job.step), [(Decimal::ZERO, true)]);
    }
    // Another document of the same reference is not the one that was meant.
    let other = Booked { document: Document { id: "987654321".to_owned(), number: None }, ..sale };
    assert_eq!(look_up(bench, &Step::cancel(&other)).await, None);
}

/// A refund is credited under a reference of its own, as often as its class says.
pub async fn a_credit_is_a_document_of_its_own(bench: &Bench, held: Held<'_>, order: &str) {
    let (job, sale) = sold(bench, order).await;
    let credit = crediting(&job, &sale);
    assert_eq!(look_up(bench, &credit.step).await, None);
    let document = take(bench, &credit).await.unwrap();
    assert_ne!(document.id, sale.document.id);
    let found = look_up(bench, &credit.step).await.expect("it is there");
    assert_eq!(
        (&found.document.id, found.version, found.cancelled),
        (&document.id, Some(credit.version.clone()), false)
    );
    assert!(found.finished, "it is taken to the configured state");
    let class = bench.erp.can(Operation::Credit).unwrap().class;
    let again = take(bench, &credit).await;
    let back = (dec("-10.89"), false);
    match class {
        Class::Key => assert_eq!(again.unwrap().id, document.id),
        Class::Unique => assert!(matches!(again, Err(SendError::Exists)), "{again:?}"),
        Class::Searchable | Class::Nothing => assert!(again.is_ok(), "nothing protects from it: {again:?}"),
    }
    let times = if class <= Class::Unique { 1 } else { 2 };
    assert_eq!(held(&credit.step), vec![back; times]);
    assert_eq!(held(&job.step), [(dec("26.78"), false)], "the sale is as it was");
    // Asked for together, each is answered in its place.
    let both = bench.erp.look_up(&open().calls(), &[credit.step.clone(), job.step.clone()]).await.unwrap();
    assert_eq!(both[1].as_ref().map(|found| &found.document.id), Some(&sale.document.id));
    assert!(both[0].is_some());
}

/// What is done to a document that is not there is refused, and does nothing to any other. A credit note only names its sale: not every
/// ERP asks whether that is there.
pub async fn an_unknown_document_is_refused(bench: &Bench, held: Held<'_>, order: &str) {
    let (job, sale) = sold(bench, order).await;
    let unknown = Booked { document: Document { id: "987654321".to_owned(), number: None }, ..sale.clone() };
    for operation in [Operation::Amend, Operation::Cancel].into_iter().filter(|operation| can(bench, *operation)) {
        let outcome = take(bench, &job_of(operation, &job, &unknown)).await;
        assert!(matches!(outcome, Err(SendError::Refused(_))), "{operation:?}: {outcome:?}");
    }
    assert_eq!(held(&job.step), [(dec("26.78"), false)]);
}

/// Without a permit nothing is done, and nobody's order is to blame.
pub async fn without_a_permit_nothing_is_changed(bench: &Bench, held: Held<'_>, order: &str) {
    let (job, sale) = sold(bench, order).await;
    let shut = shut();
    for operation in CHANGES.into_iter().filter(|operation| can(bench, *operation)) {
        let draft = drafted(bench, &job_of(operation, &job, &sale)).await;
        let outcome = bench.erp.send(&shut.calls(), operation, &[draft]).await.remove(0);
        assert!(matches!(&outcome, Err(SendError::Account(_) | SendError::NotNow(_))), "{operation:?}: {outcome:?}");
    }
    assert_eq!(held(&job.step), [(dec("26.78"), false)]);
    assert!(held(&crediting(&job, &sale).step).is_empty());
}

/// What it cannot do it refuses to prepare and to send.
pub async fn what_it_cannot_do_is_refused(bench: &Bench, order: &str) {
    let job = sale(order, bench.known_sku);
    for operation in CHANGES.into_iter().filter(|operation| !can(bench, *operation)) {
        let job = Job { step: Step::example(operation, job.step.reference.clone()), ..job.clone() };
        let prepared = bench.erp.prepare(&open().with(&Memory::default()), operation, &[job], false).await.remove(0);
        assert!(matches!(prepared, Err(SendError::Refused(_))), "{operation:?}: {prepared:?}");
    }
}

/// Everything that holds of an ERP that can do these operations, whatever it speaks.
pub async fn keeps_the_contract_of_changes(bench: &Bench, held: Held<'_>) {
    if can(bench, Operation::Amend) {
        a_change_is_made_once_and_found_by_its_version(bench, held, "changed").await;
        a_change_of_an_old_version_never_lands(bench, held, "late").await;
    }
    if can(bench, Operation::Cancel) {
        a_sale_is_cancelled_once_and_found_so(bench, held, "cancelled").await;
    }
    if can(bench, Operation::Credit) {
        a_credit_is_a_document_of_its_own(bench, held, "credited").await;
    }
    an_unknown_document_is_refused(bench, held, "unknown").await;
    without_a_permit_nothing_is_changed(bench, held, "shut-changes").await;
    what_it_cannot_do_is_refused(bench, "cannot").await;
}

/// What the sandbox's books hold.
fn in_books(erp: &sandbox::Erp, step: &Step) -> Vec<(Decimal, bool)> {
    let ours = erp.orders().into_iter().filter(|made| made.reference == step.reference.as_str());
    ours.map(|made| (made.net(), made.cancelled)).collect()
}

#[tokio::test]
async fn every_row_keeps_the_contract_of_changes() {
    for row in ERPS {
        for (class, bulk) in CLASSES.into_iter().flat_map(|class| BULKS.map(|bulk| (class, bulk))) {
            let config = Config { vendor: row.kit.vendor, class, bulk, ..whole() };
            if !row.kit.vendor.can_be(&config) {
                continue;
            }
            let (erp, bench) = bench_of(row, config).await;
            keeps_the_contract_of_changes(&bench, &|step| in_books(&erp, step)).await;
        }
    }
    // Where a lost answer can be resolved, a section says how everything is done.
    let (_erp, plain) = bench(whole()).await;
    assert!(CHANGES.into_iter().all(|operation| can(&plain, operation)));
    let (_erp, plain) = bench(Config::default()).await;
    assert!(!CHANGES.into_iter().any(|operation| can(&plain, operation)));
    what_it_cannot_do_is_refused(&plain, "none").await;
}
