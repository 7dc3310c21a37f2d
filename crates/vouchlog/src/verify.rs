//! Checks offline that an entry is in a log: a proof file, the log's vkey, and what the caller says was logged.
//!
//! A tlog-proof file proves a leaf hash, so a verifier needs the entry as well. Files written by this program carry the entry
//! in their `extra` line. No signature covers that line, and none needs to: the entry is hashed here, and only the entry that
//! is in the tree leads to the signed root.

use thiserror::Error;
use vouchlog_merkle::{LeafIndex, ProofError, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{
    CheckpointError, Origin, Policy, PolicyCosignature, PolicyError, ProofFile, ProofFileError,
    SignedCheckpoint, VerifyingKey,
};
use vouchlog_stream::{Digest, Entry, Opening, OpeningError, StatementEntry};

/// What was logged, as the caller knows it.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// A statement with this digest. The proof file has to carry the entry.
    Digest(Digest),
    /// This very entry; of any log, ours or not.
    Entry(&'a [u8]),
    /// A commitment to this record. The proof file has to carry the entry.
    Record(&'a [u8], &'a Opening),
}

/// What was verified.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The log, whose key signed the checkpoint.
    pub origin: Origin,
    /// Where the entry is.
    pub index: LeafIndex,
    /// The entry; none when it is not in a format of ours.
    pub entry: Option<Entry>,
    /// Size of the tree under the checkpoint.
    pub size: TreeSize,
    /// The witnesses that cosigned the checkpoint, as far as a policy names them.
    pub witnesses: Vec<PolicyCosignature>,
    /// When the witnesses first saw the entry in the log, as far as their times bound it.
    pub witnessed: Option<Witnessed>,
}

/// The interval in which the witnesses came to see an entry, in POSIX seconds by their own clocks. It holds if at least one of those
/// that make up the quorum is honest and has its clock right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// None of them can have seen it before: the earliest of the cosignatures of an earlier checkpoint that lacks the entry.
    pub after: Option<u64>,
    /// By then all of them had seen it: the latest of the cosignatures of the checkpoint that has it.
    pub until: u64,
}

impl Verified {
    /// The entry, if it is a statement.
    pub fn statement(&self) -> Option<&StatementEntry> {
        match &self.entry {
            Some(Entry::Statement(statement)) => Some(statement),
            _ => None,
        }
    }
}

/// Why the evidence does not hold; or, [`NoEntry`](VerifyError::NoEntry) and [`LogKey`](VerifyError::LogKey), why it could
/// not be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The key cannot be a log's.
    #[error("the key is not a log's key: {0}")]
    LogKey(CheckpointError),
    /// The proof file carries no entry, and the caller brought none.
    #[error("the proof file does not contain its entry")]
    NoEntry,
    /// The proof file is malformed.
    #[error("the proof file is malformed: {0}")]
    ProofFile(ProofFileError),
    /// The checkpoint is not the log's.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not satisfy the policy.
    #[error("the checkpoint does not satisfy the policy: {0}")]
    Policy(#[from] PolicyError),
    /// The record is not the one committed to.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The entry in the proof file is not a statement.
    #[error("the proof file is for an entry that is not a statement")]
    NotAStatement,
    /// The statement in the proof file has another digest.
    #[error("the proof file is for the digest {logged}, not {claimed}")]
    OtherDigest {
        /// Digest the caller claims was logged.
        claimed: Digest,
        /// Digest in the proof file's entry.
        logged: Digest,
    },
    /// The earlier checkpoint is not one that lacks the entry.
    #[error(
        "the earlier checkpoint has {size} entries, so it sets no lower bound: it already covers the entry at index {index}"
    )]
    NotEarlier {
        /// Its size.
        size: TreeSize,
        /// Where the entry is.
        index: LeafIndex,
    },
    /// The proof does not lead from the entry to the root.
    #[error("the entry is not in the log at index {index}: {error}")]
    NotIncluded {
        /// Where the file says it is.
        index: LeafIndex,
        /// Where the proof fails.
        error: ProofError,
    },
}

