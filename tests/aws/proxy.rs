//! Something between the SDK and AWS that loses replies, changes answers, refuses calls, and remembers what was asked.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use axum::{Router, body::Bytes, extract::Request, response::Response};
use puente::outbound::{Call, Client};
use serde_json::Value;

/// What happens to a call: `target` as in `DynamoDB_20120810.UpdateItem`, and the answer's JSON.
type Trouble = Box<dyn Fn(&str, &mut Value) -> Answer + Send + Sync>;

/// What becomes of an answer that AWS gave.
pub enum Answer {
    /// It arrives.
    Arrives,
    /// AWS did what was asked, but the answer is lost.
    Lost,
}

/// Which calls are refused before AWS is asked: by their target, or by `METHOD /path` where the protocol has none.
type Gate = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A proxy on loopback; it ends with the test's runtime.
pub struct Proxy {
    pub endpoint: String,
    wire: Arc<Wire>,
}

struct Wire {
    client: Client,
    upstream: String,
    trouble: Mutex<Trouble>,
    down: AtomicBool,
    gate: Mutex<Gate>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Proxy {
    /// In front of the emulator at `upstream`. Answers arrive as they are.
    pub async fn before(upstream: &str) -> Self {
        let wire = Arc::new(Wire {
            client: Client::new().unwrap(),
            upstream: upstream.to_owned(),
            trouble: Mutex::new(Box::new(|_, _| Answer::Arrives)),
            down: AtomicBool::new(false),
            gate: Mutex::new(Box::new(|_| false)),
            asked: Mutex::default(),
        });
        let shared = wire.clone();
        let router = Router::new().fallback(move |request: Request| pass(shared.clone(), request));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, wire }
    }

    /// From now on.
    pub fn trouble(&self, trouble: impl Fn(&str, &mut Value) -> Answer + Send + Sync + 'static) {
        *self.wire.trouble.lock().unwrap() = Box::new(trouble);
    }

    /// AWS answers the next call of `target`, but the answer is lost.
    pub fn lose_next(&self, target: &'static str) {
        let lost = AtomicU32::new(0);
        self.trouble(move |called, _| {
            let next = called.ends_with(target) && lost.fetch_add(1, Ordering::Relaxed) == 0;
            if next { Answer::Lost } else { Answer::Arrives }
        });
    }

    /// Every call so far: its target, and what was asked.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.wire.asked.lock().unwrap().clone()
    }

    /// Refuses the calls that `gate` says, before AWS is asked.
    pub fn refuse(&self, gate: impl Fn(&str) -> bool + Send + Sync + 'static) {
        *self.wire.gate.lock().unwrap() = Box::new(gate);
    }

    /// Whether every call fails before AWS is asked.
    pub fn down(&self, down: bool) {
        self.wire.down.store(down, Ordering::Relaxed);
    }
}

async fn pass(wire: Arc<Wire>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let target = parts.headers.get("x-amz-target").and_then(|t| t.to_str().ok()).map(str::to_owned);
    let target = target.unwrap_or_else(|| format!("{} {path}", parts.method));
    let mut headers = parts.headers;
    for name in ["host", "content-length", "accept-encoding"] {
        headers.remove(name);
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    wire.asked.lock().unwrap().push((target.clone(), serde_json::from_slice(&body).unwrap_or_default()));
    if wire.down.load(Ordering::Relaxed) {
        return broken();
    }
    if (wire.gate.lock().unwrap())(&target) {
        return answer(http::StatusCode::FORBIDDEN, r#"{"__type":"AccessDeniedException","message":"not allowed"}"#);
    }
    let call = Call {
        method: parts.method,
        url: format!("{}{path}", wire.upstream).parse().unwrap(),
        headers,
        body,
        timeout: std::time::Duration::from_secs(30),
    };
    let answered = wire.client.send(call).await.unwrap_or_else(|error| panic!("the emulator: {}", error.error()));
    let mut json: Value = serde_json::from_slice(&answered.body).unwrap_or(Value::Null);
    let body = match (wire.trouble.lock().unwrap())(&target, &mut json) {
        Answer::Lost => return broken(),
        _ if json.is_null() => answered.body,
        _ => Bytes::from(json.to_string()),
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = answered.status;
    if let Some(kind) = answered.headers.get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    response
}

/// As AWS's own front end answers when a host behind it dies: the SDK tries again.
fn broken() -> Response {
    answer(http::StatusCode::INTERNAL_SERVER_ERROR, r#"{"__type":"InternalServerError","message":"a host died"}"#)
}

fn answer(status: http::StatusCode, body: &'static str) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
    response
}
