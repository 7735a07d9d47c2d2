//! The functions are killed in the middle of their work, behind lines that break, and the queue brings their messages back; and
//! the books balance. The test plays API Gateway, the event source mapping and the scheduler; AWS is the emulator.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::to_bytes, extract::Request, http::StatusCode, response::IntoResponse};
use puente::{
    aws::Aws,
    domain::ids::AccountId,
    ports::{Accounts, Queue},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, RwLock},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    market::{CONNECTIONS, EDGE_BREAKS, ERPS, Market, SECRETS},
    report::Report,
    store::KEY,
    support::{
        audit::{self, Audit},
        function::Function,
        moto::{self, Stack},
        proxy::{Fault, Proxy},
        stack::{api_event, event},
    },
};

/// An invocation's time, and how long a message stays with the worker that took it: longer. Less would not do on the emulator:
/// planning a full departure takes seconds there, and no step is begun that may not end in time.
const TIME: Duration = Duration::from_secs(20);
const VISIBILITY: Duration = Duration::from_secs(30);

/// How the lines between the functions and AWS break.
const AWS_BREAKS: [(Fault, u32); 7] = [
    (Fault::Refused, 10),
    (Fault::RequestCut, 5),
    (Fault::RequestHeld(Duration::from_millis(200)), 8),
    (Fault::ReplyDropped, 10),
    (Fault::ReplyCut, 5),
    (Fault::ReplyHeld(Duration::from_millis(200)), 8),
    (Fault::Silent, 2),
];

/// Everything but the processes.
struct Scene {
    stack: Stack,
    aws: Aws,
    market: Market,
    logs: tempfile::TempDir,
    report: Mutex<Report>,
    random: Mutex<StdRng>,
    /// Held for reading by a worker's invocation.
    working: RwLock<()>,
    over: AtomicBool,
}

/// When an invocation is killed, if it has not ended before.
#[derive(Clone, Copy, PartialEq)]
enum Doom {
    Never,
    After(Duration),
    /// When the ERP, or AWS, was asked something so much later than the beginning.
    Asking(Asked, Duration),
    /// When it has answered, and nobody hears the answer.
    Answered,
}

#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Erp,
    Aws,
}

impl Scene {
    async fn doom(&self, function: &str, cold: bool) -> Doom {
        let report = self.report.lock().await;
        let mut random = self.random.lock().await;
        let often = if function == "worker" { 70 } else { 25 };
        // The killing sets the stores' pace: were their own function killed oftener, webhooks would outrun the work.
        let enough = function == "ingest" && report.of(function) * 2 > report.of("worker") + 4;
        if enough || report.count() >= report.goal() || random.random_range(0..100) >= often {
            return Doom::Never;
        }
        let mut millis = |most| Duration::from_millis(random.random_range(0..most));
        match (function, millis(100).as_millis()) {
            (_, ..10) => Doom::Answered,
            (_, ..30) if cold => Doom::After(millis(150)),
            // Soon: most invocations are short, and one that has ended cannot be killed.
            ("worker", ..60) => Doom::Asking(Asked::Erp, millis(50)),
            ("worker", _) => Doom::Asking(Asked::Aws, millis(400)),
            _ => Doom::Asking(Asked::Aws, millis(30)),
        }
    }

    async fn killed(&self, function: &'static str, moment: &'static str) {
        let mut report = self.report.lock().await;
        report.killed(function, moment);
        self.market.fails(&mut report);
    }

    /// Gives back what dead workers hold, when none is alive: nobody wants to wait a minute and a half after each kill. A server on
    /// one machine does the same for its predecessor (`embedded/owner.rs`).
    async fn lapse(&self) {
        let _nobody_works = self.working.write().await;
        for erp in ERPS {
            let erp: AccountId = format!("erp/{erp}").parse().unwrap();
            // The emulator is slow at times: then after the next kill.
            let Ok(ledger) = self.aws.accounts.ledger(&erp).await else { continue };
            if ledger.holder.is_some() {
                let _ = self.aws.accounts.release(&erp, ledger.epoch, None).await;
            }
        }
    }

