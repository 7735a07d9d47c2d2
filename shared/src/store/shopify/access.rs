//! What opens a shop's Admin API: a lasting token of an older app, or tokens for a time.
//!
//! | app | grant | a token lives |
//! |---|---|---|
//! | made in the shop's admin before 2026 | none: `token` | until it is taken back |
//! | of the shop's own organisation (Dev Dashboard) | client credentials | 24 hours |
//! | of an agency, with custom distribution | authorization code | an hour; its refresh token 90 days |
//!
//! <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant> ·
//! <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant> ·
//! <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens> ·
//! what is relied upon: `docs/decisions/tokens.md`

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::{
    Error, Kind, Result,
    config::Secret,
    outbound::{Answer, Call, Calls, Failure, Grant, Metered, NotRenewed, Renewal},
    store::{answer, sign_in::SignIn},
    webhook,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// How long a token with a refresh token lives where the answer forgets to say so (seen of Shopify): what its documentation says.
const AN_HOUR: Duration = Duration::from_hours(1);

/// What is needed to read orders, unless the section says otherwise.
const SCOPES: &str = "read_orders";

/// The keys of the section that say it.
pub(super) struct Keys {
    pub(super) token: Option<Secret>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) redirect_url: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
}

/// What opens the API.
pub(super) enum Access {
    /// Nothing: webhooks only.
    None,
    /// A lasting token.
    Lasting(HeaderValue),
    /// Tokens for a time.
    App(Box<App>),
}

/// An app that asks for tokens.
pub(super) struct App {
    shop: String,
    id: String,
    secret: Secret,
    /// `…/admin/oauth`.
    oauth: Url,
    /// Where a person is sent back to, and what is asked for; without it the app's own credentials are enough.
    code: Option<Code>,
}

struct Code {
    redirect: Url,
    scopes: String,
}

impl Access {
    /// Of the section of `shop`, whose API is below `base`.
    pub(super) fn new(keys: Keys, shop: &str, base: &Url) -> Result<Self> {
        let refuse = |text: &'static str| Err(Error::new(Kind::Config, text));
        let Keys { token, client_id, client_secret, redirect_url, scopes } = keys;
        let (id, secret) = match (token, client_id, client_secret) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return refuse(
                    "token and client_id are two ways to open the same API: keep token for an app whose lasting token still works, or \
                     client_id with client_secret for one that has none",
                );
            }
            (_, Some(_), None) => return refuse("client_secret is missing: the app's, beside its client_id"),
            (_, None, Some(_)) => return refuse("client_id is missing: the app's, beside its client_secret"),
            (None, None, None) if redirect_url.is_some() || scopes.is_some() => {
                return refuse("redirect_url and scopes are an app's: client_id and client_secret are missing");
            }
            (None, None, None) => return Ok(Self::None),
            (Some(token), None, None) => return lasting(&token).map(Self::Lasting),
            (None, Some(id), Some(secret)) => (id, secret),
        };
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("client_id is not one of an app");
        }
        let code = match (redirect_url, scopes) {
            (None, Some(_)) => {
                return refuse("scopes belong to redirect_url: with client credentials they are the app's own");
            }
            (None, None) => None,
            (Some(redirect), scopes) => {
                let scopes = scopes.map_or_else(|| SCOPES.to_owned(), |scopes| scopes.join(","));
                if scopes.is_empty() || !scopes.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b',') {
                    return refuse("scopes are names such as \"read_orders\"");
                }
                Some(Code { redirect: answer::base("redirect_url", &redirect)?, scopes })
            }
        };
        let oauth = answer::below(base, &["admin", "oauth"]);
        Ok(Self::App(Box::new(App { shop: shop.to_owned(), id, secret, oauth, code })))
    }

    /// Whether there is anything to ask with.
    pub(super) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The words for what to look at where the shop refuses it.
    pub(super) fn credentials(&self) -> &'static str {
        match self {
            Self::None | Self::Lasting(_) => "the store's token",
            Self::App(app) if app.code.is_none() => {
                "the app's client_id, client_secret and scopes, that it is installed in the shop"
            }
            Self::App(_) => {
                "that the app is still installed in the shop (if not: `puente connections authorize` with its name)"
            }
        }
    }

    /// Makes `call` with a token that holds. A token that ought to hold and is refused all the same was taken back, or another's
    /// renewal replaced it: a new one is asked for, once.
    pub(super) async fn ask(&self, calls: &Calls<'_>, call: Call, page: bool) -> Result<Answer, Failure> {
        let send = async |token: HeaderValue| {
            let mut call = call.clone();
            call.headers.insert("x-shopify-access-token", token);
            if page { calls.http.send_for_page(call).await } else { calls.http.send(call).await }
        };
        match self {
            Self::None => {
                let words = "token, or client_id and client_secret, are needed to ask the shop for orders";
                Err(Failure::NotSent(Error::new(Kind::Config, words)))
            }
            Self::Lasting(token) => send(token.clone()).await,
            Self::App(app) => {
                // A call without a token is not made, and one whose token is refused did nothing.
                let token = calls.tokens.token(calls.http, &**app).await.map_err(Failure::NotSent)?;
                let answer = send(sensitive(token.expose_secret()).map_err(Failure::NotSent)?).await?;
                if answer.status != StatusCode::UNAUTHORIZED {
                    return Ok(answer);
                }
                let another = calls.tokens.another(calls.http, &**app, &token).await.map_err(Failure::NotSent)?;
                let answer = send(sensitive(another.expose_secret()).map_err(Failure::NotSent)?).await?;
                if answer.status == StatusCode::UNAUTHORIZED {
                    let why =
                        format!("{} refuses the token that it has just given: check {}", app.shop, self.credentials());
                    calls.tokens.refuse(&**app, &another, &why).await.map_err(Failure::NotSent)?;
                }
                Ok(answer)
            }
        }
    }
}

