//! What becomes of a sale later, on a real Tryton 8.0: changed, cancelled, and credited.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use puente::{
    Result,
    domain::{
        document::{Booked, Document, Operation, Step},
        order::Order,
        reason::Why,
        time::Stamp,
    },
    erp::{Bulk, Class, Draft, Erp, Found, Job, SendError},
    fuzzing::Way,
    outbound::Meter,
};
use serde_json::{Value, json};

use crate::{
    made::{amount, line, sale, small},
    support::tryton::{Memory, Tryton, counted, tryton},
};

/// A connector and what it remembers.
pub struct Bench {
    pub tryton: &'static Tryton,
    pub erp: Box<dyn Erp>,
    pub way: Way,
    ids: Memory,
}

pub type Answer = std::result::Result<Document, SendError>;

impl Bench {
    /// The shared Tryton, with a connector of these settings; `None`: offline.
    pub fn new(more: &str) -> Option<Self> {
        tryton().map(|tryton| Self::of(tryton, more))
    }

    pub fn of(tryton: &'static Tryton, more: &str) -> Self {
        Self { tryton, erp: tryton.connector(more), way: counted().0, ids: Memory::default() }
    }

    pub async fn prepared(&self, jobs: &[Job]) -> Vec<std::result::Result<Draft, SendError>> {
        let operation = jobs[0].step.operation();
        self.erp.prepare(&self.way.with(&self.ids), operation, jobs, false).await
    }

    pub async fn send_all(&self, jobs: &[Job]) -> Vec<Answer> {
        let drafts: Vec<Draft> =
            self.prepared(jobs).await.into_iter().map(|draft| draft.expect("it renders")).collect();
        self.erp.send(&self.way.calls(), jobs[0].step.operation(), &drafts).await
    }

    pub async fn send(&self, job: &Job) -> Answer {
        self.send_all(std::slice::from_ref(job)).await.remove(0)
    }

    /// A sale that is made now, and what is on record of it.
    pub async fn made(&self, order: Order) -> (Job, Booked) {
        let job = sale(order);
        let document = self.send(&job).await.expect("it is created");
        let booked = job.step.booked(&[], &job.version, &document).remove(0);
        (job, booked)
    }

    /// Seven small ones, to each of which something else is done.
    pub async fn seven_made(&self) -> (Vec<Job>, Vec<Booked>) {
        let (mut jobs, mut booked) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            let (job, entry) = self.made(small()).await;
            jobs.push(job);
            booked.push(entry);
        }
        (jobs, booked)
    }

    pub async fn look_up(&self, step: &Step) -> Option<Found> {
        self.erp.look_up(&self.way.calls(), std::slice::from_ref(step)).await.expect("it is answered").remove(0)
    }

    /// The sale as Tryton has it.
    pub async fn read(&self, job: &Job) -> Value {
        let fields = json!([
            "number",
            "state",
            "total_amount",
            "origin",
            "shipment_method",
            "shipment_returns",
            "invoices",
            "party",
            "lines.quantity",
            "lines.unit_price",
            "lines.note",
            "lines.description",
            "lines.product.code"
        ]);
        let domain = json!([["web_id", "=", job.step.reference.as_str()]]);
        let mut found = self.tryton.search("sale.sale", domain, fields).await;
        assert_eq!(found.len(), 1, "{} is there once", job.step.reference);
        found.remove(0)
    }

    async fn button(&self, button: &str, document: &Document) {
        self.tryton.rpc(&format!("model.sale.sale.{button}"), json!([[id(document)]])).await;
    }

    async fn write(&self, document: &Document, values: Value) {
        self.tryton.rpc("model.sale.sale.write", json!([[id(document)], values])).await;
    }
}

pub fn id(document: &Document) -> i64 {
    document.id.parse().unwrap()
}

pub fn total(sale: &Value) -> &str {
    sale["total_amount"]["decimal"].as_str().unwrap()
}

/// Why it was refused.
pub fn why(answer: &Answer) -> &Why {
    match answer {
        Err(SendError::Refused(error)) => Why::of(error).unwrap_or_else(|| panic!("it has no code: {error}")),
        other => panic!("{other:?}"),
    }
}

