//! The OpenAPI 3.1 document of both routers. Paths, parameters and answers stand at the handlers, in the same declaration that
//! routes to them; here is what all of them share: who we are, what opens a door, and how refusals look.
//!
//! <https://spec.openapis.org/oas/v3.1.0>

use std::{collections::BTreeMap, sync::LazyLock};

use bytes::Bytes;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, Info, LicenseBuilder, Object, OpenApi, OpenApiBuilder, Ref, RefOr,
        Response, ResponseBuilder,
        path::Operation,
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{ingest, operate, problem::Document};

/// What can happen to any request.
pub(super) struct Always;

/// What can happen to a request that must carry the connection's key and a body.
pub(super) struct WithKey;

/// What can happen to a request that must carry the operator's credential.
pub(super) struct WithCredential;

/// The document of all routes of v1.
#[must_use]
pub fn document() -> OpenApi {
    let mut api = OpenApiBuilder::new().info(info()).components(Some(components())).build();
    api.merge(ingest::described());
    api.merge(operate::described());
    for path in api.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
            label(operation);
        }
    }
    api
}

/// The document as it is sent, made once.
pub(super) fn json() -> Bytes {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| document().to_json().unwrap_or_default().into());
    JSON.clone()
}

fn info() -> Info {
    let mut info = Info::new("Puente", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Carries orders from ecommerce stores into an ERP, exactly once. Every refusal is a problem document (RFC 9457) with \
         the id of its request."
            .to_owned(),
    );
    info.license = Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    info
}

fn components() -> Components {
    let mut components = Components::new();
    for (name, scheme) in [
        ("key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("x-api-key", "The connection's key.")))),
        (
            "api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "x-api-key",
                "One of the store's `api_keys`: a secret of its own, never the connection's key.",
            ))),
        ),
        (
            "key_in_address",
            SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(
                "key",
                "The connection's key, for stores that cannot send a header of ours.",
            ))),
        ),
        (
            "operator",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some(
                        "In `puente serve` an operator's key. On AWS an OAuth 2.0 access token of the identity provider, with the \
                         scopes that the operation names, whose bearer sees the connection.",
                    ))
                    .build(),
            ),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
    components.schemas.insert("Problem".to_owned(), Document::schema());
    let mut inner = Vec::new();
    Document::schemas(&mut inner);
    components.schemas.extend(inner);
    components
}

/// Every answer carries its request's id.
fn label(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let id = HeaderBuilder::new()
                .schema(Some(text()))
                .description(Some("The id of the request, as in our log."))
                .build();
            response.headers.insert("x-request-id".to_owned(), id.into());
        }
    }
}

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

fn text() -> Object {
    Object::with_type(Type::String)
}