    /// Whatever they died of: every order is at rest, or something will bring it back.
    async fn forgets_nothing(&self) {
        for connection in CONNECTIONS {
            let forgotten = audit::forgotten(self.aws.records.as_ref(), &connection.parse().unwrap()).await;
            assert_eq!(forgotten, Vec::<String>::new());
        }
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    async fn audit(&self) -> Audit {
        self.market.audit(self.aws.records.as_ref()).await
    }

    /// How many messages are left.
    async fn messages(&self) -> u64 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let request = json!({ "QueueUrl": self.stack.place.queue, "AttributeNames": names });
        let answer = self.stack.sqs("GetQueueAttributes", &request).await;
        names.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// A function, and its own line to AWS.
struct Slot {
    function: &'static str,
    line: Arc<Proxy>,
    process: Option<Function>,
}

impl Slot {
    async fn new(function: &'static str, scene: &Scene, lines: &mut Vec<Arc<Proxy>>) -> Self {
        let upstream = scene.stack.endpoint.trim_start_matches("http://").parse().unwrap();
        let seed = scene.report.lock().await.seed + 10 + lines.len() as u64;
        let line = Arc::new(Proxy::to(Some(upstream), seed).await);
        line.breaks(&AWS_BREAKS);
        lines.push(line.clone());
        Self { function, line, process: None }
    }

    /// Hands it an event: what it answers; `None`: it was killed, or answered with an error.
    async fn invoke(&mut self, scene: &Scene, event: String) -> Option<Value> {
        let doom = scene.doom(self.function, self.process.is_none()).await;
        let cold = self.process.is_none();
        let mut process = match self.process.take() {
            Some(warm) => warm,
            None => {
                let log = scene.logs.path().join(self.function);
                let endpoint = format!("http://{}", self.line.addr);
                Function::start(self.function, &scene.stack, &endpoint, &log).await
            }
        };
        let answer = tokio::select! {
            answer = process.invoke(event, TIME) => Some(answer),
            () = self.fate(scene, doom) => None,
        };
        let moment = match &answer {
            Some(_) if doom != Doom::Answered => {
                self.process = Some(process);
                let (kind, body) = answer?;
                return (kind == "response").then(|| serde_json::from_slice(&body).unwrap());
            }
            Some(_) => "answered, and nobody heard it",
            None if cold && matches!(doom, Doom::After(_)) => "starting",
            None if self.function == "worker" && scene.market.busy() => "a call to the ERP under way",
            None if self.function == "worker" && scene.market.has_just_replied() => "the ERP has just replied",
            None if self.line.busy() => "a call to AWS under way",
            None => "between calls",
        };
        process.kill().await;
        scene.killed(self.function, moment).await;
        None
    }

    async fn fate(&self, scene: &Scene, doom: Doom) {
        match doom {
            Doom::Never | Doom::Answered => std::future::pending().await,
            Doom::After(wait) => sleep(wait).await,
            Doom::Asking(asked, wait) => {
                sleep(wait).await;
                match asked {
                    Asked::Aws => self.line.asked().await,
                    Asked::Erp => {
                        let _ = timeout(Duration::from_secs(1), scene.market.asked()).await;
                        sleep(wait).await;
                    }
                }
            }
        }
    }
}

/// The event source mapping: hands batches over, and deletes what did not fail.
async fn work(scene: Arc<Scene>, mut slot: Slot) {
    while !scene.over() {
        let working = scene.working.read().await;
        let Some(batch) = scene.stack.batch().await else {
            drop(working);
            sleep(Duration::from_millis(150)).await;
            continue;
        };
        let answer = slot.invoke(&scene, batch.event.clone()).await;
        drop(working);
        let Some(answer) = answer else {
            scene.lapse().await;
            scene.stack.give_back(&batch).await;
            if scene.report.lock().await.count().is_multiple_of(10) {
                scene.forgets_nothing().await;
            }
            continue;
        };
        let failed = answer["batchItemFailures"].as_array().unwrap().iter();
        let failed: Vec<String> = failed.map(|f| f["itemIdentifier"].as_str().unwrap().to_owned()).collect();
        scene.stack.settle(&batch, &failed).await;
    }
}

/// The scheduler.
async fn sweep(scene: Arc<Scene>, mut slot: Slot) {
    while !scene.over() {
        slot.invoke(&scene, event("sweep")).await;
        sleep(Duration::from_millis(700)).await;
    }
}

/// API Gateway: where it listens.
async fn gateway(scene: Arc<Scene>, slots: [Slot; 2]) -> std::net::SocketAddr {
    let slots = Arc::new(slots.map(Mutex::new));
    let router = Router::new().fallback(move |request: Request| {
        let (scene, slots) = (scene.clone(), slots.clone());
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
            let connection = parts.uri.path().split('/').nth(3).unwrap().to_owned();
            let mut event: Value = serde_json::from_str(&api_event(&parts.headers, &body)).unwrap();
            event["path"] = parts.uri.path().into();
            event["requestContext"]["path"] = format!("/live{}", parts.uri.path()).into();
            event["pathParameters"]["connection"] = connection.as_str().into();
            event["queryStringParameters"]["key"] = KEY.into();
            event["multiValueQueryStringParameters"]["key"] = json!([KEY]);
            // On its own: a caller who hangs up stops no function.
            let invoked = tokio::spawn(async move {
                let slot = &slots[usize::from(connection == "woo")];
                slot.lock().await.invoke(&scene, event.to_string()).await
            });
            let Some(answer) = invoked.await.unwrap() else { return StatusCode::BAD_GATEWAY.into_response() };
            let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
            (StatusCode::from_u16(status).unwrap(), answer["body"].as_str().unwrap_or_default().to_owned())
                .into_response()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A stack with a published configuration: two shops, each with an ERP account of its own.
async fn set(report: Report) -> Option<Scene> {
    // What a killed worker held comes back soon, and as often as it is killed.
    let stack = moto::stack_with(VISIBILITY, 1000).await?;
    let seed = report.seed;
    let market = Market::open(report.goal() * 5 / 4, seed + 5).await;
    let config = market.config(|secret| format!("{{ secret = \"{secret}\" }}"));
    let aws = stack.aws();
    stack.publish(&config, &SECRETS).await;
    Some(Scene {
        stack,
        aws,
        market,
        logs: tempfile::tempdir().unwrap(),
        report: Mutex::new(report),
        random: Mutex::new(StdRng::seed_from_u64(seed)),
        working: RwLock::default(),
        over: AtomicBool::default(),
    })
}

/// The last that a function said.
fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn discreet(logs: &Path) {
    for function in ["ingest", "worker", "sweep"] {
        let log = fs::read_to_string(logs.join(function)).unwrap();
        audit::is_discreet(&log, &SECRETS.map(|(_, secret)| secret));
        assert!(!log.contains(r#""event":"panic""#), "{function} panicked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_are_killed_lose_and_double_nothing() {
    let Some(scene) = set(Report::begin("Lambda functions", 28)).await else { return };
    let (scene, mut lines) = (Arc::new(scene), Vec::new());
    let mut slots = Vec::new();
    for function in ["worker", "worker", "sweep", "ingest", "ingest"] {
        slots.push(Slot::new(function, &scene, &mut lines).await);
    }
    let [one, other, sweeper, first, second] = slots.try_into().ok().unwrap();
    let gateway = gateway(scene.clone(), [first, second]).await;
    let mut loops = JoinSet::new();
    loops.spawn(work(scene.clone(), one));
    loops.spawn(work(scene.clone(), other));
    loops.spawn(sweep(scene.clone(), sweeper));

    let (edge, stores, mut killing) = {
        let report = scene.report.lock().await;
        let edge = Proxy::to(Some(gateway), report.seed + 4).await;
        let stores = scene.market.post(edge.addr, &report);
        (edge, stores, report.progress())
    };
    edge.breaks(&EDGE_BREAKS);
    tokio::select! {
        all = killing.wait_for(|done| *done >= 1000) => drop(all.unwrap()),
        ended = loops.join_next() => panic!("{ended:?}"),
    }

    // When the faults stop, everything settles.
    edge.breaks(&[]);
    scene.market.mends();
    lines.iter().for_each(|line| line.breaks(&[]));
    for store in stores {
        let posted = store.await.unwrap();
        scene.report.lock().await.posted(posted);
    }
    let left = async || {
        scene.lapse().await;
        scene.messages().await as usize + scene.audit().await.unsettled()
    };
    let took = audit::comes_to_rest(left).await;
    eprintln!("Lambda functions: settled {took:?} after the last fault");
    scene.over.store(true, Ordering::Relaxed);
    loops.join_all().await;

    let left = scene.messages().await;
    discreet(scene.logs.path());
    let audit = scene.audit().await;
    let dead = scene.aws.queue.dead(100).await.unwrap();
    assert_eq!(dead.len(), audit.books.states.get("dead").copied().unwrap_or(0), "{dead:?}");
    let mut report = scene.report.lock().await;
    scene.market.tells(&mut report);
    report.line("edge", &edge);
    lines.iter().for_each(|line| report.line("AWS", line));
    if !audit.settled() {
        // Who waits, and for what.
        for erp in ERPS {
            let ledger = scene.aws.accounts.ledger(&format!("erp/{erp}").parse().unwrap()).await.unwrap();
            eprintln!("{left} messages are left; {erp}: {ledger:?}");
        }
        eprintln!("{}", end_of(&scene.logs.path().join("worker")));
    }
    report.close(audit);
}
