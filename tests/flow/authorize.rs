//! Who is let in: connections by their own key, people by tokens, against an issuer on loopback that can do anything wrong.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use http::Method;
use puente::{
    Error, Kind, Result,
    edge::{
        authorize::{Decision, Request, ResourceServer, Scope, Trust, authorize},
        routes::{self, ROUTES},
    },
    outbound::Client,
    parties::Settings,
    ports::{Bundle, Clock as _, Secrets},
};
use serde_json::{Value, json};

use crate::{
    edge::doubles::{KeptLog, SetClock},
    support::issuer::{AUDIENCE, Issuer, Pair, hmac_token, unsigned},
};

const CONFIG: &str = r#"
[erp.main]
kind = "tryton"

[connection.acme]
erp = "main"
key = { secret = "acme-key" }
store = { kind = "shopify", shop = "acme.myshopify.com", webhook_secrets = [{ secret = "acme-webhook" }] }

[connection.api]
erp = "main"
key = { secret = "api-key" }
store = { kind = "canonical", api_keys = [{ secret = "post-1" }, { secret = "post-2" }] }

[connection.other]
erp = "main"
key = { secret = "other-key" }
store = { kind = "woocommerce", url = "https://shop.example", webhook_secrets = [{ secret = "webhook" }] }

[connection.changing]
erp = "main"
key = [{ secret = "new-key" }, { secret = "old-key" }]
store = { kind = "woocommerce", url = "https://shop.example", webhook_secrets = [{ secret = "webhook" }] }

[connection.open]
erp = "main"
store = { kind = "woocommerce", url = "https://shop.example", webhook_secrets = [{ secret = "webhook" }] }

[erp.second]
kind = "tryton"

[connection.far]
erp = "second"
store = { kind = "woocommerce", url = "https://shop.example", webhook_secrets = [{ secret = "webhook" }] }
"#;

const ORDERS: &str = "/v1/connections/acme/orders";

/// A secret store in which each secret is called as it reads. Says which bundles were asked for.
#[derive(Default)]
struct Drawer {
    asked: Mutex<Vec<String>>,
    down: AtomicBool,
}

#[async_trait]
impl Secrets for Drawer {
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, secrecy::SecretString>> {
        self.asked.lock().unwrap().push(bundle.to_string());
        if self.down.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Unavailable, "the secret store cannot be reached"));
        }
        let names =
            ["acme-key", "acme-webhook", "webhook", "other-key", "new-key", "old-key", "api-key", "post-1", "post-2"];
        Ok(names.map(|name| (name.to_owned(), format!("{name}-of-the-drawer+/ñ").into())).into())
    }
}

/// The configuration, its secrets, and a resource server that trusts an issuer.
struct Door {
    settings: Settings,
    drawer: Arc<Drawer>,
    issuer: Issuer,
    server: ResourceServer,
    clock: Arc<SetClock>,
    rsa: Pair,
    ec: Pair,
}

impl Door {
    async fn new() -> Self {
        Self::with(|trust| trust).await
    }

    async fn with(change: impl FnOnce(Trust) -> Trust) -> Self {
        let drawer = Arc::new(Drawer::default());
        let clock = SetClock::at("2026-03-01T12:00:00Z");
        let (rsa, ec) = (Pair::rsa("rsa"), Pair::ec("ec"));
        let issuer = Issuer::start(&[&rsa, &ec]).await;
        let server = ResourceServer::new(change(issuer.trust()), Client::new().unwrap(), clock.clone()).unwrap();
        let settings = Settings::parse(CONFIG, "puente.toml", drawer.clone()).unwrap();
        Self { settings, drawer, issuer, server, clock, rsa, ec }
    }

    fn claims(&self, scope: &str) -> Value {
        self.issuer.claims(self.clock.now(), scope)
    }

    async fn decide(&self, method: Method, path: &str, keys: &[&str], authorization: &[&str]) -> Result<String> {
        let own = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
        let request = Request { method, path: path.to_owned(), keys: own(keys), authorization: own(authorization) };
        Ok(word(&authorize(&self.settings, Some(&self.server), &request).await?))
    }

    async fn key(&self, path: &str, keys: &[&str]) -> String {
        self.decide(Method::POST, path, keys, &[]).await.unwrap()
    }

