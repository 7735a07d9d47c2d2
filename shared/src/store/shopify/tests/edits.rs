//! Edits, exchanges, removals and refunds: what was sold is what the store states now and what refunds took off it.
//!
//! The histories of the property test are made piece by piece: each piece of a line has its own share of the line's discount and
//! tax, so that what is sold and what is left are sums nobody has to divide for.

use proptest::prelude::*;

use super::*;
use crate::domain::{money::Amount, reason::Why};

fn money(cents: i64) -> String {
    rust_decimal::Decimal::new(cents, 2).to_string()
}

fn set(cents: i64) -> Value {
    json!({"shop_money": {"amount": money(cents), "currency_code": "EUR"},
        "presentment_money": {"amount": "7777", "currency_code": "ISK"}})
}

/// A body around `lines`, `shipping` and `refunds`, of a shop in euros.
fn body(total: i64, now: i64, lines: &Value, shipping: &Value, refunds: &Value) -> Value {
    json!({"id": 1, "name": "#1", "created_at": "2026-10-05T10:00:00Z", "updated_at": "2026-10-05T11:00:00Z", "currency": "EUR",
        "presentment_currency": "EUR", "financial_status": "paid", "taxes_included": false, "total_price": money(total),
        "current_total_price": money(now), "order_status_url": "https://acme.myshopify.com/1/orders/t/authenticate?key=k",
        "line_items": lines, "shipping_lines": shipping, "refunds": refunds,
        "discount_applications": [{"code": "TEN"}]})
}

fn line(id: u64, quantity: i64, now: i64, price: i64, off: i64, tax: i64) -> Value {
    json!({"id": id, "sku": format!("SKU-{id}"), "title": "Thing", "quantity": quantity, "current_quantity": now, "price": money(price),
        "discount_allocations": if off > 0 { json!([{"amount": money(off), "discount_application_index": 0}]) } else { json!([]) },
        "tax_lines": if tax > 0 { json!([{"title": "VAT", "price": money(tax), "rate": 0.21}]) } else { json!([]) }})
}

fn shipping(price: i64) -> Value {
    json!([{"id": 90, "title": "Post", "price": money(price), "discounted_price": money(price), "tax_lines": []}])
}

/// A refund object: `(line, quantity, subtotal)` each, and the money that moved.
fn back(id: u64, lines: &[(u64, i64, i64)], paid: i64) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(line, quantity, subtotal)| {
            json!({"id": id * 10, "line_item_id": line, "quantity": quantity, "restock_type": "cancel", "subtotal_set": set(*subtotal),
                "total_tax_set": set(0)})
        })
        .collect();
    let transactions = if paid == 0 {
        json!([])
    } else {
        json!([{"kind": "refund", "status": "success", "amount": money(paid), "currency": "EUR"}])
    };
    json!({"id": id, "note": null, "refund_line_items": lines, "order_adjustments": [], "transactions": transactions})
}

/// `(quantity, discount, total)` of an order of one line.
fn only_line(order: &Order) -> (String, String, String) {
    holds(order);
    assert_eq!(order.lines.len(), 1, "{order:?}");
    let off: Amount = order.lines[0].discounts.iter().map(|discount| discount.amount).sum();
    (order.lines[0].quantity.to_string(), off.to_string(), order.total.to_string())
}

#[test]
fn an_edit_to_fewer_pieces_lowers_what_was_sold_with_its_share_of_the_discount() {
    let edited =
        body(7680, 3840, &json!([line(1, 2, 1, 4800, 1920, 0)]), &json!([]), &json!([back(9, &[(1, 1, 3840)], 0)]));
    assert_eq!(only_line(&order(&edited)), ("1".into(), "9.6".into(), "38.4".into()));
    // The share is what Shopify states: 10.00 off three pieces, of which the removed one had 3.34.
    let uneven =
        body(2000, 1334, &json!([line(1, 3, 2, 1000, 1000, 0)]), &json!([]), &json!([back(9, &[(1, 1, 666)], 0)]));
    assert_eq!(only_line(&order(&uneven)), ("2".into(), "6.66".into(), "13.34".into()));
    // Nobody states it: the total tells which way the cent went.
    for now in [1333, 1334] {
        let silent = body(2000, now, &json!([line(1, 3, 2, 1000, 1000, 0)]), &json!([]), &json!([]));
        assert_eq!(only_line(&order(&silent)).2, Amount::parse(&money(now)).unwrap().to_string());
    }
    // Two cents are not rounding any more.
    let wrong = order(&body(2000, 1336, &json!([line(1, 3, 2, 1000, 1000, 0)]), &json!([]), &json!([])));
    assert_eq!(wrong.flags[0].code, "books", "{wrong:?}");
}

