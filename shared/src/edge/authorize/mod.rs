//! Who may make which request: decided from its method, its path and its credentials, before anything of it is counted or read.
//! On AWS this runs in the request authorizer in front of both routers.
//!
//! Stores prove themselves with their connection's key, people and machines with an OAuth 2.0 bearer token (RFC 6750). Invariant:
//! whatever is not allowed here by name is refused.

mod issuer;
mod route;
mod signature;
mod token;

use http::Method;

pub use self::token::{ResourceServer, Trust};
use self::{route::Need, token::forged};
pub use crate::domain::operator::Scope;
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::{
        event::{Event, Told},
        ids::ConnectionId,
        operator::Operator,
    },
    parties::Settings,
};

/// A request, as far as it matters here.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded as it came, without the API's stage.
    pub path: String,
    /// Every connection's key in it: `x-api-key` headers and `key` query parameters, decoded.
    pub keys: Vec<String>,
    /// Every `Authorization` header.
    pub authorization: Vec<String>,
}

/// What was decided.
pub enum Decision {
    /// The connection that the path names, by its own key.
    AllowConnection {
        /// Which one.
        connection: ConnectionId,
        /// Its key, under which its requests are counted.
        key: Secret,
    },
    /// A person or machine whose token has the scope that the route needs, and who sees what it is about. Their name is the
    /// token's `sub`, or its `client_id` where it has none.
    AllowOperator(Operator),
    /// No credential, or one that does not hold: 401. Says why, for our log: [`Kind::Forged`].
    Unauthorized(Error),
    /// A good token that may not do this, a connection or account that its bearer does not see (whether or not there is one of
    /// that name), or a route that does not exist: 403.
    Forbidden {
        /// Whose token.
        subject: String,
        /// Why, for our log.
        reason: &'static str,
    },
}

/// Decides about one request. `server` checks tokens; without it every token is refused.
///
/// An error is no decision: the key could not be fetched, or the issuer's keys ([`Kind::Unavailable`]).
pub async fn authorize(settings: &Settings, server: Option<&ResourceServer>, request: &Request) -> Result<Decision> {
    let decided = match route::need(&request.method, &request.path) {
        Some(Need::Key(connection)) => by_key(settings, connection, &request.keys).await,
        Some(Need::ApiKey(connection)) => by_api_key(settings, connection, &request.keys).await,
        // A stranger does not learn which routes there are.
        need => by_token(settings, server, request, need).await,
    };
    match decided {
        Err(error) if error.kind() == Kind::Forged => Ok(Decision::Unauthorized(error)),
        decided => decided,
    }
}

/// Every key in the request must be the same one of the connection's. Were one of two enough, an answer that a gateway caches under
/// the other would let in whoever sends only that.
async fn by_key(settings: &Settings, connection: ConnectionId, given: &[String]) -> Result<Decision> {
    let Some((first, others)) = given.split_first() else { return Err(forged("the request has no key")) };
    let entrance = settings.entrance(&connection).await?.filter(|entrance| !entrance.keys.is_empty());
    let entrance = entrance.ok_or_else(|| forged("there is no connection of that name, or it has no key"))?;
    // While a key is being changed either opens, and a request counts under the one it carries.
    let key = Secret::which(&entrance.keys, first).filter(|key| others.iter().all(|given| key.is(given)));
    let key = key.ok_or_else(|| forged("the key is not the connection's"))?;
    if entrance.keys.get(1).is_some_and(|old| old.is(first)) {
        // Once nobody says this any more, the old key may go: until then two days are counted.
        Event::OldKeyInUse { connection: &connection }.log();
    }
    Ok(Decision::AllowConnection { connection, key: key.clone() })
}

/// A secret of its own, since webhook addresses, which carry the connection's key, are read by many. Requests count under the
/// connection's key all the same: it is the one that the gateway knows.
async fn by_api_key(settings: &Settings, connection: ConnectionId, given: &[String]) -> Result<Decision> {
    if given.is_empty() {
        return Err(forged("the request has no key"));
    }
    let nobody = || forged("the key is none of the API keys under which orders may be posted to the connection");
    let entrance = settings.entrance(&connection).await?.ok_or_else(nobody)?;
    let ours = entrance.store.entrance().api_keys();
    if !given.iter().all(|given| Secret::which(ours, given).is_some()) {
        return Err(nobody());
    }
    let key = entrance.keys.first().cloned().ok_or_else(|| forged("the connection has no key to count under"))?;
    Ok(Decision::AllowConnection { connection, key })
}

async fn by_token(
    settings: &Settings,
    server: Option<&ResourceServer>,
    request: &Request,
    need: Option<Need>,
) -> Result<Decision> {
    let token = bearer(&request.authorization)?;
    let server = server.ok_or_else(|| forged("no issuer of tokens is configured"))?;
    let operator = server.verify(token).await?;
    let reason = match need {
        Some(Need::Token(scope, _)) if !operator.may(scope) => "the token does not have the scope that the route needs",
        Some(Need::Token(_, target)) if target.as_ref().is_none_or(|of| of.is_seen(&operator.sight, settings)) => {
            return Ok(Decision::AllowOperator(operator));
        }
        Some(Need::Token(..)) => "the token's bearer does not see that connection or account",
        Some(Need::Key(_) | Need::ApiKey(_)) | None => "there is no such route",
    };
    Ok(Decision::Forbidden { subject: operator.name, reason })
}

/// The token of the one `Authorization` header (RFC 6750, section 2.1; the scheme's name in any case, RFC 9110, section 11.1).
fn bearer(headers: &[String]) -> Result<&str> {
    let [header] = headers else { return Err(forged("the request does not have one Authorization header")) };
    let (scheme, token) = header.split_once(' ').ok_or_else(|| forged("the Authorization header is not Bearer"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(forged("the Authorization header is not Bearer"));
    }
    Ok(token.trim_matches(' '))
}
