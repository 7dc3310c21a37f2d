//! The log's signature under a tree head.

use vouchlog_merkle::TreeHead;
use vouchlog_note::{Checkpoint, CheckpointError, Origin, SignedCheckpoint, SigningKey, VerifyingKey};
use vouchlog_stream::LoggedAt;

/// A tree head with the log's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedHead {
    /// Size and root.
    pub(crate) tree: TreeHead,
    /// The signed checkpoint, a note.
    pub(crate) checkpoint: String,
}

/// The keys of a log: Ed25519, which the whole field reads, and ML-DSA-44 beside it, if the log has one.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) origin: Origin,
    pub(crate) ed25519: SigningKey,
    pub(crate) ml_dsa: Option<SigningKey>,
}

impl Signer {
    /// What its signatures are verified with.
    pub(crate) fn verifying_keys(&self) -> Vec<VerifyingKey> {
        [Some(&self.ed25519), self.ml_dsa.as_ref()]
            .into_iter()
            .flatten()
            .map(|key| key.verifying_key().clone())
            .collect()
    }

    /// Signs a committed head, or the empty tree's, at a time that an ML-DSA-44 signature states.
    pub(crate) fn sign(&self, tree: TreeHead, now: LoggedAt) -> Result<SignedHead, CheckpointError> {
        let checkpoint = Checkpoint::new(self.origin.clone(), tree);
        let ml_dsa = self.ml_dsa.as_ref().map(|key| (key, now.millis() / 1_000));
        let signed = SignedCheckpoint::sign_with(&checkpoint, &self.ed25519, ml_dsa)?;
        Ok(SignedHead { tree, checkpoint: signed.note().to_owned() })
    }
}
