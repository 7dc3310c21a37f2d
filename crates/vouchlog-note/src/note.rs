//! Signed notes: parsing, verifying and assembling them (signed-note).

use std::fmt;

use crate::key::VerifyingKey;
use crate::limits::{MAX_NOTE_BYTES, MAX_SIGNATURE_LINES};
use crate::note_error::{NoteError, check_text};
use crate::signature_line::SignatureLine;
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
    /// compared byte for byte, and `S` must be reduced. Every key accepted here therefore has the same verdict
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

    /// The unverified lines: those of keys that were not given.
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
