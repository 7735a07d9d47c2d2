//! Which credential each route needs.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::{
    domain::{
        ids::ConnectionId,
        operator::{Scope, Sight},
    },
    edge::metrics,
    parties::Settings,
};

/// What a request must bring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The key of this connection.
    Key(ConnectionId),
    /// An API key of this connection's store.
    ApiKey(ConnectionId),
    /// A token with this scope, whose bearer sees this; where a route is about no single one, its handler shows what is seen.
    Token(Scope, Option<Target>),
}

/// What a request is about, as its path names it; perhaps there is nothing of that name.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::edge) enum Target {
    /// A connection, or an order of it.
    Connection(String),
    /// An ERP account.
    Erp(String),
}

/// A route's credential: the key, or an API key, of the connection in its path, or a token with a scope.
enum Credential {
    Key,
    ApiKey,
    Token(Scope),
}
use Credential::{ApiKey, Key, Token};

/// Every route behind the authorizer. Health, readiness and the OpenAPI document are in front of it.
static ROUTES: [(Method, &str, Credential); 8] = [
    (Method::POST, "/v1/connections/{connection}/webhook", Key),
    (Method::POST, "/v1/connections/{connection}/orders", ApiKey),
    (Method::GET, "/v1/connections/{connection}/orders", Token(Scope::OrdersRead)),
    (Method::GET, "/v1/connections/{connection}/orders/{order}", Token(Scope::OrdersRead)),
    (Method::POST, "/v1/connections/{connection}/orders/{order}/replay", Token(Scope::OrdersWrite)),
    (Method::GET, "/v1/connections", Token(Scope::OrdersRead)),
    (Method::GET, "/v1/erps/{erp}/quota", Token(Scope::Ops)),
    (Method::GET, metrics::PATH, Token(Scope::Ops)),
];

impl Target {
    /// What the decoded parameters of a path name; `None` if neither a connection nor an account is among them.
    pub(in crate::edge) fn of<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        parameters.into_iter().find_map(|(name, value)| match name {
            "connection" => Some(Self::Connection(value.to_owned())),
            "erp" => Some(Self::Erp(value.to_owned())),
            _ => None,
        })
    }

    /// Whether somebody sees it. Of an account that is enough which sees one of its connections.
    pub(in crate::edge) fn is_seen(&self, sight: &Sight, settings: &Settings) -> bool {
        match self {
            Self::Connection(name) => sight.sees(name),
            Self::Erp(name) => sight.sees_any(&settings.connections_of(name)),
        }
    }
}

/// The scope that the route of this pattern needs; `None` if no token opens it.
pub(in crate::edge) fn scope(method: &Method, pattern: &str) -> Option<Scope> {
    // Answered as GET is, without a body.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    ROUTES.iter().find_map(|(of, route, credential)| match credential {
        Token(scope) if of == method && *route == pattern => Some(*scope),
        _ => None,
    })
}

/// Whether there are routes of this pattern, with whatever method.
pub(in crate::edge) fn is_known(pattern: &str) -> bool {
    ROUTES.iter().any(|(_, route, _)| *route == pattern)
}

/// What `method` on the percent-encoded `path` needs; `None` if there is no such route.
pub(super) fn need(method: &Method, path: &str) -> Option<Need> {
    let mut of_method = ROUTES.iter().filter(|(of, ..)| of == method);
    let (parameters, credential) =
        of_method.find_map(|(_, pattern, credential)| Some((parameters(pattern, path)?, credential)))?;
    Some(match credential {
        Key => Need::Key(parameters.first()?.1.parse().ok()?),
        ApiKey => Need::ApiKey(parameters.first()?.1.parse().ok()?),
        Token(scope) => Need::Token(*scope, Target::of(parameters.iter().map(|(name, value)| (*name, value.as_str())))),
    })
}

