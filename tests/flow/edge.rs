//! The edge over its routers: every row of the HTTP contract, every bad input, and what must never be logged.
//!
//! The queue and the records are the embedded ones; the ERP fails the test if it is called.

mod adopt;
pub(crate) mod doubles;
mod goods;
mod openapi;
mod prices;
mod search;
mod shipments;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Request, StatusCode};
use puente::{
    config::{FrontDoor, Secret},
    domain::{
        goods::{GoodsRules, Publish, number::Keeps},
        ids::{AccountId, OrderKey},
        ledger::Limits,
        message::{Arrival, Message, News},
        operator::{Operator, Scope, Sight},
        price::{PriceRules, Tax},
        sign::{Fact, Party, Sign},
    },
    edge::{
        RequestId,
        front_door::FrontDoors,
        operate::Access,
        people,
        routes::{Door, ROUTES},
        stores,
        views::QuotaView,
    },
    embedded::Embedded,
    flow::{self, Puente, signs::Signs, tell::Tell},
    outbound::{Call, Client},
    parties::{Account, Connection, Settings},
    ports::{Queue as _, Records as _, SystemChance},
    webhook::{Scheme, sign, sign_standard},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use self::doubles::{KeptLog, MoodyQueue, ObedientStore, PointingStore, SetClock, UncalledErp, order};

const KEY: &str = "canary-key";
const API_KEY: &str = "canary-api-key";
const SECRET: &str = "canary-signing-secret";
const OPERATOR: &str = "canary-operator";
const SCHEME: Scheme = Scheme::HmacBase64(&["x-signature"]);

struct Edge {
    puente: Puente,
    queue: Arc<MoodyQueue>,
    clock: Arc<SetClock>,
    records: Embedded,
    _home: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn connection(name: &str, scheme: Scheme, key: Option<&str>, front_door: FrontDoor) -> Connection {
    // Two, while one is changed; only whose configuration says so lets orders be posted.
    let api_keys =
        if name == "api" { vec![Secret::new("canary-new-api-key"), Secret::new(API_KEY)] } else { Vec::new() };
    let selling = ["acme", "small"].contains(&name);
    let store = Box::new(ObedientStore { scheme, secrets: vec![Secret::new(SECRET)], api_keys });
    Connection {
        keys: key.map(Secret::new).into_iter().collect(),
        // Two that sell from the same shelves; only shown, so that no order wakes anybody.
        goods: GoodsRules {
            stock: selling.then_some(Publish::Show),
            prices: match name {
                "acme" => Some(Publish::Publish),
                "small" => Some(Publish::Show),
                _ => None,
            },
            price: PriceRules {
                currency: Some("EUR".parse().unwrap()),
                tax: Some(Tax::Included),
                ..PriceRules::default()
            },
            shipments: match name {
                "acme" => Some(Publish::Publish),
                "small" => Some(Publish::Show),
                _ => None,
            },
            ..GoodsRules::default()
        },
        keeps: selling.then_some(if name == "small" { Keeps::Gross } else { Keeps::Sellable }),
        limits: (name == "small").then(Limits::default),
        front_door,
        ..Connection::new(name.parse().unwrap(), "main".parse().unwrap(), store)
    }
}

impl Edge {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let clock = SetClock::at("2026-03-01T12:00:00Z");
        let records = Embedded::open(home.path()).unwrap();
        let queue = Arc::new(MoodyQueue {
            real: Arc::new(records.clone()),
            down: false.into(),
            picky: Mutex::default(),
            calls: 0.into(),
        });
        let pointing = connection("market", SCHEME, Some(KEY), FrontDoor::default());
        let connections = vec![
            Connection { store: Box::new(PointingStore), ..pointing },
            connection("acme", SCHEME, Some(KEY), FrontDoor { per_second: 1000, per_day: 100_000 }),
            connection("small", SCHEME, Some(KEY), FrontDoor { per_second: 3, per_day: 25 }),
            connection("open", SCHEME, None, FrontDoor::default()),
            connection("api", Scheme::Standard, Some(KEY), FrontDoor::default()),
        ];
        let names = connections.iter().map(|connection| connection.id.clone()).collect();
        let account = Account::new("main".parse().unwrap(), Box::new(UncalledErp), names);
        let puente = Puente {
            settings: Arc::new(Settings::fixed(connections, vec![account]).unwrap()),
            records: Arc::new(records.clone()),
            known: Arc::new(records.clone()),
            cursors: Arc::new(records.clone()),
            doors: Arc::new(records.clone()),
            goods: Arc::new(records.clone()),
            prices: Arc::new(records.clone()),
            shipments: Arc::new(records.clone()),
            accounts: Arc::new(records.clone()),
            signs: Signs::new(Arc::new(records.clone())),
            tokens: Arc::new(records.clone()),
            queue: queue.clone(),
            clock: clock.clone(),
            chance: Arc::new(SystemChance),
            client: Client::new().unwrap(),
            tell: Tell::default(),
        };
        Self { puente, queue, clock, records, _home: home }
    }

    /// As `puente serve` does: both routers on one address.
    fn router(&self) -> Router {
        let doors = FrontDoors::new(self.clock.clone(), Arc::new(self.records.clone()));
        stores(self.puente.clone(), Some(doors.into()))
            .merge(people(self.puente.clone(), Access::Keys(Some(Secret::new(OPERATOR)))))
    }

    async fn call(&self, request: Request<Body>) -> Answer {
        call(&self.router(), request).await
    }

    /// A webhook as the store of `acme` would send it.
    async fn webhook(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.call(webhook("acme", KEY, body.into())).await
    }

    async fn queued(&self) -> Vec<Arrival> {
        let deliveries = self.queue.receive(100, Duration::ZERO).await.unwrap();
        let arrivals = deliveries.into_iter().map(|delivery| match delivery.message.unwrap() {
            Message::Arrival(arrival) => arrival,
            Message::Wake { .. } | Message::Publish { .. } | Message::Backfill(_) => panic!("no arrival"),
        });
        arrivals.collect()
    }
}

async fn call(router: &Router, request: Request<Body>) -> Answer {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: the answer is not JSON"));
    assert!(headers.contains_key("x-request-id"));
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status.as_u16());
        assert_eq!(body["request_id"], headers["x-request-id"].to_str().unwrap());
        assert!(body["title"].is_string());
    }
    Answer { status, headers, body }
}

