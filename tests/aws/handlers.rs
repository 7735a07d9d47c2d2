//! The Lambda handlers: the sample events of `events/`, and everything an event can have wrong.

use std::sync::Arc;

use axum::body::to_bytes;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use puente::{
    Kind,
    aws::{decode, encode},
    domain::{
        message::{Message, News},
        record::State,
    },
    ports::{Accounts, Clock, Queue, Records, Signs, SystemClock},
};
use puente_functions::{App, Tell, backfill, ingest::Ingest, sweep, worker};
use serde_json::Value;

use crate::{
    proxy::Proxy,
    stack::{ROTATED, World, api_event, event, failed, shop, shopify, soon, wide_backfill},
};

/// Serves one API event: status and body.
async fn serve(ingest: &Ingest, event: &str) -> (u16, Value) {
    let request = lambda_http::request::from_str(event).unwrap();
    let response = ingest.answer(request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn changed(event: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut event = serde_json::from_str(event).unwrap();
    change(&mut event);
    event.to_string()
}

#[tokio::test]
async fn the_sample_webhook_is_in_the_queue_when_it_is_answered() {
    let Some(world) = World::new().await else { return };
    let ingest = Ingest::new(world.app());
    let (status, answer) = serve(&ingest, &event("ingest")).await;
    assert_eq!((status, &answer["accepted"][0]["result"]), (200, &"accepted".into()), "{answer}");
    let batch = world.batch().await.unwrap();
    let message = decode(batch.received[0]["Body"].as_str().unwrap()).unwrap();
    let Message::Arrival(arrival) = &message else { panic!("{message:?}") };
    let News::State { order } = &arrival.news else { panic!("{message:?}") };
    assert_eq!((order.number.as_str(), order.total.to_string().as_str()), ("#1042", "53450"));
    // The same message as in the worker's sample: written by this release, it must be read by the next.
    let sample: Value = serde_json::from_str(&event("worker")).unwrap();
    let sample = decode(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
    let Message::Arrival(sample) = sample else { panic!("{sample:?}") };
    assert_eq!((sample.key(), &sample.news), (arrival.key(), &arrival.news));
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused_and_nothing_is_accepted() {
    let Some(world) = World::new().await else { return };
    let ingest = Ingest::new(world.app());
    let sample = event("ingest");
    let one_byte_more = changed(&sample, |event| {
        let mut body = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
        body.push(b' ');
        event["body"] = STANDARD.encode(body).into();
    });
    let no_key = changed(&sample, |event| {
        event["queryStringParameters"] = Value::Null;
        event["multiValueQueryStringParameters"] = Value::Null;
    });
    let unsigned = changed(&sample, |event| {
        for headers in ["headers", "multiValueHeaders"] {
            event[headers].as_object_mut().unwrap().remove("X-Shopify-Hmac-Sha256");
        }
    });
    let nobody = changed(&sample, |event| event["path"] = "/v1/connections/nobody/webhook".into());
    for (event, status) in [(one_byte_more, 401), (no_key, 401), (unsigned, 401), (nobody, 404)] {
        let (answered, problem) = serve(&ingest, &event).await;
        assert_eq!(answered, status, "{problem}");
        assert_eq!(problem["status"], status, "a problem document: {problem}");
    }
    assert!(world.batch().await.is_none());
}

#[tokio::test]
async fn without_a_queue_or_a_configuration_the_store_is_told_to_come_again() {
    let Some(world) = World::new().await else { return };
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let ingest = Ingest::new(App::new(world.through(&proxy.endpoint), Tell::default()).unwrap());
    proxy.down(true);
    assert_eq!(serve(&ingest, &event("ingest")).await.0, 503, "no configuration");
    proxy.down(false);
    assert_eq!(serve(&ingest, &event("ingest")).await.0, 200);
    // From here the configuration is known, and only the queue is missing.
    proxy.down(true);
    assert_eq!(serve(&ingest, &event("ingest")).await.0, 503, "no queue");
}

#[tokio::test]
async fn a_connection_without_a_key_is_not_served_on_aws() {
    let Some(world) = World::new().await else { return };
    let text = "[erp.main]\nkind = \"rest\"\n".to_owned()
        + &world.erp.config_example()
        + "\n[connection.acme-shop]\nerp = \"main\"\n[connection.acme-shop.store]\nkind = \"canonical\"\n\
           webhook_secrets = [{ env = \"X\" }]\n";
    world.aws().published.publish_config(&text).await.unwrap();
    let error = world.app().puente().await.err().unwrap();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("acme-shop"), "{error}");
}

/// A clock that a test moves.
struct HandClock(std::sync::atomic::AtomicI64);

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(std::sync::atomic::Ordering::SeqCst)).unwrap()
    }
    async fn sleep_until(&self, when: Timestamp) {
        SystemClock.sleep_until(when).await;
    }
}

