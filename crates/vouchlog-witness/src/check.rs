//! The checks of an add-checkpoint request that need no more than the log's keys. They run on the caller's task, many at a
//! time, so that the one thread that cosigns spends its time on what only it can do.

use std::sync::Arc;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::{ConsistencyProof, TreeSize};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, CheckpointError, Origin, SignatureLine, UnverifiedNote, VerifyingKey,
};
use vouchlog_stream::{RetirementProof, SuccessionError, TextError};

use crate::logs::{KnownLog, Logs};

/// A checkpoint signed by a log the witness knows, which claims to extend the one of size `old_size`.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) log: Arc<KnownLog>,
    pub(crate) old_size: TreeSize,
    pub(crate) proof: ConsistencyProof,
    pub(crate) tree: ClaimedTree,
    /// The checkpoint with those of its lines that the log's keys verified. A stranger may have added any other, also one that
    /// imitates the witness.
    pub(crate) note: String,
    /// Whether the log has ended with it.
    pub(crate) retires: bool,
}

/// What the log signed.
#[derive(Debug)]
pub(crate) enum ClaimedTree {
    Checkpoint(Checkpoint),
    /// A tree of no leaves with a root that no such tree has. Whether to say so comes after the old size was compared.
    FalseEmpty,
}

/// Checks what can be checked without the witness's state, in the order of tlog-witness.
pub(crate) fn check(logs: &Logs, request: &AddCheckpoint) -> Result<Claim> {
    // SPEC: a checkpoint that cannot be read is a bad request.
    let tree = read_tree(request.note())?;
    // SPEC: the origin must be known, or the answer is "not found".
    let log = known_log(logs, request.note())?;
    // SPEC: a signature of a trusted key must verify, and none may fail, or the request is forbidden.
    let note = verify(request.note(), &log)?;
    log.count_request()?;
    if let ClaimedTree::Checkpoint(checkpoint) = &tree {
        refuse_extensions(checkpoint)?;
    }
    // SPEC: the old size must not exceed the checkpoint's, or the request is bad.
    let (old_size, size) = (request.old_size(), tree.size());
    if old_size > size {
        return Err(Error::invalid(format!(
            "the old size {old_size} is larger than the checkpoint's, {size}"
        )));
    }
    Ok(Claim { log, old_size, proof: request.proof().clone(), tree, note, retires: false })
}

/// Checks the proof that a log has ended. What it claims of the tree is that the final checkpoint is the one cosigned last: a log sends
/// its heads by itself, the last one too.
pub(crate) fn check_retirement(logs: &Logs, proof: &str) -> Result<Claim> {
    let proof = RetirementProof::open(proof.as_bytes()).map_err(|error| match &error {
        SuccessionError::Checkpoint(_) | SuccessionError::Text(TextError::Note(_)) => {
            forbidden(error.to_string())
        }
        _ => Error::invalid(error.to_string()),
    })?;
    let invalid = |error: &dyn std::fmt::Display| Error::invalid(error.to_string());
    let note = UnverifiedNote::parse(proof.checkpoint().as_bytes()).map_err(|error| invalid(&error))?;
    let no_proof = ConsistencyProof::from_hashes(Vec::new()).map_err(|error| invalid(&error))?;
    let request = AddCheckpoint::new(proof.head().size, no_proof, note).map_err(|error| invalid(&error))?;
    let claim = check(logs, &request)?;
    if !claim.log.keys().contains(&proof.retirement().log) {
        return Err(forbidden("the log that this witness knows has another key".to_owned()));
    }
    Ok(Claim { retires: true, ..claim })
}

impl ClaimedTree {
    fn size(&self) -> TreeSize {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.head().size,
            Self::FalseEmpty => TreeSize::new(0),
        }
    }
}

/// Reads what the log, if it was the log, signed. Nothing of it is believed yet.
fn read_tree(note: &UnverifiedNote) -> Result<ClaimedTree> {
    match Checkpoint::parse(note.unverified_text()) {
        Ok(checkpoint) => Ok(ClaimedTree::Checkpoint(checkpoint)),
        Err(CheckpointError::EmptyTreeRoot) => Ok(ClaimedTree::FalseEmpty),
        Err(error) => Err(Error::invalid(format!("the checkpoint cannot be read: {error}"))),
    }
}

/// The log a checkpoint says it is of.
pub(crate) fn known_log(logs: &Logs, note: &UnverifiedNote) -> Result<Arc<KnownLog>> {
    let origin = note.unverified_text().split('\n').next().unwrap_or_default();
    let log = Origin::new(origin).ok().and_then(|origin| logs.get(&origin).cloned());
    log.ok_or_else(|| Error::not_found("this witness does not know the checkpoint's log"))
}

/// The checkpoint with the log's lines only, each of which verified.
fn verify(note: &UnverifiedNote, log: &KnownLog) -> Result<String> {
    refuse_repeats(note.lines(), log.keys()).map_err(forbidden)?;
    match note.clone().verify(log.keys()) {
        Ok(verified) => Ok(verified.verified_note()),
        Err(error) => Err(forbidden(format!("the checkpoint has no valid signature of the log: {error}"))),
    }
}

/// A second line of one key would be an unchecked line of a trusted key.
pub(crate) fn refuse_repeats(lines: &[SignatureLine], keys: &[VerifyingKey]) -> Result<(), String> {
    for key in keys {
        let of_key = |line: &&SignatureLine| line.id() == key.id() && line.name() == key.name();
        if lines.iter().filter(of_key).count() > 1 {
            return Err(format!("the checkpoint has two lines of {}+{}", key.name(), key.id()));
        }
    }
    Ok(())
}

/// Extension lines are not cosigned. An ML-DSA-44 cosignature does not cover them, so a client that trusts it would read unsigned lines
/// beside a valid signature; an Ed25519 one may stop covering them too. Sunlight's witness refuses them as well, and checkpoints in
/// the field have none.
fn refuse_extensions(checkpoint: &Checkpoint) -> Result<()> {
    match checkpoint.extensions().len() {
        0 => Ok(()),
        lines => Err(Error::invalid(format!(
            "the checkpoint has {lines} extension lines, and this witness cosigns none, because not every cosignature covers them"
        ))),
    }
}

pub(crate) fn forbidden(message: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, message)
}
