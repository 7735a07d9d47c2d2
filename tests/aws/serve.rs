//! `puente serve --backend aws`: two processes on one stack, one killed without a goodbye in the middle, and every order is in
//! the ERP once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use http::{HeaderMap, Method};
use puente::{
    domain::record::State,
    outbound::{Call, Client},
    ports::{Clock, Records, SystemClock},
};
use puente_sandbox::{
    erp::{Fault, Faults},
    store::Expect,
};
use serde_json::Value;

use crate::{
    stack::{KEY, ROTATED, SECRET, World, shop, shopify},
    support::{
        binary::{Serve, puente},
        moto,
        orders::Made,
    },
};

/// What the command finds in its environment on ECS, EKS or a virtual machine.
pub fn environment(world: &World) -> Vec<(&'static str, &str)> {
    let place = &world.stack.place;
    vec![
        ("PUENTE_BACKEND", "aws"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", world.stack.endpoint.as_str()),
        ("PUENTE_TABLE", place.table.as_str()),
        ("PUENTE_QUEUE_URL", place.queue.as_str()),
        ("PUENTE_DEAD_QUEUE_URL", place.dead.as_deref().unwrap()),
        ("PUENTE_SECRET_PREFIX", place.secrets.as_str()),
    ]
}

/// Posts to one process after the other until somebody answers: a load balancer, and a store that retries.
pub async fn deliver(client: &Client, urls: &[String], turn: usize, headers: &HeaderMap, body: &Bytes) -> u16 {
    for attempt in turn..turn + 200 {
        let url = format!("{}/v1/connections/acme-shop/webhook?key={KEY}", urls[attempt % urls.len()]);
        let call = Call {
            method: Method::POST,
            url: url.parse().unwrap(),
            headers: headers.clone(),
            body: body.clone(),
            timeout: Duration::from_secs(10),
        };
        match client.send(call).await {
            Ok(answer) if ![429, 503].contains(&answer.status.as_u16()) => return answer.status.as_u16(),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("no answer");
}

/// Runs a command on the stack: what it says.
pub fn ask(world: &World, args: &[&str]) -> Value {
    let output =
        std::process::Command::new(puente()).args(args).arg("--json").envs(environment(world)).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A secret that was published since a server's start: the first webhook that is signed with it is taken, once the configuration
/// has been read for a minute.
async fn looks_at_the_newest_configuration(world: &World, server: &str, started: Instant) {
    let (client, urls) = (Client::new().unwrap(), [server.to_owned()]);
    let text = world.aws().published.config().await.unwrap().unwrap();
    world.publish_text(&text.replace("secret = \"webhook\"", "secret = \"rotated\"")).await;
    tokio::time::sleep(Duration::from_secs(62).saturating_sub(started.elapsed())).await;
    let body = Bytes::from(Made::new(820_982_911_946_154_001).body("shopify"));
    let signed = shopify(ROTATED).sign(&body, SystemClock.now());
    assert_eq!(deliver(&client, &urls, 0, &signed, &body).await, 200, "without a second webhook");
    let old = shopify(SECRET).sign(&body, SystemClock.now());
    assert_eq!(deliver(&client, &urls, 0, &old, &body).await, 401, "it is a forgery now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_processes_is_killed_and_every_order_arrives_once() {
    // What the killed one holds in its hands comes back soon.
    let Some(stack) = moto::stack_with(Duration::from_secs(15), 20).await else { return };
    let world = World::patient(stack).await;
    world
        .erp
        .set_faults(Faults::drawn(7, [(Fault::ErrorBefore, 20), (Fault::ErrorAfter, 30), (Fault::ResetAfter, 30)]));
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut running: Vec<Serve> = homes
        .iter()
        .map(|home| Serve::start_in(home.path(), &["--sweep", "1", "--workers", "2"], &environment(&world)))
        .collect();
    let urls: Vec<String> = running.iter().map(|serve| serve.url.clone()).collect();
    let started = Instant::now();

    let shop = shop(23, 40);
    let client = Client::new().unwrap();
    let deliveries = shop.deliveries();
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    for (turn, delivery) in deliveries.iter().enumerate() {
        if turn == deliveries.len() / 2 {
            // Not before it has something to lose.
            let began = Instant::now();
            while world.erp.orders().is_empty() {
                assert!(began.elapsed() < Duration::from_mins(5), "no order in the ERP");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            running[0].kill();
        }
        *answers.entry(deliver(&client, &urls, turn, &delivery.headers, &delivery.body).await).or_default() += 1;
    }
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [200, 401], "{answers:?}");
    world.erp.set_faults(Faults::default());

    let aws = world.aws();
    let began = Instant::now();
    let expected = shop.truth().iter().filter(|truth| matches!(truth.expect, Expect::InErp { .. })).count();
    loop {
        let counts = aws.records.counts(&"acme-shop".parse().unwrap()).await.unwrap();
        let moving = [State::Waiting, State::Sending].iter().any(|state| counts.get(state).is_some_and(|n| *n > 0));
        if !moving && world.erp.orders().len() >= expected {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_mins(10),
            "never settles: {counts:?}, see {:?}",
            homes.map(|h| h.keep())
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(world.erp.doubled(), Vec::<String>::new(), "doubled");
    let made: BTreeMap<String, _> = world.erp.orders().into_iter().map(|made| (made.reference.clone(), made)).collect();
    for truth in shop.truth() {
        let reference = format!("acme-shop/{}", truth.order);
        match truth.expect {
            Expect::InErp { total, .. } => {
                assert_eq!(made.get(&reference).map(|made| made.total), Some(total), "{reference} {}", truth.number);
            }
            Expect::Parked | Expect::Nowhere => assert!(!made.contains_key(&reference), "{reference}"),
        }
    }
    assert_eq!(made.len(), expected);

    // The other commands see the same.
    let synced = ask(&world, &["orders", "list", "--state", "synced", "--limit", "200"]);
    assert_eq!(synced.as_array().unwrap().len(), expected);
    assert_eq!(ask(&world, &["dlq", "list"]), serde_json::json!([]));
    assert!(ask(&world, &["quota"])[0]["used"].as_u64().unwrap() > 0);

    looks_at_the_newest_configuration(&world, &urls[1], started).await;

    // Asked to stop, it finishes its long poll and ends.
    let took = running[1].stop();
    assert!(took < Duration::from_mins(1), "a stop took {took:?}");
    for home in &homes {
        let log = std::fs::read_to_string(home.path().join("serve.log")).unwrap();
        assert!(!log.contains(KEY) && !log.contains(SECRET), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_published_configuration_it_says_what_to_do() {
    let Some(stack) = moto::stack().await else { return };
    let serve = |table: Option<&str>| {
        let mut command = std::process::Command::new(puente());
        command.args(["serve", "--backend", "aws", "--listen", "127.0.0.1:0"]).env_remove("PUENTE_TABLE").envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", stack.endpoint.as_str()),
            ("PUENTE_QUEUE_URL", stack.place.queue.as_str()),
        ]);
        let output = command.envs(table.map(|table| ("PUENTE_TABLE", table))).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let words = serve(Some(&stack.place.table));
    assert!(words.contains("no configuration is published") && words.contains("puente connections apply"), "{words}");
    let words = serve(None);
    assert!(words.contains("PUENTE_TABLE"), "{words}");
}
