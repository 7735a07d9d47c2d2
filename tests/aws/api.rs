//! The operator's routes behind API Gateway: the sample events of `events/api*.json`, and what an event can have wrong.

use axum::body::to_bytes;
use http::HeaderMap;
use jiff::SignedDuration;
use puente::{
    aws::decode,
    domain::message::{Message, News},
    ports::{Clock, Queue, SystemClock},
};
use puente_functions::{App, Tell, api::Api, worker};
use serde_json::{Value, json};

use crate::{
    proxy::Proxy,
    stack::{World, event},
};

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

/// Serves one API event.
async fn serve(api: &Api, event: &str) -> Answer {
    let response = api.answer(lambda_http::request::from_str(event).unwrap()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let sent: Value = serde_json::from_str(event).unwrap();
    let id = sent["requestContext"]["requestId"].as_str().unwrap();
    assert_eq!(headers["x-request-id"], id, "as in API Gateway's own log");
    if status >= 400 {
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(
            (&body["status"], &body["request_id"]),
            (&json!(status), &json!(headers["x-request-id"].to_str().unwrap()))
        );
    }
    Answer { status, headers, body }
}

/// The sample event with another method and path, and no query.
pub fn asking(method: &str, path: &str) -> String {
    asking_with(method, path, "acme-shop", None)
}

/// The same with a body, from somebody who sees these connections.
pub fn asking_with(method: &str, path: &str, sees: &str, body: Option<&Value>) -> String {
    let mut event: Value = serde_json::from_str(&event("api")).unwrap();
    (event["httpMethod"], event["path"]) = (method.into(), path.into());
    event["requestContext"]["path"] = format!("/live{path}").into();
    event["queryStringParameters"] = Value::Null;
    event["multiValueQueryStringParameters"] = Value::Null;
    event["requestContext"]["authorizer"]["connections"] = sees.into();
    if let Some(body) = body {
        (event["body"], event["isBase64Encoded"]) = (body.to_string().into(), false.into());
    }
    event.to_string()
}

/// A stack whose ERP has the sample order.
async fn world() -> Option<(World, Api)> {
    let world = World::new().await?;
    let soon = SystemClock.now() + SignedDuration::from_mins(2);
    worker::handle(&world.app(), &event("worker"), soon).await.unwrap();
    let api = Api::new(world.app());
    Some((world, api))
}

const ORDER: &str = "/v1/connections/acme-shop/orders/5920011223344556677";

#[tokio::test]
async fn orders_are_listed_and_shown_with_their_story() {
    let Some((_world, api)) = world().await else { return };
    let list = serve(&api, &event("api")).await;
    assert_eq!((list.status, &list.body["orders"][0]["number"]), (200, &json!("#1042")), "{}", list.body);
    assert_eq!(list.body["orders"][0]["status"], "synced");
    let show = serve(&api, &asking("GET", ORDER)).await;
    assert_eq!((show.status, &show.body["order"]["document"]["id"].is_string()), (200, &true), "{}", show.body);
    let story = show.body["timeline"].as_array().unwrap();
    assert!(story.iter().any(|entry| entry["event"] == "synced"), "{}", show.body);
}

#[tokio::test]
async fn a_replay_is_in_the_queue_when_it_is_answered() {
    let Some((world, api)) = world().await else { return };
    while let Some(batch) = world.batch().await {
        world.settle(&batch, &[]).await;
    }
    let answer = serve(&api, &event("api-replay")).await;
    assert_eq!((answer.status, &answer.body["result"]), (202, &json!("queued")), "{}", answer.body);
    let batch = world.batch().await.unwrap();
    let Message::Arrival(arrival) = decode(batch.received[0]["Body"].as_str().unwrap()).unwrap() else { panic!() };
    assert!(matches!(arrival.news, News::Replay));
    assert_eq!(arrival.by.as_deref(), Some("ana"), "as the authorizer said in the request's context");
    assert_eq!(arrival.order.as_str(), "5920011223344556677");
    assert_eq!(arrival.request, answer.headers["x-request-id"].to_str().unwrap());
}

#[tokio::test]
async fn orders_are_found_and_what_gave_up_is_shown_and_moved_back() {
    let Some((world, api)) = world().await else { return };
    let order: Value = serde_json::from_str(&event("worker")).unwrap();
    let Message::Arrival(arrival) = decode(order["Records"][0]["body"].as_str().unwrap()).unwrap() else { panic!() };
    let News::State { order } = &arrival.news else { panic!() };
    let email = order.customer.as_ref().unwrap().email.as_deref().unwrap().to_uppercase();
    let document = serve(&api, &asking("GET", ORDER)).await.body["order"]["document"]["id"].clone();
    for (asked, hits) in [
        (json!({ "number": "1042" }), 1),
        (json!({ "number": "#1042", "status": "synced", "connection": "acme-shop" }), 1),
        (json!({ "document": document }), 1),
        (json!({ "email": email, "number": "1042" }), 1),
        (json!({ "email": email, "status": "parked" }), 0),
        (json!({ "email": "somebody@else.example" }), 0),
        (json!({ "from": "2020-01-01" }), 1),
        (json!({ "to": "2020-01-01" }), 0),
    ] {
        let found = serve(&api, &asking_with("POST", "/v1/orders/search", "*", Some(&asked))).await;
        assert_eq!(
            (found.status, found.body["orders"].as_array().unwrap().len()),
            (200, hits),
            "{asked}: {}",
            found.body
        );
        let unseen = serve(&api, &asking_with("POST", "/v1/orders/search", "other", Some(&asked))).await;
        assert_eq!(unseen.body, json!({ "orders": [], "cursor": null }), "{asked}");
    }
    assert_eq!(serve(&api, &asking("GET", "/v1/orders")).await.body["orders"][0]["number"], "#1042");

    world.aws().queue.bury(&Message::Arrival(arrival), "it was refused").await.unwrap();
    let dead = serve(&api, &asking("GET", "/v1/dead-letters")).await;
    let letter = &dead.body["letters"][0];
    assert_eq!(
        (&letter["connection"], &letter["reason"]),
        (&json!("acme-shop"), &json!("it was refused")),
        "{}",
        dead.body
    );
    assert_eq!(
        serve(&api, &asking_with("GET", "/v1/dead-letters", "other", None)).await.body,
        json!({ "letters": [] })
    );
    let redrive = |sees| asking_with("POST", "/v1/dead-letters/redrive", sees, Some(&json!({})));
    assert_eq!(serve(&api, &redrive("acme-shop")).await.status, 403);
    assert_eq!(serve(&api, &redrive("*")).await.body, json!({ "moved": 1 }));
}

#[tokio::test]
async fn the_quota_and_readiness_are_told() {
    let Some((_world, api)) = world().await else { return };
    let quota = serve(&api, &asking("GET", "/v1/erps/main/quota")).await;
    assert_eq!((quota.status, &quota.body["per_day"]), (200, &json!(100_000)), "{}", quota.body);
    assert!(quota.body["used"].as_u64().unwrap() > 0, "the sample order cost calls: {}", quota.body);
    assert_eq!(serve(&api, &asking("GET", "/v1/ready")).await.body["status"], "ready");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_says_so() {
    let Some((world, api)) = world().await else { return };
    for (method, path, status) in [
        ("GET", "/v1/connections/acme-shop/orders/7", 404),
        ("POST", "/v1/connections/acme-shop/orders/7/replay", 404),
        ("GET", "/v1/connections/acme-shop/orders/not%20yet%2F7", 404),
        // As a gateway that decodes would hand it over: no panic of the library.
        ("GET", "/v1/connections/acme-shop/orders/not yet é", 404),
        ("GET", "/v1/connections/nobody/orders", 404),
        ("GET", "/v1/erps/main/QUOTA", 404),
        ("GET", "/v1/erps/nothing/quota", 404),
        ("GET", "/live/v1/ready", 404),
        ("GET", "", 404),
        ("DELETE", "/v1/connections/acme-shop/orders", 405),
        // The store's route is another function's.
        ("POST", "/v1/connections/acme-shop/orders", 405),
    ] {
        let answer = serve(&api, &asking(method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    let unseen = serve(&api, &asking("GET", "/v1/connections/acme-shop/orders/7")).await;
    assert!(unseen.body["detail"].as_str().unwrap().starts_with("not seen yet"), "{}", unseen.body);
    while let Some(batch) = world.batch().await {
        assert!(!batch.event.contains("replay"), "{}", batch.event);
        world.settle(&batch, &[]).await;
    }
}

#[tokio::test]
async fn the_router_shows_what_the_authorizer_said_and_nobody_else_anything() {
    let Some((_world, api)) = world().await else { return };
    let asking = |change: &dyn Fn(&mut Value)| {
        let mut event: Value = serde_json::from_str(&asking("GET", ORDER)).unwrap();
        change(&mut event["requestContext"]["authorizer"]);
        event.to_string()
    };
    let all = asking(&|authorizer| authorizer["connections"] = "*".into());
    assert_eq!(serve(&api, &all).await.status, 200);
    let other = serve(&api, &asking(&|authorizer| authorizer["connections"] = "other".into())).await;
    assert_eq!((other.status, &other.body["detail"]), (404, &json!("there is no connection of that name")));
    assert_eq!(serve(&api, &asking(&|authorizer| authorizer["scopes"] = "ops".into())).await.status, 403);
    // An authorizer that did not say who: nobody.
    for missing in ["subject", "scopes", "connections"] {
        let nobody = asking(&|authorizer| drop(authorizer.as_object_mut().unwrap().remove(missing)));
        assert_eq!(serve(&api, &nobody).await.status, 401, "{missing}");
    }
}

#[tokio::test]
async fn an_event_that_is_none_of_api_gateways_is_refused() {
    for event in ["[]", "\"ana@example.com\"", r#"{"Records":[]}"#, r#"{"httpMethod":7}"#] {
        let error = lambda_http::request::from_str(event).expect_err(event).to_string();
        assert!(error.contains("API Gateway") && !error.contains("ana@"), "{error}");
    }
}

#[tokio::test]
async fn without_its_table_it_says_to_come_again() {
    let Some(world) = World::new().await else { return };
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let api = Api::new(App::new(world.through(&proxy.endpoint), Tell::default()).unwrap());
    proxy.down(true);
    let answer = serve(&api, &event("api")).await;
    assert_eq!(answer.status, 503, "no configuration");
    assert!(answer.headers.contains_key("retry-after"));
    proxy.down(false);
    assert_eq!(serve(&api, &event("api")).await.status, 200);
    proxy.down(true);
    for path in ["/v1/ready", ORDER] {
        assert_eq!(serve(&api, &asking("GET", path)).await.status, 503, "{path}");
    }
}
