//! What a run was and how it ended.

use crate::disk::Counts;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was recovered.
    #[default]
    Whole,
    /// The log refused to start, as it must after damage that nothing can undo.
    Refused,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The promise that was broken, if one was.
    pub violation: Option<String>,
    /// Steps taken.
    pub steps: u64,
    /// Entries in the log.
    pub entries: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Starts of the log that succeeded.
    pub starts: u64,
    /// Messages that never arrived.
    pub messages_lost: u64,
    /// Messages that arrived twice.
    pub messages_repeated: u64,
    /// What was done to the disks.
    pub faults: Counts,
    /// Every event, in order.
    pub trace: Vec<String>,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Adds up the faults of another disk.
    pub fn add(&mut self, counts: &Counts) {
        self.faults.read_errors += counts.read_errors;
        self.faults.write_errors += counts.write_errors;
        self.faults.sync_errors += counts.sync_errors;
        self.faults.misdirected += counts.misdirected;
        self.faults.rotted += counts.rotted;
        self.faults.restored += counts.restored;
    }
}
