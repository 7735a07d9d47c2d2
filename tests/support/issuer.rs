//! An issuer of tokens on loopback: discovery document, keys and anything one can put into a token, also what no issuer would.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE};
use jiff::Timestamp;
use puente::edge::authorize::Trust;
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

/// The audience that tokens are for unless a test says otherwise.
pub const AUDIENCE: &str = "https://puente.example";

/// An issuer, serving.
pub struct Issuer {
    server: MockServer,
}

/// A key pair for tests, and its id.
pub struct Pair {
    id: &'static str,
    secret: Secret,
}

enum Secret {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Issuer {
    /// An issuer that publishes `keys`.
    pub async fn start(keys: &[&Pair]) -> Self {
        let issuer = Self { server: MockServer::start().await };
        issuer.publish(keys).await;
        issuer
    }

    /// Publishes these keys, and no others.
    pub async fn publish(&self, keys: &[&Pair]) {
        let keys: Vec<Value> = keys.iter().map(|pair| pair.jwk()).collect();
        self.answer(200, &json!({ "issuer": self.url(), "jwks_uri": self.keys_url() }), &json!({ "keys": keys })).await;
    }

    /// Answers `status` with any discovery document and any set of keys.
    pub async fn answer(&self, status: u16, discovery: &Value, keys: &Value) {
        self.server.reset().await;
        for (at, body) in [("/pool/.well-known/openid-configuration", discovery), ("/pool/keys", keys)] {
            let answer = ResponseTemplate::new(status).set_body_json(body);
            Mock::given(path(at)).respond_with(answer).mount(&self.server).await;
        }
    }

    /// Its name, as its tokens have it in `iss`.
    pub fn url(&self) -> String {
        format!("{}/pool", self.server.uri())
    }

    /// Where its keys are.
    pub fn keys_url(&self) -> String {
        format!("{}/keys", self.url())
    }

    /// How often its keys were fetched since it last published any.
    pub async fn fetched(&self) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/pool/keys").count()
    }

    /// A resource server's trust in it.
    pub fn trust(&self) -> Trust {
        Trust {
            issuer: self.url(),
            audiences: vec![AUDIENCE.into()],
            scope_prefix: "puente/".into(),
            connections_claim: "puente_connections".into(),
        }
    }

    /// The claims of a good access token, from `now` for five minutes. Its bearer sees these connections: `acme` and `acme-shop`.
    pub fn claims(&self, now: Timestamp, scope: &str) -> Value {
        let now = now.as_second();
        json!({
            "iss": self.url(), "sub": "ana", "aud": AUDIENCE, "scope": scope, "client_id": "desk",
            "iat": now, "nbf": now, "exp": now + 300, "puente_connections": ["acme", "acme-shop"],
        })
    }
}

impl Pair {
    /// An RSA pair: the fixed one, since making one takes seconds.
    pub fn rsa(id: &'static str) -> Self {
        let pem = include_str!("keys/rsa-for-tests-only.pem");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::prelude::BASE64_STANDARD.decode(body).unwrap();
        Self { id, secret: Secret::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap()) }
    }

    /// A new pair on P-256.
    pub fn ec(id: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        Self { id, secret: Secret::Ec(pair) }
    }

    /// The public key as the issuer publishes it (RFC 7517).
    pub fn jwk(&self) -> Value {
        match &self.secret {
            Secret::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (URL_SAFE.encode(public.n), URL_SAFE.encode(public.e));
                json!({ "kid": self.id, "kty": "RSA", "alg": "RS256", "use": "sig", "n": n, "e": e })
            }
            Secret::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (URL_SAFE.encode(x), URL_SAFE.encode(y));
                json!({ "kid": self.id, "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": x, "y": y })
            }
        }
    }

    /// The header of a token of this key.
    pub fn header(&self) -> Value {
        let algorithm = if matches!(self.secret, Secret::Rsa(_)) { "RS256" } else { "ES256" };
        json!({ "alg": algorithm, "kid": self.id, "typ": "JWT" })
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// A token with any header, signed with this key.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Secret::Ec(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE.encode(signature))
    }

    /// The public key's bytes, in the forms that a confused verifier may take for an HMAC secret.
    pub fn public_as_secrets(&self) -> Vec<Vec<u8>> {
        let jwk = self.jwk();
        let part = |name: &str| jwk[name].as_str().map(|text| text.as_bytes().to_vec());
        let der = match &self.secret {
            Secret::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Ec(pair) => pair.public_key().as_ref().to_vec(),
        };
        let standard = base64::prelude::BASE64_STANDARD.encode(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{standard}\n-----END PUBLIC KEY-----\n");
        let mut secrets = vec![der, pem.into_bytes(), jwk.to_string().into_bytes()];
        secrets.extend([part("n"), part("x")].into_iter().flatten());
        secrets
    }
}

/// A token that is signed with HMAC-SHA-256 and `secret`.
pub fn hmac_token(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = unsigned(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE.encode(tag))
}

/// Header and claims, as they are signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE.encode(header.to_string()), URL_SAFE.encode(claims.to_string()))
}
