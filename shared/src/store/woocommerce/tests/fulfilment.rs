//! Shipments: what the shop is told, in which order, and what its notes tell of it later.

use wiremock::matchers::{body_json, query_param};

use super::*;
use crate::{
    Kind,
    domain::{
        ids::AttemptId,
        shipment::{Fulfilment, Parcel, Part},
    },
    outbound::doubles::{Refusing, nobody},
};

const ORDER: &str = "/tienda/wp-json/wc/v3/orders/70412";
const NOTES: &str = "/tienda/wp-json/wc/v3/orders/70412/notes";

fn id(text: &str) -> OrderId {
    text.parse().unwrap()
}

fn parcel(number: &str) -> Parcel {
    Parcel { number: number.to_owned(), url: Some(format!("https://track.example/{number}")) }
}

/// A shipment that everything of the order is sent with.
fn new(tracking: &[&str]) -> NewFulfilment {
    NewFulfilment {
        order: id("70412"),
        shipment: "WH/OUT/00012".to_owned(),
        parts: vec![Part { line: "1".to_owned(), item: None, quantity: Amount::ONE }],
        carrier: Some("Correos".to_owned()),
        parcels: tracking.iter().map(|number| parcel(number)).collect(),
        completes: true,
        notify: true,
        note: format!("Sent with Correos: {}", tracking.join(", ")),
        attempt: AttemptId::new("attempt-1"),
        begun: Timestamp::UNIX_EPOCH,
        revision: 1,
    }
}

fn note(id: u64, words: &str) -> Value {
    json!({"id": id, "author": "system", "date_created": "2026-07-31T22:15:43",
        "date_created_gmt": format!("2026-08-01T01:15:{:02}", id % 60), "note": words, "customer_note": true})
}

/// The metadata of a shipment, as `new` of these tracking numbers writes it.
fn field(number: &str, tracking: &[&str]) -> Value {
    let value = json!({"carrier": "Correos", "parcels": tracking.iter().map(|number| json!({"number": number})).collect::<Value>(),
        "note": new(tracking).note});
    json!({"id": 9, "key": format!("_puente_shipment_{number}"), "value": value.to_string()})
}

/// What a shop says that has these notes and this metadata.
async fn told(notes: &Value, fields: &Value) -> Vec<Fulfilment> {
    let (server, shop, way) = server().await;
    Mock::given(method("GET"))
        .and(path(NOTES))
        .and(query_param("_fields", "id,date_created_gmt,note"))
        .respond_with(json_answer(200, notes))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(ORDER))
        .and(query_param("_fields", "id,meta_data"))
        .respond_with(json_answer(200, &json!({"id": 70412, "meta_data": fields})))
        .expect(0..=1)
        .mount(&server)
        .await;
    let found = shop.fulfilments(&way.calls(), &id("70412")).await.unwrap().unwrap();
    assert_eq!(found.open, None);
    found.sent
}

/// A shop that answers this to the change of the order, and that to the note.
async fn answering(change: ResponseTemplate, note: ResponseTemplate) -> (MockServer, WooCommerce, Way) {
    let (server, shop, way) = server().await;
    Mock::given(method("PUT")).and(path(ORDER)).respond_with(change).mount(&server).await;
    Mock::given(method("POST")).and(path(NOTES)).respond_with(note).mount(&server).await;
    (server, shop, way)
}

fn word<T>(answer: &Result<T, NotSet>) -> &'static str {
    match answer {
        Ok(_) => "told",
        Err(NotSet::Stale) => "stale",
        Err(NotSet::Refused(_)) => "refused",
        Err(NotSet::NotNow(_)) => "not now",
        Err(NotSet::Unknown(_)) => "unknown",
    }
}

/// The bodies of the calls, with their methods.
async fn sent(server: &MockServer) -> Vec<(String, Value)> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|one| (one.method.to_string(), serde_json::from_slice(&one.body).unwrap())).collect()
}