/// The next state of an order, a minute later, and the change of its sale to that.
fn amending(job: &Job, booked: &Booked, change: impl FnOnce(&mut Order)) -> Job {
    let mut order = (*job.order).clone();
    order.updated_at = Stamp::parse(&format!("2026-05-07T10:{:02}:00Z", crate::made::unique() % 60)).unwrap();
    change(&mut order);
    crate::made::add_up(&mut order);
    let step = Step::amend(booked, booked.version.clone().unwrap());
    Job { step, version: order.version(), order: order.into(), ..job.clone() }
}

/// The same of so many pieces at ten each, and 21 % on top.
fn pieces(job: &Job, booked: &Booked, pieces: i64) -> Job {
    amending(job, booked, |order| {
        let (total, tax) = (format!("{}.00", pieces * 10), format!("{}.{:02}", pieces * 210 / 100, pieces * 210 % 100));
        order.lines = vec![line("ART-03", &pieces.to_string(), &total, Some(("0.21", &tax)))];
    })
}

#[tokio::test]
async fn what_every_operation_does_with_a_second_step_is_declared() {
    let Some(bench) = Bench::new("bulk = 7") else { return };
    for &operation in Operation::ALL {
        let can = bench.erp.can(operation).unwrap();
        assert_eq!((can.class, can.max_bulk), (Class::Unique, 7), "{operation:?}");
        let each = matches!(operation, Operation::Amend | Operation::Cancel);
        assert_eq!(can.bulk, if each { Bulk::PerItem } else { Bulk::Atomic }, "{operation:?}");
    }
}

#[tokio::test]
async fn drafts_and_quotations_become_what_was_sold_by_now_and_keep_their_number() {
    for (state, calls) in [("draft", 3), ("quotation", 6)] {
        let Some(bench) = Bench::new(&format!("state = \"{state}\"")) else { return };
        let ((one, of_one), (two, of_two)) = (bench.made(small()).await, bench.made(small()).await);
        let before = bench.read(&one).await;
        let amend_one = amending(&one, &of_one, |order| {
            order.lines.push(line("ART-02", "3", "10.00", Some(("0.10", "1.00"))));
            order.charges = vec![crate::made::charge(puente::domain::order::ChargeKind::Shipping, "4.95", None)];
            order.shipping.as_mut().unwrap().street = Some("9 Other Street".to_owned());
        });
        let amend_two = pieces(&two, &of_two, 5);
        bench.prepared(&[amend_one.clone(), amend_two.clone()]).await;
        let (way, counter) = counted();
        let bench = Bench { way, ..bench };
        let drafts: Vec<Draft> =
            bench.prepared(&[amend_one.clone(), amend_two.clone()]).await.into_iter().map(|d| d.unwrap()).collect();
        assert_eq!(counter.take(), 0, "all is known");
        let answers = bench.erp.send(&bench.way.calls(), Operation::Amend, &drafts).await;
        assert!(answers.iter().all(std::result::Result::is_ok), "{answers:?}");
        // However many they are: read, (back to draft, read,) written, (quoted,) read.
        assert_eq!(counter.take(), calls, "{state}");
        for (amend, booked) in [(&amend_one, &of_one), (&amend_two, &of_two)] {
            let now = bench.read(amend).await;
            assert_eq!(amount(total(&now)), amend.order.total);
            assert_eq!((now["state"].as_str(), now["id"].as_i64()), (Some(state), Some(id(&booked.document))));
            let note = now["lines."].as_array().unwrap().iter().find_map(|line| line["note"].as_str()).unwrap();
            assert_eq!(note, format!("puente {} {}", amend.version, amend.order.total));
            let found = bench.look_up(&amend.step).await.unwrap();
            assert_eq!((found.version.as_ref(), found.finished, found.cancelled), (Some(&amend.version), true, false));
            // Once more: it is done already, and nothing is changed.
            assert!(matches!(bench.send(amend).await, Err(SendError::Exists)));
        }
        let now = bench.read(&amend_one).await;
        assert_eq!(now["number"], before["number"]);
        let lines = now["lines."].as_array().unwrap().iter().map(|line| line["product."]["code"].as_str().unwrap());
        assert_eq!(lines.collect::<Vec<_>>(), ["ART-01", "ART-02", "SHIPPING"]);
    }
}

