//! The Tryton connector on a real Tryton 8.0.

use std::time::Duration;

use jiff::SignedDuration;
use puente::{
    domain::{
        document::{Document, Operation, Step},
        ids::OrderKey,
        order::{ChargeKind, Order},
        reason::Why,
    },
    erp::{BookPage, Draft, Erp, Job, SendError},
    fuzzing::Way,
    ports::{Clock as _, SystemClock},
};
use serde_json::json;

use crate::{
    made::{adjusting, amount, charge, discount, line, order, ruled, sale, small, taxed, unique},
    support::tryton::{Memory, Tryton, connector, counted, tryton},
};

fn words(send_error: &SendError) -> String {
    match send_error {
        SendError::Exists => "exists".to_owned(),
        other => other.error().map(ToString::to_string).unwrap_or_default(),
    }
}

async fn drafts(erp: &dyn Erp, way: &Way, ids: &Memory, sales: &[Job]) -> Vec<Draft> {
    let answers = erp.prepare(&way.with(ids), Operation::Create, sales, false).await;
    assert_eq!(answers.len(), sales.len());
    answers.into_iter().map(|answer| answer.unwrap_or_else(|send_error| panic!("{}", words(&send_error)))).collect()
}

async fn created(erp: &dyn Erp, way: &Way, ids: &Memory, sales: &[Job]) -> Vec<Document> {
    let drafts = drafts(erp, way, ids, sales).await;
    let answers = erp.send(&way.calls(), Operation::Create, &drafts).await;
    answers.into_iter().map(|answer| answer.unwrap_or_else(|send_error| panic!("{}", words(&send_error)))).collect()
}

async fn refused(erp: &dyn Erp, sale: Job) -> String {
    let (way, _) = counted();
    let answers = erp.prepare(&way.with(&Memory::default()), Operation::Create, &[sale], false).await;
    match answers.into_iter().next() {
        Some(Err(SendError::Refused(error))) => {
            assert!(Why::of(&error).is_some(), "it has no code: {error}");
            error.to_string()
        }
        other => panic!("{:?}", other.map(|answer| answer.map_err(|send_error| words(&send_error)))),
    }
}

/// Its total and state in Tryton.
async fn in_tryton(tryton: &Tryton, sale: &Job) -> Vec<(String, String)> {
    let domain = json!([["web_id", "=", sale.step.reference.as_str()]]);
    let found = tryton.search("sale.sale", domain, json!(["total_amount", "state"])).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    found.iter().map(|sale| (text(&sale["total_amount"]["decimal"]), text(&sale["state"]))).collect()
}

#[tokio::test]
async fn a_hundred_orders_take_few_calls() {
    let Some(tryton) = tryton() else { return };
    let (way, counter) = counted();
    // It is calls that are counted here, not seconds: a busy machine must not add a time-out.
    let (erp, ids) = (tryton.connector("timeout = \"300s\""), Memory::default());
    let make = || -> Vec<Job> {
        (0..100)
            .map(|n| {
                let sku = format!("ART-{:02}", n % 20 + 1);
                let lines = vec![line(&sku, "3", "30.00", Some(("0.21", "6.30"))), line("ART-20", "1", "9.99", None)];
                sale(order("EUR", false, lines, vec![charge(ChargeKind::Shipping, "5.00", None)]))
            })
            .collect()
    };
    let (first, second) = (make(), make());
    let documents = created(&*erp, &way, &ids, &first).await;
    let cold = counter.take();
    created(&*erp, &way, &ids, &second).await;
    let warm = counter.take();
    crate::support::venv::say(&format!(
        "ERP calls for 100 orders of 100 new customers: {cold} the first time, {warm} later"
    ));
    assert!(cold <= 15, "{cold}");
    // Customers: looked up, created, their addresses; sales: created, quoted, read, confirmed.
    assert_eq!(warm, 7);
    assert!(documents.iter().all(|document| document.number.is_some()));
    for sale in first.iter().chain(&second).step_by(33) {
        // Tryton came to the store's total, and processed what was confirmed by itself.
        assert_eq!(in_tryton(tryton, sale).await, [(sale.order.total.to_string(), "processing".to_owned())]);
    }
}

