//! `puente serve` attacked from this machine, a few hundred requests at a time: a shop's own webhooks come through meanwhile.
//!
//! By hand, with what it saw: `cargo test --workspace --test fault attack -- --nocapture`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use http::Method;
use puente::{
    config::Secret,
    domain::{
        ids::{AccountId, OrderKey},
        ledger::Ledger,
        record::State,
    },
    embedded::Embedded,
    outbound::{Call, Client},
    ports::{Accounts, Records as _},
    webhook::sign,
};
use puente_sandbox::{
    erp::{Config, Erp},
    store::{CATALOGUE, Delivery, Plan, Shop, What},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::support::{
    binary::Serve,
    orders::{Item, Made, SHOP, vendor},
};

const SECRET: &str = "the-shop-signs-with-this";
const KEY: &str = "the-shops-webhooks-carry-this";

/// Half-sent requests that stopped everybody where 256 files may be open.
const SLOW: usize = 365;

/// How long a shop waits for an answer, as the real ones do.
const PATIENCE: Duration = Duration::from_secs(5);

/// A shop, its ERP, and the directory that `serve` works in.
struct Scene {
    dir: tempfile::TempDir,
    webhooks: std::vec::IntoIter<Delivery>,
    _erp: Erp,
}

impl Scene {
    /// With the ERP of the sandbox, or another one at `erp`.
    async fn new(erp: Option<SocketAddr>) -> Self {
        let products = CATALOGUE.iter().map(|article| article.sku.to_string()).collect();
        let sandbox = Erp::start(Config { products, ..Config::default() }).await.unwrap();
        let addr = erp.unwrap_or(sandbox.addr());
        let dir = tempfile::tempdir().unwrap();
        for (name, secret) in [("secret", SECRET), ("key", KEY)] {
            std::fs::write(dir.path().join(name), secret).unwrap();
        }
        // The front door has its usual 300 requests a day; nobody sends more than ten a second in earnest.
        let text = format!(
            "[erp.main]\nkind = \"rest\"\n{}\n[connection.shop]\nerp = \"main\"\nkey = {{ file = \"key\" }}\n\
             store = {{ kind = \"shopify\", shop = \"attack.myshopify.com\", webhook_secrets = [{{ file = \"secret\" }}] }}\n\
             [connection.greedy]\nerp = \"main\"\nkey = {{ file = \"key\" }}\n\
             store = {{ kind = \"shopify\", shop = \"{SHOP}\", webhook_secrets = [{{ file = \"secret\" }}] }}\n",
            sandbox.config_example().replace(&sandbox.addr().to_string(), &addr.to_string())
        );
        std::fs::write(dir.path().join("puente.toml"), text).unwrap();
        let since = "2026-03-01T08:00:00Z".parse().unwrap();
        let shop = Shop::open(Plan::new(vendor("shopify"), "attack.myshopify.com", SECRET, 5, 60, since));
        let genuine = shop.deliveries().iter().filter(|delivery| delivery.what != What::Forged);
        Self { dir, webhooks: genuine.cloned().collect::<Vec<_>>().into_iter(), _erp: sandbox }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The shop's next webhook: the status of its answer, and how long that took.
    async fn webhook(&mut self, serve: &Serve) -> (u16, Duration) {
        let delivery = self.webhooks.next().unwrap();
        let began = Instant::now();
        let call = Call {
            method: Method::POST,
            url: format!("{}/v1/connections/shop/webhook?key={KEY}", serve.url).parse().unwrap(),
            headers: delivery.headers,
            body: delivery.body,
            timeout: PATIENCE,
        };
        let status = Client::new().unwrap().send(call).await.map_or(0, |answer| answer.status.as_u16());
        (status, began.elapsed())
    }

    /// Several, a little apart: all of them accepted. How long the slowest took.
    async fn come_through(&mut self, serve: &Serve, webhooks: usize) -> Duration {
        let mut slowest = Duration::ZERO;
        for _ in 0..webhooks {
            let (status, took) = self.webhook(serve).await;
            assert_eq!(status, 200, "after {took:?}");
            slowest = slowest.max(took);
            sleep(Duration::from_millis(150)).await;
        }
        slowest
    }
}

fn addr(serve: &Serve) -> SocketAddr {
    serve.url.trim_start_matches("http://").parse().unwrap()
}

/// Sends `text` on a connection of its own and keeps that open, unless it was hung up on already.
async fn half(addr: SocketAddr, text: &str) -> Option<TcpStream> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(addr)).await.ok()?.ok()?;
    stream.write_all(text.as_bytes()).await.ok()?;
    Some(stream)
}

