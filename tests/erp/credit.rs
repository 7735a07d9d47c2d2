//! Credit notes on a real Tryton 8.0: return sales that come to what was given back, to the cent.

use std::sync::Arc;

use jiff::SignedDuration;
use puente::{
    domain::{
        document::{Operation, Step},
        money::Amount,
        order::{Charge, ChargeKind, Order, Refund, Returned},
        reason::Why,
    },
    erp::{Job, SendError},
    ports::{Clock as _, SystemClock},
};
use serde_json::{Value, json};

use crate::{
    life::{Bench, id, total, why},
    made::{amount, charge, discount, line, order, taxed},
    support::tryton::{Tryton, connector},
};

/// The credit note of a refund of a sale that is made first.
async fn credit(bench: &Bench, mut sold: Order, refund: Refund) -> Job {
    sold.refunds = vec![refund.clone()];
    let (job, booked) = bench.made(sold).await;
    let credit = job.order.credit(&refund).unwrap_or_else(|why| panic!("{}", why.words()));
    let step = Step::credit(job.key.credit(&refund.id), &refund.id, &booked);
    Job { step, order: Arc::new(credit), ..job }
}

fn back(sku: &str, quantity: &str, of: &str, tax: Option<(&str, &str)>, restock: bool) -> Returned {
    let taxes = tax.map(|(rate, tax)| taxed(rate, tax)).into_iter().collect();
    Returned { line: format!("line-{sku}"), quantity: amount(quantity), amount: amount(of), taxes, restock }
}

fn refund(of: &str, lines: Vec<Returned>, charges: Vec<Charge>) -> Refund {
    Refund { lines, charges, ..Refund::new("9", amount(of)) }
}

/// Three cups, a coffee by weight, a kettle; each taxed. `included`: the prices contain it.
fn sold(included: bool) -> Order {
    let taxes = if included { ["5.21", "0.93", "1.74"] } else { ["6.30", "1.02", "2.10"] };
    let lines = vec![
        line("ART-01", "3", "30.00", Some(("0.21", taxes[0]))),
        line("COFFEE", "0.75", "10.20", Some(("0.10", taxes[1]))),
        line("ART-02", "1", "10.00", Some(("0.21", taxes[2]))),
    ];
    order("EUR", included, lines, vec![charge(ChargeKind::Shipping, "5.00", None)])
}

