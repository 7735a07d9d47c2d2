//! One role per function, with exactly the actions it uses: each function runs behind a proxy that remembers what it asked
//! for, and `template.yaml` must allow that and nothing else.
//!
//! The emulator checks no permission: this is the only place where a surplus or a lack would be seen before a deployment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use puente::{
    domain::{
        goods::{Commit, Count, GoodsWrite, Mark, Settled, ShelfId},
        ids::{AccountId, ConnectionId, ErpId, OrderKey},
        money::Amount,
        price::{Offer, PriceWrite, Quote, Quoted},
        shipment::{Shipment, ShipmentId, ShipmentWrite},
        version::Version,
    },
    ports::{Accounts, Clock, Goods, Prices, Queue, Shipments, SystemClock, Token, Tokens},
};
use puente_functions::{App, Tell, api::Api, authorizer::Authorizer, backfill, ingest::Ingest, sweep, worker};
use puente_sandbox::erp::Fault;
use serde_json::{Value, json};

use crate::{
    proxy::Proxy,
    stack::{World, event, shop, soon, wide_backfill},
    support::moto::{stack, statements, template},
};

/// What the event source mapping does with the worker's role, and no code of ours.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
const EVENT_SOURCE: &[&str] = &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// The names of the stack's secrets, as IAM sees them, up to the kind of bundle.
const SECRETS: &str = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretPrefix}";

/// The actions on the table that name the partitions they are about. <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
const KEYED: [&str; 7] = [
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];

/// The kinds of bundle that a role may open.
const KINDS: [&str; 3] = ["edge", "worker", "erp"];

/// The kind of bundle whose names a pattern has: all of that kind, and nothing else.
fn kind(pattern: &str) -> Option<&'static str> {
    let names = pattern.strip_prefix(SECRETS)?;
    KINDS.into_iter().find(|kind| names.strip_prefix(kind) == Some("/*"))
}

/// A call that was made: an action on a part of the stack, and the partition of the table that it was about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    action: String,
    part: String,
    partition: Option<String>,
}

/// A permission: an action on a part of the stack, perhaps in some partitions of the table only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    action: String,
    part: String,
    partitions: Option<Vec<String>>,
}

impl Grant {
    fn allows(&self, asked: &Asked) -> bool {
        let inside = |within: &Vec<String>| {
            let asked = asked.partition.as_deref();
            asked.is_some_and(|asked| within.iter().any(|pattern| matches(pattern, asked)))
        };
        self.action == asked.action && self.part == asked.part && self.partitions.as_ref().is_none_or(inside)
    }

    /// What it allows beyond what was asked for.
    fn surplus(&self, asked: &BTreeSet<Asked>) -> Option<String> {
        let used: BTreeSet<_> = asked.iter().filter(|asked| self.allows(asked)).map(|asked| &asked.partition).collect();
        let (action, part) = (&self.action, &self.part);
        match &self.partitions {
            _ if used.is_empty() => Some(format!("{action} on {part} is never used")),
            Some(within) if used.len() < within.len() => {
                Some(format!("{action} on {part}, not all of {within:?} is used"))
            }
            // Orders and accounts have partitions without number; the configuration has this one.
            None if used == [&Some("config".to_owned())].into() => {
                Some(format!("{action} on {part} reads the configuration alone, and is not confined to it"))
            }
            _ => None,
        }
    }
}

/// Whether a partition has a name such as `config`, or one that begins as `token/*` says.
fn matches(pattern: &str, partition: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == partition, |beginning| partition.starts_with(beginning))
}

/// The partitions of the table that a statement denies, whatever others allow; `None` if it denies nothing.
fn denied(statement: &Value) -> Option<Vec<String>> {
    if statement["Effect"] != "Deny" {
        return None;
    }
    let within = &statement["Condition"]["ForAnyValue:StringLike"]["dynamodb:LeadingKeys"];
    assert_eq!(statement["Condition"], json!({ "ForAnyValue:StringLike": { "dynamodb:LeadingKeys": within } }));
    assert_eq!(statement["Resource"]["Fn::GetAtt"], "Table.Arn", "{statement}");
    Some(within.as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect())
}

