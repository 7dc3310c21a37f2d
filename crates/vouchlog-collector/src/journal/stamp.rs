//! The file `FORMAT` beside the journal: a collector's directory that has begun, and which journal belongs to it. Without it, a
//! journal that was deleted would be taken for one that never was.

use std::path::Path;

use vouchlog_runtime::durable;

use super::JournalError;

const NAME: &str = "FORMAT";
/// More than it ever has.
const MAX_BYTES: usize = 1_024;
const FIRST_LINE: &str = "vouchlog collector 2";

/// The identity of the journal of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) [u8; 16]);

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
        let rest = text.strip_prefix(FIRST_LINE)?.strip_prefix("\njournal ")?.strip_suffix('\n')?;
        let mut identity = [0; 16];
        hex::decode_to_slice(rest, &mut identity).ok()?;
        // Written in one way only.
        (hex::encode(identity) == rest).then_some(Self(identity))
    }

    /// Writes it, durably.
    pub(super) fn write(self, dir: &Path) -> Result<(), JournalError> {
        let text = format!("{FIRST_LINE}\njournal {}\n", hex::encode(self.0));
        let written = durable::write(&dir.join(NAME), text.as_bytes(), durable::Mode::Private);
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
