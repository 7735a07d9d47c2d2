//! The only place that calls out: time-limited, no redirects, bounded answers, bundled roots; metered towards stores and ERPs.
//!
//! Invariant: [`Failure::NotSent`] is said only where for certain not one byte of the request reached the other side.
//! Everything else is [`Failure::Unknown`], because "sent again" is how an order comes to exist twice. So there are no
//! hidden second attempts either: no redirects (they would carry credentials to another host), no retries, HTTP/1.1 only
//! (HTTP/2 may silently repeat a refused stream), no proxy from the environment.

mod basic;
mod calls;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod doubles;
mod tokens;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};
use jiff::{Timestamp, civil::DateTime, fmt::rfc2822, tz::TimeZone};
use url::Url;

pub(crate) use self::basic::basic;
pub use self::{
    calls::Calls,
    tokens::{Grant, Keeper, NotRenewed, Renewal, Standing},
};
use crate::{Error, Kind, Result};

/// How long a connection, its TLS handshake included, may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next call. Short: servers close idle connections after as little as two seconds,
/// a frozen Lambda wakes up with dead ones, and a call that dies on one has an unknown outcome.
const IDLE: Duration = Duration::from_secs(1);

/// How many idle connections are kept to one host.
const IDLE_CONNECTIONS: usize = 4;

/// The longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The process's one HTTP client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
}

/// A call to make.
#[derive(Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The headers; those with secrets are marked sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the whole call may take.
    pub timeout: Duration,
}

/// The answer to a call: any status.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed, at most as large as the call allows.
    pub body: Bytes,
}

/// The largest answer of a call about single things that is read, in bytes: a look-up, a document made, one order.
pub const LARGEST_ANSWER: usize = 2 * 1024 * 1024;

/// The largest page of a list that is read, in bytes: a hundred orders with everything that plugins add to them.
pub const LARGEST_PAGE: usize = 16 * 1024 * 1024;

/// Why a call has no answer. The difference decides between sending again and looking up first.
#[derive(Debug)]
pub enum Failure {
    /// Not one byte of the request reached the other side.
    NotSent(Error),
    /// The request, or a part of it, was sent: its effect is unknown.
    Unknown(Error),
}

impl Failure {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &Error {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) | Failure::Unknown(error) => error,
        }
    }
}

/// Grants one call at a time to an account, each at its send slot. Implemented by the flows.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Waits for the next send slot; fails where no call may start any more (lease, `start_by`, quota, block).
    async fn permit(&self, timeout: Duration) -> Result<()>;

    /// What was answered to a call that it permitted: where the other side asks to be left alone, whoever meters a store does so.
    /// With an ERP that is decided by its connector's verdict.
    async fn answered(&self, _answer: &Answer) {}
}

/// The way to the network for a connector: it spends a permit per call, so that metering cannot be forgotten.
#[derive(Clone)]
pub struct Metered {
    client: Client,
    meter: Arc<dyn Meter>,
}