/// The roles of the functions in `template.yaml`.
fn functions_roles() -> BTreeSet<&'static str> {
    let resources = template().unwrap()["Resources"].as_object().unwrap().values();
    let functions = resources.filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    let role = |function: &'static Value| {
        let role = function["Properties"]["Role"]["Fn::GetAtt"].as_str().expect("a role of its own");
        role.strip_suffix(".Arn").unwrap()
    };
    functions.map(role).collect()
}

/// What statements allow; writing its own log is every function's.
fn granted(statements: &[Value]) -> Vec<Grant> {
    let mut all = Vec::new();
    for statement in statements {
        let words: BTreeSet<_> = statement.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(words.is_subset(&["Effect", "Action", "Resource", "Condition"].into()), "{statement}");
        if denied(statement).is_some() {
            continue;
        }
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        let actions = match &statement["Action"] {
            Value::String(one) => vec![one.as_str()],
            many => many.as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect(),
        };
        let part = match &statement["Resource"] {
            resource if resource["Fn::GetAtt"].is_string() => {
                resource["Fn::GetAtt"].as_str().unwrap().strip_suffix(".Arn").unwrap().to_owned()
            }
            resource if resource["Fn::Sub"].as_str().is_some_and(|name| kind(name).is_some()) => {
                format!("secrets/{}", kind(resource["Fn::Sub"].as_str().unwrap()).unwrap())
            }
            resource if resource["Ref"] == "TokenKey" => {
                // What was encrypted for another stack, or by somebody else, is none of its business.
                let own = json!({ "StringEquals": { "kms:EncryptionContext:puente:table": { "Ref": "Table" } } });
                assert_eq!(statement["Condition"], own, "{statement}");
                "TokenKey".to_owned()
            }
            resource => match resource["Fn::Sub"].as_str().and_then(|sub| sub.strip_prefix("${Table.Arn}/index/")) {
                Some(index) if index.chars().all(char::is_alphanumeric) => format!("Table/index/{index}"),
                _ => panic!("what is meant by {resource}?"),
            },
        };
        let confined = statement.get("Condition").filter(|_| part != "TokenKey");
        let partitions = confined.map(|condition| {
            let test = condition.as_object().unwrap().keys().next().unwrap();
            assert!(["ForAllValues:StringEquals", "ForAllValues:StringLike"].contains(&test.as_str()), "{statement}");
            let within = &condition[test]["dynamodb:LeadingKeys"];
            assert_eq!(*condition, json!({ test: { "dynamodb:LeadingKeys": within } }));
            // With an action that names no key it would hold of everything.
            assert!(actions.iter().all(|action| KEYED.contains(action)) && part == "Table", "{statement}");
            within.as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
        });
        if actions == ["logs:CreateLogStream", "logs:PutLogEvents"] && part.ends_with("Log") {
            continue;
        }
        let grant =
            |action: &str| Grant { action: action.to_owned(), part: part.clone(), partitions: partitions.clone() };
        all.extend(actions.into_iter().map(grant));
    }
    all
}

/// What a call to the table asks for. Batches are allowed by the action of the single call, or by one of their own; all or none is
/// allowed by the actions of its parts.
fn asked_of_table(action: &str, request: &Value, table: &str) -> Vec<Asked> {
    let of = |action: &str, partition: &Value| {
        let index = request["IndexName"].as_str().map(|name| format!("/index/{name}")).unwrap_or_default();
        Asked {
            action: format!("dynamodb:{action}"),
            part: format!("Table{index}"),
            partition: partition.as_str().map(str::to_owned),
        }
    };
    if let Some(parts) = request["TransactItems"].as_array() {
        let part = |part: &Value| {
            let (kind, of_part) = part.as_object().unwrap().iter().next().unwrap();
            assert_eq!(of_part["TableName"], table, "{action}: another table");
            let action = if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
            let item = if kind == "Put" { &of_part["Item"] } else { &of_part["Key"] };
            of(&action, &item["pk"]["S"])
        };
        return parts.iter().map(part).collect();
    }
    if let Some(batch) = request["RequestItems"].as_object() {
        assert!(batch.keys().eq([table]), "{action}: another table");
        let batch = &batch[table];
        return match batch["Keys"].as_array() {
            Some(keys) => keys.iter().map(|key| of(action, &key["pk"]["S"])).collect(),
            None => vec![of(action, &Value::Null)],
        };
    }
    assert_eq!(request["TableName"], table, "{action}: another table");
    // A query names its partition among its values.
    let places = [&request["Key"]["pk"], &request["Item"]["pk"], &request["ExpressionAttributeValues"][":p"]];
    let place = places.into_iter().find(|place| place["S"].is_string()).unwrap_or(&Value::Null);
    vec![of(action, &place["S"])]
}

