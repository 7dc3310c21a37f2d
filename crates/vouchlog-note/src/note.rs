//! Signed notes: parsing, verifying and assembling them (signed-note).

use std::fmt;

use crate::key::{KeyId, KeyName, SignatureType, VerifyingKey};
use crate::limits::{MAX_NOTE_BYTES, MAX_SIGNATURE_LINES};
use crate::signature_line::{LineError, SignatureLine};
use crate::text::find_control_character;
use crate::verified_signature::{Repeats, VerifiedSignature, check_note_signature, verify_lines};

// note = <text> LF *( <signature line> LF )        the text itself ends in LF, so a blank line parts the two

/// A note that was read but not verified: well-formed, and nothing more. Displays as the exact bytes it was read
/// from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnverifiedNote {
    note: String,
    text_len: usize,
    lines: Vec<SignatureLine>,
}

impl UnverifiedNote {
    /// Reads a note of at most [`MAX_NOTE_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        Self::parse_within(MAX_NOTE_BYTES, bytes)
    }

    /// Reads a note of at most `limit` bytes.
    pub fn parse_within(limit: usize, bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > limit {
            return Err(NoteError::TooLarge { bytes: bytes.len(), limit });
        }
        let note = str::from_utf8(bytes).map_err(|e| NoteError::NotUtf8 { at: e.valid_up_to() })?;
        check_text(note)?;
        // SPEC: the text may hold blank lines; the last one parts it from the signatures.
        let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
        let lines = parse_signature_lines(signatures)?;
        Ok(Self { text_len: text.len(), lines, note: note.to_owned() })
    }

    /// Puts a note together from a text that ends in LF and at least one signature line.
    pub fn from_parts(text: &str, lines: Vec<SignatureLine>) -> Result<Self, NoteError> {
        check_text(text)?;
        match lines.len() {
            0 => return Err(NoteError::NoSignatures),
            1..=MAX_SIGNATURE_LINES => {}
            lines => return Err(NoteError::TooManyLines { lines, limit: MAX_SIGNATURE_LINES }),
        }
        let note = assemble(text, &lines);
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge { bytes: note.len(), limit: MAX_NOTE_BYTES });
        }
        Ok(Self { note, text_len: text.len(), lines })
    }

    /// The text, which anyone may have written: good for choosing the keys to verify it with, and for nothing
    /// else.
    pub fn unverified_text(&self) -> &str {
        &self.note[..self.text_len]
    }

    /// The signature lines, in the note's order.
    pub fn lines(&self) -> &[SignatureLine] {
        &self.lines
    }

    /// The whole note, as it was read.
    pub fn as_str(&self) -> &str {
        &self.note
    }

    /// Verifies the note with `keys`.
    ///
    /// Lines of other keys are ignored, and so are repeats of a key's line. One failing line of a given key
    /// refuses the note, and so does a note that no given key verifies, and a line that two given keys could have
    /// made.
    ///
    /// Ed25519 is verified as Go, OpenSSL and RFC 8032's cofactorless equation do it: `R` is recomputed and
    /// compared byte for byte, and `S` must be reduced. Hence every key accepted here has the same verdict
    /// everywhere in the field, which is what a log's witnesses need. What stricter rules add (`verify_strict`)
    /// is a refusal of low-order keys, done when the key is read, and of low-order `R`, which only the key's
    /// owner can produce.
    ///
    /// ML-DSA-44 is verified as FIPS 204 has it, with an empty context. Such a signature covers origin, size and
    /// root of a checkpoint, neither its extension lines nor any other kind of note: over another text it fails.
    pub fn verify<'k>(
        self,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<VerifiedNote, NoteError> {
        self.verify_with(keys, Repeats::Ignore)
    }

    /// As [`UnverifiedNote::verify`], but a second line of a given key refuses the note.
    pub(crate) fn verify_without_repeats<'k>(
        self,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<VerifiedNote, NoteError> {
        self.verify_with(keys, Repeats::Refuse)
    }

    fn verify_with<'k>(
        self,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
        repeats: Repeats,
    ) -> Result<VerifiedNote, NoteError> {
        let text = &self.note[..self.text_len];
        let check = |key: &VerifyingKey, payload: &[u8]| check_note_signature(key, text, payload);
        let (signatures, ignored) = verify_lines(self.lines, keys, repeats, check)?;
        Ok(VerifiedNote { note: self.note, text_len: self.text_len, signatures, ignored })
    }
}

