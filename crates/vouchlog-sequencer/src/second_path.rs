//! The second path to a root: another implementation of the Merkle tree, fed with the bytes that are being stored.
//!
//! The first path appends leaf hashes to a compact range. This one hashes every entry again, with another hash
//! implementation, and builds the perfect subtrees of the batch with `rs_merkle`. A bit that flipped anywhere between the
//! request and the disk, or a fault in either implementation, ends in another root, and in no signature. It runs on a thread of
//! its own while the store commits, so it costs no latency.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rs_merkle::MerkleTree;
use sha2::{Digest, Sha256};
use vouchlog_merkle::{CompactRange, Hash, TreeHead};

use crate::edge::Framed;

/// Entries shorter than this are hashed in one call.
const SHORT: usize = 128;

/// Hashes as RFC 6962 section 2.1 has it.
#[derive(Clone)]
struct Rfc6962;

impl rs_merkle::Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(entry: &[u8]) -> [u8; 32] {
        // In one call where the entry is short, as statements are: feeding a hash in pieces takes half as long again.
        let mut gathered = [0; SHORT];
        match gathered.get_mut(1..=entry.len()) {
            Some(place) => {
                place.copy_from_slice(entry);
                Sha256::digest(&gathered[..=entry.len()]).into()
            }
            None => Sha256::new().chain_update([0]).chain_update(entry).finalize().into(),
        }
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        match right {
            Some(right) => {
                let mut gathered = [1; 65];
                gathered[1..33].copy_from_slice(left);
                gathered[33..].copy_from_slice(right);
                Sha256::digest(gathered).into()
            }
            // Only trees of 2^n leaves are built here, in which every node has a sibling.
            None => *left,
        }
    }
}

struct Job {
    before: CompactRange,
    entries: Framed,
    head: TreeHead,
}

/// The thread that computes roots.
pub(crate) struct SecondPath {
    jobs: SyncSender<Job>,
    verdicts: Receiver<Result<(), String>>,
}

impl SecondPath {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (done, verdicts) = sync_channel(1);
        std::thread::Builder::new().name("vouchlog-check".into()).spawn(move || {
            while let Ok(job) = to_do.recv() {
                if done.send(check(&job)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, verdicts })
    }

    /// Begins to compute the root of `before` and `entries`, which must be that of `head`.
    pub(crate) fn begin(&self, before: CompactRange, entries: Framed, head: TreeHead) {
        // A thread that is gone is noticed in `finish`.
        let _ = self.jobs.send(Job { before, entries, head });
    }

    /// Waits for the verdict on what was begun.
    pub(crate) fn finish(&self) -> Result<(), String> {
        self.verdicts.recv().unwrap_or_else(|_| Err("the thread that checks roots ended".into()))
    }
}

fn check(job: &Job) -> Result<(), String> {
    let (start, end) = (job.before.end(), job.head.size.get());
    let leaves: Vec<[u8; 32]> = job.entries.entries().map(<Rfc6962 as rs_merkle::Hasher>::hash).collect();
    if start + leaves.len() as u64 != end {
        return Err("the second path counts another number of entries".into());
    }
    let mut hashes = Vec::new();
    let mut rest = leaves.as_slice();
    for node in CompactRange::nodes(start, end) {
        let width = 1usize << node.level;
        let (subtree, after) = rest.split_at_checked(width).ok_or("the second path runs out of entries")?;
        let root = MerkleTree::<Rfc6962>::from_leaves(subtree).root().ok_or("a subtree has no root")?;
        hashes.push(Hash::from_bytes(root));
        rest = after;
    }
    let batch = CompactRange::from_hashes(start, end, hashes).map_err(|error| error.to_string())?;
    let mut range = job.before.clone();
    range.merge(&batch).map_err(|error| format!("the second path to the root does not join: {error}"))?;
    if range.root() == Some(job.head.root) {
        Ok(())
    } else {
        Err("two computations of the new root disagree: memory or code is faulty".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_merkle::{TreeSize, leaf_hash};

    use super::*;
    use crate::edge::frame;

    fn framed(entries: &[Vec<u8>]) -> Framed {
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat())
            .collect();
        frame(&[bytes.into()]).unwrap()
    }

    fn grown(before: &CompactRange, entries: &[Vec<u8>]) -> TreeHead {
        let mut range = before.clone();
        entries.iter().for_each(|entry| range.append(leaf_hash(entry)));
        TreeHead { size: TreeSize::new(range.end()), root: range.root().unwrap() }
    }

    proptest! {
        #[test]
        fn agrees_with_the_first_path_and_finds_any_flipped_bit(
            old in 0..700_u64, entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..300),
            flip in any::<prop::sample::Index>()
        ) {
            let mut before = CompactRange::new();
            (0..old).for_each(|n| before.append(leaf_hash(&n.to_be_bytes())));
            let head = grown(&before, &entries);
            let path = SecondPath::start().unwrap();
            path.begin(before.clone(), framed(&entries), head);
            prop_assert_eq!(path.finish(), Ok(()));

            let mut damaged = entries;
            damaged.retain(|entry| !entry.is_empty());
            if !damaged.is_empty() {
                let head = grown(&before, &damaged);
                let at = flip.index(damaged.len());
                damaged[at][0] ^= 1;
                path.begin(before, framed(&damaged), head);
                prop_assert!(path.finish().is_err());
            }
        }
    }
}
