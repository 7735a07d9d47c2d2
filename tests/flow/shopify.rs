//! What a Shopify shop does to an order before and after its sale is in the ERP: edits change what was sold, refunds wait to be
//! credited, and neither is sent in an old state.

use jiff::SignedDuration;
use puente::{
    config::Section,
    domain::{ledger::Limits, order::Order, record::State},
    store::{Reading, STORES, Store},
};
use serde_json::{Value, json};

use crate::{
    calm::World,
    support::orders::{SECRET, SHOP, verified},
};

fn shop() -> Box<dyn Store> {
    let row = STORES.iter().find(|row| row.kind == "shopify").unwrap();
    let section = format!("shop = '{SHOP}'\nwebhook_secrets = [{{ literal = '{SECRET}' }}]");
    (row.build)(&Section::from_toml(&section).unwrap()).unwrap()
}

/// Two cups at 10.00 with 4.00 off, and 5.00 for the post, changed at minute `minute`.
fn read(minute: u32, change: impl FnOnce(&mut Value)) -> Order {
    let mut body = json!({
        "id": 1, "name": "#1", "created_at": "2026-03-01T00:00:00Z", "updated_at": format!("2026-03-01T00:{minute:02}:00Z"),
        "currency": "EUR", "presentment_currency": "EUR", "financial_status": "paid", "taxes_included": false, "total_tax": "0.00",
        "total_price": "21.00", "current_total_price": "21.00", "total_discounts": "4.00",
        "order_status_url": format!("https://{SHOP}/1/orders/t/authenticate?key=k"),
        "discount_applications": [{"code": "TWENTY"}],
        "line_items": [{"id": 11, "sku": "CUP-1", "title": "Cup", "quantity": 2, "current_quantity": 2, "price": "10.00",
            "discount_allocations": [{"amount": "4.00", "discount_application_index": 0}], "tax_lines": []}],
        "shipping_lines": [{"id": 12, "title": "Post", "price": "5.00", "discounted_price": "5.00", "tax_lines": []}],
        "refunds": [],
    });
    change(&mut body);
    let now = "2026-03-01T01:00:00Z".parse().unwrap();
    let shop = shop();
    match shop.read(&verified(&*shop, &body.to_string(), now)) {
        Reading::Order(order) => *order,
        other => panic!("{other:?}"),
    }
}

fn placed() -> Order {
    read(0, |_| {})
}

/// One cup comes back into stock: its 8.00 are paid back, or (an edit) are not.
fn one_cup_less(body: &mut Value, paid: bool) {
    body["line_items"][0]["current_quantity"] = json!(1);
    body["current_total_price"] = json!("13.00");
    let transactions = if paid {
        json!([{"kind": "refund", "status": "success", "amount": "8.00", "currency": "EUR"}])
    } else {
        json!([])
    };
    body["refunds"] = json!([{"id": 21, "restock": true, "order_adjustments": [], "transactions": transactions,
        "refund_line_items": [{"line_item_id": 11, "quantity": 1, "restock_type": "cancel", "subtotal": 8.0, "total_tax": 0.0}]}]);
    if paid {
        body["financial_status"] = json!("partially_refunded");
    }
}

/// What the ERP holds and why the order stands, after these states.
fn after(states: Vec<Order>) -> (Vec<String>, State, String) {
    let world = World::new(1, 1, Limits::default());
    for state in states {
        world.arrives(0, state);
        world.run_for(SignedDuration::from_mins(1));
    }
    world.assert_single();
    let head = world.head(&world.key(0, "1"));
    let totals = world.sales().iter().map(|sale| sale.total.clone()).collect();
    (totals, head.state(), head.reason.map(|reason| reason.words()).unwrap_or_default())
}

#[test]
fn an_edit_is_what_was_sold_and_waits_for_a_person_once_the_erp_has_the_old_state() {
    let edited = || read(5, |body| one_cup_less(body, false));
    assert_eq!(after(vec![edited()]), (vec!["13".into()], State::Synced, String::new()));
    let (totals, state, reason) = after(vec![placed(), edited()]);
    assert_eq!((totals, state), (vec!["21".into()], State::Parked));
    assert_eq!(
        reason,
        "its quantity of CUP-1 (1 instead of 2) and its total (13.00 EUR instead of 21.00 EUR) changed after it reached the ERP: \
         change sale S0 there by hand, then have that noted (puente orders adopt)"
    );
}

#[test]
fn a_restocked_refund_waits_for_its_credit_note_and_never_lowers_the_sale() {
    let refunded = || read(5, |body| one_cup_less(body, true));
    assert!(refunded().same_goods(&placed()));
    let (totals, state, reason) = after(vec![refunded()]);
    assert_eq!((totals, state), (vec![], State::Parked));
    assert!(reason.starts_with("8.00 EUR were refunded before it reached the ERP: create the sale and"), "{reason}");
    let (totals, state, reason) = after(vec![placed(), refunded()]);
    assert_eq!((totals, state), (vec!["21".into()], State::Parked));
    assert_eq!(
        reason,
        "8.00 EUR were refunded after it reached the ERP: credit sale S0 there by hand, then have that noted (puente orders adopt)"
    );
}

#[test]
fn a_refund_that_nothing_explains_and_a_total_that_nothing_proves_wait() {
    let unexplained = || read(5, |body| body["financial_status"] = json!("partially_refunded"));
    for states in [vec![unexplained()], vec![placed(), unexplained()]] {
        let (_, state, reason) = after(states);
        assert_eq!(state, State::Parked);
        assert!(reason.contains("no refund in the store says how much"), "{reason}");
    }
    let unproven = || read(5, |body| body["current_total_price"] = json!("19.50"));
    let (totals, state, reason) = after(vec![unproven()]);
    assert_eq!((totals, state), (vec![], State::Parked));
    assert!(reason.contains("21.00 EUR were sold") && reason.contains("19.50 EUR now, 1.50 EUR less"), "{reason}");
    let (_, state, reason) = after(vec![placed(), unproven()]);
    assert_eq!(state, State::Parked);
    assert!(
        reason.starts_with("what it comes to in the store now (19.50 EUR instead of 21.00 EUR) changed"),
        "{reason}"
    );
}

#[test]
fn a_payment_that_is_given_up_after_the_sale_waits() {
    let voided = || read(5, |body| body["financial_status"] = json!("voided"));
    assert_eq!(after(vec![voided()]).1, State::Ignored);
    let (totals, state, reason) = after(vec![placed(), voided()]);
    assert_eq!((totals, state), (vec!["21".into()], State::Parked));
    assert!(
        reason.starts_with("its payment failed, was given up or was charged back after it reached the ERP"),
        "{reason}"
    );
}
