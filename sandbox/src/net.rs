//! A loopback server whose lines can be cut: connections are reset in the middle of an answer, and the port can be closed and
//! opened again, as when a machine restarts.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A running server. It stops when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens: a port the system chose.
    pub(crate) addr: SocketAddr,
    open: watch::Sender<bool>,
    listens: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `router`. Handlers can ask for [`Cut`] with `ConnectInfo`.
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (open, watching) = watch::channel(true);
        let (tells, listens) = watch::channel(true);
        let door = Door { addr, listener: Some(listener), open: watching, listens: tells };
        let service = router.into_make_service_with_connect_info::<Cut>();
        let task = tokio::spawn(async move {
            // Only a listener that cannot accept any more ends it, and ours always can.
            let _ = axum::serve(door, service).await;
        });
        Ok(Self { addr, open, listens, task })
    }

    /// Closes the port (new connections are refused), or opens it again. Returns when it is so.
    pub(crate) async fn listen(&self, open: bool) {
        self.open.send_replace(open);
        // Only a server that has ended says nothing any more, and ours ends when it is dropped.
        let _ = self.listens.clone().wait_for(|listens| *listens == open).await;
    }

    /// Whether the port is open.
    pub(crate) fn is_open(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.open.send_replace(false);
        self.task.abort();
    }
}

/// Cuts one connection: nothing more is written, the peer sees a reset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().cut.clone()
    }
}

/// A listener that can be closed and opened.
struct Door {
    addr: SocketAddr,
    listener: Option<TcpListener>,
    open: watch::Receiver<bool>,
    /// Whether it does listen: it follows `open` a moment later.
    listens: watch::Sender<bool>,
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            if !*self.open.borrow_and_update() {
                self.listener = None;
                self.listens.send_replace(false);
                if self.open.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let bound = match self.listener.take() {
                Some(listener) => Ok(listener),
                None => TcpListener::bind(self.addr).await,
            };
            let Ok(listener) = bound else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            self.listens.send_replace(true);
            tokio::select! {
                accepted = listener.accept() => {
                    self.listener = Some(listener);
                    if let Ok((stream, peer)) = accepted {
                        let _ = stream.set_nodelay(true);
                        return (Line { stream, cut: Cut::default() }, peer);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ = self.open.changed() => self.listener = Some(listener),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

/// A connection that can be cut.
struct Line {
    stream: TcpStream,
    cut: Cut,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        if self.cut.is_cut() {
            // Closing then sends a reset instead of a polite end.
            let _ = self.stream.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
