//! Tryton's JSON-RPC as it is spoken: `POST {url}/{database}/rpc/` with `{id, method, params}`, the context last.
//!
//! Exact numbers travel as `{"__class__":"Decimal","decimal":"9.95"}`, quantities as JSON numbers written digit by digit; no
//! float ever holds either. Shapes as in `trytond/protocols/{dispatcher,jsonrpc}.py` of Tryton 8.0, seen on a running one.

mod booked;
mod found;
mod priced;
mod sent;
mod stocked;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use jiff::civil;
use rust_decimal::Decimal;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::{RawValue, to_raw_value};
use url::Url;

pub(super) use self::{
    booked::{BookedSale, Moment},
    found::{FoundParty, FoundSale, SaleCurrency, Seen},
    priced::{ByList, PriceList, PricedArticle, PricedCompany, StampedArticle},
    sent::{SentShipment, StampedShipment},
    stocked::{Article, OpenMove, SaleState, StampedMove, Warehouse},
};
use super::fault;
use crate::{
    Error, Kind, Result,
    config::Secret,
    domain::money::Amount,
    erp::{
        SendError,
        status::{self, Intent},
    },
    outbound::{Call, Metered, basic},
};

/// One database of one server, and whoever calls.
pub(super) struct Server {
    rpc: Url,
    root: Url,
    headers: HeaderMap,
    company: i64,
    pub(super) timeout: std::time::Duration,
}

/// The last parameter of every call: whose books, and English, so that messages can be recognised.
#[derive(Debug, Clone, Copy, Serialize)]
struct Context<'a> {
    company: i64,
    language: &'static str,
    /// Records that must stand as they were seen, or Tryton refuses the whole call.
    #[serde(rename = "_timestamp", skip_serializing_if = "Option::is_none")]
    seen: Option<&'a Seen>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    within: Option<Within<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    list: Option<ByList>,
}

/// Where quantities on hand are counted: there and in all that is inside. Without a day Tryton counts up to its own today.
#[derive(Debug, Clone, Copy, Serialize)]
struct Within<'a> {
    locations: &'a [i64],
    with_childs: bool,
}

/// What some calls have in their context beside the company and the language.
#[derive(Default)]
struct Beside<'a> {
    seen: Option<&'a Seen>,
    within: Option<Within<'a>>,
    list: Option<ByList>,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u32,
    method: &'a str,
    params: &'a [Box<RawValue>],
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// An exact number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact(pub(super) Decimal);

#[derive(Serialize, Deserialize)]
struct ExactParts<'a> {
    #[serde(rename = "__class__", borrow)]
    class: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    decimal: std::borrow::Cow<'a, str>,
}

impl Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decimal = self.0.to_string().into();
        ExactParts { class: "Decimal".into(), decimal }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = ExactParts::deserialize(deserializer)?;
        // Python writes very small ones as `1E-7`.
        let text = parts.decimal.as_ref();
        let number =
            if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
        // Bounded as our own amounts are: sums and differences of what Tryton answers cannot overflow either.
        let bounded = number.ok().and_then(|number| Amount::try_from(number).ok());
        bounded.map(|amount| Self(amount.decimal())).ok_or_else(|| D::Error::custom("is no number to calculate with"))
    }
}

/// Yes or no: Tryton answers `true` and `false`, or on some databases 1 and 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Truth(bool),
            Number(i64),
            Nothing(()),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Truth(yes) => yes,
            Either::Number(number) => number != 0,
            Either::Nothing(()) => false,
        }))
    }
}

/// A quantity: a JSON number with exactly these digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) Decimal);

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.0.normalize().to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date(pub(super) civil::Date);

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts {
            #[serde(rename = "__class__")]
            class: &'static str,
            year: i16,
            month: i8,
            day: i8,
        }
        Parts { class: "date", year: self.0.year(), month: self.0.month(), day: self.0.day() }.serialize(serializer)
    }
}

/// `[["create", […]]]`: new records of a list field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Create<T>([(&'static str, Vec<T>); 1]);

impl<T> Create<T> {
    /// Creates `records`.
    pub(super) fn new(records: Vec<T>) -> Self {
        Self([("create", records)])
    }
}

/// `[["add", […]]]`: known records of a many-to-many field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Add([(&'static str, Vec<i64>); 1]);

impl Add {
    /// Adds records by id.
    pub(super) fn new(ids: Vec<i64>) -> Self {
        Self([("add", ids)])
    }
}

/// `sale.sale`, as it is created.
#[derive(Debug, Serialize)]
pub(super) struct Sale<'a> {
    pub(super) company: i64,
    pub(super) web_shop: i64,
    pub(super) web_id: &'a str,
    #[serde(flatten)]
    pub(super) header: Header,
    /// The sale that this one gives back of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shipment_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invoice_method: Option<&'static str>,
    pub(super) lines: Create<SaleLine>,
}

/// What a sale says beside its lines and its reference.
#[derive(Debug, Serialize)]
pub(super) struct Header {
    pub(super) reference: String,
    #[serde(rename = "sale_date")]
    pub(super) date: Date,
    pub(super) currency: i64,
    pub(super) party: i64,
    pub(super) invoice_address: i64,
    pub(super) shipment_address: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warehouse: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment_term: Option<i64>,
}

/// `sale.line`, as it is created.
#[derive(Debug, Serialize)]
pub(super) struct SaleLine {
    pub(super) product: i64,
    pub(super) unit: i64,
    pub(super) quantity: Quantity,
    pub(super) unit_price: Exact,
    pub(super) taxes: Add,
    pub(super) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// `party.party`, as it is created.
#[derive(Clone, Serialize)]
pub(super) struct Party {
    pub(super) code: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_mechanisms: Option<Create<Mechanism>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identifiers: Option<Create<Identifier>>,
}

/// `party.contact_mechanism`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mechanism {
    pub(super) r#type: &'static str,
    pub(super) value: String,
}

