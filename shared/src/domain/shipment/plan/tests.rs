use super::*;
use crate::domain::shipment::{Dispatched, Parcel, Shipment, Underway};

const NOON: i64 = 1_700_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOON + second).unwrap()
}

fn sku(code: &str) -> Sku {
    code.parse().unwrap()
}

fn units(n: i64) -> Amount {
    Amount::from(n)
}

/// An order with a line of each of these codes, `1`, `2`, ... by their ids.
fn order(lines: &[(&str, i64)]) -> Order {
    let lines: Vec<String> = lines
        .iter()
        .zip(1..)
        .map(|((code, quantity), id)| {
            format!(
                r#"{{"id":"{id}","sku":"{code}","title":"x","quantity":"{quantity}","unit_price":"1","amount":"{quantity}"}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"schema":1,"id":"5","number":"5","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","currency":"EUR",
        "status":"open","payment":"paid","lines":[{}],"tax":"0","total":"9"}}"#,
        lines.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

fn dispatch(id: &str, items: &[(&str, i64)], tracking: &[&str]) -> Dispatch {
    let parcels = tracking.iter().map(|number| Parcel { number: (*number).to_owned(), url: None }).collect();
    let items = items.iter().map(|(code, n)| (sku(code), units(*n))).collect();
    let shipment = Shipment { id: id.parse().unwrap(), number: format!("OUT/{id}"), items, carrier: None, parcels };
    Dispatch::new(shipment, 1, at(0))
}

fn lines(of: &[(&str, i64)]) -> BTreeMap<String, Amount> {
    of.iter().map(|(line, n)| ((*line).to_owned(), units(*n))).collect()
}

/// As if the store had it, under that name.
fn told(mut dispatch: Dispatch, fulfilment: Option<&str>, of: &[(&str, i64)]) -> Dispatch {
    let fulfilment = fulfilment.map(str::to_owned);
    dispatch.told = Some(Dispatched { fulfilment, lines: lines(of), as_of: dispatch.dirt, at: at(0) });
    dispatch
}

/// As if the answer of a call that told of it were lost.
fn in_doubt(mut dispatch: Dispatch, of: &[(&str, i64)], begun: i64) -> Dispatch {
    let (begun, settle_at) = (at(begun), at(begun + 120));
    let attempt = crate::domain::ids::AttemptId::new("one");
    dispatch.underway = Some(Underway { attempt, lines: lines(of), begun, settle_at });
    dispatch
}

fn open(of: &[(&str, i64, &str)]) -> Fulfilments {
    let open = of.iter().map(|(line, n, item)| Open {
        line: (*line).to_owned(),
        quantity: units(*n),
        item: (*item).to_owned(),
    });
    Fulfilments { open: Some(open.collect()), sent: Vec::new() }
}

fn sent(id: &str, of: &[(&str, i64)], tracking: &[&str]) -> Fulfilment {
    let tracking = tracking.iter().map(|number| (*number).to_owned()).collect();
    Fulfilment { id: id.to_owned(), created: Some(at(0)), lines: lines(of), tracking, shipment: None }
}

fn planned(dispatch: &Dispatch, others: &[Dispatch], order: &Order, store: &Fulfilments) -> Plan {
    let (names, rules) = (BTreeMap::from([(sku("SHOP-A"), sku("A"))]), rules());
    plan(dispatch, others, order, Codes { names: &names, rules: &rules }, store, at(300))
}

fn rules() -> GoodsRules {
    GoodsRules {
        kits: BTreeMap::from([(sku("SET"), BTreeMap::from([(sku("A"), 2), (sku("B"), 1)]))]),
        ignore: [sku("WRAP")].into(),
        ..GoodsRules::default()
    }
}

/// Parts as `line*quantity`, and whether all is sent.
fn parts(plan: &Plan) -> (Vec<String>, bool) {
    match plan {
        Plan::Tell { parts, completes } => {
            let one = |part: &Part| {
                let item = part.item.as_ref().map(|item| format!("@{item}")).unwrap_or_default();
                format!("{}*{}{item}", part.line, part.quantity)
            };
            (parts.iter().map(one).collect(), *completes)
        }
        other => panic!("{other:?}"),
    }
}

fn why(plan: &Plan) -> &str {
    match plan {
        Plan::Stop(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn articles_become_the_orders_lines_under_the_stores_own_codes() {
    let order = order(&[("SHOP-A", 2), ("B", 1), ("WRAP", 1)]);
    let all = dispatch("1", &[("A", 2), ("B", 1)], &[]);
    // What nobody keeps stock of is never sent by itself.
    assert_eq!(parts(&planned(&all, &[], &order, &Fulfilments::default())), (vec!["1*2".into(), "2*1".into()], true));
    let first = dispatch("1", &[("A", 1)], &[]);
    assert_eq!(parts(&planned(&first, &[], &order, &Fulfilments::default())), (vec!["1*1".into()], false));
    let second = dispatch("2", &[("A", 1), ("B", 1)], &[]);
    let told = told(first, Some("f1"), &[("1", 1)]);
    let store = Fulfilments { sent: vec![sent("f1", &[("1", 1)], &[])], ..Fulfilments::default() };
    assert_eq!(parts(&planned(&second, &[told], &order, &store)), (vec!["1*1".into(), "2*1".into()], true));
}

#[test]
fn lines_of_one_article_are_filled_one_after_the_other_and_locations_too() {
    let order = order(&[("A", 2), ("A", 2)]);
    let three = dispatch("1", &[("A", 3)], &[]);
    assert_eq!(parts(&planned(&three, &[], &order, &Fulfilments::default())).0, ["1*2", "2*1"]);
    let store = open(&[("1", 1, "here"), ("1", 1, "there"), ("2", 2, "here")]);
    assert_eq!(
        parts(&planned(&three, &[], &order, &store)),
        (vec!["1*1@here".into(), "1*1@there".into(), "2*1@here".into()], false)
    );
}

#[test]
fn a_store_is_told_of_nothing_that_it_does_not_expect_any_more() {
    let order = order(&[("A", 3)]);
    let two = dispatch("1", &[("A", 2)], &[]);
    // Somebody sent two of the three by hand.
    assert_eq!(parts(&planned(&two, &[], &order, &open(&[("1", 1, "x")]))), (vec!["1*1@x".into()], true));
    let nothing = Plan::Has { fulfilment: None, lines: BTreeMap::new(), follows: true };
    let mut all = open(&[]);
    all.sent = vec![sent("by hand", &[("1", 3)], &[])];
    assert_eq!(planned(&two, &[], &order, &all), nothing);
    // Neither expected nor sent: nobody knows, or not all of it is shown to us.
    assert!(why(&planned(&two, &[], &order, &open(&[]))).contains("expects none"));
    // What came back before it was sent is not expected either.
    let mut back = order.clone();
    let refund = r#"{"id":"r","amount":"1","lines":[{"line":"1","quantity":"2","amount":"1","restock":true}]}"#;
    back.refunds = vec![serde_json::from_str(refund).unwrap()];
    assert_eq!(parts(&planned(&two, &[], &back, &Fulfilments::default())), (vec!["1*1".into()], true));
}

#[test]
fn sets_are_sent_as_often_as_all_of_their_articles_are() {
    let order = order(&[("SET", 2), ("A", 1)]);
    let all = dispatch("1", &[("A", 5), ("B", 2)], &[]);
    assert_eq!(parts(&planned(&all, &[], &order, &Fulfilments::default())), (vec!["1*2".into(), "2*1".into()], true));
    let half = dispatch("1", &[("A", 2), ("B", 1)], &[]);
    assert_eq!(parts(&planned(&half, &[], &order, &Fulfilments::default())), (vec!["1*1".into()], false));
}

#[test]
fn an_article_that_the_order_has_not_is_a_persons_to_look_at() {
    let order = order(&[("A", 1)]);
    let other = dispatch("1", &[("A", 1), ("C", 1)], &[]);
    assert!(why(&planned(&other, &[], &order, &Fulfilments::default())).contains("1 of C"));
    let none = dispatch("1", &[], &[]);
    assert!(why(&planned(&none, &[], &order, &Fulfilments::default())).contains("nothing in it"));
    let mut cancelled = order.clone();
    cancelled.status = Status::Cancelled;
    let one = dispatch("1", &[("A", 1)], &[]);
    assert!(why(&planned(&one, &[], &cancelled, &Fulfilments::default())).contains("cancelled"));
}

#[test]
fn what_the_store_has_already_is_known_by_its_numbers() {
    let order = order(&[("A", 2)]);
    let mut one = dispatch("1", &[("A", 1)], &["T1", "T2"]);
    let mut store = open(&[("1", 1, "x")]);
    store.sent = vec![sent("f0", &[("1", 1)], &["T9"]), sent("f1", &[("1", 1)], &["T2"])];
    // With one of two numbers: it is this one, and the store is to be told the other, once that is on record.
    let some = Plan::Has { fulfilment: Some("f1".into()), lines: lines(&[("1", 1)]), follows: false };
    assert_eq!(planned(&one, &[], &order, &store), some);
    one.shipment.parcels.remove(0);
    let has = Plan::Has { fulfilment: Some("f1".into()), lines: lines(&[("1", 1)]), follows: true };
    assert_eq!(planned(&one, &[], &order, &store), has);
    // By the number of the shipment, where the store keeps that.
    store.sent = vec![Fulfilment { shipment: Some("OUT/1".into()), ..sent("n7", &[], &["T2"]) }];
    assert!(matches!(planned(&one, &[], &order, &store), Plan::Has { fulfilment: Some(id), .. } if id == "n7"));
    // Another shipment's is not this one's.
    store.sent = vec![sent("f1", &[("1", 1)], &["T2"])];
    let other = told(dispatch("2", &[("A", 1)], &[]), Some("f1"), &[("1", 1)]);
    assert_eq!(parts(&planned(&one, &[other], &order, &store)).0, ["1*1@x"]);
}

#[test]
fn after_a_lost_answer_the_same_lines_of_that_time_are_this_shipment() {
    let order = order(&[("A", 2)]);
    let lost = in_doubt(dispatch("1", &[("A", 1)], &[]), &[("1", 1)], 0);
    let mut store = open(&[("1", 1, "x")]);
    let mut there = sent("f1", &[("1", 1)], &[]);
    store.sent = vec![there.clone()];
    assert!(matches!(planned(&lost, &[], &order, &store), Plan::Has { fulfilment: Some(id), .. } if id == "f1"));
    // What was sent an hour before is somebody else's, and so are other lines; and without a lost answer nothing is guessed.
    there.created = Some(at(-3600));
    store.sent = vec![there];
    assert_eq!(parts(&planned(&lost, &[], &order, &store)).0, ["1*1@x"]);
    store.sent = vec![sent("f1", &[("1", 2)], &[])];
    assert_eq!(parts(&planned(&lost, &[], &order, &store)).0, ["1*1@x"]);
    let fresh = dispatch("1", &[("A", 1)], &[]);
    store.sent = vec![sent("f1", &[("1", 1)], &[])];
    assert_eq!(parts(&planned(&fresh, &[], &order, &store)).0, ["1*1@x"]);
}

#[test]
fn while_one_shipment_may_still_arrive_the_others_of_its_order_wait() {
    let order = order(&[("A", 2)]);
    let lost = in_doubt(dispatch("1", &[("A", 1)], &[]), &[("1", 1)], 250);
    let second = dispatch("2", &[("A", 1)], &[]);
    assert_eq!(planned(&second, &[lost], &order, &open(&[("1", 2, "x")])), Plan::Wait(at(370)));
    let settled = in_doubt(dispatch("1", &[("A", 1)], &[]), &[("1", 1)], 100);
    assert_eq!(parts(&planned(&second, &[settled], &order, &open(&[("1", 2, "x")]))).0, ["1*1@x"]);
}

#[test]
fn a_tracking_number_that_comes_later_is_told_and_one_that_goes_is_left() {
    let order = order(&[("A", 1)]);
    let mut later = told(dispatch("1", &[("A", 1)], &[]), Some("f1"), &[("1", 1)]);
    later.dirt = 2;
    later.shipment.parcels = vec![Parcel { number: "T1".into(), url: None }];
    let store = |tracking: &[&str]| Fulfilments { open: Some(vec![]), sent: vec![sent("f1", &[("1", 1)], tracking)] };
    let track = Plan::Track { fulfilment: "f1".into(), lines: lines(&[("1", 1)]) };
    assert_eq!(planned(&later, &[], &order, &store(&[])), track);
    assert_eq!(planned(&later, &[], &order, &store(&["T0"])), track);
    let has = Plan::Has { fulfilment: Some("f1".into()), lines: lines(&[("1", 1)]), follows: true };
    assert_eq!(planned(&later, &[], &order, &store(&["T1"])), has);
    later.shipment.parcels.clear();
    assert_eq!(planned(&later, &[], &order, &store(&["T1"])), has);
    // Cancelled there since: nobody knows whether it is sent.
    assert!(why(&planned(&later, &[], &order, &Fulfilments::default())).contains("cancelled"));
}

/// Nobody can ask it: what it was told is what it has, and what may not have arrived is told again.
#[test]
fn a_store_that_nobody_can_ask_has_what_it_was_told() {
    let order = order(&[("SHOP-A", 3)]);
    let as_told = |dispatch: &Dispatch, others: &[Dispatch]| {
        planned(dispatch, others, &order, &Fulfilments::as_told(others.iter().chain([dispatch])))
    };
    let new = dispatch("7", &[("A", 2)], &["T1"]);
    let parts = |n| vec![Part { line: "1".to_owned(), item: None, quantity: units(n) }];
    assert_eq!(as_told(&new, &[]), Plan::Tell { parts: parts(2), completes: false });
    // Whether it arrived is for it to find out, by the event's id.
    assert_eq!(as_told(&in_doubt(new.clone(), &[("1", 2)], 0), &[]), Plan::Tell { parts: parts(2), completes: false });
    let has = told(new.clone(), Some("msg_1"), &[("1", 2)]);
    let there = Plan::Has { fulfilment: Some("msg_1".to_owned()), lines: lines(&[("1", 2)]), follows: true };
    assert_eq!(as_told(&has, &[]), there);
    // The rest of the order, in another shipment.
    let rest = dispatch("8", &[("A", 2)], &[]);
    assert_eq!(as_told(&rest, std::slice::from_ref(&has)), Plan::Tell { parts: parts(1), completes: true });
    // What changed since is told.
    let changed = Dispatch { dirt: has.dirt + 1, ..has };
    assert_eq!(as_told(&changed, &[]), Plan::Track { fulfilment: "msg_1".to_owned(), lines: lines(&[("1", 2)]) });
}