#[test]
fn a_line_that_was_removed_is_gone_and_what_was_added_counts() {
    let lines = json!([line(1, 1, 1, 3000, 0, 0), line(2, 1, 0, 2000, 0, 0)]);
    let removed = body(5000, 3000, &lines, &json!([]), &json!([back(9, &[(2, 1, 2000)], 0)]));
    assert_eq!(only_line(&order(&removed)), ("1".into(), "0".into(), "30".into()));
    // An exchange of equal worth: the returned piece goes, the new one comes, no money moves.
    let lines = json!([line(1, 1, 0, 2000, 0, 0), line(2, 1, 1, 2000, 0, 0)]);
    let exchanged = order(&body(4000, 2000, &lines, &json!([]), &json!([back(9, &[(1, 1, 2000)], 0)])));
    assert_eq!((only_line(&exchanged).2, exchanged.lines[0].id.as_str()), ("20".into(), "2"));
    // One where the cheaper piece leaves money over: both were sold, and the refund took 20 off although 5 went back.
    let lines = json!([line(1, 1, 0, 2000, 0, 0), line(2, 1, 1, 1500, 0, 0)]);
    let mut cheaper = body(3500, 1500, &lines, &json!([]), &json!([back(9, &[(1, 1, 2000)], 500)]));
    cheaper["refunds"][0]["order_adjustments"] =
        json!([{"kind": "refund_discrepancy", "amount": "15.00", "tax_amount": "0.00"}]);
    let cheaper = order(&cheaper);
    holds(&cheaper);
    assert_eq!((cheaper.lines.len(), cheaper.total.to_string()), (2, "35".into()));
    let refund = &cheaper.refunds[0];
    assert_eq!((refund.amount.to_string(), refund.taken_off().to_string()), ("5".into(), "20".into()));
}

#[test]
fn tax_of_what_was_removed_goes_with_it() {
    let mut edited = body(
        24_200,
        12_099,
        &json!([line(1, 2, 1, 10_000, 0, 4200)]),
        &json!([]),
        &json!([back(9, &[(1, 1, 10_000)], 0)]),
    );
    edited["refunds"][0]["refund_line_items"][0]["total_tax_set"] = set(2101);
    edited["total_tax"] = json!("42.00");
    edited["current_total_tax"] = json!("20.99");
    let order = order(&edited);
    holds(&order);
    assert_eq!((order.tax.to_string(), order.total.to_string()), ("20.99".into(), "120.99".into()));
    assert_eq!(order.lines[0].taxes[0].amount.to_string(), "20.99");
}

#[test]
fn shipping_that_an_edit_removed_or_lowered_was_not_sold() {
    let lines = json!([line(1, 1, 1, 2000, 0, 0)]);
    let with = |now: i64, change: fn(&mut Value)| {
        let mut body = body(2500, now, &lines, &shipping(500), &json!([]));
        change(&mut body["shipping_lines"][0]);
        order(&body)
    };
    let removed = with(2000, |line| line["is_removed"] = json!(true));
    holds(&removed);
    assert!(removed.charges.is_empty() && removed.total.to_string() == "20");
    let lowered = with(2300, |line| line["current_discounted_price_set"] = set(300));
    holds(&lowered);
    assert_eq!((lowered.charges[0].amount.to_string(), lowered.total.to_string()), ("3".into(), "23".into()));
}

