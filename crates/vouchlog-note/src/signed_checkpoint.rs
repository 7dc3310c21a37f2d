//! Checkpoints with a signature that holds: by the log itself, or by one cosigner with a clock.

use vouchlog_merkle::TreeHead;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::key::{KeyName, SignatureType, VerifyingKey};
use crate::note::{UnverifiedNote, VerifiedNote, parse_signature_lines};
use crate::note_error::NoteError;
use crate::signing::SigningKey;
use crate::verified_signature::VerifiedSignature;

/// A checkpoint its log signed (signature type 0x01, or 0x06 with a key called as the log): made by signing, or by
/// opening a note that verifies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedCheckpoint {
    note: VerifiedNote,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Signs `checkpoint` with a key of type 0x01. The log signs no two heads without a consistency proof between
    /// them; keeping that promise is the caller's work.
    ///
    /// # Errors
    /// [`CheckpointError::KeyName`] if the key is not called as the log: witnesses and policies take such a key
    /// for another log's. [`NoteError::WrongKeyType`] if it is not of type 0x01.
    pub fn sign(checkpoint: &Checkpoint, key: &SigningKey) -> Result<Self, CheckpointError> {
        Self::sign_with(checkpoint, key, None)
    }

    /// As [`SignedCheckpoint::sign`], and a second time with a key of type 0x06, at a timestamp in POSIX seconds.
    /// The Ed25519 line stands first: there are readers of checkpoints that look no further.
    ///
    /// # Errors
    /// Those of [`SignedCheckpoint::sign`], for either key and its type; [`NoteError::Timestamp`] past 2^63 - 1.
    pub fn sign_with(
        checkpoint: &Checkpoint,
        ed25519: &SigningKey,
        ml_dsa: Option<(&SigningKey, u64)>,
    ) -> Result<Self, CheckpointError> {
        let text = checkpoint.text();
        let public = ed25519.verifying_key();
        check_key_name(public, checkpoint.origin())?;
        let line = ed25519.sign_note(&text)?;
        let mut signatures = vec![VerifiedSignature::from_signer(public, line, None)];
        if let Some((key, timestamp)) = ml_dsa {
            let public = key.verifying_key();
            check_key_name(public, checkpoint.origin())?;
            check_key_type(public, &[SignatureType::MlDsa44])?;
            let line = key.cosign(checkpoint, timestamp)?;
            signatures.push(VerifiedSignature::from_signer(public, line, Some(timestamp)));
        }
        Ok(Self { note: VerifiedNote::from_signer(&text, signatures), checkpoint: checkpoint.clone() })
    }

    /// Opens a note that should be a checkpoint of `origin`, signed with `log_key`.
    pub fn open(note: &[u8], origin: &Origin, log_key: &VerifyingKey) -> Result<Self, CheckpointError> {
        Self::open_with_keys(note, origin, [log_key])
    }

    /// Opens a note that should be a checkpoint of `origin`, signed with one or more of `log_keys`: for logs that
    /// change keys, or sign with keys of both types.
    ///
    /// # Errors
    /// Besides those of a note that does not verify: [`NoteError::WrongKeyType`] for a key of type 0x04, and
    /// [`CheckpointError::KeyName`] for one of type 0x06 that is not called as the log, since such keys say when a
    /// tree head was seen, and only the log says that the head is its own.
    /// [`CheckpointError::UnsignedExtensions`].
    pub fn open_with_keys<'k>(
        note: &[u8],
        origin: &Origin,
        log_keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Self, CheckpointError> {
        let log_keys: Vec<&VerifyingKey> = log_keys.into_iter().collect();
        for key in &log_keys {
            check_key_type(key, &[SignatureType::Ed25519, SignatureType::MlDsa44])?;
            if key.signature_type() == SignatureType::MlDsa44 {
                check_key_name(key, origin)?;
            }
        }
        let (note, checkpoint) = open(note, origin, log_keys)?;
        check_extensions(&checkpoint, note.signatures())?;
        Ok(Self { note, checkpoint })
    }

    /// Adds the lines of a witness's answer, each ending in LF, as far as they are cosignatures of this
    /// checkpoint by `witnesses`. Other lines are dropped (tlog-witness), of two cosignatures by one key the newer
    /// stays, and the result holds verified lines only.
    ///
    /// # Errors
    /// [`NoteError::InvalidSignature`] if a line by one of `witnesses` does not verify, and
    /// [`NoteError::NoKnownSignature`] if no line is by any of them.
    pub fn with_cosignatures<'k>(
        &self,
        answer: &str,
        witnesses: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Self, CheckpointError> {
        let lines = parse_signature_lines(answer)?;
        let cosigned = UnverifiedNote::from_parts(self.text(), lines)?.verify_without_repeats(witnesses)?;
        Ok(Self { note: self.note.joined_by(&cosigned)?, checkpoint: self.checkpoint.clone() })
    }

    /// The caller saw the log's signature among those verified in `note`, whose text is `checkpoint`, and no
    /// extension line that it leaves out.
    pub(crate) fn from_verified(note: VerifiedNote, checkpoint: Checkpoint) -> Self {
        Self { note, checkpoint }
    }

    /// Whether it carries a signature that is not by a key of the log's name. Nothing but a policy verifies that one.
    pub fn is_cosigned(&self) -> bool {
        let is_other = |name: &KeyName| name.as_str() != self.origin().as_str();
        self.note.signatures().iter().any(|signature| is_other(signature.key().name()))
            || self.note.ignored_lines().iter().any(|line| is_other(line.name()))
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        self.checkpoint.origin()
    }

    /// The tree head the log signed.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    /// The whole note, byte for byte as it was opened or signed.
    pub fn note(&self) -> &str {
        self.note.note()
    }

    /// The signed text, which ends in LF.
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note with its verified signatures.
    pub fn verified(&self) -> &VerifiedNote {
        &self.note
    }
}