/// What was asked for.
fn asked(world: &World, proxy: &Proxy) -> BTreeSet<Asked> {
    let place = &world.stack.place;
    let mut all = BTreeSet::new();
    for (target, request) in proxy.asked() {
        let (service, action) = target.split_once('.').unwrap();
        let (service, action, part) = match service {
            "DynamoDB_20120810" => {
                all.extend(asked_of_table(action, &request, &place.table));
                continue;
            }
            "AmazonSQS" => {
                let queues = [(Some(&place.queue), "WorkQueue"), (place.dead.as_ref(), "DeadQueue")];
                let named =
                    |(url, _): &&(Option<&String>, _)| url.is_some_and(|url| request["QueueUrl"] == url.as_str());
                let (_, queue) = queues.iter().find(named).unwrap_or_else(|| panic!("{target}: another queue"));
                ("sqs", action.trim_end_matches("Batch"), (*queue).to_owned())
            }
            "secretsmanager" => {
                let name = request["SecretId"].as_str().unwrap();
                let own =
                    name.strip_prefix(&place.secrets).unwrap_or_else(|| panic!("{name} is outside of the prefix"));
                ("secretsmanager", action, format!("secrets/{}", own.split_once('/').unwrap().0))
            }
            "TrentService" => {
                assert_eq!(request["EncryptionContext"]["puente:table"], place.table.as_str(), "{target}: {request}");
                ("kms", action, "TokenKey".to_owned())
            }
            other => panic!("{other}.{action}: what allows it?"),
        };
        all.insert(Asked { action: format!("{service}:{action}"), part, partition: None });
    }
    all
}

/// What is allowed and was not asked for, and what was asked for and is not allowed.
fn compared(statements: &[Value], asked: &BTreeSet<Asked>) -> (Vec<String>, Vec<String>) {
    let granted = granted(statements);
    let denied: Vec<String> = statements.iter().filter_map(denied).flatten().collect();
    let is_denied = |asked: &Asked| {
        asked.partition.as_deref().is_some_and(|asked| denied.iter().any(|pattern| matches(pattern, asked)))
    };
    let lack = asked.iter().filter(|asked| is_denied(asked) || !granted.iter().any(|grant| grant.allows(asked)));
    let surplus = granted.iter().filter_map(|grant| grant.surplus(asked)).collect();
    (surplus, lack.map(|asked| format!("{asked:?}")).collect())
}

fn app(world: &World, proxy: &Proxy) -> App {
    App::new(world.through(&proxy.endpoint), Tell::default()).unwrap()
}