#[tokio::test]
async fn a_sale_that_is_not_as_it_was_left_is_not_changed() {
    let Some(bench) = Bench::new("state = \"quotation\"") else { return };
    let (jobs, booked) = bench.seven_made().await;
    let lines = |job: &Job| json!([["sale.web_id", "=", job.step.reference.as_str()]]);
    let line_of = async |job: &Job| bench.tryton.search("sale.line", lines(job), json!(["id"])).await[0]["id"].clone();
    // 0 is as it was left. 1 lost its mark, 2 another quantity under our mark; both by hand.
    let write =
        async |line: Value, values: Value| bench.tryton.rpc("model.sale.line.write", json!([[line], values])).await;
    write(line_of(&jobs[1]).await, json!({"note": null})).await;
    write(line_of(&jobs[2]).await, json!({"quantity": 3})).await;
    bench.button("confirm", &booked[3].document).await;
    bench.write(&booked[4].document, json!({"state": "confirmed"})).await;
    bench.button("cancel", &booked[5].document).await;
    bench.button("cancel", &booked[6].document).await;
    bench.tryton.rpc("model.sale.sale.delete", json!([[id(&booked[6].document)]])).await;
    let mut before = Vec::new();
    for job in &jobs[1..6] {
        before.push(bench.read(job).await);
    }
    let amends: Vec<Job> = jobs.iter().zip(&booked).map(|(job, booked)| pieces(job, booked, 4)).collect();
    let answers = bench.send_all(&amends).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(total(&bench.read(&amends[0]).await), "48.40");
    let name = |at: usize| booked[at].document.name().to_owned();
    assert_eq!(why(&answers[1]), &Why::ChangedByHand { document: name(1) });
    assert_eq!(why(&answers[2]), &Why::ChangedByHand { document: name(2) });
    let because = "its state is processing, its shipment is waiting, its invoice is pending".to_owned();
    assert_eq!(why(&answers[3]), &Why::TooLate { operation: Operation::Amend, document: name(3), because });
    assert!(matches!(why(&answers[4]), Why::TooLate { because, .. } if because == "its state is confirmed"));
    assert_eq!(why(&answers[5]), &Why::SaleCancelled { document: name(5), state: "cancelled".to_owned() });
    assert_eq!(why(&answers[6]), &Why::SaleGone { document: name(6) });
    for (job, before) in jobs[1..6].iter().zip(&before) {
        assert_eq!(&bench.read(job).await, before);
    }
    // And what a look-up says of them.
    assert_eq!(bench.look_up(&amends[1].step).await.unwrap().version, None);
    assert_eq!(bench.look_up(&amends[3].step).await.unwrap().version.as_ref(), Some(&jobs[3].version));
    assert!(bench.look_up(&amends[5].step).await.unwrap().cancelled);
    assert_eq!(bench.look_up(&amends[6].step).await, None);
}

/// Lets something else happen before one of the calls.
pub struct Meddler {
    at: usize,
    calls: AtomicUsize,
    act: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Meddler {
    /// `act` comes before the call of this place, from 0.
    pub fn new(at: usize, act: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        Arc::new(Self { at, calls: AtomicUsize::new(0), act: Mutex::new(Some(Box::pin(act))) })
    }
}

#[async_trait]
impl Meter for Meddler {
    async fn permit(&self, _timeout: std::time::Duration) -> Result<()> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            let act = self.act.lock().unwrap().take();
            if let Some(act) = act {
                act.await;
            }
        }
        Ok(())
    }
}