impl fmt::Display for UnverifiedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

/// A note at least one given key verified, and no given key refuted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedNote {
    note: String,
    text_len: usize,
    signatures: Vec<VerifiedSignature>,
    ignored: Vec<SignatureLine>,
}

impl VerifiedNote {
    /// The note a signer just made.
    pub(crate) fn from_signer(text: &str, signatures: Vec<VerifiedSignature>) -> Self {
        let note = assemble(text, signatures.iter().map(VerifiedSignature::line));
        Self { note, text_len: text.len(), signatures, ignored: Vec::new() }
    }

    /// The note with the verified signatures of both; of those by one key, the newer, and ours if none is.
    pub(crate) fn joined_by(&self, other: &Self) -> Result<Self, NoteError> {
        assert_eq!(self.text(), other.text(), "signatures of one text say nothing of another");
        let made_by = |note: &Self, key: &VerifyingKey| {
            note.signatures.iter().find(|signature| signature.key() == key).map(VerifiedSignature::timestamp)
        };
        let ours = self.signatures.iter().filter(|ours| made_by(other, ours.key()) <= Some(ours.timestamp()));
        let is_news = |theirs: &&VerifiedSignature| made_by(self, theirs.key()) < Some(theirs.timestamp());
        let theirs = other.signatures.iter().filter(is_news);
        let signatures: Vec<VerifiedSignature> = ours.chain(theirs).cloned().collect();
        let lines = signatures.iter().map(|signature| signature.line().clone()).collect();
        let note = UnverifiedNote::from_parts(self.text(), lines)?.note;
        Ok(Self { note, text_len: self.text_len, signatures, ignored: Vec::new() })
    }

    /// The signed text, which ends in LF. ML-DSA-44 signatures leave out the extension lines of a checkpoint.
    pub fn text(&self) -> &str {
        &self.note[..self.text_len]
    }

    /// The whole note, as it was read: also the lines that were ignored.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The signatures that were verified, in the note's order; one or more.
    pub fn signatures(&self) -> &[VerifiedSignature] {
        &self.signatures
    }

    /// The lines nobody vouches for: of keys that were not given.
    pub fn ignored_lines(&self) -> &[SignatureLine] {
        &self.ignored
    }

    /// The note with its verified lines only: what to store or pass on, since a stranger may have added any
    /// other.
    pub fn verified_note(&self) -> String {
        assemble(self.text(), self.signatures.iter().map(VerifiedSignature::line))
    }
}

fn assemble<'l>(text: &str, lines: impl IntoIterator<Item = &'l SignatureLine>) -> String {
    let mut note = format!("{text}\n");
    for line in lines {
        note.push_str(&line.to_string());
        note.push('\n');
    }
    note
}

/// Reads one or more signature lines, each ending in LF: the end of a note, or a witness's answer.
pub(crate) fn parse_signature_lines(text: &str) -> Result<Vec<SignatureLine>, NoteError> {
    let body = text.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
    let count = body.split('\n').count();
    if count > MAX_SIGNATURE_LINES {
        return Err(NoteError::TooManyLines { lines: count, limit: MAX_SIGNATURE_LINES });
    }
    let parse = |(place, line): (usize, &str)| {
        line.parse().map_err(|source| NoteError::Line { line: place + 1, source })
    };
    body.split('\n').enumerate().map(parse).collect()
}

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
    #[error("two of the given keys are called {name}+{id}")]
    AmbiguousKey {
        /// Name of both keys.
        name: KeyName,
        /// ID of both keys.
        id: KeyId,
    },
    /// A given key's line did not verify: its author, or somebody on the way, is at fault.
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
    #[error("none of the note's {lines} signature lines is by one of the {keys} given keys")]
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
    /// A timestamp was past 2^63 - 1: the caller is at fault.
    #[error("the timestamp {timestamp} is past 2^63 - 1")]
    Timestamp {
        /// The timestamp, in POSIX seconds.
        timestamp: u64,
    },
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
