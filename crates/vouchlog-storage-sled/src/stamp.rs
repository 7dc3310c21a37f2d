//! The stamp of a data directory: which format, whose log, and whether the log has begun.
//!
//! ```text
//! vouchlog store 2 LF
//! origin <log origin> LF
//! begun LF                      once something was committed
//! ```
//!
//! Format 1 had no ledger. Such a directory is read, and has a ledger and this format from then on. Format 3 is that of a directory
//! whose sealed part is somewhere else, which a line `objects <URL>` after the origin names: a version that does not know it must
//! not take the sealed part for lost. Format 4 is that of a directory from which the log was moved away, or to which it is being
//! moved, which a line `left` or `arriving` before `begun` records: no version may sign from it.

use std::fs;
use std::io;
use std::path::Path;

use vouchlog_storage::{Residence, StoreError};

use crate::files::{os_error, write_file};

const FILE: &str = "FORMAT";
/// First line. Another number is another layout, which this version cannot read.
const FORMAT: &str = "vouchlog store 2";
const FORMAT_WITHOUT_LEDGER: &str = "vouchlog store 1";
const FORMAT_ELSEWHERE: &str = "vouchlog store 3";
const FORMAT_MOVED: &str = "vouchlog store 4";

/// What the stamp holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) origin: String,
    /// A log that has begun is never begun again.
    pub(crate) begun: bool,
    /// Whether the directory has, or is to have, a ledger.
    pub(crate) ledger: bool,
    /// Where the sealed part is, if not in the directory.
    pub(crate) elsewhere: Option<String>,
    /// Whether the log is served from here.
    pub(crate) residence: Residence,
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
        if let Ok(rest) = read_format(&path, FORMAT_MOVED, advice) {
            return rest.map(|rest| Self::parse_moved(&rest)).transpose();
        }
        if let Ok(rest) = read_format(&path, FORMAT_ELSEWHERE, advice) {
            return rest.map(|rest| Self::parse(&rest, true, true)).transpose();
        }
        let (rest, ledger) = match read_format(&path, FORMAT_WITHOUT_LEDGER, advice) {
            Err(StoreError::Foreign(_)) => (read_format(&path, FORMAT, advice)?, true),
            other => (other?, false),
        };
        rest.map(|rest| Self::parse(&rest, ledger, false)).transpose()
    }

    /// Reads what follows the first line of format 4.
    fn parse_moved(rest: &str) -> Result<Self, StoreError> {
        let (begun, lines) = match rest.strip_suffix("begun\n") {
            Some(lines) => ("begun\n", lines),
            None => ("", rest),
        };
        let unmarked = || StoreError::Damaged("its FORMAT file names no move".into());
        let (lines, mark) =
            lines.strip_suffix('\n').and_then(|lines| lines.rsplit_once('\n')).ok_or_else(unmarked)?;
        let is_elsewhere = lines.contains("\nobjects ");
        let stamp = Self::parse(&format!("{lines}\n{begun}"), true, is_elsewhere)?;
        match mark.parse()? {
            Residence::Here => Err(unmarked()),
            residence => Ok(Self { residence, ..stamp }),
        }
    }

    /// Reads what follows the first line of the other formats.
    fn parse(rest: &str, ledger: bool, is_elsewhere: bool) -> Result<Self, StoreError> {
        let lines = rest.strip_suffix('\n').unwrap_or("");
        let (lines, begun) = lines.strip_suffix("\nbegun").map_or((lines, false), |lines| (lines, true));
        let (lines, elsewhere) = match lines.split_once("\nobjects ") {
            Some((lines, place)) if is_elsewhere => (lines, Some(place.to_owned())),
            _ if is_elsewhere => {
                return Err(StoreError::Damaged("its FORMAT file does not name the object store".into()));
            }
            _ => (lines, None),
        };
        match lines.strip_prefix("origin ") {
            Some(origin) => {
                let (origin, residence) = (origin.to_owned(), Residence::Here);
                Ok(Self { origin, begun, ledger, elsewhere, residence })
            }
            None => Err(StoreError::Damaged("its FORMAT file names no origin".into())),
        }
    }

    /// Writes the stamp durably, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let begun = if self.begun { "begun\n" } else { "" };
        let origin = &self.origin;
        let objects = self.elsewhere.as_ref().map_or_else(String::new, |place| format!("objects {place}\n"));
        let (format, mark) = match (&self.residence, &self.elsewhere) {
            (Residence::Here, None) => (FORMAT, String::new()),
            (Residence::Here, Some(_)) => (FORMAT_ELSEWHERE, String::new()),
            (moved, _) => (FORMAT_MOVED, format!("{moved}\n")),
        };
        let text = format!("{format}\norigin {origin}\n{objects}{mark}{begun}");
        write_file(&dir.join(FILE), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use vouchlog_storage::{Move, MoveId};

    use super::*;

    #[test]
    fn every_stamp_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let of = Move { id: MoveId::from_bytes([7; 16]), place: "postgres://u@h/logs of 2026".into() };
        for residence in [Residence::Here, Residence::Arriving(of.clone()), Residence::Left(of)] {
            for elsewhere in [None, Some("s3://bucket/log".to_owned())] {
                for begun in [false, true] {
                    let (residence, elsewhere) = (residence.clone(), elsewhere.clone());
                    let origin = "log.example.com/a".to_owned();
                    let stamp = Stamp { origin, begun, ledger: true, elsewhere, residence };
                    stamp.write(dir.path()).unwrap();
                    assert_eq!(Stamp::read(dir.path()), Ok(Some(stamp)));
                }
            }
        }
    }

    #[test]
    fn a_stamp_of_a_move_without_its_mark_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        for rest in ["", "origin a\n", "origin a\nbegun\n", "origin a\nleft\n", "left 00 x\n"] {
            fs::write(dir.path().join(FILE), format!("{FORMAT_MOVED}\n{rest}")).unwrap();
            assert!(matches!(Stamp::read(dir.path()), Err(StoreError::Damaged(_))), "{rest:?}");
        }
    }
}
