//! Enrolments: the operator lets a key of a gateway open streams, and names the key whose place it takes.
//!
//! ```text
//! vouchlog/v1 enrol              vouchlog/v1 enrol              vouchlog/v1 enrol
//! log <log origin>               log <log origin>               log <log origin>
//! gateway <vkey>                 gateway <new vkey>             gateway <new vkey>
//!                                replaces <old vkey>            replaces <old vkey>
//!                                reason rotation                reason lost|compromised|error <one line>
//! the first key of a name        a rotation                     a replacement
//! signed by the operator         signed by the operator,        signed by the operator
//!                                the old key and the new key
//! ```
//!
//! A name belongs to its key. A rotation is the word of that key's holder, and the operator lets it in; a replacement is the
//! operator's word alone, so it names the reason.

use std::fmt;
use std::str::FromStr;

use vouchlog_note::{Origin, SignatureLine, SignatureType, SigningKey, UnverifiedNote, VerifyingKey};

use super::{Lines, TextError, parse, sign, sign_all, tidy_reason, verify_all};

const TITLE: &str = "vouchlog/v1 enrol";
const ROTATION: &str = "rotation";

/// The operator lets a gateway's key open streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The log it is for.
    pub log: Origin,
    /// The gateway's key (type 0x01); its name is the gateway's.
    pub gateway: VerifyingKey,
    /// The key of the same name whose place it takes; `None` for the first key of a name.
    pub replaces: Option<Replaces>,
}

/// The key that another one takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The old key; it has the name of the new one.
    pub key: VerifyingKey,
    /// Whose decision it was, and why.
    pub reason: ReplacementReason,
}

/// Why a gateway has a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplacementReason {
    /// The holder of the old key rotated it: both keys signed. The old key opens no more streams; those it has open go on.
    Rotation,
    /// The operator replaced it without the old key's consent. The old key is revoked as of the entry.
    Operator {
        /// What happened to the old key.
        cause: ReplacementCause,
        /// The same in the operator's words, in one line of at most [`MAX_REASON_BYTES`](crate::limits::MAX_REASON_BYTES).
        words: String,
    },
}

/// What happened to a key that the operator replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplacementCause {
    /// Its holder no longer has it.
    Lost,
    /// Others may have it.
    Compromised,
    /// It should not have been enrolled.
    Error,
}

impl ReplacementCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Lost, Self::Compromised, Self::Error];

    /// The word for it in notes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Compromised => "compromised",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for ReplacementCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ReplacementCause {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|cause| cause.word() == word);
        known.ok_or("a key is replaced because it is `lost`, `compromised` or was enrolled in `error`")
    }
}

impl fmt::Display for ReplacementReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotation => f.write_str(ROTATION),
            Self::Operator { cause, words } => write!(f, "{cause} {words}"),
        }
    }
}

impl Enrolment {
    /// The enrolment of the first key of a name.
    pub fn first(log: Origin, gateway: VerifyingKey) -> Self {
        Self { log, gateway, replaces: None }
    }

    /// The note, signed by the operator. As in a revocation, a line break in the reason becomes a space, and what is too long is
    /// cut.
    ///
    /// # Errors
    /// [`TextError::Form`] for a rotation: its keys sign first ([`cross_sign`](Self::cross_sign)), then the operator
    /// ([`countersign`](Self::countersign)).
    pub fn sign(&self, operator: &SigningKey) -> Result<String, TextError> {
        if self.is_rotation() {
            return Err(malformed("the old key and the new key sign a rotation before the operator does"));
        }
        sign(&self.text()?, operator)
    }

    /// The rotation note as a gateway hands it to the operator: signed by the old key and the new one.
    ///
    /// # Errors
    /// [`TextError::Form`] if this is no rotation, or one of other keys.
    pub fn cross_sign(&self, old: &SigningKey, new: &SigningKey) -> Result<String, TextError> {
        let is_of_these = |replaces: &Replaces| {
            replaces.key == *old.verifying_key() && self.gateway == *new.verifying_key()
        };
        if !self.is_rotation() || !self.replaces.as_ref().is_some_and(is_of_these) {
            return Err(malformed("it is not a rotation of these keys"));
        }
        sign_all(&self.text()?, &[old, new])
    }