/// The `{parameters}` of `pattern` in `path`, decoded, by their names; `None` if it is another path.
fn parameters<'a>(pattern: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    if pattern.split('/').count() != path.split('/').count() {
        return None;
    }
    let mut found = Vec::new();
    for (ours, theirs) in pattern.split('/').zip(path.split('/')) {
        if let Some(name) = ours.strip_prefix('{') {
            let decoded = percent_decode_str(theirs).decode_utf8().ok().filter(|text| !text.is_empty())?;
            found.push((name.trim_end_matches('}'), decoded.into_owned()));
        } else if ours != theirs {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(method: &str, path: &str) -> Option<Need> {
        need(&method.parse().unwrap(), path)
    }

    fn token(scope: Scope, target: Target) -> Need {
        Need::Token(scope, Some(target))
    }

    fn acme() -> Target {
        Target::Connection("acme".into())
    }

    #[test]
    fn each_route_needs_what_the_table_says() {
        let key = || Some(Need::Key("acme".parse().unwrap()));
        assert_eq!(needs("POST", "/v1/connections/acme/webhook"), key());
        let api_key = Some(Need::ApiKey("acme".parse().unwrap()));
        assert_eq!(needs("POST", "/v1/connections/acme/orders"), api_key);
        assert_eq!(needs("GET", "/v1/connections/acme/orders"), Some(token(Scope::OrdersRead, acme())));
        assert_eq!(needs("GET", "/v1/connections/acme/orders/42"), Some(token(Scope::OrdersRead, acme())));
        assert_eq!(needs("POST", "/v1/connections/acme/orders/42/replay"), Some(token(Scope::OrdersWrite, acme())));
        assert_eq!(needs("GET", "/v1/erps/main/quota"), Some(token(Scope::Ops, Target::Erp("main".into()))));
    }

    #[test]
    fn parameters_are_percent_encoded_and_hide_no_slash() {
        assert_eq!(needs("POST", "/v1/connections/ac%6De/webhook"), Some(Need::Key("acme".parse().unwrap())));
        // One segment, whatever is in it.
        let order = "/v1/connections/acme/orders/a%2Freplay";
        assert_eq!(needs("GET", order), Some(token(Scope::OrdersRead, acme())));
        assert_eq!(
            needs("GET", "/v1/connections/other%2F..%2Facme/orders"),
            Some(token(Scope::OrdersRead, Target::Connection("other/../acme".into())))
        );
        assert_eq!(needs("POST", order), None);
        assert_eq!(needs("POST", "/v1/connections/acme%2Fwebhook"), None);
    }

    #[test]
    fn whatever_is_not_in_the_table_is_no_route() {
        for (method, path) in [
            ("POST", "/live/v1/connections/acme/webhook"),
            ("POST", "/v1/connections/acme/webhook/"),
            ("POST", "//v1/connections/acme/webhook"),
            ("POST", "/v1/connections//webhook"),
            ("POST", "/v1/connections/%FF/webhook"),
            ("POST", "/v1/connections/Acme/webhook"),
            ("POST", "/v1/connections/acme/%77ebhook"),
            ("PUT", "/v1/connections/acme/webhook"),
            ("HEAD", "/v1/connections/acme/orders"),
            ("GET", "/v1/health"),
            ("GET", "v1/erps/main/quota"),
            ("GET", ""),
        ] {
            assert_eq!(needs(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn a_router_that_serves_a_route_asks_for_the_same_scope() {
        let scope = |method: &str, pattern| scope(&method.parse().unwrap(), pattern);
        assert_eq!(scope("GET", "/v1/connections/{connection}/orders"), Some(Scope::OrdersRead));
        assert_eq!(scope("HEAD", "/v1/connections/{connection}/orders/{order}"), Some(Scope::OrdersRead));
        assert_eq!(scope("POST", "/v1/connections/{connection}/orders/{order}/replay"), Some(Scope::OrdersWrite));
        assert_eq!(scope("GET", "/v1/erps/{erp}/quota"), Some(Scope::Ops));
        // A key's route is no operator's; what is not in the table is nobody's.
        assert_eq!(scope("POST", "/v1/connections/{connection}/orders"), None);
        assert_eq!(scope("GET", "/v1/secrets"), None);
        assert!(is_known("/v1/erps/{erp}/quota") && !is_known("/v1/secrets"));
    }
}
