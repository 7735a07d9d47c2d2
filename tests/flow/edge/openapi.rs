//! The OpenAPI document and the routers against the one table of routes: none knows a route that the others do not.

use std::collections::BTreeSet;

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use puente::{
    edge::{
        openapi::document,
        routes::{Door, ROUTES, Reach, Route, Verb},
    },
    flow,
};
use serde_json::Value;
use tower::ServiceExt as _;

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
    ROUTES.iter().filter(|route| route.reach == Reach::Service)
}

/// The patterns of a router's routes: it tells them nowhere but in `Debug`.
fn patterns(router: &Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    // Beside axum's own, which lead to its fallback.
    let quoted = text.split('"').filter(|part| part.len() > 1 && part.starts_with('/') && !part.contains("{*"));
    quoted.map(str::to_owned).collect()
}

/// Names for the patterns' parameters.
pub(super) fn filled(pattern: &str) -> String {
    let names = [("{connection}", "acme"), ("{order}", "1"), ("{sku}", "A"), ("{erp}", "main"), ("{shipment}", "17")];
    names.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(name, value))
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
    super::prices::quoted(&edge, "acme", "A", "10").await;
    super::shipments::sent(&edge, "acme", "1", "17").await;
    for pattern in patterns(&router) {
        for method in METHODS {
            let answer = router.clone().oneshot(as_operator(method, &filled(&pattern))).await.unwrap();
            assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{method} {pattern}");
            if answer.status() != StatusCode::METHOD_NOT_ALLOWED {
                routed.insert(format!("{method} {pattern}"));
            }
        }
    }
    let names = |routes: &mut dyn Iterator<Item = &'static Route>| -> Vec<String> {
        routes.map(|route| format!("{} {}", route.verb.method(), route.path)).collect()
    };
    assert_eq!(documented(), names(&mut public()).into_iter().collect());
    let table = names(&mut ROUTES.iter());
    assert_eq!((routed.len(), routed), (table.len(), table.into_iter().collect()));
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
        let known: BTreeSet<String> =
            ROUTES.iter().filter(|route| route.path == pattern).map(|route| route.verb.method().to_string()).collect();
        let answer = call(&router, as_operator("DELETE", &filled(&pattern))).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{pattern}");
        let allow = answer.headers[header::ALLOW].to_str().unwrap();
        let allowed: BTreeSet<String> = allow.split(',').map(|method| method.trim().to_owned()).collect();
        // axum answers HEAD wherever it answers GET.
        assert_eq!(allowed.into_iter().filter(|method| method != "HEAD").collect::<BTreeSet<_>>(), known, "{pattern}");
    }
}

#[tokio::test]
async fn every_door_but_an_open_one_is_401_without_a_key_and_the_document_says_so() {
    let edge = Edge::new();
    let document = serde_json::to_value(document()).unwrap();
    for Route { verb, path, door, reach, .. } in ROUTES {
        let request = Request::builder().method(verb.method()).uri(filled(path)).body(Body::empty()).unwrap();
        let answer = edge.call(request).await;
        let expected = if *door == Door::Open { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, expected, "{path}");
        if *reach == Reach::Service {
            let operation = &document["paths"][path][verb.method().as_str().to_lowercase()];
            assert_eq!(operation.get("security").is_some(), *door != Door::Open, "{path}");
        }
    }
}

#[tokio::test]
async fn every_route_answers_in_the_media_type_that_the_table_has() {
    let edge = Edge::new();
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Get) {
        let router = edge.router();
        let answer = router.oneshot(as_operator("GET", &filled(route.path))).await.unwrap();
        if answer.status() == StatusCode::OK {
            assert_eq!(answer.headers()[header::CONTENT_TYPE], route.media().name(), "{}", route.path);
        }
    }
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
