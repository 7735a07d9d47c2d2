//! Tokens for a time, as Shopify gives them: client credentials, authorization code, refresh tokens that are replaced at each use.
//! <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens> ·
//! <https://shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens>

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;

use super::digest;

/// An app that asks for tokens.
#[derive(Debug, Clone)]
pub struct App {
    /// Its client id.
    pub id: String,
    /// Its client secret.
    pub secret: String,
    /// Whether it is of the shop's own organisation: client credentials; else a person lets it in.
    pub own: bool,
    /// How long its tokens live.
    pub lives: Duration,
}

/// The tokens that a shop has given.
#[derive(Debug)]
pub struct Tokens {
    app: App,
    shop: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many were given: no two are the same.
    given: u64,
    /// How often somebody asked for one.
    asked: u32,
    access: Option<(String, Instant)>,
    code: Option<String>,
    refresh: Option<String>,
    /// The one before, which works until the new access token is used for the first time.
    before: Option<String>,
    /// Answers that are lost on the way.
    lost: u32,
    /// Questions that are answered with a 429, and half a minute to wait.
    limited: u32,
    /// Nobody is let in, whatever they show.
    shut: bool,
    /// Calls that were not let in.
    turned_away: u32,
}

type Words = BTreeMap<String, String>;

/// The page that asks a person, and the token endpoint.
pub(super) fn router(tokens: Arc<Tokens>) -> Router {
    let authorize = async |Extract(tokens): Extract<Arc<Tokens>>, Query(query): Query<Words>| tokens.authorize(&query);
    let give = async |Extract(tokens): Extract<Arc<Tokens>>, form: String| tokens.give(&words(&form));
    Router::new()
        .route("/admin/oauth/authorize", get(authorize))
        .route("/admin/oauth/access_token", post(give))
        .with_state(tokens)
}

fn words(form: &str) -> Words {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = value.replace('+', " ");
        Some((name.to_owned(), percent_decode_str(&value).decode_utf8().ok()?.into_owned()))
    };
    form.split('&').filter_map(pair).collect()
}

impl Tokens {
    pub(super) fn new(app: App, shop: String) -> Self {
        Self { app, shop, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often somebody asked for a token.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.state().asked
    }

    /// The access token that is valid now.
    #[must_use]
    pub fn access(&self) -> Option<String> {
        self.state().access.as_ref().map(|(token, _)| token.clone())
    }

    /// Takes the access token back, whatever it said of its end.
    pub fn revoke(&self) {
        self.state().access = None;
    }

    /// Somebody else used the refresh token, and the new one.
    pub fn steal(&self) {
        let mut state = self.state();
        (state.access, state.refresh, state.before) = (None, Some("stolen".to_owned()), None);
    }

    /// The next so many answers to questions for a token are lost, after what they say is done.
    pub fn lose(&self, answers: u32) {
        self.state().lost = answers;
    }

    /// The next so many questions for a token are answered with a 429, and half a minute to wait.
    pub fn limit(&self, questions: u32) {
        self.state().limited = questions;
    }

    /// Lets nobody in, whatever they show; or again who shows a valid token.
    pub fn shut(&self, shut: bool) {
        self.state().shut = shut;
    }

    /// How many calls were not let in.
    #[must_use]
    pub fn turned_away(&self) -> u32 {
        self.state().turned_away
    }

    /// Whether a call with this token is let in.
    #[must_use]
    pub fn lets_in(&self, token: &str) -> bool {
        let mut state = self.state();
        let known = state.access.as_ref().is_some_and(|(access, end)| access == token && Instant::now() < *end);
        let valid = known && !state.shut;
        if valid {
            state.before = None;
        } else {
            state.turned_away += 1;
        }
        valid
    }

    /// The page on which a person lets the app in: it sends them back at once.
    fn authorize(&self, query: &Words) -> Response {
        let word = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        if word("client_id") != self.app.id || word("scope").is_empty() || self.app.own {
            return (StatusCode::BAD_REQUEST, "Oauth error invalid_request").into_response();
        }
        let code = {
            let mut state = self.state();
            state.given += 1;
            let code = format!("code-{}", state.given);
            state.code = Some(code.clone());
            code
        };
        let pairs =
            [("code", code.as_str()), ("shop", &self.shop), ("state", word("state")), ("timestamp", "1769900000")];
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query = pairs.map(|(name, value)| format!("{name}={}", encode(value))).join("&");
        let signature =
            digest(self.app.secret.as_bytes(), query.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        Redirect::to(&format!("{}?{query}&hmac={signature}", word("redirect_uri"))).into_response()
    }

    /// The token endpoint.
    fn give(&self, form: &Words) -> Response {
        let word = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refused = |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
        let mut state = self.state();
        state.asked += 1;
        if state.limited > 0 {
            state.limited -= 1;
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")]).into_response();
        }
        if word("client_id") != self.app.id || word("client_secret") != self.app.secret {
            return refused(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        match word("grant_type") {
            "client_credentials" if self.app.own => {}
            "client_credentials" => return refused(StatusCode::BAD_REQUEST, "shop_not_permitted"),
            "refresh_token" => {
                let given = Some(word("refresh_token").to_owned());
                if given != state.refresh && given != state.before {
                    let words = json!({"error": "invalid_request", "error_description": "This request requires an active refresh_token"});
                    return (StatusCode::UNAUTHORIZED, Json(words)).into_response();
                }
                state.before = given;
            }
            _ if state.code.take().is_some_and(|code| code == word("code")) && !self.app.own => {}
            _ => return refused(StatusCode::BAD_REQUEST, "invalid_request"),
        }
        state.given += 1;
        let (access, refresh) = (format!("shpat_{}", state.given), format!("shprt_{}", state.given));
        // A new one takes the others back.
        state.access = Some((access.clone(), Instant::now() + self.app.lives));
        let lives = self.app.lives.as_secs();
        let answer = if self.app.own {
            json!({"access_token": access, "scope": "read_orders", "expires_in": lives})
        } else {
            state.refresh = Some(refresh.clone());
            json!({"access_token": access, "scope": "read_orders", "expires_in": lives, "refresh_token": refresh,
                "refresh_token_expires_in": 7_776_000})
        };
        if state.lost > 0 {
            state.lost -= 1;
            return StatusCode::from_u16(520).unwrap_or(StatusCode::BAD_GATEWAY).into_response();
        }
        Json(answer).into_response()
    }
}