/// Its lines: quantity, code.
fn lines(sale: &Value) -> Vec<(String, &str)> {
    let lines = sale["lines."].as_array().unwrap().iter();
    lines.map(|line| (line["quantity"].to_string(), line["product."]["code"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_was_given_back_is_credited_to_the_cent() {
    let Some(bench) = Bench::new("") else { return };
    let shipping = |of: &str| charge(ChargeKind::Shipping, of, None);
    let mut cases: Vec<(&str, Order, Refund)> = vec![
        (
            "one of three cups, its tax on top, and the shipping",
            sold(false),
            refund("17.10", vec![back("ART-01", "1", "10.00", Some(("0.21", "2.10")), true)], vec![shipping("5.00")]),
        ),
        (
            "two cups and some coffee, with their tax inside",
            sold(true),
            refund(
                "26.80",
                vec![
                    back("ART-01", "2", "20.00", Some(("0.21", "3.47")), true),
                    back("COFFEE", "0.5", "6.80", Some(("0.10", "0.62")), true),
                ],
                vec![],
            ),
        ),
        (
            "a part of the price",
            sold(true),
            refund("1.99", vec![back("ART-01", "0", "1.99", Some(("0.21", "0.35")), false)], vec![]),
        ),
        ("all of it", sold(true), refund("55.20", vec![], vec![])),
        ("goodwill", sold(false), Refund { taken_off: Some(Amount::ZERO), ..refund("7.50", vec![], vec![]) }),
        (
            "a fee that is kept",
            sold(false),
            Refund {
                taken_off: Some(amount("12.10")),
                ..refund("10.00", vec![back("ART-02", "1", "10.00", Some(("0.21", "2.10")), true)], vec![])
            },
        ),
    ];
    let mut bargain = line("ART-05", "2", "50.00", Some(("0.21", "9.45")));
    bargain.discounts = vec![discount("TEN", "5.00")];
    cases.push((
        "a discounted article",
        order("EUR", false, vec![bargain], vec![]),
        refund("27.23", vec![back("ART-05", "1", "22.50", Some(("0.21", "4.73")), true)], vec![]),
    ));
    // The store rounds the tax of each line, Tryton that of the document.
    let cents = || ["ART-01", "ART-02"].map(|sku| line(sku, "1", "0.07", Some(("0.21", "0.01")))).to_vec();
    let cent = ["ART-01", "ART-02"].map(|sku| back(sku, "1", "0.07", Some(("0.21", "0.01")), true)).to_vec();
    cases.push(("a cent of rounding", order("EUR", false, cents(), vec![]), refund("0.16", cent, vec![])));
    let mut credits = Vec::new();
    for (_, sold, refund) in &cases {
        credits.push(credit(&bench, sold.clone(), refund.clone()).await);
    }
    // All of them in one bulk.
    let answers = bench.send_all(&credits).await;
    for (((what, sold, refund), credit), answer) in cases.iter().zip(&credits).zip(&answers) {
        assert!(answer.is_ok(), "{what}: {answer:?}");
        let now = bench.read(credit).await;
        assert_eq!(amount(total(&now)), -refund.amount, "{what}");
        assert_eq!(now["state"], "processing", "{what}");
        let sale =
            bench.tryton.search("sale.sale", json!([["web_id", "=", format!("acme/{}", sold.id)]]), json!(["party"]));
        let sale = sale.await.remove(0);
        assert_eq!(now["origin"], format!("sale.sale,{}", sale["id"]), "{what}");
        assert_eq!(now["party"], sale["party"], "{what}");
        assert!(lines(&now).iter().all(|(quantity, _)| quantity.starts_with('-')), "{what}: {now}");
        // Tryton made a credit note of it, which comes to the same.
        let invoice = json!([["id", "in", now["invoices"]]]);
        let invoices = bench.tryton.search("account.invoice", invoice, json!(["total_amount", "state"])).await;
        assert_eq!(invoices.len(), 1, "{what}");
        assert_eq!(amount(total(&invoices[0])), -refund.amount, "{what}");
        let found = bench.look_up(&credit.step).await.unwrap();
        assert_eq!((found.version.as_ref(), found.finished, found.cancelled), (Some(&credit.version), true, false));
    }
    assert!(lines(&bench.read(&credits[7]).await).contains(&("-1.0".to_owned(), "ROUNDING")));
    assert!(lines(&bench.read(&credits[4]).await).contains(&("-1.0".to_owned(), "REFUND")));
    assert!(lines(&bench.read(&credits[5]).await).contains(&("-1.0".to_owned(), "FEE")));
}

#[tokio::test]
async fn a_credit_note_is_made_once() {
    let Some(bench) = Bench::new("state = \"quotation\"") else { return };
    let of = || refund("12.10", vec![back("ART-02", "1", "10.00", Some(("0.21", "2.10")), true)], vec![]);
    let (old, new) = (credit(&bench, sold(false), of()).await, credit(&bench, sold(false), of()).await);
    assert_eq!(bench.look_up(&old.step).await, None);
    bench.send(&old).await.unwrap();
    assert!(matches!(bench.send(&old).await, Err(SendError::Exists)));
    // In company nothing of it is made, and all are looked up.
    let answers = bench.send_all(&[old.clone(), new.clone()]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(SendError::Exists))), "{answers:?}");
    assert_eq!(bench.look_up(&new.step).await, None);
    assert_eq!(total(&bench.read(&old).await), "-12.10");
}

#[tokio::test]
async fn only_what_is_restocked_comes_back_into_stock() {
    let Some(bench) = Bench::new("") else { return };
    let cup = |restock| back("ART-01", "2", "20.00", Some(("0.21", "4.20")), restock);
    let kettle = |restock| back("ART-02", "1", "10.00", Some(("0.21", "2.10")), restock);
    for (cups, kettles, returned) in
        [(true, true, vec![("ART-01", 2), ("ART-02", 1)]), (true, false, vec![("ART-01", 2)]), (false, false, vec![])]
    {
        let job = credit(&bench, sold(false), refund("36.30", vec![cup(cups), kettle(kettles)], vec![])).await;
        bench.send(&job).await.unwrap();
        let now = bench.read(&job).await;
        assert_eq!(total(&now), "-36.30");
        let domain = json!([["origin.sale.web_id", "=", job.step.reference.as_str(), "sale.line"]]);
        let moves = bench.tryton.search("stock.move", domain, json!(["quantity", "product.code"])).await;
        let moved =
            moves.iter().map(|m| (m["product."]["code"].as_str().unwrap(), m["quantity"].as_f64().unwrap() as i64));
        let mut moved: Vec<_> = moved.collect();
        moved.sort_unstable();
        assert_eq!(moved, returned, "{now}");
        assert_eq!(now["shipment_returns"].as_array().unwrap().len(), usize::from(!returned.is_empty()));
        let codes: Vec<&str> = lines(&now).into_iter().map(|(_, code)| code).collect();
        // Where others come back it stands there in money, and says what it was.
        let money = cups && !kettles;
        assert_eq!(codes, ["ART-01", if money { "REFUND" } else { "ART-02" }]);
        if money {
            assert!(now["lines."].to_string().contains("1 × Article ART-02"), "{now}");
        }
    }
    // Without a product for that it waits, and the key is named.
    let job = credit(&bench, sold(false), refund("36.30", vec![cup(true), kettle(false)], vec![])).await;
    let bare = connector(&bench.tryton.section("").replace(", refund = \"REFUND\"", ""));
    let memory = crate::support::tryton::Memory::default();
    let answer = bare.prepare(&bench.way.with(&memory), Operation::Credit, &[job], false).await.remove(0);
    let Err(SendError::Refused(error)) = answer else { panic!("{answer:?}") };
    assert!(matches!(Why::of(&error), Some(Why::ProductNotSet { key, .. }) if key == "refund"), "{error}");
}

#[tokio::test]
async fn a_company_that_invoices_shipments_credits_what_is_never_shipped() {
    // Its own Tryton: others would invoice so too.
    let Some(tryton) = Tryton::start() else { return };
    let bench = Bench::of(Box::leak(Box::new(tryton)), "");
    let configuration = json!([[1], {"sale_invoice_method": "fulfillment"}]);
    bench.tryton.rpc("model.sale.configuration.write", configuration).await;
    let lines = vec![back("ART-02", "1", "10.00", Some(("0.21", "2.10")), false)];
    let job = credit(&bench, sold(false), refund("12.10", lines, vec![])).await;
    bench.send(&job).await.unwrap();
    let now = bench.read(&job).await;
    assert_eq!((now["shipment_returns"].to_string().as_str(), now["invoices"].as_array().unwrap().len()), ("[]", 1));

    // A closed period keeps nobody from it: Tryton's credit note is a draft, and its day is chosen where it is posted.
    let periods = bench.tryton.search("account.period", json!([]), json!(["name"])).await;
    let periods: Vec<&Value> = periods.iter().map(|period| &period["id"]).collect();
    bench.tryton.rpc("model.account.period.close", json!([periods])).await;
    let job =
        credit(&bench, sold(false), refund("5.00", vec![], vec![charge(ChargeKind::Shipping, "5.00", None)])).await;
    bench.send(&job).await.unwrap();
    assert_eq!(total(&bench.read(&job).await), "-5.00");
}

#[tokio::test]
async fn credit_notes_have_a_state_of_their_own_and_stand_in_the_books() {
    let Some(bench) = Bench::new("state = \"quotation\"\ncredit_state = \"draft\"") else { return };
    let of = || refund("5.00", vec![], vec![charge(ChargeKind::Shipping, "5.00", None)]);
    let job = credit(&bench, sold(false), of()).await;
    let document = bench.send(&job).await.unwrap();
    assert_eq!(bench.read(&job).await["state"], "draft");
    assert!(bench.look_up(&job.step).await.unwrap().finished);
    // Configured otherwise it is not finished, and is taken on.
    let further = Bench::new("state = \"draft\"\ncredit_state = \"processing\"").unwrap();
    assert!(!further.look_up(&job.step).await.unwrap().finished);
    let finished = further.erp.finish(&further.way.calls(), Operation::Credit, &[document]).await.remove(0);
    assert!(finished.unwrap().number.is_some());
    assert!(further.look_up(&job.step).await.unwrap().finished);
    assert_eq!(further.read(&job).await["state"], "processing");
    // Its books have it below zero.
    let now = SystemClock.now();
    let around = now - SignedDuration::from_hours(1)..now + SignedDuration::from_hours(1);
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = bench.erp.books(&bench.way.calls(), &around, cursor.as_deref()).await.unwrap().unwrap();
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let ours: Vec<_> = entries.iter().filter(|entry| entry.reference == job.step.reference.as_str()).collect();
    assert_eq!(ours.iter().map(|entry| entry.total).collect::<Vec<_>>(), [amount("-5.00")]);
    // One that a person cancelled is found so.
    let other = credit(&bench, sold(false), of()).await;
    let document = bench.send(&other).await.unwrap();
    bench.tryton.rpc("model.sale.sale.cancel", json!([[id(&document)]])).await;
    let found = bench.look_up(&other.step).await.unwrap();
    assert!(found.cancelled && !found.finished);
    let answer = bench.erp.finish(&bench.way.calls(), Operation::Credit, &[document]).await.remove(0);
    assert!(matches!(why(&answer), Why::SaleCancelled { .. }));
}