#[tokio::test]
async fn totals_are_the_stores_to_the_cent() {
    let Some(tryton) = tryton() else { return };
    let (way, _) = counted();
    let (erp, ids) = (tryton.connector("state = \"draft\""), Memory::default());
    let mut orders = Vec::new();

    // Prices without tax, several rates, an untaxed line.
    let lines = vec![
        line("ART-01", "3", "29.97", Some(("0.21", "6.29"))),
        line("ART-02", "1", "12.50", Some(("0.10", "1.25"))),
        line("ART-03", "2", "3.00", None),
    ];
    orders.push(order("EUR", false, lines, vec![charge(ChargeKind::Shipping, "4.99", Some(("0.21", "1.05")))]));
    // Prices that contain their tax, where no net price has two decimals.
    let lines = vec![
        line("ART-01", "3", "10.00", Some(("0.21", "1.74"))),
        line("ART-02", "7", "99.99", Some(("0.21", "17.35"))),
        line("ART-03", "1", "0.01", Some(("0.10", "0.00"))),
        line("ART-04", "1", "19.99", Some(("0.10", "1.82"))),
    ];
    orders.push(order("EUR", true, lines, vec![charge(ChargeKind::Shipping, "4.95", Some(("0.21", "0.86")))]));
    // Discounts on a line, on shipping, and on nothing in particular; a tip, a fee, store credit.
    let mut bargain = line("ART-05", "2", "50.00", Some(("0.21", "9.45")));
    bargain.discounts = vec![discount("TEN", "5.00")];
    let mut shipping = charge(ChargeKind::Shipping, "6.00", None);
    shipping.discounts = vec![discount("FREE", "6.00")];
    let charges = vec![
        shipping,
        charge(ChargeKind::Tip, "2.00", None),
        charge(ChargeKind::Fee, "1.10", None),
        charge(ChargeKind::StoreCredit, "-15.00", None),
    ];
    let mut discounted = order("EUR", false, vec![bargain], charges);
    discounted.discounts = vec![discount("LOYAL", "3.33")];
    crate::made::add_up(&mut discounted);
    orders.push(discounted);
    // A free article; a line removed since; a gift card and a line without a code.
    let mut gift = line("x", "1", "25.00", None);
    (gift.sku, gift.gift_card) = (None, true);
    let mut custom = line("y", "1", "7.00", None);
    custom.sku = None;
    let lines = vec![line("ART-06", "1", "0.00", None), line("ART-07", "0", "0.00", None), gift, custom];
    orders.push(order("EUR", false, lines, vec![]));
    // Currencies without and with three decimals.
    orders.push(order("JPY", true, vec![line("ART-08", "3", "1000", Some(("0.10", "91")))], vec![]));
    orders.push(order("KWD", false, vec![line("ART-08", "2", "1.235", Some(("0.04", "0.049")))], vec![]));
    // Two taxes on one line; a rate of three decimals; a fraction of a kilogram; hundreds of pieces.
    let mut both = line("ART-09", "1", "1.05", None);
    both.taxes = vec![taxed("0", "0.05"), taxed("0", "0.08")];
    both.taxes[0].name = "GST".to_owned();
    both.taxes[1].name = "PST".to_owned();
    let mut state = line("ART-10", "1", "99.00", Some(("0.08875", "8.79")));
    state.taxes[0].name = "State".to_owned();
    let lines = vec![both, state, line("COFFEE", "0.75", "13.49", None), line("ART-11", "700", "100.01", None)];
    orders.push(order("EUR", false, lines, vec![]));

    let sales: Vec<Job> = orders.into_iter().map(sale).collect();
    created(&*erp, &way, &ids, &sales).await;
    for sale in &sales {
        let found = in_tryton(tryton, sale).await;
        let [(total, state)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(amount(total), sale.order.total, "{}", sale.order.number);
        assert_eq!(state, "draft");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_creates_with_one_reference_make_one_sale() {
    let Some(tryton) = tryton() else { return };
    let (way, _) = counted();
    let (erp, ids) = (tryton.connector("state = \"draft\""), Memory::default());
    let sale = sale(small());
    let drafts = drafts(&*erp, &way, &ids, std::slice::from_ref(&sale)).await;
    let calls = way.calls();
    let racing = (0..8).map(|_| erp.send(&calls, Operation::Create, &drafts));
    let answers: Vec<_> = futures::future::join_all(racing).await.into_iter().flatten().collect();
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 1, "{answers:?}");
    // Nobody else claims that for certain nothing will come of it.
    assert!(answers.iter().flatten().count() == 1 && !answers.iter().any(|a| matches!(a, Err(SendError::Refused(_)))));
    assert_eq!(in_tryton(tryton, &sale).await.len(), 1);
    let found = erp.look_up(&way.calls(), std::slice::from_ref(&sale.step)).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().version.as_ref(), Some(&sale.version));
}

#[tokio::test]
async fn a_bulk_with_one_that_exists_is_told_and_nothing_of_it_is_made() {
    let Some(tryton) = tryton() else { return };
    let (way, counter) = counted();
    let (erp, ids) = (tryton.connector("state = \"draft\""), Memory::default());
    let (old, new) = (sale(small()), sale(small()));
    created(&*erp, &way, &ids, std::slice::from_ref(&old)).await;
    let drafts = drafts(&*erp, &way, &ids, &[old.clone(), new.clone()]).await;
    let answers = erp.send(&way.calls(), Operation::Create, &drafts).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(SendError::Exists))), "{answers:?}");
    counter.take();
    let steps = [new.step.clone(), old.step.clone()];
    let found = erp.look_up(&way.calls(), &steps).await.unwrap();
    assert_eq!(counter.take(), 1);
    assert!(found[0].is_none());
    let found = found[1].as_ref().unwrap();
    assert_eq!((found.version.as_ref(), found.finished), (Some(&old.version), true));
}

