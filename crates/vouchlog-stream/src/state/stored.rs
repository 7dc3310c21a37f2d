//! The bytes a store keeps of a stream. Private to the log: they never leave it, and are rebuilt from entries by `fsck`'s
//! rules if in doubt.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::{CompactRange, Hash, LeafIndex};

use super::{Fork, LoggedHead, Run, StreamState, StreamStatus};
use crate::{LoggedAt, Previous, StreamId};

/// The newest head in full; older runs keep the same note again only where it differs, so most of the bytes are notes.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: u64,
    gateway: String,
    key: String,
    previous: Option<(u64, u64)>,
    size: u64,
    hashes: Vec<[u8; 32]>,
    head: Option<(u64, String)>,
    runs: Vec<StoredRun>,
    /// 0 open, 1 closed, else 2 + the successor.
    status: u64,
    logged: (u64, u64),
    fork: Option<(u64, String, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredRun {
    start: u64,
    count: u32,
    first: u64,
    logged_at: u64,
    root: [u8; 32],
    note: String,
}

impl StreamState {
    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let status = match self.status {
            StreamStatus::Open => 0,
            StreamStatus::Closed => 1,
            StreamStatus::Superseded(by) => 2 + by.get(),
        };
        let stored = Stored {
            id: self.id.get(),
            gateway: self.gateway.to_string(),
            key: self.key.to_string(),
            previous: self.previous.map(|previous| (previous.stream.get(), previous.size)),
            size: self.size(),
            hashes: self.range.hashes().iter().map(|hash| *hash.as_bytes()).collect(),
            head: self.head.clone(),
            runs: self.runs.iter().map(store_run).collect(),
            status,
            logged: (self.logged.size, self.logged.at.millis()),
            fork: self.fork.clone().map(|fork| (fork.size, fork.accepted, fork.refused)),
        };
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = postcard::from_bytes(bytes).ok()?;
        let hashes = stored.hashes.into_iter().map(Hash::from_bytes).collect();
        let status = match stored.status {
            0 => StreamStatus::Open,
            1 => StreamStatus::Closed,
            by => StreamStatus::Superseded(StreamId::new(by - 2)?),
        };
        let previous = match stored.previous {
            None => None,
            Some((stream, size)) => Some(Previous { stream: StreamId::new(stream)?, size }),
        };
        Some(Self {
            id: StreamId::new(stored.id)?,
            gateway: stored.gateway.parse().ok()?,
            key: stored.key.parse().ok()?,
            previous,
            range: CompactRange::from_hashes(0, stored.size, hashes).ok()?,
            head: stored.head,
            runs: stored.runs.into_iter().map(load_run).collect::<Option<_>>()?,
            status,
            logged: LoggedHead { size: stored.logged.0, at: LoggedAt::from_millis(stored.logged.1)? },
            fork: stored.fork.map(|(size, accepted, refused)| Fork { size, accepted, refused }),
        })
    }
}

fn store_run(run: &Run) -> StoredRun {
    StoredRun {
        start: run.start,
        count: run.count,
        first: run.first.get(),
        logged_at: run.logged_at.millis(),
        root: *run.root.as_bytes(),
        note: run.note.clone(),
    }
}

fn load_run(run: StoredRun) -> Option<Run> {
    Some(Run {
        start: run.start,
        count: run.count,
        first: LeafIndex::new(run.first),
        logged_at: LoggedAt::from_millis(run.logged_at)?,
        root: Hash::from_bytes(run.root),
        note: run.note,
    })
}
