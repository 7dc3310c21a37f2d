//! The OpenAPI document of a daemon: its paths are made from the asks themselves.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::ask::Ask;

/// What a request may be refused with.
const REFUSALS: [(&str, &str); 9] = [
    ("400", "The request breaks a rule."),
    ("401", "The caller has to authenticate itself; `www-authenticate` names the scheme."),
    ("403", "The caller lacks a role, or a web page of another site sent it."),
    ("404", "There is no such record, session or hold for this caller."),
    ("409", "The vault is in a state that does not allow it, such as that the record was erased."),
    ("413", "The body is too long."),
    ("415", "The body is of another content type."),
    ("422", "The body is not the JSON that is asked for."),
    ("503", "The vault is busy: retry after `retry-after`."),
];

const DESCRIPTION: &str = "A vault: where records are kept, read, disclosed, held and erased. Each request is a POST with JSON, so \
    that no URL names a person. Times are milliseconds since 1970-01-01 UTC. What the log records is in it before the answer, or right after it. \
    Errors are problem documents (RFC 9457).";

/// The document without paths.
pub(super) fn document() -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = ComponentsBuilder::new().security_scheme("bearer", SecurityScheme::Http(bearer)).build();
    let info = InfoBuilder::new()
        .title("Vouchlog vault")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Adds one path.
pub(super) fn add<A: Ask>(document: &mut OpenApi, path: &str) {
    let components = document.components.get_or_insert_default();
    let mut schemas = Vec::new();
    for (name, schema) in [named::<A>(&mut schemas), named::<A::Answer>(&mut schemas)] {
        components.schemas.insert(name, schema);
    }
    components.schemas.extend(schemas);
    let json = |name: &str| ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
    let body = RequestBodyBuilder::new()
        .content("application/json", json(&A::name()))
        .required(Some(Required::True))
        .build();
    let answer = ResponseBuilder::new()
        .description("It was done.")
        .content("application/json", json(&A::Answer::name()))
        .build();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(A::NAME))
        .tag("vault")
        .summary(Some(A::SUMMARY))
        .request_body(Some(body))
        .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
        .response("200", answer);
    for (status, description) in REFUSALS {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let refusal = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        operation = operation.response(status, refusal);
    }
    document.paths.paths.insert(path.to_owned(), PathItem::new(HttpMethod::Post, operation.build()));
}

/// A type's name and schema; those it is made of are added to `parts`.
fn named<T: ToSchema>(
    parts: &mut Vec<(String, RefOr<utoipa::openapi::Schema>)>,
) -> (String, RefOr<utoipa::openapi::Schema>) {
    T::schemas(parts);
    (T::name().into_owned(), <T as PartialSchema>::schema())
}
