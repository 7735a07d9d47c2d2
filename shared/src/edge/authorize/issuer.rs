//! The keys of the tokens' issuer: found by OpenID Connect Discovery 1.0, fetched when the first token comes, kept for an hour.
//!
//! Tokens come from strangers, so they decide about little: one that names an unknown key has the keys fetched again, but at most
//! once a minute. Keys that were good serve on while the issuer cannot be reached.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::{
    Error, Kind, Result,
    domain::event::{Event, Told},
    outbound::{Call, Client},
    ports::Clock,
};

/// How long keys are kept before they are fetched again.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// How soon they may be fetched again, whatever tokens say.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// The same where there are none yet: nobody with a token is let in until then.
const AGAIN_WITHOUT: SignedDuration = SignedDuration::from_secs(5);
/// How long one of the two calls may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// An issuer of tokens, and its keys as far as they are known.
pub(super) struct Issuer {
    /// Exactly as its tokens say it in `iss`.
    name: String,
    discovery: Url,
    client: Client,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

/// A key that signs tokens. Which algorithm it is for is the key's own property, never a token's.
pub(super) struct Key {
    id: Option<String>,
    /// RS256 or ES256.
    pub(super) algorithm: Algorithm,
    /// The public key.
    pub(super) public: DecodingKey,
}

struct Kept {
    keys: Vec<Arc<Key>>,
    fresh_until: Timestamp,
    not_before: Timestamp,
}

/// What we read of the discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// A JWK set (RFC 7517, section 5). What one of its keys is, is read one by one: those of a kind we do not know are passed over.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Issuer {
    /// The issuer of that name: an https URL without query and fragment. [`Kind::Config`] if it is none. Makes no call.
    pub(super) fn new(name: &str, client: Client, clock: Arc<dyn Clock>) -> Result<Self> {
        let wrong = |why| Error::new(Kind::Config, format!("the issuer of tokens `{name}` {why}"));
        let discovery = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let discovery: Url = discovery.parse().map_err(|_| wrong("is not a URL"))?;
        if discovery.query().is_some() || discovery.fragment().is_some() || !is_protected(&discovery) {
            return Err(wrong("is not an https URL without query and fragment"));
        }
        let kept = Kept { keys: Vec::new(), fresh_until: Timestamp::MIN, not_before: Timestamp::MIN };
        Ok(Self { name: name.to_owned(), discovery, client, clock, kept: Mutex::new(kept) })
    }

    /// As its tokens say it in `iss`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The keys of that id, usually one. A token without an id means the only key, where there is one key only (OpenID Connect
    /// Core 1.0, section 10.1). [`Kind::Unavailable`] where no key was ever fetched.
    pub(super) async fn keys(&self, id: Option<&str>) -> Result<Vec<Arc<Key>>> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let wanting = now >= kept.fresh_until || kept.of(id).is_empty();
        if wanting && now >= kept.not_before {
            match self.fetch().await {
                Ok(keys) => *kept = Kept { keys, fresh_until: now + FRESH, not_before: now + AGAIN },
                Err(error) => {
                    Event::IssuerWithoutKeys { known: kept.keys.len(), error: &error }.log();
                    kept.not_before = now + if kept.keys.is_empty() { AGAIN_WITHOUT } else { AGAIN };
                }
            }
        }
        if kept.keys.is_empty() {
            let words = format!("the keys of the issuer {} cannot be fetched: no token can be checked", self.name);
            return Err(Error::new(Kind::Unavailable, words));
        }
        Ok(kept.of(id))
    }

    async fn fetch(&self) -> Result<Vec<Arc<Key>>> {
        let document: Discovery = self.get(self.discovery.clone()).await?;
        if document.issuer != self.name {
            let words = format!("{} describes another issuer than {}", self.discovery, self.name);
            return Err(Error::new(Kind::Config, words));
        }
        let url = document.jwks_uri.parse().ok().filter(is_protected);
        let url = url.ok_or_else(|| Error::new(Kind::Config, format!("{} has no https jwks_uri", self.discovery)))?;
        let set: KeySet = self.get(url).await?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(usable).map(Arc::new).collect();
        if keys.is_empty() {
            return Err(Error::new(Kind::Config, format!("{} has no key for RS256 or ES256", self.name)));
        }
        Ok(keys)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T> {
        let to = url.to_string();
        let call = Call { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new(), timeout: TIMEOUT };
        let answer = self.client.send(call).await?;
        if answer.status != StatusCode::OK {
            return Err(Error::new(Kind::Unavailable, format!("{to} answered {}", answer.status)));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::new(Kind::Unavailable, format!("{to} is not what it should be")).caused_by(error))
    }
}

impl Kept {
    fn of(&self, id: Option<&str>) -> Vec<Arc<Key>> {
        match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().filter(|key| key.id.as_deref() == Some(id)).cloned().collect(),
            (None, [only]) => vec![only.clone()],
            (None, _) => Vec::new(),
        }
    }
}

/// A key for RS256 or ES256 signatures; anything else in the set is not for us.
fn usable(jwk: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let verifies = common.public_key_use.as_ref().is_none_or(|for_| *for_ == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify))
        && common.key_algorithm.is_none_or(|its| its == named);
    let public = DecodingKey::from_jwk(&jwk).ok()?;
    verifies.then(|| Key { id: jwk.common.key_id, algorithm, public })
}

/// Whether nobody on the way can change what is fetched there: https, or this very machine.
fn is_protected(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}
