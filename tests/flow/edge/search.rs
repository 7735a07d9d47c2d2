//! Lists across connections, search, dead letters, and asking for a backfill: what is found, by whom, and what nobody learns.

use std::sync::Arc;

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use jiff::SignedDuration;
use puente::{
    domain::{
        ids::OrderKey,
        message::{BackfillRequest, Message},
        operator::{Operator, Scope, Sight},
    },
    edge::{operate::Access, people},
    flow,
    parties::Settings,
    ports::{Clock as _, Queue as _, Records as _},
};
use serde_json::{Value, json};

use super::{Answer, Edge, KEY, KeptLog, call, says, webhook};

/// Three orders: two of acme's, of two days, and one of a shop that ana does not see. One buyer has all.
async fn shops() -> (Edge, Router) {
    let edge = Edge::new();
    edge.webhook(says("order", "1")).await;
    recorded(&edge).await;
    edge.clock.advance(24 * 3600);
    edge.webhook(says("order", "2")).await;
    edge.call(webhook("small", KEY, says("order", "2"))).await;
    recorded(&edge).await;
    let router = people(edge.puente.clone(), Access::Decided);
    (edge, router)
}

async fn recorded(edge: &Edge) {
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
}

fn all() -> Operator {
    Operator::of_all("root")
}

fn ana() -> Operator {
    Operator::new("ana", vec![Scope::OrdersRead, Scope::OrdersWrite], Sight::of(["acme", "nothing"]))
}

async fn asked(router: &Router, by: &Operator, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map_or_else(Body::empty, |body| body.to_string().into());
    let mut request = Request::builder().method(method).uri(path).body(body).unwrap();
    request.extensions_mut().insert(by.clone());
    call(router, request).await
}

