//! What stores call, behind API Gateway: [`puente::edge::ingest`] served to its REST API events.
//!
//! The body reaches the router byte for byte, since signatures are over bytes: `template.yaml` declares every media type
//! binary, so that API Gateway sends base64, which `lambda_http` undoes. The path has no stage in it.

use std::sync::Arc;

use axum::{Router, body::Body, response::Response};
use lambda_http::{Request, RequestExt, http::Uri, service_fn};
use puente::{Error, config::Settings, ports::Queue};
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::{App, isolated, log};

/// The router, for as long as its settings are fresh.
pub struct Ingest {
    app: App,
    served: Mutex<Option<(Arc<Settings>, Router)>>,
}

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = App::from_env().await?;
    if let Err(error) = app.aws().queue.ready().await {
        tracing::error!(event = "queue.unready", %error);
    }
    let ingest = &Ingest::new(app);
    lambda_http::run(service_fn(async |request| Ok::<_, lambda_runtime::Error>(ingest.answer(request).await))).await
}

impl Ingest {
    /// With what outlives an invocation.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app, served: Mutex::new(None) }
    }

    /// Answers one request, whatever happens.
    pub async fn answer(&self, request: Request) -> Response {
        let router = match self.router().await {
            Ok(router) => router,
            Err(error) => {
                tracing::error!(event = "ingest.unavailable", %error);
                return problem(503, "Service Unavailable");
            }
        };
        match isolated("answering a request", router.oneshot(without_stage(request))).await {
            Ok(Ok(response)) => response,
            Err(_) => problem(500, "Internal Server Error"),
        }
    }

    async fn router(&self) -> Result<Router, Error> {
        let puente = self.app.puente().await?;
        let mut served = self.served.lock().await;
        match &*served {
            Some((settings, router)) if Arc::ptr_eq(settings, &puente.settings) => Ok(router.clone()),
            _ => {
                let settings = puente.settings.clone();
                let router = puente::edge::ingest::router(puente);
                *served = Some((settings, router.clone()));
                Ok(router)
            }
        }
    }
}

/// The request with the path its sender used: `lambda_http` puts the API's stage in front, which no store knows of.
fn without_stage(mut request: Request) -> Request {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{}{query}", request.raw_http_path()).parse::<Uri>()
        && uri.path().starts_with('/')
    {
        *request.uri_mut() = uri;
    }
    request
}

/// A problem document (RFC 9457) where there is no router to write one.
fn problem(status: u16, title: &str) -> Response {
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status });
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/problem+json")
        .header("cache-control", "no-store")
        .header("retry-after", "30");
    response.body(Body::from(body.to_string())).unwrap_or_default()
}
