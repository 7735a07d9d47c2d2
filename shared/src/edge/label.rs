//! What every answer has: its request's id, and the form of a refusal.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::problem::Problem;
use crate::{Error, flow::Puente};

/// The id of a request: in the answer's `x-request-id`, in problems, in logs, and in the message that its order travels in.
///
/// A front door with a log of its own puts the id that it has there into the request's extensions. What a request's header says
/// of itself is not believed: anybody could write it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The refusal of a request that no router could be made for.
#[must_use]
pub fn refusal(error: Error, request: &str) -> Response {
    finished(Problem::from(error).render(request), request)
}

/// Gives every request its id and every refusal its form. The one place that logs refusals.
pub(super) async fn label(State(puente): State<Puente>, mut request: Request, next: Next) -> Response {
    let id = id_of(&request, &puente);
    let method = request.method().clone();
    let route = request.extensions().get::<axum::extract::MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
        // The route's pattern, never the address as it came: that has a key in it.
        problem.tell(&puente.tell, &id, method.as_str(), route.as_deref().unwrap_or("(none)"));
        response = problem.render(&id);
    }
    finished(response, &id)
}

/// The id that the front door gave a request, or one of our own.
pub(super) fn id_of(request: &Request, puente: &Puente) -> String {
    request.extensions().get().map_or_else(|| puente.chance.token(), |RequestId(id)| id.clone())
}

/// What every answer says, whatever it is.
pub(super) fn finished(mut response: Response, id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