    /// Reads the orders with a token.
    async fn read(&self, token: &str) -> String {
        self.decide(Method::GET, ORDERS, &[], &[&format!("Bearer {token}")]).await.unwrap()
    }
}

/// A decision in a word or two.
fn word(decision: &Decision) -> String {
    match decision {
        Decision::AllowConnection { connection, key } => format!("{connection} by {}", key.expose()),
        Decision::AllowOperator(operator) => {
            let scopes: Vec<_> = operator.scopes.iter().map(|scope| scope.as_str()).collect();
            format!("{} for {}", operator.name, scopes.join(" "))
        }
        Decision::Unauthorized(reason) => format!("401 {reason}"),
        Decision::Forbidden { subject, reason } => format!("403 {subject} {reason}"),
    }
}

fn assert_refused(decided: &str, why: &str) {
    assert!(decided.starts_with("401 ") && decided.contains(why), "`{why}` is not why: {decided}");
}

/// `claims` with one changed; null removes it.
fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    match value.into() {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[tokio::test]
async fn a_connection_is_let_in_by_its_own_key_and_one_secret_is_read_for_it() {
    let door = Door::new().await;
    let (webhook, encoded) = ("/v1/connections/acme/webhook", "/v1/connections/ac%6De/webhook");
    assert_eq!(door.key(webhook, &["acme-key-of-the-drawer+/ñ"]).await, "acme by acme-key-of-the-drawer+/ñ");
    assert_eq!(door.key(encoded, &["acme-key-of-the-drawer+/ñ"]).await, "acme by acme-key-of-the-drawer+/ñ");
    assert_eq!(
        door.key(encoded, &["acme-key-of-the-drawer+/ñ", "acme-key-of-the-drawer+/ñ"]).await,
        "acme by acme-key-of-the-drawer+/ñ"
    );
    assert_eq!(*door.drawer.asked.lock().unwrap(), ["edge/acme"], "once, and nothing else");
}

#[tokio::test]
async fn orders_are_posted_by_an_api_key_and_count_under_the_connections() {
    let door = Door::new().await;
    let (orders, webhook) = ("/v1/connections/api/orders", "/v1/connections/api/webhook");
    for api_key in ["post-1-of-the-drawer+/ñ", "post-2-of-the-drawer+/ñ"] {
        assert_eq!(door.key(orders, &[api_key]).await, "api by api-key-of-the-drawer+/ñ");
        assert_refused(&door.key(webhook, &[api_key]).await, "not the connection's");
    }
    assert_eq!(*door.drawer.asked.lock().unwrap(), ["edge/api"], "once");
    for keys in [&["api-key-of-the-drawer+/ñ"][..], &["wrong"], &["post-1-of-the-drawer+/ñ", "wrong"]] {
        assert_refused(&door.key(orders, keys).await, "none of the API keys");
    }
    // Where the configuration has none, nobody posts.
    assert_refused(
        &door.key("/v1/connections/acme/orders", &["acme-key-of-the-drawer+/ñ"]).await,
        "none of the API keys",
    );
}

#[tokio::test]
async fn while_a_key_is_changed_either_opens_and_counts_for_itself() {
    let door = Door::new().await;
    let webhook = "/v1/connections/changing/webhook";
    assert_eq!(door.key(webhook, &["new-key-of-the-drawer+/ñ"]).await, "changing by new-key-of-the-drawer+/ñ");
    assert_eq!(door.key(webhook, &["old-key-of-the-drawer+/ñ"]).await, "changing by old-key-of-the-drawer+/ñ");
    // Both at once would count under one of them and be cached under the other.
    assert_refused(
        &door.key(webhook, &["new-key-of-the-drawer+/ñ", "old-key-of-the-drawer+/ñ"]).await,
        "not the connection's",
    );
    assert_refused(&door.key(webhook, &["acme-key-of-the-drawer+/ñ"]).await, "not the connection's");
}

#[tokio::test]
async fn whoever_has_not_the_connections_key_is_refused() {
    let door = Door::new().await;
    let webhook = "/v1/connections/acme/webhook";
    assert_refused(&door.key(webhook, &[]).await, "no key");
    assert!(door.drawer.asked.lock().unwrap().is_empty());
    for keys in [
        &["other-key-of-the-drawer+/ñ"][..],
        &[""],
        &["acme-key"],
        &["acme-key-of-the-drawer+/ñ "],
        // One right one is not enough: an answer is cached under one of them.
        &["acme-key-of-the-drawer+/ñ", "wrong"],
        &["wrong", "acme-key-of-the-drawer+/ñ"],
    ] {
        assert_refused(&door.key(webhook, keys).await, "not the connection's");
    }
    assert_refused(&door.key("/v1/connections/nobody/webhook", &["acme-key-of-the-drawer+/ñ"]).await, "no connection");
    assert_refused(
        &door.key("/v1/connections/open/webhook", &[""]).await,
        "no connection of that name, or it has no key",
    );
    // A key is no credential of an operator, and a token none of a store.
    let token = door.ec.token(&door.claims("orders:read orders:write ops"));
    let key = door.decide(Method::GET, ORDERS, &["acme-key-of-the-drawer+/ñ"], &[]).await.unwrap();
    assert_refused(&key, "Authorization");
    let token = door.decide(Method::POST, ORDERS, &[], &[&format!("Bearer {token}")]).await.unwrap();
    assert_refused(&token, "no key");
}

#[tokio::test]
async fn a_key_that_cannot_be_fetched_is_no_decision() {
    let door = Door::new().await;
    door.drawer.down.store(true, Ordering::SeqCst);
    let webhook = "/v1/connections/acme/webhook";
    let error = door.decide(Method::POST, webhook, &["acme-key-of-the-drawer+/ñ"], &[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    door.drawer.down.store(false, Ordering::SeqCst);
    assert_eq!(door.key(webhook, &["acme-key-of-the-drawer+/ñ"]).await, "acme by acme-key-of-the-drawer+/ñ");
}

#[tokio::test]
async fn tokens_of_both_algorithms_are_taken_for_what_their_scopes_say() {
    let door = Door::new().await;
    let claims = door.claims("openid orders:read puente/ops other/orders:write");
    for pair in [&door.rsa, &door.ec] {
        let token = format!("bearer  {}", pair.token(&claims));
        let headers = [token.as_str()];
        let ask = |method, path| door.decide(method, path, &[], &headers);
        assert_eq!(ask(Method::GET, ORDERS).await.unwrap(), "ana for orders:read ops");
        assert_eq!(ask(Method::GET, "/v1/connections/acme/orders/a%2Fb").await.unwrap(), "ana for orders:read ops");
        assert_eq!(ask(Method::GET, "/v1/erps/main/quota").await.unwrap(), "ana for orders:read ops");
        let replay = ask(Method::POST, "/v1/connections/acme/orders/1/replay").await.unwrap();
        assert!(replay.starts_with("403 ana") && replay.contains("scope"), "{replay}");
        let unknown = ask(Method::DELETE, ORDERS).await.unwrap();
        assert!(unknown.starts_with("403 ana") && unknown.contains("route"), "{unknown}");
    }
    assert_eq!(door.issuer.fetched().await, 1, "the keys are kept");
    let scp = with(with(door.claims(""), "scope", Value::Null), "scp", json!(["orders:read"]));
    assert_eq!(door.read(&door.ec.token(&scp)).await, "ana for orders:read");
    for none in ["", "orders:reader", "puente/", "xpuente/orders:read", "ORDERS:READ"] {
        let decided = door.read(&door.ec.token(&door.claims(none))).await;
        assert!(decided.starts_with("403"), "{none}: {decided}");
    }
    assert_eq!(
        Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        ["orders:read", "orders:write", "ops"]
    );
}

/// The operators' routes whose path names a connection or an ERP, naming these.
fn naming(connection: &str, erp: &str) -> impl Iterator<Item = (Method, String)> {
    let named =
        ROUTES.iter().filter(|route| matches!(route.door, routes::Door::Operator(_)) && route.path.contains('{'));
    named.map(move |route| {
        let path = route.path.replace("{connection}", connection).replace("{erp}", erp).replace("{order}", "1");
        (route.verb.method(), path)
    })
}

#[tokio::test]
async fn a_token_sees_the_connections_of_its_claim_and_learns_nothing_of_others() {
    let door = Door::new().await;
    let scopes = "orders:read orders:write ops";
    let bearer = |claims: &Value| format!("Bearer {}", door.ec.token(claims));
    let ask = async |token: &str, method, path: &str| {
        // So many answers without a wait use up what tokio allows a task at a stretch, and the issuer could not be ended.
        tokio::task::yield_now().await;
        door.decide(method, path, &[], &[token]).await.unwrap()
    };
    let claim = |value: Value| with(door.claims(scopes), "puente_connections", value);
    let machine = |scope: &str| with(door.claims(&format!("{scopes} {scope}")), "puente_connections", Value::Null);
    for sees_acme in [
        claim(json!(["acme"])),
        claim(json!("acme")),
        claim(json!("x acme")),
        claim(json!("x,acme")),
        claim(json!(["puente/acme", 7, null])),
        machine("connections:acme"),
        machine("puente/connections:acme"),
    ] {
        let token = bearer(&sees_acme);
        assert!(ask(&token, Method::GET, ORDERS).await.starts_with("ana for"), "{sees_acme}");
        assert!(ask(&token, Method::GET, "/v1/erps/main/quota").await.starts_with("ana for"), "{sees_acme}");
        // Another's, and what is not there: one answer, word for word.
        let mut answers = Vec::new();
        let out = (Method::POST, "/v1/connections/other%2F..%2Facme/orders/1/replay".to_owned());
        for (method, path) in naming("other", "second").chain(naming("nobody", "nothing")).chain([out]) {
            answers.push(ask(&token, method, &path).await);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert!(answers[0].starts_with("403 ana"), "{answers:?}");
    }
    for sees_nothing in [
        Value::Null,
        json!([]),
        json!(""),
        json!(7),
        json!({ "acme": true }),
        json!(["acm", "acme-", "ACME", "puente/puente/acme"]),
    ] {
        let decided = ask(&bearer(&claim(sees_nothing.clone())), Method::GET, ORDERS).await;
        assert!(decided.starts_with("403 ana"), "{sees_nothing}: {decided}");
    }
    for sees_all in [claim(json!("*")), claim(json!(["puente/*"])), machine("puente/connections:*")] {
        let token = bearer(&sees_all);
        for (method, path) in naming("other", "second").chain(naming("nobody", "nothing")) {
            assert!(ask(&token, method, &path).await.starts_with("ana for"), "{path}");
        }
    }
    // What somebody sees is not what they may do.
    let reader = with(door.claims("orders:read"), "puente_connections", "*");
    let replay = ask(&bearer(&reader), Method::POST, "/v1/connections/acme/orders/1/replay").await;
    assert!(replay.starts_with("403 ana") && replay.contains("scope"), "{replay}");
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let door = Door::new().await;
    let good = door.ec.token(&door.claims("orders:read"));
    let (bearer, basic) = (format!("Bearer {good}"), format!("Basic {good}"));
    for headers in [&[][..], &[""], &["Bearer"], &["Bearer "], &[&good], &[&basic], &[&bearer, &bearer]] {
        let decided = door.decide(Method::GET, ORDERS, &[], headers).await.unwrap();
        assert_refused(&decided, "");
    }
    // Nobody learns without a token which routes there are.
    assert_refused(&door.decide(Method::GET, "/v1/secrets", &[], &[]).await.unwrap(), "Authorization");
    let request = Request { method: Method::GET, path: ORDERS.into(), keys: vec![], authorization: vec![bearer] };
    let without = authorize(&door.settings, None, &request).await.unwrap();
    assert_refused(&word(&without), "no issuer");
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let door = Door::new().await;
    let now = door.clock.now().as_second();
    let good = door.claims("orders:read");
    for (name, value, why) in [
        ("exp", json!(now - 61), "expired"),
        ("exp", Value::Null, "`exp`"),
        ("exp", json!("9999999999"), "claims"),
        ("exp", json!(-1), "expired"),
        ("nbf", json!(now + 61), "not valid yet"),
        ("nbf", json!("soon"), "claims"),
        ("iat", json!(now + 61), "not valid yet"),
        ("iss", json!("https://issuer.example/pool"), "another issuer"),
        ("iss", json!(format!("{}/", door.issuer.url())), "another issuer"),
        ("iss", json!([door.issuer.url()]), "claims"),
        ("iss", Value::Null, "`iss`"),
        ("aud", json!("https://other.example"), "audience"),
        ("aud", json!([]), "audience"),
        ("aud", Value::Null, "audience"),
        ("token_use", json!("id"), "access token"),
    ] {
        let token = door.rsa.token(&with(good.clone(), name, value.clone()));
        assert_refused(&door.read(&token).await, why);
    }
    let nobody = with(with(good.clone(), "sub", ""), "client_id", Value::Null);
    assert_refused(&door.read(&door.ec.token(&nobody)).await, "nobody");
    // A minute between two clocks is no reason to refuse.
    for (name, value) in [("exp", now - 59), ("nbf", now + 60), ("iat", now + 60)] {
        let token = door.rsa.token(&with(good.clone(), name, value));
        assert_eq!(door.read(&token).await, "ana for orders:read", "{name}");
    }
    let several = with(good, "aud", json!(["https://other.example", AUDIENCE]));
    assert_eq!(door.read(&door.ec.token(&several)).await, "ana for orders:read");
}

#[tokio::test]
async fn cognitos_access_tokens_are_taken_and_its_id_tokens_are_not() {
    let cognitos =
        |trust| Trust { audiences: vec!["7client".into()], connections_claim: "cognito:groups".into(), ..trust };
    let door = Door::with(cognitos).await;
    let now = door.clock.now().as_second();
    let access = json!({
        "sub": "3f0c", "iss": door.issuer.url(), "client_id": "7client", "origin_jti": "a", "event_id": "b",
        "token_use": "access", "scope": "puente/orders:read openid", "auth_time": now, "exp": now + 3600, "iat": now,
        "jti": "c", "username": "ana", "cognito:groups": ["staff", "puente/acme"],
    });
    let header = json!({ "alg": "RS256", "kid": "rsa" });
    assert_eq!(door.read(&door.rsa.token_with(&header, &access)).await, "3f0c for orders:read");
    // Who was taken out of all groups has no such claim: they see nothing, not everything.
    let grouped = |groups: Value| door.rsa.token_with(&header, &with(access.clone(), "cognito:groups", groups));
    for groups in [Value::Null, json!(["staff"]), json!(["puente/other"])] {
        assert!(door.read(&grouped(groups.clone())).await.starts_with("403 3f0c"), "{groups}");
    }
    assert_eq!(door.read(&grouped(json!(["puente/*"]))).await, "3f0c for orders:read");
    let id = json!({
        "sub": "3f0c", "iss": door.issuer.url(), "aud": "7client", "token_use": "id", "scope": "puente/orders:read",
        "exp": now + 3600, "iat": now, "email": "ana@example.com",
    });
    assert_refused(&door.read(&door.rsa.token_with(&header, &id)).await, "access token");
    let another = with(access.clone(), "client_id", "8client");
    assert_refused(&door.read(&door.rsa.token_with(&header, &another)).await, "audience");
    // Where there is an audience, the client does not stand in for it.
    let for_another = with(access, "aud", "https://other.example");
    assert_refused(&door.read(&door.rsa.token_with(&header, &for_another)).await, "audience");
}

#[tokio::test]
async fn the_algorithm_is_the_keys_own() {
    let door = Door::new().await;
    let good = door.claims("orders:read");
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let token = door.ec.token_with(&with(door.ec.header(), "typ", typ), &good);
        assert_eq!(door.read(&token).await, "ana for orders:read", "{typ}");
    }
    for alg in ["none", "None", "HS256", "RS512", "PS256", "ES384", "EdDSA", ""] {
        let header = with(door.rsa.header(), "alg", alg);
        assert_refused(&door.read(&door.rsa.token_with(&header, &good)).await, "algorithm");
        assert_refused(&door.read(&format!("{}.", unsigned(&header, &good))).await, "algorithm");
    }
    // The public key, which everybody knows, as a shared secret.
    for pair in [&door.rsa, &door.ec] {
        for secret in pair.public_as_secrets() {
            let hs256 = with(pair.header(), "alg", "HS256");
            assert_refused(&door.read(&hmac_token(&secret, &hs256, &good)).await, "algorithm");
            assert_refused(&door.read(&hmac_token(&secret, &pair.header(), &good)).await, "signature");
        }
    }
    // One algorithm, and the id of a key for the other.
    let es_with_rsa = with(door.ec.header(), "kid", "rsa");
    assert_refused(&door.read(&door.ec.token_with(&es_with_rsa, &good)).await, "not its key's");
    let rs_with_ec = with(door.rsa.header(), "kid", "ec");
    assert_refused(&door.read(&door.rsa.token_with(&rs_with_ec, &good)).await, "not its key's");
    // A stranger's key under the id of the issuer's, and inside the token.
    let stranger = Pair::ec("ec");
    assert_refused(&door.read(&stranger.token(&good)).await, "signature");
    let embedded = with(stranger.header(), "jwk", stranger.jwk());
    assert_refused(&door.read(&stranger.token_with(&embedded, &good)).await, "signature");
    for (name, value) in [("crit", json!(["b64"])), ("typ", json!("logout+jwt"))] {
        let token = door.ec.token_with(&with(door.ec.header(), name, value), &good);
        assert_refused(&door.read(&token).await, "the token");
    }
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let door = Door::new().await;
    for pair in [&door.rsa, &door.ec] {
        let good = pair.token(&door.claims("orders:read"));
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let more = unsigned(&pair.header(), &door.claims("orders:read orders:write"));
        for token in [
            format!("{more}.{signature}"),
            format!("{signed}."),
            format!("{signed}.AAAA"),
            signed.to_owned(),
            format!("{good}.e30"),
            good.replace('.', ".."),
            "a.b.c".to_owned(),
            "...".to_owned(),
        ] {
            assert_refused(&door.read(&token).await, "the token");
        }
    }
}

#[tokio::test]
async fn new_keys_are_found_but_not_more_often_than_once_a_minute() {
    let door = Door::new().await;
    let old = door.ec.token(&door.claims("orders:read"));
    assert_eq!(door.read(&old).await, "ana for orders:read");
    let next = Pair::ec("next");
    door.issuer.publish(&[&next]).await;
    door.clock.advance(59);
    let new = || next.token(&door.claims("orders:read"));
    for _ in 0..3 {
        assert_refused(&door.read(&new()).await, "not one of the issuer's");
    }
    assert_eq!(door.issuer.fetched().await, 0);
    door.clock.advance(1);
    assert_eq!(door.read(&new()).await, "ana for orders:read");
    // The old key is gone with the rotation, and asking for it fetches nothing.
    assert_refused(&door.read(&old).await, "not one of the issuer's");
    assert_eq!(door.issuer.fetched().await, 1);
    // Known keys are fetched again after an hour.
    door.clock.advance(3599);
    assert_eq!(door.read(&new()).await, "ana for orders:read");
    assert_eq!(door.issuer.fetched().await, 1);
    door.clock.advance(1);
    assert_eq!(door.read(&new()).await, "ana for orders:read");
    assert_eq!(door.issuer.fetched().await, 2);
}

#[tokio::test]
async fn old_keys_serve_on_while_the_issuer_is_down() {
    let door = Door::new().await;
    assert_eq!(door.read(&door.ec.token(&door.claims("orders:read"))).await, "ana for orders:read");
    door.issuer.answer(503, &json!({}), &json!({})).await;
    for _ in 0..2 {
        door.clock.advance(3600);
        assert_eq!(door.read(&door.ec.token(&door.claims("orders:read"))).await, "ana for orders:read");
    }
}

#[tokio::test]
async fn without_the_issuers_keys_there_is_no_decision() {
    let door = Door::new().await;
    let claims = door.claims("orders:read");
    let (url, keys) = (door.issuer.url(), json!({ "keys": [door.ec.jwk()] }));
    let document = |issuer: &str, keys: &str| json!({ "issuer": issuer, "jwks_uri": keys });
    let unusable = [
        with(door.ec.jwk(), "use", "enc"),
        with(door.ec.jwk(), "alg", "RS256"),
        with(door.ec.jwk(), "crv", "P-384"),
        with(door.rsa.jwk(), "n", Value::Null),
        with(door.rsa.jwk(), "key_ops", json!(["sign"])),
        json!({ "kty": "oct", "kid": "ec", "alg": "HS256", "k": "c2VjcmV0" }),
        json!("no key"),
    ];
    for (status, discovery, keys) in [
        (503, document(&url, &door.issuer.keys_url()), keys.clone()),
        (302, document(&url, &door.issuer.keys_url()), keys.clone()),
        (200, document("https://issuer.example/pool", &door.issuer.keys_url()), keys.clone()),
        (200, document(&url, "http://issuer.example/keys"), keys.clone()),
        (200, document(&url, "file:///etc/passwd"), keys.clone()),
        (200, json!({}), keys),
        (200, document(&url, &door.issuer.keys_url()), json!({ "keys": [] })),
        (200, document(&url, &door.issuer.keys_url()), json!([])),
        (200, document(&url, &door.issuer.keys_url()), json!({ "keys": unusable })),
    ] {
        door.issuer.answer(status, &discovery, &keys).await;
        door.clock.advance(5);
        let bearer = format!("Bearer {}", door.ec.token(&claims));
        let error = door.decide(Method::GET, ORDERS, &[], &[&bearer]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{discovery} {keys}");
        assert!(error.to_string().contains(&url), "{error}");
    }
    // Not asked again at once, but soon.
    door.issuer.publish(&[&door.ec, &door.rsa]).await;
    let bearer = format!("Bearer {}", door.ec.token(&claims));
    assert!(door.decide(Method::GET, ORDERS, &[], &[&bearer]).await.is_err());
    door.clock.advance(5);
    assert_eq!(door.read(&door.ec.token(&claims)).await, "ana for orders:read");
}

#[tokio::test]
async fn a_token_without_a_key_id_means_the_only_key() {
    let door = Door::new().await;
    let token = || door.ec.token_with(&with(door.ec.header(), "kid", Value::Null), &door.claims("orders:read"));
    assert_refused(&door.read(&token()).await, "not one of the issuer's");
    door.issuer.publish(&[&door.ec]).await;
    door.clock.advance(60);
    assert_eq!(door.read(&token()).await, "ana for orders:read");
}

#[test]
fn an_issuer_is_named_by_a_protected_url_and_an_audience() {
    let server = |issuer: &str, audiences: &[&str]| {
        let audiences = audiences.iter().map(|&name| name.to_owned()).collect();
        let connections_claim = "puente_connections".into();
        let trust = Trust { issuer: issuer.into(), audiences, scope_prefix: String::new(), connections_claim };
        ResourceServer::new(trust, Client::new().unwrap(), SetClock::at("2026-03-01T12:00:00Z"))
    };
    for good in ["https://issuer.example/pool", "https://issuer.example/", "http://127.0.0.1:9", "http://[::1]:9"] {
        assert!(server(good, &["a"]).is_ok(), "{good}");
    }
    for bad in
        ["", "issuer.example", "http://issuer.example", "ftp://localhost", "https://issuer.example?a=b", "https://x#y"]
    {
        assert_eq!(server(bad, &["a"]).err().unwrap().kind(), Kind::Config, "{bad}");
    }
    assert_eq!(server("https://issuer.example", &[]).err().unwrap().kind(), Kind::Config);
}

#[tokio::test]
async fn neither_keys_nor_tokens_are_logged() {
    let door = Door::new().await;
    let log = KeptLog::start();
    door.key(ORDERS, &["acme-key-of-the-drawer+/ñ", "canary-key"]).await;
    let claims = with(door.claims("orders:read"), "sub", "canary-subject");
    let good = door.ec.token(&claims);
    let refused = door.rsa.token_with(&with(door.rsa.header(), "kid", "canary-kid"), &claims);
    door.issuer.answer(503, &json!({}), &json!({})).await;
    door.decide(Method::GET, ORDERS, &[], &[&format!("Bearer {good}")]).await.unwrap_err();
    door.issuer.publish(&[&door.ec]).await;
    door.clock.advance(5);
    assert_eq!(door.read(&good).await, "canary-subject for orders:read");
    assert_refused(&door.read(&refused).await, "not one of the issuer's");
    let log = log.stop();
    assert!(log.contains("issuer.no_keys"), "the issuer's failure is");
    for secret in ["acme-key-of-the-drawer+/ñ", "canary", &good, good.rsplit_once('.').unwrap().1, &refused] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
