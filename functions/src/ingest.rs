//! What stores call, behind API Gateway: [`puente::edge::stores`] served to its REST API events.

use axum::response::Response;
use lambda_http::Request;
use puente::{domain::event::Event, ports::Queue};

use crate::{
    App, Tell,
    gateway::{Gateway, serve},
    log,
};

/// The function.
pub struct Ingest(Gateway);

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = App::from_env(Tell::default()).await?;
    if let Err(error) = app.aws().queue.ready().await {
        app.tell().of(&Event::QueueUnready { error: &error });
    }
    let Ingest(gateway) = &Ingest::new(app);
    serve(gateway, "ingest").await
}

impl Ingest {
    /// With what outlives an invocation.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self(Gateway::new(app, |puente| puente::edge::stores(puente, None)))
    }

    /// Answers one request, whatever happens.
    pub async fn answer(&self, request: Request) -> Response {
        self.0.answer(request).await
    }
}
