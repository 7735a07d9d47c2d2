//! The OpenAPI 3.1 document of both routers. Paths, parameters and answers stand at the handlers, in the same declaration that
//! routes to them; here is what all of them share: who we are, what opens a door, and how refusals look.
//!
//! <https://spec.openapis.org/oas/v3.1.0>

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, HeaderBuilder, Info, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Always, text},
    ingest, operate,
    problem::Document,
};

/// The document of all routes of v1.
#[must_use]
pub fn document() -> OpenApi {
    let mut api = OpenApiBuilder::new().info(info()).components(Some(components())).build();
    api.merge(ingest::described());
    api.merge(operate::described());
    api.merge(routes::<()>().into_openapi());
    for path in api.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
            label(operation);
        }
    }
    api
}

/// The route of the document itself.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(send))
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi", tag = "service",
    responses((status = 200, description = "The OpenAPI 3.1 document.", body = serde_json::Value), Always),
)]
async fn send() -> Response {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| document().to_json().unwrap_or_default().into());
    ([(header::CONTENT_TYPE, "application/json")], JSON.clone()).into_response()
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