/// The orders of an answer, as `connection/order`.
fn orders(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let name =
        |order: &Value| format!("{}/{}", order["connection"].as_str().unwrap(), order["order"].as_str().unwrap());
    answer.body["orders"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn orders_are_listed_across_the_connections_that_are_seen() {
    let (_edge, router) = shops().await;
    let get = async |by: &Operator, query: &str| asked(&router, by, "GET", &format!("/v1/orders{query}"), None).await;
    assert_eq!(orders(&get(&all(), "").await), ["small/2", "acme/2", "acme/1"], "the latest change first");
    assert_eq!(orders(&get(&ana(), "").await), ["acme/2", "acme/1"]);
    assert_eq!(orders(&get(&Operator::new("bob", Scope::ALL.to_vec(), Sight::of([])), "").await), Vec::<String>::new());
    for (query, found) in [
        ("?from=2026-03-02", vec!["small/2", "acme/2"]),
        ("?to=2026-03-01", vec!["acme/1"]),
        ("?from=2026-03-01&to=2026-03-02&status=waiting", vec!["small/2", "acme/2", "acme/1"]),
        ("?from=2026-03-03", vec![]),
        ("?status=synced", vec![]),
        ("?number=%232", vec!["acme/2", "small/2"]),
        ("?number=2&from=2026-03-02&status=waiting", vec!["acme/2", "small/2"]),
        ("?number=2&to=2026-03-01", vec![]),
        ("?number=3", vec![]),
        ("?number=%20", vec![]),
        ("?document=2", vec![]),
    ] {
        assert_eq!(orders(&get(&all(), query).await), found, "{query}");
    }
    // Page by page: each once, whatever the size of a page.
    for filter in ["", "&number=2"] {
        for limit in [1, 2, 3] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            for _ in 0..5 {
                let page = get(&all(), &format!("?limit={limit}{filter}{cursor}")).await;
                seen.extend(orders(&page));
                let Some(next) = page.body["cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(
                seen,
                orders(&get(&all(), &format!("?{}", filter.trim_start_matches('&'))).await),
                "{limit}{filter}"
            );
        }
    }
    // A place of one search is none of another, and a wrong word is no filter that is passed over.
    let listed = get(&all(), "?limit=1").await.body["cursor"].as_str().unwrap().to_owned();
    for wrong in [&format!("?number=2&cursor={listed}"), "?cursor=%25", "?staus=parked", "?from=yesterday", "?limit=0"]
    {
        assert_eq!(get(&all(), wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let told = get(&all(), "?staus=parked").await;
    assert!(told.body["detail"].as_str().unwrap().contains("status, number, document"), "{}", told.body);
    let told = get(&all(), "?email=ana@example.com").await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(told.body["detail"].as_str().unwrap().contains("POST /v1/orders/search"), "{}", told.body);
}

#[tokio::test]
async fn a_buyers_orders_are_found_by_e_mail_which_is_kept_and_logged_nowhere() {
    let log = KeptLog::start();
    let (edge, router) = shops().await;
    let search = async |by: &Operator, body: Value| asked(&router, by, "POST", "/v1/orders/search", Some(&body)).await;
    let email = " Canary@Buyer.EXAMPLE ";
    assert_eq!(orders(&search(&all(), json!({ "email": email })).await), ["acme/1", "acme/2", "small/2"]);
    assert_eq!(orders(&search(&ana(), json!({ "email": email })).await), ["acme/1", "acme/2"]);
    assert_eq!(orders(&search(&all(), json!({ "email": email, "connection": "small" })).await), ["small/2"]);
    assert_eq!(orders(&search(&all(), json!({ "email": email, "number": "1" })).await), ["acme/1"]);
    // Of others nothing is learnt, not even that they are there.
    for connection in ["small", "nobody"] {
        let hidden = search(&ana(), json!({ "email": email, "connection": connection })).await;
        assert_eq!(
            (hidden.status, hidden.body),
            (StatusCode::OK, json!({ "orders": [], "cursor": null })),
            "{connection}"
        );
    }
    for nobody in ["other@buyer.example", "canary", ""] {
        assert_eq!(orders(&search(&all(), json!({ "email": nobody })).await), Vec::<String>::new(), "{nobody}");
    }
    for wrong in [json!({ "mail": email }), json!([email]), json!({ "email": 7, "x": email }), json!({ "limit": 201 })]
    {
        let refused = search(&all(), wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!refused.body.to_string().to_lowercase().contains("canary"), "{}", refused.body);
    }
    let address =
        asked(&router, &all(), "POST", "/v1/orders/search?email=canary@buyer.example", Some(&json!({}))).await;
    assert_eq!(address.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(address.body["detail"].as_str().unwrap().contains("in the body"), "{}", address.body);
    assert!(!address.body.to_string().contains("canary"), "{}", address.body);
    let large = json!({ "email": "x".repeat(17 * 1024) });
    assert_eq!(search(&all(), large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let text = log.stop();
    assert!(!text.to_lowercase().contains("canary"), "{text}");
    // Beside the order itself, nothing that is kept has it.
    let head = edge.records.head(&OrderKey::new("acme".parse().unwrap(), "1".parse().unwrap())).await.unwrap().unwrap();
    assert!(head.summary.buyer.is_some() && !serde_json::to_string(&head).unwrap().to_lowercase().contains("canary"));
}

#[tokio::test]
async fn dead_letters_are_shown_to_whoever_sees_their_connection_and_moved_by_who_sees_all() {
    let (edge, router) = shops().await;
    let ask = |connection: &str| {
        let since = edge.clock.now();
        Message::Backfill(BackfillRequest {
            connection: connection.parse().unwrap(),
            since,
            request: "r".into(),
            by: None,
        })
    };
    for message in [ask("acme"), ask("small"), Message::Wake { erp: "main".parse().unwrap() }] {
        edge.queue.bury(&message, "it gave up").await.unwrap();
    }
    let list = async |by: &Operator| {
        let answer = asked(&router, by, "GET", "/v1/dead-letters", None).await;
        let letters = answer.body["letters"].as_array().unwrap().clone();
        letters.iter().map(|letter| letter["about"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&all()).await, ["backfill", "backfill", "wake_up"]);
    assert_eq!(list(&ana()).await, ["backfill"]);
    let redrive =
        async |by: &Operator, body: Value| asked(&router, by, "POST", "/v1/dead-letters/redrive", Some(&body)).await;
    assert_eq!(redrive(&ana(), json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(redrive(&all(), json!({ "limit": 101 })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(list(&all()).await.len(), 3, "nothing was moved");
    let moved = redrive(&all(), json!({ "limit": 2 })).await;
    assert_eq!((moved.status, moved.body), (StatusCode::ACCEPTED, json!({ "moved": 2 })));
    assert_eq!(list(&all()).await, ["wake_up"]);
}

#[tokio::test]
async fn a_backfill_is_queued_for_a_connection_that_is_seen() {
    let (edge, router) = shops().await;
    let now = edge.clock.now();
    let path = |connection: &str| format!("/v1/connections/{connection}/backfill");
    let since = now - SignedDuration::from_hours(48);
    let answer = asked(&router, &ana(), "POST", &path("acme"), Some(&json!({ "since": since }))).await;
    let expected = json!({ "connection": "acme", "since": since, "result": "queued" });
    assert_eq!((answer.status, answer.body), (StatusCode::ACCEPTED, expected));
    let mut queued = edge.queue.receive(10, std::time::Duration::ZERO).await.unwrap();
    let Message::Backfill(ask) = queued.pop().unwrap().message.unwrap() else { panic!() };
    assert_eq!((ask.connection.as_str(), ask.since, ask.by.as_deref()), ("acme", since, Some("ana")));

    for wrong in [
        json!({}),
        json!({ "since": "yesterday" }),
        json!({ "since": now + SignedDuration::from_secs(1) }),
        json!({ "since": "2020-01-01T00:00:00Z" }),
    ] {
        let refused = asked(&router, &ana(), "POST", &path("acme"), Some(&wrong)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let body = json!({ "since": since });
    let (there, nowhere) = (
        asked(&router, &ana(), "POST", &path("small"), Some(&body)).await,
        asked(&router, &ana(), "POST", &path("nobody"), Some(&body)).await,
    );
    assert_eq!((there.status, &there.body["detail"]), (StatusCode::NOT_FOUND, &nowhere.body["detail"]));
    let reader = Operator::new("eva", vec![Scope::OrdersRead], Sight::All);
    assert_eq!(asked(&router, &reader, "POST", &path("acme"), Some(&body)).await.status, StatusCode::FORBIDDEN);
    assert!(edge.queue.receive(10, std::time::Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_hides_no_other_order() {
    let (edge, router) = shops().await;
    rusqlite::Connection::open(edge.records.file())
        .unwrap()
        .execute("UPDATE head SET json = '{\"canary@buyer.example\"' WHERE connection = 'acme' AND id = '2'", [])
        .unwrap();
    let get = async |path: &str| asked(&router, &ana(), "GET", path, None).await;
    let unreadable = |answer: &Answer| {
        let [one] = answer.body["unreadable"].as_array().unwrap().as_slice() else { panic!("{}", answer.body) };
        assert_eq!((&one["connection"], &one["order"]), (&json!("acme"), &json!("2")));
        let reason = one["reason"].as_str().unwrap();
        assert!(reason.starts_with("order acme/2 cannot be read") && !reason.contains("canary"), "{reason}");
    };
    for path in ["/v1/orders", "/v1/connections/acme/orders", "/v1/orders?status=waiting"] {
        let answer = get(path).await;
        assert_eq!(orders(&answer), ["acme/1"], "{path}");
        unreadable(&answer);
    }
    // By a value that it was found by; others find the others.
    let found = asked(&router, &all(), "GET", "/v1/orders?number=2", None).await;
    assert_eq!(orders(&found), ["small/2"]);
    unreadable(&found);
    assert_eq!(get("/v1/orders?number=1").await.body.get("unreadable"), None);
    // Page by page nothing is missed, and nothing is shown twice.
    let (mut shown, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = asked(&router, &all(), "GET", &format!("/v1/orders?limit=1{cursor}"), None).await;
        shown.extend(orders(&page));
        let unreadable = page.body["unreadable"].as_array();
        shown.extend(unreadable.into_iter().flatten().map(|one| format!("unreadable {}", one["order"])));
        let Some(next) = page.body["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    shown.sort();
    assert_eq!(shown, ["acme/1", "small/2", r#"unreadable "2""#]);

    // Asked for by itself it is our fault, and the log says whose it is.
    let log = KeptLog::start();
    let alone = get("/v1/connections/acme/orders/2").await;
    let log = log.stop();
    assert_eq!(alone.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(alone.body["detail"].as_str().unwrap().starts_with("order acme/2 cannot be read"), "{}", alone.body);
    let told = |line: &&str| line.contains("request.failed");
    let line = log.lines().find(told).unwrap();
    assert!(line.contains("ERROR") && line.contains("connection=\"acme\"") && line.contains("order=acme/2"), "{line}");
    assert!(!log.contains("canary@buyer"), "{log}");
}

#[tokio::test]
async fn a_backfill_of_a_store_that_cannot_be_asked_names_the_missing_key() {
    let mut edge = Edge::new();
    let text = r#"
[erp.main]
kind = "tryton"
url = "http://127.0.0.1:8000"
database = "d"
username = "u"
web_shop = "Web"
password = { env = "PASSWORD" }
[connection.open]
erp = "main"
store = { kind = "shopify", shop = "a.myshopify.com", webhook_secrets = [{ env = "S" }], token = { env = "T" } }
[connection.shut]
erp = "main"
store = { kind = "shopify", shop = "b.myshopify.com", webhook_secrets = [{ env = "S" }] }
[connection.half]
erp = "main"
store = { kind = "woocommerce", url = "https://shop.example", webhook_secrets = [{ env = "S" }], consumer_key = { env = "K" } }
[connection.own]
erp = "main"
store = { kind = "canonical", webhook_secrets = [{ env = "S" }] }
"#;
    edge.puente.settings = Settings::parse(text, "puente.toml", Arc::new(edge.records.clone())).unwrap().into();
    let router = people(edge.puente.clone(), Access::Decided);
    let body = json!({ "since": edge.clock.now() - SignedDuration::from_hours(1) });
    let ask = async |connection: &str| {
        asked(&router, &all(), "POST", &format!("/v1/connections/{connection}/backfill"), Some(&body)).await
    };
    for (connection, words) in [
        ("shut", "connection.shut.store lacks token, or client_id and client_secret"),
        ("half", "connection.half.store lacks consumer_key and consumer_secret"),
        ("own", "nobody can ask a store of the kind `canonical`"),
    ] {
        let refused = ask(connection).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{connection}");
        assert!(refused.body["detail"].as_str().unwrap().contains(words), "{}", refused.body);
    }
    assert!(edge.queue.receive(10, std::time::Duration::ZERO).await.unwrap().is_empty());
    assert_eq!(ask("open").await.status, StatusCode::ACCEPTED);
}
