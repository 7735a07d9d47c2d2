use super::*;

fn order() -> Order {
    serde_json::from_str(
        r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00-03:00","updated_at":"2026-01-01T00:00:01Z",
        "currency":"EUR","status":"open","payment":"paid","customer":{"email":"canary@example.com"},
        "lines":[{"id":"1","sku":"A","title":"A","quantity":"2","unit_price":"10","amount":"20","discounts":[{"label":"ten","amount":"2"}],
        "taxes":[{"name":"VAT","rate":"0.21","amount":"3.78"}]}],
        "charges":[{"kind":"shipping","label":"post","amount":"5"}],"tax":"3.78","total":"26.78"}"##,
    )
    .unwrap()
}

#[test]
fn the_books_add_up() {
    let proof = order().proof();
    assert!(proof.holds(), "{proof:?}");
    assert!(proof.untraced_tax.is_zero());
    let mut included = order();
    included.tax_included = true;
    assert_eq!(included.proof().difference.to_string(), "3.78");
}

#[test]
fn the_version_is_blind_to_the_time_and_sees_all_else() {
    let (a, mut b) = (order(), order());
    b.updated_at = Stamp::parse("2026-02-01T00:00:00Z").unwrap();
    assert_eq!(a.version().content, b.version().content);
    b.payment = Payment::Refunded;
    assert_ne!(a.version().content, b.version().content);
    let mut c = order();
    c.total = Amount::ONE;
    assert_ne!(a.version().content, c.version().content);
}

#[test]
fn a_refund_changes_no_sale_and_what_it_leaves_unexplained_does() {
    let (sold, mut now) = (order(), order());
    // Said or not, a total that follows from the rest is no other state: orders of releases that did not read it stay the same.
    now.current_total = Some(now.total);
    assert!(now.same_sale(&sold) && now.version().content == sold.version().content);
    let amount = |text: &str| Amount::parse(text).unwrap();
    now.refunds.push(Refund::new("1", amount("5")));
    now.current_total = Some(amount("21.78"));
    assert!(now.proof().holds() && now.proof().unexplained.is_zero());
    assert!(now.same_goods(&sold) && !now.same_sale(&sold) && now.version().content != sold.version().content);
    let mut kept_a_fee = now.clone();
    kept_a_fee.refunds[0].taken_off = Some(amount("6"));
    assert_eq!(kept_a_fee.proof().unexplained, Amount::ONE);
    assert!(!kept_a_fee.same_goods(&now) && kept_a_fee.version().content != now.version().content);
}

#[test]
fn what_a_store_did_with_its_stock_is_no_other_order() {
    let (sold, mut now) = (order(), order());
    now.stock = vec![LineStock { line: "1".to_owned(), taken: Some(Amount::ONE), fulfilled: Some(Amount::ONE) }];
    assert_eq!(now.version(), sold.version());
    assert!(now.same_sale(&sold) && now.same_goods(&sold));
    assert_eq!((now.life(), now.net(), now.proof().difference), (sold.life(), sold.net(), sold.proof().difference));
    assert_eq!(now.content(), sold.content());
    // It travels with the order all the same, and what is not said takes no room.
    let text = serde_json::to_string(&now).unwrap();
    let travelled: Order = serde_json::from_str(&text).unwrap();
    assert_eq!(travelled.stock, now.stock);
    assert!(!serde_json::to_string(&sold).unwrap().contains("stock"));
    // Orders of before it was read have none.
    assert!(sold.stock.is_empty());
}

#[test]
fn only_an_object_is_one() {
    let json = serde_json::to_string(&order()).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order());
    for (is, by_place) in [
        (r#""customer":{"email":"canary@example.com"}"#, r#""customer":[]"#),
        (r#"{"label":"ten","amount":"2"}"#, r#"["ten","2"]"#),
        (r#"{"name":"VAT","rate":"0.21","amount":"3.78"}"#, r#"["VAT","0.21","3.78"]"#),
    ] {
        assert!(json.contains(is), "{is}");
        let error = serde_json::from_str::<Order>(&json.replace(is, by_place)).unwrap_err().to_string();
        assert!(error.contains("expected an object"), "{error}");
    }
}

#[test]
fn personal_data_stays_out_of_debug() {
    assert!(!format!("{:?}", order()).contains("canary"));
}

/// They stand in the heads of orders: a state that is read anew is compared with one that an earlier release stored.
#[test]
fn how_far_along_a_payment_is_stays_what_was_stored() {
    let life = |payment, refunds: usize| {
        let refunds = (0..refunds).map(|n| Refund::new(n.to_string(), Amount::ONE)).collect();
        Order { payment, refunds, ..order() }.life()
    };
    for (payment, stored) in [
        (Payment::Pending, 0),
        (Payment::Authorized, 1),
        (Payment::PartiallyPaid, 2),
        (Payment::Paid, 3),
        (Payment::PartiallyRefunded, 4),
        (Payment::Refunded, 5),
        (Payment::Voided, 6),
        (Payment::Failed, 7),
        (Payment::Unknown, 0),
    ] {
        assert_eq!(
            (life(payment, 0), life(payment, 2), life(payment, 500)),
            (stored, stored + 2, stored + 100),
            "{payment:?}"
        );
    }
    assert_eq!(Order { status: Status::Cancelled, ..order() }.life(), 200);
    // The newer ones stand between those: money that is expected is more than none, and what expired may still be paid.
    assert!(
        life(Payment::Pending, 0) < life(Payment::InProcess, 0)
            && life(Payment::InProcess, 0) < life(Payment::Expired, 0)
    );
    assert!(
        life(Payment::Expired, 0) < life(Payment::Paid, 0) && life(Payment::Failed, 0) < life(Payment::ChargedBack, 0)
    );
}

#[test]
fn payments_are_written_as_words() {
    for (payment, word) in [
        (Payment::InProcess, r#""in_process""#),
        (Payment::Expired, r#""expired""#),
        (Payment::ChargedBack, r#""charged_back""#),
    ] {
        assert_eq!(serde_json::to_string(&payment).unwrap(), word);
        assert_eq!(serde_json::from_str::<Payment>(word).unwrap(), payment);
        let meaning: crate::domain::status::Meaning = serde_json::from_str(word).unwrap();
        assert_eq!(meaning.payment(), Some(payment));
    }
}
