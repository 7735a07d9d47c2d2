//! What somebody's own system is told: events that its own libraries would verify, once each, and what its answers mean.

use std::collections::BTreeSet;

use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use super::*;
use crate::{
    config::Secret,
    domain::{
        ids::AttemptId,
        money::Amount,
        shipment::{Parcel, Part},
    },
    outbound::doubles::{Refusing, nobody},
    store::goods::doubles::{sku, skus, word},
    webhook::verify,
};

const KEY: &str = "whsec_cHVlbnRlLXRlc3Qtbm90aWZ5LTAwMDAwMDAwMQ==";

/// When everything was begun, to the microsecond.
fn begun() -> Timestamp {
    Timestamp::from_microsecond(1_780_000_000_000_001).unwrap()
}

fn told_at(url: &str, secret: &str) -> Result<Canonical> {
    let section = format!(
        "webhook_secrets = [{{ literal = '{SECRET}' }}]\nnotify = {{ url = '{url}', secret = {{ literal = '{secret}' }} }}"
    );
    Canonical::new(Section::from_toml(&section)?.read()?)
}

/// A receiver that answers this to everything, its store, and a way out.
async fn receiver(status: u16) -> (MockServer, Canonical, Way) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(status)).mount(&server).await;
    let store = told_at(&format!("{}/hooks?shop=1", server.uri()), KEY).unwrap();
    (server, store, Way::open())
}

/// A request as the receiver has it, verified as we verify what is sent to us.
fn verified(request: &Request) -> Value {
    assert_eq!((request.method.as_str(), request.url.path(), request.url.query()), ("POST", "/hooks", Some("shop=1")));
    assert_eq!(request.headers["content-type"], "application/json");
    let raw = |body: &[u8]| RawWebhook {
        headers: request.headers.clone(),
        body: Bytes::copy_from_slice(body),
        received: begun(),
    };
    let secret = [Secret::new(KEY)];
    assert!(verify(raw(&[&request.body[..], b" "].concat()), Scheme::Standard, &secret).is_err());
    let webhook = verify(raw(&request.body), Scheme::Standard, &secret).ok().unwrap();
    serde_json::from_slice(webhook.body()).unwrap()
}

async fn events(server: &MockServer) -> Vec<Value> {
    server.received_requests().await.unwrap().iter().map(verified).collect()
}

async fn ids(server: &MockServer) -> Vec<String> {
    let id = |request: &Request| request.headers["webhook-id"].to_str().unwrap().to_owned();
    server.received_requests().await.unwrap().iter().map(id).collect()
}

fn number(code: &str, to: i64, attempt: &str) -> NewStock {
    let (sku, item, attempt) = (sku(code), code.to_owned(), AttemptId::new(attempt));
    NewStock { sku, item, from: None, to, attempt, begun: begun() }
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn shipment() -> NewFulfilment {
    NewFulfilment {
        order: "WEB/5".parse().unwrap(),
        shipment: "OUT/7".to_owned(),
        parts: vec![Part { line: "1".to_owned(), item: None, quantity: amount("2") }],
        carrier: Some("Andreani".to_owned()),
        parcels: vec![
            Parcel { number: "AR1".to_owned(), url: Some("https://correo.example/AR1".to_owned()) },
            Parcel { number: "AR2".to_owned(), url: None },
        ],
        completes: true,
        notify: true,
        note: "Sent with Andreani: AR1".to_owned(),
        attempt: AttemptId::new("a1"),
        begun: begun(),
        revision: 1,
    }
}

#[tokio::test]
async fn numbers_are_one_event_signed_with_the_sequence_of_their_attempt() {
    let (server, store, way) = receiver(204).await;
    let later = NewStock { begun: begun() + jiff::SignedDuration::from_millis(5), ..number("Ñ \"5 l\"", 0, "a2") };
    let answers = store.set_stock(&way.calls(), &[number("MATE-01", 7, "a1"), later]).await;
    assert_eq!(answers.iter().map(word).collect::<Vec<_>>(), ["7", "0"]);
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["webhook-timestamp"], "1780000000");
    assert_eq!(
        std::str::from_utf8(&request.body).unwrap(),
        r#"{"type":"stock.changed","timestamp":"2026-05-28T20:26:40.005001Z","data":{"articles":[{"sku":"MATE-01","quantity":7,"sequence":1780000000000001},{"sku":"Ñ \"5 l\"","quantity":0,"sequence":1780000000005001}]}}"#
    );
    verified(request);
}

