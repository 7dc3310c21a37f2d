//! What can go wrong, by whose fault and what to do; one kind, one gRPC code, one HTTP status (the server keeps that table).

use std::time::Duration;

use thiserror::Error;

/// The answer of every service call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong and will be wrong again.
    InvalidArgument,
    /// No such entry, stream or tile, or not yet.
    NotFound,
    /// The entries asked for were given up: they lie below the log's minimum index. They will not come back; proofs of them hold.
    Pruned {
        /// The minimum index.
        minimum: u64,
    },
    /// The caller's idea of a size is wrong, which is `size`: that of a stream in the log, or that of the checkpoint a witness
    /// cosigned last. Go on from there.
    Conflict {
        /// The size there is.
        size: u64,
    },
    /// A checkpoint contradicts the one a witness cosigned before: no proof joins the two. It will never be cosigned; both
    /// together are evidence against the log.
    Inconsistent,
    /// A stream's gateway signed two histories. Stop; the log keeps the proof.
    Fork,
    /// The key is unknown, revoked, or did not sign this.
    PermissionDenied,
    /// The stream, or the log, is in a state that does not allow it.
    FailedPrecondition,
    /// The log has ended, for good: it takes nothing, and a witness cosigns nothing beyond its end. The message names the log that
    /// continues it.
    Retired,
    /// Too busy: send the same again after `retry_after`.
    Overloaded {
        /// How long to wait at least.
        retry_after: Duration,
    },
    /// The gateway has used up its quota for the day; the message names it. The same request may succeed after `retry_after`.
    QuotaExceeded {
        /// Until the quota renews.
        retry_after: Duration,
    },
    /// The log takes no statements now (stopping, disk full, or a commit whose outcome is unknown); try later. Whether the
    /// statements were taken is unknown: sending the same request again cannot take them twice.
    Unavailable,
    /// The node does not lead the log, and another node passed the request on to it. Nothing was done. Only nodes that pass requests on
    /// see this.
    NotLeader,
    /// A bug or damaged data on the log's side.
    Internal,
}

/// A refusal: its kind, and a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Error {
    /// What to do about it.
    pub kind: ErrorKind,
    /// What happened, for the caller to read. Never holds secrets or paths.
    pub message: String,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// What was asked for lies below the log's minimum index and was given up.
    pub fn pruned(minimum: u64) -> Self {
        let message = format!(
            "the log gave up these entries: its minimum index is {minimum}, and entries below it were pruned. Proofs made before still hold"
        );
        Self::new(ErrorKind::Pruned { minimum }, message)
    }

    /// Writes are refused for now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Damaged data or a bug; say what to the operator through `tracing`, not here.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Overloaded { .. }
                | ErrorKind::QuotaExceeded { .. }
                | ErrorKind::Unavailable
                | ErrorKind::NotLeader
        )
    }
}

impl From<vouchlog_stream::StreamError> for Error {
    fn from(error: vouchlog_stream::StreamError) -> Self {
        use vouchlog_stream::StreamError as Stream;
        let kind = match &error {
            Stream::Conflict { size, .. } => ErrorKind::Conflict { size: *size },
            Stream::Fork { .. } => ErrorKind::Fork,
            Stream::Closed(_) | Stream::Superseded { .. } | Stream::Full(_) => ErrorKind::FailedPrecondition,
            _ => ErrorKind::InvalidArgument,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<vouchlog_merkle::ProofError> for Error {
    fn from(error: vouchlog_merkle::ProofError) -> Self {
        Self::invalid(error.to_string())
    }
}
