//! Goal: a replica serves what the log signed and its entries lead to, whatever is sealed meanwhile, and nothing else. Method: a store in
//! memory whose entries, sealed size and checkpoints the test sets, and proofs of every served size against the signed root.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_api::{ErrorKind, LogReader, PrunedNotice, Watch, proof};
use vouchlog_merkle::{CompactRange, EntryBundle, LeafIndex, Tile, TileId, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{Checkpoint, Origin, SignatureType, SignedCheckpoint, SigningKey};
use vouchlog_storage::{Checkpoints, Pruned, StoreError, Unsealed, View};

use crate::replica::{Replica, ReplicaError};
use crate::testing::{ORIGIN, key};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    entries: Vec<Bytes>,
    sealed: u64,
    shown: Checkpoints,
    pruned: Option<Arc<Pruned>>,
}

fn framed(entries: &[Bytes]) -> Bytes {
    let mut bytes = Vec::new();
    for entry in entries {
        EntryBundle::push_entry(&mut bytes, entry).unwrap();
    }
    bytes.into()
}

impl Log {
    /// Appends entries up to so many, and seals up to a size.
    fn grow(&self, size: u64, sealed: u64) {
        let mut rows = self.0.lock();
        let entries = rows.entries.len() as u64..size;
        rows.entries.extend(entries.map(|index| Bytes::from(format!("entry {index}"))));
        rows.sealed = sealed;
        rows.shown.committed = size;
    }

    fn root(&self, size: u64) -> TreeHead {
        let leaves: Vec<_> = self.0.lock().entries[..usize::try_from(size).unwrap()]
            .iter()
            .map(|entry| leaf_hash(entry))
            .collect();
        let mut range = CompactRange::default();
        range.extend(&leaves);
        TreeHead { size: TreeSize::new(size), root: range.root().unwrap() }
    }

    /// Shows the checkpoint of a size.
    fn sign(&self, size: u64) -> String {
        let note = note(self.root(size), &log_key());
        let mut rows = self.0.lock();
        (rows.shown.signed, rows.shown.published) = (Some(note.clone()), Some(note.clone()));
        note
    }
}

impl View for Log {
    fn checkpoints(&self) -> Result<Checkpoints, StoreError> {
        Ok(self.0.lock().shown.clone())
    }

    fn unsealed(&self, first: u64) -> Result<Unsealed, StoreError> {
        let rows = self.0.lock();
        let first = first.max(rows.sealed);
        let tail = rows.entries[usize::try_from(first).unwrap()..].chunks(100).map(framed).collect();
        Ok(Unsealed { sealed: rows.sealed, first, tail })
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        let below = 256_u64.pow(u32::from(tile.level));
        assert!((tile.index + 1) * 256 * below <= self.0.lock().sealed, "{tile:?} is not sealed");
        let rows = self.0.lock();
        let hash = |at: u64| {
            let range = usize::try_from(at * below).unwrap()..usize::try_from((at + 1) * below).unwrap();
            let leaves: Vec<_> = rows.entries[range].iter().map(|entry| leaf_hash(entry)).collect();
            let mut range = CompactRange::default();
            range.extend(&leaves);
            range.root().unwrap()
        };
        let hashes = (tile.index * 256..(tile.index + 1) * 256).map(hash).collect();
        Ok(Tile::from_hashes(hashes).unwrap().to_bytes().into())
    }

    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        let rows = self.0.lock();
        assert!((bundle + 1) * 256 <= rows.sealed, "bundle {bundle} is not sealed");
        rows.pruned.as_ref().map_or(Ok(()), |pruned| pruned.check_kept(bundle))?;
        let first = usize::try_from(bundle * 256).unwrap();
        Ok(framed(&rows.entries[first..first + 256]))
    }

    fn pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        Ok(self.0.lock().pruned.clone())
    }
}

fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

fn note(head: TreeHead, key: &SigningKey) -> String {
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), head);
    SignedCheckpoint::sign(&checkpoint, key).unwrap().note().to_owned()
}

fn replica(log: &Log) -> Replica<Log> {
    Replica::new(log.clone(), Origin::new(ORIGIN).unwrap(), log_key().verifying_key().clone())
}

/// Some entries are proven under the head of this size, and there are no more.
async fn check(replica: &Replica<Log>, head: TreeHead) {
    assert_eq!(replica.size(), head.size);
    let size = head.size.get();
    for index in [0, size / 3, size / 256 * 256, size - 1].into_iter().filter(|index| *index < size) {
        let proven = proof::checked_inclusion(replica, LeafIndex::new(index), head.size, &head.root).await;
        let (entry, _) = proven.unwrap_or_else(|error| panic!("entry {index} of {size}: {error}"));
        assert_eq!(entry, format!("entry {index}").as_bytes());
    }
    let width = u16::try_from(size % 256).unwrap() + 1;
    assert!(replica.entry_bundle(size / 256, width).await.is_err(), "an entry beyond {size} is served");
}

