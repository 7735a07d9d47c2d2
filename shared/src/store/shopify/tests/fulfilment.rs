//! What was sent: what the shop is asked and told, and what its answers mean.

use wiremock::matchers::body_partial_json;

use super::*;
use crate::{
    domain::{
        ids::AttemptId,
        money::Amount,
        shipment::{Open, Parcel, Part},
    },
    outbound::doubles::{Refusing, nobody},
    store::goods::doubles::word,
};

const API: &str = "/admin/api/2026-10/graphql.json";

/// A part of a fulfilment order, as the shop's list showed it.
fn place(work: u64, line: u64, location: u64, status: &str) -> String {
    format!(
        "gid://shopify/FulfillmentOrder/{work} gid://shopify/FulfillmentOrderLineItem/{line} gid://shopify/Location/{location} {status}"
    )
}

fn part(item: &str, quantity: &str) -> Part {
    Part { line: "501".to_owned(), item: Some(item.to_owned()), quantity: quantity.parse().unwrap() }
}

fn parcel(number: &str, url: Option<&str>) -> Parcel {
    Parcel { number: number.to_owned(), url: url.map(str::to_owned) }
}

fn new(parts: Vec<Part>) -> NewFulfilment {
    NewFulfilment {
        order: "42".parse().unwrap(),
        shipment: "OUT/7".to_owned(),
        parts,
        carrier: Some("Correo Argentino".to_owned()),
        parcels: vec![
            parcel("AR1", Some("https://correo.example/AR1")),
            parcel("AR2", Some("https://correo.example/AR2")),
        ],
        completes: false,
        notify: true,
        note: "Sent".to_owned(),
        attempt: AttemptId::new("attempt_1"),
        begun: Timestamp::UNIX_EPOCH,
        revision: 1,
    }
}

fn one() -> NewFulfilment {
    new(vec![part(&place(1, 11, 7, "OPEN"), "2")])
}

async fn answers(answer: ResponseTemplate) -> (MockServer, Shopify, Way) {
    let (server, shop, way) = server().await;
    Mock::given(method("POST")).and(path(API)).respond_with(answer).mount(&server).await;
    (server, shop, way)
}

async fn asked(server: &MockServer) -> Vec<Value> {
    server.received_requests().await.unwrap().iter().map(|request| request.body_json().unwrap()).collect()
}

fn created() -> Value {
    json!({"data": {"fulfillmentCreate": {"fulfillment": {"id": "gid://shopify/Fulfillment/9"}, "userErrors": []}}})
}

fn page_info(next: Option<&str>) -> Value {
    json!({"hasNextPage": next.is_some(), "endCursor": next})
}

/// A fulfilment order at a location with lines: its own number, the order's line, and how many remain.
fn work(id: u64, status: &str, location: Option<u64>, lines: &[(u64, u64, i64)], next: Option<&str>) -> Value {
    let line = |(own, line, remain): &(u64, u64, i64)| {
        json!({"id": format!("gid://shopify/FulfillmentOrderLineItem/{own}"), "remainingQuantity": remain,
            "lineItem": {"id": format!("gid://shopify/LineItem/{line}")}})
    };
    let location = location.map(|id| json!({"id": format!("gid://shopify/Location/{id}")}));
    json!({"id": format!("gid://shopify/FulfillmentOrder/{id}"), "status": status,
        "assignedLocation": {"location": location},
        "lineItems": {"nodes": lines.iter().map(line).collect::<Value>(), "pageInfo": page_info(next)}})
}

fn sent(id: u64, status: &str, lines: &[(u64, i64)], next: Option<&str>) -> Value {
    let line = |(line, quantity): &(u64, i64)| json!({"quantity": quantity, "lineItem": {"id": format!("gid://shopify/LineItem/{line}")}});
    json!({"id": format!("gid://shopify/Fulfillment/{id}"), "status": status, "createdAt": "2026-11-30T10:00:00Z",
        "trackingInfo": [{"number": format!("T{id}")}, {"number": null}],
        "fulfillmentLineItems": {"nodes": lines.iter().map(line).collect::<Value>(), "pageInfo": page_info(next)}})
}

fn whole(works: &[Value], sent: &[Value], next: Option<&str>) -> Value {
    json!({"data": {"order": {"fulfillmentOrders": {"nodes": works, "pageInfo": page_info(next)}, "fulfillments": sent}}})
}

