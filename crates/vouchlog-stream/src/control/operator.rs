//! Notes about the operator's key: another key takes its place, or a recovery key is named in advance.
//!
//! ```text
//! vouchlog/v1 operator           vouchlog/v1 operator               vouchlog/v1 recovery
//! log <log origin>               log <log origin>                   log <log origin>
//! operator <new vkey>            operator <new vkey>                recovery <vkey>
//! replaces <old vkey>            replaces <old vkey>                replaces none | <old recovery vkey>
//! reason rotation <one line>     reason lost|compromised <one line>
//! a rotation                     a recovery                         the recovery key is named
//! signed by the old key          signed by the recovery key         signed by the operator, the recovery key,
//! and the new key                and the new key                    and the recovery key that it replaces
//! ```
//!
//! A note names the key in force, and no key is ever in force twice ([`crate::Operators`]): sent again, it changes nothing. The new key
//! signs, too, so that the log is not handed to a key whose secret is missing. An operator's key keeps its name.

use std::fmt;
use std::str::FromStr;

use vouchlog_note::{Origin, SignatureType, SigningKey, UnverifiedNote, VerifyingKey};

use super::{Lines, TextError, parse, sign_all, tidy_reason, verify_all};

const CHANGE: &str = "vouchlog/v1 operator";
const RECOVERY: &str = "vouchlog/v1 recovery";

/// Why the operator has a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperatorCause {
    /// The holder of the old key rotated it: the old key signed.
    Rotation,
    /// The old key is lost: the recovery key signed.
    Lost,
    /// Others may have the old key: the recovery key signed.
    Compromised,
}

impl OperatorCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Rotation, Self::Lost, Self::Compromised];

    /// The word for it in notes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Lost => "lost",
            Self::Compromised => "compromised",
        }
    }
}

impl fmt::Display for OperatorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for OperatorCause {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|cause| cause.word() == word);
        known.ok_or("the operator's key changes by `rotation`, or because it is `lost` or `compromised`")
    }
}

/// Another key takes the place of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorChange {
    /// The log it is for.
    pub log: Origin,
    /// The new key (type 0x01).
    pub operator: VerifyingKey,
    /// The key whose place it takes; it has the same name, and another id.
    pub replaces: VerifyingKey,
    /// Why.
    pub cause: OperatorCause,
    /// The same in words, in one line of at most [`MAX_REASON_BYTES`](crate::limits::MAX_REASON_BYTES).
    pub words: String,
}

/// The key that may put another one in the place of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryKey {
    /// The log it is for.
    pub log: Origin,
    /// The recovery key (type 0x01).
    pub recovery: VerifyingKey,
    /// The recovery key before it; `None` if there was none.
    pub replaces: Option<VerifyingKey>,
}

/// What an entry of kind 0x89 carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorNote {
    /// Another key takes the place of the operator's.
    Change(OperatorChange),
    /// A recovery key is named.
    Recovery(RecoveryKey),
}

impl OperatorChange {
    /// The note, signed by the new key, and by the old key (a rotation) or the recovery key. A line break in the words becomes a space, and
    /// what is too long is cut.
    ///
    /// # Errors
    /// [`TextError::Form`] if `new` is not the new key, or `by` is not the old key of a rotation.
    pub fn sign(&self, by: &SigningKey, new: &SigningKey) -> Result<String, TextError> {
        let is_old = *by.verifying_key() == self.replaces;
        if *new.verifying_key() != self.operator || is_old != (self.cause == OperatorCause::Rotation) {
            return Err(malformed(CHANGE, "it does not name these keys"));
        }
        check_pair(&self.replaces, &self.operator)?;
        let Self { log, operator, replaces, cause, words } = self;
        let words = tidy_reason(words);
        let text = format!(
            "{CHANGE}\nlog {log}\noperator {operator}\nreplaces {replaces}\nreason {cause} {words}\n"
        );
        sign_all(&text, &[by, new])
    }

    fn read(text: &str, log: &Origin) -> Result<Self, TextError> {
        let mut lines = Lines::new(CHANGE, text)?;
        lines.log(log)?;
        let operator = lines.vkey("operator", SignatureType::Ed25519)?;
        let replaces = lines.vkey("replaces", SignatureType::Ed25519)?;
        check_pair(&replaces, &operator)?;
        let reason = lines.value("reason")?;
        let problem = "`reason` is not `rotation`, `lost` or `compromised` and words";
        let (cause, words) = lines.reason(reason, problem)?;
        lines.end()?;
        Ok(Self { log: log.clone(), operator, replaces, cause, words })
    }
}