#[tokio::test]
async fn it_follows_whatever_is_sealed_meanwhile() {
    let log = Log::default();
    let follows = replica(&log);
    assert!(follows.checkpoint().await.is_err() && follows.sequenced_checkpoint().await.is_err());
    // Signed, committed and sealed sizes; the last of these leaps further than bundles are read one by one.
    for (signed, committed, sealed) in [
        (1, 1, 0),
        (200, 300, 0),
        (256, 300, 0),
        (700, 700, 0),
        (701, 1_000, 512),
        (1_000, 1_000, 768),
        (1_001, 1_500, 1_280),
        (1_024, 2_000, 1_792),
        (3_000, 3_000, 1_792),
        (65_536 + 300, 66_000, 65_792),
        (66_000, 66_000, 65_792),
    ] {
        log.grow(committed, sealed);
        let shown = log.sign(signed);
        assert_eq!(follows.update(None).await.unwrap(), committed);
        check(&follows, log.root(signed)).await;
        assert_eq!(follows.checkpoint().await.unwrap(), shown);
        // One that starts only now serves the same.
        let new = replica(&log);
        new.update(None).await.unwrap();
        check(&new, log.root(signed)).await;
    }
}

/// One that is a few bundles behind, which were given up meanwhile, and one that starts only now.
#[tokio::test]
async fn it_follows_over_entries_that_were_given_up() {
    let log = Log::default();
    let follows = replica(&log);
    log.grow(700, 512);
    log.sign(700);
    follows.update(None).await.unwrap();
    log.grow(5_000, 4_864);
    log.0.lock().pruned = Some(Arc::new(Pruned::new(4_096, 4_900, vec![0, 5])));
    let notice = PrunedNotice { minimum: 4_096, announced: LeafIndex::new(4_900) };
    assert_eq!(follows.pruned().await, Ok(None), "its checkpoint does not cover the announcement");
    log.sign(5_000);
    let new = replica(&log);
    for replica in [follows, new] {
        replica.update(None).await.unwrap();
        let head = log.root(5_000);
        assert_eq!(replica.size(), head.size);
        for index in [0, 1_300, 4_096, 4_999].map(LeafIndex::new) {
            proof::checked_inclusion(&replica, index, head.size, &head.root).await.unwrap();
        }
        let gone = replica.entry_bundle(2, 256).await.unwrap_err();
        assert_eq!(gone.kind, ErrorKind::Pruned { minimum: 4_096 });
        assert_eq!(replica.pruned().await, Ok(Some(notice)));
    }
}

#[tokio::test]
async fn it_takes_no_checkpoint_but_the_logs_and_never_goes_back() {
    let log = Log::default();
    let follows = replica(&log);
    log.grow(600, 512);
    log.sign(500);
    follows.update(None).await.unwrap();
    let (served, head) = (follows.checkpoint().await.unwrap(), log.root(500));
    let other = key(ORIGIN, SignatureType::Ed25519, 9);
    let wrong_root = TreeHead { size: TreeSize::new(600), root: log.root(599).root };
    for (offered, is_unsigned) in [
        (note(log.root(600), &other), true),
        ("no note".to_owned(), true),
        (note(wrong_root, &log_key()), false),
        (note(TreeHead { size: TreeSize::new(500), root: log.root(499).root }, &log_key()), false),
    ] {
        log.0.lock().shown.signed = Some(offered.clone());
        let by_store = follows.update(None).await.unwrap_err();
        log.0.lock().shown.signed = None;
        let by_caller = follows.update(Some(offered)).await.unwrap_err();
        for refused in [by_store, by_caller] {
            match refused {
                ReplicaError::Checkpoint(_) => assert!(is_unsigned, "{refused}"),
                ReplicaError::Contradiction { .. } => assert!(!is_unsigned, "{refused}"),
                ReplicaError::Store(_) => panic!("{refused}"),
            }
        }
        assert_eq!(follows.checkpoint().await.unwrap(), served);
        check(&follows, head).await;
    }
    // An older one changes nothing, and a later one is followed after all that.
    log.sign(300);
    follows.update(None).await.unwrap();
    check(&follows, head).await;
    let offered = note(log.root(600), &log_key());
    follows.update(Some(offered.clone())).await.unwrap();
    check(&follows, log.root(600)).await;
    assert_eq!(follows.sequenced_checkpoint().await.unwrap(), offered);
}

/// With witnesses the published checkpoint lags behind, and gains cosignatures.
#[tokio::test]
async fn what_is_published_is_of_the_verified_tree() {
    let log = Log::default();
    let follows = replica(&log);
    log.grow(900, 768);
    log.sign(900);
    log.0.lock().shown.published = None;
    follows.update(None).await.unwrap();
    assert!(follows.checkpoint().await.is_err(), "its witnesses have cosigned nothing");
    let published = note(log.root(700), &log_key());
    log.0.lock().shown.published = Some(published.clone());
    follows.update(None).await.unwrap();
    assert_eq!(follows.checkpoint().await.unwrap(), published);
    check(&follows, log.root(900)).await;
    let forged = note(TreeHead { size: TreeSize::new(800), root: log.root(799).root }, &log_key());
    for (note, is_taken) in [(forged, false), (note(log.root(600), &log_key()), true)] {
        log.0.lock().shown.published = Some(note);
        assert_eq!(follows.update(None).await.is_ok(), is_taken);
        assert_eq!(follows.checkpoint().await.unwrap(), published, "it went back, or took what is not so");
    }
}
