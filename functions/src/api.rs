//! What people call, behind API Gateway: [`puente::edge::people`] served to its REST API events.
//!
//! Who calls is the authorizer's to say, before an event reaches this function: the gateway hands the operator over, and the
//! router lets them do and see what they may.

use axum::response::Response;
use lambda_http::Request;
use puente::edge::{operate, people};

use crate::{
    App, Tell,
    gateway::{Gateway, serve},
    log,
};

/// The function.
pub struct Api(Gateway);

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let Api(gateway) = &Api::new(App::from_env(Tell::default()).await?);
    serve(gateway, "api").await
}

impl Api {
    /// With what outlives an invocation.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self(Gateway::new(app, |puente| people(puente, operate::Access::Decided)))
    }

    /// Answers one request, whatever happens.
    pub async fn answer(&self, request: Request) -> Response {
        self.0.answer(request).await
    }
}
