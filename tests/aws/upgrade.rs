//! An update in the middle of the day: the table holds items as the release with one document to an order left them, and the lives of its
//! orders go on through the functions.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use puente::{
    config::Section,
    domain::{
        document::{Document, Step},
        ids::{AttemptId, OrderKey},
        order::Order,
        record::{Intent, State, Summary, Write},
    },
    erp::{ERPS, Erp, Job},
    fuzzing::Way,
    ports::{Clock, Payload, Records, SystemClock},
    store::{STORES, Store},
};
use puente_functions::ingest::Ingest;
use puente_sandbox::erp::{Config, Of};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    serve::ask,
    stack::{KEY, World, api_event},
    support::{
        moto,
        tryton::{Memory, counted},
    },
};

const SECRET: &str = "whsec_bGl2ZXMtb2Ytb3JkZXJzLW9uLWF3cw==";

/// How an order stood when that release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stood {
    /// In the ERP.
    Synced,
    /// Its sale was on its way: the ERP has it, and nobody was told.
    Landed,
    /// Its sale was on its way, and never arrived.
    Lost,
    /// Due.
    Waiting,
}

/// What the shop says of it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Edit,
    Cancel,
    Refund,
    Nothing,
}

/// An order of two packets as it was sold, for 24.20, or as it is after: three for 36.30, cancelled, or one given back for 12.10.
fn order(number: usize, next: Next) -> Order {
    let pieces = if next == Next::Edit { 3 } else { 2 };
    let tax = format!("{}.{:02}", pieces * 210 / 100, pieces * 210 % 100);
    let total = format!("{}.{:02}", pieces * 1210 / 100, pieces * 1210 % 100);
    let vat = |amount: &str| json!([{"name": "VAT", "rate": "0.21", "amount": amount}]);
    let refund = json!([{"id": "r1", "amount": "12.10", "lines": [
        {"line": "1", "quantity": "1", "amount": "10.00", "taxes": vat("2.10"), "restock": true},
    ]}]);
    let (status, payment, refunds) = match next {
        Next::Cancel => ("cancelled", "paid", json!([])),
        Next::Refund => ("open", "partially_refunded", refund),
        Next::Edit | Next::Nothing => ("open", "paid", json!([])),
    };
    let day = if next == Next::Nothing { 4 } else { 5 };
    let line = json!({"id": "1", "sku": "YERBA-500", "title": "Yerba", "quantity": pieces.to_string(), "unit_price": "10.00",
        "amount": format!("{}.00", pieces * 10), "taxes": vat(&tax)});
    let order = json!({
        "schema": 1, "id": number.to_string(), "number": format!("#{number}"), "placed_at": "2026-05-04T10:00:00Z",
        "updated_at": format!("2026-05-0{day}T10:00:00Z"), "currency": "EUR", "status": status, "payment": payment,
        "customer": {"id": number.to_string(), "name": "Ada Example"}, "lines": [line], "tax": tax, "total": total, "refunds": refunds,
    });
    // From text: amounts keep their digits.
    serde_json::from_str(&order.to_string()).unwrap()
}

fn key(order: &Order) -> OrderKey {
    OrderKey::new("acme-shop".parse().unwrap(), order.id.clone())
}

fn ago(seconds: i64) -> Timestamp {
    SystemClock.now() - SignedDuration::from_secs(seconds)
}

fn store() -> Box<dyn Store> {
    let row = STORES.iter().find(|row| row.kind == "canonical").unwrap();
    let section = format!("webhook_secrets = [{{ literal = \"{SECRET}\" }}]\n");
    (row.build)(&Section::from_toml(&section).unwrap()).unwrap()
}

/// The ERP has the sale of an order, as that release made it.
async fn made(erp: &dyn Erp, order: &Order) -> Document {
    let (way, ids): (Way, _) = (counted().0, Memory::default());
    let step = Step::create(key(order).sale());
    let job =
        Job { key: key(order), version: order.version(), order: order.clone().into(), rules: Default::default(), step };
    let operation = job.step.operation();
    let draft = erp.prepare(&way.with(&ids), operation, &[job], false).await.remove(0).unwrap();
    erp.send(&way.calls(), operation, &[draft]).await.remove(0).unwrap()
}

