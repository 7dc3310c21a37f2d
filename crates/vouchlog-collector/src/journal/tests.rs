//! What the journal promises, on a real disk.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::arrival::{Door, What};
use crate::testsupport::at;

mod damage;
mod sealing;
mod trouble;

const LIMIT: u64 = 1_000;
const SETTINGS: Settings = Settings {
    limit: LIMIT,
    min_free_bytes: 0,
    clock: || at(7),
    elapsed: || Duration::ZERO,
    randomness: || [3; 16],
    secret_check: [5; 8],
};

fn open(dir: &TempDir) -> Journal {
    Journal::open(dir.path(), SETTINGS).unwrap()
}

fn body(bytes: &'static [u8]) -> JournalEntry {
    JournalEntry::new(at(1), What::Arrived(Door::Records), Bytes::from_static(bytes))
}

/// Opens a journal whose other handles are dropped or about to be: its directory is free when its thread has ended.
async fn open_again(dir: &TempDir, settings: Settings) -> Result<Journal, JournalError> {
    for _ in 0..5_000 {
        match Journal::open(dir.path(), settings) {
            Err(JournalError::InUse) => tokio::time::sleep(Duration::from_millis(2)).await,
            opened => return opened,
        }
    }
    panic!("another handle of the journal is open");
}

async fn reopened(journal: Journal, dir: &TempDir) -> Journal {
    drop(journal);
    open_again(dir, Settings { clock: || at(8), ..SETTINGS }).await.unwrap()
}

fn places(journal: &Journal, from: u64) -> Vec<u64> {
    journal.read(from, usize::MAX).unwrap().into_iter().map(|(place, _)| place).collect()
}

fn put(key: &[u8], value: &[u8]) -> Changes {
    Changes { put: vec![(key.to_vec(), value.to_vec())], remove: vec![] }
}

/// Names of the files of a journal, in order.
fn files(dir: &TempDir) -> Vec<String> {
    let names = fs::read_dir(dir.path().join("journal")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits for the oldest file to be this one: files are forgotten after the caller has its answer.
async fn oldest_file_is(dir: &TempDir, name: &str) {
    for _ in 0..5_000 {
        if files(dir)[0] == name {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{:?}", files(dir));
}

#[tokio::test]
async fn what_was_taken_is_there_after_a_restart_until_it_is_settled() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
    for place in 0..5 {
        assert_eq!(journal.append(body(b"a body")).await, Ok(place));
    }
    journal.settle(4, 2, put(b"m1", b"x")).await.unwrap();
    let held = journal.held();

    let journal = reopened(journal, &dir).await;
    assert_eq!((journal.held(), journal.settled(), journal.first()), (held, 4, Some(2)));
    assert_eq!(places(&journal, 2), [2, 3, 4]);
    assert_eq!(places(&journal, 4), [4]);
    let read = journal.read(4, 1).unwrap().remove(0).1;
    let JournalEntry { at: came, what, body: read, .. } = read;
    assert_eq!((came, what, &read[..]), (at(1), What::Arrived(Door::Records), &b"a body"[..]));
    assert_eq!(journal.remembered(b"m"), [(b"m1".to_vec(), b"x".to_vec())]);
    assert_eq!(journal.append(body(b"next")).await, Ok(5));

    let changes = Changes { put: vec![], remove: vec![b"m1".to_vec()] };
    journal.settle(6, 6, changes).await.unwrap();
    let journal = reopened(journal, &dir).await;
    assert_eq!((journal.held(), journal.first()), (0, None));
    assert_eq!(journal.remembered(b"m"), []);
    assert_eq!(journal.append(body(b"on")).await, Ok(6), "positions are never used again");
}

#[tokio::test]
async fn a_full_journal_takes_no_bodies_and_still_takes_the_time() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
    journal.append(body(&[7; 900])).await.unwrap();
    let full = journal.append(body(&[7; 900])).await;
    assert!(matches!(full, Err(JournalError::Full { limit: LIMIT, .. })), "{full:?}");
    journal.append(JournalEntry::new(at(2), What::Tick, Bytes::new())).await.unwrap();
    journal.settle(1, 1, Changes::default()).await.unwrap();
    assert_eq!(journal.append(body(&[7; 900])).await, Ok(2));
}

#[tokio::test]
async fn what_was_turned_away_is_told_once_and_a_restart_does_not_forget_it() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
    journal.lost(3).await.unwrap();
    journal.lost(4).await.unwrap();
    let journal = reopened(journal, &dir).await;
    journal.lost(5).await.unwrap();
    journal.declare_losses().await.unwrap();
    journal.declare_losses().await.unwrap();
    let losses = |journal: &Journal, place| {
        let (_, entry) = journal.read(place, 1).unwrap().remove(0);
        assert_eq!(entry.what, What::Lost);
        serde_json::from_slice::<Losses>(&entry.body).unwrap()
    };
    assert_eq!(places(&journal, 0), [0]);
    assert_eq!(losses(&journal, 0), Losses { from: at(7), to: at(8), items: 12, attempts: 3 });
    let journal = reopened(journal, &dir).await;
    journal.declare_losses().await.unwrap();
    journal.lost(1).await.unwrap();
    let journal = reopened(journal, &dir).await;
    journal.declare_losses().await.unwrap();
    assert_eq!(places(&journal, 0), [0, 1]);
    assert_eq!(losses(&journal, 1), Losses { from: at(8), to: at(8), items: 1, attempts: 1 });
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let _journal = open(&dir);
    let second = Journal::open(dir.path(), SETTINGS);
    assert!(matches!(second, Err(JournalError::InUse)));
}

#[tokio::test]
async fn many_at_once_get_places_of_their_own() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), Settings { limit: u64::MAX, ..SETTINGS }).unwrap();
    let appends = (0..64).map(|_| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(body(b"")).await.unwrap() })
    });
    let mut taken = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        taken.push(append.await.unwrap());
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..64).collect::<Vec<_>>());
    assert_eq!(*journal.end().borrow(), 64);
    assert_eq!(places(&journal, 7), (7..64).collect::<Vec<_>>());
}