impl Client {
    /// A client that accepts the bundled Mozilla roots, follows no redirects and keeps few idle connections.
    pub fn new() -> Result<Self> {
        let build = || -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            #[allow(clippy::disallowed_methods, reason = "the one home of the HTTP client")]
            let builder = reqwest::Client::builder();
            Ok(builder
                .tls_backend_preconfigured(tls)
                .http1_only()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .gzip(true)
                .connect_timeout(CONNECT)
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .user_agent(concat!("puente/", env!("CARGO_PKG_VERSION")))
                .build()?)
        };
        let http = build().map_err(|error| Error::new(Kind::Bug, "cannot build the HTTP client").caused_by(error))?;
        Ok(Self { http })
    }

    /// Makes one call: any status is an answer. An answer that breaks off, or is larger than [`LARGEST_ANSWER`], is
    /// [`Failure::Unknown`]: the other side has done what it was asked. Its connection is closed, the rest stays unread.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        self.send_up_to(call, LARGEST_ANSWER).await
    }

    /// The same for a page of a list, which may have [`LARGEST_PAGE`] bytes.
    pub async fn send_for_page(&self, call: Call) -> Result<Answer, Failure> {
        self.send_up_to(call, LARGEST_PAGE).await
    }

    async fn send_up_to(&self, call: Call, largest: usize) -> Result<Answer, Failure> {
        let to = format!("{} {}", call.method, call.url.origin().ascii_serialization());
        let request = self
            .http
            .request(call.method, call.url)
            .headers(call.headers)
            .timeout(call.timeout)
            .body(call.body)
            .build()
            .map_err(|error| Failure::NotSent(describe(&to, "is not a request that can be made", error)))?;
        let mut answer = self.http.execute(request).await.map_err(|error| classify(&to, error))?;

        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let too_large = || {
            let words =
                format!("{to}: the answer is larger than {} MiB, more than this call can need", largest / 1024 / 1024);
            Failure::Unknown(Error::new(Kind::TooLarge, words))
        };
        if answer.content_length().is_some_and(|length| usize::try_from(length).map_or(true, |length| length > largest))
        {
            return Err(too_large());
        }
        // Chunk by chunk after decompression, so that neither a long body nor a short one that unpacks to a long one
        // is ever held whole.
        let mut body = BytesMut::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > largest => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(Answer { status, headers, body: body.freeze() }),
                Err(error) => return Err(Failure::Unknown(describe(&to, "the answer broke off", error))),
            }
        }
    }
}

/// What a failed call left behind.
fn classify(to: &str, error: reqwest::Error) -> Failure {
    // "Connect" is name look-up, TCP and TLS, each also when its time is over: nothing of the request was written yet.
    if error.is_builder() {
        Failure::NotSent(describe(to, "is not a request that can be made", error))
    } else if error.is_dns() {
        Failure::NotSent(describe(to, "the host's name cannot be resolved", error))
    } else if error.is_connect() && error.is_timeout() {
        Failure::NotSent(describe(to, "the connection took too long", error))
    } else if error.is_connect() {
        Failure::NotSent(describe(to, "cannot connect", error))
    } else if error.is_timeout() {
        Failure::Unknown(describe(to, "no answer in time", error))
    } else {
        Failure::Unknown(describe(to, "the connection broke before the answer", error))
    }
}

/// The words for a failure: method and host only, since paths and queries can hold keys.
fn describe(to: &str, what: &str, error: reqwest::Error) -> Error {
    let kind = if error.is_builder() { Kind::Config } else { Kind::Unavailable };
    Error::new(kind, format!("{to}: {what}")).caused_by(error.without_url())
}

impl Metered {
    /// Calls through `client`, each permitted by `meter`.
    #[must_use]
    pub fn new(client: Client, meter: Arc<dyn Meter>) -> Self {
        Self { client, meter }
    }

    /// Waits for a permit only: for a connector whose way out is not HTTP.
    pub async fn permit(&self, timeout: Duration) -> Result<()> {
        self.meter.permit(timeout).await
    }

    /// Tells the meter of an answer only: for a connector whose way out is not HTTP.
    pub async fn answered(&self, answer: &Answer) {
        self.meter.answered(answer).await;
    }

    /// Waits for a permit and makes one call.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        self.permit(call.timeout).await.map_err(Failure::NotSent)?;
        let answer = self.client.send(call).await?;
        self.answered(&answer).await;
        Ok(answer)
    }

    /// The same for a page of a list, see [`Client::send_for_page`].
    pub async fn send_for_page(&self, call: Call) -> Result<Answer, Failure> {
        self.permit(call.timeout).await.map_err(Failure::NotSent)?;
        let answer = self.client.send_for_page(call).await?;
        self.answered(&answer).await;
        Ok(answer)
    }
}

/// The `Retry-After` of an answer (RFC 9110, section 10.2.3): seconds or an HTTP date, seen from `now`; at most a day.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = seconds(text).or_else(|| {
        let until = http_date(text)?.duration_since(now);
        // A date gone by: at once.
        Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
    })?;
    Some(wait.min(LONGEST_WAIT))
}

/// Whether the other side asks for fewer calls: 429, and 430, which is Shopify's own for a client that it takes for an attack.
#[must_use]
pub fn asks_for_less(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.as_u16() == 430
}