#[tokio::test]
async fn prices_are_one_event_with_what_they_are_compared_to() {
    let (server, store, way) = receiver(200).await;
    let price = |code: &str, price: Price| NewPrice {
        sku: sku(code),
        item: code.to_owned(),
        to: price,
        attempt: AttemptId::new(code),
        begun: begun(),
    };
    let prices = [
        Price { amount: amount("12.50"), compare_at: Some(amount("15")) },
        Price { amount: amount("3"), compare_at: None },
    ];
    let answers = store.set_prices(&way.calls(), &[price("A", prices[0]), price("B", prices[1])]).await;
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), prices);
    let sequence = begun().as_microsecond();
    assert_eq!(
        events(&server).await,
        [json!({"type": "price.changed", "timestamp": "2026-05-28T20:26:40.000001Z", "data": {"articles": [
            {"sku": "A", "amount": "12.5", "compare_at": "15", "sequence": sequence},
            {"sku": "B", "amount": "3", "sequence": sequence},
        ]}})]
    );
}

#[tokio::test]
async fn a_hundred_articles_are_an_event_and_nothing_is_none() {
    let (server, store, way) = receiver(200).await;
    assert!(store.set_stock(&way.calls(), &[]).await.is_empty());
    assert!(store.set_prices(&way.calls(), &[]).await.is_empty());
    assert!(events(&server).await.is_empty());
    let many: Vec<NewStock> = (0..150).map(|n| number(&format!("A-{n}"), n, &format!("a{n}"))).collect();
    let answers = store.set_stock(&way.calls(), &many).await;
    assert!(answers.iter().zip(0..).all(|(answer, n)| word(answer) == n.to_string()) && answers.len() == 150);
    let of = |event: &Value| event["data"]["articles"].as_array().unwrap().len();
    assert_eq!(events(&server).await.iter().map(of).collect::<Vec<_>>(), [100, 50]);
}

#[tokio::test]
async fn a_shipment_says_what_was_sent_and_later_how_it_can_be_followed() {
    let (server, store, way) = receiver(200).await;
    let called = store.fulfil(&way.calls(), &shipment()).await.unwrap();
    assert_eq!(ids(&server).await, [called.as_str()], "what the store calls it is the event's id");
    let parcels = vec![Parcel { number: "AR9".to_owned(), url: None }];
    let later = NewFulfilment { parts: Vec::new(), parcels, carrier: None, notify: false, revision: 2, ..shipment() };
    store.track(&way.calls(), &called, &later).await.unwrap();
    let sequence = begun().as_microsecond();
    assert_eq!(
        events(&server).await,
        [
            json!({"type": "shipment.created", "timestamp": "2026-05-28T20:26:40.000001Z", "data": {
                "order": "WEB/5", "shipment": "OUT/7",
                "sent": {"lines": [{"line": "1", "quantity": "2"}], "completes": true},
                "carrier": "Andreani",
                "parcels": [{"number": "AR1", "url": "https://correo.example/AR1"}, {"number": "AR2"}],
                "note": "Sent with Andreani: AR1", "notify": true, "sequence": sequence,
            }}),
            json!({"type": "shipment.updated", "timestamp": "2026-05-28T20:26:40.000001Z", "data": {
                "order": "WEB/5", "shipment": "OUT/7", "parcels": [{"number": "AR9"}],
                "note": "Sent with Andreani: AR1", "notify": false, "sequence": sequence,
            }}),
        ]
    );
}