#[test]
fn duties_and_fees_that_an_edit_lowered_were_not_sold() {
    let mut edited =
        body(2200, 1100, &json!([line(1, 2, 1, 900, 0, 0)]), &json!([]), &json!([back(9, &[(1, 1, 900)], 0)]));
    for (what, bought, now) in [("duties", 300, 150), ("additional_fees", 100, 50)] {
        edited[format!("original_total_{what}_set")] = set(bought);
        edited[format!("current_total_{what}_set")] = set(now);
    }
    let order = order(&edited);
    holds(&order);
    assert_eq!(order.charges.iter().map(|c| c.amount.to_string()).collect::<Vec<_>>(), ["1.5", "0.5"]);
}

#[test]
fn a_refund_alone_never_changes_what_was_sold() {
    let placed = order(&body(6500, 6500, &json!([line(1, 3, 3, 2000, 0, 0)]), &shipping(500), &json!([])));
    holds(&placed);
    // Restocked or not, Shopify's current figures fall.
    let goods = order(&body(
        6500,
        2500,
        &json!([line(1, 3, 1, 2000, 0, 0)]),
        &shipping(500),
        &json!([back(9, &[(1, 2, 4000)], 4000)]),
    ));
    let mut carriage =
        body(6500, 6000, &json!([line(1, 3, 3, 2000, 0, 0)]), &shipping(500), &json!([back(9, &[], 500)]));
    carriage["refunds"][0]["refund_shipping_lines"] =
        json!([{"id": 5, "shipping_line_id": 90, "subtotal_amount_set": set(500)}]);
    carriage["shipping_lines"][0]["current_discounted_price_set"] = set(0);
    let carriage = order(&carriage);
    // Goodwill, whether Shopify's current total counts it or not.
    let goodwill = |now: i64| {
        let mut body =
            body(6500, now, &json!([line(1, 3, 3, 2000, 0, 0)]), &shipping(500), &json!([back(9, &[], 300)]));
        body["refunds"][0]["order_adjustments"] =
            json!([{"kind": "refund_discrepancy", "amount_set": set(-300), "tax_amount_set": set(0)}]);
        order(&body)
    };
    for (refunded, amount, taken_off) in
        [(goods, "40", "40"), (carriage, "5", "5"), (goodwill(6500), "3", "0"), (goodwill(6200), "3", "3")]
    {
        holds(&refunded);
        assert!(refunded.same_goods(&placed), "{refunded:?}");
        assert!(!refunded.same_sale(&placed) && refunded.version().content != placed.version().content);
        let refund = &refunded.refunds[0];
        assert_eq!((refund.amount.to_string(), refund.taken_off().to_string()), (amount.into(), taken_off.into()));
        assert!(refunded.proof().unexplained.is_zero());
    }
}

#[test]
fn money_that_only_pays_an_edit_back_is_no_refund_of_what_was_sold() {
    let lines = json!([line(1, 1, 1, 3000, 0, 0), line(2, 1, 0, 2000, 0, 0)]);
    let mut refunds = json!([back(8, &[(2, 1, 2000)], 0), back(9, &[], 2000)]);
    refunds[0]["order_adjustments"] =
        json!([{"kind": "refund_discrepancy", "reason": "Pending refund discrepancy", "amount": "20.00"}]);
    refunds[1]["order_adjustments"] =
        json!([{"kind": "refund_discrepancy", "reason": "Pending refund discrepancy", "amount": "-20.00"}]);
    let mut settled = body(5000, 3000, &lines, &json!([]), &refunds);
    settled["financial_status"] = json!("partially_refunded");
    let settled = order(&settled);
    assert_eq!(only_line(&settled).2, "30");
    assert!(settled.refunds.is_empty() && settled.payment == Payment::Paid);
}

