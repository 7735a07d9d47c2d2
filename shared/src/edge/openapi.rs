//! The OpenAPI 3.1 document, made from the table of routes; here is what routes share: who we are, what opens a door, what their
//! parameters are, and how refusals look.
//!
//! <https://spec.openapis.org/oas/v3.1.0>

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, HttpMethod, Info, LicenseBuilder, OpenApi, OpenApiBuilder, Paths,
        Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder, Schema, SecurityRequirement,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    answers::{refusals, text},
    problem::Document,
    routes::{Answer, Door, ROUTES, Reach, Route, Verb},
};
use crate::domain::{
    goods::Sku,
    ids::{ConnectionId, ErpId, OrderId},
    shipment::ShipmentId,
};

/// The schemas that operations refer to, by their names.
type Known = Vec<(String, RefOr<Schema>)>;

/// The document of all routes of v1.
#[must_use]
pub fn document() -> OpenApi {
    let mut known = Known::new();
    let mut paths = Paths::new();
    for route in ROUTES.iter().filter(|route| route.reach == Reach::Service) {
        let method = match route.verb {
            Verb::Get => HttpMethod::Get,
            Verb::Post => HttpMethod::Post,
        };
        paths.add_path_operation(route.path, vec![method], operation(route, &mut known));
    }
    OpenApiBuilder::new().info(info()).paths(paths).components(Some(components(known))).build()
}

/// The same as JSON.
pub(super) fn json() -> Bytes {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| document().to_json().unwrap_or_default().into());
    JSON.clone()
}

fn operation(route: &Route, known: &mut Known) -> Operation {
    let (title, more) = match route.says.split_once("\n\n") {
        Some((title, more)) => (title, Some(more)),
        None => (route.says, None),
    };
    let parameters = in_path(route.path, known).chain(route.query.map(|query| query()).unwrap_or_default());
    let parameters: Vec<Parameter> = parameters.collect();
    let body = route.body.as_ref().map(|body| {
        let content = ContentBuilder::new().schema(Some((body.schema)(known))).build();
        let required = if body.required { Required::True } else { Required::False };
        let built = RequestBodyBuilder::new().description(Some(body.says)).required(Some(required));
        built.content("application/json", content).build()
    });
    let Answer { status, says, media, schema } = route.answer;
    let content = ContentBuilder::new().schema(Some(schema(known))).build();
    let answer = ResponseBuilder::new().description(says).content(media.name(), content).build();
    let mut responses = ResponsesBuilder::new().response(status.to_string(), answer);
    for (status, refusal) in refusals(route) {
        responses = responses.response(status.to_string(), refusal);
    }
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.id))
        .tag(tag(route.door))
        .summary(Some(title))
        .description(more)
        .parameters((!parameters.is_empty()).then_some(parameters))
        .request_body(body)
        .responses(responses)
        .securities(security(route.door))
        .build();
    label(&mut operation);
    operation
}

/// The parameters of a path, which mean the same in each.
fn in_path(path: &str, known: &mut Known) -> std::vec::IntoIter<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let (schema, says) = match name {
            "connection" => (named::<ConnectionId>(known), "Whose: the name of a connection."),
            "erp" => (named::<ErpId>(known), "The name of an ERP account."),
            "sku" => (named::<Sku>(known), "An article's code, the store's or the ERP's, percent-encoded."),
            "shipment" => (named::<ShipmentId>(known), "The ERP's own id of a shipment."),
            "order" => (named::<OrderId>(known), "The store's own id of an order, percent-encoded."),
            _ => (text().into(), ""),
        };
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        parameter.description(Some(says)).schema(Some(schema)).build()
    };
    names.map(parameter).collect::<Vec<_>>().into_iter()
}

fn named<T: ToSchema>(known: &mut Known) -> RefOr<Schema> {
    known.push((T::name().into_owned(), T::schema()));
    Ref::from_schema_name(T::name()).into()
}

fn tag(door: Door) -> &'static str {
    match door {
        Door::Open => "service",
        Door::Key | Door::ApiKey => "stores",
        Door::Operator(_) => "operators",
    }
}

/// What opens a door: any of these.
fn security(door: Door) -> Option<Vec<SecurityRequirement>> {
    let none = Vec::<String>::new;
    match door {
        Door::Open => None,
        Door::Key => {
            Some(vec![SecurityRequirement::new("key_in_address", none()), SecurityRequirement::new("key", none())])
        }
        Door::ApiKey => Some(vec![SecurityRequirement::new("api_key", none())]),
        Door::Operator(scope) => Some(vec![SecurityRequirement::new("operator", [scope.as_str()])]),
    }
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

fn components(known: Known) -> Components {
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
    components.schemas.extend(known);
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
