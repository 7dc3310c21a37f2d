//! Copying a log into a store in a directory, at once and in parts; copies that are damaged or of another log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_storage::{Loaded, MemoryStore, Store, StoreError, framing};
use vouchlog_storage_sled::{Options, SledStore};

use crate::copying::{Copier, Verifier};
use crate::fsck;
use crate::rebuild::signed_heads;
use crate::testing::{ORIGIN, TestClock, TestGateway, config, open, statements};

const T: u64 = 1_767_225_600;

/// A stopped log of about so many entries.
async fn source(count: u64, seed: u8) -> MemoryStore {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, seed).await.unwrap();
    for part in 0..count.div_ceil(10_000) {
        let count = usize::try_from((count - part * 10_000).min(10_000)).unwrap();
        gateway.send(&log, statements(count, part), T).await.unwrap();
    }
    log.stop().await;
    store.reopen()
}

fn target(dir: &Path) -> SledStore {
    SledStore::open(dir, ORIGIN, Options::default()).unwrap()
}

/// Copies entries up to `size`.
fn copy(from: &MemoryStore, copier: &mut Copier<'_, SledStore>, size: u64) {
    let loaded = from.load().unwrap().unwrap();
    for bundle in 0..loaded.sealed.min(size) / 256 {
        copier.push(bundle * 256, &from.entry_bundle(bundle).unwrap().unwrap()).unwrap();
    }
    let mut next = loaded.sealed;
    for piece in &loaded.tail {
        let count = framing::count(piece).unwrap();
        let wanted = size.saturating_sub(next).min(count);
        if wanted > 0 {
            copier.push(next, &framing::take(piece, wanted).unwrap()).unwrap();
        }
        next += count;
    }
}

/// A whole copy, verified, and the directory it is in.
fn whole_copy(from: &MemoryStore) -> (SledStore, tempfile::TempDir) {
    let (loaded, dir) = (from.load().unwrap().unwrap(), tempfile::tempdir().unwrap());
    let to = target(dir.path());
    let mut copier = Copier::resume(&to).unwrap();
    copy(from, &mut copier, loaded.head.size.get());
    copier.finish(&loaded).unwrap();
    verify(&to, &loaded, &heads(&loaded)).unwrap();
    (to, dir)
}

fn heads(loaded: &Loaded) -> Vec<TreeHead> {
    let config = config(&TestClock::default(), crate::Options::default());
    let heads = signed_heads(&loaded.states, &config.origin, config.log_key.verifying_key()).unwrap();
    assert!(!heads.is_empty(), "a log that has started has signed");
    heads
}

fn verify(to: &SledStore, loaded: &Loaded, heads: &[TreeHead]) -> Result<(), StoreError> {
    let full = loaded.head.size.get() / 256 * 256;
    for _ in 0..6_000 {
        if to.sealed_size() >= full {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut verifier = Verifier::new(to);
    while verifier.verified() < full {
        verifier.bundle()?;
    }
    verifier.finish(loaded, heads)
}

#[tokio::test]
async fn a_copy_is_the_log_whatever_its_size_and_however_often_it_is_resumed() {
    for (count, parts) in [(1, 1), (300, 2), (3_000, 4), (66_000, 3)] {
        let (from, dir) = (source(count, 10).await, tempfile::tempdir().unwrap());
        let loaded = from.load().unwrap().unwrap();
        let size = loaded.head.size.get();
        let mut reached = 0;
        for part in 1..parts {
            let to = target(dir.path());
            let mut copier = Copier::resume(&to).unwrap();
            copy(&from, &mut copier, size * part / parts);
            copier.flush().unwrap();
            reached = copier.committed();
            // Half of them end without being closed.
            if part % 2 == 0 {
                to.close().unwrap();
            }
        }
        let to = target(dir.path());
        let mut copier = Copier::resume(&to).unwrap();
        assert_eq!(copier.committed(), reached, "what was copied is used again");
        copy(&from, &mut copier, size);
        copier.finish(&loaded).unwrap();
        verify(&to, &loaded, &heads(&loaded)).unwrap();
        let config = config(&TestClock::default(), crate::Options::default());
        let report = fsck::fsck(&to, &config.origin, config.log_key.verifying_key(), |_, _| {}).unwrap();
        assert_eq!((report.size, report.findings), (size, Vec::new()));
        to.close().unwrap();
    }
}

/// The source went on after a complete copy: states that it removed since are removed from the copy.
#[tokio::test]
async fn a_copy_follows_a_source_that_went_on() {
    let (from, dir) = (source(1_000, 10).await, tempfile::tempdir().unwrap());
    let loaded = from.load().unwrap().unwrap();
    let to = target(dir.path());
    let mut copier = Copier::resume(&to).unwrap();
    copy(&from, &mut copier, loaded.head.size.get());
    let mut more = loaded.clone();
    more.states.push((vouchlog_storage::StateKey::new(b"removed since".to_vec()), "x".into()));
    copier.finish(&more).unwrap();
    assert!(verify(&to, &loaded, &[]).is_err(), "it has a state too many");
    Copier::resume(&to).unwrap().finish(&loaded).unwrap();
    verify(&to, &loaded, &heads(&loaded)).unwrap();
}

#[tokio::test]
async fn a_copy_that_is_damaged_or_of_another_log_is_not_taken_for_the_log() {
    let from = source(2_000, 10).await;
    let loaded = from.load().unwrap().unwrap();
    let (to, _dir) = whole_copy(&from);

    // A head that was signed and is not in it.
    let root = Hash::from_bytes([7; 32]);
    for size in [1, 255, 256, 300, 1_500] {
        let other = TreeHead { size: TreeSize::new(size), root };
        let error = verify(&to, &loaded, &[other]).unwrap_err();
        assert!(error.to_string().contains("the root that was signed"), "{error}");
    }
    // Entries that leave others out, or lead elsewhere.
    let mut copier = Copier::resume(&to).unwrap();
    assert!(copier.push(loaded.head.size.get() + 1, &"\0\x01x".into()).is_err());
    copier.push(loaded.head.size.get(), &"\0\x01x".into()).unwrap();
    assert!(copier.finish(&loaded).is_err());

    let (other, dir) = (source(2_000, 11).await, tempfile::tempdir().unwrap());
    let to = target(dir.path());
    let mut copier = Copier::resume(&to).unwrap();
    copy(&other, &mut copier, 1_000);
    copier.flush().unwrap();
    copy(&from, &mut copier, loaded.head.size.get());
    assert!(copier.finish(&loaded).is_err(), "its first entries are another log's");
    to.close().unwrap();
}

/// A byte that the disk changed after it was written is found: what is verified is read from there.
#[tokio::test]
async fn a_byte_that_changed_in_the_copy_is_found() {
    let from = source(2_000, 10).await;
    let loaded = from.load().unwrap().unwrap();
    let (to, dir) = whole_copy(&from);
    let segment = dir.path().join("sealed/bundles");
    let file = std::fs::read_dir(segment).unwrap().map(|file| file.unwrap().path());
    let file = file.filter(|file| file.extension().is_some_and(|end| end == "data")).min().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[9_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(verify(&to, &loaded, &heads(&loaded)), Err(StoreError::Damaged(_))));
}
