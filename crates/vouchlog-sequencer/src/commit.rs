//! Commits on a thread of their own, with a deadline: a commit that hangs must stop the log, not hang it.

use std::sync::Arc;
use std::time::Duration;

use tracing::{Span, debug_span};
use vouchlog_runtime::Watched;
use vouchlog_storage::{Batch, CommitError, Store};

/// A batch, the size it grows from, and the span it is committed in.
type Job = (Option<u64>, Batch, Span);

/// Hands batches to the committing thread and waits for the outcome, for a limited time.
pub(crate) struct Committer(Watched<Job, Result<(), CommitError>>);

impl Committer {
    pub(crate) fn start<S: Store>(store: Arc<S>, patience: Duration) -> std::io::Result<Self> {
        let commit = move |(expected, batch, span): Job| span.in_scope(|| store.commit(expected, batch));
        Watched::start("vouchlog-commit", patience, commit).map(Self)
    }

    /// Commits; a commit that takes longer than the patience has an unknown outcome.
    pub(crate) fn commit(&mut self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        let span = debug_span!("commit", size = batch.head.size.get(), entries = batch.count);
        let outcome = self.0.run((expected, batch, span));
        outcome.unwrap_or_else(|unknown| Err(CommitError::Unknown(unknown.to_string())))
    }
}
