//! An ERP that answers what it is told to, over real HTTP, and the connectors that ask it: production code on both sides of the
//! socket but for the words.
//!
//! A script of answers is text: each begins with a line of its status and, perhaps, one header; the body follows; `%%` on a line
//! of its own separates it from the next. After the last one the first comes again.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use puente::{
    Error, Kind, Result,
    config::Section,
    domain::{
        document::{Action, Operation, Step},
        ids::{OrderId, OrderKey},
        order::Order,
        rules::Rules,
    },
    erp::{
        ERPS, Erp, Job, Row, SendError,
        kit::{Address, Fuzzed, Reads, Replies},
        rest,
    },
    fuzzing::Way,
    outbound::{Calls, Meter},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use super::{CANARY, check_error, stores::samples};

/// An answer of the script.
#[derive(Clone)]
pub struct Scripted {
    /// The status, 200 to 599.
    pub status: u16,
    header: Option<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answers of a script, at least one.
pub fn script(data: &[u8]) -> Vec<Scripted> {
    let mut answers = Vec::new();
    let mut rest = data;
    while answers.len() < 32 {
        let end = rest.windows(4).position(|four| four == b"\n%%\n");
        answers.push(scripted(&rest[..end.unwrap_or(rest.len())]));
        match end {
            Some(end) => rest = &rest[end + 4..],
            None => break,
        }
    }
    answers
}

fn scripted(text: &[u8]) -> Scripted {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (first, body) = (&text[..end], text.get(end + 1..).unwrap_or_default());
    let (status, header) = first.split_at(first.iter().position(|byte| *byte == b' ').unwrap_or(first.len()));
    let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok());
    let header = header.iter().position(|byte| *byte == b':').and_then(|colon| {
        let name = HeaderName::from_bytes(header[..colon].trim_ascii()).ok()?;
        // What frames the answer is the server's.
        let framing = ["content-length", "transfer-encoding", "connection", "upgrade"].contains(&name.as_str());
        let value = HeaderValue::from_bytes(header[colon + 1..].trim_ascii()).ok()?;
        (!framing).then_some((name, value))
    });
    let status = status.filter(|status| (200..600).contains(status)).unwrap_or(200);
    Scripted { status, header, body: if matches!(status, 204 | 304) { Vec::new() } else { body.to_vec() } }
}

/// A connector and how its ERP is to be understood.
pub struct Connected {
    /// The connector.
    pub erp: Box<dyn Erp>,
    /// What its ERP's answers say.
    pub reads: Box<dyn Reads>,
}

/// What the kits have to fuzz, with the rows.
fn fuzzed(addr: SocketAddr) -> Vec<(&'static Row, Fuzzed)> {
    let at = Address { addr, canary: CANARY };
    ERPS.iter().flat_map(|row| (row.kit.fuzzed)(&at).into_iter().map(move |fuzzed| (row, fuzzed))).collect()
}

/// The answers to begin from, of each connector in its place.
pub fn replies() -> Vec<Replies> {
    fuzzed(([127, 0, 0, 1], 1).into()).into_iter().map(|(_, fuzzed)| fuzzed.replies).collect()
}

/// The connectors, their ERP and the way between them.
pub struct Bench {
    /// The connectors.
    pub connectors: Vec<Connected>,
    /// Orders to take there.
    pub sales: Vec<Job>,
    way: Way,
    made: Arc<AtomicUsize>,
    answers: Rc<RefCell<Answers>>,
    tasks: tokio::task::LocalSet,
    runtime: Runtime,
}

#[derive(Default)]
struct Answers {
    script: Vec<Scripted>,
    next: usize,
}

/// The most calls that one question may take: more would be a loop that an ERP can keep going.
const MOST_CALLS: usize = 200;

struct Counting(Arc<AtomicUsize>);

#[async_trait]
impl Meter for Counting {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) < MOST_CALLS, "no end of calls");
        Ok(())
    }
}

thread_local! {
    static BENCH: Bench = Bench::start();
}

/// The thread's bench, with this script for what is asked next.
pub fn with_bench<T>(script: &[Scripted], ask: impl FnOnce(&Bench) -> T) -> T {
    BENCH.with(|bench| {
        *bench.answers.borrow_mut() = Answers { script: script.to_vec(), next: 0 };
        bench.made.store(0, Ordering::Relaxed);
        ask(bench)
    })
}

