//! The stamp of a data directory: which format, whose log, and whether the log has begun.
//!
//! ```text
//! vouchlog store 1 LF
//! origin <log origin> LF
//! begun LF                      once something was committed
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use vouchlog_storage::StoreError;

use crate::segments::sync_dir;
use crate::store::io_error;

const FILE: &str = "FORMAT";
/// First line. Another number is another layout, which this version cannot read.
const FORMAT: &str = "vouchlog store 1";

/// What the stamp says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) origin: String,
    /// A log that has begun is never begun again.
    pub(crate) begun: bool,
}

/// What follows the first line of a format file, which must be `format`; `None` when there is no such file.
pub(crate) fn read_format(path: &Path, format: &str, advice: &str) -> Result<Option<String>, StoreError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io_error)?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let (found, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if found != format {
        let found = found.escape_default();
        let message = format!("the data directory has format `{found}`, `{format}` was expected: {advice}");
        return Err(StoreError::Foreign(message));
    }
    Ok(Some(rest.to_owned()))
}

impl Stamp {
    /// The stamp of `dir`; `None` when it has none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let advice = "use the version that made it";
        let Some(rest) = read_format(&dir.join(FILE), FORMAT, advice)? else { return Ok(None) };
        let lines = rest.strip_suffix('\n').unwrap_or("");
        let (lines, begun) = lines.strip_suffix("\nbegun").map_or((lines, false), |lines| (lines, true));
        match lines.strip_prefix("origin ") {
            Some(origin) => Ok(Some(Self { origin: origin.to_owned(), begun })),
            None => Err(StoreError::Damaged("its FORMAT file names no origin".into())),
        }
    }

    /// Writes the stamp durably, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let begun = if self.begun { "begun\n" } else { "" };
        let temporary = dir.join("FORMAT.new");
        let mut file = File::create(&temporary).map_err(io_error)?;
        write!(file, "{FORMAT}\norigin {}\n{begun}", self.origin).map_err(io_error)?;
        file.sync_all().map_err(io_error)?;
        fs::rename(&temporary, dir.join(FILE)).map_err(io_error)?;
        sync_dir(dir).map_err(io_error)
    }
}
