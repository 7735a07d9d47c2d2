//! What can be answered besides what was asked for, as the OpenAPI document says it: the refusals that routes share, by who is let in
//! and what is read of the request.

use utoipa::openapi::{ContentBuilder, HeaderBuilder, Object, Ref, Response, ResponseBuilder, schema::Type};

use super::routes::{Door, Route};

/// What can happen to any request.
const ALWAYS: [(u16, &str); 3] = [
    (429, "Too many requests: the connection's own, forged ones, or this address'."),
    (500, "A mistake of ours; the log has it under the request's id."),
    (503, "Something we need does not answer. Nothing was accepted."),
];

/// … to one whose address names something.
const ADDRESS: [(u16, &str); 2] = [(400, "The address is not UTF-8."), (404, "There is nothing of that name.")];

/// … to one that must carry a connection's key.
const KEY: [(u16, &str); 1] = [(401, "The key, or the store's signature, is missing or wrong.")];

/// … to one that must carry an operator's credential.
const CREDENTIAL: [(u16, &str); 2] = [
    (401, "The operator's credential is missing, wrong or expired."),
    (403, "The operator may not do this, or (on AWS) does not see that connection or account."),
];

/// … to one with a body.
const BODY: [(u16, &str); 2] =
    [(413, "The body is too large."), (422, "The body cannot be read, or did not arrive whole.")];

/// … to one with a query.
const QUERY: [(u16, &str); 1] = [(422, "A parameter cannot be read.")];

/// The refusals of a route.
pub(super) fn refusals(route: &Route) -> impl Iterator<Item = (u16, Response)> {
    let door: &[_] = match route.door {
        Door::Open => &[],
        Door::Key | Door::ApiKey => &KEY,
        Door::Operator(_) => &CREDENTIAL,
    };
    let address: &[_] = if route.path.contains('{') { &ADDRESS } else { &[] };
    let query: &[_] = if route.query.is_some() { &QUERY } else { &[] };
    let body: &[_] = if route.body.is_some() { &BODY } else { &[] };
    let all = [door, address, query, body, &ALWAYS].into_iter().flatten();
    all.map(|(status, when)| (*status, problem(*status, when)))
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
