//! A head on its way to the witnesses, and the cosignatures that have come back for it.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{Span, info_span};
use vouchlog_api::{LogReader, Result, proof};
use vouchlog_merkle::{ConsistencyProof, TreeSize};
use vouchlog_note::{CheckpointError, Policy, SignedCheckpoint, UnverifiedNote, VerifyingKey};
use vouchlog_storage::Store;

use crate::publish::{Published, Publisher, Sequenced};
use crate::state::Shared;

/// A head that witnesses are asked to cosign.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The note by the log alone: foreign lines would only use up what a witness reads (16 KiB at some).
    by_log: UnverifiedNote,
    signed: Mutex<SignedCheckpoint>,
    size: TreeSize,
    /// The round in which it is brought to the witnesses.
    round: Span,
    /// Whether the policy is satisfied. Every response counts, also one that changes nothing.
    satisfied: watch::Sender<bool>,
    /// Consistency proofs to this head, by the size they begin at: most witnesses are at the same one.
    proofs: tokio::sync::Mutex<HashMap<TreeSize, ConsistencyProof>>,
}

impl Candidate {
    pub(crate) fn new<S>(head: &Sequenced, shared: &Shared<S>) -> Result<Self, CheckpointError> {
        let note = head.checkpoint().as_bytes();
        let signed = SignedCheckpoint::open_with_keys(note, &shared.origin, &shared.log_keys)?;
        Ok(Self {
            by_log: UnverifiedNote::parse(note)?,
            size: signed.head().size,
            round: info_span!(parent: &shared.span, "round", size = signed.head().size.get()),
            signed: Mutex::new(signed),
            satisfied: watch::Sender::new(false),
            proofs: tokio::sync::Mutex::default(),
        })
    }

    /// The candidate after `self`. One of the same head goes on with the cosignatures there are, and gets newer ones.
    pub(crate) fn following<S: Store>(
        &self,
        head: &Sequenced,
        shared: &Shared<S>,
    ) -> Result<Self, CheckpointError> {
        let next = Self::new(head, shared)?;
        if next.size == self.size {
            *next.signed.lock() = self.signed.lock().clone();
            next.satisfied.send_replace(*self.satisfied.borrow());
        }
        Ok(next)
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.size
    }

    /// The span of the round.
    pub(crate) fn round(&self) -> &Span {
        &self.round
    }

    pub(crate) fn note(&self) -> &UnverifiedNote {
        &self.by_log
    }

    pub(crate) fn is_satisfied(&self) -> bool {
        *self.satisfied.borrow()
    }

    /// Resolves once the policy is satisfied, or no response is pending.
    pub(crate) async fn settled(&self, nobody_left: impl Fn() -> bool) {
        // The sender lives as long as the candidate.
        let _ = self.satisfied.subscribe().wait_for(|satisfied| *satisfied || nobody_left()).await;
    }

    /// A witness has cosigned, or failed to.
    pub(crate) fn answered(&self) {
        self.satisfied.send_modify(|_| {});
    }

    /// The proof that this head extends the log's tree of `old` entries.
    pub(crate) async fn proof_from(&self, old: TreeSize, log: &impl LogReader) -> Result<ConsistencyProof> {
        if old == self.size || old.get() == 0 {
            return Ok(ConsistencyProof::from_hashes(Vec::new())?);
        }
        let mut proofs = self.proofs.lock().await;
        if let Some(known) = proofs.get(&old) {
            return Ok(known.clone());
        }
        let proof = proof::consistency(log, old, self.size).await?;
        proofs.insert(old, proof.clone());
        Ok(proof)
    }

    /// Takes a witness's answer, and publishes the checkpoint once it satisfies the policy; with every later cosignature too.
    ///
    /// # Errors
    /// If no line of the answer is a cosignature of this head by one of `keys`.
    pub(crate) fn add(
        &self,
        answer: &str,
        keys: &[VerifyingKey],
        policy: &Policy,
        publisher: &Publisher,
    ) -> Result<u64, CheckpointError> {
        let mut signed = self.signed.lock();
        let cosigned = signed.with_cosignatures(answer, keys)?;
        let signatures = cosigned.verified().signatures().iter();
        let times = signatures.filter(|signature| keys.contains(signature.key()));
        let timestamp = times.filter_map(vouchlog_note::VerifiedSignature::timestamp).max().unwrap_or(0);
        *signed = cosigned;
        if policy.satisfied_by(signed.verified()) {
            // Under the lock, so that a checkpoint is never followed by one with fewer cosignatures.
            publisher.publish(Published { size: self.size, checkpoint: signed.note().to_owned() });
            self.satisfied.send_replace(true);
        }
        Ok(timestamp)
    }
}
