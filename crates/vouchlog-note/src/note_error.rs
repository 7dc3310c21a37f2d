//! Why a note is refused, and what its text must not hold.

use crate::key::{KeyId, KeyName, SignatureType, VerifyingKey};
use crate::signature_line::{LineError, SignatureLine};
use crate::signer::SignerError;
use crate::text::find_control_character;

/// Checks what holds for a note's text and for the whole note alike.
pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    if let Some((at, byte)) = find_control_character(text) {
        return Err(NoteError::ControlCharacter { at, byte });
    }
    if !text.ends_with('\n') {
        return Err(NoteError::NoFinalNewline);
    }
    Ok(())
}

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note was longer than the reader takes.
    #[error("the note has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the note.
        bytes: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// The note was not UTF-8.
    #[error("the note is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// The note held a control character other than LF.
    #[error("the note holds the control character {byte:#04x} at byte {at}")]
    ControlCharacter {
        /// Offset of the character.
        at: usize,
        /// The character.
        byte: u8,
    },
    /// The note or its text did not end in LF.
    #[error("the note's last line does not end in a newline")]
    NoFinalNewline,
    /// No blank line was followed by a signature line.
    #[error("the note has no signature line after a blank line")]
    NoSignatures,
    /// The note had more signature lines than the reader takes.
    #[error("the note has {lines} signature lines, the limit is {limit}")]
    TooManyLines {
        /// Lines of the note.
        lines: usize,
        /// Lines the reader takes.
        limit: usize,
    },
    /// A signature line was malformed.
    #[error("signature line {line} is malformed: {source}")]
    Line {
        /// Place of the line among the signature lines, counted from 1.
        line: usize,
        /// What was wrong with it.
        source: LineError,
    },
    /// Two of the given keys have the name and ID of one line: the configuration is at fault.
    #[error("two of the given keys are named {name}+{id}")]
    AmbiguousKey {
        /// Name of both keys.
        name: KeyName,
        /// ID of both keys.
        id: KeyId,
    },
    /// A given key's line did not verify: its author, or a party that relayed it, is at fault.
    #[error("the signature by {name}+{id} ({payload_bytes} bytes) does not verify")]
    InvalidSignature {
        /// Name of the key.
        name: KeyName,
        /// ID of the key.
        id: KeyId,
        /// Bytes of the line's payload.
        payload_bytes: usize,
    },
    /// A given key signed a checkpoint twice.
    #[error("the checkpoint has a second signature line by {name}+{id}")]
    RepeatedSignature {
        /// Name of the key.
        name: KeyName,
        /// ID of the key.
        id: KeyId,
    },
    /// None of the given keys signed the note.
    #[error("no signature line of the note ({lines} in total) is by one of the given keys ({keys})")]
    NoKnownSignature {
        /// Signature lines of the note.
        lines: usize,
        /// Keys given.
        keys: usize,
    },
    /// A key was asked for a signature its type does not make: the caller is at fault.
    #[error("the key {name} is of type {actual}, but {} is needed here", any_of(needed))]
    WrongKeyType {
        /// Name of the key.
        name: KeyName,
        /// Its type.
        actual: SignatureType,
        /// The types that would have done.
        needed: &'static [SignatureType],
    },
    /// What was to be signed is not the signing input of a JWS: the caller is at fault.
    #[error("only the signing input of a JWS, two base64url strings and a dot, is signed as one")]
    JwsInput,
    /// A key that is kept elsewhere gave no signature, or not its own. Trying again may help.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A timestamp was past 2^63 - 1: the caller is at fault.
    #[error("the timestamp {timestamp} is past 2^63 - 1")]
    Timestamp {
        /// The timestamp, in POSIX seconds.
        timestamp: u64,
    },
    /// A checkpoint was to be signed as some other text.
    #[error(
        "the text is a checkpoint, which a witness cosigns only after it has checked that it extends the last one"
    )]
    NotByCosigner,
}

impl NoteError {
    pub(crate) fn wrong_key_type(key: &VerifyingKey, needed: &'static [SignatureType]) -> Self {
        Self::WrongKeyType { name: key.name().clone(), actual: key.signature_type(), needed }
    }

    pub(crate) fn ambiguous(line: &SignatureLine) -> Self {
        Self::AmbiguousKey { name: line.name().clone(), id: line.id() }
    }

    pub(crate) fn repeated(line: &SignatureLine) -> Self {
        Self::RepeatedSignature { name: line.name().clone(), id: line.id() }
    }

    pub(crate) fn invalid(line: &SignatureLine) -> Self {
        let (name, id) = (line.name().clone(), line.id());
        Self::InvalidSignature { name, id, payload_bytes: line.payload().len() }
    }
}

fn any_of(types: &[SignatureType]) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
