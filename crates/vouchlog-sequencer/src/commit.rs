//! Commits on a thread of their own, with a deadline: a commit that hangs must stop the log, not hang it.

use std::sync::Arc;
use std::time::Duration;

use vouchlog_runtime::Watched;
use vouchlog_storage::{Batch, CommitError, Store};

type Job = (Option<u64>, Batch);

/// Hands batches to the committing thread and waits for the outcome, for a limited time.
pub(crate) struct Committer(Watched<Job, Result<(), CommitError>>);

impl Committer {
    pub(crate) fn start<S: Store>(store: Arc<S>, patience: Duration) -> std::io::Result<Self> {
        let commit = move |(expected, batch): Job| store.commit(expected, batch);
        Watched::start("vouchlog-commit", patience, commit).map(Self)
    }

    /// Commits; a commit that takes longer than the patience has an unknown outcome.
    pub(crate) fn commit(&mut self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        let outcome = self.0.run((expected, batch));
        outcome.unwrap_or_else(|unknown| Err(CommitError::Unknown(unknown.to_string())))
    }
}