fn lasting(token: &Secret) -> Result<HeaderValue> {
    sensitive(token.expose().trim())
}

fn sensitive(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| Error::new(Kind::Config, "token has characters no Admin API token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    refresh_token_expires_in: Option<u64>,
}

/// How it refuses (RFC 6749, section 5.2).
#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
}

impl App {
    /// Asks the token endpoint. One call.
    async fn ask(&self, http: &Metered, grant: &[(&str, &str)]) -> Result<Grant, NotRenewed> {
        let app = [("client_id", self.id.as_str()), ("client_secret", self.secret.expose())];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(app).extend_pairs(grant).finish();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let url = answer::below(&self.oauth, &["access_token"]);
        let call = Call { method: Method::POST, url, headers, body: Bytes::from(form), timeout: TIMEOUT };
        let answer = http.send(call).await.map_err(|failure| match failure {
            Failure::NotSent(error) if error.kind() == Kind::Limited => NotRenewed::HeldBack(error),
            failure => NotRenewed::Failed(failure.into()),
        })?;
        if matches!(answer.status.as_u16(), 400 | 401 | 403) {
            return Err(self.refused(&answer));
        }
        let no_api = || Error::new(Kind::Config, format!("{}: nobody gives tokens here: check shop", self.shop));
        let answer = answer::read(answer, &self.shop, "the app's client_id and client_secret")
            .and_then(|answer| answer.ok_or_else(no_api))
            .map_err(|error| match error.kind() {
                Kind::Limited => NotRenewed::HeldBack(error),
                _ => NotRenewed::Failed(error),
            })?;
        let given: Given = serde_json::from_slice(&answer.body).map_err(|_| {
            // Its words are not quoted: they may have a token in them.
            let words = format!("{} answered a question for a token with something else", self.shop);
            NotRenewed::Failed(Error::new(Kind::Unavailable, words))
        })?;
        let lives = given.expires_in.map(Duration::from_secs);
        Ok(Grant {
            access: given.access_token,
            lives: lives.or_else(|| given.refresh_token.as_ref().map(|_| AN_HOUR)),
            refresh: given.refresh_token,
            refresh_lives: given.refresh_token_expires_in.map(Duration::from_secs),
        })
    }

    /// A refusal, and who has to do something about it.
    fn refused(&self, answer: &Answer) -> NotRenewed {
        let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said =
            |word: &str| refused.error == word || answer.body.windows(word.len()).any(|part| part == word.as_bytes());
        let words = if said("shop_not_permitted") {
            "the app is not of the shop's own organisation, for which alone client credentials work: set redirect_url, and sign in"
        } else if said("app_not_installed") {
            "the app is not installed in the shop: install it from the Dev Dashboard"
        } else if said("invalid_client") {
            "the app's client_id or client_secret is wrong, or was replaced"
        } else if self.code.is_some() {
            // "This request requires an active refresh_token", and whatever else a person has to sign in for.
            return NotRenewed::SignIn(format!(
                "the shop does not take what the app has of it any more ({}): it ended, was used elsewhere, or the app was removed",
                answer.status
            ));
        } else {
            "check the app's client_id, client_secret and scopes, and that it is installed"
        };
        let words = format!("{} gave no token ({}): {words}", self.shop, answer.status);
        NotRenewed::Failed(Error::new(Kind::Config, words))
    }