#[tokio::test]
async fn what_was_cut_short_is_found_and_finished() {
    let Some(tryton) = tryton() else { return };
    let (way, counter) = counted();
    let ids = Memory::default();
    // As if the process had died between create and confirm: some are drafts, some are quoted.
    let sales: Vec<Job> = (0..4).map(|_| sale(small())).collect();
    created(&*tryton.connector("state = \"draft\""), &way, &ids, &sales[..2]).await;
    created(&*tryton.connector("state = \"quotation\""), &way, &ids, &sales[2..3]).await;
    created(&*tryton.connector("state = \"confirmed\""), &way, &ids, &sales[3..]).await;
    let erp = tryton.connector("state = \"processing\"");
    let steps: Vec<_> = sales.iter().map(|sale| sale.step.clone()).collect();
    let found: Vec<_> = erp.look_up(&way.calls(), &steps).await.unwrap().into_iter().map(Option::unwrap).collect();
    assert_eq!(found.iter().map(|f| f.finished).collect::<Vec<_>>(), [false, false, false, true]);
    let documents: Vec<_> = found.iter().map(|found| found.document.clone()).collect();
    for calls_expected in [5, 1] {
        counter.take();
        let finished = erp.finish(&way.calls(), Operation::Create, &documents).await;
        assert!(finished.iter().all(|answer| answer.as_ref().is_ok_and(|d| d.number.is_some())), "{finished:?}");
        // Read, quote, read, confirm, process; and nothing but a read where all is done.
        assert_eq!(counter.take(), calls_expected);
        for sale in &sales {
            assert_eq!(in_tryton(tryton, sale).await, [("24.20".to_owned(), "processing".to_owned())]);
        }
    }
    assert!(erp.look_up(&way.calls(), &steps).await.unwrap().iter().flatten().all(|found| found.finished));
    // A sale that a person cancelled is that person's.
    let cancelled = sale(small());
    let erp = tryton.connector("state = \"quotation\"");
    let document = created(&*erp, &way, &ids, std::slice::from_ref(&cancelled)).await.remove(0);
    tryton.rpc("model.sale.sale.cancel", json!([[document.id.parse::<i64>().unwrap()]])).await;
    let found = erp.look_up(&way.calls(), std::slice::from_ref(&cancelled.step)).await.unwrap();
    assert!(!found[0].as_ref().unwrap().finished);
    let answer = erp.finish(&way.calls(), Operation::Create, &[document]).await.remove(0);
    assert!(matches!(&answer, Err(SendError::Refused(e)) if e.to_string().contains("cancelled")), "{answer:?}");
}