#[test]
fn refunds_in_the_buyers_currency_are_told_in_the_shops() {
    let lines = json!([line(1, 1, 1, 9000, 0, 0)]);
    let foreign = |now: i64, change: fn(&mut Value)| {
        let mut body = body(11_500, now, &lines, &shipping(2500), &json!([back(9, &[], 1)]));
        body["presentment_currency"] = json!("ISK");
        body["refunds"][0]["transactions"][0]["amount"] = json!("4400");
        body["refunds"][0]["transactions"][0]["currency"] = json!("ISK");
        change(&mut body["refunds"][0]);
        let order = order(&body);
        let sold: Vec<_> = order.flags.iter().filter(|flag| flag.code != "refund").collect();
        assert!(order.proof().holds() && sold.is_empty() && order.total.to_string() == "115", "{order:?}");
        order.refunds[0].amount.to_string()
    };
    let shipping = |refund: &mut Value| {
        refund["refund_shipping_lines"] =
            json!([{"id": 5, "shipping_line": {"id": 90}, "subtotal_amount_set": set(2500)}]);
    };
    assert_eq!(foreign(9000, shipping), "25");
    // Newer bodies say it twice, and some name no currency.
    let twice = |refund: &mut Value| {
        refund["refund_shipping_lines"] = json!([{"id": 5, "shipping_line_id": 90, "subtotal_amount_set": set(2500)}]);
        refund["order_adjustments"] =
            json!([{"kind": "shipping_refund", "amount_set": set(-2500), "tax_amount_set": set(0)}]);
        refund["transactions"][0]["currency"] = Value::Null;
    };
    assert_eq!(foreign(9000, twice), "25");
    let adjusted = |refund: &mut Value| {
        refund["order_adjustments"] = json!([{"kind": "shipping_refund", "amount": "-25.00", "tax_amount": "0.00"}]);
    };
    assert_eq!(foreign(9000, adjusted), "25");
    let goodwill = |refund: &mut Value| {
        refund["order_adjustments"] =
            json!([{"kind": "refund_discrepancy", "amount_set": set(-700), "tax_amount_set": set(0)}]);
    };
    assert_eq!(foreign(10_800, goodwill), "7");
    // Its parts say nothing: what the store's total leaves open; and where that is nothing, no amount is invented.
    assert_eq!(foreign(10_000, |_| {}), "15");
    assert_eq!(foreign(11_500, |_| {}), "0");
}

#[test]
fn what_cannot_be_proven_says_what_differs() {
    // The refund explains 20 of the 25 that are missing.
    let order = order(&body(
        6000,
        3500,
        &json!([line(1, 3, 2, 2000, 0, 0)]),
        &json!([]),
        &json!([back(9, &[(1, 1, 2000)], 2000)]),
    ));
    assert_eq!((order.total.to_string(), order.proof().unexplained.to_string()), ("60".into(), "-5".into()));
    assert_eq!(order.flags[0].code, "refunds");
    assert!(order.flags[0].detail.ends_with("comes to 35 now: -5 of difference"), "{}", order.flags[0].detail);
    // Nothing but the order's own state says what it comes to: it is not taken as it was bought.
    let order = order_without_a_reason(5000);
    assert!(!order.proof().unexplained.is_zero(), "{order:?}");
}

fn order_without_a_reason(now: i64) -> Order {
    order(&body(6000, now, &json!([line(1, 3, 3, 2000, 0, 0)]), &json!([]), &json!([])))
}

#[test]
fn bodies_without_current_figures_are_taken_as_bought() {
    let mut old =
        body(7680, 0, &json!([line(1, 2, 1, 4800, 1920, 0)]), &json!([]), &json!([back(9, &[(1, 1, 3840)], 0)]));
    old.as_object_mut().unwrap().remove("current_total_price");
    let order = order(&old);
    assert_eq!(only_line(&order), ("2".into(), "19.2".into(), "76.8".into()));
    assert_eq!(order.current_total, None);
}

/// How many lines and charges a refund names.
fn parts(refund: &Refund) -> (usize, usize) {
    (refund.lines.len(), refund.charges.len())
}

fn taxes(of: &[Tax]) -> Amount {
    of.iter().map(|tax| tax.amount).sum()
}

/// What the parts of a refund come to, with their tax.
fn made(refund: &Refund, included: bool) -> Amount {
    let lines: Amount = refund.lines.iter().map(|line| line.amount).sum();
    let charges: Amount = refund.charges.iter().map(|charge| charge.amount).sum();
    let on_lines: Amount = refund.lines.iter().map(|line| taxes(&line.taxes)).sum();
    let on_charges: Amount = refund.charges.iter().map(|charge| taxes(&charge.taxes)).sum();
    lines + charges + if included { Amount::ZERO } else { on_lines + on_charges }
}

