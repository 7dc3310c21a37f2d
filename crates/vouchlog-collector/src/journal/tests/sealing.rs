//! What a journal holds cannot be read without its keys, and these go with what is recorded.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::journal::state::RecordDraft;

const UNBOUNDED: Settings = Settings { limit: u64::MAX, elapsed: monotonic, ..SETTINGS };
const MARKER: &[u8] = b"MARKER-my-diagnosis";

static MONOTONIC: AtomicU64 = AtomicU64::new(0);

fn monotonic() -> Duration {
    Duration::from_secs(MONOTONIC.load(Ordering::Relaxed))
}

/// All bytes of a journal's files but its keys.
fn bytes(dir: &TempDir) -> Vec<u8> {
    let names = files(dir).into_iter().filter(|name| name != "KEYS");
    names.flat_map(|name| fs::read(dir.path().join("journal").join(name)).unwrap()).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn keys(dir: &TempDir) -> Vec<u8> {
    fs::read(dir.path().join("journal/KEYS")).unwrap()
}

#[tokio::test]
async fn what_came_in_and_what_is_remembered_is_on_disk_sealed() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), UNBOUNDED).unwrap();
    journal.append(body(MARKER)).await.unwrap();
    journal.settle(0, 0, put(b"MARKER-key", b"MARKER-value")).await.unwrap();
    assert!(!contains(&bytes(&dir), b"MARKER"));
    let journal = reopened(journal, &dir).await;
    assert_eq!(journal.read(0, 1).unwrap()[0].1.body, MARKER);
    assert_eq!(journal.remembered(b"MARKER").len(), 1);
    assert!(!contains(&bytes(&dir), b"MARKER"));
}

/// A copy of the directory, made while the input waited, cannot be read with the keys that are there later.
#[tokio::test]
async fn a_key_is_destroyed_once_everything_in_its_file_is_recorded() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), UNBOUNDED).unwrap();
    journal.append(body(MARKER)).await.unwrap();
    let first_key = keys(&dir)[24..56].to_vec();
    assert_eq!(keys(&dir)[16..24], 1_u64.to_be_bytes());
    let still_open = fs::File::open(dir.path().join("journal/KEYS")).unwrap();

    // What is not recorded stays, however long it waits.
    MONOTONIC.fetch_add(40, Ordering::Relaxed);
    journal.tidy().await.unwrap();
    oldest_file_is(&dir, "00000001").await;
    assert!(contains(&keys(&dir), &first_key));
    assert_eq!(journal.read(0, 1).unwrap()[0].1.body, MARKER);

    journal.settle(1, 1, Changes::default()).await.unwrap();
    MONOTONIC.fetch_add(3, Ordering::Relaxed);
    journal.tidy().await.unwrap();
    oldest_file_is(&dir, "00000002").await;
    for _ in 0..5_000 {
        if !contains(&keys(&dir), &first_key) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!contains(&keys(&dir), &first_key), "the key is destroyed");
    let mut replaced = Vec::new();
    std::io::Read::read_to_end(&mut &still_open, &mut replaced).unwrap();
    assert!(replaced.iter().all(|byte| *byte == 0), "and the file that had it is overwritten");
}

#[tokio::test]
async fn a_journal_that_stops_with_nothing_left_to_record_keeps_no_key_of_it() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), SETTINGS).unwrap();
    journal.append(body(MARKER)).await.unwrap();
    let first_key = keys(&dir)[24..56].to_vec();
    journal.settle(1, 1, Changes::default()).await.unwrap();
    let journal = reopened(journal, &dir).await;
    assert!(!contains(&keys(&dir), &first_key));
    assert_eq!((journal.first(), journal.settled()), (None, 1));
}

#[tokio::test]
async fn a_journal_in_clear_is_read_goes_on_sealed_and_is_deleted_when_it_is_recorded() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("journal");
    fs::create_dir(&folder).unwrap();
    // As earlier versions wrote it.
    let options = Options { purpose: PURPOSE, min_free_bytes: 0 };
    let snapshot = State::default().snapshot();
    let snapshot: Vec<&[u8]> = snapshot.iter().map(Vec::as_slice).collect();
    let mut ledger = Ledger::create(Arc::new(Folder::new(&folder)), options, [3; 16], &snapshot).unwrap();
    let mut record = RecordDraft::new(0);
    record.entry(&body(MARKER));
    ledger.append(&[&record.into_record().unwrap()]).unwrap();
    drop(ledger);
    let losses = super::super::losses::Losses::open(&Folder::new(&folder), 0, true).unwrap();
    drop(losses);
    let old = Stamp { journal: [3; 16], secret: Some([5; 8]), is_sealed: false };
    old.write(dir.path()).unwrap();
    assert!(contains(&bytes(&dir), MARKER));

    let mut journal = Journal::open(dir.path(), UNBOUNDED).unwrap();
    for _ in 0..2 {
        assert_eq!(journal.read(0, 1).unwrap()[0].1.body, MARKER);
        drop(journal);
        journal = open_again(&dir, UNBOUNDED).await.unwrap();
    }
    assert!(Stamp::read(dir.path()).unwrap().unwrap().is_sealed);
    assert_eq!(journal.append(body(b"OTHER-text")).await, Ok(1));
    assert!(!contains(&bytes(&dir), b"OTHER"), "what comes later is sealed");
    journal.settle(1, 1, Changes::default()).await.unwrap();
    oldest_file_is(&dir, "00000002").await;
    assert!(!contains(&bytes(&dir), b"MARKER"));
    assert_eq!(places(&reopened(journal, &dir).await, 1), [1]);
}

/// A directory that others could enter is closed to them, and every file is readable by its owner alone.
#[tokio::test]
async fn a_directory_that_is_open_to_others_is_closed() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("journal");
    fs::create_dir(&folder).unwrap();
    for open in [dir.path(), &folder] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let journal = Journal::open(dir.path(), SETTINGS).unwrap();
    journal.append(body(MARKER)).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&dir.path().join("FORMAT")), 0o600);
    for name in files(&dir) {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
}
