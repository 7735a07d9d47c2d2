//! An update in the middle of the day: `puente serve` starts on a data file as the release with one document to an order left it, and the
//! lives of its orders go on in a real Tryton.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{
        document::Document,
        order::Order,
        record::{State, Summary},
    },
    embedded::Embedded,
    outbound::{Call, Client},
    ports::{Accounts as _, Clock as _, Records, SystemClock},
    store::Store,
};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::{
    desk::{Desk, cancelled, edited, key, refunded, sold},
    flow::{OWN, configure},
    life::Bench,
    made::amount,
    support::binary::{Serve, puente},
};

/// What brought an empty file to the schema of that release, which is the second one.
const SCHEMA: [&str; 2] =
    [include_str!("../../shared/src/embedded/schema.sql"), include_str!("../../shared/src/embedded/signs.sql")];

/// How an order stood when that release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stood {
    /// In the ERP.
    Synced,
    /// Its sale was on its way: it is in Tryton, and nobody was told.
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

impl Next {
    fn state(self, order: &Order) -> Order {
        match self {
            Self::Edit => edited(order),
            Self::Cancel => cancelled(order),
            Self::Refund => refunded(order),
            Self::Nothing => order.clone(),
        }
    }
}

/// An order, and what becomes of it.
struct Life {
    order: Order,
    stood: Stood,
    next: Next,
}

/// The data file of the release before.
struct Before(Connection);

impl Before {
    fn make(data: &Path) -> Self {
        std::fs::create_dir(data).unwrap();
        let sql = Connection::open(data.join("puente.db")).unwrap();
        sql.pragma_update(None, "journal_mode", "wal").unwrap();
        SCHEMA.iter().for_each(|part| sql.execute_batch(part).unwrap());
        sql.pragma_update(None, "application_id", 0x506e_7465).unwrap();
        sql.pragma_update(None, "user_version", 2).unwrap();
        let used = r#"{"epoch":7,"mark":2,"tat":"2026-01-01T12:00:09Z","day":20454,"used":41}"#;
        sql.execute("INSERT INTO ledger (erp, json) VALUES ('main', ?1)", [used]).unwrap();
        Self(sql)
    }

    /// What the shop said of an order.
    fn keep(&self, order: &Order) {
        let content = [b"\0", &*serde_json::to_vec(order).unwrap()].concat();
        let insert =
            "INSERT INTO payload (connection, id, version, kind, content) VALUES ('acme', ?1, ?2, 'order', ?3)";
        self.0.execute(insert, params![order.id.as_str(), order.version().to_string(), content]).unwrap();
    }

    /// The record of an order, with `more` than every record has.
    fn record(&self, order: &Order, state: &str, more: Value) {
        let ago = |seconds| SystemClock.now() - SignedDuration::from_secs(seconds);
        let mut head = json!({
            "schema": 1, "key": key(order), "summary": Summary::of(order), "desired": order.version(),
            "newest": order.updated_at.at(), "arrived": ago(100), "attempts": 0, "epoch": 0, "updated": ago(90),
        });
        head.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let micros = |time: &Value| time.as_str().map(|time| time.parse::<Timestamp>().unwrap().as_microsecond());
        let insert = "INSERT INTO head (connection, id, state, due, updated, json) VALUES ('acme', ?1, ?2, ?3, ?4, ?5)";
        let (due, updated) = (micros(&head["due"]), micros(&head["updated"]));
        self.0.execute(insert, params![order.id.as_str(), state, due, updated, head.to_string()]).unwrap();
    }

    fn leave(&self, life: &Life, document: Option<&Document>) {
        let (order, version) = (&life.order, life.order.version());
        let ago = |seconds| SystemClock.now() - SignedDuration::from_secs(seconds);
        self.keep(order);
        match life.stood {
            Stood::Synced => {
                let more = json!({"applied": version, "epoch": 3, "last": "a1", "document": document.unwrap()});
                self.record(order, "synced", more);
            }
            Stood::Landed | Stood::Lost => {
                let intent = json!({
                    "step": {"operation": "create", "reference": key(order).sale()}, "planned": version, "attempt": "a1", "epoch": 3,
                    "start_by": ago(80), "settle_at": ago(60), "unknown": false, "refused": false,
                });
                let more = json!({"due": ago(60), "soon": ago(60), "attempts": 1, "epoch": 3, "intent": intent});
                self.record(order, "sending", more);
            }
            Stood::Waiting => self.record(order, "waiting", json!({"due": ago(60), "soon": ago(60)})),
        }
    }
}

/// `puente serve`, and the shop that posts to it.
struct Counter {
    serve: Serve,
    store: Box<dyn Store>,
    client: Client,
}

impl Counter {
    async fn post(&self, order: &Order) {
        let body = serde_json::to_string(order).unwrap();
        let call = Call {
            method: Method::POST,
            url: format!("{}/v1/connections/acme/webhook", self.serve.url).parse().unwrap(),
            headers: self.store.sign(body.as_bytes(), SystemClock.now()),
            body: body.into(),
            timeout: Duration::from_secs(10),
        };
        assert_eq!(self.client.send(call).await.unwrap().status, 200);
    }
}

