//! The one table of errors: which kind is which gRPC code, which HTTP status and which reason; and errors as gRPC statuses.
//!
//! ```text
//! kind                 gRPC                 HTTP  of a witness  reason               with
//! invalid argument     INVALID_ARGUMENT     400   400           INVALID_ARGUMENT
//! not found            NOT_FOUND            404   404           NOT_FOUND
//! pruned               NOT_FOUND            410   410           PRUNED               the minimum index
//! conflict             ABORTED              409   409           CONFLICT             the size there is
//! inconsistent         FAILED_PRECONDITION  422   422           INCONSISTENT
//! fork                 ABORTED              409   500           STREAM_FORK
//! permission denied    PERMISSION_DENIED    403   403           PERMISSION_DENIED
//! failed precondition  FAILED_PRECONDITION  409   500           FAILED_PRECONDITION
//! retired              FAILED_PRECONDITION  410   410           LOG_RETIRED
//! overloaded           RESOURCE_EXHAUSTED   503   429           OVERLOADED           when to come back
//! quota exceeded       RESOURCE_EXHAUSTED   429   429           QUOTA_EXCEEDED       when it renews
//! unavailable          UNAVAILABLE          503   503           UNAVAILABLE          when to come back
//! not leader           UNAVAILABLE          503   503           NOT_LEADER           when to come back
//! internal             INTERNAL             500   500           INTERNAL
//! ```
//!
//! The routes of tlog-witness have a column of their own. To their clients 409 means a conflict of sizes and nothing else, so
//! what a witness never answers, because it has no streams, would be its bug; and 429 is what they know as pushback.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorInfo, RequestInfo, RetryInfo, pb};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_proto::{reason, v1};
use vouchlog_runtime::request_id;

use crate::limits::{MAX_ERROR_BYTES, RETRY_AFTER};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) code: Code,
    pub(crate) http: StatusCode,
    /// The HTTP status on the routes of tlog-witness.
    pub(crate) witness: StatusCode,
    pub(crate) reason: &'static str,
    /// How long to wait before the same request may succeed, where it may.
    pub(crate) retry_after: Option<Duration>,
    /// The size that comes with a conflict.
    pub(crate) size: Option<u64>,
    /// The minimum index of a log that gave up what was asked for.
    pub(crate) minimum: Option<u64>,
}

/// The row of a kind of error.
pub(crate) fn row(kind: &ErrorKind) -> Row {
    let (code, http, reason) = match kind {
        ErrorKind::InvalidArgument => {
            (Code::InvalidArgument, StatusCode::BAD_REQUEST, reason::INVALID_ARGUMENT)
        }
        ErrorKind::NotFound => (Code::NotFound, StatusCode::NOT_FOUND, reason::NOT_FOUND),
        ErrorKind::Pruned { .. } => (Code::NotFound, StatusCode::GONE, reason::PRUNED),
        ErrorKind::Conflict { .. } => (Code::Aborted, StatusCode::CONFLICT, reason::CONFLICT),
        ErrorKind::Inconsistent => {
            (Code::FailedPrecondition, StatusCode::UNPROCESSABLE_ENTITY, reason::INCONSISTENT)
        }
        ErrorKind::Fork => (Code::Aborted, StatusCode::CONFLICT, reason::STREAM_FORK),
        ErrorKind::PermissionDenied => {
            (Code::PermissionDenied, StatusCode::FORBIDDEN, reason::PERMISSION_DENIED)
        }
        ErrorKind::FailedPrecondition => {
            (Code::FailedPrecondition, StatusCode::CONFLICT, reason::FAILED_PRECONDITION)
        }
        ErrorKind::Retired => (Code::FailedPrecondition, StatusCode::GONE, reason::LOG_RETIRED),
        ErrorKind::Overloaded { .. } => {
            (Code::ResourceExhausted, StatusCode::SERVICE_UNAVAILABLE, reason::OVERLOADED)
        }
        ErrorKind::QuotaExceeded { .. } => {
            (Code::ResourceExhausted, StatusCode::TOO_MANY_REQUESTS, reason::QUOTA_EXCEEDED)
        }
        ErrorKind::Unavailable => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, reason::UNAVAILABLE),
        ErrorKind::NotLeader => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, reason::NOT_LEADER),
        // `ErrorKind` may grow; until this table does, what is new is not the caller's fault.
        _ => (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR, reason::INTERNAL),
    };
    let retry_after = match kind {
        ErrorKind::Overloaded { retry_after } | ErrorKind::QuotaExceeded { retry_after } => {
            Some(*retry_after)
        }
        ErrorKind::Unavailable | ErrorKind::NotLeader => Some(RETRY_AFTER),
        _ => None,
    };
    let size = match kind {
        ErrorKind::Conflict { size } => Some(*size),
        _ => None,
    };
    let minimum = match kind {
        ErrorKind::Pruned { minimum } => Some(*minimum),
        _ => None,
    };
    let witness = match kind {
        ErrorKind::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Fork | ErrorKind::FailedPrecondition => StatusCode::INTERNAL_SERVER_ERROR,
        _ => http,
    };
    Row { code, http, witness, reason, retry_after, size, minimum }
}