/// Seconds of monotonic time, and of a wall clock that is set at will.
static MONOTONIC: AtomicU64 = AtomicU64::new(0);
static WALL: AtomicU64 = AtomicU64::new(1_000_000);

#[tokio::test]
async fn the_journal_has_a_clock_of_its_own_that_nobody_can_set() {
    fn wall() -> Timestamp {
        at(i64::try_from(WALL.load(Ordering::Relaxed)).unwrap())
    }
    fn monotonic() -> Duration {
        Duration::from_secs(MONOTONIC.load(Ordering::Relaxed))
    }
    let dir = TempDir::new().unwrap();
    let settings = Settings { clock: wall, elapsed: monotonic, limit: u64::MAX, ..SETTINGS };
    let mut journal = Journal::open(dir.path(), settings).unwrap();
    let step = async |journal: &Journal, seconds: u64, wall: u64| {
        MONOTONIC.fetch_add(seconds, Ordering::Relaxed);
        WALL.store(wall, Ordering::Relaxed);
        let place = journal.append(JournalEntry::new(self::at(1), What::Tick, Bytes::new())).await.unwrap();
        journal.read(place, 1).unwrap()[0].1.steady
    };
    assert_eq!(step(&journal, 5, 1_000_005).await, at(1_000_005));
    assert_eq!(step(&journal, 5, 10).await, at(1_000_010), "the clock went back");
    assert_eq!(step(&journal, 5, 9_000_000).await, at(1_000_015), "and far ahead");
    // What was settled is forgotten; the time is not.
    journal.settle(3, 3, Changes::default()).await.unwrap();
    drop(journal);
    WALL.store(500_000, Ordering::Relaxed);
    journal = open_again(&dir, settings).await.unwrap();
    assert_eq!(step(&journal, 1, 500_000).await, at(1_000_016), "a restart with a clock that is behind");
    drop(journal);
    WALL.store(2_000_000, Ordering::Relaxed);
    journal = open_again(&dir, settings).await.unwrap();
    assert_eq!(step(&journal, 0, 2_000_000).await, at(2_000_000), "time went by while nothing ran");
}

#[tokio::test]
async fn files_are_left_behind_and_forgotten_when_nothing_in_them_is_needed() {
    const BODY: usize = 1 << 20;
    let dir = TempDir::new().unwrap();
    let settings = Settings { limit: u64::MAX, ..SETTINGS };
    let journal = Journal::open(dir.path(), settings).unwrap();
    let large: &'static [u8] = vec![9; BODY].leak();
    let mut expected = Vec::new();
    for place in 0..80 {
        journal.append(body(large)).await.unwrap();
        let key = format!("k{}", place % 7).into_bytes();
        journal.settle(place + 1, 0, put(&key, &place.to_be_bytes())).await.unwrap();
    }
    for place in 73..80_u64 {
        expected.push((format!("k{}", place % 7).into_bytes(), place.to_be_bytes().to_vec()));
    }
    expected.sort();
    let journal = reopened(journal, &dir).await;
    assert_eq!(files(&dir), ["00000001", "00000002", "00000003", "KEYS", "LOCK", "LOSSES", "MARK"]);
    assert_eq!(
        (journal.remembered(b""), journal.settled(), journal.first()),
        (expected.clone(), 80, Some(0))
    );
    assert_eq!(places(&journal, 0).len(), 80);
    journal.settle(80, 40, Changes::default()).await.unwrap();
    oldest_file_is(&dir, "00000002").await;
    let journal = reopened(journal, &dir).await;
    assert_eq!((journal.first(), journal.remembered(b"")), (Some(40), expected.clone()));
    assert_eq!(places(&journal, 40), (40..80).collect::<Vec<_>>());
    journal.settle(80, 80, Changes::default()).await.unwrap();
    oldest_file_is(&dir, "00000003").await;
    let journal = reopened(journal, &dir).await;
    assert_eq!((journal.held(), journal.first(), journal.remembered(b"")), (0, None, expected));
    assert_eq!(journal.append(body(b"")).await, Ok(80));
}

#[tokio::test]
async fn a_large_snapshot_is_written_rarely() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), Settings { limit: u64::MAX, ..SETTINGS }).unwrap();
    // 12 MiB are remembered, and each further change replaces one of them.
    let value = vec![5; 1 << 20];
    for n in 0..80_u64 {
        journal.settle(0, 0, put(&(n % 12).to_be_bytes(), &value)).await.unwrap();
    }
    // One snapshot was written, after 48 MiB: four times its size. Files of 32 MiB would have been two.
    oldest_file_is(&dir, "00000002").await;
    // The last one, when the process ends.
    let journal = reopened(journal, &dir).await;
    assert_eq!(files(&dir)[0], "00000003");
    assert_eq!(journal.remembered(b"").len(), 12);
}