    /// Adds the operator's signature to a rotation note that both keys signed.
    ///
    /// # Errors
    /// As [`open_rotation`](Self::open_rotation).
    pub fn countersign(note: &str, log: &Origin, operator: &SigningKey) -> Result<String, TextError> {
        let rotation = Self::open_rotation(note, log)?;
        let text = rotation.text()?;
        let unverified = UnverifiedNote::parse(note.as_bytes())?;
        let mut lines: Vec<_> = rotation.keys().filter_map(|key| line_of(&unverified, key)).collect();
        lines.push(operator.sign_note(&text)?);
        Ok(UnverifiedNote::from_parts(&text, lines)?.as_str().to_owned())
    }

    /// Reads a rotation note and verifies that both keys signed it. Whether the operator did is not checked.
    pub fn open_rotation(note: &str, log: &Origin) -> Result<Self, TextError> {
        let (unverified, enrolment) = read_note(note, log)?;
        if !enrolment.is_rotation() {
            return Err(malformed("it is not a rotation"));
        }
        verify_all(unverified, enrolment.keys())?;
        Ok(enrolment)
    }

    /// Verifies the operator's signature, and those of both keys if it is a rotation, and reads the note. Whether the old key was
    /// enrolled is the caller's to look up.
    pub fn open(note: &str, log: &Origin, operator: &VerifyingKey) -> Result<Self, TextError> {
        let (unverified, enrolment) = read_note(note, log)?;
        if enrolment.is_rotation() {
            verify_all(unverified, enrolment.keys().chain([operator]))?;
        } else {
            unverified.verify([operator])?;
        }
        Ok(enrolment)
    }

    /// Whether the holder of the old key signed that this one takes its place.
    pub fn is_rotation(&self) -> bool {
        self.replaces.as_ref().is_some_and(|replaces| replaces.reason == ReplacementReason::Rotation)
    }

    /// The key whose own signature hands the name over; `None` unless this is a rotation.
    pub fn rotated_from(&self) -> Option<&VerifyingKey> {
        self.replaces.as_ref().filter(|_| self.is_rotation()).map(|replaces| &replaces.key)
    }

    /// The old key, if there is one, and the new one.
    fn keys(&self) -> impl Iterator<Item = &VerifyingKey> + Clone {
        self.replaces.iter().map(|replaces| &replaces.key).chain([&self.gateway])
    }

    fn text(&self) -> Result<String, TextError> {
        let first = format!("{TITLE}\nlog {}\ngateway {}\n", self.log, self.gateway);
        let Some(replaces) = &self.replaces else { return Ok(first) };
        check_pair(&replaces.key, &self.gateway)?;
        let reason = match &replaces.reason {
            ReplacementReason::Rotation => ROTATION.to_owned(),
            ReplacementReason::Operator { cause, words } => format!("{cause} {}", tidy_reason(words)),
        };
        Ok(format!("{first}replaces {}\nreason {reason}\n", replaces.key))
    }

    fn read(text: &str, log: &Origin) -> Result<Self, TextError> {
        let mut lines = Lines::new(TITLE, text)?;
        lines.log(log)?;
        let gateway = lines.vkey("gateway", SignatureType::Ed25519)?;
        if lines.is_at_end() {
            return Ok(Self::first(log.clone(), gateway));
        }
        let key = lines.vkey("replaces", SignatureType::Ed25519)?;
        check_pair(&key, &gateway)?;
        let reason = match lines.value("reason")? {
            ROTATION => ReplacementReason::Rotation,
            other => {
                let problem = "`reason` is neither `rotation` nor a cause and words";
                let (cause, words) = lines.reason(other, problem)?;
                ReplacementReason::Operator { cause, words }
            }
        };
        lines.end()?;
        Ok(Self { log: log.clone(), gateway, replaces: Some(Replaces { key, reason }) })
    }
}

fn read_note(note: &str, log: &Origin) -> Result<(UnverifiedNote, Enrolment), TextError> {
    let unverified = parse(note)?;
    let enrolment = Enrolment::read(unverified.unverified_text(), log)?;
    Ok((unverified, enrolment))
}

fn line_of(note: &UnverifiedNote, key: &VerifyingKey) -> Option<SignatureLine> {
    note.lines().iter().find(|line| line.is_by(key)).cloned()
}

/// SPEC: a key takes the place of another key of its own name.
fn check_pair(old: &VerifyingKey, new: &VerifyingKey) -> Result<(), TextError> {
    if old.name() != new.name() {
        return Err(malformed("the key that is replaced has another name"));
    }
    if old == new { Err(malformed("a key cannot replace itself")) } else { Ok(()) }
}

fn malformed(problem: &'static str) -> TextError {
    TextError::Form { expected: TITLE, problem }
}

#[cfg(test)]
mod tests;