/// The attributes of that release's items, in no index but for heads that are due.
const ATTRIBUTES: [&str; 21] = [
    "pk",
    "sk",
    "connection",
    "order",
    "schema",
    "summary",
    "desired",
    "desired_content",
    "desired_tie",
    "newest",
    "arrived",
    "applied",
    "attempts",
    "epoch",
    "last",
    "document",
    "updated",
    "token",
    "shelf",
    "listed",
    "intent",
];

/// The record of an order as that release left it: written by the adapter, and then put back to what that one knew.
async fn leave(world: &World, order: &Order, stood: Stood, document: Option<&Document>) {
    let (records, key, version) = (world.aws().records, key(order), order.version());
    let content = serde_json::to_vec(order).unwrap();
    records.keep(&key, &version, &Payload::Order(content.into())).await.unwrap();
    let write = async |write: Write, at: Timestamp| {
        assert!(records.write(&key, &write, at).await.unwrap().applied(), "{write:?}");
    };
    let summary = Summary::of(order);
    write(Write::Record { version: version.clone(), summary, arrived: ago(100), over: ago(100) }, ago(100)).await;
    if stood != Stood::Waiting {
        let intent = Intent {
            step: Step::create(key.sale()),
            planned: version.clone(),
            last: true,
            attempt: AttemptId::new("a1"),
            epoch: 0,
            start_by: ago(80),
            settle_at: ago(60),
            unknown: false,
            refused: false,
        };
        write(Write::Begin { desired: version.clone(), steps: 0, intent, due: ago(60) }, ago(90)).await;
    }
    let mut names = json!({"#s": "schema"});
    let mut values = json!({":one": {"N": "1"}});
    let update = match stood {
        Stood::Synced => {
            let head = records.head(&key).await.unwrap().unwrap();
            write(Write::complete(&head, &version, document.unwrap()).unwrap(), ago(80)).await;
            values[":document"] = json!({"S": serde_json::to_string(document.unwrap()).unwrap()});
            "SET #s = :one, document = :document REMOVE booked, steps"
        }
        Stood::Landed | Stood::Lost => {
            names["#i"] = "intent".into();
            names["#l"] = "last".into();
            "SET #s = :one REMOVE steps, #i.#l"
        }
        Stood::Waiting => "SET #s = :one REMOVE steps",
    };
    let at = json!({"pk": {"S": format!("order/{key}")}, "sk": {"S": "head"}});
    let table = &world.stack.place.table;
    let put_back = json!({
        "TableName": table, "Key": at, "UpdateExpression": update,
        "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
    });
    moto::call(&world.stack.endpoint, "dynamodb", "DynamoDB_20120810.UpdateItem", &put_back).await;
    let get = json!({"TableName": table, "Key": at});
    let item = moto::call(&world.stack.endpoint, "dynamodb", "DynamoDB_20120810.GetItem", &get).await;
    let known: BTreeSet<&str> = ATTRIBUTES.into_iter().chain(["due", "soon"]).collect();
    let strange: Vec<&String> =
        item["Item"].as_object().unwrap().keys().filter(|name| !known.contains(name.as_str())).collect();
    assert_eq!(strange, Vec::<&String>::new(), "that release wrote no such attribute");
}

