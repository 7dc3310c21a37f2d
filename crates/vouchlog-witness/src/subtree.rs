//! sign-subtree: a signature over part of a tree the witness cosigned. It needs nothing the witness remembers, since the
//! request brings a checkpoint with a cosignature of the witness itself.

use vouchlog_api::{Error, ErrorKind};
use vouchlog_note::{Checkpoint, NoteError, SignSubtree, SignatureType, SigningKey, VerifyingKey};

use crate::check::{forbidden, known_log, refuse_repeats};
use crate::logs::Logs;

/// Checks a request in the order of tlog-witness and signs, with every key that can.
pub(crate) fn sign_subtree(
    keys: &[SigningKey],
    vkeys: &[VerifyingKey],
    logs: &Logs,
    request: &SignSubtree,
) -> vouchlog_api::Result<String> {
    let signers: Vec<_> =
        keys.iter().filter(|key| key.verifying_key().signature_type() == SignatureType::MlDsa44).collect();
    if signers.is_empty() {
        let message = "this witness has no ML-DSA-44 key, which is required to sign subtrees";
        return Err(Error::new(ErrorKind::FailedPrecondition, message));
    }
    // SPEC: what cannot be read is a bad request, and so is a subtree that ends outside the tree.
    let (note, subtree) = (request.note(), request.subtree());
    let checkpoint = Checkpoint::parse(note.unverified_text())
        .map_err(|error| Error::invalid(format!("the checkpoint cannot be read: {error}")))?;
    let head = checkpoint.head();
    if subtree.end() > head.size.get() {
        let end = subtree.end();
        return Err(Error::invalid(format!("the subtree ends at {end}, but the tree at {}", head.size)));
    }
    // SPEC: the origin must be known, or the answer is "not found".
    known_log(logs, note)?;
    // SPEC: the witness must have cosigned the checkpoint, or the request is forbidden.
    refuse_repeats(note.lines(), vkeys).map_err(forbidden)?;
    note.clone()
        .verify(vkeys)
        .map_err(|error| forbidden(format!("this witness did not cosign the checkpoint: {error}")))?;
    // SPEC: the proof leads from the subtree to the checkpoint.
    request.proof().verify(subtree, request.hash(), &head).map_err(|error| {
        Error::new(ErrorKind::Inconsistent, format!("the proof of the subtree does not hold: {error}"))
    })?;
    let line = |key: &&SigningKey| {
        key.cosign_subtree(checkpoint.origin(), subtree, request.hash()).map(|line| format!("{line}\n"))
    };
    signers.iter().map(line).collect::<Result<String, NoteError>>().map_err(|error| {
        tracing::error!(%error, "a key of the witness cannot sign a subtree");
        Error::internal("the witness cannot sign this subtree")
    })
}