impl Bench {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (tasks, answers) = (tokio::task::LocalSet::new(), Rc::new(RefCell::new(Answers::default())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Rc::clone(&answers);
        tasks.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream, Rc::clone(&serving)));
            }
        });
        let made = Arc::new(AtomicUsize::new(0));
        let way = Way::by(Arc::new(Counting(Arc::clone(&made))));
        let sales = samples().into_iter().chain(samples().into_iter().take(1)).zip(["1", "2", "3", "4"]);
        let sales = sales.map(|(order, id)| sale(Order { id: id.parse().unwrap(), ..order })).collect();
        Self { connectors: connectors(address), sales, way, made, answers, tasks, runtime }
    }

    /// Asks a connector, with the way to the ERP.
    pub fn ask<T>(&self, question: impl AsyncFnOnce(&Calls<'_>) -> T) -> T {
        self.runtime.block_on(self.tasks.run_until(question(&self.way.calls())))
    }

    /// A step of this operation for each of the sales: those about a document are each about another one.
    pub fn steps(&self, operation: Operation) -> Vec<Step> {
        let step = |(place, sale): (usize, &Job)| {
            let mut step = Step::example(operation, sale.step.reference.clone());
            if let Action::Amend { document, .. } | Action::Cancel { document } = &mut step.action {
                document.id = (7 + place).to_string();
            }
            step
        };
        self.sales.iter().enumerate().map(step).collect()
    }

    /// The same as jobs.
    pub fn jobs(&self, operation: Operation) -> Vec<Job> {
        self.sales.iter().zip(self.steps(operation)).map(|(sale, step)| Job { step, ..sale.clone() }).collect()
    }
}

fn sale(order: Order) -> Job {
    let key = OrderKey::new("acme".parse().unwrap(), order.id.clone());
    Job {
        step: Step::create(key.sale()),
        version: order.version(),
        key,
        order: order.into(),
        rules: Rules::default().into(),
    }
}

fn connectors(address: SocketAddr) -> Vec<Connected> {
    let connectors: Vec<Connected> = fuzzed(address)
        .into_iter()
        .map(|(row, Fuzzed { section, reads, .. })| {
            assert!(section.contains(&address.to_string()), "{}: it is somewhere else", row.kind);
            Connected { erp: (row.build)(&Section::from_toml(&section).unwrap()).unwrap(), reads }
        })
        .collect();
    assert!(ERPS.iter().all(|row| !(row.kit.fuzzed)(&Address { addr: address, canary: CANARY }).is_empty()));
    connectors
}

async fn serve(mut stream: TcpStream, answers: Rc<RefCell<Answers>>) {
    let mut request = Vec::new();
    loop {
        let end = request.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4);
        if let Some(end) = end.filter(|end| request.len() >= end + length(&request[..*end])) {
            request.drain(..end + length(&request[..end]));
            let answer = {
                let mut answers = answers.borrow_mut();
                let answer = answers.script.get(answers.next % answers.script.len().max(1)).cloned();
                answers.next += 1;
                answer
            };
            let Some(answer) = answer else { return };
            if stream.write_all(&written(&answer)).await.is_err() {
                return;
            }
        } else if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// The `Content-Length` of a request's head.
fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
    line.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn written(answer: &Scripted) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} Scripted\r\n", answer.status).into_bytes();
    if let Some((name, value)) = &answer.header {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if !matches!(answer.status, 204 | 304) {
        bytes.extend(format!("content-length: {}\r\n", answer.body.len()).into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(&answer.body);
    bytes
}

/// Checks what an error says.
pub fn check_setback(send_error: &SendError) {
    match send_error {
        SendError::Refused(error)
        | SendError::NotNow(error)
        | SendError::Account(error)
        | SendError::Ambiguous(error)
        | SendError::Unknown(error) => {
            check_error(error);
            assert_ne!(error.kind(), Kind::Bug, "our own fault: {error}");
        }
        SendError::Exists => {}
    }
}

/// Checks that the example's template makes a document of `order`, or says that it does not.
pub fn renders(order: &Order) {
    /// Nothing is to be resolved: no call may be made.
    struct Shut;
    #[async_trait]
    impl Meter for Shut {
        async fn permit(&self, _timeout: Duration) -> Result<()> {
            Err(Error::new(Kind::Limited, "no call"))
        }
    }
    static PLAIN: LazyLock<Box<dyn Erp>> = LazyLock::new(|| {
        let resolves = ["products.", "find_customers.", "customers."];
        let example = rest::ROW.example.lines().filter(|line| !resolves.iter().any(|key| line.starts_with(key)));
        let example = example.collect::<Vec<_>>().join("\n");
        (rest::ROW.build)(&Section::from_toml(&example).unwrap()).unwrap()
    });
    static WAY: LazyLock<Way> = LazyLock::new(|| Way::by(Arc::new(Shut)));

    let id: OrderId = order.id.clone();
    let sale = sale(Order { id, ..order.clone() });
    let calls = WAY.calls();
    let prepared = std::pin::pin!(PLAIN.prepare(&calls, Operation::Create, std::slice::from_ref(&sale), false));
    // Nothing to wait for, so no runtime either.
    let mut idle = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcomes) = prepared.poll(&mut idle) else { panic!("it waits for something") };
    assert_eq!(outcomes.len(), 1);
    for outcome in outcomes {
        match outcome {
            Ok(draft) => {
                assert_eq!(draft.reference, sale.step.reference);
                serde_json::from_str::<serde::de::IgnoredAny>(&draft.body).expect("a document is JSON");
            }
            Err(send_error) => check_setback(&send_error),
        }
    }
}
