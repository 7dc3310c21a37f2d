//! What the journal promises, on a real disk.

use tempfile::TempDir;

use super::*;
use crate::arrival::{Door, What};
use crate::testsupport::at;

const LIMIT: u64 = 1_000;

fn open(dir: &TempDir) -> Journal {
    Journal::open(dir.path(), Settings { limit: LIMIT, clock: || at(7) }).unwrap()
}

fn body(bytes: &'static [u8]) -> Entry {
    Entry::new(at(1), What::Arrived(Door::Records), Bytes::from_static(bytes))
}

/// Lets go of a journal: its directory is free again when its thread has ended.
async fn reopened(journal: Journal, dir: &TempDir) -> Journal {
    drop(journal);
    loop {
        match Journal::open(dir.path(), Settings { limit: LIMIT, clock: || at(8) }) {
            Ok(journal) => return journal,
            Err(JournalError::InUse) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn places(journal: &Journal, from: u64) -> Vec<u64> {
    journal.read(from, usize::MAX).unwrap().into_iter().map(|(place, _)| place).collect()
}

#[tokio::test]
async fn what_was_taken_is_there_after_a_restart_until_it_is_settled() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
    for place in 0..5 {
        assert_eq!(journal.append(body(b"a body")).await, Ok(place));
    }
    let changes = Changes { put: vec![(b"m1".to_vec(), b"x".to_vec())], remove: vec![] };
    journal.settle(4, 2, changes).await.unwrap();
    let held = journal.held();

    let journal = reopened(journal, &dir).await;
    assert_eq!((journal.held(), journal.settled(), journal.first()), (held, Ok(4), Ok(Some(2))));
    assert_eq!(places(&journal, 0), [2, 3, 4]);
    assert_eq!(places(&journal, 4), [4]);
    assert_eq!(journal.read(4, 1).unwrap()[0].1, body(b"a body"));
    assert_eq!(journal.remembered(b"m").unwrap(), [(b"m1".to_vec(), b"x".to_vec())]);
    assert_eq!(journal.append(body(b"next")).await, Ok(5));

    let changes = Changes { put: vec![], remove: vec![b"m1".to_vec()] };
    journal.settle(6, 6, changes).await.unwrap();
    let journal = reopened(journal, &dir).await;
    assert_eq!((journal.held(), journal.first()), (0, Ok(None)));
    assert_eq!(journal.remembered(b"m").unwrap(), []);
    assert_eq!(journal.append(body(b"on")).await, Ok(6), "positions are never used again");
}

#[tokio::test]
async fn a_full_journal_takes_no_bodies_and_still_takes_the_time() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
    journal.append(body(&[7; 900])).await.unwrap();
    let full = journal.append(body(&[7; 900])).await;
    assert!(matches!(full, Err(JournalError::Full { limit: LIMIT, .. })), "{full:?}");
    journal.append(Entry::new(at(2), What::Tick, Bytes::new())).await.unwrap();
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
    let entries = journal.read(0, usize::MAX).unwrap();
    let [(0, entry)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry.what, What::Lost);
    let losses: Losses = serde_json::from_slice(&entry.body).unwrap();
    assert_eq!(losses, Losses { from: at(7), to: at(8), items: 12, attempts: 3 });
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let _journal = open(&dir);
    let second = Journal::open(dir.path(), Settings { limit: LIMIT, clock: || at(7) });
    assert!(matches!(second, Err(JournalError::InUse)));
}

#[tokio::test]
async fn many_at_once_get_places_of_their_own() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
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
}
