//! The signed notes that control entries carry. Each is a short text of `word value` lines whose first line says what it is;
//! it can therefore never be read as a checkpoint, whose second line is a decimal number.
//!
//! ```text
//! vouchlog/v1 genesis            vouchlog/v1 stream                     vouchlog/v1 revoke
//! origin <log origin>            log <log origin>                       log <log origin>
//! operator <vkey>                gateway <vkey>                         gateway <vkey>
//!                                stream <vkey of type 0x04>             effective <milliseconds>
//!                                previous none | <stream> <size>        reason <one line>
//! signed by the log              signed by the gateway                  signed by the operator
//! ```
//!
//! The note of an enrolment is drawn in `control/enrolment.rs`, those about the operator's key in `control/operator.rs`, that of a
//! quota in `control/quota.rs`, that of a log's end in `control/retirement.rs`, that of a witness in `control/witness.rs`, that of a log
//! that gives up entries in `control/pruning.rs`, and that of a log that continues another in `succession.rs`.

use std::str::FromStr;

use thiserror::Error;
use vouchlog_note::{KeyError, NoteError, Origin, SignatureType, SigningKey, UnverifiedNote, VerifyingKey};

use crate::limits::{MAX_NOTE_BYTES, MAX_REASON_BYTES, MAX_STREAM_SIZE};
use crate::{LoggedAt, StreamId};

mod enrolment;
mod operator;
mod pruning;
mod quota;
mod retirement;
mod witness;

pub use enrolment::{Enrolment, ReplacementCause, ReplacementReason, Replaces};
pub use operator::{OperatorCause, OperatorChange, OperatorNote, RecoveryKey};
pub use pruning::Pruning;
pub use quota::{DailyLimits, Limit, Quota, QuotaScope};
pub use retirement::{Retirement, RetirementCause};
pub use witness::WitnessRotation;

/// Why a control note was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// The note is too long.
    #[error("the note has {0} bytes, more than {MAX_NOTE_BYTES}")]
    Length(usize),
    /// The text is not of the expected form.
    #[error("the note is not a `{expected}` note: {problem}")]
    Form {
        /// First line the note should have.
        expected: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The note is for another log.
    #[error("the note is for the log `{0}`, not for this one")]
    OtherLog(String),
    /// The signature or the note's frame is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A key in the note is malformed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The lines of a control note, read one expected word after the other.
pub(crate) struct Lines<'a> {
    title: &'static str,
    rest: std::str::Split<'a, char>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(title: &'static str, text: &'a str) -> Result<Self, TextError> {
        let body = text.strip_suffix('\n').unwrap_or(text);
        let mut rest = body.split('\n');
        if rest.next() != Some(title) {
            return Err(TextError::Form { expected: title, problem: "its first line is different" });
        }
        Ok(Self { title, rest })
    }

    pub(crate) fn value(&mut self, word: &str) -> Result<&'a str, TextError> {
        let line = self.rest.next().ok_or(self.malformed("it is truncated"))?;
        let value = line.strip_prefix(word).and_then(|value| value.strip_prefix(' '));
        value.filter(|value| !value.is_empty()).ok_or(self.malformed("it does not have the expected lines"))
    }

    pub(crate) fn log(&mut self, origin: &Origin) -> Result<(), TextError> {
        let log = self.value("log")?;
        if log == origin.as_str() { Ok(()) } else { Err(TextError::OtherLog(log.to_owned())) }
    }

    pub(crate) fn vkey(&mut self, word: &str, expected: SignatureType) -> Result<VerifyingKey, TextError> {
        let vkey = self.value(word)?;
        self.key(vkey, expected)
    }

    /// The key that a value names.
    fn key(&self, vkey: &str, expected: SignatureType) -> Result<VerifyingKey, TextError> {
        let key: VerifyingKey = vkey.parse()?;
        if key.signature_type() == expected {
            Ok(key)
        } else {
            Err(self.malformed("the key is of the wrong type"))
        }
    }

    /// The cause and the words of a reason. `problem` is that of a reason which has no known cause, or no words.
    fn reason<C: FromStr>(&self, reason: &str, problem: &'static str) -> Result<(C, String), TextError> {
        let read = reason.split_once(' ').and_then(|(cause, words)| Some((cause.parse().ok()?, words)));
        let (cause, words) = read.ok_or(self.malformed(problem))?;
        if words.is_empty() || words.len() > MAX_REASON_BYTES {
            return Err(self.malformed("the reason is empty or too long"));
        }
        Ok((cause, words.to_owned()))
    }

    /// Whether no line is left.
    fn is_at_end(&self) -> bool {
        self.rest.clone().next().is_none()
    }

    pub(crate) fn end(mut self) -> Result<(), TextError> {
        if self.rest.next().is_none() { Ok(()) } else { Err(self.malformed("it has too many lines")) }
    }

    pub(crate) fn malformed(&self, problem: &'static str) -> TextError {
        TextError::Form { expected: self.title, problem }
    }
}

