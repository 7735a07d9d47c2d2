//! What stops, and the words it stops with.

use super::*;
use crate::domain::{
    money::Amount,
    order::{Line, Tax},
    record::{SCHEMA, Summary},
    rules::Mismatch,
    status::Meaning,
};

fn order() -> Order {
    serde_json::from_str(
        r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z",
        "currency":"GBP","status":"open","payment":"paid","shipping":{"street":"Canary Wharf 1"},
        "lines":[{"id":"1","sku":"CUP-1","title":"Cup","quantity":"2","unit_price":"45","amount":"90"}],
        "charges":[{"kind":"shipping","label":"post","amount":"25"}],"tax":"0","total":"115"}"##,
    )
    .unwrap()
}

fn changed(change: impl FnOnce(&mut Order)) -> Order {
    let mut order = order();
    change(&mut order);
    order
}

fn refund(amount: &str, taken_off: Option<&str>) -> Refund {
    let amount_of = |text: &str| text.parse().unwrap();
    Refund { id: "9".into(), amount: amount_of(amount), taken_off: taken_off.map(amount_of), reason: None }
}

fn planned(desired: Order, applied: Option<&Order>, rules: &Rules) -> Plan {
    let at = desired.updated_at.at();
    let head = serde_json::json!({"schema": SCHEMA, "key": {"connection": "shop", "order": "1"}, "summary": Summary::of(&desired),
        "desired": desired.version(), "newest": at, "updated": at});
    let head: Head = serde_json::from_str(&head.to_string()).unwrap();
    plan(&head, desired, applied, rules)
}

fn stopped(plan: Plan) -> (End, String) {
    match plan {
        Plan::Rest(Rest::Stop { end, reason }) => (end, reason.words()),
        other => panic!("{other:?}"),
    }
}

/// Why it does not go, with the ERP empty.
fn before(change: impl FnOnce(&mut Order)) -> (End, String) {
    stopped(planned(changed(change), None, &Rules::default()))
}

