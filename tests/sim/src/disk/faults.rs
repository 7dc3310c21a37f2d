//! Which operations of a disk fail, and what was done to it.

use std::collections::BTreeSet;

use super::State;

/// How often operations fail, in 1,000; 0 is never.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The folders that fail; all of them if empty.
    pub folders: Vec<&'static str>,
    /// Reads that answer EIO.
    pub read_errors: u64,
    /// Writes that answer EIO after a part.
    pub write_errors: u64,
    /// Syncs that answer EIO: the pages are marked clean although only a part was written, and the next sync succeeds.
    pub sync_errors: u64,
    /// Writes that succeed somewhere else.
    pub misdirected: u64,
    /// Whether writes answer ENOSPC.
    pub is_full: bool,
    /// A planted bug, seen as a disk that lies.
    pub lie: Option<Lie>,
    /// Inodes whose writes have no effect, by a lie.
    pub(super) muted: BTreeSet<u64>,
}

/// A planted bug in the way a store uses its disk, shown by the disk instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing is synced.
    SyncNothing,
    /// A sync that failed is taken for one that succeeded.
    HideFailedSyncs,
    /// A start does not write again what it read.
    NoRewrite,
}

/// What was done to a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads that failed.
    pub read_errors: u64,
    /// Writes that failed.
    pub write_errors: u64,
    /// Syncs that failed.
    pub sync_errors: u64,
    /// Writes that went elsewhere.
    pub misdirected: u64,
    /// Sectors damaged at rest.
    pub rotted: u64,
    /// Old copies put back.
    pub restored: u64,
    /// Folders that do not hold what was written.
    pub damaged: BTreeSet<String>,
}

impl Counts {
    /// Operations that failed.
    pub fn failures(&self) -> u64 {
        self.read_errors + self.write_errors + self.sync_errors
    }
}

/// The folders that hold the two copies of a log's living part.
const LIVING: [&str; 4] = ["ledger", "live", "ledger.new", "live.new"];

impl State {
    /// Whether an operation in `folder` fails.
    pub(super) fn fails(&mut self, folder: &str, rate: impl Fn(&Faults) -> u64) -> bool {
        let rate = rate(&self.faults);
        let named = self.faults.folders.is_empty() || self.faults.folders.contains(&folder);
        rate > 0 && named && self.rng.chance(rate, 1000)
    }

    pub(super) fn lies(&self, lie: Lie, folder: &str) -> bool {
        self.faults.lie == Some(lie) && LIVING.contains(&folder)
    }

    /// The file that `path` is to replace with the same records, when a planted bug leaves that out.
    pub(super) fn rewrite_of(&self, path: &str) -> Option<u64> {
        let (folder, name) = path.split_once('/')?;
        let original = name.strip_suffix(".new").filter(|name| name.parse::<u64>().is_ok())?;
        if !self.lies(Lie::NoRewrite, folder) {
            return None;
        }
        self.names.get(&format!("{folder}/{original}"))
    }
}
