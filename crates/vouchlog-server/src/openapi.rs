//! The OpenAPI document: its head here, its paths from the handlers themselves.

use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, PartialSchema as _, ToSchema as _};

use crate::problem::Problem;

/// What the document of a log says before its paths.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vouchlog",
        description = "A transparency log for AI interactions. Gateways use gRPC on the same port; this interface is for all other clients. Numbers are JSON numbers of up to 64 bits: a client that parses them as doubles is exact to 2^53. Hashes and digests \
            are 64 lowercase hex digits. Errors are problem documents (RFC 9457), except below /checkpoint and /tile, where they are a line of text. \
            HEAD is supported wherever GET is.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(Problem)),
    tags(
        (name = "tlog-tiles", description = "The log as static files (C2SP tlog-tiles)."),
        (name = "proofs", description = "Proofs on request. Verify them with the checkpoint and the log's vkey."),
        (name = "submit", description = "Writing to the log."),
        (name = "operations", description = "For operators.")
    )
)]
struct LogHead;

/// What the document of a witness says before its paths.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vouchlog witness",
        description = "A witness: it cosigns a log's tree heads if each extends the last one it has seen (C2SP tlog-witness). \
            Errors of that protocol are a line of text; others are problem documents (RFC 9457). HEAD is supported wherever GET is.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(Problem)),
    tags(
        (name = "tlog-witness", description = "Requests are those of C2SP tlog-witness, byte for byte."),
        (name = "operations", description = "For operators.")
    )
)]
struct WitnessHead;

/// What the document of neither says before its paths.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vouchlog operations",
        description = "Health and metrics of a program that serves nothing else, such as a monitor. Errors are problem documents (RFC 9457). HEAD is supported wherever GET is.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(Problem)),
    tags((name = "operations", description = "For operators."))
)]
struct OperationsHead;

/// What the document of a program with routes of its own says before its paths.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vouchlog",
        description = "Health and metrics of a program; its manual describes its other endpoints. Errors are problem documents (RFC 9457). HEAD is supported wherever GET is.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(Problem)),
    tags((name = "operations", description = "For operators."))
)]
struct ForeignHead;

/// The document of a log without paths.
pub(crate) fn of_log() -> OpenApi {
    LogHead::openapi()
}

/// The document of a witness without paths.
pub(crate) fn of_witness() -> OpenApi {
    WitnessHead::openapi()
}

/// The document of neither without paths.
pub(crate) fn of_operations() -> OpenApi {
    OperationsHead::openapi()
}

/// The document of a program with routes of its own, without paths.
pub(crate) fn of_foreign() -> OpenApi {
    ForeignHead::openapi()
}

/// Adds the description of problem documents to a document of a program's own.
pub(crate) fn add_problem(document: &mut OpenApi) {
    document.components.get_or_insert_default().schemas.insert(Problem::name().into(), Problem::schema());
}

/// The document as it is served.
pub(crate) fn json(mut document: OpenApi) -> Bytes {
    // The router marks a variable that spans slashes with an asterisk; OpenAPI has no notation for it.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document.to_json().expect("the document has string keys only").into()
}