#[tokio::test]
async fn an_order_that_cannot_be_a_sale_says_why_and_makes_no_customer() {
    let Some(tryton) = tryton() else { return };
    let erp = tryton.connector("");
    let mut unknown = small();
    unknown.lines[0].sku = Some("NO-SUCH".to_owned());
    let customer = format!("acme/customer/c{}", unknown.id);
    let text = refused(&*erp, sale(unknown)).await;
    assert!(text.contains("NO-SUCH") && text.contains("orders.sku"), "{text}");
    assert!(tryton.search("party.party", json!([["code", "=", customer]]), json!(["id"])).await.is_empty());

    let text = refused(&*erp, sale(order("EUR", false, vec![line("RETIRED", "1", "1.00", None)], vec![]))).await;
    assert!(text.contains("RETIRED") && text.contains("salable"), "{text}");
    let text = refused(&*erp, sale(order("EUR", false, vec![line("ART-01", "1.5", "1.00", None)], vec![]))).await;
    assert!(text.contains("ART-01") && text.contains("1.5"), "{text}");
    let text =
        refused(&*erp, sale(order("EUR", false, vec![line("ART-01", "1", "1.00", Some(("0.33", "0.33")))], vec![])))
            .await;
    assert!(text.contains("0.33") && text.contains("`taxes`"), "{text}");
    let mut grouped = line("ART-01", "1", "100.00", Some(("0.14975", "14.98")));
    grouped.taxes[0].name = "Canada".to_owned();
    let text = refused(&*erp, sale(order("EUR", false, vec![grouped], vec![]))).await;
    assert!(text.contains("Canada") && text.contains("children"), "{text}");
    let text = refused(&*erp, sale(order("CHF", false, vec![line("ART-01", "1", "1.00", None)], vec![]))).await;
    assert!(text.contains("CHF"), "{text}");
    let text = refused(&*erp, sale(order("EUR", false, vec![], vec![]))).await;
    assert!(text.contains("no lines"), "{text}");
    let bare = connector(&tryton.section("").replace("tip = \"TIP\", ", ""));
    let tipped =
        order("EUR", false, vec![line("ART-01", "1", "1.00", None)], vec![charge(ChargeKind::Tip, "1.00", None)]);
    let text = refused(&*bare, sale(tipped)).await;
    assert!(text.contains("products.tip"), "{text}");

    // Two taxes that both round to nothing: Tryton itself would go round for ever.
    let mut cents = line("ART-01", "1", "0.10", None);
    cents.taxes = vec![taxed("0.05", "0.01"), taxed("0.05", "0.00")];
    (cents.taxes[0].name, cents.taxes[1].name) = ("GST".to_owned(), "GST too".to_owned());
    let twice = connector(&tryton.section("").replace("taxes = {", "taxes = { \"GST too\" = \"GST 5% again\", "));
    tryton_has_a_second_gst(tryton).await;
    let text = refused(&*twice, sale(order("EUR", false, vec![cents], vec![]))).await;
    assert!(text.contains("two taxes that both round to nothing"), "{text}");
}

async fn tryton_has_a_second_gst(tryton: &Tryton) {
    let gst = tryton.search("account.tax", json!([["name", "=", "GST 5%"]]), json!(["id"])).await;
    let again = json!({"name": "GST 5% again", "description": "GST 5% again"});
    tryton.rpc("model.account.tax.copy", json!([[gst[0]["id"]], again])).await;
}

#[tokio::test]
async fn articles_may_have_another_code_in_the_erp() {
    let Some(tryton) = tryton() else { return };
    let (way, _) = counted();
    let mut rules = puente::domain::rules::Rules::default();
    rules.sku.insert("OLD-1".to_owned(), "ART-12".to_owned());
    let mut renamed = small();
    renamed.lines[0].sku = Some("OLD-1".to_owned());
    let sale = ruled(renamed, rules);
    created(&*tryton.connector("state = \"draft\""), &way, &Memory::default(), std::slice::from_ref(&sale)).await;
    let domain = json!([["sale.web_id", "=", sale.step.reference.as_str()]]);
    let lines = tryton.search("sale.line", domain, json!(["product.code", "description"])).await;
    assert_eq!(lines[0]["product."]["code"], "ART-12");
}

/// Two lines of 0.07, whose tax of 0.0147 each the store rounds by itself: Tryton's one tax of 0.0294 is a cent more.
fn a_cent_off() -> Order {
    let lines =
        vec![line("ART-01", "1", "0.07", Some(("0.21", "0.01"))), line("ART-02", "1", "0.07", Some(("0.21", "0.01")))];
    order("EUR", false, lines, vec![])
}

