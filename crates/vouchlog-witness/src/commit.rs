//! Commits on a thread of its own, watched: a commit that does not end must stop the witness, not hang it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use vouchlog_storage::{WitnessChange, WitnessCommitError, WitnessStore};

/// Hands changes to the committing thread and waits for the outcome, though not for ever.
pub(crate) struct Committer {
    jobs: SyncSender<Vec<WitnessChange>>,
    outcomes: Receiver<Result<(), WitnessCommitError>>,
    patience: Duration,
}

impl Committer {
    pub(crate) fn start<S: WitnessStore>(store: Arc<S>, patience: Duration) -> std::io::Result<Self> {
        let (jobs, to_do) = sync_channel::<Vec<WitnessChange>>(1);
        let (done, outcomes) = sync_channel(1);
        std::thread::Builder::new().name("vouchlog-witness-commit".into()).spawn(move || {
            // Ends when the cosigner does; an outcome nobody waits for any more is an unknown one.
            while let Ok(changes) = to_do.recv() {
                if done.send(store.commit(&changes)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, outcomes, patience })
    }

    /// Commits; a commit that takes longer than the patience has an unknown outcome.
    pub(crate) fn commit(&self, changes: Vec<WitnessChange>) -> Result<(), WitnessCommitError> {
        if self.jobs.send(changes).is_err() {
            return Err(WitnessCommitError::Unknown("the committing thread ended".into()));
        }
        self.outcomes.recv_timeout(self.patience).unwrap_or_else(|error| {
            Err(WitnessCommitError::Unknown(match error {
                RecvTimeoutError::Timeout => {
                    format!("it did not end within {} s", self.patience.as_secs_f32())
                }
                RecvTimeoutError::Disconnected => "the committing thread panicked".into(),
            }))
        })
    }
}