#[tokio::test]
async fn the_configuration_is_read_again_after_five_minutes_and_an_old_one_outlives_an_outage() {
    let Some(world) = World::new().await else { return };
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let clock = Arc::new(HandClock(SystemClock.now().as_second().into()));
    let pass = |seconds| clock.0.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    let app = App::with_clock(world.through(&proxy.endpoint), Tell::default(), clock.clone()).unwrap();
    let first = app.puente().await.unwrap().settings;
    pass(299);
    assert!(Arc::ptr_eq(&first, &app.puente().await.unwrap().settings));
    pass(2);
    proxy.down(true);
    assert!(Arc::ptr_eq(&first, &app.puente().await.unwrap().settings), "better five minutes old than none");
    proxy.down(false);
    pass(31);
    assert!(!Arc::ptr_eq(&first, &app.puente().await.unwrap().settings));
}

#[tokio::test]
async fn a_signature_nobody_knows_is_looked_for_in_the_newest_configuration_once_a_minute() {
    let Some(world) = World::new().await else { return };
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let clock = Arc::new(HandClock(SystemClock.now().as_second().into()));
    let pass = |seconds| clock.0.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    // A shop that signs with a secret of its own is not known yet.
    let ingest = Ingest::new(App::with_clock(world.through(&proxy.endpoint), Tell::default(), clock.clone()).unwrap());
    assert_eq!(serve(&ingest, &event("ingest")).await.0, 200);
    let text = world.aws().published.config().await.unwrap().unwrap();
    world.publish_text(&text.replace("secret = \"webhook\"", "secret = \"rotated\"")).await;
    let body = base64::Engine::decode(
        &base64::prelude::BASE64_STANDARD,
        serde_json::from_str::<Value>(&event("ingest")).unwrap()["body"].as_str().unwrap(),
    );
    let body = body.unwrap();
    let signed = api_event(&shopify(ROTATED).sign(&body, SystemClock.now()), &body);

    let read = || proxy.asked().iter().filter(|(target, _)| target.ends_with(".GetItem")).count();
    let before = read();
    assert_eq!(serve(&ingest, &signed).await.0, 401, "the configuration is not a minute old");
    assert_eq!(read(), before);
    pass(61);
    assert_eq!(serve(&ingest, &signed).await.0, 200, "found at once, without a second webhook");
    let after = read();
    assert!(after > before);
    // The old signature is a forgery now; however many come, nothing is read for them within the minute.
    for _ in 0..5 {
        assert_eq!(serve(&ingest, &event("ingest")).await.0, 401);
    }
    assert_eq!(read(), after);
}