/// A decimal number as formats here write it: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|value: &u64| value.to_string() == text)
}

/// Signs a text as a note, with a key of the type that signs notes (0x01).
pub(crate) fn sign(text: &str, key: &SigningKey) -> Result<String, TextError> {
    sign_all(text, &[key])
}

/// Signs a text as a note, with each of these keys (type 0x01).
fn sign_all(text: &str, keys: &[&SigningKey]) -> Result<String, TextError> {
    let lines = keys.iter().map(|key| key.sign_note(text)).collect::<Result<_, _>>()?;
    Ok(UnverifiedNote::from_parts(text, lines)?.as_str().to_owned())
}

/// Reads a note of at most [`MAX_NOTE_BYTES`] and verifies nothing.
fn parse(note: &str) -> Result<UnverifiedNote, TextError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(TextError::Length(note.len()));
    }
    Ok(UnverifiedNote::parse(note.as_bytes())?)
}

/// Verifies a note against `key` and returns its text.
fn open(note: &str, key: &VerifyingKey) -> Result<String, TextError> {
    Ok(parse(note)?.verify([key])?.text().to_owned())
}

/// Verifies a note that each of these keys must have signed.
fn verify_all<'k>(
    note: UnverifiedNote,
    mut keys: impl Iterator<Item = &'k VerifyingKey> + Clone,
) -> Result<(), TextError> {
    let lines = note.lines().len();
    let verified = note.verify(keys.clone())?;
    let has_signed = |key: &VerifyingKey| verified.signatures().iter().any(|made| made.key() == key);
    // One that is missing is named no further: the other keys' lines do not make up for it.
    if keys.all(has_signed) { Ok(()) } else { Err(NoteError::NoKnownSignature { lines, keys: 1 }.into()) }
}

/// A reason as notes carry it: in one line, not empty, at most [`MAX_REASON_BYTES`].
fn tidy_reason(words: &str) -> String {
    let one_line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut reason = one_line.trim().to_owned();
    while reason.len() > MAX_REASON_BYTES {
        reason.pop();
    }
    if reason.is_empty() {
        reason.push_str("unspecified");
    }
    reason
}

/// The first entry of every log: its origin, the version of the entry format, and who may enrol gateways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The log's name.
    pub origin: Origin,
    /// The key that enrols and revokes gateways.
    pub operator: VerifyingKey,
}

impl Genesis {
    const TITLE: &'static str = "vouchlog/v1 genesis";

    /// The note, signed by the log.
    pub fn sign(&self, log: &SigningKey) -> Result<String, TextError> {
        let text = format!("{}\norigin {}\noperator {}\n", Self::TITLE, self.origin, self.operator);
        sign(&text, log)
    }

    /// Verifies the log's signature and reads the note.
    pub fn open(note: &str, log: &VerifyingKey) -> Result<Self, TextError> {
        let text = open(note, log)?;
        let mut lines = Lines::new(Self::TITLE, &text)?;
        let origin =
            Origin::new(lines.value("origin")?).map_err(|_| lines.malformed("its origin is malformed"))?;
        let operator = lines.vkey("operator", SignatureType::Ed25519)?;
        lines.end()?;
        Ok(Self { origin, operator })
    }
}

