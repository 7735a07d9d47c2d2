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

use self::{route::Need, token::forged};
pub use self::{
    route::Scope,
    token::{ResourceServer, Trust},
};
use crate::{
    Error, Kind, Result,
    config::{Secret, Settings},
    domain::ids::ConnectionId,
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
    /// A person or machine whose token has the scope that the route needs.
    AllowPerson {
        /// The token's `sub`, or its `client_id` where it has none.
        subject: String,
        /// All scopes of ours that it has.
        scopes: Vec<Scope>,
    },
    /// No credential, or one that does not hold: 401. Says why, for our log: [`Kind::Forged`].
    Unauthorized(Error),
    /// A good token that may not do this, or a route that does not exist: 403.
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
        Some(Need::Token(scope)) => by_token(server, request, Some(scope)).await,
        // A stranger does not learn which routes there are.
        None => by_token(server, request, None).await,
    };
    match decided {
        Err(error) if error.kind() == Kind::Forged => Ok(Decision::Unauthorized(error)),
        decided => decided,
    }
}

/// Every key in the request must be the same one of the connection's. Were one of two enough, an answer that a gateway caches under the other
/// would let in whoever sends only that.
async fn by_key(settings: &Settings, connection: ConnectionId, keys: &[String]) -> Result<Decision> {
    let Some((first, others)) = keys.split_first() else { return Err(forged("the request has no key")) };
    let ours = settings.keys(&connection).await?;
    if ours.is_empty() {
        return Err(forged("there is no connection of that name, or it has no key"));
    }
    // While a key is being changed either opens, and a request counts under the one it carries.
    match Secret::which(&ours, first) {
        Some(key) if others.iter().all(|given| key.is(given)) => {
            Ok(Decision::AllowConnection { connection, key: key.clone() })
        }
        _ => Err(forged("the key is not the connection's")),
    }
}

/// A secret of its own, since webhook addresses, which carry the connection's key, are read by many. Requests count under the
/// connection's key all the same: it is the one that the gateway knows.
async fn by_api_key(settings: &Settings, connection: ConnectionId, keys: &[String]) -> Result<Decision> {
    if keys.is_empty() {
        return Err(forged("the request has no key"));
    }
    let ours = settings.api_keys(&connection).await?;
    if !keys.iter().all(|given| Secret::which(&ours, given).is_some()) {
        return Err(forged("the key is none of the API keys under which orders may be posted to the connection"));
    }
    let key = settings.keys(&connection).await?.into_iter().next();
    let key = key.ok_or_else(|| forged("there is no connection of that name, or it has no key"))?;
    Ok(Decision::AllowConnection { connection, key })
}

async fn by_token(server: Option<&ResourceServer>, request: &Request, needed: Option<Scope>) -> Result<Decision> {
    let token = bearer(&request.authorization)?;
    let server = server.ok_or_else(|| forged("no issuer of tokens is configured"))?;
    let token::Bearer { subject, scopes } = server.verify(token).await?;
    Ok(match needed {
        Some(scope) if scopes.contains(&scope) => Decision::AllowPerson { subject, scopes },
        Some(_) => Decision::Forbidden { subject, reason: "the token does not have the scope that the route needs" },
        None => Decision::Forbidden { subject, reason: "there is no such route" },
    })
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