/// The whole answer to a whole request.
async fn ask(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// How many of these the other side still holds open.
async fn open(streams: &mut [TcpStream]) -> usize {
    let mut open = 0;
    for stream in streams {
        let mut byte = [0];
        let nothing = timeout(Duration::from_millis(1), stream.read(&mut byte)).await;
        open += usize::from(nothing.is_err());
    }
    open
}

/// Half of the files, and a few that are being hung up on.
const HALF: usize = 160;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_end_a_request_keep_nobody_out() {
    let mut scene = Scene::new(None).await;
    let serve = Serve::start_with_files(scene.dir(), &[], 256);
    let addr = addr(&serve);
    let head = "POST /v1/connections/shop/webhook HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let body = format!(
        "POST /v1/connections/shop/webhook?key={KEY} HTTP/1.1\r\nHost: localhost\r\nX-Shopify-Hmac-Sha256: {}\r\n\
         Content-Length: 100000\r\n\r\nhalf",
        sign(&Secret::new("another"), b"half")
    );
    for (what, text) in [("heads", head), ("bodies", body.as_str())] {
        let mut connecting = JoinSet::new();
        for _ in 0..SLOW {
            let text = text.to_owned();
            connecting.spawn(async move { half(addr, &text).await });
        }
        let mut slow: Vec<TcpStream> = connecting.join_all().await.into_iter().flatten().collect();
        let mut at_once = open(&mut slow).await;
        // What the system has taken and nobody has looked at yet is not held: the server gets a moment to look, much less than the
        // time after which it hangs up.
        let looked = Instant::now();
        while at_once >= HALF && looked.elapsed() < Duration::from_secs(3) {
            sleep(Duration::from_millis(100)).await;
            at_once = open(&mut slow).await;
        }
        let slowest = scene.come_through(&serve, 5).await;
        // A byte now and then does not buy more time.
        let began = Instant::now();
        while open(&mut slow).await > 0 {
            assert!(began.elapsed() < Duration::from_secs(40), "{what}: never hung up on");
            for stream in &mut slow {
                let _ = stream.write_all(b"x").await;
            }
            sleep(Duration::from_millis(500)).await;
        }
        eprintln!(
            "{SLOW} half-sent {what}, 256 files: {at_once} held open at once, none after {:.1?}; the slowest of 5 genuine \
             webhooks meanwhile took {slowest:.1?}",
            began.elapsed()
        );
        assert!(at_once < HALF, "the other half of the files is for others");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_posts_with_the_right_key_cost_the_shop_nothing() {
    let mut scene = Scene::new(None).await;
    let serve = Serve::start(scene.dir(), &[]);
    let body = br#"{"id":1,"total_price":"1.00"}"#;
    let client = Client::new().unwrap();
    let mut answers = BTreeMap::<u16, u32>::new();
    let mut slowest = Duration::ZERO;
    for n in 0..300 {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-shopify-hmac-sha256", sign(&Secret::new("another"), body).parse().unwrap());
        let call = Call {
            method: Method::POST,
            url: format!("{}/v1/connections/shop/webhook?key={KEY}", serve.url).parse().unwrap(),
            headers,
            body: body.to_vec().into(),
            timeout: PATIENCE,
        };
        let answer = client.send(call).await.unwrap();
        assert_eq!(answer.headers.contains_key("retry-after"), answer.status == 429);
        *answers.entry(answer.status.as_u16()).or_default() += 1;
        if n % 100 == 99 {
            slowest = slowest.max(scene.come_through(&serve, 1).await);
        }
    }
    let after = scene.come_through(&serve, 20).await;
    eprintln!(
        "300 forged posts with the right key: {answers:?}; 23 genuine ones accepted, the slowest in {:.1?}",
        slowest.max(after)
    );
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [401, 429]);
    let log = std::fs::read_to_string(scene.dir().join("serve.log")).unwrap();
    assert!(log.contains("front_door.flooded"), "nobody was told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_names_and_pages_and_whoever_has_no_credential_are_refused() {
    let scene = Scene::new(None).await;
    let serve = Serve::start(scene.dir(), &["--host", "shop.example"]);
    let addr = addr(&serve);
    let orders = "GET /v1/connections/shop/orders HTTP/1.1";
    let mut saw = String::new();
    for (request, status) in [
        // A page whose name was made to resolve to this machine; a page of another origin; another machine's name.
        (format!("{orders}\r\nHost: evil.example:{}", addr.port()), 421),
        (format!("{orders}\r\nHost: localhost\r\nOrigin: https://evil.example"), 403),
        (format!("{orders}\r\nHost: {addr}\r\nOrigin: http://localhost:1"), 403),
        (format!("{orders}\r\nHost: shop.example.evil.example"), 421),
        // Our own names, and nobody's credential.
        (format!("{orders}\r\nHost: {addr}"), 401),
        (format!("{orders}\r\nHost: shop.example\r\nOrigin: https://shop.example"), 401),
        (format!("GET /v1/erps/main/quota HTTP/1.1\r\nHost: {addr}"), 401),
        (format!("POST /v1/connections/shop/orders/1/replay HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0"), 401),
        // Canonical orders are posted where the configuration says so only.
        (
            format!(
                "POST /v1/connections/shop/orders HTTP/1.1\r\nHost: {addr}\r\nX-Api-Key: {KEY}\r\nContent-Length: 0"
            ),
            404,
        ),
        // Probes ask for an address.
        ("GET /v1/health HTTP/1.1\r\nHost: 192.0.2.7".to_owned(), 200),
        ("GET /v1/ready HTTP/1.1\r\nHost: probe.invalid".to_owned(), 200),
    ] {
        let answer = ask(addr, &format!("{request}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(status == 200 || answer.contains("application/problem+json"), "{answer}");
        let _ = writeln!(saw, "  {status} for {}", request.replace("\r\n", " | ").replace(KEY, "KEY"));
    }
    eprintln!("strangers:\n{saw}");
}

/// An ERP that answers every call with `size` bytes of JSON.
async fn talkative(size: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 16 * 1024];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    // Without its length: only who counts notices.
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[0").await;
                    let chunk = ",0".repeat(32 * 1024);
                    for _ in 0..size / chunk.len() {
                        if stream.write_all(chunk.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                    let _ = stream.write_all(b"]").await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    addr
}

/// The most memory that a process ever had, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn ledger(dir: &Path) -> Ledger {
    let data = Embedded::open(dir.join("data")).unwrap();
    data.ledger(&"erp/main".parse::<AccountId>().unwrap()).await.unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erps_endless_answer_costs_no_memory() {
    for (size, says) in [(32 * 1024 * 1024, "larger than 2 MiB"), (1024 * 1024, "more than 200000 values")] {
        let mut scene = Scene::new(Some(talkative(size).await)).await;
        let serve = Serve::start(scene.dir(), &[]);
        let before = peak(serve.id());
        // Not every order goes to the ERP at once.
        scene.come_through(&serve, 10).await;
        let began = Instant::now();
        let why = loop {
            if let Some(why) = ledger(scene.dir()).await.blocked_because {
                break why;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the ERP was never asked");
            sleep(Duration::from_millis(100)).await;
        };
        let after = peak(serve.id());
        eprintln!(
            "an ERP's answer of {} MiB: {before} KiB before, {after} KiB at most; the account waits because: {why}",
            size >> 20
        );
        assert!(why.contains(says), "{why}");
        assert!(after - before < 48 * 1024, "{before} KiB before, {after} KiB at most");
        // A shop comes through all the same: its order waits.
        scene.come_through(&serve, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_400_unknown_articles_costs_a_shared_account_a_few_calls() {
    let mut scene = Scene::new(None).await;
    let serve = Serve::start(scene.dir(), &[]);
    let items = (0..400).map(|n| Item::new(&format!("NOWHERE-{n}"), 1, 100)).collect();
    let body = Made { items, ..Made::new(1) }.body("shopify");
    let mut headers = http::HeaderMap::new();
    headers.insert("x-shopify-hmac-sha256", sign(&Secret::new(SECRET), body.as_bytes()).parse().unwrap());
    let call = Call {
        method: Method::POST,
        url: format!("{}/v1/connections/greedy/webhook?key={KEY}", serve.url).parse().unwrap(),
        headers,
        body: body.into(),
        timeout: PATIENCE,
    };
    assert_eq!(Client::new().unwrap().send(call).await.unwrap().status, 200);
    let data = Embedded::open(scene.dir().join("data")).unwrap();
    let order = OrderKey::new("greedy".parse().unwrap(), "1".parse().unwrap());
    let parked = async || data.head(&order).await.unwrap()?.parked;
    let reason = until("the order is parked", parked).await.reason;
    let used = ledger(scene.dir()).await.used;
    let began = Instant::now();
    scene.come_through(&serve, 10).await;
    let shop = "shop".parse().unwrap();
    let synced = async || data.counts(&shop).await.unwrap().get(&State::Synced).copied();
    let others = until("the other shop's orders are in the ERP", synced).await;
    eprintln!(
        "an order with 400 unknown articles: {used} calls of the account's day; parked: {reason}; {others} of the other shop's orders \
         in the ERP {:.1?} later",
        began.elapsed()
    );
    assert!(reason.words().contains("NOWHERE-"), "{reason:?}");
    assert!(used <= 10, "{used} calls");
}

/// Asks until there is an answer.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}