/// The lines of its sale on a product: their prices, and how many taxes each has.
async fn lines_on(tryton: &Tryton, sale: &Job, product: &str) -> Vec<(String, usize)> {
    let domain = json!([["sale.web_id", "=", sale.step.reference.as_str()], ["product.code", "=", product]]);
    let lines = tryton.search("sale.line", domain, json!(["unit_price", "taxes"])).await;
    let of = |line: &serde_json::Value| {
        (line["unit_price"]["decimal"].as_str().unwrap().to_owned(), line["taxes"].as_array().unwrap().len())
    };
    lines.iter().map(of).collect()
}

#[tokio::test]
async fn what_rounding_explains_is_booked_on_a_line_of_its_own() {
    let Some(tryton) = tryton() else { return };
    let (way, _) = counted();
    let (erp, ids) = (tryton.connector("state = \"draft\""), Memory::default());
    let rounded = sale(a_cent_off());
    let drafts = drafts(&*erp, &way, &ids, std::slice::from_ref(&rounded)).await;
    assert_eq!(drafts[0].remark.as_deref(), Some("-0.01 EUR of rounding, on a line of its own"));
    created(&*erp, &way, &ids, std::slice::from_ref(&rounded)).await;
    assert_eq!(in_tryton(tryton, &rounded).await, [("0.16".to_owned(), "draft".to_owned())]);
    assert_eq!(lines_on(tryton, &rounded, "ROUNDING").await, [("-0.01".to_owned(), 0)]);
    // The store's own books miss a cent that two taxed lines explain: the two differences are one line, here of nothing.
    let mut own = a_cent_off();
    own.total = amount("0.17");
    let own = sale(own);
    created(&*erp, &way, &ids, std::slice::from_ref(&own)).await;
    assert_eq!(in_tryton(tryton, &own).await, [("0.17".to_owned(), "draft".to_owned())]);
    assert_eq!(lines_on(tryton, &own, "ROUNDING").await, []);
    // Without a product for it the order waits, and the key is named.
    let bare = connector(&tryton.section("").replace("rounding = \"ROUNDING\", ", ""));
    let text = refused(&*bare, sale(a_cent_off())).await;
    assert!(text.contains("-0.01 EUR") && text.contains("`products.rounding`"), "{text}");
    assert!(bare.probe(&way.calls()).await.unwrap().words.contains("products.rounding"));
}

#[tokio::test]
async fn what_rounding_does_not_explain_is_parked_or_booked_as_an_adjustment() {
    let Some(tryton) = tryton() else { return };
    let (way, _) = counted();
    let erp = tryton.connector("state = \"draft\"");
    // The store charged two cents more of tax than half a cent for each of two lines allows.
    let off = || {
        let lines = vec![
            line("ART-01", "1", "10.00", Some(("0.21", "2.10"))),
            line("ART-02", "1", "20.00", Some(("0.21", "4.22"))),
        ];
        order("EUR", false, lines, vec![])
    };
    let text = refused(&*erp, sale(off())).await;
    assert!(text.contains("36.32") && text.contains("36.30") && text.contains("0.02 EUR"), "{text}");
    // It says where.
    assert!(text.contains("4.22 on ART-02") && text.contains("make 4.20 "), "{text}");
    let text = refused(&*erp, ruled(off(), adjusting("0.01"))).await;
    assert!(text.contains("adjust_limit"), "{text}");
    let adjusted = ruled(off(), adjusting("0.05"));
    created(&*erp, &way, &Memory::default(), std::slice::from_ref(&adjusted)).await;
    assert_eq!(in_tryton(tryton, &adjusted).await, [("36.32".to_owned(), "draft".to_owned())]);
    assert_eq!(lines_on(tryton, &adjusted, "ADJUSTMENT").await, [("0.02".to_owned(), 0)]);
    assert_eq!(lines_on(tryton, &adjusted, "ROUNDING").await, []);
    // One taxed line, one cent; and a cent where nothing is taxed.
    for (lines, total) in [
        (vec![line("ART-01", "1", "20.00", Some(("0.21", "4.21")))], "24.21"),
        (vec![line("ART-01", "1", "20.00", None)], "20.01"),
    ] {
        let mut order = order("EUR", false, lines, vec![]);
        order.total = amount(total);
        let text = refused(&*erp, sale(order)).await;
        assert!(text.contains(total) && text.contains("0.01 EUR"), "{text}");
    }
    // Prices that contain their tax come to the total whatever the tax: a wrong mapping shows in the tax itself.
    let wrong = order("EUR", true, vec![line("ART-01", "1", "121.00", Some(("0.10", "21.00")))], vec![]);
    let text = refused(&*erp, sale(wrong)).await;
    assert!(text.contains("21") && text.contains("11"), "{text}");
}