fn open(line: &str, quantity: i64, item: String) -> Open {
    Open { line: line.to_owned(), quantity: quantity.into(), item }
}

/// What the shop has of order 42, of which it answers this.
async fn has(answer: &Value) -> Result<Option<Fulfilments>> {
    let (_server, shop, way) = answers(body(answer)).await;
    shop.fulfilments(&way.calls(), &"42".parse().unwrap()).await
}

#[tokio::test]
async fn an_order_says_what_remains_and_what_was_sent_in_one_call() {
    let works = [
        work(1, "CLOSED", Some(7), &[(11, 501, 3)], Some("more")),
        work(2, "CANCELLED", Some(7), &[(12, 501, 3)], None),
        work(3, "ON_HOLD", Some(7), &[(13, 502, 1)], None),
        work(4, "OPEN", Some(7), &[(14, 502, 2), (15, 503, 0)], None),
        work(5, "IN_PROGRESS", None, &[(16, 504, 5)], None),
    ];
    let fulfilments = [
        sent(8, "SUCCESS", &[(501, 2), (502, 1), (501, 1)], None),
        sent(9, "CANCELLED", &[(501, 2)], None),
        sent(10, "ERROR", &[(501, 2)], None),
        sent(11, "FAILURE", &[(501, 2)], None),
        sent(12, "SUCCESS", &[(501, 2)], Some("more")),
    ];
    let (server, shop, way) = answers(body(&whole(&works, &fulfilments, None))).await;
    let found = shop.fulfilments(&way.calls(), &"42".parse().unwrap()).await.unwrap().unwrap();
    // What is held is expected too, and comes last.
    let expected = [
        open("502", 2, place(4, 14, 7, "OPEN")),
        open(
            "504",
            5,
            "gid://shopify/FulfillmentOrder/5 gid://shopify/FulfillmentOrderLineItem/16 - IN_PROGRESS".to_owned(),
        ),
        open("502", 1, place(3, 13, 7, "ON_HOLD")),
    ];
    assert_eq!(found.open.unwrap(), expected);
    let [first, second] = found.sent.as_slice() else { panic!("{:?}", found.sent) };
    assert_eq!((first.id.as_str(), first.shipment.as_deref()), ("gid://shopify/Fulfillment/8", None));
    assert_eq!(
        (first.created, first.tracking.as_slice()),
        ("2026-11-30T10:00:00Z".parse().ok(), &["T8".to_owned()][..])
    );
    let lines: Vec<_> = first.lines.iter().map(|(line, quantity)| (line.as_str(), *quantity)).collect();
    assert_eq!(lines, [("501", Amount::from(3)), ("502", Amount::from(1))]);
    // Of one with more lines than were read no line is believed.
    assert!(second.id.ends_with("/12") && second.lines.is_empty());
    let asked = asked(&server).await;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["variables"], json!({"id": "gid://shopify/Order/42", "after": null}));
    assert_eq!(asked[0].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn what_lies_at_the_configured_location_goes_first() {
    let works = [work(1, "OPEN", Some(7), &[(11, 501, 1)], None), work(2, "OPEN", Some(8), &[(12, 501, 1)], None)];
    let (server, _, way) = answers(body(&whole(&works, &[], None))).await;
    let shop = store(&format!("token = {{ literal = 't' }}\nlocation = '8'\napi_url = '{}'", server.uri()));
    let found = shop.fulfilments(&way.calls(), &"42".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found.open.unwrap(), [open("501", 1, place(2, 12, 8, "OPEN")), open("501", 1, place(1, 11, 7, "OPEN"))]);
}

#[tokio::test]
async fn a_long_order_is_read_by_the_page_and_a_longer_one_is_an_error() {
    let (server, shop, way) = server().await;
    let first = whole(&[work(1, "OPEN", Some(7), &[(11, 501, 1)], Some("line 30"))], &[], Some("order 5"));
    let pages = [
        (json!({"id": "gid://shopify/Order/42", "after": null}), first.clone()),
        (
            json!({"id": "gid://shopify/Order/42", "after": "order 5"}),
            whole(&[work(2, "OPEN", Some(7), &[(12, 502, 1)], None)], &[], None),
        ),
        (
            json!({"id": "gid://shopify/FulfillmentOrder/1", "after": "line 30"}),
            json!({"data": {"fulfillmentOrder": work(1, "OPEN", Some(7), &[(13, 503, 1)], None)}}),
        ),
    ];
    for (variables, answer) in &pages {
        let asks = body_partial_json(json!({"variables": variables}));
        Mock::given(method("POST")).and(asks).respond_with(body(answer)).expect(1).mount(&server).await;
    }
    let found = shop.fulfilments(&way.calls(), &"42".parse().unwrap()).await.unwrap().unwrap();
    let mut lines: Vec<String> = found.open.unwrap().into_iter().map(|open| open.line).collect();
    lines.sort();
    assert_eq!(lines, ["501", "502", "503"]);
    // There is always another page.
    let (server, shop, way) = answers(body(&first)).await;
    let error = shop.fulfilments(&way.calls(), &"42".parse().unwrap()).await.unwrap_err();
    assert!(error.kind() == Kind::Unreadable && error.to_string().contains("by hand"), "{error}");
    assert!(server.received_requests().await.unwrap().len() <= crate::store::MOST_CALLS);
    // Fulfilments have no pages.
    let works = [work(1, "OPEN", Some(7), &[(11, 501, 1)], None)];
    let many: Vec<Value> = (0..11).map(|id| sent(id, "SUCCESS", &[(501, 1)], None)).collect();
    assert!(has(&whole(&works, &many[1..], None)).await.is_ok());
    assert_eq!(has(&whole(&works, &many, None)).await.unwrap_err().kind(), Kind::Unreadable);
}

#[tokio::test]
async fn an_order_that_is_not_shown_is_none_and_one_without_its_fulfilment_orders_lacks_a_scope() {
    let none = json!({"data": {"order": null}});
    assert_eq!(has(&none).await.unwrap(), None);
    let (server, shop, way) = answers(body(&none)).await;
    assert_eq!(shop.fulfilments(&way.calls(), &"cs_7".parse().unwrap()).await.unwrap(), None);
    assert!(server.received_requests().await.unwrap().is_empty());
    // Without read_all_orders an old one is not shown either.
    let limited = store(&format!("token = {{ literal = 't' }}\napi_url = '{}'", server.uri()));
    let error = limited.fulfilments(&way.calls(), &"42".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let denied = json!([{"message": "No.", "extensions": {"code": "ACCESS_DENIED"}}]);
    for answer in [whole(&[], &[], None), json!({"errors": denied, "data": {"order": null}})] {
        let error = has(&answer).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains("read_merchant_managed_fulfillment_orders"), "{error}");
    }
    // All of it was sent or cancelled: nothing is expected any more.
    let found = has(&whole(&[work(1, "CLOSED", Some(7), &[(11, 501, 0)], None)], &[], None)).await.unwrap().unwrap();
    assert_eq!(found, Fulfilments { open: Some(Vec::new()), sent: Vec::new() });
}

#[tokio::test]
async fn a_shipment_is_told_with_its_parts_and_its_parcels() {
    let (server, shop, way) = answers(body(&created())).await;
    let first = place(1, 11, 7, "OPEN");
    let parts =
        vec![part(&place(2, 21, 7, "IN_PROGRESS"), "1"), part(&first, "2"), part(&place(1, 12, 7, "OPEN"), "3")];
    assert_eq!(shop.fulfil(&way.calls(), &new(parts)).await.unwrap(), "gid://shopify/Fulfillment/9");
    // Nothing to follow it by; and a parcel whose address is not known takes it from nobody else's number.
    let plain = NewFulfilment { carrier: None, parcels: Vec::new(), notify: false, ..one() };
    shop.fulfil(&way.calls(), &plain).await.unwrap();
    let parcels = vec![parcel("AR1", None), parcel("AR2", Some("https://correo.example/AR2"))];
    shop.fulfil(&way.calls(), &NewFulfilment { carrier: None, parcels, ..one() }).await.unwrap();
    let asked = asked(&server).await;
    assert!(asked[0]["query"].as_str().unwrap().contains("fulfillmentCreate(fulfillment: $fulfillment)"));
    let line = |id: u64, quantity: i64| json!({"id": format!("gid://shopify/FulfillmentOrderLineItem/{id}"), "quantity": quantity});
    assert_eq!(
        asked[0]["variables"],
        json!({"fulfillment": {
            "lineItemsByFulfillmentOrder": [
                {"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/1", "fulfillmentOrderLineItems": [line(11, 2), line(12, 3)]},
                {"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/2", "fulfillmentOrderLineItems": [line(21, 1)]},
            ],
            "trackingInfo": {"company": "Correo Argentino", "numbers": ["AR1", "AR2"],
                "urls": ["https://correo.example/AR1", "https://correo.example/AR2"]},
            "notifyCustomer": true,
        }})
    );
    let bare = &asked[1]["variables"]["fulfillment"];
    assert_eq!((bare.get("trackingInfo"), &bare["notifyCustomer"]), (None, &json!(false)));
    assert_eq!(asked[2]["variables"]["fulfillment"]["trackingInfo"], json!({"numbers": ["AR1", "AR2"]}));
}

#[tokio::test]
async fn what_no_fulfilment_can_be_is_refused_without_a_call() {
    let (server, shop, way) = answers(body(&created())).await;
    let (here, there) = (place(1, 11, 7, "OPEN"), place(2, 21, 8, "OPEN"));
    for (parts, says) in [
        (vec![part(&here, "1"), part(&there, "1")], "several locations"),
        (vec![part(&here, "0.5")], "whole units"),
        (vec![part(&here, "1"), part(&place(3, 31, 7, "ON_HOLD"), "1")], "on hold"),
        (vec![part(&place(3, 31, 7, "SCHEDULED"), "1")], "scheduled"),
        (vec![part(&here, "3000000000")], "whole units"),
        (vec![], "nothing"),
    ] {
        let answer = shop.fulfil(&way.calls(), &new(parts)).await.unwrap_err();
        assert!(matches!(answer, NotSet::Refused(_)) && answer.words().contains(says), "{answer}");
    }
    // What is no item of this connector's is read again.
    for item in [None, Some("nonsense".to_owned())] {
        let parts = vec![Part { line: "501".to_owned(), item, quantity: Amount::ONE }];
        assert!(matches!(shop.fulfil(&way.calls(), &new(parts)).await, Err(NotSet::Stale)));
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_shipment_can_be_followed_otherwise() {
    let gid = "gid://shopify/Fulfillment/9";
    let done = json!({"data": {"fulfillmentTrackingInfoUpdate": {"fulfillment": {"id": gid}, "userErrors": []}}});
    let (server, shop, way) = answers(body(&done)).await;
    let changed = NewFulfilment { parcels: vec![parcel("AR3", Some("https://correo.example/AR3"))], ..one() };
    shop.track(&way.calls(), gid, &changed).await.unwrap();
    let asked = asked(&server).await;
    assert!(asked[0]["query"].as_str().unwrap().contains(
        "fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify)"
    ));
    let tracking = json!({"company": "Correo Argentino", "numbers": ["AR3"], "urls": ["https://correo.example/AR3"]});
    assert_eq!(asked[0]["variables"], json!({"id": gid, "tracking": tracking, "notify": true}));
    let gone = json!([{"field": ["fulfillmentId"], "message": "Fulfillment does not exist."}]);
    let refused = json!({"data": {"fulfillmentTrackingInfoUpdate": {"fulfillment": {"id": gid}, "userErrors": gone}}});
    let (_server, shop, way) = answers(body(&refused)).await;
    let answer = shop.track(&way.calls(), gid, &changed).await.unwrap_err();
    assert!(matches!(answer, NotSet::Refused(_)) && answer.words().contains("does not exist"), "{answer}");
}

/// What became of a shipment of which the shop answers this, in a word.
async fn became(answer: ResponseTemplate) -> String {
    let (_server, shop, way) = answers(answer).await;
    word(&shop.fulfil(&way.calls(), &one()).await.map(|_| 1))
}

#[tokio::test]
async fn each_answer_says_whether_the_shop_may_have_heard_of_it() {
    let code = |code: &str| json!([{"message": "No.", "path": ["fulfillmentCreate"], "extensions": {"code": code}}]);
    let empty = json!({"fulfillmentCreate": null});
    let user =
        json!([{"field": ["fulfillment"], "message": "Invalid fulfillment order line item quantity requested."}]);
    for (answer, expected) in [
        (created(), "1"),
        (json!({"data": {"fulfillmentCreate": {"fulfillment": null, "userErrors": user}}}), "refused"),
        (json!({"errors": code("THROTTLED")}), "not now"),
        (json!({"errors": code("ACCESS_DENIED"), "data": empty}), "not now"),
        (json!({"errors": code("undefinedField")}), "refused"),
        (json!({"errors": [{"message": "Variable $fulfillment was provided invalid value"}]}), "refused"),
        (json!({"errors": code("INTERNAL_SERVER_ERROR")}), "unknown"),
        (json!({"errors": [{"message": "Timed out"}], "data": empty}), "unknown"),
        (json!({"data": empty}), "unknown"),
        (json!({"data": {"fulfillmentCreate": {"fulfillment": null, "userErrors": []}}}), "unknown"),
        (json!({"data": null}), "unknown"),
        (json!({}), "unknown"),
    ] {
        assert_eq!(became(body(&answer)).await, expected, "{answer}");
    }
    for (status, expected) in
        [(401, "not now"), (403, "not now"), (404, "not now"), (429, "not now"), (400, "refused"), (500, "unknown")]
    {
        assert_eq!(became(ResponseTemplate::new(status)).await, expected, "{status}");
    }
    assert_eq!(became(ResponseTemplate::new(200).set_body_string("<html>")).await, "unknown");
}

#[tokio::test]
async fn a_refusal_is_repeated_without_what_does_not_belong_into_a_log() {
    let message = format!("Cannot fulfil <b>ana@example.com</b>\n{}", "x".repeat(500));
    let errors = json!([{"field": null, "message": message}]);
    let answer = json!({"data": {"fulfillmentCreate": {"fulfillment": null, "userErrors": errors}}});
    let (_server, shop, way) = answers(body(&answer)).await;
    let words = shop.fulfil(&way.calls(), &one()).await.unwrap_err().words();
    assert!(words.contains("Cannot fulfil") && words.len() < 300, "{words}");
    assert!(!words.contains('@') && !words.contains('<') && !words.contains('\n'), "{words}");
}

#[tokio::test]
async fn a_call_that_is_not_made_is_no_doubt() {
    let (server, shop, _) = answers(body(&created())).await;
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert!(matches!(shop.fulfil(&held.calls(), &one()).await, Err(NotSet::NotNow(_))));
    assert!(server.received_requests().await.unwrap().is_empty());
    let way = Way::open();
    let deaf = store(&format!("token = {{ literal = 't' }}\napi_url = '{}'", nobody()));
    assert!(matches!(deaf.fulfil(&way.calls(), &one()).await, Err(NotSet::NotNow(_))));
    assert!(matches!(store("").fulfil(&way.calls(), &one()).await, Err(NotSet::NotNow(_))));
    let error = deaf.fulfilments(&way.calls(), &"42".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

/// The sandbox's shop, over HTTP.
#[cfg(feature = "fixtures")]
mod shop {
    use puente_sandbox::store::{Expect, Plan, Serving, Shop};

    use super::*;

    async fn opened() -> (Serving, Shopify, Vec<OrderId>) {
        let plan = Plan::new(ROW.kit, "acme.myshopify.com", "s", 7, 60, "2026-05-01T00:00:00Z".parse().unwrap());
        let shop = Shop::open(plan.clone());
        let serving = shop.serve().await.unwrap();
        let url = format!("http://{}", serving.addr());
        let section = ROW.kit.section(&plan, &url, &mut |_, secret| format!("{{ literal = '{secret}' }}"));
        let truth = shop.truth().into_iter().filter(|truth| matches!(truth.expect, Expect::InErp { .. }));
        (serving, build(&section).unwrap(), truth.map(|truth| truth.order.parse().unwrap()).collect())
    }

    /// What is left of each line.
    fn left(found: &Fulfilments) -> Vec<(String, Amount)> {
        found.open.iter().flatten().map(|open| (open.line.clone(), open.quantity)).collect()
    }

    #[tokio::test]
    async fn a_shop_expects_what_its_orders_say() {
        let ((serving, shop, orders), way) = (opened().await, Way::open());
        let (mut paged, mut done) = (0, 0);
        for id in &orders {
            let order = shop.fetch(&way.calls(), id).await.unwrap().unwrap();
            let before = serving.calls();
            let found = shop.fulfilments(&way.calls(), id).await.unwrap().unwrap();
            paged += usize::from(serving.calls() - before > 1);
            assert!(found.sent.is_empty());
            if found.open == Some(Vec::new()) {
                // It was delivered before anybody asked.
                assert!(order.stock.iter().all(|stock| stock.fulfilled.is_some()) && !order.stock.is_empty());
                done += 1;
                continue;
            }
            let mut sold: Vec<_> = order.lines.iter().map(|line| (line.id.clone(), line.quantity)).collect();
            let mut left = left(&found);
            sold.sort();
            left.sort();
            assert_eq!(left, sold, "{id}");
        }
        assert!(paged > 0 && done > 0, "{paged} {done}");
        assert_eq!(shop.fulfilments(&way.calls(), &"999999999".parse().unwrap()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_a_shop_was_told_is_found_there_again_and_is_on_hand_no_more() {
        let ((serving, shop, orders), way) = (opened().await, Way::open());
        let calls = way.calls();
        let mut chosen = None;
        for id in &orders {
            let found = shop.fulfilments(&calls, id).await.unwrap().unwrap();
            if chosen.is_none() && found.open.as_ref().unwrap().iter().any(|open| open.quantity > Amount::ONE) {
                chosen = Some((id.clone(), found.open.unwrap()));
            }
        }
        let (id, open) = chosen.unwrap();
        let before = shop.fetch(&calls, &id).await.unwrap().unwrap();
        let two = open.iter().find(|open| open.quantity > Amount::ONE).unwrap();
        let sku = before.lines.iter().find(|line| line.id == two.line).unwrap().sku.clone().unwrap();
        let on_hand = serving.stock().of(&sku).unwrap();
        let of =
            |open: &Open, quantity: Amount| Part { line: open.line.clone(), item: Some(open.item.clone()), quantity };

        // More than there is, is nothing.
        let more = shop.fulfil(&calls, &new(vec![of(two, two.quantity + Amount::ONE)])).await.unwrap_err();
        assert!(matches!(more, NotSet::Refused(_)) && more.words().contains("Invalid"), "{more}");
        assert_eq!(serving.stock().of(&sku), Some(on_hand));

        let first = shop.fulfil(&calls, &new(vec![of(two, Amount::ONE)])).await.unwrap();
        assert_eq!(serving.stock().of(&sku), Some(on_hand - 1));
        let found = shop.fulfilments(&calls, &id).await.unwrap().unwrap();
        assert_eq!(found.sent.len(), 1);
        let there = &found.sent[0];
        assert_eq!((&there.id, there.tracking.as_slice()), (&first, &["AR1".to_owned(), "AR2".to_owned()][..]));
        assert_eq!(there.lines.iter().collect::<Vec<_>>(), [(&two.line, &Amount::ONE)]);
        assert!(there.created.is_some_and(|at| at > before.updated_at.at()));
        let now = left(&found);
        assert!(now.contains(&(two.line.clone(), two.quantity - Amount::ONE)), "{now:?}");

        // The order is listed as changed, and says how many of it went.
        let since = before.updated_at.at();
        let after = shop.changed_since(&calls, since, None).await.unwrap().orders;
        let after = after.iter().find(|order| order.id == id).unwrap();
        assert!(after.updated_at.at() > since);
        let stock = after.stock.iter().find(|stock| stock.line == two.line).unwrap();
        assert_eq!(stock.fulfilled, Some(Amount::ONE));

        // All of the rest, and another number for the first.
        let rest: Vec<Part> = found.open.iter().flatten().map(|open| of(open, open.quantity)).collect();
        shop.fulfil(&calls, &new(rest)).await.unwrap();
        let later = NewFulfilment { parcels: vec![parcel("AR9", None)], notify: false, ..one() };
        shop.track(&calls, &first, &later).await.unwrap();
        let found = shop.fulfilments(&calls, &id).await.unwrap().unwrap();
        assert_eq!((found.open, found.sent.len()), (Some(Vec::new()), 2));
        assert_eq!(found.sent[0].tracking, ["AR9"]);
        let again = shop.fulfil(&calls, &new(vec![of(two, Amount::ONE)])).await.unwrap_err();
        assert!(matches!(again, NotSet::Refused(_)), "{again}");
        let told = serving.sent().of(id.as_str());
        assert_eq!((told.len(), told[0].carrier.as_deref(), told[1].notified), (2, Some("Correo Argentino"), true));
    }
}
