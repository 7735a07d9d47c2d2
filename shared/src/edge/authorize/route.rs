//! Which credential a request needs: what the table of routes says of it.

use http::Method;
use percent_encoding::percent_decode_str;

use super::super::{
    routes::{Door, ROUTES},
    target::Target,
};
use crate::domain::{ids::ConnectionId, operator::Scope};

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

/// What `method` on the percent-encoded `path` needs; `None` if there is no such route, or it is in front of the authorizer.
pub(super) fn need(method: &Method, path: &str) -> Option<Need> {
    let mut of_method = ROUTES.iter().filter(|route| route.verb.method() == *method);
    let (parameters, door) = of_method.find_map(|route| Some((parameters(route.path, path)?, route.door)))?;
    let connection = || parameters.first()?.1.parse().ok();
    Some(match door {
        Door::Open => return None,
        Door::Key => Need::Key(connection()?),
        Door::ApiKey => Need::ApiKey(connection()?),
        Door::Operator(scope) => {
            Need::Token(scope, Target::of(parameters.iter().map(|(name, value)| (*name, value.as_str()))))
        }
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
        assert_eq!(needs("POST", "/v1/connections/acme/orders/42/adopt"), Some(token(Scope::OrdersWrite, acme())));
        assert_eq!(needs("GET", "/v1/erps/main/quota"), Some(token(Scope::Ops, Target::Erp("main".into()))));
        assert_eq!(needs("GET", "/v1/tasks"), Some(Need::Token(Scope::Ops, None)));
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
}