/// An error as a gRPC status with its details.
pub fn status(error: &Error) -> Status {
    let row = row(&error.kind);
    let numbers = [(reason::SIZE, row.size), (reason::MINIMUM, row.minimum)];
    let metadata =
        numbers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_string())));
    let info = pb::ErrorInfo {
        reason: row.reason.to_owned(),
        domain: reason::DOMAIN.to_owned(),
        metadata: metadata.collect::<HashMap<_, _>>(),
    };
    let mut details = vec![Any { type_url: ErrorInfo::TYPE_URL.to_owned(), value: info.encode_to_vec() }];
    if let Some(size) = row.size {
        let conflict = Any::from_msg(&v1::Conflict { size });
        details.push(conflict.expect("a vector takes any message"));
    }
    if let Some(wait) = row.retry_after {
        let retry_delay = prost_types::Duration::try_from(wait).ok();
        let retry = pb::RetryInfo { retry_delay };
        details.push(Any { type_url: RetryInfo::TYPE_URL.to_owned(), value: retry.encode_to_vec() });
    }
    if let Some(id) = request_id::current() {
        let asked = pb::RequestInfo { request_id: id.as_ref().to_owned(), serving_data: String::new() };
        details.push(Any { type_url: RequestInfo::TYPE_URL.to_owned(), value: asked.encode_to_vec() });
    }
    let message = sentence(&error.message);
    let rich = pb::Status { code: row.code.into(), message: message.to_owned(), details };
    Status::with_details(row.code, message, rich.encode_to_vec().into())
}

/// The status of a request that the gRPC library could not read. It blames the server, with INTERNAL, for what its caller sent; that
/// raises alarms, and clients retry. Statuses of ours have details, its own have none.
pub fn rpc_unread(unread: Status) -> Status {
    // SPEC: gRPC's compression.md: this one case "MUST fail with INTERNAL status".
    let is_specified = unread.message().contains("compressed-flag");
    let is_of_caller = matches!(unread.code(), Code::Internal | Code::InvalidArgument);
    if !is_of_caller || !unread.details().is_empty() || is_specified {
        return unread;
    }
    status(&Error::invalid(format!("the request cannot be read: {}", unread.message())))
}

/// The error after a panic.
pub(crate) fn bug() -> Error {
    let id = request_id::current().map_or_else(String::new, |id| format!(" of request {id}"));
    Error::internal(format!("internal error: the operator finds the details{id} in the server's log"))
}

/// An error's message, cut where it would be too long to send.
pub(crate) fn sentence(message: &str) -> &str {
    let whole = |end: &usize| message.is_char_boundary(*end);
    let end = (0..=message.len().min(MAX_ERROR_BYTES)).rev().find(whole);
    &message[..end.expect("0 is a boundary")]
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    /// The table, row by row, as the contract has it; and that a gRPC client can read the details.
    #[test]
    fn every_kind_has_its_row() {
        let wait = Duration::from_millis(250);
        let check = |kind: ErrorKind, code: Code, http: [u16; 2], reason: &str| {
            let row = row(&kind);
            assert_eq!((row.code, row.reason), (code, reason));
            assert_eq!([row.http.as_u16(), row.witness.as_u16()], http, "{kind:?}");
            let status = status(&Error::new(kind.clone(), "why"));
            assert_eq!((status.code(), status.message()), (code, "why"));
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "vouchlog"));
            let size = if let ErrorKind::Conflict { size } = kind { Some(size.to_string()) } else { None };
            assert_eq!(info.metadata.get("size"), size.as_ref());
            let minimum =
                if let ErrorKind::Pruned { minimum } = kind { Some(minimum.to_string()) } else { None };
            assert_eq!(info.metadata.get("minimum"), minimum.as_ref());
            let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(delay, row.retry_after);
        };
        check(ErrorKind::InvalidArgument, Code::InvalidArgument, [400, 400], "INVALID_ARGUMENT");
        check(ErrorKind::NotFound, Code::NotFound, [404, 404], "NOT_FOUND");
        check(ErrorKind::Pruned { minimum: 512 }, Code::NotFound, [410, 410], "PRUNED");
        check(ErrorKind::Conflict { size: 7 }, Code::Aborted, [409, 409], "CONFLICT");
        check(ErrorKind::Inconsistent, Code::FailedPrecondition, [422, 422], "INCONSISTENT");
        check(ErrorKind::Fork, Code::Aborted, [409, 500], "STREAM_FORK");
        check(ErrorKind::PermissionDenied, Code::PermissionDenied, [403, 403], "PERMISSION_DENIED");
        check(ErrorKind::FailedPrecondition, Code::FailedPrecondition, [409, 500], "FAILED_PRECONDITION");
        check(ErrorKind::Retired, Code::FailedPrecondition, [410, 410], "LOG_RETIRED");
        check(ErrorKind::Overloaded { retry_after: wait }, Code::ResourceExhausted, [503, 429], "OVERLOADED");
        check(
            ErrorKind::QuotaExceeded { retry_after: wait },
            Code::ResourceExhausted,
            [429, 429],
            "QUOTA_EXCEEDED",
        );
        check(ErrorKind::Unavailable, Code::Unavailable, [503, 503], "UNAVAILABLE");
        check(ErrorKind::NotLeader, Code::Unavailable, [503, 503], "NOT_LEADER");
        check(ErrorKind::Internal, Code::Internal, [500, 500], "INTERNAL");
    }

    #[test]
    fn a_conflict_carries_its_message() {
        let status = status(&Error::new(ErrorKind::Conflict { size: 42 }, "another size"));
        let rich = pb::Status::decode(status.details()).unwrap();
        let conflict = rich.details.iter().find_map(|detail| detail.to_msg::<v1::Conflict>().ok());
        assert_eq!(conflict, Some(v1::Conflict { size: 42 }));
    }

    #[test]
    fn sentences_are_cut_between_characters() {
        let long = "ä".repeat(2_000);
        assert_eq!(sentence(&long).len(), 1_024);
        assert_eq!(sentence("short"), "short");
    }
}