    /// The pairs of the address that a person was sent back to, if Shopify signed them for this shop and this sign-in.
    fn verified(&self, state: &SecretString, address: &str) -> Result<BTreeMap<String, String>> {
        let refuse = |why: &str| {
            Error::new(Kind::Forged, format!("this is not the address that the shop sent you back to: {why}"))
        };
        let query = address.trim().split_once('?').map(|(_, query)| query).unwrap_or_default();
        let query = query.split('#').next().unwrap_or_default();
        let mut pairs = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if pairs.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(refuse("a part of it is there twice"));
            }
        }
        let signature =
            pairs.remove("hmac").ok_or_else(|| refuse("it has no hmac; paste all of it, from https to the end"))?;
        // Sorted by name and joined. The documentation shows it decoded, the vendor's own libraries sign it as it is in the address:
        // <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>
        let decoded: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut sent: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("hmac=")).collect();
        sent.sort_unstable();
        let signed = |text: String| webhook::is_signed_hex(&self.secret, text.as_bytes(), &signature);
        if !signed(decoded.join("&")) && !signed(sent.join("&")) {
            return Err(refuse("its hmac is not the app's"));
        }
        let ours = pairs.get("state").is_some_and(|text| webhook::same(text, state.expose_secret()));
        if !ours {
            return Err(refuse("its state is another sign-in's: start again"));
        }
        if pairs.get("shop").is_none_or(|shop| !shop.eq_ignore_ascii_case(&self.shop)) {
            return Err(refuse("it is another shop's"));
        }
        Ok(pairs)
    }
}

#[async_trait]
impl Renewal for App {
    fn app(&self) -> &str {
        &self.id
    }

    async fn renew(&self, http: &Metered, refresh: Option<&SecretString>) -> Result<Grant, NotRenewed> {
        match (&self.code, refresh) {
            (None, _) => self.ask(http, &[("grant_type", "client_credentials")]).await,
            (Some(_), Some(refresh)) => {
                let refresh = refresh.expose_secret();
                self.ask(http, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
            }
            (Some(_), None) => {
                Err(NotRenewed::SignIn("the app has no token for this shop, and none to renew".to_owned()))
            }
        }
    }
}

#[async_trait]
impl SignIn for App {
    fn kind(&self) -> &'static str {
        if self.code.is_some() { "authorization code" } else { "client credentials" }
    }

    fn page(&self, state: &str) -> Option<Url> {
        let code = self.code.as_ref()?;
        let mut page = answer::below(&self.oauth, &["authorize"]);
        page.query_pairs_mut()
            .append_pair("client_id", &self.id)
            .append_pair("scope", &code.scopes)
            .append_pair("redirect_uri", code.redirect.as_str())
            .append_pair("state", state);
        Some(page)
    }

    async fn first(&self, http: &Metered, state: &SecretString, address: &str) -> Result<Grant, NotRenewed> {
        let pairs = self.verified(state, address).map_err(NotRenewed::Failed)?;
        let code = pairs.get("code").map(String::as_str).unwrap_or_default();
        self.ask(http, &[("code", code), ("expiring", "1")]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(secret: &str, shop: &str) -> App {
        let code = Code { redirect: "https://agency.example/".parse().unwrap(), scopes: SCOPES.to_owned() };
        let oauth = format!("https://{shop}/admin/oauth").parse().unwrap();
        App { shop: shop.to_owned(), id: "app-1".to_owned(), secret: Secret::new(secret), oauth, code: Some(code) }
    }

    #[test]
    fn the_documentations_own_address_is_genuine() {
        let shop = app("hush", "some-shop.myshopify.com");
        let address = "https://example.org/some/redirect/uri?code=0907a61c0c8d55e99db179b68161bc00&hmac=700e2dadb827fcc8609e9d5ce208b2e9\
                       cdaab9df07390d2cbca10d7c328fc4bf&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173";
        let pairs = shop.verified(&"0.6784241404160823".into(), address).unwrap();
        assert_eq!(pairs["code"], "0907a61c0c8d55e99db179b68161bc00");
        assert!(app("other", "some-shop.myshopify.com").verified(&"0.6784241404160823".into(), address).is_err());
        assert!(app("hush", "another.myshopify.com").verified(&"0.6784241404160823".into(), address).is_err());
    }

    #[test]
    fn the_page_names_the_app_the_scopes_and_the_way_back() {
        let page = app("hush", "some-shop.myshopify.com").page("s t").unwrap();
        assert_eq!(
            page.as_str(),
            "https://some-shop.myshopify.com/admin/oauth/authorize?client_id=app-1&scope=read_orders\
             &redirect_uri=https%3A%2F%2Fagency.example%2F&state=s+t"
        );
    }
}
