//! A router behind API Gateway's REST API: its events in, its answers out, and the router built anew with the configuration.
//!
//! The body reaches the router byte for byte, since signatures are over bytes: `template.yaml` declares every media type
//! binary, so that API Gateway sends base64, which `lambda_http` undoes. The path has no stage in it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderValue, Request, StatusCode, header::STRICT_TRANSPORT_SECURITY},
    response::Response,
};
use lambda_http::{Request as Event, RequestExt, http::Uri, request::RequestContext, service_fn};
use puente::{
    Result,
    domain::{
        event,
        operator::{Operator, Sight},
    },
    edge::{self, RequestId},
    flow::Puente,
    parties::Settings,
};
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::{App, isolated, metrics};

/// What the authorizer says of an operator, in the context of the requests that it lets in: the name, and what they may do and
/// see, separated by spaces.
pub(crate) const SUBJECT: &str = "subject";
pub(crate) const SCOPES: &str = "scopes";
pub(crate) const CONNECTIONS: &str = "connections";

/// Serves one router, kept for as long as its settings are fresh.
pub(crate) struct Gateway {
    app: App,
    build: fn(Puente) -> Router,
    hsts: Option<HeaderValue>,
    served: Mutex<Option<(Arc<Settings>, Router)>>,
}

/// Answers API Gateway's events until Lambda ends the process, as the function of that name.
pub(crate) async fn serve(gateway: &Gateway, function: &str) -> std::result::Result<(), lambda_runtime::Error> {
    lambda_http::run(service_fn(async |request| {
        let answer = gateway.answer(request).await;
        metrics::flush(gateway.app.tell(), function);
        Ok::<_, lambda_runtime::Error>(answer)
    }))
    .await
}

impl Gateway {
    /// With what outlives an invocation, and how its router is made.
    pub(crate) fn new(app: App, build: fn(Puente) -> Router) -> Self {
        Self { app, build, hsts: hsts(), served: Mutex::new(None) }
    }

    /// Answers one request, whatever happens.
    ///
    /// What a store signed with a secret that is new, and a connection that is new, are looked for in the configuration as it is
    /// now: not every store sends a second time.
    pub(crate) async fn answer(&self, request: Event) -> Response {
        let id = id(&request);
        let mut request = without_stage(request);
        if !id.is_empty() {
            request.extensions_mut().insert(RequestId(id.clone()));
        }
        if let Some(operator) = operator(&request) {
            request.extensions_mut().insert(operator);
        }
        let (parts, body) = request.into_parts();
        // Shared, not copied, between the two times that it may be read.
        let body = bytes(body);
        let mut response = self.once(Request::from_parts(parts.clone(), body.clone().into()), &id).await;
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND) && self.app.look_again().await
        {
            response = self.once(Request::from_parts(parts, body.into()), &id).await;
        }
        if let Some(hsts) = &self.hsts {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        response
    }

    async fn once(&self, request: Request<Body>, id: &str) -> Response {
        let answered = match self.router().await {
            Ok(router) => isolated("answering a request", router.oneshot(request)).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(Ok(response)) => response,
            Err(error) => {
                self.app.tell().of(&event::Event::Unanswered { request: id, error: &error });
                edge::refusal(error, id)
            }
        }
    }

    async fn router(&self) -> Result<Router> {
        let puente = self.app.puente().await?;
        let mut served = self.served.lock().await;
        match &*served {
            Some((settings, router)) if Arc::ptr_eq(settings, &puente.settings) => Ok(router.clone()),
            _ => {
                let settings = puente.settings.clone();
                let router = (self.build)(puente);
                *served = Some((settings, router.clone()));
                Ok(router)
            }
        }
    }
}

/// The id that API Gateway's own log has for the request.
fn id(request: &Event) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Whom the authorizer let in with a token, as it says in the request's context.
fn operator(request: &Event) -> Option<Operator> {
    let Some(RequestContext::ApiGatewayV1(context)) = request.request_context_ref() else { return None };
    let told = |name: &str| context.authorizer.fields.get(name)?.as_str();
    let scopes = told(SCOPES)?.split_whitespace();
    let scopes = scopes.filter_map(|name| name.parse().ok()).collect();
    Some(Operator::new(told(SUBJECT)?, scopes, Sight::of(told(CONNECTIONS)?.split_whitespace())))
}

/// The request with the path its sender used: `lambda_http` puts the API's stage in front, which no caller knows of.
fn without_stage(mut request: Event) -> Event {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{}{query}", request.raw_http_path()).parse::<Uri>()
        && uri.path().starts_with('/')
    {
        *request.uri_mut() = uri;
    }
    request
}

/// How long clients keep to HTTPS: RFC 6797, in seconds as `template.yaml` says.
#[allow(clippy::disallowed_methods, reason = "the stack's parameter reaches its functions through their environment")]
fn hsts() -> Option<HeaderValue> {
    let seconds: u64 = std::env::var("PUENTE_HSTS_MAX_AGE").ok()?.parse().ok()?;
    HeaderValue::try_from(format!("max-age={seconds}")).ok()
}

/// The body, without a copy of it.
fn bytes(body: lambda_http::Body) -> Bytes {
    match body {
        lambda_http::Body::Text(text) => text.into(),
        lambda_http::Body::Binary(bytes) => bytes.into(),
        _ => Bytes::new(),
    }
}
