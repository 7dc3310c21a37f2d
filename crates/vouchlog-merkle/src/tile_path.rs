//! `TilePath`: the names of tiles and entry bundles in URLs and on disk (C2SP tlog-tiles).

use std::fmt;
use std::str::FromStr;

use crate::{FormatError, TILE_WIDTH, TileId};

/// The path of a tile or entry bundle below the log's URL prefix.
///
/// ```text
/// tile / <level>   / <index>  [ .p / <width> ]
/// tile / entries   / <index>  [ .p / <width> ]
///
/// level    0 to 63, no leading zeros
/// index    groups of three digits, all but the last with an x:  5 is 005,  1234067 is x001/x234/067
/// width    of a partial tile, 1 to 255, no leading zeros; a full tile has none
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TilePath {
    /// A tile of hashes.
    Hashes {
        /// Which tile.
        tile: TileId,
        /// Hashes in it, 1 to 256.
        width: u16,
    },
    /// The entries behind a level 0 tile.
    Entries {
        /// Place of the bundle, which is that of its tile at level 0.
        index: u64,
        /// Entries in it, 1 to 256.
        width: u16,
    },
}

/// Width of a full tile, as a path has it.
const FULL: u16 = 256;
const _: () = assert!(FULL as usize == TILE_WIDTH);

/// SPEC: tlog-tiles: "<L> is the level, between 0 and 63". A `u64` tree needs 0 to 7.
const MAX_LEVEL: u8 = 63;

impl TilePath {
    /// Reads a path. A tile has one spelling; every other is refused.
    ///
    /// # Errors
    /// [`FormatError::TilePath`] with the rule that was broken.
    pub fn parse(path: &str) -> Result<Self, FormatError> {
        let rest = path.strip_prefix("tile/").ok_or(wrong("it must start with tile/"))?;
        let (kind, place) = rest.split_once('/').ok_or(wrong("a level and an index follow"))?;
        let (index, width) = match place.split_once(".p/") {
            None => (place, FULL),
            Some((index, width)) => (index, parse_width(width)?),
        };
        let index = parse_index(index)?;
        Ok(match kind {
            "entries" => Self::Entries { index, width },
            level => Self::Hashes { tile: TileId { level: parse_level(level)?, index }, width },
        })
    }

    /// Number of hashes or entries, 1 to 256.
    #[must_use]
    pub const fn width(self) -> u16 {
        match self {
            Self::Hashes { width, .. } | Self::Entries { width, .. } => width,
        }
    }
}

impl FromStr for TilePath {
    type Err = FormatError;

    fn from_str(path: &str) -> Result<Self, FormatError> {
        Self::parse(path)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashes { tile, .. } => write!(f, "tile/{}/{}", tile.level, encode_index(tile.index))?,
            Self::Entries { index, .. } => write!(f, "tile/entries/{}", encode_index(*index))?,
        }
        match self.width() {
            FULL => Ok(()),
            partial => write!(f, ".p/{partial}"),
        }
    }
}

impl TileId {
    /// The path of this tile with so many hashes, 256 for the full one.
    ///
    /// # Panics
    /// If there is no such tile: 0 hashes, or more than 256.
    #[must_use]
    pub fn path(self, width: u16) -> String {
        assert!((1..=FULL).contains(&width), "a tile has 1 to 256 hashes, not {width}");
        TilePath::Hashes { tile: self, width }.to_string()
    }
}

/// The index of a tile as path components: `x001/x234/067` for 1234067.
#[must_use]
pub fn encode_index(index: u64) -> String {
    let mut encoded = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        encoded = format!("x{:03}/{encoded}", rest % 1000);
        rest /= 1000;
    }
    encoded
}

fn parse_index(text: &str) -> Result<u64, FormatError> {
    let (parents, last) = text.rsplit_once('/').map_or((None, text), |(parents, last)| (Some(parents), last));
    let mut index = 0_u64;
    for group in parents.into_iter().flat_map(|parents| parents.split('/')) {
        let digits = group.strip_prefix('x').ok_or(wrong("all groups of an index but the last have an x"))?;
        let value = parse_group(digits)?;
        if index == 0 && value == 0 {
            return Err(wrong("an index has no leading x000"));
        }
        index = shift_in(index, value)?;
    }
    shift_in(index, parse_group(last)?)
}

fn parse_group(digits: &str) -> Result<u64, FormatError> {
    if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong("a group of an index has three digits"));
    }
    digits.parse().map_err(|_| wrong("a group of an index has three digits"))
}

fn shift_in(index: u64, group: u64) -> Result<u64, FormatError> {
    index
        .checked_mul(1000)
        .and_then(|shifted| shifted.checked_add(group))
        .ok_or(wrong("an index fits 64 bits"))
}

fn parse_level(text: &str) -> Result<u8, FormatError> {
    parse_small(text)
        .and_then(|level| u8::try_from(level).ok())
        .filter(|level| *level <= MAX_LEVEL)
        .ok_or(wrong("a level is entries or 0 to 63"))
}

fn parse_width(text: &str) -> Result<u16, FormatError> {
    parse_small(text).filter(|width| (1..FULL).contains(width)).ok_or(wrong("a partial width is 1 to 255"))
}

/// A decimal of at most three digits without leading zeros.
fn parse_small(text: &str) -> Option<u16> {
    let plain = text.len() <= 3 && text.bytes().all(|digit| digit.is_ascii_digit());
    (plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

const fn wrong(reason: &'static str) -> FormatError {
    FormatError::TilePath { reason }
}
