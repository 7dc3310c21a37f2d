//! The log's signature under a tree head.

use vouchlog_merkle::TreeHead;
use vouchlog_note::{Checkpoint, CheckpointError, Origin, SignedCheckpoint, SigningKey};
use vouchlog_storage::Head;
use vouchlog_stream::LoggedAt;

/// The keys of a log: Ed25519, which the whole field reads, and ML-DSA-44 beside it, if the log has one.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) origin: Origin,
    pub(crate) ed25519: SigningKey,
    pub(crate) ml_dsa: Option<SigningKey>,
}

impl Signer {
    /// Signs a head, at a time that an ML-DSA-44 signature states.
    pub(crate) fn sign(&self, tree: TreeHead, now: LoggedAt) -> Result<Head, CheckpointError> {
        let checkpoint = Checkpoint::new(self.origin.clone(), tree);
        let ml_dsa = self.ml_dsa.as_ref().map(|key| (key, now.millis() / 1_000));
        let signed = SignedCheckpoint::sign_with(&checkpoint, &self.ed25519, ml_dsa)?;
        Ok(Head { tree, checkpoint: signed.note().to_owned() })
    }
}