/// A refund of one of two pieces at 20.00 with 4.20 of tax each, and of 5.00 of carriage with 1.05 of tax.
fn in_parts(change: impl FnOnce(&mut Value)) -> Order {
    let mut refund = back(9, &[(1, 1, 2000)], 3025);
    refund["refund_line_items"][0]["total_tax_set"] = set(420);
    refund["refund_line_items"][0]["restock_type"] = json!("return");
    refund["refund_shipping_lines"] = json!([{"id": 5, "shipping_line_id": 90, "subtotal_amount_set": set(500)}]);
    let mut body = body(5445, 2420, &json!([line(1, 2, 1, 2000, 0, 840)]), &shipping(500), &json!([refund]));
    body["shipping_lines"][0]["tax_lines"] = json!([{"title": "VAT", "price": "1.05", "rate": 0.21}]);
    (body["total_tax"], body["current_total_tax"]) = (json!("9.45"), json!("4.20"));
    change(&mut body);
    order(&body)
}

#[test]
fn a_refund_says_what_came_back_and_what_of_the_carriage() {
    let vat = |amount: &str| {
        vec![Tax { name: "VAT".into(), rate: Some("0.21".parse().unwrap()), amount: amount.parse().unwrap() }]
    };
    let check = |order: &Order| {
        holds(order);
        let refund = &order.refunds[0];
        let back = Returned {
            line: "1".into(),
            quantity: Amount::ONE,
            amount: "20".parse().unwrap(),
            taxes: vat("4.20"),
            restock: true,
        };
        assert_eq!(refund.lines, [back]);
        let carriage = Charge {
            kind: ChargeKind::Shipping,
            label: "Post".into(),
            amount: "5".parse().unwrap(),
            discounts: vec![],
            taxes: vat("1.05"),
        };
        assert_eq!(refund.charges, [carriage]);
        assert_eq!((made(refund, false), refund.amount.to_string()), (refund.taken_off(), "30.25".into()));
    };
    check(&in_parts(|_| {}));
    let adjustment = json!([{"kind": "shipping_refund", "amount_set": set(-500), "tax_amount_set": set(-105)}]);
    // As an adjustment (older API versions), and both ways.
    check(&in_parts(|o| {
        o["refunds"][0]["refund_shipping_lines"] = json!([]);
        o["refunds"][0]["order_adjustments"] = adjustment.clone();
    }));
    check(&in_parts(|o| o["refunds"][0]["order_adjustments"] = adjustment.clone()));
    // Where the line has two taxes, both are given back, and no cent goes missing.
    let two = in_parts(|o| {
        o["line_items"][0]["tax_lines"] =
            json!([{"title": "A", "price": "2.81", "rate": 0.07}, {"title": "B", "price": "5.59", "rate": 0.14}]);
    });
    let given: Vec<_> =
        two.refunds[0].lines[0].taxes.iter().map(|tax| (tax.name.as_str(), tax.amount.to_string())).collect();
    assert_eq!(given, [("A", "1.41".to_owned()), ("B", "2.79".to_owned())]);
    assert_eq!(made(&two.refunds[0], false), two.refunds[0].taken_off());
}

#[test]
fn goods_go_back_into_stock_where_the_shop_says_so() {
    for (word, restock) in [
        (json!("return"), true),
        (json!("cancel"), true),
        (json!("legacy_restock"), true),
        (json!("no_restock"), false),
        (Value::Null, false),
    ] {
        let order = in_parts(|o| o["refunds"][0]["refund_line_items"][0]["restock_type"] = word.clone());
        assert_eq!(order.refunds[0].lines[0].restock, restock, "{word}");
    }
}

