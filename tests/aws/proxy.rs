//! Something between the SDK and AWS that loses replies, changes answers, and remembers what was asked.

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

/// A proxy on loopback; it ends with the test's runtime.
pub struct Proxy {
    pub endpoint: String,
    trouble: Arc<Mutex<Trouble>>,
    down: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Proxy {
    /// In front of the emulator at `upstream`. Answers arrive as they are.
    pub async fn before(upstream: &str) -> Self {
        let trouble: Arc<Mutex<Trouble>> = Arc::new(Mutex::new(Box::new(|_, _| Answer::Arrives)));
        let down = Arc::new(AtomicBool::new(false));
        let client = Client::new().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (upstream, shared, off, log) = (upstream.to_owned(), trouble.clone(), down.clone(), asked.clone());
        let router = Router::new().fallback(move |request: Request| {
            pass(client.clone(), upstream.clone(), shared.clone(), off.clone(), log.clone(), request)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, trouble, down, asked }
    }

    /// From now on.
    pub fn trouble(&self, trouble: impl Fn(&str, &mut Value) -> Answer + Send + Sync + 'static) {
        *self.trouble.lock().unwrap() = Box::new(trouble);
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
        self.asked.lock().unwrap().clone()
    }

    /// Whether every call fails before AWS is asked.
    pub fn down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }
}

async fn pass(
    client: Client,
    upstream: String,
    trouble: Arc<Mutex<Trouble>>,
    down: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or_default().to_owned();
    let mut headers = parts.headers;
    for name in ["host", "content-length", "accept-encoding"] {
        headers.remove(name);
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    asked.lock().unwrap().push((target.clone(), serde_json::from_slice(&body).unwrap_or_default()));
    if down.load(Ordering::Relaxed) {
        return broken();
    }
    let call = Call {
        method: parts.method,
        url: format!("{upstream}{}", parts.uri.path()).parse().unwrap(),
        headers,
        body,
        timeout: std::time::Duration::from_secs(30),
    };
    let answer = client.send(call).await.unwrap_or_else(|error| panic!("the emulator: {}", error.error()));
    let mut json: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let body = match (trouble.lock().unwrap())(&target, &mut json) {
        Answer::Lost => return broken(),
        _ if json.is_null() => answer.body,
        _ => Bytes::from(json.to_string()),
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = answer.status;
    if let Some(kind) = answer.headers.get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    response
}

/// As AWS's own front end answers when a host behind it dies: the SDK tries again.
fn broken() -> Response {
    let mut response = Response::new(r#"{"__type":"InternalServerError","message":"a host died"}"#.into());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
    response
}