/// What is to be done, with the ERP holding `order()`.
fn after(change: impl FnOnce(&mut Order)) -> String {
    let (end, reason) = stopped(planned(changed(change), Some(&order()), &Rules::default()));
    assert_eq!(end, End::Parked);
    assert!(!reason.contains("Canary"), "personal data: {reason}");
    reason
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn what_is_whole_goes_and_what_changed_nothing_rests() {
    assert!(matches!(planned(order(), None, &Rules::default()), Plan::Take(_)));
    let rests = |change: fn(&mut Order)| planned(changed(change), Some(&order()), &Rules::default());
    for change in [
        (|_| {}) as fn(&mut Order),
        |o| o.payment = Payment::PartiallyPaid,
        |o| o.channel = Some("pos".into()),
        |o| o.current_total = Some(amount("115")),
    ] {
        assert_eq!(rests(change), Plan::Rest(Rest::Synced));
    }
}

#[test]
fn a_refund_waits_for_its_credit_note_whenever_it_came() {
    let refunded = |o: &mut Order| {
        o.payment = Payment::PartiallyRefunded;
        o.refunds.push(refund("25", None));
        o.current_total = Some(amount("90"));
    };
    assert_eq!(
        before(refunded),
        (
            End::Parked,
            "25.00 GBP were refunded before it reached the ERP: create the sale and its credit note there by hand"
                .into()
        )
    );
    assert_eq!(after(refunded), "25.00 GBP were refunded after it reached the ERP: credit the sale there by hand");
}

#[test]
fn the_amount_of_a_refund_is_the_whole_amount_or_none() {
    let said = |refunds: Vec<Refund>| after(|o| o.refunds = refunds);
    assert!(said(vec![refund("20", None), refund("5.5", None)]).starts_with("25.50 GBP were refunded after"));
    assert!(
        said(vec![refund("15", Some("20"))])
            .starts_with("15.00 GBP were refunded (20.00 GBP of what was sold came back) after")
    );
    let unknown = said(vec![refund("20", None), refund("0", None)]);
    assert!(unknown.starts_with("an amount that the store does not state in GBP was refunded after"), "{unknown}");
}

#[test]
fn a_refund_that_no_refund_explains_waits_too() {
    for payment in [Payment::PartiallyRefunded, Payment::Refunded] {
        let words = after(|o| o.payment = payment);
        assert!(words.starts_with("it was refunded, and no refund in the store says how much after"), "{words}");
    }
    let (end, words) = before(|o| o.payment = Payment::PartiallyRefunded);
    assert_eq!(end, End::Parked);
    assert!(words.starts_with("it was refunded, and no refund in the store says how much before"), "{words}");
}

#[test]
fn refunds_that_do_not_lead_to_the_stores_total_are_told_with_the_difference() {
    let (end, words) = before(|o| o.current_total = Some(amount("112.5")));
    assert_eq!(end, End::Parked);
    assert!(
        words.contains("115.00 GBP were sold and 0.00 GBP refunded")
            && words.contains("comes to 112.50 GBP now, 2.50 GBP less"),
        "{words}"
    );
}

#[test]
fn an_order_that_was_paid_and_waits_for_its_payment_again_stops() {
    let rules = Rules {
        statuses: [("packing".to_owned(), Meaning::Paid), ("dispute".to_owned(), Meaning::Failed)].into(),
        ..Rules::default()
    };
    let packing = changed(|o| (o.payment, o.store_status) = (Payment::Unknown, Some("packing".into())));
    for (desired, applied, says) in [
        (changed(|o| o.payment = Payment::Pending), order(), "waits for its payment again"),
        // What the rules say was paid, was paid.
        (changed(|o| o.payment = Payment::Pending), packing.clone(), "waits for its payment again"),
        (
            changed(|o| (o.payment, o.store_status) = (Payment::Unknown, Some("dispute".into()))),
            order(),
            "charged back",
        ),
        (changed(|o| (o.payment, o.store_status) = (Payment::Unknown, Some("packed".into()))), order(), "\"packed\""),
    ] {
        let Plan::Rest(Rest::Stop { end: End::Parked, reason }) = planned(desired, Some(&applied), &rules) else {
            panic!("{says}");
        };
        let reason = reason.words();
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(planned(order(), Some(&packing), &rules), Plan::Rest(Rest::Synced));
    assert_eq!(planned(packing, Some(&order()), &rules), Plan::Rest(Rest::Synced));
    // What was never paid, as with create_when = "placed", loses nothing.
    let pending = changed(|o| o.payment = Payment::Pending);
    assert_eq!(planned(pending.clone(), Some(&pending), &rules), Plan::Rest(Rest::Synced));
}

#[test]
fn a_payment_that_is_lost_stops_what_is_in_the_erp() {
    for payment in [Payment::Failed, Payment::Voided] {
        let words = after(|o| o.payment = payment);
        assert!(
            words.starts_with("its payment failed, was given up or was charged back after it reached the ERP: look at"),
            "{words}"
        );
        assert_eq!(before(|o| o.payment = payment).0, End::Ignored);
        // It was so before: nothing changed.
        let lost = changed(|o| o.payment = Payment::Voided);
        assert_eq!(planned(changed(|o| o.payment = payment), Some(&lost), &Rules::default()), Plan::Rest(Rest::Synced));
    }
}

#[test]
fn what_changed_is_named_and_so_is_what_to_do() {
    let address = after(|o| o.shipping.as_mut().unwrap().city = Some("Canary".into()));
    assert_eq!(address, "its shipping address changed after it reached the ERP: change the sale there by hand");
    let edited = after(|o| {
        o.lines[0].quantity = amount("1");
        o.lines[0].amount = amount("45");
        o.total = amount("70");
        o.refunds.push(refund("45", None));
    });
    assert_eq!(
        edited,
        "its quantity of CUP-1 (1 instead of 2) and its total (70.00 GBP instead of 115.00 GBP) changed and 45.00 GBP were \
         refunded after it reached the ERP: change and credit the sale there by hand"
    );
    let cancelled = after(|o| {
        o.status = Status::Cancelled;
        o.lines.clear();
    });
    assert_eq!(cancelled, "it was cancelled in the store after it reached the ERP: cancel the sale there by hand");
}

/// Lines of 1.00, so many of them taxed with 0.21, and a total that is `off` by so much.
fn books(taxed: usize, off: &str) -> impl FnOnce(&mut Order) {
    let off = amount(off);
    move |o| {
        let tax = Tax { name: "VAT".into(), rate: Some(amount("0.21")), amount: amount("0.21") };
        (o.lines[0].quantity, o.lines[0].amount) = (amount("1"), amount("1"));
        let line = o.lines[0].clone();
        o.lines = (0..4).map(|n| Line { taxes: vec![tax.clone(); usize::from(n < taxed)], ..line.clone() }).collect();
        o.charges.clear();
        o.tax = (0..taxed).map(|_| amount("0.21")).sum();
        o.total = o.total - o.proof().difference + off;
    }
}

#[test]
fn books_that_miss_by_rounding_go_and_others_wait() {
    for (taxed, off) in [(2, "0.01"), (4, "-0.02")] {
        assert!(matches!(planned(changed(books(taxed, off)), None, &Rules::default()), Plan::Take(_)), "{taxed} {off}");
    }
    for (taxed, off) in [(0, "0.01"), (1, "0.01"), (2, "-0.02"), (4, "0.03")] {
        let (end, words) = before(books(taxed, off));
        assert_eq!(end, End::Parked);
        assert!(words.starts_with("the totals do not match") && words.contains(off.trim_start_matches('-')), "{words}");
        // Unless so much may be adjusted.
        let rules =
            |limit: &str| Rules { total_mismatch: Mismatch::Adjust, adjust_limit: amount(limit), ..Rules::default() };
        assert!(matches!(planned(changed(books(taxed, off)), None, &rules("0.03")), Plan::Take(_)), "{taxed} {off}");
        assert_eq!(stopped(planned(changed(books(taxed, off)), None, &rules("0.001"))).0, End::Parked);
    }
}