/// What `puente orders` answers.
fn ask(dir: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(puente());
    command.arg("orders").args(arguments).arg("--json").arg("--config").arg(dir.join("puente.toml"));
    let output = command.arg("--data").arg(dir.join("data")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits until these stand so.
async fn stand(dir: &Path, data: &Embedded, orders: &[&Order], wanted: State) {
    let begun = Instant::now();
    for order in orders {
        loop {
            let head = data.head(&key(order)).await.unwrap().unwrap();
            if head.desired == order.version() && head.state() == wanted {
                break;
            }
            let log = || std::fs::read_to_string(dir.join("serve.log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_mins(5), "never {wanted}: {head:?}\n{}", log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What `orders show` says of the documents of an order: kind, cancelled, current.
fn shown(story: &Value) -> Vec<(&str, bool, bool)> {
    let documents = story["documents"].as_array().unwrap().iter();
    let flag = |of: &Value, name: &str| of[name].as_bool().unwrap();
    documents.map(|of| (of["kind"].as_str().unwrap(), flag(of, "cancelled"), flag(of, "current"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lives_of_an_earlier_releases_orders_go_on_after_an_update_in_mid_day() {
    let settings = "state = \"quotation\"\n";
    // Nothing of ours departs from this desk: it only looks into Tryton.
    let Some(desk) = Desk::alone(settings) else { return };
    let bench = Bench::of(desk.tryton, settings);
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), desk.tryton, settings, &OWN);
    let before = Before::make(&dir.path().join("data"));

    let mut lives = Vec::new();
    for stood in [Stood::Synced, Stood::Landed, Stood::Lost, Stood::Waiting] {
        for next in [Next::Edit, Next::Cancel, Next::Refund, Next::Nothing] {
            let life = Life { order: sold(), stood, next };
            let there = matches!(stood, Stood::Synced | Stood::Landed);
            let document = if there { Some(bench.made(life.order.clone()).await.1.document) } else { None };
            before.leave(&life, document.as_ref());
            lives.push(life);
        }
    }
    // Given to a person by that release, which booked no credit notes, and who may be at it.
    let given = sold();
    let document = bench.made(given.clone()).await.1.document;
    // It did not read what a refund is of.
    let mut credit = refunded(&given);
    credit.refunds[0].lines.clear();
    let reason = format!(
        "EUR 12.10 were refunded after it reached the ERP: credit sale {} there by hand",
        document.number.as_deref().unwrap()
    );
    before.keep(&given);
    before.keep(&credit);
    let parked = json!({"version": credit.version(), "end": "parked", "reason": reason});
    let more = json!({"applied": given.version(), "epoch": 3, "last": "a1", "document": document, "parked": parked, "reason": reason});
    before.record(&credit, "parked", more);
    drop(before);

    let serve = Serve::start(dir.path(), &[]);
    assert!(dir.path().join("data/puente.schema-2.db").exists(), "what was there is kept beside it");
    let counter = Counter { serve, store: OWN.store(), client: Client::new().unwrap() };
    let changed = edited(&Order { refunds: refunded(&given).refunds, ..credit });
    // Each twice, and the state from before the update once more in between.
    for life in &lives {
        let now = life.next.state(&life.order);
        for state in [&now, &life.order, &now] {
            counter.post(state).await;
        }
    }
    counter.post(&changed).await;

    let data = Embedded::open(dir.path().join("data")).unwrap();
    let states: Vec<Order> = lives.iter().map(|life| life.next.state(&life.order)).collect();
    let (never, others): (Vec<_>, Vec<_>) = lives.iter().zip(&states).partition(|(life, _)| {
        // Perhaps it was cancelled before it left.
        (life.stood, life.next) == (Stood::Waiting, Next::Cancel)
    });
    stand(dir.path(), &data, &others.iter().map(|(_, state)| *state).collect::<Vec<_>>(), State::Synced).await;
    stand(dir.path(), &data, &[&changed], State::Parked).await;

    for (life, state) in &others {
        let what = format!("{:?}, then {:?}", life.stood, life.next);
        let story = ask(dir.path(), &["show", &key(state).to_string()]);
        assert_eq!((&story["order"]["status"], &story["open"]), (&json!("synced"), &Value::Null), "{what}");
        let (totals, documents): (&[&str], _) = match life.next {
            Next::Nothing => (&["24.20"], vec![("sale", false, true)]),
            Next::Edit => (&["36.30"], vec![("sale", false, true)]),
            Next::Refund => (&["24.20", "-12.10"], vec![("sale", false, true), ("credit", false, true)]),
            Next::Cancel => (&["24.20"], vec![("sale", true, false)]),
        };
        let totals: Vec<_> = totals.iter().map(|total| amount(total)).collect();
        assert_eq!(desk.totals(state).await, totals, "{what}");
        let is_cancelled = desk.sale(state).await["state"] == "cancelled";
        assert_eq!(is_cancelled, life.next == Next::Cancel, "{what}");
        assert_eq!(shown(&story), documents, "{what}: {story}");
    }
    for (_, state) in &never {
        let standing = desk.documents(state).await.iter().filter(|sale| sale["state"] != "cancelled").count();
        assert_eq!(standing, 0, "what is cancelled in the shop stands nowhere");
    }
    // What was a person's stays theirs, with what came since, until they hand it back.
    assert_eq!(desk.totals(&changed).await, [amount("24.20")]);
    let story = ask(dir.path(), &["show", &key(&changed).to_string()]);
    assert_eq!(story["open"]["next"], "person", "{story}");
    assert!(story["open"]["detail"].as_str().unwrap().contains("there by hand"), "{story}");
    ask(dir.path(), &["replay", &key(&changed).to_string()]);
    stand(dir.path(), &data, &[&changed], State::Synced).await;
    assert_eq!(desk.totals(&changed).await, [amount("36.30"), amount("-12.10")]);
    let ledger = data.ledger(&"erp/main".parse().unwrap()).await.unwrap();
    assert!(ledger.epoch > 7, "the account's ledger goes on where it was");
}
