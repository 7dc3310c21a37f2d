//! The file `FORMAT` beside the journal: a collector's directory that has begun, and which journal belongs to it. Without it, a
//! journal that was deleted would be taken for one that never was.

use std::path::Path;

use vouchlog_runtime::durable;

use super::JournalError;

const NAME: &str = "FORMAT";
/// More than it ever has.
const MAX_BYTES: usize = 1_024;
/// The journal's files are in clear.
const CLEAR: &str = "vouchlog collector 2";
/// They are sealed, and their keys are in `journal/KEYS`.
const SEALED: &str = "vouchlog collector 3";

/// What belongs to a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The identity of its journal.
    pub(super) journal: [u8; 16],
    /// The check of the secret that names of records are made with; none in a stamp of an earlier version.
    pub(super) secret: Option<[u8; 8]>,
    /// Whether its files are sealed, and `journal/KEYS` must be there.
    pub(super) is_sealed: bool,
}

impl Stamp {
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, JournalError> {
        let read = durable::read_bounded(&dir.join(NAME), MAX_BYTES);
        let read = read.map_err(|error| JournalError::Disk(format!("{NAME}: {error}")))?;
        let Some(text) = read else { return Ok(None) };
        let parsed = std::str::from_utf8(&text).ok().and_then(Self::parse);
        let why = "FORMAT is damaged, or another version of this program wrote it";
        parsed.map(Some).ok_or_else(|| JournalError::Damaged(why.into()))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_sealed = text.starts_with(SEALED);
        let rest = text.strip_prefix(if is_sealed { SEALED } else { CLEAR })?;
        let rest = rest.strip_prefix("\njournal ")?.strip_suffix('\n')?;
        let (journal, secret) = match rest.split_once("\nsecret ") {
            Some((journal, secret)) => (journal, Some(secret)),
            None => (rest, None),
        };
        let mut stamp = Self { journal: [0; 16], secret: None, is_sealed };
        hex::decode_to_slice(journal, &mut stamp.journal).ok()?;
        if let Some(secret) = secret {
            hex::decode_to_slice(secret, stamp.secret.insert([0; 8])).ok()?;
        }
        // Written in one way only.
        (stamp.text() == text).then_some(stamp)
    }

    fn text(self) -> String {
        let secret = self.secret.map_or_else(String::new, |check| format!("secret {}\n", hex::encode(check)));
        let first = if self.is_sealed { SEALED } else { CLEAR };
        format!("{first}\njournal {}\n{secret}", hex::encode(self.journal))
    }

    /// Refuses another secret than the one this directory began with: what is recorded again would get another name.
    pub(super) fn check_secret(self, given: [u8; 8]) -> Result<(), JournalError> {
        match self.secret {
            Some(check) if check != given => Err(JournalError::Damaged(
                "FORMAT belongs to a secret other than the one in collector.key, with which pending input would be recorded twice: restore both files from one backup"
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Writes it, durably.
    pub(super) fn write(self, dir: &Path) -> Result<(), JournalError> {
        let written = durable::write(&dir.join(NAME), self.text().as_bytes(), durable::Mode::Private);
        written.map_err(|error| JournalError::Disk(format!("{NAME}: {error}")))
    }
}

/// Refuses the journal of an earlier version of this program, which was a database.
pub(super) fn check_layout(journal: &Path) -> Result<(), JournalError> {
    const OLD: [&str; 3] = ["0.jnl", "keyspaces", "version"];
    match OLD.into_iter().find(|name| journal.join(name).exists()) {
        Some(found) => Err(JournalError::OldLayout(found)),
        None => Ok(()),
    }
}
