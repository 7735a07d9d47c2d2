//! The OpenAPI document and the routers against the one table of routes: none knows a route that the others do not.

use std::collections::BTreeSet;

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use puente::{
    edge::{
        openapi::document,
        routes::{Door, ROUTES, Route, Side},
    },
    flow,
};
use serde_json::Value;

use super::{Edge, as_operator, call, says};

/// Methods of HTTP that a route may have.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// `GET /v1/health` and so on, as the document has them.
fn documented() -> BTreeSet<String> {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let methods: Vec<_> =
            item.as_object().unwrap().keys().map(|m| format!("{} {path}", m.to_uppercase())).collect();
        methods
    };
    paths.iter().flat_map(methods).collect()
}

/// The routes that the document is about.
fn public() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.side() != Side::Process)
}

/// The patterns of a router's routes: it tells them nowhere but in `Debug`.
fn patterns(router: &Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let quoted = text.split('"').filter(|part| part.starts_with("/v1/"));
    quoted.map(str::to_owned).collect()
}

/// Names for the patterns' parameters.
fn filled(pattern: &str) -> String {
    pattern.replace("{connection}", "acme").replace("{order}", "1").replace("{erp}", "main")
}

#[tokio::test]
async fn the_document_and_the_routers_have_the_same_routes() {
    let edge = Edge::new();
    let router = edge.router();
    let mut routed = BTreeSet::new();
    edge.webhook(says("order", "1")).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    for pattern in patterns(&router) {
        for method in METHODS {
            let answer = call(&router, as_operator(method, &filled(&pattern))).await;
            assert_ne!(answer.status, StatusCode::NOT_FOUND, "{method} {pattern}");
            if answer.status != StatusCode::METHOD_NOT_ALLOWED {
                routed.insert(format!("{method} {pattern}"));
            }
        }
    }
    assert_eq!(routed, documented());
    let table: BTreeSet<String> = public().map(|route| format!("{} {}", route.verb.method(), route.path)).collect();
    assert_eq!((routed, public().count()), (table.clone(), table.len()));
}

#[test]
fn the_document_names_the_scope_that_a_route_asks_for() {
    let document = serde_json::to_value(document()).unwrap();
    for route in public() {
        let operation = &document["paths"][route.path][route.verb.method().as_str().to_lowercase()];
        let scope = match route.door {
            Door::Operator(scope) => Some(scope.as_str()),
            Door::Open | Door::Key | Door::ApiKey => None,
        };
        assert_eq!(operation["security"][0]["operator"][0].as_str(), scope, "{}", route.path);
        assert_eq!(operation["operationId"], route.id);
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_405_and_allow_names_those_it_has() {
    let edge = Edge::new();
    let router = edge.router();
    for pattern in patterns(&router) {
        let known: BTreeSet<String> = documented()
            .into_iter()
            .filter_map(|route| route.strip_suffix(&format!(" {pattern}")).map(str::to_owned))
            .collect();
        let answer = call(&router, as_operator("DELETE", &filled(&pattern))).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{pattern}");
        let allow = answer.headers[header::ALLOW].to_str().unwrap();
        let allowed: BTreeSet<String> = allow.split(',').map(|method| method.trim().to_owned()).collect();
        // axum answers HEAD wherever it answers GET.
        assert_eq!(allowed.into_iter().filter(|method| method != "HEAD").collect::<BTreeSet<_>>(), known, "{pattern}");
    }
}

#[tokio::test]
async fn what_the_document_locks_is_401_without_a_key() {
    let edge = Edge::new();
    let document = serde_json::to_value(document()).unwrap();
    let mut locked = 0;
    for route in documented() {
        let (method, pattern) = route.split_once(' ').unwrap();
        let operation = &document["paths"][pattern][method.to_lowercase()];
        let request = Request::builder().method(method).uri(filled(pattern)).body(Body::empty()).unwrap();
        let answer = edge.call(request).await;
        if operation.get("security").is_some() {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{route}");
            locked += 1;
        } else {
            assert_eq!(answer.status, StatusCode::OK, "{route}");
        }
    }
    assert_eq!(locked, public().filter(|route| route.door != Door::Open).count());
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let edge = Edge::new();
    let request = Request::get("/v1/openapi.json").body(Body::empty()).unwrap();
    let answer = edge.call(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, serde_json::to_value(document()).unwrap());
    assert_eq!(answer.body["openapi"], "3.1.0");
}

#[test]
fn a_change_of_the_contract_is_seen() {
    let mut document = serde_json::to_value(document()).unwrap();
    // 170 codes that are ISO's, not ours, and the release's number.
    document["components"]["schemas"]["CurrencyCode"]["enum"].as_array_mut().unwrap().truncate(3);
    document["info"]["version"] = "-".into();
    insta::assert_json_snapshot!(document);
}

#[tokio::test]
async fn a_page_is_as_large_as_the_document_says() {
    let edge = Edge::new();
    for (limit, status) in [("1", 200), ("200", 200), ("0", 422), ("201", 422), ("-1", 422), ("", 422), ("1.5", 422)] {
        let answer = edge.call(as_operator("GET", &format!("/v1/connections/acme/orders?limit={limit}"))).await;
        assert_eq!(answer.status, status, "{limit}");
    }
}
