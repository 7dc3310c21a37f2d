//! Commits on a thread of its own, watched: a commit that does not end must stop the log, not hang it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use vouchlog_storage::{Batch, CommitError, Store};

type Job = (Option<u64>, Batch);

/// Hands batches to the committing thread and waits for the outcome, though not for ever.
pub(crate) struct Committer {
    jobs: SyncSender<Job>,
    outcomes: Receiver<Result<(), CommitError>>,
    patience: Duration,
}

impl Committer {
    pub(crate) fn start<S: Store>(store: Arc<S>, patience: Duration) -> std::io::Result<Self> {
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (done, outcomes) = sync_channel(1);
        std::thread::Builder::new().name("vouchlog-commit".into()).spawn(move || {
            // Ends when the sequencer does; an outcome nobody waits for any more is an unknown one.
            while let Ok((expected, batch)) = to_do.recv() {
                if done.send(store.commit(expected, batch)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, outcomes, patience })
    }

    /// Commits; a commit that takes longer than the patience has an unknown outcome.
    pub(crate) fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        if self.jobs.send((expected, batch)).is_err() {
            return Err(CommitError::Unknown("the committing thread ended".into()));
        }
        self.outcomes.recv_timeout(self.patience).unwrap_or_else(|error| {
            Err(CommitError::Unknown(match error {
                RecvTimeoutError::Timeout => {
                    format!("it did not end within {} s", self.patience.as_secs_f32())
                }
                RecvTimeoutError::Disconnected => "the committing thread panicked".into(),
            }))
        })
    }
}