#[tokio::test]
async fn a_total_that_tryton_made_otherwise_is_taken_back() {
    // An own Tryton: its tax rounding is changed behind the connector's back.
    let Some(tryton) = Tryton::start() else { return };
    let (way, _) = counted();
    let (erp, ids) = (tryton.connector(""), Memory::default());
    created(&*erp, &way, &ids, &[sale(small())]).await;
    tryton.rpc("model.account.configuration.write", json!([[1], {"tax_rounding": "line"}])).await;
    let lines =
        vec![line("ART-01", "1", "0.07", Some(("0.21", "0.02"))), line("ART-02", "1", "0.07", Some(("0.21", "0.01")))];
    let (wrong, right) = (sale(order("EUR", false, lines, vec![])), sale(small()));
    let drafts = drafts(&*erp, &way, &ids, &[wrong.clone(), right.clone()]).await;
    let answers = erp.send(&way.calls(), Operation::Create, &drafts).await;
    let Err(SendError::Refused(error)) = &answers[0] else { panic!("{answers:?}") };
    assert!(error.to_string().contains("0.17") && error.to_string().contains("0.16"), "{error}");
    assert!(answers[1].is_ok(), "{answers:?}");
    assert!(in_tryton(&tryton, &wrong).await.is_empty());
    assert_eq!(in_tryton(&tryton, &right).await.len(), 1);
    // Resolved afresh, the connector knows before it sends.
    let afresh = erp.prepare(&way.with(&ids), Operation::Create, &[wrong], true).await;
    let remark = afresh[0].as_ref().unwrap().remark.as_deref();
    assert_eq!(remark, Some("0.01 EUR of rounding, on a line of its own"));
}

#[tokio::test]
async fn customers_and_addresses_are_made_once() {
    let Some(tryton) = tryton() else { return };
    let (way, counter) = counted();
    let erp = tryton.connector("state = \"draft\"");
    let customer = format!("returning-{}", unique());
    let of = |street: &str| {
        let mut order = small();
        order.customer.as_mut().unwrap().id = Some(customer.clone());
        order.shipping.as_mut().unwrap().street = Some(street.to_owned());
        sale(order)
    };
    let ids = Memory::default();
    created(&*erp, &way, &ids, &[of("2 Other Street"), of("2 Other Street"), of("1 Invented Street")]).await;
    counter.take();
    // Everything is remembered: create and read.
    created(&*erp, &way, &ids, &[of("2 Other Street")]).await;
    assert_eq!(counter.take(), 2);
    // Nothing is remembered: the same party and addresses are found, and a new address is added.
    created(&*erp, &way, &Memory::default(), &[of("2  Other Street "), of("3 New Street")]).await;
    let code = format!("acme/customer/{customer}");
    let parties = tryton.search("party.party", json!([["code", "=", code]]), json!(["addresses.street"])).await;
    assert_eq!(parties.len(), 1);
    assert_eq!(parties[0]["addresses."].as_array().unwrap().len(), 3);
    // What is remembered names nobody.
    let remembered = format!("{:?}", ids.all());
    assert!(!remembered.contains("Ada") && !remembered.contains("Street") && !remembered.contains('@'), "{remembered}");

    // A guest is a party of the order alone; at the counter there is no address.
    let mut guest = small();
    guest.customer = None;
    (guest.billing, guest.shipping) = (None, None);
    let code = format!("acme/customer/guest/{}", guest.id);
    created(&*erp, &way, &ids, &[sale(guest)]).await;
    assert_eq!(tryton.search("party.party", json!([["code", "=", code]]), json!(["id"])).await.len(), 1);

    // A deactivated customer is a person's decision.
    tryton.rpc("model.party.party.write", json!([[parties[0]["id"]], {"active": false}])).await;
    let text = refused(&*erp, of("1 Invented Street")).await;
    assert!(text.contains("deactivated"), "{text}");
}

