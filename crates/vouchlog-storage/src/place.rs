//! Where sealed objects lie on disk, so that damage can be located by file and byte range.

use std::fmt;

use vouchlog_merkle::TileId;

/// A sealed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A full tile.
    Tile(TileId),
    /// A full entry bundle.
    Bundle(u64),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(tile) => f.write_str(&tile.path(256)),
            Self::Bundle(bundle) => write!(f, "entry bundle {bundle}"),
        }
    }
}

/// A byte range of a file. The file is named relative to the data directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileRange {
    /// The file, such as `sealed/tiles/0/000000`.
    pub file: String,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
}

impl FileRange {
    /// A place inside this one: `start` and `end` count from its first byte. Never longer than this one.
    #[must_use]
    pub fn within(&self, start: u64, end: u64) -> Self {
        let at = |offset: u64| self.start.saturating_add(offset).min(self.end);
        Self { file: self.file.clone(), start: at(start), end: at(end) }
    }
}

impl fmt::Display for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end.checked_sub(1) {
            None => f.write_str(&self.file),
            Some(last) if last >= self.start => write!(f, "{} bytes {}-{last}", self.file, self.start),
            _ => write!(f, "{} at byte {}", self.file, self.start),
        }
    }
}
