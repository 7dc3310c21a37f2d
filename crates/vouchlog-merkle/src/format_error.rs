//! The ways in which bytes or text are not in their format.

/// Why bytes or text could not be read as a hash, a tile, a tile path or an entry bundle.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A hash is 32 bytes.
    #[error("a hash is 32 bytes, not {got}")]
    HashLength {
        /// Bytes given.
        got: usize,
    },
    /// A hash in text is 64 lowercase hex digits.
    #[error("a hash in text is 64 lowercase hex digits")]
    HashText,
    /// A tile is between 1 and 256 hashes of 32 bytes.
    #[error("a tile is 1 to 256 hashes of 32 bytes; got {got} bytes")]
    TileLength {
        /// Bytes given.
        got: usize,
    },
    /// A tile or bundle has another width than its path says.
    #[error("{got} items, but the path gives {want}")]
    Width {
        /// Items promised.
        want: usize,
        /// Items found.
        got: usize,
    },
    /// The text is not a path of C2SP tlog-tiles.
    #[error("not a tile path: {reason}")]
    TilePath {
        /// The rule that was broken.
        reason: &'static str,
    },
    /// An entry is longer than its length prefix can say.
    #[error("an entry of {got} bytes; the limit is 65535")]
    EntryTooLong {
        /// Bytes in the entry.
        got: usize,
    },
    /// A bundle ends inside an entry.
    #[error("the bundle ends inside entry {entry}: {want} more bytes needed, {got} left")]
    BundleTruncated {
        /// Which entry of the bundle, from 0.
        entry: usize,
        /// Bytes the entry or its prefix still needs.
        want: usize,
        /// Bytes left.
        got: usize,
    },
    /// A bundle goes on after its last entry.
    #[error("{got} bytes after the last entry of the bundle")]
    BundleTrailing {
        /// Bytes left over.
        got: usize,
    },
}
