//! The HTTP server of `serve`: how long a client may take, and who makes room for the next one.
//!
//! Invariant: a client that is slow never keeps another one out. Whoever takes longer than [`Phase::patience`] is hung up on; and
//! when every place is taken, a new client gets the place of one that we are waiting for: of the peer with the most connections
//! the one that waits longest. A request that has come whole is never cut off: its answer is ours to give.

use std::{
    cmp::Reverse,
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use puente::domain::event::{Event, Told};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tower::ServiceExt as _;

/// The most connections at a time.
const MOST: usize = 1024;

/// How many there may be where the system does not say how many files may be open.
const FEW: usize = 128;

/// The most that is read ahead of a request, its head included, in bytes.
const BUFFER: usize = 64 * 1024;

/// How often somebody looks who takes too long.
const LOOK: Duration = Duration::from_secs(1);

/// How long nothing is accepted after the system refused to.
const REST: Duration = Duration::from_millis(100);

/// Serves `router` until `stop`, then finishes what is under way.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let sockets = Arc::new(Sockets::new(most()));
    let (stopping, told) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = look.tick() => sockets.close_overdue(Instant::now()),
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept(), if sockets.can_make_room() => match accepted {
                Ok((stream, peer)) => {
                    let (place, closed) = sockets.enter(peer);
                    tasks.spawn(connection(stream, router.clone(), place, closed, told.clone()));
                }
                Err(error) => {
                    Event::HttpNotAccepted { error: &error }.log();
                    sockets.make_room();
                    sleep(REST).await;
                }
            }
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    while !tasks.is_empty() {
        tokio::select! {
            _ = tasks.join_next() => {}
            _ = look.tick() => sockets.close_overdue(Instant::now()),
        }
    }
}

/// As many as leave the other half of the open files to the database, the stores and the ERPs.
fn most() -> usize {
    let files = rlimit::Resource::NOFILE.get_soft().ok().and_then(|files| usize::try_from(files).ok());
    files.map_or(FEW, |files| files / 2).clamp(1, MOST)
}

