//! What `serve` works with: fixed on one machine; on AWS as it is published, so that a change needs no restart.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::StatusCode,
    response::Response,
};
use futures::{StreamExt, stream};
use puente::{
    Result,
    aws::App,
    domain::event::Event,
    edge::{RequestId, front_door::FrontDoors, host::Hosts, operate, people, refusal, stores},
    flow::{Puente, tell::Tell},
    parties::Settings,
    ports::{Chance, SystemChance},
};
use tokio::sync::Mutex;

/// Where a round of work finds what it works with. Asked before each.
#[derive(Clone)]
pub(crate) enum Source {
    /// On one machine: settled at the start.
    Fixed(Box<Puente>),
    /// On AWS: the published configuration, at most five minutes old.
    Published(Arc<App>),
}

impl From<Puente> for Source {
    fn from(puente: Puente) -> Self {
        Self::Fixed(Box::new(puente))
    }
}

impl Source {
    /// What to work with now.
    pub(crate) async fn puente(&self) -> Result<Puente> {
        match self {
            Self::Fixed(puente) => Ok(puente.as_ref().clone()),
            Self::Published(app) => app.puente().await,
        }
    }

    /// Where what happens is told, whatever the configuration says.
    pub(super) fn tell(&self) -> &Tell {
        match self {
            Self::Fixed(puente) => &puente.tell,
            Self::Published(app) => app.tell(),
        }
    }

    /// Whether other processes may serve the same data.
    pub(super) fn shared(&self) -> bool {
        matches!(self, Self::Published(_))
    }
}

/// Both routers at one address, built anew when the settings change.
pub(super) struct Site {
    source: Source,
    hosts: Hosts,
    operator: operate::Access,
    /// They outlive the routers: a new configuration does not forget what was counted.
    doors: Arc<FrontDoors>,
    built: Mutex<Option<(Arc<Settings>, Router)>>,
}

impl Site {
    /// The site of `source`; `puente` is what it is now.
    pub(super) fn new(source: Source, puente: &Puente, hosts: Hosts, operator: operate::Access) -> Self {
        let doors = Arc::new(FrontDoors::new(puente.clock.clone(), puente.doors.clone()));
        Self { source, hosts, operator, doors, built: Mutex::new(None) }
    }

    /// The service: every request is answered by the routers of its time.
    pub(super) fn router(self) -> Router {
        let site = Arc::new(self);
        Router::new().fallback(async move |request: Request| site.answer(request).await)
    }

    /// Answers one request.
    ///
    /// What a store signed with a secret that is new, and a connection or key that is new, are looked for in the published
    /// configuration as it is now, as the functions do: not every store sends a second time.
    async fn answer(&self, mut request: Request) -> Response {
        // One id, also where a request is answered in a second try.
        request.extensions_mut().insert(RequestId(SystemChance.token()));
        let Source::Published(app) = &self.source else { return self.once(request).await };
        let (parts, body) = request.into_parts();
        let body = Heard::new(body);
        let response = self.once(Request::from_parts(parts.clone(), body.reader())).await;
        let unknown = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND);
        if !unknown || !app.look_again().await {
            return response;
        }
        self.once(Request::from_parts(parts, body.reader())).await
    }

    async fn once(&self, request: Request) -> Response {
        let id = request.extensions().get().map_or_else(String::new, |RequestId(id)| id.clone());
        match self.current().await {
            Ok(router) => match tower::ServiceExt::oneshot(router, request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(error) => {
                self.source.tell().of(&Event::HttpUnavailable { request: &id, error: &error });
                refusal(error, &id)
            }
        }
    }

    async fn current(&self) -> Result<Router> {
        let puente = self.source.puente().await?;
        let mut built = self.built.lock().await;
        if let Some((settings, router)) = &*built
            && Arc::ptr_eq(settings, &puente.settings)
        {
            return Ok(router.clone());
        }
        let settings = puente.settings.clone();
        let router = stores(puente.clone(), Some(self.doors.clone()));
        let router = router.merge(people(puente.clone(), self.operator.clone()));
        let router = self.hosts.clone().only(router, &puente);
        *built = Some((settings, router.clone()));
        Ok(router)
    }
}

/// A body that can be read once more: what a reader takes is remembered. Who refuses a request unread leaves it on the wire.
struct Heard(Arc<Mutex<(Vec<Bytes>, BodyDataStream)>>);

impl Heard {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), body.into_data_stream()))))
    }

    /// The body from its beginning. One reader at a time.
    fn reader(&self) -> Body {
        Body::from_stream(stream::unfold((self.0.clone(), 0), async |(heard, at)| {
            let mut both = heard.lock().await;
            let (before, rest) = &mut *both;
            let chunk = match before.get(at) {
                Some(chunk) => Ok(chunk.clone()),
                None => rest.next().await?.inspect(|chunk| before.push(chunk.clone())),
            };
            drop(both);
            Some((chunk, (heard, at + 1)))
        }))
    }
}