fn webhook(connection: &str, key: &str, body: Vec<u8>) -> Request<Body> {
    Request::post(format!("/v1/connections/{connection}/webhook?key={key}"))
        .header("x-signature", sign(&Secret::new(SECRET), &body))
        .body(body.into())
        .unwrap()
}

fn says(what: &str, id: &str) -> Vec<u8> {
    json!({ "do": what, "id": id }).to_string().into()
}

fn post_orders(body: &Value) -> Request<Body> {
    let request = Request::post("/v1/connections/api/orders").header("x-api-key", API_KEY);
    request.body(body.to_string().into()).unwrap()
}

fn as_operator(method: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {OPERATOR}"));
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_signed_webhook_is_one_message_in_one_call_to_the_queue() {
    let edge = Edge::new();
    for (body, result, order) in [
        (says("order", "5544332211009988776"), "accepted", json!("5544332211009988776")),
        (says("changed", "2"), "accepted", json!("2")),
        (says("deleted", "3"), "accepted", json!("3")),
        (says("unmapped", "4"), "flagged", json!("4")),
        (says("ignored", ""), "ignored", Value::Null),
    ] {
        let answer = edge.webhook(body).await;
        assert_eq!(answer.status, StatusCode::OK);
        let accepted = &answer.body["accepted"][0];
        assert_eq!((&accepted["result"], &accepted["order"]), (&json!(result), &order));
    }
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 4, "what is ignored costs nothing");
    let mut queued = edge.queued().await;
    queued.sort_by(|a, b| a.order.cmp(&b.order));
    assert!(matches!(&queued[0].news, News::Changed));
    assert!(matches!(&queued[1].news, News::Deleted));
    let News::Unmapped { flag, raw } = &queued[2].news else { panic!() };
    assert_eq!(flag.detail, "total: is not a decimal number");
    assert_eq!(STANDARD.decode(raw).unwrap(), says("unmapped", "4"));
    let News::State { order } = &queued[3].news else { panic!() };
    assert_eq!(order.total.to_string(), "12.5");
    assert!(queued.iter().all(|arrival| arrival.connection.as_str() == "acme" && !arrival.request.is_empty()));
}