#[test]
fn duties_and_tips_come_back_as_charges() {
    let order = in_parts(|o| {
        o["refunds"][0]["refund_shipping_lines"] = json!([]);
        o["refunds"][0]["total_duties_set"] = set(300);
        o["refunds"][0]["refund_line_items"].as_array_mut().unwrap().push(json!({"line_item_id": 2, "quantity": 1,
            "restock_type": "no_restock", "subtotal_set": set(305), "total_tax_set": set(0)}));
        let mut tip = line(2, 1, 0, 305, 0, 0);
        tip["tip"] = json!({"payment_gateway": null});
        o["line_items"].as_array_mut().unwrap().push(tip);
        o["original_total_duties_set"] = set(300);
        o["current_total_duties_set"] = set(0);
        o["total_tip_received"] = json!("3.05");
        (o["total_price"], o["current_total_price"]) = (json!("60.50"), json!("30.25"));
        o["current_total_tax"] = json!("5.25");
    });
    let refund = &order.refunds[0];
    let charges: Vec<_> = refund.charges.iter().map(|charge| (charge.kind, charge.amount.to_string())).collect();
    assert_eq!(charges, [(ChargeKind::Tip, "3.05".to_owned()), (ChargeKind::Duty, "3".to_owned())]);
    assert_eq!((refund.lines.len(), made(refund, false)), (1, refund.taken_off()));
}

#[test]
fn goodwill_and_fees_that_the_current_total_counts_stand_beside_the_parts() {
    // Of 30.25 worth of parts, 33.25 and 27.25 were paid back, and the shop counts what was paid.
    for (paid, now, adjustment, kind, amount) in
        [(3325, 2120, -300, ChargeKind::Refund, "3.00"), (2725, 2720, 300, ChargeKind::Fee, "-3.00")]
    {
        let order = in_parts(|o| {
            o["current_total_price"] = json!(money(now));
            o["refunds"][0]["transactions"][0]["amount"] = json!(money(paid));
            o["refunds"][0]["order_adjustments"] =
                json!([{"kind": "refund_discrepancy", "amount_set": set(adjustment)}]);
        });
        holds(&order);
        let refund = &order.refunds[0];
        let last = refund.charges.last().unwrap();
        assert_eq!((refund.lines.len(), last.kind, last.amount.to_string()), (1, kind, amount.to_owned()));
        assert_eq!((made(refund, false), refund.taken_off()), (refund.amount, refund.amount));
        assert!(order.credit(refund).unwrap().proof().holds());
        // Where it counts the parts alone, a credit note says the rest by itself.
        let order = in_parts(|o| {
            o["refunds"][0]["transactions"][0]["amount"] = json!(money(paid));
            o["refunds"][0]["order_adjustments"] =
                json!([{"kind": "refund_discrepancy", "amount_set": set(adjustment)}]);
        });
        let refund = &order.refunds[0];
        assert_eq!((parts(refund), made(refund, false).to_string()), ((1, 1), "30.25".to_owned()));
        let credit = order.credit(refund).unwrap();
        assert!(credit.proof().holds());
        assert_eq!(
            (credit.charges.last().unwrap().kind, credit.total.to_string()),
            (kind, money(paid).trim_end_matches('0').to_owned())
        );
    }
}

#[test]
fn a_refund_about_a_line_that_was_not_sold_has_no_parts() {
    // An edit removed the second line, and the shop refunds it once more: the order has no such line.
    let lines = json!([line(1, 1, 1, 3000, 0, 0), line(2, 1, 0, 2000, 0, 0)]);
    let order = order(&body(
        5000,
        1000,
        &lines,
        &json!([]),
        &json!([back(8, &[(2, 1, 2000)], 0), back(9, &[(1, 0, 500), (2, 0, 1500)], 2000)]),
    ));
    assert_eq!((order.lines.len(), order.refunds.len()), (1, 1), "{order:?}");
    assert_eq!(parts(&order.refunds[0]), (0, 0), "{:?}", order.refunds[0]);
}

/// What happens to an order: `(what, which line, how many pieces)`.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Pieces go, no money moves.
    Edit,
    /// Pieces go, and their money.
    Refund,
    /// Pieces go, and all but a fee of their money.
    RefundLess,
    /// Money goes, no piece does.
    Goodwill,
    /// Pieces of a new line come.
    Add,
}

struct Shelf {
    price: i64,
    off: i64,
    tax: i64,
    /// What each piece has of the line: net of discount, tax. `None` once it is gone.
    pieces: Vec<Option<(i64, i64)>>,
    /// Those that went without money.
    unsold: Vec<bool>,
}

