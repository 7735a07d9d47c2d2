//! A word is booked once, with what its giver looked at, and is refused where it cannot be so.

use super::*;
use crate::domain::{
    document::{Operation, Step},
    ids::{AttemptId, OrderKey},
    record::{End, Intent, Parked, State, Summary, Write},
    version::ContentHash,
};

fn version(second: u32) -> Version {
    let modified = format!("2026-01-01T12:00:{second:02}Z").parse().unwrap();
    Version { modified, tie: 0, content: ContentHash::of([u8::try_from(second).unwrap()]) }
}

fn document(id: &str) -> Document {
    Document { id: id.into(), number: Some(format!("N-{id}")) }
}

fn sale(id: &str) -> Made {
    Made::Sale { document: document(id) }
}

fn credit(refund: &str, id: &str) -> Made {
    Made::Credit { refund: refund.into(), document: document(id) }
}

/// An order that is parked with `second` desired.
fn head(second: u32) -> Head {
    let key = OrderKey::new("shop".parse().unwrap(), "1042".parse().unwrap());
    let summary = Summary { number: "1042".into(), total: None, currency: None, life: 0, buyer: None, flags: vec![] };
    let at = "2026-01-01T13:00:00Z".parse().unwrap();
    let record = Write::Record { version: version(second), summary, arrived: at, over: at };
    let mut head = record.apply(&key, None, at).unwrap();
    let reason = "book it by hand".to_owned().into();
    head.parked = Some(Parked { version: version(second), end: End::Parked, reason });
    head
}

/// The same with a sale that carries `sold`.
fn with_sale(second: u32, sold: u32) -> Head {
    let mut head = head(second);
    head.booked = Step::create(head.key.sale()).booked(&[], &version(sold), &document("7"));
    head.steps = 1;
    head
}

/// What the store says: two refunds.
fn content() -> Order {
    serde_json::from_str(&serde_json::json!({
        "schema": 1, "id": "1042", "number": "#1042", "currency": "EUR", "tax": "0", "total": "12.50",
        "placed_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:00:00Z", "status": "open", "payment": "paid",
        "refunds": [{ "id": "8", "amount": "1" }, { "id": "9", "amount": "2" }],
        "lines": [{ "id": "1", "sku": "A", "title": "A", "quantity": 1, "unit_price": "12.50", "amount": "12.50" }],
    }).to_string())
    .unwrap()
}

fn said(what: Made, head: &Head) -> Result<Adoption, Refusal> {
    Adoption::new(what, head, Some(&content()))
}

/// The record once a worker has heard it.
fn heard(adoption: &Adoption, head: &Head) -> Head {
    let booked = adoption.books(head).unwrap().expect("it was booked before");
    let write = Write::Book { desired: head.desired.clone(), steps: head.steps, booked };
    write.apply(&head.key, Some(head), head.updated).unwrap()
}

#[test]
fn each_thing_that_is_made_by_hand_is_booked_as_a_step_would_book_it() {
    let first = head(1);
    let made = heard(&said(sale("7"), &first).unwrap(), &first);
    assert_eq!(made.booked, with_sale(1, 1).booked, "as if we had created it");
    assert_eq!((made.steps, made.state(), made.due.is_some()), (1, State::Waiting, true), "and it is planned anew");

    let changed = with_sale(2, 1);
    let step = Step::amend(&changed.booked[0], version(1));
    let edited = heard(&said(Made::Edit {}, &changed).unwrap(), &changed);
    assert_eq!(edited.booked, step.booked(&changed.booked, &version(2), &document("7")));

    let cancelled = heard(&said(Made::Cancellation {}, &changed).unwrap(), &changed);
    assert_eq!(cancelled.booked, Step::cancel(&changed.booked[0]).booked(&changed.booked, &version(2), &document("7")));
    let anew = heard(&said(sale("8"), &cancelled).unwrap(), &cancelled);
    assert_eq!(anew.sale().unwrap().reference, anew.key.sale_after(1), "a sale after one that was cancelled");

    let credited = heard(&said(credit("9", "70"), &changed).unwrap(), &changed);
    let step = Step::credit(changed.key.credit("9"), "9", &changed.booked[0]);
    assert_eq!(credited.booked, step.booked(&changed.booked, &version(2), &document("70")));
    assert_eq!(credited.schema, crate::domain::record::SCHEMA, "releases that know of one sale only do not read it");
}

#[test]
fn what_is_delivered_twice_is_booked_once_and_late_words_touch_nothing_newer() {
    for (what, head) in [
        (sale("7"), head(1)),
        (Made::Edit {}, with_sale(2, 1)),
        (Made::Cancellation {}, with_sale(2, 1)),
        (credit("9", "70"), with_sale(2, 1)),
    ] {
        let adoption = said(what, &head).unwrap();
        let mut after = heard(&adoption, &head);
        assert_eq!(adoption.books(&after), Ok(None), "{adoption:?}");
        // Also where a step was begun since.
        after.intent = Some(doubt(&after));
        assert_eq!(adoption.books(&after), Ok(None), "{adoption:?}");
    }
    // Cancelled by hand, made anew, and heard again: the new sale stands.
    let old = with_sale(2, 1);
    let cancellation = said(Made::Cancellation {}, &old).unwrap();
    let mut anew = heard(&cancellation, &old);
    anew.booked = Step::create(anew.key.sale_after(1)).booked(&anew.booked, &version(2), &document("8"));
    assert_eq!(cancellation.books(&anew), Ok(None));
    // Changed by hand, amended by us, and heard again: what we put there stays.
    let edit = said(Made::Edit {}, &old).unwrap();
    let mut amended = heard(&edit, &old);
    amended.booked[0].version = Some(version(3));
    assert_eq!(edit.books(&amended), Err(Refusal::SaleChanged(document("7"))));
    // A sale that was noted and cancelled since does not stand again.
    let noted = said(sale("7"), &head(1)).unwrap();
    let mut gone = heard(&noted, &head(1));
    gone.booked[0].cancelled = true;
    assert_eq!(noted.books(&gone), Ok(None));
}