/// Who takes each id once is told of each shipment once, and of each change of it.
#[tokio::test]
async fn an_id_is_that_of_what_is_said_however_often_it_is() {
    let (server, store, way) = receiver(200).await;
    let (calls, one) = (way.calls(), shipment());
    let again = NewFulfilment {
        attempt: AttemptId::new("a2"),
        begun: begun() + jiff::SignedDuration::from_mins(3),
        ..one.clone()
    };
    store.fulfil(&calls, &one).await.unwrap();
    store.fulfil(&calls, &again).await.unwrap();
    let told = ids(&server).await;
    assert_eq!(told[0], told[1], "another attempt at the same");
    // Another number, and the first one again: three states, and two that are told twice.
    let other = NewFulfilment { parcels: Vec::new(), revision: 2, ..one.clone() };
    let back = NewFulfilment { revision: 3, ..one.clone() };
    for new in [&other, &back, &back] {
        store.track(&calls, "x", new).await.unwrap();
    }
    // Of another order, or another shipment of it; with other lines.
    let elsewhere = NewFulfilment { order: "WEB".parse().unwrap(), shipment: "5OUT/7".to_owned(), ..one.clone() };
    let fewer = NewFulfilment { parts: Vec::new(), ..one.clone() };
    for new in [&elsewhere, &fewer] {
        store.fulfil(&calls, new).await.unwrap();
    }
    // Numbers are told once for each attempt, also the same number.
    for attempt in ["b1", "b2"] {
        store.set_stock(&calls, &[number("A", 1, attempt)]).await;
    }
    let told = ids(&server).await;
    assert_eq!(told.len(), 9);
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 7, "{told:?}");
    assert_eq!(told[3], told[4]);
    assert!(told.iter().all(|id| id.starts_with("msg_") && !id.contains('.')), "{told:?}");
}

#[tokio::test]
async fn what_it_answers_says_what_became_of_all_of_an_event() {
    for (status, became) in [
        (200, "3"),
        (202, "3"),
        (400, "refused"),
        (422, "refused"),
        (401, "not now"),
        (404, "not now"),
        (410, "not now"),
        (308, "not now"),
        (429, "not now"),
        (500, "unknown"),
        (503, "unknown"),
    ] {
        let (server, store, way) = receiver(status).await;
        let both = [number("A", 3, "a1"), number("B", 3, "a2")];
        let answers = store.set_stock(&way.calls(), &both).await;
        assert_eq!(answers.iter().map(word).collect::<Vec<_>>(), [became, became], "{status}");
        let told = store.fulfil(&way.calls(), &shipment()).await;
        assert_eq!(told.is_ok(), status < 300, "{status}: {told:?}");
        assert_eq!(events(&server).await.len(), 2, "{status}: each once");
    }
}

#[tokio::test]
async fn what_never_left_and_what_may_have_arrived_are_told_apart_and_name_no_address() {
    let store = told_at(&format!("{}/hooks?token=canary", nobody()), KEY).unwrap();
    let one = [number("A", 3, "a1")];
    let answers = store.set_stock(&Way::open().calls(), &one).await;
    assert_eq!(word(&answers[0]), "not now");
    assert!(!answers[0].as_ref().unwrap_err().words().contains("canary"));
    let (server, store, _) = receiver(200).await;
    let held_back = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(word(&store.set_stock(&held_back.calls(), &one).await[0]), "not now");
    assert!(events(&server).await.is_empty(), "metered");
}

#[tokio::test]
async fn what_it_has_nobody_knows() {
    let (server, store, way) = receiver(200).await;
    assert!(store.is_only_told());
    for one in store.stock(&way.calls(), &skus(&["A", "B"])).await.unwrap() {
        assert_eq!((one.store, one.number, one.item.as_deref()), (InStore::Kept, None, Some(one.sku.as_str())));
    }
    for one in store.prices(&way.calls(), &skus(&["A", "B"])).await.unwrap() {
        assert_eq!((one.store, one.price, one.item.as_deref()), (InStore::Kept, None, Some(one.sku.as_str())));
    }
    assert!(events(&server).await.is_empty());
    // One that names no address is told nothing.
    let silent = build(SECRET).unwrap();
    assert_eq!(word(&silent.set_stock(&way.calls(), &[number("A", 1, "a")]).await[0]), "refused");
    assert!(silent.fulfil(&way.calls(), &shipment()).await.is_err());
}

#[test]
fn an_address_or_a_secret_that_cannot_be_one_is_refused_with_its_key() {
    for (url, secret, says) in [
        ("hooks", KEY, "notify.url is not a URL"),
        ("ftp://erp.example", KEY, "notify.url must be https"),
        ("https://u:canary@erp.example", KEY, "notify.url has credentials"),
        ("https://erp.example", "plain-text-of-some-length", "notify.secret: "),
        ("https://erp.example", "whsec_YQ==", "notify.secret is shorter than"),
    ] {
        let error = told_at(url, secret).err().expect(url);
        assert!(error.kind() == Kind::Config && error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert!(told_at("https://erp.example/hooks?shop=1", KEY).is_ok());
}