/// A shop with orders that nobody has seen takes part in the stock of its ERP. What an ERP's answers, an order that is cancelled and
/// a store's refusals come to is written as the conductors write it: no ERP of the sandbox is asked for its stock.
async fn stock(world: &World, working: &Proxy, sweeping: &Proxy, filling: &Proxy) {
    let (worker, sweeper, filler) = (app(world, working), app(world, sweeping), app(world, filling));
    let (erp, of): (ErpId, ConnectionId) = ("main".parse().unwrap(), "acme-shop".parse().unwrap());
    let goods = "[connection.acme-shop.goods]\nstock = \"publish\"\nshipments = \"publish\"\n";
    let shop = shop(11, 15);
    let _serving = world.publish_to_fetch_from_with(&shop, goods).await;
    assert!(backfill::handle(&filler, &wide_backfill(), soon()).await.unwrap().figures["enqueued"] >= 10);
    let kept = world.aws().goods;
    assert!(!kept.commitments(&erp, None, 100).await.unwrap().is_empty());
    assert!(kept.next_due(&of).await.unwrap().is_some());
    // Stock is to be asked for, and the store to be told.
    assert_eq!(sweep::handle(&sweeper, soon()).await.unwrap().figures["woken"], 2);
    world.stack.pass(Duration::from_secs(2)).await;
    while let Some(batch) = world.batch().await {
        worker::handle(&worker, &batch.event, soon()).await.unwrap();
        world.settle(&batch, &[]).await;
    }
    let ledger = world.aws().accounts.ledger(&AccountId::Store(of.clone())).await.unwrap();
    assert!(ledger.epoch > 0 && ledger.holder.is_none(), "a conductor of the store: {ledger:?}");

    let id = ShelfId { erp: erp.clone(), place: "*".parse().unwrap(), sku: "PLAYED".parse().unwrap() };
    let version: Version = "2026-03-01T09:00:00Z/00000/0000000000000001".parse().unwrap();
    let order = |id: &str| OrderKey::new(of.clone(), id.parse().unwrap());
    let took = |id: &str, quantity: i64, reserved: i64, version: &Version| {
        let (quantity, reserved) = (Some(Amount::from(quantity)), Amount::from(reserved));
        let version = version.clone();
        GoodsWrite::Commit(Commit { order: order(id), quantity, reserved, version, booked: Amount::ZERO })
    };
    let settled = |id: &str| (order(id), Settled { quantity: Amount::from(2), version: version.clone() });
    let (both, marks) = (vec![settled("played-1"), settled("played-2")], vec![Mark::of(of.clone())]);
    let counted = |poll| {
        let (settled, marks) = (both.clone(), marks.clone());
        let read_at = SystemClock.now();
        GoodsWrite::Count(Count { quantity: Amount::from(5), poll, read_at, settled, marks, daily: false })
    };
    // One is over with it, and the other has a part that its store still keeps.
    let write = async |app: &App, write: &GoodsWrite| {
        let done = app.aws().goods.write(&id, write, SystemClock.now()).await.unwrap();
        assert!(done, "{write:?}");
    };
    write(&worker, &took("played-1", 2, 0, &version)).await;
    write(&worker, &took("played-2", 2, 1, &version)).await;
    write(&worker, &counted(1)).await;
    write(&worker, &counted(2)).await;
    write(&worker, &GoodsWrite::Settle { poll: 2, settled: both.clone(), marks: marks.clone() }).await;
    assert!(!worker.aws().goods.commitments(&erp, None, 1).await.unwrap().is_empty());
    assert_eq!(worker.aws().goods.shelf(&id).await.unwrap().commitments.len(), 1);
    // Cancelled before anything else knew of it.
    let later: Version = "2026-03-01T09:00:01Z/00000/0000000000000002".parse().unwrap();
    write(&filler, &took("played-3", 2, 0, &version)).await;
    write(&filler, &took("played-3", 0, 0, &later)).await;
}

/// What an ERP sent of an order is noted, and read by whoever tells its store, which has it.
async fn shipments(world: &World, working: &Proxy) {
    let worker = app(world, working);
    let kept = &worker.aws().shipments;
    let order = OrderKey::new("acme-shop".parse().unwrap(), "sent-1".parse().unwrap());
    let items = BTreeMap::from([("PLAYED".parse().unwrap(), Amount::from(2))]);
    let id: ShipmentId = "1".parse().unwrap();
    let shipment = Shipment { id: id.clone(), number: "OUT/1".to_owned(), items, carrier: None, parcels: Vec::new() };
    let told = ShipmentWrite::Told { attempt: None, epoch: 1, seen: 1, fulfilment: None, lines: BTreeMap::new() };
    for write in [ShipmentWrite::Noted { shipment, poll: 1 }, told] {
        assert!(kept.write(&order, &id, &write, SystemClock.now()).await.unwrap(), "{write:?}");
    }
    assert_eq!(kept.of_order(&order).await.unwrap().len(), 1);
}