impl VerifyError {
    /// Whether the evidence was checked and does not hold. Otherwise it could not be checked.
    pub fn is_finding(&self) -> bool {
        !matches!(self, Self::LogKey(_) | Self::NoEntry | Self::NotEarlier { .. })
    }
}

/// Verifies that `log` signed a tree with the claimed entry at the place `proof_file` says, and that the checkpoint
/// satisfies `policy`, if there is one.
pub fn verify(
    proof_file: &[u8],
    log: &VerifyingKey,
    policy: Option<&Policy>,
    claim: Claim<'_>,
) -> Result<Verified, VerifyError> {
    // SPEC: a log's key is named by its origin (tlog-checkpoint).
    let origin = Origin::new(log.name().as_str()).map_err(VerifyError::LogKey)?;
    let file = ProofFile::parse(proof_file).map_err(VerifyError::ProofFile)?;
    let bytes = claimed_entry(&file, claim)?;
    let (head, witnesses, witnessed) = checkpoint(&file, &origin, log, policy)?;
    file.proof()
        .verify(file.index(), head.size, &leaf_hash(bytes), &head.root)
        .map_err(|error| VerifyError::NotIncluded { index: file.index(), error })?;
    let entry = Entry::decode(bytes).ok();
    Ok(Verified { origin, index: file.index(), entry, size: head.size, witnesses, witnessed })
}

impl Verified {
    /// Bounds the time from below with an earlier checkpoint of the same log that satisfies the same policy and does not have the
    /// entry yet.
    pub fn after(mut self, earlier: &[u8], log: &VerifyingKey, policy: &Policy) -> Result<Self, VerifyError> {
        let earlier = policy.verify_checkpoint_of(earlier, &self.origin, [log])?;
        let size = earlier.head().size;
        if size.contains(self.index) {
            return Err(VerifyError::NotEarlier { size, index: self.index });
        }
        if let Some(witnessed) = &mut self.witnessed {
            witnessed.after = earlier.witnessed_between().map(|(earliest, _)| earliest);
        }
        Ok(self)
    }
}

/// The bytes of the entry that must be in the log for the claim to hold.
fn claimed_entry<'a>(file: &'a ProofFile, claim: Claim<'a>) -> Result<&'a [u8], VerifyError> {
    let claimed = match claim {
        Claim::Entry(entry) => return Ok(entry),
        Claim::Digest(digest) => digest,
        Claim::Record(record, opening) => {
            opening.check(record)?;
            opening.digest()
        }
    };
    let bytes = file.extra().ok_or(VerifyError::NoEntry)?;
    let Ok(Entry::Statement(entry)) = Entry::decode(bytes) else { return Err(VerifyError::NotAStatement) };
    let logged = entry.statement.digest;
    if logged == claimed { Ok(bytes) } else { Err(VerifyError::OtherDigest { claimed, logged }) }
}

fn checkpoint(
    file: &ProofFile,
    origin: &Origin,
    log: &VerifyingKey,
    policy: Option<&Policy>,
) -> Result<(TreeHead, Vec<PolicyCosignature>, Option<Witnessed>), VerifyError> {
    let note = file.note().as_str().as_bytes();
    match policy {
        None => Ok((SignedCheckpoint::open(note, origin, log)?.head(), Vec::new(), None)),
        Some(policy) => {
            let checkpoint = policy.verify_checkpoint_of(note, origin, [log])?;
            let between = checkpoint.witnessed_between();
            let witnessed = between.map(|(_, until)| Witnessed { after: None, until });
            Ok((checkpoint.head(), checkpoint.cosignatures().to_vec(), witnessed))
        }
    }
}

/// The same proof file with the entry in its `extra` line.
pub fn with_entry(file: &ProofFile, entry: &[u8]) -> Result<ProofFile, ProofFileError> {
    ProofFile::new(Some(entry.to_vec()), file.index(), file.proof().clone(), file.note().clone())
}

#[cfg(test)]
mod tests;
