//! A disk that is full, and one that fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use vouchlog_ledger::{DiskFile, LockGuard};

use super::*;

/// A disk on which this process sets how much is free, and whether syncs fail.
#[derive(Clone, Debug)]
struct Fragile {
    folder: Folder,
    state: Arc<Fault>,
}

#[derive(Debug, Default)]
struct Fault {
    free: AtomicU64,
    writes_fail: AtomicBool,
    syncs_fail: AtomicBool,
}

#[derive(Debug)]
struct FragileFile(Arc<dyn DiskFile>, Arc<Fault>);

impl Fragile {
    fn new(dir: &TempDir) -> Self {
        let folder = dir.path().join("journal");
        fs::create_dir_all(&folder).unwrap();
        let state = Fault { free: AtomicU64::new(u64::MAX), ..Fault::default() };
        Self { folder: Folder::new(folder), state: Arc::new(state) }
    }

    fn journal(&self, dir: &TempDir) -> Journal {
        let settings = Settings { limit: u64::MAX, min_free_bytes: 400, ..SETTINGS };
        for _ in 0..5_000 {
            let stamp = Stamp::read(dir.path()).unwrap();
            match Journal::open_on(Arc::new(self.clone()), dir.path(), stamp, settings) {
                Err(JournalError::InUse) => std::thread::sleep(Duration::from_millis(2)),
                opened => return opened.unwrap(),
            }
        }
        panic!("another handle of the journal is open");
    }

    fn set_free(&self, bytes: u64) {
        self.state.free.store(bytes, Ordering::Relaxed);
    }

    fn file(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FragileFile(file?, self.state.clone())))
    }
}

impl Disk for Fragile {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.folder.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.file(self.folder.create(name))
    }

    fn open_for_writing(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.file(self.folder.open_for_writing(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.state.free.load(Ordering::Relaxed))
    }

    fn lock(&self) -> io::Result<Option<LockGuard>> {
        self.folder.lock()
    }
}

impl DiskFile for FragileFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.1.writes_fail.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.1.syncs_fail.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync_data()
    }
}

fn tick() -> JournalEntry {
    JournalEntry::new(at(2), What::Tick, Bytes::new())
}

#[tokio::test]
async fn a_full_disk_refuses_bodies_in_words_and_goes_on_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let disk = Fragile::new(&dir);
    let journal = disk.journal(&dir);
    journal.append(body(b"one")).await.unwrap();
    assert_eq!(journal.impediment(), None);

    // Within the reserve: no bodies, but all that makes room or must be told.
    disk.set_free(399);
    let full = journal.append(body(b"two")).await.unwrap_err();
    assert_eq!(full, JournalError::NoRoom { free: 399, needed: 400 });
    assert!(full.to_string().contains("the disk is full: 399 bytes are free"), "{full}");
    assert_eq!(journal.impediment(), Some(full));
    assert_eq!(journal.append(tick()).await, Ok(1));
    journal.lost(1).await.unwrap();
    journal.settle(1, 1, put(b"k", b"v")).await.unwrap();

    // Nearly nothing left: losses are counted all the same, in place.
    disk.set_free(99);
    let refused = [
        journal.append(tick()).await.map(drop),
        journal.settle(2, 2, Changes::default()).await,
        journal.declare_losses().await,
    ];
    for refused in refused {
        assert!(
            matches!(&refused, Err(error @ JournalError::Refused(_)) if error.is_passing()),
            "{refused:?}"
        );
    }
    journal.lost(2).await.unwrap();

    disk.set_free(400);
    assert_eq!(journal.impediment(), None);
    assert_eq!(journal.append(body(b"two")).await, Ok(2));
    journal.declare_losses().await.unwrap();
    let (_, declared) = journal.read(3, 1).unwrap().remove(0);
    assert_eq!(serde_json::from_slice::<Losses>(&declared.body).unwrap().items, 3);
}

#[tokio::test]
async fn a_write_without_room_is_taken_back_and_the_next_one_succeeds() {
    let dir = TempDir::new().unwrap();
    let disk = Fragile::new(&dir);
    let mut journal = disk.journal(&dir);
    journal.append(body(b"one")).await.unwrap();
    disk.state.writes_fail.store(true, Ordering::Relaxed);
    let refused = journal.append(body(b"two")).await.unwrap_err();
    assert!(matches!(refused, JournalError::Refused(_)), "{refused}");
    assert_eq!(*journal.end().borrow(), 1);
    disk.state.writes_fail.store(false, Ordering::Relaxed);
    assert_eq!(journal.append(body(b"two")).await, Ok(1));
    drop(journal);
    journal = disk.journal(&dir);
    assert_eq!(places(&journal, 0), [0, 1]);
}

#[tokio::test]
async fn a_failed_sync_is_final_until_the_journal_is_opened_again() {
    for is_loss in [false, true] {
        let dir = TempDir::new().unwrap();
        let disk = Fragile::new(&dir);
        let mut journal = disk.journal(&dir);
        journal.append(body(b"one")).await.unwrap();
        disk.state.syncs_fail.store(true, Ordering::Relaxed);
        let failed = match is_loss {
            true => journal.lost(1).await.unwrap_err(),
            false => journal.append(body(b"two")).await.unwrap_err(),
        };
        assert!(matches!(&failed, JournalError::Failed(_)) && !failed.is_passing(), "{failed}");
        disk.state.syncs_fail.store(false, Ordering::Relaxed);
        // The disk is fine again, and what it holds of the last write is not known.
        let again = [
            journal.append(body(b"two")).await.map(drop),
            journal.append(tick()).await.map(drop),
            journal.settle(1, 1, Changes::default()).await,
            journal.lost(1).await,
        ];
        for again in again {
            assert_eq!(again, Err(failed.clone()));
        }
        assert_eq!(journal.failed().await, failed);
        assert_eq!(journal.impediment(), Some(failed));
        assert_eq!(places(&journal, 0), [0], "what is durable can be read");

        drop(journal);
        journal = disk.journal(&dir);
        let next = journal.append(body(b"three")).await.unwrap();
        assert!(next == 1 || next == 2, "what was not acknowledged may be there or not");
        assert_eq!(journal.impediment(), None);
    }
}
