//! Commits on a thread of their own, with a deadline: a commit that hangs must stop the witness, not hang it.

use std::sync::Arc;
use std::time::Duration;

use vouchlog_runtime::Watched;
use vouchlog_storage::{WitnessChange, WitnessCommitError, WitnessStore};

/// Hands changes to the committing thread and waits for the outcome, for a limited time.
pub(crate) struct Committer(Watched<Vec<WitnessChange>, Result<(), WitnessCommitError>>);

impl Committer {
    pub(crate) fn start<S: WitnessStore>(store: Arc<S>, patience: Duration) -> std::io::Result<Self> {
        let commit = move |changes: Vec<WitnessChange>| store.commit(&changes);
        Watched::start("vouchlog-witness-commit", patience, commit).map(Self)
    }

    /// Commits; a commit that takes longer than the patience has an unknown outcome.
    pub(crate) fn commit(&mut self, changes: Vec<WitnessChange>) -> Result<(), WitnessCommitError> {
        let outcome = self.0.run(changes);
        outcome.unwrap_or_else(|unknown| Err(WitnessCommitError::Unknown(unknown.to_string())))
    }
}
