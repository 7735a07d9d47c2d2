//! A line that breaks: a TCP proxy between a process and its ERP, between a process and AWS, or between a store and the edge.
//!
//! It knows of HTTP only that both sides take turns: an exchange begins when the client speaks after the server did. Each
//! exchange meets one fault at most, drawn by the seed and the exchange's number, and each fault that was played is counted.
//! The seed repeats the draws, not the timing of the processes around them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

/// One way for a line to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody is there: the connection is reset before anything was passed on. Drawn once for each connection.
    Refused,
    /// A part of the request arrives, and then both sides see a reset.
    RequestCut,
    /// The request arrives as much later.
    RequestHeld(Duration),
    /// The request arrives whole, and whoever sent it does not wait for the reply: both sides see the end.
    HungUp,
    /// The request arrives and is done; its reply is thrown away, and the client sees a reset.
    ReplyDropped,
    /// The client gets a part of the reply, and then a reset.
    ReplyCut,
    /// The reply comes as much later.
    ReplyHeld(Duration),
    /// The request is done, and the client waits for the reply until it gives up.
    Silent,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::RequestCut => "request cut",
            Self::RequestHeld(_) => "request late",
            Self::HungUp => "hung up",
            Self::ReplyDropped => "reply dropped",
            Self::ReplyCut => "reply cut",
            Self::ReplyHeld(_) => "reply late",
            Self::Silent => "no reply",
        }
    }
}

/// A request is whole once nothing more of it comes for so long.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest that a silent line is held for a client that does not give up.
const PATIENCE: Duration = Duration::from_secs(15);

/// A proxy on loopback; it ends with the test's runtime.
pub struct Proxy {
    pub addr: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    seed: u64,
    drawn: AtomicU64,
    upstream: Mutex<Option<SocketAddr>>,
    /// Each fault, and how many exchanges of a thousand meet it.
    per_thousand: Mutex<Vec<(Fault, u32)>>,
    played: Mutex<BTreeMap<&'static str, u64>>,
    /// How long every reply takes: no fault, only distance.
    far: Mutex<Duration>,
    /// Requests that have begun and have no reply yet.
    open: watch::Sender<usize>,
    /// When the last reply was passed on.
    replied: Mutex<Option<Instant>>,
}

impl Proxy {
    /// A line to `upstream` that does not break yet; `None`: nobody is there yet.
    pub async fn to(upstream: Option<SocketAddr>, seed: u64) -> Self {
        let wire = Arc::new(Wire {
            seed,
            drawn: AtomicU64::default(),
            upstream: Mutex::new(upstream),
            per_thousand: Mutex::default(),
            played: Mutex::default(),
            far: Mutex::default(),
            open: watch::Sender::new(0),
            replied: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(shared.clone(), client));
            }
        });
        Self { addr, wire }
    }

    /// Where it leads from now on; `None`: connections are reset. Lines that are open stay.
    pub fn leads_to(&self, upstream: Option<SocketAddr>) {
        *self.wire.upstream.lock().unwrap() = upstream;
    }

    /// Which faults it plays from now on, and how often of a thousand exchanges.
    pub fn breaks(&self, per_thousand: &[(Fault, u32)]) {
        *self.wire.per_thousand.lock().unwrap() = per_thousand.to_vec();
    }

    /// How long every reply takes from now on.
    pub fn is_far(&self, far: Duration) {
        *self.wire.far.lock().unwrap() = far;
    }

    /// How often each fault was played.
    pub fn played(&self) -> BTreeMap<&'static str, u64> {
        self.wire.played.lock().unwrap().clone()
    }

    /// Whether a request is on its way and has no reply yet.
    pub fn busy(&self) -> bool {
        *self.wire.open.borrow() > 0
    }

    /// Whether a reply was passed on so lately that hardly anything can have come of it.
    pub fn has_just_replied(&self) -> bool {
        self.wire.replied.lock().unwrap().is_some_and(|at| at.elapsed() < Duration::from_millis(20))
    }

    /// Returns when a request is on its way.
    pub async fn asked(&self) {
        let _ = self.wire.open.subscribe().wait_for(|open| *open > 0).await;
    }
}

