//! gRPC statuses back to the errors of `vouchlog-api`: the server's table, read from right to left.
//!
//! A log or witness says why in an `ErrorInfo` of its own domain. A status without one was made by something between here and the log
//! (a lost connection, a proxy, a deadline); what it says about the log is only that it could not be reached.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_proto::{ConvertError, reason};

use crate::limits::RETRY_AFTER;

/// What a status means to the caller.
pub(crate) fn error(status: &Status) -> Error {
    let info = status.get_details_error_info().filter(|info| info.domain == reason::DOMAIN);
    let kind = match (status.code(), &info) {
        (Code::InvalidArgument | Code::OutOfRange, _) => ErrorKind::InvalidArgument,
        (Code::NotFound, Some(info)) if info.reason == reason::PRUNED => {
            match info.metadata.get(reason::MINIMUM).and_then(|minimum| minimum.parse().ok()) {
                Some(minimum) => ErrorKind::Pruned { minimum },
                None => ErrorKind::Internal,
            }
        }
        (Code::NotFound, _) => ErrorKind::NotFound,
        (Code::PermissionDenied | Code::Unauthenticated, _) => ErrorKind::PermissionDenied,
        (Code::FailedPrecondition, Some(info)) if info.reason == reason::INCONSISTENT => {
            ErrorKind::Inconsistent
        }
        (Code::FailedPrecondition, Some(info)) if info.reason == reason::LOG_RETIRED => ErrorKind::Retired,
        (Code::FailedPrecondition, _) => ErrorKind::FailedPrecondition,
        (Code::Aborted, Some(info)) if info.reason == reason::STREAM_FORK => ErrorKind::Fork,
        (Code::Aborted, Some(info)) => {
            match info.metadata.get(reason::SIZE).and_then(|size| size.parse().ok()) {
                Some(size) => ErrorKind::Conflict { size },
                None => ErrorKind::Internal,
            }
        }
        (Code::ResourceExhausted, Some(info)) if info.reason == reason::QUOTA_EXCEEDED => {
            ErrorKind::QuotaExceeded { retry_after: retry_after(status) }
        }
        (Code::ResourceExhausted, _) => ErrorKind::Overloaded { retry_after: retry_after(status) },
        (Code::Unavailable, Some(info)) if info.reason == reason::NOT_LEADER => ErrorKind::NotLeader,
        (Code::Internal | Code::DataLoss, Some(_)) => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, message(status))
}

/// An answer that is none: the log's fault, whatever the request was.
pub(crate) fn malformed(error: &ConvertError) -> Error {
    Error::internal(format!("the log's response is malformed: {error}"))
}

fn retry_after(status: &Status) -> Duration {
    status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap_or(RETRY_AFTER)
}

/// The sentence of the status, with the innermost cause: "transport error" alone names no cause.
fn message(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    if let Some(cause) = cause.map(ToString::to_string).filter(|cause| !message.contains(cause.as_str())) {
        message = if message.is_empty() { cause } else { format!("{message}: {cause}") };
    }
    if message.is_empty() { format!("the call ended with {:?}", status.code()) } else { message }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn details(reason: &str, metadata: &[(&str, &str)]) -> ErrorDetails {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        ErrorDetails::with_error_info(
            reason,
            reason::DOMAIN,
            metadata.collect::<std::collections::HashMap<_, _>>(),
        )
    }

    /// Every row of the server's table, and what others may put in its place.
    #[test]
    fn every_status_has_its_kind() {
        let check = |status: Status, kind: ErrorKind| assert_eq!(error(&status).kind, kind, "{status:?}");
        let log = |code, reason: &str, metadata: &[(&str, &str)]| {
            Status::with_error_details(code, "why", details(reason, metadata))
        };
        check(log(Code::InvalidArgument, reason::INVALID_ARGUMENT, &[]), ErrorKind::InvalidArgument);
        check(log(Code::NotFound, reason::NOT_FOUND, &[]), ErrorKind::NotFound);
        let pruned = log(Code::NotFound, reason::PRUNED, &[("minimum", "512")]);
        check(pruned, ErrorKind::Pruned { minimum: 512 });
        check(log(Code::NotFound, reason::PRUNED, &[]), ErrorKind::Internal);
        check(log(Code::Aborted, reason::CONFLICT, &[("size", "7")]), ErrorKind::Conflict { size: 7 });
        check(log(Code::Aborted, reason::CONFLICT, &[("size", "-7")]), ErrorKind::Internal);
        check(log(Code::Aborted, reason::STREAM_FORK, &[]), ErrorKind::Fork);
        check(log(Code::FailedPrecondition, reason::INCONSISTENT, &[]), ErrorKind::Inconsistent);
        check(log(Code::PermissionDenied, reason::PERMISSION_DENIED, &[]), ErrorKind::PermissionDenied);
        check(log(Code::FailedPrecondition, reason::FAILED_PRECONDITION, &[]), ErrorKind::FailedPrecondition);
        check(log(Code::FailedPrecondition, reason::LOG_RETIRED, &[]), ErrorKind::Retired);
        check(log(Code::Unavailable, reason::UNAVAILABLE, &[]), ErrorKind::Unavailable);
        check(log(Code::Unavailable, reason::NOT_LEADER, &[]), ErrorKind::NotLeader);
        check(log(Code::Internal, reason::INTERNAL, &[]), ErrorKind::Internal);
        let mut busy = details(reason::OVERLOADED, &[]);
        busy.set_retry_info(Some(Duration::from_millis(250)));
        let busy = Status::with_error_details(Code::ResourceExhausted, "busy", busy);
        check(busy, ErrorKind::Overloaded { retry_after: Duration::from_millis(250) });
        check(Status::resource_exhausted(""), ErrorKind::Overloaded { retry_after: RETRY_AFTER });
        // A stream that was reset says INTERNAL, but nothing about the log.
        check(Status::internal("h2 protocol error"), ErrorKind::Unavailable);
        check(Status::unknown("transport error"), ErrorKind::Unavailable);
        check(Status::cancelled("Timeout expired"), ErrorKind::Unavailable);
        check(Status::aborted("by a proxy"), ErrorKind::Unavailable);
        check(Status::unauthenticated("by a proxy"), ErrorKind::PermissionDenied);
        // What answers at the address is no log, or not at the moment.
        check(Status::unimplemented("another service"), ErrorKind::Unavailable);
    }
}
