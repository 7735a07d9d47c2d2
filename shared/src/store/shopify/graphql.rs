//! Questions to the GraphQL Admin API, and what its answers mean. Errors come with status 200.
//! <https://shopify.dev/docs/api/usage/response-codes>

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    super::{
        answer,
        parse::{list, parse},
    },
    config::Shopify,
};
use crate::{
    Error, Kind, Result,
    outbound::{Answer, Calls, Failure},
};

/// What is asked, or what is to be done.
#[derive(Serialize)]
pub(super) struct Question<'a, V: Serialize> {
    pub(super) query: &'a str,
    pub(super) variables: V,
    /// The scopes that an app needs for it, as a person is told.
    #[serde(skip)]
    pub(super) scopes: &'static str,
}

/// Where a list goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    #[serde(default)]
    end_cursor: Option<String>,
}

impl PageInfo {
    /// The mark of the next page, if there is one.
    pub(super) fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

/// A part of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<N> {
    pub(super) nodes: Vec<N>,
    pub(super) page_info: PageInfo,
}

/// What is wrong with what a mutation was given.
#[derive(Deserialize)]
pub(super) struct UserError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    field: Option<Vec<String>>,
}

impl UserError {
    /// Which element of a list of the mutation's it is about: `["input", "quantities", "3", …]`.
    pub(super) fn place(&self, list: &str) -> Option<usize> {
        let path = self.field.as_ref()?;
        let at = path.iter().position(|part| part == list)?;
        path.get(at + 1)?.parse().ok()
    }

    /// Its code, as it may be repeated.
    pub(super) fn code(&self) -> String {
        self.code.as_deref().map_or_else(|| "no code".to_owned(), plain)
    }
}

#[derive(Deserialize)]
#[serde(bound = "D: Deserialize<'de>")]
struct Reply<D> {
    /// Absent: nothing was begun. Empty: it was, and it failed.
    #[serde(default = "Data::absent")]
    data: Data<D>,
    #[serde(default, deserialize_with = "list")]
    errors: Vec<Fault>,
}

/// What an answer has of data.
enum Data<D> {
    Absent,
    Empty,
    There(D),
}

impl<D> Data<D> {
    fn absent() -> Self {
        Self::Absent
    }
}

impl<'de, D: Deserialize<'de>> Deserialize<'de> for Data<D> {
    fn deserialize<R: Deserializer<'de>>(deserializer: R) -> Result<Self, R::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Empty, Self::There))
    }
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(default)]
    code: Option<String>,
}

/// A vendor's code, as it may be repeated.
pub(super) fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect()
}

impl Shopify {
    /// Sends it. One call.
    pub(super) async fn graphql<V: Serialize>(
        &self,
        calls: &Calls<'_>,
        question: &Question<'_, V>,
    ) -> Result<Answer, Failure> {
        let mut call = self.call(&["graphql.json"], &[]);
        call.method = Method::POST;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(question).map_err(|cause| {
            Failure::NotSent(Error::new(Kind::Bug, "a question cannot be written").caused_by(cause))
        })?;
        call.body = Bytes::from(body);
        self.access.ask(calls, call, true).await
    }

    /// The data of an answer to `question`.
    pub(super) fn data<D: for<'a> Deserialize<'a>, V: Serialize>(
        &self,
        answer: Answer,
        question: &Question<'_, V>,
    ) -> Result<D> {
        let answer = answer::read(answer, &self.shop, self.access.credentials())?.ok_or_else(|| self.no_api())?;
        let unreadable =
            || Error::new(Kind::Unreadable, format!("{}: its answer is not what was asked for", self.shop));
        let reply: Reply<D> = parse(&answer.body).map_err(|_| unreadable())?;
        if let Some(fault) = reply.errors.first() {
            let code = fault.extensions.as_ref().and_then(|extensions| extensions.code.as_deref()).unwrap_or_default();
            return Err(match code {
                "THROTTLED" => Error::new(Kind::Limited, format!("{} asks to call less", self.shop)),
                "ACCESS_DENIED" => self.lacks_scopes(question.scopes),
                // A question that is not valid is not begun; whatever goes wrong later may have had its effect.
                code if matches!(reply.data, Data::Absent) && code != "INTERNAL_SERVER_ERROR" => {
                    let words = format!("{} did not understand the question ({})", self.shop, plain(code));
                    Error::new(Kind::Refused, words)
                }
                code => Error::new(Kind::Unavailable, format!("{} is failing ({})", self.shop, plain(code))),
            });
        }
        match reply.data {
            Data::There(data) => Ok(data),
            Data::Absent | Data::Empty => Err(unreadable()),
        }
    }

    pub(super) fn lacks_scopes(&self, scopes: &str) -> Error {
        Error::new(Kind::Config, format!("{} refuses: the app needs the scopes {scopes}", self.shop))
    }
}
