//! The copy of a log that its readers find in a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::{Attribute, ObjectStore, ObjectStoreExt};
use tokio::sync::watch;
use vouchlog_api::{Error, LogReader, Result, Watch};
use vouchlog_merkle::{CompactRange, Hash, TileId, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{Checkpoint, Origin};
use vouchlog_storage::StoreError;
use vouchlog_storage_object::{Content, Publication, Publisher, published};

use crate::faulty::{Fault, Faulty};
use crate::pair::over;
use crate::synthetic::ORIGIN;

/// A log whose tiles are known by its size, and whose checkpoints nobody checks here.
#[derive(Clone)]
struct Growing(watch::Sender<u64>);

impl Growing {
    fn new(size: u64) -> Self {
        Self(watch::Sender::new(size))
    }
}

fn note(size: u64) -> String {
    let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    format!("{ORIGIN}\n{size}\n{root}\n\n\u{2014} {ORIGIN} AAAAAAAAAAAA\n")
}

/// The bytes that stand for so many hashes or entries.
fn bytes(kind: u8, index: u64, width: u16) -> Bytes {
    let one = [kind, u8::try_from(index % 251).unwrap()].repeat(16);
    one.repeat(usize::from(width)).into()
}

impl LogReader for Growing {
    async fn checkpoint(&self) -> Result<String> {
        Ok(note(*self.0.borrow()))
    }

    async fn checkpoint_after(&self, _: TreeSize) -> Result<String> {
        Err(Error::internal("not asked for"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        Ok(bytes(tile.level, tile.index, width))
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        Ok(bytes(99, bundle, width))
    }
}

impl Watch for Growing {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String> {
        let mut sizes = self.0.subscribe();
        let size = sizes.wait_for(|size| note(*size) != seen).await;
        Ok(note(*size.map_err(|_| Error::unavailable("it stopped"))?))
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        self.checkpoint().await
    }
}

async fn names(memory: &InMemory) -> Vec<String> {
    let mut names: Vec<String> = memory.list(None).map(|it| it.unwrap().location.to_string()).collect().await;
    names.sort();
    names
}

#[tokio::test]
async fn partial_tiles_come_before_the_checkpoint_and_go_once_they_are_full() {
    let memory = Arc::new(InMemory::new());
    let mut publication = Publication::new(over(memory.clone()));
    let report = publication.publish(&Growing::new(5), &note(5)).await.unwrap();
    assert_eq!((report.size.get(), report.partial, report.deleted), (5, 2, 0));
    assert_eq!(names(&memory).await, ["checkpoint", "tile/0/000.p/5", "tile/entries/000.p/5"]);
    publication.publish(&Growing::new(7), &note(7)).await.unwrap();
    assert_eq!(names(&memory).await.len(), 5, "a reader may still have the checkpoint of 5 entries");
    let report = publication.publish(&Growing::new(300), &note(300)).await.unwrap();
    assert_eq!((report.partial, report.deleted), (3, 4));
    let left = ["checkpoint", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"];
    assert_eq!(names(&memory).await, left);
    for (path, caching) in [("checkpoint", "no-cache"), ("tile/0/001.p/44", "max-age=604800,immutable")] {
        let found = memory.get(&path.into()).await.unwrap();
        assert_eq!(found.attributes.get(&Attribute::CacheControl).unwrap().as_ref(), caching);
    }
    assert_eq!(published(&over(memory)).await.unwrap(), Some((ORIGIN.to_owned(), 300)));
}

/// Whatever fails on the way, a checkpoint is there only with the tiles that it needs.
#[tokio::test]
async fn a_checkpoint_is_never_there_before_its_tiles() {
    for at in 0..10 {
        for fault in [Fault::Forbidden, Fault::LostAnswer] {
            let store = Faulty::new(move |request, _| (request == at).then_some(fault));
            let mut publication = Publication::new(over(store.clone()));
            let outcome = publication.publish(&Growing::new(300), &note(300)).await;
            let names = names(&store.objects()).await;
            if names.contains(&"checkpoint".to_owned()) {
                assert_eq!(names.len(), 4, "fault at request {at}: {names:?}");
            } else {
                assert!(outcome.is_err(), "fault at request {at}");
            }
            store.plan(|_, _| None);
            publication.publish(&Growing::new(300), &note(300)).await.unwrap();
        }
    }
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let patience = Duration::from_secs(60);
    let waited = tokio::time::timeout(patience, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it never happened");
}

#[tokio::test]
async fn a_checkpoint_waits_for_sealing_and_the_last_one_is_published_at_the_end() {
    let (memory, log) = (Arc::new(InMemory::new()), Growing::new(5));
    let sealed = Arc::new(AtomicU64::new(0));
    let reached = sealed.clone();
    let bucket = over(memory.clone());
    let publisher = Publisher::start(
        log.clone(),
        Publication::new(bucket.clone()),
        Duration::from_millis(1),
        move || reached.load(Ordering::Relaxed),
    );
    let size = async || published(&bucket).await.unwrap().map_or(0, |(_, size)| size);
    until(async || size().await == 5).await;
    log.0.send_replace(600);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(size().await, 5, "full bundles are not sealed yet");
    sealed.store(512, Ordering::Relaxed);
    until(async || size().await == 600).await;
    until(async || publisher.status().size == 600).await;
    log.0.send_replace(601);
    publisher.finish(Duration::from_secs(60)).await;
    assert_eq!(size().await, 601);
}

#[tokio::test]
async fn publishing_heals_and_stops_for_another_history_alone() {
    let (store, log) = (Faulty::new(|_, _| Some(Fault::Forbidden)), Growing::new(5));
    let bucket = over(store.clone());
    let start = |log: &Growing| {
        let publication = Publication::new(bucket.clone());
        Publisher::start(log.clone(), publication, Duration::from_millis(1), || u64::MAX)
    };
    let publisher = start(&log);
    until(async || publisher.status().trouble.is_some_and(|it| it.contains("403"))).await;
    assert!(!publisher.status().stopped);
    store.plan(|_, _| None);
    until(async || {
        publisher.status() == vouchlog_storage_object::PublisherStatus { size: 5, ..Default::default() }
    })
    .await;
    drop(publisher);

    let older = Growing::new(3);
    let publisher = start(&older);
    until(async || publisher.status().stopped).await;
    assert!(publisher.status().trouble.unwrap().contains("older copy"));
    older.0.send_replace(9);
    publisher.finish(Duration::from_secs(60)).await;
    assert_eq!(published(&bucket).await.unwrap().unwrap().1, 5, "nothing more is published");
}

/// A log that shows an older checkpoint than it has sequenced, as after a start with a witness policy.
#[derive(Clone)]
struct Lagging {
    shown: u64,
    sequenced: u64,
}

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

fn note_of_leaves(size: u64, first: u64) -> String {
    let leaves: Vec<Hash> = (first..first + size).map(leaf).collect();
    let root = CompactRange::of_leaves(0, &leaves).unwrap().root().unwrap();
    let head = TreeHead { size: TreeSize::new(size), root };
    let text = Checkpoint::new(Origin::new(ORIGIN).unwrap(), head).text();
    format!("{text}\n\u{2014} {ORIGIN} AAAAAAAAAAAA\n")
}

impl LogReader for Lagging {
    async fn checkpoint(&self) -> Result<String> {
        Ok(note_of_leaves(self.shown, 0))
    }

    async fn checkpoint_after(&self, _: TreeSize) -> Result<String> {
        Err(Error::internal("not asked for"))
    }

    async fn tile(&self, _: TileId, width: u16) -> Result<Bytes> {
        Ok((0..u64::from(width)).map(|index| *leaf(index).as_bytes()).collect::<Vec<_>>().concat().into())
    }

    async fn entry_bundle(&self, _: u64, width: u16) -> Result<Bytes> {
        Ok((0..u64::from(width))
            .map(|index| [&[0, 8][..], &index.to_be_bytes()].concat())
            .collect::<Vec<_>>()
            .concat()
            .into())
    }
}

impl Watch for Lagging {
    async fn checkpoint_other_than(&self, _: String) -> Result<String> {
        self.checkpoint().await
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        Ok(note_of_leaves(self.sequenced, 0))
    }
}

/// The process before this one published a later checkpoint than the one that its store remembers as published.
#[tokio::test]
async fn a_later_checkpoint_of_the_same_log_stays_and_one_of_another_history_is_reported() {
    let bucket = over(Arc::new(InMemory::new()));
    let log = Lagging { shown: 9, sequenced: 9 };
    Publication::new(bucket.clone()).publish(&log, &note_of_leaves(9, 0)).await.unwrap();
    let log = Lagging { shown: 3, sequenced: 12 };
    let report = Publication::new(bucket.clone()).publish(&log, &note_of_leaves(3, 0)).await.unwrap();
    assert_eq!(report.size.get(), 9);
    assert_eq!(published(&bucket).await.unwrap().unwrap().1, 9);

    // Fewer entries than the checkpoint there, and as many under another root.
    let fewer = Lagging { shown: 3, sequenced: 8 };
    let error = Publication::new(bucket).publish(&fewer, &note_of_leaves(3, 0)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(reason) if reason.contains("older copy")), "{error}");
    let forked = over(Arc::new(InMemory::new()));
    forked.create("checkpoint", &note_of_leaves(9, 1).into(), Content::Checkpoint).await.unwrap();
    let error = Publication::new(forked).publish(&log, &note_of_leaves(3, 0)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(reason) if reason.contains("two histories")), "{error}");
}

/// A log that has stopped seals no more entries, so publishing does not wait for those that are not sealed.
#[tokio::test]
async fn a_log_that_has_stopped_is_not_waited_for() {
    let (bucket, log) = (over(Arc::new(InMemory::new())), Growing::new(600));
    let publisher = Publisher::start(log, Publication::new(bucket.clone()), Duration::from_millis(1), || 256);
    tokio::time::sleep(Duration::from_millis(120)).await;
    publisher.finish(Duration::from_secs(3600)).await;
    assert_eq!(published(&bucket).await.unwrap(), None);
    assert!(publisher.status().trouble.unwrap().contains("not sealed"));
}

#[tokio::test]
async fn what_is_no_checkpoint_is_not_published() {
    let mut publication = Publication::new(over(Arc::new(InMemory::new())));
    let error = publication.publish(&Growing::new(5), "anything").await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}
