//! Commits on a thread of their own, with a deadline: a commit that hangs must stop the witness, not hang it.

use std::sync::Arc;
use std::time::Duration;

use tracing::{Span, debug_span};
use vouchlog_runtime::Watched;
use vouchlog_storage::{WitnessChange, WitnessCommitError, WitnessStore};

type Job = (Vec<WitnessChange>, Span);

/// Hands changes to the committing thread and waits for the outcome, for a limited time.
pub(crate) struct Committer(Watched<Job, Result<(), WitnessCommitError>>);

impl Committer {
    pub(crate) fn start<S: WitnessStore>(store: Arc<S>, patience: Duration) -> std::io::Result<Self> {
        let commit = move |(changes, span): Job| span.in_scope(|| store.commit(&changes));
        Watched::start("vouchlog-witness-commit", patience, commit).map(Self)
    }

    /// Commits; a commit that takes longer than the patience has an unknown outcome.
    pub(crate) fn commit(&mut self, changes: Vec<WitnessChange>) -> Result<(), WitnessCommitError> {
        let span = debug_span!("commit", changes = changes.len());
        let outcome = self.0.run((changes, span));
        outcome.unwrap_or_else(|unknown| Err(WitnessCommitError::Unknown(unknown.to_string())))
    }
}
