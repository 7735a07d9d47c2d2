//! The request authorizer on the emulator: the sample events, and everything an event can have wrong.

use std::sync::Arc;

use puente::{
    Kind,
    edge::authorize::ResourceServer,
    outbound::Client,
    ports::{Clock, SystemClock},
};
use puente_functions::{App, Tell, authorizer::Authorizer};
use serde_json::{Value, json};

use crate::{
    bootstraps::{invoke, is_discreet},
    proxy::Proxy,
    stack::{KEY, World, event},
    support::issuer::{Issuer, Pair},
};

fn changed(event: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut event = serde_json::from_str(event).unwrap();
    change(&mut event);
    event.to_string()
}

/// The query of an event, in both of its forms.
fn query(event: &mut Value, keys: &[&str]) {
    event["queryStringParameters"] = keys.last().map_or(json!({}), |key| json!({ "key": key }));
    event["multiValueQueryStringParameters"] = if keys.is_empty() { json!({}) } else { json!({ "key": keys }) };
}

fn header(event: &mut Value, name: &str, value: &str) {
    event["headers"][name] = value.into();
    event["multiValueHeaders"][name] = json!([value]);
}

/// The answer as API Gateway reads it, or the error's text.
async fn answer(authorizer: &Authorizer, event: &str) -> Result<Value, String> {
    let answer = authorizer.answer(event).await;
    answer.map(|answer| serde_json::to_value(answer).unwrap()).map_err(|error| error.to_string())
}

fn unauthorized() -> Result<Value, String> {
    Err("Unauthorized".to_owned())
}

fn effect(answer: &Result<Value, String>) -> Option<&str> {
    answer.as_ref().ok()?["policyDocument"]["Statement"][0]["Effect"].as_str()
}

#[tokio::test]
async fn the_sample_webhook_is_let_in_and_counted_under_its_connections_key() {
    let Some(world) = World::new().await else { return };
    let authorizer = Authorizer::new(world.app(), None);
    let sample = event("authorizer");
    let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/live/POST/v1/connections/acme-shop/webhook";
    let expected = json!({
        "principalId": "acme-shop",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{ "Action": "execute-api:Invoke", "Effect": "Allow", "Resource": arn }],
        },
        "context": { "connection": "acme-shop" },
        "usageIdentifierKey": KEY,
    });
    assert_eq!(answer(&authorizer, &sample).await, Ok(expected.clone()));
    // The key as a header, whatever its case, and in either form of an event.
    for name in ["x-api-key", "X-API-Key"] {
        let by_header = changed(&sample, |event| {
            query(event, &[]);
            header(event, name, KEY);
        });
        assert_eq!(answer(&authorizer, &by_header).await, Ok(expected.clone()), "{name}");
        for form in ["headers", "multiValueHeaders"] {
            let one_form = changed(&by_header, |event| event[form] = Value::Null);
            assert_eq!(answer(&authorizer, &one_form).await, Ok(expected.clone()), "without {form}");
        }
    }
    // A stranger's header is no reason to refuse.
    let foreign = changed(&sample, |event| header(event, "x-café", "né\u{7f}"));
    assert_eq!(answer(&authorizer, &foreign).await, Ok(expected));
}

#[tokio::test]
async fn the_wrong_key_for_the_path_is_unauthorized_and_counted_for_nobody() {
    let Some(world) = World::new().await else { return };
    let authorizer = Authorizer::new(world.app(), None);
    let sample = event("authorizer");
    for keys in [&[][..], &[""], &["wrong"], &["wrong", KEY], &[KEY, "wrong"]] {
        let event = changed(&sample, |event| query(event, keys));
        assert_eq!(answer(&authorizer, &event).await, unauthorized(), "{keys:?}");
    }
    let two_ways = changed(&sample, |event| header(event, "x-api-key", "wrong"));
    assert_eq!(answer(&authorizer, &two_ways).await, unauthorized());
    for path in ["/v1/connections/nobody/webhook", "/live/v1/connections/acme-shop/webhook", "/v1/health", "", "*"] {
        let event = changed(&sample, |event| event["path"] = path.into());
        assert_eq!(answer(&authorizer, &event).await, unauthorized(), "{path}");
    }
}

