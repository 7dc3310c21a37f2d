//! C2SP tlog-witness: checkpoints in, cosignatures out. Refusals are a line of text, or the size alone.
//!
//! ```text
//! 200  the signature lines           404  a log the witness does not know
//! 400  malformed                     409  another size was cosigned last: that size, and nothing else
//! 403  a signature missing or false  422  contradicts what was cosigned last
//! 410  beyond the log's end          429  too often: `retry-after` says when to come back
//! 413  longer than 128 KiB
//! ```

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use utoipa::IntoResponses;
use vouchlog_api::{AnyWitness, Error, Witness as _};
use vouchlog_merkle::Hash;
use vouchlog_note::limits::MAX_ADD_CHECKPOINT_BYTES;
use vouchlog_note::{AddCheckpoint, SignSubtree};

use super::bodies::{NewCheckpoint, NewSubtree};
use super::read;
use super::tiles::{CHECKPOINT_CACHING, cached, etag};
use crate::media::{TEXT, content_type};
use crate::problem::Problem;

/// SPEC: tlog-witness: the type of a body that is the size of the latest cosigned checkpoint in decimal, then LF.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// Cosigns a checkpoint that extends the last one cosigned for the same log, or is the same.
///
/// The body, of at most 128 KiB and any content type: `old ` and the size cosigned last (0 if none) in decimal, the hashes of
/// the consistency proof from there in base64, an empty line, the signed checkpoint. Each line ends in LF.
#[utoipa::path(
    post, path = "/add-checkpoint", tag = "tlog-witness",
    request_body(content = inline(NewCheckpoint), content_type = "text/plain"),
    responses(
        (status = 200, description = "One or more signature lines of the witness, each ending in LF.", body = String,
         content_type = "text/plain; charset=utf-8"),
        (status = 409, description = "The witness last cosigned a checkpoint of another size; the body is that size, in decimal.",
         body = String, content_type = "text/x.tlog.size"),
        (status = 410, description = "The log has ended, and the checkpoint is beyond its end.", body = String,
         content_type = "text/plain; charset=utf-8"),
        (status = 422, description = "The checkpoint contradicts the one cosigned last.", body = String,
         content_type = "text/plain; charset=utf-8"),
        WitnessProblems,
    )
)]
pub(super) async fn add_checkpoint(
    State(witness): State<AnyWitness>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read(body, MAX_ADD_CHECKPOINT_BYTES).await?;
    let request = AddCheckpoint::parse(&body).map_err(|error| Error::invalid(error.to_string()))?;
    let lines = witness.add_checkpoint(request).await?;
    Ok((content_type(TEXT), lines).into_response())
}

/// Signs a subtree of a checkpoint the witness cosigned before.
///
/// The body, of at most 128 KiB and any content type: `subtree `, its first leaf and the one after its last in decimal, its
/// hash in base64, the hashes of the proof that the checkpoint's tree has it, an empty line, the cosigned checkpoint. Each line
/// ends in LF.
#[utoipa::path(
    post, path = "/sign-subtree", tag = "tlog-witness",
    request_body(content = inline(NewSubtree), content_type = "text/plain"),
    responses(
        (status = 200, description = "One or more signature lines of the witness, each ending in LF.", body = String,
         content_type = "text/plain; charset=utf-8"),
        (status = 422, description = "The checkpoint's tree does not have that subtree.", body = String,
         content_type = "text/plain; charset=utf-8"),
        WitnessProblems,
    )
)]
pub(super) async fn sign_subtree(State(witness): State<AnyWitness>, body: Body) -> Result<Response, Refusal> {
    let body = read(body, MAX_ADD_CHECKPOINT_BYTES).await?;
    let request = SignSubtree::parse(&body).map_err(|error| Error::invalid(error.to_string()))?;
    let lines = witness.sign_subtree(request).await?;
    Ok((content_type(TEXT), lines).into_response())
}