impl RecoveryKey {
    /// The note, signed by the operator, the recovery key and the one it replaces, if there is one.
    ///
    /// # Errors
    /// [`TextError::Form`] if it does not name these keys.
    pub fn sign(
        &self,
        operator: &SigningKey,
        recovery: &SigningKey,
        replaced: Option<&SigningKey>,
    ) -> Result<String, TextError> {
        let fits = *recovery.verifying_key() == self.recovery
            && replaced.map(SigningKey::verifying_key) == self.replaces.as_ref();
        if !fits || self.replaces.as_ref() == Some(&self.recovery) {
            return Err(malformed(RECOVERY, "it does not name these keys"));
        }
        let replaces = self.replaces.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let text = format!("{RECOVERY}\nlog {}\nrecovery {}\nreplaces {replaces}\n", self.log, self.recovery);
        let signers: Vec<&SigningKey> = [operator, recovery].into_iter().chain(replaced).collect();
        sign_all(&text, &signers)
    }

    fn read(text: &str, log: &Origin) -> Result<Self, TextError> {
        let mut lines = Lines::new(RECOVERY, text)?;
        lines.log(log)?;
        let recovery = lines.vkey("recovery", SignatureType::Ed25519)?;
        let replaces = match lines.value("replaces")? {
            "none" => None,
            vkey => Some(lines.key(vkey, SignatureType::Ed25519)?),
        };
        if replaces.as_ref() == Some(&recovery) {
            return Err(lines.malformed("a key cannot replace itself"));
        }
        lines.end()?;
        Ok(Self { log: log.clone(), recovery, replaces })
    }
}

impl OperatorNote {
    /// Reads a note and verifies the signatures of every key that it names itself, and that of another: the recovery key of a
    /// [recovery](OperatorCause::Lost), the operator's key of a [`RecoveryKey`]. Whether these are the keys in force is for
    /// [`crate::Operators`] to tell.
    pub(crate) fn open<'k>(
        note: &str,
        log: &Origin,
        other: impl FnOnce(&Self) -> Option<&'k VerifyingKey>,
    ) -> Result<Self, TextError> {
        let (unverified, read) = Self::parse(note, log)?;
        let keys: Vec<&VerifyingKey> = read.named_signers().into_iter().chain(other(&read)).collect();
        verify_all(unverified, keys.into_iter())?;
        Ok(read)
    }

    /// Whether the note is well-formed, and every key that it names and that has to sign it did.
    pub fn is_signed_by_named(note: &str, log: &Origin) -> bool {
        Self::open(note, log, |_| None).is_ok()
    }

    /// The operator's key that the note replaces, if it replaces one. Nothing is verified.
    pub fn replaced(note: &str, log: &Origin) -> Option<VerifyingKey> {
        match Self::read(note, log).ok()? {
            Self::Change(change) => Some(change.replaces),
            Self::Recovery(_) => None,
        }
    }

    /// Reads a note and verifies nothing.
    pub(crate) fn read(note: &str, log: &Origin) -> Result<Self, TextError> {
        Self::parse(note, log).map(|(_, read)| read)
    }

    fn parse(note: &str, log: &Origin) -> Result<(UnverifiedNote, Self), TextError> {
        let unverified = parse(note)?;
        let text = unverified.unverified_text();
        let read = if text.split('\n').next() == Some(RECOVERY) {
            Self::Recovery(RecoveryKey::read(text, log)?)
        } else {
            Self::Change(OperatorChange::read(text, log)?)
        };
        Ok((unverified, read))
    }

    /// The keys named in the note that have to sign it.
    fn named_signers(&self) -> Vec<&VerifyingKey> {
        match self {
            Self::Change(OperatorChange { cause: OperatorCause::Rotation, replaces, operator, .. }) => {
                vec![replaces, operator]
            }
            Self::Change(change) => vec![&change.operator],
            Self::Recovery(named) => std::iter::once(&named.recovery).chain(&named.replaces).collect(),
        }
    }
}

/// SPEC: an operator's key keeps its name, and no two have one id: a signature line then names one key.
fn check_pair(old: &VerifyingKey, new: &VerifyingKey) -> Result<(), TextError> {
    if old.name() != new.name() {
        return Err(malformed(CHANGE, "the key that is replaced has another name"));
    }
    if old.id() == new.id() { Err(malformed(CHANGE, "both keys have one id")) } else { Ok(()) }
}

fn malformed(expected: &'static str, problem: &'static str) -> TextError {
    TextError::Form { expected, problem }
}
