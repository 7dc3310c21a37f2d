//! Retirements: a log ends, and names the log that continues it.
//!
//! ```text
//! vouchlog/v1 retire
//! log <log origin>
//! key <vkey of the log>
//! successor <vkey of the log that continues it>
//! reason planned|compromised|other <one line>
//! signed by the log's key and by the successor's, over the same text
//! ```
//!
//! A log's origin and key belong together, so a log's key is never exchanged: the log ends with such a note as its last entry. The
//! name of a log's vkey is its origin, so the vkey of the successor names that log too.

use std::fmt;
use std::str::FromStr;

use vouchlog_note::{Origin, SignatureType, SigningKey, VerifyingKey};

use super::{Lines, TextError, parse, sign_all, tidy_reason, verify_all};

const TITLE: &str = "vouchlog/v1 retire";

/// A log ends, and another one continues it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The Ed25519 key of the log that ends; its name is the log's origin.
    pub log: VerifyingKey,
    /// The Ed25519 key of the log that continues it; its name is that log's origin.
    pub successor: VerifyingKey,
    /// Why the log ends.
    pub cause: RetirementCause,
    /// The same in the operator's words, in one line of at most [`MAX_REASON_BYTES`](crate::limits::MAX_REASON_BYTES).
    pub words: String,
}

/// Why a log was retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetirementCause {
    /// The key or the log is exchanged as planned.
    Planned,
    /// Others may have the log's key.
    Compromised,
    /// Another cause, which the words name.
    Other,
}

impl RetirementCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Planned, Self::Compromised, Self::Other];

    /// The word for it in notes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Compromised => "compromised",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for RetirementCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for RetirementCause {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|cause| cause.word() == word);
        known
            .ok_or("a log is retired as `planned`, because its key is `compromised`, or for an `other` cause")
    }
}

impl Retirement {
    /// The note, signed by both keys. As in a revocation, a line break in the words becomes a space, and what is too long is cut.
    ///
    /// # Errors
    /// [`TextError::Form`] if these are not the keys it names, or no log and its successor.
    pub fn sign(&self, log: &SigningKey, successor: &SigningKey) -> Result<String, TextError> {
        if (&self.log, &self.successor) != (log.verifying_key(), successor.verifying_key()) {
            return Err(malformed("it names other keys than those that sign it"));
        }
        check_pair(&self.log, &self.successor)?;
        let text = format!(
            "{TITLE}\nlog {}\nkey {}\nsuccessor {}\nreason {} {}\n",
            self.log.name(),
            self.log,
            self.successor,
            self.cause,
            tidy_reason(&self.words)
        );
        sign_all(&text, &[log, successor])
    }

    /// Reads the note and verifies that both keys it names signed it. Whether they are the keys of the log and of the successor
    /// that the caller knows is the caller's to compare.
    ///
    /// # Errors
    /// [`TextError`] if it is not such a note, or a signature is missing.
    pub fn open(note: &str) -> Result<Self, TextError> {
        let unverified = parse(note)?;
        let retirement = Self::read(unverified.unverified_text())?;
        verify_all(unverified, [&retirement.log, &retirement.successor].into_iter())?;
        Ok(retirement)
    }

    /// Reads the note of the log whose key is `log`, and verifies both signatures.
    ///
    /// # Errors
    /// Besides those of [`open`](Self::open), [`TextError::OtherLog`] for the note of another log or key.
    pub fn open_of(note: &str, log: &VerifyingKey) -> Result<Self, TextError> {
        let retirement = Self::open(note)?;
        if retirement.log == *log {
            Ok(retirement)
        } else {
            Err(TextError::OtherLog(retirement.log.to_string()))
        }
    }

    /// The origin of the log that ends.
    pub fn origin(&self) -> Origin {
        origin_of(&self.log)
    }

    /// The origin of the log that continues it.
    pub fn successor_origin(&self) -> Origin {
        origin_of(&self.successor)
    }

    fn read(text: &str) -> Result<Self, TextError> {
        let mut lines = Lines::new(TITLE, text)?;
        let origin = lines.value("log")?;
        let log = lines.vkey("key", SignatureType::Ed25519)?;
        if log.name().as_str() != origin {
            return Err(malformed("the log's key has another name than the log"));
        }
        let successor = lines.vkey("successor", SignatureType::Ed25519)?;
        check_pair(&log, &successor)?;
        let reason = lines.value("reason")?;
        let (cause, words) = lines.reason(reason, "`reason` is not a cause and words")?;
        lines.end()?;
        Ok(Self { log, successor, cause, words })
    }
}

impl fmt::Display for Retirement {
    /// For people: the cause and the words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.words)
    }
}

/// SPEC: the successor is another log with another key, and both names can be origins.
fn check_pair(log: &VerifyingKey, successor: &VerifyingKey) -> Result<(), TextError> {
    if log.name() == successor.name() {
        return Err(malformed("the successor has the origin of the log: it needs one of its own"));
    }
    if log.public_key() == successor.public_key() {
        return Err(malformed("the successor has the key of the log: it needs one of its own"));
    }
    match [log, successor].iter().all(|key| Origin::new(key.name().as_str()).is_ok()) {
        true => Ok(()),
        false => Err(malformed("the name of a key cannot be the origin of a log")),
    }
}

/// The log that a log key is of.
fn origin_of(key: &VerifyingKey) -> Origin {
    Origin::new(key.name().as_str()).expect("checked when the note was read or signed")
}

