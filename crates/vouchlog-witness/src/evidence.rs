//! Checkpoints that a log signed and a witness refused, because they contradict what it cosigned: evidence against the log, or
//! against the holder of its key.

use std::collections::HashMap;

use vouchlog_merkle::{Hash, sha256};
use vouchlog_note::Origin;
use vouchlog_runtime::UnixSeconds;

use crate::limits;

/// Why a checkpoint that its log signed was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// It has the size of the latest checkpoint and another root: the log signed two histories.
    OtherRoot,
    /// It is of an empty tree, with a root no empty tree has: the log signed what cannot be.
    EmptyTreeRoot,
    /// It is beyond the end of a log that has ended: someone else has the log's key, or the log goes on.
    AfterRetirement,
    /// The proof does not lead from the latest checkpoint to it. Proves nothing by itself, since anyone can send a log's
    /// checkpoint with a broken proof; an auditor who asks the log for the right one finds out.
    Unproven,
}

impl RefusalReason {
    /// One word for files and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherRoot => "other-root",
            Self::EmptyTreeRoot => "empty-tree-root",
            Self::AfterRetirement => "after-retirement",
            Self::Unproven => "unproven",
        }
    }

    /// The reason of a word of [`as_str`](Self::as_str).
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::OtherRoot, Self::EmptyTreeRoot, Self::AfterRetirement, Self::Unproven]
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }

    /// Whether the refused checkpoint, with the latest one, proves by itself that the log misbehaved; with
    /// [`AfterRetirement`](Self::AfterRetirement), together with the proof that the log has ended.
    pub fn is_proof(self) -> bool {
        self != Self::Unproven
    }
}

/// A refused checkpoint with what it contradicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The log.
    pub origin: Origin,
    /// The checkpoint the witness had cosigned last, a note; none for a log that had none.
    pub latest: Option<String>,
    /// The refused add-checkpoint request, with those of the checkpoint's signature lines that are the log's and verify.
    pub request: String,
    /// Why it was refused.
    pub reason: RefusalReason,
    /// When it was refused, by the witness's clock.
    pub refused_at: UnixSeconds,
}

/// Keeps refusals. Called on the witness's own thread, after the response was sent; while it works, no checkpoint is
/// cosigned. The witness bounds how many it hands over of one log ([`limits::MAX_PROVEN_REFUSALS_PER_LOG`],
/// [`limits::MAX_UNPROVEN_REFUSALS_PER_LOG`]), counted from its start, and repeats none.
///
/// Any closure from a [`Refusal`] is one.
pub trait RefusalSink: Send + Sync + 'static {
    /// Keeps it.
    ///
    /// # Errors
    /// In words for the operator; the witness goes on.
    fn keep(&self, refusal: &Refusal) -> Result<(), String>;
}

impl<F: Fn(&Refusal) -> Result<(), String> + Send + Sync + 'static> RefusalSink for F {
    fn keep(&self, refusal: &Refusal) -> Result<(), String> {
        self(refusal)
    }
}

/// Which refusals were handed over, so that repeats are not and no log has more than its share.
#[derive(Debug, Default)]
pub(crate) struct Ledger(HashMap<Hash, Vec<(RefusalReason, Hash)>>);

impl Ledger {
    /// Whether to keep the refusal of a checkpoint; counts it if so.
    pub(crate) fn admit(&mut self, origin: Hash, reason: RefusalReason, checkpoint: &str) -> bool {
        let seen = self.0.entry(origin).or_default();
        let checkpoint = sha256(checkpoint.as_bytes());
        let kept = seen.iter().filter(|(other, _)| other.is_proof() == reason.is_proof()).count();
        let limit = if reason.is_proof() {
            limits::MAX_PROVEN_REFUSALS_PER_LOG
        } else {
            limits::MAX_UNPROVEN_REFUSALS_PER_LOG
        };
        if kept >= limit || seen.contains(&(reason, checkpoint)) {
            return false;
        }
        seen.push((reason, checkpoint));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anyone_can_make_does_not_crowd_out_what_only_the_log_can() {
        let mut ledger = Ledger::default();
        let (log, other) = (Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32]));
        let many = |ledger: &mut Ledger, log, reason| {
            (0..100).filter(|at| ledger.admit(log, reason, &format!("checkpoint {at}"))).count()
        };
        assert_eq!(many(&mut ledger, log, RefusalReason::Unproven), limits::MAX_UNPROVEN_REFUSALS_PER_LOG);
        assert_eq!(many(&mut ledger, log, RefusalReason::OtherRoot), limits::MAX_PROVEN_REFUSALS_PER_LOG);
        assert_eq!(many(&mut ledger, log, RefusalReason::EmptyTreeRoot), 0, "they share their room");
        assert!(ledger.admit(other, RefusalReason::Unproven, "checkpoint 0"), "another log has its own");
        assert!(!ledger.admit(other, RefusalReason::Unproven, "checkpoint 0"), "a repeat is not kept");
        assert!(ledger.admit(other, RefusalReason::OtherRoot, "checkpoint 0"));
    }
}
