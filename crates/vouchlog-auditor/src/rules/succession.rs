//! The end of a log, and the log that another one continues.

use vouchlog_note::{SignatureType, VerifyingKey};
use vouchlog_stream::{Continuation, Retirement, SuccessionError, TextError};

use super::Rules;
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

/// The end of a log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retired {
    pub(crate) index: u64,
    /// The note of that entry.
    pub(crate) note: String,
    pub(crate) retirement: Retirement,
}

impl Rules {
    /// SPEC: a log ends with its retirement.
    pub(super) fn check_not_ended(&mut self, index: u64, found: &mut Suspicions) {
        let Some(retired) = &self.retired else { return };
        if let Some(cause) = self.beyond_end {
            return found.follows(cause);
        }
        let end = retired.index;
        let words = || format!("the entry follows the retirement of the log, entry {end}");
        let (place, lead) = (Place::entry(index), EvidenceSource::entries([end, index]));
        self.beyond_end = Some(found.add(FindingKind::EntryAfterRetirement, place, lead, words));
    }

    /// SPEC: the log's key and the successor's sign the retirement.
    pub(super) fn log_retired(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        match open_retirement(note, &self.terms.log_keys) {
            // The first one ended the log; another is an entry too many, as any other entry would be.
            Ok(retirement) if self.retired.is_none() => {
                self.retired = Some(Retired { index, note: note.to_owned(), retirement });
            }
            Ok(_) => {}
            Err(error) => bad(index, format!("the retirement of the log is rejected: {error}"), found),
        }
    }

    /// SPEC: a log names its predecessor in entry 1, with the proof that it ended and named this log as its successor.
    pub(super) fn log_continued(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        if index != 1 {
            return bad(index, "a log names its predecessor in entry 1 only".to_owned(), found);
        }
        match open_continuation(note, &self.terms.log_keys) {
            Ok(continuation) => self.continues = Some((note.to_owned(), continuation)),
            Err(error) => bad(index, format!("the predecessor is not proven: {error}"), found),
        }
    }
}

/// The retirement of a log with these keys.
pub(crate) fn open_retirement(note: &str, log_keys: &[VerifyingKey]) -> Result<Retirement, TextError> {
    let retirement = Retirement::open(note)?;
    if log_keys.contains(&retirement.log) {
        Ok(retirement)
    } else {
        Err(TextError::OtherLog(retirement.log.to_string()))
    }
}

/// The note with which a log with these keys continues another.
pub(crate) fn open_continuation(
    note: &str,
    log_keys: &[VerifyingKey],
) -> Result<Continuation, SuccessionError> {
    let mut rejected = SuccessionError::NotARetirement;
    for key in log_keys.iter().filter(|key| key.signature_type() == SignatureType::Ed25519) {
        match Continuation::open(note, key) {
            Ok(continuation) => return Ok(continuation),
            Err(error) => rejected = error,
        }
    }
    Err(rejected)
}

fn bad(index: u64, words: String, found: &mut Suspicions) {
    found.add(FindingKind::BadSuccession, Place::entry(index), EvidenceSource::entries([index]), || words);
}