impl Wire {
    /// What the next exchange, or the next connection, meets.
    fn draw(&self, connection: bool) -> Option<(Fault, StdRng)> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut random = StdRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (roll, mut reach) = (random.random_range(0..1000), 0);
        let troubles = self.per_thousand.lock().unwrap();
        let drawn = troubles.iter().filter(|(fault, _)| (*fault == Fault::Refused) == connection).find(|(_, share)| {
            reach += share;
            roll < reach
        });
        drawn.map(|(fault, _)| (*fault, random))
    }

    fn plays(&self, fault: Fault) {
        *self.played.lock().unwrap().entry(fault.name()).or_default() += 1;
    }
}

/// A request without a reply, counted for as long as it is one.
struct Open<'a>(&'a Wire);

impl<'a> Open<'a> {
    fn new(wire: &'a Wire) -> Self {
        wire.open.send_modify(|open| *open += 1);
        Self(wire)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

async fn carry(wire: Arc<Wire>, client: TcpStream) {
    let upstream = *wire.upstream.lock().unwrap();
    let Some(upstream) = upstream else { return reset(&client) };
    if let Some((fault, _)) = wire.draw(true) {
        wire.plays(fault);
        return reset(&client);
    }
    match TcpStream::connect(upstream).await {
        Ok(server) => talk(&wire, client, server).await,
        Err(_) => reset(&client),
    }
}

/// Passes on what both say until one has ended or a fault ends it.
async fn talk(wire: &Wire, mut client: TcpStream, mut server: TcpStream) {
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut exchange: Option<Open> = None;
    let mut fault = None;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(n @ 1..) = read else { return };
                if exchange.is_none() {
                    exchange = Some(Open::new(wire));
                    fault = wire.draw(false);
                    match &mut fault {
                        Some((cut @ Fault::RequestCut, random)) => {
                            wire.plays(*cut);
                            let _ = server.write_all(&up[..random.random_range(0..n)]).await;
                            // Long enough to have been read, and then the end in the middle.
                            sleep(Duration::from_millis(2)).await;
                            reset(&server);
                            return reset(&client);
                        }
                        Some((held @ Fault::RequestHeld(_), _)) => {
                            wire.plays(*held);
                            let Fault::RequestHeld(wait) = held else { unreachable!() };
                            sleep(*wait).await;
                        }
                        _ => {}
                    }
                }
                if server.write_all(&up[..n]).await.is_err() {
                    return;
                }
                if let Some((hung_up @ Fault::HungUp, _)) = fault {
                    wire.plays(hung_up);
                    while let Ok(Ok(n @ 1..)) = timeout(PAUSE, client.read(&mut up)).await {
                        let _ = server.write_all(&up[..n]).await;
                    }
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(n @ 1..) = read else { return };
                let first = exchange.is_some();
                if first {
                    let far = *wire.far.lock().unwrap();
                    sleep(far).await;
                    exchange = None;
                }
                if let Some((fault, mut random)) = fault.take().filter(|_| first) {
                    match fault {
                        Fault::ReplyDropped => {
                            wire.plays(fault);
                            return reset(&client);
                        }
                        Fault::ReplyCut => {
                            wire.plays(fault);
                            let _ = client.write_all(&down[..random.random_range(0..n)]).await;
                            sleep(Duration::from_millis(2)).await;
                            return reset(&client);
                        }
                        Fault::ReplyHeld(wait) => {
                            wire.plays(fault);
                            sleep(wait).await;
                        }
                        Fault::Silent => {
                            wire.plays(fault);
                            // It reads an end once the client has given up.
                            let _ = timeout(PATIENCE, client.read(&mut up)).await;
                            return;
                        }
                        Fault::Refused | Fault::RequestCut | Fault::RequestHeld(_) | Fault::HungUp => {}
                    }
                }
                if client.write_all(&down[..n]).await.is_err() {
                    return;
                }
                *wire.replied.lock().unwrap() = Some(Instant::now());
            }
        }
    }
}

/// Closing it then sends a reset instead of a polite end.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
