//! Checkpoints with a signature that holds: by the log itself, or by one cosigner with a clock.

use vouchlog_merkle::TreeHead;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::key::{SignatureType, VerifyingKey};
use crate::note::{NoteError, UnverifiedNote, VerifiedNote, VerifiedSignature, parse_signature_lines};
use crate::signing::SigningKey;

/// A checkpoint its log signed (signature type 0x01): made by signing, or by opening a note that verifies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedCheckpoint {
    note: VerifiedNote,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Signs `checkpoint`. The log signs no two heads without a consistency proof between them; keeping that
    /// promise is the caller's work.
    ///
    /// # Errors
    /// [`CheckpointError::KeyName`] if the key is not called as the log: witnesses and policies take such a key
    /// for another log's. [`NoteError::WrongKeyType`] if it is not of type 0x01.
    pub fn sign(checkpoint: &Checkpoint, key: &SigningKey) -> Result<Self, CheckpointError> {
        let public = key.verifying_key();
        if public.name().as_str() != checkpoint.origin().as_str() {
            let key_name = public.name().to_string();
            return Err(CheckpointError::KeyName { key_name, origin: checkpoint.origin().clone() });
        }
        let text = checkpoint.text();
        let line = key.sign_note(&text)?;
        let note = VerifiedNote::from_signer(&text, public, line, None);
        Ok(Self { note, checkpoint: checkpoint.clone() })
    }

    /// Opens a note that should be a checkpoint of `origin`, signed with `log_key`.
    pub fn open(note: &[u8], origin: &Origin, log_key: &VerifyingKey) -> Result<Self, CheckpointError> {
        Self::open_with_keys(note, origin, [log_key])
    }

    /// Opens a note that should be a checkpoint of `origin`, signed with one or more of `log_keys`: for logs
    /// that change keys. Every key is of type 0x01; ML-DSA-44 keys may stand among them and are not enough.
    pub fn open_with_keys<'k>(
        note: &[u8],
        origin: &Origin,
        log_keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Self, CheckpointError> {
        let log_keys: Vec<&VerifyingKey> = log_keys.into_iter().collect();
        for key in &log_keys {
            // A cosignature says when a head was seen; only the log says that the head is its own.
            if key.signature_type() == SignatureType::CosignatureEd25519 {
                return Err(wrong_type(key, SignatureType::Ed25519).into());
            }
        }
        let (note, checkpoint) = open(note, origin, log_keys)?;
        Ok(Self { note, checkpoint })
    }

    /// Adds the lines of a witness's answer, each ending in LF, as far as they are cosignatures of this
    /// checkpoint by `witnesses`. Other lines are dropped (tlog-witness), a newer cosignature replaces an older
    /// one, and the result holds verified lines only.
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

    /// The caller saw the log's signature among those verified in `note`, whose text is `checkpoint`.
    pub(crate) fn from_verified(note: VerifiedNote, checkpoint: Checkpoint) -> Self {
        Self { note, checkpoint }
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
        let text = checkpoint.text();
        let line = key.cosign(&text, timestamp)?;
        let note = VerifiedNote::from_signer(&text, key.verifying_key(), line, Some(timestamp));
        Ok(Self { note, checkpoint: checkpoint.clone(), timestamp })
    }

    /// Opens a note that should be a checkpoint of `origin`, cosigned with `key`.
    pub fn open(note: &[u8], origin: &Origin, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        if key.signature_type() != SignatureType::CosignatureEd25519 {
            return Err(wrong_type(key, SignatureType::CosignatureEd25519).into());
        }
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

fn wrong_type(key: &VerifyingKey, needed: SignatureType) -> NoteError {
    NoteError::WrongKeyType { name: key.name().clone(), actual: key.signature_type(), needed }
}