fn changed_ok() -> ResponseTemplate {
    json_answer(200, &json!({"id": 70412, "status": "completed"}))
}

fn noted_ok() -> ResponseTemplate {
    json_answer(201, &json!({"id": 281, "customer_note": true}))
}

#[tokio::test]
async fn the_order_is_changed_first_and_the_note_is_written_last() {
    let (server, shop, way) = server().await;
    let way_text = r#"{"carrier":"Correos","parcels":[{"number":"PQ1","url":"https://track.example/PQ1"}],"note":"Sent with Correos: PQ1"}"#;
    let meta = json!([{"key": "_puente_shipment_WH/OUT/00012", "value": way_text}]);
    Mock::given(method("PUT"))
        .and(path(ORDER))
        .and(header("authorization", "Basic Y2tfY2FuYXJ5OmNzX2NhbmFyeQ=="))
        .and(header("content-type", "application/json"))
        .and(query_param("_fields", "id"))
        .and(body_json(json!({"status": "completed", "meta_data": meta})))
        .respond_with(changed_ok())
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path(NOTES))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({"note": "Sent with Correos: PQ1 [WH/OUT/00012]", "customer_note": true})))
        .respond_with(noted_ok())
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(shop.fulfil(&way.calls(), &new(&["PQ1"])).await.unwrap(), "281");
    let methods: Vec<_> = sent(&server).await.into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["PUT", "POST"]);
}

#[tokio::test]
async fn a_part_of_an_order_leaves_its_state_and_without_notice_the_note_is_private() {
    let (server, shop, way) = answering(changed_ok(), noted_ok()).await;
    let part = NewFulfilment { completes: false, notify: false, ..new(&[]) };
    shop.fulfil(&way.calls(), &part).await.unwrap();
    let calls = sent(&server).await;
    assert!(calls[0].1.get("status").is_none(), "{calls:?}");
    assert_eq!(calls[1].1, json!({"note": "Sent with Correos:  [WH/OUT/00012]", "customer_note": false}));
    // What follows later never touches the state: people may have changed it since.
    let (server, shop, way) = answering(changed_ok(), noted_ok()).await;
    shop.track(&way.calls(), "281", &new(&["PQ1"])).await.unwrap();
    let calls = sent(&server).await;
    assert!(calls[0].1.get("status").is_none() && calls.len() == 2, "{calls:?}");
    assert_eq!(calls[1].1["note"], "Sent with Correos: PQ1 [WH/OUT/00012]");
}

#[tokio::test]
async fn a_note_that_ends_in_a_number_tells_of_its_shipment() {
    let notes = json!([
        note(31, "Sent with Correos: PQ9 [WH/OUT/00013]"),
        note(21, "Sent with Correos: PQ1, PQ2 [WH/OUT/00012]"),
        note(11, "Order status changed from Processing to Completed."),
        note(10, "Called the [buyer] back"),
        note(9, "[]"),
    ]);
    let found = told(&notes, &json!([field("WH/OUT/00013", &["PQ9"]), field("WH/OUT/00012", &["PQ1", "PQ2"])])).await;
    let first = Fulfilment {
        id: "21".to_owned(),
        created: Some("2026-08-01T01:15:21Z".parse().unwrap()),
        lines: std::collections::BTreeMap::new(),
        tracking: vec!["PQ1".to_owned(), "PQ2".to_owned()],
        shipment: Some("WH/OUT/00012".to_owned()),
    };
    assert_eq!(found[0], first);
    assert_eq!((found[1].id.as_str(), found[1].tracking.as_slice()), ("31", ["PQ9".to_owned()].as_slice()));
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn of_several_notes_of_a_shipment_the_last_counts_under_the_name_of_the_first() {
    let (first, last) =
        (note(21, "Sent with Correos: [WH/OUT/00012]"), note(35, "Sent with Correos: PQ1 [WH/OUT/00012]"));
    let fields = json!([field("WH/OUT/00012", &["PQ1"])]);
    // Whatever the order in which an extension lists them.
    for notes in [json!([last, first]), json!([first, last])] {
        let found = told(&notes, &fields).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].id.as_str(), found[0].tracking.as_slice()), ("21", ["PQ1".to_owned()].as_slice()));
        assert_eq!(found[0].created, Some("2026-08-01T01:15:21Z".parse().unwrap()));
    }
}

