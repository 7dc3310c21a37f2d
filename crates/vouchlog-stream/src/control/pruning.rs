//! Prunings: a log gives up entries below an index, and announces it before it does.
//!
//! ```text
//! vouchlog/v1 prune
//! log <log origin>
//! minimum <index>
//! reason <one line>
//! signed by the log
//! ```
//!
//! The minimum index is that of C2SP tlog-tiles, "Pruning": entry bundles that end at or below it may be gone. Every tile stays, so
//! proofs stay as they are. A log that announces this in an entry cannot deny it, and one that has not announced it has lost entries.

use vouchlog_note::{Origin, SigningKey, VerifyingKey};

use super::{Lines, TextError, decimal, open, sign, tidy_reason};
use crate::limits::MAX_REASON_BYTES;

const TITLE: &str = "vouchlog/v1 prune";

/// Entries in a bundle, which is removed whole.
const WIDTH: u64 = 256;

/// A log gives up entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The log it is for.
    pub log: Origin,
    /// The minimum index: no entry below it must be asked for. A multiple of 256, and not 0.
    pub minimum: u64,
    /// Why, such as the retention period, in one line of at most [`MAX_REASON_BYTES`] bytes.
    pub reason: String,
}

impl Pruning {
    /// The note, signed by the log. As in a revocation, a line break in the reason becomes a space, and what is too long is cut.
    ///
    /// # Errors
    /// [`TextError::Form`] if the minimum index ends no bundle.
    pub fn sign(&self, log: &SigningKey) -> Result<String, TextError> {
        check_minimum(self.minimum)?;
        let reason = tidy_reason(&self.reason);
        let text = format!("{TITLE}\nlog {}\nminimum {}\nreason {reason}\n", self.log, self.minimum);
        sign(&text, log)
    }

    /// Verifies the log's signature and reads the note.
    ///
    /// # Errors
    /// [`TextError`] if it is not such a note of this log.
    pub fn open(note: &str, origin: &Origin, log: &VerifyingKey) -> Result<Self, TextError> {
        let text = open(note, log)?;
        let mut lines = Lines::new(TITLE, &text)?;
        lines.log(origin)?;
        let minimum = decimal(lines.value("minimum")?);
        let minimum = minimum.ok_or(lines.malformed("`minimum` is not an index"))?;
        check_minimum(minimum)?;
        let reason = lines.value("reason")?.to_owned();
        if reason.len() > MAX_REASON_BYTES {
            return Err(lines.malformed("the reason is too long"));
        }
        lines.end()?;
        Ok(Self { log: origin.clone(), minimum, reason })
    }
}

/// SPEC: tlog-tiles: a bundle may be gone if its end index is at or below the minimum index.
fn check_minimum(minimum: u64) -> Result<(), TextError> {
    if minimum > 0 && minimum.is_multiple_of(WIDTH) {
        return Ok(());
    }
    Err(TextError::Form { expected: TITLE, problem: "the minimum index is not a positive multiple of 256" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_note::{Checkpoint, KeyName, SignatureType, UnverifiedNote};

    use super::*;

    const LOG: &str = "log.example.com/a";

    fn key(seed: u8) -> SigningKey {
        SigningKey::generate(KeyName::new(LOG).unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
    }

    fn pruning(minimum: u64) -> Pruning {
        Pruning { log: Origin::new(LOG).unwrap(), minimum, reason: "entries are kept for 7 years".into() }
    }

    #[test]
    fn a_pruning_is_signed_by_its_log() {
        let note = pruning(512).sign(&key(1)).unwrap();
        let log = Origin::new(LOG).unwrap();
        assert_eq!(Pruning::open(&note, &log, key(1).verifying_key()), Ok(pruning(512)));
        assert!(matches!(Pruning::open(&note, &log, key(2).verifying_key()), Err(TextError::Note(_))));
        let other = Origin::new("log.example.com/b").unwrap();
        assert_eq!(
            Pruning::open(&note, &other, key(1).verifying_key()),
            Err(TextError::OtherLog(LOG.to_owned()))
        );
        let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
        assert!(Checkpoint::parse(&text).is_err());
    }

    #[test]
    fn a_minimum_index_ends_a_bundle() {
        for minimum in [0, 1, 255, 257, u64::MAX] {
            assert!(pruning(minimum).sign(&key(1)).is_err(), "{minimum}");
            let text = format!("{TITLE}\nlog {LOG}\nminimum {minimum}\nreason x\n");
            let note = sign(&text, &key(1)).unwrap();
            let read = Pruning::open(&note, &Origin::new(LOG).unwrap(), key(1).verifying_key());
            assert!(matches!(read, Err(TextError::Form { .. })), "{minimum}");
        }
    }

    #[test]
    fn a_reason_is_one_line() {
        let reason = format!("two\nlines {}", "x".repeat(MAX_REASON_BYTES));
        let note = Pruning { reason, ..pruning(256) }.sign(&key(1)).unwrap();
        let read = Pruning::open(&note, &Origin::new(LOG).unwrap(), key(1).verifying_key()).unwrap();
        assert!(read.reason.starts_with("two lines x") && read.reason.len() == MAX_REASON_BYTES);
    }

    proptest! {
        #[test]
        fn random_lines_never_panic(lines in prop::collection::vec("(log|minimum|reason) \\PC{0,9}", 0..4)) {
            let text = format!("{TITLE}\n{}\n", lines.join("\n"));
            if let Ok(line) = key(1).sign_note(&text)
                && let Ok(note) = UnverifiedNote::from_parts(&text, vec![line])
            {
                let read = Pruning::open(note.as_str(), &Origin::new(LOG).unwrap(), key(1).verifying_key());
                prop_assert!(read.is_err());
            }
        }
    }
}
