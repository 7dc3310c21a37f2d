//! The stamp of a data directory: which format, whose log, and whether the log has begun.
//!
//! ```text
//! vouchlog store 2 LF
//! origin <log origin> LF
//! begun LF                      once something was committed
//! ```
//!
//! Format 1 had no ledger. Such a directory is read, and has a ledger and this format from then on.

use std::fs;
use std::io;
use std::path::Path;

use vouchlog_storage::StoreError;

use crate::files::{os_error, write_file};

const FILE: &str = "FORMAT";
/// First line. Another number is another layout, which this version cannot read.
const FORMAT: &str = "vouchlog store 2";
const FORMAT_WITHOUT_LEDGER: &str = "vouchlog store 1";

/// What the stamp holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) origin: String,
    /// A log that has begun is never begun again.
    pub(crate) begun: bool,
    /// Whether the directory has, or is to have, a ledger.
    pub(crate) ledger: bool,
}

/// What follows the first line of a format file, which must be `format`; `None` when there is no such file.
pub(crate) fn read_format(path: &Path, format: &str, advice: &str) -> Result<Option<String>, StoreError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(os_error)?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let (found, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if found != format {
        let found = found.escape_default();
        let message = format!("FORMAT names the format `{found}`, expected `{format}`: {advice}");
        return Err(StoreError::Foreign(message));
    }
    Ok(Some(rest.to_owned()))
}

impl Stamp {
    /// The stamp of `dir`; `None` when it has none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let (path, advice) = (dir.join(FILE), "use the version that made it");
        let (rest, ledger) = match read_format(&path, FORMAT_WITHOUT_LEDGER, advice) {
            Err(StoreError::Foreign(_)) => (read_format(&path, FORMAT, advice)?, true),
            other => (other?, false),
        };
        let Some(rest) = rest else { return Ok(None) };
        let lines = rest.strip_suffix('\n').unwrap_or("");
        let (lines, begun) = lines.strip_suffix("\nbegun").map_or((lines, false), |lines| (lines, true));
        match lines.strip_prefix("origin ") {
            Some(origin) => Ok(Some(Self { origin: origin.to_owned(), begun, ledger })),
            None => Err(StoreError::Damaged("its FORMAT file names no origin".into())),
        }
    }

    /// Writes the stamp durably, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let begun = if self.begun { "begun\n" } else { "" };
        write_file(&dir.join(FILE), format!("{FORMAT}\norigin {}\n{begun}", self.origin).as_bytes())
    }
}