impl Shelf {
    fn new(price: i64, quantity: i64, off: i64, tax: i64) -> Self {
        // Cumulative rounding: the cents fall somewhere, and add up.
        let share = |whole: i64, n: i64| whole * (n + 1) / quantity - whole * n / quantity;
        let pieces = (0..quantity).map(|n| Some((price - share(off, n), share(tax, n)))).collect();
        Self { price, off, tax, pieces, unsold: vec![false; usize::try_from(quantity).unwrap()] }
    }

    /// Takes up to `count` pieces; what they come to.
    fn take(&mut self, count: usize, sold: bool) -> (i64, i64, i64) {
        let mut taken = (0, 0, 0);
        for (piece, unsold) in
            self.pieces.iter_mut().zip(&mut self.unsold).filter(|(piece, _)| piece.is_some()).take(count)
        {
            let (net, tax) = piece.take().unwrap();
            *unsold = !sold;
            taken = (taken.0 + 1, taken.1 + net, taken.2 + tax);
        }
        taken
    }
}

fn event() -> impl Strategy<Value = (Event, usize, usize)> {
    let what = prop_oneof![
        Just(Event::Edit),
        Just(Event::Refund),
        Just(Event::RefundLess),
        Just(Event::Goodwill),
        Just(Event::Add)
    ];
    (what, 0..4_usize, 1..4_usize)
}