#[tokio::test]
async fn a_wrong_log_in_is_the_accounts_fault_and_told_without_the_password() {
    let Some(tryton) = tryton() else { return };
    let (way, _) = counted();
    let section = tryton.section("").replace("username = \"puente\"", "username = \"nobody\"");
    let section = section.replace("integration-pw-1", "canary-password");
    let erp = connector(&section);
    let answers = erp.prepare(&way.with(&Memory::default()), Operation::Create, &[sale(small())], false).await;
    let Err(SendError::Account(error)) = &answers[0] else { panic!("{answers:?}") };
    assert!(error.to_string().contains("`username` and `password`"), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
    let error = erp.probe(&way.calls()).await.unwrap_err();
    assert!(error.to_string().contains("log-in"), "{error}");
    // A server that is not there: nothing was sent.
    let gone =
        connector(&section.replace(&tryton.url, &format!("http://127.0.0.1:{}", crate::support::venv::free_port())));
    let answers = gone.prepare(&way.with(&Memory::default()), Operation::Create, &[sale(small())], false).await;
    assert!(matches!(&answers[0], Err(SendError::Account(_))), "{answers:?}");
}

#[tokio::test]
async fn a_probe_names_what_it_found() {
    let Some(tryton) = tryton() else { return };
    let (way, counter) = counted();
    assert_eq!(tryton.connector("").probe(&way.calls()).await.unwrap().words, "Tryton 8.0, web shop Web");
    assert_eq!(counter.take(), 2);
    let elsewhere = tryton.section("").replace("web_shop = \"Web\"", "web_shop = \"Nowhere\"");
    let error = connector(&elsewhere).probe(&way.calls()).await.unwrap_err();
    assert!(error.to_string().contains("Nowhere"), "{error}");
    let key = OrderKey::new("acme".parse().unwrap(), "never-seen".parse().unwrap());
    let found = tryton.connector("").look_up(&way.calls(), &[Step::create(key.sale())]).await.unwrap();
    assert!(found.len() == 1 && found[0].is_none());
}

#[tokio::test]
async fn the_books_hold_each_sale_that_stands_with_trytons_own_total_page_by_page() {
    let Some(tryton) = tryton() else { return };
    let (way, counter) = counted();
    let (erp, ids) = (tryton.connector("bulk = 2"), Memory::default());
    let yen = order("JPY", true, vec![line("ART-08", "3", "1000", Some(("0.10", "91")))], vec![]);
    let mut sales: Vec<Job> = [small(), yen, small()].map(sale).into();
    for sales in sales.chunks(2) {
        created(&*erp, &way, &ids, sales).await;
    }
    // Cancelled there: it stands no more.
    let cancelled = sales.pop().unwrap();
    let domain = json!([["web_id", "=", cancelled.step.reference.as_str()]]);
    let id = tryton.search("sale.sale", domain, json!(["id"])).await[0]["id"].clone();
    tryton.rpc("model.sale.sale.write", json!([[id], {"state": "cancelled"}])).await;
    let now = SystemClock.now();
    let day = |from: i64, until: i64| now + SignedDuration::from_hours(from)..now + SignedDuration::from_hours(until);
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        counter.take();
        let page = erp.books(&way.calls(), &day(-1, 1), cursor.as_deref()).await.unwrap().unwrap();
        assert!(page.entries.len() <= 2 && counter.take() == 1, "a page is one call, and bounded");
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let of = |sale: &Job| {
        let ours = entries.iter().filter(|entry| entry.reference == sale.step.reference.as_str());
        ours.map(|entry| (entry.total, entry.currency.as_str())).collect::<Vec<_>>()
    };
    for sale in &sales {
        assert_eq!(of(sale), [(sale.order.total, sale.order.currency.code())]);
    }
    assert_eq!(of(&cancelled), []);
    // Written again after its day: it is still one that was made then. Databases may keep whole seconds.
    let until = SystemClock.now();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for sale in &sales {
        let domain = json!([["web_id", "=", sale.step.reference.as_str()]]);
        let id = tryton.search("sale.sale", domain, json!(["id"])).await[0]["id"].clone();
        tryton.rpc("model.sale.sale.write", json!([[id], {"description": "shipped"}])).await;
    }
    let span = now - SignedDuration::from_hours(1)..until;
    let (mut still, mut cursor) = (Vec::new(), None);
    loop {
        let page = erp.books(&way.calls(), &span, cursor.as_deref()).await.unwrap().unwrap();
        still.extend(page.entries.into_iter().map(|entry| entry.reference));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for sale in &sales {
        assert!(still.iter().any(|reference| reference == sale.step.reference.as_str()), "{still:?}");
    }
    for other_day in [day(-48, -24), day(24, 48)] {
        assert_eq!(erp.books(&way.calls(), &other_day, None).await.unwrap(), Some(BookPage::default()));
    }
}