/// Before which call of a change another one comes, by its place from 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_never_lands_on_what_came_after_it_was_read() {
    // A draft is read and written; a quotation is read, set back, read and written.
    for (state, at) in [("draft", 1), ("quotation", 1), ("quotation", 2), ("quotation", 3)] {
        let Some(bench) = Bench::new(&format!("state = \"{state}\"")) else { return };
        for by_hand in [false, true] {
            let (job, booked) = bench.made(small()).await;
            let (late, newer) = (pieces(&job, &booked, 3), pieces(&job, &booked, 4));
            let draft = bench.prepared(std::slice::from_ref(&late)).await.remove(0).unwrap();
            let (other, of_sale) = (newer.clone(), id(&booked.document));
            let tryton = bench.tryton;
            let more = format!("state = \"{state}\"");
            let act = async move {
                if by_hand {
                    tryton.rpc("model.sale.sale.write", json!([[of_sale], {"comment": "call first"}])).await;
                } else {
                    Bench::of(tryton, &more).send(&other).await.unwrap();
                }
            };
            let way = Way::by(Meddler::new(at, act));
            let answer = bench.erp.send(&way.calls(), Operation::Amend, &[draft]).await.remove(0);
            let now = bench.read(&job).await;
            if by_hand && at == 2 {
                // Between both reads: what is written is what was read last, and the person's word stands.
                assert!(answer.is_ok(), "{answer:?}");
                assert_eq!(total(&now), "36.30");
                continue;
            }
            let expected = if by_hand { "24.20" } else { "48.40" };
            assert_eq!(total(&now), expected, "{state}, before call {at}: {answer:?}");
            if !by_hand && at == 2 {
                assert!(matches!(why(&answer), Why::ChangedByHand { .. }), "{answer:?}");
            } else {
                assert!(matches!(answer, Err(SendError::NotNow(_))), "{state}, before call {at}: {answer:?}");
            }
            // Sent again, it finds out how the sale stands.
            let again = bench.send(&late).await;
            if by_hand {
                assert!(again.is_ok(), "{again:?}");
                assert_eq!(bench.read(&job).await["state"], state);
            } else {
                assert_eq!(why(&again), &Why::ChangedByHand { document: booked.document.name().to_owned() });
                assert_eq!(total(&bench.read(&job).await), "48.40");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_from_one_version_one_lands() {
    for state in ["draft", "quotation"] {
        let Some(bench) = Bench::new(&format!("state = \"{state}\"")) else { return };
        let (job, booked) = bench.made(small()).await;
        let amends: Vec<Job> = (3..9).map(|n| pieces(&job, &booked, n)).collect();
        bench.prepared(&amends).await;
        let answers: Vec<Answer> = futures::future::join_all(amends.iter().map(|amend| bench.send(amend))).await;
        let landed: Vec<&Job> =
            amends.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(j, _)| j).collect();
        assert!(landed.len() <= 1, "{answers:?}");
        // What is in doubt is looked up: at most one of them is there.
        let now = bench.read(&job).await;
        let found = bench.look_up(&amends[0].step).await.unwrap();
        let carried = amends.iter().find(|amend| found.version.as_ref() == Some(&amend.version));
        if let Some(landed) = landed.first() {
            assert_eq!(carried.map(|carried| &carried.version), Some(&landed.version));
        }
        if let Some(carried) = carried {
            assert_eq!(amount(total(&now)), carried.order.total);
        }
        assert!(carried.is_some(), "somebody gets through: {answers:?}");
    }
}

#[tokio::test]
async fn a_sale_is_cancelled_once_and_only_while_tryton_does_not_process_it() {
    let Some(bench) = Bench::new("state = \"quotation\"") else { return };
    let (jobs, booked) = bench.seven_made().await;
    bench.button("draft", &booked[1].document).await;
    // Confirmed, and not processed yet, as where Tryton's queue does that later.
    bench.write(&booked[2].document, json!({"state": "confirmed"})).await;
    bench.button("cancel", &booked[3].document).await;
    bench.button("confirm", &booked[4].document).await;
    bench.button("cancel", &booked[5].document).await;
    bench.tryton.rpc("model.sale.sale.delete", json!([[id(&booked[5].document)]])).await;
    // What is on record is another order's sale, as after a restore.
    let stranger = booked[6].clone();
    let steps = booked[..6].iter().map(Step::cancel);
    let foreign = Step::cancel(&Booked { reference: jobs[0].step.reference.clone(), ..stranger });
    let steps: Vec<Step> = steps.chain([foreign]).collect();
    let cancels: Vec<Job> =
        jobs.iter().zip(&steps).map(|(job, step)| Job { step: step.clone(), ..job.clone() }).collect();
    let found = bench.erp.look_up(&bench.way.calls(), &steps).await.unwrap();
    let told: Vec<_> =
        found.iter().map(|found| found.as_ref().map(|found| (found.cancelled, found.finished))).collect();
    let (no, yes) = (Some((false, false)), Some((true, true)));
    assert_eq!(told, [no, no, no, yes, no, None, None]);
    for _ in 0..2 {
        let answers = bench.send_all(&cancels).await;
        for at in 0..4 {
            assert_eq!(answers[at].as_ref().unwrap().id, booked[at].document.id, "{at}");
            assert_eq!(bench.read(&jobs[at]).await["state"], "cancelled", "{at}");
        }
        let name = |at: usize| booked[at].document.name().to_owned();
        let because = "its state is processing, its shipment is waiting, its invoice is pending".to_owned();
        assert_eq!(why(&answers[4]), &Why::TooLate { operation: Operation::Cancel, document: name(4), because });
        assert_eq!(bench.read(&jobs[4]).await["state"], "processing");
        assert_eq!(why(&answers[5]), &Why::SaleGone { document: name(5) });
        assert_eq!(why(&answers[6]), &Why::SaleGone { document: name(6) });
        assert_eq!(bench.read(&jobs[6]).await["state"], "quotation");
    }
    for step in &steps[..4] {
        let found = bench.look_up(step).await.unwrap();
        assert!(found.cancelled && found.finished, "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_on_or_deleted_at_that_moment_is_tried_again() {
    let Some(bench) = Bench::new("state = \"quotation\"") else { return };
    for (operation, deletes) in [(Operation::Cancel, false), (Operation::Cancel, true), (Operation::Amend, true)] {
        let (job, booked) = bench.made(small()).await;
        let later = match operation {
            Operation::Cancel => Job { step: Step::cancel(&booked), ..job.clone() },
            _ => pieces(&job, &booked, 3),
        };
        let draft = bench.prepared(std::slice::from_ref(&later)).await.remove(0).unwrap();
        let (tryton, of_sale) = (bench.tryton, id(&booked.document));
        let act = async move {
            let ids = json!([[of_sale]]);
            if deletes {
                tryton.rpc("model.sale.sale.cancel", ids.clone()).await;
                tryton.rpc("model.sale.sale.delete", ids).await;
            } else {
                tryton.rpc("model.sale.sale.confirm", ids).await;
            }
        };
        let way = Way::by(Meddler::new(1, act));
        let answer = bench.erp.send(&way.calls(), operation, &[draft]).await.remove(0);
        assert!(matches!(answer, Err(SendError::NotNow(_))), "{operation:?}: {answer:?}");
        let again = bench.send(&later).await;
        let gone = matches!(why(&again), Why::SaleGone { .. });
        assert!(gone == deletes && (deletes || matches!(why(&again), Why::TooLate { .. })), "{again:?}");
    }
}

#[tokio::test]
async fn a_right_that_was_taken_away_is_named_and_changes_nothing() {
    // Its own Tryton: others would lack the right too.
    let Some(tryton) = Tryton::start() else { return };
    let bench = Bench::of(Box::leak(Box::new(tryton)), "state = \"quotation\"");
    let (job, booked) = bench.made(small()).await;
    let before = bench.read(&job).await;
    let button = json!([["model", "=", "sale.sale"], ["name", "in", ["draft", "cancel"]]]);
    let buttons = bench.tryton.search("ir.model.button", button, json!(["name"])).await;
    let group = bench.tryton.search("res.group", json!([["name", "=", "Administration"]]), json!(["name"])).await;
    for button in &buttons {
        let groups = json!({"groups": [["add", [group[0]["id"]]]]});
        bench.tryton.rpc("model.ir.model.button.write", json!([[button["id"]], groups])).await;
    }
    let cancel = Job { step: Step::cancel(&booked), ..job.clone() };
    for (job, button) in [(pieces(&job, &booked, 3), "draft"), (cancel, "cancel")] {
        let answer = bench.send(&job).await;
        let words = why(&answer).words();
        assert!(words.contains(&format!("Calling button {button} on Sale is not allowed")), "{words}");
        assert!(words.contains("integration user"), "{words}");
    }
    assert_eq!(bench.read(&job).await, before);
}
