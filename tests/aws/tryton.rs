//! The whole path into a real Tryton: in the functions' own processes (the key at the door, the webhook, the queue, the worker), and
//! by two `puente serve --backend aws`, one of them killed.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use puente::{
    domain::record::State,
    outbound::Client,
    ports::{Clock, Records, SystemClock},
};
use serde_json::{Value, json};

use crate::{
    bootstraps::{invoke, is_discreet},
    serve::{deliver, environment},
    stack::{KEY, SECRET, World, api_event, event, shopify},
    support::{
        binary::Serve,
        moto,
        orders::{Item, Made},
        tryton::{Tryton, USER},
    },
};

/// A Tryton, and a stack whose orders go there. `None`: offline, and the skip was said.
async fn stand(more: &str) -> Option<(World, Tryton)> {
    // What a killed process holds in its hands comes back soon.
    let world = World::on(moto::stack_with(Duration::from_secs(15), 20).await?).await;
    let tryton = tokio::task::spawn_blocking(Tryton::start).await.unwrap()?;
    let section = tryton.section(more).replace(&format!("{{ literal = \"{}\" }}", USER.1), "{ secret = \"tryton\" }");
    world.publish_with(&format!("kind = \"tryton\"\n{section}"), "").await;
    Some((world, tryton))
}

fn made(n: u64) -> Made {
    let mut order = Made::new(820_982_911_946_153_000 + n);
    order.currency = "EUR";
    order.items = vec![Item::new("ART-01", 3, 1990), Item::new("ART-20", 1, 999)];
    order
}

/// All sales.
async fn sales(tryton: &Tryton) -> Vec<Value> {
    tryton.search("sale.sale", json!([]), json!(["web_id", "total_amount", "number", "state"])).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_behind_the_front_door_is_a_sale_in_tryton() {
    let Some((world, tryton)) = stand("").await else { return };
    let order = made(1);
    let body = order.body("shopify");
    let webhook = api_event(&shopify(SECRET).sign(body.as_bytes(), SystemClock.now()), body.as_bytes());

    let allowed = invoke(&world, "authorizer", event("authorizer")).await;
    assert_eq!(allowed.answer["usageIdentifierKey"], KEY, "{allowed:?}");
    assert_eq!(allowed.answer["policyDocument"]["Statement"][0]["Effect"], "Allow");
    is_discreet(&allowed);

    let taken = invoke(&world, "ingest", webhook).await;
    assert_eq!(taken.answer["statusCode"], 200, "{taken:?}");
    let batch = world.batch().await.unwrap();
    let worked = invoke(&world, "worker", batch.event.clone()).await;
    assert_eq!(worked.answer, json!({ "batchItemFailures": [] }), "{worked:?}");
    is_discreet(&worked);

    let sales = sales(&tryton).await;
    let [sale] = sales.as_slice() else { panic!("{sales:?}") };
    assert_eq!(sale["web_id"], format!("acme-shop/{}", order.id));
    assert_eq!(sale["total_amount"]["decimal"], order.total().to_string());

    // What a person sees of it.
    let mut ask: Value = serde_json::from_str(&event("api")).unwrap();
    ask["path"] = format!("/v1/connections/acme-shop/orders/{}", order.id).into();
    let seen = invoke(&world, "api", ask.to_string()).await;
    assert_eq!(seen.answer["statusCode"], 200, "{seen:?}");
    let story: Value = serde_json::from_str(seen.answer["body"].as_str().unwrap()).unwrap();
    assert_eq!((&story["order"]["status"], &story["order"]["document"]["number"]), (&"synced".into(), &sale["number"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_of_two_processes_killed_every_order_is_one_sale_in_tryton() {
    const ORDERS: u64 = 24;
    // Small bulks: there is always one under way when the process dies.
    let Some((world, tryton)) = stand("timeout = \"10s\"\nbulk = 3\n").await else { return };
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start =
        |at: usize| Serve::start_in(homes[at].path(), &["--sweep", "1", "--workers", "2"], &environment(&world));
    let (client, store) = (Client::new().unwrap(), shopify(SECRET));
    let orders: Vec<Made> = (100..100 + ORDERS).map(made).collect();
    let post = async |urls: &[String], orders: &[Made]| {
        for (turn, order) in orders.iter().enumerate() {
            let body = Bytes::from(order.body("shopify"));
            let headers = store.sign(&body, SystemClock.now());
            assert_eq!(deliver(&client, urls, turn, &headers, &body).await, 200);
        }
    };

    // The first is alone at first, so that it is the one who conducts; then the other joins it.
    let mut first = start(0);
    post(&[first.url.clone()], &orders[..12]).await;
    let second = start(1);
    post(&[first.url.clone(), second.url.clone()], &orders[12..]).await;
    let began = Instant::now();
    while sales(&tryton).await.is_empty() {
        assert!(began.elapsed() < Duration::from_mins(5), "no sale in Tryton:\n{}", tryton.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    first.kill();
    let aws = world.aws();
    let counts = async || aws.records.counts(&"acme-shop".parse().unwrap()).await.unwrap();
    assert_ne!(counts().await.get(&State::Synced), Some(&ORDERS), "it was killed in the middle");

    let began = Instant::now();
    while counts().await.get(&State::Synced) != Some(&ORDERS) {
        let late = began.elapsed() > Duration::from_mins(10);
        assert!(!late, "never settles: {:?}, {homes:?}\n{}", counts().await, tryton.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let sales = sales(&tryton).await;
    for order in &orders {
        let of: Vec<_> = sales.iter().filter(|sale| sale["web_id"] == format!("acme-shop/{}", order.id)).collect();
        let [sale] = of.as_slice() else { panic!("{} has {} sales", order.id, of.len()) };
        assert_eq!(sale["total_amount"]["decimal"], order.total().to_string());
        assert_ne!(sale["state"], "draft");
    }
    assert_eq!(sales.len(), orders.len());
    eprintln!("two processes, one killed: {ORDERS} orders, {} sales, {:?} later", sales.len(), began.elapsed());
    drop(second);
}