#[tokio::test]
async fn of_a_webhook_that_nobody_signs_only_the_orders_id_is_believed() {
    let edge = Edge::new();
    let post = |key: &str, body: Vec<u8>| {
        Request::post(format!("/v1/connections/market/webhook?key={key}")).body(Body::from(body)).unwrap()
    };
    let mut claims = order("77");
    claims["resource"] = json!("/orders/77");
    let answer = edge.call(post(KEY, claims.to_string().into())).await;
    assert_eq!((answer.status, &answer.body["accepted"][0]["order"]), (StatusCode::OK, &json!("77")));
    let queued = edge.queued().await;
    assert!(matches!(queued[..], [Arrival { news: News::Changed, .. }]), "{queued:?}");

    let other = edge.call(post(KEY, br#"{"resource":"/questions/5"}"#.to_vec())).await;
    assert_eq!((other.status, &other.body["accepted"][0]["result"]), (StatusCode::OK, &json!("ignored")));
    let large = format!(r#"{{"resource":"/orders/1","pad":"{}"}}"#, "x".repeat(20_000));
    for (what, request, status) in [
        ("no key", post("", claims.to_string().into()), StatusCode::UNAUTHORIZED),
        ("a wrong key", post("canary-kez", claims.to_string().into()), StatusCode::UNAUTHORIZED),
        ("no JSON", post(KEY, b"canary".to_vec()), StatusCode::UNPROCESSABLE_ENTITY),
        ("no id", post(KEY, br#"{"resource":7}"#.to_vec()), StatusCode::UNPROCESSABLE_ENTITY),
        (
            "a body that breaks us",
            post(KEY, br#"{"resource":"/orders/panic"}"#.to_vec()),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("more than a pointer", post(KEY, large.into()), StatusCode::PAYLOAD_TOO_LARGE),
        (
            "an order posted under the connection's key",
            Request::post("/v1/connections/market/orders")
                .header("x-api-key", KEY)
                .body(order("78").to_string().into())
                .unwrap(),
            StatusCode::NOT_FOUND,
        ),
    ] {
        let answer = edge.call(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert!(!answer.body.to_string().contains("canary"), "{what}: {}", answer.body);
    }
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_forged_webhook_is_401_and_queues_nothing() {
    let edge = Edge::new();
    let body = says("order", "1");
    let good = sign(&Secret::new(SECRET), &body);
    let other = sign(&Secret::new("another secret"), &body);
    let url = format!("/v1/connections/acme/webhook?key={KEY}");
    let with = |url: &str, signature: Option<&str>, body: &[u8]| {
        let request = Request::post(url);
        let request = match signature {
            Some(signature) => request.header("x-signature", signature),
            None => request,
        };
        request.body(Body::from(body.to_vec())).unwrap()
    };
    for (what, request) in [
        ("missing signature", with(&url, None, &body)),
        ("empty signature", with(&url, Some(""), &body)),
        ("truncated signature", with(&url, Some(&good[..20]), &body)),
        ("another's signature", with(&url, Some(&other), &body)),
        ("another body", with(&url, Some(&good), &says("order", "2"))),
        ("wrong key", with("/v1/connections/acme/webhook?key=canary-kez", Some(&good), &body)),
        ("prefix of the key", with("/v1/connections/acme/webhook?key=canary", Some(&good), &body)),
        ("empty key", with("/v1/connections/acme/webhook?key=", Some(&good), &body)),
        ("missing key", with("/v1/connections/acme/webhook", Some(&good), &body)),
        ("another shop's order", webhook("acme", KEY, says("another", "1"))),
    ] {
        let answer = edge.call(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
        assert!(answer.headers.contains_key("www-authenticate"));
        assert!(!answer.body.to_string().contains("canary"), "{what}: {}", answer.body);
    }
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 0);
    // The same request with everything right, so that the above did not fail for another reason.
    assert_eq!(edge.call(with(&url, Some(&good), &body)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_is_found_among_other_parameters_and_in_the_header() {
    let edge = Edge::new();
    let body = says("order", "1");
    let signature = sign(&Secret::new(SECRET), &body);
    for (url, header) in [
        (format!("/v1/connections/acme/webhook?v=%FF&key={KEY}&x=1"), None),
        ("/v1/connections/acme/webhook?key=canary%2Dkey".to_owned(), None),
        ("/v1/connections/acme/webhook".to_owned(), Some(KEY)),
        ("/v1/connections/open/webhook".to_owned(), None),
    ] {
        let mut request = Request::post(&url).header("x-signature", &signature);
        if let Some(key) = header {
            request = request.header("x-api-key", key);
        }
        assert_eq!(edge.call(request.body(body.clone().into()).unwrap()).await.status, StatusCode::OK, "{url}");
    }
}

#[tokio::test]
async fn an_unsigned_ping_is_answered_and_queues_nothing() {
    let edge = Edge::new();
    let url = format!("/v1/connections/acme/webhook?key={KEY}");
    let ping = Request::post(&url).header("x-ping", "1").body(Body::from("webhook_id=7")).unwrap();
    let answer = edge.call(ping).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::OK, &json!([])));
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 0);
    // A ping still needs the connection's key.
    let ping = Request::post("/v1/connections/acme/webhook").header("x-ping", "1").body(Body::empty()).unwrap();
    assert_eq!(edge.call(ping).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_does_not_exist_is_404_and_a_wrong_method_405() {
    let edge = Edge::new();
    for name in ["nobody", "ACME", "a%2Fb", "%00", &"x".repeat(500)] {
        let answer = edge.call(webhook(name, KEY, says("order", "1"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    let nowhere = Request::get("/v1/canary").body(Body::empty()).unwrap();
    assert_eq!(edge.call(nowhere).await.status, StatusCode::NOT_FOUND);
    let wrong = Request::get("/v1/connections/acme/webhook").body(Body::empty()).unwrap();
    assert_eq!(edge.call(wrong).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(edge.queued().await.is_empty());
}

#[tokio::test]
async fn a_body_over_a_megabyte_is_413_however_it_is_announced() {
    let edge = Edge::new();
    let full = vec![b' '; 1024 * 1024];
    let over = vec![b' '; 1024 * 1024 + 1];
    assert_eq!(edge.webhook(full).await.status, StatusCode::OK);
    assert_eq!(edge.webhook(over.clone()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Announced, and not even sent.
    let mut announced = webhook("acme", KEY, Vec::new());
    announced.headers_mut().insert("content-length", "1048577".parse().unwrap());
    assert_eq!(edge.call(announced).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // In chunks, unannounced.
    let chunks = over.chunks(10_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let mut chunked = webhook("acme", KEY, over);
    *chunked.body_mut() = Body::from_stream(futures::stream::iter(chunks));
    assert_eq!(edge.call(chunked).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(edge.queued().await.len(), 1);
}

/// A refusal before the body was read must still reach a client that is busy sending it.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let edge = Edge::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = edge.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::new().unwrap();
    for (key, status) in [(KEY, StatusCode::PAYLOAD_TOO_LARGE), ("wrong", StatusCode::UNAUTHORIZED)] {
        for _ in 0..20 {
            let call = Call {
                method: http::Method::POST,
                url: format!("http://{address}/v1/connections/acme/webhook?key={key}").parse().unwrap(),
                headers: HeaderMap::new(),
                body: vec![b' '; 8 * 1024 * 1024].into(),
                timeout: Duration::from_secs(20),
            };
            assert_eq!(client.send(call).await.unwrap().status, status);
        }
    }
    server.abort();
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let edge = Edge::new();
    let mut slow = webhook("acme", KEY, Vec::new());
    *slow.body_mut() = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    assert_eq!(edge.call(slow).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_queue_that_fails_is_503_and_nothing_is_accepted() {
    let edge = Edge::new();
    edge.queue.down.store(true, Ordering::SeqCst);
    let answer = edge.webhook(says("order", "1")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.body.to_string().contains("queue.internal"), "no insides: {}", answer.body);
    edge.queue.down.store(false, Ordering::SeqCst);
    // A batch call that succeeds with a failed entry.
    edge.queue.picky.lock().unwrap().push("1".into());
    assert_eq!(edge.webhook(says("order", "1")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(edge.queued().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_mapped_is_flagged_and_kept_whole() {
    let edge = Edge::new();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["not json", "", "{\"do\":\"panic\"}", "[1]", deep.as_str()] {
        for _ in 0..2 {
            let answer = edge.webhook(body).await;
            assert_eq!(answer.status, StatusCode::OK, "{body:.20}");
            assert_eq!(answer.body["accepted"][0]["result"], "flagged");
        }
        let queued = edge.queued().await;
        assert_eq!(queued.len(), 2);
        assert!(queued[0].order.as_str().starts_with("unreadable-"));
        assert_eq!(queued[0].order, queued[1].order, "its repetitions are the same entry");
        let News::Unmapped { flag, raw } = &queued[0].news else { panic!() };
        assert_eq!(STANDARD.decode(raw).unwrap(), body.as_bytes());
        assert_eq!(flag.code, if body.contains("panic") { "panic" } else { "unmapped" });
        // Delivered once: the next round starts afresh.
        flow::record::arrival(&edge.puente, &queued[0]).await.unwrap();
        let answer = edge.call(as_operator("GET", &format!("/v1/connections/acme/orders/{}", queued[0].order))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body["order"]["flags"][0].as_str().unwrap().starts_with(&flag.code));
    }
}

#[tokio::test]
async fn a_large_body_without_a_pattern_is_cut_to_what_a_message_holds() {
    let edge = Edge::new();
    // A megabyte that does not compress.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(1024 * 1024)
    .collect();
    assert_eq!(edge.webhook(noise.clone()).await.status, StatusCode::OK);
    let News::Unmapped { flag, raw } = &edge.queued().await[0].news else { panic!() };
    let kept = STANDARD.decode(raw).unwrap();
    assert!(kept.len() < noise.len() && noise.starts_with(&kept));
    assert!(flag.detail.contains("only the first 256 KiB"), "{}", flag.detail);
}

#[tokio::test]
async fn the_front_door_counts_seconds_and_days_after_the_key() {
    let edge = Edge::new();
    let router = edge.router();
    let post = |key: &'static str| webhook("small", key, says("ignored", ""));
    // Forged posts cost the shop nothing.
    for _ in 0..50 {
        assert_eq!(call(&router, post("wrong")).await.status, StatusCode::UNAUTHORIZED);
    }
    let mut let_in = 0;
    for _ in 0..10 {
        let answer = call(&router, post(KEY)).await;
        match answer.status {
            StatusCode::OK => let_in += 1,
            status => {
                assert_eq!(
                    (status, &answer.headers["retry-after"]),
                    (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
                );
            }
        }
    }
    assert_eq!(let_in, 3);
    while let_in < 25 {
        edge.clock.advance(1);
        assert_eq!(call(&router, post(KEY)).await.status, StatusCode::OK);
        let_in += 1;
    }
    edge.clock.advance(1);
    let answer = call(&router, post(KEY)).await;
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"43177".parse().unwrap())
    );
    // Another shop is none the poorer.
    assert_eq!(call(&router, webhook("acme", KEY, says("ignored", ""))).await.status, StatusCode::OK);
    // A restart does not open the day again, midnight (UTC) does, a clock put back does not.
    let restarted = edge.router();
    assert_eq!(call(&restarted, post(KEY)).await.status, StatusCode::TOO_MANY_REQUESTS);
    edge.clock.advance(1);
    edge.clock.set("2026-03-02T00:00:00Z");
    assert_eq!(call(&restarted, post(KEY)).await.status, StatusCode::OK);
    edge.clock.set("2026-03-01T23:59:59Z");
    for _ in 1..25 {
        edge.clock.advance(1);
        assert_eq!(call(&restarted, post(KEY)).await.status, StatusCode::OK);
    }
    edge.clock.advance(1);
    assert_eq!(call(&restarted, post(KEY)).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn forged_posts_with_the_right_key_cost_the_shop_nothing() {
    let edge = Edge::new();
    let router = edge.router();
    let forged = |signature: Option<&str>| {
        let mut request = Request::post(format!("/v1/connections/small/webhook?key={KEY}"));
        if let Some(signature) = signature {
            request = request.header("x-signature", signature);
        }
        request.body(Body::from(says("order", "1"))).unwrap()
    };
    let another = sign(&Secret::new("another"), &says("order", "1"));
    let mut answers = [0, 0];
    for n in 0..300 {
        // Unsigned, signed with another secret, no signature at all, a ping.
        let request = match n % 4 {
            0 => forged(None),
            1 => forged(Some(&another)),
            2 => forged(Some("?")),
            _ => {
                let mut ping = forged(None);
                ping.headers_mut().insert("x-ping", "1".parse().unwrap());
                ping
            }
        };
        let answer = call(&router, request).await;
        match answer.status {
            StatusCode::UNAUTHORIZED => answers[0] += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                assert!(answer.headers.contains_key("retry-after"));
                answers[1] += 1;
            }
            status => assert_eq!((n % 4, status), (3, StatusCode::OK)),
        }
    }
    assert!(answers[0] >= 15 && answers[1] >= 250, "{answers:?}");
    // All 25 of the shop's own day are left, three a second, while the flood goes on.
    for _ in 0..25 {
        assert_eq!(call(&router, forged(Some(&another))).await.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(call(&router, webhook("small", KEY, says("order", "2"))).await.status, StatusCode::OK);
        edge.clock.advance(1);
        call(&router, forged(Some(&another))).await;
    }
    let answer = call(&router, webhook("small", KEY, says("order", "2"))).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "the shop's own are counted");
    // Later a forged one is told again what it is.
    edge.clock.advance(3600);
    assert_eq!(call(&router, forged(None)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn next_to_nothing_is_read_of_a_body_without_a_signature() {
    let edge = Edge::new();
    let chunks = futures::stream::iter((0..1000).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1024])));
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = read.clone();
    let chunks = futures::StreamExt::inspect(chunks, move |_| _ = counter.fetch_add(1, Ordering::SeqCst));
    let request = Request::post(format!("/v1/connections/acme/webhook?key={KEY}"));
    let answer = edge.call(request.body(Body::from_stream(chunks)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(read.load(Ordering::SeqCst) <= 3, "{read:?}");
}

#[tokio::test]
async fn canonical_orders_are_taken_one_by_one() {
    let edge = Edge::new();
    let answer = edge.call(post_orders(&order("1"))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body["orders"], json!([{ "index": 0, "order": "1", "result": "accepted" }]));

    let mut wrong = order("3");
    wrong["lines"][0]["quantity"] = json!("many");
    let answer = edge.call(post_orders(&json!([order("2"), wrong, order("4")]))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let orders = answer.body["orders"].as_array().unwrap();
    assert_eq!((&orders[0]["result"], &orders[2]["result"]), (&json!("accepted"), &json!("accepted")));
    assert_eq!((&orders[1]["result"], &orders[1]["field"]), (&json!("invalid"), &json!("lines[0].quantity")));
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 2, "one call each");
    let mut ids: Vec<_> = edge.queued().await.into_iter().map(|arrival| arrival.order.to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "4"]);
}

#[tokio::test]
async fn an_invalid_canonical_order_names_its_field() {
    let edge = Edge::new();
    for (pointer, value, field) in [
        ("/total", json!("12,50"), "total"),
        ("/total", json!(1e40), "total"),
        ("/currency", json!("EURO"), "currency"),
        ("/schema", json!(2), "schema"),
        ("/placed_at", json!("yesterday"), "placed_at"),
        ("/id", json!(""), "id"),
        ("/lines/0/amount", json!([]), "lines[0].amount"),
        ("/customer", json!({ "fax": "1" }), "customer.fax"),
    ] {
        let mut wrong = order("1");
        match wrong.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => panic!("{pointer}"),
        }
        let answer = edge.call(post_orders(&wrong)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{pointer}");
        assert_eq!(answer.body["orders"][0]["field"], field, "{}", answer.body);
    }
    let nested = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let many = json!((0..101).map(|i| order(&i.to_string())).collect::<Vec<_>>()).to_string();
    for body in ["", "not json", "{", "[]", "[1", "null", "\u{0}", nested.as_str(), many.as_str()] {
        let request = Request::post("/v1/connections/api/orders").header("x-api-key", API_KEY);
        let answer = edge.call(request.body(body.to_owned().into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body:.20}");
    }
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_order_whose_books_do_not_add_up_is_taken_and_flagged() {
    let edge = Edge::new();
    let mut off = order("1");
    off["total"] = json!("12.51");
    assert_eq!(edge.call(post_orders(&off)).await.status, StatusCode::ACCEPTED);
    let News::State { order } = &edge.queued().await[0].news else { panic!() };
    assert_eq!(order.flags[0].code, "books");
    assert!(order.flags[0].detail.contains("0.01"), "{}", order.flags[0].detail);
}

#[tokio::test]
async fn posted_orders_need_an_api_key_of_their_own() {
    let edge = Edge::new();
    let post = |path: &str, key: Option<&str>| {
        let mut request = Request::post(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        request.body(Body::from(order("1").to_string())).unwrap()
    };
    let orders = "/v1/connections/api/orders";
    for (path, key) in [
        (orders.to_owned(), None),
        (orders.to_owned(), Some("wrong")),
        // What webhook addresses carry opens nothing here, and what opens here is never in an address.
        (orders.to_owned(), Some(KEY)),
        (format!("{orders}?key={KEY}"), None),
        (format!("{orders}?key={API_KEY}"), None),
    ] {
        assert_eq!(edge.call(post(&path, key)).await.status, StatusCode::UNAUTHORIZED, "{path} {key:?}");
    }
    // Nor does it open where webhooks go.
    let webhook =
        Request::post("/v1/connections/api/webhook").header("x-api-key", API_KEY).body(Body::empty()).unwrap();
    assert_eq!(edge.call(webhook).await.status, StatusCode::UNAUTHORIZED);
    // Where the configuration has no such keys, nobody posts: not around the signature of the shop either.
    assert_eq!(edge.call(post("/v1/connections/acme/orders", None)).await.status, StatusCode::UNAUTHORIZED);
    for key in [Some(KEY), Some(API_KEY)] {
        let answer = edge.call(post("/v1/connections/acme/orders", key)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.body["detail"].as_str().unwrap().contains("api_keys"), "{}", answer.body);
    }
    assert_eq!(edge.queue.calls.load(Ordering::SeqCst), 0);
    for key in ["canary-new-api-key", API_KEY] {
        assert_eq!(edge.call(post(orders, Some(key))).await.status, StatusCode::ACCEPTED, "{key}");
    }
}

#[tokio::test]
async fn what_the_queue_could_not_take_is_unavailable() {
    let edge = Edge::new();
    edge.queue.picky.lock().unwrap().push("2".into());
    let answer = edge.call(post_orders(&json!([order("1"), order("2")]))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body["orders"][0]["result"], "accepted");
    assert_eq!(answer.body["orders"][1]["result"], "unavailable");
    let answer = edge.call(post_orders(&json!([order("2"), {}]))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body["orders"][0]["result"], "unavailable");
    edge.queue.down.store(true, Ordering::SeqCst);
    assert_eq!(edge.call(post_orders(&order("1"))).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(edge.queued().await.len(), 1);
}

#[tokio::test]
async fn a_standard_webhook_is_verified_too() {
    let edge = Edge::new();
    // This store's secret is no `whsec_` one: nothing can be signed with it, and nothing passes.
    let body = says("order", "1");
    let request = Request::post(format!("/v1/connections/api/webhook?key={KEY}"))
        .header("webhook-id", "m1")
        .header("webhook-timestamp", "1772366400")
        .header("webhook-signature", sign_standard(&Secret::new(SECRET), "m1", "1772366400", &body));
    assert_eq!(edge.call(request.body(body.into()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn reading_and_replaying_need_the_operators_credential() {
    let edge = Edge::new();
    let routes: Vec<_> = ROUTES
        .iter()
        .filter(|route| matches!(route.door, Door::Operator(_)))
        .map(|route| (route.verb.method().to_string(), openapi::filled(route.path)))
        .collect();
    assert!(routes.len() > 10, "{routes:?}");
    for (method, path) in &routes {
        let (method, path) = (method.as_str(), path.as_str());
        for authorization in
            [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic canary-operator"), Some(OPERATOR)]
        {
            let mut request = Request::builder().method(method).uri(path).header("x-api-key", KEY);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = edge.call(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {authorization:?}");
        }
        let answer = edge.router().oneshot(as_operator(method, path)).await.unwrap();
        assert_ne!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    // Without a credential nobody gets in, unless somebody asked for that.
    for (access, status) in [(Access::Keys(None), StatusCode::UNAUTHORIZED), (Access::Open, StatusCode::OK)] {
        let router = people(edge.puente.clone(), access);
        let request = Request::get("/v1/connections/acme/orders").body(Body::empty()).unwrap();
        let answer = call(&router, request).await;
        assert_eq!(answer.status, status);
        assert!(status == StatusCode::OK || answer.body["detail"].as_str().unwrap().contains("PUENTE_OPERATOR_KEY"));
    }
    // Where somebody in front decides, whom it did not name is out.
    let decided = people(edge.puente.clone(), Access::Decided);
    for (method, path) in &routes {
        assert_eq!(call(&decided, as_operator(method, path)).await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn an_operator_finds_an_order_reads_its_story_and_replays_it() {
    let edge = Edge::new();
    let id = "a/b é #1";
    let path = "/v1/connections/acme/orders/a%2Fb%20%C3%A9%20%231";
    let answer = edge.call(as_operator("GET", path)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body["detail"].as_str().unwrap().starts_with("not seen yet"));
    assert_eq!(edge.call(as_operator("POST", &format!("{path}/replay"))).await.status, StatusCode::NOT_FOUND);

    for id in [id, "2", "3"] {
        edge.webhook(says("order", id)).await;
    }
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let answer = edge.call(as_operator("GET", path)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["order"]["order"], id);
    assert_eq!((&answer.body["order"]["status"], &answer.body["order"]["total"]), (&json!("waiting"), &json!("12.5")));
    assert!(!answer.body["timeline"].as_array().unwrap().is_empty());
    // The order itself is shown, buyer and all; what we say of it has no personal data.
    let mut story = answer.body.clone();
    let content = story.as_object_mut().unwrap().remove("content").unwrap();
    assert_eq!((&content["customer"]["name"], &content["lines"][0]["sku"]), (&json!("Canary Buyer"), &json!("A")));
    assert!(!story.to_string().contains("Canary"), "no personal data");
    // What it waits for, in words and as a time.
    assert_eq!(story["waits"][0]["cause"], "turn", "{story}");
    assert_eq!(story["raw"], serde_json::Value::Null);

    let replay = edge.call(as_operator("POST", &format!("{path}/replay"))).await;
    assert_eq!(replay.status, StatusCode::ACCEPTED);
    let queued = edge.queued().await;
    assert_eq!((queued.len(), queued[0].order.as_str(), &queued[0].news), (1, id, &News::Replay));
    edge.queue.down.store(true, Ordering::SeqCst);
    assert_eq!(edge.call(as_operator("POST", &format!("{path}/replay"))).await.status, StatusCode::SERVICE_UNAVAILABLE);

    let list = edge.call(as_operator("GET", "/v1/connections/acme/orders?status=waiting&limit=2")).await;
    assert_eq!(list.body["orders"].as_array().unwrap().len(), 2);
    let cursor = list.body["cursor"].as_str().unwrap();
    let rest = format!("/v1/connections/acme/orders?status=waiting&limit=2&cursor={}", cursor.replace('/', "%2F"));
    let rest = edge.call(as_operator("GET", &rest)).await;
    assert_eq!(rest.body["orders"].as_array().unwrap().len(), 1);
    let none = edge.call(as_operator("GET", "/v1/connections/acme/orders?status=parked")).await;
    assert_eq!(none.body, json!({ "orders": [], "cursor": null }));
    for bad in ["status=lost", "limit=many", "from=2026-03-02&to=2026-03-01"] {
        let answer = edge.call(as_operator("GET", &format!("/v1/connections/acme/orders?{bad}"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    assert_eq!(edge.call(as_operator("GET", "/v1/connections/nobody/orders")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operator_does_what_they_may_and_learns_nothing_of_connections_of_others() {
    let edge = Edge::new();
    edge.webhook(says("order", "1")).await;
    edge.call(webhook("small", KEY, says("order", "2"))).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let router = people(edge.puente.clone(), Access::Decided);
    let as_one = async |operator: &Operator, method: &str, path: &str| {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(operator.clone());
        call(&router, request).await
    };
    let ana = Operator::new("ana", Scope::ALL.to_vec(), Sight::of(["acme", "nothing"]));
    assert_eq!(as_one(&ana, "GET", "/v1/connections/acme/orders").await.status, StatusCode::OK);
    assert_eq!(as_one(&ana, "GET", "/v1/connections/acme/orders/1").await.status, StatusCode::OK);
    assert_eq!(as_one(&ana, "GET", "/v1/erps/main/quota").await.status, StatusCode::OK, "acme's orders go there");
    // Of signs of life, those of the connections that they see, and of the accounts these send to.
    let shop = Party::Connection("acme".parse().unwrap());
    let (at, detail) = (edge.puente.clock.now(), Some("backfill: the store answered 503".to_owned()));
    edge.puente.signs.sign(&shop, &Sign { fact: Fact::Failed, at, detail }).await.unwrap();
    let life = as_one(&ana, "GET", "/v1/connections").await;
    assert_eq!((life.status, life.body["connections"].as_array().unwrap().len()), (StatusCode::OK, 1), "{}", life.body);
    let acme = &life.body["connections"][0];
    assert_eq!((&acme["connection"], &acme["received"], &acme["fetched"]), (&json!("acme"), &json!(at), &Value::Null));
    let failed = json!({ "at": at, "reason": "backfill: the store answered 503", "over": false });
    assert_eq!((&acme["failed"], &life.body["erps"][0]["erp"]), (&failed, &json!("main")));
    // Another's, and what is not there: one answer, word for word.
    for (there, nowhere) in [
        (("GET", "/v1/connections/small/orders"), "/v1/connections/nobody/orders"),
        (("GET", "/v1/connections/small/orders/2"), "/v1/connections/nobody/orders/2"),
        (("GET", "/v1/connections/small/orders/3"), "/v1/connections/nobody/orders/2"),
        (("POST", "/v1/connections/small/orders/2/replay"), "/v1/connections/nobody/orders/2/replay"),
        (("GET", "/v1/connections/%73mall/orders"), "/v1/connections/nobody/orders"),
    ] {
        let (there, nowhere) = (as_one(&ana, there.0, there.1).await, as_one(&ana, there.0, nowhere).await);
        assert_eq!((there.status, nowhere.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
        assert_eq!(there.body["detail"], nowhere.body["detail"]);
    }
    let nobody = Operator::new("bob", Scope::ALL.to_vec(), Sight::of([]));
    let (there, nowhere) =
        (as_one(&nobody, "GET", "/v1/erps/main/quota").await, as_one(&nobody, "GET", "/v1/erps/nothing/quota").await);
    assert_eq!((there.status, &there.body["detail"]), (StatusCode::NOT_FOUND, &nowhere.body["detail"]));
    assert_eq!(edge.queued().await.len(), 0, "nothing was replayed");
    // Seeing is not doing.
    let reader = Operator::new("eva", vec![Scope::OrdersRead], Sight::All);
    for route in ROUTES.iter() {
        let Door::Operator(scope) = route.door else { continue };
        let answer = as_one(&reader, route.verb.method().as_str(), &openapi::filled(route.path)).await;
        let forbidden = scope != Scope::OrdersRead;
        assert_eq!(answer.status == StatusCode::FORBIDDEN, forbidden, "{} {}", route.path, answer.status);
    }
    assert_eq!(as_one(&reader, "GET", "/v1/connections/small/orders/2").await.status, StatusCode::OK);

    // Who replayed is in the log and in the order's timeline.
    let log = KeptLog::start();
    assert_eq!(as_one(&ana, "POST", "/v1/connections/acme/orders/1/replay").await.status, StatusCode::ACCEPTED);
    for arrival in edge.queued().await {
        assert_eq!(arrival.by.as_deref(), Some("ana"));
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let log = log.stop();
    assert!(log.lines().any(|line| line.contains("order.replay_asked") && line.contains("ana")), "{log}");
    let timeline = edge.records.timeline(&OrderKey::new("acme".parse().unwrap(), "1".parse().unwrap())).await.unwrap();
    let replayed = timeline.iter().find(|entry| entry.event == "replayed").unwrap();
    assert_eq!(replayed.detail.as_deref(), Some("replayed by ana"));
}

#[tokio::test]
async fn who_replays_an_order_that_could_not_be_read_is_in_its_timeline() {
    let edge = Edge::new();
    edge.webhook(says("unmapped", "7")).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let replay = edge.call(as_operator("POST", "/v1/connections/acme/orders/7/replay")).await;
    assert_eq!(replay.status, StatusCode::ACCEPTED);
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let timeline = edge.records.timeline(&OrderKey::new("acme".parse().unwrap(), "7".parse().unwrap())).await.unwrap();
    let replayed = timeline.iter().find(|entry| entry.event == "replayed").unwrap();
    assert_eq!(replayed.detail.as_deref(), Some("replayed by operator"));
}

#[tokio::test]
async fn the_quota_says_what_is_left_and_until_when() {
    let edge = Edge::new();
    let answer = edge.call(as_operator("GET", "/v1/erps/main/quota")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((&answer.body["rate"], &answer.body["left"]), (&json!("10/s"), &json!(300)));
    assert_eq!(answer.body["resets_at"], "2026-03-02T00:00:00Z");
    let until = "2026-03-01T13:00:00Z".parse().unwrap();
    edge.puente.accounts.block(&"erp/main".parse().unwrap(), until, "the ERP says 429", 0).await.unwrap();
    let answer = edge.call(as_operator("GET", "/v1/erps/main/quota")).await;
    assert_eq!(answer.body["blocked_until"], "2026-03-01T13:00:00Z");
    assert_eq!(answer.body["blocked_because"], "the ERP says 429");
    assert_eq!(edge.call(as_operator("GET", "/v1/erps/nobody/quota")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn health_is_liveness_and_ready_is_reach() {
    let edge = Edge::new();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(edge.call(get("/v1/ready")).await.status, StatusCode::OK);
    edge.queue.down.store(true, Ordering::SeqCst);
    assert_eq!(edge.call(get("/v1/ready")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(edge.call(get("/v1/health")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_secret_and_no_personal_data_is_ever_logged() {
    let log = KeptLog::start();
    let edge = Edge::new();
    let mut invalid = order("9");
    invalid["total"] = json!("canary-total");
    invalid["customer"]["email"] = json!(["canary@buyer.example"]);
    for body in [says("order", "1"), says("panic", "1"), says("another", "1"), b"canary-not-json".to_vec()] {
        edge.webhook(body).await;
    }
    edge.call(webhook("acme", "canary-wrong-key", says("order", "1"))).await;
    edge.call(webhook("canary-unknown", KEY, says("order", "1"))).await;
    edge.call(webhook("acme", KEY, vec![b'c'; 2 * 1024 * 1024])).await;
    edge.call(Request::get("/v1/canary-path?key=canary-query").body(Body::empty()).unwrap()).await;
    edge.call(post_orders(&order("7"))).await;
    edge.call(post_orders(&json!([order("8"), invalid.clone()]))).await;
    edge.call(post_orders(&invalid)).await;
    edge.call(as_operator("GET", "/v1/connections/acme/orders?status=canary-status")).await;
    edge.call(as_operator("GET", "/v1/connections/acme/orders/canary-order")).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    edge.queue.down.store(true, Ordering::SeqCst);
    edge.webhook(says("order", "1")).await;
    let text = log.stop();
    for said in ["order.received", "request.refused", "request.failed"] {
        assert!(text.contains(said), "{said} was not logged");
    }
    let lines = text.lines().filter(|line| line.to_lowercase().contains("canary")).collect::<Vec<_>>();
    assert!(lines.is_empty(), "{lines:#?}");

    // Nor do the values themselves show anything.
    let connection = edge.puente.settings.connection(&"acme".parse().unwrap()).await.unwrap().unwrap();
    let shown = format!("{connection:?} {:?} {:?}", edge.puente.settings, Secret::new(SECRET));
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_story_tells_since_when_and_until_when_an_order_waits() {
    let edge = Edge::new();
    edge.webhook(says("order", "1")).await;
    edge.webhook(says("unmapped", "2")).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let main: AccountId = "erp/main".parse().unwrap();
    let now = edge.puente.clock.now();
    let until = now + jiff::SignedDuration::from_secs(90);
    edge.puente.accounts.block(&main, until, "the ERP answered 503", 0).await.unwrap();
    let blocked = Sign { fact: Fact::Blocked, at: now, detail: None };
    edge.puente.signs.sign(&Party::Account(main.clone()), &blocked).await.unwrap();
    let story = edge.call(as_operator("GET", "/v1/connections/acme/orders/1")).await.body;
    let wait = &story["waits"][0];
    assert_eq!(
        (&wait["cause"], &wait["since"], &wait["until"]),
        (&json!("blocked"), &json!(now), &json!(until)),
        "{story}"
    );
    assert!(wait["detail"].as_str().unwrap().contains("the ERP answered 503"), "{wait}");
    // Until then nothing departs, and the quota says so.
    let quota = edge.call(as_operator("GET", "/v1/erps/main/quota")).await.body;
    assert_eq!(quota["next_departure"], json!(until), "{quota}");
    // What could not be read is shown as it came.
    let raw = edge.call(as_operator("GET", "/v1/connections/acme/orders/2")).await.body;
    assert_eq!(raw["content"], serde_json::Value::Null);
    assert!(raw["raw"].as_str().unwrap().contains("unmapped"), "{raw}");
}

#[tokio::test]
async fn with_nothing_left_the_quota_says_when_orders_leave_again() {
    let edge = Edge::new();
    let (main, limits): (AccountId, _) = ("erp/main".parse().unwrap(), Limits { per_day: 1, ..Limits::default() });
    let now = edge.puente.clock.now();
    let request =
        puente::domain::ledger::Request { k: 1, purpose: puente::domain::ledger::Purpose::Orders, lease: None };
    edge.puente.accounts.reserve(&main, &request, &limits, now).await.unwrap().unwrap();
    let ledger = edge.puente.accounts.ledger(&main).await.unwrap();
    let view = QuotaView::of(main, Some(&limits), &ledger, now);
    assert_eq!(view.left, Some(0));
    assert!(
        view.next_departure >= view.resets_at && view.resets_at.is_some() && view.blocked_until.is_none(),
        "{view:?}"
    );
}

#[tokio::test]
async fn measurements_are_open_metrics_text_for_who_may_and_sees_all() {
    let edge = Edge::new();
    edge.webhook(says("order", "1")).await;
    edge.call(webhook("acme", "canary-wrong-key", says("order", "1"))).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    flow::tasks::sweep::sweep(&edge.puente).await.unwrap();
    let asked = async |router: Router, request: Request<Body>| {
        let answer = router.oneshot(request).await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (kind, String::from_utf8(body.to_vec()).unwrap())
    };
    let (kind, text) = asked(edge.router(), as_operator("GET", "/metrics")).await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        "puente_orders_received_total{connection=\"acme\",result=\"accepted\"} 1",
        "puente_orders_recorded_total{connection=\"acme\"} 1",
        "puente_requests_refused_total{result=\"denied\"} 1",
        "puente_erp_calls_left{erp=\"main\"} ",
        "puente_overdue_seconds{erp=\"main\"} 0",
    ] {
        assert!(text.lines().any(|told| told.starts_with(line)), "{line}: {text}");
    }
    assert!(text.ends_with("# EOF\n") && !text.contains("canary"), "{text}");

    let open = edge.call(Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!(open.status, StatusCode::UNAUTHORIZED, "without a credential");
    let decided = people(edge.puente.clone(), Access::Decided);
    for (operator, expected) in [
        (Operator::of_all("ana"), StatusCode::OK),
        (Operator::new("bob", Scope::ALL.to_vec(), Sight::of(["acme"])), StatusCode::FORBIDDEN),
        (Operator::new("eva", vec![Scope::OrdersRead], Sight::All), StatusCode::FORBIDDEN),
    ] {
        let mut request = Request::get("/metrics").body(Body::empty()).unwrap();
        request.extensions_mut().insert(operator.clone());
        let status = decided.clone().oneshot(request).await.unwrap().status();
        assert_eq!(status, expected, "{}", operator.name);
    }
}

#[tokio::test]
async fn the_id_that_a_front_door_gave_a_request_is_its_id_everywhere_and_a_header_is_not_believed() {
    let log = KeptLog::start();
    let edge = Edge::new();
    let with_id = |mut request: Request<Body>| {
        request.headers_mut().insert("x-request-id", "the-callers-own".parse().unwrap());
        request.extensions_mut().insert(RequestId("of-the-front-door".to_owned()));
        request
    };
    let taken = edge.call(with_id(webhook("acme", KEY, says("order", "1")))).await;
    let refused = edge.call(with_id(webhook("acme", "wrong", says("order", "1")))).await;
    let queued = edge.queued().await;
    assert_eq!(taken.headers["x-request-id"], "of-the-front-door");
    assert_eq!(refused.body["request_id"], "of-the-front-door");
    assert_eq!(queued[0].request, "of-the-front-door", "the message says whose order it is");
    let text = log.stop();
    for event in ["order.received", "request.refused"] {
        let line = text.lines().find(|line| line.contains(event)).unwrap();
        assert!(line.contains("of-the-front-door"), "{line}");
    }
    assert!(!text.contains("the-callers-own"), "{text}");
}
