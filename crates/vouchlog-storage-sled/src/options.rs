//! How stores are opened, and how much room they leave on the disk.

use std::path::Path;

use vouchlog_storage::MoveId;

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Commits are refused while the file system has less room than this, in bytes: a full disk must stop the log before
    /// it breaks the database.
    pub min_free_bytes: u64,
    /// The move that writes a log here; see [`SledStore::prepare_arrival`](crate::SledStore::prepare_arrival). Without it a directory
    /// that waits for a log does not open.
    pub arriving: Option<MoveId>,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_free_bytes: 64 * 1024 * 1024, arriving: None }
    }
}

/// Why nothing more is written where `dir` is, if the disk is nearly full.
pub(crate) fn no_room(dir: &Path, options: &Options) -> Option<String> {
    let free = fs4::available_space(dir).ok()?;
    let needed = options.min_free_bytes;
    (free < needed).then(|| format!("the disk is full: {free} bytes are free, {needed} are reserved"))
}