/// A checkpoint one party cosigned with its clock (signature type 0x04), and no log: what a gateway says of its
/// stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CosignedCheckpoint {
    note: VerifiedNote,
    checkpoint: Checkpoint,
    timestamp: u64,
}

impl CosignedCheckpoint {
    /// Cosigns `checkpoint` at `timestamp`, in POSIX seconds.
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] if the key is not of type 0x04; [`NoteError::Timestamp`] past 2^63 - 1.
    pub fn sign(checkpoint: &Checkpoint, key: &SigningKey, timestamp: u64) -> Result<Self, CheckpointError> {
        let public = key.verifying_key();
        check_key_type(public, &[SignatureType::CosignatureEd25519])?;
        let line = key.cosign(checkpoint, timestamp)?;
        let signature = VerifiedSignature::from_signer(public, line, Some(timestamp));
        let note = VerifiedNote::from_signer(&checkpoint.text(), vec![signature]);
        Ok(Self { note, checkpoint: checkpoint.clone(), timestamp })
    }

    /// Opens a note that should be a checkpoint of `origin`, cosigned with `key`.
    pub fn open(note: &[u8], origin: &Origin, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        check_key_type(key, &[SignatureType::CosignatureEd25519])?;
        let (note, checkpoint) = open(note, origin, [key])?;
        let timestamp = note.signatures().iter().find_map(VerifiedSignature::timestamp);
        let timestamp = timestamp.expect("one cosignature verified, and each has a timestamp");
        Ok(Self { note, checkpoint, timestamp })
    }

    /// The name of the log or stream.
    pub fn origin(&self) -> &Origin {
        self.checkpoint.origin()
    }

    /// The tree head that was cosigned.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    /// When it was cosigned, in POSIX seconds by the cosigner's clock.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The whole note, byte for byte as it was opened or cosigned.
    pub fn note(&self) -> &str {
        self.note.note()
    }

    /// The text of the checkpoint, which ends in LF.
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

fn open<'k>(
    note: &[u8],
    origin: &Origin,
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<(VerifiedNote, Checkpoint), CheckpointError> {
    // SPEC: nothing of the text is used, not even its origin, before a signature verifies.
    let note = UnverifiedNote::parse(note)?.verify_without_repeats(keys)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    if checkpoint.origin() != origin {
        let actual = checkpoint.origin().clone();
        return Err(CheckpointError::OtherOrigin { expected: origin.clone(), actual });
    }
    Ok((note, checkpoint))
}

fn check_key_type(key: &VerifyingKey, needed: &'static [SignatureType]) -> Result<(), NoteError> {
    if needed.contains(&key.signature_type()) { Ok(()) } else { Err(NoteError::wrong_key_type(key, needed)) }
}

fn check_key_name(key: &VerifyingKey, origin: &Origin) -> Result<(), CheckpointError> {
    if key.name().as_str() == origin.as_str() {
        return Ok(());
    }
    Err(CheckpointError::KeyName { key_name: key.name().to_string(), origin: origin.clone() })
}

/// Checks that the log, whose signatures are given, signed every line of the checkpoint.
///
/// SPEC: type 0x06 leaves out the extension lines (tlog-cosignature). Anyone on the way may have written them.
pub(crate) fn check_extensions<'s>(
    checkpoint: &Checkpoint,
    by_log: impl IntoIterator<Item = &'s VerifiedSignature>,
) -> Result<(), CheckpointError> {
    let mut by_log = by_log.into_iter();
    let covers_text =
        |signature: &VerifiedSignature| signature.key().signature_type() == SignatureType::Ed25519;
    if checkpoint.extensions().is_empty() || by_log.any(covers_text) {
        return Ok(());
    }
    Err(CheckpointError::UnsignedExtensions)
}
