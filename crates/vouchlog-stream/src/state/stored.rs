//! The bytes a store keeps of a stream. Private to the log: they never leave it, and are rebuilt from entries by `fsck`'s
//! rules if in doubt.
//!
//! A stream's state is written with every commit that touches it, so it is kept small: of a note only the signature is
//! stored, because the rest follows from the origin, the key, and a size and root that are there anyway.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::{Hash, LeafIndex, TreeHead, TreeSize};
use vouchlog_note::{Checkpoint, Origin, SignatureLine, VerifyingKey};

use super::tree::Tree;
use super::{Fork, NewestHead, Run, StreamState, StreamStatus};
use crate::limits::{MAX_STREAM_SIZE, RECENT_RUNS};
use crate::{LoggedAt, Previous, StreamId};

#[derive(Serialize, Deserialize)]
struct Stored {
    id: u64,
    gateway: String,
    key: String,
    previous: Option<(u64, u64)>,
    size: u64,
    hashes: Vec<[u8; 32]>,
    head: Option<StoredHead>,
    runs: Vec<StoredRun>,
    /// 0 open, 1 closed, else 2 + the successor.
    status: u64,
    logged_size: u64,
    fork: Option<(u64, String, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredHead {
    origin: String,
    timestamp: u64,
    signature: String,
}

#[derive(Serialize, Deserialize)]
struct StoredRun {
    start: u64,
    count: u32,
    first: u64,
    logged_at: u64,
    root: [u8; 32],
    signature: String,
}

/// The note of a head that is a checkpoint with one signature and nothing else.
pub(super) fn plain_note(origin: &Origin, head: TreeHead, key: &VerifyingKey, signature: &str) -> String {
    format!("{}\n\u{2014} {} {signature}\n", Checkpoint::new(origin.clone(), head), key.name())
}

/// As [`plain_note`], if what the store has is a signature at all.
fn load_note(origin: &Origin, head: TreeHead, key: &VerifyingKey, signature: &str) -> Option<String> {
    let line = format!("\u{2014} {} {signature}", key.name());
    line.parse::<SignatureLine>().ok().filter(|line| line.is_by(key))?;
    Some(plain_note(origin, head, key, signature))
}

/// The last word of a note: in a plain one the base64 of its only signature.
pub(super) fn signature(note: &str) -> &str {
    note.trim_end_matches('\n').rsplit(' ').next().unwrap_or_default()
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
            hashes: self.tree.hashes().iter().map(|hash| *hash.as_bytes()).collect(),
            head: self.head.as_ref().map(store_head),
            runs: self.runs.iter().map(store_run).collect(),
            status,
            logged_size: self.logged_size,
            fork: self.fork.clone().map(|fork| (fork.size, fork.accepted, fork.refused)),
        };
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stored, rest) = postcard::take_from_bytes::<Stored>(bytes).ok()?;
        if !rest.is_empty() || stored.size > MAX_STREAM_SIZE || stored.runs.len() > RECENT_RUNS {
            return None;
        }
        let status = match stored.status {
            0 => StreamStatus::Open,
            1 => StreamStatus::Closed,
            by => StreamStatus::Superseded(StreamId::new(by - 2)?),
        };
        let previous = match stored.previous {
            None => None,
            Some((stream, size)) => Some(Previous { stream: StreamId::new(stream)?, size }),
        };
        let key: VerifyingKey = stored.key.parse().ok()?;
        let hashes: Vec<Hash> = stored.hashes.into_iter().map(Hash::from_bytes).collect();
        let tree = Tree::from_hashes(stored.size, &hashes, status != StreamStatus::Open)?;
        let head = match stored.head {
            None => None,
            Some(head) => Some(load_head(&head, tree.head(), &key)?),
        };
        let runs = match &head {
            None if !stored.runs.is_empty() => return None,
            None => Default::default(),
            Some(head) => {
                stored.runs.iter().map(|run| load_run(run, &head.origin, &key)).collect::<Option<_>>()?
            }
        };
        Some(Self {
            id: StreamId::new(stored.id)?,
            gateway: stored.gateway.parse().ok()?,
            key,
            previous,
            tree,
            head,
            runs,
            status,
            logged_size: stored.logged_size,
            fork: stored.fork.map(|(size, accepted, refused)| Fork { size, accepted, refused }),
        })
    }
}

fn store_head(head: &NewestHead) -> StoredHead {
    let signature = signature(&head.note).to_owned();
    StoredHead { origin: head.origin.to_string(), timestamp: head.timestamp, signature }
}

fn load_head(stored: &StoredHead, tree: TreeHead, key: &VerifyingKey) -> Option<NewestHead> {
    let origin = Origin::new(&stored.origin).ok()?;
    let note = load_note(&origin, tree, key, &stored.signature)?;
    Some(NewestHead { origin, timestamp: stored.timestamp, note })
}

fn store_run(run: &Run) -> StoredRun {
    StoredRun {
        start: run.start,
        count: run.count,
        first: run.first.get(),
        logged_at: run.logged_at.millis(),
        root: *run.root.as_bytes(),
        signature: signature(&run.note).to_owned(),
    }
}

fn load_run(stored: &StoredRun, origin: &Origin, key: &VerifyingKey) -> Option<Run> {
    let end = stored.start.checked_add(u64::from(stored.count))?;
    if stored.count == 0 || end > MAX_STREAM_SIZE {
        return None;
    }
    let root = Hash::from_bytes(stored.root);
    Some(Run {
        start: stored.start,
        count: stored.count,
        first: LeafIndex::new(stored.first),
        logged_at: LoggedAt::from_millis(stored.logged_at)?,
        root,
        note: load_note(origin, TreeHead { size: TreeSize::new(end), root }, key, &stored.signature)?,
    })
}
