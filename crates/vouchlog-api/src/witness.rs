//! Witnesses: independent parties that cosign a log's tree heads (tlog-witness).

use std::future::Future;

use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignSubtree};

use crate::Result;

/// Cosigns a log's tree heads. Every method answers only when what it answers is durable.
///
/// The kinds of errors are those of tlog-witness: [`NotFound`](crate::ErrorKind::NotFound), the log is not one the witness
/// knows; [`PermissionDenied`](crate::ErrorKind::PermissionDenied), a signature is missing or false;
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), the request is malformed;
/// [`Conflict`](crate::ErrorKind::Conflict), the witness last cosigned another size, which the error names;
/// [`Inconsistent`](crate::ErrorKind::Inconsistent), the checkpoint contradicts the one it last cosigned;
/// [`Overloaded`](crate::ErrorKind::Overloaded), the log asks too often.
pub trait Witness: Clone + Send + Sync + 'static {
    /// Cosigns a checkpoint that extends the last one it cosigned for the same log, or is the same. Answers signature lines,
    /// each ending in LF, all of this witness.
    fn add_checkpoint(&self, request: AddCheckpoint) -> impl Future<Output = Result<String>> + Send;

    /// Signs a subtree of a checkpoint it cosigned before. Answers signature lines, each ending in LF.
    fn sign_subtree(&self, request: SignSubtree) -> impl Future<Output = Result<String>> + Send;

    /// The last checkpoint it cosigned for the log whose origin has this SHA-256, with the log's signatures and its own.
    fn latest_checkpoint(&self, origin: Hash) -> impl Future<Output = Result<String>> + Send;
}