#[tokio::test]
async fn operators_are_let_in_by_their_tokens() {
    let Some(world) = World::new().await else { return };
    let pair = Pair::ec("one");
    let issuer = Issuer::start(&[&pair]).await;
    let server = ResourceServer::new(issuer.trust(), Client::new().unwrap(), Arc::new(SystemClock)).unwrap();
    let authorizer = Authorizer::new(world.app(), Some(server));
    let bearer = |scope: &str| {
        let token = pair.token(&issuer.claims(SystemClock.now(), scope));
        changed(&event("authorizer-operator"), |event| header(event, "Authorization", &format!("Bearer {token}")))
    };
    let reads = bearer("puente/orders:read openid");
    let allowed = answer(&authorizer, &reads).await.unwrap();
    assert_eq!(allowed["policyDocument"]["Statement"][0]["Effect"], "Allow");
    let sample: Value = serde_json::from_str(&reads).unwrap();
    assert_eq!(allowed["policyDocument"]["Statement"][0]["Resource"], sample["methodArn"]);
    assert_eq!(
        (&allowed["principalId"], &allowed["context"]),
        (&"ana".into(), &json!({ "subject": "ana", "scopes": "orders:read", "connections": "acme acme-shop" }))
    );
    assert!(allowed.get("usageIdentifierKey").is_none(), "{allowed}");
    // A good token that may not do this is denied, and so is a route that does not exist.
    let denied = answer(&authorizer, &bearer("ops")).await;
    assert_eq!(effect(&denied), Some("Deny"), "{denied:?}");
    let elsewhere = answer(&authorizer, &changed(&reads, |event| event["path"] = "/v1/secrets".into())).await;
    assert_eq!(effect(&elsewhere), Some("Deny"), "{elsewhere:?}");
    // So is a connection of which the token says nothing, whether or not it is there.
    for path in ["/v1/connections/other/orders", "/v1/erps/nothing/quota"] {
        let others = answer(&authorizer, &changed(&reads, |event| event["path"] = path.into())).await;
        assert_eq!(effect(&others), Some("Deny"), "{path}: {others:?}");
    }
    // The sample's own token is none; two headers are none either; nor is a token without an issuer.
    assert_eq!(answer(&authorizer, &event("authorizer-operator")).await, unauthorized());
    let twice = changed(&reads, |event| event["multiValueHeaders"]["Authorization"] = json!(["Bearer a", "Bearer b"]));
    assert_eq!(answer(&authorizer, &twice).await, unauthorized());
    assert_eq!(answer(&Authorizer::new(world.app(), None), &reads).await, unauthorized());
}

#[tokio::test]
async fn an_event_that_is_none_is_an_error_that_quotes_nothing() {
    let Some(world) = World::new().await else { return };
    let authorizer = Authorizer::new(world.app(), None);
    let sample = event("authorizer");
    let mut events: Vec<String> =
        ["{}", "[]", "null", "\"canary\"", "{\"type\":\"REQUEST\"}"].map(str::to_owned).into();
    for name in ["type", "methodArn", "httpMethod", "path"] {
        for value in [Value::Null, json!(7), json!(["canary"])] {
            events.push(changed(&sample, |event| event[name] = value));
        }
    }
    for (name, value) in [("type", "TOKEN"), ("methodArn", ""), ("httpMethod", "PO ST"), ("headers", "canary")] {
        events.push(changed(&sample, |event| event[name] = value.into()));
    }
    for value in [json!({ "key": 7 }), json!({ "key": { "canary": KEY } }), json!("canary")] {
        events.push(changed(&sample, |event| event["multiValueQueryStringParameters"] = value));
    }
    for event in events {
        let error = authorizer.answer(&event).await.err().unwrap_or_else(|| panic!("allowed: {event}"));
        assert_eq!(error.kind(), Kind::Unreadable, "{event}");
        let text = error.to_string();
        assert!(text.contains("REQUEST authorizer") && !text.contains("canary") && !text.contains(KEY), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_decided_is_an_error_and_no_401() {
    let Some(world) = World::new().await else { return };
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let authorizer = Authorizer::new(App::new(world.through(&proxy.endpoint), Tell::default()).unwrap(), None);
    proxy.down(true);
    let error = authorizer.answer(&event("authorizer")).await.err().unwrap();
    assert_ne!(error.kind(), Kind::Forged, "a store that is told 401 gives up: {error}");
    proxy.down(false);
    assert_eq!(effect(&answer(&authorizer, &event("authorizer")).await), Some("Allow"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_gateway_is_told_unauthorized_word_for_word() {
    let Some(world) = World::new().await else { return };
    let wrong = changed(&event("authorizer"), |event| {
        query(event, &["canary-key"]);
        header(event, "Authorization", "Bearer canary-token");
    });
    let refused = invoke(&world, "authorizer", wrong).await;
    assert_eq!(
        (refused.kind.as_str(), &refused.answer["errorMessage"]),
        ("error", &"Unauthorized".into()),
        "{refused:?}"
    );
    assert!(refused.log.contains("not the connection's") && !refused.log.contains("canary"), "{}", refused.log);
    is_discreet(&refused);
}
