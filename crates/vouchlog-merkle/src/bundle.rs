//! `EntryBundle`: the entries behind a level 0 tile, as bytes (C2SP tlog-tiles).

use crate::{FormatError, TILE_WIDTH};

/// The most bytes an entry can have: its length prefix has 16 bits.
pub const MAX_ENTRY_LEN: usize = u16::MAX as usize;

/// The most bytes a bundle can have, uncompressed. A reader stops here whatever the sender promises.
pub const MAX_BUNDLE_LEN: usize = TILE_WIDTH * (PREFIX + MAX_ENTRY_LEN);

/// Bytes in a length prefix.
const PREFIX: usize = 2;

/// The format of an entry bundle: 256 entries when full, fewer when partial, nothing before, between or after.
///
/// ```text
/// +--------------+-----------+--------------+-----------+--
/// | length (u16) | entry     | length (u16) | entry     | ..
/// +--------------+-----------+--------------+-----------+--
/// ```
///
/// The length is big-endian and is no part of the leaf hash.
#[derive(Clone, Copy, Debug)]
pub enum EntryBundle {}

impl EntryBundle {
    /// Puts an entry at the end of a bundle.
    ///
    /// # Errors
    /// [`FormatError::EntryTooLong`] above [`MAX_ENTRY_LEN`]; the bundle is then unchanged.
    pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), FormatError> {
        let length =
            u16::try_from(entry.len()).map_err(|_| FormatError::EntryTooLong { got: entry.len() })?;
        bundle.reserve(PREFIX + entry.len());
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
        Ok(())
    }

    /// Reads a bundle of just this many entries, which its path or the tree size says.
    ///
    /// # Errors
    /// [`FormatError::Width`] if `expected_count` is not 1 to 256, [`FormatError::BundleTruncated`],
    /// [`FormatError::BundleTrailing`].
    pub fn entries(bytes: &[u8], expected_count: usize) -> Result<Vec<&[u8]>, FormatError> {
        if expected_count == 0 || expected_count > TILE_WIDTH {
            return Err(FormatError::Width { want: TILE_WIDTH, got: expected_count });
        }
        let mut entries = Vec::with_capacity(expected_count);
        let mut rest = bytes;
        for entry in 0..expected_count {
            let short = |want, left: &[u8]| FormatError::BundleTruncated { entry, want, got: left.len() };
            let (prefix, behind) = rest.split_first_chunk::<PREFIX>().ok_or_else(|| short(PREFIX, rest))?;
            let length = usize::from(u16::from_be_bytes(*prefix));
            let (body, behind) = behind.split_at_checked(length).ok_or_else(|| short(length, behind))?;
            entries.push(body);
            rest = behind;
        }
        if rest.is_empty() { Ok(entries) } else { Err(FormatError::BundleTrailing { got: rest.len() }) }
    }
}
