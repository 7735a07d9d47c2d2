//! Odoo's two ways of calling a method of a model, as they are spoken: JSON-2 from Odoo 19 on, JSON-RPC before.
//!
//! - JSON-2: `POST {url}/json/2/{model}/{method}`, arguments by name in a JSON object, an HTTP status for each kind of error.
//! - JSON-RPC: `POST {url}/jsonrpc`, `execute_kw` with database, user and key in every call; always HTTP 200, errors inside.
//!
//! Which of them a server speaks is decided by its version, asked once: Odoo 18 answers `/json/2` with 200 although it has no JSON-2.
//! Numbers are read from their digits; no float ever holds an amount. Docs: odoo.com/documentation/19.0, "External JSON-2 API" and
//! "External RPC API". Shapes as seen on running servers of 14, 17, 18 and 19.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::{RawValue, to_raw_value};
use url::Url;

use super::fault;
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::money::Amount,
    erp::{
        SendError,
        status::{self, Intent},
    },
    outbound::{Answer, Call, Calls},
};

/// Where the user and the version of a server are remembered.
const REMEMBERED: &str = "odoo/server";
/// The first version with JSON-2, and whose unit prices are not rounded.
const NINETEEN: u32 = 19;

/// What has to be known of a server before the first call to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edition {
    /// Its major version.
    pub(super) major: u32,
    /// The integration user's id, where calls have to name it: in JSON-RPC.
    user: Option<i64>,
}

impl Edition {
    /// Whether it is 19 or later.
    pub(super) fn is_19(self) -> bool {
        self.major >= NINETEEN
    }

    /// Whether an order has a lock of its own. Before 17 that was a state.
    pub(super) fn locks(self) -> bool {
        self.major >= 17
    }

    /// Whether the wizard that invoices can be told to make an invoice for each order; before, a customer's orders share one.
    pub(super) fn bills_apart(self) -> bool {
        self.major >= 17
    }

    /// Whether an article that is kept in stock says so by itself; before, that was a type of article.
    pub(super) fn has_storable(self) -> bool {
        self.major >= 18
    }

    /// Whether the delivery of a confirmed order follows when the order is changed: seen of 18 and 19, and not of 14.
    pub(super) fn follows_changes(self) -> bool {
        self.major >= 18
    }
}

/// One database of one server, and whoever calls.
pub(super) struct Server {
    url: Url,
    database: String,
    username: Option<String>,
    /// In the order in which they are tried: two while a key is replaced by the next.
    keys: Vec<Secret>,
    /// Which of them was accepted last.
    key: AtomicUsize,
    edition: Mutex<Option<Edition>>,
    protocol: Option<Protocol>,
    company: i64,
    pub(super) timeout: std::time::Duration,
}

/// A way of calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Protocol {
    #[serde(rename = "json-2")]
    Json2,
    #[serde(rename = "json-rpc")]
    Rpc,
}

