//! Which names `puente serve` answers to, and whose pages may call it.
//!
//! A browser on this machine reaches what listens on it, whatever page it shows. Two ways lead there, and both are shut here: a
//! page whose own name is made to resolve to our address (DNS rebinding) asks for that name, which is none of ours: 421; a page
//! of another origin says so in `Origin`: 403. Probes ask for addresses, so liveness and readiness are answered to everybody.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::{self, Next},
    response::Response,
};

use super::{
    label::{finished, id_of},
    problem::Problem,
};
use crate::{Error, Kind, Result, flow::Puente};

/// What a probe asks for.
const PROBES: [&str; 2] = ["/v1/health", "/v1/ready"];

/// A public name of this service, such as `shop.example`: what stores and browsers write before the first slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

/// The names that requests may ask for: loopback's, the address listened on, and those that were given.
#[derive(Debug, Clone)]
pub struct Hosts {
    listen: SocketAddr,
    named: Vec<HostName>,
}

impl FromStr for HostName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let told = || {
            let words = "is not a host's name such as shop.example: no scheme, port or path belongs to it";
            Error::new(Kind::Config, format!("`{text}` {words}"))
        };
        let authority: Authority = text.parse().map_err(|_| told())?;
        let plain = authority.as_str() == authority.host() && !text.contains('@');
        if plain { Ok(Self(comparable(authority.host()))) } else { Err(told()) }
    }
}

impl Hosts {
    /// What listens on `listen`, and has the public names `named`.
    #[must_use]
    pub fn new(listen: SocketAddr, named: Vec<HostName>) -> Self {
        Self { listen, named }
    }

    /// `router` for requests that ask for one of the names, and for no page of another origin.
    pub fn only(self, router: Router, puente: &Puente) -> Router {
        let state = (Arc::new(self), puente.clone());
        router.layer(middleware::from_fn_with_state(state, check))
    }

    /// Why a request is refused, if it is.
    fn refused(&self, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
        if PROBES.contains(&uri.path()) {
            return None;
        }
        let asked = uri.authority().cloned().or_else(|| only(headers, header::HOST)?.parse().ok());
        if !asked.is_some_and(|asked| self.is_named(&asked) || self.is_own(&asked)) {
            let words = "this service does not have the name that the request asks for: start `puente serve` with --host \
                         NAME for each of its public names";
            return Some(Problem::refusal(StatusCode::MISDIRECTED_REQUEST, words));
        }
        if headers.contains_key(header::ORIGIN) && !self.is_our_page(headers) {
            let words = "the request comes from a page of another origin than this service's own names";
            return Some(Problem::refusal(StatusCode::FORBIDDEN, words));
        }
        None
    }

    fn is_named(&self, authority: &Authority) -> bool {
        let host = comparable(authority.host());
        self.named.iter().any(|name| name.0 == host) && !authority.as_str().contains('@')
    }

    /// Loopback, or the address itself. No page has an address of ours as its name, unless it came from there.
    fn is_own(&self, authority: &Authority) -> bool {
        let host = comparable(authority.host());
        let listen = self.listen.ip();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let own = |address: IpAddr| address.is_loopback() || listen.is_unspecified() || address == listen;
        (host == "localhost" || address.is_some_and(own)) && !authority.as_str().contains('@')
    }

    fn is_our_page(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = only(headers, header::ORIGIN).and_then(|origin| origin.parse::<Uri>().ok()) else {
            return false;
        };
        let port = match origin.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return false,
        };
        origin.authority().is_some_and(|page| {
            // Another port of this machine is another origin; a public name has the port that its proxy has.
            let port = page.port_u16().unwrap_or(port);
            self.is_named(page) || (self.is_own(page) && port == self.listen.port())
        })
    }
}

async fn check(State((hosts, puente)): State<(Arc<Hosts>, Puente)>, request: Request, next: Next) -> Response {
    let Some(problem) = hosts.refused(request.uri(), request.headers()) else { return next.run(request).await };
    let id = id_of(&request, &puente);
    problem.tell(&puente.tell, &id, request.method().as_str(), "(none)");
    finished(problem.render(&id), &id)
}

/// The one header of that name as text; two of them are nobody's honest request.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// A name as it is compared: without the root's dot, in small letters.
fn comparable(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(listen: &str, host: &str, origin: Option<&str>) -> Option<u16> {
        let hosts = Hosts::new(listen.parse().unwrap(), vec!["Shop.example".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        hosts.refused(&"/v1/connections/acme/orders".parse().unwrap(), &headers).map(|problem| problem.status())
    }

    #[test]
    fn a_request_asks_for_a_name_of_ours() {
        let asked = |host| status("127.0.0.1:8080", host, None);
        for ours in [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:8080",
            "127.0.0.2",
            "[::1]:8080",
            "shop.example",
            "SHOP.example.:443",
        ] {
            assert_eq!(asked(ours), None, "{ours}");
        }
        for another in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "shop.example.evil.example",
            "10.0.0.7",
            "shop.example@evil.example",
            "evil@shop.example",
            "",
            "a b",
            "[::2]",
        ] {
            assert_eq!(asked(another), Some(421), "{another}");
        }
        // Who listens everywhere is called by each of its addresses, but by no name that nobody gave it.
        assert_eq!(status("0.0.0.0:8080", "10.0.0.7:8080", None), None);
        assert_eq!(status("0.0.0.0:8080", "evil.example:8080", None), Some(421));
        assert_eq!(status("10.0.0.7:8080", "10.0.0.7:8080", None), None);
        assert_eq!(status("10.0.0.7:8080", "10.0.0.8:8080", None), Some(421));
    }

    #[test]
    fn a_page_is_of_our_own_origin() {
        let page = |origin| status("127.0.0.1:8080", "localhost:8080", Some(origin));
        for ours in
            ["http://localhost:8080", "http://127.0.0.1:8080", "https://shop.example", "https://shop.example:8443"]
        {
            assert_eq!(page(ours), None, "{ours}");
        }
        for another in [
            "https://evil.example",
            "http://localhost:3000",
            "http://localhost",
            "null",
            "",
            "file://localhost:8080",
            "https://shop.example.evil.example",
        ] {
            assert_eq!(page(another), Some(403), "{another}");
        }
    }

    #[test]
    fn one_host_and_one_origin_and_probes_ask_for_anything() {
        let hosts = Hosts::new("127.0.0.1:8080".parse().unwrap(), Vec::new());
        let mut headers = HeaderMap::new();
        let refused = |headers: &HeaderMap, path: &str| {
            hosts.refused(&path.parse().unwrap(), headers).map(|problem| problem.status())
        };
        assert_eq!(refused(&headers, "/v1/openapi.json"), Some(421), "no host at all");
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert_eq!(refused(&headers, "/v1/openapi.json"), None);
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert_eq!(refused(&headers, "/v1/openapi.json"), Some(421), "two hosts");
        assert_eq!(refused(&headers, "/v1/health"), None);
        assert_eq!(refused(&headers, "/v1/ready"), None);
    }

    #[test]
    fn a_public_name_is_a_name() {
        assert_eq!("Shop.Example.".parse::<HostName>().unwrap().0, "shop.example");
        for bad in ["https://shop.example", "shop.example:443", "shop.example/", "a@shop.example", "", "a b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }
}
