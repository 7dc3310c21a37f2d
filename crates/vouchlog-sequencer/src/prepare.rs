//! Checks on a request before it may queue: everything that takes no more than keys, done on the caller's thread, so that the
//! sequencer spends its time on what only it can do.

use vouchlog_api::limits::MAX_STATEMENTS;
use vouchlog_api::{self as api, Error, ErrorKind, Result};
use vouchlog_merkle::Hash;
use vouchlog_note::{CheckpointError, CosignedCheckpoint, Origin};
use vouchlog_stream::{
    Enrolment, Revocation, Statement, StreamOpening, StreamState, TextError, stream_origin,
};

use crate::queue::{Append, Request};
use crate::state::Shared;

pub(crate) fn open<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let opening = StreamOpening::open(&note, &shared.origin).map_err(note_error)?;
    Ok(Request::Open { note, opening: Box::new(opening) })
}

pub(crate) fn append<S>(shared: &Shared<S>, request: api::Append) -> Result<Request> {
    check_count(request.statements.len())?;
    let stream = {
        let directory = shared.directory.read();
        directory.streams.get(&request.stream).cloned()
    };
    let stream = stream.ok_or_else(|| unknown_stream(request.stream))?;
    let head = stream_head(&shared.origin, &stream, &request.head)?;
    Ok(Request::Append(Box::new(Append {
        stream: request.stream,
        old_size: request.old_size,
        leaves: leaves(&request.statements),
        statements: request.statements,
        head,
        close: request.close,
    })))
}

pub(crate) fn house(request: api::HouseAppend) -> Result<Request> {
    check_count(request.statements.len())?;
    if request.statements.is_empty() {
        return Err(Error::invalid("there are no statements in the request"));
    }
    Ok(Request::House { leaves: leaves(&request.statements), statements: request.statements })
}

pub(crate) fn enrol<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let enrolment = Enrolment::open(&note, &shared.origin, &shared.operator).map_err(note_error)?;
    Ok(Request::Enrol { note, enrolment: Box::new(enrolment) })
}

pub(crate) fn revoke<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let revocation = Revocation::open(&note, &shared.origin, &shared.operator).map_err(note_error)?;
    Ok(Request::Revoke { note, revocation: Box::new(revocation) })
}

pub(crate) fn unknown_stream(stream: vouchlog_stream::StreamId) -> Error {
    Error::not_found(format!("there is no stream {stream}: open one first"))
}

/// Verifies a stream's head with the stream's key.
fn stream_head(log: &Origin, stream: &StreamState, note: &str) -> Result<CosignedCheckpoint> {
    let origin = Origin::new(&stream_origin(log.as_str(), stream.id()))
        .map_err(|_| Error::internal("the stream's origin is malformed"))?;
    CosignedCheckpoint::open(note.as_bytes(), &origin, stream.key()).map_err(|error| {
        let message = format!("the head of stream {} does not verify: {error}", stream.id());
        match error {
            CheckpointError::Note(_) => Error::new(ErrorKind::PermissionDenied, message),
            _ => Error::invalid(message),
        }
    })
}

fn check_count(statements: usize) -> Result<()> {
    if statements > MAX_STATEMENTS {
        return Err(Error::invalid(format!(
            "{statements} statements are too many for one request: send at most {MAX_STATEMENTS}"
        )));
    }
    Ok(())
}

fn leaves(statements: &[Statement]) -> Vec<Hash> {
    statements.iter().map(Statement::stream_leaf_hash).collect()
}

/// A note that is not signed as it must be is a question of permission, any other fault one of form.
#[allow(clippy::needless_pass_by_value, reason = "used as the function of `map_err`")]
fn note_error(error: TextError) -> Error {
    let message = error.to_string();
    match error {
        TextError::Note(_) => Error::new(ErrorKind::PermissionDenied, message),
        _ => Error::invalid(message),
    }
}