/// What `orders show` says of the documents of an order: kind, cancelled, current.
fn shown(story: &Value) -> Vec<(&str, bool, bool)> {
    let documents = story["documents"].as_array().unwrap().iter();
    let flag = |of: &Value, name: &str| of[name].as_bool().unwrap();
    documents.map(|of| (of["kind"].as_str().unwrap(), flag(of, "cancelled"), flag(of, "current"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lives_of_an_earlier_releases_items_go_on_through_the_functions() {
    let Some(stack) = moto::stack().await else { return };
    let world = World::with(stack, Config { changes: true, ..Config::default() }).await;
    let section = world.erp.config_example();
    let text = format!(
        "[erp.main]\nlimits = {{ rate = \"1000/s\", per_day = 100000 }}\nkind = \"rest\"\n{section}\n\
         [connection.acme-shop]\nerp = \"main\"\nkey = {{ secret = \"key\" }}\n\
         store = {{ kind = \"canonical\", webhook_secrets = [{{ secret = \"webhook\" }}] }}\n"
    );
    world.stack.publish(&text, &[("key", KEY), ("webhook", SECRET)]).await;
    let row = ERPS.iter().find(|row| row.kind == "rest").unwrap();
    let erp = (row.build)(&Section::from_toml(&section).unwrap()).unwrap();

    let mut lives = Vec::new();
    for stood in [Stood::Synced, Stood::Landed, Stood::Lost, Stood::Waiting] {
        for next in [Next::Edit, Next::Cancel, Next::Refund, Next::Nothing] {
            let sold = order(lives.len() + 1, Next::Nothing);
            let there = matches!(stood, Stood::Synced | Stood::Landed);
            let document = if there { Some(made(&*erp, &sold).await) } else { None };
            leave(&world, &sold, stood, document.as_ref()).await;
            lives.push((sold, stood, next));
        }
    }

    let (app, store, ingest) = (world.app(), store(), Ingest::new(world.app()));
    for (number, (sold, _, next)) in lives.iter().enumerate() {
        let now = order(number + 1, *next);
        // Each twice, and the state from before the update once more in between.
        for state in [&now, sold, &now] {
            let body = serde_json::to_vec(state).unwrap();
            let event = api_event(&store.sign(&body, SystemClock.now()), &body);
            let request = lambda_http::request::from_str(&event).unwrap();
            assert_eq!(ingest.answer(request).await.status().as_u16(), 200);
        }
    }
    world.rest(&app).await;

    let (aws, documents) = (world.aws(), world.erp.orders());
    assert_eq!(world.erp.doubled(), Vec::<String>::new());
    let amount = |text: &str| text.parse::<Decimal>().unwrap();
    let mut never_left = 0;
    for (sold, stood, next) in &lives {
        let what = format!("{stood:?}, then {next:?}");
        let (key, sale) = (key(sold), key(sold).sale());
        let head = aws.records.head(&key).await.unwrap().unwrap();
        let of = documents.iter().filter(|made| {
            made.reference == sale.as_str() || made.reference.starts_with(&format!("{}/", sale.as_str()))
        });
        let of: Vec<_> = of.map(|made| (made.kind == Of::Sale, made.net(), made.cancelled)).collect();
        let story = ask(&world, &["orders", "show", &key.to_string()]);
        if (*stood, *next) == (Stood::Waiting, Next::Cancel) && of.is_empty() {
            // It was cancelled before it left.
            assert_eq!(head.state(), State::Ignored, "{what}");
            assert!(shown(&story).is_empty(), "{what}: {story}");
            never_left += 1;
            continue;
        }
        assert_eq!((head.state(), head.due), (State::Synced, None), "{what}: {:?}", head.reason);
        assert_eq!((&story["order"]["status"], &story["open"]), (&json!("synced"), &Value::Null), "{what}");
        let (books, documents) = match next {
            Next::Nothing => (vec![(true, amount("24.20"), false)], vec![("sale", false, true)]),
            Next::Edit => (vec![(true, amount("36.30"), false)], vec![("sale", false, true)]),
            Next::Refund => (
                vec![(true, amount("24.20"), false), (false, amount("-12.10"), false)],
                vec![("sale", false, true), ("credit", false, true)],
            ),
            Next::Cancel => (vec![(true, Decimal::ZERO, true)], vec![("sale", true, false)]),
        };
        assert_eq!(of, books, "{what}");
        assert_eq!(shown(&story), documents, "{what}: {story}");
    }
    assert_eq!(
        documents.len(),
        lives.len() - never_left + 4,
        "a sale of each that was not cancelled in time, and a credit note of each refund"
    );
}