#[tokio::test]
async fn a_number_whose_note_never_came_was_not_told() {
    // The metadata has the new number, and the buyer was told the old one.
    let notes = json!([note(21, "Sent with Correos: PQ1 [WH/OUT/00012]")]);
    let found = told(&notes, &json!([field("WH/OUT/00012", &["PQ2"])])).await;
    assert_eq!((found[0].id.as_str(), found[0].tracking.len()), ("21", 0));
    // Nor is anything known of it without the metadata, or where somebody wrote into it.
    for fields in [json!([]), Value::Null, json!([{"key": "_puente_shipment_WH/OUT/00012", "value": {"a": [1]}}])] {
        assert_eq!(told(&notes, &fields).await[0].tracking.len(), 0, "{fields}");
    }
    // What WordPress makes of words is no other words.
    for words in ["Sent  with Correos: PQ1\n", "Sent with Correos:&quot; PQ1"] {
        let notes = json!([note(21, &format!("{words} [WH/OUT/00012]"))]);
        let found = told(&notes, &json!([field("WH/OUT/00012", &["PQ1"])])).await;
        assert_eq!(found[0].tracking, ["PQ1"], "{words}");
    }
}

#[tokio::test]
async fn an_order_without_such_notes_costs_one_call() {
    assert!(told(&json!([]), &json!([])).await.is_empty());
    let (server, shop, way) = server().await;
    Mock::given(path(NOTES)).respond_with(json_answer(200, &json!([note(1, "Paid.")]))).mount(&server).await;
    assert_eq!(shop.fulfilments(&way.calls(), &id("70412")).await.unwrap().unwrap(), Fulfilments::default());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn no_order_no_list_and_no_answer_are_told_apart() {
    let missing = json!({"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid order ID.", "data": {"status": 404}});
    let ask = async |answer: ResponseTemplate| {
        let (server, shop, way) = server().await;
        Mock::given(path(NOTES)).respond_with(answer).mount(&server).await;
        shop.fulfilments(&way.calls(), &id("70412")).await
    };
    assert_eq!(ask(json_answer(404, &missing)).await.unwrap(), None);
    for (answer, kind) in [
        (json_answer(404, &json!({"code": "rest_no_route"})), Kind::Config),
        (ResponseTemplate::new(404), Kind::Config),
        (ResponseTemplate::new(401), Kind::Config),
        (ResponseTemplate::new(429), Kind::Limited),
        (ResponseTemplate::new(500), Kind::Unavailable),
        (ResponseTemplate::new(200).set_body_string("<html>"), Kind::Unreadable),
        (ResponseTemplate::new(200).set_body_string("[{\"id\":7,\"note\":\"x [A"), Kind::Unreadable),
        (json_answer(200, &json!({"code": "x"})), Kind::Unreadable),
        (json_answer(200, &json!([{"id": "x", "note": "x [A]"}])), Kind::Unreadable),
    ] {
        assert_eq!(ask(answer).await.unwrap_err().kind(), kind);
    }
    let (server, shop, way) = server().await;
    Mock::given(path(NOTES)).respond_with(json_answer(200, &json!([note(1, "x [A]")]))).mount(&server).await;
    Mock::given(path(ORDER)).respond_with(json_answer(200, &json!({"id": 7, "meta_data": []}))).mount(&server).await;
    assert_eq!(shop.fulfilments(&way.calls(), &id("70412")).await.unwrap_err().kind(), Kind::Unreadable);
    // It has no order of such an id, and nobody is asked.
    assert_eq!(shop.fulfilments(&way.calls(), &id("gid-7")).await.unwrap(), None);
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn each_answer_says_whether_the_shop_may_have_been_told() {
    let gone =
        json!({"code": "woocommerce_rest_order_invalid_id", "message": "Invalid order ID.", "data": {"status": 404}});
    let answers = || {
        [
            (ResponseTemplate::new(401), "not now"),
            (ResponseTemplate::new(403), "not now"),
            (ResponseTemplate::new(404), "not now"),
            (json_answer(404, &gone), "refused"),
            (ResponseTemplate::new(301), "not now"),
            (ResponseTemplate::new(429), "not now"),
            (ResponseTemplate::new(400), "refused"),
            (ResponseTemplate::new(500), "unknown"),
            (ResponseTemplate::new(503), "unknown"),
            (ResponseTemplate::new(200).set_body_string("<html>back soon</html>"), "unknown"),
            (ResponseTemplate::new(200).set_body_string("{\"id\":"), "unknown"),
            (json_answer(200, &json!({"id": "canary"})), "unknown"),
        ]
    };
    for (answer, expected) in answers() {
        // The change of the order: without it no note is written.
        let (server, shop, way) = answering(answer.clone(), noted_ok()).await;
        let told = shop.fulfil(&way.calls(), &new(&["CANARY"])).await;
        assert_eq!((word(&told), sent(&server).await.len()), (expected, 1), "{told:?}");
        assert!(!format!("{told:?}").to_lowercase().contains("canary"), "{told:?}");
        // The note.
        let (server, shop, way) = answering(changed_ok(), answer).await;
        let told = shop.fulfil(&way.calls(), &new(&["CANARY"])).await;
        assert_eq!((word(&told), sent(&server).await.len()), (expected, 2), "{told:?}");
        assert_eq!(word(&shop.track(&way.calls(), "281", &new(&["CANARY"])).await), expected);
    }
}

#[tokio::test]
async fn a_call_that_is_not_made_has_told_nothing() {
    let (server, shop, _) = server().await;
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(word(&shop.fulfil(&held.calls(), &new(&[])).await), "not now");
    assert!(server.received_requests().await.unwrap().is_empty());
    let way = Way::open();
    let keys = "consumer_key = { literal = 'k' }\nconsumer_secret = { literal = 's' }";
    let deaf = build(&format!("url = '{}'\nwebhook_secrets = [{{ literal = 's' }}]\n{keys}", nobody())).unwrap();
    assert_eq!(word(&deaf.fulfil(&way.calls(), &new(&[])).await), "not now");
    // Without keys nobody is asked.
    assert_eq!(word(&store().fulfil(&way.calls(), &new(&[])).await), "not now");
}

#[test]
fn what_is_kept_of_a_shipment_changes_nothing_of_the_order() {
    let before = order(&sample());
    let after = changed(|o| {
        assert_eq!(o["status"], "processing");
        o["status"] = json!("completed");
        o["date_modified_gmt"] = json!("2027-01-01T00:00:00");
        let fields = o["meta_data"].as_array_mut().unwrap();
        fields.push(field("WH/OUT/00012", &["PQ1"]));
        // Not even where its name sounds like a tax id's.
        fields.push(json!({"id": 10, "key": "_puente_shipment_CPF/CNPJ", "value": "11222333000181"}));
    });
    assert_ne!(before.updated_at, after.updated_at);
    assert_eq!((before.content(), &before.flags), (after.content(), &after.flags));
}

/// The sandbox's shop, over HTTP.
#[cfg(feature = "fixtures")]
mod shop {
    use puente_sandbox::store::{Plan, Serving, Shop};

    use super::*;

    async fn open() -> (Serving, WooCommerce, OrderId) {
        let plan = Plan::new(ROW.kit, "shop.example", "s", 7, 1, "2025-05-01T00:00:00Z".parse().unwrap());
        let shop = Shop::open(plan.clone());
        let serving = shop.serve().await.unwrap();
        let url = format!("http://{}", serving.addr());
        let section = ROW.kit.section(&plan, &url, &mut |_, secret| format!("{{ literal = '{secret}' }}"));
        (serving, build(&section).unwrap(), id(&shop.truth()[0].order))
    }

    #[tokio::test]
    async fn what_a_shop_was_told_is_found_there_again() {
        let ((serving, shop, order), way) = (open().await, Way::open());
        let calls = way.calls();
        let before = shop.fetch(&calls, &order).await.unwrap().unwrap();
        assert_eq!(shop.fulfilments(&calls, &order).await.unwrap().unwrap(), Fulfilments::default());

        // Also where its number is one that WordPress would take apart.
        let odd = "A [1]\\2 % \"é\" <3> &";
        let mut first = NewFulfilment { order: order.clone(), completes: false, ..new(&[]) };
        let second = NewFulfilment { order: order.clone(), shipment: odd.to_owned(), ..new(&["P\\2\""]) };
        let name = shop.fulfil(&calls, &first).await.unwrap();
        let other = shop.fulfil(&calls, &second).await.unwrap();
        let found = shop.fulfilments(&calls, &order).await.unwrap().unwrap().sent;
        let seen: Vec<_> = found.iter().map(|one| (&one.id, one.shipment.as_deref(), one.tracking.clone())).collect();
        let of_other = (&other, Some(odd), vec!["P\\2\"".to_owned()]);
        assert_eq!(seen, [(&name, Some("WH/OUT/00012"), vec![]), of_other.clone()]);
        assert!(found.iter().all(|one| one.created.is_some()));

        // A number that comes later is found under the same name.
        first = NewFulfilment { order: order.clone(), completes: false, ..new(&["PQ1"]) };
        shop.track(&calls, &name, &first).await.unwrap();
        let found = shop.fulfilments(&calls, &order).await.unwrap().unwrap().sent;
        let seen: Vec<_> = found.iter().map(|one| (&one.id, one.shipment.as_deref(), one.tracking.clone())).collect();
        assert_eq!(seen, [(&name, Some("WH/OUT/00012"), vec!["PQ1".to_owned()]), of_other]);

        // The order is listed as changed, and says what it said.
        let since = before.updated_at.at();
        let after = shop.changed_since(&calls, since, None).await.unwrap().orders;
        assert_eq!(after.len(), 1);
        assert!(after[0].updated_at.at() > since);
        assert_eq!(after[0].content(), before.content());
        let told = serving.sent().of(order.as_str());
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|one| one.notified));
    }

    #[tokio::test]
    async fn a_number_whose_note_was_lost_is_told_again() {
        let ((serving, shop, order), way) = (open().await, Way::open());
        let calls = way.calls();
        let with = |tracking: &[&str]| NewFulfilment { order: order.clone(), ..new(tracking) };
        let name = shop.fulfil(&calls, &with(&["PQ1"])).await.unwrap();
        // The change goes through, and the note does not.
        serving.next(puente_sandbox::store::Answer::ok(json!({"id": 1})));
        serving.next(puente_sandbox::store::Answer::of(http::StatusCode::BAD_GATEWAY, Value::Null));
        assert_eq!(word(&shop.track(&calls, &name, &with(&["PQ2"])).await), "unknown");
        let found = async || shop.fulfilments(&calls, &order).await.unwrap().unwrap().sent;
        assert_eq!(found().await[0].tracking, ["PQ1"]);
        shop.track(&calls, &name, &with(&["PQ2"])).await.unwrap();
        assert_eq!((found().await[0].id.clone(), found().await[0].tracking.clone()), (name, vec!["PQ2".to_owned()]));
        // No order, nobody told.
        let nobody = NewFulfilment { order: id("999999999"), ..new(&[]) };
        assert_eq!(word(&shop.fulfil(&calls, &nobody).await), "refused");
        assert_eq!(shop.fulfilments(&calls, &id("999999999")).await.unwrap(), None);
    }
}