/// The stream a new one continues, and where it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The predecessor.
    pub stream: StreamId,
    /// Its size when the successor was opened.
    pub size: u64,
}

/// A gateway opens a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOpening {
    /// The log it is for.
    pub log: Origin,
    /// The gateway's enrolled key (type 0x01).
    pub gateway: VerifyingKey,
    /// The fresh key (type 0x04) that will sign the stream's heads.
    pub stream: VerifyingKey,
    /// The stream it continues, if there is one.
    pub previous: Option<Previous>,
}

impl StreamOpening {
    const TITLE: &'static str = "vouchlog/v1 stream";

    /// The note, signed by the gateway's enrolled key.
    pub fn sign(&self, gateway: &SigningKey) -> Result<String, TextError> {
        let previous = match &self.previous {
            None => "none".to_owned(),
            Some(previous) => format!("{} {}", previous.stream, previous.size),
        };
        let text = format!(
            "{}\nlog {}\ngateway {}\nstream {}\nprevious {previous}\n",
            Self::TITLE,
            self.log,
            self.gateway,
            self.stream
        );
        sign(&text, gateway)
    }

    /// Reads a note and verifies that the gateway it names signed it. Whether that gateway is enrolled is the caller's to
    /// look up.
    pub fn open(note: &str, log: &Origin) -> Result<Self, TextError> {
        let unverified = parse(note)?;
        let opening = Self::read(unverified.unverified_text(), log)?;
        unverified.verify([&opening.gateway])?;
        Ok(opening)
    }

    fn read(text: &str, log: &Origin) -> Result<Self, TextError> {
        let mut lines = Lines::new(Self::TITLE, text)?;
        lines.log(log)?;
        let gateway = lines.vkey("gateway", SignatureType::Ed25519)?;
        let stream = lines.vkey("stream", SignatureType::CosignatureEd25519)?;
        let previous = match lines.value("previous")? {
            "none" => None,
            value => Some(
                previous(value).ok_or(lines.malformed("`previous` is `none` or a stream and its size"))?,
            ),
        };
        lines.end()?;
        Ok(Self { log: log.clone(), gateway, stream, previous })
    }
}

fn previous(value: &str) -> Option<Previous> {
    let (stream, size) = value.split_once(' ')?;
    let size = decimal(size).filter(|size| *size <= MAX_STREAM_SIZE)?;
    Some(Previous { stream: StreamId::new(decimal(stream)?)?, size })
}

/// The operator withdraws a gateway's key, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The log it is for.
    pub log: Origin,
    /// The gateway's key.
    pub gateway: VerifyingKey,
    /// From when on the key must not be trusted; may lie before the entry.
    pub effective: LoggedAt,
    /// Why, in one line.
    pub reason: String,
}

impl Revocation {
    const TITLE: &'static str = "vouchlog/v1 revoke";

    /// The note, signed by the operator. A line break in the reason becomes a space; what is too long is cut.
    pub fn sign(&self, operator: &SigningKey) -> Result<String, TextError> {
        let reason = tidy_reason(&self.reason);
        let text = format!(
            "{}\nlog {}\ngateway {}\neffective {}\nreason {reason}\n",
            Self::TITLE,
            self.log,
            self.gateway,
            self.effective
        );
        sign(&text, operator)
    }

    /// Verifies the operator's signature and reads the note.
    pub fn open(note: &str, log: &Origin, operator: &VerifyingKey) -> Result<Self, TextError> {
        let text = open(note, operator)?;
        let mut lines = Lines::new(Self::TITLE, &text)?;
        lines.log(log)?;
        let gateway = lines.vkey("gateway", SignatureType::Ed25519)?;
        let effective = decimal(lines.value("effective")?)
            .and_then(LoggedAt::from_millis)
            .ok_or(lines.malformed("`effective` is not a time in milliseconds"))?;
        let reason = lines.value("reason")?.to_owned();
        if reason.len() > MAX_REASON_BYTES {
            return Err(lines.malformed("the reason is too long"));
        }
        lines.end()?;
        Ok(Self { log: log.clone(), gateway, effective, reason })
    }
}
