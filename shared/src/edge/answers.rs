//! What can be answered besides what was asked for, as the OpenAPI document says it: the refusals that routes share.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, HeaderBuilder, Object, Ref, RefOr, Response, ResponseBuilder, schema::Type},
};

/// What can happen to any request.
pub(super) struct Always;

/// What can happen to a request that must carry the connection's key and a body.
pub(super) struct WithKey;

/// What can happen to a request that must carry the operator's credential.
pub(super) struct WithCredential;

const ALWAYS: [(u16, &str); 3] = [
    (429, "Too many requests: the connection's own, forged ones, or this address'."),
    (500, "A mistake of ours; the log has it under the request's id."),
    (503, "Something we need does not answer. Nothing was accepted."),
];

const ADDRESS: [(u16, &str); 2] = [(400, "The address is not UTF-8."), (404, "There is nothing of that name.")];

impl IntoResponses for Always {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(ALWAYS)
    }
}

impl IntoResponses for WithKey {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let own = [
            (401, "The key, or the store's signature, is missing or wrong."),
            (413, "The body is larger than 1 MiB."),
            (422, "The body cannot be read, or did not arrive whole."),
        ];
        problems(own.into_iter().chain(ADDRESS).chain(ALWAYS))
    }
}

impl IntoResponses for WithCredential {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let own = [
            (401, "The operator's credential is missing, wrong or expired."),
            (403, "The operator may not do this, or (on AWS) does not see that connection or account."),
        ];
        problems(own.into_iter().chain(ADDRESS).chain(ALWAYS))
    }
}

fn problems(refusals: impl IntoIterator<Item = (u16, &'static str)>) -> BTreeMap<String, RefOr<Response>> {
    refusals.into_iter().map(|(status, when)| (status.to_string(), problem(status, when).into())).collect()
}

/// A refusal, as [`super::problem::Problem::render`] writes it.
fn problem(status: u16, when: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(when).content("application/problem+json", content);
    let header =
        |schema: Object, words: &str| HeaderBuilder::new().schema(Some(schema)).description(Some(words)).build();
    match status {
        401 => response.header("www-authenticate", header(text(), "What to show instead (RFC 9110).")),
        429 | 503 => {
            let seconds = Object::builder().schema_type(Type::Integer).minimum(Some(1)).build();
            response.header("retry-after", header(seconds, "When to come again, in seconds."))
        }
        _ => response,
    }
    .build()
}

/// The schema of plain text.
pub(super) fn text() -> Object {
    Object::with_type(Type::String)
}
