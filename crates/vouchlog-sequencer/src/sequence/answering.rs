//! What the callers of a batch learn.

use std::sync::Arc;

use vouchlog_api::{Error, Result};
use vouchlog_storage::Store;

use super::Sequencer;
use crate::queue::{Caller, Committed, Done, Waiting};

/// A caller, and what became of its request.
pub(super) type Answer = (Caller, Result<Done>);

impl<S: Store> Sequencer<S> {
    /// Answers requests that change nothing. Like a failed batch, without the tenure they learn only that.
    pub(super) fn answer_unchanged(&self, answers: Vec<Answer>) {
        match self.shared.store.tenure().obstacle() {
            None => acknowledge(answers, None),
            Some(reason) => self.fail(answers, &Error::unavailable(reason)),
        }
    }

    /// Nothing of the batch is acknowledged: rejected requests get their own reason, the others the reason the batch failed. A reason
    /// of their own rests on what is in memory, which is the log only while the tenure is held: a process that was paused may have been
    /// taken over, and would reject what the log takes.
    pub(super) fn fail(&self, answers: Vec<Answer>, error: &Error) {
        let is_current = self.shared.store.tenure().obstacle().is_none();
        for (caller, done) in answers {
            let reason = done.err().filter(|_| is_current).unwrap_or_else(|| error.clone());
            caller.answer(Err(reason));
        }
    }
}

/// Answers every caller of a batch, with what it was committed in if anything was.
pub(super) fn acknowledge(answers: Vec<Answer>, committed: Option<&Arc<Committed>>) {
    for (caller, done) in answers {
        caller.answer(done.map(|done| (done, committed.cloned())));
    }
}

/// Requests that were not looked at.
pub(super) fn refuse(requests: Vec<Waiting>, reason: &str) {
    requests.into_iter().for_each(|waiting| waiting.caller.answer(Err(Error::unavailable(reason))));
}