/// What an ERP says that an article costs is written and read by whoever tells its store, and a person has it looked at again.
async fn prices(world: &World, working: &Proxy, operating: &Proxy) {
    let (worker, operator) = (app(world, working), app(world, operating));
    let (shop, sku) = ("acme-shop".parse().unwrap(), "PLAYED".parse().unwrap());
    let price = Quote { amount: Amount::from(12), currency: "EUR".parse().unwrap(), taxed: true, rate: None };
    let quoted = Quoted { offer: Offer { price, compare_at: None }, later: None, poll: 1, afresh: false, daily: false };
    for (app, write) in [(&worker, PriceWrite::Quoted(quoted)), (&operator, PriceWrite::Again { released: None })] {
        assert!(app.aws().prices.write(&shop, &sku, &write, SystemClock.now()).await.unwrap(), "{write:?}");
    }
    assert_eq!(worker.aws().prices.due(&shop, SystemClock.now(), 10).await.unwrap(), [sku]);
    assert_eq!(operator.aws().prices.list(&shop, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_nothing_else() {
    let Some(stack) = stack().await else { return };
    let world = World::on(stack.with_token_key().await).await;
    let shop = shop(3, 5);
    let _serving = world.publish_to_fetch_from(&shop).await;

    let proxy = async || Proxy::before(&world.stack.endpoint).await;
    let (ingesting, working, sweeping, filling) = (proxy().await, proxy().await, proxy().await, proxy().await);

    // On record, and due: nobody is at work on it.
    let sweeper = app(&world, &sweeping);
    worker::handle(&world.app(), &event("worker"), SystemClock.now()).await.unwrap();
    assert_eq!(sweep::handle(&sweeper, soon()).await.unwrap().figures["woken"], 1);

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
    assert!(backfill::handle(&filler, &wide_backfill(), soon()).await.unwrap().figures["enqueued"] >= 4);
    // A store's token about to end is renewed by whoever sees it first, and read by the other.
    let of = AccountId::Store("acme".parse().unwrap());
    for (round, (one, other)) in [(&worker, &filler), (&filler, &worker)].into_iter().enumerate() {
        let token = Token { value: format!("token {round}").into(), expires_at: None };
        let seen = one.aws().tokens.get(&of).await.unwrap().map(|kept| kept.version);
        one.aws().tokens.swap(&of, seen, &token).await.unwrap();
        assert!(other.aws().tokens.get(&of).await.unwrap().unwrap().token.is(&token));
    }
    // The frequent one remembers how far it came.
    assert_eq!(backfill::handle(&filler, &event("backfill"), soon()).await.unwrap().error, None);
    world.rest_with(&worker, &sweeper).await;

    stock(&world, &working, &sweeping, &filling).await;
    shipments(&world, &working).await;

    // The door, and everything that an operator can ask.
    let (deciding, operating) = (proxy().await, proxy().await);
    Authorizer::new(app(&world, &deciding), None).answer(&event("authorizer")).await.unwrap();
    prices(&world, &working, &operating).await;
    let api = Api::new(app(&world, &operating));
    let known = shop.truth().first().unwrap().order.clone();
    for (method, path) in [
        ("GET", "/v1/ready".to_owned()),
        ("GET", "/v1/connections/acme-shop/orders".to_owned()),
        ("GET", format!("/v1/connections/acme-shop/orders/{known}")),
        ("POST", format!("/v1/connections/acme-shop/orders/{known}/replay")),
        ("GET", "/v1/connections".to_owned()),
        ("GET", "/v1/erps/main/quota".to_owned()),
        ("GET", "/v1/connections/acme-shop/quota".to_owned()),
        ("GET", "/v1/tasks".to_owned()),
        ("GET", "/v1/orders".to_owned()),
        ("POST", "/v1/orders/search".to_owned()),
        ("POST", "/v1/connections/acme-shop/backfill".to_owned()),
        ("GET", "/v1/connections/acme-shop/goods".to_owned()),
        ("GET", "/v1/connections/acme-shop/goods/PLAYED".to_owned()),
        ("POST", "/v1/connections/acme-shop/goods/hold".to_owned()),
        ("POST", "/v1/connections/acme-shop/goods/release".to_owned()),
        ("GET", "/v1/connections/acme-shop/shipments".to_owned()),
        ("POST", "/v1/connections/acme-shop/orders/sent-1/shipments/1/retry".to_owned()),
        ("GET", "/v1/dead-letters".to_owned()),
        ("POST", "/v1/dead-letters/redrive".to_owned()),
    ] {
        let body = match path.rsplit('/').next().unwrap() {
            "search" => json!({ "email": "ana@example.com" }),
            "backfill" => json!({ "since": SystemClock.now() }),
            _ => json!({}),
        };
        let asked = crate::api::asking_with(method, &path, "*", (method == "POST").then_some(&body));
        let request = lambda_http::request::from_str(&asked).unwrap();
        let status = api.answer(request).await.status();
        assert!(status.is_success(), "{method} {path}: {status}");
    }

    let played = BTreeMap::from([
        ("AuthorizerRole", &deciding),
        ("IngestRole", &ingesting),
        ("OperateRole", &operating),
        ("WorkerRole", &working),
        ("SweepRole", &sweeping),
        ("BackfillRole", &filling),
    ]);
    assert_eq!(played.keys().copied().collect::<BTreeSet<_>>(), functions_roles(), "a role that nobody plays");
    for (role, proxy) in played {
        let mut asked = asked(&world, proxy);
        if role == "WorkerRole" {
            let takes =
                |action: &&str| Asked { action: (*action).to_owned(), part: "WorkQueue".to_owned(), partition: None };
            asked.extend(EVENT_SOURCE.iter().map(takes));
        }
        let (surplus, lack) = compared(&statements(role).unwrap(), &asked);
        assert!(surplus.is_empty() && lack.is_empty(), "{role}: too much {surplus:?}, too little {lack:?}");
    }
}

/// What faces the internet can read no ERP password and nothing that opens a store; what only lists and wakes reads no secret.
#[test]
fn secrets_are_read_by_those_who_need_them() {
    if template().is_none() {
        return;
    }
    let reads = |role: &str| {
        let parts = granted(&statements(role).unwrap()).into_iter().filter(|grant| grant.part.starts_with("secrets"));
        parts.map(|grant| format!("{} {}", grant.action, grant.part)).collect::<BTreeSet<_>>()
    };
    let of = |kinds: &[&str]| {
        kinds.iter().map(|kind| format!("secretsmanager:GetSecretValue secrets/{kind}")).collect::<BTreeSet<_>>()
    };
    assert_eq!(reads("AuthorizerRole"), of(&["edge"]));
    assert_eq!(reads("IngestRole"), of(&["edge"]));
    assert_eq!(reads("OperateRole"), of(&[]));
    assert_eq!(reads("SweepRole"), of(&[]));
    assert_eq!(reads("BackfillRole"), of(&["worker"]));
    assert_eq!(reads("WorkerRole"), of(&["erp", "worker"]));
}

/// How many secrets were read.
fn secrets_read(proxy: &Proxy) -> Vec<String> {
    let reads = proxy.asked().into_iter().filter(|(target, _)| target == "secretsmanager.GetSecretValue");
    reads.map(|(_, request)| request["SecretId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_cold_start_of_what_faces_the_internet_reads_one_secret() {
    let Some(world) = World::new().await else { return };
    let shop = shop(3, 5);
    // A shop with everything that there can be: a key, a webhook secret, and a token.
    let _serving = world.publish_to_fetch_from(&shop).await;
    let name = format!("{}edge/acme-shop", world.stack.place.secrets);
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let ingest = Ingest::new(app(&world, &proxy));
    for _ in 0..3 {
        let request = lambda_http::request::from_str(&event("ingest")).unwrap();
        assert_eq!(ingest.answer(request).await.status().as_u16(), 200);
    }
    assert_eq!(secrets_read(&proxy), [name.as_str()], "cold and warm together");
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let authorizer = Authorizer::new(app(&world, &proxy), None);
    for _ in 0..3 {
        authorizer.answer(&event("authorizer")).await.unwrap();
    }
    assert_eq!(secrets_read(&proxy), [name.as_str()]);
    // What people call reads none.
    let proxy = Proxy::before(&world.stack.endpoint).await;
    let api = Api::new(app(&world, &proxy));
    for path in ["/v1/connections/acme-shop/orders", "/v1/erps/main/quota", "/v1/connections/acme-shop/quota"] {
        let request = lambda_http::request::from_str(&crate::api::asking("GET", path)).unwrap();
        assert_eq!(api.answer(request).await.status().as_u16(), 200);
    }
    assert_eq!(secrets_read(&proxy), Vec::<String>::new());
}

/// What would the test above say of another role?
#[test]
fn resources_and_conditions_are_compared_too() {
    let Some(good) = statements("AuthorizerRole") else { return };
    let asks = |action: &str, part: &str, partition: Option<&str>| Asked {
        action: action.to_owned(),
        part: part.to_owned(),
        partition: partition.map(str::to_owned),
    };
    let asked = BTreeSet::from([
        asks("dynamodb:GetItem", "Table", Some("config")),
        asks("secretsmanager:GetSecretValue", "secrets/edge", None),
    ]);
    assert_eq!(compared(&good, &asked), (vec![], vec![]));
    // Its statements: the log, the configuration, the secrets.
    let changed = |at: usize, edit: &dyn Fn(&mut Value)| {
        let mut other = good.clone();
        edit(&mut other[at]);
        other
    };
    let partitions = |within: &Value| json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": within } });

    // No condition; one that opens another partition beside it, or instead.
    let (surplus, lack) =
        compared(&changed(1, &|config| drop(config.as_object_mut().unwrap().remove("Condition"))), &asked);
    assert!(surplus[0].contains("not confined") && lack.is_empty(), "{surplus:?} {lack:?}");
    let wider = partitions(&json!(["config", "ledger"]));
    let (surplus, lack) = compared(&changed(1, &|config| config["Condition"] = wider.clone()), &asked);
    assert!(surplus[0].contains("not all of") && lack.is_empty(), "{surplus:?} {lack:?}");
    let other = partitions(&json!(["ledger"]));
    let (surplus, lack) = compared(&changed(1, &|config| config["Condition"] = other.clone()), &asked);
    assert_eq!((surplus.len(), lack.len()), (1, 1), "{surplus:?} {lack:?}");
    // The action on another part of the stack.
    let (surplus, lack) =
        compared(&changed(2, &|secrets| secrets["Resource"] = json!({ "Fn::GetAtt": "DeadQueue.Arn" })), &asked);
    assert_eq!((surplus.len(), lack.len()), (1, 1), "{surplus:?} {lack:?}");
    // Another kind of secret.
    let erp = format!("{SECRETS}erp/*");
    let (surplus, lack) = compared(&changed(2, &|secrets| secrets["Resource"] = json!({ "Fn::Sub": erp })), &asked);
    assert_eq!((surplus.len(), lack.len()), (1, 1), "{surplus:?} {lack:?}");
    // What is not understood is not taken for good: all secrets, all of the stack's, some of a kind, all indexes, another kind of
    // condition, all actions but one.
    let secrets = |names: &str| json!({ "Fn::Sub": format!("{SECRETS}{names}") });
    let every = json!({ "Fn::Sub": format!("{}*", SECRETS.replace("${SecretPrefix}", "")) });
    for other in [
        changed(2, &|statement| statement["Resource"] = every.clone()),
        changed(2, &|statement| statement["Resource"] = secrets("*")),
        changed(2, &|statement| statement["Resource"] = secrets("edge*")),
        changed(2, &|statement| statement["Resource"] = secrets("*/acme")),
        changed(2, &|secrets| secrets["Resource"] = json!({ "Fn::Sub": "${Table.Arn}/index/*" })),
        changed(1, &|config| config["Condition"]["StringLike"] = json!({})),
        changed(2, &|secrets| secrets["NotAction"] = secrets["Action"].take()),
        // The key, with what was encrypted for anybody.
        changed(2, &|secrets| secrets["Resource"] = json!({ "Ref": "TokenKey" })),
    ] {
        assert!(std::panic::catch_unwind(|| granted(&other)).is_err(), "{other:?}");
    }
}