#[tokio::test]
async fn the_sample_batch_reaches_the_erp() {
    let Some(world) = World::new().await else { return };
    let app = world.app();
    let answer = worker::handle(&app, &event("worker"), soon()).await.unwrap();
    assert_eq!(failed(&answer), Vec::<String>::new());
    let made = world.erp.orders();
    assert_eq!((made.len(), made[0].total), (1, rust_decimal_macros::dec!(53450.00)));
    // Delivered once more, as SQS may: the same order, not another one.
    worker::handle(&app, &event("worker"), soon()).await.unwrap();
    assert_eq!(world.erp.orders().len(), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_fails_alone() {
    let Some(world) = World::new().await else { return };
    let good = changed(&event("worker"), |event| {
        let mut broken = event["Records"][0].clone();
        broken["messageId"] = "broken".into();
        broken["body"] = "{\"arrival\":{\"connection\":".into();
        let mut empty = broken.clone();
        empty["messageId"] = "empty".into();
        empty["body"] = Value::Null;
        let records = event["Records"].as_array_mut().unwrap();
        records.insert(0, broken);
        records.push(empty);
    });
    let answer = worker::handle(&world.app(), &good, soon()).await.unwrap();
    let mut ids = failed(&answer);
    ids.sort();
    assert_eq!(ids, ["broken", "empty"]);
    assert_eq!(world.erp.orders().len(), 1);
    // As Lambda reads it.
    let json = serde_json::to_value(&answer).unwrap();
    assert!(json["batchItemFailures"][0]["itemIdentifier"].is_string(), "{json}");
}

#[tokio::test]
async fn a_batch_that_cannot_be_recorded_fails_as_a_whole_and_message_by_message() {
    let Some(world) = World::new().await else { return };
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let app = App::new(world.through(&proxy.endpoint), Tell::default()).unwrap();
    app.puente().await.unwrap();
    proxy.down(true);
    let answer = worker::handle(&app, &event("worker"), soon()).await.unwrap();
    let sample: Value = serde_json::from_str(&event("worker")).unwrap();
    assert_eq!(failed(&answer), [sample["Records"][0]["messageId"].as_str().unwrap()]);
    assert!(world.erp.orders().is_empty());
}

#[tokio::test]
async fn an_event_that_is_none_is_an_error_that_quotes_nothing() {
    let Some(world) = World::new().await else { return };
    let app = world.app();
    let nameless = changed(&event("worker"), |event| {
        event["Records"][0].as_object_mut().unwrap().remove("messageId");
    });
    for event in [nameless.as_str(), "{}", "[]", r#"{"Records":"ana@example.com"}"#, r#"{"Records":[{"messageId":1}]}"#]
    {
        let error = worker::handle(&app, event, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreadable, "{event}");
        assert!(!error.to_string().contains("ana@"), "{error}");
    }
    assert!(world.erp.orders().is_empty(), "nothing of a batch is done whose failures could not be told");
    assert!(failed(&worker::handle(&app, r#"{"Records":[]}"#, soon()).await.unwrap()).is_empty());
    for event in [
        "{}",
        r#"{"detail-type":"x","source":"y","detail":{"hours":0}}"#,
        r#"{"detail-type":"x","source":"y","detail":{"hour":1}}"#,
        r#"{"detail-type":"x","source":"y","detail":{"task":"sweep"}}"#,
        r#"{"detail-type":"x","source":"y","detail":{"task":"backfill","hours":1}}"#,
    ] {
        assert_eq!(backfill::handle(&app, event, soon()).await.unwrap_err().kind(), Kind::Unreadable, "{event}");
    }
}

#[tokio::test]
async fn a_sweep_wakes_what_is_due_and_nobody_conducts() {
    let Some(world) = World::new().await else { return };
    let app = world.app();
    let run = sweep::handle(&app, soon()).await.unwrap();
    assert_eq!((run.figures["accounts"], run.figures["woken"]), (1, 0));
    let kept = world.aws().signs.runs(&["sweep", "backfill"]).await.unwrap();
    assert_eq!(kept, [Some(run), None]);
    // On record, and the worker ended before its departure: its time was over.
    worker::handle(&app, &event("worker"), SystemClock.now()).await.unwrap();
    assert!(world.erp.orders().is_empty());
    while let Some(batch) = world.batch().await {
        world.settle(&batch, &[]).await;
    }
    let held = world.aws().accounts.ledger(&"erp/main".parse().unwrap()).await.unwrap();
    assert!(held.holder.is_none(), "the lease was given back: {held:?}");
    assert_eq!(sweep::handle(&app, soon()).await.unwrap().figures["woken"], 1);
    let batch = world.batch().await.unwrap();
    let woken = decode(batch.received[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(woken, Message::Wake { erp: "main".parse().unwrap() });
    assert!(failed(&worker::handle(&app, &batch.event, soon()).await.unwrap()).is_empty());
    assert_eq!(world.erp.orders().len(), 1);
}

#[tokio::test]
async fn a_backfill_brings_what_no_webhook_brought() {
    let Some(world) = World::new().await else { return };
    let shop = shop(3, 5);
    let _serving = world.publish_to_fetch_from(&shop).await;
    let app = world.app();
    let wide = wide_backfill();
    let first = backfill::handle(&app, &wide, soon()).await.unwrap();
    assert_eq!((first.figures["connections"], &first.error), (1, &None), "{first:?}");
    assert!(first.figures["enqueued"] >= 4, "{first:?}");
    while let Some(batch) = world.batch().await {
        let answer = worker::handle(&app, &batch.event, soon()).await.unwrap();
        world.settle(&batch, &failed(&answer)).await;
    }
    // What is on record is not enqueued again.
    let again = backfill::handle(&app, &wide, soon()).await.unwrap();
    assert_eq!((again.figures["listed"], again.figures["enqueued"]), (first.figures["listed"], 0));
    // What somebody wants now is no run of a task.
    let signs = world.aws().signs;
    assert_eq!(signs.runs(&["backfill"]).await.unwrap(), [None]);
    // The frequent one begins where it ended last.
    let frequent = backfill::handle(&app, &event("backfill"), soon()).await.unwrap();
    assert_eq!(frequent.error, None);
    assert_eq!(signs.runs(&["backfill"]).await.unwrap(), [Some(frequent)]);
}

#[tokio::test]
async fn a_dead_letter_that_comes_back_is_tried_again() {
    let Some(world) = World::new().await else { return };
    let app = world.app();
    let (aws, sample) = (world.aws(), serde_json::from_str::<Value>(&event("worker")).unwrap());
    let message = decode(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
    aws.queue.bury(&message, "the attempts ran out").await.unwrap();
    assert_eq!(aws.queue.redrive(10, None).await.unwrap(), 1);
    let batch = world.batch().await.unwrap();
    assert_eq!(batch.received[0]["Body"].as_str().unwrap(), encode(&message).unwrap());
    assert!(failed(&worker::handle(&app, &batch.event, soon()).await.unwrap()).is_empty());
    let Message::Arrival(arrival) = message else { panic!("{message:?}") };
    assert_eq!(aws.records.head(&arrival.key()).await.unwrap().unwrap().state(), State::Synced);
}

#[tokio::test]
async fn the_router_sees_the_path_its_sender_used() {
    let Some(world) = World::new().await else { return };
    let ingest = Ingest::new(world.app());
    let health = changed(&event("ingest"), |event| {
        (event["path"], event["httpMethod"]) = ("/v1/health".into(), "GET".into());
        event["body"] = Value::Null;
        event["isBase64Encoded"] = false.into();
    });
    let (status, answer) = serve(&ingest, &health).await;
    assert_eq!(status, 200, "{answer}");
    // A body that API Gateway did not encode reaches the router too.
    let delivery = &shop(1, 1).deliveries()[0].clone();
    let (status, answer) = serve(&ingest, &api_event(&delivery.headers, &delivery.body)).await;
    assert_eq!(status, 200, "{answer}");
}
