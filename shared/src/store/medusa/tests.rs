//! Medusa's pitfalls, one test each. The figures are those that Medusa 2.21 wrote for orders placed in it.

#![allow(clippy::unreadable_literal, reason = "as the vendor sends them")]

use bytes::Bytes;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, query_param},
};

mod goods;

use super::*;
use crate::{
    config::Section,
    domain::{money::Amount, order::*},
    outbound::doubles::Way,
};

const CONFIG: &str = "url = 'https://medusa.example'\nwebhook_secrets = [{ literal = 's' }]";

fn build(section: &str) -> Medusa {
    Medusa::new(Section::from_toml(section).unwrap().read().unwrap()).unwrap()
}

fn receive(store: &Medusa, body: &str) -> Reading {
    let received = Timestamp::UNIX_EPOCH;
    let headers = store.sign(body.as_bytes(), received);
    let raw = RawWebhook { headers, body: Bytes::copy_from_slice(body.as_bytes()), received };
    store.read(&store.entrance().signed().unwrap().verify(raw).ok().unwrap())
}

fn sample() -> Value {
    serde_json::from_str(ROW.sample).unwrap()
}

fn changed(change: impl FnOnce(&mut Value)) -> Order {
    let mut body = sample();
    change(&mut body["order"]);
    match receive(&build(CONFIG), &body.to_string()) {
        Reading::Order(order) => *order,
        other => panic!("{other:?}"),
    }
}

/// A part with one tax and perhaps a discount, in Medusa's figures: subtotal, original total, discount without and with tax, tax.
fn part(inclusive: bool, [subtotal, original, off, off_with_tax, tax]: [f64; 5]) -> Value {
    json!({"id": "ordli_1", "title": "Café", "variant_sku": "CAFE", "quantity": 1, "is_tax_inclusive": inclusive,
        "subtotal": subtotal, "original_total": original, "discount_subtotal": off, "discount_total": off_with_tax, "tax_total": tax,
        "tax_lines": [{"description": "IVA", "rate": 21, "total": tax}], "adjustments": [{"code": "OFF"}]})
}