/// What a method is called with.
pub(super) struct Arguments {
    ids: Option<Vec<i64>>,
    named: Vec<(&'static str, Box<RawValue>)>,
    context: Vec<(&'static str, Box<RawValue>)>,
}

impl Arguments {
    /// Those of a method of the model.
    pub(super) fn new() -> Self {
        Self { ids: None, named: Vec::new(), context: Vec::new() }
    }

    /// Those of a method of these records.
    pub(super) fn of(ids: &[i64]) -> Self {
        Self { ids: Some(ids.to_vec()), ..Self::new() }
    }

    /// With an argument.
    pub(super) fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.named.push((name, raw(&value)));
        self
    }

    /// With more in the context.
    pub(super) fn in_context(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.context.push((name, raw(&value)));
        self
    }
}

/// A JSON object of members in order.
struct Members<'a>(&'a [(&'static str, Box<RawValue>)]);

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Server {
    pub(super) fn new(
        url: Url,
        database: &str,
        (username, keys): (Option<&str>, Vec<Secret>),
        protocol: Option<Protocol>,
        company: i64,
        timeout: std::time::Duration,
    ) -> Self {
        Self {
            url,
            database: database.to_owned(),
            username: username.map(ToOwned::to_owned),
            keys,
            key: AtomicUsize::new(0),
            edition: Mutex::new(None),
            protocol,
            company,
            timeout,
        }
    }

    /// The server's version, and the user to call as: remembered, or asked for.
    pub(super) async fn edition(&self, calls: &Calls<'_>) -> Result<Edition, SendError> {
        if let Some(known) = *self.edition.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known);
        }
        let names = [REMEMBERED.to_owned()];
        let remembered = calls.ids.ids(&names).await.map_err(SendError::NotNow)?;
        let known = remembered.get(REMEMBERED).and_then(|text| serde_json::from_str(text).ok());
        let edition = if let Some(edition) = known {
            edition
        } else {
            let edition = self.ask(calls).await?;
            let text = raw(&edition).get().to_owned();
            calls.ids.learn(&[(REMEMBERED.to_owned(), text)]).await.map_err(SendError::NotNow)?;
            edition
        };
        *self.edition.lock().unwrap_or_else(PoisonError::into_inner) = Some(edition);
        Ok(edition)
    }

    /// Forgets the version: the server may have been upgraded since.
    pub(super) async fn doubt(&self, calls: &Calls<'_>) -> Result<(), SendError> {
        *self.edition.lock().unwrap_or_else(PoisonError::into_inner) = None;
        calls.ids.forget(&[REMEMBERED.to_owned()]).await.map_err(SendError::NotNow)
    }

    async fn ask(&self, calls: &Calls<'_>) -> Result<Edition, SendError> {
        #[derive(Deserialize)]
        struct Version {
            server_version: String,
        }
        if self.protocol == Some(Protocol::Json2) {
            return Ok(Edition { major: NINETEEN, user: None });
        }
        let nothing: [i64; 0] = [];
        let version = match self.common(calls, "version", &nothing).await {
            Ok(version) => version,
            // From 19 on `/jsonrpc` is a module of its own, which may not be installed.
            Err(Asked::NoRpc) if self.protocol.is_none() => return Ok(Edition { major: NINETEEN, user: None }),
            Err(Asked::NoRpc) => {
                return Err(account("the server has no /jsonrpc: install Odoo's module rpc, or leave `protocol` out"));
            }
            Err(Asked::Failed(send_error)) => return Err(send_error),
        };
        let version: Version = read(&version, "common.version", Intent::Read)?;
        let digits = version.server_version.trim_start_matches(|c: char| !c.is_ascii_digit());
        let major = digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok());
        let major = major.ok_or_else(|| fault::unreadable("common.version", Intent::Read))?;
        if major >= NINETEEN && self.protocol.is_none() {
            return Ok(Edition { major, user: None });
        }
        let Some(username) = &self.username else {
            return Err(account("Odoo before 19 is called as a user: set `username` to the integration user's log-in"));
        };
        for (at, key) in self.keys() {
            let empty = RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned());
            let answer = self.common(calls, "authenticate", &(&self.database, username, key, empty)).await;
            let answer = answer.map_err(|asked| match asked {
                Asked::NoRpc => account("Odoo is not there: check `url`"),
                Asked::Failed(send_error) => send_error,
            })?;
            // `false` where the log-in is none.
            if let Ok(user) = serde_json::from_str::<i64>(answer.get()) {
                self.key.store(at, Ordering::Relaxed);
                return Ok(Edition { major, user: Some(user) });
            }
        }
        Err(fault::log_in())
    }

    /// The keys with their places, from the one that was accepted last: where that is refused the next is tried, since one of them may
    /// have ended.
    fn keys(&self) -> Vec<(usize, &str)> {
        let first = self.key.load(Ordering::Relaxed);
        let places = (0..self.keys.len()).map(move |at| (first + at) % self.keys.len());
        places.filter_map(|at| Some((at, self.keys.get(at)?.expose()))).collect()
    }

    /// A method of the service `common`.
    async fn common(&self, calls: &Calls<'_>, method: &str, args: &impl Serialize) -> Result<Box<RawValue>, Asked> {
        let answer = self.rpc(calls, "common", method, args, Intent::Read).await.map_err(Asked::Failed)?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(Asked::NoRpc);
        }
        let result = result(&answer, method, Intent::Read).map_err(Asked::Failed)?;
        result.ok_or_else(|| Asked::Failed(fault::log_in()))
    }

    /// A call that changes nothing: whatever goes wrong, nothing happened.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        calls: &Calls<'_>,
        model: &str,
        method: &str,
        arguments: Arguments,
    ) -> Result<T, SendError> {
        self.call(calls, (model, method), arguments, Intent::Read).await
    }

    /// A call that changes something, in one transaction.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        calls: &Calls<'_>,
        model: &str,
        method: &str,
        arguments: Arguments,
    ) -> Result<T, SendError> {
        self.call(calls, (model, method), arguments, Intent::Write).await
    }

    /// `search_read` of all records of a domain.
    pub(super) async fn search<T: DeserializeOwned>(
        &self,
        calls: &Calls<'_>,
        model: &str,
        domain: &impl Serialize,
        fields: &[&str],
    ) -> Result<Vec<T>, SendError> {
        self.read(calls, model, "search_read", Arguments::new().with("domain", domain).with("fields", fields)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        calls: &Calls<'_>,
        (model, method): (&str, &str),
        arguments: Arguments,
        intent: Intent,
    ) -> Result<T, SendError> {
        let edition = self.edition(calls).await?;
        let Arguments { ids, mut named, context: mut own } = arguments;
        let mut context = vec![("allowed_company_ids", raw(&[self.company])), ("tz", raw(&"UTC"))];
        context.append(&mut own);
        let what = format!("{model}.{method}");
        let Some(user) = edition.user else {
            if let Some(ids) = ids {
                named.push(("ids", raw(&ids)));
            }
            named.push(("context", raw(&Members(&context))));
            let answer = self.json2(calls, (model, method), raw(&Members(&named)), intent).await?;
            return read(&answer, &what, intent);
        };
        // `create` is told apart by its first argument, which has to have a place.
        let positional: Vec<Box<RawValue>> = match ids {
            Some(ids) => vec![raw(&ids)],
            None if method == "create" => named.drain(..).map(|(_, value)| value).collect(),
            None => Vec::new(),
        };
        named.push(("context", raw(&Members(&context))));
        let named = Members(&named);
        for (at, key) in self.keys() {
            let args = (&self.database, user, key, model, method, &positional, &named);
            let answer = self.rpc(calls, "object", "execute_kw", &args, intent).await?;
            if let Some(answer) = result(&answer, &what, intent)? {
                self.key.store(at, Ordering::Relaxed);
                return read(&answer, &what, intent);
            }
        }
        Err(fault::log_in())
    }

    async fn json2(
        &self,
        calls: &Calls<'_>,
        (model, method): (&str, &str),
        body: Box<RawValue>,
        intent: Intent,
    ) -> Result<Box<RawValue>, SendError> {
        let body = Bytes::from(String::from(Box::<str>::from(body)));
        for (at, key) in self.keys() {
            let mut headers = json();
            let bearer = HeaderValue::try_from(format!("bearer {key}"));
            let mut bearer = bearer.map_err(|_| account("`api_key` is not one that Odoo makes"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
            let database = HeaderValue::try_from(self.database.as_str());
            let database = database.map_err(|_| account("`database` is no name of a database"))?;
            headers.insert(HeaderName::from_static("x-odoo-database"), database);
            let answer = self.post(calls, &["json", "2", model, method], headers, body.clone(), intent).await?;
            if answer.status == StatusCode::UNAUTHORIZED {
                continue;
            }
            self.key.store(at, Ordering::Relaxed);
            if answer.status != StatusCode::OK {
                return Err(fault::status(&answer, intent));
            }
            return serde_json::from_slice(&answer.body).map_err(|_| fault::unreadable(method, intent));
        }
        Err(fault::log_in())
    }

    async fn rpc(
        &self,
        calls: &Calls<'_>,
        service: &str,
        method: &str,
        args: &impl Serialize,
        intent: Intent,
    ) -> Result<Answer, SendError> {
        #[derive(Serialize)]
        struct Request<'a, A> {
            jsonrpc: &'static str,
            method: &'static str,
            id: u32,
            params: Params<'a, A>,
        }
        #[derive(Serialize)]
        struct Params<'a, A> {
            service: &'a str,
            method: &'a str,
            args: &'a A,
        }
        let request = Request { jsonrpc: "2.0", method: "call", id: 1, params: Params { service, method, args } };
        let body = Bytes::from(String::from(Box::<str>::from(raw(&request))));
        self.post(calls, &["jsonrpc"], json(), body, intent).await
    }

    async fn post(
        &self,
        calls: &Calls<'_>,
        path: &[&str],
        headers: HeaderMap,
        body: Bytes,
        intent: Intent,
    ) -> Result<Answer, SendError> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let call = Call { method: Method::POST, url, headers, body, timeout: self.timeout };
        calls.http.send(call).await.map_err(|failure| status::failure(failure, intent))
    }
}