/// Serves one connection to its end, or until its place is needed.
async fn connection(
    stream: TcpStream,
    router: Router,
    place: Arc<Place>,
    closed: oneshot::Receiver<()>,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let guard = place.clone();
    let service = service_fn(move |request| answer(router.clone(), place.clone(), request));
    // Time is kept by `Sockets`, for heads, bodies and answers alike.
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER).header_read_timeout(None);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut closed = pin!(closed);
    let mut told = false;
    loop {
        tokio::select! {
            // A connection that breaks is its client's own affair.
            _ = served.as_mut() => break,
            _ = closed.as_mut() => break,
            _ = stopping.wait_for(|stop| *stop), if !told => {
                told = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
    drop(guard);
}

/// Answers one request, and says where its connection stands meanwhile.
async fn answer(
    router: Router,
    place: Arc<Place>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Followed<Body>>, Infallible> {
    place.is_in(if request.body().is_end_stream() { Phase::Answering } else { Phase::Body });
    let followed = |body| Followed { body, place: place.clone(), from: Phase::Body, to: Phase::Answering };
    let request: Request = request.map(|body| Body::new(followed(body)));
    let response: Response = router.oneshot(request).await?;
    place.is_in(Phase::Sending);
    Ok(response.map(|body| Followed { body, place, from: Phase::Sending, to: Phase::Head }))
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client has not sent the whole head of a request yet, perhaps nothing.
    Head,
    /// Its body has not come whole.
    Body,
    /// We are at work.
    Answering,
    /// The client takes the answer.
    Sending,
}

impl Phase {
    /// How long the client may take.
    fn patience(self) -> Option<Duration> {
        match self {
            Self::Head => Some(Duration::from_secs(10)),
            Self::Body => Some(Duration::from_secs(15)),
            Self::Answering => None,
            Self::Sending => Some(Duration::from_secs(30)),
        }
    }
}

/// All open connections.
struct Sockets {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    all: HashMap<u64, Socket>,
}

/// One of them.
struct Socket {
    peer: IpAddr,
    phase: Phase,
    since: Instant,
    /// Dropped, it closes the connection.
    _close: oneshot::Sender<()>,
}

/// A connection's own place; given back when it is dropped.
struct Place {
    id: u64,
    sockets: Arc<Sockets>,
}

impl Sockets {
    fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// A place for a new connection, and what tells it to close. Where all are taken, another one's.
    fn enter(self: &Arc<Self>, peer: SocketAddr) -> (Arc<Place>, oneshot::Receiver<()>) {
        self.make_room();
        let (close, closed) = oneshot::channel();
        let mut open = self.open();
        open.last += 1;
        let id = open.last;
        let socket = Socket { peer: network(peer.ip()), phase: Phase::Head, since: Instant::now(), _close: close };
        open.all.insert(id, socket);
        (Arc::new(Place { id, sockets: self.clone() }), closed)
    }

    /// Whether one more can come, perhaps in the place of one that we wait for.
    fn can_make_room(&self) -> bool {
        let open = self.open();
        open.all.len() < self.most || open.all.values().any(Socket::waits)
    }

    /// Closes one that we wait for, where all places are taken.
    fn make_room(&self) {
        let mut open = self.open();
        if open.all.len() < self.most {
            return;
        }
        let mut peers: HashMap<IpAddr, usize> = HashMap::new();
        for socket in open.all.values() {
            *peers.entry(socket.peer).or_default() += 1;
        }
        let waiting = open.all.iter().filter(|(_, socket)| socket.waits());
        let longest = waiting.max_by_key(|(_, socket)| (peers.get(&socket.peer), Reverse(socket.since)));
        if let Some(id) = longest.map(|(id, _)| *id) {
            open.all.remove(&id);
        }
    }

    /// Closes those whose client takes too long.
    fn close_overdue(&self, now: Instant) {
        let in_time = |socket: &Socket| match socket.phase.patience() {
            Some(patience) => now.saturating_duration_since(socket.since) < patience,
            None => true,
        };
        self.open().all.retain(|_, socket| in_time(socket));
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Whether we wait for the client.
    fn waits(&self) -> bool {
        self.phase.patience().is_some()
    }

    fn is_in(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }
}

impl Place {
    fn is_in(&self, phase: Phase) {
        if let Some(socket) = self.sockets.open().all.get_mut(&self.id) {
            socket.is_in(phase);
        }
    }

    /// From one phase to the next, if it is still in that one.
    fn goes(&self, from: Phase, to: Phase) {
        if let Some(socket) = self.sockets.open().all.get_mut(&self.id).filter(|socket| socket.phase == from) {
            socket.is_in(to);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sockets.open().all.remove(&self.id);
    }
}

/// Whom an address belongs to: with IPv6 one customer of a provider has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A body whose end takes its connection on to the next phase.
struct Followed<B> {
    body: B,
    place: Arc<Place>,
    from: Phase,
    to: Phase,
}

impl<B: HttpBody + Unpin> HttpBody for Followed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.place.goes(self.from, self.to);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Followed<B> {
    fn drop(&mut self) {
        // Read to its end or not: nobody waits for the rest of it any more.
        self.place.goes(self.from, self.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> SocketAddr {
        format!("{text}:7").parse().unwrap()
    }

    #[test]
    fn who_takes_too_long_is_hung_up_on_and_who_is_answered_is_not() {
        let sockets = Arc::new(Sockets::new(10));
        let (_slow, mut slow) = sockets.enter(peer("192.0.2.1"));
        let (work, mut worked) = sockets.enter(peer("192.0.2.2"));
        work.is_in(Phase::Answering);
        sockets.close_overdue(Instant::now() + Duration::from_secs(9));
        assert!(!is_closed(&mut slow));
        sockets.close_overdue(Instant::now() + Duration::from_mins(10));
        assert!(is_closed(&mut slow));
        assert!(!is_closed(&mut worked));
        // A second request of the same connection has its own time.
        work.goes(Phase::Sending, Phase::Head);
        assert!(sockets.open().all.values().all(|socket| socket.phase == Phase::Answering));
        drop(work);
        assert!(sockets.open().all.is_empty());
    }

    #[test]
    fn the_busiest_peer_makes_room_for_the_others() {
        let sockets = Arc::new(Sockets::new(4));
        let (_genuine, mut genuine) = sockets.enter(peer("192.0.2.1"));
        let flood: Vec<_> = (0..3).map(|_| sockets.enter(peer("192.0.2.9"))).collect();
        flood[2].0.is_in(Phase::Answering);
        let (_next, _closed) = sockets.enter(peer("192.0.2.2"));
        let closed: Vec<bool> = flood.into_iter().map(|(_, mut closed)| is_closed(&mut closed)).collect();
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
        assert!(!closed[2], "a request that has come whole is answered");
        assert!(!is_closed(&mut genuine), "it waits longest, but alone");
    }

    #[test]
    fn nobody_is_let_in_while_all_are_being_answered() {
        let sockets = Arc::new(Sockets::new(2));
        let both = [sockets.enter(peer("192.0.2.1")), sockets.enter(peer("192.0.2.1"))];
        assert!(sockets.can_make_room());
        for (place, _) in &both {
            place.is_in(Phase::Answering);
        }
        assert!(!sockets.can_make_room());
        both[0].0.is_in(Phase::Sending);
        assert!(sockets.can_make_room());
    }

    fn is_closed(closed: &mut oneshot::Receiver<()>) -> bool {
        closed.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn a_provider_gives_a_customer_many_addresses() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
