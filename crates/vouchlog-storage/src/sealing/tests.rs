//! Sealing in portions, retries, and what stops it.

use vouchlog_merkle::{CompactRange, Hash, TreeSize, leaf_hash, tiles_of_growth};

use super::*;

/// A living part that remembers how far it was told that everything is sealed.
#[derive(Debug, Default)]
struct Plain {
    head: Mutex<Option<TreeHead>>,
    sealed: Mutex<u64>,
}

impl Living for Plain {
    fn claim(&self) -> Result<Epoch, StoreError> {
        Ok(Epoch::new(1))
    }

    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        Ok(None)
    }

    fn head(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(*self.head.lock())
    }

    fn commit(&self, _: Epoch, _: Option<u64>, batch: &Batch) -> Result<(), CommitError> {
        *self.head.lock() = Some(batch.head);
        Ok(())
    }

    fn seal(&self, _: Epoch, up_to: u64) -> Result<(), StoreError> {
        *self.sealed.lock() = up_to;
        Ok(())
    }

    fn note_signed(&self, _: TreeHead) -> Result<(), StoreError> {
        Ok(())
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(None)
    }

    fn impediment(&self) -> Option<String> {
        None
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A sealed part whose first writes fail.
#[derive(Debug)]
struct Failing(Mutex<Vec<StoreError>>);

impl Sealed for Failing {
    fn put(&self, _: &[(TileId, Bytes)], _: &[(u64, Bytes)]) -> Result<(), StoreError> {
        self.0.lock().pop().map_or(Ok(()), Err)
    }

    fn tile(&self, _: TileId) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged("not asked for".into()))
    }

    fn bundle(&self, _: u64) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged("not asked for".into()))
    }

    fn place(&self, _: Part) -> Option<FileRange> {
        None
    }

    fn reread(&self, _: Part) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged("not asked for".into()))
    }

    fn find_bundle(&self, _: u64, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn repair(&self, _: Part, _: &Bytes) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A full bundle from `old` on.
fn batch(old: u64) -> Batch {
    let entry = [0, 1, 7];
    let mut range = CompactRange::new();
    (0..old + 256).for_each(|_| range.append(leaf_hash(&entry[2..])));
    let head = TreeHead { size: TreeSize::new(old + 256), root: range.root().unwrap() };
    let tiles = tiles_of_growth(TreeSize::new(old), head.size);
    let growth = Growth {
        tiles: tiles.map(|id| (id, vec![0; 256 * Hash::LEN].into())).collect(),
        bundles: vec![(old / 256, entry.repeat(256).into())],
    };
    Batch { head, count: 256, entries: entry.repeat(256).into(), states: Vec::new(), growth }
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_failed_sync_while_sealing_stops_all_writing() {
    let failing = Failing(Mutex::new(vec![StoreError::Unsynced("EIO".into())]));
    let store = Sealing::start(Plain::default(), failing).unwrap();
    store.commit(None, batch(0)).unwrap();
    wait_until(|| store.impediment().is_some());
    let refused = store.commit(Some(256), batch(256)).unwrap_err();
    assert!(matches!(&refused, CommitError::Refused(reason) if reason.contains("sync failed")), "{refused}");
    // The next sync would succeed; that proves nothing, so it is not even tried.
    std::thread::sleep(2 * RETRY_AFTER);
    assert_eq!(*store.living().sealed.lock(), 0);
    assert!(store.impediment().is_some());
}

#[test]
fn another_history_in_the_sealed_part_stops_all_writing() {
    let failing = Failing(Mutex::new(vec![StoreError::Conflict("tile/0/000 has other bytes".into())]));
    let store = Sealing::start(Plain::default(), failing).unwrap();
    store.commit(None, batch(0)).unwrap();
    wait_until(|| store.impediment().is_some());
    let refused = store.commit(Some(256), batch(256)).unwrap_err();
    assert!(matches!(&refused, CommitError::Refused(reason) if reason.contains("other bytes")), "{refused}");
    assert_eq!(*store.living().sealed.lock(), 0);
}

#[test]
fn what_is_known_not_to_be_written_is_retried() {
    let failing = Failing(Mutex::new(vec![StoreError::Io("no space left on device".into())]));
    let store = Sealing::start(Plain::default(), failing).unwrap();
    store.commit(None, batch(0)).unwrap();
    store.commit(Some(256), batch(256)).unwrap();
    wait_until(|| *store.living().sealed.lock() == 512);
    assert_eq!(store.impediment(), None);
}

/// A sealed part that is far away: it notes how many bundles each write had, and can be closed.
#[derive(Debug, Default)]
struct Remote {
    writes: Mutex<Vec<usize>>,
    is_closed: Mutex<bool>,
}

impl Sealed for Remote {
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        if *self.is_closed.lock() {
            return Err(StoreError::ObjectStore("it is away".into()));
        }
        let full = tiles.iter().filter(|(tile, _)| tile.level == 0).count();
        assert_eq!(full, bundles.len(), "each with its tile");
        self.writes.lock().push(bundles.len());
        Ok(())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn tile(&self, _: TileId) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged("not asked for".into()))
    }

    fn bundle(&self, _: u64) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged("not asked for".into()))
    }

    fn place(&self, _: Part) -> Option<FileRange> {
        None
    }

    fn reread(&self, _: Part) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged("not asked for".into()))
    }

    fn find_bundle(&self, _: u64, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn repair(&self, _: Part, _: &Bytes) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Full bundles from `old` on, whose tree is of no interest.
fn many(old: u64, bundles: u64) -> Growth {
    let size = TreeSize::new(256 * (old + bundles));
    let tiles = tiles_of_growth(TreeSize::new(256 * old), size);
    Growth {
        tiles: tiles.map(|id| (id, Bytes::from_static(b"a tile"))).collect(),
        bundles: (old..old + bundles).map(|n| (n, Bytes::from_static(b"a bundle"))).collect(),
    }
}

#[test]
fn a_remote_store_is_filled_in_small_portions_and_in_order() {
    let store = Sealing::start(Plain::default(), Remote::default()).unwrap();
    store.restore(many(0, 600)).unwrap();
    wait_until(|| *store.living().sealed.lock() >= 3 * 16 * 256);
    let writes = store.sealed().writes.lock().clone();
    assert!(writes.iter().all(|bundles| *bundles <= 16), "{writes:?}");
    // A store that is closed does not take its time.
    store.close().unwrap();
    assert_eq!(*store.living().sealed.lock(), 600 * 256);
    let writes = store.sealed().writes.lock();
    assert_eq!(writes.iter().sum::<usize>(), 600);
}

#[test]
fn a_commit_that_waits_for_room_hurries_the_sealing() {
    let store = Sealing::start(Plain::default(), Remote::default()).unwrap();
    *store.sealed().is_closed.lock() = true;
    store.restore(many(0, 1)).unwrap();
    wait_until(|| store.impediment().is_some());
    store.restore(many(1, MAX_UNSEALED as u64 + 300)).unwrap();
    *store.sealed().is_closed.lock() = false;
    wait_until(|| store.impediment().is_none());
    // With the pace of a backlog alone it would wait longer than it may.
    let waiting = std::thread::spawn({
        let shared = store.shared.clone();
        move || shared.admit_commit()
    });
    waiting.join().unwrap().unwrap();
    assert!(store.sealed().writes.lock().iter().any(|bundles| *bundles > 16));
    drop(store);
}

#[test]
fn a_disk_takes_everything_at_once() {
    let store = Sealing::start_without_thread(Plain::default(), Failing(Mutex::default())).unwrap();
    store.restore(many(0, 600)).unwrap();
    store.seal().unwrap();
    assert_eq!(*store.living().sealed.lock(), 600 * 256);
}
