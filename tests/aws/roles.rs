//! One role per function, with exactly the actions it uses: each function runs behind a proxy that remembers what it asked
//! for, and `template.yaml` must allow that and nothing else.
//!
//! The emulator checks no permission: this is the only place where a surplus or a lack would be seen before a deployment.

use std::collections::BTreeSet;

use puente::ports::{Clock, Queue, SystemClock};
use puente_functions::{App, api::Api, authorizer::Authorizer, backfill, ingest::Ingest, sweep, worker};
use puente_sandbox::erp::Fault;
use serde_json::Value;

use crate::{
    proxy::Proxy,
    stack::{World, event, shop, wide_backfill},
    support::moto::template,
};

/// What somebody may do: an action on a resource of the stack.
type Permissions = BTreeSet<String>;

/// What the event source mapping does with the worker's role, and no code of ours.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
const EVENT_SOURCE: &[&str] = &["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];

/// The actions that `template.yaml` allows the role; writing its own log is every function's.
fn allowed(role: &str) -> Permissions {
    let statements =
        &template().unwrap()["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let mut all = Permissions::new();
    for statement in statements.as_array().unwrap() {
        let actions = match &statement["Action"] {
            Value::String(one) => vec![one.as_str()],
            many => many.as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect(),
        };
        let resource = match &statement["Resource"] {
            resource if resource["Fn::GetAtt"].is_string() => {
                resource["Fn::GetAtt"].as_str().unwrap().trim_end_matches(".Arn").to_owned()
            }
            resource => resource["Fn::Sub"].as_str().unwrap().replace("${Table.Arn}", "Table"),
        };
        let secrets = actions.iter().all(|action| action.starts_with("secretsmanager:"));
        let resource = if secrets { "secrets".to_owned() } else { resource };
        let own_log = |action: &&&str| action.starts_with("logs:") && resource.ends_with("Log");
        assert!(actions.iter().all(|action| !action.starts_with("logs:") || resource.ends_with("Log")), "{statement}");
        all.extend(actions.iter().filter(|a| !own_log(a)).map(|action| format!("{action} on {resource}")));
    }
    all
}

/// The same for what was asked: batches are allowed by the action of the single call.
fn needed(world: &World, proxy: &Proxy) -> Permissions {
    let place = &world.stack.place;
    let permission = |(target, request): (String, Value)| {
        let (service, action) = target.split_once('.').unwrap();
        match service {
            "DynamoDB_20120810" => {
                let index = request["IndexName"].as_str().map(|name| format!("/index/{name}")).unwrap_or_default();
                format!("dynamodb:{action} on Table{index}")
            }
            "AmazonSQS" => {
                let queue = if request["QueueUrl"] == place.queue.as_str() { "WorkQueue" } else { "DeadQueue" };
                format!("sqs:{} on {queue}", action.trim_end_matches("Batch"))
            }
            "secretsmanager" => format!("secretsmanager:{action} on secrets"),
            other => panic!("{other}.{action}: what allows it?"),
        }
    };
    proxy.asked().into_iter().map(permission).collect()
}

fn app(world: &World, proxy: &Proxy) -> App {
    App::new(world.through(&proxy.endpoint)).unwrap()
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_nothing_else() {
    let Some(world) = World::new().await else { return };
    let shop = shop(3, 5);
    let _serving = world.publish_to_fetch_from(&shop).await;

    let proxy = async || Proxy::before(&world.stack.endpoint).await;
    let (ingesting, working, sweeping, filling) = (proxy().await, proxy().await, proxy().await, proxy().await);

    // On record, and due: nobody is at work on it.
    let sweeper = app(&world, &sweeping);
    worker::handle(&world.app(), &event("worker"), SystemClock.now()).await.unwrap();
    assert_eq!(sweep::handle(&sweeper).await.unwrap().woken, 1);

    // A webhook; its order is refused until the attempts are gone, is buried, and another one arrives.
    let ingest = Ingest::new(app(&world, &ingesting));
    world.erp.next("POST /orders", Fault::ErrorBefore);
    world.erp.next("POST /orders", Fault::ErrorBefore);
    let request = lambda_http::request::from_str(&event("ingest")).unwrap();
    assert_eq!(ingest.answer(request).await.status().as_u16(), 200);
    app(&world, &ingesting).aws().queue.ready().await.unwrap();
    let worker = app(&world, &working);
    world.rest_with(&worker, &sweeper).await;
    assert!(!world.aws().queue.dead(10).await.unwrap().is_empty());

    let filler = app(&world, &filling);
    assert!(backfill::handle(&filler, &wide_backfill()).await.unwrap().enqueued >= 4);
    // The frequent one remembers how far it came.
    assert!(backfill::handle(&filler, &event("backfill")).await.unwrap().stopped.is_empty());
    world.rest_with(&worker, &sweeper).await;

    // The door, and everything that an operator can ask.
    let (deciding, operating) = (proxy().await, proxy().await);
    Authorizer::new(app(&world, &deciding), None).answer(&event("authorizer")).await.unwrap();
    let api = Api::new(app(&world, &operating));
    let known = shop.truth().first().unwrap().order.clone();
    for (method, path) in [
        ("GET", "/v1/ready".to_owned()),
        ("GET", "/v1/connections/acme-shop/orders".to_owned()),
        ("GET", format!("/v1/connections/acme-shop/orders/{known}")),
        ("POST", format!("/v1/connections/acme-shop/orders/{known}/replay")),
        ("GET", "/v1/erps/main/quota".to_owned()),
    ] {
        let request = lambda_http::request::from_str(&crate::api::asking(method, &path)).unwrap();
        let status = api.answer(request).await.status();
        assert!(status.is_success(), "{method} {path}: {status}");
    }

    let event_source =
        |action: &&String| EVENT_SOURCE.iter().any(|known| **action == format!("sqs:{known} on WorkQueue"));
    for (role, proxy) in [
        ("AuthorizerRole", &deciding),
        ("IngestRole", &ingesting),
        ("OperateRole", &operating),
        ("WorkerRole", &working),
        ("SweepRole", &sweeping),
        ("BackfillRole", &filling),
    ] {
        let (allowed, needed) = (allowed(role), needed(&world, proxy));
        let surplus: Vec<_> =
            allowed.difference(&needed).filter(|a| role != "WorkerRole" || !event_source(a)).collect();
        let lack: Vec<_> = needed.difference(&allowed).collect();
        assert!(surplus.is_empty() && lack.is_empty(), "{role}: too much {surplus:?}, too little {lack:?}");
    }
}