/// `party.identifier`, without a type: which types there are, and what they accept, is the company's own configuration.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(super) struct Identifier {
    pub(super) code: String,
}

/// The content of a `party.address`.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Address {
    #[serde(default)]
    pub(super) party_name: Option<String>,
    #[serde(default)]
    pub(super) street: Option<String>,
    #[serde(default)]
    pub(super) postal_code: Option<String>,
    #[serde(default)]
    pub(super) city: Option<String>,
    #[serde(default)]
    pub(super) country: Option<i64>,
}

/// A `party.address`, as it is created.
#[derive(Serialize)]
pub(super) struct NewAddress<'a> {
    pub(super) party: i64,
    #[serde(flatten)]
    pub(super) content: &'a Address,
}

/// `parameters!(a, b, …)`: each serialised by itself.
macro_rules! parameters {
    ($($value:expr),* $(,)?) => {
        [$(crate::erp::tryton::wire::raw(&$value)),*]
    };
}
pub(super) use parameters;

/// A value as JSON text. Plain data cannot fail to serialise; a failure would send `null`, which Tryton refuses.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl Server {
    /// Calls `database` of the server at `url` as `username`, each call with HTTP Basic: stateless, see
    /// `docs/decisions/tryton-authentication.md`.
    pub(super) fn new(
        url: &Url,
        database: &str,
        username: &str,
        password: &Secret,
        company: i64,
        timeout: std::time::Duration,
    ) -> Result<Self> {
        let wrong = || Error::new(Kind::Config, "tryton: `url` and `database` do not make an http(s) address");
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let (mut root, mut rpc) = (url.clone(), url.clone());
        root.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(["rpc", ""]);
        rpc.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend([database, "rpc", ""]);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, basic(username, password.expose())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { rpc, root, headers, company, timeout })
    }

    /// A call that changes nothing: whatever goes wrong, nothing happened.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        calls: &Metered,
        method: &str,
        parameters: impl IntoIterator<Item = Box<RawValue>>,
    ) -> Result<T, SendError> {
        self.call(calls, self.rpc.clone(), method, parameters, Intent::Read, Beside::default()).await
    }

    /// The same, with quantities on hand counted in these locations and all that is inside.
    pub(super) async fn read_within<T: DeserializeOwned>(
        &self,
        calls: &Metered,
        method: &str,
        parameters: impl IntoIterator<Item = Box<RawValue>>,
        locations: &[i64],
    ) -> Result<T, SendError> {
        let within = Some(Within { locations, with_childs: true });
        self.call(calls, self.rpc.clone(), method, parameters, Intent::Read, Beside { within, ..Beside::default() })
            .await
    }

    /// The same, with articles priced by a list.
    pub(super) async fn read_by_list<T: DeserializeOwned>(
        &self,
        calls: &Metered,
        method: &str,
        parameters: impl IntoIterator<Item = Box<RawValue>>,
        list: Option<ByList>,
    ) -> Result<T, SendError> {
        self.call(calls, self.rpc.clone(), method, parameters, Intent::Read, Beside { list, ..Beside::default() }).await
    }

    /// A call that changes something, all or nothing.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        calls: &Metered,
        method: &str,
        parameters: impl IntoIterator<Item = Box<RawValue>>,
    ) -> Result<T, SendError> {
        self.call(calls, self.rpc.clone(), method, parameters, Intent::Write, Beside::default()).await
    }

    /// The same, provided that nobody changed what was seen since.
    pub(super) async fn write_if<T: DeserializeOwned>(
        &self,
        calls: &Metered,
        method: &str,
        parameters: impl IntoIterator<Item = Box<RawValue>>,
        seen: &Seen,
    ) -> Result<T, SendError> {
        self.call(
            calls,
            self.rpc.clone(),
            method,
            parameters,
            Intent::Write,
            Beside { seen: Some(seen), ..Beside::default() },
        )
        .await
    }

    /// Tryton's series, such as `8.0`.
    pub(super) async fn series(&self, calls: &Metered) -> Result<String, SendError> {
        self.call(calls, self.root.clone(), "common.server.version", [], Intent::Read, Beside::default()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        calls: &Metered,
        url: Url,
        method: &str,
        parameters: impl IntoIterator<Item = Box<RawValue>>,
        intent: Intent,
        Beside { seen, within, list }: Beside<'_>,
    ) -> Result<T, SendError> {
        let mut parameters: Vec<_> = parameters.into_iter().collect();
        parameters.push(raw(&Context { company: self.company, language: "en", seen, within, list }));
        // With exactly these three members Tryton answers its own errors inside of HTTP 200.
        let body = raw(&Request { id: 1, method, params: &parameters });
        let call = Call {
            method: Method::POST,
            url,
            headers: self.headers.clone(),
            body: Bytes::from(String::from(Box::<str>::from(body))),
            timeout: self.timeout,
        };
        let answer = calls.send(call).await.map_err(|failure| status::failure(failure, intent))?;
        if answer.status != http::StatusCode::OK {
            return Err(fault::status(&answer, intent));
        }
        let unreadable = |_| fault::unreadable(method, intent);
        let response: Response<'_> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
        if let Some(error) = response.error {
            return Err(fault::said(error.get(), intent));
        }
        serde_json::from_str(response.result.map_or("null", RawValue::get)).map_err(unreadable)
    }
}

/// Ids that Tryton answers for what was created, in the order it was sent.
pub(super) type Ids = Vec<i64>;