#[test]
fn a_newer_state_that_arrives_in_between_does_not_pass_for_what_was_made() {
    let old = with_sale(2, 1);
    let edit = said(Made::Edit {}, &old).unwrap();
    let mut newer = old.clone();
    newer.desired = version(3);
    let booked = edit.books(&newer).unwrap().unwrap();
    assert_eq!(booked[0].version, Some(version(2)), "made from what was looked at: the newer state is still to follow");
}

fn doubt(head: &Head) -> Intent {
    let at = head.updated;
    Intent {
        step: Step::example(Operation::Credit, head.key.credit("9")),
        planned: head.desired.clone(),
        last: true,
        attempt: AttemptId::new("a"),
        epoch: 1,
        start_by: at,
        settle_at: at,
        unknown: true,
        refused: true,
    }
}

#[test]
fn while_a_step_is_in_doubt_nothing_is_booked_and_it_says_what_to_wait_for() {
    let mut head = with_sale(2, 1);
    let adoption = said(credit("9", "70"), &head).unwrap();
    head.intent = Some(doubt(&head));
    for stopped in [true, false] {
        if !stopped {
            head.parked = None;
        }
        let refusal = adoption.books(&head).unwrap_err();
        assert_eq!(refusal, Refusal::InDoubt { reference: head.key.credit("9"), stopped });
        assert_eq!(said(credit("9", "70"), &head), Err(refusal.clone()));
        let words = refusal.to_string();
        assert_eq!(words.contains("replay the order"), stopped, "{words}");
        assert!(words.contains("shop/1042/refund/9") && words.contains("then say it again"), "{words}");
    }
}

#[test]
fn what_cannot_be_so_is_refused_with_words() {
    let (none, stands) = (head(1), with_sale(2, 1));
    let mut credited = stands.clone();
    credited.booked = Step::credit(stands.key.credit("9"), "9", &stands.booked[0]).booked(
        &stands.booked,
        &version(2),
        &document("70"),
    );
    let mut cancelled = stands.clone();
    cancelled.booked[0].cancelled = true;
    let mut unread = none.clone();
    unread.desired = Version::unread();
    for (what, head, words) in [
        (Made::Edit {}, &none, "no sale of this order is on record"),
        (Made::Cancellation {}, &none, "no sale of this order is on record"),
        (credit("9", "70"), &none, "no sale of this order is on record"),
        (Made::Cancellation {}, &cancelled, "no sale of this order is on record"),
        (sale("8"), &stands, "sale N-7 is on record already"),
        (sale("7"), &stands, "sale N-7 is on record already"),
        (sale("7"), &cancelled, "sale N-7 is on record as cancelled"),
        (credit("10", "70"), &stands, "its refunds are: 8, 9"),
        (credit("9", "71"), &credited, "credit note N-70 for refund 9 is on record already"),
        (Made::Edit {}, &with_sale(1, 1), "with what the store says now"),
        (sale("7"), &unread, "only the order's id is known"),
        (sale(""), &none, "the document's id has 1 to 128 characters"),
        (sale("a\nb"), &none, "the document's id has 1 to 128 characters"),
        (credit(" ", "70"), &stands, "the refund's id has 1 to 128 characters"),
    ] {
        let refusal = said(what.clone(), head).unwrap_err();
        assert!(refusal.to_string().contains(words), "{what:?}: {refusal}");
    }
    // Of an order that could not be read no refund is known.
    let unknown = Adoption::new(credit("9", "70"), &stands, None).unwrap_err();
    assert_eq!(unknown, Refusal::UnknownRefund(vec![]));
}

#[test]
fn it_is_written_as_the_api_has_it_and_read_as_it_is_kept() {
    for (made, words) in [
        (r#"{"made":"sale","document":{"id":"7","number":"N-7"}}"#, "sale N-7"),
        (r#"{"made":"edit"}"#, "sale N-7 was changed by hand"),
        (r#"{"made":"cancellation"}"#, "sale N-7 was cancelled by hand"),
        (r#"{"made":"credit","refund":"9","document":{"id":"70"}}"#, "credit note 70 for refund 9"),
    ] {
        let what: Made = serde_json::from_str(made).unwrap();
        assert_eq!(serde_json::to_string(&what).unwrap(), made);
        let at = if made.contains("sale") { head(2) } else { with_sale(2, 1) };
        let adoption = said(what, &at).unwrap();
        let kept = serde_json::to_string(&adoption).unwrap();
        assert_eq!(serde_json::from_str::<Adoption>(&kept).unwrap(), adoption, "{kept}");
        assert_eq!(adoption.words(), words);
    }
    for bad in [
        "{}",
        r#"{"made":"sale"}"#,
        r#"{"made":"sale","document":{"number":"7"}}"#,
        r#"{"made":"credit","document":{"id":"7"}}"#,
        r#"{"made":"edit","document":{"id":"7"}}"#,
        r#"{"made":"tea"}"#,
    ] {
        assert!(serde_json::from_str::<Made>(bad).is_err(), "{bad}");
    }
}