fn malformed(problem: &'static str) -> TextError {
    TextError::Form { expected: TITLE, problem }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_note::{KeyName, UnverifiedNote};

    use super::*;
    use crate::limits::{MAX_NOTE_BYTES, MAX_REASON_BYTES};

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::generate(KeyName::new(name).unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
    }

    fn old() -> SigningKey {
        key("log.example.com/2025", 1)
    }

    fn new() -> SigningKey {
        key("log.example.com/2026", 2)
    }

    fn retirement(cause: RetirementCause, words: &str) -> Retirement {
        let (log, successor) = (old().verifying_key().clone(), new().verifying_key().clone());
        Retirement { log, successor, cause, words: words.to_owned() }
    }

    /// A note of the text, signed by whom one likes.
    fn signed(text: &str, by: &[&SigningKey]) -> String {
        sign_all(text, by).unwrap()
    }

    fn text_of(note: &str) -> String {
        UnverifiedNote::parse(note.as_bytes()).unwrap().unverified_text().to_owned()
    }

    #[test]
    fn both_keys_sign_a_retirement() {
        for cause in RetirementCause::ALL {
            let retirement = retirement(cause, "the disk was copied");
            let note = retirement.sign(&old(), &new()).unwrap();
            assert!(note.contains(&format!("\nreason {cause} the disk was copied\n")), "{note}");
            assert_eq!(Retirement::open_of(&note, old().verifying_key()), Ok(retirement.clone()));
            assert_eq!(retirement.origin().as_str(), "log.example.com/2025");
            assert_eq!(retirement.successor_origin().as_str(), "log.example.com/2026");
            let other = Retirement::open_of(&note, new().verifying_key()).unwrap_err();
            assert_eq!(other, TextError::OtherLog(old().verifying_key().to_string()));
        }
        let right = retirement(RetirementCause::Planned, "w");
        let text = text_of(&right.sign(&old(), &new()).unwrap());
        let (old, new, stranger) = (old(), new(), key("stranger.example.com", 9));
        for missing in [&[&old][..], &[&new], &[&old, &stranger], &[&stranger, &new]] {
            let note = signed(&text, missing);
            assert!(matches!(Retirement::open(&note), Err(TextError::Note(_))), "{note}");
        }
        assert!(right.sign(&new, &old).is_err());
        assert!(right.sign(&old, &stranger).is_err());
    }

    #[test]
    fn a_log_is_not_its_own_successor() {
        let log = old();
        for successor in [key("log.example.com/2025", 2), key("log.example.com/2026", 1)] {
            let (log_vkey, vkey) = (log.verifying_key().clone(), successor.verifying_key().clone());
            let words = "w".to_owned();
            let note = Retirement { log: log_vkey, successor: vkey, cause: RetirementCause::Other, words };
            assert!(matches!(note.sign(&log, &successor), Err(TextError::Form { .. })));
        }
    }

    #[test]
    fn a_note_that_says_something_else_is_refused_although_it_is_signed() {
        let right = text_of(&retirement(RetirementCause::Planned, "w").sign(&old(), &new()).unwrap());
        let (log, successor) = (old().verifying_key().to_string(), new().verifying_key().to_string());
        let long = format!("planned {}", "w".repeat(MAX_REASON_BYTES + 1));
        for (what, by) in [
            ("reason planned w", "reason planned"),
            ("reason planned w", "reason planned "),
            ("reason planned w", "reason stolen w"),
            ("planned w", long.as_str()),
            ("reason planned w\n", ""),
            ("reason planned w\n", "reason planned w\n\n"),
            ("reason planned w\n", "reason planned w\nmore\n"),
            ("log log.example.com/2025", "log log.example.com/2024"),
            ("log log.example.com/2025\n", ""),
            (successor.as_str(), log.as_str()),
            (log.as_str(), successor.as_str()),
            ("successor ", "successor  "),
            ("vouchlog/v1 retire", "vouchlog/v1 continue"),
        ] {
            assert!(right.contains(what), "{what}");
            let note = signed(&right.replacen(what, by, 1), &[&old(), &new()]);
            assert!(Retirement::open(&note).is_err(), "`{what}` replaced by `{by}` opens");
        }
        let huge = format!("{}\n\n\n", "x".repeat(MAX_NOTE_BYTES));
        assert_eq!(Retirement::open(&huge), Err(TextError::Length(huge.len())));
    }

    #[test]
    fn no_bit_of_a_retirement_can_be_changed() {
        let note =
            retirement(RetirementCause::Compromised, "the disk was copied").sign(&old(), &new()).unwrap();
        for bit in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = String::from_utf8(bytes).ok().and_then(|note| Retirement::open(&note).ok());
            assert_eq!(opened, None, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn any_words_give_a_note_that_opens(words in any::<String>()) {
            let note = retirement(RetirementCause::Other, &words).sign(&old(), &new()).unwrap();
            let opened = Retirement::open(&note).unwrap();
            prop_assert!(!opened.words.is_empty() && opened.words.len() <= MAX_REASON_BYTES);
        }

        #[test]
        fn any_text_is_taken(text in "(vouchlog/v1 retire\n)?(log log\\.example\\.com/2025\n)?(key [a-z+0-9]{0,60}\n)?\\PC{0,80}\n") {
            let _ = Retirement::open(&signed(&text, &[&old(), &new()]));
        }
    }
}
