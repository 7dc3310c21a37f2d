//! The words in `google.rpc.ErrorInfo` (gRPC) and in `code` of a problem document (HTTP) that say why a request failed.
//!
//! They tell apart what shares a status code; which kind of error has which is the server's table.

/// The `domain` of every `ErrorInfo` of a log.
pub const DOMAIN: &str = "vouchlog";

/// The request is wrong and will be wrong again.
pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
/// No such entry, stream or tile, or not yet.
pub const NOT_FOUND: &str = "NOT_FOUND";
/// The entries were given up: they lie below the log's minimum index, which is in the metadata under [`MINIMUM`].
pub const PRUNED: &str = "PRUNED";
/// Another size is in the log; it is in the metadata under [`SIZE`].
pub const CONFLICT: &str = "CONFLICT";
/// The stream's gateway signed two histories.
pub const STREAM_FORK: &str = "STREAM_FORK";
/// A checkpoint contradicts the one a witness cosigned before.
pub const INCONSISTENT: &str = "INCONSISTENT";
/// The key is unknown, revoked, or did not sign this.
pub const PERMISSION_DENIED: &str = "PERMISSION_DENIED";
/// The stream, or the log, is in a state that does not allow it.
pub const FAILED_PRECONDITION: &str = "FAILED_PRECONDITION";
/// The log has ended, for good.
pub const LOG_RETIRED: &str = "LOG_RETIRED";
/// Too busy: the same again later.
pub const OVERLOADED: &str = "OVERLOADED";
/// The gateway has used up its quota for the day.
pub const QUOTA_EXCEEDED: &str = "QUOTA_EXCEEDED";
/// No statements are taken now.
pub const UNAVAILABLE: &str = "UNAVAILABLE";
/// The node does not lead the log, and another node passed the request on to it: nothing was done.
pub const NOT_LEADER: &str = "NOT_LEADER";
/// A bug or damaged data on the log's side.
pub const INTERNAL: &str = "INTERNAL";

/// The header of a request that one node of a log passes on to another. It takes rights away and gives none: the receiver does not pass it
/// on again, and does not recognise the caller by the certificate of the connection.
pub const FORWARDED: &str = "vouchlog-forwarded";

/// Metadata key of the size that comes with [`CONFLICT`], in decimal.
pub const SIZE: &str = "size";

/// Metadata key of the minimum index that comes with [`PRUNED`], in decimal.
pub const MINIMUM: &str = "minimum";