fn shelf() -> impl Strategy<Value = Shelf> {
    (1..5000_i64, 1..6_i64, 0..100_i64, 0..300_i64).prop_map(|(price, quantity, off, tax)| {
        let off = price * quantity * off / 100;
        Shelf::new(price, quantity, off, (price * quantity - off) * tax / 1000)
    })
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pieces at {}, {} off, tax {}", self.pieces.len(), self.price, self.off, self.tax)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever was edited, exchanged and refunded: the mapped order is what was sold, proven to the cent.
    #[test]
    fn what_was_sold_is_proven_to_the_cent(
        mut shelves in prop::collection::vec(shelf(), 1..4),
        carriage in 0..1000_i64,
        events in prop::collection::vec(event(), 0..6),
        (included, counts_goodwill) in (any::<bool>(), any::<bool>()),
    ) {
        let worth = |(_, net, tax): (i64, i64, i64)| if included { net } else { net + tax };
        let (mut refunds, mut given, mut gone_tax, mut unsold) = (Vec::new(), Vec::new(), 0, 0);
        for (n, (what, at, count)) in (0..).zip(events) {
            let at = at % shelves.len();
            let line = u64::try_from(at).unwrap() + 1;
            let id = n + 100;
            match what {
                Event::Add => shelves.push(Shelf::new(700, 2, 33, 101)),
                Event::Goodwill => {
                    let mut refund = back(id, &[], 150);
                    refund["order_adjustments"] = json!([{"kind": "refund_discrepancy", "amount_set": set(-150)}]);
                    given.push((150, if counts_goodwill { 150 } else { 0 }, None));
                    refunds.push(refund);
                }
                Event::Edit | Event::Refund | Event::RefundLess => {
                    let sold = !matches!(what, Event::Edit);
                    let taken = shelves[at].take(count, sold);
                    // A fee that is kept is at most what there is; and it is counted as a difference of the money alone.
                    let fee = if matches!(what, Event::RefundLess) && !counts_goodwill { worth(taken) / 3 } else { 0 };
                    let paid = if sold { worth(taken) - fee } else { 0 };
                    if taken.0 == 0 || (sold && paid == 0) {
                        prop_assume!(taken.0 == 0);
                        continue;
                    }
                    let mut refund = back(id, &[(line, taken.0, taken.1)], paid);
                    refund["refund_line_items"][0]["total_tax_set"] = set(taken.2);
                    if fee > 0 {
                        refund["order_adjustments"] = json!([{"kind": "refund_discrepancy", "amount_set": set(fee)}]);
                    }
                    if sold { given.push((paid, worth(taken), Some((line, taken)))); } else { unsold += worth(taken); }
                    gone_tax += taken.2;
                    refunds.push(refund);
                }
            }
        }
        let all = |shelf: &Shelf| shelf.price * i64::try_from(shelf.pieces.len()).unwrap() - shelf.off;
        let bought: i64 = shelves.iter().map(|shelf| all(shelf) + if included { 0 } else { shelf.tax }).sum::<i64>() + carriage;
        let taken: i64 = given.iter().map(|(_, taken, _)| taken).sum();
        let tax: i64 = shelves.iter().map(|shelf| shelf.tax).sum();
        let lines: Vec<_> = (1..).zip(&shelves).map(|(id, shelf)| {
            let quantity = i64::try_from(shelf.pieces.len()).unwrap();
            let now = i64::try_from(shelf.pieces.iter().flatten().count()).unwrap();
            line(id, quantity, now, shelf.price, shelf.off, shelf.tax)
        }).collect();
        let mut body = body(bought, bought - unsold - taken, &json!(lines), &shipping(carriage), &json!(refunds));
        body["taxes_included"] = json!(included);
        body["total_tax"] = json!(money(tax));
        body["current_total_tax"] = json!(money(tax - gone_tax));

        let order = order(&body);
        let proof = order.proof();
        prop_assert!(proof.holds() && proof.untraced_tax.is_zero() && proof.unexplained.is_zero(), "{order:?}\n{body}");
        prop_assert_eq!(order.total, Amount::parse(&money(bought - unsold)).unwrap());
        for (id, shelf) in (1_u64..).zip(&shelves) {
            let sold = shelf.unsold.iter().filter(|unsold| !**unsold).count();
            let line = order.lines.iter().find(|line| line.id == id.to_string());
            prop_assert_eq!(line.map_or("0".to_owned(), |line| line.quantity.to_string()), sold.to_string());
        }
        let paid: i64 = given.iter().map(|(paid, ..)| paid).sum();
        let told: Amount = order.refunds.iter().map(|refund| refund.amount).sum();
        prop_assert_eq!(told, Amount::parse(&money(paid)).unwrap());

        // Each refund gives back what it took, line by line, and an ERP's credit note of it adds up.
        prop_assert_eq!(order.refunds.len(), given.len());
        for (refund, (_, taken, of)) in order.refunds.iter().zip(&given) {
            prop_assert_eq!(refund.taken_off(), Amount::parse(&money(*taken)).unwrap());
            let Some((id, (pieces, net, tax))) = of else {
                prop_assert_eq!(parts(refund), (0, 0), "goodwill is of no part");
                continue;
            };
            let [back] = refund.lines.as_slice() else { panic!("{refund:?}") };
            prop_assert_eq!((&back.line, back.quantity.to_string(), back.restock), (&id.to_string(), pieces.to_string(), true));
            prop_assert_eq!(back.amount, Amount::parse(&money(*net)).unwrap());
            prop_assert_eq!(taxes(&back.taxes), Amount::parse(&money(*tax)).unwrap());
            prop_assert_eq!(made(refund, included), refund.taken_off());
            match order.credit(refund) {
                Ok(credit) => {
                    prop_assert!(credit.proof().holds() && credit.proof().untraced_tax.is_zero(), "{credit:?}");
                    prop_assert_eq!(credit.total, refund.amount);
                }
                // More goodwill than there was to give back.
                Err(why) => prop_assert!(matches!(why, Why::RefundTooLarge { .. }) && counts_goodwill, "{why:?}"),
            }
        }

        // The same order as it would be had nothing been given back: the refunds changed nothing of what was sold.
        let mut kept = body.clone();
        kept["refunds"] = refunds.iter().filter(|refund| refund["transactions"] == json!([])).cloned().collect();
        kept["current_total_price"] = json!(money(bought - unsold));
        kept["current_total_tax"] = Value::Null;
        for (line, shelf) in kept["line_items"].as_array_mut().unwrap().iter_mut().zip(&shelves) {
            line["current_quantity"] = json!(shelf.unsold.iter().filter(|unsold| !**unsold).count());
        }
        let kept = self::order(&kept);
        prop_assert!(kept.same_goods(&order), "{kept:?}\n{order:?}");
    }
}
