//! Which credential each route needs.

use std::fmt;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::domain::ids::ConnectionId;

/// What a token may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read orders: `orders:read`.
    OrdersRead,
    /// Replay orders: `orders:write`.
    OrdersWrite,
    /// See how the ERP accounts stand: `ops`.
    Ops,
}

/// What a request must bring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The key of this connection.
    Key(ConnectionId),
    /// An API key of this connection's store.
    ApiKey(ConnectionId),
    /// A token with this scope.
    Token(Scope),
}

/// A route's credential: the key, or an API key, of the connection in its path, or a token with a scope.
enum Credential {
    Key,
    ApiKey,
    Token(Scope),
}
use Credential::{ApiKey, Key, Token};

/// Every route behind the authorizer. Health, readiness and the OpenAPI document are in front of it.
static ROUTES: [(Method, &str, Credential); 6] = [
    (Method::POST, "/v1/connections/{connection}/webhook", Key),
    (Method::POST, "/v1/connections/{connection}/orders", ApiKey),
    (Method::GET, "/v1/connections/{connection}/orders", Token(Scope::OrdersRead)),
    (Method::GET, "/v1/connections/{connection}/orders/{order}", Token(Scope::OrdersRead)),
    (Method::POST, "/v1/connections/{connection}/orders/{order}/replay", Token(Scope::OrdersWrite)),
    (Method::GET, "/v1/erps/{erp}/quota", Token(Scope::Ops)),
];

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OrdersRead, Self::OrdersWrite, Self::Ops];

    /// Its name in a token, without the resource server's prefix.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::Ops => "ops",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `method` on the percent-encoded `path` needs; `None` if there is no such route.
pub(super) fn need(method: &Method, path: &str) -> Option<Need> {
    let mut of_method = ROUTES.iter().filter(|(of, ..)| of == method);
    let (parameters, credential) =
        of_method.find_map(|(_, pattern, credential)| Some((parameters(pattern, path)?, credential)))?;
    Some(match credential {
        Key => Need::Key(parameters.first()?.parse().ok()?),
        ApiKey => Need::ApiKey(parameters.first()?.parse().ok()?),
        Token(scope) => Need::Token(*scope),
    })
}

/// The decoded `{parameters}` of `pattern` in `path`; `None` if it is another path.
fn parameters(pattern: &str, path: &str) -> Option<Vec<String>> {
    if pattern.split('/').count() != path.split('/').count() {
        return None;
    }
    let mut found = Vec::new();
    for (ours, theirs) in pattern.split('/').zip(path.split('/')) {
        if ours.starts_with('{') {
            let decoded = percent_decode_str(theirs).decode_utf8().ok().filter(|text| !text.is_empty())?;
            found.push(decoded.into_owned());
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

    #[test]
    fn each_route_needs_what_the_table_says() {
        let key = || Some(Need::Key("acme".parse().unwrap()));
        assert_eq!(needs("POST", "/v1/connections/acme/webhook"), key());
        let api_key = Some(Need::ApiKey("acme".parse().unwrap()));
        assert_eq!(needs("POST", "/v1/connections/acme/orders"), api_key);
        assert_eq!(needs("GET", "/v1/connections/acme/orders"), Some(Need::Token(Scope::OrdersRead)));
        assert_eq!(needs("GET", "/v1/connections/acme/orders/42"), Some(Need::Token(Scope::OrdersRead)));
        assert_eq!(needs("POST", "/v1/connections/acme/orders/42/replay"), Some(Need::Token(Scope::OrdersWrite)));
        assert_eq!(needs("GET", "/v1/erps/main/quota"), Some(Need::Token(Scope::Ops)));
    }

    #[test]
    fn parameters_are_percent_encoded_and_hide_no_slash() {
        assert_eq!(needs("POST", "/v1/connections/ac%6De/webhook"), Some(Need::Key("acme".parse().unwrap())));
        // One segment, whatever is in it.
        let order = "/v1/connections/acme/orders/a%2Freplay";
        assert_eq!(needs("GET", order), Some(Need::Token(Scope::OrdersRead)));
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
}