/// Whole seconds, or `2.0` as Shopify writes them; rounded up.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    // Too many digits for a number are still a very long time.
    let whole: u64 = whole.parse().unwrap_or(u64::MAX);
    let started = u64::from(fraction.bytes().any(|b| b != b'0'));
    Some(Duration::from_secs(whole.saturating_add(started)))
}

/// The three forms a recipient must read (RFC 9110, section 5.6.7): IMF-fixdate, RFC 850 and asctime.
fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(zoned) = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_zoned(text) {
        return Some(zoned.timestamp());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok())
        .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
}

// Queries and headers hold keys, bodies hold buyers: `Debug` shows neither.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("origin", &self.url.origin().ascii_serialization())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    fn call(url: &str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer canary-header".parse().unwrap());
        Call {
            method: Method::POST,
            url: url.parse().unwrap(),
            headers,
            body: Bytes::from_static(b"canary-body"),
            timeout: Duration::from_secs(20),
        }
    }

    /// Serves one connection: reads the request, hands it to `answer` and returns what it read.
    async fn server<F, Fut>(answer: F) -> (String, tokio::task::JoinHandle<String>)
    where
        F: FnOnce(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?key=canary-query", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let read = stream.read(&mut request).await.unwrap();
            answer(stream).await;
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (url, task)
    }

    async fn say(mut stream: TcpStream, head: &str, body: &[u8]) {
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let _ = stream.shutdown().await;
    }

    fn assert_clean(failure: &Failure) {
        let text = format!("{} {failure:?}", failure.error());
        assert!(!text.contains("canary") && !text.contains("/path"), "{text}");
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_an_answer() {
        let (url, task) = server(|stream| async {
            say(stream, "HTTP/1.1 503 Busy\r\nx-id: 7\r\ncontent-length: 4\r\n\r\n", b"busy").await;
        })
        .await;
        let answer = Client::new().unwrap().send(call(&url)).await.unwrap();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["x-id"], "7");
        assert_eq!(&answer.body[..], b"busy");
        let request = task.await.unwrap().to_lowercase();
        assert!(request.contains("user-agent: puente/") && request.contains("accept-encoding: gzip"), "{request}");
    }

    #[tokio::test]
    async fn a_refused_port_and_an_unknown_host_were_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let client = Client::new().unwrap();
        for url in [format!("http://127.0.0.1:{port}/"), "http://no-such-host.invalid/".into(), "ftp://host/".into()] {
            let failure = client.send(call(&url)).await.unwrap_err();
            assert!(matches!(failure, Failure::NotSent(_)), "{url}: {failure:?}");
            assert_clean(&failure);
        }
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_was_not_sent() {
        let (url, _task) = server(|stream| say(stream, "HTTP/1.1 400 Bad\r\n\r\n", b"")).await;
        let failure = Client::new().unwrap().send(call(&url.replace("http:", "https:"))).await.unwrap_err();
        assert!(matches!(failure, Failure::NotSent(_)), "{failure:?}");
    }

    #[tokio::test]
    async fn a_connection_that_ends_after_the_request_is_unknown() {
        let (url, task) = server(|stream| async { drop(stream) }).await;
        let failure = Client::new().unwrap().send(call(&url)).await.unwrap_err();
        assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");
        assert_clean(&failure);
        assert!(task.await.unwrap().contains("canary-body"));
    }

    #[tokio::test]
    async fn no_answer_in_time_is_unknown() {
        let (url, _task) = server(|_stream| std::future::pending()).await;
        let failure =
            Client::new().unwrap().send(Call { timeout: Duration::from_millis(200), ..call(&url) }).await.unwrap_err();
        assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");
        assert_clean(&failure);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_unknown() {
        let (url, _task) =
            server(|stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b"half")).await;
        let failure = Client::new().unwrap().send(call(&url)).await.unwrap_err();
        assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");
        assert_clean(&failure);
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let head = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:9/elsewhere\r\ncontent-length: 0\r\n\r\n";
        let (url, _task) = server(move |stream| say(stream, head, b"")).await;
        let answer = Client::new().unwrap().send(call(&url)).await.unwrap();
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    }

    #[tokio::test]
    async fn a_page_may_be_larger_than_a_look_up_and_has_its_bound_too() {
        let client = Client::new().unwrap();
        for (length, page) in [(LARGEST_ANSWER, true), (LARGEST_ANSWER + 1, false), (LARGEST_PAGE, false)] {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            let answered =
                |head: String| server(move |stream| async move { say(stream, &head, &vec![b' '; length]).await });
            let (url, _task) = answered(head.clone()).await;
            let answer = client.send(call(&url)).await;
            assert_eq!(answer.is_ok(), page, "{length}");
            let (url, _task) = answered(head).await;
            assert_eq!(client.send_for_page(call(&url)).await.unwrap().body.len(), length);
        }
        // Told at once, before anything of it is read.
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", LARGEST_PAGE + 1);
        let (url, _task) = server(move |mut stream| async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        let failure = client.send_for_page(call(&url)).await.unwrap_err();
        assert!(matches!(&failure, Failure::Unknown(e) if e.kind() == Kind::TooLarge), "{failure:?}");
        assert!(failure.error().to_string().contains("16 MiB"), "{failure:?}");
    }

    #[tokio::test]
    async fn a_huge_answer_is_not_read_to_its_end() {
        let (url, _task) = server(|mut stream| async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let chunk = vec![b'x'; 1024 * 1024];
            // For ever, until the other side hangs up.
            while stream.write_all(&chunk).await.is_ok() {}
        })
        .await;
        let failure = Client::new().unwrap().send(call(&url)).await.unwrap_err();
        assert!(matches!(&failure, Failure::Unknown(e) if e.kind() == Kind::TooLarge), "{failure:?}");
    }

    #[tokio::test]
    async fn a_gzip_bomb_is_not_unpacked_whole() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..=LARGEST_ANSWER / (1024 * 1024) {
            gzip.write_all(&vec![0; 1024 * 1024]).unwrap();
        }
        let bomb = gzip.finish().unwrap();
        assert!(bomb.len() < LARGEST_ANSWER / 50);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
        let (url, _task) = server(move |stream| async move { say(stream, &head, &bomb).await }).await;
        let failure = Client::new().unwrap().send(call(&url)).await.unwrap_err();
        assert!(matches!(&failure, Failure::Unknown(e) if e.kind() == Kind::TooLarge), "{failure:?}");
    }

    #[tokio::test]
    async fn gzip_is_unpacked() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"hello").unwrap();
        let body = gzip.finish().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
        let (url, _task) = server(move |stream| async move { say(stream, &head, &body).await }).await;
        assert_eq!(&Client::new().unwrap().send(call(&url)).await.unwrap().body[..], b"hello");
    }

    #[test]
    fn debug_shows_no_secret() {
        let call = call("https://user:canary-user@shop.example/canary-path?key=canary-query");
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", "canary-cookie".parse().unwrap());
        let answer = Answer { status: StatusCode::OK, headers, body: Bytes::from_static(b"canary-body") };
        let text = format!("{call:?} {answer:?}");
        assert!(!text.contains("canary") && text.contains("https://shop.example"), "{text}");
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("2.0"), Some(2));
        assert_eq!(read("0.25"), Some(1));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(read("Sunday, 06-Nov-94 08:49:37 GMT"), Some(37));
        assert_eq!(read("Sun Nov  6 08:49:37 1994"), Some(37));
        // As some servers write it.
        assert_eq!(read("Sun, 6 Nov 1994 08:49:37 +0000"), Some(37));
        // A wrong weekday is no reason to hammer the server.
        assert_eq!(read("Mon, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(read("Sun, 06 Nov 1994 08:40:00 GMT"), Some(0));
        assert_eq!(read("999999"), Some(86_400));
        assert_eq!(read("99999999999999999999999999"), Some(86_400));
        assert_eq!(read("Sun, 06 Nov 2094 08:49:37 GMT"), Some(86_400));
        for bad in ["", "soon", "-5", "1e3", "1.", "."] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