/// What came of a question to the service `common`.
enum Asked {
    NoRpc,
    Failed(SendError),
}

fn account(text: &'static str) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

fn json() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// The result of a JSON-RPC answer; `None`: the log-in is refused. A method that returns nothing has no `result` at all.
fn result(answer: &Answer, what: &str, intent: Intent) -> Result<Option<Box<RawValue>>, SendError> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow, default)]
        result: Option<&'a RawValue>,
        #[serde(borrow, default)]
        error: Option<&'a RawValue>,
    }
    if answer.status != StatusCode::OK {
        return Err(fault::status(answer, intent));
    }
    let response: Response<'_> = serde_json::from_slice(&answer.body).map_err(|_| fault::unreadable(what, intent))?;
    match response.error {
        Some(error) if fault::is_of_log_in(error.get()) => Ok(None),
        Some(error) => Err(fault::said(error.get(), intent)),
        None => Ok(Some(response.result.unwrap_or(RawValue::NULL).to_owned())),
    }
}

fn read<T: DeserializeOwned>(answer: &RawValue, what: &str, intent: Intent) -> Result<T, SendError> {
    serde_json::from_str(answer.get()).map_err(|_| fault::unreadable(what, intent))
}

/// A value as JSON text. Plain data cannot fail to serialise; a failure would send `null`, which Odoo refuses.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A field that may be empty, which Odoo says as `false`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            Value(T),
            Empty(bool),
            Null(()),
        }
        match Either::deserialize(deserializer)? {
            Either::Value(value) => Ok(Self(Some(value))),
            Either::Empty(false) | Either::Null(()) => Ok(Self(None)),
            Either::Empty(true) => Err(D::Error::custom("is `true`, and no value")),
        }
    }
}

/// A record that a field names: its id and how people call it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Link(pub(super) i64, pub(super) String);

/// An amount, from the digits of a JSON number. Odoo computes in binary fractions: what is less than a billionth is noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact(pub(super) Decimal);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let number = if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { text.parse::<Decimal>() };
        // Bounded as our own amounts are, so that sums and differences of them cannot overflow.
        let bounded = number.ok().and_then(|number| Amount::try_from(number.round_dp(9)).ok());
        bounded.map(|amount| Self(amount.decimal())).ok_or_else(|| D::Error::custom("is no number to calculate with"))
    }
}