/// An order of these parts alone.
fn of(parts: Value, total: f64, tax: f64) -> Order {
    changed(|order| {
        order["items"] = parts;
        order["shipping_methods"] = json!([]);
        order["total"] = json!(total);
        order["tax_total"] = json!(tax);
    })
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn assert_sound(order: &Order) {
    assert!(order.proof().holds() && order.proof().untraced_tax.is_zero(), "{:?}", order.proof());
    assert!(order.flags.is_empty(), "{:?}", order.flags);
}

#[test]
fn the_sample_becomes_this_order() {
    let Reading::Order(order) = receive(&build(CONFIG), ROW.sample) else { panic!() };
    insta::assert_json_snapshot!(order);
}

#[test]
fn unrounded_totals_are_rounded_to_the_minor_unit_and_what_that_leaves_is_a_charge_that_says_so() {
    // A third off: 27.24 - 7.44665922 + 4.90 - 2.45 + 3.1221015638.
    let order = changed(|_| {});
    assert_sound(&order);
    assert_eq!((order.total, order.tax), (amount("20.99"), amount("3.64")));
    let rounding = |order: &Order| {
        let charges = order.charges.iter().filter(|charge| charge.kind == ChargeKind::Rounding);
        charges.map(|charge| charge.amount).sum::<Amount>()
    };
    // Three times a third of a cent: nothing of it is seen in the parts.
    let third = || part(false, [1.0, 1.0033, 0.0, 0.0, 0.0033]);
    let order = of(json!([third(), third(), third()]), 3.0099, 0.0099);
    assert_sound(&order);
    assert_eq!((order.total, order.tax, rounding(&order)), (amount("3.01"), amount("0"), amount("0.01")));
    // What the parts do not make unrounded is no rounding.
    let order = of(json!([third(), third(), third()]), 3.0199, 0.0099);
    assert_eq!(order.proof().difference, amount("0.01"));
    assert!(order.flags.iter().any(|flag| flag.code == "books"));
    // A tax that the parts do not have is told as well.
    let order = of(json!([third()]), 1.0033, 0.5);
    assert_eq!(order.proof().untraced_tax, amount("0.5"));
}

#[test]
fn prices_with_their_tax_stay_as_the_buyer_saw_them() {
    let parts = json!([
        part(true, [8.121951219512194, 9.99, 2.879792447391179, 3.5421447102911503, 1.2056965175878338]),
        part(true, [20.08130081300813, 24.7, 7.1202075526088215, 8.75785528970885, 2.981051449891841]),
    ]);
    let order = of(parts, 22.39, 4.186747967479675);
    assert_sound(&order);
    assert!(order.tax_included);
    assert_eq!((order.lines[0].amount, order.lines[0].net()), (amount("9.99"), amount("6.45")));
    assert_eq!((order.total, order.tax), (amount("22.39"), amount("4.19")));
    // One price without tax among them: all lines are net, and the cents are explained.
    let parts = json!([
        part(true, [8.121951219512194, 9.99, 0.0, 0.0, 1.868048780487805]),
        part(false, [12.35, 15.1905, 0.0, 0.0, 2.8405]),
    ]);
    let order = of(parts, 25.1805, 4.708548780487805);
    assert_sound(&order);
    assert!(!order.tax_included);
    assert_eq!((order.total, order.lines[0].amount), (amount("25.18"), amount("8.12")));
}

#[test]
fn a_currency_without_minor_units_is_rounded_to_whole_ones() {
    let order = changed(|order| {
        order["currency_code"] = json!("jpy");
        order["items"] =
            json!([part(false, [1235.0, 1333.8, 0.0, 0.0, 98.8]), part(false, [666.0, 719.28, 0.0, 0.0, 53.28]),]);
        order["shipping_methods"] = json!([part(false, [490.0, 529.2, 0.0, 0.0, 39.2])]);
        order["total"] = json!(2582.28);
        order["tax_total"] = json!(191.28);
    });
    assert_sound(&order);
    assert_eq!((order.total, order.tax, order.currency.code()), (amount("2582"), amount("191"), "JPY"));
}

#[test]
fn a_refund_is_credited_and_what_was_sold_stays() {
    // 1.50 of 20.9854423438 given back: Medusa lowers the total by a credit line.
    let order = changed(|order| {
        order["total"] = json!(19.4854423438);
        order["credit_lines"] = json!([{"id": "ordcl_1", "reference": "payment_collection", "amount": 1.5}]);
        order["payment_collections"][0]["refunded_amount"] = json!(1.5);
        order["payment_collections"][0]["payments"][0]["refunds"] =
            json!([{"id": "ref_1", "amount": 1.5, "note": null}]);
        order["payment_collections"][0]["updated_at"] = json!("2026-03-15T08:00:00.000Z");
    });
    assert_sound(&order);
    assert_eq!((order.total, order.current_total), (amount("20.99"), Some(amount("19.49"))));
    assert_eq!(
        (order.refunds.len(), order.refunds[0].amount, order.refunds[0].taken_off()),
        (1, amount("1.5"), amount("1.5"))
    );
    assert_eq!(order.payment, Payment::PartiallyRefunded);
    // The order's own time has not moved.
    assert_eq!(order.updated_at.at(), "2026-03-15T08:00:00Z".parse().unwrap());
    // Any other credit lowers what is to be paid.
    let order = changed(|order| {
        order["total"] = json!(18.9854423438);
        order["credit_lines"] = json!([{"id": "ordcl_1", "reference": "gift_card", "amount": 2}]);
    });
    assert_sound(&order);
    assert!(order.charges.iter().any(|c| c.kind == ChargeKind::StoreCredit && c.amount == amount("-2")));
}

#[test]
fn statuses_and_payments() {
    for (status, expected) in [
        ("pending", Status::Open),
        ("completed", Status::Open),
        ("archived", Status::Open),
        ("requires_action", Status::Open),
        ("canceled", Status::Cancelled),
    ] {
        assert_eq!(changed(|order| order["status"] = json!(status)).status, expected, "{status}");
    }
    let total = 20.9854423438;
    for (status, authorized, captured, refunded, expected) in [
        ("not_paid", 0.0, 0.0, 0.0, Payment::Pending),
        ("awaiting", 0.0, 0.0, 0.0, Payment::Pending),
        ("authorized", total, 0.0, 0.0, Payment::Authorized),
        ("canceled", total, 0.0, 0.0, Payment::Voided),
        ("completed", total, total, 0.0, Payment::Paid),
        // Captured by a provider that rounds.
        ("completed", 20.99, 20.99, 0.0, Payment::Paid),
        ("partially_captured", total, 10.0, 0.0, Payment::PartiallyPaid),
        ("completed", total, total, 1.5, Payment::PartiallyRefunded),
        ("completed", total, total, total, Payment::Refunded),
    ] {
        let order = changed(|order| {
            let collection = &mut order["payment_collections"][0];
            collection["status"] = json!(status);
            collection["authorized_amount"] = json!(authorized);
            collection["captured_amount"] = json!(captured);
            collection["refunded_amount"] = json!(refunded);
        });
        assert_eq!(order.payment, expected, "{status}");
    }
    // A subscriber that asks for no payments has the summary.
    for (paid, expected) in [(0.0, Payment::Pending), (total, Payment::Paid)] {
        let order = changed(|order| {
            order.as_object_mut().unwrap().remove("payment_collections");
            order["summary"]["paid_total"] = json!(paid);
        });
        assert_eq!(order.payment, expected);
    }
}

#[test]
fn what_is_no_whole_order() {
    let (asked, mute) = (build(&format!("{CONFIG}\napi_key = {{ literal = 'sk_1' }}")), build(CONFIG));
    for pointer in [
        json!({"event": "order.updated", "data": {"id": "order_01"}}),
        json!({"event": "payment.captured", "data": {"id": "pay_01", "order_id": "order_01"}}),
        json!({"event": "order.placed", "order": {"id": "order_01", "status": "pending"}}),
    ] {
        let body = pointer.to_string();
        assert!(matches!(receive(&asked, &body), Reading::Changed(id) if id.as_str() == "order_01"), "{body}");
        assert!(matches!(receive(&mute, &body), Reading::Unmapped(Some(_), _)), "{body}");
    }
    for other in
        [json!({"event": "customer.created", "data": {"id": "cus_01"}}), json!({}), json!({"data": {"id": "order_"}})]
    {
        assert!(matches!(receive(&asked, &other.to_string()), Reading::Ignored(_)), "{other}");
    }
    let mut draft = sample();
    draft["order"]["is_draft_order"] = json!(true);
    assert!(matches!(receive(&asked, &draft.to_string()), Reading::Ignored(_)));
    let mut broken = sample();
    broken["order"]["items"][0]["subtotal"] = json!("a lot");
    let Reading::Unmapped(Some(id), flag) = receive(&asked, &broken.to_string()) else { panic!() };
    assert_eq!(id.as_str(), "order_01INVENTED0000000000000042");
    assert!(flag.detail.starts_with("order.items[0].subtotal"), "{}", flag.detail);
}

#[tokio::test]
async fn the_admin_api_is_asked_with_the_key_and_pages_by_time() {
    let server = MockServer::start().await;
    let store = build(&format!(
        "url = '{}'\nwebhook_secrets = [{{ literal = 's' }}]\napi_key = {{ literal = 'sk_1' }}",
        server.uri()
    ));
    let at = |n: usize| format!("2026-03-14T21:00:{n:02}.000Z");
    let listed = |times: std::ops::Range<usize>| -> Value {
        let one = |n| {
            let mut order = sample()["order"].take();
            order["id"] = json!(format!("order_{n}"));
            order["updated_at"] = json!(at(n));
            order
        };
        json!({"orders": times.map(one).collect::<Value>(), "count": 99})
    };
    let page = |from: &str, times| {
        Mock::given(method("GET"))
            .and(path("/admin/orders"))
            .and(header("authorization", "Basic c2tfMTo="))
            .and(query_param("updated_at[$gte]", from))
            .and(query_param("order", "updated_at"))
            .and(query_param("offset", "0"))
            .respond_with(ResponseTemplate::new(200).set_body_json(listed(times)))
    };
    page("2026-03-14T21:00:00Z", 0..50).mount(&server).await;
    page("2026-03-14T21:00:49Z", 49..52).mount(&server).await;
    let way = Way::open();
    let since = "2026-03-14T21:00:00Z".parse().unwrap();
    let first = store.changed_since(&way.calls(), since, None).await.unwrap();
    // The list's own time, though every order's payment is of later.
    assert_eq!((first.orders.len(), first.reached), (50, Some(at(49).parse().unwrap())));
    let second = store.changed_since(&way.calls(), since, first.next.as_deref()).await.unwrap();
    assert_eq!((second.orders.len(), second.next), (3, None));

    let refuse = |status, body| ResponseTemplate::new(status).set_body_json(body);
    for (id, answer) in [
        ("order_none", refuse(404, json!({"type": "not_found", "message": "Order id not found: order_none"}))),
        ("order_proxy", refuse(404, json!({"error": "nginx"}))),
        ("order_key", refuse(401, json!({"message": "Unauthorized"}))),
        ("order_one", ResponseTemplate::new(200).set_body_json(json!({"order": sample()["order"]}))),
    ] {
        Mock::given(path(format!("/admin/orders/{id}"))).respond_with(answer).mount(&server).await;
    }
    let fetch = async |id: &str| store.fetch(&way.calls(), &id.parse().unwrap()).await;
    assert!(fetch("order_none").await.unwrap().is_none());
    assert_eq!(fetch("order_proxy").await.unwrap_err().kind(), Kind::Config);
    assert_eq!(fetch("order_key").await.unwrap_err().kind(), Kind::Config);
    assert_eq!(fetch("order_one").await.unwrap().unwrap().total, amount("20.99"));
}