/// Takes note that a log has ended: nothing beyond its end is cosigned any more.
///
/// The body, of at most 128 KiB and any content type, is a proof file (C2SP tlog-proof) of the log's last entry, which is its retirement. Its final
/// checkpoint has to be the one that the witness cosigned last. Not part of tlog-witness.
#[utoipa::path(
    post, path = "/retire-log", tag = "tlog-witness",
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, description = "One or more signature lines of the witness for the final checkpoint, each ending in LF.", body = String,
         content_type = "text/plain; charset=utf-8"),
        (status = 409, description = "The witness last cosigned a checkpoint of another size; the body is that size, in decimal.",
         body = String, content_type = "text/x.tlog.size"),
        (status = 410, description = "The log has ended before, with another head.", body = String,
         content_type = "text/plain; charset=utf-8"),
        (status = 422, description = "The final checkpoint contradicts the one cosigned last.", body = String,
         content_type = "text/plain; charset=utf-8"),
        WitnessProblems,
    )
)]
pub(super) async fn retire_log(State(witness): State<AnyWitness>, body: Body) -> Result<Response, Refusal> {
    let body = read(body, MAX_ADD_CHECKPOINT_BYTES).await?;
    let proof = String::from_utf8(body.into()).map_err(|_| Error::invalid("a proof file is UTF-8 text"))?;
    let lines = witness.retire_log(proof).await?;
    Ok((content_type(TEXT), lines).into_response())
}

/// The last checkpoint of a log that the witness cosigned, with the log's signatures and its own.
#[utoipa::path(
    get, path = "/{origin}/checkpoint", tag = "tlog-witness",
    params(("origin" = String, Path, pattern = "^[0-9a-f]{64}$",
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", description = "SHA-256 of the log's origin, 64 lowercase hex digits.")),
    responses(
        (status = 200, description = "The checkpoint.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 304, description = "It has not changed."),
        (status = 404, description = "The witness has cosigned none, or the path is not a hash.", body = String,
         content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "Not available now.", body = String, content_type = "text/plain; charset=utf-8"),
    )
)]
pub(super) async fn latest_checkpoint(
    State(witness): State<AnyWitness>,
    Path(origin): Path<String>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let no_hash = |_| Error::not_found("name a log by SHA-256 of its origin, in 64 lowercase hex digits");
    let origin: Hash = origin.parse().map_err(no_hash)?;
    let note = witness.latest_checkpoint(origin).await?;
    // It changes with the time of the cosignature, also while the size stays.
    Ok(cached(&request, &etag(note.as_bytes()), CHECKPOINT_CACHING, TEXT, note))
}

/// Why a request was refused, as clients of tlog-witness expect to be told.
pub(super) struct Refusal(Problem);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(Problem::of_witness(&error))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.0.size() {
            Some(size) => {
                let reason = Extension(self.0.reason());
                (StatusCode::CONFLICT, reason, content_type(SIZE_TYPE), format!("{size}\n")).into_response()
            }
            None => self.0.into_text(),
        }
    }
}

/// What both requests may be refused with, for the document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes responses; handlers answer with `Refusal`")]
pub(super) enum WitnessProblems {
    /// The request is malformed.
    #[response(status = 400, content_type = "text/plain; charset=utf-8")]
    Invalid(String),
    /// A signature that has to be there is missing or false.
    #[response(status = 403, content_type = "text/plain; charset=utf-8")]
    Denied(String),
    /// The log is not one the witness knows.
    #[response(status = 404, content_type = "text/plain; charset=utf-8")]
    NotFound(String),
    /// The body has more than 128 KiB.
    #[response(status = 413, content_type = "text/plain; charset=utf-8")]
    TooLarge(String),
    /// Too often; `retry-after` says when to come back.
    #[response(status = 429, content_type = "text/plain; charset=utf-8")]
    Overloaded(String),
    /// Nothing is signed now; `retry-after` says when to come back.
    #[response(status = 503, content_type = "text/plain; charset=utf-8")]
    Unavailable(String),
}
