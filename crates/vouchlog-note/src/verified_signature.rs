//! Checking signature lines, by the rules all notes share.

use ed25519_dalek::{Signature, Verifier};
use vouchlog_merkle::Subtree;

use crate::checkpoint::Checkpoint;
use crate::cosignature::{cosigned_message, split_timestamped_signature, subtree_message};
use crate::key::{KeyMaterial, VerifyingKey};
use crate::note_error::NoteError;
use crate::signature_line::SignatureLine;

/// A signature that was verified, with the key that did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedSignature {
    key: VerifyingKey,
    line: SignatureLine,
    timestamp: Option<u64>,
}

impl VerifiedSignature {
    /// A signature just made: it needs no check by the same key.
    pub(crate) fn from_signer(key: &VerifyingKey, line: SignatureLine, timestamp: Option<u64>) -> Self {
        Self { key: key.clone(), line, timestamp }
    }

    /// The key that verified it.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The line that holds it.
    pub fn line(&self) -> &SignatureLine {
        &self.line
    }

    /// When it was made, in POSIX seconds by the cosigner's clock; `None` for a signature without timestamp.
    pub fn timestamp(&self) -> Option<u64> {
        self.timestamp
    }
}

/// What to make of a second line by one key.
#[derive(Clone, Copy)]
pub(crate) enum Repeats {
    /// What Go does with any note.
    Ignore,
    /// For checkpoints, where a second line of a cosigner would carry a second timestamp.
    Refuse,
}

/// The verdict on one line of a known key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Valid { timestamp: Option<u64> },
    Invalid,
}

/// Verifies the lines that are by one of `keys` with `check`, which is given the key and the line's payload, and
/// answers them beside the others.
pub(crate) fn verify_lines<'k>(
    lines: Vec<SignatureLine>,
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
    repeats: Repeats,
    check: impl Fn(&VerifyingKey, &[u8]) -> Verdict,
) -> Result<(Vec<VerifiedSignature>, Vec<SignatureLine>), NoteError> {
    let keys: Vec<&VerifyingKey> = keys.into_iter().collect();
    let mut verified: Vec<VerifiedSignature> = Vec::with_capacity(lines.len().min(keys.len()));
    let mut ignored = Vec::new();
    let count = lines.len();

    for line in lines {
        let mut candidates = keys.iter().filter(|key| line.is_by(key));
        let Some(key) = candidates.next() else {
            ignored.push(line);
            continue;
        };
        // SPEC: of two configured keys with one name and ID, none can be told to have signed.
        if candidates.next().is_some() {
            return Err(NoteError::ambiguous(&line));
        }
        if verified.iter().any(|known| known.key == **key) {
            match repeats {
                Repeats::Ignore => continue,
                Repeats::Refuse => return Err(NoteError::repeated(&line)),
            }
        }
        match check(key, line.payload()) {
            Verdict::Valid { timestamp } => {
                verified.push(VerifiedSignature { key: (*key).clone(), line, timestamp });
            }
            // SPEC: a failing line of a known key refuses the whole note, because the note was altered.
            Verdict::Invalid => return Err(NoteError::invalid(&line)),
        }
    }
    // SPEC: a note that no known key signed must be refused.
    if verified.is_empty() {
        return Err(NoteError::NoKnownSignature { lines: count, keys: keys.len() });
    }
    Ok((verified, ignored))
}

/// The verdict on a signature of a note with this text.
pub(crate) fn check_note_signature(key: &VerifyingKey, text: &str, payload: &[u8]) -> Verdict {
    match key.material() {
        KeyMaterial::Ed25519(key) => verdict(None, verifies_ed25519(key, text.as_bytes(), payload)),
        KeyMaterial::CosignatureEd25519(key) => {
            let Some((timestamp, signature)) = split_timestamped_signature(payload) else {
                return Verdict::Invalid;
            };
            let message = cosigned_message(timestamp, text);
            verdict(Some(timestamp), verifies_ed25519(key, message.as_bytes(), signature))
        }
        KeyMaterial::MlDsa44(public_key) => {
            let Some((timestamp, signature)) = split_timestamped_signature(payload) else {
                return Verdict::Invalid;
            };
            // What is signed is the tree, not the text: a text that names no tree cannot be signed this way.
            let Ok(checkpoint) = Checkpoint::parse(text) else { return Verdict::Invalid };
            let (head, subtree) = (checkpoint.head(), whole_tree(&checkpoint));
            let message = subtree_message(key.name(), timestamp, checkpoint.origin(), subtree, &head.root);
            verdict(Some(timestamp), public_key.verifies(&message, signature))
        }
    }
}

fn verdict(timestamp: Option<u64>, is_valid: bool) -> Verdict {
    if is_valid { Verdict::Valid { timestamp } } else { Verdict::Invalid }
}

fn verifies_ed25519(key: &ed25519_dalek::VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// All leaves of the checkpoint's tree.
pub(crate) fn whole_tree(checkpoint: &Checkpoint) -> Subtree {
    Subtree::new(0, checkpoint.head().size.get()).expect("leaves from 0 on are a subtree of any tree")
}

#[cfg(test)]
mod tests;
