//! Bearer tokens: signed JWTs of one issuer, checked as RFC 8725 advises, and RFC 9068 where issuers keep to it.
//!
//! Invariant: nothing of a token is believed before its signature holds, but the name of the key that it is checked with.

use std::{collections::BTreeMap, sync::Arc};

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use serde_json::Value;

use super::{issuer::Issuer, signature};
use crate::{
    Error, Kind, Result,
    domain::operator::{Operator, Scope, Sight},
    outbound::Client,
    ports::Clock,
};

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: i64 = 60;

/// The types of token that are taken, in lower case: RFC 9068's, and the one that says nothing. Others are for other things.
const TYPES: [&str; 3] = ["at+jwt", "application/at+jwt", "jwt"];

/// A scope that begins so lets a token's bearer see the connection that follows, or with `*` all: for machines, which are in no
/// group.
const SEES: &str = "connections:";

/// Whose tokens are taken.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The issuer: an https URL, exactly as its tokens have it in `iss`.
    pub issuer: String,
    /// Who tokens may be for: one of these is in `aud`, or, where a token has no `aud` (Amazon Cognito's), is its `client_id`.
    pub audiences: Vec<String>,
    /// What may stand before our scopes' names in a token, such as `puente/`: Cognito prefixes its resource servers' names.
    pub scope_prefix: String,
    /// The claim that lists the connections a token's bearer sees, `*` for all: a list, or names separated by spaces or commas,
    /// each perhaps with the scopes' prefix. `puente_connections`, or Amazon Cognito's `cognito:groups`. Without it a token sees
    /// none, but those that its scopes name.
    pub connections_claim: String,
}

/// Checks tokens of one issuer: an OAuth 2.0 resource server. Keeps the issuer's keys.
pub struct ResourceServer {
    issuer: Issuer,
    audiences: Vec<String>,
    scope_prefix: String,
    connections_claim: String,
    clock: Arc<dyn Clock>,
}

/// What we read of a token. Times are whole seconds since 1970 (RFC 7519's `NumericDate`, without fractions).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    aud: Option<OneOrMore>,
    client_id: Option<String>,
    sub: Option<String>,
    /// Names separated by spaces (RFC 9068).
    scope: Option<OneOrMore>,
    /// The same, of issuers that call it so; some write a list.
    scp: Option<OneOrMore>,
    /// Cognito's: `access` or `id`.
    token_use: Option<String>,
    /// Among them the connections' claim, whose name the issuer's people choose.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl ResourceServer {
    /// A server that trusts `trust`. [`Kind::Config`] where its issuer is no https URL, or it names no audience. Makes no call.
    pub fn new(trust: Trust, client: Client, clock: Arc<dyn Clock>) -> Result<Self> {
        signature::install();
        let Trust { issuer, audiences, scope_prefix, connections_claim } = trust;
        if audiences.is_empty() {
            let words = "no audience of tokens is named: every token of the issuer would be taken, for whatever it is";
            return Err(Error::new(Kind::Config, words));
        }
        let issuer = Issuer::new(&issuer, client, clock.clone())?;
        Ok(Self { issuer, audiences, scope_prefix, connections_claim, clock })
    }

    /// Who brought `token`. [`Kind::Forged`]: it does not hold. Any other error: it could not be checked.
    pub(super) async fn verify(&self, token: &str) -> Result<Operator> {
        let header = decode_header(token).map_err(|_| forged("the token is not a JWT of a known algorithm"))?;
        check_header(&header)?;
        let keys = self.issuer.keys(header.kid.as_deref()).await?;
        if keys.is_empty() {
            return Err(forged("the token's key is not one of the issuer's"));
        }
        let key = keys.iter().find(|key| key.algorithm == header.alg);
        let key = key.ok_or_else(|| forged("the token's algorithm is not its key's"))?;

        // The library verifies the signature and reads the claims; `check` judges them, in one place: by our clock, and with a
        // `client_id` for an audience.
        let mut validation = Validation::new(key.algorithm);
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &key.public, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => forged("the token's signature does not hold"),
            _ => forged("the token's claims cannot be read, or it has no `iss` or no `exp`"),
        });
        let claims = claims?.claims;
        self.check(&claims, self.clock.now().as_second())?;

        let subject = [&claims.sub, &claims.client_id].into_iter().flatten().find(|name| !name.is_empty());
        let subject = subject.ok_or_else(|| forged("the token names nobody"))?;
        Ok(Operator::new(subject, self.scopes(&claims), self.sight(&claims)))
    }

    fn check(&self, claims: &Claims, now: i64) -> Result<()> {
        if claims.iss != self.issuer.name() {
            return Err(forged("the token is of another issuer"));
        }
        if now >= claims.exp.saturating_add(LEEWAY) {
            return Err(forged("the token has expired"));
        }
        let latest = now.saturating_add(LEEWAY);
        if claims.nbf.is_some_and(|nbf| nbf > latest) || claims.iat.is_some_and(|iat| iat > latest) {
            return Err(forged("the token is not valid yet"));
        }
        let ours = |name: &str| self.audiences.iter().any(|audience| audience == name);
        let for_us = match (&claims.aud, &claims.client_id) {
            (Some(audience), _) => audience.texts().iter().any(|name| ours(name)),
            (None, Some(client)) => ours(client),
            (None, None) => false,
        };
        if !for_us {
            return Err(forged("the token is for another audience"));
        }
        if claims.token_use.as_deref().is_some_and(|what_for| what_for != "access") {
            return Err(forged("the token is not an access token"));
        }
        Ok(())
    }

    /// Our scopes among the token's.
    fn scopes(&self, claims: &Claims) -> Vec<Scope> {
        let has = |scope: &Scope| claims.scopes().any(|given| self.plain(given) == scope.as_str());
        Scope::ALL.iter().copied().filter(has).collect()
    }

    /// The connections that the token's bearer sees: those of the claim, and those that scopes name.
    fn sight(&self, claims: &Claims) -> Sight {
        let listed: Vec<&str> = match claims.others.get(&self.connections_claim) {
            Some(Value::String(names)) => names.split([' ', ',']).collect(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let by_scope = claims.scopes().filter_map(|given| self.plain(given).strip_prefix(SEES));
        Sight::of(listed.into_iter().map(|name| self.plain(name)).chain(by_scope).filter(|name| !name.is_empty()))
    }

    /// A name without what the issuer put in front.
    fn plain<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.scope_prefix.as_str()).unwrap_or(name)
    }
}

impl Claims {
    fn scopes(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.scope, &self.scp].into_iter().flatten().flat_map(OneOrMore::texts);
        lists.flat_map(|list| list.split_ascii_whitespace())
    }
}

impl OneOrMore {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// A credential that does not hold.
pub(super) fn forged(why: &'static str) -> Error {
    Error::new(Kind::Forged, why)
}

fn check_header(header: &Header) -> Result<()> {
    if ![Algorithm::RS256, Algorithm::ES256].contains(&header.alg) {
        return Err(forged("the token's algorithm is neither RS256 nor ES256"));
    }
    // "Critical" to its sender, unknown to us (RFC 7515, section 4.1.11).
    if header.crit.is_some() {
        return Err(forged("the token has a critical extension"));
    }
    let known = header.typ.as_ref().is_none_or(|typ| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known)));
    if known { Ok(()) } else { Err(forged("the token is of a type for other things")) }
}
